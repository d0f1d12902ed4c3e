/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BUFFER	     32768
#define WATCH_ROUNDS 64 /* datagrams read in one go */

struct netlink {
	struct mnl_socket *ask, *watch;
	unsigned port;
	unsigned sequence;
	int ioctl_fd;
};

static int open_socket(struct mnl_socket **out, unsigned groups)
{
	struct timeval bound = {.tv_sec = 2};
	int size = 4 << 20;
	struct mnl_socket *s =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (!s)
		return -errno;
	int fd = mnl_socket_get_fd(s);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
	if (groups)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID)) {
		int err = -errno;
		mnl_socket_close(s);
		return err;
	}
	*out = s;
	return 0;
}

int netlink_open(struct netlink **out, struct fault *f)
{
	struct netlink *n = calloc(1, sizeof *n);
	if (!n)
		return fault_set(f, -ENOMEM, "not enough memory for netlink");
	int err = open_socket(&n->ask, 0);
	if (!err)
		err = open_socket(&n->watch, RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE |
						     RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR |
						     RTMGRP_IPV6_IFADDR);
	n->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!err && n->ioctl_fd < 0)
		err = -errno;
	if (err) {
		netlink_close(n);
		return fault_set(f, err, "cannot talk to the kernel by netlink: %s",
				 strerror(-err));
	}
	n->port = mnl_socket_get_portid(n->ask);
	*out = n;
	return 0;
}

void netlink_close(struct netlink *n)
{
	if (!n)
		return;
	if (n->ask)
		mnl_socket_close(n->ask);
	if (n->watch)
		mnl_socket_close(n->watch);
	if (n->ioctl_fd >= 0)
		close(n->ioctl_fd);
	free(n);
}

/* Sends a request and feeds the answers to `each` until the kernel says that it is done. */
static int ask(struct netlink *n, struct nlmsghdr *request, mnl_cb_t each, void *owner)
{
	char buffer[BUFFER];
	bool dump = request->nlmsg_flags & NLM_F_DUMP;
	request->nlmsg_seq = ++n->sequence;
	if (mnl_socket_sendto(n->ask, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->ask, buffer, sizeof buffer);
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		/* the answer to a request that timed out earlier */
		if (((struct nlmsghdr *)(void *)buffer)->nlmsg_seq != n->sequence)
			continue;
		int more = mnl_cb_run(buffer, (size_t)got, n->sequence, n->port, each, owner);
		if (more < 0)
			return -errno;
		if (more == MNL_CB_STOP || (!dump && !(request->nlmsg_flags & NLM_F_ACK)))
			return 0;
	}
}

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct ip_addr *a)
{
	mnl_attr_put(h, type, ip_addr_bytes(a), a->b);
}

static uint8_t family_of(const struct ip_addr *a)
{
	return a->family == IP_V4 ? AF_INET : AF_INET6;
}

static bool get_addr(const struct nlattr *a, int family, struct ip_addr *out)
{
	unsigned want = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
	if (!want || mnl_attr_get_payload_len(a) != want)
		return false;
	*out = ip_addr_from_bytes(want == 4 ? IP_V4 : IP_V6, mnl_attr_get_payload(a));
	return true;
}

/* ---- links ---- */

static void read_xdp(const struct nlattr *nest, struct netlink_link *l)
{
	const struct nlattr *a;
	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == IFLA_XDP_ATTACHED)
			l->xdp_mode = mnl_attr_get_u8(a);
		else if (mnl_attr_get_type(a) == IFLA_XDP_PROG_ID)
			l->xdp_id = mnl_attr_get_u32(a);
	}
}

static void read_kind(const struct nlattr *nest, struct netlink_link *l)
{
	const struct nlattr *a;
	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			strncpy(l->kind, mnl_attr_get_str(a), sizeof l->kind - 1);
	}
}

