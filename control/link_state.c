/* SPDX-License-Identifier: Apache-2.0 */
#include "control/link_state.h"

static const struct {
	const char *key, *text;
} causes[] = {
	[LINK_CAUSE_NONE] = {"none", "it works"},
	[LINK_CAUSE_START] = {"start", "no BGP session has come up yet"},
	[LINK_CAUSE_ORDER] = {"order", "it was taken down by `xgw down`"},
	[LINK_CAUSE_CARRIER] = {"carrier", "the port's device has no carrier"},
	[LINK_CAUSE_BFD] = {"bfd", "BFD: the other side's router does not answer"},
	[LINK_CAUSE_BGP] = {"bgp", "no BGP session with the other side's router"},
	[LINK_CAUSE_HOLD] = {"hold-down", "it works again, but not for long enough yet"},
};

const char *link_cause_key(enum link_cause c)
{
	return causes[c].key;
}

const char *link_cause_text(enum link_cause c)
{
	return causes[c].text;
}

void link_state_init(struct link_state *l, uint64_t hold_ns, uint64_t now_ns)
{
	*l = (struct link_state){.hold_ns = hold_ns, .since_ns = now_ns};
}

static bool is_good(const struct link_state *l)
{
	return !l->ordered_down && l->carrier && l->bgp && (l->bfd || !l->bfd_seen);
}

enum link_cause link_state_cause(const struct link_state *l)
{
	if (l->up)
		return LINK_CAUSE_NONE;
	if (l->ordered_down)
		return LINK_CAUSE_ORDER;
	if (!l->carrier)
		return LINK_CAUSE_CARRIER;
	if (l->bfd_seen && !l->bfd)
		return LINK_CAUSE_BFD;
	if (!l->bgp)
		return l->was_up ? LINK_CAUSE_BGP : LINK_CAUSE_START;
	return LINK_CAUSE_HOLD;
}

static bool turn(struct link_state *l, bool up, uint64_t now_ns)
{
	struct link_switch *s = &l->last[l->n_switches++ % LINK_SWITCHES];
	l->up = up;
	l->was_up = true;
	l->since_ns = now_ns;
	*s = (struct link_switch){now_ns, link_state_cause(l)};
	return true;
}

bool link_state_time(struct link_state *l, uint64_t now_ns)
{
	if (!is_good(l)) {
		l->good_since_ns = 0;
		return l->up ? turn(l, false, now_ns) : false;
	}
	if (!l->good_since_ns)
		l->good_since_ns = now_ns;
	if (l->up || now_ns < link_state_deadline(l))
		return false;
	return turn(l, true, now_ns);
}

uint64_t link_state_deadline(const struct link_state *l)
{
	if (l->up || !l->good_since_ns)
		return UINT64_MAX;
	return l->was_up ? l->good_since_ns + l->hold_ns : l->good_since_ns;
}

bool link_state_sign(struct link_state *l, enum link_sign s, bool good, uint64_t now_ns)
{
	switch (s) {
	case LINK_SIGN_CARRIER: l->carrier = good; break;
	case LINK_SIGN_BGP: l->bgp = good; break;
	case LINK_SIGN_BFD:
		l->bfd = good;
		l->bfd_seen |= good;
		break;
	}
	return link_state_time(l, now_ns);
}

bool link_state_order(struct link_state *l, bool up, uint64_t now_ns)
{
	l->ordered_down = !up;
	bool changed = link_state_time(l, now_ns);
	return up && !l->up && is_good(l) ? turn(l, true, now_ns) : changed;
}
