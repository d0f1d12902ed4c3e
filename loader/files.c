/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_all(int fd, uint8_t *to, size_t room)
{
	size_t n = 0;
	while (n < room) {
		ssize_t got = read(fd, to + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int files_read(const char *path, size_t most, uint8_t **out, size_t *len, struct fault *f)
{
	*out = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, -errno, "cannot read %s: %s", path, strerror(errno));
	*out = malloc(most + 1);
	ssize_t n = *out ? read_all(fd, *out, most + 1) : -ENOMEM;
	close(fd);
	if (n >= 0 && (size_t)n <= most) {
		*len = (size_t)n;
		return 0;
	}
	n = n < 0 ? n : -EFBIG;
	free(*out);
	*out = NULL;
	return fault_set(f, (int)n, "cannot read %s: %s", path, strerror((int)-n));
}

int files_read_secret(const char *path, struct secret *out, struct fault *f)
{
	uint8_t bytes[SECRET_MAX + 3];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return fault_set(f, err, "cannot read %s: %s", path, strerror(-err));
	}
	if (st.st_mode & 0077) {
		close(fd);
		fault_set(f, -EACCES, "%s can be read or changed by others", path);
		return fault_advise(f, "chmod 600 it");
	}
	ssize_t n = read_all(fd, bytes, sizeof bytes);
	close(fd);
	if (n < 0)
		return fault_set(f, (int)n, "cannot read %s: %s", path, strerror((int)-n));
	if (n && bytes[n - 1] == '\n')
		n--;
	if (n && bytes[n - 1] == '\r')
		n--;
	int err = 0;
	if (!n || secret_set(out, bytes, (size_t)n))
		err = fault_set(f, -EINVAL, "the password in %s has to have 1 to %d bytes", path,
				SECRET_MAX);
	wipe(bytes, sizeof bytes);
	return err;
}

static int write_all(int fd, struct bytes content)
{
	for (size_t done = 0; done < content.len;) {
		ssize_t n = write(fd, content.at + done, content.len - done);
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The folders above the last '/'. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int files_write(const char *directory, const char *name, struct bytes content, mode_t mode,
		bool replace, struct fault *f)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", directory, name);
	int err = n < 0 || (size_t)n >= sizeof path ? -ENAMETOOLONG : make_folders(path);
	if (!err && replace && unlink(path) && errno != ENOENT)
		err = -errno;
	int fd = err ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (!err && fd < 0)
		err = -errno;
	if (!err)
		err = write_all(fd, content);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (err)
		fault_set(f, err, "cannot write %s/%s: %s", directory, name, strerror(-err));
	if (err == -EEXIST)
		fault_advise(f, "remove it when it is no longer needed");
	return err;
}
