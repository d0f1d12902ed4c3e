/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/router.h"

#include "base/log.h"
#include "control/bird_log.h"
#include "loader/router_bird.h"
#include "loader/router_internal.h"
#include "loader/router_log.h"
#include "loader/router_net.h"
#include "loader/router_watch.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define ASK_SECONDS 5 /* between questions for a neighbour that the kernel does not keep */

struct neighbour {
	bool known;
	uint8_t mac[6];
	bool kept; /* by the kernel */
};

struct link {
	struct router_link spec;
	struct router_device device;
	uint32_t inside; /* index */
	struct neighbour neighbour[2];
};

struct tun {
	struct router_tun spec;
	int fd;
};

struct peer {
	uint32_t number;
	struct router_peer info;
	/* as BIRD told them last: it counts from each session's start */
	uint32_t rejected, filtered;
	uint32_t over_before; /* info.n_over when it was not over its limit last */
};

/* What follows from a spec. */
struct parts {
	struct link *links;
	struct tun *tuns;
	struct peer *peers; /* by number */
	uint32_t n_links, n_tuns, n_peers;
};

struct router {
	struct router_host h;
	char name[ROUTER_NAME + 1];
	char *program;
	struct router_paths paths;
	struct router_net net;
	struct router_watch *watch;
	struct router_bird *bird;
	struct router_log log; /* of BIRD's */
	struct parts parts;
	struct event *second;
	uint32_t seconds;
	bool adopted, synced;
	char error[160]; /* of the configuration */
};

/* ---- what netlink and BIRD tell ---- */

static void on_route(void *owner, uint32_t peer, const struct ip_prefix *prefix, uint32_t metric,
		     bool withdrawn)
{
	struct router *r = owner;
	r->h.route(r->h.owner, peer, prefix, metric, withdrawn);
}

static void on_settled(void *owner)
{
	struct router *r = owner;
	r->h.settled(r->h.owner);
}

static void on_synced(void *owner)
{
	struct router *r = owner;
	r->synced = true;
	r->h.synced(r->h.owner);
}

static void on_canary(void *owner, const struct ip_addr *peer, bool up)
{
	struct router *r = owner;
	for (uint32_t i = 0; i < r->parts.n_links; i++) {
		const struct link *l = &r->parts.links[i];
		for (int v6 = 0; v6 < 2; v6++) {
			if (ip_addr_equal(&l->spec.peer[v6], peer))
				r->h.canary(r->h.owner, l->spec.device, v6, up);
		}
	}
}

static void tell_neighbour(struct router *r, struct link *l, int v6, const uint8_t *mac)
{
	struct neighbour *x = &l->neighbour[v6];
	if (mac ? x->known && memcmp(x->mac, mac, 6) == 0 : !x->known)
		return;
	x->known = mac;
	if (mac)
		memcpy(x->mac, mac, 6);
	r->h.neighbour(r->h.owner, l->spec.device, &l->spec.peer[v6], mac);
}

static void on_neighbour(void *owner, uint32_t ifindex, const struct ip_addr *a, const uint8_t *mac)
{
	struct router *r = owner;
	for (uint32_t i = 0; i < r->parts.n_links; i++) {
		struct link *l = &r->parts.links[i];
		for (int v6 = 0; l->inside == ifindex && v6 < 2; v6++) {
			if (ip_addr_equal(&l->spec.peer[v6], a))
				tell_neighbour(r, l, v6, mac);
		}
	}
}

