/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's own structures. Who owns what: the engine owns connections and IKE SAs; a connection
 * owns its child SAs (so that they can outlive an IKE SA: rekeying moves them, draining detaches
 * them); an IKE SA owns its window and its tasks. Nothing is freed in the middle of a step: SAs die
 * by sa_set_state(SA_DEAD) and are freed when the public call ends.
 */
#ifndef XGW_IKE_IKE_INTERNAL_H
#define XGW_IKE_IKE_INTERNAL_H

#include "base/instant.h"
#include "base/log.h"
#include "ike/dh.h"
#include "ike/exchanges.h"
#include "ike/ike.h"
#include "ike/keys.h"
#include "ike/limits.h"
#include "ike/lookup.h"
#include "ike/message.h"
#include "ike/proposal.h"
#include "ike/protect.h"

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* ---- time (timers.c) ---- */

enum timer_kind { TIMER_SA, TIMER_CONNECTION };
struct timer {
	uint64_t at_ns;
	size_t slot; /* in the heap */
	enum timer_kind kind;
};
/* Binary heap; a registered timer always has its slot, so arming can't fail. */
struct timers {
	struct timer **at;
	size_t n, room;
};
int must_check timers_register(struct timers *t, struct timer *timer, enum timer_kind kind);
void timers_unregister(struct timers *t, struct timer *timer);
void timers_arm(struct timers *t, struct timer *timer, uint64_t at_ns);
uint64_t timers_next(const struct timers *t);

/* ---- IKE SA ---- */

enum sa_state {
	SA_HALF_OPEN,	   /* IKE_SA_INIT sent or answered */
	SA_AUTHENTICATING, /* initiator: IKE_AUTH sent */
	SA_ESTABLISHED,
	SA_REKEYED,   /* a successor took its children over; waits for its deletion */
	SA_DELETING,  /* our DELETE is out */
	SA_LINGERING, /* over; answers retransmissions from the stored response for a while */
	SA_DEAD,      /* freed at the end of the step */
	SA_STATES,
};

struct window {
	uint32_t next_id;     /* of our next request */
	uint32_t expected_id; /* of the peer's next request */
	/* each is one message, or its fragments one behind the other (IKEv2), which their own
	 * headers tell apart */
	struct bytes request;	/* ours in flight, owned; at == NULL: none */
	struct bytes response;	/* to the peer's last request, owned */
	uint64_t answered_hash; /* of that request, which a repetition must equal bit by bit */
	uint64_t first_sent_ns, resend_at_ns;
	unsigned sent; /* times the request in flight was sent */
};

struct nonce {
	uint16_t len;
	uint8_t b[LIMIT_NONCE];
};

/* The responder's half of CREATE_CHILD_SA. */
struct create_half {
	struct nonce ni, nr;
	uint8_t shared[DH_SHARED_MAX];
	size_t len; /* of shared; 0: no key exchange */
	uint64_t spi;
	uint16_t worker; /* of a child SA: whose, as in struct child_sa */
};

/* CREATE_CHILD_SA whose additional key exchanges are under way: v2_followup.c */
struct followup {
	struct ike_message first; /* what the peer sent of CREATE_CHILD_SA; points into plain */
	uint8_t *plain;
	uint8_t n, done, group[IKE_MAX_ADDITIONAL]; /* enum group_id */
	uint8_t link[LIMIT_LINK];		    /* the responder's, for the next request */
	size_t link_len;
	uint8_t more[IKE_MAX_ADDITIONAL * DH_SHARED_MAX];
	size_t more_len;
	struct dh *dh; /* initiator: our half of the one in flight */
	/* responder */
	enum exchange_id id; /* what was asked for */
	struct create_half half;
	uint64_t until_ns;
};

/* One of our exchanges, waiting or in flight. */
#define CROSSED_UNKNOWN 4
struct task {
	struct task *next;
	const struct exchange *row;
	uint64_t not_before_ns;
	uint32_t spi_in;  /* the child it is about, 0 = none */
	uint16_t worker;  /* EXCHANGE_NEW_CHILD: whose child it is to be, as in struct child_sa */
	unsigned repeats; /* after INVALID_KE_PAYLOAD */
	unsigned refused; /* after TEMPORARY_FAILURE and the like */
	bool again;	  /* finish() wants it tried once more */
	/* in flight */
	uint8_t group;	  /* enum group_id of our KE; DH_NONE = none sent */
	struct dh *dh;	  /* our half of it */
	uint32_t new_spi; /* of the child asked for */
	uint64_t new_ike_spi;
	struct nonce nonce;
	struct followup *followup; /* NULL: CREATE_CHILD_SA itself */
	/* the peer's exchange for the same thing that crossed this one (RFC 7296 section 2.8.1) */
	uint64_t rival;		  /* our SPI of what it made: child or IKE SA; 0 = none */
	struct nonce rival_nonce; /* the lower of its two */
	/* SPIs that the peer deleted meanwhile and that we don't have, in a ring (v2_crossed.c) */
	uint32_t unknown[CROSSED_UNKNOWN];
	unsigned n_unknown;
};

