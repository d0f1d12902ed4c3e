/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real object loaded in a network namespace of the test's own, with a veth pair as two of its
 * ports, another for a circuit and its router, sockets where workers would listen, and one
 * configuration that the rows refer to. Nothing is attached or pinned: all of it goes with the
 * process.
 */
#ifndef XGW_TESTS_BPF_WORLD_H
#define XGW_TESTS_BPF_WORLD_H

/* bpftool's text, not ours to be strict about */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/xgw.skel.h"
#pragma GCC diagnostic pop
#include "frames.h"
#include "maps/explain.h"
#include "maps/maps.h"
#include "maps/meta.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define LAN_MAC	 "02:00:00:00:0a:01"
#define WAN_MAC	 "02:00:00:00:0b:01"
#define ER_MAC	 "02:00:00:00:0e:01"
#define HOST_MAC "02:00:00:00:00:04"
#define VTEP_MAC "02:00:00:00:0c:0b"

enum { LAN, WAN, ER, LINK, PORTS };
enum { VNET = 1001, LEARNING = 1002 };
enum { PLAIN = 1, VLAN, VXLAN, VXLAN_LEARN, VXLAN6 };
enum {
	CLIENT = 32771,
	TUNNEL = 1024,
	DROPPING = 1,
	GATEWAY = 2,
	UNSERVED = 3,
	MISSING = 999,
	LOCAL = 0x1000000
};

struct world {
	struct xgw_bpf *skel;
	struct maps maps;
	uint32_t ifindex[PORTS];
	struct xsk_umem *umem;
	struct xsk_socket *socket[LINK];
	struct xsk_ring_prod fill[LINK];
	struct xsk_ring_cons comp[LINK];
	struct xsk_ring_cons rx[LINK];
	struct xsk_ring_prod tx[LINK];
	void *area;
};

#define must(condition)                                                                    \
	do {                                                                               \
		if (!(condition)) {                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, \
				strerror(errno));                                          \
			abort();                                                           \
		}                                                                          \
	} while (0)

static inline void world_mapped(uint8_t out[16], const char *text)
{
	struct ip_addr a;

	must(ip_addr_parse(&a, text) == 0);
	ip_addr_to_mapped(&a, out);
}

static inline void world_attachment(struct world *w, struct xgw_attachment a, const char *vtep,
				    uint32_t tag)
{
	struct xgw_tag_key key = {.ifindex = w->ifindex[LAN], .kind = a.kind, .tag = tag};

	a.ifindex = w->ifindex[LAN];
	a.tag = tag;
	a.mtu = 1500;
	a.vxlan_port_be = a.kind == XGW_TAG_VXLAN ? __builtin_bswap16(4789) : 0;
	frame_mac(a.mac, LAN_MAC);
	if (vtep)
		world_mapped(a.local_vtep, vtep);
	must(maps_put(&w->maps, MAPS_attachments, &a.id, &a) == 0);
	must(maps_put(&w->maps, MAPS_attachments_in, &key, &a.id) == 0);
	key.ifindex = w->ifindex[WAN];
	if (a.id == VXLAN)
		must(maps_put(&w->maps, MAPS_attachments_in, &key, &a.id) == 0);
}

static inline void world_route(struct world *w, uint32_t vnet, const char *prefix, uint32_t hop,
			       uint8_t flags)
{
	struct xgw_route r = {.next_hop = hop, .source = XGW_ROUTE_STATIC, .flags = flags};
	struct ip_prefix p;

	must(ip_prefix_parse(&p, prefix) == 0);
	r.plen = p.len;
	r.family = p.addr.family;
	must(maps_route_put(&w->maps, vnet, &p, &r) == 0);
}

static inline void world_hop(struct world *w, uint32_t id, uint32_t kind, uint32_t vnet,
			     uint32_t connection)
{
	struct xgw_next_hop h = {.kind = kind, .vnet = vnet, .connection = connection};

	must(maps_put(&w->maps, MAPS_next_hops, &id, &h) == 0);
}

