/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection is a peer: a stream of bytes, whose TLS is another thread's (sstp_tls.h), and the
 * session behind it, which is the event loop's as all else here. Who has not authenticated costs
 * little, is given little time, and gives way when there are too many.
 */
#include "loader/sstp.h"

#include "base/instant.h"
#include "base/log.h"
#include "loader/clock.h"
#include "loader/sstp_tls.h"
#include "p2s/sstp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSTP_PORT	 443
#define BACKLOG		 512
#define HANDSHAKE_NS	 (10 * NS_PER_S)
#define HALF_OPEN_MAX	 1024 /* of all gateways */
#define HALF_OPEN_SOURCE 64   /* of one address; many clients may be behind one NAT */
#define PEERS_MAX	 8192
#define ACCEPTS		 64 /* of one wakeup */
#define READS		 4
#define LAST_NS		 (2 * NS_PER_S) /* for what waits when a session is over */
#define IN_MAX		 (SSTP_TLS_RECORD + SSTP_IN_MAX)
#define FILES_OTHER	 512 /* that the rest of the program may have open */
#define LOG_A_SECOND	 10
#define NAME_BYTES	 128

struct peer {
	TAILQ_ENTRY(peer) entry; /* of `half_open` or `known` */
	struct listener *listener;
	struct sstp_stream *stream;
	struct event *timer;
	struct ip_endpoint remote;
	uint64_t accepted_ns, closed_ns, packet_ns; /* the last: when one came */
	struct sstp *session;			    /* NULL: TLS is not up */
	bool known;   /* authenticated: its connection is a client's */
	bool closing; /* what waits goes out, then it ends */
	bool dead;    /* to be freed when nobody looks at it */
	uint32_t connection;
	uint8_t *in;
	size_t n_in;
};
TAILQ_HEAD(peers, peer);

struct listener {
	struct listener *next;
	struct sstp_host *host;
	uint32_t gateway;
	char name[NAME_BYTES]; /* the gateway's */
	struct ip_addr local;
	int fd; /* -1: another one's, so far */
	struct event *acceptable;
	SSL_CTX *ctx;
	struct sstp_rules rules;
	/* a reload's: the one that goes on with this one's rules */
	struct listener *former;
};

struct sstp_host {
	struct sstp_host_options o;
	struct listener *listeners;
	struct listener *coming;       /* prepared for a reload */
	struct peers half_open, known; /* the oldest first */
	unsigned n_half_open, n_peers, most_half_open, most_peers;
	struct peer **by_client; /* by connection - PLAN_FIRST_CLIENT */
	struct sstp_tls *tls;	 /* NULL: no gateway has SSTP so far */
	struct sstp_effects effects;
	struct log_limit limit;
	uint64_t count[SSTP_COUNTERS];
};

/* ---- small things ---- */

static void count(struct sstp_host *h, enum sstp_host_counter c)
{
	h->count[c]++;
}

static bool may_log(struct sstp_host *h)
{
	return log_limit_pass(&h->limit, clock_now_ns(), LOG_A_SECOND);
}

static const char *name_of(const struct peer *p)
{
	return p->listener->name;
}

