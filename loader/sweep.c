/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance that no longer runs left behind, and how it is taken away. Doing it twice is no
 * error. */
#include "loader/attach.h"
#include "loader/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

struct sweeper {
	const struct instance *instance;
	struct netlink *n;
	struct state own;
	uint64_t netns;
	uint32_t *foreign; /* program ids of other instances */
	size_t n_foreign;
	bool dry;
	json_t *removed;
	struct fault *f;
	int err;
};

__attribute__((format(printf, 2, 3))) static void say(struct sweeper *s, const char *format, ...)
{
	char text[256];
	va_list ap;
	if (!s->removed)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	json_array_append_new(s->removed, json_string(text));
}

static void note_foreign(void *owner, const char *name, const struct state *other)
{
	struct sweeper *s = owner;
	(void)name;
	uint32_t *grown =
		reallocarray(s->foreign, s->n_foreign + other->n_ports + 2, sizeof *grown);
	if (!grown)
		return;
	s->foreign = grown;
	for (uint32_t i = 0; i < other->n_ports; i++)
		s->foreign[s->n_foreign++] = other->ports[i].program;
	if (other->link_program)
		s->foreign[s->n_foreign++] = other->link_program;
}

static bool is_foreign(const struct sweeper *s, uint32_t program)
{
	for (size_t i = 0; i < s->n_foreign; i++) {
		if (s->foreign[i] == program)
			return true;
	}
	return false;
}

static bool has_our_name(const struct xdp_program *p)
{
	const char *name = p ? xdp_program__name(p) : NULL;
	for (int role = XGW_ROLE_UPLINK; name && role <= XGW_ROLE_LINK; role++) {
		if (strcmp(name, attach_program_name((enum xgw_role)role)) == 0)
			return true;
	}
	return false;
}

static void remove_program(struct sweeper *s, const struct netlink_link *l, struct xdp_program *p,
			   enum xdp_attach_mode mode)
{
	if (!has_our_name(p) || is_foreign(s, xdp_program__id(p)))
		return;
	say(s, "program %s (id %u) on %s", xdp_program__name(p), xdp_program__id(p), l->name);
	if (s->dry)
		return;
	int err = xdp_program__detach(p, (int)l->ifindex, mode, 0);
	if (err && !s->err)
		s->err = fault_set(s->f, err, "cannot detach %s from %s: %s", xdp_program__name(p),
				   l->name, strerror(-err));
}

static void sweep_link(void *owner, const struct netlink_link *l)
{
	struct sweeper *s = owner;
	struct xdp_program *ours[8] = {0}, *p = NULL;
	unsigned n = 0;
	if (!l->xdp_mode)
		return;
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)l->ifindex);
	if (libxdp_get_error(all))
		return;
	enum xdp_attach_mode mode = xdp_multiprog__attach_mode(all);
	if (xdp_multiprog__is_legacy(all)) {
		p = xdp_multiprog__main_prog(all);
		if (p && has_our_name(p))
			ours[n++] = xdp_program__clone(p, 0);
	} else {
		while (n < 8 && (p = xdp_multiprog__next_prog(p, all))) {
			if (has_our_name(p))
				ours[n++] = xdp_program__clone(p, 0);
		}
	}
	xdp_multiprog__close(all);
	for (unsigned i = 0; i < n; i++) {
		if (libxdp_get_error(ours[i]))
			continue;
		remove_program(s, l, ours[i], mode);
		xdp_program__close(ours[i]);
	}
}

static void sweep_addresses(struct sweeper *s)
{
	char text[PREFIX_TEXT];
	if (s->own.netns != s->netns)
		return;
	for (uint32_t i = 0; i < s->own.n_addresses; i++) {
		const struct state_address *a = &s->own.addresses[i];
		if (!netlink_has_address(s->n, &a->prefix.addr))
			continue;
		say(s, "address %s", ip_prefix_format(&a->prefix, text));
		if (!s->dry)
			netlink_address_remove(s->n, a->ifindex, &a->prefix);
	}
}

static void sweep_vlan(struct sweeper *s)
{
	if (s->own.netns != s->netns)
		return;
	for (uint32_t i = 0; i < s->own.n_ports; i++) {
		const struct state_port *p = &s->own.ports[i];
		struct netlink_link l;
		if (!p->strips_vlan || netlink_link_by_index(s->n, p->ifindex, &l) || l.strips_vlan)
			continue;
		say(s, "VLAN stripping of %s turned off", l.name);
		if (!s->dry && netlink_strip_vlan(s->n, l.name, true))
			say(s, "VLAN stripping of %s: stays off", l.name);
	}
}

static void sweep_file(struct sweeper *s, const char *what, const char *path)
{
	if (access(path, F_OK))
		return;
	say(s, "%s %s", what, path);
	if (!s->dry)
		unlink(path);
}

static void sweep_pins(struct sweeper *s)
{
	unsigned n = pins_count(s->instance);
	if (n)
		say(s, "%u pins in %s", n, s->instance->pins);
	if (!s->dry)
		pins_remove(s->instance);
}

/* Programs of the record that live on in another network namespace cannot be taken off from here.
 */
static void check_elsewhere(struct sweeper *s)
{
	if (s->err || s->dry || !s->own.n_ports || s->own.netns == s->netns)
		return;
	for (uint32_t i = 0; i < s->own.n_ports; i++) {
		int fd = bpf_prog_get_fd_by_id(s->own.ports[i].program);
		if (fd < 0)
			continue;
		close(fd);
		s->err = fault_set(
			s->f, -EXDEV,
			"%s is still attached to %s in another network namespace (inode %llu)",
			s->own.ports[i].program_name, s->own.ports[i].device,
			(unsigned long long)s->own.netns);
		fault_advise(s->f, "run `xgw detach --instance %s` there", s->instance->name);
		return;
	}
}

int sweep_unrecorded(struct netlink *n, struct fault *f)
{
	struct sweeper *s = calloc(1, sizeof *s);
	if (!s)
		return fault_set(f, -ENOMEM, "not enough memory to look for leftovers");
	s->n = n;
	s->f = f;
	state_each(NULL, note_foreign, s);
	int err = netlink_links(n, sweep_link, s);
	if (err && !s->err)
		s->err = fault_set(f, err, "cannot list the devices: %s", strerror(-err));
	err = s->err;
	free(s->foreign);
	free(s);
	return err;
}

int sweep(const struct instance *i, struct netlink *n, bool dry, json_t *removed, struct fault *f)
{
	struct sweeper *s = calloc(1, sizeof *s);
	if (!s)
		return fault_set(f, -ENOMEM, "not enough memory to look for leftovers");
	s->instance = i;
	s->n = n;
	s->netns = state_netns();
	s->dry = dry;
	s->removed = removed;
	s->f = f;
	state_read(i->state, &s->own);
	state_each(i->name, note_foreign, s);
	int err = netlink_links(n, sweep_link, s);
	if (err && !s->err)
		s->err = fault_set(f, err, "cannot list the devices: %s", strerror(-err));
	sweep_addresses(s);
	sweep_vlan(s);
	sweep_pins(s);
	sweep_file(s, "control socket", i->socket);
	check_elsewhere(s);
	/* the record stays until all that it names is gone */
	if (!s->err)
		sweep_file(s, "record", i->state);
	err = s->err;
	free(s->foreign);
	free(s);
	return err;
}
