/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/features.h"
#include "loader/attach.h"

#include "base/log.h"
/* bpftool writes a cast of the object's bytes that drops const */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "bpf/xgw.skel.h"
#pragma GCC diagnostic pop
#include "loader/pins.h"
#include "loader/program_fds.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xdp/libxdp.h>

struct attached {
	struct bpf_object *object;
	struct xdp_program *program;
	enum xdp_attach_mode mode;
	uint32_t ifindex;
	char device[16];
};

struct attach {
	struct instance instance;
	struct bpf_object *base;     /* owns the maps, and xgw_link */
	int programs[XGW_ROLE_LINK]; /* by role: of no dispatcher, for test runs; -1: not loaded */
	struct maps maps;
	struct state state;
	struct state *before; /* of who left programs attached; NULL: nobody, or succeeded */
	unsigned n;
	struct attached at[XGW_MAX_PORTS];
	uint32_t wires[XGW_MAX_LINKS]; /* by port id: the device's index, 0 none */
};

const char *attach_program_name(enum xgw_role role)
{
	switch (role) {
	case XGW_ROLE_UPLINK: return "xgw_uplink";
	case XGW_ROLE_VNET: return "xgw_vnet";
	case XGW_ROLE_LINK: return "xgw_link";
	default: return "xgw_circuit";
	}
}

const struct maps *attach_maps(const struct attach *a)
{
	return &a->maps;
}

static int load_fault(struct fault *f, int err)
{
	fault_set(f, err, "the kernel does not load the XDP programs: %s", strerror(-err));
	if (err == -EPERM)
		return fault_advise(f, "run as root with CAP_BPF and CAP_NET_ADMIN");
	return fault_advise(
		f, "Linux 6.1 or later with BTF is needed; -vv shows the verifier's words");
}

static int set_constants(struct bpf_object *object)
{
	struct bpf_map *map;
	bpf_object__for_each_map(map, object)
	{
		struct xgw_bpf__rodata constants;
		size_t size = 0;
		if (!bpf_map__is_internal(map) || !strstr(bpf_map__name(map), ".rodata"))
			continue;
		const void *from = bpf_map__initial_value(map, &size);
		if (!from || size != sizeof constants)
			return -EINVAL;
		memcpy(&constants, from, sizeof constants);
		constants.xgw_multi_buffer = features_multi_buffer();
		return bpf_map__set_initial_value(map, &constants, sizeof constants);
	}
	return -ENOENT;
}

static struct bpf_object *open_object(void)
{
	size_t n;
	const void *bytes = xgw_bpf__elf_bytes(&n);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "xgw");
	struct bpf_object *object = bpf_object__open_mem(bytes, n, &opts);
	int err = object ? set_constants(object) : 0;
	if (err) {
		bpf_object__close(object);
		errno = -err;
		return NULL;
	}
	return object;
}

static void load_only(struct bpf_object *object, const char *name)
{
	struct bpf_program *program;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
}

static int load_base(struct attach *a, struct fault *f)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	int fds[MAPS_COUNT];
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	a->base = open_object();
	if (!a->base)
		return load_fault(f, -errno);
	load_only(a->base, attach_program_name(XGW_ROLE_LINK));
	int err = bpf_object__load(a->base);
	if (err)
		return load_fault(f, err);
	for (int id = 0; id < MAPS_COUNT; id++) {
		int fd = bpf_object__find_map_fd_by_name(a->base, maps_row((enum maps_id)id)->name);
		fds[id] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}
	err = maps_adopt(&a->maps, fds, f);
	if (err)
		return err;
	const uint32_t zero = 0;
	const struct xgw_config first = {.layout_version = XGW_LAYOUT_VERSION, .generation = 1};
	err = maps_put(&a->maps, MAPS_config, &zero, &first);
	return err ? fault_set(f, err, "cannot write the map config: %s", strerror(-err)) : 0;
}

static int pin(const char *directory, const char *name, int fd, struct fault *f)
{
	char path[192];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	if (bpf_obj_pin(fd, path) == 0)
		return 0;
	return fault_set(f, -errno, "cannot pin %s: %s", path, strerror(errno));
}

