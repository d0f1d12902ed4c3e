/* SPDX-License-Identifier: Apache-2.0 */
/* See proposal.h. */
#include "ike/proposal_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum transform_type {
	TRANSFORM_ENCR = 1,
	TRANSFORM_PRF,
	TRANSFORM_INTEG,
	TRANSFORM_DH,
	TRANSFORM_ESN,
	TRANSFORM_ADDKE1,
	TRANSFORM_ADDKE7 = TRANSFORM_ADDKE1 + IKE_MAX_ADDITIONAL - 1
};
#define ATTRIBUTE_KEY_LENGTH (0x8000 | 14)

static const char *const kind_names[KINDS] = {
	"encryption",
	"PRF",
	"integrity",
	"key exchange group",
	"sequence numbers",
	"additional key exchange 1",
	"additional key exchange 2",
	"additional key exchange 3",
	"additional key exchange 4",
	"additional key exchange 5",
	"additional key exchange 6",
	"additional key exchange 7",
};

static bool is_group(enum kind k)
{
	return k == DH || (k >= KE1 && k <= KE7);
}

static bool is_ike(enum proposal_kind kind)
{
	return kind == PROPOSAL_IKE || kind == PROPOSAL_IKE_REKEY;
}

enum { ESN_NO, ESN_YES };

void offer_add(struct offer *o, enum kind k, unsigned id)
{
	if (o->n[k] < LIMIT_TRANSFORMS)
		o->ids[k][o->n[k]++] = (uint8_t)id;
}

/* ---- reading ---- */

static unsigned known(unsigned id)
{
	return id ? id : UNKNOWN;
}

/* NONE may be said aloud for integrity (beside an AEAD) and for groups (RFC 7296 section 3.3.2). */
static void add_transform(struct offer *o, uint8_t type, uint16_t id, uint16_t key_bits,
			  bool strange)
{
	switch (type) {
	case TRANSFORM_ENCR:
		offer_add(o, ENCR, strange ? UNKNOWN : known(encryption_by_number(id, key_bits)));
		break;
	case TRANSFORM_PRF: offer_add(o, PRF, strange ? UNKNOWN : known(prf_by_number(id))); break;
	case TRANSFORM_INTEG:
		offer_add(o, INTEG,
			  strange ? UNKNOWN
			  : id	  ? known(integrity_by_number(id))
				  : AUTH_NONE);
		break;
	case TRANSFORM_DH:
		offer_add(o, DH, strange ? UNKNOWN : id ? known(group_by_number(id)) : DH_NONE);
		break;
	case TRANSFORM_ESN: offer_add(o, ESN, strange || id > ESN_YES ? UNKNOWN : id); break;
	default:
		if (type < TRANSFORM_ADDKE1 || type > TRANSFORM_ADDKE7)
			o->other = true;
		else
			offer_add(o, (enum kind)(KE1 + type - TRANSFORM_ADDKE1),
				  strange ? UNKNOWN
				  : id	  ? known(group_by_number(id))
					  : DH_NONE);
	}
}

/* A transform with an attribute that we don't know is one that we don't know (RFC 7296
 * section 3.3.6). */
static void read_transform(struct reader *r, struct offer *o)
{
	uint8_t type = reader_u8(r);
	reader_skip(r, 1);
	uint16_t id = reader_u16(r), key_bits = 0;
	bool strange = false;
	while (reader_more(r)) {
		uint16_t attribute = reader_u16(r);
		uint16_t value = reader_u16(r);
		if (attribute == ATTRIBUTE_KEY_LENGTH && type == TRANSFORM_ENCR && !key_bits)
			key_bits = value;
		else
			strange = true;
		if (!(attribute & 0x8000))
			reader_skip(r, value);
	}
	if (reader_ok(r))
		add_transform(o, type, id, key_bits, strange);
}

static void read_transforms(struct reader *r, unsigned n, struct offer *o)
{
	for (unsigned i = 0; i < n && reader_ok(r); i++) {
		uint8_t last = reader_u8(r);
		reader_skip(r, 1);
		uint16_t length = reader_u16(r);
		if (length < 8 || last != (i + 1 == n ? 0 : 3) || i == LIMIT_TRANSFORMS) {
			reader_fail(r);
			return;
		}
		struct reader t = reader_sub(r, length - 4u);
		read_transform(&t, o);
	}
	if (reader_left(r))
		reader_fail(r);
}

