/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole interface of the IKE engine. A function of (state, event, now, random) to effects: it
 * owns no socket, no clock, no thread and no randomness of its own. Its host (loader/ike_host.c, or
 * the simulation) delivers datagrams, calls ike_expire() when ike_next_deadline() has come, and
 * carries out the effects in their order. Times are nanoseconds of one monotonic clock.
 */
#ifndef XGW_IKE_IKE_H
#define XGW_IKE_IKE_H

#include "base/addr.h"
#include "base/algorithms.h"
#include "base/bytes.h"
#include "base/child_sa.h"
#include "base/fault.h"
#include "base/secret.h"
#include "auth/credential.h"
#include "auth/eap.h"
#include "auth/identity.h"
#include "auth/trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Children with a worker of their own beside the one for all (RFC 9611); further workers share it.
 */
#define IKE_MAX_WORKERS 16

#define IKE_PORT      500
#define IKE_NATT_PORT 4500

/* Fills `n` bytes that nobody can predict (the shell: getrandom; the simulation: a seeded
 * generator). */
struct ike_random {
	void (*fill)(void *owner, uint8_t *out, size_t n);
	void *owner;
};

#define IKE_MAX_ADDITIONAL 7  /* key exchanges beside the first one */
#define IKE_MAX_PROPOSAL   16 /* transforms of one kind in one proposal */

/* One proposal of an IKE SA or of a child SA, ours to offer and to accept, in order of preference.
 */
struct ike_proposal {
	uint8_t n_encryption, n_integrity, n_prf, n_group;
	uint8_t encryption[IKE_MAX_PROPOSAL]; /* enum encryption_id */
	uint8_t integrity[IKE_MAX_PROPOSAL];  /* enum integrity_id; empty with an AEAD */
	uint8_t prf[IKE_MAX_PROPOSAL];	      /* enum prf_id; IKE SA only */
	uint8_t group[IKE_MAX_PROPOSAL];      /* enum group_id; child: PFS, empty = none */
	/* IKEv2: further key exchanges, all of them, in this order (RFC 9370); child: with PFS */
	uint8_t n_additional, additional[IKE_MAX_ADDITIONAL]; /* enum group_id */
	bool esn; /* child: offer extended sequence numbers (and accept without) */
};
#define IKE_MAX_PROPOSALS 8

/* Addresses of an end that MOBIKE chooses among. */
#define IKE_MAX_ADDRESSES 8

enum ike_mobike {
	IKE_MOBIKE_OFF,
	IKE_MOBIKE_ON,
	IKE_MOBIKE_WITHOUT_NAT, /* NO_NATS_ALLOWED: a move through a NAT is refused */
};

/* ---- clients (point-to-site) ---- */

/* Who proved itself and asks for an address. */
struct ike_client {
	uint32_t template;  /* the connection by which it came */
	const char *user;   /* as authenticated */
	const char *method; /* "EAP-MSCHAPv2", "certificate" */
	struct ip_endpoint remote;
	bool wants_v4, wants_v6;
	struct ip_addr wanted4, wanted6; /* what it would like; IP_NONE: anything */
};

struct ike_lease {
	uint32_t connection;   /* id of the connection that is made for the client: free */
	const char *name;      /* of that connection, for people; copied */
	struct ip_addr v4, v6; /* its addresses; IP_NONE: none of the family */
};

#define IKE_MAX_DNS 4
/* Makes a connection a template: see struct ike_connection. Borrowed, it outlives the engine. */
struct ike_clients {
	const struct eap_rules *eap; /* NULL: a certificate in IKE_AUTH only */
	uint8_t n_dns;
	struct ip_addr dns[IKE_MAX_DNS];
	/* 0, or -errno with the reason: the client is refused. What it gave is free again with
	 * IKE_CLIENT_GONE. */
	int (*lease)(void *owner, const struct ike_client *who, struct ike_lease *out,
		     struct fault *f);
	void *owner;
};

enum ike_start { IKE_START_BOTH, IKE_START_INITIATE, IKE_START_RESPOND };

