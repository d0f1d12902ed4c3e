/* SPDX-License-Identifier: Apache-2.0 */
/* status, and the orders to connections: what asks the daemon. */
#include "loader/command.h"
#include "loader/control_socket.h"
#include "loader/pins.h"
#include "loader/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static json_t *find_among(const json_t *list, const char *name, const char **near, size_t *most)
{
	size_t i;
	json_t *c;
	json_array_foreach(list, i, c)
	{
		const char *have = json_string_value(json_object_get(c, "name"));
		size_t same = 0;
		if (have && strcmp(have, name) == 0)
			return c;
		while (have && have[same] && have[same] == name[same])
			same++;
		if (same > *most) {
			*most = same;
			*near = have;
		}
	}
	return NULL;
}

/* The connection or the client of the document with this name; borrowed. */
static json_t *find_connection(const json_t *document, const char *name, const char **near)
{
	size_t most = 2;
	json_t *c = find_among(json_object_get(document, "connections"), name, near, &most);
	return c ? c : find_among(json_object_get(document, "clients"), name, near, &most);
}

static int print_one(const struct command_options *o, const json_t *document)
{
	const char *near = NULL, *name = o->argv[0];
	json_t *c = find_connection(document, name, &near);
	if (!c && near)
		return command_say(EXIT_FAILED,
				   "no connection has the name '%s'; did you mean '%s'?", name,
				   near);
	if (!c)
		return command_say(EXIT_FAILED,
				   "no connection has the name '%s'; `xgw status` lists them",
				   name);
	if (o->json)
		return command_print_json(json_incref(c));
	status_print_connection(stdout, c);
	return EXIT_DONE;
}

static int print(const struct command_options *o, json_t *document)
{
	if (o->argc)
		return print_one(o, document);
	if (o->json)
		return command_print_json(json_incref(document));
	status_print(stdout, document);
	return EXIT_DONE;
}

/* No daemon: what the pins tell, and the exit status of something that does not run. */
static int without_daemon(const struct command_options *o, const struct fault *why)
{
	struct maps m;
	struct fault none = {0};
	int err = pins_open_maps(&m, &o->instance, &none);
	if (err)
		return command_fail(EXIT_FAILED, err == -ENOENT ? why : &none);
	json_t *document = status_of_pins(&m, o->instance.name);
	print(o, document);
	json_decref(document);
	maps_close(&m);
	fflush(stdout);
	return command_fail(EXIT_FAILED, why);
}

static int once(const struct command_options *o)
{
	struct fault f = {0};
	json_t *response;
	int err = control_ask(&o->instance, json_pack("{s:s}", "verb", "status"), &response, &f);
	if (err == -ECONNREFUSED)
		return without_daemon(o, &f);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	int status = print(o, json_object_get(response, "status"));
	json_decref(response);
	return status;
}

int cmd_status(const struct command_options *o)
{
	if (!o->watch)
		return once(o);
	bool terminal = isatty(STDOUT_FILENO);
	for (;;) {
		if (terminal && !o->json)
			fputs("\033[H\033[2J", stdout);
		int status = once(o);
		fflush(stdout);
		if (status || ferror(stdout))
			return status ? status : EXIT_FAILED;
		sleep(2);
	}
}

static int order(const struct command_options *o, const char *verb)
{
	struct fault f = {0};
	json_t *response;
	int err =
		control_ask(&o->instance, json_pack("{s:s,s:s}", "verb", verb, "name", o->argv[0]),
			    &response, &f);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	json_decref(response);
	return EXIT_DONE;
}

int cmd_up(const struct command_options *o)
{
	return order(o, "up");
}

int cmd_down(const struct command_options *o)
{
	return order(o, "down");
}

int cmd_rekey(const struct command_options *o)
{
	return order(o, "rekey");
}

int cmd_reauthenticate(const struct command_options *o)
{
	return order(o, "reauthenticate");
}

int cmd_reset(const struct command_options *o)
{
	return order(o, "reset");
}
