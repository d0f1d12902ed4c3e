/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread has two kinds of work: streams that are up, and handshakes, of which each costs as
 * much as the records of many packets. After each handshake's step it looks whether something came
 * for the others.
 */
#include "loader/sstp_tls.h"

#include "loader/clock.h"
#include "p2s/sstp.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#define RECORD	SSTP_TLS_RECORD
#define IN_MAX	(2 * RECORD)
#define OUT_MAX (4 * RECORD) /* control messages that wait behind packets */
#define RECORDS 16	     /* of one stream and direction, before the others have their turn */
#define LETTERS 64
#define TURN_NS 2000000 /* of the loop, for what came from clients, before other work */

enum { PRIORITY_UP, PRIORITY_HANDSHAKE, PRIORITIES };

struct sstp_stream {
	struct sstp_tls *t;
	void *owner;
	/* the thread's */
	int fd;
	SSL *ssl;
	struct event *readable, *writable, *patience;
	uint8_t *record; /* that is being sent */
	size_t n_record, sent;
	/* behind `lock` */
	pthread_mutex_t lock;
	struct sstp_stream_status is;
	uint8_t *in, *out;
	size_t n_in, n_out;
	uint32_t connection;
	bool paused; /* it is not read from: `in` has no room */
	bool ending; /* the loop writes no more */
	/* behind the mailboxes' lock */
	TAILQ_ENTRY(sstp_stream) to_thread, to_loop;
	bool for_thread, for_loop, let_go;
};
TAILQ_HEAD(letters, sstp_stream);

struct sstp_tls {
	struct sstp_tls_options o;
	pthread_t thread;
	struct event_base *base; /* the thread's */
	struct event *mail, *packets;
	struct event *news; /* of o.base */
	pthread_mutex_t lock;
	struct letters for_thread, for_loop;
	int mail_fd, news_fd;
	bool running, stop;
	/* by connection - o.first; written by the loop, read by the thread */
	struct sstp_stream **by_connection;
	uint8_t scratch[RECORD]; /* the thread's */
};

/* ---- mailboxes ---- */

static void wake(int fd)
{
	uint64_t one = 1;
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void hush(int fd)
{
	uint64_t n;
	while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
		;
}

/* The thread is to look at s; under the mailboxes' lock. */
static void post(struct sstp_stream *s)
{
	if (s->for_thread)
		return;
	s->for_thread = true;
	bool first = TAILQ_EMPTY(&s->t->for_thread);
	TAILQ_INSERT_TAIL(&s->t->for_thread, s, to_thread);
	if (first)
		wake(s->t->mail_fd);
}

static void tell_thread(struct sstp_stream *s)
{
	pthread_mutex_lock(&s->t->lock);
	post(s);
	pthread_mutex_unlock(&s->t->lock);
}

static void tell_loop(struct sstp_stream *s)
{
	struct sstp_tls *t = s->t;
	pthread_mutex_lock(&t->lock);
	if (!s->for_loop && !s->let_go) {
		s->for_loop = true;
		bool first = TAILQ_EMPTY(&t->for_loop);
		TAILQ_INSERT_TAIL(&t->for_loop, s, to_loop);
		if (first)
			wake(t->news_fd);
	}
	pthread_mutex_unlock(&t->lock);
}

/* What is left wakes again: the descriptor stays readable until the mailbox is empty. */
static struct sstp_stream *next_letter(struct sstp_tls *t, bool *let_go, bool *stop)
{
	pthread_mutex_lock(&t->lock);
	struct sstp_stream *s = TAILQ_FIRST(&t->for_thread);
	if (s) {
		TAILQ_REMOVE(&t->for_thread, s, to_thread);
		s->for_thread = false;
		*let_go = s->let_go;
	} else {
		hush(t->mail_fd);
	}
	*stop = !s && t->stop;
	pthread_mutex_unlock(&t->lock);
	return s;
}

static struct sstp_stream *next_news(struct sstp_tls *t)
{
	pthread_mutex_lock(&t->lock);
	struct sstp_stream *s = TAILQ_FIRST(&t->for_loop);
	if (s) {
		TAILQ_REMOVE(&t->for_loop, s, to_loop);
		s->for_loop = false;
	} else {
		hush(t->news_fd);
	}
	pthread_mutex_unlock(&t->lock);
	return s;
}

/* ---- the thread: ends ---- */

static void stop_events(struct sstp_stream *s)
{
	if (s->readable)
		event_del(s->readable);
	if (s->writable)
		event_del(s->writable);
	if (s->patience)
		event_del(s->patience);
}

static void become(struct sstp_stream *s, enum sstp_stream_phase phase, int code, const char *why)
{
	pthread_mutex_lock(&s->lock);
	if (s->is.phase < SSTP_STREAM_ENDED) {
		s->is.phase = phase;
		if (why)
			fault_set(&s->is.fault, code, "%s", why);
	}
	pthread_mutex_unlock(&s->lock);
	stop_events(s);
	tell_loop(s);
}

static bool is_over(const struct sstp_stream *s)
{
	/* only this thread changes it */
	return s->is.phase >= SSTP_STREAM_ENDED;
}

static void broke(struct sstp_stream *s)
{
	become(s, SSTP_STREAM_BROKEN, -ECONNRESET, "the connection broke");
}

static void destroy(struct sstp_stream *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->writable)
		event_free(s->writable);
	if (s->patience)
		event_free(s->patience);
	if (s->ssl && s->is.phase != SSTP_STREAM_BROKEN && SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	ERR_clear_error();
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s->record);
	free(s->in);
	free(s->out);
	free(s);
}