static void fill_random(uint8_t *out, size_t n)
{
	while (n) {
		ssize_t got = getrandom(out, n, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* no nonce may be made without it */
		if (got > 0) {
			out += got;
			n -= (size_t)got;
		}
	}
}

static struct peer *by_connection(const struct sstp_host *h, uint32_t connection)
{
	return h && h->by_client && connection >= PLAN_FIRST_CLIENT &&
			       connection < PLAN_CLIENTS_BEHIND
		       ? h->by_client[connection - PLAN_FIRST_CLIENT]
		       : NULL;
}

static struct timeval span(uint64_t until, uint64_t now)
{
	uint64_t us = until > now ? (until - now + 999) / 1000 : 0;
	return (struct timeval){.tv_sec = (time_t)(us / 1000000),
				.tv_usec = (suseconds_t)(us % 1000000)};
}

/* ---- the end of a peer ---- */

static void say_end(struct peer *p, const struct fault *why)
{
	struct sstp_host *h = p->listener->host;
	char text[FAULT_TEXT], remote[ENDPOINT_TEXT];
	if (p->known)
		log_info(LOG_P2S, "sstp-down gateway=%s user=%s peer=%s: %s", name_of(p),
			 sstp_user(p->session), ip_endpoint_format(&p->remote, remote),
			 fault_format(why, text));
	else if (may_log(h))
		log_warn(LOG_P2S, "sstp-failed gateway=%s peer=%s: %s", name_of(p),
			 ip_endpoint_format(&p->remote, remote), fault_format(why, text));
}

/* No packet is taken to it or from it any more. */
static void forget_client(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	if (!p->known || !p->connection)
		return;
	h->by_client[p->connection - PLAN_FIRST_CLIENT] = NULL;
	sstp_stream_packets(p->stream, 0);
	clients_gone(h->o.clients, p->connection);
	p->connection = 0;
}

static void peer_free(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	forget_client(p);
	if (p->known) {
		TAILQ_REMOVE(&h->known, p, entry);
	} else {
		TAILQ_REMOVE(&h->half_open, p, entry);
		h->n_half_open--;
	}
	h->n_peers--;
	if (p->session)
		h->count[SSTP_COUNT_early] += sstp_early(p->session);
	sstp_free(p->session);
	if (p->timer)
		event_free(p->timer);
	if (p->stream)
		sstp_stream_free(p->stream);
	free(p->in);
	free(p);
}

static void count_end(const struct peer *p, const struct fault *why)
{
	struct sstp_host *h = p->listener->host;
	if (why->code == -EACCES)
		count(h, SSTP_COUNT_authentication_failed);
	else if (!p->known)
		count(h, why->code == -ETIMEDOUT ? SSTP_COUNT_too_slow : SSTP_COUNT_not_sstp);
}

/* Marks it; who holds it frees it. What the session knows of it is the better reason. */
static void fail(struct peer *p, int code, const char *why)
{
	struct fault f = {0};
	const struct fault *decided = p->session ? sstp_why(p->session) : NULL;
	if (p->dead)
		return;
	p->dead = true;
	fault_set(&f, code, "%s", why);
	if (p->closing)
		return;
	if (decided)
		count_end(p, decided);
	say_end(p, decided ? decided : &f);
}

/* ---- effects ---- */

/* Control messages and PPP's frames. */
static void queue(struct peer *p, const uint8_t *bytes, size_t n)
{
	if (sstp_stream_write(p->stream, bytes, n) != -ENOBUFS)
		return; /* who is gone is told of by its stream */
	count(p->listener->host, SSTP_COUNT_unread);
	fail(p, -ENOBUFS, "the client does not read what it is sent");
}

/* Who encrypts: the kernel, for a direction, where it can. */
static const char *kernel_tls(const struct sstp_stream_status *s)
{
	if (s->kernel_send)
		return s->kernel_receive ? " ktls=both" : " ktls=send";
	return s->kernel_receive ? " ktls=receive" : "";
}

static void connected(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	char text[IP_TEXT] = "", remote[ENDPOINT_TEXT];
	struct client_info info;
	struct sstp_stream_status tls;
	bool v4 = sstp_is_open(p->session, IP_V4), v6 = sstp_is_open(p->session, IP_V6);
	if (clients_open(h->o.clients, p->connection, sstp_mtu(p->session), v4, v6)) {
		fail(p, -ENOMEM, "the data path takes no more clients");
		return;
	}
	count(h, SSTP_COUNT_connected);
	if (!clients_find(h->o.clients, p->connection, &info))
		ip_addr_format(v4 ? &info.v4 : &info.v6, text);
	sstp_stream_status(p->stream, &tls);
	log_info(LOG_P2S, "sstp-up gateway=%s user=%s method=%s address=%s peer=%s tls=%s%s",
		 name_of(p), sstp_user(p->session), sstp_method(p->session), text,
		 ip_endpoint_format(&p->remote, remote), tls.version, kernel_tls(&tls));
}

static void ended(struct peer *p, const struct fault *why)
{
	if (p->closing)
		return;
	count_end(p, why);
	say_end(p, why);
	forget_client(p);
	sstp_stream_end(p->stream);
	p->closing = true;
	p->closed_ns = clock_now_ns();
}

static void carry_out(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	const struct sstp_effects *e = &h->effects;
	queue(p, e->bytes, e->len);
	if (e->up && p->known && !p->dead)
		connected(p);
	if (e->packet.len && p->known && p->connection)
		datapath_client_deliver(h->o.datapath, p->connection, e->packet.at, e->packet.len);
	if (e->closed)
		ended(p, &e->fault);
}

static void settle(struct peer *p)
{
	if (p->dead) {
		peer_free(p);
		return;
	}
	uint64_t now = clock_now_ns();
	uint64_t at = p->session && !p->closing ? sstp_next_deadline(p->session)
						: instant_after(p->accepted_ns, HANDSHAKE_NS);
	if (p->closing)
		at = instant_after(p->closed_ns, LAST_NS);
	struct timeval wait = span(at, now);
	if (at != INSTANT_NEVER)
		event_add(p->timer, &wait);
}

/* ---- in ---- */

static void parse(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	size_t at = 0;
	while (!p->dead && !p->closing && at < p->n_in) {
		const struct bytes in = {p->in + at, p->n_in - at};
		uint64_t now = clock_now_ns();
		size_t n = sstp_receive(p->session, in, now, &h->effects);
		if (!n)
			break;
		if (h->effects.packet.len)
			p->packet_ns = now;
		carry_out(p);
		at += n;
	}
	p->n_in -= at;
	memmove(p->in, p->in + at, p->n_in);
}

/* False: nothing more is there. */
static bool read_some(struct peer *p)
{
	size_t n = sstp_stream_read(p->stream, p->in + p->n_in, IN_MAX - p->n_in);
	p->n_in += n;
	if (n)
		parse(p);
	return n > 0;
}

static int lease(void *owner, const char *user, struct ppp_lease *out, struct fault *f)
{
	struct peer *p = owner;
	struct sstp_host *h = p->listener->host;
	struct client_info info;
	int err = clients_admit(h->o.clients, p->listener->gateway, user, &info, f);
	if (err)
		return err;
	*out = (struct ppp_lease){info.v4, info.v6};
	p->connection = info.connection;
	h->by_client[info.connection - PLAN_FIRST_CLIENT] = p;
	sstp_stream_packets(p->stream, info.connection);
	TAILQ_REMOVE(&h->half_open, p, entry);
	h->n_half_open--;
	TAILQ_INSERT_TAIL(&h->known, p, entry);
	p->known = true;
	return 0;
}

static void begin_session(struct peer *p)
{
	uint8_t random[SSTP_RANDOM];
	p->in = malloc(IN_MAX);
	fill_random(random, sizeof random);
	if (!p->in || sstp_new(&p->session, &p->listener->rules, p, random, clock_now_ns(),
			       clock_wall_seconds()))
		fail(p, -ENOMEM, "not enough memory for a client");
	else
		sstp_from(p->session, &p->remote.addr);
	OPENSSL_cleanse(random, sizeof random);
}

/* The stream broke, or all is sent. */
static void stream_is_over(struct peer *p, const struct sstp_stream_status *now)
{
	char text[FAULT_TEXT];
	if (p->closing) {
		p->dead = true;
		return;
	}
	if (!now->was_up)
		count(p->listener->host, SSTP_COUNT_tls_failed);
	fail(p, now->fault.code, fault_format(&now->fault, text));
}

static void on_news(void *owner)
{
	struct peer *p = owner;
	struct sstp_stream_status now;
	bool more = true;
	sstp_stream_status(p->stream, &now);
	if (now.was_up && !p->session)
		begin_session(p);
	for (int i = 0; i < READS && more; i++)
		more = p->session && !p->dead && !p->closing && read_some(p);
	if (!p->dead && more)
		sstp_stream_again(p->stream);
	else if (!p->dead && now.phase >= SSTP_STREAM_ENDED)
		stream_is_over(p, &now);
	settle(p);
}

/* Packets go out without the session: it hears of them when it would end for want of any. */
static void expire(struct peer *p)
{
	struct sstp_host *h = p->listener->host;
	struct sstp_stream_status now;
	sstp_stream_status(p->stream, &now);
	if (now.packets_ns > p->packet_ns)
		sstp_sent(p->session, now.packets_ns);
	sstp_expire(p->session, clock_now_ns(), &h->effects);
	carry_out(p);
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
	struct peer *p = owner;
	struct sstp_host *h = p->listener->host;
	(void)fd;
	(void)what;
	if (p->closing) {
		p->dead = true;
	} else if (!p->session) {
		count(h, SSTP_COUNT_too_slow);
		fail(p, -ETIMEDOUT, "TLS took too long");
	} else {
		expire(p);
	}
	settle(p);
}

/* ---- new ones ---- */

/* IPv6 clients have a /64 each. */
static bool same_source(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && !memcmp(a->b, b->b, a->family == IP_V4 ? 4 : 8);
}

static unsigned half_open_of(const struct sstp_host *h, const struct ip_addr *source)
{
	const struct peer *p;
	unsigned n = 0;
	TAILQ_FOREACH(p, &h->half_open, entry)
	n += same_source(&p->remote.addr, source);
	return n;
}

/* The oldest that has not authenticated, for newer ones. */
static bool give_way(struct sstp_host *h)
{
	struct peer *oldest = TAILQ_FIRST(&h->half_open);
	count(h, SSTP_COUNT_refused_full);
	if (!oldest)
		return false;
	peer_free(oldest);
	return true;
}

/* Room for one more from there. */
static bool may_enter(struct sstp_host *h, const struct ip_addr *source)
{
	if (half_open_of(h, source) >= HALF_OPEN_SOURCE) {
		count(h, SSTP_COUNT_refused_source);
		return false;
	}
	if (h->n_half_open < h->most_half_open && h->n_peers < h->most_peers)
		return true;
	return give_way(h);
}

static struct ip_endpoint from_sockaddr(const struct sockaddr_storage *from)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof v4);
		return (struct ip_endpoint){ip_addr_from_bytes(IP_V4, &v4.sin_addr),
					    ntohs(v4.sin_port)};
	}
	memcpy(&v6, from, sizeof v6);
	return (struct ip_endpoint){ip_addr_from_bytes(IP_V6, &v6.sin6_addr), ntohs(v6.sin6_port)};
}

