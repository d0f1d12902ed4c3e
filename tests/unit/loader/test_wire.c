/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circuit's port and a router's wire, attached as the daemon attaches them, in a network
 * namespace of the test's own: frames from the router leave with the link's tags, and frames for it
 * come without; also when nobody is left who attached that; and a sweep leaves nothing.
 */
#include "loader/attach.h"
#include "loader/command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINK = 5, OTHER_LINK, DOMAIN = XGW_FIRST_DOMAIN, OUTER = 200, INNER = 300, OTHER = 100 };
enum { PAYLOAD = 60, VNET = 1001, AT_VNET = 9, VIA_LINK = 4000, VIA_ANY, LOCAL_HOP };
enum { TUNNEL = 1024 };

struct fixture {
	struct netlink *netlink;
	struct instance instance;
	struct attach *attach;
	struct netlink_link wire;
	int provider, router; /* sockets at the far ends of both veths */
};

static int listen_on(const char *device)
{
	const struct sockaddr_ll at = {.sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(device)};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

/* The kernel takes the first tag off for a socket: it comes beside the frame. */
struct got {
	uint16_t outer_type, outer;
	uint8_t frame[256];
	ssize_t len;
};

static bool next(int fd, struct got *g, int ms)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct sockaddr_ll from;
	struct iovec at = {g->frame, sizeof g->frame};
	struct msghdr m = {.msg_iov = &at,
			   .msg_iovlen = 1,
			   .msg_name = &from,
			   .msg_namelen = sizeof from,
			   .msg_control = &control,
			   .msg_controllen = sizeof control};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, ms) <= 0)
		return false;
	g->len = recvmsg(fd, &m, 0);
	g->outer = g->outer_type = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct tpacket_auxdata aux;
		if (c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof aux);
		g->outer = aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : 0;
		g->outer_type = g->outer ? aux.tp_vlan_tpid : 0;
	}
	return g->len > 0 && from.sll_pkttype != PACKET_OUTGOING;
}

/* The frame whose payload is marked so; others (the kernel's own) are passed over. */
static bool receive(int fd, struct got *g, uint8_t mark, int ms)
{
	for (int i = 0; i < 50; i++) {
		if (next(fd, g, ms) && g->frame[g->len - 1] == mark)
			return true;
		if (ms < 100)
			return false;
	}
	return false;
}

static void send_frame(int fd, const void *tags, size_t n_tags, uint8_t mark)
{
	uint8_t f[14 + 8 + PAYLOAD];
	memset(f, 0xff, 6);
	memcpy(f + 6, "\2\0\0\0\0\7", 6);
	memcpy(f + 12, tags, n_tags);
	memcpy(f + 12 + n_tags, "\x08\x06", 2);
	memset(f + 14 + n_tags, mark, PAYLOAD);
	assert_int_equal(write(fd, f, 14 + n_tags + PAYLOAD), 14 + n_tags + PAYLOAD);
}

static void put_link(const struct maps *m, uint32_t id, uint32_t kind, uint32_t tag, uint32_t local)
{
	const uint32_t port = if_nametoindex("er0");
	const struct xgw_tag_key key = {port, kind, tag};
	const struct xgw_attachment a = {.id = id,
					 .vnet = DOMAIN,
					 .ifindex = port,
					 .kind = kind,
					 .tag = tag,
					 .mtu = 1500,
					 .flags = XGW_ATTACHMENT_LINK,
					 .local_ifindex = local};
	assert_int_equal(maps_put(m, MAPS_attachments, &id, &a), 0);
	assert_int_equal(maps_put(m, MAPS_attachments_in, &key, &id), 0);
	maps_bump(m);
}

