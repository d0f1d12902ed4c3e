// SPDX-License-Identifier: Apache-2.0
/* The userspace half of a verdict's explanation; see explain.h. */
#include "maps/explain.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

int explain_run(int prog_fd, uint32_t ifindex, const void *frame, size_t len, struct xgw_trace *out)
{
	uint8_t in[sizeof(*out) + EXPLAIN_FRAME], back[sizeof(in)];
	struct xgw_trace trace = {.magic = XGW_TRACE_MAGIC, .drop = XGW_DROP_COUNT};
	struct xdp_md ctx_in = {.data = sizeof(trace), .ingress_ifindex = ifindex}, ctx_out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, o);

	if (len < 14 || len > EXPLAIN_FRAME)
		return -EINVAL;
	memcpy(in, &trace, sizeof(trace));
	memcpy(in + sizeof(trace), frame, len);
	ctx_in.data_end = (__u32)(sizeof(trace) + len);
	o.data_in = in;
	o.data_size_in = ctx_in.data_end;
	o.data_out = back;
	o.data_size_out = sizeof(back);
	o.ctx_in = &ctx_in;
	o.ctx_size_in = sizeof(ctx_in);
	o.ctx_out = &ctx_out;
	o.ctx_size_out = sizeof(ctx_out);
	o.repeat = 1;
	if (bpf_prog_test_run_opts(prog_fd, &o))
		return -errno;
	if (o.data_size_out < sizeof(*out))
		return -EPROTO;
	memcpy(out, back, sizeof(*out));
	return out->magic == XGW_TRACE_MAGIC && out->drop < XGW_DROP_COUNT ? 0 : -EPROTO;
}
