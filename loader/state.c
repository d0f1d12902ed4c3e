/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t state_netns(void)
{
	struct stat st;
	return stat("/proc/self/ns/net", &st) ? 0 : (uint64_t)st.st_ino;
}

static void read_port(struct state *s, json_t *at)
{
	struct state_port *p = &s->ports[s->n_ports];
	const char *device = json_string_value(json_object_get(at, "device"));
	const char *name = json_string_value(json_object_get(at, "programName"));
	if (s->n_ports == XGW_MAX_PORTS || !device || !name)
		return;
	p->ifindex = (uint32_t)json_integer_value(json_object_get(at, "ifindex"));
	p->program = (uint32_t)json_integer_value(json_object_get(at, "program"));
	p->generic = json_is_true(json_object_get(at, "generic"));
	p->strips_vlan = json_is_true(json_object_get(at, "stripsVlan"));
	strncpy(p->device, device, sizeof p->device - 1);
	strncpy(p->program_name, name, sizeof p->program_name - 1);
	s->n_ports++;
}

static void read_address(struct state *s, json_t *at)
{
	struct state_address *a = &s->addresses[s->n_addresses];
	const char *text = json_string_value(json_object_get(at, "prefix"));
	if (s->n_addresses == STATE_MAX_ADDRESSES || !text || ip_prefix_parse(&a->prefix, text))
		return;
	a->ifindex = (uint32_t)json_integer_value(json_object_get(at, "ifindex"));
	s->n_addresses++;
}

int state_read(const char *path, struct state *out)
{
	json_t *document = json_load_file(path, 0, NULL), *at;
	size_t i;
	memset(out, 0, sizeof *out);
	if (!document)
		return access(path, F_OK) ? -ENOENT : -EINVAL;
	out->netns = (uint64_t)json_integer_value(json_object_get(document, "netns"));
	out->link_program = (uint32_t)json_integer_value(json_object_get(document, "linkProgram"));
	json_array_foreach(json_object_get(document, "ports"), i, at) read_port(out, at);
	json_array_foreach(json_object_get(document, "addresses"), i, at) read_address(out, at);
	json_decref(document);
	return 0;
}

static json_t *document_of(const struct state *s)
{
	char text[PREFIX_TEXT];
	json_t *ports = json_array(), *addresses = json_array();
	for (uint32_t i = 0; i < s->n_ports; i++) {
		const struct state_port *p = &s->ports[i];
		json_array_append_new(ports, json_pack("{s:I,s:I,s:s,s:s,s:b,s:b}", "ifindex",
						       (json_int_t)p->ifindex, "program",
						       (json_int_t)p->program, "device", p->device,
						       "programName", p->program_name, "generic",
						       p->generic, "stripsVlan", p->strips_vlan));
	}
	for (uint32_t i = 0; i < s->n_addresses; i++)
		json_array_append_new(addresses,
				      json_pack("{s:I,s:s}", "ifindex",
						(json_int_t)s->addresses[i].ifindex, "prefix",
						ip_prefix_format(&s->addresses[i].prefix, text)));
	return json_pack("{s:I,s:o,s:o,s:I}", "netns", (json_int_t)s->netns, "ports", ports,
			 "addresses", addresses, "linkProgram", (json_int_t)s->link_program);
}

int state_write(const char *path, const struct state *s, struct fault *f)
{
	char temporary[80];
	int err = 0;
	json_t *document = document_of(s);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		err = -errno;
	else if (!document || json_dumpfd(document, fd, JSON_COMPACT))
		err = -EIO;
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	json_decref(document);
	if (err)
		fault_set(f, err, "cannot write %s: %s", path, strerror(-err));
	return err;
}

void state_each(const char *except,
		void (*each)(void *owner, const char *name, const struct state *s), void *owner)
{
	struct state *s = malloc(sizeof *s);
	DIR *d = opendir(RUN_DIRECTORY);
	for (struct dirent *e; s && d && (e = readdir(d));) {
		char path[320], name[INSTANCE_NAME + 1] = "";
		const char *dot = strrchr(e->d_name, '.');
		size_t n = dot ? (size_t)(dot - e->d_name) : 0;
		if (!n || n > INSTANCE_NAME || strcmp(dot, ".state") != 0)
			continue;
		memcpy(name, e->d_name, n);
		snprintf(path, sizeof path, RUN_DIRECTORY "/%s", e->d_name);
		if ((!except || strcmp(name, except) != 0) && state_read(path, s) == 0)
			each(owner, name, s);
	}
	if (d)
		closedir(d);
	free(s);
}
