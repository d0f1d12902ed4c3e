/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People who log in by name and password. Of a password only its NT hash is kept (RFC 2759 section
 * 8.3), which is as good as the password: it is wiped when done and no function prints it.
 */
#ifndef XGW_AUTH_USERS_H
#define XGW_AUTH_USERS_H

#include "auth/mschapv2.h"
#include "base/fault.h"

#define USERS_MAX  4096
#define USERS_NAME 256 /* bytes, with the final 0 */

struct users;

/* 0; -ENOMEM; -ENOTSUP when OpenSSL has no MD4 and DES. */
int must_check users_new(struct users **out, struct fault *f);
void users_free(struct users *u);
/* `password` is UTF-8 and the caller's to wipe. -EEXIST, -ENOSPC above USERS_MAX, -EINVAL for a
 * name or a password that can't be used, -ENOMEM; each with a fault. */
int must_check users_add(struct users *u, const char *name, struct bytes password, struct fault *f);
bool users_has(const struct users *u, struct bytes name);
/* What the computations need. */
const struct mschapv2 *users_algorithms(const struct users *u);
/* The hash of a user, or NULL; the user's own name, as configured, through `name` (may be NULL). */
const uint8_t *users_hash(const struct users *u, struct bytes name, const char **own);

#endif
