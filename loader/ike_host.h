/* SPDX-License-Identifier: Apache-2.0 */
/* The host of the IKE engine: its sockets, its timer, its randomness, and its effects carried out.
 */
#ifndef XGW_LOADER_IKE_HOST_H
#define XGW_LOADER_IKE_HOST_H

#include "control/plan.h"
#include "control/standby.h"
#include "datapath/datapath.h"
#include "ike/ike.h"
#include "loader/netlink.h"
#include "loader/underlay.h"

#include <event2/event.h>

struct ike_host;

struct ike_host_options {
	struct event_base *base;
	const struct model *model;
	const struct plan *plan;
	const struct maps *maps;
	struct datapath *datapath;
	struct underlay *underlay;
	struct netlink *netlink;
	const struct standby *standby; /* of its model's gateways */
};

/* Opens UDP 500 and 4500 on every gateway's public address and starts the connections. */
int must_check ike_host_start(struct ike_host **out, const struct ike_host_options *o,
			      struct fault *f);
/* Tells the peers that all is over; the datagrams are on their way when this returns. */
void ike_host_shutdown(struct ike_host *h);
void ike_host_free(struct ike_host *h);

/* What a person asks for. -EINVAL for an unknown verb, else the engine's errors, with a fault. */
int must_check ike_host_order(struct ike_host *h, const char *verb, uint32_t connection,
			      struct fault *f);
/* The host's addresses may have changed: IKE SAs with MOBIKE go on at what there is. */
void ike_host_addresses(struct ike_host *h);
/*
 * Gateways of this address stand by, with all their SAs gone and no peer told, as `why` says; or
 * work: those of their connections that are wanted begin at once, so many in each turn of the loop.
 */
void ike_host_stand_by(struct ike_host *h, const struct ip_addr *address, const char *why);
void ike_host_take_over(struct ike_host *h, const struct ip_addr *address);
/* Datagrams that came to an address while its gateway stood by, and were not looked at. */
uint64_t ike_host_unheard(const struct ike_host *h);
/* What the workers saw. */
void ike_host_expiring(struct ike_host *h, uint32_t spi_in);
void ike_host_alive(struct ike_host *h, uint32_t spi_in);
void ike_host_moved(struct ike_host *h, uint32_t spi_in, const struct ip_endpoint *from);

/*
 * For who captures: each IKE datagram that is sent or came; and messages in the clear, when `clear`
 * is not NULL, which only exported keys allow. NULL: nobody.
 */
struct ike_watch {
	void *owner;
	void (*datagram)(void *owner, const struct ike_shown *m);
	void (*clear)(void *owner, const struct ike_shown *m);
};
void ike_host_watch(struct ike_host *h, const struct ike_watch *w);

/* As ike_tell_keys(). */
int ike_host_keys(const struct ike_host *h, uint32_t connection, const struct ike_key_sink *sink);
/* For people, of a connection or a client; "?" when it is neither. */
const char *ike_host_name(const struct ike_host *h, uint32_t connection);
int ike_host_status(const struct ike_host *h, uint32_t connection, struct ike_status *out);
uint64_t ike_host_count(const struct ike_host *h, enum ike_counter c);

/* Those of all protocols; they end with the host. */
struct clients *ike_host_clients(const struct ike_host *h);
/* As clients_next(). */
struct client_info;
int ike_host_next_client(const struct ike_host *h, uint32_t after, struct client_info *out);
/* By name. -ENOENT. */
int ike_host_find_client(const struct ike_host *h, const char *name, uint32_t *connection);

/* ---- another configuration while it runs ---- */

struct ike_host_changes;
struct ike_host_counts {
	uint32_t added, removed, changed, kept; /* connections */
};
/*
 * What another model and plan mean, of which the plan was made behind this host's (plan_make). For
 * a thread of its own, while nobody changes the model, the plan and the connections' settings of
 * the host. changed: by VNet, see config_former_changed. 0 or with a fault.
 */
int must_check ike_host_compare(struct ike_host_changes **out, const struct ike_host *h,
				const struct model *m, const struct plan *p, const bool *changed,
				struct fault *f);
struct ike_host_counts ike_host_counts(const struct ike_host_changes *c);
/* For who else serves clients of that model, until ike_host_follow(). */
struct clients_change;
struct clients_change ike_host_clients_change(const struct ike_host_changes *c,
					      const struct model *m);
/* Back on the loop: what may fail, the sockets of new public addresses. With a fault, without
 * effect. */
int must_check ike_host_prepare(struct ike_host *h, const struct model *m, struct fault *f);
/* Ends what goes, and what has to begin anew. The host's model and plan are still those of before.
 */
void ike_host_withdraw(struct ike_host *h, const struct ike_host_changes *c);
/* They are the new ones: begins what is new. On failure, with the first fault, the rest is done. */
int must_check ike_host_follow(struct ike_host *h, struct ike_host_changes *c, struct fault *f);
/*
 * A site's address is another one: its connections end and begin anew, as after a reload that
 * changes it, but stay down where a person took them down. *address: the model's, changed here. Not
 * while the comparison above runs. On failure, with the first fault, the rest is done.
 */
int must_check ike_host_move_site(struct ike_host *h, uint32_t site, struct ip_addr *address,
				  const struct ip_addr *to, struct fault *f);
/* After that, or instead of it. */
void ike_host_changes_free(struct ike_host *h, struct ike_host_changes *c);

/* What a gateway's clients come by; slot: the plan's. */
int must_check ike_host_translate_clients(struct ike_connection *out, const struct model *m,
					  uint32_t gateway, uint32_t slot, struct fault *f);
/* Whether the engine would see the same, but for what it borrows. */
bool ike_host_same(const struct ike_connection *a, const struct ike_connection *b);
/* A connection of the model as the engine takes it; the caller wipes `psk`. Pure. */
int must_check ike_host_translate(struct ike_connection *out, const struct model *m,
				  const struct plan_connection *c, struct fault *f);

#endif
