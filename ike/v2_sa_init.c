/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_SA_INIT (RFC 7296 section 1.2), both sides: algorithms, key exchange, cookies, NAT detection.
 * Everything here is unprotected: the responder keeps no state for a stranger above the cookie
 * threshold, the initiator decides nothing on an error notify but remembers it for diagnosis
 * (section 2.21.1).
 */
#include "ike/ike_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void nonce_draw(struct ike *e, struct nonce *n)
{
	n->len = LIMIT_NONCE_OURS;
	random_fill(e, n->b, n->len);
}

int draw_dh(struct ike *e, enum group_id group, struct dh **out)
{
	uint8_t random[DH_PRIVATE_BYTES];
	random_fill(e, random, sizeof random);
	int err = dh_new(out, group, random);
	wipe(random, sizeof random);
	return err;
}

int draw_dh_answer(struct ike *e, enum group_id group, struct bytes peer, struct dh **out,
		   uint8_t shared[DH_SHARED_MAX], size_t *len)
{
	uint8_t random[DH_PRIVATE_BYTES];
	random_fill(e, random, sizeof random);
	int err = dh_answer(out, group, random, peer, shared, len);
	wipe(random, sizeof random);
	return err;
}

static bool keep(struct bytes *into, struct bytes from)
{
	uint8_t *copy = malloc(from.len);
	if (!copy)
		return false;
	memcpy(copy, from.at, from.len);
	free((void *)(uintptr_t)into->at);
	*into = (struct bytes){copy, from.len};
	return true;
}

/* ---- NAT detection (section 2.23) ---- */

void add_nat_hashes(struct ike_sa *sa, const struct ike_connection *cfg, struct builder *out)
{
	uint8_t hash[20];
	keys_nat_hash(hash, sa->spi_i, sa->spi_r, &sa->local);
	if (cfg->always_encapsulate) /* a hash that can't be right: the peer sees a NAT */
		random_fill(sa->e, hash, sizeof hash);
	builder_notify(out, NOTIFY_NAT_DETECTION_SOURCE_IP, (struct bytes){hash, sizeof hash});
	keys_nat_hash(hash, sa->spi_i, sa->spi_r, &sa->remote);
	builder_notify(out, NOTIFY_NAT_DETECTION_DESTINATION_IP, (struct bytes){hash, sizeof hash});
}

/* A peer with several addresses sends several source hashes: one that fits is enough. */
static bool hash_fits(const struct ike_message *in, uint16_t type, const uint8_t hash[20],
		      bool *came)
{
	bool fits = false;
	for (unsigned i = 0; i < in->n_notifies; i++) {
		if (in->notify[i].type != type)
			continue;
		*came = true;
		fits |= in->notify[i].body.len == 20 && !memcmp(in->notify[i].body.at, hash, 20);
	}
	return fits;
}

void detect_nat(struct ike_sa *sa, const struct ike_message *in, const struct ip_endpoint *local,
		const struct ip_endpoint *remote)
{
	uint8_t hash[20];
	bool source = false, destination = false;
	keys_nat_hash(hash, in->h.spi_i, in->h.spi_r, remote);
	sa->nat_remote = !hash_fits(in, NOTIFY_NAT_DETECTION_SOURCE_IP, hash, &source) && source;
	keys_nat_hash(hash, in->h.spi_i, in->h.spi_r, local);
	sa->nat_local = !hash_fits(in, NOTIFY_NAT_DETECTION_DESTINATION_IP, hash, &destination) &&
			destination;
	sa->encapsulate = sa->nat_local || sa->nat_remote;
}

/* ---- initiator ---- */

static struct handshake *handshake_new(struct ike_sa *sa)
{
	struct handshake *h = calloc(1, sizeof *h);
	sa->handshake = h;
	return h;
}

void v2_sa_init_start(struct connection *c)
{
	v2_sa_init_start_at(c, &c->cfg.local,
			    c->redirect.to.family ? &c->redirect.to : &c->cfg.remote, 0);
}

