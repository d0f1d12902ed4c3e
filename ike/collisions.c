/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do with a request of the peer while one of ours is in flight (RFC 7296 section 2.25): a
 * matrix with every cell written. Two new children at once are no collision of the RFC's, but
 * nobody wants both: when their selectors are the same, nonces decide as they do for a rekeying.
 */
#include "ike/ike_internal.h"

enum ours {
	OURS_NONE,	/* nothing, or liveness */
	OURS_NEW_CHILD, /* of one worker */
	OURS_NEW_FOR_ALL,
	OURS_REKEY_THIS,  /* the child that their request is about */
	OURS_REKEY_OTHER, /* another child */
	OURS_REKEY_IKE,
	OURS_DELETE_THIS,
	OURS_DELETE_OTHER,
	OURS_DELETE_IKE,
	OURS_COUNT,
};

#define YES  COLLISION_ANSWER
#define WAIT COLLISION_TEMPORARY_FAILURE
#define DUEL COLLISION_COMPARE_NONCES
#define BARE COLLISION_ANSWER_EMPTY
#define OVER COLLISION_FORGET_OURS
/* clang-format off */
static const uint8_t matrix[OURS_COUNT][EXCHANGES] = {
	/*                      NEW_CHILD                     REKEY_CHILD                    REKEY_IKE                    DELETE_CHILD                    DELETE_IKE                    LIVENESS */
	[OURS_NONE]         = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = YES,  [EXCHANGE_REKEY_IKE] = YES,  [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = YES,  [EXCHANGE_LIVENESS] = YES},
	[OURS_NEW_CHILD]    = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = YES,  [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_NEW_FOR_ALL]  = {[EXCHANGE_NEW_CHILD] = DUEL, [EXCHANGE_REKEY_CHILD] = YES,  [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_REKEY_THIS]   = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = DUEL, [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_REKEY_OTHER]  = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = YES,  [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_REKEY_IKE]    = {[EXCHANGE_NEW_CHILD] = WAIT, [EXCHANGE_REKEY_CHILD] = WAIT, [EXCHANGE_REKEY_IKE] = DUEL, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_DELETE_THIS]  = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = WAIT, [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = BARE, [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_DELETE_OTHER] = {[EXCHANGE_NEW_CHILD] = YES,  [EXCHANGE_REKEY_CHILD] = YES,  [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
	[OURS_DELETE_IKE]   = {[EXCHANGE_NEW_CHILD] = WAIT, [EXCHANGE_REKEY_CHILD] = WAIT, [EXCHANGE_REKEY_IKE] = WAIT, [EXCHANGE_DELETE_CHILD] = YES,  [EXCHANGE_DELETE_IKE] = OVER, [EXCHANGE_LIVENESS] = YES},
};
/* clang-format on */
#undef YES
#undef WAIT
#undef DUEL
#undef BARE
#undef OVER

static enum ours classify(const struct task *task, uint32_t spi_in)
{
	if (!task)
		return OURS_NONE;
	bool same = task->spi_in == spi_in;
	switch (task->row->id) {
	case EXCHANGE_NEW_CHILD: return task->worker ? OURS_NEW_CHILD : OURS_NEW_FOR_ALL;
	case EXCHANGE_REKEY_CHILD: return same ? OURS_REKEY_THIS : OURS_REKEY_OTHER;
	case EXCHANGE_REKEY_IKE: return OURS_REKEY_IKE;
	case EXCHANGE_DELETE_CHILD: return same ? OURS_DELETE_THIS : OURS_DELETE_OTHER;
	case EXCHANGE_DELETE_IKE: return OURS_DELETE_IKE;
	default: return OURS_NONE;
	}
}

/* `spi_in`: of the child that the peer's request is about, 0 = of none. */
enum collision collision_of(const struct ike_sa *sa, enum exchange_id theirs, uint32_t spi_in)
{
	enum ours ours = classify(sa->in_flight ? sa->tasks : NULL, spi_in);
	enum collision what = matrix[ours][theirs];
	if (what != COLLISION_ANSWER)
		sa->e->counters[IKE_COUNT_COLLISIONS]++;
	return what;
}

/*
 * Of two crossed exchanges the one with the lowest of the four nonces goes (RFC 7296
 * section 2.8.1): compared octet by octet, a nonce that ends first is the lower one.
 */
const struct nonce *nonce_lower(const struct nonce *a, const struct nonce *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	for (size_t i = 0; i < n; i++)
		if (a->b[i] != b->b[i])
			return a->b[i] < b->b[i] ? a : b;
	return a->len <= b->len ? a : b;
}

bool collision_lost(const struct nonce *ni, const struct nonce *nr, const struct nonce *rival)
{
	const struct nonce *mine = nonce_lower(ni, nr);
	return nonce_lower(mine, rival) == mine;
}
