/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/transmit.h"

/* bpftool writes a cast of the object's bytes that drops const */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/transmit.skel.h"
#pragma GCC diagnostic pop

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/netdev.h, which older headers lack */
#define NETDEV_FAMILY	      "netdev"
#define NETDEV_GET	      1
#define NETDEV_ATTR_IFINDEX   1
#define NETDEV_ATTR_FEATURES  3
#define NETDEV_FEATURE_TARGET 4u

/*
 * A test run of a program that is attached nowhere waits for an RCU grace period at each start and
 * end, since the kernel patches its dispatcher of XDP programs; 25 ms instead of 15 us. So the
 * program is attached to a TAP device of our own that carries nothing and ends with its descriptor.
 */
static int hold_program(int program, struct fault *f)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	strncpy(r.ifr_name, "xgwtx%d", sizeof r.ifr_name - 1);
	int err = fd < 0 || ioctl(fd, TUNSETIFF, &r) ? -errno : 0;
	if (!err)
		err = bpf_xdp_attach((int)if_nametoindex(r.ifr_name), program, XDP_FLAGS_DRV_MODE,
				     NULL);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	fault_set(f, err, "cannot make the TAP device that XDP transmission needs: %s",
		  strerror(-err));
	return fault_advise(f, "load the module tun, or set the port's transmit: socket");
}

static int take(struct transmit_fds *out, const struct transmit_bpf *skel)
{
	out->program = dup(bpf_program__fd(skel->progs.xgw_transmit));
	out->frames = dup(bpf_map__fd(skel->maps.frames));
	out->orders = dup(bpf_map__fd(skel->maps.orders));
	out->keep[1] = bpf_raw_tracepoint_open("xdp_devmap_xmit",
					       bpf_program__fd(skel->progs.xgw_transmit_full));
	out->keep[2] = bpf_raw_tracepoint_open("xdp_redirect_err",
					       bpf_program__fd(skel->progs.xgw_transmit_error));
	return out->program < 0 || out->frames < 0 || out->orders < 0 || out->keep[1] < 0 ||
			       out->keep[2] < 0
		       ? -errno
		       : 0;
}

int transmit_open(uint32_t frames, struct transmit_fds *out, struct fault *f)
{
	struct transmit none = {0};
	*out = TRANSMIT_NO_FDS;
	struct transmit_bpf *skel = transmit_bpf__open();
	if (!skel)
		return fault_set(f, -errno, "cannot open the program of XDP transmission: %s",
				 strerror(errno));
	int err = bpf_map__set_max_entries(skel->maps.frames, frames);
	if (!err)
		err = transmit_bpf__load(skel);
	if (!err)
		err = take(out, skel);
	if (err) {
		fault_set(f, err, "the kernel does not load the program of XDP transmission: %s",
			  strerror(-err));
	} else {
		out->keep[0] = hold_program(out->program, f);
		err = out->keep[0] < 0 ? out->keep[0] : 0;
	}
	transmit_bpf__destroy(skel);
	if (err) {
		none.fds = *out;
		transmit_free(&none);
		*out = TRANSMIT_NO_FDS;
	}
	return err;
}

/* ---- what a device takes ---- */

struct question {
	uint16_t type, want; /* message type to ask with; attribute to look for */
	uint64_t value;
};

static int read_answer(const struct nlmsghdr *h, void *owner)
{
	struct question *q = owner;
	const struct nlattr *a;
	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(a) != q->want)
			continue;
		if (mnl_attr_get_payload_len(a) == 8)
			q->value = mnl_attr_get_u64(a);
		else if (mnl_attr_get_payload_len(a) == 2)
			q->value = mnl_attr_get_u16(a);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *begin(char *buffer, uint16_t type, uint8_t command)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->cmd = command;
	g->version = 1;
	return h;
}

static int ask(struct mnl_socket *s, struct nlmsghdr *h, struct question *q)
{
	char buffer[8192];
	h->nlmsg_seq = 1;
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(s, buffer, sizeof buffer);
		int more = n < 0 ? -1
				 : mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(s),
					      read_answer, q);
		if (more <= 0)
			return more < 0 ? -errno : 0;
	}
}

bool transmit_device_ready(uint32_t ifindex)
{
	char buffer[256];
	struct question family = {.want = CTRL_ATTR_FAMILY_ID};
	struct question features = {.want = NETDEV_ATTR_FEATURES};
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!s)
		return false;
	int err = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID);
	if (!err) {
		struct nlmsghdr *h = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
		mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
		err = ask(s, h, &family);
	}
	if (!err && family.value) {
		struct nlmsghdr *h = begin(buffer, (uint16_t)family.value, NETDEV_GET);
		mnl_attr_put_u32(h, NETDEV_ATTR_IFINDEX, ifindex);
		err = ask(s, h, &features);
	}
	mnl_socket_close(s);
	return !err && features.value & NETDEV_FEATURE_TARGET;
}
