/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that lie in one message, IKEv2. The names are those of libreswan's `impair`, which makes
 * its pluto such a peer (tests/interop/test_libreswan.py has some of them with the real one;
 * IKEv1's are in sim_impair_v1.c). Each row says which message is changed and how,
 * and whether the tunnel comes up, or stays, all the same; behind each lie the same peer tells the
 * truth, and then there is one IKE SA with one child.
 *
 * In other files:
 *   drop_*, block_*, drop_i2        sim_basic.c (test_lost_messages, test_dpd), sim_random.c
 *   childless_ikev2_supported       sim_create_delete.c (childless_wish)
 *   send_pkcs7_thingie              tests/unit/ike/test_proof.c
 *   truncate_signed_hash, mangle_cert_pubkey   tests/unit/auth/test_forgery.c,
 * test_hostile_chains.c ignore_hard_expire              sim_exchanges.c (test_time_limit): our own
 * limit holds initiate_v2_liveness, send_keepalive, trigger_v2_*   whatever our peers do anyway
 *
 * Not of a peer's behaviour, but of pluto's own inside: revival, emitting, log_rate_limit,
 * force_fips, allow_dns_insecure, event_check_crls, cannot_ondemand, lifetime, helper_thread_delay,
 * install_ipsec_sa_*, tcp_*, record_*, trigger, v1_hash_check. What it leaves out only as a
 * repetition, so that nothing arrives: suppress_retransmits, timeout_on_retransmit. Of XAUTH, which
 * xgw has not: send_no_xauth_r0, drop_xauth_r0.
 */
#include "liar.h"

/* ---- lies about IKE_SA_INIT, and about proposals anywhere ---- */

static void ke_payload_omit(struct words *w)
{
	liar_omit(w, PAYLOAD_KE);
}
static void ke_payload_empty(struct words *w)
{
	liar_find(w, PAYLOAD_KE)->len = 4;
}
static void ke_payload_duplicate(struct words *w)
{
	struct part ke = *liar_find(w, PAYLOAD_KE);
	liar_add(w, PAYLOAD_KE, ke.b, ke.len);
}
static void ke_payload_0(struct words *w)
{
	struct part *ke = liar_find(w, PAYLOAD_KE);
	memset(ke->b + 4, 0, ke->len - 4);
}

/* The key length of AES in the first transform of the first proposal: proposal 8 octets with the
 * SPI, transform 8. */
static uint8_t *key_length(struct part *sa)
{
	uint8_t *attribute = sa->b + 8 + sa->b[6] + 8;
	assert_int_equal(load_be16(attribute), 0x800e);
	return attribute;
}
/* The proposal and its first transform grow, or shrink. */
static void resize(struct part *sa, size_t at, size_t n, const void *b, size_t m)
{
	uint8_t *transform = sa->b + 8 + sa->b[6];
	store_be16(sa->b + 2, (uint16_t)(load_be16(sa->b + 2) - n + m));
	store_be16(transform + 2, (uint16_t)(load_be16(transform + 2) - n + m));
	liar_splice(sa, at, n, b, m);
}
static void key_length_attribute_omit(struct words *w)
{
	struct part *sa = liar_find(w, PAYLOAD_SA);
	resize(sa, (size_t)(key_length(sa) - sa->b), 4, NULL, 0);
}
static void key_length_attribute_empty(struct words *w)
{
	static const uint8_t empty[] = {0, 14, 0, 0}; /* of no length, in place of a value */
	struct part *sa = liar_find(w, PAYLOAD_SA);
	resize(sa, (size_t)(key_length(sa) - sa->b), 4, empty, 4);
}
static void key_length_attribute_duplicate(struct words *w)
{
	static const uint8_t more[] = {0x80, 14, 0, 128};
	struct part *sa = liar_find(w, PAYLOAD_SA);
	resize(sa, (size_t)(key_length(sa) - sa->b), 0, more, 4);
}
static void key_length_attribute_0(struct words *w)
{
	store_be16(key_length(liar_find(w, PAYLOAD_SA)) + 2, 0);
}
static void send_key_size_check(struct words *w)
{
	store_be16(key_length(liar_find(w, PAYLOAD_SA)) + 2, 77);
}
/* A transform more, in front of the others. */
static void add_transform(struct words *w, uint8_t type, uint16_t id)
{
	struct part *sa = liar_find(w, PAYLOAD_SA);
	uint8_t t[8] = {3, 0, 0, 8, type, 0, (uint8_t)(id >> 8), (uint8_t)id};
	sa->b[7]++;
	store_be16(sa->b + 2, (uint16_t)(load_be16(sa->b + 2) + sizeof t));
	liar_splice(sa, 8u + sa->b[6], 0, t, sizeof t);
}
static void v2_add_transform(struct words *w)
{
	add_transform(w, 99, 1);
}
static void v2_proposal_integ_allow_none(struct words *w)
{
	add_transform(w, 3, 0);
}
static void v2_proposal_dh_allow_none(struct words *w)
{
	add_transform(w, 4, 0);
}
/* The transforms of this type go. */
static void drop_transforms(struct words *w, uint8_t type)
{
	struct part *sa = liar_find(w, PAYLOAD_SA);
	size_t at = 8u + sa->b[6], last = 0;
	while (at + 8 <= sa->len) {
		size_t n = load_be16(sa->b + at + 2);
		if (sa->b[at + 4] != type) {
			last = at;
			at += n;
			continue;
		}
		liar_splice(sa, at, n, NULL, 0);
		sa->b[7]--;
		store_be16(sa->b + 2, (uint16_t)(load_be16(sa->b + 2) - n));
	}
	sa->b[last] = 0;
}
static void v2_proposal_integ_omit(struct words *w)
{
	drop_transforms(w, 3);
}
static void v2_proposal_dh_omit(struct words *w)
{
	drop_transforms(w, 4);
}
static void v2_proposal_protoid(struct words *w)
{
	liar_find(w, PAYLOAD_SA)->b[5] = 99;
}
static void allow_null_none(struct words *w)
{
	struct part *sa = liar_find(w, PAYLOAD_SA);
	resize(sa, (size_t)(key_length(sa) - sa->b), 4, NULL, 0);
	store_be16(sa->b + 8 + sa->b[6] + 6, 11); /* ENCR_NULL */
}
static void major_version_bump(struct words *w)
{
	w->version = 0x30;
}
static void minor_version_bump(struct words *w)
{
	w->version = 0x21;
}
static void send_bogus_isakmp_flag(struct words *w)
{
	w->h.flags |= 0xc7;
}
static void send_bogus_payload_flag(struct words *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->at[i].flags |= 0x7f; /* all but the critical one */
}
static void send_nonzero_reserved(struct words *w)
{
	struct part *sa = liar_find(w, PAYLOAD_SA);
	sa->b[1] = 0xff;
	sa->b[8 + sa->b[6] + 1] = 0xff;
	sa->b[8 + sa->b[6] + 5] = 0xff;
	liar_find(w, PAYLOAD_NONCE);
}
static void add_unknown_v2_payload(struct words *w)
{
	liar_add(w, 200, "what", 4);
}
static void unknown_v2_payload_critical(struct words *w)
{
	liar_add(w, 200, "what", 4)->flags = 0x80;
}
static void pad_with_unknown_v2_payloads(struct words *w)
{
	while (w->n < LIMIT_PAYLOADS)
		liar_add(w, 200, NULL, 0);
}
static void pad_with_unknown_v2_payloads_0(struct words *w)
{
	while (w->n < LIMIT_PAYLOADS + 1)
		liar_add(w, 200, NULL, 0);
}
static void add_v2_notification(struct words *w)
{
	liar_add_notify(w, 40961); /* of private use, of no error */
	liar_add_notify(w, NOTIFY_REKEY_SA);
	liar_add_notify(w, NOTIFY_REDIRECT_SUPPORTED);
}
static void add_v2_notification_error(struct words *w)
{
	liar_add_notify(w, 8191);
}
static void omit_v2_notification(struct words *w)
{
	for (unsigned i = w->n; i-- > 0;)
		if (w->at[i].type == PAYLOAD_NOTIFY)
			liar_omit_notify(w, load_be16(w->at[i].b + 2));
}
static void ddos_cookie_add(struct words *w)
{
	static const uint8_t cookie[] = {
		0, 0, NOTIFY_COOKIE >> 8, NOTIFY_COOKIE & 255, 'c', 'o', 'o', 'k', 'i', 'e'};
	struct part first = {.type = PAYLOAD_NOTIFY, .len = sizeof cookie};
	memcpy(first.b, cookie, sizeof cookie);
	memmove(&w->at[1], &w->at[0], w->n++ * sizeof w->at[0]);
	w->at[0] = first;
}
static void ddos_cookie_mangle(struct words *w)
{
	struct part *cookie = liar_notify(w, NOTIFY_COOKIE);
	if (cookie) /* the first message has none yet */
		cookie->b[cookie->len - 1] ^= 1;
}
static void ike_initiator_spi(struct words *w)
{
	w->h.spi_i = 0;
}
static void ike_responder_spi(struct words *w)
{
	w->h.spi_r = 0;
}
static void ike_nonce(struct words *w, struct nonce *own)
{
	struct part *p = liar_find(w, PAYLOAD_NONCE);
	memset(p->b, 0, p->len);
	memset(own->b, 0, own->len);
}
static void ike_initiator_nonce(struct words *w)
{
	ike_nonce(w, &w->sa->handshake->ni);
}
static void ike_initiator_nonce_short(struct words *w)
{
	liar_find(w, PAYLOAD_NONCE)->len = 15;
}

/* ---- lies about IKE_AUTH ---- */

static void force_v2_auth_method(struct words *w)
{
	liar_find(w, PAYLOAD_AUTH)->b[0] = 14; /* a signature, which a pre-shared key is not */
}
static void force_v2_auth_method_null(struct words *w)
{
	liar_find(w, PAYLOAD_AUTH)->b[0] = 13;
}
static void omit_v2_ike_auth_child(struct words *w)
{
	liar_omit(w, PAYLOAD_SA);
	liar_omit(w, PAYLOAD_TSI);
	liar_omit(w, PAYLOAD_TSR);
}
static void send_no_idr(struct words *w)
{
	liar_omit(w, PAYLOAD_IDR);
}
static void number_of_TSi_selectors_0(struct words *w)
{
	liar_find(w, PAYLOAD_TSI)->b[0] = 0;
}
static void number_of_TSi_selectors(struct words *w)
{
	liar_find(w, PAYLOAD_TSI)->b[0] = 2;
}
static void number_of_TSr_selectors(struct words *w)
{
	liar_find(w, PAYLOAD_TSR)->b[0] = 255;
}
static void bad_ike_auth_xchg(struct words *w)
{
	w->h.exchange = IKE_INFORMATIONAL;
}
/* AUTH covers the identity with what is reserved in it. */
static void send_nonzero_reserved_id(struct words *w)
{
	struct part *id = liar_find(w, PAYLOAD_IDI), *auth = liar_find(w, PAYLOAD_AUTH);
	const struct handshake *hs = w->sa->handshake;
	uint8_t value[PRF_MAX];
	size_t len = 0;
	id->b[1] = id->b[2] = id->b[3] = 0xff;
	assert_int_equal(keys_auth_psk(value, &len, w->sa->chosen.prf, &w->sa->c->cfg.psk,
				       hs->init_i, nonce_bytes(&hs->nr), &w->sa->keys.pi,
				       (struct bytes){id->b, id->len}),
			 0);
	assert_int_equal(auth->len, 4 + len);
	memcpy(auth->b + 4, value, len);
}

/* ---- lies of a peer that is there ---- */

static void v2_delete_protoid(struct words *w)
{
	liar_find(w, PAYLOAD_DELETE)->b[0] = 2; /* AH */
}
static void v2_delete_protoid_unknown(struct words *w)
{
	liar_find(w, PAYLOAD_DELETE)->b[0] = 99;
}
static void v2n_rekey_sa_protoid(struct words *w)
{
	liar_notify(w, NOTIFY_REKEY_SA)->b[0] = 2;
}
static void omit_addke_notification(struct words *w)
{
	liar_omit_notify(w, NOTIFY_ADDITIONAL_KEY_EXCHANGE);
}
static void selectors(struct words *w, const uint8_t from[4], const uint8_t to[4])
{
	for (uint8_t type = PAYLOAD_TSI; type <= PAYLOAD_TSR; type++) {
		struct part *ts = liar_find(w, type);
		if (from) {
			memcpy(ts->b + 12, from, 4);
			memcpy(ts->b + 16, to, 4);
		} else { /* the first address alone */
			memcpy(ts->b + 16, ts->b + 12, 4);
		}
	}
}
static void rekey_supernet(struct words *w)
{
	static const uint8_t none[4] = {0, 0, 0, 0}, all[4] = {255, 255, 255, 255};
	selectors(w, none, all);
}
static void rekey_subnet(struct words *w)
{
	selectors(w, NULL, NULL);
}

/* ---- rows ---- */

static void order_rekey_child(struct hand *h, unsigned node)
{
	hand_rekey_child(h, node);
}
static void order_delete_child(struct hand *h, unsigned node)
{
	hand_delete_child(h, node, hand_node(h, node)->current);
}

static void with_cbc(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->ike[0] = (struct ike_proposal){.n_encryption = 1,
					  .n_integrity = 1,
					  .n_prf = 1,
					  .n_group = 1,
					  .encryption = {ENCR_AES_CBC_128},
					  .integrity = {AUTH_HMAC_SHA2_256_128},
					  .prf = {PRF_HMAC_SHA2_256},
					  .group = {DH_CURVE25519}};
	c->child[0] = c->ike[0];
	c->child[0].n_prf = c->child[0].n_group = 0;
}
static void with_additional(struct ike_connection *c, unsigned node)
{
	(void)node;
	c->child[0].n_group = c->child[0].n_additional = 1;
	c->child[0].group[0] = DH_CURVE25519;
	c->child[0].additional[0] = DH_ECP_256;
}

enum outcome {
	UP,	 /* as if nothing had been said */
	REFUSED, /* the honest end makes nothing of it */
	SKIPPED, /* an established tunnel stays as it was for now */
};

struct row {
	const char *name;
	lie how;
	uint8_t exchange;
	bool response; /* the liar answers; else it begins */
	enum outcome outcome;
	const char *says; /* in the honest end's last error, NULL: nothing */
	int count;	  /* enum ike_counter of the honest end, -1: none */
	hand_change change;
	void (*order)(struct hand *h, unsigned node); /* of an established tunnel, to who begins */
};

static struct row rows[] = {
	{"ke-payload:omit", ke_payload_omit, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_MALFORMED},
	{"ke-payload:omit", ke_payload_omit, IKE_SA_INIT, true, REFUSED, "KE", -1},
	{"ke-payload:empty", ke_payload_empty, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_MALFORMED},
	{"ke-payload:empty", ke_payload_empty, IKE_SA_INIT, true, REFUSED, NULL, -1},
	{"ke-payload:duplicate", ke_payload_duplicate, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_MALFORMED},
	{"ke-payload:0", ke_payload_0, IKE_SA_INIT, false, REFUSED, NULL, -1},
	{"ke-payload:0", ke_payload_0, IKE_SA_INIT, true, REFUSED, "not valid", -1},
	{"ike-key-length-attribute:omit", key_length_attribute_omit, IKE_SA_INIT, false, REFUSED,
	 "differ in encryption", IKE_COUNT_NO_PROPOSAL},
	{"ike-key-length-attribute:empty", key_length_attribute_empty, IKE_SA_INIT, false, REFUSED,
	 NULL, IKE_COUNT_NO_PROPOSAL},
	{"ike-key-length-attribute:duplicate", key_length_attribute_duplicate, IKE_SA_INIT, false,
	 REFUSED, NULL, IKE_COUNT_NO_PROPOSAL},
	{"ike-key-length-attribute:0", key_length_attribute_0, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"ike-key-length-attribute:0", key_length_attribute_0, IKE_SA_INIT, true, REFUSED, NULL,
	 -1},
	{"send-key-size-check", send_key_size_check, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"child-key-length-attribute:omit", key_length_attribute_omit, IKE_AUTH, false, REFUSED,
	 NULL, IKE_COUNT_NO_PROPOSAL},
	{"child-key-length-attribute:0", key_length_attribute_0, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"child-key-length-attribute:0", key_length_attribute_0, IKE_AUTH, true, REFUSED, NULL, -1},
	{"allow-null-none", allow_null_none, IKE_AUTH, false, REFUSED, NULL, IKE_COUNT_NO_PROPOSAL},
	{"ikev2-add-ike-transform", v2_add_transform, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"ikev2-add-ike-transform", v2_add_transform, IKE_SA_INIT, true, REFUSED, NULL, -1},
	{"ikev2-add-child-transform", v2_add_transform, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"v2-proposal-integ:allow-none", v2_proposal_integ_allow_none, IKE_SA_INIT, false, UP, NULL,
	 -1},
	{"v2-proposal-integ:omit", v2_proposal_integ_omit, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL, with_cbc},
	{"v2-proposal-integ:omit", v2_proposal_integ_omit, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL, with_cbc},
	{"v2-proposal-dh:allow-none", v2_proposal_dh_allow_none, IKE_AUTH, false, UP, NULL, -1},
	{"v2-proposal-dh:omit", v2_proposal_dh_omit, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"v2-proposal-protoid", v2_proposal_protoid, IKE_SA_INIT, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"v2-proposal-protoid", v2_proposal_protoid, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_NO_PROPOSAL},
	{"major-version-bump", major_version_bump, IKE_SA_INIT, false, REFUSED, NULL, -1},
	{"minor-version-bump", minor_version_bump, IKE_SA_INIT, false, UP, NULL, -1},
	{"send-bogus-isakmp-flag", send_bogus_isakmp_flag, IKE_SA_INIT, false, UP, NULL, -1},
	{"send-bogus-isakmp-flag", send_bogus_isakmp_flag, IKE_AUTH, false, UP, NULL, -1},
	{"send-bogus-isakmp-flag", send_bogus_isakmp_flag, IKE_AUTH, true, UP, NULL, -1},
	{"send-bogus-payload-flag", send_bogus_payload_flag, IKE_SA_INIT, false, UP, NULL, -1},
	{"send-bogus-payload-flag", send_bogus_payload_flag, IKE_AUTH, true, UP, NULL, -1},
	{"send-nonzero-reserved", send_nonzero_reserved, IKE_SA_INIT, false, UP, NULL, -1},
	{"send-nonzero-reserved", send_nonzero_reserved, IKE_SA_INIT, true, UP, NULL, -1},
	{"send-nonzero-reserved-id", send_nonzero_reserved_id, IKE_AUTH, false, UP, NULL, -1},
	{"add-unknown-v2-payload-to", add_unknown_v2_payload, IKE_SA_INIT, false, UP, NULL, -1},
	{"add-unknown-v2-payload-to", add_unknown_v2_payload, IKE_SA_INIT, true, UP, NULL, -1},
	{"add-unknown-v2-payload-to-sk", add_unknown_v2_payload, IKE_AUTH, false, UP, NULL, -1},
	{"add-unknown-v2-payload-to-sk", add_unknown_v2_payload, IKE_AUTH, true, UP, NULL, -1},
	{"unknown-v2-payload-critical", unknown_v2_payload_critical, IKE_SA_INIT, false, REFUSED,
	 NULL, -1},
	{"unknown-v2-payload-critical", unknown_v2_payload_critical, IKE_AUTH, false, REFUSED, NULL,
	 -1},
	{"unknown-v2-payload-critical", unknown_v2_payload_critical, IKE_AUTH, true, REFUSED,
	 "critical", -1},
	{"pad-with-unknown-v2-payloads", pad_with_unknown_v2_payloads, IKE_SA_INIT, false, UP, NULL,
	 -1},
	{"pad-with-unknown-v2-payloads:0", pad_with_unknown_v2_payloads_0, IKE_SA_INIT, false,
	 REFUSED, NULL, IKE_COUNT_MALFORMED},
	{"pad-with-unknown-v2-payloads:0", pad_with_unknown_v2_payloads_0, IKE_AUTH, false, REFUSED,
	 NULL, -1},
	{"add-v2-notification", add_v2_notification, IKE_SA_INIT, false, UP, NULL, -1},
	{"add-v2-notification", add_v2_notification, IKE_AUTH, false, UP, NULL, -1},
	{"add-v2-notification:8191", add_v2_notification_error, IKE_SA_INIT, true, REFUSED, "8191",
	 -1},
	{"add-v2-notification:8191", add_v2_notification_error, IKE_SA_INIT, false, UP, NULL, -1},
	{"omit-v2-notification", omit_v2_notification, IKE_SA_INIT, false, UP, NULL, -1},
	{"omit-v2-notification", omit_v2_notification, IKE_SA_INIT, true, UP, NULL, -1},
	{"ddos-cookie:add", ddos_cookie_add, IKE_SA_INIT, false, UP, NULL, -1},
	{"ike-initiator-spi:0", ike_initiator_spi, IKE_SA_INIT, false, REFUSED, NULL, -1},
	{"ike-responder-spi:0", ike_responder_spi, IKE_SA_INIT, true, REFUSED, NULL, -1},
	{"ike-initiator-nonce:0", ike_initiator_nonce, IKE_SA_INIT, false, UP, NULL, -1},
	{"ike-initiator-nonce, 15 octets", ike_initiator_nonce_short, IKE_SA_INIT, false, REFUSED,
	 NULL, -1},
	{"force-v2-auth-method", force_v2_auth_method, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_AUTH_FAILED},
	{"force-v2-auth-method", force_v2_auth_method, IKE_AUTH, true, REFUSED, NULL,
	 IKE_COUNT_AUTH_FAILED},
	{"force-v2-auth-method:null", force_v2_auth_method_null, IKE_AUTH, false, REFUSED, NULL,
	 IKE_COUNT_AUTH_FAILED},
	{"omit-v2-ike-auth-child", omit_v2_ike_auth_child, IKE_AUTH, false, REFUSED, NULL, -1},
	{"omit-v2-ike-auth-child", omit_v2_ike_auth_child, IKE_AUTH, true, REFUSED, NULL, -1},
	{"send-no-idr", send_no_idr, IKE_AUTH, false, UP, NULL, -1},
	{"number-of-TSi-selectors:0", number_of_TSi_selectors_0, IKE_AUTH, false, REFUSED, NULL,
	 -1},
	{"number-of-TSi-selectors", number_of_TSi_selectors, IKE_AUTH, false, REFUSED, NULL, -1},
	{"number-of-TSr-selectors", number_of_TSr_selectors, IKE_AUTH, false, REFUSED, NULL, -1},
	{"number-of-TSr-selectors", number_of_TSr_selectors, IKE_AUTH, true, REFUSED, NULL, -1},
	{"bad-ike-auth-xchg", bad_ike_auth_xchg, IKE_AUTH, true, REFUSED, NULL,
	 IKE_COUNT_BAD_MESSAGE_ID},
	{"v2-delete-protoid", v2_delete_protoid, IKE_INFORMATIONAL, false, SKIPPED, NULL, -1, NULL,
	 order_delete_child},
	{"v2-delete-protoid:99", v2_delete_protoid_unknown, IKE_INFORMATIONAL, false, SKIPPED, NULL,
	 -1, NULL, order_delete_child},
	{"v2n-rekey-sa-protoid", v2n_rekey_sa_protoid, IKE_CREATE_CHILD_SA, false, UP, NULL, -1,
	 NULL, order_rekey_child},
	{"omit-addke-notification", omit_addke_notification, IKE_FOLLOWUP_KE, false, SKIPPED, NULL,
	 -1, with_additional, order_rekey_child},
	{"omit-addke-notification", omit_addke_notification, IKE_CREATE_CHILD_SA, true, SKIPPED,
	 "ADDITIONAL_KEY_EXCHANGE", -1, with_additional, order_rekey_child},
	{"rekey-initiate-supernet", rekey_supernet, IKE_CREATE_CHILD_SA, false, UP, NULL, -1, NULL,
	 order_rekey_child},
	{"rekey-initiate-subnet", rekey_subnet, IKE_CREATE_CHILD_SA, false, UP, NULL, -1, NULL,
	 order_rekey_child},
	{"rekey-respond-supernet", rekey_supernet, IKE_CREATE_CHILD_SA, true, SKIPPED, "0.0.0.0",
	 -1, NULL, order_rekey_child},
	{"rekey-respond-subnet", rekey_subnet, IKE_CREATE_CHILD_SA, true, UP, NULL, -1, NULL,
	 order_rekey_child},
};

/* The next message, of whichever end is first; changed when it is the one. True when it was. */
static bool step(struct hand *h, const struct row *row, unsigned liar, bool lied)
{
	struct sim *s = h->s;
	unsigned best = 0;
	for (unsigned k = 1; k < s->n_queue; k++)
		if (s->queue[k].order < s->queue[best].order)
			best = k;
	struct sim_datagram *d = &s->queue[best];
	size_t marker = d->from.port == IKE_NATT_PORT ? 4 : 0;
	bool response = d->bytes[marker + 19] & IKE_FLAG_RESPONSE;
	bool is_it = !lied && ip_addr_equal(&d->from.addr, &hand_node(h, liar)->addr) &&
		     d->bytes[marker + 18] == row->exchange && response == row->response;
	if (is_it)
		liar_change(h, liar, d, row->how);
	sim_deliver(s, best);
	hand_flow(h);
	return is_it;
}

static void expect(struct hand *h, const struct row *row, unsigned honest)
{
	struct ike_status st = hand_status(h, honest);
	struct sim_node *n = hand_node(h, honest);
	char line[FAULT_TEXT];
	fault_format(&st.last_error, line);
	if (row->outcome == REFUSED && (n->up || sim_installed(n)))
		fail_msg("%s: it is up", row->name);
	if (row->outcome != REFUSED && !n->up)
		fail_msg("%s: it is not up: %s", row->name, line);
	if (row->outcome == UP && !sim_agrees(&h->s->node[0], &h->s->node[1]))
		fail_msg("%s: the ends differ: %s", row->name, line);
	if (row->says && !strstr(line, row->says))
		fail_msg("%s: says \"%s\"", row->name, line);
	if (row->count >= 0 && !hand_count(h, honest, (enum ike_counter)row->count))
		fail_msg("%s: is not counted", row->name);
}

/* Never more than what was configured goes through. */
static void within_the_configured(struct hand *h)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_child *c = sim_child_find(hand_node(h, i), hand_node(h, i)->current);
		const struct ike_connection *cfg = &hand_sa(h, i)->c->cfg;
		assert_non_null(c);
		assert_true(selectors_within(c->sa.local_ts, c->sa.n_local_ts, cfg->local_ts,
					     cfg->n_local_ts));
		assert_true(selectors_within(c->sa.remote_ts, c->sa.n_remote_ts, cfg->remote_ts,
					     cfg->n_remote_ts));
	}
}

