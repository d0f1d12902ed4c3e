/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quick mode (RFC 2409 section 5.5), both sides: one IPsec SA for one pair of selectors, with PFS
 * or without. Three messages: the responder works inbound from the second on, and sends after the
 * third; the initiator sends at once where there is nothing to lose, and where an older SA carries
 * the traffic after the peer used the new one, or LIMIT_V1_USE_NS later (there are peers that
 * install only when they have the third message).
 */
#include "ike/v1_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- quick modes of an SA ---- */

static void quick_free(struct v1_quick *q)
{
	dh_free(q->dh);
	v1_drop(&q->out);
	wipe(q, sizeof *q);
	free(q);
}

void v1_quicks_free(struct v1 *v)
{
	while (v->quicks) {
		struct v1_quick *q = v->quicks;
		v->quicks = q->next;
		quick_free(q);
	}
	v->n_quicks = 0;
}

static void quick_forget(struct ike_sa *sa, struct v1_quick *q)
{
	struct v1_quick **at = &sa->v1->quicks;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	sa->v1->n_quicks--;
	v1_remember(sa->v1, q->id);
	quick_free(q);
	sa_touch(sa);
}

/* Room for one more: the oldest that is over goes. NULL: too many under way. */
static struct v1_quick *quick_new(struct ike_sa *sa, uint32_t id, bool is_ours)
{
	struct v1 *v = sa->v1;
	struct v1_quick *oldest = NULL;
	for (struct v1_quick *q = v->quicks; q; q = q->next)
		if (!q->expects)
			oldest = q; /* the newest stands first */
	if (v->n_quicks >= LIMIT_V1_QUICKS && !oldest)
		return NULL;
	if (v->n_quicks >= LIMIT_V1_QUICKS)
		quick_forget(sa, oldest);
	struct v1_quick *q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	q->id = id;
	q->is_ours = is_ours;
	q->began_ns = sa->e->now_ns;
	q->next = v->quicks;
	v->quicks = q;
	v->n_quicks++;
	return q;
}

static struct v1_quick *quick_by_id(const struct ike_sa *sa, uint32_t id)
{
	struct v1_quick *q = sa->v1->quicks;
	while (q && q->id != id)
		q = q->next;
	return q;
}

bool v1_quick_in_flight(const struct ike_sa *sa)
{
	for (const struct v1_quick *q = sa->v1->quicks; q; q = q->next)
		if (q->is_ours && q->expects)
			return true;
	return false;
}

static void send_counted(struct ike_sa *sa, struct v1_quick *q)
{
	if (!q->sent)
		q->first_sent_ns = sa->e->now_ns;
	q->resend_at_ns = sa->e->now_ns + timers_resend_after(sa->e, q->sent);
	q->sent++;
	v1_transmit(sa, q->out);
}

static void quick_over(struct ike_sa *sa, struct v1_quick *q)
{
	q->expects = 0;
	/* who said the last word says it again when asked again; the other one is silent, or both
	 * would answer each other for ever */
	if (!q->is_ours)
		v1_drop(&q->out);
	q->forget_at_ns = sa->e->now_ns + LIMIT_V1_LINGER_NS;
	dh_free(q->dh);
	q->dh = NULL;
	sa_touch(sa);
}

/* ---- pairs of selectors ---- */

static unsigned pairs_of(const struct ike_connection *cfg)
{
	return (unsigned)cfg->n_local_ts * cfg->n_remote_ts;
}

/* False where the families differ. */
static bool pair_at(const struct ike_connection *cfg, unsigned i, struct traffic_selector *local,
		    struct traffic_selector *remote)
{
	*local = cfg->local_ts[i / cfg->n_remote_ts];
	*remote = cfg->remote_ts[i % cfg->n_remote_ts];
	return local->range.first.family == remote->range.first.family;
}

static bool of_pair(const struct child *child, const struct traffic_selector *local,
		    const struct traffic_selector *remote)
{
	return child->plain.n_local_ts == 1 && child->plain.n_remote_ts == 1 &&
	       selectors_within(child->plain.local_ts, 1, local, 1) &&
	       selectors_within(child->plain.remote_ts, 1, remote, 1);
}

static bool is_same_pair(const struct child *a, const struct child *b)
{
	return of_pair(a, b->plain.local_ts, b->plain.remote_ts) &&
	       of_pair(b, a->plain.local_ts, a->plain.remote_ts);
}

static bool lives(const struct child *child)
{
	return child->sa && !child->replaced_by &&
	       (child->state == CHILD_STANDBY || child->state == CHILD_IN_USE);
}

/* The first pair without a child that the peer did not refuse; false when there is none. */
static bool missing_pair(const struct ike_sa *sa, unsigned *index, struct traffic_selector *local,
			 struct traffic_selector *remote)
{
	const struct connection *c = sa->c;
	for (unsigned i = 0; i < pairs_of(&c->cfg); i++) {
		bool found = false;
		if (!pair_at(&c->cfg, i, local, remote) || sa->v1->refused[i / 8] >> i % 8 & 1)
			continue;
		for (const struct child *child = c->children; child && !found; child = child->next)
			found = lives(child) && of_pair(child, local, remote);
		if (found)
			continue;
		*index = i;
		return true;
	}
	return false;
}