/* ---- the thread: out ---- */

/* Fills a record: what the loop wrote, then packets. False: there is nothing to be sent. */
static bool fill(struct sstp_stream *s)
{
	struct sstp_tls *t = s->t;
	pthread_mutex_lock(&s->lock);
	size_t n = s->n_out < RECORD ? s->n_out : RECORD, packets = 0;
	if (n) {
		memcpy(s->record, s->out, n);
		s->n_out -= n;
		memmove(s->out, s->out + n, s->n_out);
	}
	if (s->connection && !s->n_out)
		packets = datapath_client_take(t->o.datapath, s->connection, s->record + n,
					       RECORD - n, sstp_data_begin);
	if (packets)
		s->is.packets_ns = clock_now_ns();
	pthread_mutex_unlock(&s->lock);
	s->n_record = n + packets;
	s->sent = 0;
	return s->n_record > 0;
}

/* One SSL_write. False: no more can be sent now. */
static bool send_some(struct sstp_stream *s)
{
	ERR_clear_error();
	int done = SSL_write(s->ssl, s->record + s->sent, (int)(s->n_record - s->sent));
	if (done > 0) {
		s->sent += (size_t)done;
		return true;
	}
	int error = SSL_get_error(s->ssl, done);
	if (error == SSL_ERROR_WANT_WRITE)
		event_add(s->writable, NULL);
	else if (error != SSL_ERROR_WANT_READ)
		broke(s);
	return false;
}

/* True: all is sent. */
static bool send_records(struct sstp_stream *s)
{
	for (unsigned i = 0; i < RECORDS; i++) {
		if (s->sent == s->n_record && !fill(s))
			return true;
		if (!send_some(s))
			return false;
	}
	event_add(s->writable, NULL);
	return false;
}

static void flush(struct sstp_stream *s)
{
	if (is_over(s) || !s->record || event_pending(s->writable, EV_WRITE, NULL))
		return;
	bool all = send_records(s);
	pthread_mutex_lock(&s->lock);
	all = all && s->ending && !s->n_out;
	pthread_mutex_unlock(&s->lock);
	if (all)
		become(s, SSTP_STREAM_ENDED, 0, NULL);
}

/* ---- the thread: in ---- */

/* Room for what a record may hold; else the loop says when there is. */
static bool has_room(struct sstp_stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->paused = s->ending || IN_MAX - s->n_in < RECORD;
	bool room = !s->paused;
	pthread_mutex_unlock(&s->lock);
	if (!room)
		event_del(s->readable);
	return room;
}

