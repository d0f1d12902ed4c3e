/* SPDX-License-Identifier: Apache-2.0 */
/* See v1_proposal.h. */
#include "ike/v1_proposal.h"
#include "ike/proposal_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DOI_IPSEC	   1
#define SITUATION_IDENTITY 1
#define TRANSFORM_KEY_IKE  1
#define MOST_TRANSFORMS	   40 /* of an offer of ours */

/* Attributes of phase 1 (RFC 2409 appendix A) and of phase 2 (RFC 2407 section 4.5). */
enum {
	P1_ENCRYPTION = 1,
	P1_HASH,
	P1_AUTH,
	P1_GROUP,
	P1_LIFE_TYPE = 11,
	P1_LIFE_DURATION,
	P1_KEY_LENGTH = 14,
};
enum { P2_LIFE_TYPE = 1, P2_LIFE_DURATION, P2_GROUP, P2_MODE, P2_AUTH, P2_KEY_LENGTH };
enum { LIFE_SECONDS = 1, LIFE_KILOBYTES };

/* ---- numbers of IKEv1 ---- */

struct number {
	uint8_t id;
	uint16_t wire;
};
static const struct number hashes[] = {{AUTH_HMAC_SHA1_96, 2},
				       {AUTH_HMAC_SHA2_256_128, 4},
				       {AUTH_HMAC_SHA2_384_192, 5},
				       {AUTH_HMAC_SHA2_512_256, 6}};
static const struct number macs[] = {{AUTH_HMAC_SHA1_96, 2},
				     {AUTH_HMAC_SHA2_256_128, 5},
				     {AUTH_HMAC_SHA2_384_192, 6},
				     {AUTH_HMAC_SHA2_512_256, 7}};
enum { P1_3DES = 5, P1_AES = 7 };

static uint16_t wire_of(const struct number *table, uint8_t id)
{
	for (unsigned i = 0; i < 4; i++)
		if (table[i].id == id)
			return table[i].wire;
	return 0;
}

static uint8_t id_of(const struct number *table, uint64_t wire)
{
	for (unsigned i = 0; i < 4; i++)
		if (table[i].wire == wire)
			return table[i].id;
	return UNKNOWN;
}

static uint8_t prf_of_hash(uint8_t integrity)
{
	switch (integrity) {
	case AUTH_HMAC_SHA1_96: return PRF_HMAC_SHA1;
	case AUTH_HMAC_SHA2_256_128: return PRF_HMAC_SHA2_256;
	case AUTH_HMAC_SHA2_384_192: return PRF_HMAC_SHA2_384;
	case AUTH_HMAC_SHA2_512_256: return PRF_HMAC_SHA2_512;
	default: return PRF_NONE;
	}
}

static uint8_t known(unsigned id)
{
	return id ? (uint8_t)id : UNKNOWN;
}

/* The attribute is there: what says 0 is not one who says nothing. */
static uint64_t key_length(uint64_t said)
{
	return said ? said : UINT16_MAX;
}

/* AES without a key length is AES-128: RFC 3602 section 5.3 asks for the attribute, not all send
 * it. */
static uint8_t encryption_of_wire(uint64_t number, uint64_t key_bits)
{
	uint16_t of_v2 = (uint16_t)number;
	if (number > UINT8_MAX || key_bits > UINT16_MAX)
		return UNKNOWN;
	if (of_v2 == encryption_of(ENCR_AES_CBC_128)->number && !key_bits)
		key_bits = 128;
	enum encryption_id id = encryption_by_number(of_v2, (uint16_t)key_bits);
	/* ChaCha20 has no number in IKEv1 */
	return id == ENCR_CHACHA20_POLY1305 ? UNKNOWN : known(id);
}

static uint8_t group_of_wire(uint64_t number)
{
	return number > UINT16_MAX ? UNKNOWN : known(group_by_number((uint16_t)number));
}

