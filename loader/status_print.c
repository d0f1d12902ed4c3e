/* SPDX-License-Identifier: Apache-2.0 */
/* The status document as text for people, and the part of it that pins alone can tell. */
#include "loader/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "-";
}

static json_int_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* 1234567 -> "1.18 MiB" */
static const char *bytes(json_int_t n, char out[24])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)n;
	unsigned u = 0;
	for (; v >= 1024 && u < 5; u++)
		v /= 1024;
	snprintf(out, 24, u ? "%.2f %s" : "%.0f %s", v, units[u]);
	return out;
}

static const char *colour(FILE *to, const char *status)
{
	if (!isatty(fileno(to)) || getenv("NO_COLOR"))
		return "";
	return strcmp(status, "Connected") == 0	     ? "\033[32m"
	       : strcmp(status, "Connecting") == 0   ? "\033[33m"
	       : strcmp(status, "NotConnected") == 0 ? "\033[31m"
						     : "";
}

static void print_row(FILE *to, const json_t *c)
{
	char in[24], out[24];
	const char *status = text(c, "connectionStatus"), *on = colour(to, status);
	const char *circuit = json_string_value(json_object_get(c, "expressRouteCircuit"));
	fprintf(to, "%-24s %s%-13s%s %-20s %-24s", text(c, "name"), on, status,
		*on ? "\033[0m" : "", text(c, "since"), circuit ? circuit : text(c, "peer"));
	if (!circuit)
		fprintf(to, " %10s in %10s out", bytes(integer(c, "ingressBytes"), in),
			bytes(integer(c, "egressBytes"), out));
	fputc('\n', to);
	const char *error = json_string_value(json_object_get(c, "lastError"));
	const char *reason = json_string_value(json_object_get(c, "reason"));
	if (reason)
		fprintf(to, "    %s\n", reason);
	if (error)
		fprintf(to, "    last error: %s\n", error);
}

static void print_clients(FILE *to, const json_t *clients)
{
	size_t i;
	const json_t *c;
	char in[24], out[24];
	if (json_array_size(clients))
		fprintf(to, "\n%-32s %-16s %-14s %-20s %-24s %s\n", "CLIENT", "ADDRESS", "BY",
			"SINCE", "PEER", "TRAFFIC");
	json_array_foreach(clients, i, c)
	{
		const char *first =
			json_string_value(json_array_get(json_object_get(c, "addresses"), 0));
		fprintf(to, "%-32s %-16s %-14s %-20s %-24s %10s in %10s out\n", text(c, "name"),
			first ? first : "-", text(c, "authentication"), text(c, "since"),
			text(c, "peer"), bytes(integer(c, "ingressBytes"), in),
			bytes(integer(c, "egressBytes"), out));
	}
}

static void print_peerings(FILE *to, const json_t *networks)
{
	size_t i, k, shown = 0;
	const json_t *v, *p;
	json_array_foreach(networks, i, v)
	{
		json_array_foreach(json_object_get(v, "peerings"), k, p)
		{
			if (!shown++)
				fprintf(to, "\n%-24s %-13s %-24s %s\n", "PEERING", "STATE", "OF",
					"WITH");
			fprintf(to, "%-24s %-13s %-24s %s%s\n", text(p, "name"),
				text(p, "peeringState"), text(v, "name"),
				text(p, "remoteVirtualNetwork"),
				json_is_true(json_object_get(p, "useRemoteGateways"))
					? ", uses its gateway"
					: "");
		}
	}
}

static void print_networks(FILE *to, const json_t *networks)
{
	size_t i, k;
	const json_t *v, *prefix;
	if (json_array_size(networks))
		fprintf(to, "\n%-24s %9s %-20s %s\n", "NETWORK", "ID", "GATEWAY", "ADDRESSES");
	json_array_foreach(networks, i, v)
	{
		fprintf(to, "%-24s %9" JSON_INTEGER_FORMAT " %-20s", text(v, "name"),
			integer(v, "id"), text(v, "gateway"));
		json_array_foreach(json_object_get(v, "addressSpace"), k, prefix)
			fprintf(to, " %s", json_string_value(prefix));
		fputc('\n', to);
	}
	print_peerings(to, networks);
}

