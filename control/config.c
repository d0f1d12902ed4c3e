/* SPDX-License-Identifier: Apache-2.0 */
/* Text -> tree -> check against the schema -> model -> rules. */
#include "control/config.h"

#include "control/read_internal.h"

#include <errno.h>

static int read_all(struct read *r)
{
	int err = schema_check(r->tree, r->findings);
	if (err || r->tree->root->type != TREE_MAP)
		return err;
	err = read_host(r);
	if (!err)
		err = read_tables(r);
	if (!err)
		err = read_vnets(r);
	if (!err)
		err = read_far_ends(r);
	if (!err)
		err = read_gateways(r);
	if (!err)
		err = read_circuits(r);
	if (!err)
		err = read_connections(r);
	return r->no_memory ? -ENOMEM : err;
}

int config_parse(struct model *out, const char *text, size_t len, const struct config_files *files,
		 struct config_findings *findings)
{
	struct tree tree;
	*out = (struct model){0};
	*findings = (struct config_findings){0};
	struct read r = {.tree = &tree, .model = out, .findings = findings, .files = files};
	int err = tree_parse(&tree, text, len, findings);
	if (!err) {
		err = read_all(&r);
		read_files_done(&r);
		if (!err)
			validate(out, findings);
	}
	tree_free(&tree);
	findings_sort(findings);
	if (err == -ENOMEM)
		return err;
	return findings->errors ? -EINVAL : 0;
}
