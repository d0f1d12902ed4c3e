/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/reload.h"

#include "base/instant.h"
#include "base/log.h"
#include "control/site_names.h"
#include "loader/clock.h"
#include "loader/config_file.h"
#include "loader/control_socket.h"
#include "loader/clients.h"
#include "loader/gateways.h"
#include "loader/reload_rules.h"
#include "loader/site_names.h"
#include "loader/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define PIECE 2000u /* changes of maps, between which the loop does other things */

/* One reload, from its beginning to its answer. */
struct job {
	char path[PATH_MAX];
	/* what the thread reads, and what it makes */
	struct attach_port ports[XGW_MAX_PORTS]; /* as in the new model */
	struct model model;
	struct config_former *former; /* of its text; once it is in force that of before */
	struct plan plan;
	struct plan_changes changes; /* they point into this plan and the one of before */
	struct ike_host_changes *ike;
	struct config_findings findings;
	struct reload_refusals refusals;
	struct fault fault;
	int err;
	bool wrong; /* the configuration is: nothing but the file's author can help */
	uint64_t began_ns, parsed_ns, planned_ns, compared_ns, applying_ns, applied_ns, done_ns;
	uint64_t longest_ns; /* for which the loop did nothing else */
	size_t applied;
	bool switched;
	struct model old_model; /* once it is replaced */
	struct plan old_plan;
};

struct reload {
	struct daemon *d;
	char path[PATH_MAX]; /* of the configuration in force */
	struct job *job;     /* NULL: none under way */
	struct control_client *client;
	bool again;
	pthread_t thread;
	bool running;
	int done_fd;
	struct event *done, *piece;
	/* of before, freed by a thread: that takes as long as reading it did */
	pthread_t reaper;
	bool reaping;
};

bool reload_busy(const struct reload *r)
{
	return r && r->job;
}

/* ---- in a thread of its own ---- */

/* What is known of a port that stays is the loop's. */
static void copy_ports(struct job *j, const struct daemon *d, struct plan_port *facts)
{
	for (uint32_t i = 0; i < j->model.host.n_ports; i++) {
		uint32_t k = reload_former_port(&d->model, &j->model.host.ports[i]);
		j->ports[i] = d->ports[k];
		facts[i] = apply_fact(&d->ports[k].link);
	}
}

static int compare(struct job *j, struct daemon *d)
{
	struct plan_port facts[XGW_MAX_PORTS] = {0};
	struct plan_veth veths[XGW_MAX_LINKS];
	j->parsed_ns = clock_now_ns();
	reload_refuse(&j->refusals, &d->model, &j->model);
	if (j->refusals.n)
		return fault_set(&j->fault, -EOPNOTSUPP, "%s", j->refusals.line[0]);
	copy_ports(j, d, facts);
	if (model_peerings_follow(&j->model, &d->model) ||
	    site_names_follow_model(&j->model, &d->model))
		return fault_set(&j->fault, -ENOMEM, "not enough memory to compare the models");
	const struct plan_facts all = {facts, veths, routing_veths(d->routing, veths)};
	int err = plan_make_changed(&j->plan, &j->model, &all, &d->plan,
				    config_former_changed(j->former), &j->fault);
	if (!err && plan_diff(&j->changes, &d->plan, &j->plan))
		err = fault_set(&j->fault, -ENOMEM, "not enough memory to compare the plans");
	if (!err)
		err = reload_judge_room(&d->plan, &j->changes, &j->fault);
	j->planned_ns = clock_now_ns();
	if (!err)
		err = ike_host_compare(&j->ike, d->ike, &j->model, &j->plan,
				       config_former_changed(j->former), &j->fault);
	j->compared_ns = clock_now_ns();
	return err;
}