/* One proposal substructure. True: another one follows. */
static bool read_proposal(struct reader *r, struct offer *o)
{
	memset(o, 0, sizeof *o);
	uint8_t last = reader_u8(r);
	reader_skip(r, 1);
	uint16_t length = reader_u16(r);
	if (length < 8 || (last != 0 && last != 2)) {
		reader_fail(r);
		return false;
	}
	struct reader body = reader_sub(r, length - 4u);
	o->number = reader_u8(&body);
	o->protocol = reader_u8(&body);
	o->spi_bytes = reader_u8(&body);
	uint8_t n = reader_u8(&body);
	if (o->spi_bytes == 8)
		o->spi = reader_u64(&body);
	else if (o->spi_bytes == 4)
		o->spi = reader_u32(&body);
	else
		reader_skip(&body, o->spi_bytes);
	read_transforms(&body, n, o);
	return last == 2;
}

/* The proposals of an SA payload one after the other. */
struct offers {
	struct reader r;
	unsigned n;
	bool more;
};

static void offers_init(struct offers *it, struct bytes body)
{
	reader_init(&it->r, body.at, body.len);
	it->n = 0;
	it->more = true;
}

/* 0, -ENOENT behind the last, -EPROTO. */
static int offers_next(struct offers *it, struct offer *o)
{
	if (!it->more)
		return reader_left(&it->r) ? -EPROTO : -ENOENT;
	if (it->n++ == LIMIT_PROPOSALS)
		return -EPROTO;
	it->more = read_proposal(&it->r, o);
	return reader_ok(&it->r) ? 0 : -EPROTO;
}

/* ---- ours ---- */

static uint8_t protocol_of(enum proposal_kind kind)
{
	return is_ike(kind) ? PROTOCOL_IKE : PROTOCOL_ESP;
}

static void from_config(const struct ike_proposal *p, enum proposal_kind kind, bool aead,
			struct offer *o)
{
	memset(o, 0, sizeof *o);
	o->protocol = protocol_of(kind);
	for (unsigned i = 0; i < p->n_encryption; i++)
		if (encryption_of(p->encryption[i])->aead == aead)
			offer_add(o, ENCR, p->encryption[i]);
	for (unsigned i = 0; i < p->n_integrity && !aead; i++)
		offer_add(o, INTEG, p->integrity[i]);
	for (unsigned i = 0; i < p->n_prf && is_ike(kind); i++)
		offer_add(o, PRF, p->prf[i]);
	for (unsigned i = 0; i < p->n_group && kind != PROPOSAL_FIRST_CHILD; i++)
		offer_add(o, DH, p->group[i]);
	for (unsigned i = 0; i < p->n_additional && kind != PROPOSAL_FIRST_CHILD; i++) {
		offer_add(o, (enum kind)(KE1 + i), p->additional[i]);
		/* later on a peer may go without: SK_d has the secrets of the first ones in it */
		if (kind != PROPOSAL_IKE)
			offer_add(o, (enum kind)(KE1 + i), DH_NONE);
	}
	if (is_ike(kind))
		return;
	if (p->esn)
		offer_add(o, ESN, ESN_YES);
	offer_add(o, ESN, ESN_NO);
}

/*
 * Our proposals as the wire has them, numbered from 1: one that mixes AEADs and other ciphers
 * becomes two (RFC 7296 section 3.3). False: there is none of that number.
 */
static bool ours_numbered(const struct ike_proposal *ours, unsigned n, enum proposal_kind kind,
			  unsigned number, struct offer *o)
{
	unsigned at = 0;
	for (unsigned i = 0; i < n; i++) {
		bool first = ours[i].n_encryption && encryption_of(ours[i].encryption[0])->aead;
		for (unsigned half = 0; half < 2; half++) {
			from_config(&ours[i], kind, half ? !first : first, o);
			if (!o->n[ENCR] || ++at != number)
				continue;
			o->number = (uint8_t)number;
			return true;
		}
	}
	return false;
}

/* ---- comparing ---- */