bool v1_wants_child(const struct ike_sa *sa)
{
	struct traffic_selector local, remote;
	unsigned index;
	return sa->c && missing_pair(sa, &index, &local, &remote);
}

void v1_fill(struct ike_sa *sa)
{
	if (sa->c && sa->state == SA_ESTABLISHED && sa->c->wanted &&
	    sa->c->cfg.start != IKE_START_RESPOND && v1_wants_child(sa))
		task_add(sa, EXCHANGE_NEW_CHILD, 0);
}

/* ---- how children follow each other ---- */

static uint32_t lower_spi(const struct child *child)
{
	const struct child_sa *p = &child->plain;
	return p->spi_in < p->spi_out ? p->spi_in : p->spi_out;
}

/* Of two children of one pair both ends rekey the same one: that with the higher numbers. */
static bool rival_wins(const struct child *old)
{
	for (const struct child *child = old->c->children; child; child = child->next)
		if (child != old && lives(child) && !child->unconfirmed &&
		    is_same_pair(child, old) && lower_spi(child) > lower_spi(old))
			return true;
	return false;
}

/*
 * Both ends made one for the same pair at once. Both see the same numbers, so that both move to the
 * one that stays before the other's initiator deletes it.
 */
static void settle_pair(struct child *made)
{
	struct connection *c = made->c;
	for (struct child *other = c->children; other; other = other->next) {
		if (other == made || !lives(other) || !other->used || other->unconfirmed ||
		    !is_same_pair(other, made))
			continue;
		bool stays = lower_spi(made) > lower_spi(other);
		struct child *goes = stays ? other : made;
		struct child *winner = stays ? made : other;
		c->e->counters[IKE_COUNT_COLLISIONS]++;
		child_use(winner);
		goes->replaced_by = winner->plain.spi_in;
		goes->rekey_at_ns = INSTANT_NEVER;
		goes->expire_at_ns = instant_earlier(goes->expire_at_ns,
						     c->e->now_ns + 2 * LIMIT_V1_REPLACED_NS);
		if (goes->is_ours)
			v1_again(goes->sa, EXCHANGE_DELETE_CHILD, goes->plain.spi_in,
				 c->e->now_ns + LIMIT_V1_REDUNDANT_NS);
		timers_arm_connection(c);
		return;
	}
}

/* The new one carries the traffic: what it replaces goes, and the peer is told. */
void v1_child_used(struct child *made)
{
	struct child *old = made->replaces ? child_by_spi(made->c->e, made->replaces) : NULL;
	struct fault f = {0};
	made->unconfirmed = false;
	if (old && old->sa && made->is_ours)
		v1_again(old->sa, EXCHANGE_DELETE_CHILD, old->plain.spi_in,
			 made->c->e->now_ns + LIMIT_V1_OLD_NS);
	if (made->used && lives(made))
		settle_pair(made);
	connection_settle(made->c, &f);
}

static bool has_sibling_in_use(const struct child *made)
{
	for (const struct child *child = made->c->children; child; child = child->next)
		if (child != made && child->used && child->sa && is_same_pair(child, made))
			return true;
	return false;
}

/*
 * The peer's quick mode is complete: older children of the same pair are past. Those that came
 * into being while it was under way are the other half of a collision (settle_pair).
 */
static void supersede(struct child *made, uint64_t began_ns)
{
	struct connection *c = made->c;
	for (struct child *old = c->children; old; old = old->next) {
		if (old == made || !lives(old) || old->unconfirmed || !is_same_pair(old, made) ||
		    old->installed_ns >= began_ns)
			continue;
		old->replaced_by = made->plain.spi_in;
		old->rekey_at_ns = INSTANT_NEVER;
		old->expire_at_ns =
			instant_earlier(old->expire_at_ns, c->e->now_ns + LIMIT_V1_REPLACED_NS);
		if (made->replaces)
			continue;
		made->replaces = old->plain.spi_in;
		c->rekeys_child++;
		c->e->counters[IKE_COUNT_REKEYS_CHILD]++;
		connection_event(c, "child SA rekeyed by the peer: %08x replaces %08x",
				 made->plain.spi_in, old->plain.spi_in);
	}
	timers_arm_connection(c);
}

/* It was taken for past by us alone: it is what the peer goes on with. */
static bool revive(struct child *child)
{
	if (!child->sa || (child->state != CHILD_STANDBY && child->state != CHILD_IN_USE))
		return false;
	child->replaced_by = 0;
	tasks_forget_child(child->sa, child->plain.spi_in);
	timers_child_life(child, child->c->cfg.child_lifetime_ns);
	child_use(child);
	return true;
}

/* Another of the pair carries traffic, and what replaces it is about to take over. With several
 * pairs only one child of the connection is CHILD_IN_USE, whichever was used last. */
static bool is_handing_over(const struct child *old)
{
	for (const struct child *child = old->c->children; child; child = child->next) {
		const struct child *next =
			child->replaced_by ? child_by_spi(old->c->e, child->replaced_by) : NULL;
		if (child != old && child->sa && child->used &&
		    (child->state == CHILD_STANDBY || child->state == CHILD_IN_USE) &&
		    is_same_pair(child, old) && next && next != old && lives(next))
			return true;
	}
	return false;
}

