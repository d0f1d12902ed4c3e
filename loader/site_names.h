/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites by name (fqdn): the names are looked up in /etc/hosts and by the servers of
 * /etc/resolv.conf, again when a record's time is over, and soon while a connection is down.
 * Another address moves the connections to that site, and nothing else of the gateway. All on the
 * loop.
 */
#ifndef XGW_LOADER_SITE_NAMES_H
#define XGW_LOADER_SITE_NAMES_H

#include "loader/daemon.h"

#include <jansson.h>

struct site_names;

int must_check site_names_open(struct site_names **out, struct daemon *d, struct fault *f);
void site_names_close(struct site_names *s);
/* Once a second: asks what is due, and carries out what waited for a reload. */
void site_names_second(struct site_names *s);
/* The daemon's model is another one. With a fault; what is known stays known. */
int must_check site_names_follow(struct site_names *s, struct fault *f);
/* Adds what is known of the site's name to a connection's document; nothing for a site without. */
void site_names_describe(const struct site_names *s, uint32_t site, json_t *connection);

#endif