static int pin_maps(const struct attach *a, const char *directory, struct fault *f)
{
	int err = 0;
	for (int id = 0; !err && id < MAPS_COUNT; id++) {
		if (a->maps.fd[id] >= 0)
			err = pin(directory, maps_row((enum maps_id)id)->name, a->maps.fd[id], f);
	}
	return err;
}

/* An unloaded object whose maps are the base's and whose only program is the role's. */
static struct bpf_object *open_for(const struct attach *a, const char *program_name)
{
	struct bpf_map *map;
	struct bpf_object *object = open_object();
	if (!object)
		return NULL;
	bpf_object__for_each_map(map, object)
	{
		int fd = bpf_object__find_map_fd_by_name(a->base, bpf_map__name(map));
		if (!bpf_map__is_internal(map) && fd >= 0 && bpf_map__reuse_fd(map, fd)) {
			bpf_object__close(object);
			return NULL;
		}
	}
	load_only(object, program_name);
	return object;
}

/*
 * What is attached as it is serves test runs too, and the verifier takes long for a program of this
 * size. What is part of a dispatcher has another type, which has no test run.
 */
static void keep_program(struct attach *a, enum xgw_role role, int fd)
{
	struct bpf_prog_info about = {0};
	uint32_t len = sizeof about;
	if (a->programs[role] < 0 && bpf_obj_get_info_by_fd(fd, &about, &len) == 0 &&
	    about.type == BPF_PROG_TYPE_XDP)
		a->programs[role] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* The role's program that no dispatcher has, loaded when there is none yet. */
static int need_program(struct attach *a, enum xgw_role role, struct fault *f)
{
	const char *name = attach_program_name(role);
	if (a->programs[role] >= 0)
		return 0;
	struct bpf_object *object = open_for(a, name);
	int err = object ? bpf_object__load(object) : -errno;
	if (!err)
		keep_program(a, role,
			     bpf_program__fd(bpf_object__find_program_by_name(object, name)));
	bpf_object__close(object);
	if (!err && a->programs[role] < 0)
		err = -EINVAL;
	return err ? load_fault(f, err) : 0;
}

static int need_programs(struct attach *a, const struct attach_port *ports, unsigned n_ports,
			 struct fault *f)
{
	int err = 0;
	for (unsigned p = 0; !err && p < n_ports; p++)
		err = need_program(a, ports[p].role, f);
	return err;
}

static struct bpf_program *link_program(const struct attach *a)
{
	return bpf_object__find_program_by_name(a->base, attach_program_name(XGW_ROLE_LINK));
}

static int pin_programs(const struct attach *a, const char *directory, struct fault *f)
{
	const char *link = attach_program_name(XGW_ROLE_LINK);
	int err = pin(directory, link, bpf_program__fd(link_program(a)), f);
	for (unsigned role = 0; !err && role < XGW_ROLE_LINK; role++) {
		if (a->programs[role] >= 0)
			err = pin(directory, attach_program_name((enum xgw_role)role),
				  a->programs[role], f);
	}
	return err;
}

static int try_attach(struct attach *a, const struct attach_port *p, enum xdp_attach_mode mode)
{
	struct attached *at = &a->at[a->n];
	const char *name = attach_program_name(p->role);
	*at = (struct attached){.mode = mode, .ifindex = p->link.ifindex};
	memcpy(at->device, p->link.name, sizeof at->device);
	at->object = open_for(a, name);
	if (!at->object)
		return -errno ? -errno : -ENOMEM;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = at->object, .prog_name = name);
	at->program = xdp_program__create(&opts);
	long err = libxdp_get_error(at->program);
	if (err)
		at->program = NULL;
	else
		err = xdp_program__attach(at->program, (int)p->link.ifindex, mode, 0);
	if (err) {
		xdp_program__close(at->program);
		bpf_object__close(at->object);
		*at = (struct attached){0};
	}
	return (int)err;
}

