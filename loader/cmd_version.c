/* SPDX-License-Identifier: Apache-2.0 */
/* version: the program, its libraries, the crypto back ends and what they would use here. */
#include "esp/crypto.h"
#include "loader/command.h"
#include "loader/features.h"
#include "maps/layout.h"

#include <bpf/libbpf.h>
#include <event2/event.h>
#include <jansson.h>
#include <libfyaml.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static json_t *libraries(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s}", "libbpf", libbpf_version_string() + 1, "openssl",
			 OpenSSL_version(OPENSSL_VERSION_STRING), "libevent", event_get_version(),
			 "libfyaml", fy_library_version(), "jansson", jansson_version_str());
}

static json_t *backends(void)
{
	static const struct esp_backend *const all[] = {&esp_backend_ipsec_mb,
							&esp_backend_openssl};
	const struct esp_backend *chosen = esp_backend_choose("auto");
	json_t *list = json_array();
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		bool here = all[i]->available();
		json_array_append_new(list, json_pack("{s:s,s:b,s:b,s:s?}", "name", all[i]->name,
						      "available", here, "chosen", all[i] == chosen,
						      "version", here ? all[i]->version() : NULL));
	}
	return list;
}

static void print(const json_t *d)
{
	const char *key;
	json_t *value;
	size_t i;
	printf("xgw %s, map layout %" JSON_INTEGER_FORMAT "\n",
	       json_string_value(json_object_get(d, "version")),
	       json_integer_value(json_object_get(d, "mapLayout")));
	json_object_foreach(json_object_get(d, "libraries"), key, value)
		printf("  %-10s %s\n", key, json_string_value(value));
	printf("crypto back ends\n");
	json_array_foreach(json_object_get(d, "cryptoBackends"), i, value)
	{
		const char *version = json_string_value(json_object_get(value, "version"));
		printf("  %-10s %s%s\n", json_string_value(json_object_get(value, "name")),
		       version ? version : "not available here",
		       json_is_true(json_object_get(value, "chosen")) ? " (this CPU would use it)"
								      : "");
	}
	printf("kernel features\n");
	json_object_foreach(json_object_get(d, "kernel"), key, value)
	{
		if (json_is_string(value))
			printf("  %-10s %s\n", key, json_string_value(value));
		else
			printf("  %-10s %s\n", key, json_is_true(value) ? "yes" : "no");
	}
}

int cmd_version(const struct command_options *o)
{
	json_t *d = json_pack("{s:s,s:i,s:o,s:o,s:o}", "version", XGW_VERSION, "mapLayout",
			      (int)XGW_LAYOUT_VERSION, "libraries", libraries(), "cryptoBackends",
			      backends(), "kernel", features_of_kernel());
	if (o->json)
		return command_print_json(d);
	print(d);
	json_decref(d);
	return EXIT_DONE;
}