static int by_number(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct peer *find_peer(const struct parts *p, uint32_t number)
{
	const struct peer key = {.number = number};
	return p->n_peers ? bsearch(&key, p->peers, p->n_peers, sizeof key, by_number) : NULL;
}

/* What a count of BIRD's has become more by; one that is less began anew. */
static uint32_t grown(uint32_t *last, uint32_t now)
{
	uint32_t by = now < *last ? now : now - *last;
	*last = now;
	return by;
}

/*
 * A session that is closed for its limit may be up again, or closed once more, before BIRD is asked
 * the next time: its log has each. What it says of itself counts where the log was not written.
 */
static void closed_for_limit(const struct router *r, struct peer *p)
{
	p->info.n_over++;
	if (r->h.limit)
		r->h.limit(r->h.owner, p->number);
}

static void on_log_line(void *owner, const char *text)
{
	struct router *r = owner;
	uint32_t number = bird_log_limit(text);
	struct peer *p = number ? find_peer(&r->parts, number) : NULL;
	if (p)
		closed_for_limit(r, p);
}

static void on_over_limit(struct router *r, struct peer *p)
{
	router_log_read(&r->log, r, on_log_line);
	if (p->info.n_over == p->over_before)
		closed_for_limit(r, p);
}

static void on_session(void *owner, const struct bird_session *s)
{
	struct router *r = owner;
	struct peer *p = find_peer(&r->parts, s->number);
	if (!p)
		return;
	bool was = p->info.up;
	/* RFC 4486 section 3 by BIRD's own word: "Automatic shutdown: Route limit exceeded" */
	bool over = !s->up && strstr(s->last_error, "limit exceeded");
	if (over && !p->info.over_limit)
		on_over_limit(r, p);
	else if (!over)
		p->over_before = p->info.n_over;
	p->info = (struct router_peer){
		.up = s->up,
		.over_limit = over,
		.n_over = p->info.n_over,
		.since = s->since,
		.imported = {s->imported[0], s->imported[1]},
		.exported = {s->exported[0], s->exported[1]},
		.rejected = p->info.rejected + grown(&p->rejected, s->rejected),
		.as_loops = p->info.as_loops + grown(&p->filtered, s->filtered),
	};
	memcpy(p->info.state, s->state, sizeof p->info.state);
	memcpy(p->info.last_error, s->last_error, sizeof p->info.last_error);
	if (was != s->up)
		r->h.peer(r->h.owner, s->number, s->up);
}

static bool is_in_spec(void *owner, const char *device)
{
	const struct router *r = owner;
	for (uint32_t i = 0; i < r->parts.n_links; i++) {
		if (strcmp(r->parts.links[i].spec.device, device) == 0)
			return true;
	}
	for (uint32_t i = 0; i < r->parts.n_tuns; i++) {
		if (strcmp(r->parts.tuns[i].spec.device, device) == 0)
			return true;
	}
	return false;
}

static void on_bird(void *owner, bool runs)
{
	struct router *r = owner;
	for (uint32_t i = 0; !runs && i < r->parts.n_peers; i++) {
		struct peer *p = &r->parts.peers[i];
		bool was = p->info.up;
		p->info = (struct router_peer){.rejected = p->info.rejected,
					       .as_loops = p->info.as_loops,
					       .n_over = p->info.n_over};
		p->rejected = p->filtered = 0;
		if (was)
			r->h.peer(r->h.owner, p->number, false);
	}
	if (runs) /* with what was written last */
		router_net_prune(&r->net, is_in_spec, NULL, r, false);
	r->h.bird(r->h.owner, runs);
}

/* Sessions that were on devices of the former spec have ended properly. */
static void on_configured(void *owner, const char *error)
{
	struct router *r = owner;
	snprintf(r->error, sizeof r->error, "%s", error ? error : "");
	if (error)
		log_error(LOG_NET, "router-configure name=%s: BIRD says: %s", r->name, error);
	else
		router_net_prune(&r->net, is_in_spec, NULL, r, false);
}

/* ---- each second ---- */

static void keep_neighbours(struct router *r, struct link *l, bool first)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct neighbour *x = &l->neighbour[v6];
		if (!l->spec.peer[v6].family || (!first && x->kept && x->known))
			continue;
		x->kept = router_net_keep_neighbour(&r->net, l->inside, &l->spec.peer[v6]) == 0;
	}
}

static void on_second(evutil_socket_t fd, short what, void *owner)
{
	struct router *r = owner;
	(void)fd;
	(void)what;
	router_log_read(&r->log, r, on_log_line);
	router_bird_second(r->bird);
	if (++r->seconds % ASK_SECONDS)
		return;
	for (uint32_t i = 0; i < r->parts.n_links; i++)
		keep_neighbours(r, &r->parts.links[i], false);
}

/* ---- parts of a spec ---- */

static struct link *find_link(const struct parts *p, const char *device)
{
	for (uint32_t i = 0; i < p->n_links; i++) {
		if (strcmp(p->links[i].spec.device, device) == 0)
			return &p->links[i];
	}
	return NULL;
}