/*
 * Newer kernels, and updates of 6.12, take a program that changes packets only into a place of a
 * dispatcher that changes them too. That of an older libxdp does not, and the kernel says EINVAL.
 * libxdp can do without a dispatcher, but only its environment tells it to; that stays for the
 * other ports, for which the kernel's answer is the same.
 */
static int try_with_or_without_dispatcher(struct attach *a, const struct attach_port *p,
					  enum xdp_attach_mode mode)
{
	static const char variable[] = "LIBXDP_SKIP_DISPATCHER";
	int err = try_attach(a, p, mode);
	if (err != -EINVAL || getenv(variable) || setenv(variable, "1", 1))
		return err;
	err = try_attach(a, p, mode);
	if (err)
		unsetenv(variable);
	else
		log_info(LOG_XDP,
			 "dispatcher-refused device=%s: this kernel does not take the program into "
			 "libxdp's dispatcher; no other XDP program can be beside it",
			 p->link.name);
	return err;
}

static int attach_fault(struct fault *f, const struct attach_port *p, int err, bool native)
{
	fault_place(f, "%s", p->link.name);
	fault_set(f, err, "cannot attach %s to %s in %s mode: %s", attach_program_name(p->role),
		  p->link.name, native ? "native" : "generic", strerror(-err));
	if (err == -EBUSY || err == -EEXIST)
		return fault_advise(f,
				    "another XDP program is on the device, without a dispatcher; "
				    "`ip link set dev %s xdp off` removes it",
				    p->link.name);
	if (native)
		return fault_advise(
			f,
			"the driver may lack XDP, or the MTU of %u be too large for it; "
			"xdpMode: generic works with any device",
			p->link.mtu);
	return fault_advise(f, "`xgw doctor` shows what the device can do");
}

static int remember(struct attach *a, const struct attach_port *p, struct fault *f)
{
	struct state_port *s = &a->state.ports[a->state.n_ports++];
	const struct attached *at = &a->at[a->n];
	s->ifindex = p->link.ifindex;
	s->program = xdp_program__id(at->program);
	s->generic = p->generic;
	memcpy(s->device, p->link.name, sizeof s->device);
	strncpy(s->program_name, attach_program_name(p->role), sizeof s->program_name - 1);
	a->n++;
	return state_write(a->instance.state, &a->state, f);
}

static int attach_port(struct attach *a, struct attach_port *p, enum model_xdp_mode mode,
		       struct fault *f)
{
	int err = -EOPNOTSUPP;
	p->generic = mode == MODEL_XDP_GENERIC;
	if (!p->generic) {
		err = try_with_or_without_dispatcher(a, p, XDP_MODE_NATIVE);
		if (err &&
		    (mode == MODEL_XDP_NATIVE || err == -EBUSY || err == -EEXIST || err == -EPERM))
			return attach_fault(f, p, err, true);
		if (err)
			log_warn(
				LOG_XDP,
				"generic-fallback device=%s driver=%s: native XDP is refused (%s); generic "
				"mode serves, slower",
				p->link.name, p->link.driver, strerror(-err));
	}
	if (err) {
		p->generic = true;
		err = try_with_or_without_dispatcher(a, p, XDP_MODE_SKB);
	}
	if (err)
		return attach_fault(f, p, err, false);
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)p->link.ifindex);
	bool single = libxdp_get_error(all) || xdp_multiprog__is_legacy(all);
	log_info(LOG_XDP, "attached device=%s program=%s mode=%s by=%s queues=%u mtu=%u",
		 p->link.name, attach_program_name(p->role), p->generic ? "generic" : "native",
		 single ? "single-program" : "dispatcher", p->link.rx_queues, p->link.mtu);
	if (!libxdp_get_error(all))
		xdp_multiprog__close(all);
	keep_program(a, p->role, xdp_program__fd(a->at[a->n].program));
	return remember(a, p, f);
}

