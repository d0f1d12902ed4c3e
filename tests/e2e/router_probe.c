/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's router alone, without maps and programs: for tests against real neighbours.
 *
 *   router_probe SPEC        runs the router of a JSON file; each line of standard input is a
 *                            command: follow FILE, status, device NAME, relay NAME DEVICE,
 *                            pause SECONDS, end, leave; relay carries between a TUN of the router
 * and a new one here router_probe --sweep INSTANCE [--dry]
 *
 * Events are lines of JSON with the time (monotonic, seconds) when they came. Above 200 routes at
 * a time their number alone is told.
 */
#include "base/log.h"
#include "loader/router.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LOUD 200

static struct event_base *base;
static struct router *router;
static unsigned burst, total, withdrawn_total;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* `line` is taken over. */
static void say(json_t *line)
{
	json_object_set_new(line, "at", json_real(now()));
	char *text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	if (!text)
		abort();
	puts(text);
	fflush(stdout);
	free(text);
}

static void die(const struct fault *f)
{
	char text[FAULT_TEXT];
	fprintf(stderr, "router_probe: %s\n", fault_format(f, text));
	exit(1);
}

static void on_log(enum log_group group, enum log_level level, const char *line)
{
	fprintf(stderr, "%s %s %s\n", log_group_name(group), log_level_name(level), line);
}

/* ---- what the router tells ---- */

static void on_route(void *owner, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric,
		     bool withdrawn)
{
	char text[PREFIX_TEXT];
	(void)owner;
	total += !withdrawn;
	withdrawn_total += withdrawn;
	if (++burst > LOUD)
		return;
	say(json_pack("{s:s,s:i,s:s,s:i}", "event", withdrawn ? "withdrawn" : "route", "peer",
		      (int)peer, "prefix", ip_prefix_format(prefix, text), "metric", (int)metric));
}

static void on_settled(void *owner)
{
	(void)owner;
	say(json_pack("{s:s,s:i,s:i,s:i}", "event", "settled", "routes", (int)burst, "total",
		      (int)total, "withdrawn", (int)withdrawn_total));
	burst = 0;
}

static void on_synced(void *owner)
{
	(void)owner;
	say(json_pack("{s:s}", "event", "synced"));
}

static void on_canary(void *owner, const char *device, bool v6, bool up)
{
	(void)owner;
	say(json_pack("{s:s,s:s,s:b,s:b}", "event", "canary", "device", device, "v6", v6, "up",
		      up));
}

static void on_neighbour(void *owner, const char *device, const struct ip_addr *addr,
			 const uint8_t *mac)
{
	char text[IP_TEXT], m[MAC_TEXT] = "";
	(void)owner;
	if (mac)
		mac_format(mac, m);
	say(json_pack("{s:s,s:s,s:s,s:s}", "event", "neighbour", "device", device, "address",
		      ip_addr_format(addr, text), "mac", m));
}

static void on_peer(void *owner, uint32_t number, bool up)
{
	(void)owner;
	say(json_pack("{s:s,s:i,s:b}", "event", "peer", "peer", (int)number, "up", up));
}

static void on_bird(void *owner, bool runs)
{
	(void)owner;
	say(json_pack("{s:s,s:b}", "event", "bird", "runs", runs));
}

/* ---- a spec out of JSON ---- */

struct spec {
	struct router_spec s;
	struct router_link links[BIRD_LINKS];
	struct router_tun tuns[ROUTER_TUNS];
	struct bird_peer peers[64];
	struct bird_network networks[64];
	json_t *json; /* texts are its */
};

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static uint32_t number_of(const json_t *o, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(o, key));
}

static uint64_t groups_of(const json_t *o, const char *key)
{
	uint64_t bits = 0;
	size_t i;
	const json_t *g;
	json_array_foreach(json_object_get(o, key), i, g)
	{
		bits |= (uint64_t)1 << json_integer_value(g);
	}
	return bits;
}

static void copy_text(char *to, size_t room, const char *text)
{
	snprintf(to, room, "%s", text ? text : "");
}

static void must(int err, const char *what)
{
	if (err) {
		fprintf(stderr, "router_probe: %s: bad value\n", what);
		exit(2);
	}
}

static void read_link(struct router_link *l, const json_t *o)
{
	static const char *const local[] = {"local4", "local6"}, *const peer[] = {"peer4", "peer6"};
	copy_text(l->device, sizeof l->device, text_of(o, "device"));
	copy_text(l->host_device, sizeof l->host_device, text_of(o, "hostDevice"));
	for (int v6 = 0; v6 < 2; v6++) {
		if (text_of(o, local[v6]))
			must(ip_prefix_parse(&l->local[v6], text_of(o, local[v6])), local[v6]);
		if (text_of(o, peer[v6]))
			must(ip_addr_parse(&l->peer[v6], text_of(o, peer[v6])), peer[v6]);
	}
	if (text_of(o, "mac"))
		must(mac_parse(l->mac, text_of(o, "mac")), "mac");
	l->mtu = number_of(o, "mtu");
	l->bfd = json_is_true(json_object_get(o, "bfd"));
	l->interval_ms = number_of(o, "interval");
	l->multiplier = number_of(o, "multiplier");
}

