/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of one peer N, each for IPv4 and IPv6:
 *
 *   peer_N --> seX_N --pipe--> inX_N --> kernel table
 *                |  ^
 *            pipe|  |pipe: networks, and what others told that it is to hear
 *                v  |
 *                allX <-- ownX (networks)
 *
 * A session's own table has its routes and what it is told, so that BIRD's choice among them is
 * that of RFC 4271 section 9.1; a kernel table has a peer's routes alone, whatever BIRD prefers.
 */
#include "control/bird_config.h"

#include "base/secret.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM     4096
#define RESUME_SECONDS 10u

static const char *const family_name[] = {"ipv4", "ipv6"};
static const char family_digit[] = {'4', '6'};

/* ---- text that grows ---- */

struct text {
	char *at;
	size_t len, room;
	bool bad;
};

/* By hand, since realloc leaves copies of secrets behind. */
static bool make_room(struct text *t, size_t more)
{
	size_t room = t->room ? t->room : FIRST_ROOM;
	while (room - t->len <= more)
		room *= 2;
	if (room == t->room)
		return true;
	char *grown = malloc(room);
	if (!grown) {
		t->bad = true;
		return false;
	}
	if (t->at) {
		memcpy(grown, t->at, t->len);
		wipe(t->at, t->room);
		free(t->at);
	}
	t->at = grown;
	t->room = room;
	return true;
}

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (t->bad || n < 0 || !make_room(t, (size_t)n))
		return;
	va_start(ap, format);
	t->len += (size_t)vsnprintf(t->at + t->len, t->room - t->len, format, ap);
	va_end(ap);
}

/* Bytes that were checked to be a string of BIRD's. */
static void put_quoted(struct text *t, const uint8_t *bytes, size_t n)
{
	put(t, "\"");
	if (!t->bad && make_room(t, n)) {
		memcpy(t->at + t->len, bytes, n);
		t->len += n;
	}
	put(t, "\"");
}

/* ---- what may come in ---- */

/* Its strings begin and end with '"' on one line; there is no way to write either inside. */
static bool is_string(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '"' || bytes[i] == '\n' || bytes[i] == '\r' || !bytes[i])
			return false;
	}
	return true;
}

static bool is_device(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t n = name ? strlen(name) : 0;
	return n && n < BIRD_DEVICE && strchr(letters, *name) && strspn(name, allowed) == n;
}

static const struct bird_link *find_link(const struct bird_config_in *in, const char *device)
{
	for (size_t i = 0; i < in->n_links; i++) {
		if (strcmp(in->links[i].device, device) == 0)
			return &in->links[i];
	}
	return NULL;
}

static int check_link(const struct bird_config_in *in, const struct bird_link *l, struct fault *f)
{
	if (!is_device(l->device))
		return fault_set(f, -EINVAL, "a link has no name of a device");
	if (find_link(in, l->device) != l)
		return fault_set(f, -EINVAL, "link %s is there twice", l->device);
	if ((l->peer[0].family && l->peer[0].family != IP_V4) ||
	    (l->peer[1].family && l->peer[1].family != IP_V6))
		return fault_set(f, -EINVAL, "link %s: its peers are of other families", l->device);
	if (l->interval_ms > 60000 || l->multiplier > 255)
		return fault_set(f, -EINVAL, "link %s: BFD takes 1 to 60000 ms, 1 to 255 times",
				 l->device);
	return 0;
}

static int check_secret(const struct bird_peer *p, struct fault *f)
{
	if (!p->secret)
		return 0;
	if (!p->secret_len || p->secret_len > BIRD_SECRET)
		return fault_set(f, -EINVAL, "peer %u: a secret of MD5 has 1 to %u bytes",
				 p->number, BIRD_SECRET);
	if (!is_string(p->secret, p->secret_len))
		return fault_set(f, -EINVAL,
				 "peer %u: BIRD takes no secret with '\"', line ends or NUL",
				 p->number);
	return 0;
}