/* A connection as IKE sees it. Copied by ike_add(); names are for people. */
struct ike_connection {
	uint32_t id;
	const char *name;
	struct ip_addr local, remote; /* remote.family IP_NONE: any address (responder only) */
	struct identity local_id,
		remote_id; /* remote_id kind IDENTITY_ANY accepts what authenticates */
	struct secret psk;
	/* RFC 8784: mixed into the keys with a peer that has it by this name; len 0: none */
	struct secret ppk;
	uint8_t ppk_id[64], ppk_id_len;
	bool require_ppk; /* nothing without it */
	/*
	 * Both or none: with them both ends authenticate by certificates, and psk is not used.
	 * Borrowed, several connections may share them; they outlive the engine.
	 */
	const struct credential *credential;
	struct trust *trust;
	/*
	 * A template: each peer that authenticates by it gets a connection of its own, that begins
	 * as its copy, with the address that it was leased as its remote traffic selector. `remote`
	 * is any, `credential` is needed; `trust` judges certificates in IKE_AUTH and may be NULL.
	 */
	const struct ike_clients *clients;
	bool rsa_pkcs1;	      /* our RSA signatures: PKCS#1 v1.5 instead of PSS */
	bool sha1_signatures; /* RSA with SHA-1, from and to a peer that knows nothing else */
	enum ike_start start;
	bool ikev1; /* RFC 2409 in place of RFC 7296 */
	uint8_t n_ike, n_child;
	struct ike_proposal ike[IKE_MAX_PROPOSALS], child[IKE_MAX_PROPOSALS];
	uint8_t n_local_ts, n_remote_ts;
	struct traffic_selector local_ts[CHILD_SA_MAX_TS], remote_ts[CHILD_SA_MAX_TS];
	uint64_t ike_lifetime_ns, child_lifetime_ns; /* hard; rekeyed before, with jitter */
	uint64_t child_lifetime_bytes;		     /* 0 = none */
	uint64_t child_lifetime_packets;	     /* 0 = none but the sequence number's */
	/* of our data path: with more than one, a child is asked for each (RFC 9611), when we are
	 * the initiator; 0: neither asked for nor agreed to */
	uint16_t workers;
	uint64_t dpd_timeout_ns; /* silence that ends the IKE SA; probes begin at a third of it; 0 =
				    no probes */
	bool always_encapsulate; /* fake NAT, so that ESP goes in UDP (udpEncapsulation: always) */
	bool port_entropy;	 /* ESP in UDP from a port for each flow, where the peer agrees */
	/* largest IP packet in bytes that a protected message of IKEv2 goes in before it is cut
	 * into fragments (RFC 7383); 0 = 1280; at least 576 */
	uint16_t fragment_mtu;
	enum ike_mobike mobike; /* RFC 4555: an IKE SA goes on at other addresses */
	bool childless;		/* RFC 6023: the children come after IKE_AUTH, where the peer can */
	/* After this time the peers authenticate anew, by a new IKE SA that replaces the old one
	 * with all its children; 0: never by ourselves */
	uint64_t reauth_ns;
	bool allow_redirect; /* RFC 5685: go where the peer sends us */
	bool stands_by;	     /* begins as ike_stand_by() leaves it */
	/* tests and compatibility */
	uint64_t retry_ns; /* pause before the next attempt after a failure; 0 = the default */
};

struct ike_options {
	uint32_t half_open_cookies;	 /* half-open SAs above which cookies are asked for; 0 = the
					    default */
	uint32_t max_half_open, max_sas; /* caps; 0 = the defaults */
	uint32_t max_workers;		 /* children of workers that a peer may ask for (RFC 9611);
					    0 = IKE_MAX_WORKERS, which is the most */
	uint32_t spi_base;		 /* tests: child SPIs count up from here; 0 = random */
	uint64_t retransmit_first_ns;	 /* 0 = the default */
	uint32_t retransmit_tries;	 /* 0 = the default */
	uint64_t keepalive_ns; /* silence after which a NAT in front of us is kept awake; 0 = 20 s
				*/
	/* How many ESP packets of the connection the data path has sent so far; NULL: not known */
	uint64_t (*esp_sent)(void *owner, uint32_t connection);
	void *esp_sent_owner;
	/* Seconds since 1970, for certificates; connections with certificates need it */
	int64_t (*wall_seconds)(void *owner);
	void *wall_owner;
};

enum ike_effect_kind {
	IKE_SEND, /* `datagram` to `remote` from `local`; on port 4500 the host adds nothing: the
		     marker is there */
	IKE_CHILD_INSTALL, /* `child`: inbound works from now on, outbound stands by */
	IKE_CHILD_USE,	   /* `child`: outbound traffic of the connection moves to this child */
	IKE_CHILD_REST,	   /* `child`, of one worker: that one shares the child of all again */
	IKE_CHILD_UPDATE,  /* `child`: outer addresses or encapsulation changed */
	IKE_CHILD_REMOVE,  /* `spi_in`: both directions gone */
	IKE_UP,		   /* connection `connection` is established (IKE SA and child) */
	IKE_DOWN,	   /* it no longer is; `fault` says why */
	IKE_FAILED, /* an attempt failed; `fault` says why; the engine tries again by itself if it
		       should */
	IKE_CLIENT_GONE, /* the connection of a client is no more: its id and its lease are free */
	IKE_EVENT,	 /* something for the connection's history: `fault.text` */
};