static void play(const struct row *row)
{
	unsigned liar = row->response, honest = 1 - liar;
	bool lied = false;
	struct hand *h = row->order ? hand_established(3, row->change) : hand_new(3, row->change);
	if (row->order)
		row->order(h, 0);
	else
		sim_up(h->s, 0);
	h->traffic = false;
	for (unsigned i = 0; i < 60 && h->s->n_queue; i++)
		lied |= step(h, row, liar, lied);
	if (!lied)
		fail_msg("%s: there was no message to lie in", row->name);
	expect(h, row, honest);
	/* and then the truth */
	if (row->exchange == IKE_INFORMATIONAL) { /* the ends differ on what there is: anew */
		sim_down(h->s, 0);
		hand_settle(h);
		sim_up(h->s, 0);
	}
	hand_run(h, 300);
	hand_one(h);
	within_the_configured(h);
	hand_end(h);
}

static void impaired(void **state)
{
	play(*state);
}

/* ---- lies about which messages come, and when ---- */

/* Mangles the cookie that it was asked for: it is asked again, and costs nothing. */
static void ddos_cookie_mangled(void **state)
{
	(void)state;
	struct hand *h = hand_new(3, NULL);
	struct ike *e = hand_node(h, 1)->ike;
	e->options.half_open_cookies = 1;
	sim_up(h->s, 0);
	hand_pass(h, 0); /* half-open; the answer is lost, and node 0 begins anew */
	hand_lose(h, 1);
	sim_down(h->s, 0);
	sim_up(h->s, 0);
	hand_pass(h, 0);
	assert_int_equal(hand_count(h, 1, IKE_COUNT_COOKIES_SENT), 1);
	hand_pass(h, 1);
	liar_change(h, 0, &h->s->queue[hand_oldest(h, 0)], ddos_cookie_mangle);
	unsigned before = hand_ike_sas(h, 1);
	hand_pass(h, 0);
	assert_int_equal(hand_count(h, 1, IKE_COUNT_COOKIES_BAD), 1);
	assert_int_equal(hand_count(h, 1, IKE_COUNT_COOKIES_SENT), 2);
	assert_int_equal(hand_ike_sas(h, 1), before);
	hand_run(h, 120);
	hand_one(h);
	hand_end(h);
}