static void check_both_ways(const struct fixture *x, uint8_t mark)
{
	static const uint8_t tags[] = {0x88, 0xa8, 0, OUTER, 0x81, 0, INNER >> 8, INNER & 0xff};
	struct got g;
	send_frame(x->router, "", 0, mark);
	assert_true(receive(x->provider, &g, mark, 2000));
	assert_int_equal(g.outer_type, 0x88a8);
	assert_int_equal(g.outer, OUTER);
	assert_int_equal(g.len, 14 + 4 + PAYLOAD);
	assert_memory_equal(g.frame + 6, "\2\0\0\0\0\7", 6);
	assert_memory_equal(g.frame + 12, tags + 4, 4);
	send_frame(x->provider, tags, sizeof tags, (uint8_t)(mark + 1));
	assert_true(receive(x->router, &g, (uint8_t)(mark + 1), 2000));
	assert_int_equal(g.outer_type, 0);
	assert_int_equal(g.len, 14 + PAYLOAD);
	assert_memory_equal(g.frame + 12, "\x08\x06", 2);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct fault f = {0};
	assert_non_null(x);
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("run", "/run", "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
	assert_int_equal(mkdir(RUN_DIRECTORY, 0755), 0);
	/* a far end takes frames from XDP when it has GRO, or a program of its own */
	assert_int_equal(
		system("ip link add er0 type veth peer name er1 && "
		       "ip link add wire0 type veth peer name l0 && "
		       "ip link add lan0 type veth peer name lan1 && "
		       "for d in er0 er1 wire0 l0 lan0 lan1; do ip link set $d up || exit 1; done; "
		       "ethtool -K er1 gro on && ethtool -K l0 gro on"),
		0);
	assert_int_equal(netlink_open(&x->netlink, &f), 0);
	assert_int_equal(instance_init(&x->instance, "wire", &f), 0);
	x->provider = listen_on("er1");
	x->router = listen_on("l0");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	close(x->provider);
	close(x->router);
	netlink_close(x->netlink);
	free(x);
	return 0;
}

static void test_attached(void **state)
{
	struct fixture *x = *state;
	struct attach_port ports[] = {{.role = XGW_ROLE_CIRCUIT}, {.role = XGW_ROLE_VNET}};
	struct fault f = {0};
	assert_int_equal(netlink_link_by_name(x->netlink, "er0", &ports[0].link), 0);
	assert_int_equal(netlink_link_by_name(x->netlink, "lan0", &ports[1].link), 0);
	assert_int_equal(netlink_link_by_name(x->netlink, "wire0", &x->wire), 0);
	int err =
		attach_start(&x->attach, &x->instance, x->netlink, ports, 2, MODEL_XDP_NATIVE, &f);
	if (err)
		fail_msg("%s", f.text);
	const struct maps *m = attach_maps(x->attach);
	const struct xgw_port port = {.role = XGW_ROLE_CIRCUIT, .ifindex = ports[0].link.ifindex};
	assert_int_equal(maps_put(m, MAPS_ports, &port.ifindex, &port), 0);
	assert_int_equal(maps_put(m, MAPS_tx_ports, &port.ifindex, &port.ifindex), 0);
	put_link(m, LINK, XGW_TAG_QINQ, XGW_QINQ(OUTER, INNER), 0);
	put_link(m, OTHER_LINK, XGW_TAG_VLAN, OTHER, 0);
	if (attach_wire(x->attach, &x->wire, LINK, &f))
		fail_msg("%s", f.text);
	put_link(m, LINK, XGW_TAG_QINQ, XGW_QINQ(OUTER, INNER), x->wire.ifindex);
	check_both_ways(x, 0x10);
}

/* Again, to another link, and back: one wire, one place. */
static void test_again(void **state)
{
	struct fixture *x = *state;
	struct xgw_port port;
	struct fault f = {0};
	struct got g;
	assert_int_equal(attach_wire(x->attach, &x->wire, OTHER_LINK, &f), 0);
	send_frame(x->router, "", 0, 0x20);
	assert_true(receive(x->provider, &g, 0x20, 2000));
	assert_int_equal(g.outer_type, 0x8100);
	assert_int_equal(g.outer, OTHER);
	assert_int_equal(attach_wire(x->attach, &x->wire, LINK, &f), 0);
	assert_int_equal(maps_get(attach_maps(x->attach), MAPS_ports, &x->wire.ifindex, &port), 0);
	assert_int_equal(port.id, XGW_MAX_PORTS);
	assert_int_equal(port.role, XGW_ROLE_LINK);
	check_both_ways(x, 0x22);
}

static void test_taken_off(void **state)
{
	struct fixture *x = *state;
	struct netlink_link l;
	struct fault f = {0};
	struct got g;
	attach_unwire(x->attach, x->wire.ifindex);
	attach_unwire(x->attach, x->wire.ifindex);
	attach_unwire(x->attach, 99999);
	assert_int_equal(netlink_link_by_name(x->netlink, "wire0", &l), 0);
	assert_int_equal(l.xdp_mode, 0);
	assert_int_equal(maps_entries(attach_maps(x->attach), MAPS_ports), 1);
	send_frame(x->router, "", 0, 0x30);
	assert_false(receive(x->provider, &g, 0x30, 50));
	/* nobody has that device */
	l.ifindex = 99999;
	assert_int_not_equal(attach_wire(x->attach, &l, LINK, &f), 0);
	assert_int_equal(maps_entries(attach_maps(x->attach), MAPS_ports), 1);
	assert_int_equal(attach_wire(x->attach, &x->wire, LINK, &f), 0);
	check_both_ways(x, 0x32);
}

/* ---- explained ---- */

static void put_name(const struct maps *m, enum xgw_name_kind kind, uint32_t id, const char *text)
{
	const struct xgw_name_key key = {kind, id};
	struct xgw_name name = {0};
	snprintf(name.text, sizeof name.text, "%s", text);
	assert_int_equal(maps_put(m, MAPS_names, &key, &name), 0);
}

static void put_route(const struct maps *m, const char *prefix, uint32_t hop, uint8_t flags)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(&p, prefix), 0);
	const struct xgw_route r = {.next_hop = hop,
				    .source = XGW_ROUTE_BGP,
				    .flags = flags,
				    .plen = p.len,
				    .family = p.addr.family};
	assert_int_equal(maps_route_put(m, VNET, &p, &r), 0);
}

