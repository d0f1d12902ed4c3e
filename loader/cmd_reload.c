/* SPDX-License-Identifier: Apache-2.0 */
/* reload: asks the daemon to take its configuration, or another one, by the difference. */
#include "loader/command.h"
#include "loader/control_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_SECONDS 600 /* a very large configuration takes its time to read */

static void print_lines(const json_t *response)
{
	size_t i;
	const json_t *line;
	json_array_foreach(json_object_get(response, "lines"), i, line)
		fprintf(stderr, "%s\n", json_string_value(line));
}

static int print(const struct command_options *o, json_t *response)
{
	const char *text = json_string_value(json_object_get(response, "text"));
	if (o->json)
		return command_print_json(json_incref(response));
	printf("reload: %s\n", text ? text : "done");
	return EXIT_DONE;
}

int cmd_reload(const struct command_options *o)
{
	struct fault f = {0};
	char path[PATH_MAX];
	json_t *response = NULL, *request = json_pack("{s:s}", "verb", "reload");
	if (o->config_given && !realpath(o->config, path)) {
		json_decref(request);
		fault_set(&f, -errno, "cannot read the configuration %s: %s", o->config,
			  strerror(errno));
		return command_fail(EXIT_USAGE, &f);
	}
	if (o->config_given)
		json_object_set_new(request, "path", json_string(path));
	int err = control_ask_long(&o->instance, request, PATIENCE_SECONDS, &response, &f);
	print_lines(response);
	bool wrong = json_is_true(json_object_get(response, "configuration"));
	int status = err ? command_fail(wrong ? EXIT_USAGE : EXIT_FAILED, &f) : print(o, response);
	json_decref(response);
	return status;
}