static void read_tun(struct router_tun *t, const json_t *o)
{
	size_t i;
	const json_t *a;
	copy_text(t->device, sizeof t->device, text_of(o, "device"));
	t->mtu = number_of(o, "mtu");
	json_array_foreach(json_object_get(o, "local"), i, a)
	{
		must(ip_addr_parse(&t->local[t->n_local++], json_string_value(a)), "local");
	}
}

static void read_peer(struct bird_peer *p, const json_t *o)
{
	p->number = number_of(o, "number");
	p->group = number_of(o, "group");
	p->hears = groups_of(o, "hears");
	p->local_asn = number_of(o, "localAsn");
	p->peer_asn = number_of(o, "peerAsn");
	must(ip_addr_parse(&p->local, text_of(o, "local")), "local");
	must(ip_addr_parse(&p->peer, text_of(o, "peer")), "peer");
	p->device = text_of(o, "device");
	p->v4 = !json_is_false(json_object_get(o, "v4"));
	p->v6 = json_is_true(json_object_get(o, "v6"));
	if (text_of(o, "nextHop"))
		must(ip_addr_parse(&p->next_hop, text_of(o, "nextHop")), "nextHop");
	p->secret = (const uint8_t *)text_of(o, "md5");
	p->secret_len = p->secret ? strlen(text_of(o, "md5")) : 0;
	p->import_limit = number_of(o, "limit");
	p->retry_seconds = number_of(o, "retry");
	p->hold_seconds = number_of(o, "hold");
	p->bfd = json_is_true(json_object_get(o, "bfd"));
}

static void read_spec(struct spec *out, const char *path)
{
	size_t i;
	const json_t *o;
	json_error_t e;
	memset(out, 0, sizeof *out);
	json_t *j = out->json = json_load_file(path, 0, &e);
	if (!j) {
		fprintf(stderr, "router_probe: %s:%d: %s\n", path, e.line, e.text);
		exit(2);
	}
	copy_text(out->s.instance, sizeof out->s.instance, text_of(j, "instance"));
	copy_text(out->s.name, sizeof out->s.name, text_of(j, "name"));
	out->s.bird = text_of(j, "bird");
	out->s.router_id = number_of(j, "routerId");
	json_array_foreach(json_object_get(j, "links"), i, o)
	{
		read_link(&out->links[out->s.n_links++], o);
	}
	json_array_foreach(json_object_get(j, "tuns"), i, o)
	{
		read_tun(&out->tuns[out->s.n_tuns++], o);
	}
	json_array_foreach(json_object_get(j, "peers"), i, o)
	{
		read_peer(&out->peers[out->s.n_peers++], o);
	}
	json_array_foreach(json_object_get(j, "networks"), i, o)
	{
		struct bird_network *n = &out->networks[out->s.n_networks++];
		must(ip_prefix_parse(&n->prefix, text_of(o, "prefix")), "prefix");
		n->groups = groups_of(o, "groups");
		n->incomplete = json_is_true(json_object_get(o, "incomplete"));
	}
	out->s.links = out->links;
	out->s.tuns = out->tuns;
	out->s.peers = out->peers;
	out->s.networks = out->networks;
}

/* ---- commands ---- */

static json_t *status_of_peer(uint32_t number)
{
	struct router_peer p;
	if (router_peer(router, number, &p))
		return json_null();
	return json_pack("{s:i,s:b,s:s,s:I,s:[i,i],s:[i,i],s:I,s:I,s:i,s:s}", "number", (int)number,
			 "up", p.up, "state", p.state, "since", (json_int_t)p.since, "imported",
			 (int)p.imported[0], (int)p.imported[1], "exported", (int)p.exported[0],
			 (int)p.exported[1], "rejected", (json_int_t)p.rejected, "asLoops",
			 (json_int_t)p.as_loops, "closedForLimit", (int)p.n_over, "lastError",
			 p.last_error);
}

static void tell_status(void)
{
	struct router_status s;
	json_t *peers = json_array();
	router_status(router, &s);
	for (uint32_t n = 1; n < 64; n++) {
		json_t *p = status_of_peer(n);
		if (json_is_null(p))
			continue;
		json_array_append_new(peers, p);
	}
	say(json_pack("{s:s,s:i,s:b,s:i,s:i,s:i,s:i,s:i,s:s,s:o}", "event", "status", "bird",
		      (int)s.bird, "adopted", s.adopted, "restarts", (int)s.restarts, "routes",
		      (int)s.routes, "lost", (int)s.lost, "refused", (int)s.refused, "md5Refused",
		      (int)s.md5_refused, "lastError", s.last_error, "peers", peers));
}

