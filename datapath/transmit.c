/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/transmit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK 64u /* frames that go to the driver together, so that their pages are used again */

int transmit_init(struct transmit *t, const struct transmit_fds *fds, struct fault *f)
{
	t->fds = *fds;
	void *at =
		mmap(NULL, sizeof *t->orders, PROT_READ | PROT_WRITE, MAP_SHARED, fds->orders, 0);
	if (at == MAP_FAILED) {
		int err = -errno;
		transmit_free(t);
		return fault_set(f, err, "cannot map the orders of XDP transmission: %s",
				 strerror(-err));
	}
	t->orders = at;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void transmit_free(struct transmit *t)
{
	if (t->orders)
		munmap(t->orders, sizeof *t->orders);
	t->orders = NULL;
	close_fd(t->fds.program);
	close_fd(t->fds.frames);
	close_fd(t->fds.orders);
	for (size_t i = 0; i < sizeof t->fds.keep / sizeof *t->fds.keep; i++)
		close_fd(t->fds.keep[i]);
	t->fds = TRANSMIT_NO_FDS;
}

bool transmit_fits(const struct transmit *t, const struct xdp_desc *batch, uint32_t n)
{
	if (!t->orders || n < TRANSMIT_LEAST || n > XGW_TRANSMIT_ORDERS)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (batch[i].options || batch[i].len > XGW_TRANSMIT_MOST ||
		    batch[i].addr % XGW_TRANSMIT_FRAME > XGW_TRANSMIT_MOST)
			return false;
	return true;
}

int transmit_run(struct transmit *t, uint32_t ifindex, const struct xdp_desc *batch, uint32_t n)
{
	uint8_t seed[XGW_TRANSMIT_SEED] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = seed, .data_size_in = sizeof seed,
		    .repeat = (int)n, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = n < CHUNK ? n : CHUNK);
	struct xgw_transmit *o = t->orders;
	uint64_t refused = o->refused;
	o->next = 0;
	o->ifindex = ifindex;
	for (uint32_t i = 0; i < n; i++)
		o->order[i] = (struct xgw_transmit_order){
			.frame = (uint32_t)(batch[i].addr / XGW_TRANSMIT_FRAME),
			.offset = (uint16_t)(batch[i].addr % XGW_TRANSMIT_FRAME),
			.len = (uint16_t)batch[i].len};
	__atomic_store_n(&o->busy, 1, __ATOMIC_RELEASE);
	int err = bpf_prog_test_run_opts(t->fds.program, &run);
	__atomic_store_n(&o->busy, 0, __ATOMIC_RELEASE);
	refused = __atomic_load_n(&o->refused, __ATOMIC_ACQUIRE) - refused;
	/* a run that failed half-way sent what it had taken: sending it again would double packets
	 */
	if (err && !o->next)
		return err;
	uint64_t left = n - (o->next < n ? o->next : n);
	return (int)(refused + left < n ? refused + left : n);
}