static void *work(void *owner)
{
	struct reload *r = owner;
	struct job *j = r->job;
	uint64_t one = 1;
	j->err = config_file_load_kept(j->path, &j->model, &j->findings, r->d->former, &r->d->model,
				       &j->former, &j->fault);
	j->wrong = j->err && j->err != -ENOMEM;
	if (!j->err)
		j->err = compare(j, r->d);
	while (write(r->done_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	return NULL;
}

/* What is left of before: in memory, and hosts in the map `endpoints` that no plan knows. */
struct leftovers {
	struct model model;
	struct config_former *former;
	struct plan plan;
	const struct maps *maps;
	uint32_t *gone; /* attachments */
	uint32_t n_gone;
	struct xgw_endpoint_key found[256];
	uint32_t n_found;
};

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int find_host(void *owner, const void *key, const void *value)
{
	struct leftovers *l = owner;
	const struct xgw_endpoint *e = value;
	if (!bsearch(&e->attachment, l->gone, l->n_gone, sizeof *l->gone, by_number))
		return 0;
	l->found[l->n_found++] = *(const struct xgw_endpoint_key *)key;
	return l->n_found == sizeof l->found / sizeof *l->found;
}

/* Learnt ones, and those of the kernel's table, behind attachments that are gone. Packets to them
 * have been dropped since; nobody else gets those numbers before. */
static void forget_hosts(struct leftovers *l)
{
	do {
		l->n_found = 0;
		if (maps_walk(l->maps, MAPS_endpoints, find_host, l) < 0)
			return;
		for (uint32_t i = 0; i < l->n_found; i++)
			maps_delete(l->maps, MAPS_endpoints, &l->found[i]);
	} while (l->n_found == sizeof l->found / sizeof *l->found);
}

/*
 * Reading takes several times the memory that its result does, and while the new one is made the
 * old one is there as well. The C library would keep what is freed for the next time, and nobody
 * knows when that comes.
 */
static void *reap(void *owner)
{
	struct leftovers *l = owner;
	if (l->n_gone)
		forget_hosts(l);
	plan_free(&l->plan);
	model_free(&l->model);
	config_former_free(l->former);
	free(l->gone);
	free(l);
	malloc_trim(0);
	return NULL;
}

static void take_gone(struct leftovers *l, const struct plan_changes *changes)
{
	l->gone = calloc(changes->n + 1, sizeof *l->gone);
	for (size_t i = 0; l->gone && i < changes->n; i++) {
		const struct plan_change *c = &changes->at[i];
		if (c->map == PLAN_ATTACHMENTS && c->removal)
			l->gone[l->n_gone++] = ((const struct xgw_attachment *)c->entry)->id;
	}
	if (l->gone && l->n_gone)
		qsort(l->gone, l->n_gone, sizeof *l->gone, by_number);
}

/* Of what was replaced, and of what was refused; `changes`: NULL when the maps are as they were. */
static void start_reaping(struct reload *r, struct model *m, struct plan *p,
			  struct config_former *former, const struct plan_changes *changes)
{
	struct leftovers *l = calloc(1, sizeof *l);
	if (r->reaping)
		pthread_join(r->reaper, NULL);
	r->reaping = false;
	if (l) {
		l->model = *m;
		l->plan = *p;
		l->former = former;
		l->maps = r->d->maps;
		if (changes)
			take_gone(l, changes);
		r->reaping = pthread_create(&r->reaper, NULL, reap, l) == 0;
	}
	if (!r->reaping) {
		plan_free(p);
		model_free(m);
		config_former_free(former);
		if (l)
			free(l->gone);
		free(l);
	}
}

static void free_job(struct reload *r, struct job *j)
{
	sstp_host_abandon(r->d->sstp);
	ike_host_changes_free(r->d->ike, j->ike);
	if (j->switched)
		start_reaping(r, &j->old_model, &j->old_plan, j->former, &j->changes);
	else
		start_reaping(r, &j->model, &j->plan, j->former, NULL);
	plan_changes_free(&j->changes);
	config_findings_free(&j->findings);
	free(j);
}

/* ---- what is told ---- */

struct line {
	char text[512];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *l, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, format, ap);
	va_end(ap);
	if (n > 0)
		l->n = l->n + (size_t)n < sizeof l->text ? l->n + (size_t)n : sizeof l->text - 1;
}

static void say_count(struct line *l, const char *what, uint64_t n, const char *how)
{
	if (n)
		say(l, "%" PRIu64 " %s%s %s, ", n, what, n == 1 ? "" : "s", how);
}

struct counted {
	uint64_t added, changed, removed;
};

/* VNets have no table of their own: their names speak for them. */
static struct counted count_map(const struct plan_changes *c, enum plan_map map)
{
	struct counted n = {0};
	for (size_t i = 0; i < c->n; i++) {
		const struct plan_change *x = &c->at[i];
		if (x->map != map ||
		    (map == PLAN_NAMES &&
		     ((const struct plan_entry_name *)x->entry)->key.kind != XGW_NAME_VNET))
			continue;
		n.removed += x->removal;
		n.changed += !x->removal && x->was;
		n.added += !x->removal && !x->was;
	}
	return n;
}

static void say_counted(struct line *l, const char *what, const struct plan_changes *c,
			enum plan_map map)
{
	struct counted n = count_map(c, map);
	say_count(l, what, n.changed, "changed");
	say_count(l, what, n.added, "added");
	say_count(l, what, n.removed, "removed");
}

static double ms(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

static void describe(const struct job *j, struct line *l)
{
	struct ike_host_counts n = ike_host_counts(j->ike);
	say_count(l, "connection", n.changed, "changed");
	say_count(l, "connection", n.added, "added");
	say_count(l, "connection", n.removed, "removed");
	say_counted(l, "virtual network", &j->changes, PLAN_NAMES);
	say_counted(l, "route", &j->changes, PLAN_ROUTES);
	say_counted(l, "endpoint", &j->changes, PLAN_ENDPOINTS);
	if (!l->n)
		say(l, "nothing of these changed, ");
	double took = ms(j->began_ns, j->done_ns);
	say(l, "%u connection%s kept, %.*f ms", n.kept, n.kept == 1 ? "" : "s", took < 10 ? 1 : 0,
	    took);
}

static json_t *stages(const struct job *j)
{
	return json_pack(
		"{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "read", ms(j->began_ns, j->parsed_ns), "plan",
		ms(j->parsed_ns, j->planned_ns), "compare", ms(j->planned_ns, j->compared_ns),
		"maps", ms(j->applying_ns, j->applied_ns), "switch", ms(j->applied_ns, j->done_ns),
		"longestPause", (double)j->longest_ns / 1e6, "all", ms(j->began_ns, j->done_ns));
}

static json_t *lines_of(const struct job *j)
{
	json_t *list = json_array();
	char line[CONFIG_FINDING_TEXT];
	for (size_t i = 0; i < j->findings.n; i++)
		json_array_append_new(list, json_string(config_finding_format(&j->findings.at[i],
									      j->path, line)));
	for (size_t i = 0; i < j->refusals.n; i++)
		json_array_append_new(list, json_string(j->refusals.line[i]));
	return list;
}

static json_t *document(const struct job *j, const char *text)
{
	json_t *o = json_pack("{s:b,s:b,s:o,s:s}", "ok", !j->err, "configuration", j->wrong,
			      "lines", lines_of(j), j->err ? "error" : "text", text);
	if (j->done_ns)
		json_object_set_new(o, "milliseconds", stages(j));
	return o;
}

static void begin(struct reload *r, const char *path);

/* The end of a job, well or not; the next one may have been asked for meanwhile. */
static void finish(struct reload *r)
{
	struct job *j = r->job;
	struct line l = {0};
	char text[FAULT_TEXT];
	if (!j->err)
		describe(j, &l);
	else if (j->err == -EINVAL && j->findings.errors)
		say(&l, "%s has %zu error%s; nothing was changed", j->path, j->findings.errors,
		    j->findings.errors == 1 ? "" : "s");
	else if (j->refusals.n)
		say(&l, "what is named cannot change while the gateway runs; nothing was changed");
	else
		say(&l, "%s%s", fault_format(&j->fault, text),
		    j->done_ns ? "; all else is in force" : "; nothing was changed");
	if (j->err)
		log_error(LOG_RUN, "reload-failed path=%s: %s", j->path, l.text);
	else
		log_info(LOG_RUN, "reload: %s", l.text);
	for (size_t i = 0; j->err && i < j->refusals.n; i++)
		log_error(LOG_RUN, "reload-refused: %s", j->refusals.line[i]);
	if (r->client)
		control_client_answer(r->client, document(j, l.text));
	r->client = NULL;
	sd_notifyf(0, "READY=1\nSTATUS=%u connections", r->d->model.n_connections);
	r->job = NULL;
	free_job(r, j);
	if (r->again) {
		r->again = false;
		begin(r, r->path);
	}
}

/* ---- on the loop ---- */

static void note_pause(struct job *j, uint64_t since)
{
	uint64_t ns = clock_now_ns() - since;
	j->longest_ns = ns > j->longest_ns ? ns : j->longest_ns;
}

/* The maps as they were. */
static void go_back(struct reload *r)
{
	struct job *j = r->job;
	struct fault f = {0};
	char text[FAULT_TEXT];
	const struct apply_keep keep = daemon_keep(r->d);
	if (apply_plan(r->d->maps, &j->plan, &r->d->plan, &keep, &f))
		log_error(LOG_MAP, "reload-not-undone: %s; restart the gateway",
			  fault_format(&f, text));
	routing_abandon(r->d->routing);
}

/* Everything that has a copy of something, or points to it, in an order without dangling. */
static void switch_over(struct reload *r)
{
	struct daemon *d = r->d;
	struct job *j = r->job;
	const struct clients_change clients = ike_host_clients_change(j->ike, &j->model);
	sstp_host_withdraw(d->sstp, &clients);
	ike_host_withdraw(d->ike, j->ike);
	j->old_model = d->model;
	j->old_plan = d->plan;
	j->switched = true;
	d->model = j->model;
	struct config_former *former = d->former;
	d->former = j->former;
	j->former = former;
	d->plan = j->plan;
	memcpy(d->ports, j->ports, sizeof d->ports);
	memset(&j->model, 0, sizeof j->model);
	memset(&j->plan, 0, sizeof j->plan);
	int err = underlay_changed(d->underlay, &j->old_plan, &j->changes, &j->fault);
	if (!err)
		err = apply_addresses(d->attach, d->netlink, &d->model, d->ports, &j->fault);
	apply_addresses_gone(d->attach, d->netlink, &d->model, d->ports);
	if (!err)
		err = takeover_follow(d, &j->fault);
	int ike = ike_host_follow(d->ike, j->ike, &j->fault);
	int sstp = sstp_host_follow(d->sstp, ike_host_clients(d->ike), &j->fault);
	int routing = routing_follow(d->routing, &j->fault);
	takeover_look(d, true);
	int names = site_names_follow(d->names, &j->fault);
	j->err = err ? err : ike ? ike : sstp ? sstp : routing ? routing : names;
	memcpy(r->path, j->path, sizeof r->path);
	j->done_ns = clock_now_ns();
}

static void commit(struct reload *r)
{
	struct job *j = r->job;
	uint64_t since = clock_now_ns();
	j->applied_ns = since;
	j->err = gateways_set(r->d, &j->model, &j->plan, &j->fault);
	if (j->err) {
		go_back(r);
	} else {
		switch_over(r);
		note_pause(j, since);
	}
	finish(r);
}

static void on_piece(evutil_socket_t fd, short what, void *owner)
{
	static const struct timeval now;
	struct reload *r = owner;
	struct job *j = r->job;
	uint64_t since = clock_now_ns();
	(void)fd;
	(void)what;
	const struct apply_keep keep = daemon_keep(r->d);
	routing_hold(r->d->routing);
	j->err = apply_some(r->d->maps, &j->changes, &j->applied, PIECE, &keep, &j->fault);
	note_pause(j, since);
	if (j->err) {
		go_back(r);
		finish(r);
	} else if (j->applied < j->changes.n) {
		event_add(r->piece, &now);
	} else {
		commit(r);
	}
}

/* What may fail without effect: sockets, and a program that is not there. */
static int prepare(struct daemon *d, struct job *j)
{
	int err = ike_host_prepare(d->ike, &j->model, &j->fault);
	if (err)
		return err;
	const struct clients_change clients = ike_host_clients_change(j->ike, &j->model);
	err = sstp_host_prepare(d->sstp, &clients, &j->fault);
	return err ? err : routing_prepare(d->routing, &j->plan, &j->fault);
}

static void on_done(evutil_socket_t fd, short what, void *owner)
{
	static const struct timeval now;
	struct reload *r = owner;
	uint64_t n;
	(void)what;
	if (read(fd, &n, sizeof n) != sizeof n || !r->running)
		return;
	pthread_join(r->thread, NULL);
	r->running = false;
	struct job *j = r->job;
	if (!j->err)
		j->err = prepare(r->d, j);
	if (j->err) {
		finish(r);
		return;
	}
	j->applying_ns = clock_now_ns();
	event_add(r->piece, &now);
}

static void begin(struct reload *r, const char *path)
{
	struct job *j = r->job = calloc(1, sizeof *j);
	if (!j) {
		log_error(LOG_RUN, "reload-failed: not enough memory");
		return;
	}
	j->began_ns = clock_now_ns();
	snprintf(j->path, sizeof j->path, "%s", path);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, j->began_ns / 1000);
	log_info(LOG_RUN, "reloading path=%s", path);
	r->running = pthread_create(&r->thread, NULL, work, r) == 0;
	if (r->running)
		return;
	j->err = fault_set(&j->fault, -EAGAIN, "cannot start a thread");
	finish(r);
}

static json_t *refuse(const char *why)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error", why);
}

