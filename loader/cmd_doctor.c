/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what this host can do, and what is left over. */
#include "datapath/datapath.h"
#include "loader/attach.h"
#include "loader/command.h"
#include "loader/features.h"
#include "loader/pins.h"
#include "loader/router.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct examination {
	struct netlink *n;
	json_t *devices, *instances, *findings;
};

static void find(struct examination *x, const char *severity, const char *text, const char *advice)
{
	json_array_append_new(x->findings, json_pack("{s:s,s:s,s:s}", "severity", severity, "text",
						     text, "advice", advice));
}

static void add_device(void *owner, const struct netlink_link *l)
{
	static const char *const modes[] = {"none", "native", "generic", "offload", "several"};
	struct examination *x = owner;
	uint64_t can = 0;
	if (!l->ethernet)
		return;
	bool known = features_of_device(l->ifindex, &can);
	json_t *device =
		json_pack("{s:s,s:s,s:b,s:I,s:I,s:s}", "device", l->name, "driver", l->driver, "up",
			  l->up, "mtu", (json_int_t)l->mtu, "queues", (json_int_t)l->rx_queues,
			  "xdpAttached", modes[l->xdp_mode < 5 ? l->xdp_mode : 0]);
	static const struct {
		const char *name;
		uint64_t bit;
	} features[] = {{"native", FEATURE_XDP_BASIC},
			{"redirect", FEATURE_XDP_REDIRECT},
			{"transmit", FEATURE_XDP_NDO_XMIT},
			{"zeroCopy", FEATURE_XDP_ZERO_COPY},
			{"frags", FEATURE_XDP_FRAGS}};
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		json_object_set_new(device, features[i].name,
				    known ? json_boolean(can & features[i].bit) : json_null());
	json_object_set_new(device, "vlanStripping", json_boolean(l->strips_vlan));
	json_object_set_new(device, "zeroCopyBuffers",
			    json_integer((json_int_t)features_segments(l->ifindex)));
	json_array_append_new(x->devices, device);
}

static void add_instance(struct examination *x, const char *name)
{
	struct instance i;
	struct fault f = {0};
	char text[160];
	if (instance_init(&i, name, &f))
		return;
	pid_t pid = instance_holder(&i);
	json_t *left = json_array();
	if (!pid) {
		sweep(&i, x->n, true, left, &f);
		router_sweep(&i, true, left, &f);
	}
	if (!pid && json_array_size(left)) {
		snprintf(text, sizeof text, "instance '%s' does not run and left %zu things behind",
			 name, json_array_size(left));
		snprintf(
			f.advice, sizeof f.advice,
			"`xgw detach --instance %s` clears them, unless `xgw attach` put them there",
			name);
		find(x, "warning", text, f.advice);
	}
	json_array_append_new(x->instances,
			      json_pack("{s:s,s:b,s:i,s:i,s:b,s:o}", "name", name, "running",
					pid != 0, "pid", (int)pid, "pins", (int)pins_count(&i),
					"socket", access(i.socket, F_OK) == 0, "leftovers", left));
}

static bool has_instance(const struct examination *x, const char *name)
{
	size_t i;
	const json_t *have;
	json_array_foreach(x->instances, i, have)
	{
		if (strcmp(json_string_value(json_object_get(have, "name")), name) == 0)
			return true;
	}
	return false;
}

/* True when the file is an instance's; its name is then left alone. */
static bool cut_ending(char *name)
{
	static const char *const endings[] = {".lock", ".state", ".sock"};
	char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
		if (strcmp(dot, endings[i]) == 0) {
			*dot = '\0';
			return true;
		}
	}
	return false;
}

/* Instances by what they leave: pins, and files below RUN_DIRECTORY. */
static void look_in(struct examination *x, const char *directory, bool files)
{
	DIR *d = opendir(directory);
	for (struct dirent *e; d && (e = readdir(d));) {
		char name[256];
		snprintf(name, sizeof name, "%s", e->d_name);
		if (name[0] != '.' && (!files || cut_ending(name)) && !has_instance(x, name))
			add_instance(x, name);
	}
	if (d)
		closedir(d);
}

