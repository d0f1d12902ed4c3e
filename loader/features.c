/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/features.h"

#include "datapath/frames.h"
#include "loader/logging.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

/* linux/netdev.h is younger than the headers of Debian 12 */
#define NETDEV_CMD_DEV_GET	  1
#define NETDEV_A_DEV_IFINDEX	  1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_A_DEV_ZC_MAX_SEGS  4

/*
 * The kernel judges the flags of bind() before it looks for the device: for one that cannot be it
 * answers EINVAL where it does not know the flag, ENODEV where it does.
 */
bool features_multi_buffer(void)
{
	const struct sockaddr_xdp a = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY | XDP_USE_SG};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool known = bind(fd, (const struct sockaddr *)&a, sizeof a) && errno == ENODEV;
	close(fd);
	return known;
}

json_t *features_of_kernel(void)
{
	struct utsname u;
	struct statfs st;
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	bool af_xdp = fd >= 0;
	if (af_xdp)
		close(fd);
	json_t *freplace = json_null();
	if (geteuid() == 0) {
		logging_hush_libraries(true);
		freplace = json_boolean(libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 1);
		logging_hush_libraries(false);
	}
	return json_pack("{s:s,s:b,s:o,s:b,s:b,s:b}", "release", uname(&u) ? "unknown" : u.release,
			 "btf", access("/sys/kernel/btf/vmlinux", R_OK) == 0, "freplace", freplace,
			 "afXdp", af_xdp, "multiBuffer", features_multi_buffer(), "bpffs",
			 statfs("/sys/fs/bpf", &st) == 0 &&
				 (unsigned long)st.f_type == BPF_FS_MAGIC);
}

struct number {
	uint16_t type, size;
	uint64_t value;
	bool found;
};

static int take_number(const struct nlmsghdr *h, void *owner)
{
	struct number *n = owner;
	const struct nlattr *a;
	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(a) != n->type || mnl_attr_get_payload_len(a) < n->size)
			continue;
		n->found = true;
		n->value = n->size == 2	  ? mnl_attr_get_u16(a)
			   : n->size == 4 ? mnl_attr_get_u32(a)
					  : mnl_attr_get_u64(a);
	}
	return MNL_CB_OK;
}

static bool ask(struct mnl_socket *s, struct nlmsghdr *h, struct number *n)
{
	char buffer[8192];
	static unsigned sequence;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return false;
	ssize_t got = mnl_socket_recvfrom(s, buffer, sizeof buffer);
	return got > 0 &&
	       mnl_cb_run(buffer, (size_t)got, h->nlmsg_seq, mnl_socket_get_portid(s), take_number,
			  n) >= 0 &&
	       n->found;
}

static struct nlmsghdr *put_header(void *buffer, uint16_t family, uint8_t command)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	h->nlmsg_type = family;
	g->cmd = command;
	g->version = 1;
	return h;
}

/* An attribute that the kernel's netdev family tells of a device. */
static bool ask_of_device(uint32_t ifindex, struct number *n)
{
	char buffer[256];
	struct timeval bound = {.tv_sec = 2};
	struct number family = {.type = CTRL_ATTR_FAMILY_ID, .size = 2};
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!s)
		return false;
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
	bool ok = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0;
	if (ok) {
		struct nlmsghdr *h = put_header(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
		mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, "netdev");
		ok = ask(s, h, &family);
	}
	if (ok) {
		struct nlmsghdr *h = put_header(buffer, (uint16_t)family.value, NETDEV_CMD_DEV_GET);
		mnl_attr_put_u32(h, NETDEV_A_DEV_IFINDEX, ifindex);
		ok = ask(s, h, n);
	}
	mnl_socket_close(s);
	return ok;
}

bool features_of_device(uint32_t ifindex, uint64_t *out)
{
	struct number features = {.type = NETDEV_A_DEV_XDP_FEATURES, .size = 8};
	bool ok = ask_of_device(ifindex, &features);
	*out = features.value;
	return ok;
}

uint32_t features_segments(uint32_t ifindex)
{
	struct number segments = {.type = NETDEV_A_DEV_ZC_MAX_SEGS, .size = 4};
	return ask_of_device(ifindex, &segments) ? (uint32_t)segments.value : 0;
}