static int check_peer(const struct bird_config_in *in, const struct bird_peer *p, struct fault *f)
{
	uint32_t n = p->number;
	if (!n || n > BIRD_PEERS)
		return fault_set(f, -EINVAL, "peer %u: its number is not 1 to %u", n, BIRD_PEERS);
	if (p->group >= BIRD_GROUPS)
		return fault_set(f, -EINVAL, "peer %u: group %u is not below %u", n, p->group,
				 BIRD_GROUPS);
	if (!p->local_asn || !p->peer_asn || (p->device && p->local_asn == p->peer_asn))
		return fault_set(f, -EINVAL, "peer %u: AS numbers %u and %u are not those of eBGP",
				 n, p->local_asn, p->peer_asn);
	if (!p->local.family || p->local.family != p->peer.family)
		return fault_set(f, -EINVAL, "peer %u: its addresses are not of one family", n);
	if (!p->v4 && !p->v6)
		return fault_set(f, -EINVAL, "peer %u speaks of no address family", n);
	if (p->next_hop.family && p->next_hop.family == p->local.family)
		return fault_set(f, -EINVAL, "peer %u: its next hop is of its session's family", n);
	if (p->device && !find_link(in, p->device))
		return fault_set(f, -EINVAL, "peer %u is on no link", n);
	if (p->hold_seconds && (p->hold_seconds < 3 || p->hold_seconds > 65535))
		return fault_set(f, -EINVAL, "peer %u: hold time is 3 to 65535 s (RFC 4271)", n);
	return check_secret(p, f);
}

static int check_numbers(const struct bird_config_in *in, struct fault *f)
{
	uint8_t seen[BIRD_PEERS / 8 + 1] = {0};
	for (size_t i = 0; i < in->n_peers; i++) {
		uint32_t n = in->peers[i].number;
		if (seen[n / 8] & 1u << n % 8)
			return fault_set(f, -EINVAL, "peer %u is there twice", n);
		seen[n / 8] |= (uint8_t)(1u << n % 8);
	}
	return 0;
}

static int check(const struct bird_config_in *in, struct fault *f)
{
	int err = 0;
	if (!in->router_id)
		return fault_set(f, -EINVAL, "a router needs an id");
	if (in->log && !is_string((const uint8_t *)in->log, strlen(in->log)))
		return fault_set(f, -EINVAL, "the log has no path that BIRD takes");
	if (in->n_links > BIRD_LINKS || in->n_peers > BIRD_PEERS)
		return fault_set(f, -EINVAL, "more than %u links or %u peers", BIRD_LINKS,
				 BIRD_PEERS);
	for (size_t i = 0; !err && i < in->n_links; i++)
		err = check_link(in, &in->links[i], f);
	for (size_t i = 0; !err && i < in->n_peers; i++)
		err = check_peer(in, &in->peers[i], f);
	for (size_t i = 0; !err && i < in->n_networks; i++) {
		const struct ip_prefix *p = &in->networks[i].prefix;
		if (!p->addr.family || !ip_prefix_is_canonical(p))
			err = fault_set(f, -EINVAL, "network %zu is no prefix", i);
	}
	return err ? err : check_numbers(in, f);
}

/* ---- networks ---- */

static int by_prefix(const void *a, const void *b)
{
	const struct bird_network *x = a, *y = b;
	int c = ip_addr_cmp(&x->prefix.addr, &y->prefix.addr);
	return c ? c : (int)x->prefix.len - (int)y->prefix.len;
}

/* Sorted, each prefix once: what differs only in order gives the same text. */
static size_t merge_networks(struct bird_network *at, size_t n)
{
	size_t kept = 0;
	qsort(at, n, sizeof *at, by_prefix);
	for (size_t i = 0; i < n; i++) {
		if (kept && ip_prefix_equal(&at[kept - 1].prefix, &at[i].prefix)) {
			at[kept - 1].groups |= at[i].groups;
			at[kept - 1].incomplete &= at[i].incomplete;
		} else {
			at[kept++] = at[i];
		}
	}
	return kept;
}

struct job {
	struct text t;
	const struct bird_config_in *in;
	struct bird_network *networks;
	size_t n_networks;
};

static bool is_told(const struct bird_network *x, uint32_t group, int v6)
{
	return x->prefix.addr.family == (v6 ? IP_V6 : IP_V4) && x->groups >> group & 1;
}