static bool read_some(struct sstp_stream *s)
{
	struct sstp_tls *t = s->t;
	ERR_clear_error();
	int n = SSL_read(s->ssl, t->scratch, RECORD);
	if (n > 0) {
		pthread_mutex_lock(&s->lock);
		memcpy(s->in + s->n_in, t->scratch, (size_t)n);
		s->n_in += (size_t)n;
		pthread_mutex_unlock(&s->lock);
		return true;
	}
	int error = SSL_get_error(s->ssl, n);
	if (error == SSL_ERROR_ZERO_RETURN)
		become(s, SSTP_STREAM_BROKEN, -ECONNRESET, "the client closed the connection");
	else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		broke(s);
	return false;
}

static void receive(struct sstp_stream *s)
{
	bool some = false;
	for (unsigned i = 0; i < RECORDS && !is_over(s) && has_room(s) && read_some(s); i++)
		some = true;
	if (some)
		tell_loop(s);
	/* what is decrypted already no event tells of */
	if (!is_over(s) && SSL_pending(s->ssl) && !s->paused)
		tell_thread(s);
}

/* ---- the thread: handshakes ---- */

static void up(struct sstp_stream *s)
{
	BIO *out = SSL_get_wbio(s->ssl), *in = SSL_get_rbio(s->ssl);
	s->record = malloc(RECORD);
	pthread_mutex_lock(&s->lock);
	s->in = malloc(IN_MAX);
	s->out = malloc(OUT_MAX);
	bool enough = s->record && s->in && s->out;
	if (enough) {
		s->is.phase = SSTP_STREAM_UP;
		s->is.was_up = true;
		s->is.version = SSL_get_version(s->ssl);
		s->is.kernel_send = BIO_get_ktls_send(out);
		s->is.kernel_receive = BIO_get_ktls_recv(in);
	}
	pthread_mutex_unlock(&s->lock);
	stop_events(s); /* what is pending keeps its priority */
	event_priority_set(s->readable, PRIORITY_UP);
	event_priority_set(s->writable, PRIORITY_UP);
	if (!enough || event_add(s->readable, NULL))
		become(s, SSTP_STREAM_BROKEN, -ENOMEM, "not enough memory for a client");
	else
		tell_loop(s);
}

static void handshake(struct sstp_stream *s)
{
	ERR_clear_error();
	int r = SSL_accept(s->ssl);
	if (r == 1) {
		up(s);
		return;
	}
	int error = SSL_get_error(s->ssl, r);
	if (error == SSL_ERROR_WANT_READ)
		return;
	if (error == SSL_ERROR_WANT_WRITE) {
		event_add(s->writable, NULL);
		return;
	}
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	char text[160];
	snprintf(text, sizeof text, "TLS: %.120s", reason ? reason : "the connection broke");
	become(s, SSTP_STREAM_BROKEN, -EPROTO, text);
}

static void on_socket(evutil_socket_t fd, short what, void *owner)
{
	struct sstp_stream *s = owner;
	(void)fd;
	if (s->is.phase == SSTP_STREAM_HANDSHAKE)
		handshake(s);
	else if (what & EV_READ)
		receive(s);
	else
		flush(s);
}

/* ---- the thread: what it is told ---- */

static void on_patience(evutil_socket_t fd, short what, void *owner)
{
	struct sstp_stream *s = owner;
	(void)fd;
	(void)what;
	if (event_add(s->readable, NULL))
		become(s, SSTP_STREAM_BROKEN, -ENOMEM, "not enough memory for a client");
}

/*
 * sstp-client (1.0.18) ends when the server's first flight is there before it waits for it, which a
 * gateway nearby manages; on the way over the Internet nobody notices so little.
 */
#define PATIENCE_MS 40

static void begin(struct sstp_stream *s)
{
	static const struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
	struct event_base *base = s->t->base;
	s->patience = evtimer_new(base, on_patience, s);
	s->readable = event_new(base, s->fd, EV_READ | EV_PERSIST, on_socket, s);
	s->writable = event_new(base, s->fd, EV_WRITE, on_socket, s);
	if (!s->readable || !s->writable || !s->patience ||
	    event_priority_set(s->readable, PRIORITY_HANDSHAKE) ||
	    event_priority_set(s->writable, PRIORITY_HANDSHAKE) ||
	    event_add(s->patience, &patience))
		become(s, SSTP_STREAM_BROKEN, -ENOMEM, "not enough memory for a client");
}

