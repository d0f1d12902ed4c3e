/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two models are the same in every value, with all places: structs are compared as bytes
 * once their pointers are taken out, so that what is added to the model is compared as well.
 */
#ifndef XGW_TESTS_SAME_MODEL_H
#define XGW_TESTS_SAME_MODEL_H

#include "control/model.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return !a || !b ? a == b : !strcmp(a, b);
}

#define SAME_TEXT(x, y, m) (same_text((x)->m, (y)->m) && !((x)->m = (y)->m = NULL))
#define SAME_BYTES(x, y, m, n)                                                                \
	((x)->n == (y)->n && (!(x)->n || !memcmp((x)->m, (y)->m, (x)->n * sizeof *(x)->m)) && \
	 !((x)->m = (y)->m = NULL))
/* Of an array of structs with pointers: each by a function. */
#define SAME_EACH(x, y, m, n, same)                                                     \
	((x)->n == (y)->n && same_each((x)->m, (y)->m, (x)->n, sizeof *(x)->m, same) && \
	 !((x)->m = (y)->m = NULL))

typedef bool same_one(const void *a, const void *b);

static bool same_each(const void *a, const void *b, uint32_t n, size_t size, same_one *same)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!same((const char *)a + i * size, (const char *)b + i * size))
			return false;
	}
	return true;
}

#define BEGIN(type) \
	struct type xs = *(const struct type *)a, *x = &xs, ys = *(const struct type *)b, *y = &ys
#define END return !memcmp(x, y, sizeof *x)

static bool same_port(const void *a, const void *b)
{
	BEGIN(model_port);
	if (!SAME_TEXT(x, y, name) || !SAME_TEXT(x, y, device))
		return false;
	END;
}

static bool same_host(const void *a, const void *b)
{
	BEGIN(model_host);
	if (!SAME_EACH(x, y, ports, n_ports, same_port) || !SAME_TEXT(x, y, crypto_backend) ||
	    !SAME_TEXT(x, y, metrics))
		return false;
	END;
}

static bool same_attachment(const void *a, const void *b)
{
	BEGIN(model_attachment);
	if (!SAME_BYTES(x, y, remote_vteps, n_remote_vteps) ||
	    !SAME_BYTES(x, y, remote_vteps_at, n_remote_vteps) || !SAME_TEXT(x, y, fdb) ||
	    !SAME_TEXT(x, y, neighbours))
		return false;
	END;
}

static bool same_subnet(const void *a, const void *b)
{
	BEGIN(model_subnet);
	if (!SAME_TEXT(x, y, name))
		return false;
	END;
}

static bool same_peering(const void *a, const void *b)
{
	BEGIN(model_peering);
	if (!SAME_TEXT(x, y, name))
		return false;
	END;
}

static bool same_vnet(const void *a, const void *b)
{
	BEGIN(model_vnet);
	if (!SAME_TEXT(x, y, name) || !SAME_BYTES(x, y, address_space, n_address_space) ||
	    !SAME_BYTES(x, y, address_space_at, n_address_space) || !SAME_BYTES(x, y, dns, n_dns) ||
	    !SAME_BYTES(x, y, dns_at, n_dns) || !SAME_EACH(x, y, subnets, n_subnets, same_subnet) ||
	    !SAME_EACH(x, y, attachments, n_attachments, same_attachment) ||
	    !SAME_BYTES(x, y, endpoints, n_endpoints) ||
	    !SAME_EACH(x, y, peerings, n_peerings, same_peering))
		return false;
	END;
}

static bool same_route(const void *a, const void *b)
{
	BEGIN(model_route);
	if (!SAME_TEXT(x, y, name))
		return false;
	END;
}

static bool same_table(const void *a, const void *b)
{
	BEGIN(model_route_table);
	if (!SAME_TEXT(x, y, name) || !SAME_EACH(x, y, routes, n_routes, same_route))
		return false;
	END;
}

#define SAME_BGP(x, y)                                         \
	(SAME_BYTES(&(x)->bgp, &(y)->bgp, custom, n_custom) && \
	 SAME_BYTES(&(x)->bgp, &(y)->bgp, custom_at, n_custom))

static bool same_user(const void *a, const void *b)
{
	BEGIN(model_user);
	if (!SAME_TEXT(x, y, name))
		return false;
	END;
}

static bool same_clients(struct model_clients *x, struct model_clients *y)
{
	return SAME_BYTES(x, y, pool, n_pool) && SAME_BYTES(x, y, pool_at, n_pool) &&
	       SAME_BYTES(x, y, routes, n_routes) && SAME_BYTES(x, y, routes_at, n_routes) &&
	       SAME_BYTES(x, y, roots, n_roots) && SAME_BYTES(x, y, revoked, n_revoked) &&
	       SAME_EACH(x, y, users, n_users, same_user);
}

static bool same_gateway(const void *a, const void *b)
{
	BEGIN(model_gateway);
	if (!SAME_TEXT(x, y, name) || !SAME_TEXT(x, y, identity) || !SAME_TEXT(x, y, sku) ||
	    !SAME_BGP(x, y) || !same_clients(&x->clients, &y->clients))
		return false;
	END;
}

static bool same_site(const void *a, const void *b)
{
	BEGIN(model_site);
	if (!SAME_TEXT(x, y, name) || !SAME_TEXT(x, y, fqdn) || !SAME_TEXT(x, y, identity) ||
	    !SAME_BGP(x, y) || !SAME_BYTES(x, y, address_space, n_address_space) ||
	    !SAME_BYTES(x, y, address_space_at, n_address_space))
		return false;
	END;
}

static bool same_selectors(const void *a, const void *b)
{
	BEGIN(model_ts_policy);
	if (!SAME_BYTES(x, y, local, n_local) || !SAME_BYTES(x, y, remote, n_remote))
		return false;
	END;
}

static bool same_connection(const void *a, const void *b)
{
	BEGIN(model_connection);
	if (!SAME_TEXT(x, y, name) || !SAME_TEXT(x, y, psk_file) || !SAME_TEXT(x, y, ppk_id) ||
	    !SAME_TEXT(x, y, ppk_file) || !SAME_BYTES(&x->trust, &y->trust, crls, n_crls) ||
	    !SAME_BYTES(&x->trust, &y->trust, ocsp, n_ocsp) ||
	    !SAME_BYTES(x, y, policies, n_policies) ||
	    !SAME_EACH(x, y, ts_policies, n_ts_policies, same_selectors))
		return false;
	END;
}

/* Of models without circuits and files. */
static bool same_model(const struct model *a, const struct model *b)
{
	struct model xs = *a, *x = &xs, ys = *b, *y = &ys;
	return same_host(&x->host, &y->host) && SAME_EACH(x, y, vnets, n_vnets, same_vnet) &&
	       SAME_EACH(x, y, gateways, n_gateways, same_gateway) &&
	       SAME_EACH(x, y, sites, n_sites, same_site) &&
	       SAME_EACH(x, y, connections, n_connections, same_connection) &&
	       SAME_EACH(x, y, tables, n_tables, same_table) && !x->n_circuits && !y->n_circuits &&
	       !x->n_files && !y->n_files;
}

#endif