/* What the wire carries, in the hands of who repeats it. */
struct seen {
	struct sim_datagram at[64];
	unsigned n;
};
static void see(struct seen *seen, const struct sim_datagram *d)
{
	if (seen->n == 64)
		return;
	struct sim_datagram *copy = &seen->at[seen->n++];
	*copy = *d;
	copy->bytes = malloc(d->len);
	if (!copy->bytes)
		abort();
	memcpy(copy->bytes, d->bytes, d->len);
}
static void say_again(struct hand *h, const struct sim_datagram *d)
{
	struct sim_node *to = sim_owner(h->s, &d->to.addr);
	ike_receive(to->ike, &d->to, &d->from, (struct bytes){d->bytes, d->len}, h->s->now_ns,
		    &to->effects);
	sim_apply(to);
	hand_flow(h);
}
static void forget(struct seen *seen)
{
	for (unsigned i = 0; i < seen->n; i++)
		free(seen->at[i].bytes);
	seen->n = 0;
}

/* Establishes, rekeys both, deletes the child; `again` is told of each message before it arrives.
 * In the end it is as if nobody had lied. */
static void under(void (*again)(struct hand *h, struct seen *seen, unsigned i))
{
	struct seen seen = {.n = 0};
	struct hand *h = hand_new(3, NULL);
	sim_up(h->s, 0);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 100 && h->s->n_queue; i++) {
			unsigned best = 0;
			for (unsigned k = 1; k < h->s->n_queue; k++)
				if (h->s->queue[k].order < h->s->queue[best].order)
					best = k;
			see(&seen, &h->s->queue[best]);
			struct sim_datagram d = h->s->queue[best];
			h->s->queue[best] = h->s->queue[--h->s->n_queue];
			hand_arrive(h, d);
			again(h, &seen, seen.n - 1);
		}
		h->traffic = true;
		if (round == 0)
			hand_rekey_child(h, 1);
		else if (round == 1)
			hand_rekey_ike(h, 0);
		else if (round == 2)
			hand_rekey_child(h, 0);
	}
	hand_one(h);
	hand_never_down(h);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(hand_count(h, i, IKE_COUNT_ESTABLISHED), 1);
		assert_int_equal(hand_node(h, i)->installs, 3);
		assert_int_equal(hand_status(h, i).rekeys_child, 2);
		assert_int_equal(hand_status(h, i).rekeys_ike, 1);
	}
	forget(&seen);
	hand_end(h);
}

