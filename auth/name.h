/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinguished names (RFC 5280 section 4.1.2.4): text to DER and back, and whether one matches
 * another that may hold '*' for a value. The text is "C=DE, O=Example, CN=gw" or "/C=DE/CN=gw", in
 * the order of the encoding; a value may stand in quotes, and a backslash takes a character as it
 * is.
 */
#ifndef XGW_AUTH_NAME_H
#define XGW_AUTH_NAME_H

#include "base/bytes.h"

/* 0; -EINVAL when it is no name or does not fit. */
int name_from_text(uint8_t *out, size_t room, size_t *len, const char *text);
/* One line of ASCII, cut at `room`. 0 or -EINVAL. */
int name_format(struct bytes der, char *out, size_t room);
/* Types and their order equal; values equal without regard to case, string type and spaces. */
bool name_matches(struct bytes wanted, struct bytes came);
bool name_is_pattern(struct bytes der);

#endif