static bool read_link(const struct nlmsghdr *h, struct netlink_link *l)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	memset(l, 0, sizeof *l);
	l->ifindex = (uint32_t)m->ifi_index;
	l->ethernet = m->ifi_type == ARPHRD_ETHER;
	l->up = (m->ifi_flags & IFF_UP) && (m->ifi_flags & IFF_RUNNING);
	l->rx_queues = 1;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME: strncpy(l->name, mnl_attr_get_str(a), sizeof l->name - 1); break;
		case IFLA_MTU: l->mtu = mnl_attr_get_u32(a); break;
		case IFLA_NUM_RX_QUEUES: l->rx_queues = mnl_attr_get_u32(a); break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(a) == 6)
				memcpy(l->mac, mnl_attr_get_payload(a), 6);
			break;
		case IFLA_XDP: read_xdp(a, l); break;
		case IFLA_LINKINFO: read_kind(a, l); break;
		default: break;
		}
	}
	return true;
}

/* Channels and driver are ethtool's; a device without them has one queue and the name of its kind.
 */
static void add_ethtool(const struct netlink *n, struct netlink_link *l)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {0};
	memcpy(r.ifr_name, l->name, sizeof l->name);
	r.ifr_data = (void *)&channels;
	if (ioctl(n->ioctl_fd, SIOCETHTOOL, &r) == 0) {
		uint32_t rx = channels.rx_count, both = channels.combined_count;
		l->rx_queues = rx > both ? rx : both;
	} else {
		l->rx_queues = 1;
	}
	l->rx_queues = l->rx_queues ? l->rx_queues : 1;
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	r.ifr_data = (void *)&flags;
	l->strips_vlan = ioctl(n->ioctl_fd, SIOCETHTOOL, &r) == 0 && flags.data & ETH_FLAG_RXVLAN;
	r.ifr_data = (void *)&driver;
	if (ioctl(n->ioctl_fd, SIOCETHTOOL, &r) == 0)
		memcpy(l->driver, driver.driver, sizeof l->driver - 1);
	else
		memcpy(l->driver, l->kind, sizeof l->kind);
}

int netlink_strip_vlan(const struct netlink *n, const char *device, bool on)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq r = {0};
	strncpy(r.ifr_name, device, sizeof r.ifr_name - 1);
	r.ifr_data = (void *)&flags;
	if (ioctl(n->ioctl_fd, SIOCETHTOOL, &r))
		return errno == EOPNOTSUPP && !on ? 0 : -errno;
	uint32_t want = on ? flags.data | ETH_FLAG_RXVLAN : flags.data & ~ETH_FLAG_RXVLAN;
	if (want == flags.data)
		return 0;
	flags = (struct ethtool_value){.cmd = ETHTOOL_SFLAGS, .data = want};
	if (ioctl(n->ioctl_fd, SIOCETHTOOL, &r))
		return -errno;
	/* some drivers take the word and leave the feature as it is */
	flags = (struct ethtool_value){.cmd = ETHTOOL_GFLAGS};
	if (ioctl(n->ioctl_fd, SIOCETHTOOL, &r))
		return -errno;
	return flags.data == want ? 0 : -EOPNOTSUPP;
}

static int take_link(const struct nlmsghdr *h, void *owner)
{
	if (h->nlmsg_type == RTM_NEWLINK)
		read_link(h, owner);
	return MNL_CB_OK;
}

