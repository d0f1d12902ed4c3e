/* SPDX-License-Identifier: Apache-2.0 */
/* SA payloads: offer, choice, answer, diagnosis, and malformed or cunning ones. */
#include "ike/proposal.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>

#define LIST(kind, ...) .n_##kind = sizeof((uint8_t[]){__VA_ARGS__}), .kind = {__VA_ARGS__}

static const struct ike_proposal gcm = {LIST(encryption, ENCR_AES_GCM16_256, ENCR_AES_GCM16_128),
					LIST(prf, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_256),
					LIST(group, DH_ECP_384, DH_ECP_256)};
static const struct ike_proposal cbc = {LIST(encryption, ENCR_AES_CBC_256),
					LIST(integrity, AUTH_HMAC_SHA2_256_128),
					LIST(prf, PRF_HMAC_SHA2_256), LIST(group, DH_MODP_2048)};
static const struct ike_proposal mixed = {LIST(encryption, ENCR_AES_CBC_256, ENCR_AES_GCM16_256),
					  LIST(integrity, AUTH_HMAC_SHA2_256_128),
					  LIST(prf, PRF_HMAC_SHA2_256), LIST(group, DH_ECP_256)};
static const struct ike_proposal child_gcm = {LIST(encryption, ENCR_AES_GCM16_256), .esn = true};
static const struct ike_proposal child_gcm_pfs = {LIST(encryption, ENCR_AES_GCM16_256),
						  LIST(group, DH_MODP_2048), .esn = true};
static const struct ike_proposal child_cbc = {LIST(encryption, ENCR_AES_CBC_256),
					      LIST(integrity, AUTH_HMAC_SHA2_256_128)};

struct sa {
	uint8_t b[2000];
	size_t len;
};

/* The SA payload's body, without its header. */
static struct bytes body(const struct sa *s)
{
	return (struct bytes){s->b + 4, s->len - 4};
}

static struct sa offer(enum proposal_kind kind, const struct ike_proposal *p, unsigned n,
		       uint64_t spi)
{
	struct sa s = {0};
	struct builder b;
	builder_init(&b, s.b, sizeof s.b);
	proposal_offer(&b, kind, p, n, spi);
	assert_true(builder_ok(&b));
	s.len = builder_bytes(&b).len;
	return s;
}

static struct sa answer(enum proposal_kind kind, const struct ike_chosen *c, uint64_t spi)
{
	struct sa s = {0};
	struct builder b;
	builder_init(&b, s.b, sizeof s.b);
	proposal_answer(&b, kind, c, spi);
	assert_true(builder_ok(&b));
	s.len = builder_bytes(&b).len;
	return s;
}

static int choose(const struct sa *theirs, enum proposal_kind kind, const struct ike_proposal *ours,
		  unsigned n, struct ike_chosen *c, struct fault *f)
{
	memset(f, 0, sizeof *f);
	return proposal_choose(body(theirs), kind, ours, n, DH_NONE, c, f);
}

/* Typed out: GCM-256, PRF SHA-256, ECP-256, as RFC 7296 section 3.3 draws it. */
static void offer_on_the_wire(void **state)
{
	static const struct ike_proposal p = {LIST(encryption, ENCR_AES_GCM16_256),
					      LIST(prf, PRF_HMAC_SHA2_256),
					      LIST(group, DH_ECP_256)};
	struct hex want = hex("00000028"
			      "0000002401010003"
			      "0300000c01000014800e0100"
			      "0300000802000005"
			      "0000000804000013");
	struct sa s = offer(PROPOSAL_IKE, &p, 1, 0);
	(void)state;
	assert_int_equal(s.len, want.len);
	assert_memory_equal(s.b, want.b, want.len);
}

/* The child proposal of IKE_AUTH has no group and always an ESN transform (RFC 7296
 * sections 1.2, 3.3.3). */
static void first_child_offer_on_the_wire(void **state)
{
	struct hex want = hex("0000002c"
			      "0000002801030403c0000001"
			      "0300000c01000014800e0100"
			      "0300000805000001"
			      "0000000805000000");
	struct sa s = offer(PROPOSAL_FIRST_CHILD, &child_gcm_pfs, 1, 0xc0000001);
	(void)state;
	assert_int_equal(s.len, want.len);
	assert_memory_equal(s.b, want.b, want.len);
}

