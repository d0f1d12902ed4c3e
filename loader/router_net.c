/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/router_net.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST	  1024
#define TUN_TABLE 200000u /* + the device's index: one route, out of it */
#define RULE	  1000u	  /* preference of the rules to these tables */

/* linux/neighbour.h of Linux 5.16, which older headers lack */
#define NDA_FLAGS_WORD	     15
#define NEIGHBOUR_IS_MANAGED 1u

/* ---- namespaces ---- */

int router_net_enter(const struct router_net *n)
{
	return setns(n->inside.netns, CLONE_NEWNET) ? -errno : 0;
}

void router_net_leave(const struct router_net *n)
{
	/* going on in the wrong namespace would be worse than not at all */
	if (setns(n->home.netns, CLONE_NEWNET))
		abort();
}

/* Of the namespace that the thread is in. */
static int open_side(struct router_side *s)
{
	const struct timeval bound = {.tv_sec = 2};
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	s->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	s->ioctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->netlink < 0 || s->ioctl < 0 ||
	    bind(s->netlink, (const struct sockaddr *)&any, sizeof any) ||
	    setsockopt(s->netlink, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound))
		return -errno;
	return 0;
}

static void close_side(struct router_side *s)
{
	const int fds[] = {s->netns, s->netlink, s->ioctl};
	for (unsigned i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

void router_net_close(struct router_net *n)
{
	close_side(&n->home);
	close_side(&n->inside);
	*n = ROUTER_NET_NONE;
}

static struct ifreq about(const char *device)
{
	struct ifreq r = {0};
	memcpy(r.ifr_name, device, strnlen(device, sizeof r.ifr_name - 1));
	return r;
}

static int set_flags(const struct router_side *s, const char *device, short on)
{
	struct ifreq r = about(device);
	if (ioctl(s->ioctl, SIOCGIFFLAGS, &r))
		return -errno;
	r.ifr_flags = (short)(r.ifr_flags | on);
	return ioctl(s->ioctl, SIOCSIFFLAGS, &r) ? -errno : 0;
}

/* What this kernel has not is no loss. */
static void set_sysctl(const char *path, const char *value)
{
	char whole[128];
	snprintf(whole, sizeof whole, "/proc/sys/net/%s", path);
	int fd = open(whole, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		log_debug(LOG_NET, "router-sysctl %s=%s: %s", path, value, strerror(errno));
	close(fd);
}

/* Nothing is forwarded here, nothing is learnt but by BIRD, and addresses work at once. */
static void set_sysctls(void)
{
	static const char *const off[] = {
		"ipv4/ip_forward",
		"ipv4/conf/all/rp_filter",
		"ipv4/conf/default/rp_filter",
		"ipv4/conf/all/accept_redirects",
		"ipv4/conf/default/accept_redirects",
		"ipv4/conf/all/send_redirects",
		"ipv4/conf/default/send_redirects",
		"ipv6/conf/all/forwarding",
		"ipv6/conf/all/accept_ra",
		"ipv6/conf/default/accept_ra",
		"ipv6/conf/all/accept_dad",
		"ipv6/conf/default/accept_dad",
		"ipv6/conf/all/accept_redirects",
		"ipv6/conf/default/accept_redirects",
		"ipv6/conf/all/router_solicitations",
		"ipv6/conf/default/router_solicitations",
		"ipv6/conf/all/disable_ipv6",
		"ipv6/conf/default/disable_ipv6",
	};
	for (unsigned i = 0; i < sizeof off / sizeof *off; i++)
		set_sysctl(off[i], "0");
	/* an address is one device's: its link answers for it, no other */
	set_sysctl("ipv4/conf/all/arp_ignore", "1");
	set_sysctl("ipv4/conf/all/arp_announce", "2");
}

static int open_home(struct router_net *n)
{
	*n = ROUTER_NET_NONE;
	n->home.netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return n->home.netns < 0 ? -errno : open_side(&n->home);
}

int router_net_make(struct router_net *n, struct fault *f)
{
	int err = open_home(n);
	if (!err && unshare(CLONE_NEWNET))
		err = -errno;
	if (!err) {
		n->inside.netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		err = n->inside.netns < 0 ? -errno : open_side(&n->inside);
		if (!err) {
			set_sysctls();
			err = set_flags(&n->inside, "lo", IFF_UP);
		}
		router_net_leave(n);
	}
	if (!err)
		return 0;
	router_net_close(n);
	fault_set(f, err, "cannot make the router's network namespace: %s", strerror(-err));
	return fault_advise(f, "run as root");
}

int router_net_take(struct router_net *n, pid_t pid, struct fault *f)
{
	char path[48];
	int err = open_home(n);
	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	if (!err) {
		n->inside.netns = open(path, O_RDONLY | O_CLOEXEC);
		err = n->inside.netns < 0 ? -errno : router_net_enter(n);
	}
	if (!err) {
		err = open_side(&n->inside);
		router_net_leave(n);
	}
	if (!err)
		return 0;
	router_net_close(n);
	return fault_set(f, err, "cannot enter the network namespace of BIRD (pid %d): %s", pid,
			 strerror(-err));
}

/* ---- requests ---- */

static struct nlmsghdr *request(char buffer[REQUEST], uint16_t type, uint16_t flags)
{
	memset(buffer, 0, REQUEST);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return h;
}

/* 0, or what the kernel says: -errno. */
static int ask(struct router_side *s, struct nlmsghdr *h)
{
	char answer[4096];
	h->nlmsg_seq = ++s->sequence;
	if (send(s->netlink, h, h->nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(s->netlink, answer, sizeof answer, 0);
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		const struct nlmsghdr *a = (const void *)answer;
		if (!mnl_nlmsg_ok(a, (int)got) || a->nlmsg_seq != s->sequence)
			continue; /* of a request that timed out earlier */
		if (a->nlmsg_type != NLMSG_ERROR)
			return -EPROTO;
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(a))->error;
	}
}

static uint8_t family_of(const struct ip_addr *a)
{
	return a->family == IP_V4 ? AF_INET : AF_INET6;
}

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct ip_addr *a)
{
	mnl_attr_put(h, type, ip_addr_bytes(a), a->b);
}

/* ---- devices ---- */

static uint32_t index_of(const struct router_side *s, const char *device)
{
	struct ifreq r = about(device);
	return ioctl(s->ioctl, SIOCGIFINDEX, &r) ? 0 : (uint32_t)r.ifr_ifindex;
}

uint32_t router_net_index(const struct router_net *n, const char *device)
{
	return index_of(&n->inside, device);
}

static bool is_zero(const uint8_t mac[6])
{
	static const uint8_t none[6];
	return memcmp(mac, none, 6) == 0;
}

/* Up, with this MTU and, unless it is zeros, this MAC. */
static int set_device(struct router_side *s, uint32_t ifindex, uint32_t mtu, const uint8_t mac[6])
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifi_index = (int)ifindex;
	m->ifi_flags = m->ifi_change = IFF_UP;
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	if (mac && !is_zero(mac))
		mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	return ask(s, h);
}

static int delete_device(struct router_side *s, uint32_t ifindex)
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, RTM_DELLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifi_index = (int)ifindex;
	return ask(s, h);
}

