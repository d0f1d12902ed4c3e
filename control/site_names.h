/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites that have a name in place of an address (fqdn): of which family the address is, which of an
 * answer's addresses is taken, which may be a peer's at all, and when the name is looked up again.
 */
#ifndef XGW_CONTROL_SITE_NAMES_H
#define XGW_CONTROL_SITE_NAMES_H

#include "base/fault.h"
#include "control/model.h"

#define SITE_NAME_MIN_SECONDS  30u
#define SITE_NAME_MAX_SECONDS  3600u
#define SITE_NAME_DOWN_SECONDS 5u /* while a connection to the site is down */

/*
 * families[i], for each of the sites: enum ip_family of the gateways that have connections to it;
 * IP_NONE when it has no name or no connection.
 */
void site_name_families(const struct model *m, uint8_t *families);
/* The site's address is not known yet: nobody is spoken to, nobody is answered. */
bool site_name_is_open(const struct model *m, uint32_t site);
/* What an address is that no peer can have, for people ("a loopback address"); NULL: it may be one.
 */
const char *site_name_fault(const struct ip_addr *a);
/*
 * Name of a connection that has this peer with the same identity at a gateway which the site has a
 * connection of, too: they could not be told apart. NULL: none.
 */
const char *site_name_rival(const struct model *m, uint32_t site, const struct ip_addr *a);
/* Index of the answer to take, of n > 0: the present address while it is there, else the first. */
uint32_t site_name_choose(const struct ip_addr *present, const struct ip_addr *answers, uint32_t n);
/* Until the next look, of a record with this TTL. */
uint32_t site_name_seconds(uint32_t ttl);
/* Of a reload: a name that `before` knew the address of has it in `now`, too. 0 or -ENOMEM. */
int must_check site_names_follow_model(struct model *now, const struct model *before);

#endif
