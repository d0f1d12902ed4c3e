/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: wires the parts together, and nothing else. */
#include "loader/daemon.h"
#include "loader/capture.h"
#include "loader/features.h"
#include "loader/gateways.h"
#include "loader/inherit.h"
#include "loader/learning.h"
#include "loader/metrics.h"
#include "loader/outer.h"
#include "loader/recover.h"
#include "loader/reload.h"
#include "loader/site_names.h"
#include "loader/takeover.h"
#include "loader/transmit.h"

#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"
#include "loader/command.h"
#include "loader/control_socket.h"
#include "loader/status.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define EVENTS_PER_WAKEUP 1024
#define REFRESH_MS	  10 /* changes of the network come in bursts */
#define CONFIRM_SECONDS	  20
#define ALONE_ROUNDS	  16 /* of underlay_refresh, each of which does a bounded part */

/* ---- what wakes the loop ---- */

static void on_signal(evutil_socket_t signal_number, short what, void *owner)
{
	struct daemon *d = owner;
	(void)what;
	if (signal_number == SIGHUP) {
		reload_again(d->reload);
		return;
	}
	d->stopping = true;
	d->hands_over = signal_number == SIGUSR2;
	if (d->hands_over)
		log_info(LOG_RUN, "handover signal=SIGUSR2: circuits and peerings forward on; the "
				  "next `xgw run` takes over, `xgw detach` takes all away");
	else
		log_info(LOG_RUN, "stopping signal=%s",
			 signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
	event_base_loopbreak(d->base);
}

static void schedule_refresh(struct daemon *d)
{
	const struct timeval soon = {.tv_usec = REFRESH_MS * 1000};
	if (underlay_dirty(d->underlay) && !event_pending(d->refresh, EV_TIMEOUT, NULL))
		event_add(d->refresh, &soon);
}

static void on_refresh(evutil_socket_t fd, short what, void *owner)
{
	struct daemon *d = owner;
	(void)fd;
	(void)what;
	if (d->ike && underlay_readdressed(d->underlay))
		ike_host_addresses(d->ike);
	underlay_refresh(d->underlay);
	schedule_refresh(d);
}

static void on_netlink(evutil_socket_t fd, short what, void *owner)
{
	struct daemon *d = owner;
	(void)fd;
	(void)what;
	underlay_watch(d->underlay);
	/* before IKE is told of addresses: what moves to another host goes nowhere here */
	if (underlay_moved_in(d->underlay))
		takeover_look(d, false);
	/* a circuit's link that is down is not used from here on */
	routing_ports(d->routing);
	schedule_refresh(d);
}

static int on_xdp_event(void *owner, void *bytes, size_t len)
{
	struct daemon *d = owner;
	struct xgw_event e;
	if (len < sizeof e)
		return 0;
	memcpy(&e, bytes, sizeof e);
	underlay_event(d->underlay, &e, clock_now_ns());
	return 0;
}

static void on_xdp_events(evutil_socket_t fd, short what, void *owner)
{
	struct daemon *d = owner;
	(void)fd;
	(void)what;
	ring_buffer__consume(d->events);
	schedule_refresh(d);
}

/* A worker asks for a host the same way as XDP does. */
static void resolve(struct daemon *d, const struct datapath_event *e)
{
	struct xgw_event ask = {.kind = XGW_EVENT_RESOLVE, .vnet = e->vnet};
	ip_addr_to_mapped(&e->from.addr, ask.addr);
	underlay_event(d->underlay, &ask, clock_now_ns());
}

static void take_datapath_event(struct daemon *d, const struct datapath_event *e)
{
	switch (e->kind) {
	case DATAPATH_SOFT_EXPIRY: ike_host_expiring(d->ike, e->spi_in); break;
	case DATAPATH_RESOLVE: resolve(d, e); break;
	case DATAPATH_ALIVE:
		ike_host_alive(d->ike, e->spi_in);
		if (e->moved)
			ike_host_moved(d->ike, e->spi_in, &e->from);
		break;
	}
}

static void on_datapath(evutil_socket_t fd, short what, void *owner)
{
	struct daemon *d = owner;
	struct datapath_event e;
	(void)fd;
	(void)what;
	for (int i = 0; i < EVENTS_PER_WAKEUP && datapath_next_event(d->datapath, &e); i++)
		take_datapath_event(d, &e);
	schedule_refresh(d);
}

/* What a device takes depends on the other end of a veth, and may change. */
static void watch_transmit(struct daemon *d)
{
	for (uint32_t i = 0; d->datapath && i < d->model.host.n_ports; i++)
		if (d->model.host.ports[i].xdp_transmit)
			datapath_port_transmit(d->datapath, d->plan.port_ids[i],
					       transmit_device_ready(d->ports[i].link.ifindex));
}

/* Sessions that were replaced, idle, or too long. */
static void end_clients(struct daemon *d)
{
	struct client_due due;
	struct fault f = {0};
	for (uint32_t after = 0;
	     clients_next_due(ike_host_clients(d->ike), after, clock_now_ns(), &due) == 0;
	     after = due.is.connection) {
		log_info(LOG_P2S, "client-ended name=%s: %s", due.is.name, due.why);
		if (due.is.is_sstp)
			sstp_host_disconnect(d->sstp, due.is.connection, due.why);
		else if (ike_host_order(d->ike, "down", due.is.connection, &f))
			log_warn(LOG_P2S, "client-not-ended: %s", f.text);
	}
}

static void on_second(evutil_socket_t fd, short what, void *owner)
{
	struct daemon *d = owner;
	(void)fd;
	(void)what;
	if (d->maps->config)
		d->maps->config->daemon_beat = clock_now_ns();
	datapath_flush_drops(d->datapath);
	gateways_second(d);
	if (!reload_busy(d->reload))
		recover_second(d);
	watch_transmit(d);
	underlay_second(d->underlay, clock_now_ns());
	if (d->addresses_unknown)
		takeover_look(d, false);
	routing_second(d->routing);
	site_names_second(d->names);
	datapath_pmtu_expire(d->datapath, clock_now_ns());
	sd_notify(0, "WATCHDOG=1");
	if (++d->seconds % CONFIRM_SECONDS == 0)
		underlay_confirm(d->underlay);
	if (!reload_busy(d->reload))
		end_clients(d);
	schedule_refresh(d);
}

/* ---- requests of commands ---- */

static json_t *refusal(const struct fault *f)
{
	char text[FAULT_TEXT];
	return json_pack("{s:b,s:s}", "ok", 0, "error", fault_format(f, text));
}

/* A client dials again by itself, or does not. */
static int order_sstp(struct daemon *d, const char *verb, uint32_t id, struct fault *f)
{
	if (strcmp(verb, "down") != 0 && strcmp(verb, "reset") != 0)
		return fault_set(f, -EINVAL,
				 "a client that came by SSTP can be ended (`xgw down`), not %s",
				 verb);
	return sstp_host_disconnect(d->sstp, id, "a person ended the session");
}

static json_t *carry_out_order(struct daemon *d, const char *verb, const json_t *request)
{
	struct fault f = {0};
	uint32_t id;
	const char *name = json_string_value(json_object_get(request, "name"));
	int err = routing_order(d->routing, verb, name ? name : "", &f);
	if (err != -ENOENT)
		return err ? refusal(&f) : json_pack("{s:b}", "ok", 1);
	err = status_find(d, name ? name : "", &id, &f);
	struct sstp_client_status client;
	if (!err && !sstp_host_status(d->sstp, id, &client))
		err = order_sstp(d, verb, id, &f);
	else if (!err)
		err = ike_host_order(d->ike, verb, id, &f);
	return err ? refusal(&f) : json_pack("{s:b}", "ok", 1);
}

static json_t *answer(void *owner, const json_t *request)
{
	static const char *const orders[] = {"up", "down", "rekey", "reauthenticate", "reset"};
	struct daemon *d = owner;
	struct fault f = {0};
	const char *verb = json_string_value(json_object_get(request, "verb"));
	for (size_t i = 0; verb && i < sizeof orders / sizeof *orders; i++) {
		if (strcmp(verb, orders[i]) == 0)
			return carry_out_order(d, verb, request);
	}
	if (verb && strcmp(verb, "keys") == 0)
		return key_export(d, json_string_value(json_object_get(request, "name")));
	if (verb && strcmp(verb, "capture") == 0)
		return capture_begin(d, request);
	if (verb && strcmp(verb, "reload") == 0)
		return reload_order(d->reload, request);
	if (verb && strcmp(verb, "routes") == 0)
		return json_pack("{s:b,s:o}", "ok", 1, "routes", routing_candidates(d->routing));
	if (verb && strcmp(verb, "learnt") == 0)
		return json_pack("{s:b,s:o}", "ok", 1, "learntRoutes", routing_learnt(d->routing));
	if (verb && strcmp(verb, "status") == 0)
		return json_pack("{s:b,s:o}", "ok", 1, "status", status_document(d));
	fault_set(&f, -EINVAL, "the daemon knows no verb '%.32s'", verb ? verb : "");
	return refusal(&f);
}

/* ---- start ---- */

static int watch(struct daemon *d, evutil_socket_t fd, short what, event_callback_fn call)
{
	struct event *e = event_new(d->base, fd, what | EV_PERSIST, call, d);
	if (!e || event_add(e, NULL)) {
		if (e)
			event_free(e);
		return -ENOMEM;
	}
	d->loop_events[d->n_loop_events++] = e;
	return 0;
}

static int watch_all(struct daemon *d, struct fault *f)
{
	const struct timeval second = {.tv_sec = 1};
	int err = 0;
	d->refresh = evtimer_new(d->base, on_refresh, d);
	d->events = ring_buffer__new(d->maps->fd[MAPS_events], on_xdp_event, d, NULL);
	if (!d->refresh || !d->events)
		return fault_set(f, -ENOMEM, "cannot listen to the programs' events: %s",
				 strerror(errno));
	err |= watch(d, netlink_watch_fd(d->netlink), EV_READ, on_netlink);
	err |= watch(d, ring_buffer__epoll_fd(d->events), EV_READ, on_xdp_events);
	err |= watch(d, datapath_event_fd(d->datapath), EV_READ, on_datapath);
	err |= watch(d, SIGTERM, EV_SIGNAL, on_signal);
	err |= watch(d, SIGINT, EV_SIGNAL, on_signal);
	err |= watch(d, SIGUSR2, EV_SIGNAL, on_signal);
	err |= watch(d, SIGHUP, EV_SIGNAL, on_signal);
	struct event *beat = event_new(d->base, -1, EV_PERSIST, on_second, d);
	if (err || !beat || event_add(beat, &second))
		return fault_set(f, -ENOMEM, "not enough memory for the event loop");
	d->loop_events[d->n_loop_events++] = beat;
	return 0;
}

/*
 * One worker for each queue that every port has, and where cores are left, some that help with
 * cryptography: past three, receiving and sending are what a single queue is limited by.
 */
#define WORKERS_EACH_QUEUE 4u

static unsigned worker_count(const struct daemon *d)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned cores = online > 0 ? (unsigned)online : 1, queues = cores;
	if (d->model.host.workers)
		return d->model.host.workers;
	for (uint32_t i = 0; i < d->model.host.n_ports; i++) {
		unsigned has = d->ports[i].link.rx_queues ? d->ports[i].link.rx_queues : 1;
		queues = has < queues ? has : queues;
	}
	return queues * WORKERS_EACH_QUEUE < cores ? queues * WORKERS_EACH_QUEUE : cores;
}

