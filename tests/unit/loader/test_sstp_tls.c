/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of TLS (loader/sstp_tls.h) between real threads: clients with TLS of their own over
 * loopback, a worker that puts packets into their rings, and this one as the event loop. Also for
 * ThreadSanitizer (FLAVOUR=tsan). Where the kernel has TLS it must be used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/pki/pki.h"

#include "base/instant.h"
#include "datapath/clients.h"
#include "loader/clock.h"
#include "loader/sstp_tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST	 1000u
#define CLIENTS	 8u
#define CONN	 (FIRST + 1)
#define FRAMES	 256u
#define PACKET	 1000u
#define HEAD	 DATAPATH_CLIENT_HEAD
#define WAIT_NS	 (60 * NS_PER_S)
#define NO_LIMIT UINT64_MAX

/* Not cmocka's: these hold on every thread. */
#define MUST(condition)                                                                          \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                 \
		}                                                                                \
	} while (0)

static struct {
	struct pki_entity root, own;
	SSL_CTX *server, *client;
	struct event_base *base;
	struct datapath d;
	struct worker w;
	struct sstp_tls *tls;
	int door;
	struct sockaddr_in at;
} world;

/* ---- the world ---- */

static void look(void *owner);

static void start_worker(void)
{
	struct fault f = {0};
	world.d.workers = &world.w;
	world.d.n_workers = world.d.n_io = 1;
	world.d.tunnels = calloc(MAX_CONNECTIONS, sizeof *world.d.tunnels);
	MUST(world.d.tunnels);
	world.w.d = &world.d;
	world.w.wake_fd = -1;
	MUST(!frames_init(&world.w.frames, FRAMES, -1, &f));
	MUST(!clients_start(&world.d));
}

static int start(void **state)
{
	const struct sstp_tls_options o = {.datapath = &world.d,
					   .first = FIRST,
					   .n = CLIENTS,
					   .look = look,
					   .base = event_base_new()};
	struct fault f = {0};
	socklen_t len = sizeof world.at;
	(void)state;
	world.base = o.base;
	start_worker();
	MUST(!sstp_tls_start(&world.tls, &o, &f));
	world.at = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	world.door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	MUST(!bind(world.door, (struct sockaddr *)&world.at, sizeof world.at));
	MUST(!listen(world.door, 64));
	MUST(!getsockname(world.door, (struct sockaddr *)&world.at, &len));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sstp_tls_stop(world.tls);
	close(world.door);
	clients_stop(&world.d);
	frames_free_all(&world.w.frames);
	free((void *)world.d.tunnels);
	event_base_free(world.base);
	memset(&world.d, 0, sizeof world.d);
	memset(&world.w, 0, sizeof world.w);
	return 0;
}