static void our_preference_decides(void **state)
{
	static const struct ike_proposal theirs = {
		LIST(encryption, ENCR_AES_GCM16_128, ENCR_AES_GCM16_256),
		LIST(prf, PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384),
		LIST(group, DH_ECP_256, DH_ECP_384)};
	struct sa s = offer(PROPOSAL_IKE, &theirs, 1, 0);
	struct ike_chosen c;
	struct fault f;
	(void)state;
	assert_int_equal(choose(&s, PROPOSAL_IKE, &gcm, 1, &c, &f), 0);
	assert_int_equal(c.encryption, ENCR_AES_GCM16_256);
	assert_int_equal(c.prf, PRF_HMAC_SHA2_384);
	assert_int_equal(c.group, DH_ECP_384);
	assert_int_equal(c.integrity, AUTH_NONE);
	/* but a KE payload that is there saves a round trip */
	assert_int_equal(proposal_choose(body(&s), PROPOSAL_IKE, &gcm, 1, DH_ECP_256, &c, &f), 0);
	assert_int_equal(c.group, DH_ECP_256);
	assert_int_equal(proposal_choose(body(&s), PROPOSAL_IKE, &gcm, 1, DH_MODP_1024, &c, &f), 0);
	assert_int_equal(c.group, DH_ECP_384);
}

static void our_order_of_proposals_decides(void **state)
{
	const struct ike_proposal ours[] = {gcm, cbc}, theirs[] = {cbc, gcm};
	struct sa s = offer(PROPOSAL_IKE, theirs, 2, 0);
	struct ike_chosen c;
	struct fault f;
	(void)state;
	assert_int_equal(choose(&s, PROPOSAL_IKE, ours, 2, &c, &f), 0);
	assert_int_equal(c.encryption, ENCR_AES_GCM16_256);
	assert_int_equal(c.number, 2);
	assert_int_equal(choose(&s, PROPOSAL_IKE, ours + 1, 1, &c, &f), 0);
	assert_int_equal(c.encryption, ENCR_AES_CBC_256);
	assert_int_equal(c.integrity, AUTH_HMAC_SHA2_256_128);
	assert_int_equal(c.number, 1);
}

static void accept_what(const struct sa *a, enum proposal_kind kind,
			const struct ike_proposal *ours, unsigned n, int want)
{
	struct ike_chosen c;
	struct fault f = {0};
	assert_int_equal(proposal_accept(body(a), kind, ours, n, &c, &f), want);
	if (want)
		assert_int_equal(f.code, want);
}

static void every_choice_is_accepted_by_its_offerer(void **state)
{
	static const struct ike_proposal *const rows[] = {&gcm, &cbc, &mixed};
	struct ike_chosen c, back;
	struct fault f;
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct sa s = offer(PROPOSAL_IKE, rows[i], 1, 0);
		assert_int_equal(choose(&s, PROPOSAL_IKE, rows[i], 1, &c, &f), 0);
		struct sa a = answer(PROPOSAL_IKE, &c, 0);
		assert_int_equal(proposal_accept(body(&a), PROPOSAL_IKE, rows[i], 1, &back, &f), 0);
		assert_int_equal(back.encryption, c.encryption);
		assert_int_equal(back.integrity, c.integrity);
		assert_int_equal(back.prf, c.prf);
		assert_int_equal(back.group, c.group);
	}
	for (unsigned kind = PROPOSAL_CHILD; kind <= PROPOSAL_FIRST_CHILD; kind++) {
		struct sa s = offer(kind, &child_gcm_pfs, 1, 0xc1);
		assert_int_equal(choose(&s, kind, &child_gcm_pfs, 1, &c, &f), 0);
		assert_int_equal(c.group, kind == PROPOSAL_CHILD ? DH_MODP_2048 : DH_NONE);
		assert_true(c.esn && c.spi == 0xc1);
		struct sa a = answer(kind, &c, 0xd1);
		assert_int_equal(proposal_accept(body(&a), kind, &child_gcm_pfs, 1, &back, &f), 0);
		assert_true(back.esn && back.spi == 0xd1 && back.group == c.group);
	}
}