/* One line for each algorithm that the named or first back end does not compute. */
static void log_crypto(const struct esp_choice *c, const char *wanted)
{
	bool forced = strcmp(wanted, "auto") != 0;
	for (int e = ENCR_NONE + 1; e < ENCR_COUNT; e++)
		for (int a = AUTH_NONE; a < AUTH_COUNT; a++) {
			const struct esp_chosen *p = &c->of[e][a];
			if (!p->backend || p->backend == c->workers)
				continue;
			log_info(LOG_ESP, "algorithm=%s integrity=%s backend=%s reason=%s",
				 encryption_of(e)->name, integrity_of(a)->name, p->backend->name,
				 forced || !p->openssl_ns ? "not-in-the-other" : "faster");
		}
}

static int start_datapath(struct daemon *d, struct fault *f)
{
	const char *wanted = d->model.host.crypto_backend ? d->model.host.crypto_backend : "auto";
	if (esp_choose(&d->crypto, wanted, clock_now_ns)) {
		fault_set(f, -ENOTSUP, "the crypto back end '%s' is not available here", wanted);
		return fault_advise(
			f,
			"`xgw version` lists those there are; cryptoBackend: auto takes the best");
	}
	d->backend = d->crypto.workers;
	log_crypto(&d->crypto, wanted);
	struct datapath_options *o = calloc(1, sizeof *o);
	if (!o)
		return fault_set(f, -ENOMEM, "not enough memory for the data path");
	static const enum datapath_copy copies[] = {[MODEL_ZERO_COPY_AUTO] = DATAPATH_COPY_AUTO,
						    [MODEL_ZERO_COPY_OFF] = DATAPATH_COPY_FORCE,
						    [MODEL_ZERO_COPY_REQUIRED] =
							    DATAPATH_ZEROCOPY_FORCE};
	*o = (struct datapath_options){.maps = d->maps,
				       .workers = worker_count(d),
				       .backend = d->backend,
				       .choice = &d->crypto,
				       .replay_window = d->model.host.replay_window,
				       .replay_off = !d->model.host.replay_window,
				       .copy = copies[d->model.host.zero_copy],
				       .multi_buffer = features_multi_buffer(),
				       .busy_poll = d->model.host.busy_poll,
				       .transmit_open = transmit_open,
				       .n_ports = d->model.host.n_ports};
	recover_describe(d, o->port);
	log_info(LOG_RUN, "workers=%u backend=%s", o->workers, d->backend->name);
	int err = datapath_start(&d->datapath, o, f);
	free(o);
	return err;
}