static int link_by(struct netlink *n, const char *name, uint32_t ifindex, struct netlink_link *out)
{
	char buffer[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifi_index = (int)ifindex;
	if (name)
		mnl_attr_put_strz(h, IFLA_IFNAME, name);
	memset(out, 0, sizeof *out);
	int err = ask(n, h, take_link, out);
	if (err)
		return err;
	add_ethtool(n, out);
	return out->ifindex ? 0 : -ENODEV;
}

int netlink_link_by_name(struct netlink *n, const char *name, struct netlink_link *out)
{
	return strlen(name) >= sizeof out->name ? -ENODEV : link_by(n, name, 0, out);
}

int netlink_link_by_index(struct netlink *n, uint32_t ifindex, struct netlink_link *out)
{
	return link_by(n, NULL, ifindex, out);
}

struct link_walk {
	struct netlink_link *at;
	size_t n, room;
};

static int collect_link(const struct nlmsghdr *h, void *owner)
{
	struct link_walk *w = owner;
	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (w->n == w->room) {
		size_t room = w->room ? w->room * 2 : 32;
		struct netlink_link *grown = reallocarray(w->at, room, sizeof *grown);
		if (!grown)
			return MNL_CB_OK;
		w->at = grown;
		w->room = room;
	}
	read_link(h, &w->at[w->n++]);
	return MNL_CB_OK;
}

int netlink_links(struct netlink *n, void (*each)(void *owner, const struct netlink_link *l),
		  void *owner)
{
	char buffer[128];
	struct link_walk w = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	int err = ask(n, h, collect_link, &w);
	for (size_t i = 0; i < w.n; i++) {
		add_ethtool(n, &w.at[i]);
		each(owner, &w.at[i]);
	}
	free(w.at);
	return err;
}

/* ---- neighbours ---- */

#define NUD_HAS_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static bool read_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *x)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	bool has_addr = false, has_mac = false;
	memset(x, 0, sizeof *x);
	if (m->ndm_flags & NTF_PROXY)
		return false;
	x->ifindex = (uint32_t)m->ndm_ifindex;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		if (mnl_attr_get_type(a) == NDA_DST) {
			has_addr = get_addr(a, m->ndm_family, &x->addr);
		} else if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == 6) {
			memcpy(x->mac, mnl_attr_get_payload(a), 6);
			has_mac = true;
		}
	}
	x->usable = h->nlmsg_type == RTM_NEWNEIGH && has_mac && (m->ndm_state & NUD_HAS_MAC);
	return has_addr;
}

struct neighbour_walk {
	void (*each)(void *owner, const struct netlink_neighbour *x);
	void *owner;
};

static int pass_neighbour(const struct nlmsghdr *h, void *owner)
{
	struct neighbour_walk *w = owner;
	struct netlink_neighbour x;
	if (h->nlmsg_type == RTM_NEWNEIGH && read_neighbour(h, &x))
		w->each(w->owner, &x);
	return MNL_CB_OK;
}

int netlink_neighbours(struct netlink *n,
		       void (*each)(void *owner, const struct netlink_neighbour *x), void *owner)
{
	char buffer[128];
	struct neighbour_walk w = {each, owner};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ndmsg));
	return ask(n, h, pass_neighbour, &w);
}

int netlink_neighbours_of(struct netlink *n, uint32_t ifindex,
			  void (*each)(void *owner, const struct netlink_neighbour *x), void *owner)
{
	char buffer[128];
	struct neighbour_walk w = {each, owner};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ndmsg));
	mnl_attr_put_u32(h, NDA_IFINDEX, ifindex);
	return ask(n, h, pass_neighbour, &w);
}

/* What the bridge keeps of the same device names no VTEP. */
static bool read_fdb(const struct nlmsghdr *h, struct netlink_fdb *x)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	bool has_mac = false;
	memset(x, 0, sizeof *x);
	if (m->ndm_family != AF_BRIDGE)
		return false;
	x->ifindex = (uint32_t)m->ndm_ifindex;
	x->present = h->nlmsg_type == RTM_NEWNEIGH;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		unsigned len = mnl_attr_get_payload_len(a);
		switch (mnl_attr_get_type(a)) {
		case NDA_DST: get_addr(a, len == 4 ? AF_INET : AF_INET6, &x->vtep); break;
		case NDA_LLADDR:
			has_mac = len == 6;
			if (has_mac)
				memcpy(x->mac, mnl_attr_get_payload(a), 6);
			break;
		case NDA_SRC_VNI: x->vni = len == 4 ? mnl_attr_get_u32(a) : 0; break;
		case NDA_VNI: x->remote_vni = len == 4 ? mnl_attr_get_u32(a) : 0; break;
		default: break;
		}
	}
	return has_mac && x->vtep.family;
}

struct fdb_walk {
	void (*each)(void *owner, const struct netlink_fdb *x);
	void *owner;
};

static int pass_fdb(const struct nlmsghdr *h, void *owner)
{
	struct fdb_walk *w = owner;
	struct netlink_fdb x;
	if (h->nlmsg_type == RTM_NEWNEIGH && read_fdb(h, &x))
		w->each(w->owner, &x);
	return MNL_CB_OK;
}

