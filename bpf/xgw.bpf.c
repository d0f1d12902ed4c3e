/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The object that runs in the kernel: one XDP program per port role. A packet is parsed, judged, and leaves by
 * finish(), which counts. Read on in uplink.h (from outside) and vnet.h (out of a virtual network).
 *
 * The programs do not declare XDP frags: AF_XDP sockets take single buffers here, so a device whose MTU needs several
 * is refused by the kernel at attach time instead of being cut at run time.
 */
#include "bpf/uplink.h"
#include "bpf/verdict.h"
#include "bpf/vnet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int xgw_uplink(struct xdp_md *ctx)
{
	struct packet p = {};
	if (!begin(&p, ctx))
		return XDP_PASS;
	return finish(&p, from_outside(&p));
}

SEC("xdp")
int xgw_vnet(struct xdp_md *ctx)
{
	struct packet p = {};
	if (!begin(&p, ctx))
		return XDP_PASS;
	return finish(&p, from_vnet(&p));
}

/* Circuits have no forwarding of their own yet: what comes in is the kernel's. */
SEC("xdp")
int xgw_circuit(struct xdp_md *ctx)
{
	struct packet p = {};
	if (!begin(&p, ctx))
		return XDP_PASS;
	return finish(&p, VERDICT_PASS);
}