/* A virtual network on a device of its own, with routes into the circuit. */
static void put_network(const struct maps *m)
{
	const uint32_t lan = if_nametoindex("lan0"), id = AT_VNET, via = VIA_LINK, any = VIA_ANY,
		       tunnel = TUNNEL;
	const struct xgw_port port = {.id = 1, .role = XGW_ROLE_VNET, .ifindex = lan};
	const struct xgw_attachment a = {.id = id, .vnet = VNET, .ifindex = lan, .mtu = 1500};
	const struct xgw_tag_key key = {.ifindex = lan};
	struct xgw_endpoint_key host = {.vnet = DOMAIN};
	const struct xgw_endpoint router = {.attachment = LINK, .mac = {2, 0, 0, 0, 0, 9}};
	struct xgw_next_hop hop = {.kind = XGW_HOP_CIRCUIT, .vnet = DOMAIN, .flags = XGW_HOP_UP};
	const struct xgw_next_hop down = {.kind = XGW_HOP_TUNNEL, .connection = tunnel};
	const struct xgw_next_hop choice = {.kind = XGW_HOP_CHOICE,
					    .flags = XGW_HOP_SPREAD,
					    .groups = 2,
					    .member = {via, tunnel}};
	struct ip_addr peer;
	assert_int_equal(ip_addr_parse(&peer, "172.31.0.1"), 0);
	ip_addr_to_mapped(&peer, hop.address);
	ip_addr_to_mapped(&peer, host.addr);
	assert_int_equal(maps_put(m, MAPS_ports, &lan, &port), 0);
	assert_int_equal(maps_put(m, MAPS_attachments, &id, &a), 0);
	assert_int_equal(maps_put(m, MAPS_attachments_in, &key, &id), 0);
	assert_int_equal(maps_put(m, MAPS_endpoints, &host, &router), 0);
	assert_int_equal(maps_put(m, MAPS_next_hops, &via, &hop), 0);
	assert_int_equal(maps_put(m, MAPS_next_hops, &tunnel, &down), 0);
	assert_int_equal(maps_put(m, MAPS_next_hops, &any, &choice), 0);
	put_name(m, XGW_NAME_VNET, VNET, "VNet1");
	put_name(m, XGW_NAME_HOP, VIA_LINK, "Circuit1/primary");
	put_name(m, XGW_NAME_CONNECTION, TUNNEL, "VNet1-Site5");
	put_route(m, "10.11.0.0/16", LOCAL_HOP, XGW_ROUTE_LOCAL);
	put_route(m, "10.1.0.0/16", VIA_LINK, 0);
	put_route(m, "10.2.0.0/16", VIA_ANY, 0);
	maps_bump(m);
}

