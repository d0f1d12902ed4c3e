/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP source ports by flow: ESP in UDP (RFC 3948) has one pair of ports for all a tunnel carries,
 * so that everything behind us that spreads by ports (paths, NIC queues) sees one flow. Two
 * gateways that agree send each inner flow from a port of its own, as RFC 7510 section 3 does for
 * MPLS; the destination port stays. No RFC has a word for that agreement: a notify of the range for
 * private use, which all others ignore (RFC 7296 section 3.10.1), with a text of ours, since others
 * may mean something else by the same number.
 *
 * It is safe where no NAT stands between, since nothing else hangs on the source port of ESP: the
 * SPI says which SA it is and the ICV who sent it, and answers go where IKE's messages come from.
 * RFC 7296 section 2.23 follows a peer's port because a NAT may map it anew; where there is none,
 * only a change of the address is a move. A NAT would map each port anew, thousands for a tunnel,
 * and none of them be kept awake. So each end says this only where it finds none before itself:
 * that is what NAT_DETECTION_DESTINATION_IP tells it, also where the peer's source hash is false to
 * force encapsulation, so that of two that both say so neither has one.
 */
#include "ike/ike_internal.h"

#include <string.h>

static const char text[] = "xgw: ESP from a UDP port for each flow";

static bool wanted(const struct ike_sa *sa)
{
	return sa->c->cfg.port_entropy && sa->encapsulate;
}

static bool said(const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_XGW_FLOW_PORTS);
	return n && n->body.len == sizeof text - 1 && !memcmp(n->body.at, text, n->body.len);
}

/* In IKE_AUTH: NAT detection has been before. */
void ports_say(const struct ike_sa *sa, struct builder *out)
{
	if (wanted(sa) && !sa->nat_local)
		builder_notify(out, NOTIFY_XGW_FLOW_PORTS,
			       (struct bytes){(const uint8_t *)text, sizeof text - 1});
}

/* Before the first child is made, which takes it over. */
void ports_agree(struct ike_sa *sa, const struct ike_message *in)
{
	if (!wanted(sa))
		return;
	sa->port_entropy = !sa->nat_local && said(in);
	if (sa->port_entropy)
		return;
	connection_event(sa->c, "udpPortEntropy is off: %s",
			 sa->nat_local ? "a NAT stands before us, which would map every port anew"
				       : "the peer does not offer it: it is not set there, or a "
					 "NAT stands before it");
}
