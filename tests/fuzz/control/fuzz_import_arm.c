/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: any text is refused, or becomes a configuration that the parser takes but for what is
 * to be filled in. Behind a NUL byte stands a parameters file, which is also what every linked
 * template is.
 */
#include "control/config.h"
#include "control/import.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 keeps 4096 bytes of a quoted scalar of many quotes. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

struct input {
	const char *first, *second;
	size_t first_len, second_len;
};

static int read_file(void *owner, const char *path, char **out, size_t *len, struct fault *f)
{
	const struct input *in = owner;
	const char *text = strcmp(path, "d/t.json") == 0 ? in->first : in->second;
	if (!text || strlen(path) % 5 == 4)
		return fault_set(f, -ENOENT, "there is no %s", path);
	*len = text == in->first ? in->first_len : in->second_len;
	*out = malloc(*len + 1);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, text, *len);
	return 0;
}

/* What the parser says of the importer's own work: the text behind the first property's name is not
 * of the input. */
static bool is_ours(const char *text)
{
	static const char *const ours[] = {"unknown property", "given twice"};
	const char *colon = strstr(text, ": ");
	for (size_t i = 0; colon && i < sizeof ours / sizeof *ours; i++) {
		if (!strncmp(colon + 2, ours[i], strlen(ours[i])))
			return true;
	}
	return !strncmp(text, "not YAML", 8);
}

static void parse(const struct import_result *r)
{
	struct model m;
	struct config_findings findings;
	config_parse(&m, r->text, strlen(r->text), NULL, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		if (is_ours(findings.at[i].text))
			abort();
	}
	config_findings_free(&findings);
	model_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const paths[] = {"d/t.json"};
	const char *text = (const char *)bytes, *nul = len ? memchr(text, 0, len) : NULL;
	size_t first = nul ? (size_t)(nul - text) : len;
	struct input in = {text, nul ? nul + 1 : NULL, first, nul ? len - first - 1 : 0};
	const struct import_options o = {.from = IMPORT_ARM,
					 .paths = paths,
					 .n_paths = 1,
					 .parameters = nul ? "p.json" : NULL,
					 .files = {read_file, &in}};
	struct import_result r;
	struct fault f = {0};
	int err = import_run(&o, &r, &f);
	if ((err == 0) != (r.text != NULL) || (err && !*f.text))
		abort();
	if (!err)
		parse(&r);
	import_result_free(&r);
	return 0;
}