/*
 * The peer gives this one up, and it is the last of its pair that carries traffic: one that lost
 * against it here alone comes back, or a fresh one that waits for its third message is there at the
 * peer's side, or it would not. Neither where another one hands over already: what comes back then
 * is long past at the peer, and would win against what takes over as if both had just been made.
 */
void v1_child_succeeds(struct child *old)
{
	for (const struct child *child = old->c->children; child; child = child->next)
		if (child != old && lives(child) && child->used && is_same_pair(child, old))
			return;
	if (is_handing_over(old))
		return;
	for (struct child *child = old->c->children; child; child = child->next)
		if (child->replaced_by == old->plain.spi_in && is_same_pair(child, old) &&
		    revive(child))
			return;
	for (struct child *child = old->c->children; child; child = child->next) {
		if (child == old || !lives(child) || child->used || !is_same_pair(child, old))
			continue;
		child->unconfirmed = false;
		child->use_at_ns = INSTANT_NEVER;
		child_use(child);
		return;
	}
}

/* ---- what both sides do ---- */

static struct v1_offer offer_of(const struct ike_sa *sa, uint32_t spi)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	return (struct v1_offer){
		.ours = cfg->child,
		.n = cfg->n_child,
		.seconds = cfg->child_lifetime_ns / NS_PER_S,
		.kilobytes = cfg->child_lifetime_bytes / 1024,
		.mode = v1_mode_of(sa),
		.spi = spi,
		.group = cfg->child[0].n_group ? cfg->child[0].group[0] : DH_NONE,
	};
}

static void write_ids(struct builder *b, const struct traffic_selector *initiator,
		      const struct traffic_selector *responder)
{
	uint8_t body[V1_SELECTOR_MAX];
	size_t n = v1_selector_write(body, initiator);
	v1_raw(b, V1_ID, (struct bytes){body, n});
	n = v1_selector_write(body, responder);
	v1_raw(b, V1_ID, (struct bytes){body, n});
}

static int seal_and_send(struct ike_sa *sa, struct v1_quick *q, struct bytes before,
			 const struct builder *rest)
{
	uint8_t inner[LIMIT_MESSAGE], out[LIMIT_MESSAGE];
	struct builder b;
	size_t len = 0;
	builder_init(&b, inner, sizeof inner - 128);
	int err = v1_add_hash(sa, q->id, before, rest, &b);
	if (!err)
		err = v1_seal(sa, V1_QUICK, q->id, q->iv, &b, out, &len);
	if (!err && !v1_keep(&q->out, (struct bytes){out, len}))
		err = -ENOMEM;
	wipe(inner, sizeof inner);
	if (err)
		return err;
	q->sent = 0;
	send_counted(sa, q);
	return 0;
}

struct terms {
	struct v1_agreed agreed;
	struct bytes shared;
	uint32_t spi_in;
	bool is_ours;
};

static void limit_life(const struct ike_connection *cfg, const struct v1_life *life,
		       struct child_sa *plain, uint64_t *life_ns)
{
	*life_ns = cfg->child_lifetime_ns;
	if (life->seconds && life->seconds < UINT32_MAX &&
	    (!*life_ns || life->seconds * NS_PER_S < *life_ns))
		*life_ns = life->seconds * NS_PER_S;
	if (life->kilobytes && life->kilobytes < UINT64_MAX / 1024)
		plain->hard_bytes = life->kilobytes * 1024;
}

/* The child of what was agreed on, inbound installed. 0 or -errno. */
static int make_child(struct ike_sa *sa, const struct v1_quick *q, const struct terms *t,
		      struct child **out)
{
	const struct ike_chosen *chosen = &t->agreed.chosen;
	struct child_sa plain = {.spi_in = t->spi_in,
				 .spi_out = (uint32_t)chosen->spi,
				 .encryption = chosen->encryption,
				 .integrity = chosen->integrity,
				 .n_local_ts = 1,
				 .n_remote_ts = 1};
	uint64_t life_ns;
	plain.local_ts[0] = q->local;
	plain.remote_ts[0] = q->remote;
	limit_life(&sa->c->cfg, &t->agreed.life, &plain, &life_ns);
	struct bytes ni = nonce_bytes(&q->ni), nr = nonce_bytes(&q->nr);
	const struct v1_keys *k = &sa->v1->keys;
	int err = v1_keys_child(&plain.key_in, chosen, k, sa->chosen.prf, plain.spi_in, t->shared,
				ni, nr);
	if (!err)
		err = v1_keys_child(&plain.key_out, chosen, k, sa->chosen.prf, plain.spi_out,
				    t->shared, ni, nr);
	struct ike_sa *leading = v1_leading(sa->c);
	if (!err)
		err = child_new(out, leading ? leading : sa, &plain);
	wipe(&plain, sizeof plain);
	if (err)
		return err;
	(*out)->is_ours = t->is_ours;
	(*out)->group = chosen->group;
	timers_child_life(*out, life_ns);
	(*out)->sa->give_up_at_ns =
		(*out)->sa->state == SA_ESTABLISHED ? INSTANT_NEVER : (*out)->sa->give_up_at_ns;
	return 0;
}