/* What a dead daemon of this instance left and does not forward any more. */
static int clear_leftovers(const struct instance *i, struct netlink *n, struct fault *f)
{
	json_t *removed = json_array();
	int err = sweep(i, n, false, removed, f);
	if (!err && json_array_size(removed))
		log_warn(LOG_XDP,
			 "leftovers instance=%s: %zu things of a dead daemon were cleared away",
			 i->name, json_array_size(removed));
	json_decref(removed);
	return err;
}

/* The record names programs that are still loaded, on devices of this network namespace. */
static bool forwards(const struct state *s)
{
	bool any = false;
	for (uint32_t i = 0; s->netns == state_netns() && !any && i < s->n_ports; i++) {
		int fd = bpf_prog_get_fd_by_id(s->ports[i].program);
		any = fd >= 0;
		if (any)
			close(fd);
	}
	return any;
}

static const struct state_port *port_before(const struct attach *a, uint32_t ifindex)
{
	for (uint32_t i = 0; a->before && i < a->before->n_ports; i++) {
		if (a->before->ports[i].ifindex == ifindex)
			return &a->before->ports[i];
	}
	return NULL;
}

static bool fits(const struct state_port *s, enum model_xdp_mode mode)
{
	return mode == MODEL_XDP_AUTO || s->generic == (mode == MODEL_XDP_GENERIC);
}

/* Addresses are as they are; what is attached is replaced later (attach_succeed). */
static void inherit(struct attach *a, struct attach_port *ports, unsigned n_ports,
		    enum model_xdp_mode mode)
{
	a->state.n_addresses = a->before->n_addresses;
	memcpy(a->state.addresses, a->before->addresses, sizeof a->state.addresses);
	for (unsigned p = 0; p < n_ports; p++) {
		const struct state_port *s = port_before(a, ports[p].link.ifindex);
		ports[p].generic = s && fits(s, mode) ? s->generic : mode == MODEL_XDP_GENERIC;
	}
	log_info(LOG_XDP,
		 "succession instance=%s: the programs that are attached forward until the new "
		 "ones replace them",
		 a->instance.name);
}

static int begin(struct attach *a, struct netlink *n, struct attach_port *ports, unsigned n_ports,
		 enum model_xdp_mode mode, struct fault *f)
{
	int err = 0;
	if (!a->before)
		err = clear_leftovers(&a->instance, n, f);
	if (!err)
		err = pins_prepare(&a->instance, f);
	if (!err)
		err = load_base(a, f);
	if (err)
		return err;
	if (a->before) {
		inherit(a, ports, n_ports, mode);
		return need_programs(a, ports, n_ports, f);
	}
	err = pin_maps(a, a->instance.pins, f);
	for (unsigned p = 0; !err && p < n_ports; p++)
		err = attach_port(a, &ports[p], mode, f);
	if (!err)
		err = need_programs(a, ports, n_ports, f);
	return err ? err : pin_programs(a, a->instance.pins, f);
}

/* What libxdp left open since `known` was noted. */
static void close_strays(const struct attach *a, struct program_fds *known)
{
	program_fds_keep_object(known, a->base);
	for (unsigned role = 0; role < XGW_ROLE_LINK; role++)
		program_fds_keep(known, a->programs[role]);
	for (unsigned i = 0; i < a->n; i++) {
		program_fds_keep_object(known, a->at[i].object);
		program_fds_keep(known, xdp_program__fd(a->at[i].program));
	}
	unsigned n = program_fds_close_others(known);
	if (n)
		log_debug(LOG_XDP, "strays=%u: descriptors that libxdp had left open", n);
}

int attach_start(struct attach **out, const struct instance *i, struct netlink *n,
		 struct attach_port *ports, unsigned n_ports, enum model_xdp_mode mode,
		 struct fault *f)
{
	struct attach *a = calloc(1, sizeof *a);
	struct state *before = a ? calloc(1, sizeof *before) : NULL;
	if (!before) {
		free(a);
		return fault_set(f, -ENOMEM, "not enough memory to attach");
	}
	a->instance = *i;
	a->state.netns = state_netns();
	memset(a->maps.fd, -1, sizeof a->maps.fd);
	memset(a->programs, -1, sizeof a->programs);
	if (state_read(i->state, before) == 0 && forwards(before))
		a->before = before;
	else
		free(before);
	struct program_fds known;
	program_fds_note(&known);
	int err = begin(a, n, ports, n_ports, mode, f);
	close_strays(a, &known);
	if (err) {
		attach_end(a, n);
		return err;
	}
	*out = a;
	return 0;
}

