// SPDX-License-Identifier: Apache-2.0
/*
 * ns per packet of the XDP programs, by BPF_PROG_TEST_RUN with repetitions on the real object:
 * parsing, decision, rewriting and counting, up to the redirect's map lookup; neither driver nor
 * delivery. The object is loaded with xgw_repeatable, which puts the frame's head back (its cost is
 * in the figure), and frames are chosen so that a repetition finds what the first run found.
 * Nothing is subtracted. Runs in a network namespace of its own with the loopback device as port;
 * pins and attaches nothing.
 */
#include "loader/bench.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/xgw.skel.h"
#pragma GCC diagnostic pop

#include "base/bytes.h"
#include "maps/limiter.h"
#include "maps/maps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/xsk.h>

enum { VNET = 1, PLAIN = 1, VXLAN, LINK, LINK_VLAN, HOST_VLAN, LOOPBACK = 1, TAG = 100 };
enum { HOP_LOCAL = 1, HOP_TUNNEL, HOP_DOWN, HOP_CHOICE, HOP_SPREAD, HOP_LINK, BANDWIDTH = 1 };
enum { TABLE = XGW_FIRST_TABLE, DOMAIN = XGW_FIRST_DOMAIN };
/* a test run with repetitions costs the kernel some 20 ms of its own before it starts the clock */
enum { ROUNDS = 7, DESTINATIONS = 16, UMEM_BYTES = 64 * 4096, SAS = 1000 };
/* a TTL of 255 bears this many repetitions where it is decremented */
enum { REPEAT = 10000, REPEAT_LOCAL = 200 };

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};

struct bench {
	struct xgw_bpf *skel;
	struct maps maps;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp, rx;
	void *area;
	int home; /* the namespace to go back to */
	uint64_t random;
	uint32_t routes;
	uint8_t (*destinations)[4]; /* one address under each route */
};

struct sample {
	uint8_t frame[256];
	uint32_t len;
};

/* xorshift64*: the same routes in each run. */
static uint32_t draw(struct bench *b)
{
	b->random ^= b->random >> 12;
	b->random ^= b->random << 25;
	b->random ^= b->random >> 27;
	return (uint32_t)((b->random * 0x2545f4914f6cdd1dull) >> 32);
}

static void mapped(uint8_t out[16], uint32_t v4)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	store_be32(out + 12, v4);
}

/* A TCP packet of 64 bytes from a host of the VNet, or ESP to the uplink. */
static void make_frame(struct sample *s, uint8_t proto, uint32_t from, uint32_t to, uint32_t first)
{
	uint8_t *ip = s->frame + 14;
	uint32_t sum = 0;

	memset(s, 0, sizeof(*s));
	memcpy(s->frame, own_mac, 6);
	memcpy(s->frame + 6, own_mac, 6);
	store_be16(s->frame + 12, 0x0800);
	ip[0] = 0x45;
	store_be16(ip + 2, 84);
	ip[8] = 255;
	ip[9] = proto;
	store_be32(ip + 12, from);
	store_be32(ip + 16, to);
	store_be32(ip + 20, first);
	for (int i = 0; i < 20; i += 2)
		sum += load_be16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
	s->len = 14 + 84;
}

static void put_tag(struct sample *s)
{
	memmove(s->frame + 16, s->frame + 12, s->len - 12);
	store_be32(s->frame + 12, 0x81000000 | TAG);
	s->len += 4;
}

static int put_attachments(struct bench *b)
{
	struct xgw_attachment a = {.id = PLAIN, .vnet = VNET, .ifindex = LOOPBACK, .mtu = 1500};
	struct xgw_tag_key key = {.ifindex = LOOPBACK};
	int rc;

	memcpy(a.mac, own_mac, 6);
	rc = maps_put(&b->maps, MAPS_attachments, &a.id, &a);
	if (!rc)
		rc = maps_put(&b->maps, MAPS_attachments_in, &key, &a.id);
	a.id = VXLAN;
	a.kind = XGW_TAG_VXLAN;
	a.tag = 1001;
	a.vxlan_port_be = htons(4789);
	mapped(a.local_vtep, 0xc0000201);
	return rc ? rc : maps_put(&b->maps, MAPS_attachments, &a.id, &a);
}