/* ---- reading ---- */

#define CLASSES 16 /* above all that are known here */

struct transform {
	struct offer o; /* one of each kind */
	struct bytes raw;
	uint64_t auth, mode;
	struct v1_life life;
	uint64_t said[CLASSES]; /* by class, where its bit of `seen` is set */
	uint16_t seen;
	uint16_t conflict; /* the class that came with two values; 0: none */
};

struct raw_proposal {
	uint8_t number, protocol, spi_bytes, n;
	uint32_t spi;
	struct bytes transforms;
};

/*
 * A class that comes again with the value it had says nothing new; with another value the two are
 * in conflict (RFC 2407 section 4.5.2). True: it came before. Not for lifetimes, which come in
 * pairs.
 */
static bool said_before(struct transform *t, const struct v1_attribute *a)
{
	if (a->type >= CLASSES)
		return false;
	bool before = t->seen >> a->type & 1;
	if (before && t->said[a->type] != a->number)
		t->conflict = a->type;
	t->seen |= (uint16_t)(1u << a->type);
	t->said[a->type] = a->number;
	return before;
}

/* The life type stands before its duration (RFC 2409 appendix A). */
static void take_life(struct transform *t, uint64_t *kind, const struct v1_attribute *a,
		      bool duration)
{
	uint64_t *life = *kind == LIFE_SECONDS	   ? &t->life.seconds
			 : *kind == LIFE_KILOBYTES ? &t->life.kilobytes
						   : NULL;
	if (!duration) {
		*kind = a->number;
	} else if (life) {
		if (*life && *life != a->number)
			t->conflict = a->type;
		*life = a->number;
	}
}

static void read_ike(struct reader *r, uint8_t id, struct transform *t)
{
	uint64_t kind = 0, cipher = 0, key_bits = 0;
	struct v1_attribute a;
	while (v1_attribute_next(r, &a)) {
		bool life = a.type == P1_LIFE_TYPE || a.type == P1_LIFE_DURATION;
		if (!life && said_before(t, &a))
			continue;
		switch (a.type) {
		case P1_ENCRYPTION: cipher = a.number; break;
		case P1_KEY_LENGTH: key_bits = key_length(a.number); break;
		case P1_HASH: offer_add(&t->o, INTEG, id_of(hashes, a.number)); break;
		case P1_GROUP: offer_add(&t->o, DH, group_of_wire(a.number)); break;
		case P1_AUTH: t->auth = a.number; break;
		case P1_LIFE_TYPE:
		case P1_LIFE_DURATION: take_life(t, &kind, &a, a.type == P1_LIFE_DURATION); break;
		default: t->o.other = true;
		}
	}
	uint64_t as_v2 = cipher == P1_3DES  ? encryption_of(ENCR_3DES)->number
			 : cipher == P1_AES ? encryption_of(ENCR_AES_CBC_128)->number
					    : 0;
	offer_add(&t->o, ENCR, as_v2 ? encryption_of_wire(as_v2, key_bits) : UNKNOWN);
	if (id != TRANSFORM_KEY_IKE)
		t->o.other = true;
}

/* Numbers of ESP's ciphers are those that IKEv2 took over. */
static void read_esp(struct reader *r, uint8_t id, struct transform *t)
{
	uint64_t kind = 0, key_bits = 0;
	struct v1_attribute a;
	t->mode = V1_MODE_TUNNEL;
	while (v1_attribute_next(r, &a)) {
		bool life = a.type == P2_LIFE_TYPE || a.type == P2_LIFE_DURATION;
		if (!life && said_before(t, &a))
			continue;
		switch (a.type) {
		case P2_AUTH: offer_add(&t->o, INTEG, id_of(macs, a.number)); break;
		case P2_GROUP: offer_add(&t->o, DH, group_of_wire(a.number)); break;
		case P2_MODE: t->mode = a.number; break;
		case P2_KEY_LENGTH: key_bits = key_length(a.number); break;
		case P2_LIFE_TYPE:
		case P2_LIFE_DURATION: take_life(t, &kind, &a, a.type == P2_LIFE_DURATION); break;
		default: t->o.other = true;
		}
	}
	offer_add(&t->o, ENCR, encryption_of_wire(id, key_bits));
}