bool attach_succeeds(const struct attach *a)
{
	return a->before;
}

/* ---- succession: the new program takes the place of the one that is there ---- */

static struct xdp_program *program_on(uint32_t ifindex, uint32_t id, bool *single)
{
	struct xdp_program *found = NULL, *p = NULL;
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);
	if (libxdp_get_error(all))
		return NULL;
	*single = xdp_multiprog__is_legacy(all);
	if (*single) {
		p = xdp_multiprog__main_prog(all);
		found = p && xdp_program__id(p) == id ? xdp_program__clone(p, 0) : NULL;
	} else {
		while (!found && (p = xdp_multiprog__next_prog(p, all)))
			found = xdp_program__id(p) == id ? xdp_program__clone(p, 0) : NULL;
	}
	xdp_multiprog__close(all);
	return libxdp_get_error(found) ? NULL : found;
}

/* In one step, and not when somebody else's is there meanwhile. */
static int replace_single(struct attach *a, const struct attach_port *p, struct xdp_program *old)
{
	struct attached *at = &a->at[a->n];
	int new = a->programs[p->role];
	uint32_t flags = XDP_FLAGS_REPLACE | (p->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = xdp_program__fd(old));
	*at = (struct attached){.mode = p->generic ? XDP_MODE_SKB : XDP_MODE_NATIVE,
				.ifindex = p->link.ifindex};
	memcpy(at->device, p->link.name, sizeof at->device);
	at->program = xdp_program__from_fd(new);
	int err = (int)libxdp_get_error(at->program);
	if (err) {
		at->program = NULL;
		return err;
	}
	err = bpf_xdp_attach((int)p->link.ifindex, new, flags, &opts);
	if (err)
		xdp_program__close(at->program);
	return err;
}

/* Each step swaps the whole dispatcher; between them the old program is asked first, and what it
 * passes to the kernel the new one passes too. */
static int replace_dispatched(struct attach *a, const struct attach_port *p,
			      struct xdp_program *old)
{
	enum xdp_attach_mode mode = p->generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	int err = try_attach(a, p, mode);
	return err ? err : xdp_program__detach(old, (int)p->link.ifindex, mode, 0);
}