static void on_client_gone(void *owner)
{
	((struct reload *)owner)->client = NULL;
}

json_t *reload_order(struct reload *r, const json_t *request)
{
	const char *path = json_string_value(json_object_get(request, "path"));
	if (r->job)
		return refuse("a reload is under way; try again when it is done");
	if (path && (*path != '/' || strlen(path) >= PATH_MAX))
		return refuse("the path of a configuration begins with '/'");
	r->client = control_socket_keep(r->d->control, on_client_gone, r);
	begin(r, path ? path : r->path);
	return r->job || !r->client ? NULL : refuse("not enough memory");
}

void reload_again(struct reload *r)
{
	if (r->job)
		r->again = true;
	else
		begin(r, r->path);
}

int reload_open(struct reload **out, struct daemon *d, const char *path, struct fault *f)
{
	struct reload *r = *out = calloc(1, sizeof *r);
	if (!r)
		return fault_set(f, -ENOMEM, "not enough memory for reloads");
	r->d = d;
	if (!realpath(path, r->path))
		snprintf(r->path, sizeof r->path, "%s", path);
	r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->done = r->done_fd < 0 ? NULL
				 : event_new(d->base, r->done_fd, EV_READ | EV_PERSIST, on_done, r);
	r->piece = evtimer_new(d->base, on_piece, r);
	if (!r->done || !r->piece || event_add(r->done, NULL))
		return fault_set(f, -ENOMEM, "not enough memory for reloads");
	return 0;
}

void reload_close(struct reload *r)
{
	if (!r)
		return;
	if (r->running)
		pthread_join(r->thread, NULL);
	if (r->job)
		free_job(r, r->job);
	if (r->reaping)
		pthread_join(r->reaper, NULL);
	if (r->done)
		event_free(r->done);
	if (r->piece)
		event_free(r->piece);
	if (r->done_fd >= 0)
		close(r->done_fd);
	free(r);
}