void v2_sa_init_start_at(struct connection *c, const struct ip_addr *local,
			 const struct ip_addr *remote, uint64_t replaces)
{
	struct ike *e = c->e;
	struct ike_sa *sa;
	if (sa_new(e, &sa, true, sa_new_spi(e)))
		return;
	struct handshake *h = handshake_new(sa);
	if (!h) {
		sa_set_state(sa, SA_DEAD, "no memory");
		return;
	}
	h->group = c->cfg.ike[0].group[0];
	nonce_draw(e, &h->ni);
	sa->local = (struct ip_endpoint){*local, IKE_PORT};
	sa->remote = (struct ip_endpoint){*remote, IKE_PORT};
	sa->replaces = replaces;
	sa_attach(sa, c);
	c->attempts++;
	c->stray.n = 0;
	task_add(sa, EXCHANGE_SA_INIT, 0);
}

int v2_sa_init_request(struct ike_sa *sa, struct task *task, struct builder *out)
{
	struct handshake *h = sa->handshake;
	const struct ike_connection *cfg = &sa->c->cfg;
	(void)task;
	if (!h->dh) {
		int err = draw_dh(sa->e, h->group, &h->dh);
		if (err)
			return err;
	}
	if (h->cookie_len)
		builder_notify(out, NOTIFY_COOKIE, (struct bytes){h->cookie, h->cookie_len});
	proposal_offer(out, PROPOSAL_IKE, cfg->ike, cfg->n_ike, 0);
	builder_ke(out, group_of(h->group)->number, dh_public(h->dh));
	builder_raw(out, PAYLOAD_NONCE, nonce_bytes(&h->ni));
	add_nat_hashes(sa, cfg, out);
	fragment_say(out);
	ppk_ask(cfg, out);
	intermediate_ask(cfg, out);
	if (connection_has_certificates(cfg))
		proof_announce(out);
	redirect_say(sa, out);
	return 0;
}

void v2_sa_init_timeout(struct ike_sa *sa, struct task *task)
{
	struct connection *c = sa->c;
	struct fault f;
	(void)task;
	if (sa->handshake->hint.code) {
		f = sa->handshake->hint;
		fault_prefix(&f, "IKE_SA_INIT failed");
	} else {
		diagnose_silence(sa, &f);
	}
	sa_set_state(sa, SA_DEAD, "no answer to IKE_SA_INIT");
	if (c)
		connection_failed(c, &f);
}

static void take_hint(struct ike_sa *sa, const struct fault *f)
{
	sa->handshake->hint = *f;
	if (!sa->c->is_up)
		connection_blame(sa->c, f);
	connection_event(sa->c, "%.150s", f->text);
}

static bool may_restart(struct ike_sa *sa)
{
	return sa->handshake->restarts++ < LIMIT_RESTARTS;
}

static void take_cookie(struct ike_sa *sa, const struct ike_notify *n)
{
	struct handshake *h = sa->handshake;
	if (!n->body.len || n->body.len > LIMIT_COOKIE || !may_restart(sa))
		return;
	memcpy(h->cookie, n->body.at, n->body.len);
	h->cookie_len = n->body.len;
	window_restart(sa);
}

static void take_invalid_ke(struct ike_sa *sa, const struct ike_notify *n)
{
	struct handshake *h = sa->handshake;
	const struct ike_connection *cfg = &sa->c->cfg;
	enum group_id group = n->body.len == 2 ? group_by_number(load_be16(n->body.at)) : DH_NONE;
	sa->e->counters[IKE_COUNT_INVALID_KE]++;
	if (group == DH_NONE || group == h->group ||
	    !proposal_has_group(cfg->ike, cfg->n_ike, group) || !may_restart(sa)) {
		struct fault f;
		fault_set(&f, -EPROTO,
			  "the peer answered INVALID_KE_PAYLOAD and asks for group %s, "
			  "which none of our proposals has beside %s",
			  group_of(group)->name, group_of(h->group)->name);
		take_hint(sa, &f);
		return;
	}
	h->group = (uint8_t)group;
	dh_free(h->dh);
	h->dh = NULL;
	window_restart(sa);
}

/* Keys and all that follows from both messages. 0 or -errno with a fault: the answer is not usable.
 */