static void peer_new(struct listener *l, int fd, const struct ip_endpoint *remote)
{
	struct sstp_host *h = l->host;
	struct peer *p = calloc(1, sizeof *p);
	int on = 1;
	if (!p) {
		close(fd);
		return;
	}
	p->listener = l;
	p->remote = *remote;
	p->accepted_ns = clock_now_ns();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	TAILQ_INSERT_TAIL(&h->half_open, p, entry);
	h->n_half_open++;
	h->n_peers++;
	p->timer = evtimer_new(h->o.base, on_timer, p);
	if (sstp_stream_new(&p->stream, h->tls, l->ctx, fd, p) || !p->timer)
		p->dead = true;
	settle(p);
}

static void on_acceptable(evutil_socket_t fd, short what, void *owner)
{
	struct listener *l = owner;
	(void)what;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		int s = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (s < 0 && (errno == EMFILE || errno == ENFILE))
			give_way(l->host); /* or this comes again and again */
		if (s < 0)
			return;
		struct ip_endpoint remote = from_sockaddr(&from);
		count(l->host, SSTP_COUNT_accepted);
		if (may_enter(l->host, &remote.addr))
			peer_new(l, s, &remote);
		else
			close(s);
	}
}

/* ---- start ---- */

static int make_context(struct listener *l, const struct credential *own, struct fault *f)
{
	l->ctx = SSL_CTX_new(TLS_server_method());
	if (!l->ctx)
		return fault_set(f, -ENOMEM, "not enough memory for TLS");
	SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(l->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_NO_COMPRESSION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_num_tickets(l->ctx, 0);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(l->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	int err = credential_use(own, l->ctx);
	ERR_clear_error();
	return err ? fault_set(f, err, "the gateway's certificate can't be used for TLS") : 0;
}

/* Our address on the link: the gateway's in the virtual network. */
static struct ip_addr own_address(const struct model *m, uint32_t gateway)
{
	const struct model_vnet *v = &m->vnets[m->gateways[gateway].vnet];
	for (uint32_t i = 0; i < v->n_attachments; i++)
		if (v->attachments[i].address.addr.family == IP_V4)
			return v->attachments[i].address.addr;
	return (struct ip_addr){0};
}

static int bind_fault(struct fault *f, const struct ip_endpoint *at, int err)
{
	char text[ENDPOINT_TEXT];
	fault_set(f, err, "cannot listen at TCP %s: %s", ip_endpoint_format(at, text),
		  strerror(-err));
	if (err == -EADDRNOTAVAIL)
		return fault_advise(
			f, "publicIPAddress must be an address of this host; put it on the uplink "
			   "with `ip addr add`");
	if (err == -EADDRINUSE)
		return fault_advise(
			f, "another program, a web server perhaps, holds the port; `ss -tlnp` "
			   "shows which");
	return fault_advise(f, "run as root");
}

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct ip_endpoint *e)
{
	memset(out, 0, sizeof *out);
	if (e->addr.family == IP_V4) {
		struct sockaddr_in *s = (struct sockaddr_in *)out;
		s->sin_family = AF_INET;
		s->sin_port = htons(e->port);
		memcpy(&s->sin_addr, e->addr.b, 4);
		return sizeof *s;
	}
	struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;
	s->sin6_family = AF_INET6;
	s->sin6_port = htons(e->port);
	memcpy(&s->sin6_addr, e->addr.b, 16);
	return sizeof *s;
}

/* moves: the address comes and goes. */
static int open_door(struct listener *l, bool moves, struct fault *f)
{
	const struct ip_endpoint local = {l->local, SSTP_PORT};
	bool v4 = l->local.family == IP_V4;
	struct sockaddr_storage at;
	socklen_t len = to_sockaddr(&at, &local);
	int on = 1;
	l->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return fault_set(f, -errno, "cannot open a TCP socket: %s", strerror(errno));
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!v4)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (moves)
		setsockopt(l->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND,
			   &on, sizeof on);
	if (bind(l->fd, (struct sockaddr *)&at, len) || listen(l->fd, BACKLOG))
		return bind_fault(f, &local, -errno);
	return 0;
}