/* Hosts have our own link-layer address, so that a forwarded frame comes in again as it left. */
static int put_hosts(struct bench *b)
{
	struct xgw_endpoint_key key = {.vnet = VNET};
	struct xgw_endpoint e = {.attachment = PLAIN, .flags = XGW_ENDPOINT_STATIC};
	struct xgw_neighbour_key next = {.ifindex = LOOPBACK};
	struct xgw_neighbour n = {.ifindex = LOOPBACK};
	int rc = 0;

	memcpy(e.mac, own_mac, 6);
	for (uint32_t i = 0; i < 1000 && !rc; i++) {
		mapped(key.addr, 0x0a0b0004 + i);
		rc = maps_put(&b->maps, MAPS_endpoints, &key, &e);
	}
	e.attachment = VXLAN;
	mapped(e.vtep, 0xc000020b);
	mapped(next.addr, 0xc000020b);
	for (uint32_t i = 0; i < 1000 && !rc; i++) {
		mapped(key.addr, 0x0a0b8004 + i);
		rc = maps_put(&b->maps, MAPS_endpoints, &key, &e);
	}
	return rc ? rc : maps_put(&b->maps, MAPS_neighbours, &next, &n);
}

static int put_sas(struct bench *b)
{
	struct xgw_sa_key key = {0};
	struct xgw_sa_in sa = {.vnet = VNET};
	int rc = 0;

	mapped(key.destination, 0xcb007101);
	for (uint32_t i = 0; i < SAS && !rc; i++) {
		key.spi_be = htonl(0xc0000000 + i);
		sa.slot = i;
		rc = maps_put(&b->maps, MAPS_sas_in, &key, &sa);
	}
	return rc;
}

static int user_route(struct bench *b, const struct ip_prefix *p, uint32_t hop)
{
	struct xgw_route r = {
		.next_hop = hop, .source = XGW_ROUTE_USER, .plen = p->len, .family = 4};

	return maps_route_put(&b->maps, TABLE, p, &r);
}

/* A subnet with a table, which spreads one network's flows; of the tunnels the first is down. */
static int put_table(struct bench *b)
{
	const struct xgw_next_hop down = {.kind = XGW_HOP_TUNNEL, .connection = 2};
	struct xgw_next_hop choice = {.kind = XGW_HOP_CHOICE, .member = {HOP_DOWN, HOP_TUNNEL}};
	const uint32_t ids[] = {HOP_DOWN, HOP_CHOICE, HOP_SPREAD};
	struct xgw_route r = {
		.next_hop = HOP_LOCAL, .flags = XGW_ROUTE_LOCAL, .plen = 24, .table = TABLE};
	struct ip_prefix subnet, far;
	int rc = ip_prefix_parse(&subnet, "10.11.200.0/24");

	rc = rc ? rc : ip_prefix_parse(&far, "100.64.0.0/10");
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &ids[0], &down);
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &ids[1], &choice);
	choice.flags = XGW_HOP_SPREAD;
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &ids[2], &choice);
	rc = rc ? rc : maps_route_put(&b->maps, VNET, &subnet, &r);
	return rc ? rc : user_route(b, &far, HOP_SPREAD);
}

static int put_attachment(struct bench *b, const struct xgw_attachment *x)
{
	struct xgw_attachment a = *x;

	a.ifindex = LOOPBACK;
	a.mtu = 1500;
	memcpy(a.mac, own_mac, 6);
	return maps_put(&b->maps, MAPS_attachments, &a.id, &a);
}

/*
 * A circuit of 1 Tbit/s, whose links and hosts have each other's tags, so that here too a frame
 * comes in again as it left: without one, or with one.
 */
