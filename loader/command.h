/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program as a table, and the options that they share. */
#ifndef XGW_LOADER_COMMAND_H
#define XGW_LOADER_COMMAND_H

#include "base/fault.h"
#include "loader/instance.h"

#include <jansson.h>
#include <stdbool.h>

/* Exit statuses of the contract. */
enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define COMMAND_DEFAULT_CONFIG "/etc/xgw/gateway.yaml"

struct command_options {
	struct instance instance;
	const char *config; /* -c, never NULL */
	bool config_given;
	const char *vnet, *from;
	const char *output, *seconds; /* NULL: not given */
	const char *parameters, *resource_group, *location;
	const char *directory, *client, *ca, *credentials; /* of client-profile */
	const char *root, *name, *days, *password_file;	   /* of client-cert */
	bool json, watch, with_password, rsa, all;
	int verbosity; /* -v counts up, -q down */
	int argc;      /* positional arguments */
	char **argv;
};

/* Options that only some commands take; the rest is every command's. */
enum command_option {
	OPTION_CONFIG = 1,
	OPTION_JSON = 2,
	OPTION_WATCH = 4,
	OPTION_VNET = 8,
	OPTION_FROM = 16,
	OPTION_WRITE = 64,
	OPTION_SECONDS = 128,
	OPTION_PARAMETERS = 256,
	OPTION_RESOURCE_GROUP = 512,
	OPTION_LOCATION = 1024,
	OPTION_DIRECTORY = 2048,
	OPTION_CLIENT = 4096,
	OPTION_CA = 8192,
	OPTION_CREDENTIALS = 16384,
	OPTION_WITH_PASSWORD = 32768,
	OPTION_ROOT = 65536,
	OPTION_NAME = 131072,
	OPTION_DAYS = 262144,
	OPTION_PASSWORD_FILE = 524288,
	OPTION_RSA = 1048576,
	OPTION_ALL = 2097152,
};

struct command {
	const char *name, *arguments, *summary, *help;
	unsigned options;
	int least, most; /* positional arguments */
	int (*run)(const struct command_options *o);
};

const struct command *command_table(unsigned *n);
/* Nearest of the table, or NULL when none is near. */
const char *command_nearest(const char *name);
void command_help(const struct command *c);

/* One line on standard error: "xgw: TEXT". Returns `status`. */
int command_fail(enum exit_status status, const struct fault *f);
int command_say(enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The document on standard output; takes the reference. Returns the exit status. */
int command_print_json(json_t *document);

/* Reads the configuration, findings to standard error. 0, or the exit status, told already:
 * "nothing was STARTED". The model is to be freed after 0. */
struct config_former;
struct model;
int must_check command_take_config(const char *path, const char *started, struct model *out,
				   struct config_former **kept);

int cmd_run(const struct command_options *o);
int cmd_check(const struct command_options *o);
int cmd_status(const struct command_options *o);
int cmd_dump(const struct command_options *o);
int cmd_next_hop(const struct command_options *o);
int cmd_up(const struct command_options *o);
int cmd_down(const struct command_options *o);
int cmd_rekey(const struct command_options *o);
int cmd_reauthenticate(const struct command_options *o);
int cmd_reset(const struct command_options *o);
int cmd_attach(const struct command_options *o);
int cmd_detach(const struct command_options *o);
int cmd_doctor(const struct command_options *o);
int cmd_version(const struct command_options *o);
int cmd_bench(const struct command_options *o);
int cmd_capture(const struct command_options *o);
int cmd_keys(const struct command_options *o);
int cmd_import(const struct command_options *o);
int cmd_reload(const struct command_options *o);
int cmd_client_profile(const struct command_options *o);
int cmd_client_cert(const struct command_options *o);
int cmd_help(const struct command_options *o);

#endif