/* What IKE_SA_INIT leaves for IKE_AUTH; freed (and wiped) when authenticated. */
struct handshake {
	struct dh *dh;
	uint8_t group;
	unsigned restarts; /* after COOKIE or INVALID_KE_PAYLOAD */
	uint8_t cookie[LIMIT_COOKIE];
	size_t cookie_len;
	struct nonce ni, nr;
	struct bytes init_i, init_r; /* both IKE_SA_INIT messages, owned (RFC 7296 section 2.15) */
	uint32_t child_spi;
	bool childless;	      /* the peer takes IKE_AUTH without a child (RFC 6023) */
	uint16_t peer_hashes; /* bit n: the peer verifies signatures with hash n (RFC 7427) */
	struct {	      /* RFC 8784, v2_ppk.c */
		bool agreed;  /* both said USE_PPK */
		bool mixed;   /* sa->keys are with the PPK; `other` are those without */
		struct secret other[3]; /* SK_d, SK_pi, SK_pr */
	} ppk;
	struct {				/* RFC 9242 and 9370, v2_intermediate.c */
		uint8_t done;			/* exchanges, so many additional keys */
		bool keys_follow;		/* `next` holds once the answer is sealed */
		struct ike_keys next, previous; /* `previous` when done */
		size_t auth_len;		/* of each IntAuth */
		uint8_t auth[2]
			    [PRF_MAX]; /* IntAuth of the initiator's messages, of the responder's */
	} more;
	struct eap_rounds *eap; /* responder: EAP began, v2_eap.c */
	/* diagnosis */
	uint16_t notify; /* unauthenticated error that came instead of an answer, 0 = none */
	struct fault hint;
};

/* MOBIKE (RFC 4555): v2_mobike.c */
#define COOKIE2_BYTES 32
struct mobility {
	bool on; /* both ends said MOBIKE_SUPPORTED */
	/* what is still to be asked: UPDATE_SA_ADDRESSES, COOKIE2, our additional addresses */
	bool update, verify, tell;
	bool testing; /* the request in flight went out over other pairs of addresses too */
	bool spread;  /* the update did: the peer may have it from any of them */
	bool has_seen;
	uint8_t seen[20]; /* initiator: NAT_DETECTION_DESTINATION_IP as last received */
	uint8_t cookie[COOKIE2_BYTES];
	uint32_t generation, asked;	  /* of the addresses; at the request in flight */
	unsigned path;			  /* next pair to be tested */
	struct ip_endpoint local, remote; /* that the peer agreed to, or that it came from */
	uint8_t n_peers;
	struct ip_addr peers[IKE_MAX_ADDRESSES]; /* additional addresses of the peer */
};

struct ike_sa {
	struct ike *e;
	struct ike_sa *next;  /* of the connection */
	struct connection *c; /* NULL: half-open responder, lingering, or deleting after the fact */
	uint32_t connection_id; /* for effects, also when c is gone */
	struct ike_sa *next_touched;
	bool touched;
	struct timer timer;
	struct lookup_entry by_spi;  /* our SPI */
	struct lookup_entry by_init; /* responder: peer's SPI and address, until authenticated */
	bool in_init_table, is_half_open;
	struct ike_sa *next_all, *prev_all;

	enum sa_state state;
	bool is_initiator; /* of the original exchange: the I flag of what we send */
	uint64_t spi_i, spi_r;
	struct ip_endpoint local, remote;
	bool nat_local, nat_remote, encapsulate;
	/* RFC 9611: both said SA_RESOURCE_INFO with the first child; we did so first and make the
	 * children of the workers, up to what the peer takes */
	bool resources, resources_ours;
	uint16_t worker_limit;
	bool port_entropy;	   /* ESP in UDP from a port for each flow, both ways: v2_ports.c */
	bool fragmentation;	   /* both understand RFC 7383 */
	bool fragments_told;	   /* an event told of fragments dropped: one for each IKE SA */
	struct followup *followup; /* what the peer asked for; NULL: none is under way */
	struct reassembly *reassembly[2]; /* the peer's request, its response; v2_fragment.c */
	struct ike_chosen chosen;
	struct ike_keys keys;
	bool has_keys;
	struct identity remote_id;
	char program[IKE_PROGRAM]; /* of the peer by its vendor IDs; of whom answers only */
	struct handshake *handshake;
	struct window window;
	struct task *tasks; /* first may be in flight */
	bool in_flight;
	uint64_t created_ns, established_ns, heard_ns;
	/* behind a NAT: when something last went out, when the data path was last asked, and what
	 * it said */
	uint64_t sent_ns, looked_ns, esp_sent;
	uint32_t heard;					   /* authenticated new messages */
	uint64_t rekey_at_ns, expire_at_ns, give_up_at_ns; /* INSTANT_NEVER = none */
	uint64_t successor; /* our SPI of the IKE SA that replaced this one, 0 = none */
	uint64_t predecessor;
	uint64_t redundant_at_ns; /* a duplicate that its creator should delete; we do at this time
				   */
	uint32_t confirm_above;	  /* duplicate: `heard` must pass this before the other one goes */
	uint32_t rekeys;
	bool began; /* we are the initiator of the first of a row of rekeyed IKE SAs */
	struct mobility mobility;
	/* v2_reauth.c: when we authenticate anew, when it must have happened; our SPI of the IKE SA
	 * that this one is to replace, 0 = none */
	uint64_t reauth_at_ns, reauth_end_ns, replaces;
	/* v2_redirect.c: where the gateway sent us in INFORMATIONAL, and when we go */
	struct ip_addr redirect_to;
	uint64_t redirect_at_ns;
	bool childless; /* the peer's IKE_AUTH asked for no child (RFC 6023) */
	struct v1 *v1;	/* IKEv1: all that only it has; NULL: IKEv2 */
};