/* RFC 7296 section 3.3: AEADs and other ciphers stand in proposals of their own. */
static void aead_and_others_are_offered_apart(void **state)
{
	struct sa s = offer(PROPOSAL_IKE, &mixed, 1, 0);
	struct ike_chosen c;
	struct fault f;
	(void)state;
	static const struct ike_proposal only_gcm = {LIST(encryption, ENCR_AES_GCM16_256),
						     LIST(prf, PRF_HMAC_SHA2_256),
						     LIST(group, DH_ECP_256)};
	assert_int_equal(choose(&s, PROPOSAL_IKE, &only_gcm, 1, &c, &f), 0);
	assert_int_equal(c.number, 2);
	assert_int_equal(c.integrity, AUTH_NONE);
	assert_int_equal(choose(&s, PROPOSAL_IKE, &mixed, 1, &c, &f), 0);
	assert_int_equal(c.number, 1);
	assert_int_equal(c.encryption, ENCR_AES_CBC_256);
}

static void esn_only_when_both_want_it(void **state)
{
	static const struct ike_proposal without = {LIST(encryption, ENCR_AES_GCM16_256)};
	struct ike_chosen c;
	struct fault f;
	struct sa s = offer(PROPOSAL_CHILD, &without, 1, 1);
	(void)state;
	assert_int_equal(choose(&s, PROPOSAL_CHILD, &child_gcm, 1, &c, &f), 0);
	assert_false(c.esn);
	s = offer(PROPOSAL_CHILD, &child_gcm, 1, 1);
	assert_int_equal(choose(&s, PROPOSAL_CHILD, &without, 1, &c, &f), 0);
	assert_false(c.esn);
}

static void pfs_must_agree(void **state)
{
	struct ike_chosen c;
	struct fault f;
	struct sa s = offer(PROPOSAL_CHILD, &child_gcm, 1, 1);
	(void)state;
	assert_int_equal(choose(&s, PROPOSAL_CHILD, &child_gcm_pfs, 1, &c, &f), -ENOENT);
	assert_non_null(strstr(f.text, "key exchange group: ours MODP2048, theirs none"));
	s = offer(PROPOSAL_CHILD, &child_gcm_pfs, 1, 1);
	assert_int_equal(choose(&s, PROPOSAL_CHILD, &child_gcm, 1, &c, &f), -ENOENT);
	/* a group in IKE_AUTH is for later */
	assert_int_equal(choose(&s, PROPOSAL_FIRST_CHILD, &child_gcm, 1, &c, &f), 0);
}

static void the_nearest_pair_and_the_first_difference_are_named(void **state)
{
	static const struct ike_proposal theirs[] = {
		{LIST(encryption, ENCR_3DES), LIST(integrity, AUTH_HMAC_SHA1_96),
		 LIST(prf, PRF_HMAC_SHA1), LIST(group, DH_MODP_1024)},
		{LIST(encryption, ENCR_AES_CBC_256), LIST(integrity, AUTH_HMAC_SHA2_256_128),
		 LIST(prf, PRF_HMAC_SHA2_256), LIST(group, DH_MODP_1024)}};
	const struct ike_proposal ours[] = {gcm, cbc};
	struct sa s = offer(PROPOSAL_IKE, theirs, 2, 0);
	struct ike_chosen c;
	struct fault f;
	(void)state;
	assert_int_equal(choose(&s, PROPOSAL_IKE, ours, 2, &c, &f), -ENOENT);
	assert_non_null(strstr(f.text, "ours AES256-SHA256-PRFSHA256-MODP2048"));
	assert_non_null(strstr(f.text, "theirs AES256-SHA256-PRFSHA256-MODP1024"));
	assert_non_null(strstr(f.text, "key exchange group: ours MODP2048, theirs MODP1024"));
	assert_non_null(strstr(f.advice, "key exchange group"));
}

static void text_of_a_proposal(void **state)
{
	char out[PROPOSAL_TEXT];
	(void)state;
	assert_string_equal(proposal_format(&cbc, out), "AES256-SHA256-PRFSHA256-MODP2048");
	assert_string_equal(proposal_format(&child_cbc, out), "AES256-SHA256");
	assert_string_equal(proposal_format(&mixed, out),
			    "AES256-SHA256-PRFSHA256-ECP256 AES256GCM16-PRFSHA256-ECP256");
	assert_true(proposal_has_group(&gcm, 1, DH_ECP_256));
	assert_false(proposal_has_group(&gcm, 1, DH_CURVE25519));
}

/* ---- what a cunning peer answers ---- */

