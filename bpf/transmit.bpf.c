// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sends a worker's packets as XDP frames: see maps/transmit.h. Never attached to a port. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bounds.h"
#include "maps/transmit.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, XGW_TRANSMIT_FRAME);
	__uint(max_entries, 1); /* raised to the UMEM's size before load */
} frames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xgw_transmit);
	__uint(max_entries, 1);
} orders SEC(".maps");

static __always_inline struct xgw_transmit *transmit(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&orders, &zero);
}

static __always_inline int refuse(struct xgw_transmit *t)
{
	t->refused++;
	return XDP_DROP;
}

SEC("xdp")
int xgw_transmit(struct xdp_md *xdp)
{
	struct xgw_transmit *t = transmit();
	struct xgw_transmit_order *o;
	__u32 frame, offset, len;
	__u8 *from;

	if (!t)
		return XDP_DROP;
	o = &t->order[t->next++ & (XGW_TRANSMIT_ORDERS - 1)];
	frame = o->frame;
	offset = o->offset;
	len = o->len;
	from = bpf_map_lookup_elem(&frames, &frame);
	if (!from || offset > XGW_TRANSMIT_MOST || !size_is_within(len, XGW_TRANSMIT_MOST, &len))
		return refuse(t);
	if (bpf_xdp_adjust_tail(xdp, (int)len - (int)XGW_TRANSMIT_SEED) ||
	    bpf_xdp_store_bytes(xdp, 0, from + offset, len))
		return refuse(t);
	t->cpu = bpf_get_smp_processor_id();
	return bpf_redirect(t->ifindex, 0);
}

/* What the run of this worker cannot see: refusals behind the program, told by tracepoints. */
static __always_inline void count_refused(__u32 n)
{
	struct xgw_transmit *t = transmit();

	if (t && n && t->busy && t->cpu == bpf_get_smp_processor_id())
		t->refused += n;
}

/* from_dev, to_dev, sent, drops, err */
SEC("raw_tp/xdp_devmap_xmit")
int xgw_transmit_full(__u64 *args)
{
	count_refused((__u32)args[3]);
	return 0;
}

/* dev, xdp, target, err, … */
SEC("raw_tp/xdp_redirect_err")
int xgw_transmit_error(__u64 *args)
{
	(void)args;
	count_refused(1);
	return 0;
}
