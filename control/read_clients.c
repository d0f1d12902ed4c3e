/* SPDX-License-Identifier: Apache-2.0 */
/* vpnClientConfiguration -> what a gateway knows of its clients. */
#include "control/read_internal.h"

#include <errno.h>
#include <string.h>

#define THUMBPRINT 20 /* bytes of SHA-1 */

/* Clients at once; what is of ExpressRoute alone has none. */
static uint32_t most_clients(const struct tree_node *gateway)
{
	static const uint32_t most[MODEL_SKUS] = {
		[MODEL_SKU_UNLIMITED] = 4096, [MODEL_SKU_BASIC] = 128,
		[MODEL_SKU_STANDARD] = 128,   [MODEL_SKU_HIGH_PERFORMANCE] = 128,
		[MODEL_SKU_VPN_GW1] = 250,    [MODEL_SKU_VPN_GW2] = 500,
		[MODEL_SKU_VPN_GW3] = 1000,   [MODEL_SKU_VPN_GW4] = 4096,
		[MODEL_SKU_VPN_GW5] = 4096,
	};
	return most[read_choice(gateway, P_virtualNetworkGateway_sku)];
}

/* Every SKU has as many by SSTP. */
#define MOST_SSTP 128

static void read_protocols(const struct tree_node *map, struct model_clients *c)
{
	uint32_t n = read_length(map, P_vpnClientConfiguration_vpnClientProtocols);
	c->protocols_at = read_place(map, P_vpnClientConfiguration_vpnClientProtocols);
	for (uint32_t i = 0; i < n; i++) {
		const struct tree_node *v =
			read_item(map, P_vpnClientConfiguration_vpnClientProtocols, i);
		if (v->is_bad || !v->text)
			continue;
		c->sstp |= !strcmp(v->text, "SSTP");
		c->ike |= !strcmp(v->text, "IkeV2");
	}
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* 40 hex digits; tools write colons or spaces between the bytes. */
static bool parse_thumbprint(const char *text, uint8_t out[THUMBPRINT])
{
	unsigned n = 0;
	memset(out, 0, THUMBPRINT);
	for (; *text; text++) {
		int d = digit(*text);
		if (d < 0 && (*text == ':' || *text == ' '))
			continue;
		if (d < 0 || n == 2u * THUMBPRINT)
			return false;
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | d);
		n++;
	}
	return n == 2u * THUMBPRINT;
}

static void read_revoked(struct read *r, const struct tree_node *map, struct model_gateway *g)
{
	struct model_clients *c = &g->clients;
	uint32_t n = read_length(map, P_vpnClientConfiguration_vpnClientRevokedCertificates);
	c->revoked_at = read_place(map, P_vpnClientConfiguration_vpnClientRevokedCertificates);
	c->revoked = read_array(r, n, sizeof *c->revoked);
	for (uint32_t i = 0; c->revoked && i < n; i++) {
		const struct tree_node *item =
			read_item(map, P_vpnClientConfiguration_vpnClientRevokedCertificates, i);
		const char *text = read_text(item, P_revokedCertificate_thumbprint);
		if (text && parse_thumbprint(text, c->revoked[c->n_revoked])) {
			c->n_revoked++;
			continue;
		}
		g->incomplete = true;
		if (text)
			findings_error(r->findings,
				       read_place(item, P_revokedCertificate_thumbprint),
				       "thumbprint: expected 40 hex digits, the SHA-1 of the "
				       "certificate; `openssl x509 -fingerprint -sha1` prints it");
	}
}

/* A file, or the certificate itself. */
static uint32_t read_root(struct read *r, const struct tree_node *item)
{
	const struct tree_node *file = schema_value(item, P_rootCertificate_file);
	const struct tree_node *data = schema_value(item, P_rootCertificate_publicCertData);
	if (file && data)
		findings_error(r->findings, data->place,
			       "publicCertData: expected this or file, came both");
	else if (!file && !data && !item->is_bad)
		findings_error(r->findings, item->place,
			       "file: missing in this root certificate; give a file, or "
			       "publicCertData");
	if (!data || file)
		return file && !data ? read_path(r, item, P_rootCertificate_file) : MODEL_NONE;
	return data->is_bad || data->type != TREE_SCALAR ? MODEL_NONE
							 : read_inline_certificate(r, data->text);
}

static void read_roots(struct read *r, const struct tree_node *map, struct model_gateway *g)
{
	struct model_clients *c = &g->clients;
	uint32_t n = read_length(map, P_vpnClientConfiguration_vpnClientRootCertificates);
	c->roots_at = read_place(map, P_vpnClientConfiguration_vpnClientRootCertificates);
	c->roots = read_array(r, n, sizeof *c->roots);
	for (uint32_t i = 0; c->roots && i < n; i++) {
		const struct tree_node *item =
			read_item(map, P_vpnClientConfiguration_vpnClientRootCertificates, i);
		uint32_t file = read_root(r, item);
		if (file == MODEL_NONE)
			g->incomplete = true;
		else
			c->roots[c->n_roots++] = file;
	}
}

static void read_user(struct read *r, const struct tree_node *item, struct model_gateway *g)
{
	struct model_user *u = &g->clients.users[g->clients.n_users];
	const struct tree_node *v = schema_value(item, P_user_password);
	struct fault fault = {0};
	char text[FAULT_TEXT];
	if (!v || v->is_bad || item->is_bad) {
		g->incomplete = true;
		return;
	}
	u->name = read_copy(r, read_text(item, P_user_name));
	u->place = read_place(item, P_user_name);
	g->clients.n_users++;
	if (!read_secret(r, v, &u->password, &fault))
		return;
	g->incomplete = true;
	findings_error(r->findings, read_place(item, P_user_password), "password: %.280s",
		       fault_format(&fault, text));
}

void read_clients(struct read *r, const struct tree_node *gateway, struct model_gateway *g)
{
	struct model_clients *c = &g->clients;
	const struct tree_node *map =
		schema_value(gateway, P_virtualNetworkGateway_vpnClientConfiguration);
	const struct tree_node *custom =
		schema_value(gateway, P_virtualNetworkGateway_customRoutes);
	if (custom) {
		c->custom_at = custom->place;
		c->n_routes = read_prefixes(r, custom, P_customRoutes_addressPrefixes, &c->routes,
					    &c->routes_at);
	}
	if (!map || map->type != TREE_MAP || map->is_bad)
		return;
	c->place = map->place;
	c->most = most_clients(gateway);
	c->n_pool = read_prefixes(r, map, P_vpnClientConfiguration_vpnClientAddressPool, &c->pool,
				  &c->pool_at);
	c->most_sstp = read_choice(gateway, P_virtualNetworkGateway_sku) ? MOST_SSTP : c->most;
	read_protocols(map, c);
	c->to_each_other = read_boolean(map, P_vpnClientConfiguration_allowClientToClient);
	c->idle_minutes = read_number(map, P_vpnClientConfiguration_sessionIdleMinutes);
	c->session_minutes = read_number(map, P_vpnClientConfiguration_sessionMinutes);
	c->per_user = read_number(map, P_vpnClientConfiguration_sessionsPerUser);
	read_roots(r, map, g);
	read_revoked(r, map, g);
	uint32_t n = read_length(map, P_vpnClientConfiguration_users);
	c->users = read_array(r, n, sizeof *c->users);
	for (uint32_t i = 0; c->users && i < n; i++)
		read_user(r, read_item(map, P_vpnClientConfiguration_users, i), g);
}
