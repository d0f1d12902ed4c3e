/* SPDX-License-Identifier: Apache-2.0 */
/* Text -> tree -> check against the schema -> model -> rules. */
#include "control/config.h"

#include "control/former_internal.h"
#include "control/validate_internal.h"

#include <errno.h>
#include <stdlib.h>

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

/* Copies of findings, so far as there is memory. */
static void tell_again(struct config_findings *to, const struct config_finding *x)
{
	if (x->severity == CONFIG_ERROR)
		findings_error(to, x->place, "%s", x->text);
	else
		findings_warn(to, x->place, "%s", x->text);
}

/* How all of a model's resources can be copied, and its secrets compared with their files'. */
static bool may_be_kept(const struct read *r)
{
	const struct model *m = r->model;
	uint32_t secrets = 0;
	for (uint32_t i = 0; i < m->n_connections; i++)
		secrets +=
			(m->connections[i].psk_file != NULL) + (m->connections[i].ppk_file != NULL);
	return secrets == r->secrets && !m->n_files && !m->n_circuits;
}

static struct config_former *keep(const struct read *r, struct former_change *c,
				  const struct config_findings *told, bool **noisy, char *text,
				  size_t len)
{
	if (told->truncated || told->errors || !may_be_kept(r))
		return NULL;
	struct config_former *f = c ? former_next(c, text, len) : former_new(text, len, r->tree);
	if (f) {
		f->noisy = *noisy;
		*noisy = NULL;
	}
	for (size_t i = 0; f && i < told->n; i++)
		tell_again(&f->told, &told->at[i]);
	return f;
}

/* All of a text. */
static int parse_all(struct model *out, char *text, size_t len, const struct config_files *files,
		     struct config_findings *findings, struct config_former **kept)
{
	struct tree tree;
	struct config_findings told = {0};
	bool *noisy = NULL;
	*out = (struct model){0};
	*findings = (struct config_findings){0};
	struct read r = {.tree = &tree, .model = out, .findings = findings, .files = files};
	int err = tree_parse(&tree, text, len, findings);
	if (!err) {
		err = read_all(&r);
		read_files_done(&r);
		for (size_t i = 0; kept && i < findings->n; i++)
			tell_again(&told, &findings->at[i]);
		told.truncated |= findings->truncated;
		noisy = kept ? calloc(out->n_vnets + 1u, sizeof *noisy) : NULL;
		if (!err)
			validate_but(out, findings, NULL, noisy);
		told.truncated |= findings->truncated;
	}
	if (!err && kept && !findings->errors)
		*kept = keep(&r, NULL, &told, &noisy, text, len);
	free(noisy);
	config_findings_free(&told);
	tree_free(&tree);
	findings_sort(findings);
	if (err == -ENOMEM)
		return err;
	return findings->errors ? -EINVAL : 0;
}

int config_parse(struct model *out, const char *text, size_t len, const struct config_files *files,
		 struct config_findings *findings)
{
	return parse_all(out, (char *)(uintptr_t)text, len, files, findings, NULL);
}

/* What reading said of what stayed. */
static void tell_of_kept(struct config_findings *to, const struct former_change *c)
{
	const struct config_findings *told = &c->was->told;
	for (size_t i = 0; i < told->n; i++) {
		struct config_finding x = told->at[i];
		bool gone = false;
		for (uint32_t k = 0; k < c->n_order; k++) {
			const struct former_list *l = &c->was->lists[c->order[k]];
			const struct former_edit *e = &c->edits[c->order[k]];
			gone |= e->changed && x.place.line >= l->line[e->first] &&
				x.place.line < l->line[e->behind];
		}
		x.place.line = former_line(c, x.place.line);
		if (!gone)
			tell_again(to, &x);
	}
}

/* What differs; -EAGAIN: it has to be all, and nothing is left of the try. */
static int parse_change(struct model *out, char *text, size_t len, const struct config_files *files,
			struct config_findings *findings, const struct config_former *former,
			const struct model *was, struct config_former **kept)
{
	struct former_change c;
	struct config_findings told = {0};
	bool *noisy = NULL;
	struct read r = {.model = out, .findings = &told, .files = files};
	*out = (struct model){0};
	*findings = (struct config_findings){0};
	int err = former_find_change(&c, former, text, len);
	if (!err)
		err = former_read(&r, &c, was);
	read_files_done(&r);
	if (!err) {
		tell_of_kept(&told, &c);
		for (size_t i = 0; i < told.n; i++)
			tell_again(findings, &told.at[i]);
		findings->truncated |= told.truncated;
		noisy = calloc(out->n_vnets + 1u, sizeof *noisy);
		validate_but(out, findings, noisy ? c.quiet : NULL, noisy);
		err = findings->errors || findings->truncated ? -EAGAIN : 0;
	}
	if (!err)
		*kept = keep(&r, &c, &told, &noisy, text, len);
	free(noisy);
	findings_sort(findings);
	config_findings_free(&told);
	former_change_free(&c);
	if (!err)
		return 0;
	model_free(out);
	config_findings_free(findings);
	return err;
}

const bool *config_former_changed(const struct config_former *f)
{
	return f ? f->changed : NULL;
}

int config_parse_kept(struct model *out, char *text, size_t len, const struct config_files *files,
		      struct config_findings *findings, const struct config_former *former,
		      const struct model *was, struct config_former **kept)
{
	*kept = NULL;
	int err =
		former ? parse_change(out, text, len, files, findings, former, was, kept) : -EAGAIN;
	if (err == -EAGAIN)
		err = parse_all(out, text, len, files, findings, kept);
	if (!*kept) {
		wipe(text, len);
		free(text);
	}
	return err;
}
