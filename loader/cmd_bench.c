/* SPDX-License-Identifier: Apache-2.0 */
/* bench: runs a built-in benchmark and prints its figures. */
#include "loader/bench.h"
#include "loader/command.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void read_cpu(char *out, size_t room)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");
	snprintf(out, room, "unknown");
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		colon[1 + strcspn(colon + 1, "\n")] = '\0';
		snprintf(out, room, "%s", colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

static json_t *machine(void)
{
	struct utsname u;
	char cpu[256];
	read_cpu(cpu, sizeof cpu);
	if (uname(&u))
		return json_object();
	return json_pack("{s:s,s:s,s:s,s:i}", "cpu", cpu, "kernel", u.release, "architecture",
			 u.machine, "cores", (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static int width(const char *key)
{
	size_t len = strlen(key) + 1;
	return len > 14 ? (int)len : 14;
}

/* Columns are those of the first result. */
static void print_table(const json_t *results)
{
	size_t i;
	const char *key;
	json_t *row, *value;
	json_object_foreach(json_array_get(results, 0), key, value) printf("%-*s", width(key), key);
	printf("\n");
	json_array_foreach(results, i, row)
	{
		json_object_foreach(row, key, value)
		{
			if (json_is_string(value))
				printf("%-*s", width(key), json_string_value(value));
			else if (json_is_real(value))
				printf("%-*.2f", width(key), json_real_value(value));
			else
				printf("%-*" JSON_INTEGER_FORMAT, width(key),
				       json_integer_value(value));
		}
		printf("\n");
	}
}

int cmd_bench(const struct command_options *o)
{
	struct fault f = {0};
	json_t *results = json_array();
	const char *what = o->argv[0];
	int err;
	if (strcmp(what, "esp") == 0) {
		err = bench_esp(results, &f);
	} else if (strcmp(what, "xdp") == 0) {
		err = bench_xdp(results, &f);
	} else if (strcmp(what, "ike") == 0) {
		err = bench_ike(results, &f);
	} else {
		json_decref(results);
		return command_say(EXIT_USAGE,
				   "no benchmark has the name '%s'; there are esp, xdp and ike",
				   what);
	}
	if (err) {
		json_decref(results);
		return command_fail(EXIT_FAILED, &f);
	}
	if (o->json)
		return command_print_json(
			json_pack("{s:o,s:o}", "machine", machine(), "results", results));
	print_table(results);
	json_decref(results);
	return EXIT_DONE;
}