static struct listener *listener_at(const struct sstp_host *h, const struct ip_addr *local)
{
	struct listener *l = h->listeners;
	while (l && !ip_addr_equal(&l->local, local))
		l = l->next;
	return l;
}

/* It listens, and does not accept yet. Where another one listens now, it will take that socket. */
static int prepare_listener(struct listener *l, const struct model *m, const struct clients_sstp *c,
			    struct fault *f)
{
	const struct model_clients *limits = &m->gateways[l->gateway].clients;
	const struct listener *now = listener_at(l->host, &l->local);
	l->rules =
		(struct sstp_rules){.ppp = {.eap = c->eap,
					    .own = own_address(m, l->gateway),
					    .told = c->told,
					    .idle_ns = limits->idle_minutes * 60 * NS_PER_S,
					    .session_ns = limits->session_minutes * 60 * NS_PER_S,
					    .lease = lease},
				    .hashes = SSTP_SHA1 | SSTP_SHA256};
	int err = sstp_certificate_hash(credential_certificate(c->credential, 0),
					&l->rules.certificate);
	if (err)
		return fault_set(f, err, "the gateway's certificate can't be hashed");
	err = make_context(l, c->credential, f);
	if (!err && !now)
		err = open_door(l, m->gateways[l->gateway].active_standby, f);
	if (err)
		return err;
	l->acceptable = event_new(l->host->o.base, now ? now->fd : l->fd, EV_READ | EV_PERSIST,
				  on_acceptable, l);
	return l->acceptable ? 0 : fault_set(f, -ENOMEM, "not enough memory for a socket's event");
}