int netlink_fdb(struct netlink *n, uint32_t ifindex,
		void (*each)(void *owner, const struct netlink_fdb *x), void *owner)
{
	char buffer[128];
	struct fdb_walk w = {each, owner};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* for this family a filter by device is what a request of this form asks for */
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifi_family = AF_BRIDGE;
	m->ifi_index = (int)ifindex;
	return ask(n, h, pass_fdb, &w);
}

static void keep_neighbour(void *owner, const struct netlink_neighbour *x)
{
	*(struct netlink_neighbour *)owner = *x;
}

int netlink_neighbour(struct netlink *n, uint32_t ifindex, const struct ip_addr *addr,
		      struct netlink_neighbour *out)
{
	char buffer[256];
	struct neighbour_walk w = {keep_neighbour, out};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST;
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ndm_family = family_of(addr);
	m->ndm_ifindex = (int)ifindex;
	put_addr(h, NDA_DST, addr);
	memset(out, 0, sizeof *out);
	int err = ask(n, h, pass_neighbour, &w);
	return err ? err : out->ifindex ? 0 : -ENOENT;
}

int netlink_resolve(struct netlink *n, uint32_t ifindex, const struct ip_addr *addr)
{
	char buffer[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_NEWNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ndm_family = family_of(addr);
	m->ndm_ifindex = (int)ifindex;
	m->ndm_state = NUD_NONE;
	m->ndm_flags = NTF_USE;
	put_addr(h, NDA_DST, addr);
	return ask(n, h, NULL, NULL);
}

/* ---- routes ---- */

static int take_route(const struct nlmsghdr *h, void *owner)
{
	struct netlink_route *r = owner;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *metric;
	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	r->local = m->rtm_type == RTN_LOCAL;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF: r->ifindex = mnl_attr_get_u32(a); break;
		case RTA_GATEWAY: get_addr(a, m->rtm_family, &r->gateway); break;
		case RTA_VIA: {
			const struct rtvia *via = mnl_attr_get_payload(a);
			if (via->rtvia_family == AF_INET6 && mnl_attr_get_payload_len(a) >= 18)
				r->gateway = ip_addr_from_bytes(IP_V6, via->rtvia_addr);
			break;
		}
		case RTA_METRICS:
			mnl_attr_for_each_nested(metric, a)
			{
				if (mnl_attr_get_type(metric) == RTAX_MTU)
					r->mtu = mnl_attr_get_u32(metric);
			}
			break;
		default: break;
		}
	}
	return MNL_CB_OK;
}