static bool holds(const struct offer *o, enum kind k, uint8_t id)
{
	return o->n[k] && memchr(o->ids[k], id, o->n[k]);
}

/*
 * First of ours in theirs. Where a list is empty on one side, nothing is chosen, and that is right
 * only when the other one is empty too or names NONE. False: no common one.
 */
static bool common(const struct offer *ours, const struct offer *theirs, enum kind k,
		   uint8_t prefer, uint8_t *out)
{
	*out = 0;
	if (!ours->n[k])
		return !theirs->n[k] || (k != ESN && holds(theirs, k, 0));
	if (!theirs->n[k])
		return k != ESN && holds(ours, k, 0);
	if (prefer && holds(ours, k, prefer) && holds(theirs, k, prefer)) {
		*out = prefer;
		return true;
	}
	for (unsigned i = 0; i < ours->n[k]; i++) {
		if (holds(theirs, k, ours->ids[k][i])) {
			*out = ours->ids[k][i];
			return true;
		}
	}
	return false;
}

/* KINDS when they agree, or else the first kind that differs. */
enum kind offer_match(const struct offer *ours, const struct offer *theirs, enum group_id prefer,
		      struct ike_chosen *out)
{
	uint8_t id[KINDS];
	for (enum kind k = ENCR; k < KINDS; k++)
		if (!common(ours, theirs, k, k == DH ? (uint8_t)prefer : 0, &id[k]))
			return k;
	/* what no proposal can do without, whatever both sides wrote */
	bool ike = ours->protocol == PROTOCOL_IKE;
	if (!id[ENCR])
		return ENCR;
	if (ike && !id[PRF])
		return PRF;
	if (!id[INTEG] && !encryption_of(id[ENCR])->aead)
		return INTEG;
	if (ike && !id[DH])
		return DH;
	*out = (struct ike_chosen){.encryption = id[ENCR],
				   .integrity = id[INTEG],
				   .prf = id[PRF],
				   .group = id[DH],
				   .esn = id[ESN] == ESN_YES,
				   .number = theirs->number,
				   .spi = theirs->spi};
	for (enum kind k = KE1; k <= KE7; k++) {
		if (!id[k])
			continue;
		out->additional_at[out->n_additional] = (uint8_t)(k - KE1);
		out->additional[out->n_additional++] = id[k];
	}
	return out->n_additional && !id[DH] ? KE1 : KINDS;
}

/* ESP: four bytes that are not 0; IKE: none (IKE_SA_INIT), or eight that are not 0 (rekey). */
static bool spi_fits(const struct offer *o)
{
	if (o->protocol == PROTOCOL_IKE && !o->spi_bytes)
		return true;
	return o->spi_bytes == (o->protocol == PROTOCOL_IKE ? 8 : 4) && o->spi;
}

/* ---- text ---- */

static const char *id_name(enum kind k, uint8_t id)
{
	if (id == UNKNOWN)
		return "unknown";
	if (is_group(k))
		return group_of(id)->name;
	switch (k) {
	case ENCR: return encryption_of(id)->name;
	case PRF: return prf_of(id)->name;
	case INTEG: return integrity_of(id)->name;
	default: return id == ESN_YES ? "ESN" : "no ESN";
	}
}

static void list(const struct offer *o, enum kind k, char *out, size_t size)
{
	size_t at = 0;
	out[0] = 0;
	for (unsigned i = 0; i < o->n[k] && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "," : "",
				       id_name(k, o->ids[k][i]));
	if (!o->n[k])
		snprintf(out, size, "none");
}

static void format_offer(const struct offer *o, char *out, size_t size)
{
	size_t at = 0;
	out[0] = 0;
	static const enum kind order[] = {ENCR,	   INTEG,   PRF,     DH,      KE1, KE1 + 1,
					  KE1 + 2, KE1 + 3, KE1 + 4, KE1 + 5, KE7};
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
		enum kind k = order[i];
		char names[PROPOSAL_TEXT];
		if (!o->n[k])
			continue;
		list(o, k, names, sizeof names);
		if (at < size)
			at += (size_t)snprintf(out + at, size - at, "%s%s", at ? "-" : "", names);
	}
}

