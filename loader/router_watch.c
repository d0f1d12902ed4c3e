/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dumps are asked for on the socket that changes come by, and their parts are made as they are
 * read: so a change that a part of a dump has not seen yet comes behind it in the queue.
 */
#include "loader/router_watch.h"

#include "base/log.h"
#include "control/bird_config.h"
#include "loader/hash.h"

#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH	    64u
#define MESSAGE	    32768u /* a part of a dump; changes are one small message each */
#define ROUNDS	    32u	   /* batches in one turn of the event loop */
#define QUEUE_BYTES (64 << 20)
/* When so many come at once, more follow: they are let gather for a moment, so that we do not wake
 * up for each handful. */
#define BURST	      16
#define BURST_REST_US 1000
/* What BIRD changes it deletes and adds again: a withdrawal waits this long for that. */
#define SECOND_THOUGHT_US 1000
#define MOST_ROUTES	  (1u << 20)

#define NUD_HAS_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct route_key {
	uint16_t peer; /* 0: a canary */
	uint8_t family, len;
	uint8_t b[16];
};

struct route {
	struct route_key key;
	uint32_t metric, round;
	bool gone; /* withdrawn, not told yet */
};

/* What is read one after the other. */
enum stage { STAGE_V4, STAGE_V6, STAGE_NEIGHBOURS, STAGE_DONE };

struct router_watch {
	struct router_watch_host h;
	int fd;
	uint32_t sequence, round;
	enum stage stage;
	bool again;	 /* what is read now is not all: from the start when it ends */
	bool told;	 /* routes, since the last time they settled */
	bool sync_waits; /* until withdrawals were told */
	struct hash routes;
	struct route_key *waiting; /* withdrawn */
	size_t n_waiting, room_waiting;
	uint64_t lost, refused; /* refused: no room for a route */
	struct event *readable, *flush, *rest;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	char *buffers;
};

/* ---- routes ---- */

static struct ip_prefix prefix_of(const struct route_key *k)
{
	struct ip_prefix p = {.addr = {.family = k->family}, .len = k->len};
	memcpy(p.addr.b, k->b, sizeof p.addr.b);
	return p;
}

static void tell(struct router_watch *w, const struct route *r, bool withdrawn)
{
	struct ip_prefix p = prefix_of(&r->key);
	if (!r->key.peer) {
		w->h.canary(w->h.owner, &p.addr, !withdrawn);
		return;
	}
	w->told = true;
	w->h.route(w->h.owner, r->key.peer, &p, r->metric, withdrawn);
}

static bool read_key(const struct nlmsghdr *h, struct route_key *out, uint32_t *metric)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	uint32_t table = m->rtm_table;
	unsigned bytes = m->rtm_family == AF_INET ? 4 : m->rtm_family == AF_INET6 ? 16 : 0;
	*metric = 0;
	memset(out, 0, sizeof *out);
	if (!bytes || m->rtm_protocol != RTPROT_BIRD || m->rtm_dst_len > bytes * 8)
		return false;
	out->family = bytes == 4 ? IP_V4 : IP_V6;
	out->len = m->rtm_dst_len;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		unsigned len = mnl_attr_get_payload_len(a);
		switch (mnl_attr_get_type(a)) {
		case RTA_TABLE: table = len == 4 ? mnl_attr_get_u32(a) : 0; break;
		case RTA_PRIORITY: *metric = len == 4 ? mnl_attr_get_u32(a) : 0; break;
		case RTA_DST:
			if (len == bytes)
				memcpy(out->b, mnl_attr_get_payload(a), bytes);
			break;
		default: break;
		}
	}
	if (table == BIRD_CANARY_TABLE)
		return true;
	if (table <= BIRD_PEER_TABLE || table > BIRD_PEER_TABLE + BIRD_PEERS)
		return false;
	out->peer = (uint16_t)(table - BIRD_PEER_TABLE);
	return true;
}

static void take_new(struct router_watch *w, const struct route_key *k, uint32_t metric)
{
	struct route *r = hash_find(&w->routes, k);
	bool same = r && r->metric == metric;
	if (!r && (w->routes.n < MOST_ROUTES || !k->peer))
		r = hash_put(&w->routes, k);
	if (!r) {
		w->refused++;
		return;
	}
	r->metric = metric;
	r->round = w->round;
	r->gone = false;
	if (!same)
		tell(w, r, false);
}

