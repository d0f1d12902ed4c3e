/* SPDX-License-Identifier: Apache-2.0 */
/* client-cert: an authority for clients, and their certificates. */
#include "loader/clock.h"
#include "loader/command.h"
#include "loader/files.h"
#include "loader/issue.h"
#include "p2s/profile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_DAYS     3650
#define CLIENT_DAYS   365
#define MOST_DAYS     36500
#define NAME_MOST     64 /* RFC 5280: ub-common-name */
#define PEM_MAX_BYTES (64u << 10)

/* 0, or the exit status, told already. */
static int read_request(const struct command_options *o, bool root, struct issue_request *r)
{
	char *end = NULL;
	long days = o->days ? strtol(o->days, &end, 10) : root ? ROOT_DAYS : CLIENT_DAYS;
	if (!o->directory || !o->name)
		return command_say(EXIT_USAGE, "`xgw client-cert %s` needs -o DIR and --name NAME",
				   o->argv[0]);
	if (!profile_is_client(o->name) || strlen(o->name) > NAME_MOST ||
	    (root && strchr(o->name, '@')))
		return command_say(EXIT_USAGE,
				   "--name: expected 1 to %d letters, digits and . _ -%s, not . or "
				   "- in front; came '%s'",
				   NAME_MOST, root ? "" : " @", o->name);
	if (o->days && (*end || days < 1 || days > MOST_DAYS))
		return command_say(EXIT_USAGE, "--days: expected 1 to %d, came '%s'", MOST_DAYS,
				   o->days);
	if (root && (o->root || o->password_file))
		return command_say(EXIT_USAGE, "`xgw client-cert root` has no option %s",
				   o->root ? "--root" : "--password-file");
	if (!root && !o->root)
		return command_say(EXIT_USAGE,
				   "`xgw client-cert client` needs --root DIR, where `xgw "
				   "client-cert root` put root.pem and root.key");
	*r = (struct issue_request){.name = o->name,
				    .rsa = o->rsa,
				    .now = clock_wall_seconds(),
				    .days = (uint32_t)days};
	return 0;
}

/* The key first: a certificate without one is of no use. */
static int write_pair(const struct command_options *o, const char *stem, const struct issued *i,
		      struct fault *f)
{
	char name[NAME_MOST + 8];
	snprintf(name, sizeof name, "%s.key", stem);
	int err =
		files_write(o->directory, name, (struct bytes){i->key, i->key_len}, 0600, false, f);
	snprintf(name, sizeof name, "%s.pem", stem);
	if (!err)
		err = files_write(o->directory, name,
				  (struct bytes){i->certificate, i->certificate_len}, 0644, false,
				  f);
	snprintf(name, sizeof name, "%s.p12", stem);
	if (!err && i->pkcs12)
		err = files_write(o->directory, name, (struct bytes){i->pkcs12, i->pkcs12_len},
				  0600, false, f);
	return err;
}

static void print_thumbprint(const uint8_t thumbprint[20])
{
	for (unsigned i = 0; i < 20; i++)
		printf("%02x", thumbprint[i]);
}

static int make_root(const struct command_options *o, const struct issue_request *r)
{
	struct issued issued;
	struct fault f = {0};
	char path[PATH_MAX];
	int err = issue_root(&issued, r, &f);
	if (!err)
		err = write_pair(o, "root", &issued, &f);
	if (!err) {
		printf("authority %s: %s/root.pem, and its key %s/root.key, which belongs on no "
		       "gateway\nthumbprint: ",
		       o->name, o->directory, o->directory);
		print_thumbprint(issued.thumbprint);
		printf("\nvpnClientRootCertificates:\n  - {name: \"%s\", file: \"%s/root.pem\"}\n",
		       o->name, realpath(o->directory, path) ? path : o->directory);
	}
	issued_free(&issued);
	return err ? command_fail(EXIT_FAILED, &f) : EXIT_DONE;
}

static int read_authority(const char *directory, const char *name, uint8_t **out, size_t *len,
			  struct fault *f)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%.4000s/%s", directory, name);
	return files_read(path, PEM_MAX_BYTES, out, len, f);
}

static void tell_client(const struct command_options *o, const struct issued *i)
{
	printf("client %s: %s/%s.pem, %s/%s.key%s\nthumbprint: ", o->name, o->directory, o->name,
	       o->directory, o->name, i->pkcs12 ? " and the same in PKCS#12" : "");
	print_thumbprint(i->thumbprint);
	printf("\nto refuse it later, in vpnClientRevokedCertificates:\n  - {name: ");
	for (const char *s = o->name; *s; s++)
		putchar(*s == '@' ? '-' : *s);
	printf(", thumbprint: ");
	print_thumbprint(i->thumbprint);
	printf("}\n");
	if (i->shortened)
		fprintf(stderr, "xgw: warning: it ends with its authority, before the days asked "
				"for\n");
}

static int make_client(const struct command_options *o, struct issue_request r)
{
	uint8_t *root = NULL, *key = NULL;
	size_t root_len = 0, key_len = 0;
	struct secret password = {0};
	struct issued issued = {0};
	struct fault f = {0};
	int err = o->password_file ? files_read_secret(o->password_file, &password, &f) : 0;
	r.password = o->password_file ? &password : NULL;
	if (!err)
		err = read_authority(o->root, "root.pem", &root, &root_len, &f);
	if (!err)
		err = read_authority(o->root, "root.key", &key, &key_len, &f);
	if (!err)
		err = issue_client(&issued, &r, (struct bytes){root, root_len},
				   (struct bytes){key, key_len}, &f);
	if (!err)
		err = write_pair(o, o->name, &issued, &f);
	if (!err)
		tell_client(o, &issued);
	if (key)
		wipe(key, key_len);
	secret_wipe(&password);
	free(root);
	free(key);
	issued_free(&issued);
	return err ? command_fail(EXIT_FAILED, &f) : EXIT_DONE;
}

int cmd_client_cert(const struct command_options *o)
{
	struct issue_request r;
	bool root = strcmp(o->argv[0], "root") == 0;
	if (!root && strcmp(o->argv[0], "client") != 0)
		return command_say(EXIT_USAGE, "client-cert: expected root or client, came '%s'",
				   o->argv[0]);
	int status = read_request(o, root, &r);
	if (status)
		return status;
	return root ? make_root(o, &r) : make_client(o, r);
}
