/* SPDX-License-Identifier: Apache-2.0 */
/* See proposal.h. */
#include "ike/proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum transform_type { TRANSFORM_ENCR = 1, TRANSFORM_PRF, TRANSFORM_INTEG, TRANSFORM_DH, TRANSFORM_ESN };
#define ATTRIBUTE_KEY_LENGTH (0x8000 | 14)

/* The kinds of one proposal as lists of ids of base/algorithms.h; what the wire and the configuration share. */
enum kind { ENCR, PRF, INTEG, DH, ESN, KINDS };
static const char *const kind_names[KINDS] = {"encryption", "PRF", "integrity", "key exchange group",
					      "sequence numbers"};

struct offer {
	uint8_t number, protocol;
	uint64_t spi;
	bool known_only[KINDS]; /* false: it holds something that we don't know */
	unsigned n[KINDS];
	uint8_t ids[KINDS][LIMIT_TRANSFORMS];
	bool other; /* a transform type that we don't know: the proposal can't be chosen */
};

enum { ESN_NO, ESN_YES };

static void add(struct offer *o, enum kind k, uint8_t id)
{
	if (o->n[k] < LIMIT_TRANSFORMS)
		o->ids[k][o->n[k]++] = id;
}

/* ---- reading ---- */

static void read_transform(struct reader *r, struct offer *o)
{
	uint8_t type = reader_u8(r);
	reader_skip(r, 1);
	uint16_t id = reader_u16(r), key_bits = 0;
	bool strange = false;
	while (reader_more(r)) {
		uint16_t attribute = reader_u16(r), value = reader_u16(r);
		if (attribute == ATTRIBUTE_KEY_LENGTH)
			key_bits = value;
		else
			strange = true;
		if (!(attribute & 0x8000))
			reader_skip(r, value);
	}
	if (!reader_ok(r))
		return;
	uint8_t ours = 0;
	switch (type) {
	case TRANSFORM_ENCR:
		ours = (uint8_t)encryption_by_number(id, key_bits);
		add(o, ENCR, strange ? 0 : ours);
		break;
	case TRANSFORM_PRF: add(o, PRF, (uint8_t)prf_by_number(id)); break;
	case TRANSFORM_INTEG:
		/* NONE may be said aloud beside an AEAD */
		add(o, INTEG, id ? (uint8_t)integrity_by_number(id) : AUTH_NONE);
		break;
	case TRANSFORM_DH: add(o, DH, id ? (uint8_t)group_by_number(id) : DH_NONE); break;
	case TRANSFORM_ESN: add(o, ESN, id <= ESN_YES ? (uint8_t)id : 0xff); break;
	default: o->other = true;
	}
}

/* One proposal substructure; more: another one follows. */
static void read_proposal(struct reader *r, struct offer *o, bool *more)
{
	memset(o, 0, sizeof *o);
	uint8_t last = reader_u8(r);
	reader_skip(r, 1);
	uint16_t length = reader_u16(r);
	if (length < 8 || (last != 0 && last != 2)) {
		reader_fail(r);
		return;
	}
	*more = last == 2;
	struct reader body = reader_sub(r, length - 4u);
	o->number = reader_u8(&body);
	o->protocol = reader_u8(&body);
	uint8_t spi_bytes = reader_u8(&body), n = reader_u8(&body);
	if (spi_bytes == 8)
		o->spi = reader_u64(&body);
	else if (spi_bytes == 4)
		o->spi = reader_u32(&body);
	else
		reader_skip(&body, spi_bytes);
	for (unsigned i = 0; i < n && reader_ok(&body); i++) {
		reader_skip(&body, 2);
		uint16_t tlen = reader_u16(&body);
		if (tlen < 8 || i == LIMIT_TRANSFORMS) {
			reader_fail(&body);
			break;
		}
		struct reader t = reader_sub(&body, tlen - 4u);
		read_transform(&t, o);
	}
	if (reader_left(&body))
		reader_fail(&body);
}

/* ---- comparing ---- */

