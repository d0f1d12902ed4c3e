/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of an ISAKMP SA (IKEv1) beside what struct ike_sa has for both versions. There are no
 * windows here: each exchange of phase 2 has a message ID of its own, and a repetition is known by
 * the hash of the whole message.
 */
#ifndef XGW_IKE_V1_INTERNAL_H
#define XGW_IKE_V1_INTERNAL_H

#include "ike/ike_internal.h"
#include "ike/v1_keys.h"
#include "ike/v1_message.h"
#include "ike/v1_proposal.h"

/* How a peer does NAT traversal; the later, the better. */
enum v1_natt { V1_NATT_NONE, V1_NATT_DRAFT_02, V1_NATT_DRAFT_02N, V1_NATT_DRAFT_03, V1_NATT_RFC };

#define V1_RECENT 64 /* message IDs of the peer's finished exchanges that are remembered */

/* What main mode needs until it is done; wiped and freed then. */
struct v1_phase1 {
	struct dh *dh;
	struct nonce ni, nr;
	struct bytes sa_i; /* body of the initiator's SA payload, owned */
	uint8_t public_i[LIMIT_KE], public_r[LIMIT_KE], shared[DH_SHARED_MAX];
	size_t public_i_len, public_r_len, shared_len;
	struct v1_life life;
	uint8_t auth;	 /* enum v1_auth */
	uint16_t notify; /* unprotected error that came instead of an answer, 0 = none */
	struct fault hint;
	bool always; /* to pretend a NAT: which connection it is shows only later, the first that
			fits decides */
	bool told;   /* that its fifth message can't be read */
};

/* A quick mode: under way, or over and kept for repetitions of its last message. */
struct v1_quick {
	struct v1_quick *next;
	uint32_t id;
	bool is_ours;
	uint8_t expects; /* number of the message that comes next; 0 = over */
	uint8_t iv[V1_IV];
	uint64_t last_in; /* hash of the peer's last message */
	struct bytes out; /* our last message, owned */
	unsigned sent;
	uint64_t began_ns, first_sent_ns, resend_at_ns, forget_at_ns;
	struct nonce ni, nr;
	struct dh *dh;
	uint8_t group;
	uint32_t spi_in, replaces; /* our SPIs: of the child asked for, of the one it is for */
	struct traffic_selector local, remote;
};

struct v1 {
	struct v1_keys keys;
	struct v1_phase1 *phase1;
	uint8_t iv[V1_IV]; /* last block of phase 1 */
	uint8_t expects;   /* number of the message of main mode that comes next; 0 = done */
	uint64_t last_in;  /* hash of the peer's last message of main mode */
	uint8_t natt;	   /* enum v1_natt, of both */
	bool dpd;	   /* the peer knows RFC 3706 */
	struct v1_quick *quicks;
	unsigned n_quicks;
	uint32_t recent[V1_RECENT];
	unsigned n_recent;
	/* our question whether it is there, and the peer's */
	bool dpd_asked, dpd_came;
	uint32_t dpd_ours, dpd_theirs;
	unsigned dpd_sent;
	uint64_t dpd_first_ns, dpd_resend_ns;
	/* pairs of selectors that the peer refused, not to be asked for again before retry_ns */
	uint8_t refused[CHILD_SA_MAX_TS * CHILD_SA_MAX_TS / 8];
	uint64_t retry_ns;
};

/* One datagram of the peer, with the SA it belongs to. */
struct v1_arrival {
	struct ip_endpoint local, remote;
	struct bytes datagram;
};

/* v1_window.c: ways in and out */
uint64_t v1_message_hash(const struct ike *e, struct bytes b);
void v1_transmit(struct ike_sa *sa, struct bytes message);
bool v1_keep(struct bytes *into, struct bytes from);
void v1_drop(struct bytes *b);
/* The payloads of `inner`, encrypted, as a whole message. `iv` moves on. 0, -EMSGSIZE, -EIO. */
int must_check v1_seal(struct ike_sa *sa, uint8_t exchange, uint32_t id, uint8_t iv[V1_IV],
		       const struct builder *inner, uint8_t out[LIMIT_MESSAGE], size_t *len);