static int put_circuit(struct bench *b)
{
	const struct xgw_attachment all[] = {
		{.id = LINK, .vnet = DOMAIN, .flags = XGW_ATTACHMENT_LINK, .limiter = BANDWIDTH},
		{.id = LINK_VLAN,
		 .vnet = DOMAIN,
		 .kind = XGW_TAG_VLAN,
		 .tag = TAG,
		 .flags = XGW_ATTACHMENT_LINK,
		 .limiter = BANDWIDTH},
		{.id = HOST_VLAN, .vnet = VNET, .kind = XGW_TAG_VLAN, .tag = TAG}};
	const struct xgw_tag_key tag = {.ifindex = LOOPBACK, .kind = XGW_TAG_VLAN, .tag = TAG};
	const uint32_t link = LINK_VLAN, hop_id = HOP_LINK, limiter = BANDWIDTH;
	struct xgw_endpoint e = {.attachment = LINK, .flags = XGW_ENDPOINT_KERNEL};
	struct xgw_next_hop hop = {.kind = XGW_HOP_CIRCUIT, .vnet = DOMAIN, .flags = XGW_HOP_UP};
	struct xgw_endpoint_key key = {.vnet = DOMAIN};
	struct xgw_route r = {.next_hop = HOP_LINK, .source = XGW_ROUTE_BGP, .plen = 16};
	struct xgw_limiter l = limiter_of(1000000);
	struct ip_prefix far, space;
	int rc = ip_prefix_parse(&far, "10.99.0.0/16");

	rc = rc ? rc : ip_prefix_parse(&space, "10.11.0.0/16");
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all) && !rc; i++)
		rc = put_attachment(b, &all[i]);
	rc = rc ? rc : maps_put(&b->maps, MAPS_attachments_in, &tag, &link);
	rc = rc ? rc : maps_put(&b->maps, MAPS_limiters, &limiter, &l);
	memcpy(e.mac, own_mac, 6);
	mapped(key.addr, 0xac1f0001);
	mapped(hop.address, 0xac1f0001);
	rc = rc ? rc : maps_put(&b->maps, MAPS_endpoints, &key, &e);
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &hop_id, &hop);
	rc = rc ? rc : maps_route_put(&b->maps, VNET, &far, &r);
	r.next_hop = HOP_LOCAL;
	rc = rc ? rc : maps_route_put(&b->maps, DOMAIN, &space, &r);
	key.vnet = VNET;
	e.attachment = HOST_VLAN;
	for (uint32_t i = 0; i < 1000 && !rc; i++) {
		mapped(key.addr, 0x0a0ba004 + i);
		rc = maps_put(&b->maps, MAPS_endpoints, &key, &e);
	}
	return rc;
}

static int configure(struct bench *b)
{
	struct xgw_port port = {.ifindex = LOOPBACK, .role = XGW_ROLE_VNET, .mtu = 1500};
	struct xgw_next_hop local = {.kind = XGW_HOP_LOCAL, .vnet = VNET};
	struct xgw_next_hop tunnel = {
		.kind = XGW_HOP_TUNNEL, .vnet = VNET, .connection = 1, .flags = XGW_HOP_UP};
	struct xgw_route r = {.next_hop = HOP_LOCAL, .flags = XGW_ROUTE_LOCAL, .plen = 16};
	uint32_t id = HOP_LOCAL, tunnel_id = HOP_TUNNEL, device = LOOPBACK;
	struct ip_prefix space;
	int rc = ip_prefix_parse(&space, "10.11.0.0/16");

	memcpy(port.mac, own_mac, 6);
	b->maps.config->generation = 1;
	rc = rc ? rc : maps_put(&b->maps, MAPS_ports, &port.ifindex, &port);
	rc = rc ? rc : maps_put(&b->maps, MAPS_tx_ports, &device, &device);
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &id, &local);
	rc = rc ? rc : maps_put(&b->maps, MAPS_next_hops, &tunnel_id, &tunnel);
	rc = rc ? rc : maps_route_put(&b->maps, VNET, &space, &r);
	rc = rc ? rc : put_attachments(b);
	rc = rc ? rc : put_hosts(b);
	rc = rc ? rc : put_table(b);
	rc = rc ? rc : put_circuit(b);
	return rc ? rc : put_sas(b);
}

/* Adds scattered routes of /18 to /24, as sites announce them, until there are `want`. */
static int grow_routes(struct bench *b, uint32_t want)
{
	enum { CHUNK = 1000 };
	struct xgw_route4_key *keys = calloc(CHUNK, sizeof(*keys));
	struct xgw_route *values = calloc(CHUNK, sizeof(*values));
	uint32_t n;
	int rc = keys && values ? 0 : -ENOMEM;

	for (; !rc && b->routes < want; b->routes += n) {
		n = want - b->routes < CHUNK ? want - b->routes : CHUNK;
		for (uint32_t i = 0; i < n; i++) {
			/* mostly /24, each another one, of 128.0.0.0/2 without link-local */
			uint8_t len = draw(b) % 4 ? 24 : (uint8_t)(18 + draw(b) % 6);
			uint32_t at =
				0x80000000 | (((b->routes + i) * 0x2c1b3du) & 0x3fffff) << 8 | 0x15;

			if (at >> 16 == 0xa9fe)
				at ^= 0x00010000;

			store_be32(b->destinations[b->routes + i], at);
			keys[i] = (struct xgw_route4_key){.prefixlen = 32u + len,
							  .vnet_be = htonl(VNET)};
			store_be32(keys[i].addr, at & ~(0xffffffffu >> len));
			values[i] = (struct xgw_route){
				.next_hop = HOP_TUNNEL, .plen = len, .family = 4};
		}
		rc = maps_put_batch(&b->maps, MAPS_routes4, keys, values, n);
	}
	free(keys);
	free(values);
	return rc;
}