static int make_certificates(void **state)
{
	(void)state;
	world.root = pki_root("root", PKI_P256);
	world.own = pki_gateway(&world.root, PKI_P256, "gw", "DNS:gw.example.org");
	world.server = SSL_CTX_new(TLS_server_method());
	world.client = SSL_CTX_new(TLS_client_method());
	SSL_CTX_use_certificate(world.server, world.own.x);
	SSL_CTX_use_PrivateKey(world.server, world.own.key);
	SSL_CTX_set_num_tickets(world.server, 0);
	SSL_CTX_set_options(world.server, SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(world.server,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

static int drop_certificates(void **state)
{
	(void)state;
	SSL_CTX_free(world.server);
	SSL_CTX_free(world.client);
	pki_free(&world.root);
	pki_free(&world.own);
	return 0;
}

/* ---- the loop's end of a stream ---- */

struct end {
	struct sstp_stream *stream;
	struct sstp_stream_status is;
	bool echoes; /* what comes goes back; else it is counted where `reads` */
	bool reads;
	int small; /* bytes that its socket takes ahead; 0: as many as it likes */
	uint64_t got;
	unsigned looks;
};

static void look(void *owner)
{
	struct end *e = owner;
	uint8_t b[4096];
	size_t n;
	e->looks++;
	sstp_stream_status(e->stream, &e->is);
	while ((e->reads || e->echoes) && (n = sstp_stream_read(e->stream, b, sizeof b))) {
		e->got += n;
		if (e->echoes)
			MUST(!sstp_stream_write(e->stream, b, n));
	}
}

static void turn(void)
{
	const struct timeval soon = {.tv_usec = 2000};
	event_base_loopexit(world.base, &soon);
	MUST(event_base_dispatch(world.base) >= 0);
}

#define WAIT_FOR(condition)                                \
	do {                                               \
		uint64_t until = clock_now_ns() + WAIT_NS; \
		while (!(condition)) {                     \
			turn();                            \
			MUST(clock_now_ns() < until);      \
		}                                          \
	} while (0)

static void no_delay(int fd)
{
	int on = 1;
	MUST(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

static void accept_one(struct end *e)
{
	int fd = -1;
	WAIT_FOR((fd = accept4(world.door, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	no_delay(fd);
	if (e->small)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &e->small, sizeof e->small);
	MUST(!sstp_stream_new(&e->stream, world.tls, world.server, fd, e));
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- clients ---- */

struct client {
	pthread_t thread;
	void (*does)(struct client *c);
	SSL *ssl;
	int fd;
	_Atomic bool done, may_read;
	uint64_t expects;
	unsigned number;
	/* records that came after the handshake, the shortest but the last */
	unsigned records, shortest, last;
	bool hears, refused;
	uint32_t next;
	uint64_t packets;
	const SSL_METHOD *method;
};

static void on_record(int is_write, int version, int type, const void *at, size_t n, SSL *ssl,
		      void *owner)
{
	struct client *c = owner;
	const uint8_t *b = at;
	(void)version;
	(void)ssl;
	if (is_write || type != SSL3_RT_HEADER || !c->hears || n < 5 || b[0] != 23)
		return;
	if (c->records++ && c->last < c->shortest)
		c->shortest = c->last;
	c->last = load_be16(b + 3);
}

static void *client_main(void *owner)
{
	struct client *c = owner;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	MUST(!connect(c->fd, (struct sockaddr *)&world.at, sizeof world.at));
	no_delay(c->fd);
	c->ssl = SSL_new(world.client);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_msg_callback(c->ssl, on_record);
	SSL_set_msg_callback_arg(c->ssl, c);
	c->shortest = SSTP_TLS_RECORD;
	c->does(c);
	SSL_free(c->ssl);
	close(c->fd);
	OPENSSL_thread_stop();
	atomic_store(&c->done, true);
	return NULL;
}

static void begin(struct client *c, void (*does)(struct client *c))
{
	c->does = does;
	MUST(!pthread_create(&c->thread, NULL, client_main, c));
}

static void join(struct client *c)
{
	WAIT_FOR(atomic_load(&c->done));
	MUST(!pthread_join(c->thread, NULL));
}

static void shake_hands(struct client *c)
{
	MUST(SSL_connect(c->ssl) == 1);
	c->hears = true;
}

static void read_all(struct client *c, uint8_t *out, size_t n)
{
	for (size_t at = 0; at < n;) {
		int got = SSL_read(c->ssl, out + at, (int)(n - at));
		MUST(got > 0);
		at += (size_t)got;
	}
}

/* ---- bytes ---- */

#define CHUNK  30000u /* less than waits for a client at most */
#define CHUNKS 40u

static void talk(struct client *c)
{
	uint8_t *out = malloc(CHUNK), *in = malloc(CHUNK);
	shake_hands(c);
	for (unsigned i = 0; i < CHUNKS; i++) {
		for (unsigned k = 0; k < CHUNK; k++)
			out[k] = (uint8_t)(k * 7 + i + c->number);
		MUST(SSL_write(c->ssl, out, CHUNK) == CHUNK);
		read_all(c, in, CHUNK);
		MUST(!memcmp(in, out, CHUNK));
	}
	SSL_shutdown(c->ssl);
	free(out);
	free(in);
}

static void test_bytes_both_ways(void **state)
{
	struct client c[CLIENTS] = {0};
	struct end e[CLIENTS] = {0};
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		c[i].number = i;
		begin(&c[i], talk);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		e[i].echoes = true;
		accept_one(&e[i]);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		join(&c[i]);
		WAIT_FOR(e[i].is.phase == SSTP_STREAM_BROKEN);
		assert_true(e[i].is.was_up);
		assert_string_equal(e[i].is.version, "TLSv1.3");
		assert_string_equal(e[i].is.fault.text, "the client closed the connection");
		assert_int_equal(e[i].got, CHUNK * CHUNKS);
		assert_int_equal(sstp_stream_write(e[i].stream, (const uint8_t *)"x", 1), 0);
		sstp_stream_free(e[i].stream);
	}
}

/* ---- bounds ---- */

static void fill_and_wait(struct client *c)
{
	uint8_t *b = calloc(1, CHUNK);
	int small = 8192;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	shake_hands(c);
	for (unsigned i = 0; i < 40; i++)
		MUST(SSL_write(c->ssl, b, CHUNK) == CHUNK);
	free(b);
}

/* Whose bytes the loop does not take is not read from, and then read to the end. */
static void test_the_loop_does_not_read(void **state)
{
	struct client c = {0};
	struct end e = {0};
	(void)state;
	begin(&c, fill_and_wait);
	accept_one(&e);
	WAIT_FOR(e.is.phase == SSTP_STREAM_UP);
	unsigned looks = 0;
	for (int quiet = 0; quiet < 100; quiet = looks == e.looks ? quiet + 1 : 0) {
		looks = e.looks;
		turn();
	}
	assert_int_equal(e.got, 0);
	assert_int_equal(e.is.phase, SSTP_STREAM_UP);
	/* at the most what it keeps, a record at a time */
	assert_true(e.looks <= 4);
	e.reads = true;
	sstp_stream_again(e.stream);
	join(&c);
	WAIT_FOR(e.is.phase == SSTP_STREAM_BROKEN);
	WAIT_FOR(e.got == 40 * CHUNK);
	sstp_stream_free(e.stream);
}

static void read_when_told(struct client *c)
{
	uint8_t *b = malloc(CHUNK);
	shake_hands(c);
	while (!atomic_load(&c->may_read))
		usleep(1000);
	for (uint64_t at = 0; at < c->expects; at++) {
		uint8_t one;
		read_all(c, &one, 1);
		MUST(one == (uint8_t)(at / 4096));
	}
	MUST(SSL_read(c->ssl, b, CHUNK) == 0);
	free(b);
}

/* Who does not read is told no more; what was taken arrives before the end. */
static void test_the_client_does_not_read(void **state)
{
	struct client c = {0};
	struct end e = {.small = SSTP_TLS_RECORD};
	uint8_t b[4096];
	int err = 0;
	(void)state;
	begin(&c, read_when_told);
	accept_one(&e);
	WAIT_FOR(e.is.phase == SSTP_STREAM_UP);
	while (!err) {
		memset(b, (int)(c.expects / 4096 & 0xff), sizeof b);
		err = sstp_stream_write(e.stream, b, sizeof b);
		c.expects += err ? 0 : sizeof b;
		turn();
		assert_true(c.expects < 64u << 20);
	}
	assert_int_equal(err, -ENOBUFS);
	sstp_stream_end(e.stream);
	assert_int_equal(sstp_stream_write(e.stream, b, 1), -ENOTCONN);
	assert_int_equal(e.is.phase, SSTP_STREAM_UP);
	atomic_store(&c.may_read, true);
	WAIT_FOR(e.is.phase == SSTP_STREAM_ENDED);
	sstp_stream_free(e.stream);
	join(&c);
}

/* ---- packets ---- */

static void client_of_datapath(void)
{
	struct datapath_client is = {.connection = CONN, .vnet = 1, .mtu = 1400};
	MUST(!ip_addr_parse(&is.v4, "172.16.0.7"));
	MUST(!datapath_client_set(&world.d, &is));
}

/* False: it found no room. */
static bool put_packet(uint32_t number)
{
	struct packet p = {.len = PACKET, .connection = CONN, .aged = true};
	uint64_t before = world.w.status.drops[XGW_DROP_CLIENT_QUEUE];
	MUST(frames_take_for(&world.w.frames, PACKET, &p.frame));
	p.at = world.w.frames.area + p.frame + FRAME_HEADROOM;
	memset(p.at, 0, PACKET);
	p.at[0] = 0x45;
	store_be16(p.at + 2, PACKET);
	p.at[9] = 17;
	store_be32(p.at + 20, number);
	MUST(clients_take(&world.w, &p));
	return world.w.status.drops[XGW_DROP_CLIENT_QUEUE] == before;
}

/* Whole packets, in order; until `expects` came or the end. */
static void take_packets(struct client *c)
{
	uint8_t *b = malloc(HEAD + PACKET);
	shake_hands(c);
	while (c->packets < c->expects && SSL_read(c->ssl, b, 1) == 1) {
		read_all(c, b + 1, HEAD + PACKET - 1);
		uint32_t number = load_be32(b + HEAD + 20);
		MUST(load_be16(b + 2) == HEAD + PACKET && b[HEAD] == 0x45);
		MUST(number >= c->next);
		c->next = number + 1;
		c->packets++;
	}
	free(b);
}

#define WAITING 200u

/* What waits is encrypted a record at a time, and none is sent that more would have fitted in. */
static void test_records_are_filled(void **state)
{
	struct client c = {.expects = WAITING};
	struct end e = {0};
	(void)state;
	client_of_datapath();
	for (uint32_t i = 0; i < WAITING; i++)
		MUST(put_packet(i));
	begin(&c, take_packets);
	accept_one(&e);
	WAIT_FOR(e.is.phase == SSTP_STREAM_UP);
	assert_int_equal(e.is.packets_ns, 0);
	sstp_stream_packets(e.stream, CONN);
	join(&c);
	const unsigned each = SSTP_TLS_RECORD / (HEAD + PACKET);
	assert_int_equal(c.packets, WAITING);
	assert_int_equal(c.records, (WAITING + each - 1) / each);
	assert_true(c.shortest >= each * (HEAD + PACKET));
	sstp_stream_status(e.stream, &e.is);
	assert_true(e.is.packets_ns > 0 && e.is.packets_ns <= clock_now_ns());
	sstp_stream_packets(e.stream, 0);
	MUST(put_packet(WAITING));
	sstp_stream_free(e.stream);
}

#define NUMBERS 20000u

static _Atomic bool worker_may_end;
static uint64_t worker_put, worker_received;

/* A worker: puts packets into the ring, and takes from its inbox. */
static void *work(void *argument)
{
	(void)argument;
	rcu_register_thread();
	for (uint32_t i = 0; i < NUMBERS; i++) {
		worker_put += put_packet(i);
		worker_received += clients_receive(&world.w);
		rcu_quiescent_state();
		if (i % 64 == 0)
			usleep(100);
	}
	while (!atomic_load(&worker_may_end))
		worker_received += clients_receive(&world.w);
	while (clients_receive(&world.w))
		;
	rcu_unregister_thread();
	return NULL;
}

/*
 * Ring and inbox of a client between a worker, the thread and the loop: what found room arrives,
 * once and in order; what did not is counted.
 */
static void test_rings_between_threads(void **state)
{
	static const uint8_t stranger[20] = {0x45, 0, 0, 20, [8] = 64, 17, [12] = 1, 2, 3, 4};
	struct client c = {.expects = NO_LIMIT};
	struct end e = {0};
	pthread_t worker;
	uint64_t delivered = 0;
	(void)state;
	client_of_datapath();
	worker_put = worker_received = 0;
	atomic_store(&worker_may_end, false);
	begin(&c, take_packets);
	accept_one(&e);
	WAIT_FOR(e.is.phase == SSTP_STREAM_UP);
	sstp_stream_packets(e.stream, CONN);
	MUST(!pthread_create(&worker, NULL, work, NULL));
	for (unsigned i = 0; i < 2000; i++) {
		struct sstp_stream_status is;
		sstp_stream_status(e.stream, &is);
		delivered += !datapath_client_deliver(&world.d, CONN, stranger, sizeof stranger);
		struct datapath_traffic traffic;
		MUST(!datapath_client_traffic(&world.d, CONN, &traffic));
		if (i % 16 == 0)
			turn();
	}
	atomic_store(&worker_may_end, true);
	MUST(!pthread_join(worker, NULL));
	/* its source is not the client's: dropped, each one */
	assert_int_equal(world.w.status.drops[XGW_DROP_SOURCE], delivered);
	uint64_t last = 0;
	for (int quiet = 0; quiet < 50;) {
		turn();
		sstp_stream_status(e.stream, &e.is);
		quiet = e.is.packets_ns == last ? quiet + 1 : 0;
		last = e.is.packets_ns;
	}
	sstp_stream_end(e.stream);
	WAIT_FOR(e.is.phase == SSTP_STREAM_ENDED);
	sstp_stream_free(e.stream);
	join(&c);
	assert_true(worker_put > 0);
	assert_int_equal(c.packets, worker_put);
	assert_int_equal(c.packets + world.w.status.drops[XGW_DROP_CLIENT_QUEUE], NUMBERS);
}

/* ---- ends ---- */

static void talk_until_cut(struct client *c)
{
	uint8_t b[512] = {0};
	if (SSL_connect(c->ssl) != 1)
		return;
	while (SSL_write(c->ssl, b, sizeof b) > 0 && SSL_read(c->ssl, b, sizeof b) > 0)
		;
}

/* Streams are let go whenever, with packets and bytes under way; nothing is left of them. */
static void test_let_go_at_any_time(void **state)
{
	unsigned before = open_files();
	uint64_t random = 1;
	(void)state;
	client_of_datapath();
	for (unsigned round = 0; round < 30; round++) {
		struct client c[4] = {0};
		struct end e[4] = {0};
		for (unsigned i = 0; i < 4; i++) {
			e[i].echoes = true;
			begin(&c[i], talk_until_cut);
			accept_one(&e[i]);
			sstp_stream_packets(e[i].stream, FIRST + i);
		}
		for (unsigned i = 0; i < 4; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			for (unsigned n = random >> 61; n; n--)
				turn();
			put_packet(i);
			if (random >> 60 & 1)
				sstp_stream_end(e[i].stream);
			sstp_stream_free(e[i].stream);
		}
		for (unsigned i = 0; i < 4; i++)
			join(&c[i]);
	}
	WAIT_FOR(open_files() == before);
}

static void say_nonsense(struct client *c)
{
	static const char web[] = "GET / HTTP/1.0\r\n\r\n";
	uint8_t b[64];
	MUST(write(c->fd, web, sizeof web - 1) == sizeof web - 1);
	while (read(c->fd, b, sizeof b) > 0)
		;
}

static void test_no_tls(void **state)
{
	struct client c = {0};
	struct end e = {0};
	(void)state;
	begin(&c, say_nonsense);
	accept_one(&e);
	WAIT_FOR(e.is.phase == SSTP_STREAM_BROKEN);
	assert_false(e.is.was_up);
	assert_int_equal(e.is.fault.code, -EPROTO);
	assert_string_equal(e.is.fault.text, "TLS: http request");
	assert_int_equal(sstp_stream_write(e.stream, (const uint8_t *)"x", 1), -ENOTCONN);
	sstp_stream_free(e.stream);
	join(&c);
}

/* ---- the kernel ---- */

static bool kernel_has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	MUST(!connect(fd, (struct sockaddr *)&world.at, sizeof world.at));
	bool has = !setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
	close(fd);
	int other = accept(world.door, NULL, NULL);
	MUST(other >= 0);
	close(other);
	return has;
}

/* Where there is none nothing is different. XGW_KERNEL_TLS: there must be. */
static void test_kernel_tls(void **state)
{
	bool has = kernel_has_tls();
	(void)state;
	printf("TLS of the kernel: %s\n", has ? "yes" : "no");
	assert_true(has || !getenv("XGW_KERNEL_TLS"));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct client c = {0};
		struct end e = {.echoes = true};
		SSL_CTX_set_max_proto_version(world.client, version);
		begin(&c, talk);
		accept_one(&e);
		WAIT_FOR(e.is.phase == SSTP_STREAM_UP);
		assert_int_equal(e.is.kernel_send, has);
		/* OpenSSL 3.0 gives the kernel no received records of TLS 1.3 */
		if (version == TLS1_2_VERSION)
			assert_int_equal(e.is.kernel_receive, has);
		join(&c);
		assert_int_equal(e.got, CHUNK * CHUNKS);
		sstp_stream_free(e.stream);
	}
	SSL_CTX_set_max_proto_version(world.client, 0);
}

static void ask_for_new_keys(struct client *c)
{
	uint8_t out[1000] = {7}, in[1000];
	shake_hands(c);
	for (unsigned i = 0; i < 3 && !c->refused; i++) {
		MUST(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
		c->refused = SSL_write(c->ssl, out, sizeof out) != sizeof out ||
			     SSL_read(c->ssl, in, sizeof in) != sizeof in;
		MUST(c->refused || !memcmp(in, out, sizeof in));
		c->packets += !c->refused;
	}
}

/* New keys in the middle (TLS 1.3): OpenSSL 3.0 can't tell the kernel of them, and then it ends. */
static void test_key_update(void **state)
{
	bool has = kernel_has_tls();
	struct client c = {0};
	struct end e = {.echoes = true};
	(void)state;
	begin(&c, ask_for_new_keys);
	accept_one(&e);
	join(&c);
	WAIT_FOR(e.is.phase == SSTP_STREAM_BROKEN);
	assert_true(e.is.was_up);
	printf("new keys: %u times\n", (unsigned)c.packets);
	assert_true(has || c.packets == 3);
	assert_int_equal(e.got, (c.packets + c.refused) * 1000);
	sstp_stream_free(e.stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_both_ways, start, stop),
		cmocka_unit_test_setup_teardown(test_the_loop_does_not_read, start, stop),
		cmocka_unit_test_setup_teardown(test_the_client_does_not_read, start, stop),
		cmocka_unit_test_setup_teardown(test_records_are_filled, start, stop),
		cmocka_unit_test_setup_teardown(test_rings_between_threads, start, stop),
		cmocka_unit_test_setup_teardown(test_let_go_at_any_time, start, stop),
		cmocka_unit_test_setup_teardown(test_no_tls, start, stop),
		cmocka_unit_test_setup_teardown(test_kernel_tls, start, stop),
		cmocka_unit_test_setup_teardown(test_key_update, start, stop),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
