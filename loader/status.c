/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/gateways.h"
#include "loader/site_names.h"
#include "loader/status.h"

#include "base/instant.h"
#include "control/site_names.h"
#include "loader/clients.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

/* ---- child SAs ---- */

/* "10.0.0.0/8", with "[6/443]" behind it when the protocol or ports are bounded. */
static json_t *selectors(const struct traffic_selector *ts, unsigned n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++) {
		char range[RANGE_TEXT], text[RANGE_TEXT + 40];
		ip_range_format(&ts[i].range, range);
		if (!ts[i].protocol && ts[i].port_first == 0 && ts[i].port_last == 65535)
			snprintf(text, sizeof text, "%s", range);
		else
			snprintf(text, sizeof text, "%s[%u/%u-%u]", range, ts[i].protocol,
				 ts[i].port_first, ts[i].port_last);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *child(struct daemon *d, const struct ike_child_status *c, uint64_t now)
{
	char in[9], out[9], when[CLOCK_TEXT];
	struct esp_counters count = {0};
	uint32_t mtu = 0;
	json_t *o = json_object();
	bool known = datapath_child_counters(d->datapath, c->spi_in, &count, &mtu) == 0;
	snprintf(in, sizeof in, "%08x", c->spi_in);
	snprintf(out, sizeof out, "%08x", c->spi_out);
	set(o, "spiIn", json_string(in));
	set(o, "spiOut", json_string(out));
	set(o, "worker", c->worker ? number(c->worker - 1u) : json_null());
	set(o, "proposal", json_string(c->proposal));
	const char *backend = datapath_child_backend(d->datapath, c->spi_in);
	set(o, "backend", backend ? json_string(backend) : json_null());
	set(o, "encapsulation", json_string(c->encapsulation == ESP_IN_UDP ? "udp" : "esp"));
	set(o, "udpPortEntropy", json_boolean(c->port_entropy));
	set(o, "localTs", selectors(c->local_ts, c->n_local_ts));
	set(o, "remoteTs", selectors(c->remote_ts, c->n_remote_ts));
	set(o, "rekeySeconds",
	    number(c->rekey_at_ns > now && c->rekey_at_ns != INSTANT_NEVER
			   ? (c->rekey_at_ns - now) / NS_PER_S
			   : 0));
	set(o, "since",
	    c->installed_ns ? json_string(clock_format(c->installed_ns, when)) : json_null());
	set(o, "bytesIn", number(count.bytes_in));
	set(o, "bytesOut", number(count.bytes_out));
	set(o, "packetsIn", number(count.packets_in));
	set(o, "packetsOut", number(count.packets_out));
	set(o, "authFailed", number(count.auth_failed));
	set(o, "replayed", number(count.replayed));
	set(o, "lost", number(count.lost));
	set(o, "sequenceOut", number(count.sequence_out));
	set(o, "mtu", known ? number(mtu) : json_null());
	return o;
}

/* ---- connections ---- */

static const char *const state_texts[] = {
	[IKE_STATE_IDLE] = "NotConnected",
	[IKE_STATE_CONNECTING] = "Connecting",
	[IKE_STATE_ESTABLISHED] = "Connected",
};

static void add_traffic(struct daemon *d, json_t *o, uint32_t id)
{
	struct datapath_traffic t = {0};
	json_t *drops = json_object();
	datapath_connection_traffic(d->datapath, id, &t);
	set(o, "ingressBytes", number(t.bytes_in));
	set(o, "egressBytes", number(t.bytes_out));
	set(o, "ingressPackets", number(t.packets_in));
	set(o, "egressPackets", number(t.packets_out));
	for (unsigned r = 1; r < XGW_DROP_COUNT; r++) {
		if (t.drops[r])
			set(drops, maps_drop_name(r), number(t.drops[r]));
	}
	set(o, "drops", drops);
}

static void add_error(json_t *o, const struct ike_status *s)
{
	char text[FAULT_TEXT], when[CLOCK_TEXT];
	if (!s->last_error.code) {
		set(o, "lastError", json_null());
		return;
	}
	set(o, "lastError", json_string(fault_format(&s->last_error, text)));
	set(o, "lastErrorAt",
	    s->last_error_ns ? json_string(clock_format(s->last_error_ns, when)) : json_null());
}

/* The address that IKE talks to, else the configured one. */
static void add_peer(struct daemon *d, json_t *o, const struct model_connection *c,
		     const struct ike_status *s)
{
	char peer[IP_TEXT];
	const struct ip_addr *configured =
		c->site != MODEL_NONE ? &d->model.sites[c->site].address
				      : &d->model.gateways[c->peer_gateway].public_address;
	const struct ip_addr *a = s && s->remote.addr.family ? &s->remote.addr : configured;
	set(o, "peer",
	    json_string(a->family && !ip_addr_is_unspecified(a) ? ip_addr_format(a, peer)
			: site_name_is_open(&d->model, c->site) ? "unknown"
								: "any"));
}

static void add_ike(json_t *o, const struct ike_status *s, uint64_t now)
{
	char from[ENDPOINT_TEXT], to[ENDPOINT_TEXT], spi[40], when[CLOCK_TEXT];
	bool up = s->state == IKE_STATE_ESTABLISHED;
	set(o, "connectionStatus", json_string(state_texts[s->state]));
	set(o, "since", s->since_ns ? json_string(clock_format(s->since_ns, when)) : json_null());
	set(o, "ikeProposal", up ? json_string(s->proposal) : json_null());
	add_error(o, s);
	set(o, "wanted", json_boolean(s->wanted));
	set(o, "attempts", number(s->attempts));
	set(o, "rekeysIke", number(s->rekeys_ike));
	set(o, "rekeysChild", number(s->rekeys_child));
	if (!up)
		return;
	set(o, "localEndpoint", json_string(ip_endpoint_format(&s->local, from)));
	set(o, "remoteEndpoint", json_string(ip_endpoint_format(&s->remote, to)));
	set(o, "remoteIdentity", json_string(s->remote_id));
	set(o, "initiator", json_boolean(s->is_initiator));
	snprintf(spi, sizeof spi, "%016llx", (unsigned long long)s->spi_i);
	set(o, "ikeSpiInitiator", json_string(spi));
	snprintf(spi, sizeof spi, "%016llx", (unsigned long long)s->spi_r);
	set(o, "ikeSpiResponder", json_string(spi));
	set(o, "nat", json_pack("{s:b,s:b}", "local", s->nat_local, "remote", s->nat_remote));
	set(o, "ikeRekeySeconds",
	    number(s->rekey_at_ns > now && s->rekey_at_ns != INSTANT_NEVER
			   ? (s->rekey_at_ns - now) / NS_PER_S
			   : 0));
}

static json_t *events(const struct ike_status *s)
{
	char when[CLOCK_TEXT];
	json_t *list = json_array();
	for (unsigned i = 0; i < s->n_events; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "at",
						      clock_format(s->events[i].at_ns, when),
						      "text", s->events[i].text));
	return list;
}

