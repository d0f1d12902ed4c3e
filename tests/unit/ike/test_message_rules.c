/* SPDX-License-Identifier: Apache-2.0 */
/* The table of rules: for each kind and direction every payload is left out and every other one put
 * in. */
#include "ike/message_rules.h"
#include "tests/unit/ike/hex.h"

#include <errno.h>

#define BIT(type) (1ull << ((type)-32))

struct row {
	enum message_kind kind;
	uint8_t exchange, flags;
	uint8_t needs[6];
	uint8_t may[12];
};

static const struct row rows[] = {
	{MESSAGE_SA_INIT,
	 IKE_SA_INIT,
	 0,
	 {PAYLOAD_SA, PAYLOAD_KE, PAYLOAD_NONCE},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR}},
	{MESSAGE_SA_INIT,
	 IKE_SA_INIT,
	 IKE_FLAG_RESPONSE,
	 {PAYLOAD_SA, PAYLOAD_KE, PAYLOAD_NONCE},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_CERTREQ}},
	{MESSAGE_AUTH,
	 IKE_AUTH,
	 0,
	 {PAYLOAD_IDI},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_IDR, PAYLOAD_AUTH, PAYLOAD_CERT, PAYLOAD_CERTREQ,
	  PAYLOAD_CP, PAYLOAD_EAP}},
	{MESSAGE_AUTH,
	 IKE_AUTH,
	 IKE_FLAG_RESPONSE,
	 {PAYLOAD_IDR, PAYLOAD_AUTH},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_CERT, PAYLOAD_CERTREQ, PAYLOAD_CP, PAYLOAD_EAP}},
	{MESSAGE_CHILD,
	 IKE_CREATE_CHILD_SA,
	 0,
	 {PAYLOAD_SA, PAYLOAD_NONCE, PAYLOAD_TSI, PAYLOAD_TSR},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_KE, PAYLOAD_CP}},
	{MESSAGE_CHILD,
	 IKE_CREATE_CHILD_SA,
	 IKE_FLAG_RESPONSE,
	 {PAYLOAD_SA, PAYLOAD_NONCE, PAYLOAD_TSI, PAYLOAD_TSR},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_KE, PAYLOAD_CP}},
	{MESSAGE_REKEY_IKE,
	 IKE_CREATE_CHILD_SA,
	 0,
	 {PAYLOAD_SA, PAYLOAD_NONCE, PAYLOAD_KE},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR}},
	{MESSAGE_REKEY_IKE,
	 IKE_CREATE_CHILD_SA,
	 IKE_FLAG_RESPONSE,
	 {PAYLOAD_SA, PAYLOAD_NONCE, PAYLOAD_KE},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR}},
	{MESSAGE_INFORMATIONAL,
	 IKE_INFORMATIONAL,
	 0,
	 {0},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_DELETE, PAYLOAD_CP}},
	{MESSAGE_INFORMATIONAL,
	 IKE_INFORMATIONAL,
	 IKE_FLAG_RESPONSE,
	 {0},
	 {PAYLOAD_NOTIFY, PAYLOAD_VENDOR, PAYLOAD_DELETE, PAYLOAD_CP}},
};
#define ROWS (sizeof rows / sizeof *rows)

static struct ike_message least(const struct row *r)
{
	struct ike_message m = {.h = {.exchange = r->exchange, .flags = r->flags}};
	m.sk_offset = r->kind == MESSAGE_SA_INIT ? 0 : IKE_HEADER_BYTES;
	for (unsigned i = 0; r->needs[i]; i++)
		m.present |= BIT(r->needs[i]);
	return m;
}

static bool in(const uint8_t *list, uint8_t type)
{
	for (; *list; list++)
		if (*list == type)
			return true;
	return false;
}

static void every_payload_left_out(void **state)
{
	(void)state;
	for (unsigned r = 0; r < ROWS; r++) {
		struct ike_message m = least(&rows[r]);
		struct fault f = {0};
		assert_int_equal(message_check(rows[r].kind, &m, &f), 0);
		for (unsigned i = 0; rows[r].needs[i]; i++) {
			m.present &= ~BIT(rows[r].needs[i]);
			assert_int_equal(message_check(rows[r].kind, &m, &f), -EPROTO);
			assert_non_null(strstr(f.text, "must have"));
			m.present |= BIT(rows[r].needs[i]);
		}
	}
}