/* One transform substructure. True: another one follows. */
static bool read_transform(struct reader *r, bool ike, struct transform *t)
{
	const uint8_t *start = r->at;
	memset(t, 0, sizeof *t);
	uint8_t last = reader_u8(r);
	reader_skip(r, 1);
	uint16_t length = reader_u16(r);
	if (length < 8 || (last && last != V1_TRANSFORM)) {
		reader_fail(r);
		return false;
	}
	struct reader body = reader_sub(r, length - 4u);
	reader_skip(&body, 1);
	uint8_t id = reader_u8(&body);
	reader_skip(&body, 2);
	if (ike)
		read_ike(&body, id, t);
	else
		read_esp(&body, id, t);
	t->raw = (struct bytes){start, length};
	return last;
}

static bool read_proposal(struct reader *r, struct raw_proposal *p)
{
	uint8_t last = reader_u8(r);
	reader_skip(r, 1);
	uint16_t length = reader_u16(r);
	if (length < 8 || (last && last != V1_PROPOSAL)) {
		reader_fail(r);
		return false;
	}
	struct reader body = reader_sub(r, length - 4u);
	p->number = reader_u8(&body);
	p->protocol = reader_u8(&body);
	p->spi_bytes = reader_u8(&body);
	p->n = reader_u8(&body);
	p->spi = 0;
	if (p->spi_bytes == 4)
		p->spi = reader_u32(&body);
	else
		reader_skip(&body, p->spi_bytes);
	p->transforms = reader_rest(&body);
	return last;
}

/* Every proposal of the payload, into a table. 0 or -EPROTO. */
static int read_proposals(struct bytes sa, struct raw_proposal *out, unsigned *n, struct fault *f)
{
	struct reader r;
	bool more = true;
	reader_init(&r, sa.at, sa.len);
	uint32_t doi = reader_u32(&r), situation = reader_u32(&r);
	*n = 0;
	if (!reader_ok(&r) || doi != DOI_IPSEC || situation != SITUATION_IDENTITY)
		return fault_set(f, -EPROTO,
				 "malformed SA payload: expected the IPsec DOI (1) and identities "
				 "only (1), came %u and %u",
				 doi, situation);
	while (more && reader_ok(&r) && *n < LIMIT_PROPOSALS)
		more = read_proposal(&r, &out[(*n)++]);
	if (!reader_ok(&r) || more || reader_left(&r))
		return fault_set(f, -EPROTO, "malformed SA payload: proposal %u", *n);
	return 0;
}

/* ---- choosing ---- */

struct choice {
	const struct v1_offer *o;
	bool ike;
	unsigned best; /* rank of what is in `out`: lower comes first in ours */
	struct v1_agreed *out;
	struct nearest near;
	uint64_t wrong_auth, wrong_mode;
};

static unsigned place(const struct offer *o, enum kind k, uint8_t id)
{
	const uint8_t *at = o->n[k] ? memchr(o->ids[k], id, o->n[k]) : NULL;
	return at ? (unsigned)(at - o->ids[k]) : 0;
}

static void ours_as_offer(const struct ike_proposal *p, bool ike, bool aead, struct offer *o)
{
	memset(o, 0, sizeof *o);
	for (unsigned i = 0; i < p->n_encryption; i++)
		if (encryption_of(p->encryption[i])->aead == aead)
			offer_add(o, ENCR, p->encryption[i]);
	for (unsigned i = 0; i < p->n_integrity && !aead; i++)
		offer_add(o, INTEG, p->integrity[i]);
	for (unsigned i = 0; i < p->n_group; i++)
		offer_add(o, DH, p->group[i]);
	if (ike && aead)
		o->n[ENCR] = 0; /* phase 1 knows no AEAD */
}