static void listener_free(struct listener *l)
{
	if (l->acceptable)
		event_free(l->acceptable);
	if (l->fd >= 0)
		close(l->fd);
	SSL_CTX_free(l->ctx);
	free(l);
}

static void free_listeners(struct listener **list)
{
	while (*list) {
		struct listener *l = *list;
		*list = l->next;
		listener_free(l);
	}
}

static int prepare_gateway(struct sstp_host *h, const struct model *m, uint32_t gateway,
			   const struct clients_sstp *c, struct fault *f)
{
	const struct model_gateway *g = &m->gateways[gateway];
	struct listener *l = calloc(1, sizeof *l);
	if (!l)
		return fault_set(f, -ENOMEM, "not enough memory for SSTP");
	*l = (struct listener){.next = h->coming,
			       .host = h,
			       .gateway = gateway,
			       .local = g->public_address,
			       .fd = -1};
	snprintf(l->name, sizeof l->name, "%s", g->name);
	h->coming = l;
	int err = prepare_listener(l, m, c, f);
	return err ? fault_prefix(f, "SSTP of '%s'", g->name) : 0;
}

/* As many as there may be, with files for all else. */
static void limit_peers(struct sstp_host *h)
{
	struct rlimit files = {0, 0};
	rlim_t want = PEERS_MAX + FILES_OTHER;
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < want) {
		files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
		if (setrlimit(RLIMIT_NOFILE, &files))
			getrlimit(RLIMIT_NOFILE, &files);
	}
	rlim_t most = files.rlim_cur > 2 * FILES_OTHER ? files.rlim_cur - FILES_OTHER
						       : files.rlim_cur / 2;
	h->most_peers = most < PEERS_MAX ? (unsigned)most : PEERS_MAX;
	h->most_half_open = h->most_peers / 2 < HALF_OPEN_MAX ? h->most_peers / 2 : HALF_OPEN_MAX;
}