/* Decrypts and takes apart; `iv` moves on when that worked. 0 or -EBADMSG with a fault. */
int must_check v1_open(const struct v1_keys *k, const struct ike_chosen *chosen,
		       struct v1_message *m, uint8_t iv[V1_IV], uint8_t plain[LIMIT_MESSAGE],
		       struct fault *f);
/* What v1_open gave, to who may see it. */
void v1_show(const struct ike_sa *sa, const struct v1_message *m, const uint8_t *plain);
/*
 * HASH(1) or (2) in front of the payloads that `rest` holds: prf(SKEYID_a, ID | before | rest).
 */
int must_check v1_add_hash(struct ike_sa *sa, uint32_t id, struct bytes before,
			   const struct builder *rest, struct builder *out);
/* Whether the first payload is that hash over all that follow it. */
bool v1_hash_verifies(const struct ike_sa *sa, const struct v1_message *m, struct bytes before,
		      const uint8_t *plain);
void v1_malformed(struct ike_sa *sa, const struct ip_endpoint *remote, const struct fault *f);
bool v1_is_recent(const struct v1 *v, uint32_t id);
void v1_remember(struct v1 *v, uint32_t id);
uint32_t v1_new_id(struct ike_sa *sa);
void v1_heard(struct ike_sa *sa);
/* A clear notify, rarely, to a peer that no SA protects. */
void v1_refuse_clear(struct ike *e, const struct v1_arrival *a, const struct ike_header *h,
		     uint16_t type);

/* v1_main.c */
void v1_main_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a);
void v1_main_first(struct ike *e, const struct v1_message *m, const struct v1_arrival *a);
int must_check v1_main_begin(struct ike_sa *sa);
/* enum v1_auth */
uint8_t v1_method_of(const struct ike_connection *cfg);
void v1_main_refused(struct ike_sa *sa, uint16_t notify);
void v1_main_timeout(struct ike_sa *sa);
void v1_main_hint(struct ike_sa *sa, uint16_t notify);
void v1_phase1_free(struct v1 *v);

/* v1_auth.c: who the peer is, and how that is proven */
int must_check v1_auth_write(struct ike_sa *sa, struct builder *out, struct fault *f);
/* Initiator: the responder's identity and hash. 0 or -errno. */
int must_check v1_auth_check(struct ike_sa *sa, const struct v1_message *m, struct fault *f);
/*
 * Responder: finds the connection whose key opens the message, and whose peer it names; keys are
 * derived then. 0 or -errno with the reason why the nearest is not it.
 */
int must_check v1_auth_find(struct ike_sa *sa, struct v1_message *m, uint8_t iv[V1_IV],
			    uint8_t plain[LIMIT_MESSAGE], struct connection **out, struct fault *f);
/* Initiator: SKEYID and what follows, once both nonces are known. */
int must_check v1_auth_keys(struct ike_sa *sa, const struct ike_connection *cfg);

/* v1_proof.c: certificates and RSA signatures (RFC 2409 section 5.1) */
/* Adds our certificates and our signature of HASH_I or HASH_R. */
int must_check v1_proof_sign(const struct ike_sa *sa, struct bytes hash, struct builder *out,
			     struct fault *f);
/* Asks for a certificate of each authority that the peer may be judged by. */
void v1_proof_ask(const struct ike_sa *sa, struct builder *out);
/*
 * What a peer sent as proof. `sent` and `hash` are of one message; the signature is judged once,
 * the path once for each set of authorities.
 */
struct v1_proof {
	const struct ike_sa *sa;
	struct chain *chain;
	bool read, judged;
	int read_err, signature_err;
	struct fault read_fault, signature_fault;
	unsigned n_paths;
	struct {
		const struct trust *trust;
		int err;
		struct fault f;
	} path[LIMIT_PROOF_TRUSTS];
};
/* 0 when the peer, who says it is `came`, proved it to this connection. */
int must_check v1_proof_check(struct v1_proof *p, const struct ike_connection *cfg,
			      const struct v1_message *sent, struct bytes hash,
			      const struct identity *came, struct fault *f);