/* ---- child SA ---- */

enum child_state {
	CHILD_STANDBY,	/* inbound installed, outbound not used (yet) */
	CHILD_IN_USE,	/* the connection's outbound */
	CHILD_DELETING, /* our DELETE is queued or out; inbound still works */
	CHILD_DRAINING, /* both ends deleted it; inbound works until drain_until_ns */
};
struct child {
	struct child *next; /* of the connection */
	struct lookup_entry by_spi;
	struct connection *c;
	struct ike_sa *sa; /* NULL: draining */
	struct child_sa plain;
	uint8_t group; /* PFS of its own exchange */
	enum child_state state;
	bool alive;	      /* authenticated ESP came: the peer uses it */
	bool is_ours;	      /* our exchange made it */
	bool proven;	      /* the peer has our answer that made it, so it is installed there */
	bool deleted_by_peer; /* while our rekeying of it is on its way (v2_crossed.c) */
	uint32_t replaces, replaced_by; /* spi_in, 0 = none */
	uint64_t installed_ns, rekey_at_ns, expire_at_ns, drain_until_ns;
	/* IKEv1: the third message of quick mode is not here yet; outbound was on it; when
	 * outbound moves to it by itself */
	bool unconfirmed, used;
	uint64_t use_at_ns;
};

/* ---- connection ---- */

struct connection {
	struct connection *next, *prev;
	struct lookup_entry by_id;
	/* those of one remote address in the order in which they came; the first is in the table
	 * and knows the last */
	struct lookup_entry by_remote;
	struct connection *next_same, *prev_same, *last_same;
	/* list of those whose peer was once somewhere else than at its configured address */
	struct connection *next_moved;
	bool has_moved;
	struct ike_connection cfg;
	char *name;
	struct ike *e;
	struct timer timer;
	struct ike_sa *sas;
	struct child *children;
	/* spi_in of the child that carries outbound traffic: of any worker, and of worker n at
	 * n - 1; 0 = none */
	uint32_t current, lanes[IKE_MAX_WORKERS];
	bool wanted, refused; /* refused: ike_down, neither initiated nor answered */
	bool stands_by;	      /* ike_stand_by: nor is this, until ike_take_over */
	bool is_up;
	enum ike_state state;
	uint64_t since_ns, retry_at_ns;
	uint32_t attempts, failures;
	uint32_t rekeys_ike, rekeys_child;
	struct {			 /* RFC 5685: v2_redirect.c */
		struct ip_addr to, from; /* to.family IP_NONE: not redirected */
		uint64_t since_ns;
		unsigned n; /* since then */
	} redirect;
	/* a client's (clients.c): what it was made of, the list of those that are over */
	struct connection *template, *next_over;
	bool is_over;
	char user[EAP_USER], method[24], program[IKE_PROGRAM];
	struct ike_lease lease;
	struct fault last_error;
	uint64_t last_error_ns;
	struct { /* datagrams of its address since the attempt began that were of no use */
		uint32_t n;
		char what[80]; /* the last one */
	} stray;
	unsigned n_events, first_event;
	struct {
		uint64_t at_ns;
		char text[160];
	} events[IKE_EVENTS];
};

/* ---- engine ---- */

struct ike {
	struct ike_options options; /* defaults filled in */
	struct ike_random random;
	uint8_t hash_key[16];
	struct lookup by_spi, by_init, by_child, by_id, by_remote;
	struct connection *connections, *last_connection, *moved, *over;
	struct ike_sa *all; /* every IKE SA */
	struct timers timers;
	struct ike_sa *touched;
	uint32_t n_half_open, n_sas, n_eap;
	uint32_t next_test_spi;
	struct {
		uint8_t key[2][32]; /* now, before */
		uint64_t since_ns;
		uint8_t version;
	} cookie;
	struct log_limit strangers, replies;
	struct ike_viewer viewer; /* message NULL: none */
	uint64_t counters[IKE_COUNTERS];
	struct ip_addr own[IKE_MAX_ADDRESSES]; /* on the uplinks */
	uint8_t n_own;
	/* the public call under way */
	struct ip_endpoint arrived_local, arrived_remote; /* of the datagram */
	uint64_t now_ns;
	struct ike_effects *out;
	struct ike_effects none; /* where effects go when a call has no list */
};