static bool has_networks(const struct job *j, uint32_t group, int v6)
{
	for (size_t i = 0; i < j->n_networks; i++) {
		if (is_told(&j->networks[i], group, v6))
			return true;
	}
	return false;
}

/* Of each group, so that a filter is one look-up: define own4_GROUP = [ ... ]; */
static void put_set(struct job *j, uint32_t group, int v6)
{
	char text[PREFIX_TEXT];
	const char *between = "";
	if (!has_networks(j, group, v6))
		return;
	put(&j->t, "define own%c_%u = [ ", family_digit[v6], group);
	for (size_t i = 0; i < j->n_networks; i++) {
		if (!is_told(&j->networks[i], group, v6))
			continue;
		put(&j->t, "%s%s", between, ip_prefix_format(&j->networks[i].prefix, text));
		between = ",\n\t";
	}
	put(&j->t, " ];\n");
}

static void put_own(struct job *j, int v6)
{
	char text[PREFIX_TEXT];
	put(&j->t, "protocol static own%c {\n\t%s { table all%c; };\n", family_digit[v6],
	    family_name[v6], family_digit[v6]);
	for (size_t i = 0; i < j->n_networks; i++) {
		const struct bird_network *x = &j->networks[i];
		if (x->prefix.addr.family != (v6 ? IP_V6 : IP_V4))
			continue;
		/* as text that a reader takes for a prefix also where it is one address */
		put(&j->t, "\troute %s/%u blackhole%s;\n", ip_addr_format(&x->prefix.addr, text),
		    x->prefix.len, x->incomplete ? " { bgp_origin = ORIGIN_INCOMPLETE; }" : "");
	}
	put(&j->t, "}\n");
}

/* ---- links ---- */

static void put_bfd(struct text *t, const char *where, uint32_t interval_ms, uint32_t multiplier)
{
	put(t,
	    "\t%s {\n\t\tmin rx interval %u ms;\n\t\tmin tx interval %u ms;\n"
	    "\t\tidle tx interval 1 s;\n\t\tmultiplier %u;\n\t};\n",
	    where, interval_ms, interval_ms, multiplier);
}

static void put_links_bfd(struct job *j)
{
	char where[64];
	put(&j->t, "protocol bfd liveness {\n");
	for (size_t i = 0; i < j->in->n_links; i++) {
		const struct bird_link *l = &j->in->links[i];
		snprintf(where, sizeof where, "interface \"%s\"", l->device);
		put_bfd(&j->t, where, l->interval_ms ? l->interval_ms : 100,
			l->multiplier ? l->multiplier : 3);
	}
	put_bfd(&j->t, "multihop", 300, 3);
	put(&j->t, "}\n");
}

/* There as long as BFD says that the peer is: the kernel tells at once when it is not. */
static void put_canary(struct job *j, int v6)
{
	char text[IP_TEXT];
	put(&j->t, "protocol static watch%c {\n\t%s { table canary%c; };\n", family_digit[v6],
	    family_name[v6], family_digit[v6]);
	for (size_t i = 0; i < j->in->n_links; i++) {
		const struct bird_link *l = &j->in->links[i];
		if (!l->bfd || !l->peer[v6].family)
			continue;
		ip_addr_format(&l->peer[v6], text);
		put(&j->t, "\troute %s/%u via %s%%'%s' bfd;\n", text, ip_addr_bits(&l->peer[v6]),
		    text, l->device);
	}
	put(&j->t,
	    "}\nprotocol kernel kernel_canary%c {\n\t%s { table canary%c; import none; "
	    "export filter { dest = RTD_BLACKHOLE; accept; }; };\n"
	    "\tkernel table %u;\n\tmetric 0;\n\tscan time 3600;\n}\n",
	    family_digit[v6], family_name[v6], family_digit[v6], BIRD_CANARY_TABLE);
}

/* ---- peers ---- */

/* What others told that it is to hear, by the groups that the routes carry. */
static void put_heard(struct text *t, const struct bird_peer *p)
{
	const char *between = "";
	if (!p->hears)
		return;
	put(t, "\t\tif defined(told_by) then if told_by ~ [ ");
	for (uint32_t g = 0; g < BIRD_GROUPS; g++) {
		if (p->hears >> g & 1) {
			put(t, "%s%u", between, g);
			between = ", ";
		}
	}
	put(t, " ] then accept;\n");
}