static void judge(struct choice *c, unsigned index, bool aead, const struct raw_proposal *p,
		  const struct transform *t)
{
	struct offer ours;
	struct ike_chosen chosen;
	ours_as_offer(&c->o->ours[index], c->ike, aead, &ours);
	if (!ours.n[ENCR])
		return;
	enum kind differs = offer_match(&ours, &t->o, DH_NONE, &chosen);
	if (differs != KINDS) {
		nearest_remember(&c->near, differs, &ours, &t->o);
		return;
	}
	unsigned rank =
		((index * 2 + (aead != encryption_of(c->o->ours[index].encryption[0])->aead)) *
			 LIMIT_TRANSFORMS +
		 place(&ours, ENCR, chosen.encryption)) *
			LIMIT_TRANSFORMS * LIMIT_TRANSFORMS +
		place(&ours, INTEG, chosen.integrity) * LIMIT_TRANSFORMS +
		place(&ours, DH, chosen.group);
	if (rank >= c->best)
		return;
	c->best = rank;
	*c->out = (struct v1_agreed){
		.chosen = chosen, .life = t->life, .number = p->number, .transform = t->raw};
	if (c->ike)
		c->out->chosen.prf = prf_of_hash(chosen.integrity);
	else /* in phase 1 what stands there is ignored (RFC 2408 section 3.5) */
		c->out->chosen.spi = p->spi;
}

/* Peers are known that say the draft's number after RFC 3947's vendor ID. */
static bool mode_fits(uint64_t ours, uint64_t theirs)
{
	bool udp = theirs == V1_MODE_UDP_TUNNEL || theirs == V1_MODE_UDP_TUNNEL_DRAFT;
	return ours == theirs || (udp && ours != V1_MODE_TUNNEL);
}

static void consider(struct choice *c, const struct raw_proposal *p, const struct transform *t)
{
	if (c->ike && t->auth != c->o->auth) {
		c->wrong_auth = t->auth ? t->auth : UINT16_MAX;
		return;
	}
	if (!c->ike && !mode_fits(c->o->mode, t->mode)) {
		c->wrong_mode = t->mode ? t->mode : UINT16_MAX;
		return;
	}
	for (unsigned i = 0; i < c->o->n; i++) {
		judge(c, i, false, p, t);
		judge(c, i, true, p, t);
	}
}

/* Two proposals of one number belong together (AH with ESP, or with IPComp): not ours. */
static bool stands_alone(const struct raw_proposal *p, unsigned n, unsigned i)
{
	for (unsigned k = 0; k < n; k++)
		if (k != i && p[k].number == p[i].number)
			return false;
	return true;
}

static bool usable(const struct choice *c, const struct raw_proposal *p)
{
	if (c->ike)
		return p->protocol == PROTOCOL_IKE;
	return p->protocol == PROTOCOL_ESP && p->spi_bytes == 4 && p->spi;
}

static const char *auth_name(uint64_t auth)
{
	switch (auth) {
	case V1_AUTH_PSK: return "a pre-shared key";
	case 2: return "DSS signatures";
	case V1_AUTH_RSA_SIG: return "RSA signatures";
	case 4:
	case 5: return "RSA encryption, which is not built";
	case 9:
	case 10:
	case 11: return "ECDSA signatures";
	default: return auth >= 64221 && auth < UINT16_MAX ? "XAUTH" : "a method not known here";
	}
}

static const char *mode_name(uint64_t mode)
{
	switch (mode) {
	case V1_MODE_TUNNEL: return "tunnel mode";
	case V1_MODE_UDP_TUNNEL: return "tunnel mode in UDP";
	case V1_MODE_UDP_TUNNEL_DRAFT: return "tunnel mode in UDP (draft)";
	case 2:
	case 4:
	case 61444: return "transport mode";
	default: return "a mode not known here";
	}
}

