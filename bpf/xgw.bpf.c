// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What runs in the kernel: one object, a program per port role.
 */
#include "vmlinux.h"
#include "maps/maps_bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int xgw_uplink(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

SEC("xdp.frags")
int xgw_vnet(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

SEC("xdp.frags")
int xgw_circuit(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}