/* Programs attached and maps filled: what needs no process. */
static int prepare(struct daemon *d, struct fault *f)
{
	int err = instance_lock(&d->instance, &d->lock, f);
	if (!err)
		err = netlink_open(&d->netlink, f);
	if (!err)
		err = apply_find_ports(d->netlink, &d->model, d->ports, d->facts, f);
	if (!err)
		err = plan_make(&d->plan, &d->model, &(struct plan_facts){.ports = d->facts}, NULL,
				f);
	if (!err)
		err = attach_start(&d->attach, &d->instance, d->netlink, d->ports,
				   d->model.host.n_ports, d->model.host.xdp_mode, f);
	if (err)
		return err;
	d->maps = attach_maps(d->attach);
	err = apply_plan(d->maps, NULL, &d->plan, NULL, f);
	if (!err)
		err = learning_limits(d->maps, &d->model, f);
	/* what is there forwards with the addresses it has */
	if (err || attach_succeeds(d->attach))
		return err;
	return apply_addresses(d->attach, d->netlink, &d->model, d->ports, f);
}

/* The maps are filled: the new programs take the place of those that an earlier daemon left. */
static int succeed(struct daemon *d, struct fault *f)
{
	if (!attach_succeeds(d->attach))
		return 0;
	inherit_learnt(&d->instance, d->maps, d->underlay);
	for (int n = 0; n < ALONE_ROUNDS && (!n || underlay_dirty(d->underlay)); n++)
		underlay_refresh(d->underlay);
	int err = attach_succeed(d->attach, d->netlink, d->ports, d->model.host.n_ports,
				 d->model.host.xdp_mode, f);
	if (err)
		return err;
	apply_addresses_gone(d->attach, d->netlink, &d->model, d->ports);
	err = apply_addresses(d->attach, d->netlink, &d->model, d->ports, f);
	/* the new programs forward, and nothing is gained by taking them off */
	d->hands_over = err;
	return err;
}