const char *proposal_format(const struct ike_proposal *p, char out[PROPOSAL_TEXT])
{
	size_t at = 0;
	struct offer o;
	out[0] = 0;
	for (unsigned number = 1; ours_numbered(p, 1, PROPOSAL_IKE, number, &o); number++) {
		if (at + 2 >= PROPOSAL_TEXT)
			break;
		if (at)
			at += (size_t)snprintf(out + at, PROPOSAL_TEXT - at, " ");
		format_offer(&o, out + at, PROPOSAL_TEXT - at);
		at = strlen(out);
	}
	return out;
}

void nearest_remember(struct nearest *near, enum kind differs, const struct offer *ours,
		      const struct offer *theirs)
{
	if (near->set && differs <= near->differs)
		return;
	near->set = true;
	near->differs = differs;
	near->ours = *ours;
	near->theirs = *theirs;
}

int nearest_fault(const struct nearest *near, struct fault *f)
{
	char a[100], b[100], kind_ours[60], kind_theirs[60];
	if (!near->set)
		return fault_set(f, -ENOENT,
				 "no proposal in common: the peer offers nothing usable");
	format_offer(&near->ours, a, sizeof a);
	format_offer(&near->theirs, b, sizeof b);
	list(&near->ours, near->differs, kind_ours, sizeof kind_ours);
	list(&near->theirs, near->differs, kind_theirs, sizeof kind_theirs);
	fault_set(
		f, -ENOENT,
		"no proposal in common; nearest: ours %s, theirs %s; they differ in %s: ours %s, theirs %s",
		a, b, kind_names[near->differs], kind_ours, kind_theirs);
	fault_advise(f, "make the %s of both ends overlap", kind_names[near->differs]);
	return -ENOENT;
}

int proposal_choose(struct bytes theirs, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, enum group_id group, struct ike_chosen *out, struct fault *f)
{
	struct offers it;
	struct offer a, b;
	struct nearest near = {.set = false};
	unsigned best = UINT_MAX; /* number of ours: only better ones are still looked at */
	int err;
	offers_init(&it, theirs);
	while (!(err = offers_next(&it, &b))) {
		if (b.protocol != protocol_of(kind) || b.other || !spi_fits(&b))
			continue;
		/* peers that name a group in IKE_AUTH mean it for later */
		for (enum kind k = KE1; k <= KE7 && kind == PROPOSAL_FIRST_CHILD; k++)
			b.n[k] = 0;
		if (kind == PROPOSAL_FIRST_CHILD)
			b.n[DH] = 0;
		for (unsigned i = 1; i < best && ours_numbered(ours, n, kind, i, &a); i++) {
			enum kind differs = offer_match(&a, &b, group, out);
			if (differs == KINDS)
				best = i;
			else
				nearest_remember(&near, differs, &a, &b);
		}
	}
	if (err != -ENOENT)
		return fault_set(f, -EPROTO, "malformed SA payload: proposal %u", it.n);
	return best == UINT_MAX ? nearest_fault(&near, f) : 0;
}

int proposal_accept(struct bytes answer, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, struct ike_chosen *out, struct fault *f)
{
	struct offers it;
	struct offer a, b, second;
	offers_init(&it, answer);
	if (offers_next(&it, &b) || offers_next(&it, &second) != -ENOENT)
		return fault_set(f, -EPROTO, "expected one well-formed proposal in the answer");
	for (enum kind k = ENCR; k < KINDS; k++)
		if (b.n[k] > 1)
			return fault_set(f, -EPROTO,
					 "expected one %s transform in the answer, came %u",
					 kind_names[k], b.n[k]);
	if (b.protocol != protocol_of(kind) || b.other || !spi_fits(&b))
		return fault_set(
			f, -EPROTO,
			"the answer's proposal is of another protocol or its SPI is not valid");
	if (!ours_numbered(ours, n, kind, b.number, &a))
		return fault_set(f, -EPROTO, "the answer chose proposal %u, which was not offered",
				 b.number);
	enum kind differs = offer_match(&a, &b, DH_NONE, out);
	if (differs == KINDS)
		return 0;
	struct nearest near = {.set = false};
	nearest_remember(&near, differs, &a, &b);
	nearest_fault(&near, f);
	return fault_prefix(f, "the peer chose what was not offered");
}

