/* SPDX-License-Identifier: Apache-2.0 */
/* dump: the pinned maps, decoded. */
#include "loader/command.h"
#include "loader/pins.h"
#include "maps/dump.h"

#include <stdio.h>

int cmd_dump(const struct command_options *o)
{
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