static const char *port_name(const struct daemon *d, uint32_t id)
{
	uint32_t i = plan_port_index(&d->plan, id);
	return i == MODEL_NONE ? "?" : d->model.host.ports[i].name;
}

static void add_path(struct daemon *d, json_t *o, uint32_t id)
{
	struct datapath_path path;
	struct datapath_mtu mtu;
	bool usable = underlay_path(d->underlay, id, &path) && path.usable;
	if (datapath_mtu(d->datapath, id, &mtu) || !usable) {
		set(o, "path", json_null());
		return;
	}
	set(o, "path",
	    json_pack("{s:s,s:i,s:i,s:i,s:i}", "port", port_name(d, path.port_id), "mtu",
		      (int)mtu.path, "deviceMtu", (int)mtu.device, "learntMtu", (int)mtu.learnt,
		      "innerMtu", (int)mtu.inner));
}

/* Why a connection is not up that nothing is wrong with. */
static json_t *reason(const struct daemon *d, uint32_t gateway)
{
	char text[STANDBY_TEXT];
	standby_text(&d->standby, d->plan.gateways[gateway].slot, text);
	return *text ? json_string(text) : json_null();
}

static json_t *connection(struct daemon *d, const struct plan_connection *pc, uint64_t now)
{
	const struct model_connection *c = &d->model.connections[pc->model];
	struct ike_status *s = calloc(1, sizeof *s);
	json_t *o = json_object(), *children = json_array();
	set(o, "name", json_string(c->name));
	set(o, "connectionType", json_string(c->vnet2vnet ? "Vnet2Vnet" : "IPsec"));
	set(o, "virtualNetworkGateway", json_string(d->model.gateways[c->gateway].name));
	set(o, "ikeVersion", json_string(c->ikev1 ? "IKEv1" : "IKEv2"));
	if (s && ike_host_status(d->ike, pc->id, s) == 0)
		add_ike(o, s, now);
	else
		set(o, "connectionStatus", json_string("Unknown"));
	set(o, "reason", reason(d, c->gateway));
	add_peer(d, o, c, s);
	add_traffic(d, o, pc->id);
	for (unsigned i = 0; s && i < s->n_children; i++)
		json_array_append_new(children, child(d, &s->children[i], now));
	set(o, "childSas", children);
	add_path(d, o, pc->id);
	set(o, "events", s ? events(s) : json_array());
	site_names_describe(d->names, c->site, o);
	free(s);
	return o;
}