static int replace(struct attach *a, struct attach_port *p, const struct state_port *s,
		   enum model_xdp_mode mode, struct fault *f)
{
	bool single = false;
	struct xdp_program *old = program_on(p->link.ifindex, s->program, &single);
	int err = -ENOTSUP;
	if (!old)
		return attach_port(a, p, mode, f);
	p->generic = s->generic;
	if (fits(s, mode))
		err = single ? replace_single(a, p, old) : replace_dispatched(a, p, old);
	if (err) {
		log_warn(LOG_XDP,
			 "not-replaced device=%s: %s; nothing is forwarded by it for a moment",
			 p->link.name,
			 fits(s, mode) ? strerror(-err) : "it is in the other mode of XDP");
		xdp_program__detach(old, (int)p->link.ifindex,
				    s->generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
		err = attach_port(a, p, mode, f);
	} else {
		log_info(LOG_XDP, "replaced device=%s program=%s mode=%s by=%s", p->link.name,
			 attach_program_name(p->role), p->generic ? "generic" : "native",
			 single ? "single-program" : "dispatcher");
		err = remember(a, p, f);
	}
	xdp_program__close(old);
	return err;
}

static int succeed_port(struct attach *a, struct attach_port *p, enum model_xdp_mode mode,
			struct fault *f)
{
	const struct state_port *s = port_before(a, p->link.ifindex);
	int err = s ? replace(a, p, s, mode, f) : attach_port(a, p, mode, f);
	if (!err && s)
		a->state.ports[a->state.n_ports - 1].strips_vlan = s->strips_vlan;
	return err;
}

/* Whoever opens the pins finds all of one layout. */
static int succeed_pins(struct attach *a, struct fault *f)
{
	char next[sizeof a->instance.pins + 2];
	int err = pins_next(&a->instance, next, sizeof next, f);
	if (!err)
		err = pin_maps(a, next, f);
	if (!err)
		err = pin_programs(a, next, f);
	if (!err)
		err = pins_exchange(&a->instance, f);
	pins_next_remove(&a->instance);
	return err;
}

/* Devices that the configuration has no more. */
static void succeed_rest(struct attach *a, struct netlink *n)
{
	struct fault f = {0};
	for (uint32_t i = 0; i < a->before->n_ports; i++) {
		const struct state_port *s = &a->before->ports[i];
		bool stays = false;
		for (uint32_t p = 0; p < a->state.n_ports; p++)
			stays |= a->state.ports[p].ifindex == s->ifindex;
		if (!stays && s->strips_vlan && netlink_strip_vlan(n, s->device, true))
			log_debug(LOG_NET, "vlan-stripping device=%s: stays off", s->device);
	}
	free(a->before);
	a->before = NULL;
	if (sweep_unrecorded(n, &f))
		log_warn(LOG_XDP, "not-let-go: %s", f.text);
}

static int succeed_wires(struct attach *a, struct fault *f);

int attach_succeed(struct attach *a, struct netlink *n, struct attach_port *ports, unsigned n_ports,
		   enum model_xdp_mode mode, struct fault *f)
{
	struct program_fds known;
	if (!a->before)
		return 0;
	program_fds_note(&known);
	int err = succeed_wires(a, f);
	for (unsigned p = 0; !err && p < n_ports; p++)
		err = succeed_port(a, &ports[p], mode, f);
	if (!err)
		err = succeed_pins(a, f);
	if (!err)
		err = state_write(a->instance.state, &a->state, f);
	if (!err)
		succeed_rest(a, n);
	close_strays(a, &known);
	return err;
}

int attach_again(struct attach *a, struct attach_port *p, enum model_xdp_mode mode, struct fault *f)
{
	struct program_fds known;
	program_fds_note(&known);
	for (unsigned i = 0; i < a->n; i++) {
		if (strcmp(a->at[i].device, p->link.name) != 0)
			continue;
		xdp_program__close(a->at[i].program);
		bpf_object__close(a->at[i].object);
		a->n--;
		a->state.n_ports--;
		memmove(&a->at[i], &a->at[i + 1], (a->n - i) * sizeof a->at[0]);
		memmove(&a->state.ports[i], &a->state.ports[i + 1],
			(a->n - i) * sizeof a->state.ports[0]);
		break;
	}
	int err = attach_port(a, p, mode, f);
	close_strays(a, &known);
	return err;
}

int attach_address(struct attach *a, struct netlink *n, const struct netlink_link *l,
		   const struct ip_prefix *p, struct fault *f)
{
	char text[PREFIX_TEXT];
	int err = netlink_address_add(n, l->ifindex, p);
	if (err == -EEXIST)
		return 0;
	if (err)
		return fault_set(f, err, "cannot put the address %s on %s: %s",
				 ip_prefix_format(p, text), l->name, strerror(-err));
	log_info(LOG_NET, "address-added device=%s address=%s: it is taken away at the end",
		 l->name, ip_prefix_format(p, text));
	if (a->state.n_addresses < STATE_MAX_ADDRESSES)
		a->state.addresses[a->state.n_addresses++] = (struct state_address){l->ifindex, *p};
	return state_write(a->instance.state, &a->state, f);
}

void attach_addresses_keep(struct attach *a, struct netlink *n,
			   bool (*wanted)(void *owner, uint32_t ifindex, const struct ip_prefix *p),
			   void *owner)
{
	char text[PREFIX_TEXT];
	struct fault f = {0};
	uint32_t kept = 0, had = a->state.n_addresses;
	for (uint32_t i = 0; i < had; i++) {
		const struct state_address *x = &a->state.addresses[i];
		if (wanted(owner, x->ifindex, &x->prefix)) {
			a->state.addresses[kept++] = *x;
			continue;
		}
		netlink_address_remove(n, x->ifindex, &x->prefix);
		log_info(LOG_NET, "address-removed ifindex=%u address=%s", x->ifindex,
			 ip_prefix_format(&x->prefix, text));
	}
	a->state.n_addresses = kept;
	if (kept != had && state_write(a->instance.state, &a->state, &f))
		log_warn(LOG_NET, "state-not-written: %s", f.text);
}

int attach_vlan(struct attach *a, struct netlink *n, const struct netlink_link *l, struct fault *f)
{
	struct state_port *mine = NULL;
	for (uint32_t i = 0; i < a->state.n_ports; i++) {
		if (a->state.ports[i].ifindex == l->ifindex)
			mine = &a->state.ports[i];
	}
	if (!l->strips_vlan || !mine || mine->strips_vlan)
		return 0;
	int err = netlink_strip_vlan(n, l->name, false);
	if (err) {
		fault_set(f, err, "the device %s takes VLAN tags off and cannot be told not to: %s",
			  l->name, strerror(-err));
		return fault_advise(f, "XDP would take tagged frames for untagged ones; use "
				       "another device for VLAN attachments");
	}
	log_info(LOG_NET,
		 "vlan-stripping device=%s: off, so that XDP sees the tags; on again at the end",
		 l->name);
	mine->strips_vlan = true;
	return state_write(a->instance.state, &a->state, f);
}

/* ---- wires ---- */

/* The wire's place, or the first free one; XGW_MAX_LINKS: there is none. */
static unsigned place_of_wire(const struct attach *a, uint32_t ifindex)
{
	unsigned free_one = XGW_MAX_LINKS;
	for (unsigned i = XGW_MAX_LINKS; i-- > 0;) {
		if (a->wires[i] == ifindex)
			return i;
		if (!a->wires[i])
			free_one = i;
	}
	return free_one;
}

static int write_wire(const struct attach *a, const struct netlink_link *l, uint32_t id,
		      uint32_t attachment)
{
	const struct xgw_name_key key = {XGW_NAME_PORT, id};
	struct xgw_name name = {0};
	struct xgw_port port = {.id = id,
				.role = XGW_ROLE_LINK,
				.ifindex = l->ifindex,
				.mtu = l->mtu,
				.wire = attachment};
	memcpy(port.mac, l->mac, sizeof port.mac);
	snprintf(name.text, sizeof name.text, "%s", l->name);
	int err = maps_put(&a->maps, MAPS_names, &key, &name);
	if (!err)
		err = maps_put(&a->maps, MAPS_tx_ports, &l->ifindex, &l->ifindex);
	if (!err)
		err = maps_put(&a->maps, MAPS_ports, &l->ifindex, &port);
	maps_bump(&a->maps);
	return err;
}

static void forget_wire(struct attach *a, unsigned place)
{
	const struct xgw_name_key key = {XGW_NAME_PORT, XGW_MAX_PORTS + place};
	(void)maps_delete(&a->maps, MAPS_ports, &a->wires[place]);
	(void)maps_delete(&a->maps, MAPS_tx_ports, &a->wires[place]);
	(void)maps_delete(&a->maps, MAPS_names, &key);
	maps_bump(&a->maps);
	a->wires[place] = 0;
}

/* So that other instances leave the program where it is. */
static int remember_link_program(struct attach *a, int fd, struct fault *f)
{
	struct bpf_prog_info about = {0};
	uint32_t len = sizeof about;
	if (a->state.link_program)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &about, &len))
		return fault_set(f, -errno, "cannot ask for the id of xgw_link: %s",
				 strerror(errno));
	a->state.link_program = about.id;
	return state_write(a->instance.state, &a->state, f);
}

