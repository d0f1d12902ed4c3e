/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a router, before anything is done for it. */
#include "loader/router_internal.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A letter and a number: what router_net_prune() knows as ours. */
static bool is_device(const char name[BIRD_DEVICE], char first)
{
	size_t n = strnlen(name, BIRD_DEVICE);
	return n > 1 && n < BIRD_DEVICE && *name == first &&
	       strspn(name + 1, "0123456789") == n - 1;
}

static bool is_host_device(const char name[BIRD_DEVICE])
{
	size_t n = strnlen(name, BIRD_DEVICE);
	if (!n || n >= BIRD_DEVICE || *name == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (name[i] <= ' ' || name[i] > '~' || strchr("/:%", name[i]))
			return false;
	}
	return true;
}

static int check_link(const struct router_spec *s, uint32_t i, struct fault *f)
{
	const struct router_link *l = &s->links[i];
	if (!is_device(l->device, 'l') || !is_host_device(l->host_device))
		return fault_set(f, -EINVAL, "link %u has no names of devices", i);
	for (uint32_t k = 0; k < i; k++) {
		if (strcmp(s->links[k].device, l->device) == 0 ||
		    strcmp(s->links[k].host_device, l->host_device) == 0)
			return fault_set(f, -EINVAL, "link %s is there twice", l->device);
	}
	for (int v6 = 0; v6 < 2; v6++) {
		const struct ip_prefix *p = &l->local[v6];
		if (p->addr.family && p->addr.family != (v6 ? IP_V6 : IP_V4))
			return fault_set(f, -EINVAL, "link %s: an address of the other family",
					 l->device);
		if (p->addr.family && l->peer[v6].family && !ip_prefix_contains(p, &l->peer[v6]))
			return fault_set(f, -EINVAL, "link %s: the peer is not on it", l->device);
	}
	return 0;
}

static int check_tun(const struct router_spec *s, uint32_t i, struct fault *f)
{
	const struct router_tun *t = &s->tuns[i];
	if (!is_device(t->device, 'g'))
		return fault_set(f, -EINVAL, "TUN %u has no name of a device", i);
	if (!t->n_local || t->n_local > sizeof t->local / sizeof *t->local)
		return fault_set(f, -EINVAL, "TUN %s has no address, or too many", t->device);
	for (uint32_t k = 0; k < i; k++) {
		if (strcmp(s->tuns[k].device, t->device) == 0)
			return fault_set(f, -EINVAL, "TUN %s is there twice", t->device);
	}
	return 0;
}

/* How many devices have it, as ours or as that of a link's peer. */
static uint32_t count_address(const struct router_spec *s, const struct ip_addr *a)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->n_links; i++) {
		for (int v6 = 0; v6 < 2; v6++)
			n += (uint32_t)ip_addr_equal(&s->links[i].local[v6].addr, a) +
			     (uint32_t)ip_addr_equal(&s->links[i].peer[v6], a);
	}
	for (uint32_t i = 0; i < s->n_tuns; i++) {
		for (uint32_t k = 0; k < s->tuns[i].n_local; k++)
			n += (uint32_t)ip_addr_equal(&s->tuns[i].local[k], a);
	}
	return n;
}

static int check_once(const struct router_spec *s, const struct ip_addr *a, const char *device,
		      struct fault *f)
{
	char text[IP_TEXT];
	if (!a->family || count_address(s, a) == 1)
		return 0;
	return fault_set(f, -EADDRINUSE, "%s of %s is there twice in one router",
			 ip_addr_format(a, text), device);
}

static int check_addresses(const struct router_spec *s, struct fault *f)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < s->n_links; i++) {
		const struct router_link *l = &s->links[i];
		for (int v6 = 0; !err && v6 < 2; v6++) {
			err = check_once(s, &l->local[v6].addr, l->device, f);
			if (!err)
				err = check_once(s, &l->peer[v6], l->device, f);
		}
	}
	for (uint32_t i = 0; !err && i < s->n_tuns; i++) {
		for (uint32_t k = 0; !err && k < s->tuns[i].n_local; k++)
			err = check_once(s, &s->tuns[i].local[k], s->tuns[i].device, f);
	}
	return err;
}

static bool is_of_tun(const struct router_spec *s, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < s->n_tuns; i++) {
		for (uint32_t k = 0; k < s->tuns[i].n_local; k++) {
			if (ip_addr_equal(&s->tuns[i].local[k], a))
				return true;
		}
	}
	return false;
}

static int check_peer(const struct router_spec *s, uint32_t i, struct fault *f)
{
	char text[IP_TEXT];
	const struct bird_peer *p = &s->peers[i];
	if (!p->device && !is_of_tun(s, &p->local))
		return fault_set(f, -EINVAL, "peer %u: its local address is of no TUN", p->number);
	/* it locks the neighbour's address, whatever address of ours */
	for (uint32_t k = 0; k < i; k++) {
		if (ip_addr_equal(&s->peers[k].peer, &p->peer))
			return fault_set(
				f, -EADDRINUSE, "peers %u and %u: BIRD has no two sessions with %s",
				s->peers[k].number, p->number, ip_addr_format(&p->peer, text));
	}
	return 0;
}

int router_check(const struct router_spec *s, struct fault *f)
{
	int err = 0;
	if (!*s->name || strnlen(s->name, sizeof s->name) == sizeof s->name)
		return fault_set(f, -EINVAL, "a router needs a name of at most %d bytes",
				 ROUTER_NAME);
	if (s->n_links > BIRD_LINKS || s->n_tuns > ROUTER_TUNS || s->n_peers > BIRD_PEERS)
		return fault_set(f, -EINVAL, "router %s: more than %u links, %u TUNs or %u peers",
				 s->name, BIRD_LINKS, ROUTER_TUNS, BIRD_PEERS);
	for (uint32_t i = 0; !err && i < s->n_links; i++)
		err = check_link(s, i, f);
	for (uint32_t i = 0; !err && i < s->n_tuns; i++)
		err = check_tun(s, i, f);
	if (!err)
		err = check_addresses(s, f);
	for (uint32_t i = 0; !err && i < s->n_peers; i++)
		err = check_peer(s, i, f);
	return err ? fault_prefix(f, "router %s", s->name) : 0;
}

int router_text(char **out, const struct router_spec *s, const char *log, struct fault *f)
{
	struct bird_link links[BIRD_LINKS];
	for (uint32_t i = 0; i < s->n_links; i++) {
		const struct router_link *l = &s->links[i];
		links[i] = (struct bird_link){.device = l->device,
					      .peer = {l->peer[0], l->peer[1]},
					      .bfd = l->bfd,
					      .interval_ms = l->interval_ms,
					      .multiplier = l->multiplier};
	}
	const struct bird_config_in in = {.router_id = s->router_id,
					  .log = log,
					  .links = links,
					  .peers = s->peers,
					  .networks = s->networks,
					  .n_links = s->n_links,
					  .n_peers = s->n_peers,
					  .n_networks = s->n_networks};
	return bird_config(out, &in, f);
}

void router_text_free(char *text)
{
	if (text)
		wipe(text, strlen(text));
	free(text);
}