static void print_counts(FILE *to, const char *title, const json_t *counts)
{
	const char *key;
	const json_t *value;
	json_t *unfolded = json_object_get(counts, "none") ? NULL : (json_t *)(uintptr_t)counts;
	if (!json_object_size(counts) || !unfolded)
		return;
	fprintf(to, "%s", title);
	json_object_foreach(unfolded, key, value)
		fprintf(to, " %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	fputc('\n', to);
}

static void print_link(FILE *to, const char *circuit, const json_t *l)
{
	bool up = strcmp(text(l, "state"), "up") == 0;
	fprintf(to, "%-20s %-10s %-5s %-20s %-8s %-12s %s\n", circuit, text(l, "name"),
		text(l, "state"), text(l, "since"), text(l, "port"), text(l, "bfd"),
		up ? "" : text(l, "cause"));
}

static void print_circuits(FILE *to, const json_t *circuits)
{
	size_t i, k;
	const json_t *c, *l;
	if (json_array_size(circuits))
		fprintf(to, "\n%-20s %-10s %-5s %-20s %-8s %-12s %s\n", "CIRCUIT", "LINK", "STATE",
			"SINCE", "PORT", "BFD", "WHY");
	json_array_foreach(circuits, i, c)
	{
		json_array_foreach(json_object_get(c, "links"), k, l)
			print_link(to, text(c, "name"), l);
	}
}

static void print_peers(FILE *to, const json_t *peers)
{
	size_t i;
	const json_t *p;
	if (json_array_size(peers))
		fprintf(to, "\n%-24s %10s %-20s %-12s %-20s %8s %8s %8s\n", "BGP PEER", "AS", "BY",
			"STATE", "SINCE", "RECEIVED", "ACCEPTED", "SENT");
	json_array_foreach(peers, i, p)
	{
		const char *circuit = json_string_value(json_object_get(p, "circuit"));
		const char *gateway = json_string_value(json_object_get(p, "gateway"));
		fprintf(to,
			"%-24s %10" JSON_INTEGER_FORMAT " %-20s %-12s %-20s %8" JSON_INTEGER_FORMAT
			" %8" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "\n",
			text(p, "peer"), integer(p, "peerASN"),
			circuit	  ? circuit
			: gateway ? gateway
				  : text(p, "connection"),
			text(p, "state"), text(p, "since"), integer(p, "prefixesReceived"),
			integer(p, "prefixesAccepted"), integer(p, "prefixesSent"));
		print_counts(to, "    refused:", json_object_get(p, "refused"));
		if (json_is_true(json_object_get(p, "overLimit")))
			fprintf(to,
				"    over its limit of %" JSON_INTEGER_FORMAT
				" prefixes: none of its routes is used\n",
				integer(p, "prefixLimit"));
		else if (!json_is_true(json_object_get(p, "up")) &&
			 json_is_string(json_object_get(p, "lastError")))
			fprintf(to, "    last error: %s\n", text(p, "lastError"));
	}
}

static void print_ports(FILE *to, const json_t *ports)
{
	size_t i;
	const json_t *p;
	if (!json_array_size(ports))
		return;
	fprintf(to, "\n%-12s %-12s %-8s %-6s %6s  %s\n", "PORT", "DEVICE", "ROLE", "STATE", "MTU",
		"MODE");
	json_array_foreach(ports, i, p)
		fprintf(to, "%-12s %-12s %-8s %-6s %6" JSON_INTEGER_FORMAT "  %s\n",
			text(p, "name"), text(p, "device"), text(p, "role"), text(p, "state"),
			integer(p, "mtu"), text(p, "mode"));
}

static void print_gateway(FILE *to, const json_t *o)
{
	const json_t *standby = json_object_get(o, "activeStandby");
	fprintf(to, "gateway %s of %s, %s, %s", text(o, "name"), text(o, "virtualNetwork"),
		text(o, "vpnType"), text(o, "publicIPAddress"));
	if (json_object_get(o, "ingressBitsPerSecond"))
		fprintf(to, ", %.1f Mbit/s in, %.1f out",
			(double)integer(o, "ingressBitsPerSecond") / 1e6,
			(double)integer(o, "egressBitsPerSecond") / 1e6);
	if (integer(o, "bandwidthInMbps"))
		fprintf(to,
			" of %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
			" packets above it dropped",
			integer(o, "bandwidthInMbps"), integer(o, "overRatePackets"));
	fputc('\n', to);
	if (json_is_object(standby))
		fprintf(to,
			"    %s since %s: %s; %" JSON_INTEGER_FORMAT
			" switches since the daemon began\n",
			text(standby, "state"), text(standby, "since"), text(standby, "why"),
			integer(standby, "switches"));
}

static void print_workers(FILE *to, const json_t *workers)
{
	size_t i;
	const json_t *w;
	if (!json_array_size(workers))
		return;
	fprintf(to, "\n%-8s %6s %14s %14s %10s %10s %10s\n", "WORKER", "BUSY", "PACKETS IN",
		"PACKETS OUT", "P50 us", "P99 us", "HELPED");
	json_array_foreach(workers, i, w)
	{
		const json_t *r = json_object_get(w, "residenceMicroseconds");
		fprintf(to,
			"%-8zu %5.1f%% %14" JSON_INTEGER_FORMAT " %14" JSON_INTEGER_FORMAT
			" %10.1f %10.1f %10" JSON_INTEGER_FORMAT "\n",
			i, 100 * json_number_value(json_object_get(w, "busy")),
			integer(w, "packetsIn"), integer(w, "packetsOut"),
			json_number_value(json_object_get(r, "p50")),
			json_number_value(json_object_get(r, "p99")),
			integer(w, "packetsForOthers"));
	}
}

void status_print(FILE *to, const json_t *document)
{
	size_t i;
	const json_t *o, *daemon = json_object_get(document, "daemon");
	fprintf(to, "instance %s: %s", text(document, "instance"),
		json_is_true(json_object_get(daemon, "running")) ? "running" : "not running");
	if (json_object_get(daemon, "pid"))
		fprintf(to, ", pid %" JSON_INTEGER_FORMAT ", since %s, crypto %s",
			integer(daemon, "pid"), text(daemon, "since"),
			text(daemon, "cryptoBackend"));
	fputc('\n', to);
	json_array_foreach(json_object_get(document, "gateways"), i, o) print_gateway(to, o);
	if (json_array_size(json_object_get(document, "connections")))
		fprintf(to, "\n%-24s %-13s %-20s %-24s %s\n", "CONNECTION", "STATUS", "SINCE",
			"PEER", "TRAFFIC");
	json_array_foreach(json_object_get(document, "connections"), i, o) print_row(to, o);
	print_clients(to, json_object_get(document, "clients"));
	print_circuits(to, json_object_get(document, "circuits"));
	print_peers(to, json_object_get(document, "bgpPeers"));
	print_networks(to, json_object_get(document, "virtualNetworks"));
	print_ports(to, json_object_get(document, "ports"));
	print_workers(to, json_object_get(document, "workers"));
	print_counts(to, "\ndrops:", json_object_get(document, "drops"));
}

static void print_list(FILE *to, const char *title, const json_t *list)
{
	size_t i;
	const json_t *o;
	fprintf(to, "%s", title);
	json_array_foreach(list, i, o) fprintf(to, "%s%s", i ? ", " : "", json_string_value(o));
	fputc('\n', to);
}

static void print_child(FILE *to, const json_t *s)
{
	char in[24], out[24];
	fprintf(to, "\nchild SA  %s in, %s out, %s, %s", text(s, "spiIn"), text(s, "spiOut"),
		text(s, "proposal"), text(s, "encapsulation"));
	if (json_is_integer(json_object_get(s, "worker")))
		fprintf(to, ", of worker %" JSON_INTEGER_FORMAT, integer(s, "worker"));
	fputc('\n', to);
	print_list(to, "  local   ", json_object_get(s, "localTs"));
	print_list(to, "  remote  ", json_object_get(s, "remoteTs"));
	fprintf(to,
		"  traffic %s (%" JSON_INTEGER_FORMAT " packets) in, %s (%" JSON_INTEGER_FORMAT
		" packets) out, MTU %" JSON_INTEGER_FORMAT ", rekey in %" JSON_INTEGER_FORMAT
		" s\n",
		bytes(integer(s, "bytesIn"), in), integer(s, "packetsIn"),
		bytes(integer(s, "bytesOut"), out), integer(s, "packetsOut"), integer(s, "mtu"),
		integer(s, "rekeySeconds"));
	if (integer(s, "authFailed") || integer(s, "replayed") || integer(s, "lost"))
		fprintf(to,
			"  faults  %" JSON_INTEGER_FORMAT " not authentic, %" JSON_INTEGER_FORMAT
			" replayed, %" JSON_INTEGER_FORMAT " lost on the way\n",
			integer(s, "authFailed"), integer(s, "replayed"), integer(s, "lost"));
}

static void print_client(FILE *to, const json_t *c)
{
	fprintf(to, "client    %s by %s", text(c, "user"), text(c, "authentication"));
	if (json_is_string(json_object_get(c, "clientVersion")))
		fprintf(to, ", %s", text(c, "clientVersion"));
	print_list(to, ", ", json_object_get(c, "addresses"));
}

static void print_sstp(FILE *to, const json_t *c)
{
	print_row(to, c);
	fprintf(to, "\ngateway   %s, %s, SSTP over %s\n", text(c, "virtualNetworkGateway"),
		text(c, "connectionType"), text(c, "tls"));
	print_client(to, c);
	print_counts(to, "\ndrops:", json_object_get(c, "drops"));
}

void status_print_connection(FILE *to, const json_t *c)
{
	size_t i;
	const json_t *o, *path = json_object_get(c, "path");
	if (strcmp(text(c, "protocol"), "SSTP") == 0) {
		print_sstp(to, c);
		return;
	}
	print_row(to, c);
	if (json_object_get(c, "expressRouteCircuit")) {
		fprintf(to, "\ngateway   %s, circuit %s\n", text(c, "virtualNetworkGateway"),
			text(c, "expressRouteCircuit"));
		return;
	}
	fprintf(to, "\ngateway   %s, %s, %s\n", text(c, "virtualNetworkGateway"),
		text(c, "connectionType"), text(c, "ikeVersion"));
	if (json_object_get(c, "user"))
		print_client(to, c);
	if (json_is_object(path))
		fprintf(to,
			"path      port %s, MTU %" JSON_INTEGER_FORMAT
			"%s; inside %" JSON_INTEGER_FORMAT "\n",
			text(path, "port"), integer(path, "mtu"),
			integer(path, "learntMtu") ? " (a router said so)" : "",
			integer(path, "innerMtu"));
	else
		fprintf(to,
			"path      none: no route to the peer, or its next hop does not answer\n");
	if (json_object_get(c, "ikeSpiInitiator")) {
		const json_t *nat = json_object_get(c, "nat");
		fprintf(to, "IKE SA    %s, %s -> %s, identity %s, %s%s%s\n", text(c, "ikeProposal"),
			text(c, "localEndpoint"), text(c, "remoteEndpoint"),
			text(c, "remoteIdentity"),
			json_is_true(json_object_get(c, "initiator")) ? "initiator" : "responder",
			json_is_true(json_object_get(nat, "local")) ? ", NAT on this side" : "",
			json_is_true(json_object_get(nat, "remote")) ? ", NAT on the peer's side"
								     : "");
		fprintf(to, "          SPIs %s, %s; rekey in %" JSON_INTEGER_FORMAT " s\n",
			text(c, "ikeSpiInitiator"), text(c, "ikeSpiResponder"),
			integer(c, "ikeRekeySeconds"));
	}
	json_array_foreach(json_object_get(c, "childSas"), i, o) print_child(to, o);
	print_counts(to, "\ndrops:", json_object_get(c, "drops"));
	if (json_array_size(json_object_get(c, "events")))
		fprintf(to, "\nlast events\n");
	json_array_foreach(json_object_get(c, "events"), i, o)
		fprintf(to, "  %s %s\n", text(o, "at"), text(o, "text"));
}

/* ---- from the pins alone ---- */

struct pins_view {
	const struct maps *m;
	json_t *gateways, *connections, *ports;
};

static int add_named(void *owner, const void *key, const void *value)
{
	struct pins_view *v = owner;
	struct xgw_name_key k;
	struct xgw_name name;
	char vnet[XGW_NAME];
	memcpy(&k, key, sizeof k);
	memcpy(&name, value, sizeof name);
	name.text[XGW_NAME - 1] = '\0';
	if (k.kind == XGW_NAME_GATEWAY)
		json_array_append_new(v->gateways,
				      json_pack("{s:s,s:s,s:s,s:n}", "name", name.text,
						"virtualNetwork",
						maps_name(v->m, XGW_NAME_VNET, k.id, vnet),
						"gatewayType", "Vpn", "vpnType"));
	else if (k.kind == XGW_NAME_CONNECTION)
		json_array_append_new(
			v->connections,
			json_pack("{s:s,s:n,s:s,s:n,s:n,s:n,s:n,s:i,s:i,s:i,s:i,s:[],s:s}", "name",
				  name.text, "connectionType", "connectionStatus", "Unknown",
				  "since", "peer", "ikeVersion", "ikeProposal", "ingressBytes", 0,
				  "egressBytes", 0, "ingressPackets", 0, "egressPackets", 0,
				  "childSas", "lastError",
				  "the daemon is not running: no tunnel can be up"));
	else if (k.kind == XGW_NAME_PORT)
		json_array_append_new(v->ports, json_pack("{s:s,s:o}", "name", name.text, "traffic",
							  status_traffic(v->m, k.id)));
	return 0;
}

json_t *status_of_pins(const struct maps *m, const char *instance)
{
	struct pins_view v = {m, json_array(), json_array(), json_array()};
	maps_walk(m, MAPS_names, add_named, &v);
	return json_pack("{s:s,s:{s:b},s:o,s:o,s:[],s:[],s:o,s:o}", "instance", instance, "daemon",
			 "running", 0, "gateways", v.gateways, "connections", v.connections,
			 "clients", "circuits", "ports", v.ports, "drops", status_drops(m));
}