/* In the place of what is there; the same program on the same device is no news to the kernel. */
static int attach_link(struct attach *a, uint32_t ifindex, const char *name, struct fault *f)
{
	int program = bpf_program__fd(link_program(a));
	int err = remember_link_program(a, program, f);
	if (err)
		return err;
	err = bpf_xdp_attach((int)ifindex, program, XDP_FLAGS_DRV_MODE, NULL);
	return err ? fault_set(f, err, "cannot attach xgw_link to %s in native mode: %s", name,
			       strerror(-err))
		   : 0;
}

static int succeed_wires(struct attach *a, struct fault *f)
{
	char name[32];
	int err = 0;
	for (unsigned i = 0; !err && i < XGW_MAX_LINKS; i++) {
		snprintf(name, sizeof name, "device %u", a->wires[i]);
		if (a->wires[i])
			err = attach_link(a, a->wires[i], name, f);
	}
	return err;
}

int attach_wire(struct attach *a, const struct netlink_link *l, uint32_t attachment,
		struct fault *f)
{
	unsigned place = place_of_wire(a, l->ifindex);
	if (!link_program(a))
		return fault_set(f, -ENOENT, "the programs of this build have no xgw_link");
	if (place == XGW_MAX_LINKS)
		return fault_set(f, -ENOSPC, "%s: all %u links of circuits are taken", l->name,
				 XGW_MAX_LINKS);
	bool is_new = !a->wires[place];
	a->wires[place] = l->ifindex;
	int err = write_wire(a, l, XGW_MAX_PORTS + place, attachment);
	if (err)
		fault_set(f, err, "%s: cannot write the maps: %s", l->name, strerror(-err));
	if (!err && !a->before)
		err = attach_link(a, l->ifindex, l->name, f);
	if (err && is_new)
		forget_wire(a, place);
	else if (!err)
		log_info(LOG_XDP, "wire device=%s attachment=%u", l->name, attachment);
	return err;
}