static void attend(struct sstp_stream *s, bool let_go)
{
	if (let_go) {
		flush(s);
		destroy(s);
		return;
	}
	if (is_over(s))
		return;
	if (!s->readable) {
		begin(s);
		return;
	}
	if (s->is.phase == SSTP_STREAM_HANDSHAKE)
		return;
	flush(s);
	if (!is_over(s) && has_room(s)) {
		event_add(s->readable, NULL);
		receive(s);
	}
}

static void on_mail(evutil_socket_t fd, short what, void *owner)
{
	struct sstp_tls *t = owner;
	bool let_go = false, stop = false;
	(void)fd;
	(void)what;
	for (int i = 0; i < LETTERS; i++) {
		struct sstp_stream *s = next_letter(t, &let_go, &stop);
		if (!s)
			break;
		attend(s, let_go);
	}
	if (stop)
		event_base_loopbreak(t->base);
}

static struct sstp_stream *of_connection(const struct sstp_tls *t, uint32_t connection)
{
	uint32_t i = connection - t->o.first;
	return i < t->o.n ? __atomic_load_n(&t->by_connection[i], __ATOMIC_ACQUIRE) : NULL;
}

static void on_packets(evutil_socket_t fd, short what, void *owner)
{
	struct sstp_tls *t = owner;
	uint32_t connection;
	(void)fd;
	(void)what;
	for (int i = 0; i < LETTERS && datapath_client_next(t->o.datapath, t->o.first, &connection);
	     i++) {
		struct sstp_stream *s = of_connection(t, connection);
		if (s)
			flush(s);
	}
}

static void *run(void *owner)
{
	struct sstp_tls *t = owner;
	pthread_setname_np(pthread_self(), "xgw-sstp");
	event_base_dispatch(t->base);
	return NULL;
}

/* ---- the loop: start and stop ---- */

static void on_news(evutil_socket_t fd, short what, void *owner)
{
	struct sstp_tls *t = owner;
	uint64_t until = clock_now_ns() + TURN_NS;
	struct sstp_stream *s;
	(void)fd;
	(void)what;
	while ((s = next_news(t))) {
		t->o.look(s->owner);
		if (clock_now_ns() > until)
			break;
	}
}

static struct event_base *new_base(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base = NULL;
	if (c && !event_config_set_max_dispatch_interval(c, NULL, 1, PRIORITY_HANDSHAKE))
		base = event_base_new_with_config(c);
	if (c)
		event_config_free(c);
	if (base && event_base_priority_init(base, PRIORITIES)) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static struct event *listen_to(struct event_base *base, int fd, event_callback_fn call,
			       struct sstp_tls *t)
{
	struct event *e = fd >= 0 ? event_new(base, fd, EV_READ | EV_PERSIST, call, t) : NULL;
	bool bad = e && base == t->base && event_priority_set(e, PRIORITY_UP);
	if (e && (bad || event_add(e, NULL))) {
		event_free(e);
		e = NULL;
	}
	return e;
}

static int prepare(struct sstp_tls *t)
{
	int packets = datapath_clients_range(t->o.datapath, t->o.first, t->o.n);
	t->base = new_base();
	t->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t->by_connection = (struct sstp_stream **)calloc(t->o.n, sizeof *t->by_connection);
	if (!t->base || !t->by_connection)
		return -ENOMEM;
	t->mail = listen_to(t->base, t->mail_fd, on_mail, t);
	t->packets = listen_to(t->base, packets, on_packets, t);
	t->news = listen_to(t->o.base, t->news_fd, on_news, t);
	return t->mail && t->packets && t->news ? 0 : -ENOMEM;
}

int sstp_tls_start(struct sstp_tls **out, const struct sstp_tls_options *o, struct fault *f)
{
	struct sstp_tls *t = calloc(1, sizeof *t);
	sigset_t all, was;
	*out = NULL;
	if (!t)
		return fault_set(f, -ENOMEM, "not enough memory for SSTP");
	t->o = *o;
	t->mail_fd = t->news_fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	TAILQ_INIT(&t->for_thread);
	TAILQ_INIT(&t->for_loop);
	int err = prepare(t);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was); /* signals are the loop's */
	if (!err)
		err = -pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	t->running = !err;
	if (err) {
		sstp_tls_stop(t);
		return fault_set(f, err, "cannot start the thread of SSTP: %s", strerror(-err));
	}
	*out = t;
	return 0;
}

