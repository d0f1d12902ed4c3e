/* SPDX-License-Identifier: Apache-2.0 */
/* See message_rules.h. */
#include "ike/message_rules.h"

#include <errno.h>

#define P(type)	    (1ull << (PAYLOAD_##type - 32))
#define ALWAYS	    (P(NOTIFY) | P(VENDOR) | P(SK))
#define SELECTORS   (P(TSI) | P(TSR))
#define CREDENTIALS (P(CERT) | P(CERTREQ) | P(CP) | P(EAP))

struct rule {
	uint64_t needs, may; /* bit t - 32 of each payload type t, as in struct ike_message */
};

/* Request, response. */
static const struct rule rules[MESSAGE_KINDS][2] = {
	[MESSAGE_SA_INIT] = {{P(SA) | P(KE) | P(NONCE), ALWAYS},
			     {P(SA) | P(KE) | P(NONCE), ALWAYS | P(CERTREQ)}},
	[MESSAGE_AUTH] = {{0, ALWAYS | CREDENTIALS | P(IDI) | P(IDR) | P(AUTH) | P(SA) | SELECTORS},
			  {P(IDR) | P(AUTH), ALWAYS | CREDENTIALS | P(SA) | SELECTORS}},
	[MESSAGE_CHILD] = {{P(SA) | P(NONCE) | SELECTORS, ALWAYS | P(KE) | P(CP)},
			   {P(SA) | P(NONCE) | SELECTORS, ALWAYS | P(KE) | P(CP)}},
	[MESSAGE_REKEY_IKE] = {{P(SA) | P(NONCE) | P(KE), ALWAYS},
			       {P(SA) | P(NONCE) | P(KE), ALWAYS}},
	[MESSAGE_INTERMEDIATE] = {{P(KE), ALWAYS}, {P(KE), ALWAYS}},
	[MESSAGE_FOLLOWUP] = {{P(KE), ALWAYS}, {P(KE), ALWAYS}},
	[MESSAGE_INFORMATIONAL] = {{0, ALWAYS | P(DELETE) | P(CP)},
				   {0, ALWAYS | P(DELETE) | P(CP)}},
};

static const char *const names[] = {
	[PAYLOAD_SA - 33] = "SA",	  [PAYLOAD_KE - 33] = "KE",
	[PAYLOAD_IDI - 33] = "IDi",	  [PAYLOAD_IDR - 33] = "IDr",
	[PAYLOAD_CERT - 33] = "CERT",	  [PAYLOAD_CERTREQ - 33] = "CERTREQ",
	[PAYLOAD_AUTH - 33] = "AUTH",	  [PAYLOAD_NONCE - 33] = "Nonce",
	[PAYLOAD_NOTIFY - 33] = "Notify", [PAYLOAD_DELETE - 33] = "Delete",
	[PAYLOAD_VENDOR - 33] = "Vendor", [PAYLOAD_TSI - 33] = "TSi",
	[PAYLOAD_TSR - 33] = "TSr",	  [PAYLOAD_SK - 33] = "SK",
	[PAYLOAD_CP - 33] = "CP",	  [PAYLOAD_EAP - 33] = "EAP",
};

enum message_kind message_kind(const struct ike_message *m)
{
	switch (m->h.exchange) {
	case IKE_SA_INIT: return MESSAGE_SA_INIT;
	case IKE_AUTH: return MESSAGE_AUTH;
	case IKE_INFORMATIONAL: return MESSAGE_INFORMATIONAL;
	case IKE_INTERMEDIATE: return MESSAGE_INTERMEDIATE;
	case IKE_FOLLOWUP_KE: return MESSAGE_FOLLOWUP;
	case IKE_CREATE_CHILD_SA: break;
	default: return MESSAGE_KINDS;
	}
	return ike_message_has(m, PAYLOAD_TSI) || ike_message_has(m, PAYLOAD_TSR) ||
			       ike_message_notify(m, NOTIFY_REKEY_SA)
		       ? MESSAGE_CHILD
		       : MESSAGE_REKEY_IKE;
}

static const char *first_name(uint64_t set)
{
	unsigned i = (unsigned)__builtin_ctzll(set) - 1;
	return i < sizeof names / sizeof *names ? names[i] : "unknown";
}

/* A child comes whole: SA, TSi and TSr, or none of them. */
static uint64_t half_a_child(uint64_t present)
{
	uint64_t whole = P(SA) | SELECTORS, has = present & whole;
	return has ? whole & ~has : 0;
}

/* Only rounds of EAP, and AUTH at their end, go without IDi (RFC 7296 section 2.16). */
static uint64_t lacks_identity(uint64_t present, bool response)
{
	return response || present & (P(IDI) | P(EAP) | P(AUTH)) ? 0 : P(IDI);
}

int message_check(enum message_kind kind, const struct ike_message *m, struct fault *f)
{
	const char *name = exchange_type_name(m->h.exchange);
	if (kind >= MESSAGE_KINDS)
		return fault_set(f, -EPROTO, "exchange type %u is not known", m->h.exchange);
	bool response = ike_message_is_response(m);
	const char *direction = response ? "response" : "request";
	const struct rule *rule = &rules[kind][response];
	bool refusal = response && (ike_message_error(m) || (kind == MESSAGE_SA_INIT &&
							     ike_message_notify(m, NOTIFY_COOKIE)));
	if ((kind == MESSAGE_SA_INIT) == (m->sk_offset != 0))
		return fault_set(f, -EPROTO, "%s %s %s protected", name, direction,
				 m->sk_offset ? "is" : "is not");
	uint64_t extra = m->present & ~(rule->needs | rule->may);
	if (extra)
		return fault_set(f, -EPROTO, "%s %s with a payload that does not belong there: %s",
				 name, direction, first_name(extra));
	if (refusal)
		return 0;
	uint64_t missing = rule->needs & ~m->present;
	if (!missing && kind == MESSAGE_AUTH)
		missing = half_a_child(m->present) | lacks_identity(m->present, response);
	if (missing)
		return fault_set(f, -EPROTO, "%s %s without a payload that it must have: %s", name,
				 direction, first_name(missing));
	return 0;
}