void v1_proof_end(struct v1_proof *p);

/* v1_natt.c: vendor IDs and NAT detection */
void v1_vendors_offer(struct builder *out);
void v1_vendors_answer(const struct ike_sa *sa, struct builder *out);
void v1_vendors_take(struct ike_sa *sa, const struct v1_message *m);
void v1_natt_write(struct ike_sa *sa, struct builder *out);
void v1_natt_detect(struct ike_sa *sa, const struct v1_message *m, const struct ip_endpoint *local,
		    const struct ip_endpoint *remote);
uint16_t v1_mode_of(const struct ike_sa *sa);

/* v1_quick.c */
void v1_quick_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a);
int v1_quick_begin(struct ike_sa *sa, struct task *task);
void v1_quick_refused(struct ike_sa *sa, uint16_t notify);
void v1_quick_life(struct ike_sa *sa, uint32_t spi_out, const struct v1_life *life);
void v1_quick_due(struct ike_sa *sa, struct v1_quick *q);
bool v1_quick_in_flight(const struct ike_sa *sa);
void v1_quicks_free(struct v1 *v);
void v1_child_succeeds(struct child *old);
/* A pair of selectors that has no child: asked for when we may. */
void v1_fill(struct ike_sa *sa);
bool v1_wants_child(const struct ike_sa *sa);

/* v1_info.c */
void v1_info_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a);
void v1_info_send(struct ike_sa *sa, const struct builder *payloads);
void v1_notify_send(struct ike_sa *sa, uint8_t protocol, uint32_t spi, uint16_t type);
int v1_delete_child(struct ike_sa *sa, struct task *task);
int v1_delete_ike(struct ike_sa *sa, struct task *task);
int v1_liveness(struct ike_sa *sa, struct task *task);
void v1_dpd_send(struct ike_sa *sa);

/* v1_sa.c: what follows when an ISAKMP SA is there, or is not */
struct v1 *v1_new(struct ike_sa *sa);
void v1_established(struct ike_sa *sa, bool initial_contact);
/* The SA that the connection's children belong to. */
struct ike_sa *v1_leading(const struct connection *c);
void v1_lost(struct ike_sa *sa, const struct fault *why);
void v1_deleted(struct ike_sa *sa, const struct fault *why);
int v1_rekey(struct ike_sa *sa, struct task *task);
/* When quick mode may begin that waits for a rekeying of the ISAKMP SA under way; 0 without one. */
uint64_t v1_turn_of_quick(const struct ike_sa *sa);
void v1_again(struct ike_sa *sa, enum exchange_id id, uint32_t spi_in, uint64_t not_before_ns);

/* exchanges_v1.c: the messages of main mode */
struct v1_step {
	const char *name;
	bool from_initiator, sealed;
	uint32_t must, may; /* bit set of enum v1_payload_type; NAT-D, VID and private always may */
	/* The peer's message. 0 or -errno: not taken, nothing has changed. */
	int (*take)(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		    struct fault *f);
	/* Ours: its payloads, in front of what is sealed. */
	int (*write)(struct ike_sa *sa, struct builder *out, struct fault *f);
};
#define V1_MAIN_MESSAGES 6
extern const struct v1_step v1_steps[V1_MAIN_MESSAGES + 1]; /* by number, from 1 */
int v1_take_sa_answer(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		      struct fault *f);
int v1_take_keys(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		 struct fault *f);
int v1_take_responder(struct ike_sa *sa, const struct v1_message *m, const struct v1_arrival *a,
		      struct fault *f);
int v1_write_sa_offer(struct ike_sa *sa, struct builder *out, struct fault *f);
int v1_write_keys(struct ike_sa *sa, struct builder *out, struct fault *f);

#endif