static int nothing_fits(const struct choice *c, struct fault *f)
{
	if (c->near.set)
		return nearest_fault(&c->near, f);
	if (c->wrong_auth) {
		fault_set(f, -ENOENT,
			  "no proposal in common: ours authenticate by %s, theirs by %s",
			  auth_name(c->o->auth), auth_name(c->wrong_auth));
		fault_advise(f, "set the same authentication on both ends");
		return -ENOENT;
	}
	if (c->wrong_mode) {
		fault_set(f, -ENOENT, "no proposal in common: expected %s, the peer wants %s",
			  mode_name(c->o->mode), mode_name(c->wrong_mode));
		fault_advise(f,
			     "set the peer to tunnel mode; whether it is in UDP follows from NAT "
			     "detection");
		return -ENOENT;
	}
	return nearest_fault(&c->near, f);
}

static const char *class_name(bool ike, uint16_t class)
{
	static const char *const phase1[CLASSES] = {
		[P1_ENCRYPTION] = "encryption algorithm", [P1_HASH] = "hash algorithm",
		[P1_AUTH] = "authentication method",	  [P1_GROUP] = "group",
		[P1_LIFE_DURATION] = "lifetime",	  [P1_KEY_LENGTH] = "key length",
	};
	static const char *const phase2[CLASSES] = {
		[P2_LIFE_DURATION] = "lifetime",  [P2_GROUP] = "group",
		[P2_MODE] = "encapsulation mode", [P2_AUTH] = "authentication algorithm",
		[P2_KEY_LENGTH] = "key length",
	};
	const char *name = ike ? phase1[class] : phase2[class];
	return name ? name : "attribute";
}

/* All transforms of theirs against all of ours; `single`: it is an answer, which has just one. */
static int choose(struct choice *c, struct bytes theirs, bool single, struct fault *f)
{
	struct raw_proposal p[LIMIT_PROPOSALS] = {0};
	struct transform t;
	unsigned n = 0, total = 0;
	int err = read_proposals(theirs, p, &n, f);
	if (err)
		return err;
	c->best = UINT_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct reader r;
		bool more = p[i].n > 0;
		bool fits = usable(c, &p[i]) && stands_alone(p, n, i);
		reader_init(&r, p[i].transforms.at, p[i].transforms.len);
		for (unsigned k = 0; more && k < LIMIT_TRANSFORMS; k++, total++) {
			more = read_transform(&r, p[i].protocol == PROTOCOL_IKE, &t);
			if (!reader_ok(&r) || !fits || t.o.other)
				continue;
			if (t.conflict)
				return fault_set(f, -ENOTSUP,
						 "conflicting attributes in the SA payload: "
						 "transform %u of proposal %u has two values of "
						 "its %s",
						 k + 1, i + 1, class_name(c->ike, t.conflict));
			consider(c, &p[i], &t);
		}
		if (!reader_ok(&r) || reader_left(&r))
			return fault_set(f, -EPROTO,
					 "malformed SA payload: a transform of proposal %u", i + 1);
	}
	if (single && total != 1)
		return fault_set(f, -EPROTO, "expected one transform in the answer, came %u",
				 total);
	return c->best == UINT_MAX ? nothing_fits(c, f) : 0;
}

int v1_choose_ike(struct bytes theirs, const struct v1_offer *o, struct v1_agreed *out,
		  struct fault *f)
{
	struct choice c = {.o = o, .ike = true, .out = out};
	return choose(&c, theirs, false, f);
}

int v1_choose_esp(struct bytes theirs, const struct v1_offer *o, struct v1_agreed *out,
		  struct fault *f)
{
	struct choice c = {.o = o, .out = out};
	return choose(&c, theirs, false, f);
}