/* When the first gateway has SSTP. */
static int start_tls(struct sstp_host *h, struct fault *f)
{
	const struct sstp_tls_options o = {.base = h->o.base,
					   .datapath = h->o.datapath,
					   .first = PLAN_FIRST_CLIENT,
					   .n = PLAN_FIRST_TUN - PLAN_FIRST_CLIENT,
					   .look = on_news};
	if (h->tls)
		return 0;
	limit_peers(h);
	if (!h->by_client)
		h->by_client = (struct peer **)calloc(o.n, sizeof *h->by_client);
	return h->by_client ? sstp_tls_start(&h->tls, &o, f)
			    : fault_set(f, -ENOMEM, "not enough memory for SSTP");
}

int sstp_host_prepare(struct sstp_host *h, const struct clients_change *x, struct fault *f)
{
	int err = 0;
	for (uint32_t i = 0; !err && i < x->model->n_gateways; i++) {
		struct clients_sstp c;
		if (!clients_sstp(x->clients, i, &c))
			err = prepare_gateway(h, x->model, i, &c, f);
	}
	if (!err && h->coming)
		err = start_tls(h, f);
	if (err)
		sstp_host_abandon(h);
	return err;
}

void sstp_host_abandon(struct sstp_host *h)
{
	if (h)
		free_listeners(&h->coming);
}

int sstp_host_start(struct sstp_host **out, const struct sstp_host_options *o, struct fault *f)
{
	const struct clients_change all = {.model = o->model, .clients = o->clients};
	struct sstp_host *h = calloc(1, sizeof *h);
	*out = NULL;
	if (!h)
		return fault_set(f, -ENOMEM, "not enough memory for SSTP");
	h->o = *o;
	TAILQ_INIT(&h->half_open);
	TAILQ_INIT(&h->known);
	int err = sstp_host_prepare(h, &all, f);
	if (!err)
		err = sstp_host_follow(h, o->clients, f);
	if (err) {
		sstp_host_free(h);
		return err;
	}
	*out = h;
	return 0;
}