static inline void world_address(struct world *w, const char *addr, uint32_t attachment)
{
	struct xgw_address_key key = {.vnet = VNET};
	struct xgw_address a = {.attachment = attachment};
	char prefix[64];

	world_mapped(key.addr, addr);
	must(maps_put(&w->maps, MAPS_addresses, &key, &a) == 0);
	snprintf(prefix, sizeof(prefix), "%s/%d", addr, strchr(addr, ':') ? 128 : 32);
	world_route(w, VNET, prefix, GATEWAY, 0);
}

static inline void world_endpoint(struct world *w, const char *addr, uint32_t attachment,
				  const char *vtep)
{
	struct xgw_endpoint_key key = {.vnet = VNET};
	struct xgw_endpoint e = {.attachment = attachment, .flags = XGW_ENDPOINT_STATIC};

	world_mapped(key.addr, addr);
	frame_mac(e.mac, HOST_MAC);
	if (vtep)
		world_mapped(e.vtep, vtep);
	must(maps_put(&w->maps, MAPS_endpoints, &key, &e) == 0);
}

static inline void world_neighbour(struct world *w, const char *addr)
{
	struct xgw_neighbour_key key = {.ifindex = w->ifindex[LAN]};
	struct xgw_neighbour n = {.ifindex = w->ifindex[LAN]};

	world_mapped(key.addr, addr);
	frame_mac(n.mac, VTEP_MAC);
	must(maps_put(&w->maps, MAPS_neighbours, &key, &n) == 0);
}

/* Hosts of the prefix may send VXLAN to the attachment. */
static inline void world_vtep(struct world *w, uint32_t attachment, const char *prefix)
{
	struct ip_prefix p;
	struct xgw_vtep v = {XGW_VTEP_STATIC};

	must(ip_prefix_parse(&p, prefix) == 0);
	struct xgw_vtep_key key = maps_vtep_key(attachment, &p);
	must(maps_put(&w->maps, MAPS_vteps, &key, &v) == 0);
}

static inline void world_limit(struct world *w, uint32_t vnet, uint32_t limit)
{
	struct xgw_learnt l = {.limit = limit};

	must(maps_put(&w->maps, MAPS_learnt, &vnet, &l) == 0);
}

static inline void world_sa(struct world *w, const char *destination, uint32_t spi)
{
	struct xgw_sa_key key = {.spi_be = __builtin_bswap32(spi)};
	struct xgw_sa_in sa = {.slot = 7, .connection = TUNNEL, .vnet = VNET};

	world_mapped(key.destination, destination);
	must(maps_put(&w->maps, MAPS_sas_in, &key, &sa) == 0);
}