/* The ID payloads that must be there as a pair, or not at all. 0, -ENOENT without them, -EPROTO. */
static int read_ids(const struct v1_message *m, struct traffic_selector *initiator,
		    struct traffic_selector *responder)
{
	unsigned n = v1_count(m, V1_ID);
	if (!n)
		return -ENOENT;
	if (n != 2 || v1_selector_parse(initiator, v1_find(m, V1_ID, 0)->body) ||
	    v1_selector_parse(responder, v1_find(m, V1_ID, 1)->body))
		return -EPROTO;
	return 0;
}

static bool well_formed(const struct v1_message *m, struct fault *f)
{
	struct bytes nonce = v1_body(m, V1_NONCE);
	if (v1_count(m, V1_SA) == 1 && v1_count(m, V1_NONCE) == 1 && v1_count(m, V1_KE) <= 1 &&
	    nonce.len >= 8 && nonce.len <= LIMIT_NONCE)
		return true;
	fault_set(f, -EPROTO, "expected one SA and one NONCE of 8 to 256 bytes, came %u and %u",
		  v1_count(m, V1_SA), v1_count(m, V1_NONCE));
	return false;
}

static void take_nonce(struct nonce *n, const struct v1_message *m)
{
	struct bytes b = v1_body(m, V1_NONCE);
	n->len = (uint16_t)b.len;
	memcpy(n->b, b.at, b.len);
}

static void say_selectors(const struct connection *c, const struct traffic_selector *local,
			  const struct traffic_selector *remote, const char *verb, struct fault *f)
{
	char ours_l[70], ours_r[70], theirs_l[70], theirs_r[70];
	selectors_format(c->cfg.local_ts, c->cfg.n_local_ts, ours_l, sizeof ours_l);
	selectors_format(c->cfg.remote_ts, c->cfg.n_remote_ts, ours_r, sizeof ours_r);
	selectors_format(local, 1, theirs_l, sizeof theirs_l);
	selectors_format(remote, 1, theirs_r, sizeof theirs_r);
	fault_set(f, -EINVAL,
		  "traffic selectors do not fit: we have %s to %s, the peer %s %s to %s", ours_l,
		  ours_r, verb, theirs_l, theirs_r);
	fault_advise(f,
		     "make the address spaces of both ends mirror each other; in IKEv1 a pair of "
		     "selectors is taken as it is or refused");
}

/* ---- initiator ---- */

/* Which pair, and in place of which child. 0, -ECANCELED, -EBUSY. */
static int choose_pair(struct ike_sa *sa, struct task *task, struct v1_quick *q)
{
	unsigned index;
	if (!sa->c)
		return -ECANCELED;
	if (task->row->id == EXCHANGE_NEW_CHILD)
		return missing_pair(sa, &index, &q->local, &q->remote) ? 0 : -ECANCELED;
	struct child *old = child_by_spi(sa->e, task->spi_in);
	if (!old || old->c != sa->c || !lives(old) || rival_wins(old))
		return -ECANCELED;
	for (struct child *child = sa->c->children; child; child = child->next) {
		if (!child->unconfirmed || !lives(child) || !is_same_pair(child, old))
			continue;
		/* the peer does it just now; should that fail, we look again */
		task->not_before_ns = sa->e->now_ns + LIMIT_V1_LINGER_NS;
		return -EBUSY;
	}
	q->local = old->plain.local_ts[0];
	q->remote = old->plain.remote_ts[0];
	q->replaces = old->plain.spi_in;
	return 0;
}

static int write_first(struct ike_sa *sa, struct v1_quick *q)
{
	uint8_t room[LIMIT_MESSAGE];
	struct builder rest;
	struct v1_offer o = offer_of(sa, q->spi_in);
	q->group = (uint8_t)o.group;
	if (o.group != DH_NONE) {
		int err = draw_dh(sa->e, o.group, &q->dh);
		if (err)
			return err;
	}
	nonce_draw(sa->e, &q->ni);
	builder_init(&rest, room, sizeof room - 256);
	v1_offer_esp(&rest, &o);
	v1_raw(&rest, V1_NONCE, nonce_bytes(&q->ni));
	if (q->dh)
		v1_raw(&rest, V1_KE, dh_public(q->dh));
	write_ids(&rest, &q->local, &q->remote);
	int err = v1_phase2_iv(q->iv, &sa->chosen, sa->v1->iv, q->id);
	return err ? err : seal_and_send(sa, q, (struct bytes){NULL, 0}, &rest);
}

int v1_quick_begin(struct ike_sa *sa, struct task *task)
{
	struct v1_quick wish = {0};
	int err = choose_pair(sa, task, &wish);
	if (err)
		return err;
	struct v1_quick *q = quick_new(sa, v1_new_id(sa), true);
	if (!q)
		return -ENOMEM;
	q->local = wish.local;
	q->remote = wish.remote;
	q->replaces = wish.replaces;
	q->spi_in = child_new_spi(sa->e);
	q->expects = 2;
	err = write_first(sa, q);
	if (err)
		quick_forget(sa, q);
	return err;
}