/* ---- another configuration ---- */

/* Tells the client as far as its socket takes it. */
static void end_at_once(struct peer *p, const struct fault *why)
{
	struct sstp_host *h = p->listener->host;
	if (p->session && !p->closing) {
		sstp_close(p->session, why, clock_now_ns(), &h->effects);
		carry_out(p);
	}
	if (!p->closing && !p->dead)
		say_end(p, why);
	p->closing = true;
	peer_free(p);
}

/* All of a listener, or those that have not come to their connection yet. */
static void end_list(struct peers *list, const struct listener *l, bool all,
		     const struct fault *why)
{
	struct peer *p, *next;
	for (p = TAILQ_FIRST(list); p; p = next) {
		next = TAILQ_NEXT(p, entry);
		bool open = p->known &&
			    (sstp_is_open(p->session, IP_V4) || sstp_is_open(p->session, IP_V6));
		if (p->listener == l && (all || !open))
			end_at_once(p, why);
	}
}

static void end_of(struct sstp_host *h, const struct listener *l, bool all, const char *text)
{
	struct fault why = {0};
	fault_set(&why, -ECONNABORTED, "%s", text);
	end_list(&h->half_open, l, all, &why);
	end_list(&h->known, l, all, &why);
}

void sstp_host_stand_by(struct sstp_host *h, const struct ip_addr *address, const char *why)
{
	const struct listener *l = h ? listener_at(h, address) : NULL;
	if (l)
		end_of(h, l, true, why);
}

static const char *method(void *owner, uint32_t connection, const char **user)
{
	const struct peer *p = by_connection(owner, connection);
	if (!p)
		return "";
	*user = sstp_user(p->session);
	return sstp_method(p->session);
}

static void cut_off(struct sstp_host *h, const struct clients_change *x, uint32_t gateway)
{
	struct fault why = {0};
	fault_set(&why, -ECONNABORTED,
		  "its user, its password or its certificate is no longer taken");
	for (uint32_t id = 0; (id = clients_cut_off(x->clients, gateway, h->o.clients,
						    x->was[gateway], id, true, method, h));) {
		struct peer *p = by_connection(h, id);
		if (p)
			end_at_once(p, &why);
	}
}

static uint32_t vnet_of(const struct model *m, uint32_t gateway)
{
	return m->vnets[m->gateways[gateway].vnet].id;
}

/* Whether sessions of l, of the model of before, may go on by the rules of `now`. */
static bool goes_on(const struct listener *l, const struct listener *now,
		    const struct clients_change *x)
{
	enum clients_fate fate = x->fate[now->gateway];
	return x->was[now->gateway] == l->gateway &&
	       (fate == CLIENTS_SAME || fate == CLIENTS_CHANGED) &&
	       ip_addr_equal(&l->local, &now->local) &&
	       vnet_of(l->host->o.model, l->gateway) == vnet_of(x->model, now->gateway);
}

void sstp_host_withdraw(struct sstp_host *h, const struct clients_change *x)
{
	for (struct listener *l = h->listeners; l; l = l->next) {
		struct listener *now = h->coming;
		while (now && !goes_on(l, now, x))
			now = now->next;
		if (now)
			now->former = l;
		if (!now) {
			end_of(h, l, true, "the gateway's clients are configured anew");
		} else if (x->fate[now->gateway] == CLIENTS_CHANGED) {
			end_of(h, l, false, "who may log in has changed meanwhile");
			cut_off(h, x, now->gateway);
		}
	}
}

/* Sessions borrow the rules where they stand. */
static void take_rules(struct listener *l, struct listener *from)
{
	SSL_CTX *ctx = l->ctx;
	l->ctx = from->ctx;
	from->ctx = ctx;
	l->rules = from->rules;
	l->gateway = from->gateway;
	memcpy(l->name, from->name, sizeof l->name);
}

/* From who listened there before. */
static void take_door(struct listener *l)
{
	struct listener *before = l->fd < 0 ? listener_at(l->host, &l->local) : NULL;
	if (!before)
		return;
	event_del(before->acceptable);
	l->fd = before->fd;
	before->fd = -1;
}