static int start_underlay(struct daemon *d, struct fault *f)
{
	const struct underlay_host h = {d->netlink, d->maps,  &d->model,
					&d->plan,   d->ports, d->datapath};
	return underlay_new(&d->underlay, &h, f);
}

static int start_sstp(struct daemon *d, struct fault *f)
{
	const struct sstp_host_options o = {d->base, &d->model, ike_host_clients(d->ike),
					    d->datapath};
	return sstp_host_start(&d->sstp, &o, f);
}

static bool holds(const void *owner, uint32_t table, const struct ip_prefix *prefix)
{
	return routing_holds(owner, table, prefix);
}

struct apply_keep daemon_keep(const struct daemon *d)
{
	return (struct apply_keep){holds, d->routing};
}

int daemon_plan_again(struct daemon *d, struct fault *f)
{
	struct plan plan = {0};
	struct plan_veth veths[XGW_MAX_LINKS];
	for (uint32_t i = 0; i < d->model.host.n_ports; i++)
		d->facts[i] = apply_fact(&d->ports[i].link);
	const struct plan_facts facts = {d->facts, veths, routing_veths(d->routing, veths)};
	const struct apply_keep keep = daemon_keep(d);
	int err = plan_make(&plan, &d->model, &facts, &d->plan, f);
	if (!err)
		err = apply_plan(d->maps, &d->plan, &plan, &keep, f);
	if (err) {
		plan_free(&plan);
		return err;
	}
	plan_free(&d->plan);
	d->plan = plan;
	return 0;
}