static void mark_refused(struct ike_sa *sa, const struct v1_quick *q)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	for (unsigned i = 0; i < pairs_of(cfg); i++) {
		struct traffic_selector local, remote;
		if (pair_at(cfg, i, &local, &remote) && selectors_within(&local, 1, &q->local, 1) &&
		    selectors_within(&remote, 1, &q->remote, 1))
			sa->v1->refused[i / 8] |= (uint8_t)(1u << i % 8);
	}
	sa->v1->retry_ns = sa->e->now_ns + LIMIT_V1_REFUSED_NS;
}

/* Our quick mode came to nothing. Without any child the SA is of no use either. */
static void initiator_failed(struct ike_sa *sa, struct v1_quick *q, const struct fault *why)
{
	struct connection *c = sa->c;
	uint32_t replaces = q->replaces;
	struct fault f = *why;
	if (c && !replaces)
		mark_refused(sa, q);
	quick_forget(sa, q);
	if (!c)
		return;
	if (!c->is_up && !connection_usable_child(c) && !v1_wants_child(sa)) {
		sa_delete(sa, f.text);
		connection_failed(c, &f);
		return;
	}
	if (!c->is_up)
		connection_blame(c, &f);
	connection_event(c, "%.150s", f.text);
	if (replaces)
		v1_again(sa, EXCHANGE_REKEY_CHILD, replaces, sa->e->now_ns + LIMIT_V1_REFUSED_NS);
	v1_fill(sa);
}

static struct v1_quick *ours_in_flight(struct ike_sa *sa)
{
	for (struct v1_quick *q = sa->v1->quicks; q; q = q->next)
		if (q->is_ours && q->expects)
			return q;
	return NULL;
}

/* A protected error notify: of our quick mode, since only one is under way. */
void v1_quick_refused(struct ike_sa *sa, uint16_t notify)
{
	struct v1_quick *q = ours_in_flight(sa);
	struct fault f;
	char name[32], ours[PROPOSAL_TEXT], local[100], remote[100];
	v1_notify_name(notify, name);
	if (!q || !sa->c) {
		log_info(LOG_IKE, "ike-notify connection=%s: the peer says %s",
			 sa->c ? sa->c->name : "-", v1_notify_name(notify, name));
		return;
	}
	const struct ike_connection *cfg = &sa->c->cfg;
	selectors_format(&q->local, 1, local, sizeof local);
	selectors_format(&q->remote, 1, remote, sizeof remote);
	fault_set(&f, -EPROTO, "the peer answered %s to quick mode for %s to %s",
		  v1_notify_name(notify, name), local, remote);
	if (notify == V1_NOTIFY_NO_PROPOSAL_CHOSEN)
		fault_advise(&f,
			     "it accepts none of our %u child proposals, first %s: compare "
			     "encryption, integrity and PFS group of both ends",
			     cfg->n_child, proposal_format(&cfg->child[0], ours));
	else if (notify == V1_NOTIFY_INVALID_ID)
		fault_advise(&f, "make the address spaces of both ends mirror each other exactly");
	initiator_failed(sa, q, &f);
}

/* What the answer says. 0 or -errno with the reason. */
static int take_answer(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m,
		       struct child **made, struct fault *f)
{
	struct v1_offer o = offer_of(sa, q->spi_in);
	struct terms t = {.spi_in = q->spi_in, .is_ours = true};
	struct traffic_selector i, r;
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	if (!well_formed(m, f))
		return f->code;
	int err = v1_accept_esp(v1_body(m, V1_SA), &o, &t.agreed, f);
	if (err)
		return err;
	err = read_ids(m, &i, &r);
	if (err == -EPROTO)
		return fault_set(f, err, "the peer's selectors are not readable");
	if (!err &&
	    (!selectors_within(&i, 1, &q->local, 1) || !selectors_within(&r, 1, &q->remote, 1) ||
	     !selectors_within(&q->local, 1, &i, 1) || !selectors_within(&q->remote, 1, &r, 1))) {
		say_selectors(sa->c, &i, &r, "answers with", f);
		return f->code;
	}
	if (q->dh && dh_shared(q->dh, v1_body(m, V1_KE), shared, &len))
		return fault_set(f, -EPROTO, "the peer's public value is not valid for %s",
				 group_of(q->group)->name);
	take_nonce(&q->nr, m);
	t.shared = (struct bytes){shared, len};
	err = make_child(sa, q, &t, made);
	wipe(shared, sizeof shared);
	return err ? fault_set(f, err, "the child SA can't be made") : 0;
}