static void twice(struct hand *h, struct seen *seen, unsigned i)
{
	say_again(h, &seen->at[i]);
}
static void all_old_to_new(struct hand *h, struct seen *seen, unsigned i)
{
	for (unsigned k = 0; k <= i; k++)
		say_again(h, &seen->at[k]);
}
static void all_new_to_old(struct hand *h, struct seen *seen, unsigned i)
{
	for (unsigned k = i + 1; k-- > 0;)
		say_again(h, &seen->at[k]);
}
static void reflected(struct hand *h, struct seen *seen, unsigned i)
{
	struct sim_datagram d = seen->at[i];
	d.from = seen->at[i].to;
	d.to = seen->at[i].from;
	say_again(h, &d);
}
static void corrupted(struct hand *h, struct seen *seen, unsigned i)
{
	struct sim_datagram d = seen->at[i];
	d.bytes[d.len - 1] ^= 1;
	say_again(h, &d);
	d.bytes[d.len - 1] ^= 1;
}

static void jacob_two_two(void **state)
{
	(void)state;
	under(twice);
}
static void replay_inbound(void **state) /* replay-duplicates, replay-encrypted too */
{
	(void)state;
	under(all_old_to_new);
}
static void replay_backward(void **state)
{
	(void)state;
	under(all_new_to_old);
}
static void reflect(void **state)
{
	(void)state;
	under(reflected);
}
static void corrupt_encrypted(void **state)
{
	(void)state;
	under(corrupted);
}

