/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (64u << 20)

static ssize_t read_all(int fd, void *to, size_t room)
{
	size_t n = 0;
	while (n < room) {
		ssize_t got = read(fd, (char *)to + n, room - n);
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

/* Others: anybody but the owner, who must be root or the user of this process. */
static int judge_secret(int fd, const char *path, struct fault *f)
{
	struct stat st;
	if (fstat(fd, &st))
		return fault_set(f, -errno, "cannot look at the secret file '%s': %s", path,
				 strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_set(f, -EINVAL, "the secret file '%s' is not a regular file", path);
	if (st.st_mode & 0077) {
		fault_set(f, -EACCES,
			  "the secret file '%s' can be read or changed by others (mode %04o)", path,
			  st.st_mode & 07777);
		return fault_advise(f, "chmod 600 it");
	}
	if (st.st_uid && st.st_uid != geteuid()) {
		fault_set(f, -EACCES, "the secret file '%s' belongs to user %u", path, st.st_uid);
		return fault_advise(f, "chown it to root");
	}
	return 0;
}

static int read_secret(void *owner, const char *path, struct secret *out, struct fault *f)
{
	char full[4200];
	uint8_t bytes[SECRET_MAX + 3];
	const char *directory = owner;
	snprintf(full, sizeof full, "%s%s%s", *path == '/' ? "" : directory,
		 *path == '/' ? "" : "/", path);
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fault_set(f, -errno, "cannot read the secret file '%s': %s", path,
				 strerror(errno));
	int err = judge_secret(fd, path, f);
	ssize_t n = err ? 0 : read_all(fd, bytes, sizeof bytes);
	close(fd);
	if (err)
		return err;
	if (n < 0)
		return fault_set(f, (int)n, "cannot read the secret file '%s': %s", path,
				 strerror((int)-n));
	/* the line end that editors add is not part of the secret */
	if (n && bytes[n - 1] == '\n')
		n--;
	if (n && bytes[n - 1] == '\r')
		n--;
	if (!n)
		err = fault_set(f, -EINVAL, "the secret file '%s' is empty", path);
	else if (secret_set(out, bytes, (size_t)n))
		err = fault_set(f, -EMSGSIZE, "the secret file '%s' has more than %d bytes", path,
				SECRET_MAX);
	wipe(bytes, sizeof bytes);
	return err;
}

static int read_text(const char *path, char **out, size_t *len, struct fault *f)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		fault_set(f, err, "cannot read the configuration %s: %s", path, strerror(-err));
		return fault_advise(f, "name it with -c FILE");
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)) {
		close(fd);
		return fault_set(f, -EINVAL, "the configuration %s is not a file", path);
	}
	size_t room = S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 1u << 20;
	room = room > CONFIG_MAX_BYTES ? CONFIG_MAX_BYTES : room;
	*out = malloc(room);
	ssize_t n = *out ? read_all(fd, *out, room) : -ENOMEM;
	close(fd);
	if (n < 0 || (size_t)n == CONFIG_MAX_BYTES) {
		free(*out);
		*out = NULL;
		n = n < 0 ? n : -EFBIG;
		return fault_set(f, (int)n, "cannot read the configuration %s: %s", path,
				 strerror((int)-n));
	}
	*len = (size_t)n;
	return 0;
}

int config_file_load(const char *path, struct model *out, struct config_findings *findings,
		     struct fault *f)
{
	char directory[4096] = ".", *text = NULL;
	size_t len = 0;
	memset(out, 0, sizeof *out);
	memset(findings, 0, sizeof *findings);
	int err = read_text(path, &text, &len, f);
	if (err || !text)
		return err == -EINVAL ? -EISDIR : err;
	const char *slash = strrchr(path, '/');
	if (slash && (size_t)(slash - path) < sizeof directory)
		snprintf(directory, sizeof directory, "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	struct config_files files = {read_secret, directory};
	err = config_parse(out, text, len, &files, findings);
	wipe(text, len);
	free(text);
	if (err && err != -EINVAL)
		fault_set(f, err, "cannot parse %s: %s", path, strerror(-err));
	return err;
}