static int write_third(struct ike_sa *sa, struct v1_quick *q)
{
	uint8_t hash[PRF_MAX], number[4], inner[PRF_MAX + 16], out[LIMIT_MESSAGE];
	static const uint8_t zero;
	size_t len = 0;
	struct builder b;
	store_be32(number, q->id);
	struct bytes parts[] = {{&zero, 1}, {number, 4}, nonce_bytes(&q->ni), nonce_bytes(&q->nr)};
	int err = v1_hash_phase2(&sa->v1->keys, sa->chosen.prf, parts, 4, hash, &len);
	if (err)
		return err;
	builder_init(&b, inner, sizeof inner);
	v1_raw(&b, V1_HASH, (struct bytes){hash, len});
	err = v1_seal(sa, V1_QUICK, q->id, q->iv, &b, out, &len);
	if (!err && !v1_keep(&q->out, (struct bytes){out, len}))
		err = -ENOMEM;
	if (!err)
		v1_transmit(sa, q->out);
	return err;
}

static void note_rekeyed(struct child *made, uint32_t old)
{
	struct connection *c = made->c;
	c->rekeys_child++;
	c->e->counters[IKE_COUNT_REKEYS_CHILD]++;
	connection_event(c, "child SA rekeyed by us: %08x replaces %08x", made->plain.spi_in, old);
}

/* The RESPONDER-LIFETIME that came with the second message. */
static void take_notifies(struct ike_sa *sa, const struct v1_quick *q, const struct v1_message *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct v1_notify n;
		struct v1_life life;
		struct child *child = child_by_spi(sa->e, q->spi_in);
		if (m->at[i].type == V1_NOTIFY && !v1_notify_parse(&n, m->at[i].body) &&
		    n.type == V1_NOTIFY_RESPONDER_LIFETIME && child &&
		    !v1_life_parse(&life, n.body))
			v1_quick_life(sa, child->plain.spi_out, &life);
	}
}

static void take_second(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m)
{
	struct child *made = NULL, *old;
	struct fault f = {0};
	if (!sa->c)
		return;
	if (take_answer(sa, q, m, &made, &f) || !made) {
		/* the peer may have installed what we can't: it is told that this one is not */
		fault_prefix(&f, "quick mode, the peer's answer");
		task_add(sa, EXCHANGE_DELETE_CHILD, q->spi_in);
		initiator_failed(sa, q, &f);
		return;
	}
	if (write_third(sa, q)) {
		child_remove(made);
		return;
	}
	old = q->replaces ? child_by_spi(sa->e, q->replaces) : NULL;
	if (old && old->c == sa->c) {
		made->replaces = old->plain.spi_in;
		old->replaced_by = made->plain.spi_in;
		old->rekey_at_ns = INSTANT_NEVER;
	}
	if (q->replaces)
		note_rekeyed(made, q->replaces);
	take_notifies(sa, q, m);
	quick_over(sa, q);
	if (has_sibling_in_use(made)) {
		made->use_at_ns = sa->e->now_ns + LIMIT_V1_USE_NS;
		timers_arm_connection(sa->c);
	} else {
		child_use(made);
		v1_child_used(made);
	}
	v1_fill(sa);
}

/* ---- responder ---- */

/* Selectors as they are wished for; without any, the two hosts (RFC 2409 section 5.5). */
static int take_selectors(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m,
			  struct fault *f)
{
	const struct ike_connection *cfg = &sa->c->cfg;
	int err = read_ids(m, &q->remote, &q->local);
	if (err == -ENOENT) {
		q->local = (struct traffic_selector){.port_last = UINT16_MAX,
						     .range = {sa->local.addr, sa->local.addr}};
		q->remote = (struct traffic_selector){.port_last = UINT16_MAX,
						      .range = {sa->remote.addr, sa->remote.addr}};
		err = 0;
	}
	if (err)
		return fault_set(f, err, "the peer's selectors are not readable");
	if (selectors_within(&q->local, 1, cfg->local_ts, cfg->n_local_ts) &&
	    selectors_within(&q->remote, 1, cfg->remote_ts, cfg->n_remote_ts))
		return 0;
	sa->e->counters[IKE_COUNT_TS_UNACCEPTABLE]++;
	say_selectors(sa->c, &q->local, &q->remote, "wants", f);
	return -EINVAL;
}

/* Our lifetime where the peer proposed a longer one (RFC 2407 section 4.6.3.1). */
static void add_lifetime(const struct v1_offer *o, const struct v1_agreed *a, uint32_t spi,
			 struct builder *rest)
{
	uint8_t body[24], four[4];
	struct writer w;
	writer_init(&w, body, sizeof body);
	if (o->seconds && a->life.seconds > o->seconds) {
		v1_attribute_put(&w, 1, 1);
		v1_attribute_put(&w, 2, (uint32_t)o->seconds);
	}
	if (o->kilobytes && o->kilobytes < UINT32_MAX && a->life.kilobytes > o->kilobytes) {
		v1_attribute_put(&w, 1, 2);
		v1_attribute_put(&w, 2, (uint32_t)o->kilobytes);
	}
	store_be32(four, spi);
	if (writer_ok(&w) && writer_len(&w))
		v1_notify(rest, PROTOCOL_ESP, (struct bytes){four, 4}, V1_NOTIFY_RESPONDER_LIFETIME,
			  (struct bytes){body, writer_len(&w)});
}

