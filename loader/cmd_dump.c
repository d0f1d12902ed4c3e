/* SPDX-License-Identifier: Apache-2.0 */
/* dump: the pinned maps, decoded. */
#include "loader/command.h"
#include "loader/control_socket.h"
#include "loader/pins.h"
#include "maps/dump.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static void print_candidate(const json_t *c)
{
	printf("    %-8s %-24s %-18s weight %-5d %s\n", text_of(c, "source"), text_of(c, "nextHop"),
	       text_of(c, "peer"), (int)json_integer_value(json_object_get(c, "weight")),
	       text_of(c, "text"));
}

static void print_routes(const json_t *routes)
{
	size_t i, k;
	const json_t *r, *c;
	json_array_foreach(json_object_get(routes, "routes"), i, r)
	{
		const char *network = text_of(r, "virtualNetwork");
		printf("%s %s\n", text_of(r, "prefix"), *network ? network : text_of(r, "circuit"));
		json_array_foreach(json_object_get(r, "candidates"), k, c) print_candidate(c);
	}
	json_array_foreach(json_object_get(routes, "userRoutes"), i, r)
	{
		const char *learnt = text_of(r, "learntPrefix");
		printf("%s of route table %s follows %s %s\n", text_of(r, "prefix"),
		       text_of(r, "table"), *learnt ? learnt : "the routes of the configuration in",
		       text_of(r, "virtualNetwork"));
	}
}

/* Which routes there are besides those in the maps is known to the daemon alone. */
static int dump_candidates(const struct command_options *o)
{
	struct fault f = {0};
	json_t *response, *request = json_pack("{s:s}", "verb", "routes");
	if (o->argc && strncmp(o->argv[0], "routes", 6) != 0)
		return command_say(EXIT_USAGE, "--all is for routes: `xgw dump routes --all`");
	if (control_ask(&o->instance, request, &response, &f))
		return command_fail(EXIT_FAILED, &f);
	json_t *routes = json_incref(json_object_get(response, "routes"));
	json_decref(response);
	if (o->json)
		return command_print_json(routes);
	print_routes(routes);
	json_decref(routes);
	return EXIT_DONE;
}

int cmd_dump(const struct command_options *o)
{
	if (o->all)
		return dump_candidates(o);

	struct maps m;
	struct fault f = {0};
	json_t *document = NULL;
	int err = pins_open_maps(&m, &o->instance, &f);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	err = o->argc ? dump_map(&m, o->argv[0], &document, &f) : dump_list(&m, &document, &f);
	maps_close(&m);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	if (o->json)
		return command_print_json(document);
	dump_print(stdout, document);
	json_decref(document);
	return EXIT_DONE;
}