/* ---- clients ---- */

static json_t *addresses(const struct client_info *c)
{
	char text[IP_TEXT];
	json_t *list = json_array();
	if (c->v4.family)
		json_array_append_new(list, json_string(ip_addr_format(&c->v4, text)));
	if (c->v6.family)
		json_array_append_new(list, json_string(ip_addr_format(&c->v6, text)));
	return list;
}

static json_t *client_head(struct daemon *d, const struct client_info *c)
{
	json_t *o = json_object();
	set(o, "name", json_string(c->name));
	set(o, "virtualNetworkGateway", json_string(d->model.gateways[c->gateway].name));
	set(o, "connectionType", json_string("VPNClient"));
	set(o, "protocol", json_string(c->is_sstp ? "SSTP" : "IkeV2"));
	set(o, "addresses", addresses(c));
	return o;
}

static json_t *sstp_client(struct daemon *d, const struct client_info *c)
{
	struct sstp_client_status s;
	json_t *o = client_head(d, c);
	char when[CLOCK_TEXT], peer[IP_TEXT];
	if (!sstp_host_status(d->sstp, c->connection, &s)) {
		set(o, "connectionStatus", json_string(s.connected ? "Connected" : "Connecting"));
		set(o, "since", json_string(clock_format(s.since_ns, when)));
		set(o, "user", json_string(s.user));
		set(o, "authentication", json_string(s.method));
		set(o, "peer", json_string(ip_addr_format(&s.remote.addr, peer)));
		set(o, "tls", json_string(s.tls));
		/* all that SSTP tells */
		set(o, "clientVersion", json_sprintf("SSTP 1.0, %s", s.tls));
		set(o, "correlationId", json_string(s.correlation));
	}
	add_traffic(d, o, c->connection);
	set(o, "childSas", json_array());
	set(o, "events", json_array());
	return o;
}

static json_t *client(struct daemon *d, const struct client_info *c, uint64_t now)
{
	if (c->is_sstp)
		return sstp_client(d, c);
	struct ike_status *s = calloc(1, sizeof *s);
	json_t *o = client_head(d, c), *children = json_array();
	char peer[IP_TEXT];
	set(o, "ikeVersion", json_string("IKEv2"));
	if (s && ike_host_status(d->ike, c->connection, s) == 0) {
		add_ike(o, s, now);
		set(o, "user", json_string(s->user));
		set(o, "authentication", json_string(s->method));
		set(o, "clientVersion", *s->program ? json_string(s->program) : json_null());
		set(o, "peer", json_string(ip_addr_format(&s->remote.addr, peer)));
	}
	add_traffic(d, o, c->connection);
	for (unsigned i = 0; s && i < s->n_children; i++)
		json_array_append_new(children, child(d, &s->children[i], now));
	set(o, "childSas", children);
	add_path(d, o, c->connection);
	set(o, "events", s ? events(s) : json_array());
	free(s);
	return o;
}

static json_t *clients(struct daemon *d, uint64_t now)
{
	json_t *list = json_array();
	struct client_info c;
	for (uint32_t after = 0; ike_host_next_client(d->ike, after, &c) == 0; after = c.connection)
		json_array_append_new(list, client(d, &c, now));
	return list;
}

static json_t *sstp_counters(const struct daemon *d)
{
	json_t *o = json_object();
	for (int i = 0; d->sstp && i < SSTP_COUNTERS; i++)
		set(o, sstp_host_counter_name(i),
		    json_integer((json_int_t)sstp_host_count(d->sstp, i)));
	if (d->sstp)
		set(o, "halfOpen", json_integer(sstp_host_half_open(d->sstp)));
	return o;
}