static int agree(struct ike_sa *sa, const struct ike_message *in, struct fault *f)
{
	struct handshake *h = sa->handshake;
	const struct ike_connection *cfg = &sa->c->cfg;
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	struct ike_chosen chosen;
	int err = proposal_accept(in->sa, PROPOSAL_IKE, cfg->ike, cfg->n_ike, &chosen, f);
	if (err)
		return err;
	err = intermediate_agree(&chosen, in, f);
	if (err)
		return err;
	if (in->ke_group != group_of(h->group)->number || chosen.group != h->group)
		return fault_set(f, -EPROTO,
				 "the peer answered with another group than the one asked");
	if (!in->h.spi_r || !nonce_set(&h->nr, in->nonce))
		return fault_set(f, -EPROTO, "the peer's IKE_SA_INIT has no SPI or no valid nonce");
	if (dh_shared(h->dh, in->ke, shared, &len))
		return fault_set(f, -EPROTO, "the peer's public value is not valid for %s",
				 group_of(h->group)->name);
	err = keys_ike(&sa->keys, &chosen, (struct bytes){shared, len}, nonce_bytes(&h->ni),
		       nonce_bytes(&h->nr), in->h.spi_i, in->h.spi_r);
	wipe(shared, sizeof shared);
	if (!err && (!keep(&h->init_r, in->whole) || !keep(&h->init_i, sa->window.request)))
		err = -ENOMEM;
	if (err)
		return fault_set(f, err, "keys can't be derived");
	sa->chosen = chosen;
	return 0;
}

/* An answer came (still unprotected). Only a usable one moves us on. */
void v2_sa_init_answered(struct ike_sa *sa, const struct ike_message *in)
{
	const struct ike_notify *cookie = ike_message_notify(in, NOTIFY_COOKIE);
	const struct ike_notify *bad_ke = ike_message_notify(in, NOTIFY_INVALID_KE_PAYLOAD);
	const struct ike_notify *error = ike_message_error(in);
	struct fault f = {0};
	if (!ike_message_has(in, PAYLOAD_SA) && cookie)
		return take_cookie(sa, cookie);
	if (!ike_message_has(in, PAYLOAD_SA) && bad_ke)
		return take_invalid_ke(sa, bad_ke);
	if (!ike_message_has(in, PAYLOAD_SA) && ike_message_notify(in, NOTIFY_REDIRECT)) {
		if (!redirect_by_init(sa, in, &f))
			take_hint(sa, &f);
		return;
	}
	if (error) {
		diagnose_refusal(sa, error->type, false, &f);
		return take_hint(sa, &f);
	}
	if (message_check(MESSAGE_SA_INIT, in, &f) || ppk_answered(sa, in, &f) ||
	    agree(sa, in, &f)) {
		fault_prefix(&f, "IKE_SA_INIT");
		return take_hint(sa, &f);
	}
	sa->spi_r = in->h.spi_r;
	sa->has_keys = true;
	sa->heard++;
	proof_learn(sa->handshake, in);
	sa->fragmentation = ike_message_notify(in, NOTIFY_FRAGMENTATION_SUPPORTED);
	sa->handshake->childless =
		sa->c->cfg.childless && ike_message_notify(in, NOTIFY_CHILDLESS_IKEV2_SUPPORTED);
	detect_nat(sa, in, &sa->local, &sa->remote);
	sa->encapsulate |= sa->c->cfg.always_encapsulate;
	if (sa->encapsulate || mobike_takes_port(sa, in))
		sa->local.port = sa->remote.port = IKE_NATT_PORT;
	dh_free(sa->handshake->dh);
	sa->handshake->dh = NULL;
	task_free(window_complete(sa));
	sa_set_state(sa, SA_AUTHENTICATING, "IKE_SA_INIT answered");
	task_add(sa, intermediate_next(sa), 0);
}

/* ---- responder: cookies (section 2.6) ---- */

static void rotate_cookie_key(struct ike *e)
{
	if (e->now_ns - e->cookie.since_ns < LIMIT_COOKIE_SECRET_NS)
		return;
	memcpy(e->cookie.key[1], e->cookie.key[0], sizeof e->cookie.key[0]);
	random_fill(e, e->cookie.key[0], sizeof e->cookie.key[0]);
	e->cookie.since_ns = e->now_ns;
	e->cookie.version++;
}

#define COOKIE_BYTES 33 /* version of the secret, HMAC */

static int make_cookie(const struct ike *e, unsigned age, const struct ip_endpoint *remote,
		       const struct ike_message *in, uint8_t out[1 + PRF_MAX])
{
	uint8_t spi[8];
	size_t len = 0;
	store_be64(spi, in->h.spi_i);
	struct bytes parts[] = {in->nonce, {remote->addr.b, 16}, {spi, 8}};
	out[0] = (uint8_t)(e->cookie.version - age);
	return keys_prf(PRF_HMAC_SHA2_256, (struct bytes){e->cookie.key[age], 32}, parts, 3,
			out + 1, &len);
}