static void wait_to_withdraw(struct router_watch *w, struct route *r)
{
	const struct timeval soon = {.tv_usec = SECOND_THOUGHT_US};
	if (w->n_waiting == w->room_waiting) {
		size_t room = w->room_waiting ? w->room_waiting * 2 : 64;
		struct route_key *grown = reallocarray(w->waiting, room, sizeof *grown);
		if (!grown) {
			struct route was = *r;
			hash_remove(&w->routes, &was.key);
			tell(w, &was, true);
			return;
		}
		w->waiting = grown;
		w->room_waiting = room;
	}
	if (!w->n_waiting)
		evtimer_add(w->flush, &soon);
	r->gone = true;
	w->waiting[w->n_waiting++] = r->key;
}

/* A canary is never changed, only taken away, and then it is urgent. */
static void take_gone(struct router_watch *w, const struct route_key *k, uint32_t metric)
{
	struct route *r = hash_find(&w->routes, k);
	if (!r || r->gone || r->metric != metric)
		return;
	if (r->key.peer) {
		wait_to_withdraw(w, r);
		return;
	}
	struct route was = *r;
	hash_remove(&w->routes, k);
	tell(w, &was, true);
}

static void settle(struct router_watch *w)
{
	if (w->told)
		w->h.settled(w->h.owner);
	w->told = false;
}

static void on_flush(evutil_socket_t fd, short what, void *owner)
{
	struct router_watch *w = owner;
	(void)fd;
	(void)what;
	for (size_t i = 0; i < w->n_waiting; i++) {
		const struct route *r = hash_find(&w->routes, &w->waiting[i]);
		if (!r || !r->gone)
			continue;
		struct route was = *r;
		hash_remove(&w->routes, &was.key);
		tell(w, &was, true);
	}
	w->n_waiting = 0;
	settle(w);
	if (w->sync_waits)
		w->h.synced(w->h.owner);
	w->sync_waits = false;
}

/* ---- reading all ---- */

static void ask_stage(struct router_watch *w)
{
	char buffer[128] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++w->sequence;
	if (w->stage == STAGE_NEIGHBOURS) {
		h->nlmsg_type = RTM_GETNEIGH;
		mnl_nlmsg_put_extra_header(h, sizeof(struct ndmsg));
	} else {
		h->nlmsg_type = RTM_GETROUTE;
		struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
		m->rtm_family = w->stage == STAGE_V4 ? AF_INET : AF_INET6;
	}
	if (send(w->fd, h, h->nlmsg_len, 0) < 0)
		log_error(LOG_NET, "router-dump: %s", strerror(errno));
}

static void read_all(struct router_watch *w)
{
	w->again = false;
	w->round++;
	w->stage = STAGE_V4;
	ask_stage(w);
}

/* Those that neither the dump nor a change since it began told. */
static void sweep_routes(struct router_watch *w)
{
	struct route *r;
	for (uint32_t at = 0; (r = hash_next(&w->routes, &at));) {
		if (r->round != w->round && !r->gone)
			wait_to_withdraw(w, r);
	}
}

static void end_stage(struct router_watch *w)
{
	const struct timeval soon = {.tv_usec = SECOND_THOUGHT_US};
	if (w->again) {
		read_all(w);
		return;
	}
	if (++w->stage < STAGE_DONE) {
		ask_stage(w);
		return;
	}
	sweep_routes(w);
	w->sync_waits = true;
	evtimer_add(w->flush, &soon);
}

/* Something did not fit into the socket's queue, or a dump was not of one moment. */
static void start_again(struct router_watch *w)
{
	if (w->stage == STAGE_DONE)
		read_all(w);
	else
		w->again = true;
}

/* ---- messages ---- */