struct ike_effect {
	enum ike_effect_kind kind;
	uint32_t connection;
	struct ip_endpoint local, remote;
	struct bytes datagram;	/* owned by the effects list */
	struct child_sa *child; /* owned by the effects list, wiped with it */
	uint32_t spi_in;
	struct fault fault;
};

/* Grows up to a cap; owns what its entries point to. Empty it (ike_effects_clear) after carrying
 * out. */
struct ike_effects {
	struct ike_effect *at;
	size_t n, room;
	bool lost; /* memory ran out: an effect is missing (the peer's retransmission repairs it) */
};
void ike_effects_init(struct ike_effects *e);
void ike_effects_clear(struct ike_effects *e); /* keeps the room */
void ike_effects_free(struct ike_effects *e);

struct ike;

/* 0 or -ENOMEM. `random` is copied. */
int must_check ike_new(struct ike **out, const struct ike_options *options,
		       const struct ike_random *random);
/* Frees all and wipes keys; tells nobody (see ike_shutdown). */
void ike_free(struct ike *e);

/* Whether ike_add() would take it: 0 or -EINVAL with a fault. */
int must_check ike_check(const struct ike_connection *c, struct fault *f);
/* Adds a connection (idle until ike_up or a peer). -EEXIST when the id is taken, -EINVAL with a
 * fault. */
int must_check ike_add(struct ike *e, const struct ike_connection *c, struct fault *f);
/* Deletes its SAs (peers are told) and forgets it: the id is free at once, and nothing that the
 * connection borrowed is used any more. Of a template: its clients, too. */
void ike_remove(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out);
/*
 * Other settings of a template (`clients`) by its id, at the same local address: clients that are
 * there stay, those that are just authenticating begin anew. Then what the old settings borrowed is
 * free. -ENOENT, -EINVAL with a fault.
 */
int must_check ike_change(struct ike *e, const struct ike_connection *c, uint64_t now_ns,
			  struct ike_effects *out, struct fault *f);
/* Wants it up: initiates unless start is IKE_START_RESPOND; stays wanted (retries) until ike_down.
 */
int ike_up(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out);
/* Deletes its SAs and no longer initiates nor answers it. */
int ike_down(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out);
/* Rekeys child SAs and the IKE SA now. -ENOTCONN when there are none. */
int ike_rekey(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out);
/* IKEv2: a new IKE SA with children of its own replaces the old one, now. -ENOTCONN when there is
 * none that we can replace: none at all, or we can't begin one. */
int ike_reauthenticate(struct ike *e, uint32_t connection, uint64_t now_ns,
		       struct ike_effects *out);
/*
 * Two hosts have this connection, and its local address went to the other one. Every SA at that
 * address is forgotten with its keys, and no peer is told: what the address says is no longer ours
 * to say. Its connections neither begin nor answer anything, whatever they are told, and stay
 * wanted; clients of templates are gone. `why` is for people.
 */
void ike_stand_by(struct ike *e, const struct ip_addr *local, const char *why, uint64_t now_ns,
		  struct ike_effects *out);
/*
 * The address is here (again): the connection answers, and when it is wanted begins at once, as who
 * has no SA with the peer (INITIAL_CONTACT). 1: it stood by, 0: it did not; -ENOENT.
 */
int ike_take_over(struct ike *e, uint32_t connection, uint64_t now_ns, struct ike_effects *out);
/* Deletes every SA of every connection: DELETE payloads go out once, nothing is waited for. */
void ike_shutdown(struct ike *e, uint64_t now_ns, struct ike_effects *out);

/* A UDP datagram as received; `local.port` tells 500 from 4500, where the non-ESP marker is still
 * on. */
void ike_receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
		 struct bytes datagram, uint64_t now_ns, struct ike_effects *out);
/* The data path reached a soft limit: rekey this child. */
void ike_child_expiring(struct ike *e, uint32_t spi_in, uint64_t now_ns, struct ike_effects *out);
/* ESP of this child authenticated since the last call: counts as a sign of life (RFC 7296
 * section 2.4). */
void ike_child_alive(struct ike *e, uint32_t spi_in, uint64_t now_ns);
/*
 * Authenticated ESP in UDP of this child, with a sequence number newer than all before, came from
 * `remote`. When a NAT stands in front of the peer and none in front of us, the IKE SA and its
 * children follow (RFC 7296 section 2.23): IKE_CHILD_UPDATE. Else nothing happens.
 */