bool proposal_has_group(const struct ike_proposal *ours, unsigned n, enum group_id group)
{
	for (unsigned i = 0; i < n; i++)
		if (memchr(ours[i].group, (int)group, ours[i].n_group))
			return true;
	return false;
}

/* ---- writing ---- */

static uint16_t wire_number(enum kind k, uint8_t id)
{
	if (is_group(k))
		return group_of(id)->number;
	switch (k) {
	case ENCR: return encryption_of(id)->number;
	case PRF: return prf_of(id)->number;
	case INTEG: return integrity_of(id)->number;
	default: return id;
	}
}

static const uint8_t wire_type[KINDS] = {
	[ENCR] = TRANSFORM_ENCR, [PRF] = TRANSFORM_PRF, [INTEG] = TRANSFORM_INTEG,
	[DH] = TRANSFORM_DH,	 [ESN] = TRANSFORM_ESN, [KE1] = TRANSFORM_ADDKE1};

static void write_transform(struct writer *w, enum kind k, uint8_t id, bool last)
{
	uint16_t key_bits = k == ENCR ? encryption_of(id)->key_bits : 0;
	writer_u8(w, last ? 0 : 3);
	writer_u8(w, 0);
	writer_u16(w, key_bits ? 12 : 8);
	writer_u8(w, k > KE1 ? (uint8_t)(TRANSFORM_ADDKE1 + (k - KE1)) : wire_type[k]);
	writer_u8(w, 0);
	writer_u16(w, wire_number(k, id));
	if (key_bits) {
		writer_u16(w, ATTRIBUTE_KEY_LENGTH);
		writer_u16(w, key_bits);
	}
}

static void write_proposal(struct writer *w, const struct offer *o, enum proposal_kind kind,
			   uint64_t spi, bool last)
{
	unsigned total = 0, written = 0;
	for (enum kind k = 0; k < KINDS; k++)
		total += o->n[k];
	writer_u8(w, last ? 0 : 2);
	writer_u8(w, 0);
	struct writer_mark m = writer_begin_u16(w);
	writer_u8(w, o->number);
	writer_u8(w, protocol_of(kind));
	writer_u8(w, !spi ? 0 : is_ike(kind) ? 8 : 4);
	writer_u8(w, (uint8_t)total);
	if (spi && is_ike(kind))
		writer_u64(w, spi);
	else if (spi)
		writer_u32(w, (uint32_t)spi);
	for (enum kind k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < o->n[k]; i++)
			write_transform(w, k, o->ids[k][i], ++written == total);
	writer_end_u16(w, m, 2);
}

void proposal_offer(struct builder *b, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, uint64_t spi)
{
	struct writer_mark m = builder_begin(b, PAYLOAD_SA);
	struct offer o, next;
	bool more = ours_numbered(ours, n, kind, 1, &o);
	while (more) {
		more = ours_numbered(ours, n, kind, o.number + 1u, &next);
		write_proposal(&b->w, &o, kind, spi, !more);
		o = next;
	}
	builder_end(b, m);
}

void proposal_answer(struct builder *b, enum proposal_kind kind, const struct ike_chosen *chosen,
		     uint64_t spi)
{
	struct offer o = {.number = chosen->number};
	offer_add(&o, ENCR, chosen->encryption);
	if (is_ike(kind))
		offer_add(&o, PRF, chosen->prf);
	if (chosen->integrity != AUTH_NONE)
		offer_add(&o, INTEG, chosen->integrity);
	if (chosen->group != DH_NONE && kind != PROPOSAL_FIRST_CHILD)
		offer_add(&o, DH, chosen->group);
	for (unsigned i = 0; i < chosen->n_additional && kind != PROPOSAL_FIRST_CHILD; i++)
		offer_add(&o, (enum kind)(KE1 + chosen->additional_at[i]), chosen->additional[i]);
	if (!is_ike(kind))
		offer_add(&o, ESN, chosen->esn ? ESN_YES : ESN_NO);
	struct writer_mark m = builder_begin(b, PAYLOAD_SA);
	write_proposal(&b->w, &o, kind, spi, true);
	builder_end(b, m);
}