/* What `xgw next-hop --json` says. */
static json_t *explained(const struct fixture *x, const char *to)
{
	char *argv[] = {(char *)(uintptr_t)to};
	struct command_options o = {
		.instance = x->instance, .json = true, .vnet = "VNet1", .argc = 1, .argv = argv};
	int was = dup(1), file = memfd_create("said", 0);
	char text[2048] = {0};
	fflush(stdout);
	assert_true(was >= 0 && file >= 0 && dup2(file, 1) == 1);
	int rc = cmd_next_hop(&o);
	fflush(stdout);
	assert_true(dup2(was, 1) == 1);
	assert_int_equal(rc, EXIT_DONE);
	assert_true(pread(file, text, sizeof text - 1, 0) > 0);
	close(was);
	close(file);
	json_t *d = json_loads(text, 0, NULL);
	assert_non_null(d);
	return d;
}

static const char *text_of(const json_t *d, const char *field)
{
	return json_string_value(json_object_get(d, field));
}

static void test_next_hop(void **state)
{
	struct fixture *x = *state;
	const struct maps *m = attach_maps(x->attach);
	const uint32_t via = VIA_LINK;
	struct xgw_next_hop hop;
	put_network(m);
	json_t *d = explained(x, "10.1.2.3");
	assert_string_equal(text_of(d, "verdict"), "circuit");
	assert_string_equal(text_of(d, "nextHop"), "Circuit1/primary");
	assert_true(json_is_true(json_object_get(d, "linkUp")));
	assert_true(json_is_null(json_object_get(d, "candidates")));
	assert_string_equal(text_of(json_object_get(d, "route"), "source"), "bgp");
	json_decref(d);
	assert_int_equal(maps_get(m, MAPS_next_hops, &via, &hop), 0);
	hop.flags = 0;
	assert_int_equal(maps_put(m, MAPS_next_hops, &via, &hop), 0);
	/* none is up: the first */
	d = explained(x, "10.2.2.3");
	assert_string_equal(text_of(d, "verdict"), "circuit");
	assert_string_equal(text_of(d, "nextHop"), "Circuit1/primary");
	assert_true(json_is_false(json_object_get(d, "linkUp")));
	const json_t *list = json_object_get(d, "candidates");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(json_array_get(list, 1), "nextHop"), "VNet1-Site5");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "group")), 2);
	json_decref(d);
}

/* The daemon is gone: both ways go on until somebody clears up. */
static void test_left_behind(void **state)
{
	struct fixture *x = *state;
	struct netlink_link l;
	struct fault f = {0};
	json_t *removed = json_array();
	attach_leave(x->attach);
	check_both_ways(x, 0x40);
	assert_int_equal(sweep(&x->instance, x->netlink, false, removed, &f), 0);
	assert_true(json_array_size(removed) >= 3);
	json_decref(removed);
	assert_int_equal(netlink_link_by_name(x->netlink, "wire0", &l), 0);
	assert_int_equal(l.xdp_mode, 0);
	assert_int_equal(netlink_link_by_name(x->netlink, "er0", &l), 0);
	assert_int_equal(l.xdp_mode, 0);
}

/* What another instance has put there stays. */
static void test_of_another(void **state)
{
	struct fixture *x = *state;
	struct attach_port er = {.role = XGW_ROLE_CIRCUIT};
	struct instance other;
	struct netlink_link l;
	struct fault f = {0};
	assert_int_equal(netlink_link_by_name(x->netlink, "er0", &er.link), 0);
	assert_int_equal(
		attach_start(&x->attach, &x->instance, x->netlink, &er, 1, MODEL_XDP_NATIVE, &f),
		0);
	assert_int_equal(attach_wire(x->attach, &x->wire, LINK, &f), 0);
	assert_int_equal(instance_init(&other, "other", &f), 0);
	assert_int_equal(sweep(&other, x->netlink, false, NULL, &f), 0);
	assert_int_equal(netlink_link_by_name(x->netlink, "wire0", &l), 0);
	assert_int_equal(l.xdp_mode, 1);
	attach_end(x->attach, x->netlink);
	assert_int_equal(netlink_link_by_name(x->netlink, "wire0", &l), 0);
	assert_int_equal(l.xdp_mode, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attached),    cmocka_unit_test(test_again),
		cmocka_unit_test(test_taken_off),   cmocka_unit_test(test_next_hop),
		cmocka_unit_test(test_left_behind), cmocka_unit_test(test_of_another),
	};
	if (geteuid()) {
		printf("not run: XDP needs root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
