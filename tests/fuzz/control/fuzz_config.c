/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML front end, and behind it validation, offers and the plan: any text either has findings,
 * or can be planned and compared with itself. Seeds: docs/examples and corpus_config beside this
 * file.
 */
#include "control/config.h"
#include "control/offer.h"
#include "control/plan.h"

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
	config_findings_free(&findings);
	model_free(&m);
	return 0;
}
