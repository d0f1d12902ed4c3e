/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPCP (RFC 1332) with name servers (RFC 1877): the client's address is the leased one, whatever it
 * asks for; no header compression.
 */
#include "p2s/ppp_internal.h"

enum ipcp_option {
	ADDRESS = 3,
	DNS_FIRST = 129,
	DNS_SECOND = 131,
};

static void request(struct ppp *p, struct writer *w)
{
	if (p->rules->own.family == IP_V4 && !p->no_own)
		ppp_option_write(w, ADDRESS, p->rules->own.b, 4);
}

static enum ppp_verdict judge_address(const struct ppp_option *o, const struct ip_addr *ours,
				      struct writer *nak)
{
	const struct ip_addr asked = ip_addr_from_bytes(IP_V4, o->data.at);
	if (ip_addr_equal(&asked, ours))
		return OPTION_ACK;
	ppp_option_write(nak, o->type, ours->b, 4);
	return OPTION_NAK;
}

static enum ppp_verdict judge(struct ppp *p, const struct ppp_option *o, struct writer *nak)
{
	const struct ip_addr *ours = o->type == ADDRESS	     ? &p->lease.v4
				     : o->type == DNS_FIRST  ? &p->rules->told.dns[0]
				     : o->type == DNS_SECOND ? &p->rules->told.dns[1]
							     : NULL;
	if (!ours || ours->family != IP_V4 || o->data.len != 4)
		return OPTION_REJECT;
	return judge_address(o, ours, nak);
}

static void missing(struct ppp *p, uint32_t seen, struct writer *nak)
{
	if (!(seen & 1u << ADDRESS))
		ppp_option_write(nak, ADDRESS, p->lease.v4.b, 4);
}

/* Our address is ours: it is said again. */
static void naked(struct ppp *p, const struct ppp_option *o)
{
	(void)p;
	(void)o;
}

static void rejected(struct ppp *p, const struct ppp_option *o)
{
	if (o->type == ADDRESS)
		p->no_own = true;
}

static void up(struct ppp *p, uint64_t now_ns, struct ppp_effects *e)
{
	(void)p;
	(void)now_ns;
	e->up = true;
}

const struct ppp_protocol_rules ppp_ipcp = {.protocol = PPP_IPCP,
					    .name = "IPCP",
					    .request = request,
					    .judge = judge,
					    .missing = missing,
					    .naked = naked,
					    .rejected = rejected,
					    .up = up,
					    .finished = ppp_network_finished};