/* Everything up to the answer. 0, or -errno: the notify to send, and why. */
static int agree(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m, struct terms *t,
		 uint16_t *notify, struct fault *f)
{
	struct v1_offer o = offer_of(sa, 0);
	*notify = V1_NOTIFY_PAYLOAD_MALFORMED;
	if (!well_formed(m, f))
		return f->code;
	int err = v1_choose_esp(v1_body(m, V1_SA), &o, &t->agreed, f);
	if (err) {
		*notify = v1_sa_notify(err);
		sa->e->counters[err == -ENOENT ? IKE_COUNT_NO_PROPOSAL : IKE_COUNT_MALFORMED]++;
		return err;
	}
	*notify = V1_NOTIFY_INVALID_ID;
	err = take_selectors(sa, q, m, f);
	if (err)
		return err;
	*notify = V1_NOTIFY_INVALID_KEY;
	q->group = t->agreed.chosen.group;
	if ((q->group != DH_NONE) != (v1_count(m, V1_KE) == 1))
		return fault_set(f, -EPROTO, "a PFS group without a key exchange, or the reverse");
	return 0;
}

static int write_second(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m,
			const struct terms *t)
{
	uint8_t room[LIMIT_MESSAGE];
	struct v1_offer o = offer_of(sa, 0);
	struct builder rest;
	builder_init(&rest, room, sizeof room - 256);
	v1_answer_esp(&rest, &t->agreed, t->spi_in);
	v1_raw(&rest, V1_NONCE, nonce_bytes(&q->nr));
	if (q->dh)
		v1_raw(&rest, V1_KE, dh_public(q->dh));
	for (unsigned i = 0; i < 2 && v1_count(m, V1_ID) == 2; i++)
		v1_raw(&rest, V1_ID, v1_find(m, V1_ID, i)->body);
	add_lifetime(&o, &t->agreed, t->spi_in, &rest);
	return seal_and_send(sa, q, nonce_bytes(&q->ni), &rest);
}

/* Keys, the child, the answer. 0 or -errno: nothing is left behind. */
static int make_and_answer(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m,
			   struct terms *t, struct fault *f)
{
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	struct child *made = NULL;
	int err = 0;
	take_nonce(&q->ni, m);
	nonce_draw(sa->e, &q->nr);
	if (q->group != DH_NONE)
		err = draw_dh(sa->e, q->group, &q->dh);
	if (!err && q->dh && dh_shared(q->dh, v1_body(m, V1_KE), shared, &len))
		err = fault_set(f, -EPROTO, "the peer's public value is not valid for %s",
				group_of(q->group)->name);
	if (err)
		return f->code ? f->code : fault_set(f, err, "no key exchange");
	t->shared = (struct bytes){shared, len};
	t->spi_in = q->spi_in = child_new_spi(sa->e);
	err = make_child(sa, q, t, &made);
	wipe(shared, sizeof shared);
	t->shared = (struct bytes){NULL, 0};
	if (err)
		return fault_set(f, err, "the child SA can't be made");
	made->unconfirmed = true;
	err = write_second(sa, q, m, t);
	if (err) {
		child_remove(made);
		return fault_set(f, err, "the answer can't be written");
	}
	q->expects = 3;
	return 0;
}

static void take_first(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m)
{
	struct terms t = {.is_ours = false};
	struct fault f = {0};
	uint16_t notify;
	int err = agree(sa, q, m, &t, &notify, &f);
	if (!err)
		err = make_and_answer(sa, q, m, &t, &f);
	if (!err)
		return;
	fault_prefix(&f, "quick mode of the peer");
	if (!sa->c->is_up)
		connection_blame(sa->c, &f);
	connection_event(sa->c, "%.150s", f.text);
	v1_notify_send(sa, PROTOCOL_ESP, (uint32_t)t.agreed.chosen.spi, notify);
	quick_over(sa, q);
}

/* HASH(3): the peer has all it needs, and our answer was not a replay's. */
static void take_third(struct ike_sa *sa, struct v1_quick *q)
{
	struct child *child = child_by_spi(sa->e, q->spi_in);
	quick_over(sa, q);
	if (!child || !child->sa || child->state != CHILD_STANDBY || !child->unconfirmed)
		return;
	child->unconfirmed = false;
	child_use(child);
	supersede(child, q->began_ns);
	v1_child_used(child);
	struct ike_sa *leading = v1_leading(child->c);
	if (leading)
		v1_fill(leading);
}

static bool third_verifies(const struct ike_sa *sa, const struct v1_quick *q,
			   const struct v1_message *m)
{
	static const uint8_t zero;
	uint8_t want[PRF_MAX], number[4];
	size_t len = 0;
	struct bytes came = v1_body(m, V1_HASH);
	store_be32(number, q->id);
	struct bytes parts[] = {{&zero, 1}, {number, 4}, nonce_bytes(&q->ni), nonce_bytes(&q->nr)};
	return !v1_hash_phase2(&sa->v1->keys, sa->chosen.prf, parts, 4, want, &len) &&
	       secret_equal(want, len, came.at, came.len);
}

/* ---- receiving ---- */

static bool verifies(const struct ike_sa *sa, const struct v1_quick *q, const struct v1_message *m,
		     const uint8_t *plain)
{
	if (q && q->expects == 3)
		return third_verifies(sa, q, m);
	return v1_hash_verifies(sa, m, q ? nonce_bytes(&q->ni) : (struct bytes){NULL, 0}, plain);
}

