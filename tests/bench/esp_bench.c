/* SPDX-License-Identifier: Apache-2.0 */
/* `xgw bench esp` on its own, as a table: for work on esp/ without the rest of the program. */
#include "loader/bench_esp.c"

#include <stdio.h>

int main(void)
{
	struct fault f = {0};
	char text[FAULT_TEXT];
	json_t *results = json_array(), *row;
	size_t i;
	printf("%s\n%s\n", esp_backend_ipsec_mb.version(), esp_backend_openssl.version());
	if (!results || bench_esp(results, &f)) {
		fprintf(stderr, "%s\n", fault_format(&f, text));
		return 1;
	}
	printf("%-9s %-13s %-8s %5s %5s %8s %8s %7s %7s %6s\n", "backend", "algorithm", "", "bytes",
	       "burst", "ns", "raw ns", "cycles", "raw", "ratio");
	json_array_foreach(results, i, row)
		printf("%-9s %-13s %-8s %5d %5d %8.1f %8.1f %7.0f %7.0f %6.3f\n",
		       json_string_value(json_object_get(row, "backend")),
		       json_string_value(json_object_get(row, "algorithm")),
		       json_string_value(json_object_get(row, "direction")),
		       (int)json_integer_value(json_object_get(row, "bytes")),
		       (int)json_integer_value(json_object_get(row, "burst")),
		       json_real_value(json_object_get(row, "nsPerPacket")),
		       json_real_value(json_object_get(row, "rawNsPerPacket")),
		       json_real_value(json_object_get(row, "cyclesPerPacket")),
		       json_real_value(json_object_get(row, "rawCyclesPerPacket")),
		       json_real_value(json_object_get(row, "ratio")));
	json_decref(results);
	return 0;
}