static int plan_again(void *owner, struct fault *f)
{
	struct daemon *d = owner;
	return reload_busy(d->reload) ? -EBUSY : daemon_plan_again(d, f);
}

static int start_routing(struct daemon *d, struct fault *f)
{
	const struct routing_host h = {.base = d->base,
				       .instance = &d->instance,
				       .maps = d->maps,
				       .attach = d->attach,
				       .netlink = d->netlink,
				       .datapath = d->datapath,
				       .model = &d->model,
				       .plan = &d->plan,
				       .standby = &d->standby,
				       .ports = d->ports,
				       .succeeds = attach_succeeds(d->attach),
				       .plan_again = plan_again,
				       .owner = d};
	return routing_start(&d->routing, &h, f);
}

static json_t *document(void *owner)
{
	return status_document(owner);
}

/* What people and programs ask. */
static int start_answering(struct daemon *d, struct fault *f)
{
	int err = control_socket_open(&d->control, d->base, &d->instance, answer, d, f);
	if (!err && d->model.host.metrics)
		err = metrics_open(&d->metrics, d->base, d->model.host.metrics, document, d, f);
	return err;
}

static int start(struct daemon *d, const char *path, struct fault *f)
{
	int err = prepare(d, f);
	if (err)
		return err;
	d->base = event_base_new();
	if (!d->base)
		return fault_set(f, -ENOMEM, "not enough memory for the event loop");
	err = start_datapath(d, f);
	if (!err)
		err = gateways_set(d, &d->model, &d->plan, f);
	if (!err)
		err = start_underlay(d, f);
	if (!err)
		err = watch_all(d, f);
	if (!err)
		err = outer_open(&d->outer, d->base, d->datapath, &d->model, &d->plan, f);
	if (!err)
		err = takeover_follow(d, f);
	if (err)
		return err;
	const struct ike_host_options o = {d->base,	&d->model,   &d->plan,	 d->maps,
					   d->datapath, d->underlay, d->netlink, &d->standby};
	err = ike_host_start(&d->ike, &o, f);
	if (!err)
		err = start_sstp(d, f);
	if (!err)
		err = start_routing(d, f);
	if (!err)
		err = reload_open(&d->reload, d, path, f);
	if (!err)
		err = site_names_open(&d->names, d, f);
	if (!err)
		err = start_answering(d, f);
	if (err)
		return err;
	underlay_refresh(d->underlay);
	takeover_look(d, true);
	if (attach_succeeds(d->attach))
		routing_settle(d->routing);
	return succeed(d, f);
}

