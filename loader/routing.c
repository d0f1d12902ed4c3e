/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/routing_internal.h"

#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* What the maps have room for beside the plan's (maps/maps.def), and what a process can hold. */
#define MOST_LEARNT  1000000u
#define MOST_ROUTES  1500000u
#define MOST_PEERS   4096u
#define MOST_CHOICES 32768u

#define DISMISS_NS    500000000ull
#define LAST_WORDS_NS 30000000ull
#define SETTLE_NS     (2ull * NS_PER_S)

struct routing_router *routing_router(struct routing *r, uint32_t id)
{
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		if (r->routers[i].router && r->routers[i].id == id)
			return &r->routers[i];
	}
	return NULL;
}

/* ---- what routers tell ---- */

static void tell_limit(const struct plan_peer *p)
{
	char text[IP_TEXT];
	log_warn(LOG_NET,
		 "bgp-limit peer=%s as=%u: it announces more than %u prefixes; all of its routes "
		 "are dropped until its session begins anew",
		 ip_addr_format(&p->remote, text), p->peer_asn, p->max_prefixes);
}

static void on_route(void *owner, uint32_t no, const struct ip_prefix *prefix, uint32_t metric,
		     bool withdrawn)
{
	const struct routing_router *of = owner;
	struct routing *r = of->all;
	const struct plan_peer *p = plan_peer(r->h.plan, no);
	if (withdrawn || !p)
		rib_withdraw(r->rib, no, prefix);
	else if (rib_learn(r->rib, no, prefix, metric) == -EDQUOT)
		tell_limit(p);
}

/* BIRD counts too, and closes the session. */
static void on_limit(void *owner, uint32_t no)
{
	struct routing *r = ((struct routing_router *)owner)->all;
	const struct plan_peer *p = plan_peer(r->h.plan, no);
	if (p)
		tell_limit(p);
}

static void on_settled(void *owner)
{
	routing_carry(((struct routing_router *)owner)->all);
}

static void on_canary(void *owner, const char *device, bool v6, bool up)
{
	struct routing *r = ((struct routing_router *)owner)->all;
	struct routing_link *l = routing_link_by_device(r, device);
	if (!l)
		return;
	uint8_t bit = v6 ? 2 : 1;
	l->canaries = up ? l->canaries | bit : l->canaries & ~bit;
	/* one family alone is silent when it has no BFD, and both share the wire */
	routing_link_sign(r, l, LINK_SIGN_BFD, up || l->canaries);
}

static void on_neighbour(void *owner, const char *device, const struct ip_addr *addr,
			 const uint8_t *mac)
{
	struct routing *r = ((struct routing_router *)owner)->all;
	struct routing_link *l = routing_link_by_device(r, device);
	if (l)
		routing_link_neighbour(r, l, addr, mac);
}

static void tell_session(const struct plan_peer *p, bool up)
{
	char text[IP_TEXT];
	if (up)
		log_info(LOG_NET, "bgp-up peer=%s as=%u", ip_addr_format(&p->remote, text),
			 p->peer_asn);
	else
		log_warn(LOG_NET, "bgp-down peer=%s as=%u", ip_addr_format(&p->remote, text),
			 p->peer_asn);
}

/* A session that comes and goes with BIRD itself says nothing of the link. */
static void on_peer(void *owner, uint32_t no, bool up)
{
	const struct routing_router *of = owner;
	struct routing *r = of->all;
	const struct plan_peer *p = plan_peer(r->h.plan, no);
	if (!p)
		return;
	tell_session(p, up);
	/* each route is withdrawn by itself; but who announced too many may begin anew */
	struct rib_peer_counts counts;
	if (!up && !rib_peer_counts(r->rib, no, &counts) && counts.is_over)
		rib_forget(r->rib, no);
	routing_carry(r);
	struct routing_link *l =
		p->kind == PLAN_PEER_LINK ? routing_link(r, r->h.plan->links[p->of].id) : NULL;
	if (!l || (!up && !of->bird_runs))
		return;
	uint8_t bit = p->remote.family == IP_V6 ? 2 : 1;
	l->sessions = up ? l->sessions | bit : l->sessions & ~bit;
	routing_link_sign(r, l, LINK_SIGN_BGP, l->sessions);
}

static void on_bird(void *owner, bool runs)
{
	struct routing_router *of = owner;
	of->bird_runs = runs;
	if (!runs)
		log_warn(LOG_NET, "bgp-daemon-died: its routes stay until it runs again");
}