static void take_neighbour(struct router_watch *w, const struct nlmsghdr *h)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	struct ip_addr addr = {0};
	const uint8_t *mac = NULL;
	unsigned bytes = m->ndm_family == AF_INET ? 4 : 16;
	if (m->ndm_flags & NTF_PROXY || (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return;
	mnl_attr_for_each(a, h, sizeof *m)
	{
		unsigned len = mnl_attr_get_payload_len(a);
		if (mnl_attr_get_type(a) == NDA_DST && len == bytes)
			addr = ip_addr_from_bytes(bytes == 4 ? IP_V4 : IP_V6,
						  mnl_attr_get_payload(a));
		else if (mnl_attr_get_type(a) == NDA_LLADDR && len == 6)
			mac = mnl_attr_get_payload(a);
	}
	if (h->nlmsg_type == RTM_DELNEIGH || !(m->ndm_state & NUD_HAS_MAC))
		mac = NULL;
	if (addr.family)
		w->h.neighbour(w->h.owner, (uint32_t)m->ndm_ifindex, &addr, mac);
}

static void take_route(struct router_watch *w, const struct nlmsghdr *h)
{
	struct route_key k;
	uint32_t metric;
	if (!read_key(h, &k, &metric))
		return;
	if (h->nlmsg_type == RTM_NEWROUTE)
		take_new(w, &k, metric);
	else
		take_gone(w, &k, metric);
}

static void take_message(struct router_watch *w, const struct nlmsghdr *h)
{
	bool of_dump = w->stage != STAGE_DONE && h->nlmsg_seq == w->sequence;
	if (of_dump && h->nlmsg_flags & NLM_F_DUMP_INTR)
		w->again = true;
	switch (h->nlmsg_type) {
	case NLMSG_DONE:
	case NLMSG_ERROR:
		if (of_dump)
			end_stage(w);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (mnl_nlmsg_get_payload_len(h) >= sizeof(struct rtmsg))
			take_route(w, h);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (mnl_nlmsg_get_payload_len(h) >= sizeof(struct ndmsg))
			take_neighbour(w, h);
		break;
	default: break;
	}
}

static void take_datagram(struct router_watch *w, const struct mmsghdr *m)
{
	const struct nlmsghdr *h = m->msg_hdr.msg_iov->iov_base;
	int left = (int)m->msg_len;
	if (m->msg_hdr.msg_flags & MSG_TRUNC)
		start_again(w);
	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		take_message(w, h);
}

static void rest(struct router_watch *w)
{
	const struct timeval soon = {.tv_usec = BURST_REST_US};
	if (!evtimer_add(w->rest, &soon))
		event_del(w->readable);
}

static void on_rested(evutil_socket_t fd, short what, void *owner)
{
	struct router_watch *w = owner;
	(void)fd;
	(void)what;
	if (event_add(w->readable, NULL))
		rest(w);
}

static void on_readable(evutil_socket_t fd, short what, void *owner)
{
	struct router_watch *w = owner;
	int most = 0, got = (int)BATCH;
	(void)what;
	for (unsigned round = 0; round < ROUNDS && got == (int)BATCH; round++) {
		got = recvmmsg(fd, w->messages, BATCH, 0, NULL);
		if (got < 0 && errno == ENOBUFS) {
			w->lost++;
			start_again(w);
			got = (int)BATCH;
			continue;
		}
		most = got > most ? got : most;
		for (int i = 0; i < got; i++)
			take_datagram(w, &w->messages[i]);
	}
	settle(w);
	if (most >= BURST && got < (int)BATCH)
		rest(w);
}

/* ---- begin and end ---- */

static int open_socket(struct router_watch *w)
{
	static const int groups[] = {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH};
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	int size = w->h.queue_bytes ? (int)w->h.queue_bytes : QUEUE_BYTES;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (w->fd < 0 || bind(w->fd, (const struct sockaddr *)&any, sizeof any))
		return -errno;
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		return -errno;
	for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++) {
		if (setsockopt(w->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof groups[i]))
			return -errno;
	}
	return 0;
}

static int make_buffers(struct router_watch *w)
{
	w->buffers = malloc((size_t)BATCH * MESSAGE);
	if (!w->buffers)
		return -ENOMEM;
	for (unsigned i = 0; i < BATCH; i++) {
		w->parts[i] = (struct iovec){w->buffers + (size_t)i * MESSAGE, MESSAGE};
		w->messages[i].msg_hdr.msg_iov = &w->parts[i];
		w->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return 0;
}

int router_watch_open(struct router_watch **out, const struct router_watch_host *h, struct fault *f)
{
	struct router_watch *w = calloc(1, sizeof *w);
	if (!w)
		return fault_set(f, -ENOMEM, "not enough memory for a router");
	w->h = *h;
	w->fd = -1;
	hash_init(&w->routes, sizeof(struct route_key), sizeof(struct route));
	int err = make_buffers(w);
	if (!err)
		err = open_socket(w);
	if (!err) {
		w->readable = event_new(h->base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
		w->flush = evtimer_new(h->base, on_flush, w);
		w->rest = evtimer_new(h->base, on_rested, w);
		if (!w->readable || !w->flush || !w->rest || event_add(w->readable, NULL))
			err = -ENOMEM;
	}
	if (err) {
		router_watch_close(w);
		return fault_set(f, err, "cannot watch the router's routes: %s", strerror(-err));
	}
	read_all(w);
	*out = w;
	return 0;
}

void router_watch_close(struct router_watch *w)
{
	if (!w)
		return;
	if (w->readable)
		event_free(w->readable);
	if (w->flush)
		event_free(w->flush);
	if (w->rest)
		event_free(w->rest);
	if (w->fd >= 0)
		close(w->fd);
	hash_free(&w->routes);
	free(w->waiting);
	free(w->buffers);
	free(w);
}

uint32_t router_watch_routes(const struct router_watch *w)
{
	return w->routes.n;
}

uint64_t router_watch_lost(const struct router_watch *w)
{
	return w->lost;
}

uint64_t router_watch_refused(const struct router_watch *w)
{
	return w->refused;
}