static bool cookie_fits(struct ike *e, const struct ip_endpoint *remote,
			const struct ike_message *in)
{
	const struct ike_notify *n = ike_message_notify(in, NOTIFY_COOKIE);
	uint8_t want[1 + PRF_MAX];
	if (!n)
		return false;
	for (unsigned age = 0; age < 2; age++)
		if (!make_cookie(e, age, remote, in, want) &&
		    secret_equal(want, COOKIE_BYTES, n->body.at, n->body.len))
			return true;
	e->counters[IKE_COUNT_COOKIES_BAD]++;
	return false;
}

/* ---- responder ---- */

struct asked {
	struct ike *e;
	const struct ip_endpoint *local, *remote;
	const struct ike_message *in;
};

/* A clear answer that is only a notify; no state is kept. */
static void refuse(const struct asked *a, uint16_t type, struct bytes body)
{
	uint8_t out[256];
	struct builder b;
	struct ike_header h = {
		.spi_i = a->in->h.spi_i, .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE};
	builder_init(&b, out, sizeof out);
	builder_header(&b, &h);
	builder_notify(&b, type, body);
	builder_finish(&b);
	effects_send(a->e, 0, a->local, a->remote, builder_bytes(&b));
}

/* First connection of that address, exact ones before "any", that has a proposal in common. */
static struct connection *choose(const struct asked *a, struct ike_chosen *chosen)
{
	struct connection *nearest = NULL;
	struct fault f = {0}, near = {0};
	for (struct connection *c = NULL; (c = connection_candidate(a->e, &a->remote->addr, c));) {
		if (!connection_fits(c, a->local, a->remote))
			continue;
		if (!proposal_choose(a->in->sa, PROPOSAL_IKE, c->cfg.ike, c->cfg.n_ike,
				     group_by_number(a->in->ke_group), chosen, &f) &&
		    !intermediate_agree(chosen, a->in, &f))
			return c;
		if (!nearest) {
			nearest = c;
			near = f;
		}
	}
	if (!nearest) {
		a->e->counters[IKE_COUNT_UNKNOWN_PEER]++;
		diagnose_version(a->e, a->local, a->remote, false);
		diagnose_stranger(a->e, a->remote,
				  "IKE_SA_INIT from an address that no connection has");
		return NULL;
	}
	a->e->counters[IKE_COUNT_NO_PROPOSAL]++;
	fault_prefix(&near, "IKE_SA_INIT of the peer");
	if (!nearest->is_up)
		connection_blame(nearest, &near);
	diagnose_stranger(a->e, a->remote, near.text);
	refuse(a, NOTIFY_NO_PROPOSAL_CHOSEN, (struct bytes){NULL, 0});
	return NULL;
}

/* Whether this request may cost us anything. */
static bool admit(const struct asked *a)
{
	struct ike *e = a->e;
	uint8_t cookie[1 + PRF_MAX];
	const struct ike_message *in = a->in;
	struct fault f = {0};
	bool sane = in->h.spi_i && !in->h.spi_r && !in->h.id && in->h.flags & IKE_FLAG_INITIATOR &&
		    in->nonce.len >= LIMIT_NONCE_LEAST && in->nonce.len <= LIMIT_NONCE;
	if (message_check(MESSAGE_SA_INIT, in, &f) || !sane) {
		e->counters[IKE_COUNT_MALFORMED]++;
		diagnose_stranger(e, a->remote,
				  f.code ? f.text : "IKE_SA_INIT with a wrong header or nonce");
		return false;
	}
	rotate_cookie_key(e);
	if (e->n_half_open >= e->options.half_open_cookies && !cookie_fits(e, a->remote, in)) {
		e->counters[IKE_COUNT_COOKIES_SENT]++;
		if (!make_cookie(e, 0, a->remote, in, cookie))
			refuse(a, NOTIFY_COOKIE, (struct bytes){cookie, COOKIE_BYTES});
		return false;
	}
	if (e->n_half_open >= e->options.max_half_open) {
		e->counters[IKE_COUNT_HALF_OPEN_FULL]++;
		return false;
	}
	return true;
}

