/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the gateways (point-to-site): by what they may log in, their addresses, and what the
 * maps hold of those that are there.
 */
#ifndef XGW_LOADER_CLIENTS_H
#define XGW_LOADER_CLIENTS_H

#include "control/config.h"
#include "control/plan.h"
#include "datapath/datapath.h"
#include "ike/ike.h"
#include "loader/credentials.h"
#include "loader/underlay.h"
#include "p2s/ppp.h"

struct clients;

/*
 * `plan` may be NULL, for who only wants to know what is wrong. `credentials` is borrowed and
 * outlives it. What is wrong with a file or a user is a finding, the first one is f's, too; both
 * may be NULL. 0, -EINVAL, -ENOMEM.
 */
int must_check clients_new(struct clients **out, const struct model *m, const struct plan *plan,
			   const struct credentials *credentials, struct config_findings *findings,
			   struct fault *f);
void clients_free(struct clients *c);
/* From now on leases are carried into these. */
void clients_serve(struct clients *c, const struct maps *maps, struct datapath *datapath,
		   struct underlay *underlay);

/* What the template of a gateway that has clients needs beside the model. */
void clients_template(const struct clients *c, uint32_t gateway, struct ike_connection *out);
/* IKE_CLIENT_GONE, or the end of an SSTP session. */
void clients_gone(struct clients *c, uint32_t connection);

/* What becomes of a gateway's clients with another configuration. */
enum clients_fate {
	CLIENTS_NONE,	  /* there were none and are none */
	CLIENTS_NEW,	  /* from now on */
	CLIENTS_GONE,	  /* no longer */
	CLIENTS_REPLACED, /* other addresses: all begin anew */
	CLIENTS_CHANGED,  /* other users or certificates: who may stay does */
	CLIENTS_SAME,
};
/* For all gateways of a model, that of `clients`. Borrowed. */
struct clients_change {
	const struct model *model;
	struct clients *clients;
	const enum clients_fate *fate;
	const uint32_t *was; /* former indices, MODEL_NONE: it is new */
};
/* Indices in the models that they were made of; MODEL_NONE: there is no such gateway. */
enum clients_fate clients_compare(const struct clients *c, uint32_t gateway,
				  const struct clients *old, uint32_t was);
/*
 * CHANGED: the next one behind `after` (0 at first) that may not stay: its user is gone or has
 * another password; or it came by a certificate and an authority is gone or certificates were
 * revoked since (it may be another one's, and then comes again); or it came by IKE and is offered
 * less than its SAs let pass. 0: nobody. `method` says how a
 * connection of the protocol authenticated, and as whom.
 */
uint32_t clients_cut_off(const struct clients *c, uint32_t gateway, const struct clients *old,
			 uint32_t was, uint32_t after, bool is_sstp,
			 const char *(*method)(void *owner, uint32_t connection, const char **user),
			 void *owner);
/* SAME (whole: everything) and CHANGED (leases alone) go over to the new one. */
void clients_adopt(struct clients *c, uint32_t gateway, struct clients *old, uint32_t was,
		   bool whole);
/* The model that it was made of is here now. */
void clients_rebase(struct clients *c, const struct model *m);
/*
 * SAME and CHANGED, before they go over: networks that no longer use the gateway forget its
 * clients. And after: those that use it now know them. 0 or -errno.
 */
void clients_leave_networks(const struct clients *c, uint32_t gateway, const struct clients *old,
			    uint32_t was);
int must_check clients_enter_networks(const struct clients *c, uint32_t gateway);

/* A client that has a lease. */
struct client_info {
	uint32_t connection, gateway; /* the model's */
	bool is_sstp;		      /* else it came by IKE */
	const char *name;	      /* "GATEWAY/USER" */
	struct ip_addr v4, v6;
};
/* What SSTP of a gateway needs, borrowed. -ENOENT: it has none. */
struct clients_sstp {
	const struct credential *credential;
	const struct eap_rules *eap;
	struct ppp_told told;
};
int clients_sstp(const struct clients *c, uint32_t gateway, struct clients_sstp *out);
/* A lease for who has authenticated by SSTP; nothing is routed to it yet. Given back by
 * clients_gone(). 0, or an error with a fault. */
int must_check clients_admit(struct clients *c, uint32_t gateway, const char *user,
			     struct client_info *out, struct fault *f);
/* Packets of these families flow from now on. */
int must_check clients_open(struct clients *c, uint32_t connection, uint32_t mtu, bool v4, bool v6);

/* Sessions that have to end now. */
struct client_due {
	struct client_info is;
	const char *why;
};
/* As clients_next(), each once. Of SSTP idleness and length are not told: its sessions know them.
 */
int clients_next_due(struct clients *c, uint32_t after, uint64_t now_ns, struct client_due *out);

/* Wrong passwords of a gateway's clients; nothing where it has none. */
struct guesses_count clients_guesses(const struct clients *c, uint32_t gateway);

/* By connection. -ENOENT. */
int clients_find(const struct clients *c, uint32_t connection, struct client_info *out);
/* By name; the first of several. -ENOENT. */
int clients_find_name(const struct clients *c, const char *name, struct client_info *out);
/* The one with the next larger id than `after`, 0 at first. -ENOENT behind the last. */
int clients_next(const struct clients *c, uint32_t after, struct client_info *out);

#endif
