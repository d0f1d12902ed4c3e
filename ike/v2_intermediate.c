/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional key exchanges (RFC 9370) in IKE_INTERMEDIATE (RFC 9242), one after the other between
 * IKE_SA_INIT and IKE_AUTH: each makes new keys out of the old ones and its secret, and AUTH covers
 * all of these messages (IntAuth).
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <string.h>

void intermediate_ask(const struct ike_connection *cfg, struct builder *out)
{
	for (unsigned i = 0; i < cfg->n_ike; i++) {
		if (!cfg->ike[i].n_additional)
			continue;
		builder_notify(out, NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED,
			       (struct bytes){NULL, 0});
		return;
	}
}

/* What was chosen needs the peer to know IKE_INTERMEDIATE. 0 or -EPROTO. */
int intermediate_agree(const struct ike_chosen *chosen, const struct ike_message *in,
		       struct fault *f)
{
	if (!chosen->n_additional || ike_message_notify(in, NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED))
		return 0;
	return fault_set(f, -EPROTO,
			 "the peer takes additional key exchanges but does not say "
			 "INTERMEDIATE_EXCHANGE_SUPPORTED, in which they are made");
}

/* What comes next in a handshake. */
enum exchange_id intermediate_next(const struct ike_sa *sa)
{
	return sa->handshake->more.done < sa->chosen.n_additional ? EXCHANGE_INTERMEDIATE
								  : EXCHANGE_AUTH;
}

static enum group_id group_now(const struct ike_sa *sa)
{
	return (enum group_id)sa->chosen.additional[sa->handshake->more.done];
}

/* ---- what AUTH covers (RFC 9242 section 3.3.2) ---- */

/*
 * One message, as if it were neither encrypted nor in fragments: its lengths count header and
 * payloads only. Keys are those that protect it. A failure leaves a value that no AUTH fits.
 */
void intermediate_note(struct ike_sa *sa, const struct ike_header *h, uint8_t first,
		       struct bytes inner)
{
	uint8_t head[IKE_HEADER_BYTES + IKE_PAYLOAD_BYTES];
	bool by_responder = !(h->flags & IKE_FLAG_INITIATOR);
	struct handshake *hs = sa->handshake;
	struct builder b;
	if (!hs || inner.len > LIMIT_MESSAGE)
		return;
	const struct secret *key = by_responder ? &sa->keys.pr : &sa->keys.pi;
	builder_init(&b, head, sizeof head);
	builder_header(&b, h);
	head[16] = PAYLOAD_SK;
	head[17] = h->version ? h->version : IKE_VERSION_2;
	store_be32(head + 24, (uint32_t)(sizeof head + inner.len));
	head[28] = first;
	head[29] = 0;
	store_be16(head + 30, (uint16_t)(IKE_PAYLOAD_BYTES + inner.len));
	uint8_t *value = hs->more.auth[by_responder];
	struct bytes parts[] = {
		{value, hs->more.done ? hs->more.auth_len : 0}, {head, sizeof head}, inner};
	uint8_t made[PRF_MAX];
	size_t len = 0;
	if (keys_prf(sa->chosen.prf, (struct bytes){key->b, key->len}, parts, 3, made, &len))
		memset(made, 0, sizeof made);
	memcpy(value, made, sizeof made);
	hs->more.auth_len = prf_of(sa->chosen.prf)->bytes;
}

/* IntAuth: both values and the message ID of IKE_AUTH; nothing where there was no such exchange. */
struct bytes intermediate_auth(const struct ike_sa *sa, uint8_t out[INTERMEDIATE_AUTH])
{
	const struct handshake *h = sa->handshake;
	size_t n = h->more.auth_len;
	if (!h->more.done)
		return (struct bytes){NULL, 0};
	memcpy(out, h->more.auth[0], n);
	memcpy(out + n, h->more.auth[1], n);
	store_be32(out + 2 * n, 1u + h->more.done);
	return (struct bytes){out, 2 * n + 4};
}

/* ---- keys (RFC 9370 section 2.2.2) ---- */