static int answer_keys(struct ike_sa *sa, const struct ike_message *in, struct dh *dh)
{
	uint8_t shared[DH_SHARED_MAX];
	size_t len = 0;
	struct handshake *h = sa->handshake;
	int err = dh_shared(dh, in->ke, shared, &len);
	if (!err && !nonce_set(&h->ni, in->nonce))
		err = -EPROTO;
	nonce_draw(sa->e, &h->nr);
	if (!err)
		err = keys_ike(&sa->keys, &sa->chosen, (struct bytes){shared, len},
			       nonce_bytes(&h->ni), nonce_bytes(&h->nr), sa->spi_i, sa->spi_r);
	wipe(shared, sizeof shared);
	sa->has_keys = !err;
	return err;
}

static void write_answer(struct ike_sa *sa, const struct ike_connection *cfg,
			 const struct ike_message *in, struct dh *dh, struct builder *b)
{
	struct ike_header h = {.spi_i = sa->spi_i,
			       .spi_r = sa->spi_r,
			       .exchange = IKE_SA_INIT,
			       .flags = IKE_FLAG_RESPONSE};
	builder_header(b, &h);
	proposal_answer(b, PROPOSAL_IKE, &sa->chosen, 0);
	builder_ke(b, group_of(sa->chosen.group)->number, dh_public(dh));
	builder_raw(b, PAYLOAD_NONCE, nonce_bytes(&sa->handshake->nr));
	add_nat_hashes(sa, cfg, b);
	if (sa->fragmentation)
		fragment_say(b);
	ppk_answer_stranger(sa, in, b);
	if (sa->chosen.n_additional)
		intermediate_ask(cfg, b);
	proof_ask_stranger(sa->e, &sa->local, &sa->remote, sa->handshake, b);
	builder_notify(b, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, (struct bytes){NULL, 0});
	builder_finish(b);
}

static int respond(struct ike_sa *sa, const struct asked *a, const struct ike_connection *cfg)
{
	uint8_t out[LIMIT_MESSAGE];
	struct builder b;
	struct dh *dh = NULL;
	int err = handshake_new(sa) ? draw_dh(sa->e, sa->chosen.group, &dh) : -ENOMEM;
	if (!err)
		err = answer_keys(sa, a->in, dh);
	if (err) {
		dh_free(dh);
		return err;
	}
	proof_learn(sa->handshake, a->in);
	sa->fragmentation = ike_message_notify(a->in, NOTIFY_FRAGMENTATION_SUPPORTED);
	vendors_take(a->in, sa->program);
	builder_init(&b, out, sizeof out);
	write_answer(sa, cfg, a->in, dh, &b);
	dh_free(dh);
	if (!keep(&sa->handshake->init_i, a->in->whole) ||
	    !keep(&sa->handshake->init_r, builder_bytes(&b)))
		return -ENOMEM;
	window_answered(sa, a->in->whole, builder_bytes(&b));
	sa->window.expected_id = 1;
	effects_send(sa->e, 0, a->local, a->remote, builder_bytes(&b));
	return 0;
}

void v2_sa_init_answer(struct ike *e, const struct ip_endpoint *local,
		       const struct ip_endpoint *remote, const struct ike_message *in)
{
	struct asked a = {e, local, remote, in};
	struct ike_chosen chosen;
	struct ike_sa *sa;
	if (!admit(&a))
		return;
	struct connection *c = choose(&a, &chosen);
	if (!c)
		return;
	if (in->ke_group != group_of(chosen.group)->number) {
		uint8_t group[2];
		e->counters[IKE_COUNT_INVALID_KE]++;
		store_be16(group, group_of(chosen.group)->number);
		return refuse(&a, NOTIFY_INVALID_KE_PAYLOAD, (struct bytes){group, 2});
	}
	if (sa_new(e, &sa, false, sa_new_spi(e)))
		return;
	sa->spi_i = in->h.spi_i;
	sa->local = *local;
	sa->remote = *remote;
	sa->chosen = chosen;
	sa_index_init(sa);
	detect_nat(sa, in, local, remote);
	sa->encapsulate |= c->cfg.always_encapsulate;
	timers_half_open(sa);
	sa_set_state(sa, SA_HALF_OPEN, "IKE_SA_INIT answered");
	if (respond(sa, &a, &c->cfg)) {
		e->counters[IKE_COUNT_MALFORMED]++;
		sa_set_state(sa, SA_DEAD, "the peer's key exchange is not usable");
	}
}