/* ---- ports ---- */

struct traffic_search {
	uint32_t port;
	struct xgw_traffic found;
};

static int match_traffic(void *owner, const void *key, const void *value)
{
	struct traffic_search *s = owner;
	uint32_t id;
	memcpy(&id, key, sizeof id);
	if (id != s->port)
		return 0;
	memcpy(&s->found, value, sizeof s->found);
	return 1;
}

static json_t *count(const struct xgw_count *c)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)c->packets, "bytes",
			 (json_int_t)c->bytes);
}

json_t *status_traffic(const struct maps *m, uint32_t port_id)
{
	struct traffic_search s = {.port = port_id};
	json_t *o = json_object();
	maps_walk(m, MAPS_traffic, match_traffic, &s);
	set(o, "received", count(&s.found.received));
	set(o, "passed", count(&s.found.passed));
	set(o, "forwarded", count(&s.found.forwarded));
	set(o, "toWorker", count(&s.found.to_worker));
	set(o, "dropped", count(&s.found.dropped));
	set(o, "answered", count(&s.found.answered));
	return o;
}

static int add_drop(void *owner, const void *key, const void *value)
{
	uint64_t *totals = owner;
	uint32_t index;
	struct xgw_count c;
	memcpy(&index, key, sizeof index);
	memcpy(&c, value, sizeof c);
	totals[index % XGW_DROP_SLOTS] += c.packets;
	return 0;
}

json_t *status_drops(const struct maps *m)
{
	uint64_t totals[XGW_DROP_SLOTS] = {0};
	json_t *o = json_object();
	maps_walk(m, MAPS_drops, add_drop, totals);
	for (unsigned r = 1; r < XGW_DROP_COUNT; r++) {
		if (totals[r])
			set(o, maps_drop_name(r), number(totals[r]));
	}
	return o;
}

static const char *const role_texts[] = {"none", "uplink", "vnet", "circuit", "link"};

static void add_port_account(struct daemon *d, json_t *o, uint32_t id)
{
	struct datapath_port_account a;
	datapath_port_account(d->datapath, id, &a);
	set(o, "workers",
	    json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "packetsIn", (json_int_t)a.packets_in, "bytesIn",
		      (json_int_t)a.bytes_in, "packetsOut", (json_int_t)a.packets_out, "bytesOut",
		      (json_int_t)a.bytes_out, "noFrame", (json_int_t)a.no_frame, "txFull",
		      (json_int_t)a.tx_full));
}

/* The greatest share of what a port's queues brought, over the equal one; 1 is even. */
static json_t *imbalance(struct daemon *d, uint32_t port)
{
	struct datapath_queue_account q;
	uint64_t sum = 0, most = 0;
	unsigned n = 0;
	for (unsigned w = 0; w < datapath_workers(d->datapath); w++)
		for (unsigned i = 0; datapath_queue_account(d->datapath, w, i, &q) == 0; i++) {
			if (q.port_id != port)
				continue;
			n++;
			sum += q.packets;
			most = q.packets > most ? q.packets : most;
		}
	return sum ? json_real((double)most * n / (double)sum) : json_null();
}

static json_t *port(struct daemon *d, uint32_t i)
{
	const struct model_port *p = &d->model.host.ports[i];
	const struct netlink_link *l = &d->ports[i].link;
	uint32_t id = d->plan.port_ids[i];
	char mode[64] = "";
	json_t *o = json_object();
	set(o, "name", json_string(p->name));
	set(o, "device", json_string(p->device));
	set(o, "role", json_string(role_texts[p->role]));
	set(o, "mode", json_string(datapath_port_mode(d->datapath, id, mode)));
	set(o, "xdpMode", json_string(d->ports[i].generic ? "generic" : "native"));
	set(o, "queues", number(l->rx_queues));
	set(o, "mtu", number(l->mtu));
	set(o, "state", json_string(l->up ? "up" : "down"));
	set(o, "traffic", status_traffic(d->maps, id));
	add_port_account(d, o, id);
	set(o, "queueImbalance", imbalance(d, id));
	return o;
}

/* ---- workers ---- */