/* Each message waits until the one behind it has come: only a repetition can be that, so it is the
 * third that arrives. */
static void drip_outbound(void **state)
{
	(void)state;
	struct hand *h = hand_new(3, NULL);
	sim_up(h->s, 0);
	for (unsigned i = 0; i < 60 && !(hand_node(h, 0)->up && hand_node(h, 1)->up); i++) {
		for (unsigned node = 0; node < 2; node++) {
			if (sim_oldest_from(h->s, (int)node) < 0)
				continue;
			struct sim_datagram late = hand_keep(h, node);
			hand_time(h, 1, false);
			if (sim_oldest_from(h->s, (int)node) >= 0)
				hand_pass(h, node);
			hand_arrive(h, late);
		}
	}
	hand_one(h);
	hand_end(h);
}

/* It never says who it is: the half-open IKE SA goes in time, and the next attempt counts. */
static void send_no_ikev2_auth(void **state)
{
	(void)state;
	struct hand *h = hand_new(3, NULL);
	sim_up(h->s, 0);
	hand_pass(h, 0);
	hand_pass(h, 1);
	hand_lose(h, 0);
	assert_int_equal(hand_ike_sas(h, 1), 1);
	tasks_free(hand_node(h, 0)->ike->all);
	hand_time(h, 31, false);
	assert_int_equal(hand_ike_sas(h, 1), 0);
	while (h->s->n_queue)
		sim_drop(h->s, 0);
	sim_down(h->s, 0);
	sim_up(h->s, 0);
	hand_run(h, 60);
	hand_one(h);
	hand_end(h);
}