static int start_router(struct routing *r, const struct plan_router *p, const struct router_spec *s,
			struct fault *f)
{
	unsigned i = 0;
	while (i < BIRD_LINKS && r->routers[i].router)
		i++;
	if (i == BIRD_LINKS)
		return fault_set(f, -ENOSPC, "more than %u routers", BIRD_LINKS);
	struct routing_router *of = &r->routers[i];
	*of = (struct routing_router){.all = r, .id = p->id, .bird_runs = true};
	const struct router_host h = {.base = r->h.base,
				      .owner = of,
				      .route = on_route,
				      .settled = on_settled,
				      .synced = on_settled,
				      .canary = on_canary,
				      .neighbour = on_neighbour,
				      .peer = on_peer,
				      .limit = on_limit,
				      .bird = on_bird};
	return router_start(&of->router, s, &h, f);
}

static bool is_in_plan(const struct plan *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->n_routers; i++) {
		if (p->routers[i].id == id)
			return true;
	}
	return false;
}

static int follow_router(struct routing *r, uint32_t i, struct fault *f)
{
	struct routing_spec s;
	struct routing_router *of = routing_router(r, r->h.plan->routers[i].id);
	int err = routing_spec_make(&s, r, i, f);
	if (!err && of)
		err = router_follow(of->router, &s.spec, f);
	else if (!err)
		err = start_router(r, &r->h.plan->routers[i], &s.spec, f);
	routing_spec_free(&s);
	return err;
}

static bool may_stand_by(const struct routing *r, const struct plan_router *of)
{
	bool may = false;
	for (uint32_t i = 0; i < of->n_gateways; i++) {
		uint32_t gateway = r->h.plan->router_gateways[of->first_gateway + i];
		may |= r->h.model->gateways[gateway].active_standby;
	}
	return may;
}

void routing_stand_by(struct routing *r)
{
	struct fault f = {0};
	char text[FAULT_TEXT];
	for (uint32_t i = 0; r && i < r->h.plan->n_routers; i++) {
		if (may_stand_by(r, &r->h.plan->routers[i]) && follow_router(r, i, &f))
			log_error(LOG_NET, "router-not-changed: %s", fault_format(&f, text));
	}
}

/* A plan that knows the wires, then the wires themselves: they need their ports' entries. */
static int wire(struct routing *r, struct fault *f)
{
	if (r->unwired) {
		int err = r->h.plan_again(r->h.owner, f);
		if (err)
			return err == -EBUSY ? 0 : err;
		r->unwired = false;
	}
	return routing_links_wire(r, f);
}

static void wire_later(struct routing *r)
{
	struct fault f = {0};
	char text[FAULT_TEXT];
	if (r->unwired && wire(r, &f))
		log_error(LOG_NET, "circuit-not-wired: %s", fault_format(&f, text));
}

static int follow(struct routing *r, struct fault *f)
{
	int err = routing_rib_follow(r, f);
	for (uint32_t i = 0; !err && i < r->h.plan->n_routers; i++)
		err = follow_router(r, i, f);
	if (!err)
		err = routing_links_follow(r, f);
	if (!err)
		err = routing_tuns_follow(r, f);
	if (!err)
		err = wire(r, f);
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		if (!r->routers[i].router || is_in_plan(r->h.plan, r->routers[i].id))
			continue;
		router_end(r->routers[i].router);
		r->routers[i].router = NULL;
	}
	return err;
}

/* ---- life ---- */

int routing_start(struct routing **out, const struct routing_host *h, struct fault *f)
{
	struct rib_limits limits = {.peers = MOST_PEERS,
				    .learnt = MOST_LEARNT,
				    .routes = MOST_ROUTES,
				    .choices = MOST_CHOICES};
	/* what is asked back on the way (plan_again) finds it there */
	struct routing *r = *out = calloc(1, sizeof *r);
	if (!r)
		return fault_set(f, -ENOMEM, "not enough memory for circuits and BGP");
	r->h = *h;
	int err = 0;
	if (getrandom(limits.seed, sizeof limits.seed, 0) != sizeof limits.seed)
		err = fault_set(f, -EIO, "the kernel gives no random numbers");
	if (!err) {
		err = rib_create(&r->rib, &limits);
		if (err)
			fault_set(f, err, "not enough memory for circuits and BGP");
	}
	r->drain = evtimer_new(h->base, routing_drain, r);
	if (!err && !r->drain)
		err = fault_set(f, -ENOMEM, "not enough memory for circuits and BGP");
	if (!err)
		err = follow(r, f);
	if (err) {
		if (h->succeeds)
			routing_leave(r, true);
		else
			routing_end(r);
		*out = NULL;
	}
	return err;
}

static bool are_dismissed(struct routing *r)
{
	bool all = true;
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		if (r->routers[i].router)
			all &= router_dismiss(r->routers[i].router);
	}
	return all;
}

