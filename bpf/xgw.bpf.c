// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What runs in the kernel: one object, a program per port role. Reads top-down as the way of a
 * packet: uplink.h, vnet.h and circuit.h decide, verdict.h carries out and counts.
 *
 * The programs take buffers with fragments (xdp.frags), because drivers otherwise refuse to attach
 * at an MTU beyond one page. A packet that spans fragments goes to a worker where the kernel's
 * AF_XDP takes those (verdict.h), else it is passed to the kernel or dropped with a reason.
 */
#include "vmlinux.h"
#include "circuit.h"
#include "uplink.h"
#include "verdict.h"
#include "vnet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int xgw_uplink(struct xdp_md *xdp)
{
	struct packet p;

	return packet_begin(&p, xdp) ? finish(&p, uplink_decide(&p)) : XDP_PASS;
}

SEC("xdp.frags")
int xgw_vnet(struct xdp_md *xdp)
{
	struct packet p;

	return packet_begin(&p, xdp) ? finish(&p, vnet_decide(&p)) : XDP_PASS;
}

SEC("xdp.frags")
int xgw_circuit(struct xdp_md *xdp)
{
	struct packet p;

	return packet_begin(&p, xdp) ? circuit_finish(&p, circuit_decide(&p)) : XDP_PASS;
}

SEC("xdp.frags")
int xgw_link(struct xdp_md *xdp)
{
	struct packet p;

	return packet_begin(&p, xdp) ? link_finish(&p, link_decide(&p)) : XDP_PASS;
}
