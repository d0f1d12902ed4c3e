/* SPDX-License-Identifier: Apache-2.0 */
/* keys: Wireshark's tables, one under the other. */
#include "loader/command.h"
#include "loader/control_socket.h"

#include <stdio.h>

static void print_table(const json_t *keys, const char *name)
{
	size_t i;
	const json_t *line;
	printf("# %s\n", name);
	json_array_foreach(json_object_get(keys, name), i, line)
		printf("%s\n", json_string_value(line));
}

int cmd_keys(const struct command_options *o)
{
	struct fault f = {0};
	json_t *response;
	json_t *request =
		json_pack("{s:s,s:s*}", "verb", "keys", "name", o->argc ? o->argv[0] : NULL);
	if (control_ask(&o->instance, request, &response, &f))
		return command_fail(EXIT_FAILED, &f);
	json_t *keys = json_incref(json_object_get(response, "keys"));
	json_decref(response);
	if (o->json)
		return command_print_json(keys);
	print_table(keys, "ikev2_decryption_table");
	print_table(keys, "esp_sa");
	json_decref(keys);
	return EXIT_DONE;
}