static inline void world_configure(struct world *w)
{
	const uint32_t a = XGW_ATTACHMENT_ANSWERS, l = XGW_ATTACHMENT_LEARN;

	world_attachment(w, (struct xgw_attachment){.id = PLAIN, .vnet = VNET}, NULL, 0);
	world_attachment(
		w,
		(struct xgw_attachment){.id = VLAN, .vnet = VNET, .kind = XGW_TAG_VLAN, .flags = a},
		NULL, 11);
	world_attachment(w,
			 (struct xgw_attachment){
				 .id = VXLAN, .vnet = VNET, .kind = XGW_TAG_VXLAN, .flags = a},
			 "192.0.2.1", 1001);
	world_attachment(
		w,
		(struct xgw_attachment){
			.id = VXLAN_LEARN, .vnet = LEARNING, .kind = XGW_TAG_VXLAN, .flags = a | l},
		"192.0.2.1", 1002);
	world_attachment(w,
			 (struct xgw_attachment){
				 .id = VXLAN6, .vnet = VNET, .kind = XGW_TAG_VXLAN, .flags = a},
			 "2001:db8::1", 1003);
	world_hop(w, DROPPING, XGW_HOP_DROP, 0, 0);
	world_hop(w, GATEWAY, XGW_HOP_GATEWAY, 0, 0);
	world_hop(w, UNSERVED, XGW_HOP_NONE, 0, 0);
	world_hop(w, TUNNEL, XGW_HOP_TUNNEL, VNET, TUNNEL);
	world_hop(w, CLIENT, XGW_HOP_CLIENT, VNET, CLIENT);
	world_hop(w, LOCAL + VNET, XGW_HOP_LOCAL, VNET, 0);
	world_hop(w, LOCAL + LEARNING, XGW_HOP_LOCAL, LEARNING, 0);
	world_route(w, VNET, "10.11.0.0/16", LOCAL + VNET, XGW_ROUTE_LOCAL);
	world_route(w, VNET, "fd00:11::/48", LOCAL + VNET, XGW_ROUTE_LOCAL);
	world_route(w, LEARNING, "10.12.0.0/16", LOCAL + LEARNING, XGW_ROUTE_LOCAL);
	world_route(w, VNET, "192.168.5.0/24", TUNNEL, 0);
	world_route(w, VNET, "fd00:5::/64", TUNNEL, 0);
	world_route(w, VNET, "172.16.201.3/32", CLIENT, 0);
	world_route(w, VNET, "10.66.0.0/16", DROPPING, 0);
	world_route(w, VNET, "10.77.0.0/16", MISSING, 0);
	world_route(w, VNET, "10.88.0.0/16", UNSERVED, 0);
	world_address(w, "10.11.0.1", PLAIN);
	world_address(w, "10.11.1.1", VLAN);
	world_address(w, "10.11.2.1", VXLAN);
	world_address(w, "fd00:11::1:1", VLAN);
	world_address(w, "fd00:11::2:1", VXLAN);
	world_endpoint(w, "10.11.0.4", PLAIN, NULL);
	world_endpoint(w, "10.11.1.4", VLAN, NULL);
	world_endpoint(w, "10.11.2.4", VXLAN, "192.0.2.11");
	world_endpoint(w, "10.11.2.5", VXLAN, "192.0.2.12");
	world_endpoint(w, "10.11.2.6", VXLAN6, "2001:db8::11");
	world_endpoint(w, "10.11.9.9", 99, NULL);
	world_endpoint(w, "fd00:11::4", PLAIN, NULL);
	world_endpoint(w, "fd00:11::24", VXLAN, "192.0.2.11");
	world_vtep(w, VXLAN, "192.0.2.11");
	world_vtep(w, VXLAN, "192.0.2.12");
	world_vtep(w, VXLAN_LEARN, "192.0.2.0/26");
	world_limit(w, VNET, 4096);
	world_limit(w, LEARNING, 4096);
	world_neighbour(w, "192.0.2.11");
	world_neighbour(w, "2001:db8::11");
	world_sa(w, "203.0.113.1", 0xc0000001);
	world_sa(w, "2001:db8:1::1", 0xc0000002);
}

/* The id of a port in the maps. */
static inline uint32_t world_port_id(unsigned i)
{
	return i == LINK ? XGW_MAX_PORTS + 3 : i;
}

static inline void world_port(struct world *w, unsigned i, const char *mac)
{
	static const uint32_t roles[PORTS] = {XGW_ROLE_VNET, XGW_ROLE_UPLINK, XGW_ROLE_CIRCUIT,
					      XGW_ROLE_LINK};
	struct xgw_port p = {.id = world_port_id(i), .role = roles[i], .mtu = 1500};

	p.ifindex = w->ifindex[i];
	frame_mac(p.mac, mac);
	must(maps_put(&w->maps, MAPS_ports, &p.ifindex, &p) == 0);
	must(maps_put(&w->maps, MAPS_tx_ports, &p.ifindex, &p.ifindex) == 0);
}

