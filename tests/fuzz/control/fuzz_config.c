/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML front end, and behind it validation, offers and the plan: any text either has findings,
 * or can be planned and compared with itself. A text that is accepted and kept is then read with a
 * part of it somewhere else, as it says itself, and what is found and planned is what reading all
 * makes of it. Seeds:
 * docs/examples and corpus_config beside this file.
 */
#include "control/config.h"
#include "control/offer.h"
#include "control/plan.h"
#include "tests/unit/control/same_model.h"
#include "tests/unit/control/same_plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 keeps 4096 bytes of a quoted scalar of many quotes; the unit tests look for leaks
 * without this. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static int read_secret(void *owner, const char *path, struct secret *out, struct fault *f)
{
	(void)owner;
	if (strlen(path) % 5 == 4)
		return fault_set(f, -1, "%s cannot be read", path);
	return secret_set(out, path, strlen(path) % SECRET_MAX);
}

static int read_file(void *owner, const char *path, bool secret, uint8_t **out, size_t *len,
		     struct fault *f)
{
	(void)owner;
	if (strlen(path) % 5 == (secret ? 3 : 4))
		return fault_set(f, -1, "%s cannot be read", path);
	*out = (uint8_t *)strdup(path);
	*len = strlen(path);
	return *out ? 0 : fault_set(f, -1, "no memory");
}

static void plan_it(const struct model *m)
{
	struct plan_port ports[64];
	struct plan plan;
	struct plan_changes changes;
	struct offer offer;
	struct fault fault;
	if (m->host.n_ports > 63)
		abort();
	for (uint32_t i = 0; i < m->host.n_ports; i++)
		ports[i] = (struct plan_port){.ifindex = i + 1, .mtu = 1500};
	for (uint32_t i = 0; i < m->n_connections; i++) {
		if (offer_of(m, i, &offer) || !offer.n_ike || !offer.n_child || !offer.n_local_ts ||
		    !offer.n_remote_ts)
			abort();
	}
	if (plan_make(&plan, m, &(struct plan_facts){.ports = ports}, NULL, &fault))
		abort();
	if (plan_diff(&changes, &plan, &plan) || changes.n)
		abort();
	plan_changes_free(&changes);
	plan_free(&plan);
}

/* The last bytes say what is moved where: from, how much, to, how much is left out there. */
static char *edit(const char *text, size_t len, size_t *out)
{
	uint16_t what[4];
	memcpy(what, text + len - sizeof what, sizeof what);
	size_t from = what[0] % len, most = len - from, n = what[1] % 256u, to = what[2] % len,
	       without = what[3] % 256u;
	n = n < most ? n : most;
	without = without < len - to ? without : len - to;
	*out = len + n - without;
	char *now = malloc(*out + 1);
	if (!now)
		abort();
	memcpy(now, text, to);
	memcpy(now + to, text + from, n);
	memcpy(now + to + n, text + to + without, len - to - without);
	return now;
}

static void same_findings(const struct config_findings *a, const struct config_findings *b)
{
	if (a->n != b->n || a->errors != b->errors || a->truncated != b->truncated)
		abort();
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->at[i].text, b->at[i].text) != 0 ||
		    memcmp(&a->at[i].place, &b->at[i].place, sizeof a->at[i].place) != 0)
			abort();
	}
}

/* What a plan takes over from the one before is what it would make. */
static void plan_again(const struct model *was, const struct model *now, const struct model *all,
		       const bool *changed)
{
	struct plan_port ports[64];
	const struct plan_facts facts = {.ports = ports};
	struct plan before, taken, made;
	struct fault fault;
	for (uint32_t i = 0; i < 64; i++)
		ports[i] = (struct plan_port){.ifindex = i + 1, .mtu = 1500};
	if (plan_make(&before, was, &facts, NULL, &fault) ||
	    plan_make(&made, all, &facts, &before, &fault) ||
	    plan_make_changed(&taken, now, &facts, &before, changed, &fault) ||
	    !same_plan(&taken, &made))
		abort();
	plan_free(&before);
	plan_free(&made);
	plan_free(&taken);
}

static void read_again(const struct config_former *former, const struct model *was, char *text,
		       size_t len, const struct config_files *files)
{
	struct model m, all;
	struct config_findings findings, wanted;
	struct config_former *kept;
	int whole = config_parse(&all, text, len, files, &wanted);
	int err = config_parse_kept(&m, text, len, files, &findings, former, was, &kept);
	if (err != whole)
		abort();
	same_findings(&findings, &wanted);
	if (kept && !same_model(&m, &all))
		abort();
	if (kept)
		plan_again(was, &m, &all, config_former_changed(kept));
	config_findings_free(&findings);
	config_findings_free(&wanted);
	config_former_free(kept);
	model_free(&m);
	model_free(&all);
}

static void keep(const uint8_t *bytes, size_t len, const struct config_files *files)
{
	struct model m;
	struct config_findings findings;
	struct config_former *former;
	char *text = malloc(len);
	size_t n;
	if (!text)
		abort();
	memcpy(text, bytes, len);
	int err = config_parse_kept(&m, text, len, files, &findings, NULL, NULL, &former);
	if (!err && former) {
		char *now = edit((const char *)bytes, len, &n);
		read_again(former, &m, now, n, files);
	}
	config_findings_free(&findings);
	config_former_free(former);
	model_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct config_files files = {.read_secret = read_secret,
						  .read_file = read_file};
	struct model m;
	struct config_findings findings;
	int err = config_parse(&m, (const char *)bytes, len, &files, &findings);
	if ((err == 0) != (findings.errors == 0))
		abort();
	if (!err)
		plan_it(&m);
	if (!err && len > 8)
		keep(bytes, len, &files);
	config_findings_free(&findings);
	model_free(&m);
	return 0;
}