void routing_dismiss(struct routing *r)
{
	uint64_t until = clock_now_ns() + DISMISS_NS;
	bool have_ended = false;
	if (!r || !r->h.plan->n_routers)
		return;
	while (clock_now_ns() < until) {
		event_base_loop(r->h.base, EVLOOP_NONBLOCK);
		usleep(1000);
		/* what they said last is still on its way to the workers, and through them */
		if (!have_ended && are_dismissed(r)) {
			have_ended = true;
			until = clock_now_ns() + LAST_WORDS_NS;
		}
	}
}

static void free_all(struct routing *r)
{
	if (r->drain)
		event_free(r->drain);
	rib_free(r->rib);
	free(r->idle_hops);
	free(r);
}

void routing_end(struct routing *r)
{
	if (!r)
		return;
	routing_tuns_end(r);
	routing_links_end(r);
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		if (r->routers[i].router)
			router_end(r->routers[i].router);
	}
	free_all(r);
}

static bool is_adopted(const struct router *r)
{
	struct router_status s;
	router_status(r, &s);
	return s.adopted;
}

void routing_leave(struct routing *r, bool only_adopted)
{
	if (!r)
		return;
	routing_tuns_end(r);
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		struct router *x = r->routers[i].router;
		if (x && only_adopted && !is_adopted(x))
			router_end(x);
		else
			router_leave(x);
	}
	free_all(r);
}

static bool is_settled(const struct routing *r)
{
	bool known = true;
	for (unsigned i = 0; i < BIRD_LINKS; i++) {
		const struct router *x = r->routers[i].router;
		known &= !x || !is_adopted(x) || router_is_known(x);
	}
	return known && rib_is_settled(r->rib);
}

void routing_settle(struct routing *r)
{
	const uint64_t began = clock_now_ns(), until = began + SETTLE_NS;
	if (!r || !r->h.plan->n_routers)
		return;
	do {
		event_base_loop(r->h.base, EVLOOP_NONBLOCK);
		usleep(1000);
	} while (!is_settled(r) && clock_now_ns() < until);
	if (!is_settled(r))
		log_warn(LOG_NET, "routers-not-known: BIRD has not told all after %llu s",
			 SETTLE_NS / NS_PER_S);
	else
		log_info(LOG_NET, "routers-known milliseconds=%u",
			 (unsigned)((clock_now_ns() - began) / NS_PER_MS));
}

void routing_second(struct routing *r)
{
	if (!r)
		return;
	wire_later(r);
	routing_ports(r);
	routing_links_second(r);
	routing_forget_hops(r);
}

static const struct model_connection *find_connection(const struct routing *r, const char *name)
{
	for (uint32_t i = 0; r && i < r->h.model->n_connections; i++) {
		const struct model_connection *c = &r->h.model->connections[i];
		if (c->express_route && strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

int routing_order(struct routing *r, const char *verb, const char *name, struct fault *f)
{
	const struct model_connection *c = find_connection(r, name);
	bool up = strcmp(verb, "up") == 0;
	if (!c)
		return -ENOENT;
	if (!up && strcmp(verb, "down") != 0)
		return fault_set(f, -EINVAL,
				 "a circuit can be taken out of use and back (`xgw down`, `xgw "
				 "up`), not %s",
				 verb);
	for (uint32_t i = 0; i < r->h.plan->n_links; i++) {
		struct routing_link *l = routing_link(r, r->h.plan->links[i].id);
		if (l && r->h.plan->links[i].circuit == c->circuit)
			routing_link_order(r, l, up);
	}
	return 0;
}

void routing_hold(struct routing *r)
{
	if (r)
		r->held = true;
}

bool routing_holds(const struct routing *r, uint32_t table, const struct ip_prefix *prefix)
{
	return r && rib_holds(r->rib, table, prefix);
}

void routing_abandon(struct routing *r)
{
	if (!r)
		return;
	r->held = false;
	routing_carry(r);
}

int routing_prepare(struct routing *r, const struct plan *next, struct fault *f)
{
	const char *bird = routing_bird();
	for (uint32_t i = 0; i < next->n_routers; i++) {
		/* one that runs needs no program */
		if (routing_router(r, next->routers[i].id) || access(bird, X_OK) == 0)
			continue;
		int err = -errno;
		fault_set(f, err, "router %s: cannot start %.100s: %s", next->routers[i].name, bird,
			  strerror(-err));
		return fault_advise(f, ROUTER_ADVICE);
	}
	return 0;
}

int routing_follow(struct routing *r, struct fault *f)
{
	r->held = false;
	int err = follow(r, f);
	routing_carry(r);
	return err;
}