static int make_veth(struct router_net *n, const struct router_link *l, uint32_t mtu)
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, l->host_device);
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, l->device);
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)n->inside.netns);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return ask(&n->home, h);
}

/* Index of a veth's other end, in the namespace where that is; 0: none. */
static uint32_t other_end(struct router_side *s, uint32_t ifindex)
{
	char buffer[REQUEST], answer[16384];
	const struct nlattr *a;
	struct nlmsghdr *h = request(buffer, RTM_GETLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = ++s->sequence;
	m->ifi_index = (int)ifindex;
	if (send(s->netlink, h, h->nlmsg_len, 0) < 0)
		return 0;
	ssize_t got;
	do {
		got = recv(s->netlink, answer, sizeof answer, 0);
		h = (void *)answer;
	} while (got > 0 && mnl_nlmsg_ok(h, (int)got) && h->nlmsg_seq != s->sequence);
	if (got <= 0 || !mnl_nlmsg_ok(h, (int)got) || h->nlmsg_type != RTM_NEWLINK)
		return 0;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		if (mnl_attr_get_type(a) == IFLA_LINK && mnl_attr_get_payload_len(a) == 4)
			return mnl_attr_get_u32(a);
	}
	return 0;
}

/*
 * What XDP takes off a veth has whole checksums and is no longer than the MTU, as on a wire; and
 * with GRO a veth has the NAPI that a redirect into its other end needs (Linux 5.13).
 */