int netlink_route_to(struct netlink *n, const struct ip_addr *to, const struct ip_addr *from,
		     struct netlink_route *out)
{
	char buffer[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->rtm_family = family_of(to);
	m->rtm_dst_len = (uint8_t)ip_addr_bits(to);
	put_addr(h, RTA_DST, to);
	if (from) {
		m->rtm_src_len = (uint8_t)ip_addr_bits(from);
		put_addr(h, RTA_SRC, from);
	}
	memset(out, 0, sizeof *out);
	int err = ask(n, h, take_route, out);
	return err ? err : out->ifindex ? 0 : -ENETUNREACH;
}

/* ---- addresses ---- */

static int change_address(struct netlink *n, uint16_t type, uint16_t flags, uint32_t ifindex,
			  const struct ip_prefix *p)
{
	char buffer[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifa_family = family_of(&p->addr);
	m->ifa_prefixlen = p->len;
	m->ifa_index = ifindex;
	/* without duplicate address detection an IPv6 address works at once, as an IPv4 one does */
	m->ifa_flags = p->addr.family == IP_V6 ? IFA_F_NODAD : 0;
	put_addr(h, IFA_LOCAL, &p->addr);
	put_addr(h, IFA_ADDRESS, &p->addr);
	return ask(n, h, NULL, NULL);
}

int netlink_address_add(struct netlink *n, uint32_t ifindex, const struct ip_prefix *p)
{
	return change_address(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, p);
}

int netlink_address_remove(struct netlink *n, uint32_t ifindex, const struct ip_prefix *p)
{
	return change_address(n, RTM_DELADDR, 0, ifindex, p);
}

struct address_search {
	const struct ip_addr *want;
	bool found;
};

static int match_address(const struct nlmsghdr *h, void *owner)
{
	struct address_search *s = owner;
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	struct ip_addr got;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		int type = mnl_attr_get_type(a);
		/* on a point-to-point link IFA_ADDRESS is the other end */
		int own = m->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
		if (type == own && get_addr(a, m->ifa_family, &got) && ip_addr_equal(&got, s->want))
			s->found = true;
	}
	return MNL_CB_OK;
}

bool netlink_has_address(struct netlink *n, const struct ip_addr *want)
{
	char buffer[128];
	struct address_search s = {.want = want};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifa_family = family_of(want);
	return ask(n, h, match_address, &s) == 0 && s.found;
}

struct address_walk {
	unsigned without; /* those with one of these flags are left out */
	unsigned scope;	  /* the narrowest */
	void (*each)(void *owner, uint32_t ifindex, const struct ip_addr *a);
	void *owner;
};

static int pass_address(const struct nlmsghdr *h, void *owner)
{
	const struct address_walk *walk = owner;
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	struct ip_addr got;
	if (m->ifa_scope > walk->scope || m->ifa_flags & walk->without)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		int own = m->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
		if (mnl_attr_get_type(a) == own && get_addr(a, m->ifa_family, &got))
			walk->each(walk->owner, m->ifa_index, &got);
	}
	return MNL_CB_OK;
}

static int walk_addresses(struct netlink *n, struct address_walk walk)
{
	char buffer[128];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = RTM_GETADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifaddrmsg));
	return ask(n, h, pass_address, &walk);
}

int netlink_addresses(struct netlink *n,
		      void (*each)(void *owner, uint32_t ifindex, const struct ip_addr *a),
		      void *owner)
{
	return walk_addresses(n,
			      (struct address_walk){.without = IFA_F_TENTATIVE | IFA_F_DADFAILED |
							       IFA_F_DEPRECATED,
						    .scope = RT_SCOPE_UNIVERSE,
						    .each = each,
						    .owner = owner});
}

int netlink_own_addresses(struct netlink *n,
			  void (*each)(void *owner, uint32_t ifindex, const struct ip_addr *a),
			  void *owner)
{
	return walk_addresses(n, (struct address_walk){.without = IFA_F_TENTATIVE | IFA_F_DADFAILED,
						       .scope = RT_SCOPE_HOST,
						       .each = each,
						       .owner = owner});
}

/* ---- changes ---- */

int netlink_watch_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->watch);
}

static int pass_change(const struct nlmsghdr *h, void *owner)
{
	const struct netlink_watcher *w = owner;
	struct netlink_neighbour x;
	struct netlink_fdb entry;
	struct netlink_link l;
	switch (h->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (read_neighbour(h, &x))
			w->neighbour(w->owner, &x);
		else if (read_fdb(h, &entry))
			w->fdb(w->owner, &entry);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		read_link(h, &l);
		/* leaving a bridge is told as RTM_DELLINK of that family */
		if (((const struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_family == AF_BRIDGE)
			break;
		l.gone = h->nlmsg_type == RTM_DELLINK;
		l.up = l.up && !l.gone;
		w->link(w->owner, &l);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		w->address(w->owner);
		w->route(w->owner);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE: w->route(w->owner); break;
	default: break;
	}
	return MNL_CB_OK;
}

void netlink_watch(struct netlink *n, const struct netlink_watcher *w)
{
	char buffer[BUFFER];
	for (int round = 0; round < WATCH_ROUNDS; round++) {
		ssize_t got = mnl_socket_recvfrom(n->watch, buffer, sizeof buffer);
		if (got < 0 && errno == ENOBUFS)
			w->lost(w->owner);
		else if (got <= 0)
			return;
		else
			mnl_cb_run(buffer, (size_t)got, 0, 0, pass_change, (void *)(uintptr_t)w);
	}
}