static void put_tables(struct job *j, const struct bird_peer *p, int v6)
{
	struct text *t = &j->t;
	char x = family_digit[v6];
	uint32_t n = p->number;
	put(t, "%s table se%c_%u;\n%s table in%c_%u;\n", family_name[v6], x, n, family_name[v6], x,
	    n);
	put(t,
	    "protocol pipe learnt%c_%u {\n\ttable se%c_%u;\n\tpeer table in%c_%u;\n"
	    "\timport none;\n\texport where proto = \"peer_%u\";\n}\n",
	    x, n, x, n, x, n, n);
	put(t,
	    "protocol kernel kernel%c_%u {\n\t%s { table in%c_%u; import none; export all; };\n"
	    "\tkernel table %u;\n\tmetric 0;\n\tgraceful restart on;\n\tscan time 3600;\n}\n",
	    x, n, family_name[v6], x, n, BIRD_PEER_TABLE + n);
	put(t,
	    "protocol pipe told%c_%u {\n\ttable all%c;\n\tpeer table se%c_%u;\n"
	    "\timport where proto = \"peer_%u\";\n\texport filter {\n"
	    "\t\tif proto = \"peer_%u\" then reject;\n",
	    x, n, x, x, n, n, n);
	if (has_networks(j, p->group, v6))
		put(t, "\t\tif proto = \"own%c\" then if net ~ own%c_%u then accept;\n", x, x,
		    p->group);
	put_heard(t, p);
	put(t, "\t\treject;\n\t};\n}\n");
}

static void put_next_hop(struct text *t, const struct bird_peer *p, int v6)
{
	char text[IP_TEXT];
	enum ip_family family = v6 ? IP_V6 : IP_V4;
	put(t, "\t\tnext hop self;\n");
	if (p->local.family == family)
		return;
	if (p->next_hop.family == family)
		put(t, "\t\tnext hop address %s;\n", ip_addr_format(&p->next_hop, text));
	else if (v6)
		put(t, "\t\tnext hop address ::ffff:%s;\n", ip_addr_format(&p->local, text));
	else
		put(t, "\t\textended next hop on;\n"); /* RFC 8950 */
}

/*
 * All that comes is taken, whatever its next hop, which is the peer for us; the metric and the
 * group go with it. A path without AS is none of eBGP's, but iBGP's (RFC 4271 section 5.1.2).
 *
 * A path with our own AS is a loop (RFC 4271 section 9.1.2). BIRD itself drops such a route without
 * a word and counts it among withdrawals, so put_session() lets it come as far as this filter,
 * which refuses nothing else: what BIRD counts as filtered are loops. Kept (`import keep filtered`)
 * or let into a kernel table they would cost memory that import_limit does not bound.
 */
static void put_channel(struct text *t, const struct bird_peer *p, int v6)
{
	char x = family_digit[v6];
	put(t, "\t%s {\n\t\ttable se%c_%u;\n\t\tigp table all%c;\n\t\tgateway recursive;\n",
	    family_name[v6], x, p->number, x);
	put_next_hop(t, p, v6);
	if (p->import_limit)
		put(t, "\t\timport limit %u action restart;\n", p->import_limit);
	put(t,
	    "\t\timport filter {\n\t\t\tif %u ~ bgp_path then reject;\n\t\t\ttold_by = %u;\n"
	    "\t\t\tkrt_metric = bgp_path.len;\n\t\t\tdest = RTD_BLACKHOLE;\n\t\t\taccept;\n"
	    "\t\t};\n\t\texport all;\n\t};\n",
	    p->local_asn, p->group);
}