static void short_lived(struct ike_connection *c, unsigned node)
{
	c->child_lifetime_ns = node ? 100 * NS_PER_S : 0;
	c->ike_lifetime_ns = node ? 150 * NS_PER_S : 0;
}

/* It never deletes what its rekeying replaced: our outbound moves when it sends on the new child,
 * and the old one ends with its lifetime. */
static void send_no_delete(void **state)
{
	(void)state;
	struct hand *h = hand_established(3, short_lived);
	hand_rekey_child(h, 0);
	hand_pass(h, 0);
	hand_pass(h, 1);
	hand_lose(h, 0);
	tasks_free(hand_sa(h, 0));
	ike_child_alive(hand_node(h, 1)->ike, SPI_OF(1, 2), h->s->now_ns);
	hand_run(h, 1);
	assert_int_equal(hand_node(h, 1)->current, SPI_OF(1, 2));
	hand_run(h, 110);
	assert_null(sim_child_find(hand_node(h, 1), SPI_OF(1, 1)));
	hand_agree(h);
	hand_never_down(h);
	hand_end(h);
}

/* It never rekeys anything, whatever its own limits: we do, before ours are reached. */
static void ignore_soft_expire(void **state)
{
	(void)state;
	struct hand *h = hand_established(3, short_lived);
	hand_run(h, 600);
	hand_never_down(h);
	hand_agree(h);
	assert_in_range(hand_status(h, 1).rekeys_child, 6, 12);
	assert_in_range(hand_status(h, 1).rekeys_ike, 4, 8);
	hand_end(h);
}