uint16_t v1_sa_notify(int err)
{
	switch (err) {
	case -ENOENT: return V1_NOTIFY_NO_PROPOSAL_CHOSEN;
	case -ENOTSUP: return V1_NOTIFY_ATTRIBUTES_NOT_SUPPORTED;
	default: return V1_NOTIFY_PAYLOAD_MALFORMED;
	}
}

static int accepted(struct choice *c, struct bytes answer, struct fault *f)
{
	int err = choose(c, answer, true, f);
	if (err == -ENOENT)
		fault_prefix(f, "the peer chose what was not offered");
	return err;
}

int v1_accept_ike(struct bytes answer, const struct v1_offer *o, struct v1_agreed *out,
		  struct fault *f)
{
	struct choice c = {.o = o, .ike = true, .out = out};
	return accepted(&c, answer, f);
}

int v1_accept_esp(struct bytes answer, const struct v1_offer *o, struct v1_agreed *out,
		  struct fault *f)
{
	struct choice c = {.o = o, .out = out};
	int err = accepted(&c, answer, f);
	if (!err && out->chosen.group != o->group)
		return fault_set(f, -EPROTO,
				 "the peer chose what was not offered: PFS group %s, offered %s",
				 group_of(out->chosen.group)->name, group_of(o->group)->name);
	return err;
}

/* ---- writing ---- */

/* Attributes of the lifetimes that are said. */
static void write_life(struct writer *w, const struct v1_offer *o, uint16_t type)
{
	if (o->seconds) {
		v1_attribute_put(w, type, LIFE_SECONDS);
		v1_attribute_put(w, (uint16_t)(type + 1),
				 o->seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)o->seconds);
	}
	if (o->kilobytes) {
		v1_attribute_put(w, type, LIFE_KILOBYTES);
		v1_attribute_put(w, (uint16_t)(type + 1),
				 o->kilobytes > UINT32_MAX ? UINT32_MAX : (uint32_t)o->kilobytes);
	}
}

static void write_ike(struct writer *w, const struct v1_offer *o, const struct ike_chosen *c)
{
	const struct encryption *e = encryption_of(c->encryption);
	v1_attribute_put(w, P1_ENCRYPTION, c->encryption == ENCR_3DES ? P1_3DES : P1_AES);
	if (e->key_bits)
		v1_attribute_put(w, P1_KEY_LENGTH, e->key_bits);
	v1_attribute_put(w, P1_HASH, wire_of(hashes, c->integrity));
	v1_attribute_put(w, P1_GROUP, group_of(c->group)->number);
	v1_attribute_put(w, P1_AUTH, o->auth);
	write_life(w, o, P1_LIFE_TYPE);
}

static void write_esp(struct writer *w, const struct v1_offer *o, const struct ike_chosen *c)
{
	const struct encryption *e = encryption_of(c->encryption);
	if (c->group != DH_NONE)
		v1_attribute_put(w, P2_GROUP, group_of(c->group)->number);
	v1_attribute_put(w, P2_MODE, o->mode);
	write_life(w, o, P2_LIFE_TYPE);
	if (c->integrity != AUTH_NONE)
		v1_attribute_put(w, P2_AUTH, wire_of(macs, c->integrity));
	if (e->key_bits)
		v1_attribute_put(w, P2_KEY_LENGTH, e->key_bits);
}

struct list {
	struct writer *w;
	const struct v1_offer *o;
	bool ike;
	unsigned n;
	size_t last; /* offset of the last transform's "next" byte */
};

static void write_transform(struct list *l, const struct ike_chosen *c)
{
	if (l->n == MOST_TRANSFORMS)
		return;
	l->last = writer_len(l->w);
	writer_u8(l->w, V1_TRANSFORM);
	writer_u8(l->w, 0);
	struct writer_mark m = writer_begin_u16(l->w);
	writer_u8(l->w, (uint8_t)++l->n);
	writer_u8(l->w, l->ike ? TRANSFORM_KEY_IKE : (uint8_t)encryption_of(c->encryption)->number);
	writer_u16(l->w, 0);
	if (l->ike)
		write_ike(l->w, l->o, c);
	else
		write_esp(l->w, l->o, c);
	writer_end_u16(l->w, m, 2);
}

