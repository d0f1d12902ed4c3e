/* SPDX-License-Identifier: Apache-2.0 */
/* Every exchange of IKEv2 that we start or answer: one row each. */
#include "ike/ike_internal.h"

#define IN(state)     (1u << (state))
#define LIVE	      (IN(SA_ESTABLISHED))
#define LIVE_OR_ENDED (IN(SA_ESTABLISHED) | IN(SA_REKEYED) | IN(SA_DELETING))

const struct exchange exchanges_v2[EXCHANGES] = {
	[EXCHANGE_SA_INIT] =
		{
			.id = EXCHANGE_SA_INIT,
			.kind = MESSAGE_SA_INIT,
			.name = "IKE_SA_INIT",
			.type = IKE_SA_INIT,
			.starts_in = IN(SA_HALF_OPEN),
			.request = v2_sa_init_request,
			.timeout = v2_sa_init_timeout,
			.story =
				"agree on algorithms and a shared secret; in the clear, so it has its own way in",
		},
	[EXCHANGE_AUTH] =
		{
			.id = EXCHANGE_AUTH,
			.kind = MESSAGE_AUTH,
			.name = "IKE_AUTH",
			.type = IKE_AUTH,
			.starts_in = IN(SA_AUTHENTICATING),
			.answered_in = IN(SA_HALF_OPEN),
			.request = v2_auth_request,
			.answer = v2_auth_answer,
			.finish = v2_auth_finish,
			.timeout = v2_auth_timeout,
			.story = "prove who we are, and make the first child SA",
		},
	[EXCHANGE_NEW_CHILD] =
		{
			.id = EXCHANGE_NEW_CHILD,
			.kind = MESSAGE_CHILD,
			.name = "CREATE_CHILD_SA (new child SA)",
			.type = IKE_CREATE_CHILD_SA,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_child_request,
			.answer = v2_child_answer,
			.finish = v2_child_finish,
			.timeout = v2_timeout,
			.story = "a child SA where there is none",
		},
	[EXCHANGE_REKEY_CHILD] =
		{
			.id = EXCHANGE_REKEY_CHILD,
			.kind = MESSAGE_CHILD,
			.name = "CREATE_CHILD_SA (rekey of a child SA)",
			.type = IKE_CREATE_CHILD_SA,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_child_request,
			.answer = v2_child_answer,
			.finish = v2_child_finish,
			.timeout = v2_timeout,
			.story =
				"a child SA in place of an old one, which its initiator then deletes",
		},
	[EXCHANGE_REKEY_IKE] =
		{
			.id = EXCHANGE_REKEY_IKE,
			.kind = MESSAGE_REKEY_IKE,
			.name = "CREATE_CHILD_SA (rekey of the IKE SA)",
			.type = IKE_CREATE_CHILD_SA,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_rekey_request,
			.answer = v2_rekey_answer,
			.finish = v2_rekey_finish,
			.timeout = v2_timeout,
			.story = "an IKE SA in place of the old one; the children move over",
		},
	[EXCHANGE_DELETE_CHILD] =
		{
			.id = EXCHANGE_DELETE_CHILD,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (delete of a child SA)",
			.type = IKE_INFORMATIONAL,
			.starts_in = LIVE,
			.answered_in = LIVE_OR_ENDED,
			.request = v2_delete_child_request,
			.answer = v2_delete_child_answer,
			.finish = v2_delete_child_finish,
			.timeout = v2_timeout,
			.story = "both halves of a child SA go",
		},
	[EXCHANGE_DELETE_IKE] =
		{
			.id = EXCHANGE_DELETE_IKE,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (delete of the IKE SA)",
			.type = IKE_INFORMATIONAL,
			.starts_in = IN(SA_REKEYED) | IN(SA_DELETING),
			.answered_in = LIVE_OR_ENDED,
			.request = v2_delete_ike_request,
			.answer = v2_delete_ike_answer,
			.finish = v2_delete_ike_finish,
			.timeout = v2_timeout,
			.story = "the IKE SA goes, and what it holds",
		},
	[EXCHANGE_LIVENESS] =
		{
			.id = EXCHANGE_LIVENESS,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (liveness)",
			.type = IKE_INFORMATIONAL,
			.starts_in = LIVE,
			.answered_in = LIVE_OR_ENDED,
			.request = v2_liveness_request,
			.answer = v2_liveness_answer,
			.finish = v2_liveness_finish,
			.timeout = v2_timeout,
			.story = "are you there",
		},
	[EXCHANGE_INTERMEDIATE] =
		{
			.id = EXCHANGE_INTERMEDIATE,
			.kind = MESSAGE_INTERMEDIATE,
			.name = "IKE_INTERMEDIATE",
			.type = IKE_INTERMEDIATE,
			.starts_in = IN(SA_AUTHENTICATING),
			.answered_in = IN(SA_HALF_OPEN),
			.request = v2_intermediate_request,
			.answer = v2_intermediate_answer,
			.finish = v2_intermediate_finish,
			.timeout = v2_intermediate_timeout,
			.story = "one more key exchange before anybody proves who it is",
		},
	[EXCHANGE_FOLLOWUP] =
		{
			.id = EXCHANGE_FOLLOWUP,
			.kind = MESSAGE_FOLLOWUP,
			.name = "IKE_FOLLOWUP_KE",
			.type = IKE_FOLLOWUP_KE,
			.starts_in = 0,
			.answered_in = LIVE,
			.answer = v2_followup_answer,
			.story = "one more key exchange of what the peer asked for before",
		},
	[EXCHANGE_UPDATE_ADDRESSES] =
		{
			.id = EXCHANGE_UPDATE_ADDRESSES,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (update of the addresses)",
			.type = IKE_INFORMATIONAL,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_update_request,
			.answer = v2_liveness_answer,
			.finish = v2_update_finish,
			.timeout = v2_timeout,
			.story = "the IKE SA and its children go on at other addresses",
		},
	[EXCHANGE_VERIFY_ADDRESS] =
		{
			.id = EXCHANGE_VERIFY_ADDRESS,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (return routability check)",
			.type = IKE_INFORMATIONAL,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_verify_request,
			.answer = v2_liveness_answer,
			.finish = v2_verify_finish,
			.timeout = v2_timeout,
			.story = "is the peer really where it says it moved to",
		},
	[EXCHANGE_TELL_ADDRESSES] =
		{
			.id = EXCHANGE_TELL_ADDRESSES,
			.kind = MESSAGE_INFORMATIONAL,
			.name = "INFORMATIONAL (additional addresses)",
			.type = IKE_INFORMATIONAL,
			.starts_in = LIVE,
			.answered_in = LIVE,
			.request = v2_tell_request,
			.answer = v2_liveness_answer,
			.finish = v2_tell_finish,
			.timeout = v2_timeout,
			.story = "where else we can be reached",
		},
};

static enum exchange_id create_child_of(const struct ike_message *in)
{
	if (ike_message_notify(in, NOTIFY_REKEY_SA))
		return EXCHANGE_REKEY_CHILD;
	return ike_message_has(in, PAYLOAD_TSI) ? EXCHANGE_NEW_CHILD : EXCHANGE_REKEY_IKE;
}

static enum exchange_id informational_of(const struct ike_message *in)
{
	for (unsigned i = 0; i < in->n_deletes; i++)
		if (in->deletes[i].protocol == PROTOCOL_IKE)
			return EXCHANGE_DELETE_IKE;
	return in->n_deletes ? EXCHANGE_DELETE_CHILD : EXCHANGE_LIVENESS;
}

enum exchange_id exchange_of(const struct ike_message *in)
{
	switch (in->h.exchange) {
	case IKE_AUTH: return EXCHANGE_AUTH;
	case IKE_CREATE_CHILD_SA: return create_child_of(in);
	case IKE_INFORMATIONAL: return informational_of(in);
	case IKE_INTERMEDIATE: return EXCHANGE_INTERMEDIATE;
	case IKE_FOLLOWUP_KE: return EXCHANGE_FOLLOWUP;
	default: return EXCHANGE_NONE;
	}
}