static struct tun *find_tun(const struct parts *p, const char *device)
{
	for (uint32_t i = 0; i < p->n_tuns; i++) {
		if (strcmp(p->tuns[i].spec.device, device) == 0)
			return &p->tuns[i];
	}
	return NULL;
}

/* TUNs that `heir`, which may be NULL, has too stay open. */
static void free_parts(struct parts *p, const struct parts *heir)
{
	for (uint32_t i = 0; i < p->n_tuns; i++) {
		const struct tun *t = heir ? find_tun(heir, p->tuns[i].spec.device) : NULL;
		if (p->tuns[i].fd >= 0 && (!t || t->fd != p->tuns[i].fd))
			close(p->tuns[i].fd);
	}
	free(p->links);
	free(p->tuns);
	free(p->peers);
	memset(p, 0, sizeof *p);
}

static int make_room(struct parts *p, const struct router_spec *s)
{
	memset(p, 0, sizeof *p);
	p->links = calloc(s->n_links + 1, sizeof *p->links);
	p->tuns = calloc(s->n_tuns + 1, sizeof *p->tuns);
	p->peers = calloc(s->n_peers + 1, sizeof *p->peers);
	return p->links && p->tuns && p->peers ? 0 : -ENOMEM;
}

/* What was known of a neighbour holds for as long as it is the same. */
static void inherit_link(struct link *l, const struct link *was)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (was && was->inside == l->inside &&
		    ip_addr_equal(&was->spec.peer[v6], &l->spec.peer[v6]))
			l->neighbour[v6] = was->neighbour[v6];
	}
}

static int make_links(struct router *r, struct parts *p, const struct router_spec *s,
		      struct fault *f)
{
	for (uint32_t i = 0; i < s->n_links; i++) {
		struct link *l = &p->links[i];
		const struct link *was = find_link(&r->parts, s->links[i].device);
		l->spec = s->links[i];
		int err = router_net_link(&r->net, &l->spec, &l->device, f);
		if (err)
			return err;
		l->inside = router_net_index(&r->net, l->spec.device);
		p->n_links++;
		inherit_link(l, was);
		keep_neighbours(r, l, !was);
	}
	return 0;
}

static int make_tuns(struct router *r, struct parts *p, const struct router_spec *s,
		     struct fault *f)
{
	for (uint32_t i = 0; i < s->n_tuns; i++) {
		struct tun *t = &p->tuns[i];
		const struct tun *was = find_tun(&r->parts, s->tuns[i].device);
		t->spec = s->tuns[i];
		t->fd = was ? was->fd : -1;
		p->n_tuns++;
		int err = router_net_tun(&r->net, &t->spec, &t->fd, f);
		if (err)
			return err;
	}
	return 0;
}

static void make_peers(const struct router *r, struct parts *p, const struct router_spec *s)
{
	for (uint32_t i = 0; i < s->n_peers; i++)
		p->peers[i].number = s->peers[i].number;
	p->n_peers = s->n_peers;
	qsort(p->peers, p->n_peers, sizeof *p->peers, by_number);
	for (uint32_t i = 0; i < p->n_peers; i++) {
		const struct peer *was = find_peer(&r->parts, p->peers[i].number);
		if (was)
			p->peers[i] = *was;
	}
}

/* Devices are made or changed; those that went stay for now. */
static int take_spec(struct router *r, const struct router_spec *s, struct fault *f)
{
	struct parts next;
	int err = make_room(&next, s);
	if (err)
		fault_set(f, err, "not enough memory for a router");
	if (!err)
		err = make_links(r, &next, s, f);
	if (!err)
		err = make_tuns(r, &next, s, f);
	if (err) {
		free_parts(&next, &r->parts);
		return err;
	}
	make_peers(r, &next, s);
	free_parts(&r->parts, &next);
	r->parts = next;
	return 0;
}

/* ---- begin ---- */

static int open_net(struct router *r, pid_t pid, struct fault *f)
{
	return pid ? router_net_take(&r->net, pid, f) : router_net_make(&r->net, f);
}