static void put_session(struct text *t, const struct bird_peer *p)
{
	char local[IP_TEXT], peer[IP_TEXT];
	put(t, "protocol bgp peer_%u {\n\tlocal %s as %u;\n\tneighbor %s as %u;\n", p->number,
	    ip_addr_format(&p->local, local), p->local_asn, ip_addr_format(&p->peer, peer),
	    p->peer_asn);
	if (p->disabled)
		put(t, "\tdisabled on;\n");
	if (p->device)
		put(t, "\tdirect;\n\tinterface \"%s\";\n", p->device);
	else
		put(t, "\tmultihop;\n");
	if (p->secret) {
		put(t, "\tpassword ");
		put_quoted(t, p->secret, p->secret_len);
		put(t, ";\n");
	}
	uint32_t most = p->retry_seconds ? p->retry_seconds : p->bfd ? 10 : 60;
	put(t,
	    "\thold time %u;\n\tconnect delay time 1;\n\tconnect retry time 5;\n"
	    "\terror wait time 1, %u;\n\tgraceful restart on;\n\tallow local as;\n"
	    "\tenforce first as %s;\n\tbfd %s;\n",
	    p->hold_seconds ? p->hold_seconds : 180, most,
	    p->local_asn == p->peer_asn ? "off" : "on", p->bfd ? "on" : "off");
	for (int v6 = 0; v6 < 2; v6++) {
		if (v6 ? p->v6 : p->v4)
			put_channel(t, p, v6);
	}
	put(t, "}\n");
}

static void put_peer(struct job *j, const struct bird_peer *p)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (v6 ? p->v6 : p->v4)
			put_tables(j, p, v6);
	}
	put_session(&j->t, p);
}

/* ---- the whole ---- */

static uint64_t groups_of_peers(const struct bird_config_in *in)
{
	uint64_t all = 0;
	for (size_t i = 0; i < in->n_peers; i++)
		all |= (uint64_t)1 << in->peers[i].group;
	return all;
}

static void put_head(struct job *j)
{
	struct text *t = &j->t;
	uint32_t id = j->in->router_id;
	if (j->in->log)
		put(t,
		    "log \"%s\" 1000000 \"%s.1\" { info, remote, warning, error, auth, fatal, bug };\n",
		    j->in->log, j->in->log);
	put(t, "router id %u.%u.%u.%u;\n", id >> 24, id >> 16 & 255, id >> 8 & 255, id & 255);
	/* After BIRD's death nothing new gets into the kernel until all sessions are resumed, those
	 * with neighbours that are down, too: who is not back by then has its routes withdrawn. */
	put(t, "graceful restart wait %u;\n", RESUME_SECONDS);
	/* seconds since 1970: to be read by a program */
	put(t, "timeformat protocol \"%%s\";\ntimeformat base iso long;\nattribute int told_by;\n"
	       "protocol device { scan time 60; }\n");
}

static void put_all(struct job *j)
{
	uint64_t groups = groups_of_peers(j->in);
	put_head(j);
	for (int v6 = 0; v6 < 2; v6++)
		put(&j->t, "%s table all%c;\n%s table canary%c;\n", family_name[v6],
		    family_digit[v6], family_name[v6], family_digit[v6]);
	for (uint32_t g = 0; g < BIRD_GROUPS; g++) {
		for (int v6 = 0; v6 < 2 && groups >> g & 1; v6++)
			put_set(j, g, v6);
	}
	put_links_bfd(j);
	for (int v6 = 0; v6 < 2; v6++) {
		put_own(j, v6);
		put_canary(j, v6);
	}
	for (size_t i = 0; i < j->in->n_peers; i++)
		put_peer(j, &j->in->peers[i]);
}

int bird_config(char **out, const struct bird_config_in *in, struct fault *f)
{
	struct job j = {.in = in};
	int err = check(in, f);
	if (err)
		return err;
	j.networks = calloc(in->n_networks + 1, sizeof *j.networks);
	if (j.networks) {
		if (in->n_networks)
			memcpy(j.networks, in->networks, in->n_networks * sizeof *j.networks);
		j.n_networks = merge_networks(j.networks, in->n_networks);
		put_all(&j);
	}
	if (!j.networks || j.t.bad) {
		if (j.t.at)
			wipe(j.t.at, j.t.room);
		free(j.t.at);
		free(j.networks);
		return fault_set(f, -ENOMEM, "not enough memory for a router's configuration");
	}
	free(j.networks);
	*out = j.t.at;
	return 0;
}