static void judge_kernel(struct examination *x, const json_t *kernel)
{
	if (!json_is_true(json_object_get(kernel, "btf")))
		find(x, "error", "the kernel has no BTF",
		     "use a kernel with CONFIG_DEBUG_INFO_BTF");
	if (!json_is_true(json_object_get(kernel, "afXdp")))
		find(x, "error", "the kernel has no AF_XDP sockets",
		     "use a kernel with CONFIG_XDP_SOCKETS");
	if (!json_is_true(json_object_get(kernel, "multiBuffer"))) {
		char text[128];
		snprintf(text, sizeof text,
			 "AF_XDP takes packets of one buffer alone: an MTU above %u is not used",
			 DATAPATH_MTU_MAX);
		find(x, "note", text, "Linux 6.6 and later take larger ones");
	}
	if (json_is_false(json_object_get(kernel, "freplace")))
		find(x, "note", "the kernel has no freplace programs",
		     "one XDP program for each device; others cannot be beside it");
	if (!json_is_true(json_object_get(kernel, "bpffs")))
		find(x, "note", "the BPF file system is not mounted on /sys/fs/bpf",
		     "`xgw run` and `xgw attach` mount it");
	if (geteuid())
		find(x, "warning", "not run as root: programs and leftovers cannot all be seen",
		     "run it as root");
}

static const char *yes(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "?";
}

static void print(const json_t *d)
{
	size_t i;
	json_t *o, *kernel = json_object_get(d, "kernel");
	printf("kernel %s: BTF %s, AF_XDP %s (multi-buffer %s), freplace (dispatcher) %s, bpffs "
	       "%s\n\n",
	       json_string_value(json_object_get(kernel, "release")), yes(kernel, "btf"),
	       yes(kernel, "afXdp"), yes(kernel, "multiBuffer"), yes(kernel, "freplace"),
	       yes(kernel, "bpffs"));
	printf("%-16s %-12s %-5s %6s %6s  %-7s %-9s %-6s %s\n", "DEVICE", "DRIVER", "UP", "MTU",
	       "QUEUES", "NATIVE", "ZERO COPY", "FRAGS", "XDP ATTACHED");
	json_array_foreach(json_object_get(d, "devices"), i, o)
		printf("%-16s %-12s %-5s %6" JSON_INTEGER_FORMAT " %6" JSON_INTEGER_FORMAT
		       "  %-7s %-9s %-6s %s\n",
		       json_string_value(json_object_get(o, "device")),
		       json_string_value(json_object_get(o, "driver")), yes(o, "up"),
		       json_integer_value(json_object_get(o, "mtu")),
		       json_integer_value(json_object_get(o, "queues")), yes(o, "native"),
		       yes(o, "zeroCopy"), yes(o, "frags"),
		       json_string_value(json_object_get(o, "xdpAttached")));
	printf("\n");
	json_array_foreach(json_object_get(d, "instances"), i, o)
	{
		size_t k;
		json_t *left;
		printf("instance %s: %s, %" JSON_INTEGER_FORMAT " pins\n",
		       json_string_value(json_object_get(o, "name")),
		       json_is_true(json_object_get(o, "running")) ? "running" : "not running",
		       json_integer_value(json_object_get(o, "pins")));
		json_array_foreach(json_object_get(o, "leftovers"), k, left)
			printf("  left over: %s\n", json_string_value(left));
	}
	json_array_foreach(json_object_get(d, "findings"), i, o)
		printf("%s: %s; %s\n", json_string_value(json_object_get(o, "severity")),
		       json_string_value(json_object_get(o, "text")),
		       json_string_value(json_object_get(o, "advice")));
}

int cmd_doctor(const struct command_options *o)
{
	struct fault f = {0};
	struct examination x = {
		.devices = json_array(), .instances = json_array(), .findings = json_array()};
	json_t *kernel = features_of_kernel();
	int err = netlink_open(&x.n, &f);
	if (!err) {
		judge_kernel(&x, kernel);
		netlink_links(x.n, add_device, &x);
		add_instance(&x, o->instance.name);
		look_in(&x, MAPS_ROOT, false);
		look_in(&x, RUN_DIRECTORY, true);
		netlink_close(x.n);
	}
	json_t *d =
		json_pack("{s:s,s:o,s:o,s:o,s:o}", "instance", o->instance.name, "kernel", kernel,
			  "devices", x.devices, "instances", x.instances, "findings", x.findings);
	int status = EXIT_DONE;
	if (err)
		status = command_fail(EXIT_FAILED, &f);
	else if (o->json)
		return command_print_json(d);
	else
		print(d);
	json_decref(d);
	return status;
}