static int set_offloads(const struct router_side *s, const char *device)
{
	static const struct ethtool_value want[] = {
		{ETHTOOL_STSO, 0}, {ETHTOOL_SGSO, 0}, {ETHTOOL_STXCSUM, 0}, {ETHTOOL_SGRO, 1}};
	struct ifreq r = about(device);
	for (unsigned i = 0; i < sizeof want / sizeof *want; i++) {
		struct ethtool_value v = want[i];
		r.ifr_data = (void *)&v;
		/* while XDP is on the other end a veth has no TSO that could be switched off */
		if (ioctl(s->ioctl, SIOCETHTOOL, &r) && (want[i].data || errno != EOPNOTSUPP))
			return -errno;
	}
	return 0;
}

static int read_mac(const struct router_side *s, const char *device, uint8_t mac[6])
{
	struct ifreq r = about(device);
	if (ioctl(s->ioctl, SIOCGIFHWADDR, &r))
		return -errno;
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* ---- addresses ---- */

static int change_address(struct router_side *s, uint16_t type, uint32_t ifindex,
			  const struct ip_prefix *p)
{
	char buffer[REQUEST];
	struct nlmsghdr *h =
		request(buffer, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ifa_family = family_of(&p->addr);
	m->ifa_prefixlen = p->len;
	m->ifa_index = ifindex;
	m->ifa_flags = p->addr.family == IP_V6 ? IFA_F_NODAD : 0;
	put_addr(h, IFA_LOCAL, &p->addr);
	put_addr(h, IFA_ADDRESS, &p->addr);
	return ask(s, h);
}

/* False: none that is configured, but the link's own one or of another device. */
static bool read_address(const struct ifaddrs *a, const char *device, struct ip_prefix *out)
{
	const uint8_t *bytes, *mask;
	if (!a->ifa_addr || !a->ifa_netmask || strcmp(a->ifa_name, device) != 0)
		return false;
	if (a->ifa_addr->sa_family == AF_INET) {
		bytes = (const void *)&((const struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr;
		mask = (const void *)&((const struct sockaddr_in *)(void *)a->ifa_netmask)
			       ->sin_addr;
		out->addr = ip_addr_from_bytes(IP_V4, bytes);
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *x = (const void *)a->ifa_addr;
		if (IN6_IS_ADDR_LINKLOCAL(&x->sin6_addr))
			return false;
		bytes = (const void *)&x->sin6_addr;
		mask = (const void *)&((const struct sockaddr_in6 *)(void *)a->ifa_netmask)
			       ->sin6_addr;
		out->addr = ip_addr_from_bytes(IP_V6, bytes);
	} else {
		return false;
	}
	out->len = 0;
	for (unsigned i = 0; i < ip_addr_bytes(&out->addr); i++)
		out->len = (uint8_t)(out->len + __builtin_popcount(mask[i]));
	return true;
}

static bool is_wanted(const struct ip_prefix *p, const struct ip_prefix *want, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (ip_addr_equal(&p->addr, &want[i].addr) && p->len == want[i].len)
			return true;
	}
	return false;
}

/* These and no others. Those that stay are not touched. */
static int set_addresses(struct router_net *n, const char *device, uint32_t ifindex,
			 const struct ip_prefix *want, uint32_t n_want)
{
	struct ifaddrs *all = NULL;
	struct ip_prefix have;
	int err = router_net_enter(n);
	if (err)
		return err;
	if (getifaddrs(&all))
		err = -errno;
	router_net_leave(n);
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (read_address(a, device, &have) && !is_wanted(&have, want, n_want))
			change_address(&n->inside, RTM_DELADDR, ifindex, &have);
	}
	if (all)
		freeifaddrs(all);
	for (uint32_t i = 0; !err && i < n_want; i++) {
		if (want[i].addr.family)
			err = change_address(&n->inside, RTM_NEWADDR, ifindex, &want[i]);
	}
	return err;
}

/* ---- links ---- */

/* The host end is a wire: the host itself is not on it. */
static int set_host_end(struct router_net *n, uint32_t ifindex, uint32_t mtu)
{
	char name[IF_NAMESIZE], path[64];
	if (!if_indextoname(ifindex, name))
		return -errno;
	snprintf(path, sizeof path, "ipv6/conf/%s/disable_ipv6", name);
	set_sysctl(path, "1");
	int err = set_offloads(&n->home, name);
	return err ? err : set_device(&n->home, ifindex, mtu, NULL);
}

static int set_link(struct router_net *n, const struct router_link *l, struct router_device *out)
{
	uint32_t mtu = l->mtu ? l->mtu : 1500;
	uint32_t ifindex = index_of(&n->inside, l->device);
	int err = ifindex ? 0 : make_veth(n, l, mtu);
	if (err)
		return err;
	ifindex = ifindex ? ifindex : index_of(&n->inside, l->device);
	out->host_ifindex = other_end(&n->inside, ifindex);
	if (!ifindex || !out->host_ifindex)
		return -ENODEV;
	err = set_host_end(n, out->host_ifindex, mtu);
	if (!err)
		err = set_device(&n->inside, ifindex, mtu, l->mac);
	/* once it is up: else the kernel does not note that XDP may send into the other end */
	if (!err)
		err = set_offloads(&n->inside, l->device);
	if (!err)
		err = set_addresses(n, l->device, ifindex, l->local, 2);
	return err ? err : read_mac(&n->inside, l->device, out->mac);
}

int router_net_link(struct router_net *n, const struct router_link *l, struct router_device *out,
		    struct fault *f)
{
	memset(out, 0, sizeof *out);
	int err = set_link(n, l, out);
	return err ? fault_set(f, err, "link %s (%s): %s", l->device, l->host_device,
			       strerror(-err))
		   : 0;
}

/* ---- TUNs ---- */

/* Inside: the device is of the namespace where it is opened. Nothing speaks there but BIRD. */
static int attach_tun(const char *device)
{
	char path[64];
	struct ifreq r = about(device);
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETPERSIST, 1)) {
		int err = -errno;
		close(fd);
		return err;
	}
	snprintf(path, sizeof path, "ipv6/conf/%.15s/addr_gen_mode", device);
	set_sysctl(path, "1");
	return fd;
}