/* ns of one packet, the mean of `repeat` runs; a verdict other than redirect is a failure of ours.
 */
static int run(int fd, const struct sample *s, int repeat, double *ns)
{
	uint8_t out[512];
	struct xdp_md about = {.data_end = s->len, .ingress_ifindex = LOOPBACK};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = s->frame, .data_size_in = s->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &about,
		    .ctx_size_in = sizeof(about), .repeat = repeat);

	if (bpf_prog_test_run_opts(fd, &o))
		return -errno;
	*ns = o.duration;
	return o.retval == XDP_REDIRECT ? 0 : -EPROTO;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median over rounds of the mean over frames. */
static int measure(int fd, const struct sample *samples, int repeat, double *ns)
{
	double rounds[ROUNDS], one = 0;

	for (unsigned r = 0; r < ROUNDS; r++) {
		rounds[r] = 0;
		for (unsigned i = 0; i < DESTINATIONS; i++) {
			int rc = run(fd, &samples[i], repeat, &one);

			if (rc)
				return rc;
			rounds[r] += one / DESTINATIONS;
		}
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	*ns = rounds[ROUNDS / 2];
	return 0;
}

static int report(struct bench *b, json_t *results, const char *program, const char *name,
		  const struct sample *samples, struct fault *f)
{
	int fd = bpf_program__fd(!strcmp(program, "uplink")    ? b->skel->progs.xgw_uplink
				 : !strcmp(program, "circuit") ? b->skel->progs.xgw_circuit
							       : b->skel->progs.xgw_vnet);
	double ns = 0;
	int rc = measure(fd, samples, strncmp(name, "local", 5) ? REPEAT : REPEAT_LOCAL, &ns);

	if (rc)
		return fault_set(f, rc, "test run of program %s, case %s: %s", program, name,
				 rc == -EPROTO ? "expected a redirect, came another verdict"
					       : strerror(-rc));
	json_array_append_new(results,
			      json_pack("{s:s, s:s, s:i, s:f}", "program", program, "case", name,
					"routes", (int)b->routes, "nsPerPacket", ns));
	return 0;
}

/* Flows that are known, and the first packet of each: nothing is kept in generation 0. */
static int report_both(struct bench *b, json_t *results, const char *name, const char *name_new,
		       const struct sample *s, struct fault *f)
{
	int rc = report(b, results, "vnet", name, s, f);

	b->maps.config->generation = 0;
	rc = rc ? rc : report(b, results, "vnet", name_new, s, f);
	b->maps.config->generation = 1;
	return rc;
}

/* The same destinations from a subnet with a table; and flows that are spread. */
static int bench_tables(struct bench *b, json_t *results, struct sample *s, struct fault *f)
{
	struct ip_prefix p = {.addr = {.family = IP_V4}, .len = 32};
	int rc = 0;

	for (unsigned i = 0; i < DESTINATIONS && !rc; i++) {
		uint32_t to = load_be32(s[i].frame + 14 + 16);

		store_be32(p.addr.b, to);
		rc = user_route(b, &p, HOP_CHOICE);
		make_frame(&s[i], 6, 0x0a0bc804 + i, to, 0);
	}
	if (rc)
		return fault_set(f, rc, "user routes could not be made: %s", strerror(-rc));
	rc = report_both(b, results, "choice", "choice-new", s, f);
	for (unsigned i = 0; i < DESTINATIONS; i++)
		make_frame(&s[i], 6, 0x0a0bc804 + i, 0x64400104 + i * 256, 0);
	return rc ? rc : report_both(b, results, "spread", "spread-new", s, f);
}

/* Between hosts, and into circuits and out of them: XDP forwards alone. */
static int bench_forwarding(struct bench *b, json_t *results, struct sample *s, struct fault *f)
{
	static const struct {
		const char *program, *name;
		uint32_t from, to;
		bool tagged;
	} cases[] = {{"vnet", "local-plain", 0x0a0b0004, 0x0a0b0104, false},
		     {"vnet", "local-vxlan", 0x0a0b0004, 0x0a0b8104, false},
		     {"vnet", "local-circuit", 0x0a0b0004, 0x0a630104, false},
		     {"circuit", "local-host", 0x0a630104, 0x0a0ba104, true}};
	int rc = 0;

	for (unsigned c = 0; c < sizeof(cases) / sizeof(*cases) && !rc; c++) {
		for (unsigned i = 0; i < DESTINATIONS; i++) {
			make_frame(&s[i], 6, cases[c].from + i, cases[c].to + i, 0);
			if (cases[c].tagged)
				put_tag(&s[i]);
		}
		rc = report(b, results, cases[c].program, cases[c].name, s, f);
	}
	return rc;
}

static int bench_cases(struct bench *b, json_t *results, struct fault *f)
{
	static const uint32_t sizes[] = {10, 10000, 1000000};
	static struct sample s[DESTINATIONS];
	int rc;

	for (unsigned i = 0; i < DESTINATIONS; i++)
		make_frame(&s[i], 50, 0xc6336405, 0xcb007101, 0xc0000000 + i * 53);
	rc = report(b, results, "uplink", "esp", s, f);
	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]) && !rc; k++) {
		rc = grow_routes(b, sizes[k]);
		if (rc)
			return fault_set(f, rc, "%u routes could not be made: %s", sizes[k],
					 strerror(-rc));
		for (unsigned i = 0; i < DESTINATIONS; i++) {
			uint32_t to = load_be32(b->destinations[draw(b) % b->routes]);

			make_frame(&s[i], 6, 0x0a0b0004 + i, to, 0);
		}
		rc = report_both(b, results, "tunnel", "tunnel-new", s, f);
		rc = rc ? rc : bench_tables(b, results, s, f);
		if (!rc && k == 1)
			rc = bench_forwarding(b, results, s, f);
	}
	return rc;
}