static void answers_that_were_not_offered(void **state)
{
	struct ike_chosen c = {.encryption = ENCR_AES_GCM16_256,
			       .prf = PRF_HMAC_SHA2_256,
			       .group = DH_ECP_256,
			       .number = 1};
	struct sa a;
	(void)state;
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, 0);
	c.number = 2; /* another proposal's number */
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -EPROTO);
	c.number = 0;
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -EPROTO);
	c.number = 1;
	c.group = DH_MODP_1024; /* a weaker group */
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -ENOENT);
	c.group = DH_NONE; /* none at all */
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -ENOENT);
	c.group = DH_ECP_256;
	c.encryption = ENCR_3DES;
	c.integrity = AUTH_HMAC_SHA1_96;
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -ENOENT);
	/* our whole offer sent back */
	a = offer(PROPOSAL_IKE, &gcm, 1, 0);
	accept_what(&a, PROPOSAL_IKE, &gcm, 1, -EPROTO);
	const struct ike_proposal two[] = {gcm, cbc};
	a = offer(PROPOSAL_IKE, two, 2, 0);
	accept_what(&a, PROPOSAL_IKE, two, 2, -EPROTO);
}

static void spi_must_fit_its_protocol(void **state)
{
	struct ike_chosen c = {.encryption = ENCR_AES_GCM16_256, .number = 1};
	struct sa a = answer(PROPOSAL_CHILD, &c, 0); /* no SPI */
	(void)state;
	accept_what(&a, PROPOSAL_CHILD, &child_gcm, 1, -EPROTO);
	a = answer(PROPOSAL_CHILD, &c, 1);
	accept_what(&a, PROPOSAL_CHILD, &child_gcm, 1, 0);
	memset(a.b + 12, 0, 4); /* SPI 0 */
	accept_what(&a, PROPOSAL_CHILD, &child_gcm, 1, -EPROTO);
	/* IKE's protocol where ESP's belongs */
	c = (struct ike_chosen){.encryption = ENCR_AES_GCM16_256,
				.prf = PRF_HMAC_SHA2_256,
				.group = DH_ECP_256,
				.number = 1};
	a = answer(PROPOSAL_IKE, &c, 0);
	accept_what(&a, PROPOSAL_CHILD, &child_gcm, 1, -EPROTO);
}

/* ---- what history sent ---- */

static int choose_hex(const char *text, enum proposal_kind kind, const struct ike_proposal *ours,
		      struct ike_chosen *c)
{
	struct hex h = hex(text);
	struct fault f = {0};
	uint8_t *exact = test_malloc(h.len + !h.len);
	memcpy(exact, h.b, h.len);
	int err = proposal_choose((struct bytes){exact, h.len}, kind, ours, 1, DH_NONE, c, &f);
	if (err)
		assert_int_equal(f.code, err);
	test_free(exact);
	return err;
}

#define GCM256	"0300000c01000014800e0100"
#define SHA256_ "0300000802000005"
#define ECP256_ "0000000804000013"