void attach_unwire(struct attach *a, uint32_t ifindex)
{
	unsigned place = place_of_wire(a, ifindex);
	if (!ifindex || place == XGW_MAX_LINKS || a->wires[place] != ifindex)
		return;
	int err = a->before ? 0 : bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL);
	if (err && err != -ENODEV)
		log_debug(LOG_XDP, "detach ifindex=%u: %s", ifindex, strerror(-err));
	forget_wire(a, place);
}

void attach_end(struct attach *a, struct netlink *n)
{
	if (a->before) {
		attach_leave(a);
		return;
	}
	for (unsigned i = 0; i < XGW_MAX_LINKS; i++)
		attach_unwire(a, a->wires[i]);
	for (unsigned i = 0; i < a->n; i++) {
		struct attached *at = &a->at[i];
		int err = xdp_program__detach(at->program, (int)at->ifindex, at->mode, 0);
		if (err)
			log_debug(LOG_XDP, "detach device=%s: %s", at->device, strerror(-err));
		else
			log_info(LOG_XDP, "detached device=%s", at->device);
	}
	for (uint32_t i = 0; i < a->state.n_ports; i++) {
		const struct state_port *p = &a->state.ports[i];
		if (p->strips_vlan && netlink_strip_vlan(n, p->device, true))
			log_debug(LOG_NET, "vlan-stripping device=%s: stays off", p->device);
	}
	for (uint32_t i = 0; i < a->state.n_addresses; i++)
		netlink_address_remove(n, a->state.addresses[i].ifindex,
				       &a->state.addresses[i].prefix);
	pins_remove(&a->instance);
	unlink(a->instance.state);
	attach_leave(a);
}

void attach_leave(struct attach *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		xdp_program__close(a->at[i].program);
		bpf_object__close(a->at[i].object);
	}
	for (unsigned role = 0; role < XGW_ROLE_LINK; role++) {
		if (a->programs[role] >= 0)
			close(a->programs[role]);
	}
	maps_close(&a->maps);
	bpf_object__close(a->base);
	free(a->before);
	free(a);
}