static json_t *queues(struct daemon *d, unsigned worker)
{
	json_t *list = json_array();
	struct datapath_queue_account q;
	for (unsigned i = 0; datapath_queue_account(d->datapath, worker, i, &q) == 0; i++)
		json_array_append_new(
			list,
			json_pack("{s:s,s:i,s:I,s:I,s:I,s:I}", "port", port_name(d, q.port_id),
				  "queue", (int)q.queue, "packets", (json_int_t)q.packets, "bytes",
				  (json_int_t)q.bytes, "deepest", (json_int_t)q.deepest, "noFrame",
				  (json_int_t)q.no_frame));
	return list;
}

/* Microseconds from the look at the ring to the ring out, of one burst in sixteen. */
static json_t *residence(const struct datapath_histogram *h)
{
	static const struct {
		const char *name;
		double part;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
	json_t *o = json_object(), *buckets = json_array();
	uint64_t samples = 0;
	for (unsigned i = 0; i < DATAPATH_BUCKETS; i++) {
		samples += h->bucket[i];
		json_array_append_new(buckets, number(h->bucket[i]));
	}
	set(o, "samples", number(samples));
	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
		set(o, quantiles[i].name,
		    json_real((double)datapath_histogram_quantile(h, quantiles[i].part) / 1e3));
	set(o, "max", json_real((double)h->max_ns / 1e3));
	set(o, "buckets", buckets);
	return o;
}

static json_t *worker(struct daemon *d, unsigned w)
{
	struct datapath_worker_status s = {0};
	struct datapath_worker_account a;
	datapath_worker_status(d->datapath, w, &s);
	datapath_worker_account(d->datapath, w, &a);
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"packetsIn", s.packets_in},
		{"packetsOut", s.packets_out},
		{"bytesIn", a.bytes_in},
		{"bytesOut", a.bytes_out},
		{"rounds", s.rounds},
		{"wakeups", s.wakeups},
		{"noFrame", s.no_frame},
		{"txFull", s.tx_full},
		{"sentByXdp", s.by_xdp},
		{"jobs", s.jobs},
		{"jobsHelped", s.jobs_helped},
		{"helperWakeups", s.helper_wakeups},
		{"jobsForOthers", s.jobs_for_others},
		{"packetsForOthers", s.packets_for_others},
	};
	json_t *o = json_object();
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		set(o, counts[i].name, number(counts[i].value));
	set(o, "busy",
	    json_real(a.lifetime_ns ? 1 - (double)a.asleep_ns / (double)a.lifetime_ns : 0));
	set(o, "residenceMicroseconds", residence(&a.residence));
	set(o, "queues", queues(d, w));
	return o;
}

static json_t *workers(struct daemon *d)
{
	json_t *list = json_array();
	for (unsigned w = 0; w < datapath_workers(d->datapath); w++)
		json_array_append_new(list, worker(d, w));
	return list;
}

/* ---- gateways ---- */

/* Of one that another host has, too; else null. */
static json_t *standby_state(const struct daemon *d, uint32_t i)
{
	char since[CLOCK_TEXT], address[IP_TEXT];
	uint32_t slot = d->plan.gateways[i].slot;
	if (!d->model.gateways[i].active_standby || slot >= d->standby.n)
		return json_null();
	const struct standby_gateway *g = &d->standby.at[slot];
	return json_pack("{s:s,s:s,s:o,s:I}", "state", g->active ? "Active" : "Standby", "since",
			 clock_format(g->since_ns, since), "why",
			 json_sprintf("%s is %s this host", ip_addr_format(&g->address, address),
				      g->active ? "on" : "not on"),
			 "switches", (json_int_t)g->switches);
}