static int open_watch(struct router *r, struct fault *f)
{
	const struct router_watch_host h = {.base = r->h.base,
					    .owner = r,
					    .queue_bytes = r->h.queue_bytes,
					    .route = on_route,
					    .canary = on_canary,
					    .neighbour = on_neighbour,
					    .settled = on_settled,
					    .synced = on_synced};
	int err = router_net_enter(&r->net);
	if (err)
		return fault_set(f, err, "cannot enter the router's namespace: %s", strerror(-err));
	err = router_watch_open(&r->watch, &h, f);
	router_net_leave(&r->net);
	return err;
}

static int open_bird(struct router *r, pid_t pid, struct fault *f)
{
	const struct router_bird_host h = {.base = r->h.base,
					   .net = &r->net,
					   .paths = &r->paths,
					   .program = r->program,
					   .owner = r,
					   .runs = on_bird,
					   .session = on_session,
					   .configured = on_configured};
	return router_bird_open(&r->bird, &h, pid, f);
}

static int open_timer(struct router *r, struct fault *f)
{
	const struct timeval second = {.tv_sec = 1};
	r->second = event_new(r->h.base, -1, EV_PERSIST, on_second, r);
	if (!r->second || event_add(r->second, &second))
		return fault_set(f, -ENOMEM, "not enough memory for a router");
	return 0;
}

static int begin(struct router *r, const struct router_spec *s, const char *text, struct fault *f)
{
	pid_t pid = router_bird_find(&r->paths);
	int err = open_net(r, pid, f);
	r->adopted = pid;
	if (!err)
		err = take_spec(r, s, f);
	if (!err)
		err = open_watch(r, f);
	if (!err)
		err = router_write_config(&r->paths, text, f);
	if (!err)
		err = open_bird(r, pid, f);
	if (!err)
		err = open_timer(r, f);
	/* whether it has read what was there last is not known; what is the same it leaves alone */
	if (!err && pid)
		router_bird_configure(r->bird);
	return err;
}

static void close_all(struct router *r)
{
	if (r->second)
		event_free(r->second);
	router_bird_close(r->bird);
	router_watch_close(r->watch);
	router_log_close(&r->log);
	free_parts(&r->parts, NULL);
	router_net_close(&r->net);
	free(r->program);
	free(r);
}

int router_start(struct router **out, const struct router_spec *s, const struct router_host *h,
		 struct fault *f)
{
	char *text = NULL;
	int err = router_check(s, f);
	if (err)
		return err;
	struct router *r = calloc(1, sizeof *r);
	if (!r)
		return fault_set(f, -ENOMEM, "not enough memory for a router");
	r->h = *h;
	r->net = ROUTER_NET_NONE;
	snprintf(r->name, sizeof r->name, "%s", s->name);
	router_paths(&r->paths, s->instance, s->name);
	router_log_open(&r->log, r->paths.log);
	r->program = strdup(s->bird ? s->bird : ROUTER_BIRD);
	err = r->program ? router_text(&text, s, r->paths.log, f)
			 : fault_set(f, -ENOMEM, "not enough memory for a router");
	if (!err)
		err = begin(r, s, text, f);
	router_text_free(text);
	if (!err) {
		log_info(LOG_NET, "router-%s name=%s bird=%d", r->adopted ? "adopted" : "started",
			 r->name, router_bird_pid(r->bird));
		*out = r;
		return 0;
	}
	fault_prefix(f, "router %s", r->name);
	if (r->adopted)
		router_leave(r);
	else
		router_end(r);
	return err;
}

int router_follow(struct router *r, const struct router_spec *s, struct fault *f)
{
	char *text = NULL;
	int err = router_check(s, f);
	if (!err && strcmp(s->name, r->name) != 0)
		err = fault_set(f, -EINVAL, "router %s is not %s", r->name, s->name);
	if (!err)
		err = router_text(&text, s, r->paths.log, f);
	if (!err)
		err = take_spec(r, s, f);
	bool same = !err && router_config_is(&r->paths, text);
	if (!err && !same)
		err = router_write_config(&r->paths, text, f);
	router_text_free(text);
	if (err)
		return err;
	if (!same && router_bird_pid(r->bird))
		router_bird_configure(r->bird);
	else
		router_net_prune(&r->net, is_in_spec, NULL, r, false);
	return 0;
}

/* ---- end ---- */

void router_leave(struct router *r)
{
	if (r)
		close_all(r);
}

