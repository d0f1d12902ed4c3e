/* SPDX-License-Identifier: Apache-2.0 */
/* The running gateway: what its parts are, for the loop that wires them and for its status. */
#ifndef XGW_LOADER_DAEMON_H
#define XGW_LOADER_DAEMON_H

#include "control/config.h"
#include "control/standby.h"
#include "loader/apply.h"
#include "loader/attach.h"
#include "loader/ike_host.h"
#include "loader/routing.h"
#include "loader/shared.h"
#include "loader/sstp.h"
#include "loader/underlay.h"

#include <event2/event.h>

struct capture;
struct control_socket;
struct metrics;
struct reload;
struct ring_buffer;
struct site_names;

struct daemon {
	struct instance instance;
	int lock;
	struct model model;
	struct config_former *former; /* of the text of the model, NULL: nothing is kept */
	struct plan plan;
	struct attach_port ports[XGW_MAX_PORTS];
	struct plan_port facts[XGW_MAX_PORTS];
	struct netlink *netlink;
	struct attach *attach;
	const struct maps *maps;
	struct datapath *datapath;
	const struct esp_backend *backend; /* of the workers */
	struct esp_choice crypto;
	struct underlay *underlay;
	struct standby standby; /* which gateways work here */
	struct shared shared;
	bool addresses_unknown; /* the kernel could not be asked */
	struct ike_host *ike;
	struct sstp_host *sstp;
	struct routing *routing; /* circuits and BGP */
	struct outer *outer;
	struct gateway_rate *rates; /* by the gateways' slots */
	uint32_t n_rates;
	struct control_socket *control;
	struct metrics *metrics; /* NULL: nobody asked for them */
	struct reload *reload;
	struct site_names *names;   /* of sites */
	struct capture *capture;    /* NULL: nobody has captured yet */
	struct ring_buffer *events; /* from XDP */
	struct event_base *base;
	struct event *loop_events[16];
	unsigned n_loop_events;
	struct event *refresh;
	uint64_t started_ns;
	unsigned seconds;
	bool sockets_missing;	   /* of the workers: recovery failed */
	bool stopping, hands_over; /* by a signal */
};

/* Runs until a signal ends it. path: the configuration's. Takes the model and what is kept of
 * its text. 0 or the exit status of the program, told already.
 */
int daemon_run(const struct instance *i, const char *path, struct model *m,
	       struct config_former *former);
/* Routes that BGP decides about: for apply_plan. */
struct apply_keep daemon_keep(const struct daemon *d);
/* The same model on other devices, or with wires to circuits' links that are there now. Not while a
 * reload is under way, which compares with the plan. */
int must_check daemon_plan_again(struct daemon *d, struct fault *f);
/* Maps filled and programs attached without anything that needs a process. */
int daemon_attach_only(const struct instance *i, const char *path, struct model *m,
		       struct config_former *former);

#endif