static int load(struct bench *b, struct fault *f)
{
	int fds[MAPS_COUNT];

	b->skel = xgw_bpf__open();
	if (!b->skel)
		return fault_set(f, -errno, "BPF object cannot be opened: %s", strerror(errno));
	b->skel->rodata->xgw_repeatable = 1;
	if (xgw_bpf__load(b->skel))
		return fault_set(f, -errno, "BPF object cannot be loaded: %s; run as root",
				 strerror(errno));
	for (unsigned i = 0; i < MAPS_COUNT; i++)
		fds[i] = dup(bpf_object__find_map_fd_by_name(b->skel->obj,
							     maps_row((enum maps_id)i)->name));
	return maps_adopt(&b->maps, fds, f);
}

/* A socket for redirects to succeed; nothing is ever delivered to it. */
static int listen_on_loopback(struct bench *b, struct fault *f)
{
	struct xsk_socket_config c = {.rx_size = 64,
				      .tx_size = 64,
				      .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
				      .bind_flags = XDP_COPY};
	uint32_t place = 0;
	int fd, rc;

	b->area =
		mmap(NULL, UMEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->area == MAP_FAILED)
		return fault_set(f, -errno, "no memory for AF_XDP frames: %s", strerror(errno));
	rc = xsk_umem__create(&b->umem, b->area, UMEM_BYTES, &b->fill, &b->comp, NULL);
	if (!rc)
		rc = xsk_socket__create(&b->socket, "lo", 0, b->umem, &b->rx, NULL, &c);
	if (rc)
		return fault_set(f, rc, "AF_XDP socket on lo: %s", strerror(-rc));
	fd = xsk_socket__fd(b->socket);
	return maps_put(&b->maps, MAPS_xsks, &place, &fd);
}

static void end(struct bench *b)
{
	if (b->socket)
		xsk_socket__delete(b->socket);
	if (b->umem)
		xsk_umem__delete(b->umem);
	if (b->area && b->area != MAP_FAILED)
		munmap(b->area, UMEM_BYTES);
	if (b->skel) {
		maps_close(&b->maps);
		xgw_bpf__destroy(b->skel);
	}
	free(b->destinations);
	if (b->home >= 0) {
		if (setns(b->home, CLONE_NEWNET))
			abort(); /* going on in the wrong namespace would be worse */
		close(b->home);
	}
}

int bench_xdp(json_t *results, struct fault *f)
{
	struct bench b = {.home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC),
			  .random = 0x9e3779b97f4a7c15ull};
	int rc;

	for (unsigned i = 0; i < MAPS_COUNT; i++)
		b.maps.fd[i] = -1;
	b.destinations = calloc(1000000, sizeof(b.destinations[0]));
	if (!b.destinations)
		rc = fault_set(f, -ENOMEM, "no memory for the destinations");
	else if (b.home < 0 || unshare(CLONE_NEWNET))
		rc = fault_set(f, -errno, "no network namespace for the benchmark: %s; run as root",
			       strerror(errno));
	else
		rc = load(&b, f);
	if (!rc)
		rc = listen_on_loopback(&b, f);
	if (!rc) {
		rc = configure(&b);
		if (rc)
			fault_set(f, rc, "maps of the benchmark cannot be filled: %s",
				  strerror(-rc));
	}
	if (!rc)
		rc = bench_cases(&b, results, f);
	end(&b);
	return rc;
}
