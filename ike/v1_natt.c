/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vendor IDs by name, and NAT detection (RFC 3947; draft-ietf-ipsec-nat-t-ike-02 and -03, which old
 * routers speak: other numbers, the same idea).
 */
#include "ike/v1_internal.h"

#include <stdio.h>
#include <string.h>

struct vendor {
	const char *name;
	uint8_t len; /* of the ID, or of its fixed beginning */
	uint8_t id[16];
	uint8_t natt; /* enum v1_natt */
	bool dpd;
};

/* Those at the top are ours to send, in this order. */
#define OURS 4
static const struct vendor vendors[] = {
	{"Dead Peer Detection (RFC 3706)",
	 14, /* then the version, 1.0 */
	 {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 1, 0},
	 V1_NATT_NONE,
	 true},
	{"NAT traversal (RFC 3947)",
	 16,
	 {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45,
	  0x2f},
	 V1_NATT_RFC},
	{"NAT traversal (draft 03)",
	 16,
	 {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d,
	  0x56},
	 V1_NATT_DRAFT_03},
	{"NAT traversal (draft 02, with a line feed)",
	 16,
	 {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b,
	  0x1f},
	 V1_NATT_DRAFT_02N},
	{"NAT traversal (draft 02)",
	 16,
	 {0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4,
	  0x48},
	 V1_NATT_DRAFT_02},
	{"NAT traversal (draft 00, not spoken here)",
	 16,
	 {0x44, 0x85, 0x15, 0x2d, 0x18, 0xb6, 0xbb, 0xcd, 0x0b, 0xe8, 0xa8, 0x46, 0x95, 0x79, 0xdd,
	  0xcc}},
	{"XAUTH", 8, {0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12}},
	{"Cisco Unity",
	 14,
	 {0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc}},
	{"fragmentation (Cisco, Microsoft)",
	 16,
	 {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2,
	  0xd3}},
	{"strongSwan",
	 16,
	 {0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc, 0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b,
	  0xeb}},
	{"Windows",
	 16,
	 {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4,
	  0x61}},
};
#define VENDORS (sizeof vendors / sizeof *vendors)

static void send_one(const struct vendor *v, struct builder *out)
{
	v1_raw(out, V1_VENDOR, (struct bytes){v->id, sizeof v->id});
}

void v1_vendors_offer(struct builder *out)
{
	for (unsigned i = 0; i <= OURS; i++)
		send_one(&vendors[i], out);
}

/* Only what the peer said too: an answer is never longer than its question. */
void v1_vendors_answer(const struct ike_sa *sa, struct builder *out)
{
	for (unsigned i = 0; i <= OURS; i++)
		if ((vendors[i].dpd && sa->v1->dpd) ||
		    (vendors[i].natt && vendors[i].natt == sa->v1->natt))
			send_one(&vendors[i], out);
}

static const struct vendor *find(struct bytes id)
{
	for (unsigned i = 0; i < VENDORS; i++)
		if (id.len >= vendors[i].len && !memcmp(id.at, vendors[i].id, vendors[i].len))
			return &vendors[i];
	return NULL;
}

static void hex(struct bytes b, char *out, size_t size)
{
	size_t at = 0;
	out[0] = 0;
	for (size_t i = 0; i < b.len && at + 3 <= size; i++)
		at += (size_t)snprintf(out + at, size - at, "%02x", b.at[i]);
}

void v1_vendors_take(struct ike_sa *sa, const struct v1_message *m)
{
	char text[41];
	for (unsigned i = 0; i < m->n; i++) {
		if (m->at[i].type != V1_VENDOR)
			continue;
		const struct vendor *v = find(m->at[i].body);
		hex(m->at[i].body, text, sizeof text);
		log_debug(LOG_IKE, "ike-vendor-id spi=%016llx id=%s: %s",
			  (unsigned long long)sa_local_spi(sa), text, v ? v->name : "not known");
		if (!v)
			continue;
		sa->v1->dpd |= v->dpd;
		if (v->natt > sa->v1->natt)
			sa->v1->natt = v->natt;
	}
}

/* ---- NAT detection ---- */

static bool is_nat_d(uint8_t type)
{
	return type == V1_NAT_D || type == V1_NAT_D_DRAFT;
}

static size_t hash_of(const struct ike_sa *sa, const struct ip_endpoint *at, uint8_t out[PRF_MAX])
{
	uint8_t cookies[16], port[2];
	size_t len = 0;
	store_be64(cookies, sa->spi_i);
	store_be64(cookies + 8, sa->spi_r);
	store_be16(port, at->port);
	struct bytes parts[] = {{cookies, 16}, {at->addr.b, ip_addr_bytes(&at->addr)}, {port, 2}};
	return v1_hash(sa->chosen.prf, parts, 3, out, &len) ? 0 : len;
}

/* The other end's address first, then ours (RFC 3947 section 3.2). */
void v1_natt_write(struct ike_sa *sa, struct builder *out)
{
	uint8_t hash[PRF_MAX];
	if (!sa->v1->natt)
		return;
	enum v1_payload_type type = sa->v1->natt == V1_NATT_RFC ? V1_NAT_D : V1_NAT_D_DRAFT;
	size_t n = hash_of(sa, &sa->remote, hash);
	v1_raw(out, type, (struct bytes){hash, n});
	n = hash_of(sa, &sa->local, hash);
	if (sa->v1->phase1->always) /* can't be right: the peer sees a NAT */
		random_fill(sa->e, hash, n);
	v1_raw(out, type, (struct bytes){hash, n});
}

void v1_natt_detect(struct ike_sa *sa, const struct v1_message *m, const struct ip_endpoint *local,
		    const struct ip_endpoint *remote)
{
	uint8_t ours[PRF_MAX], theirs[PRF_MAX];
	size_t n = hash_of(sa, local, ours), k = hash_of(sa, remote, theirs);
	unsigned seen = 0;
	bool ours_fits = false, theirs_fits = false;
	for (unsigned i = 0; i < m->n && sa->v1->natt; i++) {
		struct bytes b = m->at[i].body;
		if (!is_nat_d(m->at[i].type))
			continue;
		if (!seen++)
			ours_fits = b.len == n && !memcmp(b.at, ours, n);
		else
			theirs_fits |= b.len == k && !memcmp(b.at, theirs, k);
	}
	sa->nat_local = seen && !ours_fits;
	sa->nat_remote = seen > 1 && !theirs_fits;
	sa->encapsulate = sa->nat_local || sa->nat_remote;
}

uint16_t v1_mode_of(const struct ike_sa *sa)
{
	if (!sa->encapsulate)
		return V1_MODE_TUNNEL;
	return sa->v1->natt == V1_NATT_RFC ? V1_MODE_UDP_TUNNEL : V1_MODE_UDP_TUNNEL_DRAFT;
}