void sstp_tls_stop(struct sstp_tls *t)
{
	if (!t)
		return;
	if (t->running) {
		pthread_mutex_lock(&t->lock);
		t->stop = true;
		wake(t->mail_fd);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
	}
	struct event *const events[] = {t->mail, t->packets, t->news};
	for (unsigned i = 0; i < sizeof events / sizeof *events; i++)
		if (events[i])
			event_free(events[i]);
	if (t->base)
		event_base_free(t->base);
	if (t->mail_fd >= 0)
		close(t->mail_fd);
	if (t->news_fd >= 0)
		close(t->news_fd);
	pthread_mutex_destroy(&t->lock);
	free((void *)t->by_connection);
	free(t);
}

/* ---- the loop: streams ---- */

int sstp_stream_new(struct sstp_stream **out, struct sstp_tls *t, SSL_CTX *ctx, int fd, void *owner)
{
	struct sstp_stream *s = calloc(1, sizeof *s);
	*out = s;
	if (s)
		s->ssl = SSL_new(ctx);
	if (!s || !s->ssl || SSL_set_fd(s->ssl, fd) != 1) {
		if (s)
			SSL_free(s->ssl);
		ERR_clear_error();
		close(fd);
		free(s);
		*out = NULL;
		return -ENOMEM;
	}
	s->t = t;
	s->owner = owner;
	s->fd = fd;
	s->is.version = "";
	pthread_mutex_init(&s->lock, NULL);
	tell_thread(s);
	return 0;
}

void sstp_stream_free(struct sstp_stream *s)
{
	struct sstp_tls *t = s->t;
	sstp_stream_packets(s, 0);
	pthread_mutex_lock(&t->lock);
	if (s->for_loop)
		TAILQ_REMOVE(&t->for_loop, s, to_loop);
	s->for_loop = false;
	s->let_go = true;
	post(s);
	pthread_mutex_unlock(&t->lock);
}

void sstp_stream_status(struct sstp_stream *s, struct sstp_stream_status *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->is;
	pthread_mutex_unlock(&s->lock);
}

size_t sstp_stream_read(struct sstp_stream *s, uint8_t *out, size_t room)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->n_in < room ? s->n_in : room;
	if (n) {
		memcpy(out, s->in, n);
		s->n_in -= n;
		memmove(s->in, s->in + n, s->n_in);
	}
	bool resume = s->paused && !s->ending && IN_MAX - s->n_in >= RECORD;
	pthread_mutex_unlock(&s->lock);
	if (resume)
		tell_thread(s);
	return n;
}

int sstp_stream_write(struct sstp_stream *s, const uint8_t *bytes, size_t n)
{
	int err = 0;
	if (!n)
		return 0;
	pthread_mutex_lock(&s->lock);
	if (!s->out || s->ending)
		err = -ENOTCONN;
	else if (n > OUT_MAX - s->n_out)
		err = -ENOBUFS;
	if (!err) {
		memcpy(s->out + s->n_out, bytes, n);
		s->n_out += n;
	}
	pthread_mutex_unlock(&s->lock);
	if (!err)
		tell_thread(s);
	return err;
}

void sstp_stream_end(struct sstp_stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_mutex_unlock(&s->lock);
	tell_thread(s);
}

static void point(const struct sstp_tls *t, uint32_t connection, struct sstp_stream *s)
{
	uint32_t i = connection - t->o.first;
	if (connection && i < t->o.n)
		__atomic_store_n(&t->by_connection[i], s, __ATOMIC_RELEASE);
}

void sstp_stream_packets(struct sstp_stream *s, uint32_t connection)
{
	/* the loop alone changes it */
	uint32_t before = s->connection;
	if (before == connection)
		return;
	point(s->t, before, NULL);
	pthread_mutex_lock(&s->lock);
	s->connection = connection;
	pthread_mutex_unlock(&s->lock);
	point(s->t, connection, s);
	tell_thread(s);
}

void sstp_stream_again(struct sstp_stream *s)
{
	tell_loop(s);
}
