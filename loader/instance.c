/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/instance.h"

#include "maps/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int instance_init(struct instance *out, const char *name, struct fault *f)
{
	size_t n = strlen(name);
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (!n || n > INSTANCE_NAME || *name == '.' || strspn(name, allowed) != n) {
		fault_set(f, -EINVAL, "'%.40s' is no name of an instance", name);
		return fault_advise(f, "use 1 to %d letters, digits, '-', '_' or '.'",
				    INSTANCE_NAME);
	}
	memset(out, 0, sizeof *out);
	memcpy(out->name, name, n);
	snprintf(out->pins, sizeof out->pins, MAPS_ROOT "/%s", name);
	snprintf(out->socket, sizeof out->socket, RUN_DIRECTORY "/%s.sock", name);
	snprintf(out->lock, sizeof out->lock, RUN_DIRECTORY "/%s.lock", name);
	snprintf(out->state, sizeof out->state, RUN_DIRECTORY "/%s.state", name);
	return 0;
}

/* The pid is informative; what counts is the lock. */
static pid_t read_pid(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;
	return pid > 0 ? (pid_t)pid : -1;
}

static void write_pid(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%d\n", getpid());
	/* without it the holder's pid is shown as unknown */
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n)
		return;
}

/* True when the locked file is still the one that the path names. */
static int is_current(int fd, const char *path)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
	       held.st_dev == named.st_dev;
}

int instance_lock(const struct instance *i, int *out, struct fault *f)
{
	for (;;) {
		/* made anew when the last instance that ended took it away */
		if (mkdir(RUN_DIRECTORY, 0700) && errno != EEXIST) {
			fault_set(f, -errno, "cannot make the directory " RUN_DIRECTORY ": %s",
				  strerror(errno));
			return fault_advise(f, "run as root");
		}
		int fd = open(i->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0) {
			fault_set(f, -errno, "cannot open %s: %s", i->lock, strerror(errno));
			return fault_advise(f, "run as root");
		}
		struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		if (fcntl(fd, F_OFD_SETLK, &whole)) {
			pid_t pid = read_pid(fd);
			close(fd);
			fault_set(f, -EBUSY, "instance '%s' is running already (pid %d)", i->name,
				  pid);
			return fault_advise(f, "stop it first, or choose another --instance NAME");
		}
		if (is_current(fd, i->lock)) {
			write_pid(fd);
			*out = fd;
			return 0;
		}
		close(fd); /* its last holder removed it between our open and flock */
	}
}

pid_t instance_holder(const struct instance *i)
{
	pid_t pid = 0;
	int fd = open(i->lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		pid = read_pid(fd);
	close(fd);
	return pid;
}

void instance_unlock(const struct instance *i, int fd)
{
	if (fd < 0)
		return;
	unlink(i->lock);
	close(fd);
	rmdir(RUN_DIRECTORY); /* succeeds only when no other instance is in it */
}