/* effects.c: each needs e->out */
struct ike_effect *effects_add(struct ike *e, enum ike_effect_kind kind, uint32_t connection);
void effects_send(struct ike *e, uint32_t connection, const struct ip_endpoint *local,
		  const struct ip_endpoint *remote, struct bytes message);
void effects_keepalive(struct ike_sa *sa);
bool effects_child(struct ike *e, enum ike_effect_kind kind, const struct child_sa *child);
void effects_remove(struct ike *e, uint32_t connection, uint32_t spi_in);
void effects_fault(struct ike *e, enum ike_effect_kind kind, uint32_t connection,
		   const struct fault *f);

/* clear.c */
enum clear_way { CLEAR_SENT, CLEAR_RECEIVED };
void clear_show(const struct ike_sa *sa, const struct ike_header *h, uint8_t first,
		struct bytes inner, enum clear_way way);

/* timers.c */
void timers_free(struct timers *t);
void timers_request_sent(struct ike_sa *sa);
void timers_half_open(struct ike_sa *sa);
void timers_ike_established(struct ike_sa *sa);
void timers_ike_rekeyed(struct ike_sa *old);
void timers_child_installed(struct child *child);
void timers_ike_life(struct ike_sa *sa, uint64_t life_ns);
void timers_child_life(struct child *child, uint64_t life_ns);
uint64_t timers_resend_after(const struct ike *e, unsigned sent);
void timers_childless(struct ike_sa *sa);
void timers_task_refused(struct ike_sa *sa, struct task *task);
void timers_attempt_failed(struct connection *c);
void timers_reauth(struct ike_sa *sa, uint64_t life_ns);
void timers_reauthenticated(struct ike_sa *old, struct task *closing);
void timers_duplicate_found(struct ike_sa *loser);
uint64_t timers_soft(struct ike *e, uint64_t hard);
void timers_arm_sa(struct ike_sa *sa);
void timers_arm_connection(struct connection *c);
bool timers_run(struct ike *e);

/* engine.c */
void random_fill(struct ike *e, void *out, size_t n);

/* sa.c */
uint64_t sa_local_spi(const struct ike_sa *sa);
struct ike_sa *sa_by_spi(const struct ike *e, uint64_t local_spi);
struct ike_sa *sa_by_init(const struct ike *e, uint64_t spi_i, const struct ip_endpoint *remote);
void sa_index_init(struct ike_sa *sa);
uint64_t sa_new_spi(struct ike *e);
int must_check sa_new(struct ike *e, struct ike_sa **out, bool is_initiator, uint64_t local_spi);
void sa_set_state(struct ike_sa *sa, enum sa_state state, const char *why);
void sa_touch(struct ike_sa *sa);
void sa_attach(struct ike_sa *sa, struct connection *c);
void sa_detach(struct ike_sa *sa);
void sa_peer_moved(struct ike_sa *sa, const struct ip_endpoint *remote);
void sa_linger(struct ike_sa *sa, const char *why);
void sa_delete(struct ike_sa *sa, const char *why);
void sa_lost(struct ike_sa *sa, const struct fault *why);
void sa_gave_up(struct ike_sa *sa);
void sa_expired(struct ike_sa *sa);
void sa_free(struct ike_sa *sa);
void handshake_free(struct ike_sa *sa);

/* child.c */
struct child *child_by_spi(const struct ike *e, uint32_t spi_in);
struct child *child_by_spi_out(const struct ike_sa *sa, uint32_t spi_out);
uint32_t child_new_spi(struct ike *e);
int must_check child_new(struct child **out, struct ike_sa *sa, const struct child_sa *plain);
uint32_t *child_slot(struct connection *c, uint16_t worker);
bool connection_has_outbound(const struct connection *c);
void child_use(struct child *child);
void children_proven(struct ike_sa *sa);
bool worker_has_child(const struct ike_sa *sa, uint16_t worker);
void child_remove(struct child *child);
void child_retire(struct child *child);
void child_expired(struct child *child);
void children_retire(struct ike_sa *sa);
void children_drop(struct ike_sa *sa);
void children_move(struct ike_sa *from, struct ike_sa *to);
void children_update(struct ike_sa *sa);
struct child *connection_usable_child(const struct connection *c);