static json_t *gateway(struct daemon *d, uint32_t i)
{
	const struct model_gateway *g = &d->model.gateways[i];
	const struct gateway_rate *rate = gateways_rate(d, i);
	struct datapath_gateway_account a;
	char address[IP_TEXT];
	json_t *o = json_object();
	set(o, "name", json_string(g->name));
	set(o, "virtualNetwork", json_string(d->model.vnets[g->vnet].name));
	set(o, "gatewayType", json_string(g->express_route ? "ExpressRoute" : "Vpn"));
	set(o, "vpnType",
	    g->express_route ? json_null()
			     : json_string(g->policy_based ? "PolicyBased" : "RouteBased"));
	set(o, "publicIPAddress",
	    g->public_address.family ? json_string(ip_addr_format(&g->public_address, address))
				     : json_null());
	set(o, "activeStandby", standby_state(d, i));
	set(o, "sku", json_string(g->sku));
	if (g->clients.n_pool) {
		const struct guesses_count c = clients_guesses(ike_host_clients(d->ike), i);
		set(o, "wrongPasswords", number(c.failed));
		set(o, "passwordsNotLookedAt", number(c.held));
	}
	set(o, "bandwidthInMbps", g->bandwidth_mbps ? number(g->bandwidth_mbps) : json_null());
	if (datapath_gateway_account(d->datapath, d->plan.gateways[i].slot, &a))
		return o;
	set(o, "ingressBytes", number(a.bytes_in));
	set(o, "egressBytes", number(a.bytes_out));
	set(o, "ingressPackets", number(a.packets_in));
	set(o, "egressPackets", number(a.packets_out));
	set(o, "ingressBitsPerSecond", number(rate ? rate->in_bps : 0));
	set(o, "egressBitsPerSecond", number(rate ? rate->out_bps : 0));
	set(o, "overRatePackets", number(a.over_packets));
	set(o, "overRateBytes", number(a.over_bytes));
	set(o, "activeConnections", a.bits_per_second ? number(a.active) : json_null());
	return o;
}

static json_t *path_mtu_counters(struct daemon *d)
{
	json_t *o = json_object();
	for (int v = 0; v < DATAPATH_PMTU_COUNT; v++)
		set(o, datapath_pmtu_name(v), number(datapath_pmtu_count(d->datapath, v)));
	return o;
}

static json_t *ike_counters(struct daemon *d)
{
	json_t *o = json_object();
#define IKE_COUNTER(id, name, text) set(o, name, number(ike_host_count(d->ike, IKE_COUNT_##id)));
#include "ike/counters.def"
#undef IKE_COUNTER
	set(o, "unheard-in-standby", number(ike_host_unheard(d->ike)));
	return o;
}

json_t *status_document(struct daemon *d)
{
	char when[CLOCK_TEXT];
	uint64_t now = clock_now_ns();
	json_t *o = json_object(), *gateways = json_array(), *connections = json_array(),
	       *ports = json_array();
	datapath_flush_drops(d->datapath);
	for (uint32_t i = 0; i < d->model.n_gateways; i++)
		json_array_append_new(gateways, gateway(d, i));
	for (uint32_t i = 0; i < d->plan.n_connections; i++)
		json_array_append_new(connections, connection(d, &d->plan.connections[i], now));
	routing_connections(d->routing, connections);
	for (uint32_t i = 0; i < d->model.host.n_ports; i++)
		json_array_append_new(ports, port(d, i));
	set(o, "instance", json_string(d->instance.name));
	set(o, "daemon",
	    json_pack("{s:b,s:i,s:s,s:s}", "running", 1, "pid", (int)getpid(), "since",
		      clock_format(d->started_ns, when), "cryptoBackend", d->backend->name));
	set(o, "gateways", gateways);
	set(o, "connections", connections);
	set(o, "clients", clients(d, now));
	set(o, "circuits", routing_circuits(d->routing));
	set(o, "bgpPeers", routing_peers(d->routing));
	set(o, "learntRoutes", routing_learnt(d->routing));
	set(o, "virtualNetworks", status_networks(&d->model));
	set(o, "ports", ports);
	set(o, "workers", workers(d));
	set(o, "drops", status_drops(d->maps));
	set(o, "ike", ike_counters(d));
	set(o, "sstp", sstp_counters(d));
	set(o, "pathMtuMessages", path_mtu_counters(d));
	return o;
}

/* ---- names ---- */

static unsigned common_letters(const char *a, const char *b)
{
	unsigned n = 0;
	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

int status_find(const struct daemon *d, const char *name, uint32_t *id, struct fault *f)
{
	const char *near = NULL;
	unsigned most = 2;
	for (uint32_t i = 0; i < d->plan.n_connections; i++) {
		const char *have = d->model.connections[d->plan.connections[i].model].name;
		if (strcmp(have, name) == 0) {
			*id = d->plan.connections[i].id;
			return 0;
		}
		if (common_letters(have, name) > most) {
			most = common_letters(have, name);
			near = have;
		}
	}
	if (!ike_host_find_client(d->ike, name, id))
		return 0;
	fault_set(f, -ENOENT, "no connection has the name '%.64s'", name);
	if (near)
		return fault_advise(f, "did you mean '%s'?", near);
	return fault_advise(f, "`xgw status` lists them");
}