/* The reverse of start, from wherever it came to. */
static void stop(struct daemon *d)
{
	bool fails = d->attach && attach_succeeds(d->attach), stays = fails || d->hands_over;
	if (fails)
		log_warn(LOG_RUN,
			 "not-taken-over instance=%s: what forwarded before forwards on; `xgw "
			 "detach` takes it away",
			 d->instance.name);
	if (!stays)
		routing_dismiss(d->routing);
	capture_free(d->capture);
	site_names_close(d->names);
	reload_close(d->reload);
	metrics_close(d->metrics);
	control_socket_close(d->control);
	sstp_host_shutdown(d->sstp);
	sstp_host_free(d->sstp);
	if (d->ike)
		ike_host_shutdown(d->ike);
	ike_host_free(d->ike);
	if (stays)
		routing_leave(d->routing, fails);
	else
		routing_end(d->routing);
	outer_close(d->outer);
	if (d->datapath)
		datapath_stop(d->datapath);
	underlay_free(d->underlay);
	for (unsigned i = 0; i < d->n_loop_events; i++)
		event_free(d->loop_events[i]);
	if (d->refresh)
		event_free(d->refresh);
	ring_buffer__free(d->events);
	if (d->attach && d->hands_over && !fails) {
		if (d->maps->config)
			d->maps->config->daemon_beat = 0;
		attach_leave(d->attach);
	} else if (d->attach) {
		attach_end(d->attach, d->netlink);
	}
	if (d->base)
		event_base_free(d->base);
	netlink_close(d->netlink);
	gateways_free(d);
	standby_free(&d->standby);
	plan_free(&d->plan);
	model_free(&d->model);
	config_former_free(d->former);
	instance_unlock(&d->instance, d->lock);
}

/* No key may reach a core file or another process of the same user. */
static void harden(void)
{
	const struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_MEMLOCK, &all);
	signal(SIGPIPE, SIG_IGN);
}

static struct daemon *new_daemon(const struct instance *i, struct model *m,
				 struct config_former *former)
{
	struct daemon *d = calloc(1, sizeof *d);
	if (!d) {
		model_free(m);
		config_former_free(former);
		command_say(EXIT_FAILED, "not enough memory to start");
		return NULL;
	}
	d->instance = *i;
	d->lock = -1;
	d->model = *m;
	d->former = former;
	memset(m, 0, sizeof *m);
	d->started_ns = clock_now_ns();
	return d;
}

int daemon_run(const struct instance *i, const char *path, struct model *m,
	       struct config_former *former)
{
	struct fault f = {0};
	harden();
	struct daemon *d = new_daemon(i, m, former);
	if (!d)
		return EXIT_FAILED;
	int err = start(d, path, &f);
	if (!err) {
		on_second(-1, 0, d);
		log_info(LOG_RUN, "ready instance=%s ports=%u connections=%u", i->name,
			 d->model.host.n_ports, d->model.n_connections);
		sd_notifyf(0, "READY=1\nSTATUS=%u connections", d->model.n_connections);
		if (!d->stopping)
			event_base_dispatch(d->base);
		sd_notify(0, "STOPPING=1");
	}
	stop(d);
	free(d);
	if (err)
		return command_fail(EXIT_FAILED, &f);
	log_info(LOG_RUN, "stopped instance=%s", i->name);
	return EXIT_DONE;
}

int daemon_attach_only(const struct instance *i, const char *path, struct model *m,
		       struct config_former *former)
{
	(void)path;
	struct fault f = {0};
	struct daemon *d = new_daemon(i, m, former);
	if (!d)
		return EXIT_FAILED;
	int err = prepare(d, &f);
	/* what the kernel's neighbour table knows now; later changes need the daemon */
	if (!err)
		err = start_underlay(d, &f);
	if (!err) {
		for (int n = 0; n < ALONE_ROUNDS && (!n || underlay_dirty(d->underlay)); n++)
			underlay_refresh(d->underlay);
		err = succeed(d, &f);
	}
	if (!err) {
		attach_leave(d->attach);
		d->attach = NULL;
	}
	stop(d);
	free(d);
	return err ? command_fail(EXIT_FAILED, &f) : EXIT_DONE;
}