/* connection.c */
struct connection *connection_by_id(const struct ike *e, uint32_t id);
/*
 * The next after `after` (NULL: the first) of the connections that a peer at this address may mean:
 * those of the address, those whose peer moved (RFC 4555), then those of any. Its cost does not
 * depend on how many others there are.
 */
struct connection *connection_candidate(const struct ike *e, const struct ip_addr *remote,
					const struct connection *after);
/* Its peer may be found elsewhere from now on: an SA of it moved. */
void connection_moved(struct connection *c);
int must_check connection_new(struct ike *e, const struct ike_connection *cfg, struct fault *f);
/* As connection_new, of a template (may be NULL), without a look at the settings. */
int must_check connection_make(struct ike *e, const struct ike_connection *cfg,
			       struct connection *template, struct connection **out,
			       struct fault *f);
void connection_free(struct connection *c);
void connection_event(struct connection *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void connection_blame(struct connection *c, const struct fault *f);
void connection_failed(struct connection *c, const struct fault *f);
void connection_settle(struct connection *c, const struct fault *why);
unsigned connection_fits(const struct connection *c, const struct ip_endpoint *local,
			 const struct ip_endpoint *remote);
unsigned connection_fits_v1(const struct connection *c, const struct ip_endpoint *local,
			    const struct ip_endpoint *remote);
void connection_initiate(struct connection *c);

/* window.c */
struct task *task_add(struct ike_sa *sa, enum exchange_id row, uint32_t spi_in);
void task_first(struct ike_sa *sa, struct task *task);
struct task *task_add_worker(struct ike_sa *sa, uint16_t worker);
void task_free(struct task *task);
void tasks_free(struct ike_sa *sa);
void tasks_free_waiting(struct ike_sa *sa);
void tasks_move(struct ike_sa *from, struct ike_sa *to);
void tasks_forget_child(struct ike_sa *sa, uint32_t spi_in);
uint64_t task_earliest(const struct ike_sa *sa);
void window_free(struct window *w);
void window_pump(struct ike_sa *sa);
void window_resend(struct ike_sa *sa);
void window_restart(struct ike_sa *sa);
struct task *window_complete(struct ike_sa *sa);
void window_abandon(struct ike_sa *sa);
void window_timeout(struct ike_sa *sa);
void window_answered(struct ike_sa *sa, struct bytes request, struct bytes response);
void receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
	     struct bytes datagram);

/* collisions.c */
enum collision {
	COLLISION_ANSWER,	     /* as if nothing were */
	COLLISION_TEMPORARY_FAILURE, /* refuse; they try again later */
	COLLISION_COMPARE_NONCES,    /* answer; when both are done the lowest nonce loses */
	COLLISION_ANSWER_EMPTY,	     /* both delete: answer without naming ours */
	COLLISION_FORGET_OURS,	     /* answer; what we asked for is moot */
};
enum collision collision_of(const struct ike_sa *sa, enum exchange_id theirs, uint32_t spi_in);
const struct nonce *nonce_lower(const struct nonce *a, const struct nonce *b);
bool collision_lost(const struct nonce *ni, const struct nonce *nr, const struct nonce *rival);

/* duplicates.c */
void duplicates_found(struct connection *c);
void duplicates_settle(struct connection *c);
bool duplicates_any(const struct ike_sa *sa);
void duplicates_initial_contact(struct ike_sa *fresh);

/* diagnosis.c: sentences for people */
const char *diagnose_heard(const struct ike_sa *sa, char *out, size_t size);
void diagnose_unfinished(struct ike_sa *sa);
void diagnose_silence(const struct ike_sa *sa, struct fault *f);
void diagnose_refusal(const struct ike_sa *sa, uint16_t notify, bool authenticated,
		      struct fault *f);
void diagnose_selectors(const struct connection *c, const struct ike_message *in, struct fault *f);
void diagnose_version(struct ike *e, const struct ip_endpoint *local,
		      const struct ip_endpoint *remote, bool came_v1);
void diagnose_stranger(struct ike *e, const struct ip_endpoint *remote, const char *what);

/* selectors.c */
uint8_t selectors_narrow(const struct traffic_selector *ours, uint8_t n_ours,
			 const struct traffic_selector *theirs, uint8_t n_theirs,
			 struct traffic_selector *out);
bool selectors_within(const struct traffic_selector *inner, uint8_t n_inner,
		      const struct traffic_selector *outer, uint8_t n_outer);
void selectors_format(const struct traffic_selector *ts, uint8_t n, char *out, size_t size);

/* v2_*.c */
int draw_dh(struct ike *e, enum group_id group, struct dh **out);
/* The responder's half with the secret, which the caller wipes (dh_answer). */
int draw_dh_answer(struct ike *e, enum group_id group, struct bytes peer, struct dh **out,
		   uint8_t shared[DH_SHARED_MAX], size_t *len);
void add_nat_hashes(struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out);
void detect_nat(struct ike_sa *sa, const struct ike_message *in, const struct ip_endpoint *local,
		const struct ip_endpoint *remote);