static void take(struct ike_sa *sa, struct v1_quick *q, const struct v1_message *m,
		 const uint8_t iv[V1_IV], const struct v1_arrival *a)
{
	v1_heard(sa);
	if (!q) {
		q = sa->c ? quick_new(sa, m->h.id, false) : NULL;
		if (!q)
			return;
	} else if (!ip_endpoint_equal(&a->remote, &sa->remote)) {
		sa_peer_moved(sa, &a->remote); /* it knows our nonce: not a replay */
	}
	memcpy(q->iv, iv, V1_IV);
	q->last_in = v1_message_hash(sa->e, a->datagram);
	if (q->is_ours)
		take_second(sa, q, m);
	else if (q->expects == 3)
		take_third(sa, q);
	else
		take_first(sa, q, m);
}

void v1_quick_receive(struct ike_sa *sa, struct v1_message *m, const struct v1_arrival *a)
{
	uint8_t plain[LIMIT_MESSAGE], iv[V1_IV];
	struct fault f = {0};
	struct v1_quick *q = quick_by_id(sa, m->h.id);
	if (q && q->last_in == v1_message_hash(sa->e, a->datagram)) {
		if (q->out.at)
			effects_send(sa->e, sa->connection_id, &a->local, &a->remote, q->out);
		return;
	}
	bool open = sa->state == SA_ESTABLISHED || sa->state == SA_REKEYED;
	if (!open || !m->h.id || !m->sealed.at || (q && !q->expects) ||
	    (!q && v1_is_recent(sa->v1, m->h.id))) {
		sa->e->counters[IKE_COUNT_BAD_MESSAGE_ID]++;
		return;
	}
	if (q)
		memcpy(iv, q->iv, V1_IV);
	else if (v1_phase2_iv(iv, &sa->chosen, sa->v1->iv, m->h.id))
		return;
	if (v1_open(&sa->v1->keys, &sa->chosen, m, iv, plain, &f) || !verifies(sa, q, m, plain)) {
		sa->e->counters[IKE_COUNT_INTEGRITY]++;
		diagnose_stranger(sa->e, &a->remote,
				  "a quick mode message whose protection does not verify");
		return;
	}
	v1_show(sa, m, plain);
	take(sa, q, m, iv, a);
	wipe(plain, sizeof plain);
}

/* ---- lifetimes and time ---- */

void v1_quick_life(struct ike_sa *sa, uint32_t spi_out, const struct v1_life *life)
{
	if (!sa->c || !life->seconds)
		return;
	for (struct child *child = sa->c->children; child; child = child->next)
		if (child->plain.spi_out == spi_out && child->sa &&
		    instant_after(child->installed_ns, life->seconds * NS_PER_S) <
			    child->expire_at_ns)
			timers_child_life(child, life->seconds * NS_PER_S);
}

static void initiator_timeout(struct ike_sa *sa, struct v1_quick *q)
{
	struct fault f;
	char to[ENDPOINT_TEXT];
	bool heard = sa->heard_ns > q->first_sent_ns;
	sa->e->counters[IKE_COUNT_TIMEOUTS]++;
	fault_set(&f, -ETIMEDOUT, "no answer from %s: %u requests of quick mode sent over %u s; %s",
		  ip_endpoint_format(&sa->remote, to), q->sent,
		  (unsigned)((sa->e->now_ns - q->first_sent_ns) / NS_PER_S),
		  heard ? "the peer answers other messages" : "the peer answered before");
	fault_advise(&f, heard ? "a peer that is silent to quick mode alone refuses it without a "
				 "word: compare selectors, proposals and PFS of both ends"
			       : "check that the peer runs and still has the connection");
	if (heard || !sa->c) {
		initiator_failed(sa, q, &f);
		return;
	}
	sa->e->counters[IKE_COUNT_DPD_DEAD]++;
	v1_lost(sa, &f);
}

/* The third message never came: what we installed for it goes, unless the peer's ESP has proven
 * it. */
static void responder_timeout(struct ike_sa *sa, struct v1_quick *q)
{
	struct child *child = child_by_spi(sa->e, q->spi_in);
	struct fault f;
	sa->e->counters[IKE_COUNT_TIMEOUTS]++;
	if (child && child->unconfirmed) {
		fault_set(&f, -ETIMEDOUT, "quick mode of the peer: its last message never came");
		connection_event(child->c, "%.150s", f.text);
		task_add(sa, EXCHANGE_DELETE_CHILD, q->spi_in);
	}
	quick_over(sa, q);
}

void v1_quick_due(struct ike_sa *sa, struct v1_quick *q)
{
	if (!q->expects) {
		quick_forget(sa, q);
		return;
	}
	if (q->sent < sa->e->options.retransmit_tries) {
		sa->e->counters[IKE_COUNT_RETRANSMITTED]++;
		send_counted(sa, q);
		return;
	}
	if (q->is_ours)
		initiator_timeout(sa, q);
	else
		responder_timeout(sa, q);
}