void ike_child_moved(struct ike *e, uint32_t spi_in, const struct ip_endpoint *remote,
		     uint64_t now_ns, struct ike_effects *out);
/*
 * Our addresses on the uplinks: all of them, at start and whenever they change; the first
 * IKE_MAX_ADDRESSES count. IKE SAs with MOBIKE (RFC 4555) move when theirs is gone. The host can
 * send and receive at all of them.
 */
void ike_addresses(struct ike *e, const struct ip_addr *own, unsigned n, uint64_t now_ns,
		   struct ike_effects *out);
/* Earliest time at which ike_expire has something to do; INSTANT_NEVER when none. O(1). */
uint64_t ike_next_deadline(const struct ike *e);
void ike_expire(struct ike *e, uint64_t now_ns, struct ike_effects *out);

enum ike_state { IKE_STATE_IDLE, IKE_STATE_CONNECTING, IKE_STATE_ESTABLISHED };

#define IKE_EVENTS	     10
#define IKE_MAX_CHILD_STATUS 36
struct ike_child_status {
	uint32_t spi_in, spi_out;
	uint16_t worker;   /* as in struct child_sa */
	char proposal[96]; /* printed names, "AES256GCM16" or "AES256-SHA256-MODP2048" */
	uint8_t encapsulation;
	bool port_entropy;
	uint64_t rekey_at_ns, installed_ns;
	uint8_t n_local_ts, n_remote_ts;
	struct traffic_selector local_ts[CHILD_SA_MAX_TS], remote_ts[CHILD_SA_MAX_TS];
};
#define IKE_PROGRAM 64
struct ike_status {
	enum ike_state state;
	bool wanted;
	uint64_t since_ns;		  /* of the state */
	struct ip_endpoint local, remote; /* of the IKE SA, or as configured */
	char proposal[128];		  /* "AES256GCM16-PRFSHA256-ECP256"; empty when not up */
	char remote_id[128];
	bool nat_local, nat_remote; /* a NAT in front of us / of the peer was found */
	bool is_initiator;
	uint64_t spi_i, spi_r;
	uint64_t rekey_at_ns;
	uint32_t rekeys_ike, rekeys_child;
	uint32_t attempts;
	struct fault last_error; /* code 0 = none since the last success */
	uint64_t last_error_ns;
	/* of a client: who it is, how it proved it, its addresses; else empty */
	char user[EAP_USER], method[24];
	char program[IKE_PROGRAM]; /* what its vendor IDs say, empty when they say nothing */
	struct ip_addr address4, address6;
	unsigned n_children;
	struct ike_child_status children[IKE_MAX_CHILD_STATUS];
	unsigned n_events; /* oldest first */
	struct {
		uint64_t at_ns;
		char text[160];
	} events[IKE_EVENTS];
};
/* 0 or -ENOENT. */
int ike_status(const struct ike *e, uint32_t connection, struct ike_status *out);

/*
 * Keys for a packet analyser: whoever calls this is allowed to. IKE SAs of IKEv2 and child SAs of
 * one connection; the callee wipes what it copies. -ENOENT.
 */
struct ike_key_sink {
	void *owner;
	/* with an AEAD ai and ar are empty and the salt stands behind the key */
	void (*ike)(void *owner, uint64_t spi_i, uint64_t spi_r, enum encryption_id encryption,
		    enum integrity_id integrity, const struct secret *ei, const struct secret *er,
		    const struct secret *ai, const struct secret *ar);
	void (*child)(void *owner, const struct child_sa *child);
};
int ike_tell_keys(const struct ike *e, uint32_t connection, const struct ike_key_sink *sink);

/*
 * Messages in the clear, for a packet analyser: whoever sets a viewer is allowed to see them. Each
 * protected message is shown once, when it is sealed or when it was opened, whole also when it goes
 * in fragments: an IKE header and the payloads as if they had never been encrypted.
 */
struct ike_shown {
	uint32_t connection; /* 0: not known yet */
	bool sent;	     /* by us */
	const struct ip_endpoint *local, *remote;
	struct bytes message; /* valid during the call, and wiped behind it */
};
struct ike_viewer {
	void *owner;
	void (*message)(void *owner, const struct ike_shown *m);
};
/* Copied; NULL: nobody any more. */
void ike_show(struct ike *e, const struct ike_viewer *viewer);

/* Counters of the engine, one row each in ike/counters.def: IKE_COUNTER(id, name, text). */
enum ike_counter {
#define IKE_COUNTER(id, name, text) IKE_COUNT_##id,
#include "ike/counters.def"
#undef IKE_COUNTER
	IKE_COUNTERS
};
uint64_t ike_count(const struct ike *e, enum ike_counter c);

#endif
