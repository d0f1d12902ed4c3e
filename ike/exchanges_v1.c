/* SPDX-License-Identifier: Apache-2.0 */
/* Every exchange of IKEv1 that we start, and every message of main mode: one row each. */
#include "ike/v1_internal.h"

#define IN(state) (1u << (state))
#define LIVE	  (IN(SA_ESTABLISHED))
#define BIT(type) (1u << (type))
/* without meaning for a pre-shared key, and without protection: let past */
#define CLEAR_EXTRAS (BIT(V1_CERTREQ) | BIT(V1_NOTIFY))

/*
 * `request` is called with no builder: what an exchange of IKEv1 sends, it sends by itself. 0:
 * begun or done; -ECANCELED: no longer called for; other -errno: it can't now.
 */
static int begin_quick(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)out;
	return v1_quick_begin(sa, task);
}
static int begin_rekey(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)out;
	return v1_rekey(sa, task);
}
static int begin_delete_child(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)out;
	return v1_delete_child(sa, task);
}
static int begin_delete_ike(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)out;
	return v1_delete_ike(sa, task);
}
static int begin_liveness(struct ike_sa *sa, struct task *task, struct builder *out)
{
	(void)out;
	return v1_liveness(sa, task);
}

const struct exchange exchanges_v1[EXCHANGES] = {
	[EXCHANGE_NEW_CHILD] = {.id = EXCHANGE_NEW_CHILD,
				.name = "quick mode (new IPsec SA)",
				.type = V1_QUICK,
				.starts_in = LIVE,
				.request = begin_quick,
				.story = "an IPsec SA for a pair of selectors that has none"},
	[EXCHANGE_REKEY_CHILD] = {.id = EXCHANGE_REKEY_CHILD,
				  .name = "quick mode (rekey of an IPsec SA)",
				  .type = V1_QUICK,
				  .starts_in = LIVE,
				  .request = begin_quick,
				  .story = "another IPsec SA for the same pair of selectors"},
	[EXCHANGE_REKEY_IKE] = {.id = EXCHANGE_REKEY_IKE,
				.name = "main mode (rekey of the ISAKMP SA)",
				.type = V1_MAIN,
				.starts_in = LIVE,
				.request = begin_rekey,
				.story = "another ISAKMP SA, which takes the IPsec SAs over"},
	[EXCHANGE_DELETE_CHILD] = {.id = EXCHANGE_DELETE_CHILD,
				   .name = "informational exchange (delete of an IPsec SA)",
				   .type = V1_INFORMATIONAL,
				   .starts_in = LIVE | IN(SA_REKEYED) | IN(SA_DELETING),
				   .request = begin_delete_child,
				   .story = "our inbound SPI is gone; nobody answers"},
	[EXCHANGE_DELETE_IKE] = {.id = EXCHANGE_DELETE_IKE,
				 .name = "informational exchange (delete of the ISAKMP SA)",
				 .type = V1_INFORMATIONAL,
				 .starts_in = LIVE | IN(SA_REKEYED) | IN(SA_DELETING),
				 .request = begin_delete_ike,
				 .story = "the ISAKMP SA is gone; nobody answers"},
	[EXCHANGE_LIVENESS] = {.id = EXCHANGE_LIVENESS,
			       .name = "informational exchange (R-U-THERE)",
			       .type = V1_INFORMATIONAL,
			       .starts_in = LIVE,
			       .request = begin_liveness,
			       .story = "are you there (RFC 3706)"},
};

const struct v1_step v1_steps[V1_MAIN_MESSAGES + 1] = {
	[1] = {.name = "main mode message 1 (proposals)",
	       .from_initiator = true,
	       .must = BIT(V1_SA),
	       .may = CLEAR_EXTRAS,
	       .write = v1_write_sa_offer},
	[2] = {.name = "main mode message 2 (choice)",
	       .must = BIT(V1_SA),
	       .may = CLEAR_EXTRAS,
	       .take = v1_take_sa_answer},
	[3] = {.name = "main mode message 3 (key exchange)",
	       .from_initiator = true,
	       .must = BIT(V1_KE) | BIT(V1_NONCE),
	       .may = CLEAR_EXTRAS,
	       .take = v1_take_keys,
	       .write = v1_write_keys},
	[4] = {.name = "main mode message 4 (key exchange)",
	       .must = BIT(V1_KE) | BIT(V1_NONCE),
	       .may = CLEAR_EXTRAS,
	       .take = v1_take_keys,
	       .write = v1_write_keys},
	[5] = {.name = "main mode message 5 (identity)",
	       .from_initiator = true,
	       .sealed = true,
	       .must = BIT(V1_ID),
	       .may = BIT(V1_HASH) | BIT(V1_SIG) | BIT(V1_CERT) | BIT(V1_CERTREQ) | BIT(V1_NOTIFY),
	       .write = v1_auth_write},
	[6] = {.name = "main mode message 6 (identity)",
	       .sealed = true,
	       .must = BIT(V1_ID),
	       .may = BIT(V1_HASH) | BIT(V1_SIG) | BIT(V1_CERT) | BIT(V1_CERTREQ) | BIT(V1_NOTIFY),
	       .take = v1_take_responder,
	       .write = v1_auth_write},
};
