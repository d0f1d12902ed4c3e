/* SPDX-License-Identifier: Apache-2.0 */
/* version: the program, its libraries, the crypto back ends and what they would use here. */
#include "esp/choose.h"
#include "ike/dh.h"
#include "loader/clock.h"
#include "loader/command.h"
#include "loader/features.h"
#include "maps/layout.h"

#include <bpf/libbpf.h>
#include <event2/event.h>
#include <jansson.h>
#include <libfyaml.h>
#include <libxml/xmlversion.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static json_t *libraries(void)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "libbpf", libbpf_version_string() + 1,
			 "openssl", OpenSSL_version(OPENSSL_VERSION_STRING), "libevent",
			 event_get_version(), "libfyaml", fy_library_version(), "jansson",
			 jansson_version_str(), "libxml2", LIBXML_DOTTED_VERSION);
}

static json_t *backends(const struct esp_choice *choice)
{
	static const struct esp_backend *const all[] = {&esp_backend_ipsec_mb,
							&esp_backend_openssl};
	json_t *list = json_array();
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		bool here = all[i]->available();
		json_array_append_new(list, json_pack("{s:s,s:b,s:b,s:s?}", "name", all[i]->name,
						      "available", here, "chosen",
						      all[i] == choice->workers, "version",
						      here ? all[i]->version() : NULL));
	}
	return list;
}

/* Of IKE; which of them ML-KEM is among depends on the library. */
static json_t *key_exchanges(void)
{
	json_t *list = json_array();
	for (int g = DH_NONE + 1; g < DH_COUNT; g++)
		if (dh_supports(g))
			json_array_append_new(list, json_string(group_of(g)->contract_name));
	return list;
}

static json_t *ns_or_null(uint32_t ns)
{
	return ns ? json_integer(ns) : json_null();
}

/* What cryptoBackend: auto takes here, and the times that decided (of a packet of 256 bytes, there
 * and back). */
static json_t *algorithms(const struct esp_choice *choice)
{
	json_t *list = json_array();
	for (int e = ENCR_NONE + 1; e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++) {
			const struct esp_chosen *c = &choice->of[e][a];
			const char *integrity = a ? integrity_of(a)->contract_name
						  : encryption_of(e)->contract_name;
			if (!c->backend)
				continue;
			json_array_append_new(
				list, json_pack("{s:s,s:s,s:s,s:o,s:o}", "ipsecEncryption",
						encryption_of(e)->contract_name, "ipsecIntegrity",
						integrity, "backend", c->backend->name, "ipsecMbNs",
						ns_or_null(c->ipsec_mb_ns), "opensslNs",
						ns_or_null(c->openssl_ns)));
		}
	return list;
}

/* One line a back end: "ipsec-mb: GCMAES128 AES128+SHA1 ...", broken where it gets long. */
static void print_algorithms(const json_t *list, const char *backend)
{
	size_t i, column = 200;
	json_t *row;
	json_array_foreach(list, i, row)
	{
		char name[48];
		const char *e = json_string_value(json_object_get(row, "ipsecEncryption"));
		const char *a = json_string_value(json_object_get(row, "ipsecIntegrity"));
		bool aead = strcmp(e, a) == 0;
		if (strcmp(json_string_value(json_object_get(row, "backend")), backend) != 0)
			continue;
		snprintf(name, sizeof name, "%s%s%s", e, aead ? "" : "+", aead ? "" : a);
		if (column + strlen(name) > 95) {
			printf("%s  %-10s", column < 200 ? "\n" : "", column < 200 ? "" : backend);
			column = 12;
		}
		column += (size_t)printf(" %s", name);
	}
	if (column < 200)
		printf("\n");
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
	printf("algorithms of ESP, by the back end that is faster here\n");
	print_algorithms(json_object_get(d, "algorithms"), "ipsec-mb");
	print_algorithms(json_object_get(d, "algorithms"), "openssl");
	printf("key exchanges of IKE\n ");
	json_array_foreach(json_object_get(d, "keyExchanges"), i, value)
		printf(" %s", json_string_value(value));
	printf("%s\n", dh_supports(DH_ML_KEM_768)
			       ? ""
			       : "; MLKEM512, MLKEM768, MLKEM1024 need OpenSSL 3.5");
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
	struct esp_choice choice;
	if (esp_choose(&choice, "auto", clock_now_ns))
		return command_say(EXIT_FAILED, "no crypto back end can be used here");
	json_t *d = json_pack("{s:s,s:i,s:o,s:o,s:o,s:o,s:o}", "version", XGW_VERSION, "mapLayout",
			      (int)XGW_LAYOUT_VERSION, "libraries", libraries(), "cryptoBackends",
			      backends(&choice), "algorithms", algorithms(&choice), "keyExchanges",
			      key_exchanges(), "kernel", features_of_kernel());
	if (o->json)
		return command_print_json(d);
	print(d);
	json_decref(d);
	return EXIT_DONE;
}