static int open_tun(struct router_net *n, const char *device, int *out)
{
	int err = router_net_enter(n);
	if (err)
		return err;
	int fd = attach_tun(device);
	router_net_leave(n);
	if (fd < 0)
		return fd;
	*out = fd;
	return 0;
}

static int change_rule(struct router_side *s, bool add, const struct ip_addr *from, uint32_t table)
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, add ? RTM_NEWRULE : RTM_DELRULE,
				     add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->family = family_of(from);
	m->action = FR_ACT_TO_TBL;
	m->src_len = (uint8_t)ip_addr_bits(from);
	mnl_attr_put_u32(h, FRA_PRIORITY, RULE);
	if (add)
		mnl_attr_put_u32(h, FRA_TABLE, table);
	put_addr(h, FRA_SRC, from);
	return ask(s, h);
}

/* What has this source leaves by that table, whatever table it was before. */
static int set_rule(struct router_side *s, const struct ip_addr *from, uint32_t table)
{
	int err = change_rule(s, true, from, table);
	if (err == -EEXIST)
		return 0;
	while (!err)
		err = change_rule(s, false, from, 0);
	return change_rule(s, true, from, table);
}

static int set_default_route(struct router_side *s, uint8_t family, uint32_t ifindex,
			     uint32_t table)
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->rtm_family = family;
	m->rtm_table = RT_TABLE_UNSPEC;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(h, RTA_TABLE, table);
	mnl_attr_put_u32(h, RTA_OIF, ifindex);
	return ask(s, h);
}