static void tell_device(const char *name)
{
	struct router_device d = {0};
	char mac[MAC_TEXT];
	int err = router_device(router, name, &d);
	say(json_pack("{s:s,s:i,s:i,s:s,s:i}", "event", "device", "error", err, "ifindex",
		      (int)d.host_ifindex, "mac", mac_format(d.mac, mac), "fd",
		      router_tun_fd(router, name)));
}

/* Packets of one TUN go into the other. */
static void on_packet(evutil_socket_t fd, short what, void *owner)
{
	char packet[65536];
	int to = *(const int *)owner;
	(void)what;
	for (ssize_t n; (n = read(fd, packet, sizeof packet)) > 0;) {
		if (write(to, packet, (size_t)n) != n)
			fprintf(stderr, "router_probe: a packet of %zd bytes is lost\n", n);
	}
}

static struct event *carriers[2];

static void relay(char *words)
{
	static int ends[2];
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	char *device = strchr(words, ' ');
	if (!device)
		return;
	*device++ = 0;
	ends[0] = router_tun_fd(router, words);
	ends[1] = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	int err = ends[0] < 0 || ends[1] < 0 || ioctl(ends[1], TUNSETIFF, &r) ? -errno : 0;
	for (int i = 0; !err && i < 2; i++) {
		carriers[i] =
			event_new(base, ends[i], EV_READ | EV_PERSIST, on_packet, &ends[1 - i]);
		event_add(carriers[i], NULL);
	}
	say(json_pack("{s:s,s:i}", "event", "relayed", "error", err));
}

static void command(char *line)
{
	struct fault f = {0};
	line[strcspn(line, "\n")] = 0;
	if (strncmp(line, "follow ", 7) == 0) {
		struct spec *next = calloc(1, sizeof *next);
		if (!next)
			abort();
		read_spec(next, line + 7);
		int err = router_follow(router, &next->s, &f);
		say(json_pack("{s:s,s:i,s:s}", "event", "followed", "error", err, "text", f.text));
		json_decref(next->json);
		free(next);
	} else if (strcmp(line, "status") == 0) {
		tell_status();
	} else if (strncmp(line, "pause ", 6) == 0) {
		sleep((unsigned)atoi(line + 6)); /* as a daemon that has much else to do */
		say(json_pack("{s:s}", "event", "resumed"));
	} else if (strncmp(line, "relay ", 6) == 0) {
		relay(line + 6);
	} else if (strncmp(line, "device ", 7) == 0) {
		tell_device(line + 7);
	} else if (strcmp(line, "end") == 0) {
		for (int i = 0; i < 2; i++) {
			if (carriers[i])
				event_free(carriers[i]);
		}
		router_end(router);
		router = NULL;
		event_base_loopbreak(base);
	} else {
		event_base_loopbreak(base);
	}
}

static void on_input(evutil_socket_t fd, short what, void *owner)
{
	char text[4096], *rest = NULL;
	(void)what;
	(void)owner;
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n <= 0) {
		event_base_loopbreak(base);
		return;
	}
	text[n] = 0;
	for (char *l = strtok_r(text, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest))
		command(l);
}

static int sweep(int argc, char **argv)
{
	struct instance i;
	struct fault f = {0};
	json_t *removed = json_array();
	if (instance_init(&i, argv[2], &f) ||
	    router_sweep(&i, argc > 3 && strcmp(argv[3], "--dry") == 0, removed, &f))
		die(&f);
	say(json_pack("{s:s,s:o}", "event", "swept", "removed", removed));
	return 0;
}

int main(int argc, char **argv)
{
	const struct router_host host = {.route = on_route,
					 .synced = on_synced,
					 .settled = on_settled,
					 .canary = on_canary,
					 .neighbour = on_neighbour,
					 .peer = on_peer,
					 .bird = on_bird};
	struct fault f = {0};
	log_set_sink(on_log);
	if (argc > 2 && strcmp(argv[1], "--sweep") == 0)
		return sweep(argc, argv);
	if (argc != 2)
		return 2;
	struct spec *s = calloc(1, sizeof *s);
	base = event_base_new();
	if (!s || !base)
		return 1;
	read_spec(s, argv[1]);
	struct router_host h = host;
	h.base = base;
	h.queue_bytes = number_of(s->json, "queueBytes");
	if (router_start(&router, &s->s, &h, &f))
		die(&f);
	say(json_pack("{s:s}", "event", "started"));
	struct event *input = event_new(base, 0, EV_READ | EV_PERSIST, on_input, NULL);
	event_add(input, NULL);
	event_base_dispatch(base);
	router_leave(router);
	event_free(input);
	event_base_free(base);
	json_decref(s->json);
	free(s);
	return 0;
}