bool router_dismiss(struct router *r)
{
	return !r->bird || router_bird_dismiss(r->bird);
}

void router_end(struct router *r)
{
	if (!r)
		return;
	const struct router_paths paths = r->paths;
	pid_t pid = r->bird ? router_bird_pid(r->bird) : 0;
	if (pid && router_bird_kill(pid))
		log_error(LOG_NET, "router-end name=%s: BIRD (pid %d) does not end", r->name, pid);
	/* the namespace would end them too, but some time later */
	if (r->net.inside.netns >= 0)
		router_net_prune(&r->net, NULL, NULL, NULL, false);
	close_all(r);
	router_paths_remove(&paths);
}

/* ---- what routers left behind ---- */

struct sweeper {
	json_t *removed;
	const char *directory;
};

static void note_device(void *owner, const char *device)
{
	struct sweeper *s = owner;
	char text[160];
	snprintf(text, sizeof text, "device %s of %s", device, s->directory);
	if (s->removed)
		json_array_append_new(s->removed, json_string(text));
}

static void note(struct sweeper *s, const char *what, pid_t pid)
{
	char text[160];
	if (pid)
		snprintf(text, sizeof text, "%s %d of %s", what, pid, s->directory);
	else
		snprintf(text, sizeof text, "%s %s", what, s->directory);
	if (s->removed)
		json_array_append_new(s->removed, json_string(text));
}

static int sweep_one(struct sweeper *s, bool dry, struct fault *f)
{
	struct router_paths paths;
	struct router_net net = ROUTER_NET_NONE;
	struct fault unused = {0};
	router_paths_in(&paths, s->directory);
	pid_t pid = router_bird_find(&paths);
	int err = 0;
	if (pid) {
		note(s, "BIRD", pid);
		bool there = router_net_take(&net, pid, &unused) == 0;
		err = dry ? 0 : router_bird_kill(pid);
		if (there) {
			router_net_prune(&net, NULL, note_device, s, dry);
			router_net_close(&net);
		}
	}
	note(s, "router", 0);
	if (err)
		return fault_set(f, err, "BIRD (pid %d) does not end", pid);
	if (!dry)
		router_paths_remove(&paths);
	return 0;
}

int router_sweep(const struct instance *i, bool dry, json_t *removed, struct fault *f)
{
	char parent[ROUTER_DIRECTORY], path[sizeof parent + 64];
	const struct dirent *e;
	int err = 0;
	router_directory(parent, i->name);
	DIR *d = opendir(parent);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		struct sweeper s = {.removed = removed, .directory = path};
		if (*e->d_name != 'r' || strlen(e->d_name) >= 64)
			continue;
		snprintf(path, sizeof path, "%s/%.63s", parent, e->d_name);
		int bad = sweep_one(&s, dry, f);
		err = err ? err : bad;
	}
	closedir(d);
	return err;
}

/* ---- questions ---- */

int router_device(const struct router *r, const char *device, struct router_device *out)
{
	const struct link *l = find_link(&r->parts, device);
	if (!l)
		return -ENOENT;
	*out = l->device;
	return 0;
}

int router_tun_fd(const struct router *r, const char *device)
{
	const struct tun *t = find_tun(&r->parts, device);
	return t ? t->fd : -ENOENT;
}

int router_netns(const struct router *r)
{
	return r->net.inside.netns;
}

int router_peer(const struct router *r, uint32_t number, struct router_peer *out)
{
	const struct peer *p = find_peer(&r->parts, number);
	if (!p)
		return -ENOENT;
	*out = p->info;
	return 0;
}

bool router_is_known(const struct router *r)
{
	return r->synced && router_bird_has_told(r->bird);
}

void router_status(const struct router *r, struct router_status *out)
{
	memset(out, 0, sizeof *out);
	out->bird = router_bird_pid(r->bird);
	out->adopted = r->adopted;
	out->restarts = router_bird_restarts(r->bird);
	out->routes = router_watch_routes(r->watch);
	out->lost = router_watch_lost(r->watch);
	out->refused = router_watch_refused(r->watch);
	out->md5_refused = router_net_md5_refused(&r->net);
	const char *error = *router_bird_error(r->bird) ? router_bird_error(r->bird) : r->error;
	snprintf(out->last_error, sizeof out->last_error, "%s", error);
}