static bool holds(const uint8_t *ids, unsigned n, uint8_t id)
{
	for (unsigned i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void from_config(const struct ike_proposal *p, enum proposal_kind kind, struct offer *o)
{
	memset(o, 0, sizeof *o);
	for (unsigned i = 0; i < p->n_encryption; i++)
		add(o, ENCR, p->encryption[i]);
	for (unsigned i = 0; i < p->n_integrity; i++)
		add(o, INTEG, p->integrity[i]);
	if (kind == PROPOSAL_IKE)
		for (unsigned i = 0; i < p->n_prf; i++)
			add(o, PRF, p->prf[i]);
	if (kind != PROPOSAL_FIRST_CHILD)
		for (unsigned i = 0; i < p->n_group; i++)
			add(o, DH, p->group[i]);
	if (kind != PROPOSAL_IKE) {
		if (p->esn)
			add(o, ESN, ESN_YES);
		add(o, ESN, ESN_NO);
	}
}

/*
 * First of ours in theirs; where a list is empty on either side, nothing is chosen, and that is right only
 * when the other one allows it. False: no common one.
 */
static bool common(const struct offer *ours, const struct offer *theirs, enum kind k, uint8_t prefer,
		   uint8_t *out)
{
	*out = 0;
	if (!ours->n[k])
		return !theirs->n[k] || holds(theirs->ids[k], theirs->n[k], 0);
	if (!theirs->n[k])
		return false;
	if (prefer && holds(ours->ids[k], ours->n[k], prefer) &&
	    holds(theirs->ids[k], theirs->n[k], prefer)) {
		*out = prefer;
		return true;
	}
	for (unsigned i = 0; i < ours->n[k]; i++) {
		if ((ours->ids[k][i] || k == ESN) &&
		    holds(theirs->ids[k], theirs->n[k], ours->ids[k][i])) {
			*out = ours->ids[k][i];
			return true;
		}
	}
	return false;
}

/* KINDS when they agree, or else the first kind that differs. */
static enum kind match(const struct offer *ours, const struct offer *theirs, enum group_id prefer,
		       struct ike_chosen *out)
{
	uint8_t id[KINDS] = {0};
	if (!common(ours, theirs, ENCR, 0, &id[ENCR]))
		return ENCR;
	if (!common(ours, theirs, PRF, 0, &id[PRF]))
		return PRF;
	bool aead = encryption_of(id[ENCR])->aead;
	/* an AEAD takes no integrity transform, others need one (RFC 7296 section 3.3.3) */
	if (aead ? theirs->n[INTEG] && !holds(theirs->ids[INTEG], theirs->n[INTEG], AUTH_NONE) &&
			   !ours->n[INTEG] :
		   !common(ours, theirs, INTEG, 0, &id[INTEG]) || !id[INTEG])
		return INTEG;
	if (!common(ours, theirs, DH, (uint8_t)prefer, &id[DH]))
		return DH;
	/* no ESN transform at all means none of it */
	if (ours->n[ESN] && theirs->n[ESN] && !common(ours, theirs, ESN, 0, &id[ESN]))
		return ESN;
	*out = (struct ike_chosen){.encryption = id[ENCR], .integrity = id[INTEG], .prf = id[PRF],
				   .group = id[DH], .esn = id[ESN] == ESN_YES,
				   .number = theirs->number, .spi = theirs->spi};
	return KINDS;
}

/* ---- text ---- */

static const char *id_name(enum kind k, uint8_t id)
{
	switch (k) {
	case ENCR: return id ? encryption_of(id)->name : "unknown";
	case PRF: return id ? prf_of(id)->name : "unknown";
	case INTEG: return integrity_of(id)->name;
	case DH: return group_of(id)->name;
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
	for (enum kind k = ENCR; k <= DH; k++) {
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
	struct offer o;
	from_config(p, PROPOSAL_IKE, &o);
	format_offer(&o, out, PROPOSAL_TEXT);
	return out;
}

/* How far a failed comparison came: the kind that differs, ordered by how much agrees. */
struct nearest {
	bool set;
	enum kind differs;
	struct offer ours, theirs;
};

static int no_match(const struct nearest *near, struct fault *f)
{
	char a[100], b[100], kind_ours[60], kind_theirs[60];
	if (!near->set)
		return fault_set(f, -ENOENT, "no proposal in common: the peer offers nothing usable");
	format_offer(&near->ours, a, sizeof a);
	format_offer(&near->theirs, b, sizeof b);
	list(&near->ours, near->differs, kind_ours, sizeof kind_ours);
	list(&near->theirs, near->differs, kind_theirs, sizeof kind_theirs);
	fault_set(f, -ENOENT,
		  "no proposal in common; nearest: ours %s, theirs %s; they differ in %s: ours %s, theirs %s",
		  a, b, kind_names[near->differs], kind_ours, kind_theirs);
	fault_advise(f, "make the %s of both ends overlap", kind_names[near->differs]);
	return -ENOENT;
}

static uint8_t protocol_of(enum proposal_kind kind)
{
	return kind == PROPOSAL_IKE ? PROTOCOL_IKE : PROTOCOL_ESP;
}

/* Reads proposal number i (from 0) of an SA payload. 0, -ENOENT behind the last, -EPROTO. */
static int nth(struct bytes body, unsigned i, struct offer *o)
{
	struct reader r;
	bool more = true;
	reader_init(&r, body.at, body.len);
	for (unsigned n = 0; n <= i; n++) {
		if (!more)
			return reader_left(&r) ? -EPROTO : -ENOENT;
		if (n == LIMIT_PROPOSALS)
			return -EPROTO;
		read_proposal(&r, o, &more);
		if (!reader_ok(&r))
			return -EPROTO;
	}
	return 0;
}

int proposal_choose(struct bytes theirs, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, enum group_id group, struct ike_chosen *out, struct fault *f)
{
	struct offer a, b;
	struct nearest near = {.set = false};
	for (unsigned i = 0; i < n; i++) {
		from_config(&ours[i], kind, &a);
		for (unsigned k = 0;; k++) {
			int err = nth(theirs, k, &b);
			if (err == -ENOENT)
				break;
			if (err)
				return fault_set(f, -EPROTO, "malformed SA payload");
			if (b.protocol != protocol_of(kind) || b.other)
				continue;
			/* peers that name a group in IKE_AUTH mean it for later */
			if (kind == PROPOSAL_FIRST_CHILD)
				b.n[DH] = 0;
			enum kind differs = match(&a, &b, group, out);
			if (differs == KINDS)
				return 0;
			if (!near.set || differs > near.differs)
				near = (struct nearest){true, differs, a, b};
		}
	}
	return no_match(&near, f);
}

int proposal_accept(struct bytes answer, enum proposal_kind kind, const struct ike_proposal *ours,
		    unsigned n, struct ike_chosen *out, struct fault *f)
{
	struct offer o, second;
	if (nth(answer, 0, &o) || nth(answer, 1, &second) != -ENOENT)
		return fault_set(f, -EPROTO, "expected exactly one proposal in the answer");
	for (enum kind k = 0; k < KINDS; k++)
		if (o.n[k] > 1)
			return fault_set(f, -EPROTO, "expected one %s transform in the answer, came %u",
					 kind_names[k], o.n[k]);
	return proposal_choose(answer, kind, ours, n, DH_NONE, out, f);
}

bool proposal_has_group(const struct ike_proposal *ours, unsigned n, enum group_id group)
{
	for (unsigned i = 0; i < n; i++)
		if (holds(ours[i].group, ours[i].n_group, (uint8_t)group))
			return true;
	return false;
}

/* ---- writing ---- */

static uint16_t wire_number(enum kind k, uint8_t id)
{
	switch (k) {
	case ENCR: return encryption_of(id)->number;
	case PRF: return prf_of(id)->number;
	case INTEG: return integrity_of(id)->number;
	case DH: return group_of(id)->number;
	default: return id;
	}
}

static const uint8_t wire_type[KINDS] = {[ENCR] = TRANSFORM_ENCR, [PRF] = TRANSFORM_PRF,
					 [INTEG] = TRANSFORM_INTEG, [DH] = TRANSFORM_DH,
					 [ESN] = TRANSFORM_ESN};

static void write_transform(struct writer *w, enum kind k, uint8_t id, bool last)
{
	uint16_t key_bits = k == ENCR ? encryption_of(id)->key_bits : 0;
	writer_u8(w, last ? 0 : 3);
	writer_u8(w, 0);
	writer_u16(w, key_bits ? 12 : 8);
	writer_u8(w, wire_type[k]);
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
	writer_u8(w, !spi ? 0 : kind == PROPOSAL_IKE ? 8 : 4);
	writer_u8(w, (uint8_t)total);
	if (spi && kind == PROPOSAL_IKE)
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
	for (unsigned i = 0; i < n; i++) {
		struct offer o;
		from_config(&ours[i], kind, &o);
		o.number = (uint8_t)(i + 1);
		write_proposal(&b->w, &o, kind, spi, i + 1 == n);
	}
	builder_end(b, m);
}

void proposal_answer(struct builder *b, enum proposal_kind kind, const struct ike_chosen *chosen,
		     uint64_t spi)
{
	struct offer o = {.number = chosen->number};
	add(&o, ENCR, chosen->encryption);
	if (kind == PROPOSAL_IKE)
		add(&o, PRF, chosen->prf);
	if (chosen->integrity != AUTH_NONE)
		add(&o, INTEG, chosen->integrity);
	if (chosen->group != DH_NONE && kind != PROPOSAL_FIRST_CHILD)
		add(&o, DH, chosen->group);
	if (kind != PROPOSAL_IKE)
		add(&o, ESN, chosen->esn ? ESN_YES : ESN_NO);
	struct writer_mark m = builder_begin(b, PAYLOAD_SA);
	write_proposal(&b->w, &o, kind, spi, true);
	builder_end(b, m);
}