/* The next keys: of SK_d now and this secret. 0 or -errno. */
static int derive(const struct ike_sa *sa, struct bytes shared, struct ike_keys *out)
{
	const struct handshake *h = sa->handshake;
	memset(out, 0, sizeof *out);
	return keys_ike_rekeyed(out, &sa->chosen, &sa->keys, sa->chosen.prf, shared,
				nonce_bytes(&h->ni), nonce_bytes(&h->nr), (struct bytes){NULL, 0},
				sa->spi_i, sa->spi_r);
}

/* ---- initiator ---- */

int v2_intermediate_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	if (!sa->c || !sa->handshake || intermediate_next(sa) != EXCHANGE_INTERMEDIATE)
		return -ECANCELED;
	dh_free(task->dh);
	task->dh = NULL;
	task->group = (uint8_t)group_now(sa);
	int err = draw_dh(sa->e, group_now(sa), &task->dh);
	if (!err)
		builder_ke(out, group_of(group_now(sa))->number, dh_public(task->dh));
	return err;
}

static int take_answer(const struct ike_sa *sa, const struct task *task, struct bytes ke,
		       struct ike_keys *out)
{
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	int err = dh_shared(task->dh, ke, shared, &len);
	if (!err)
		err = derive(sa, (struct bytes){shared, len}, out);
	wipe(shared, sizeof shared);
	return err;
}

static void failed(struct ike_sa *sa, const struct fault *f)
{
	struct connection *c = sa->c;
	sa_set_state(sa, SA_DEAD, "IKE_INTERMEDIATE failed");
	if (c)
		connection_failed(c, f);
}

void v2_intermediate_finish(struct ike_sa *sa, struct task *task, const struct ike_message *in)
{
	const struct ike_notify *error = ike_message_error(in);
	struct ike_keys keys;
	struct fault f = {0};
	if (!sa->c || !sa->handshake)
		return;
	if (error) {
		diagnose_refusal(sa, error->type, false, &f);
		failed(sa, &f);
		return;
	}
	if (in->ke_group != group_of(task->group)->number || take_answer(sa, task, in->ke, &keys)) {
		fault_set(&f, -EPROTO,
			  "the peer's public value in IKE_INTERMEDIATE is not valid for %s",
			  group_of(task->group)->name);
		failed(sa, &f);
		return;
	}
	keys_wipe(&sa->keys);
	sa->keys = keys;
	keys_wipe(&keys);
	sa->handshake->more.done++;
	task_add(sa, intermediate_next(sa), 0);
}

void v2_intermediate_timeout(struct ike_sa *sa, struct task *task)
{
	struct fault f;
	(void)task;
	diagnose_silence(sa, &f);
	failed(sa, &f);
}

/* ---- responder ---- */

int v2_intermediate_answer(struct ike_sa *sa, const struct ike_message *in, struct builder *out)
{
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	struct dh *dh = NULL;
	if (sa->is_initiator || !sa->handshake || intermediate_next(sa) != EXCHANGE_INTERMEDIATE ||
	    in->ke_group != group_of(group_now(sa))->number)
		return -EPROTO;
	int err = draw_dh_answer(sa->e, group_now(sa), in->ke, &dh, shared, &len);
	if (!err)
		err = derive(sa, (struct bytes){shared, len}, &sa->handshake->more.next);
	wipe(shared, sizeof shared);
	if (!err) {
		builder_ke(out, in->ke_group, dh_public(dh));
		sa->handshake->more.keys_follow = true;
	}
	dh_free(dh);
	return err;
}

/* The answer is protected by the old keys; what comes next by the new ones. A repetition of the
 * request is protected by the old ones, too. */
void intermediate_sealed(struct ike_sa *sa)
{
	struct handshake *h = sa->handshake;
	if (!h || !h->more.keys_follow)
		return;
	h->more.previous = sa->keys;
	sa->keys = h->more.next;
	keys_wipe(&h->more.next);
	h->more.keys_follow = false;
	h->more.done++;
}

const struct ike_keys *intermediate_repeated_keys(const struct ike_sa *sa, uint8_t exchange)
{
	const struct handshake *h = sa->handshake;
	return exchange == IKE_INTERMEDIATE && h && h->more.done ? &h->more.previous : &sa->keys;
}