static void keep(struct listener *l, struct listener **kept)
{
	l->next = *kept;
	*kept = l;
}

static void go_on(struct listener *l, struct listener *by, struct listener **kept)
{
	struct listener **at = &l->host->listeners;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	take_rules(l, by);
	listener_free(by);
	keep(l, kept);
}

static int begin(struct listener *l, struct listener **kept)
{
	take_door(l);
	keep(l, kept);
	return event_add(l->acceptable, NULL);
}

static void settle_all(struct sstp_host *h)
{
	struct peer *p, *next;
	for (p = TAILQ_FIRST(&h->known); p; p = next) {
		next = TAILQ_NEXT(p, entry);
		settle(p);
	}
}

int sstp_host_follow(struct sstp_host *h, struct clients *clients, struct fault *f)
{
	struct listener *kept = NULL;
	int err = 0;
	h->o.clients = clients;
	while (h->coming) {
		struct listener *l = h->coming;
		struct clients_sstp c;
		h->coming = l->next;
		if (!clients_sstp(clients, l->gateway, &c))
			l->rules.ppp.eap = c.eap;
		if (l->former)
			go_on(l->former, l, &kept);
		else
			err |= begin(l, &kept);
	}
	free_listeners(&h->listeners);
	h->listeners = kept;
	settle_all(h);
	return err ? fault_set(f, -ENOMEM, "not enough memory for a socket's event") : 0;
}

/* ---- stop ---- */

static void close_peer(struct peer *p, const struct fault *why)
{
	struct sstp_host *h = p->listener->host;
	if (!p->session || p->closing)
		return;
	sstp_close(p->session, why, clock_now_ns(), &h->effects);
	carry_out(p);
}

void sstp_host_shutdown(struct sstp_host *h)
{
	struct fault why = {0};
	struct peer *p;
	if (!h)
		return;
	fault_set(&why, -ESHUTDOWN, "the gateway stops");
	TAILQ_FOREACH(p, &h->known, entry)
	close_peer(p, &why);
}

static void free_all(struct peers *list)
{
	struct peer *p;
	while ((p = TAILQ_FIRST(list)))
		peer_free(p);
}

void sstp_host_free(struct sstp_host *h)
{
	if (!h)
		return;
	free_all(&h->half_open);
	free_all(&h->known);
	free_listeners(&h->coming);
	free_listeners(&h->listeners);
	sstp_tls_stop(h->tls);
	free((void *)h->by_client);
	free(h);
}

/* ---- for people ---- */

int sstp_host_status(const struct sstp_host *h, uint32_t connection, struct sstp_client_status *out)
{
	const struct peer *p = by_connection(h, connection);
	struct sstp_stream_status tls;
	if (!p)
		return -ENOENT;
	sstp_stream_status(p->stream, &tls);
	*out = (struct sstp_client_status){.user = sstp_user(p->session),
					   .method = sstp_method(p->session),
					   .correlation = sstp_correlation(p->session),
					   .tls = tls.version,
					   .remote = p->remote,
					   .since_ns = p->accepted_ns,
					   .connected = sstp_is_open(p->session, IP_V4) ||
							sstp_is_open(p->session, IP_V6)};
	return 0;
}

int sstp_host_disconnect(struct sstp_host *h, uint32_t connection, const char *text)
{
	struct fault why = {0};
	struct peer *p = by_connection(h, connection);
	if (!p)
		return -ENOENT;
	fault_set(&why, -ECONNABORTED, "%s", text);
	close_peer(p, &why);
	settle(p);
	return 0;
}

uint64_t sstp_host_count(const struct sstp_host *h, enum sstp_host_counter c)
{
	return h->count[c];
}

const char *sstp_host_counter_name(enum sstp_host_counter c)
{
	static const char *const names[] = {
#define X(id, name, text) name,
		SSTP_HOST_COUNTERS(X)
#undef X
	};
	return names[c];
}

unsigned sstp_host_half_open(const struct sstp_host *h)
{
	return h->n_half_open;
}