static int set_tun(struct router_net *n, const struct router_tun *t)
{
	struct ip_prefix want[4] = {0};
	uint32_t ifindex = index_of(&n->inside, t->device), table = TUN_TABLE + ifindex;
	uint32_t many = t->n_local < 4 ? t->n_local : 4;
	for (uint32_t i = 0; i < many; i++)
		want[i] = (struct ip_prefix){t->local[i], (uint8_t)ip_addr_bits(&t->local[i])};
	int err = set_device(&n->inside, ifindex, t->mtu ? t->mtu : 1400, NULL);
	if (!err)
		err = set_addresses(n, t->device, ifindex, want, many);
	if (!err)
		err = set_default_route(&n->inside, AF_INET, ifindex, table);
	if (!err)
		err = set_default_route(&n->inside, AF_INET6, ifindex, table);
	for (uint32_t i = 0; !err && i < many; i++)
		err = set_rule(&n->inside, &t->local[i], table);
	return err;
}

int router_net_tun(struct router_net *n, const struct router_tun *t, int *fd, struct fault *f)
{
	int err = *fd < 0 ? open_tun(n, t->device, fd) : 0;
	if (!err)
		err = set_tun(n, t);
	if (!err)
		return 0;
	fault_set(f, err, "TUN device %s: %s", t->device, strerror(-err));
	return err == -ENOENT ? fault_advise(f, "load the module tun") : err;
}

/* ---- what is left over ---- */

static bool is_ours(const char *name)
{
	return (*name == 'l' || *name == 'g') && name[1] >= '0' && name[1] <= '9';
}

void router_net_prune(struct router_net *n, bool (*keeps)(void *owner, const char *device),
		      void (*gone)(void *owner, const char *device), void *owner, bool dry)
{
	if (router_net_enter(n))
		return;
	struct if_nameindex *all = if_nameindex();
	router_net_leave(n);
	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		if (!is_ours(i->if_name) || (keeps && keeps(owner, i->if_name)))
			continue;
		if (gone)
			gone(owner, i->if_name);
		if (!dry)
			delete_device(&n->inside, i->if_index);
	}
	if (all)
		if_freenameindex(all);
}

/* ---- neighbours ---- */

static int ask_neighbour(struct router_net *n, uint32_t ifindex, const struct ip_addr *a,
			 bool managed)
{
	char buffer[REQUEST];
	struct nlmsghdr *h = request(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ndm_family = family_of(a);
	m->ndm_ifindex = (int)ifindex;
	m->ndm_state = NUD_NONE;
	m->ndm_flags = managed ? NTF_EXT_LEARNED : NTF_USE;
	put_addr(h, NDA_DST, a);
	if (managed)
		mnl_attr_put_u32(h, NDA_FLAGS_WORD, NEIGHBOUR_IS_MANAGED);
	return ask(&n->inside, h);
}

int router_net_keep_neighbour(struct router_net *n, uint32_t ifindex, const struct ip_addr *a)
{
	int err = ask_neighbour(n, ifindex, a, true);
	if (!err)
		return 0;
	ask_neighbour(n, ifindex, a, false);
	return -EOPNOTSUPP;
}

/* ---- counters ---- */

/* Two lines: names, and numbers in the same order. */
static uint64_t sum_of_md5(char *names, char *numbers)
{
	char *name_rest, *number_rest;
	char *name = strtok_r(names, " \n", &name_rest);
	char *number = strtok_r(numbers, " \n", &number_rest);
	uint64_t sum = 0;
	for (; name && number; name = strtok_r(NULL, " \n", &name_rest),
			       number = strtok_r(NULL, " \n", &number_rest)) {
		if (strncmp(name, "TCPMD5", 6) == 0)
			sum += strtoull(number, NULL, 10);
	}
	return sum;
}

uint64_t router_net_md5_refused(const struct router_net *n)
{
	char names[8192], numbers[8192];
	uint64_t sum = 0;
	if (router_net_enter(n))
		return 0;
	FILE *file = fopen("/proc/thread-self/net/netstat", "re");
	router_net_leave(n);
	if (!file)
		return 0;
	if (fgets(names, sizeof names, file) && fgets(numbers, sizeof numbers, file) &&
	    strncmp(names, "TcpExt:", 7) == 0)
		sum = sum_of_md5(names, numbers);
	fclose(file);
	return sum;
}