void v2_sa_init_start(struct connection *c);
void v2_sa_init_start_at(struct connection *c, const struct ip_addr *local,
			 const struct ip_addr *remote, uint64_t replaces);
int v2_sa_init_request(struct ike_sa *sa, struct task *task, struct builder *out);
void v2_sa_init_timeout(struct ike_sa *sa, struct task *task);
void v2_sa_init_answer(struct ike *e, const struct ip_endpoint *local,
		       const struct ip_endpoint *remote, const struct ike_message *in);
void v2_sa_init_answered(struct ike_sa *sa, const struct ike_message *in);
int v2_auth_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_auth_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_auth_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
void v2_auth_timeout(struct ike_sa *sa, struct task *task);
int v2_child_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_child_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_child_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
int v2_rekey_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_rekey_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_rekey_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
void v2_rekey_overtaken(struct ike_sa *sa);
void v2_rekey_proven(struct ike_sa *rival);
/* Which IKE SA comes out of a rekeying of ours is open: replacing this one waits for it. */
bool v2_rekey_undecided(const struct ike_sa *sa);
int v2_delete_child_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_delete_child_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_without_child(struct ike_sa *sa);
void v2_delete_child_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
int v2_delete_ike_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_delete_ike_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_delete_ike_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
int v2_liveness_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_liveness_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_liveness_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
void v2_timeout(struct ike_sa *sa, struct task *task);

/* v2_proof.c: AUTH, CERT, CERTREQ */
struct proof { /* of a peer; what was found out about it so far */
	struct ike_sa *sa;
	const struct ike_message *in;
	const struct ike_id_payload *id;
	struct chain *chain;
	bool parsed, signature_done;
	int parse_err, signature_err;
	struct fault parse_fault, signature_fault;
	unsigned n_verdicts;
	struct {
		const struct trust *trust;
		int err;
		struct fault f;
	} verdict[LIMIT_PROOF_TRUSTS];
};
bool connection_has_certificates(const struct ike_connection *cfg);
void proof_announce(struct builder *out);
void proof_learn(struct handshake *h, const struct ike_message *in);
void proof_ask_stranger(const struct ike *e, const struct ip_endpoint *local,
			const struct ip_endpoint *remote, const struct handshake *h,
			struct builder *out);
int proof_possible(const struct ike_sa *sa, const struct ike_connection *cfg, struct fault *f);
void proof_add_certificates(const struct ike_connection *cfg, struct builder *out);
void proof_add_certreq(const struct ike_connection *cfg, struct builder *out);
/* What AUTH would hold with the keys as they are, for a peer without our PPK. 0 or -errno. */
int proof_add_no_ppk_auth(const struct ike_sa *sa, const struct ike_connection *cfg,
			  struct builder *out);
int proof_add_auth(const struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out);
void proof_begin(struct proof *p, struct ike_sa *sa, const struct ike_message *in);
int proof_check(struct proof *p, const struct ike_connection *cfg, const struct identity *came,
		struct fault *f);
void proof_end(struct proof *p);

/* By a key in place of a pre-shared one: EAP's. `id`: of the peer. */
bool proof_check_key(const struct ike_sa *sa, const struct secret *key,
		     const struct ike_id_payload *id, const struct ike_message *in);
int proof_add_key_auth(const struct ike_sa *sa, const struct identity *own,
		       const struct secret *key, struct builder *out);

/* vendors.c: what the vendor IDs say of the peer's program; nothing when `out` has a text already
 */
void vendors_take(const struct ike_message *in, char out[IKE_PROGRAM]);

/* clients.c */
struct client_login {
	const char *user, *method;
};
struct connection *client_connect(struct ike_sa *sa, struct connection *template,
				  const struct client_login *login, const struct ike_message *in,
				  struct fault *f);
void client_configure(const struct connection *c, struct builder *out);
void client_unused(struct connection *c);
void clients_reap(struct ike *e);
void clients_leave(struct connection *template,
		   void (*take_down)(struct connection *, const char *), const char *why);

/* v2_eap.c */
struct eap_rounds;
void eap_rounds_free(struct eap_rounds *r);
bool eap_offered(const struct ike_connection *cfg);
/* Whether this conversation began by that template; r may be NULL. */
bool eap_is_by(const struct eap_rounds *r, const struct connection *template);
int eap_begin(struct ike_sa *sa, struct connection *template, const struct ike_message *in,
	      struct builder *out);
int eap_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
/* v2_auth.c: the client is let in. `first`: what it asked for; AUTH of ours is written. */
int auth_accept_client(struct ike_sa *sa, struct connection *template,
		       const struct client_login *login, const struct ike_message *first,
		       struct builder *out);