/* Every combination of one proposal, in its order. */
static void write_combinations(struct list *l, const struct ike_proposal *p)
{
	for (unsigned e = 0; e < p->n_encryption; e++) {
		bool aead = encryption_of(p->encryption[e])->aead;
		unsigned n_integ = aead ? 1 : p->n_integrity;
		unsigned n_group = p->n_group ? p->n_group : 1;
		if ((aead && l->ike) || p->encryption[e] == ENCR_CHACHA20_POLY1305)
			continue;
		for (unsigned i = 0; i < n_integ; i++) {
			for (unsigned g = 0; g < n_group; g++) {
				struct ike_chosen c = {
					.encryption = p->encryption[e],
					.integrity = aead ? (uint8_t)AUTH_NONE : p->integrity[i],
					.group = p->n_group ? p->group[g] : (uint8_t)DH_NONE};
				if (l->ike || c.group == l->o->group)
					write_transform(l, &c);
			}
		}
	}
}

struct open_sa {
	struct writer_mark payload, proposal;
	size_t count; /* offset of the number of transforms */
};

static struct open_sa begin_sa(struct builder *b, uint8_t number, uint8_t protocol, uint32_t spi)
{
	struct open_sa s;
	struct writer *w = &b->w;
	s.payload = v1_begin(b, V1_SA);
	writer_u32(w, DOI_IPSEC);
	writer_u32(w, SITUATION_IDENTITY);
	writer_u8(w, 0);
	writer_u8(w, 0);
	s.proposal = writer_begin_u16(w);
	writer_u8(w, number);
	writer_u8(w, protocol);
	writer_u8(w, spi ? 4 : 0);
	s.count = writer_len(w);
	writer_u8(w, 0);
	if (spi)
		writer_u32(w, spi);
	return s;
}

static void end_sa(struct builder *b, const struct open_sa *s, unsigned transforms)
{
	if (writer_ok(&b->w))
		writer_patch_u8(&b->w, s->count, (uint8_t)transforms);
	writer_end_u16(&b->w, s->proposal, 2);
	builder_end(b, s->payload);
}

static void write_offer(struct builder *b, const struct v1_offer *o, bool ike)
{
	struct open_sa s = begin_sa(b, 1, ike ? PROTOCOL_IKE : PROTOCOL_ESP, ike ? 0 : o->spi);
	struct list l = {.w = &b->w, .o = o, .ike = ike};
	for (unsigned i = 0; i < o->n; i++)
		write_combinations(&l, &o->ours[i]);
	if (l.n && writer_ok(&b->w))
		writer_patch_u8(&b->w, l.last, 0);
	end_sa(b, &s, l.n);
}

void v1_offer_ike(struct builder *b, const struct v1_offer *o)
{
	write_offer(b, o, true);
}

void v1_offer_esp(struct builder *b, const struct v1_offer *o)
{
	write_offer(b, o, false);
}

static void write_answer(struct builder *b, const struct v1_agreed *a, uint8_t protocol,
			 uint32_t spi)
{
	struct open_sa s = begin_sa(b, a->number, protocol, spi);
	writer_u8(&b->w, 0);
	writer_bytes(&b->w, a->transform.at + 1, a->transform.len - 1);
	end_sa(b, &s, 1);
}

void v1_answer_ike(struct builder *b, const struct v1_agreed *a)
{
	write_answer(b, a, PROTOCOL_IKE, 0);
}

void v1_answer_esp(struct builder *b, const struct v1_agreed *a, uint32_t spi)
{
	write_answer(b, a, PROTOCOL_ESP, spi);
}
