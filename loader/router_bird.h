/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BIRD as a process: started in the router's namespace, found again by the next daemon, watched and
 * spoken to by its control socket. It is a session leader of its own and no part of the daemon: who
 * kills that does not kill it.
 */
#ifndef XGW_LOADER_ROUTER_BIRD_H
#define XGW_LOADER_ROUTER_BIRD_H

#include "control/bird_reply.h"
#include "loader/instance.h"
#include "loader/router_net.h"

struct event_base;
struct router_bird;

/* Where a router's files are. */
struct router_paths {
	char directory[96]; /* mode 0700, as its configuration holds secrets */
	/* start: what it says then. The longest instance's socket has 96 bytes of the 108 that the
	 * kernel takes. */
	char config[112], socket[108], pid[112], log[112], start[112];
};
/* `name` may have any bytes. */
void router_paths(struct router_paths *out, const char *instance, const char *name);
/* Of all routers of an instance: the directory that has theirs. */
#define ROUTER_DIRECTORY 56
void router_directory(char out[ROUTER_DIRECTORY], const char *instance);
/* Of a directory that was found. */
void router_paths_in(struct router_paths *out, const char *directory);

/* The BIRD that serves the control socket there, and runs with the configuration there. 0: none. */
pid_t router_bird_find(const struct router_paths *p);
/* Ends it: 0 when it is gone, -ETIMEDOUT. */
int router_bird_kill(pid_t pid);
/* Takes its files away. */
void router_paths_remove(const struct router_paths *p);
/* The configuration, in place of that which is there, by one rename. 0 or -errno with a fault. */
int must_check router_write_config(const struct router_paths *p, const char *text, struct fault *f);
/* Whether that which is there is the same. */
bool router_config_is(const struct router_paths *p, const char *text);

struct router_bird_host {
	struct event_base *base;
	const struct router_net *net;
	const struct router_paths *paths;
	const char *program; /* borrowed */
	void *owner;
	void (*runs)(void *owner, bool runs);
	void (*session)(void *owner, const struct bird_session *s);
	/* The answer to the last router_bird_configure(): NULL it is in force, or why not. */
	void (*configured)(void *owner, const char *error);
};

/*
 * pid 0: starts it, and waits until it listens, some seconds at most; else takes over that one. 0,
 * or -errno with a fault.
 */
int must_check router_bird_open(struct router_bird **out, const struct router_bird_host *h,
				pid_t pid, struct fault *f);
/* Lets go of it; it goes on. */
void router_bird_close(struct router_bird *b);
/* It is to read its configuration again. */
void router_bird_configure(struct router_bird *b);
/* Each second: sessions are asked for, an answer that does not come gives a new connection. */
void router_bird_second(struct router_bird *b);
/* Told to end, once; it is not started again. True when it has ended. */
bool router_bird_dismiss(struct router_bird *b);
/* Whether sessions are up was told once at least. */
bool router_bird_has_told(const struct router_bird *b);
/* 0: it does not run. */
pid_t router_bird_pid(const struct router_bird *b);
uint32_t router_bird_restarts(const struct router_bird *b);
/* Of its last start that failed, "" none. */
const char *router_bird_error(const struct router_bird *b);

#endif
