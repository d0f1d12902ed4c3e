/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/pins.h"

#include "loader/state.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"

static int mount_bpffs(struct fault *f)
{
	struct statfs st;
	if (statfs(BPFFS, &st)) {
		fault_set(f, -errno, "there is no " BPFFS ": %s", strerror(errno));
		return fault_advise(
			f, "the kernel needs CONFIG_BPF_SYSCALL, and /sys must be mounted");
	}
	if ((unsigned long)st.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") == 0)
		return 0;
	fault_set(f, -errno, "cannot mount the BPF file system on " BPFFS ": %s", strerror(errno));
	return fault_advise(f, "run as root with CAP_SYS_ADMIN, or mount it beforehand");
}

static int make_directory(const char *path, struct fault *f)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return fault_set(f, -errno, "cannot make the directory %s: %s", path, strerror(errno));
}

int pins_prepare(const struct instance *i, struct fault *f)
{
	int err = mount_bpffs(f);
	if (!err)
		err = make_directory(MAPS_ROOT, f);
	return err ? err : make_directory(i->pins, f);
}

static unsigned each_pin(const char *directory, bool unlink_it)
{
	unsigned n = 0;
	DIR *d = opendir(directory);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		if (!unlink_it || unlinkat(dirfd(d), e->d_name, 0) == 0)
			n++;
	}
	closedir(d);
	return n;
}

/* No instance's name has such a character. */
static void next_path(const struct instance *i, char *out, size_t room)
{
	snprintf(out, room, "%s~", i->pins);
}

void pins_next_remove(const struct instance *i)
{
	char next[sizeof i->pins + 2];
	next_path(i, next, sizeof next);
	each_pin(next, true);
	rmdir(next);
}

int pins_next(const struct instance *i, char *out, size_t room, struct fault *f)
{
	pins_next_remove(i);
	next_path(i, out, room);
	return make_directory(out, f);
}

int pins_exchange(const struct instance *i, struct fault *f)
{
	char next[sizeof i->pins + 2];
	next_path(i, next, sizeof next);
	if (renameat2(AT_FDCWD, next, AT_FDCWD, i->pins, RENAME_EXCHANGE) == 0)
		return 0;
	return fault_set(f, -errno, "cannot put the new pins into %s: %s", i->pins,
			 strerror(errno));
}

unsigned pins_remove(const struct instance *i)
{
	unsigned n = each_pin(i->pins, true);
	rmdir(i->pins);
	pins_next_remove(i);
	rmdir(MAPS_ROOT); /* succeeds only when no other instance is in it */
	return n;
}

unsigned pins_count(const struct instance *i)
{
	return each_pin(i->pins, false);
}

/* Where the daemon itself sees the pins. */
static bool daemon_directory(const struct instance *i, char out[128])
{
	pid_t pid = instance_holder(i);
	if (pid <= 0)
		return false;
	snprintf(out, 128, "/proc/%d/root%s", pid, i->pins);
	return access(out, F_OK) == 0;
}

/* ---- through the attached programs ---- */

/* A map of another layout has other sizes, and is left out. */
static bool is_row(const struct bpf_map_info *about, enum maps_id id)
{
	const struct maps_row *row = maps_row(id);
	return strncmp(about->name, row->name, sizeof about->name - 1) == 0 &&
	       about->key_size == row->key_size && about->value_size == row->value_size;
}

static void take_map(int fd, int fds[MAPS_COUNT])
{
	struct bpf_map_info about = {0};
	uint32_t len = sizeof about;
	if (bpf_obj_get_info_by_fd(fd, &about, &len) == 0) {
		for (int id = 0; id < MAPS_COUNT; id++) {
			if (fds[id] < 0 && is_row(&about, (enum maps_id)id)) {
				fds[id] = fd;
				return;
			}
		}
	}
	close(fd);
}

static void take_maps_of(int program, int fds[MAPS_COUNT])
{
	uint32_t ids[64];
	struct bpf_prog_info about = {.nr_map_ids = 64, .map_ids = (uintptr_t)ids};
	uint32_t len = sizeof about;
	if (bpf_obj_get_info_by_fd(program, &about, &len))
		return;
	for (uint32_t i = 0; i < about.nr_map_ids && i < 64; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd >= 0)
			take_map(fd, fds);
	}
}

static int adopt_attached(struct maps *out, const struct instance *i, struct fault *f)
{
	int fds[MAPS_COUNT];
	struct state *s = malloc(sizeof *s);
	memset(fds, -1, sizeof fds);
	if (s && state_read(i->state, s) == 0) {
		for (uint32_t p = 0; p < s->n_ports; p++) {
			int program = bpf_prog_get_fd_by_id(s->ports[p].program);
			if (program < 0)
				continue;
			take_maps_of(program, fds);
			close(program);
		}
	}
	free(s);
	/* those that only the daemon uses are gone with it */
	if (fds[MAPS_ports] >= 0)
		return maps_adopt(out, fds, f);
	for (int id = 0; id < MAPS_COUNT; id++) {
		if (fds[id] >= 0)
			close(fds[id]);
	}
	fault_set(f, -ENOENT, "no maps of instance '%s' are loaded on this host", i->name);
	return fault_advise(f,
			    "start it with `xgw run` or `xgw attach`, or name another --instance");
}

int pins_open_maps(struct maps *out, const struct instance *i, struct fault *f)
{
	char directory[128];
	int err = maps_open(out, i->pins, f);
	if (err != -ENOENT)
		return err;
	if (daemon_directory(i, directory))
		err = maps_open(out, directory, f);
	return err == -ENOENT ? adopt_attached(out, i, f) : err;
}

static int attached_program(const struct instance *i, const char *name)
{
	int fd = -ENOENT;
	struct state *s = malloc(sizeof *s);
	if (s && state_read(i->state, s) == 0) {
		for (uint32_t p = 0; fd < 0 && p < s->n_ports; p++) {
			if (strcmp(s->ports[p].program_name, name) == 0)
				fd = bpf_prog_get_fd_by_id(s->ports[p].program);
		}
	}
	free(s);
	return fd;
}

int pins_open_program(const struct instance *i, const char *name, struct fault *f)
{
	char directory[128], path[192];
	snprintf(path, sizeof path, "%s/%s", i->pins, name);
	int fd = bpf_obj_get(path);
	if (fd < 0 && daemon_directory(i, directory)) {
		snprintf(path, sizeof path, "%s/%s", directory, name);
		fd = bpf_obj_get(path);
	}
	if (fd < 0)
		fd = attached_program(i, name);
	if (fd >= 0)
		return fd;
	fault_set(f, -ENOENT, "the program %s of instance '%s' is not loaded", name, i->name);
	return fault_advise(f,
			    "start it with `xgw run` or `xgw attach`, or name another --instance");
}