/* v2_workers.c: a child for each worker (RFC 9611) */
void workers_ask(const struct ike_sa *sa, uint16_t worker, struct builder *out);
void workers_agreed(struct ike_sa *sa, const struct ike_message *in);
bool workers_agree(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
bool workers_wanted(const struct ike_sa *sa, uint16_t worker);
void workers_fill(struct ike_sa *sa);
void workers_stop(struct ike_sa *sa, const struct task *task, const char *why);
bool workers_place(const struct ike_sa *sa, const struct ike_message *in, uint16_t *worker);

/* v1_*.c: where IKEv1 is entered */
void v1_receive(struct ike *e, const struct ip_endpoint *local, const struct ip_endpoint *remote,
		struct bytes datagram);
void v1_start(struct connection *c);
void v1_pump(struct ike_sa *sa);
uint64_t v1_deadline(const struct ike_sa *sa);
bool v1_due(struct ike_sa *sa);
void v1_child_used(struct child *made);
void v1_delete_children(struct ike_sa *sa);
void v1_free(struct ike_sa *sa);
/* Name of the message that comes next. */
const char *v1_awaited(const struct ike_sa *sa);

/* v2_ppk.c: post-quantum pre-shared keys (RFC 8784) */
void ppk_ask(const struct ike_connection *cfg, struct builder *out);
void ppk_answer_stranger(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
int ppk_answered(struct ike_sa *sa, const struct ike_message *in, struct fault *f);
int ppk_mix(struct ike_sa *sa, const struct ike_connection *cfg);
void ppk_unmix(struct ike_sa *sa);
int ppk_add(struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out);
int ppk_settle(struct ike_sa *sa, const struct ike_message *in, struct fault *f);
int ppk_judge(struct ike_sa *sa, const struct ike_connection *cfg, const struct ike_message *in,
	      bool *without, struct fault *f);
void ppk_confirm(const struct ike_sa *sa, const struct ike_message *in, struct builder *out);

/* v2_followup.c: additional key exchanges behind CREATE_CHILD_SA (RFC 9370) */
void followup_free(struct followup *fu);
struct bytes followup_secrets(const struct followup *fu);
/* Initiator: its task begins anew. */
void followup_drop(struct task *task);
int followup_request(struct ike_sa *sa, struct task *task, struct builder *out);
/*
 * An answer without an error. 0: no key exchange is missing, *in is the answer to CREATE_CHILD_SA;
 * -EAGAIN: the task goes on with one more; else -errno with a fault.
 */
int must_check followup_answered(struct task *task, const struct ike_message **in,
				 enum proposal_kind kind, const struct ike_proposal *ours,
				 unsigned n, struct fault *f);
/* Responder: the rest of the answer, whose SA, nonce and KE the caller writes. 0 or -errno. */
int must_check followup_begin(struct ike_sa *sa, const struct ike_message *in, enum exchange_id id,
			      const struct ike_chosen *chosen, const struct create_half *half,
			      struct builder *out);
void followup_forget(struct ike_sa *sa);
int v2_followup_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
/* v2_child.c, v2_rekey.c: all secrets are there. 0 or -errno: nothing was made. */
int must_check v2_child_followed(struct ike_sa *sa, const struct followup *fu);
int must_check v2_rekey_followed(struct ike_sa *sa, const struct followup *fu);

/* v2_intermediate.c: additional key exchanges before IKE_AUTH (RFC 9242, RFC 9370) */
void intermediate_ask(const struct ike_connection *cfg, struct builder *out);
int intermediate_agree(const struct ike_chosen *chosen, const struct ike_message *in,
		       struct fault *f);
enum exchange_id intermediate_next(const struct ike_sa *sa);
void intermediate_note(struct ike_sa *sa, const struct ike_header *h, uint8_t first,
		       struct bytes inner);
void intermediate_sealed(struct ike_sa *sa);
/* Those that protect a repetition of the request answered last, which was of this exchange type. */
const struct ike_keys *intermediate_repeated_keys(const struct ike_sa *sa, uint8_t exchange);
#define INTERMEDIATE_AUTH (2 * PRF_MAX + 4)
struct bytes intermediate_auth(const struct ike_sa *sa, uint8_t out[INTERMEDIATE_AUTH]);
int v2_intermediate_request(struct ike_sa *sa, struct task *task, struct builder *out);
int v2_intermediate_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void v2_intermediate_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
void v2_intermediate_timeout(struct ike_sa *sa, struct task *task);

/* v2_fragment.c: messages in parts (RFC 7383) */
#define FRAGMENT_SEALED (2 * LIMIT_MESSAGE) /* a message and what its fragments add to it */
size_t fragment_limit(const struct ike_sa *sa);
int must_check fragment_seal(struct ike_sa *sa, const struct ike_header *h, uint8_t first,
			     struct bytes inner, uint8_t out[FRAGMENT_SEALED], size_t *len);
void fragment_send(struct ike_sa *sa, const struct ip_endpoint *local,
		   const struct ip_endpoint *remote, struct bytes messages);
int must_check fragment_open(struct ike_sa *sa, struct ike_message *m, uint8_t *plain, size_t room,
			     size_t *len);
bool fragment_repeats(struct ike_sa *sa, const struct ike_message *m);
void fragments_forget(struct ike_sa *sa, bool response);
void fragment_say(struct builder *out);

/* v2_mobike.c (RFC 4555) */
void mobike_say(const struct ike_sa *sa, struct builder *out);
bool mobike_agree(struct ike_sa *sa, const struct ike_message *in);
bool mobike_takes_port(const struct ike_sa *sa, const struct ike_message *in);
uint16_t mobike_nat_forbidden(const struct ike_sa *sa, const struct ike_message *in);
void mobike_probe(struct ike_sa *sa, struct builder *out);
void mobike_probed(struct ike_sa *sa, const struct ike_message *in);
void mobike_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
void mobike_heard(struct ike_sa *sa, const struct ip_endpoint *local,
		  const struct ip_endpoint *remote);
void mobike_test_paths(struct ike_sa *sa);
void mobike_succeed(const struct ike_sa *old, struct ike_sa *sa);
void mobike_own_changed(struct ike_sa *sa);
bool mobike_at(const struct connection *c, const struct ip_endpoint *local,
	       const struct ip_endpoint *remote);
int v2_update_request(struct ike_sa *sa, struct task *task, struct builder *out);
void v2_update_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
int v2_verify_request(struct ike_sa *sa, struct task *task, struct builder *out);
void v2_verify_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);
int v2_tell_request(struct ike_sa *sa, struct task *task, struct builder *out);
void v2_tell_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in);