/* It makes a second IKE SA beside the one that is there: one of them stays. */
static void ignore_viable_parent(void **state)
{
	(void)state;
	for (unsigned liar = 0; liar < 2; liar++) {
		struct hand *h = hand_established(3, NULL);
		struct sim_node *n = hand_node(h, liar);
		v2_sa_init_start(n->ike->all->c);
		hand_now(h, liar);
		assert_int_equal(h->s->n_queue, 1);
		hand_settle(h);
		hand_run(h, 60);
		hand_one(h);
		hand_never_down(h);
		hand_end(h);
	}
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(ddos_cookie_mangled),
		cmocka_unit_test(jacob_two_two),
		cmocka_unit_test(replay_inbound),
		cmocka_unit_test(replay_backward),
		cmocka_unit_test(reflect),
		cmocka_unit_test(corrupt_encrypted),
		cmocka_unit_test(drip_outbound),
		cmocka_unit_test(send_no_ikev2_auth),
		cmocka_unit_test(send_no_delete),
		cmocka_unit_test(ignore_soft_expire),
		cmocka_unit_test(ignore_viable_parent),
	};
	struct CMUnitTest each[sizeof rows / sizeof *rows];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		each[i] = (struct CMUnitTest){rows[i].name, impaired, NULL, NULL, &rows[i]};
	int failed = cmocka_run_group_tests_name("messages", each, NULL, NULL);
	return failed + cmocka_run_group_tests_name("flows", more, NULL, NULL);
}
