/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of SAs as lines of Wireshark's tables `ikev2_decryption_table` and `esp_sa` (lab use, off
 * unless the configuration says so). What Wireshark 4.0 can't decrypt is a comment.
 */
#include "loader/clients.h"
#include "loader/status.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE (4 * SECRET_MAX * 2 + 256)

struct tables {
	json_t *ike, *esp;
};

/* Names of Wireshark's, by ours; NULL: it knows none. */
static const char *ike_encryption(enum encryption_id id)
{
	switch (id) {
	case ENCR_3DES: return "3DES [RFC2451]";
	case ENCR_AES_CBC_128: return "AES-CBC-128 [RFC3602]";
	case ENCR_AES_CBC_192: return "AES-CBC-192 [RFC3602]";
	case ENCR_AES_CBC_256: return "AES-CBC-256 [RFC3602]";
	case ENCR_AES_GCM16_128: return "AES-GCM-128 with 16 octet ICV [RFC5282]";
	case ENCR_AES_GCM16_192: return "AES-GCM-192 with 16 octet ICV [RFC5282]";
	case ENCR_AES_GCM16_256: return "AES-GCM-256 with 16 octet ICV [RFC5282]";
	default: return NULL;
	}
}

static const char *ike_integrity(enum integrity_id id)
{
	switch (id) {
	case AUTH_NONE: return "NONE [RFC4306]";
	case AUTH_HMAC_SHA1_96: return "HMAC_SHA1_96 [RFC2404]";
	case AUTH_HMAC_SHA2_256_128: return "HMAC_SHA2_256_128 [RFC4868]";
	case AUTH_HMAC_SHA2_384_192: return "HMAC_SHA2_384_192 [RFC4868]";
	case AUTH_HMAC_SHA2_512_256: return "HMAC_SHA2_512_256 [RFC4868]";
	default: return NULL;
	}
}

static const char *esp_encryption(enum encryption_id id)
{
	switch (id) {
	case ENCR_NULL: return "NULL";
	case ENCR_3DES: return "TripleDES-CBC [RFC2451]";
	case ENCR_AES_CBC_128:
	case ENCR_AES_CBC_192:
	case ENCR_AES_CBC_256: return "AES-CBC [RFC3602]";
	case ENCR_AES_GCM16_128:
	case ENCR_AES_GCM16_192:
	case ENCR_AES_GCM16_256: return "AES-GCM with 16 octet ICV [RFC4106]";
	default: return NULL;
	}
}

static const char *esp_integrity(enum integrity_id id)
{
	switch (id) {
	case AUTH_NONE: return "NULL";
	case AUTH_HMAC_SHA1_96: return "HMAC-SHA-1-96 [RFC2404]";
	case AUTH_HMAC_SHA2_256_128: return "HMAC-SHA-256-128 [RFC4868]";
	case AUTH_HMAC_SHA2_384_192: return "HMAC-SHA-384-192 [RFC4868]";
	case AUTH_HMAC_SHA2_512_256: return "HMAC-SHA-512-256 [RFC4868]";
	default: return NULL;
	}
}

static const char *hex(const uint8_t *b, size_t n, char out[2 * SECRET_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * n] = 0;
	return out;
}

static void add_line(json_t *list, char *line)
{
	json_array_append_new(list, json_string(line));
	wipe(line, LINE);
}

static void tell_ike(void *owner, uint64_t spi_i, uint64_t spi_r, enum encryption_id encryption,
		     enum integrity_id integrity, const struct secret *ei, const struct secret *er,
		     const struct secret *ai, const struct secret *ar)
{
	struct tables *t = owner;
	char line[LINE], k[4][2 * SECRET_MAX + 1];
	const char *e = ike_encryption(encryption), *a = ike_integrity(integrity);
	if (e && a)
		snprintf(line, sizeof line, "%016llx,%016llx,%s,%s,\"%s\",%s,%s,\"%s\"",
			 (unsigned long long)spi_i, (unsigned long long)spi_r,
			 hex(ei->b, ei->len, k[0]), hex(er->b, er->len, k[1]), e,
			 hex(ai->b, ai->len, k[2]), hex(ar->b, ar->len, k[3]), a);
	else
		snprintf(line, sizeof line, "# %016llx,%016llx: no table takes %s with %s",
			 (unsigned long long)spi_i, (unsigned long long)spi_r,
			 encryption_of(encryption)->name,
			 integrity ? integrity_of(integrity)->name : "its own integrity");
	add_line(t->ike, line);
	wipe(k, sizeof k);
}

static void tell_direction(const struct tables *t, const struct child_sa *c, uint32_t spi,
			   const struct ip_addr *from, const struct ip_addr *to,
			   const struct secret *key)
{
	char line[LINE], k[2][2 * SECRET_MAX + 1], a[IP_TEXT], b[IP_TEXT];
	const char *e = esp_encryption(c->encryption), *i = esp_integrity(c->integrity);
	size_t n =
		encryption_of(c->encryption)->key_bytes + encryption_of(c->encryption)->salt_bytes;
	n = n < key->len ? n : key->len;
	if (e && i)
		snprintf(line, sizeof line,
			 "\"IPv%d\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"0x%s\",\"%s\",\"0x%s\"",
			 from->family, ip_addr_format(from, a), ip_addr_format(to, b), spi, e,
			 hex(key->b, n, k[0]), i, hex(key->b + n, key->len - n, k[1]));
	else
		snprintf(line, sizeof line, "# 0x%08x: no table takes %s", spi,
			 encryption_of(c->encryption)->name);
	add_line(t->esp, line);
	wipe(k, sizeof k);
}

static void tell_child(void *owner, const struct child_sa *c)
{
	tell_direction(owner, c, c->spi_in, &c->remote.addr, &c->local.addr, &c->key_in);
	tell_direction(owner, c, c->spi_out, &c->local.addr, &c->remote.addr, &c->key_out);
}

static json_t *refusal(const struct fault *f)
{
	char text[FAULT_TEXT];
	return json_pack("{s:b,s:s}", "ok", 0, "error", fault_format(f, text));
}

static void tell_all(struct daemon *d, const struct ike_key_sink *sink)
{
	struct client_info c;
	for (uint32_t i = 0; i < d->plan.n_connections; i++)
		ike_host_keys(d->ike, d->plan.connections[i].id, sink);
	for (uint32_t after = 0; ike_host_next_client(d->ike, after, &c) == 0; after = c.connection)
		ike_host_keys(d->ike, c.connection, sink);
}

json_t *key_export(struct daemon *d, const char *name)
{
	struct fault f = {0};
	struct tables t;
	const struct ike_key_sink sink = {&t, tell_ike, tell_child};
	uint32_t id = 0;
	if (!d->model.host.export_keys) {
		fault_set(&f, -EPERM, "keys are not told: host.exportKeys is not true");
		fault_advise(&f, "in a lab only, set it in the configuration and start again");
		return refusal(&f);
	}
	if (name && status_find(d, name, &id, &f))
		return refusal(&f);
	log_warn(LOG_IKE, "keys-exported name=%s", name ? name : "all");
	t = (struct tables){json_array(), json_array()};
	if (name)
		ike_host_keys(d->ike, id, &sink);
	else
		tell_all(d, &sink);
	return json_pack("{s:b,s:{s:o,s:o}}", "ok", 1, "keys", "ikev2_decryption_table", t.ike,
			 "esp_sa", t.esp);
}
