/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/config_file.h"

#include "ike/dh.h"
#include "loader/clock.h"
#include "loader/clients.h"
#include "loader/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (64u << 20)
#define KEY_MAX_BYTES	 (64u << 10) /* of a private key */
#define FILE_MAX_BYTES	 (16u << 20) /* of certificates, a CRL */
#define WARN_DAYS	 30	     /* before a certificate expires */

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

/* Relative paths are beside the configuration. */
static int open_beside(const char *directory, const char *path)
{
	char full[4200];
	snprintf(full, sizeof full, "%s%s%s", *path == '/' ? "" : directory,
		 *path == '/' ? "" : "/", path);
	return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int read_secret(void *owner, const char *path, struct secret *out, struct fault *f)
{
	uint8_t bytes[SECRET_MAX + 3];
	int fd = open_beside(owner, path);
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

/* Everybody may read a certificate, but only root and we may say which. */
static int judge_public(int fd, const char *path, struct fault *f)
{
	struct stat st;
	if (fstat(fd, &st))
		return fault_set(f, -errno, "cannot look at '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_set(f, -EINVAL, "'%s' is not a regular file", path);
	if (st.st_mode & 0002) {
		fault_set(f, -EACCES, "'%s' can be changed by everybody (mode %04o)", path,
			  st.st_mode & 07777);
		return fault_advise(f, "chmod 644 it");
	}
	return 0;
}

static int read_file(void *owner, const char *path, bool secret, uint8_t **out, size_t *len,
		     struct fault *f)
{
	size_t cap = secret ? KEY_MAX_BYTES : FILE_MAX_BYTES;
	struct stat st;
	int fd = open_beside(owner, path);
	if (fd < 0)
		return fault_set(f, -errno, "cannot read '%s': %s", path, strerror(errno));
	int err = secret ? judge_secret(fd, path, f) : judge_public(fd, path, f);
	size_t room = !err && !fstat(fd, &st) && (size_t)st.st_size < cap ? (size_t)st.st_size + 1
									  : cap + 1;
	*out = err ? NULL : malloc(room);
	ssize_t n = *out ? read_all(fd, *out, room) : -ENOMEM;
	close(fd);
	if (!err && n < 0)
		err = fault_set(f, (int)n, "cannot read '%s': %s", path, strerror((int)-n));
	else if (!err && !n)
		err = fault_set(f, -EINVAL, "'%s' is empty", path);
	else if (!err && (size_t)n == room)
		err = fault_set(f, -EFBIG, "'%s' has more than %zu bytes, or is just being written",
				path, cap);
	*len = n > 0 ? (size_t)n : 0;
	if (!err)
		return 0;
	if (*out)
		wipe(*out, *len);
	free(*out);
	*out = NULL;
	return err;
}

/* What is in the files of certificates, and what of it will fail only later. */
static int judge_certificates(const struct model *m, struct config_findings *findings)
{
	struct credentials *c = NULL;
	struct clients *clients = NULL;
	int err = credentials_new(&c, m, findings, NULL);
	if (!err)
		err = clients_new(&clients, m, NULL, c, findings, NULL);
	clients_free(clients);
	if (!err)
		credentials_judge(c, m, clock_wall_seconds(), WARN_DAYS, findings);
	credentials_free(c);
	return err;
}

static int judge_policy(const struct model_policy *p, struct config_findings *findings)
{
	int err = 0;
	for (uint32_t i = 0; i < p->n_additional; i++) {
		char text[160];
		if (dh_supports(p->additional[i]))
			continue;
		snprintf(text, sizeof text,
			 "additionalKeyExchanges: %s needs OpenSSL 3.5 or later, and this is %s",
			 group_of(p->additional[i])->contract_name,
			 OpenSSL_version(OPENSSL_VERSION_STRING));
		config_findings_add(findings, CONFIG_ERROR, p->place, text);
		err = -EINVAL;
	}
	return err;
}

/* ML-KEM is in newer libraries only, and the parser does not know which one runs. */
static int judge_key_exchanges(const struct model *m, struct config_findings *findings)
{
	int err = 0;
	for (uint32_t i = 0; i < m->n_connections; i++)
		for (uint32_t k = 0; k < m->connections[i].n_policies; k++)
			if (judge_policy(&m->connections[i].policies[k], findings))
				err = -EINVAL;
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

int config_file_load_kept(const char *path, struct model *out, struct config_findings *findings,
			  const struct config_former *former, const struct model *was,
			  struct config_former **kept, struct fault *f)
{
	char directory[4096] = ".", *text = NULL;
	size_t len = 0;
	memset(out, 0, sizeof *out);
	memset(findings, 0, sizeof *findings);
	*kept = NULL;
	int err = read_text(path, &text, &len, f);
	if (err || !text)
		return err == -EINVAL ? -EISDIR : err;
	const char *slash = strrchr(path, '/');
	if (slash && (size_t)(slash - path) < sizeof directory)
		snprintf(directory, sizeof directory, "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	struct config_files files = {read_secret, read_file, directory};
	err = config_parse_kept(out, text, len, &files, findings, former, was, kept);
	if (!err)
		err = judge_key_exchanges(out, findings);
	if (!err)
		err = judge_certificates(out, findings);
	if (err && err != -EINVAL)
		fault_set(f, err, "cannot parse %s: %s", path, strerror(-err));
	return err;
}

int config_file_load(const char *path, struct model *out, struct config_findings *findings,
		     struct fault *f)
{
	struct config_former *kept;
	int err = config_file_load_kept(path, out, findings, NULL, NULL, &kept, f);
	config_former_free(kept);
	return err;
}