static void every_other_payload_put_in(void **state)
{
	(void)state;
	for (unsigned r = 0; r < ROWS; r++) {
		for (uint8_t type = PAYLOAD_SA; type <= PAYLOAD_EAP; type++) {
			struct ike_message m = least(&rows[r]);
			struct fault f = {0};
			bool child =
				type == PAYLOAD_SA || type == PAYLOAD_TSI || type == PAYLOAD_TSR;
			if (type == PAYLOAD_SK || (rows[r].kind == MESSAGE_AUTH && child))
				continue;
			m.present |= BIT(type);
			bool fits = in(rows[r].needs, type) || in(rows[r].may, type);
			assert_int_equal(message_check(rows[r].kind, &m, &f), fits ? 0 : -EPROTO);
		}
	}
}

static void first_child_comes_whole_or_not_at_all(void **state)
{
	(void)state;
	for (unsigned r = 2; r < 4; r++) {
		for (unsigned set = 0; set < 8; set++) {
			struct ike_message m = least(&rows[r]);
			struct fault f = {0};
			m.present |= (set & 1 ? BIT(PAYLOAD_SA) : 0) |
				     (set & 2 ? BIT(PAYLOAD_TSI) : 0) |
				     (set & 4 ? BIT(PAYLOAD_TSR) : 0);
			assert_int_equal(message_check(MESSAGE_AUTH, &m, &f),
					 set == 0 || set == 7 ? 0 : -EPROTO);
		}
	}
}

/* SECURITY A5: nothing but IKE_SA_INIT is taken unprotected, and that only in the clear. */
static void protection_must_fit_the_exchange(void **state)
{
	(void)state;
	for (unsigned r = 0; r < ROWS; r++) {
		struct ike_message m = least(&rows[r]);
		struct fault f = {0};
		m.sk_offset = m.sk_offset ? 0 : IKE_HEADER_BYTES;
		assert_int_equal(message_check(rows[r].kind, &m, &f), -EPROTO);
		assert_non_null(strstr(f.text, "protected"));
	}
}

static void refusals_need_nothing_else(void **state)
{
	(void)state;
	for (unsigned r = 0; r < ROWS; r++) {
		struct ike_message m = least(&rows[r]);
		struct fault f = {0};
		bool has_needs = m.present != 0, response = rows[r].flags & IKE_FLAG_RESPONSE;
		m.present = BIT(PAYLOAD_NOTIFY);
		m.n_notifies = 1;
		m.notify[0].type = NOTIFY_NO_PROPOSAL_CHOSEN;
		int want = response || !has_needs ? 0 : -EPROTO;
		assert_int_equal(message_check(rows[r].kind, &m, &f), want);
		m.notify[0].type = NOTIFY_COOKIE;
		want = (response && rows[r].kind == MESSAGE_SA_INIT) || !has_needs ? 0 : -EPROTO;
		assert_int_equal(message_check(rows[r].kind, &m, &f), want);
	}
}

static void kinds_of_messages(void **state)
{
	struct ike_message m = {.h.exchange = IKE_CREATE_CHILD_SA};
	struct fault f = {0};
	(void)state;
	assert_int_equal(message_kind(&m), MESSAGE_REKEY_IKE);
	m.present = BIT(PAYLOAD_TSI);
	assert_int_equal(message_kind(&m), MESSAGE_CHILD);
	m.present = 0;
	m.n_notifies = 1;
	m.notify[0].type = NOTIFY_REKEY_SA;
	assert_int_equal(message_kind(&m), MESSAGE_CHILD);
	for (unsigned type = 0; type < 256; type++) {
		m.h.exchange = (uint8_t)type;
		bool ours = (type >= IKE_SA_INIT && type <= IKE_INFORMATIONAL) ||
			    type == IKE_INTERMEDIATE || type == IKE_FOLLOWUP_KE;
		assert_true((message_kind(&m) != MESSAGE_KINDS) == ours);
	}
	assert_int_equal(message_check(MESSAGE_KINDS, &m, &f), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_payload_left_out),
		cmocka_unit_test(every_other_payload_put_in),
		cmocka_unit_test(first_child_comes_whole_or_not_at_all),
		cmocka_unit_test(protection_must_fit_the_exchange),
		cmocka_unit_test(refusals_need_nothing_else),
		cmocka_unit_test(kinds_of_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
