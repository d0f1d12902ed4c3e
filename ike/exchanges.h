/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows' type: what an exchange is, when it may start and be answered, and its steps. The table
 * is exchanges_v2.c, the steps are v2_*.c, one file per row or family.
 */
#ifndef XGW_IKE_EXCHANGES_H
#define XGW_IKE_EXCHANGES_H

#include "base/bytes.h"
#include "ike/message_rules.h"

#include <stdbool.h>
#include <stdint.h>

enum exchange_id {
	EXCHANGE_SA_INIT,
	EXCHANGE_AUTH,
	EXCHANGE_NEW_CHILD,
	EXCHANGE_REKEY_CHILD,
	EXCHANGE_REKEY_IKE,
	EXCHANGE_DELETE_CHILD,
	EXCHANGE_DELETE_IKE,
	EXCHANGE_LIVENESS,
	EXCHANGE_INTERMEDIATE,
	EXCHANGE_FOLLOWUP,	   /* of the peer; ours is a step of its CREATE_CHILD_SA */
	EXCHANGE_UPDATE_ADDRESSES, /* begun by us; of the peer they count as EXCHANGE_LIVENESS */
	EXCHANGE_VERIFY_ADDRESS,
	EXCHANGE_TELL_ADDRESSES,
	EXCHANGES,
	EXCHANGE_NONE = EXCHANGES,
};

struct ike_sa;
struct task;
struct ike_message;
struct builder;

struct exchange {
	enum exchange_id id;
	const char *name;   /* for people */
	uint8_t type;	    /* enum ike_exchange_type */
	unsigned starts_in; /* bit set of enum sa_state */
	unsigned answered_in;
	enum message_kind
		kind; /* which payloads its messages must and may have (message_rules.c) */
	/* Writes the payloads of our request. 0; -ECANCELED: no longer called for; other -errno: it
	 * can't. */
	int (*request)(struct ike_sa *sa, struct task *task, struct builder *out);
	/* Writes the payloads of our answer and does what was asked. 0, or -errno: not answered, SA
	 * ends. */
	int (*answer)(struct ike_sa *sa, const struct ike_message *in, struct builder *out);
	/* The peer answered ours. The task is freed afterwards unless it was put back (task_again).
	 */
	void (*finish)(struct ike_sa *sa, struct task *task, const struct ike_message *in);
	/* The peer never answered. */
	void (*timeout)(struct ike_sa *sa, struct task *task);
	const char *story;
};

extern const struct exchange exchanges_v2[EXCHANGES];
extern const struct exchange exchanges_v1[EXCHANGES]; /* what only we begin (exchanges_v1.c) */

/* Which row a request is of; EXCHANGE_NONE when of none. */
enum exchange_id exchange_of(const struct ike_message *in);

#endif
