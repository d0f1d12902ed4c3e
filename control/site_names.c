/* SPDX-License-Identifier: Apache-2.0 */
#include "control/site_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void site_name_families(const struct model *m, uint8_t *families)
{
	memset(families, IP_NONE, m->n_sites);
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		if (c->site != MODEL_NONE && m->sites[c->site].fqdn)
			families[c->site] = m->gateways[c->gateway].public_address.family;
	}
}

bool site_name_is_open(const struct model *m, uint32_t site)
{
	return site != MODEL_NONE && m->sites[site].fqdn && !m->sites[site].address.family;
}

static bool in_prefix(const struct ip_addr *a, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a->b, prefix, whole) != 0)
		return false;
	return !rest || !((a->b[whole] ^ prefix[whole]) & (0xff00u >> rest) & 0xff);
}

const char *site_name_fault(const struct ip_addr *a)
{
	/* RFC 6890 sections 2.2.2 and 2.2.3: what is no destination, or none beyond the link */
	static const struct {
		uint8_t family, bits;
		uint8_t prefix[16];
		const char *what;
	} bad[] = {
		{IP_V4, 8, {0}, "an unspecified address"},
		{IP_V4, 8, {127}, "a loopback address"},
		{IP_V4, 16, {169, 254}, "a link-local address"},
		{IP_V4, 4, {224}, "a multicast address"},
		{IP_V4, 32, {255, 255, 255, 255}, "the broadcast address"},
		{IP_V4, 4, {240}, "a reserved address"},
		{IP_V6, 128, {0}, "the unspecified address"},
		{IP_V6, 128, {[15] = 1}, "the loopback address"},
		{IP_V6, 96, {[10] = 0xff, [11] = 0xff}, "an IPv4-mapped address"},
		{IP_V6, 10, {0xfe, 0x80}, "a link-local address"},
		{IP_V6, 8, {0xff}, "a multicast address"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (bad[i].family == a->family && in_prefix(a, bad[i].prefix, bad[i].bits))
			return bad[i].what;
	return NULL;
}

static void peer_of(const struct model *m, const struct model_connection *c,
		    struct ip_addr *address, const char **identity)
{
	bool site = c->site != MODEL_NONE;
	*address = site ? m->sites[c->site].address : m->gateways[c->peer_gateway].public_address;
	*identity = site ? m->sites[c->site].identity : m->gateways[c->peer_gateway].identity;
}

/* Without an identity of its own a peer has its address as one. */
static bool same_identity(const char *a, const char *b, const struct ip_addr *address)
{
	char text[IP_TEXT];
	ip_addr_format(address, text);
	return strcmp(a ? a : text, b ? b : text) == 0;
}

static bool has_connection(const struct model *m, uint32_t site, uint32_t gateway)
{
	for (uint32_t i = 0; i < m->n_connections; i++)
		if (m->connections[i].site == site && m->connections[i].gateway == gateway)
			return true;
	return false;
}

const char *site_name_rival(const struct model *m, uint32_t site, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < m->n_connections; i++) {
		const struct model_connection *c = &m->connections[i];
		struct ip_addr address;
		const char *identity;
		if (c->express_route || c->site == site)
			continue;
		peer_of(m, c, &address, &identity);
		if (ip_addr_equal(&address, a) &&
		    same_identity(identity, m->sites[site].identity, a) &&
		    has_connection(m, site, c->gateway))
			return c->name;
	}
	return NULL;
}

uint32_t site_name_choose(const struct ip_addr *present, const struct ip_addr *answers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (ip_addr_equal(present, &answers[i]))
			return i;
	return 0;
}

uint32_t site_name_seconds(uint32_t ttl)
{
	return ttl < SITE_NAME_MIN_SECONDS   ? SITE_NAME_MIN_SECONDS
	       : ttl > SITE_NAME_MAX_SECONDS ? SITE_NAME_MAX_SECONDS
					     : ttl;
}

static int by_name(const void *a, const void *b)
{
	const struct model_site *x = *(const struct model_site *const *)a,
				*y = *(const struct model_site *const *)b;
	int order = strcasecmp(x->fqdn, y->fqdn);
	return order ? order
		     : (x->address.family > y->address.family) -
			       (x->address.family < y->address.family);
}

static uint32_t known_names(const struct model *m, const struct model_site **out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_sites; i++)
		if (m->sites[i].fqdn && m->sites[i].address.family)
			out[n++] = &m->sites[i];
	if (n)
		qsort(out, n, sizeof *out, by_name);
	return n;
}

int site_names_follow_model(struct model *now, const struct model *before)
{
	const struct model_site **known = calloc(before->n_sites + 1u, sizeof *known);
	uint8_t *families = calloc(now->n_sites + 1u, 1);
	uint32_t n = known && families ? known_names(before, known) : 0;
	if (families)
		site_name_families(now, families);
	for (uint32_t i = 0; n && i < now->n_sites; i++) {
		struct model_site key = {.fqdn = now->sites[i].fqdn, .address.family = families[i]};
		const struct model_site *wanted = &key;
		const struct model_site **found =
			families[i] ? bsearch(&wanted, known, n, sizeof *known, by_name) : NULL;
		if (found && !site_name_rival(now, i, &(*found)->address))
			now->sites[i].address = (*found)->address;
	}
	int err = known && families ? 0 : -ENOMEM;
	free(known);
	free(families);
	return err;
}