/* SECURITY A2: a group of private or unknown number is none of ours, and is not NONE. */
static void private_group_number(void **state)
{
	struct ike_chosen c;
	(void)state;
	assert_int_equal(
		choose_hex("0000002401010003" GCM256 SHA256_ ECP256_, PROPOSAL_IKE, &gcm, &c), 0);
	assert_int_equal(choose_hex("0000002401010003" GCM256 SHA256_ "0000000804000401",
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT); /* 1025 */
	assert_int_equal(choose_hex("0000002401010003" GCM256 SHA256_ "000000080400ffff",
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	/* a child without PFS on our side must not take an unknown group for none */
	assert_int_equal(choose_hex("0000002801030403c0000001" GCM256 "0300000805000000"
				    "0000000804000401",
				    PROPOSAL_CHILD, &child_gcm, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000002801030403c0000001" GCM256 "0300000805000000"
				    "0000000804000000",
				    PROPOSAL_CHILD, &child_gcm, &c),
			 0);
}

/* SECURITY A2: proposals without a group, without a PRF, without integrity. */
static void proposals_without_what_they_need(void **state)
{
	static const struct ike_proposal careless = {
		LIST(encryption, ENCR_AES_GCM16_256, ENCR_AES_CBC_256)};
	struct ike_chosen c;
	(void)state;
	assert_int_equal(
		choose_hex("0000001c01010002" GCM256 "0000000802000005", PROPOSAL_IKE, &gcm, &c),
		-ENOENT);
	assert_int_equal(choose_hex("0000001c01010002" GCM256 ECP256_, PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	/* also when our own side names nothing */
	assert_int_equal(choose_hex("0000001401010001"
				    "0000000c01000014800e0100",
				    PROPOSAL_IKE, &careless, &c),
			 -ENOENT);
	/* CBC without integrity */
	assert_int_equal(choose_hex("0000002001030402c0000001"
				    "0300000c0100000c800e0100"
				    "0000000805000000",
				    PROPOSAL_CHILD, &careless, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000000801010000", PROPOSAL_IKE, &gcm, &c), -ENOENT);
}

/* SECURITY A2: an integrity algorithm that we don't know (AES-XCBC) is not NONE beside an AEAD. */
static void unknown_integrity_beside_an_aead(void **state)
{
	struct ike_chosen c;
	(void)state;
	assert_int_equal(choose_hex("0000002c01010004" GCM256 SHA256_ "0300000803000005" ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000002c01010004" GCM256 SHA256_ "0300000803000000" ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 0);
}

/* SECURITY C18 (CVE-2015-7575, CVE-2018-10811, CVE-2015-4000): MD5 as a PRF or for integrity, DES,
 * and the groups 5, 22 and 23 are taken by nobody, not even by who takes all that there is. */
static void what_was_broken_is_not_known(void **state)
{
	static const char *const bad[] = {
		"0000002401010003" GCM256 "0300000802000001" ECP256_, /* HMAC-MD5 */
		"0000002401010003" GCM256 "0300000802000003" ECP256_, /* HMAC-Tiger */
		"0000002401010003" GCM256 SHA256_ "0000000804000005",
		"0000002401010003" GCM256 SHA256_ "0000000804000016",
		"0000002401010003" GCM256 SHA256_ "0000000804000017",
		"0000002c010100040300000c0100000c800e0100" SHA256_ "0300000803000001" ECP256_,
		"00000028010100040300000801000002" SHA256_ "030000080300000c" ECP256_, /* DES */
	};
	struct ike_proposal all = {.n_encryption = ENCR_COUNT - 1,
				   .n_integrity = AUTH_COUNT - 1,
				   .n_prf = PRF_COUNT - 1,
				   .n_group = DH_COUNT - 1};
	struct ike_chosen c;
	(void)state;
	for (uint8_t i = 0; i < IKE_MAX_PROPOSAL; i++) {
		all.encryption[i] = all.integrity[i] = all.prf[i] = all.group[i] = (uint8_t)(i + 1);
		assert_true(ENCR_COUNT - 1 <= IKE_MAX_PROPOSAL && DH_COUNT - 1 <= IKE_MAX_PROPOSAL);
	}
	assert_int_equal(choose_hex("00000028010100040300000801000003" SHA256_
				    "030000080300000c" ECP256_,
				    PROPOSAL_IKE, &all, &c),
			 0); /* 3DES, which can be named, so that the rest is what is refused */
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(choose_hex(bad[i], PROPOSAL_IKE, &all, &c), -ENOENT);
}

/* RFC 7296 section 3.3.6: unknown transform types and attributes make a proposal unusable, others
 * stay usable. */
static void unknown_transforms_and_attributes(void **state)
{
	struct ike_chosen c;
	(void)state;
	assert_int_equal(choose_hex("0000002c01010004" GCM256 SHA256_ "0300000806000001" ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	/* key length 64, none, twice; an attribute of long form */
	assert_int_equal(choose_hex("0000002401010003"
				    "0300000c01000014800e0040" SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000002001010003"
				    "0300000801000014" SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000002801010003"
				    "0300001001000014800e0100800e0100" SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	assert_int_equal(choose_hex("0000002c01010003"
				    "0300001401000014800e0100"
				    "0011000401020304" SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -ENOENT);
	/* the second proposal is still looked at */
	assert_int_equal(choose_hex("0200000c01010001"
				    "00000008"
				    "f1000001"
				    "0000002402010003" GCM256 SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 -EPROTO); /* length 12 is too short for that transform */
	assert_int_equal(choose_hex("0200001001010001"
				    "00000008"
				    "f1000001"
				    "0000002402010003" GCM256 SHA256_ ECP256_,
				    PROPOSAL_IKE, &gcm, &c),
			 0);
	assert_int_equal(c.number, 2);
}

/* SECURITY A5: malformed SA payloads, also behind a proposal that fits. */
static void malformed_payloads(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"000000",
		"00000024",
		"0000002301010003" GCM256 SHA256_ ECP256_,	/* one byte short */
		"0000002501010003" GCM256 SHA256_ ECP256_,	/* one more than there is */
		"0000002401010002" GCM256 SHA256_ ECP256_,	/* fewer transforms than bytes */
		"0000002401010004" GCM256 SHA256_ ECP256_,	/* more */
		"000000240101ff03" GCM256 SHA256_ ECP256_,	/* SPI longer than all */
		"0100002401010003" GCM256 SHA256_ ECP256_,	/* neither last nor more */
		"0200002401010003" GCM256 SHA256_ ECP256_,	/* more, but nothing follows */
		"0000002401010003" GCM256 SHA256_ ECP256_ "00", /* bytes behind */
		"0000002401010003" GCM256
		"0000000802000005" ECP256_, /* last transform in the middle */
		"0000002401010003" GCM256 SHA256_
		"0300000804000013", /* more transforms, but none */
		"0000002401010003" GCM256 SHA256_ "0000000704000013", /* lengths below 8 */
		"0000002401010003" GCM256 SHA256_ "0000000004000013",
		"0000000001010003",
		"0000000701010003",
		"0200002401010003" GCM256 SHA256_ ECP256_ "0000000402",
	};
	struct ike_chosen c;
	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(choose_hex(bad[i], PROPOSAL_IKE, &gcm, &c), -EPROTO);
}

/* SECURITY D26: lists have caps; what is beyond them is refused, not written. */
static void more_proposals_and_transforms_than_allowed(void **state)
{
	uint8_t b[8000];
	struct writer w;
	struct ike_chosen c;
	struct fault f;
	(void)state;
	for (unsigned n = LIMIT_PROPOSALS; n <= LIMIT_PROPOSALS + 1; n++) {
		writer_init(&w, b, sizeof b);
		for (unsigned i = 0; i < n; i++) {
			struct hex one = hex("0200002401010003" GCM256 SHA256_ ECP256_);
			one.b[0] = i + 1 < n ? 2 : 0;
			writer_bytes(&w, one.b, one.len);
		}
		assert_int_equal(proposal_choose((struct bytes){b, writer_len(&w)}, PROPOSAL_IKE,
						 &gcm, 1, DH_NONE, &c, &f),
				 n == LIMIT_PROPOSALS ? 0 : -EPROTO);
	}
	for (unsigned n = LIMIT_TRANSFORMS; n <= 255; n++) {
		writer_init(&w, b, sizeof b);
		writer_u16(&w, 0);
		writer_u16(&w, (uint16_t)(8 + 8 * n));
		writer_u32(&w, 0x01010000u | n);
		for (unsigned i = 0; i < n; i++) {
			writer_u32(&w, i + 1 < n ? 0x03000008 : 8);
			writer_u32(&w, 0x04000013);
		}
		assert_int_equal(proposal_choose((struct bytes){b, writer_len(&w)}, PROPOSAL_IKE,
						 &gcm, 1, DH_NONE, &c, &f),
				 n == LIMIT_TRANSFORMS ? -ENOENT : -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer_on_the_wire),
		cmocka_unit_test(first_child_offer_on_the_wire),
		cmocka_unit_test(our_preference_decides),
		cmocka_unit_test(our_order_of_proposals_decides),
		cmocka_unit_test(every_choice_is_accepted_by_its_offerer),
		cmocka_unit_test(aead_and_others_are_offered_apart),
		cmocka_unit_test(esn_only_when_both_want_it),
		cmocka_unit_test(pfs_must_agree),
		cmocka_unit_test(the_nearest_pair_and_the_first_difference_are_named),
		cmocka_unit_test(text_of_a_proposal),
		cmocka_unit_test(answers_that_were_not_offered),
		cmocka_unit_test(spi_must_fit_its_protocol),
		cmocka_unit_test(private_group_number),
		cmocka_unit_test(proposals_without_what_they_need),
		cmocka_unit_test(unknown_integrity_beside_an_aead),
		cmocka_unit_test(what_was_broken_is_not_known),
		cmocka_unit_test(unknown_transforms_and_attributes),
		cmocka_unit_test(malformed_payloads),
		cmocka_unit_test(more_proposals_and_transforms_than_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