/* v2_reauth.c */
void reauth_plan(struct ike_sa *sa);
void reauth_say(const struct ike_sa *sa, struct builder *out);
void reauth_told(struct ike_sa *sa, const struct ike_message *in);
bool reauth_pending(const struct ike_sa *sa);
bool reauth_under_way(const struct connection *c);
int reauth_due(struct ike_sa *sa);
void reauth_done(struct ike_sa *sa);

/* v2_redirect.c (RFC 5685) */
void redirect_say(const struct ike_sa *sa, struct builder *out);
bool redirect_by_init(struct ike_sa *sa, const struct ike_message *in, struct fault *f);
bool redirect_by_auth(struct ike_sa *sa, const struct ike_message *in);
void redirect_told(struct ike_sa *sa, const struct ike_message *in);
void redirect_due(struct ike_sa *sa);
/* What `old` was told and has not done yet is `sa`'s, which took its place. */
void redirect_move(struct ike_sa *old, struct ike_sa *sa);
void redirect_forget(struct connection *c);

/* v2_ports.c: ESP in UDP from a source port for each flow */
void ports_say(const struct ike_sa *sa, struct builder *out);
void ports_agree(struct ike_sa *sa, const struct ike_message *in);

/* v2_crossed.c: DELETEs that overtake the answer to our CREATE_CHILD_SA */
void crossed_note(struct ike_sa *sa, uint32_t spi_out);
bool crossed_gone(const struct task *task, uint32_t spi_out);
bool crossed_defer(const struct ike_sa *sa, struct child *child);
bool crossed_settle(struct ike_sa *sa, uint32_t spi_in);

/* v2_create.c */
int create_refuse(struct builder *out, uint16_t type);
int create_refuse_group(struct ike_sa *sa, enum group_id wanted, struct builder *out);
bool create_take_group(struct task *task, const struct ike_proposal *ours, unsigned n,
		       const struct ike_notify *error);
void create_failed(struct ike_sa *sa, struct task *task, struct fault *why);
void create_refused(struct ike_sa *sa, struct task *task, const struct ike_notify *error);

/* v2_child.c, shared with IKE_AUTH */
struct child_terms {
	struct ike_chosen chosen;
	uint32_t spi_in;
	bool is_ours; /* our exchange */
	uint16_t worker;
	struct bytes shared, ni, nr, more;
	uint8_t n_local, n_remote;
	struct traffic_selector local[CHILD_SA_MAX_TS], remote[CHILD_SA_MAX_TS];
};
int child_terms_narrow(const struct connection *c, const struct ike_message *in,
		       struct child_terms *t);
int child_terms_verify(const struct connection *c, const struct ike_message *in,
		       struct child_terms *t);
int child_from_terms(struct ike_sa *sa, const struct child_terms *t, struct child **out);

static inline struct bytes nonce_bytes(const struct nonce *n)
{
	return (struct bytes){n->b, n->len};
}
static inline bool nonce_set(struct nonce *n, struct bytes b)
{
	if (b.len < LIMIT_NONCE_LEAST || b.len > LIMIT_NONCE)
		return false;
	n->len = (uint16_t)b.len;
	__builtin_memcpy(n->b, b.at, b.len);
	return true;
}
void nonce_draw(struct ike *e, struct nonce *n);

#endif