static inline void world_listen(struct world *w, unsigned i, const char *device)
{
	struct xsk_socket_config c = {.rx_size = 64,
				      .tx_size = 64,
				      .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
				      .bind_flags = XDP_COPY};
	uint32_t key = i * XGW_MAX_QUEUES;
	int fd;

	must(xsk_socket__create_shared(&w->socket[i], device, 0, w->umem, &w->rx[i], &w->tx[i],
				       &w->fill[i], &w->comp[i], &c) == 0);
	fd = xsk_socket__fd(w->socket[i]);
	must(maps_put(&w->maps, MAPS_xsks, &key, &fd) == 0);
}

/* As on a kernel whose sockets take packets of several buffers, or not. */
static inline void world_open(struct world *w, bool multi_buffer)
{
	int fds[MAPS_COUNT];

	memset(w, 0, sizeof(*w));
	must(unshare(CLONE_NEWNET) == 0);
	must(system("ip link add lan0 type veth peer name wan0 && ip link set lan0 address " LAN_MAC
		    " && ip link set wan0 address " WAN_MAC
		    " && ip link add er0 type veth peer name link0 && ip link set er0 up"
		    " && ip link set link0 up && ip link set lan0 up && ip link set wan0 up") == 0);
	w->ifindex[LAN] = if_nametoindex("lan0");
	w->ifindex[WAN] = if_nametoindex("wan0");
	w->ifindex[ER] = if_nametoindex("er0");
	w->ifindex[LINK] = if_nametoindex("link0");
	w->skel = xgw_bpf__open();
	must(w->skel);
	w->skel->rodata->xgw_multi_buffer = multi_buffer;
	must(xgw_bpf__load(w->skel) == 0);
	for (unsigned i = 0; i < MAPS_COUNT; i++)
		fds[i] = dup(bpf_object__find_map_fd_by_name(w->skel->obj,
							     maps_row((enum maps_id)i)->name));
	must(maps_adopt(&w->maps, fds, NULL) == 0);
	world_port(w, LAN, LAN_MAC);
	world_port(w, WAN, WAN_MAC);
	world_port(w, ER, ER_MAC);
	world_port(w, LINK, ER_MAC);
	w->area =
		mmap(NULL, 256 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(w->area != MAP_FAILED);
	must(xsk_umem__create(&w->umem, w->area, 256 * 4096, &w->fill[LAN], &w->comp[LAN], NULL) ==
	     0);
	world_listen(w, LAN, "lan0");
	world_listen(w, WAN, "wan0");
	world_listen(w, ER, "er0");
	world_configure(w);
}

static inline void world_close(struct world *w)
{
	for (unsigned i = 0; i < LINK; i++)
		xsk_socket__delete(w->socket[i]);
	xsk_umem__delete(w->umem);
	munmap(w->area, 256 * 4096);
	maps_close(&w->maps);
	xgw_bpf__destroy(w->skel);
}

static inline int world_program(const struct world *w, unsigned port)
{
	const struct bpf_program *const of[PORTS] = {
		w->skel->progs.xgw_vnet, w->skel->progs.xgw_uplink, w->skel->progs.xgw_circuit,
		w->skel->progs.xgw_link};

	return bpf_program__fd(of[port]);
}

#define RUN_LINEAR 3000u
/* One run as if the frame had come in on the port; out: what stands in the buffer afterwards. */
static inline int world_run(struct world *w, unsigned port, const struct frame *in,
			    struct frame *out)
{
	/* what is longer comes in further buffers of a page */
	uint32_t first = in->len < RUN_LINEAR ? (uint32_t)in->len : RUN_LINEAR;
	struct xdp_md about = {.data_end = first, .ingress_ifindex = w->ifindex[port]};
	int fd = world_program(w, port);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->b, .data_size_in = (uint32_t)in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .ctx_in = &about,
		    .ctx_size_in = sizeof(about), .repeat = 1);

	int err = bpf_prog_test_run_opts(fd, &o);
	if (err == -EINVAL && first < in->len) {
		/* before Linux 6.18 the kernel itself says how much stands in the first buffer */
		about.data_end = (uint32_t)in->len;
		err = bpf_prog_test_run_opts(fd, &o);
	}
	must(err == 0);
	out->len = o.data_size_out;
	return (int)o.retval;
}

#endif
