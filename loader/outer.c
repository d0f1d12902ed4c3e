/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/outer.h"

#include "base/bytes.h"
#include "base/log.h"
#include "loader/clock.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKET_MAX	 65536
#define READS_PER_WAKEUP 64
#define LINES_A_SECOND	 5

enum kind { ICMP_V4, ICMP_V6, ESP_V4, ESP_V6, KINDS };

struct raw {
	struct outer *outer;
	enum kind kind;
	int fd;
	struct event *readable;
};

struct outer {
	struct datapath *datapath;
	const struct model *model;
	const struct plan *plan;
	struct log_limit limit;
	struct raw raw[KINDS];
	uint8_t buffer[PACKET_MAX];
};

/* ---- receiving ---- */

void outer_prepare(int fd, bool v4)
{
	int on = 1;
	if (v4) {
		setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
		return;
	}
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

static void read_control(struct outer_info *out, const struct cmsghdr *c)
{
	struct in6_pktinfo info;
	int class;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		out->tos = *(const uint8_t *)CMSG_DATA(c);
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&class, CMSG_DATA(c), sizeof class);
		out->tos = (uint8_t) class;
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info, CMSG_DATA(c), sizeof info);
		out->to = ip_addr_from_bytes(IP_V6, &info.ipi6_addr);
	}
}

ssize_t outer_receive(int fd, void *at, size_t room, struct outer_info *out)
{
	_Alignas(struct cmsghdr) uint8_t control[128];
	struct iovec piece = {at, room};
	struct msghdr m = {.msg_name = &out->from,
			   .msg_namelen = sizeof out->from,
			   .msg_iov = &piece,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof control};
	memset(out, 0, sizeof *out);
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		read_control(out, c);
	return n;
}

/* ---- a path's MTU ---- */

static void take_icmp(struct outer *o, enum ip_family family, const uint8_t *at, size_t len,
		      const struct outer_info *info)
{
	struct datapath_pmtu_news news;
	struct ip_addr router = {0};
	char text[IP_TEXT];
	enum datapath_pmtu verdict =
		datapath_pmtu_icmp(o->datapath, family, at, len, clock_now_ns(), &news);
	if (verdict != DATAPATH_PMTU_LEARNT ||
	    !log_limit_pass(&o->limit, clock_now_ns(), LINES_A_SECOND))
		return;
	if (family == IP_V4)
		router = ip_addr_from_bytes(IP_V4,
					    &((const struct sockaddr_in *)&info->from)->sin_addr);
	else
		router = ip_addr_from_bytes(IP_V6,
					    &((const struct sockaddr_in6 *)&info->from)->sin6_addr);
	const struct plan_connection *c = plan_connection(o->plan, news.connection);
	log_info(LOG_ESP, "path-mtu connection=%s mtu=%u was=%u router=%s by=%s",
		 c ? o->model->connections[c->model].name : "?", news.mtu, news.was,
		 ip_addr_format(&router, text), news.ports_only ? "ports" : "spi");
}

/* ---- ESP out of pieces ---- */

static void take_esp(struct outer *o, enum ip_family family, const uint8_t *at, size_t len,
		     const struct outer_info *info)
{
	struct datapath_esp e = {.tos = info->tos, .at = at, .len = len};
	if (family == IP_V6) {
		e.from.addr = ip_addr_from_bytes(
			IP_V6, &((const struct sockaddr_in6 *)&info->from)->sin6_addr);
		e.to.addr = info->to;
	} else {
		/* raw IPv4 comes with its header, RFC 791's, options and all */
		size_t header = len >= 20 ? (at[0] & 15u) * 4u : 0;
		if (header < 20 || header > len)
			return;
		e.from.addr = ip_addr_from_bytes(IP_V4, at + 12);
		e.to.addr = ip_addr_from_bytes(IP_V4, at + 16);
		e.tos = at[1];
		e.at += header;
		e.len -= header;
	}
	int err = datapath_reassembled(o->datapath, &e);
	if (err && err != -ENOENT && log_limit_pass(&o->limit, clock_now_ns(), LINES_A_SECOND))
		log_warn(LOG_ESP, "reassembled-esp bytes=%zu: %s", e.len, strerror(-err));
}

/* ---- sockets ---- */

static void on_readable(evutil_socket_t fd, short what, void *owner)
{
	struct raw *r = owner;
	struct outer *o = r->outer;
	(void)what;
	for (int i = 0; i < READS_PER_WAKEUP; i++) {
		struct outer_info info;
		ssize_t n = outer_receive(fd, o->buffer, sizeof o->buffer, &info);
		if (n < 0)
			return;
		size_t len = (size_t)n, header = (o->buffer[0] & 15u) * 4u;
		switch (r->kind) {
		case ICMP_V4:
			if (len > 20 && header >= 20 && header < len)
				take_icmp(o, IP_V4, o->buffer + header, len - header, &info);
			break;
		case ICMP_V6: take_icmp(o, IP_V6, o->buffer, len, &info); break;
		case ESP_V4: take_esp(o, IP_V4, o->buffer, len, &info); break;
		case ESP_V6: take_esp(o, IP_V6, o->buffer, len, &info); break;
		case KINDS: break;
		}
	}
}

/* Nothing but what tells of sizes. */
static void filter(int fd, enum kind kind)
{
	struct icmp_filter v4 = {~(1u << ICMP_DEST_UNREACH)};
	struct icmp6_filter v6;
	if (kind == ICMP_V4)
		setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof v4);
	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &v6);
	if (kind == ICMP_V6)
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof v6);
}

static int open_raw(struct outer *o, enum kind kind, struct event_base *base, struct fault *f)
{
	static const int protocols[KINDS] = {IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_ESP,
					     IPPROTO_ESP};
	struct raw *r = &o->raw[kind];
	bool v4 = kind == ICMP_V4 || kind == ESP_V4;
	int room = 1 << 20;
	r->outer = o;
	r->kind = kind;
	r->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       protocols[kind]);
	if (r->fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	if (r->fd < 0)
		return fault_set(f, -errno, "cannot open a raw socket of protocol %d: %s",
				 protocols[kind], strerror(errno));
	filter(r->fd, kind);
	setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	outer_prepare(r->fd, v4);
	r->readable = event_new(base, r->fd, EV_READ | EV_PERSIST, on_readable, r);
	if (!r->readable || event_add(r->readable, NULL))
		return fault_set(f, -ENOMEM, "not enough memory for a socket's event");
	return 0;
}

int outer_open(struct outer **out, struct event_base *base, struct datapath *datapath,
	       const struct model *model, const struct plan *plan, struct fault *f)
{
	struct outer *o = *out = calloc(1, sizeof *o);
	int err = 0;
	if (!o)
		return fault_set(f, -ENOMEM, "not enough memory for the sockets");
	o->datapath = datapath;
	o->model = model;
	o->plan = plan;
	for (int i = 0; i < KINDS; i++)
		o->raw[i].fd = -1;
	for (enum kind i = 0; !err && i < KINDS; i++)
		err = open_raw(o, i, base, f);
	return err;
}

void outer_close(struct outer *o)
{
	for (int i = 0; o && i < KINDS; i++) {
		if (o->raw[i].readable)
			event_free(o->raw[i].readable);
		if (o->raw[i].fd >= 0)
			close(o->raw[i].fd);
	}
	free(o);
}
