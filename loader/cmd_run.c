/* SPDX-License-Identifier: Apache-2.0 */
/* run, attach, detach, check: what takes a configuration to the kernel and away again. */
#include "loader/command.h"
#include "loader/config_file.h"
#include "loader/daemon.h"
#include "loader/router.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

static int need_root(void)
{
	if (geteuid() == 0)
		return 0;
	return command_say(
		EXIT_FAILED,
		"this needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN); run it as root");
}

int command_take_config(const char *path, const char *started, struct model *out,
			struct config_former **kept)
{
	struct config_findings findings;
	struct fault f = {0};
	char line[CONFIG_FINDING_TEXT];
	int err = config_file_load_kept(path, out, &findings, NULL, NULL, kept, &f);
	for (size_t i = 0; i < findings.n; i++)
		fprintf(stderr, "%s\n", config_finding_format(&findings.at[i], path, line));
	size_t errors = findings.errors;
	config_findings_free(&findings);
	if (!err)
		return 0;
	config_former_free(*kept);
	*kept = NULL;
	model_free(out);
	if (err != -EINVAL)
		return command_fail(err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, &f);
	return command_say(EXIT_USAGE, "%s has %zu error%s; nothing was %s", path, errors,
			   errors == 1 ? "" : "s", started);
}

/* With a valid configuration and root's rights; `start` takes the model and what is kept of its
 * text over. */
static int with_config(const struct command_options *o,
		       int (*start)(const struct instance *i, const char *path, struct model *m,
				    struct config_former *former))
{
	struct model m;
	struct config_former *former;
	int err = command_take_config(o->config, "started", &m, &former);
	if (err)
		return err;
	malloc_trim(0); /* what reading took beside its result */
	err = need_root();
	if (!err)
		return start(&o->instance, o->config, &m, former);
	config_former_free(former);
	model_free(&m);
	return err;
}

int cmd_run(const struct command_options *o)
{
	return with_config(o, daemon_run);
}

int cmd_attach(const struct command_options *o)
{
	return with_config(o, daemon_attach_only);
}

static json_t *findings_document(const struct config_findings *findings)
{
	json_t *list = json_array();
	for (size_t i = 0; i < findings->n; i++) {
		const struct config_finding *at = &findings->at[i];
		json_array_append_new(list,
				      json_pack("{s:s,s:i,s:i,s:s}", "severity",
						at->severity == CONFIG_ERROR ? "error" : "warning",
						"line", (int)at->place.line, "column",
						(int)at->place.column, "text", at->text));
	}
	return json_pack("{s:b,s:o}", "ok", findings->errors == 0, "findings", list);
}

int cmd_check(const struct command_options *o)
{
	struct model m;
	struct config_findings findings;
	struct fault f = {0};
	char line[CONFIG_FINDING_TEXT];
	int err = config_file_load(o->config, &m, &findings, &f), status = EXIT_DONE;
	for (size_t i = 0; !o->json && i < findings.n; i++)
		fprintf(stderr, "%s\n", config_finding_format(&findings.at[i], o->config, line));
	if (err && err != -EINVAL)
		status = command_fail(err == -ENOMEM ? EXIT_FAILED : EXIT_USAGE, &f);
	else if (o->json)
		status = command_print_json(findings_document(&findings));
	else if (!err)
		printf("%s: ok, %zu warnings\n", o->config, findings.n);
	if (err == -EINVAL)
		status = EXIT_USAGE;
	config_findings_free(&findings);
	model_free(&m);
	return status;
}

static int print_removed(const struct command_options *o, json_t *removed)
{
	size_t i;
	const json_t *text;
	if (o->json)
		return command_print_json(
			json_pack("{s:s,s:o}", "instance", o->instance.name, "removed", removed));
	json_array_foreach(removed, i, text) printf("removed %s\n", json_string_value(text));
	if (!json_array_size(removed))
		printf("nothing of instance '%s' is left on this host\n", o->instance.name);
	json_decref(removed);
	return EXIT_DONE;
}

int cmd_detach(const struct command_options *o)
{
	struct fault f = {0};
	struct netlink *n = NULL;
	json_t *removed = json_array();
	int lock = -1;
	int err = need_root();
	if (err) {
		json_decref(removed);
		return err;
	}
	err = instance_lock(&o->instance, &lock, &f);
	if (err == -EBUSY)
		fault_advise(&f, "stop the daemon instead: SIGTERM takes everything away");
	if (!err)
		err = netlink_open(&n, &f);
	if (!err)
		err = sweep(&o->instance, n, false, removed, &f);
	if (!err)
		err = router_sweep(&o->instance, false, removed, &f);
	netlink_close(n);
	instance_unlock(&o->instance, lock);
	if (!err)
		return print_removed(o, removed);
	json_decref(removed);
	return command_fail(EXIT_FAILED, &f);
}
