/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients of SSTP at once:
 *   sstp_load ADDRESS PORT USER PASSWORD CLIENTS PINGS TARGET [WINDOW]
 *   sstp_load ADDRESS PORT USER PASSWORD CLIENTS tun FIRST
 * All dial one after the other. Then each pings the target as often, WINDOW at a time; or carries
 * the packets of a TUN device of its own, sstpFIRST and on, until the input is closed. One line of
 * JSON: the rates, or the clients' addresses in the order of the devices. All hang up at the end.
 */
#include "tests/unit/p2s/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Pings of a client under way: those of 128 find room in the inbox of one worker that has to wait
 * for a processor (INBOX_BYTES of datapath/clients.c). */
#define WINDOW	3
#define SIZE	1000
#define RECORD	16384 /* of TLS */
#define HEAD	SSTP_DATA_HEAD
#define MTU_MAX 1500

struct dialled {
	struct client c;
	struct sstp_certificate certificate;
	SSL *ssl;
	int fd;
	uint8_t in[32768];
	size_t n_in;
	unsigned sent, answered;
	/* with a device: what waits for the server, and whether its socket takes it */
	int tun;
	uint8_t *out;
	size_t n_out, out_at;
	bool full;
};

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "sstp_load: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_all(struct client *c, const void *bytes, size_t n)
{
	struct dialled *d = c->owner;
	must(SSL_write(d->ssl, bytes, (int)n) == (int)n, "the connection broke");
}

/* What the device's queue has no room for is lost, as on any link. */
static void to_device(const struct dialled *d, const uint8_t *ip, size_t n)
{
	if (write(d->tun, ip, n) < 0)
		must(errno == EAGAIN || errno == ENOBUFS || errno == EIO,
		     "the device refuses a packet");
}

/* Whole packets of what came to the client; IP packets are looked at here. */
static void hear(struct dialled *d)
{
	size_t at = 0;
	while (d->n_in - at >= 4) {
		size_t n = d->c.answered_http ? load_be16(d->in + at + 2) : d->n_in - at;
		if (n > d->n_in - at)
			break;
		const uint8_t *p = d->in + at;
		if (d->c.answered_http && !p[1] && n > 8 + 20 && load_be16(p + 6) == PPP_IP) {
			if (d->out)
				to_device(d, p + 8, n - 8);
			else
				d->answered += p[8 + 9] == 1 && p[8 + 20] == 0;
		} else {
			memcpy(d->c.pending, p, n);
			d->c.n_pending = n;
			client_take(&d->c);
		}
		at += n;
	}
	d->n_in -= at;
	memmove(d->in, d->in + at, d->n_in);
}

static void receive(struct dialled *d)
{
	do {
		int n = SSL_read(d->ssl, d->in + d->n_in, (int)(sizeof d->in - d->n_in));
		must(n > 0, "the server hung up");
		d->n_in += (size_t)n;
		hear(d);
	} while (SSL_pending(d->ssl));
}

static void dial(struct dialled *d, SSL_CTX *ctx, const struct sockaddr_in *to,
		 const struct client_manner *who)
{
	unsigned char *der = NULL;
	int on = 1;
	client_new(&d->c, world.users, NULL, *who);
	d->c.send = send_all;
	d->c.owner = d;
	d->fd = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(d->fd, (const struct sockaddr *)to, sizeof *to), "can't connect");
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	d->ssl = SSL_new(ctx);
	SSL_set_fd(d->ssl, d->fd);
	must(SSL_connect(d->ssl) == 1, "no TLS");
	X509 *peer = SSL_get1_peer_certificate(d->ssl);
	int n = i2d_X509(peer, &der);
	must(!sstp_certificate_hash((struct bytes){der, (size_t)n}, &d->certificate), "no hash");
	d->c.certificate = &d->certificate;
	OPENSSL_free(der);
	X509_free(peer);
	send_all(&d->c, CLIENT_REQUEST, strlen(CLIENT_REQUEST));
	receive(d);
	client_call(&d->c);
	receive(d);
	client_ask_lcp(&d->c);
	while (!d->c.ipcp_up)
		receive(d);
	client_connected(&d->c);
}

static uint16_t sum(const uint8_t *at, size_t n)
{
	uint32_t s = 0;
	for (size_t i = 0; i < n; i += 2)
		s += load_be16(at + i);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void ping(struct dialled *d, uint32_t target)
{
	uint8_t ip[SIZE] = {0x45, 0, SIZE >> 8, SIZE & 0xff, 0, 0, 0x40, 0, 64, 1};
	memcpy(ip + 12, d->c.address, 4);
	store_be32(ip + 16, target);
	store_be16(ip + 10, sum(ip, 20));
	ip[20] = 8;
	store_be16(ip + 26, (uint16_t)d->sent);
	store_be16(ip + 22, sum(ip + 20, SIZE - 20));
	client_frame(&d->c, PPP_IP, ip, sizeof ip);
	d->sent++;
}

/* What one may send is sent. False: all is answered. */
static bool carry_on(struct dialled *d, unsigned pings, unsigned window, uint32_t target)
{
	while (d->sent < pings && d->sent - d->answered < window)
		ping(d, target);
	return d->answered < pings;
}

static void ping_all(struct dialled *all, unsigned n, unsigned pings, unsigned window,
		     uint32_t target)
{
	struct pollfd *fds = calloc(n, sizeof *fds);
	unsigned busy = n;
	while (busy) {
		busy = 0;
		for (unsigned i = 0; i < n; i++) {
			bool more = carry_on(&all[i], pings, window, target);
			fds[i] = (struct pollfd){.fd = more ? all[i].fd : -1, .events = POLLIN};
			busy += more;
		}
		if (!busy)
			break;
		must(poll(fds, n, 10000) > 0, "a ping has no answer");
		for (unsigned i = 0; i < n; i++)
			if (fds[i].revents)
				receive(&all[i]);
	}
	free(fds);
}

static void pings(struct dialled *all, unsigned n, double dialling, char **argv)
{
	struct in_addr target;
	unsigned each = (unsigned)atoi(argv[6]);
	must(inet_pton(AF_INET, argv[7], &target) == 1, "whom to ping");
	double start = now();
	ping_all(all, n, each, argv[8] ? (unsigned)atoi(argv[8]) : WINDOW, ntohl(target.s_addr));
	double took = now() - start;
	printf("{\"clients\":%u,\"callsPerSecond\":%.1f,\"pingsPerSecond\":%.0f,\"megabitsPerSecond\":%.1f}\n",
	       n, n / dialling, n * each / took, n * each * (double)SIZE * 8 / took / 1e6);
	fflush(stdout);
	if (getchar() != EOF) /* the test looks at the gateway until it closes our input */
		must(false, "nothing is to be said here");
}

/* ---- packets of TUN devices ---- */

static int device(unsigned number)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(r.ifr_name, sizeof r.ifr_name, "sstp%u", number);
	must(fd >= 0 && !ioctl(fd, TUNSETIFF, &r), "no TUN device");
	return fd;
}

/* Control messages of a client whose packets come from a device. */
static void send_behind(struct client *c, const void *bytes, size_t n)
{
	struct dialled *d = c->owner;
	must(d->n_out + n <= 2 * RECORD, "the server does not read");
	memcpy(d->out + d->n_out, bytes, n);
	d->n_out += n;
}

static void flush(struct dialled *d)
{
	while (d->out_at < d->n_out) {
		int n = SSL_write(d->ssl, d->out + d->out_at, (int)(d->n_out - d->out_at));
		if (n <= 0) {
			must(SSL_get_error(d->ssl, n) == SSL_ERROR_WANT_WRITE,
			     "the connection broke");
			d->full = true;
			return;
		}
		d->out_at += (size_t)n;
	}
	d->n_out = d->out_at = 0;
	d->full = false;
}

/* A record of the device's packets; none while an older one waits. */
static void from_device(struct dialled *d)
{
	while (!d->full && d->n_out + HEAD + MTU_MAX <= RECORD) {
		uint8_t *at = d->out + d->n_out;
		ssize_t n = read(d->tun, at + HEAD, MTU_MAX);
		if (n <= 0)
			break;
		if (at[HEAD] >> 4 != 4)
			continue;
		sstp_data_begin(at, true, (size_t)n);
		d->n_out += HEAD + (size_t)n;
	}
	flush(d);
}

static void from_server(struct dialled *d)
{
	int n;
	while ((n = SSL_read(d->ssl, d->in + d->n_in, (int)(sizeof d->in - d->n_in))) > 0) {
		d->n_in += (size_t)n;
		hear(d);
	}
	must(SSL_get_error(d->ssl, n) == SSL_ERROR_WANT_READ, "the server hung up");
	flush(d);
}

/* What is waited for: a device is read when its packets can go on. */
static void watch(int epoll, struct dialled *all, unsigned i, int op)
{
	struct dialled *d = &all[i];
	struct epoll_event socket = {.events = EPOLLIN | (d->full ? EPOLLOUT : 0),
				     .data.u32 = 2 * i},
			   tun = {.events = d->full ? 0 : EPOLLIN, .data.u32 = 2 * i + 1};
	must(!epoll_ctl(epoll, op, d->fd, &socket) && !epoll_ctl(epoll, op, d->tun, &tun), "epoll");
}

static void serve(int epoll, struct dialled *all, const struct epoll_event *e)
{
	unsigned i = e->data.u32 / 2;
	struct dialled *d = &all[i];
	bool was = d->full;
	if (e->data.u32 % 2)
		from_device(d);
	else
		from_server(d);
	if (d->full != was)
		watch(epoll, all, i, EPOLL_CTL_MOD);
}

static void attach(struct dialled *d, unsigned number)
{
	d->tun = device(number);
	d->out = malloc(2 * RECORD);
	must(d->out && !fcntl(d->fd, F_SETFL, O_NONBLOCK), "no memory");
	d->c.send = send_behind;
}

static void carry(struct dialled *all, unsigned n, unsigned first)
{
	struct epoll_event events[64], input = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	must(!epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input), "no input");
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *a = all[i].c.address;
		attach(&all[i], first + i);
		watch(epoll, all, i, EPOLL_CTL_ADD);
		printf("%s\"%u.%u.%u.%u\"", i ? "," : "[", a[0], a[1], a[2], a[3]);
	}
	puts("]");
	fflush(stdout);
	for (bool on = true; on;) {
		int got = epoll_wait(epoll, events, 64, -1);
		for (int k = 0; k < got; k++)
			if (events[k].data.u32 == UINT32_MAX)
				on = false;
			else
				serve(epoll, all, &events[k]);
	}
	close(epoll);
}

static void hang_up(struct dialled *d)
{
	SSL_shutdown(d->ssl);
	close(d->fd);
	if (d->out)
		close(d->tun);
	free(d->out);
	SSL_free(d->ssl);
	client_free(&d->c);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	must((argc == 8 || argc == 9) && inet_pton(AF_INET, argv[1], &to.sin_addr) == 1,
	     "ADDRESS PORT USER PASSWORD CLIENTS (PINGS TARGET [WINDOW] | tun FIRST)");
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	unsigned n = (unsigned)atoi(argv[5]);
	const struct client_manner who = {.user = argv[3], .password = argv[4]};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct dialled *all = calloc(n, sizeof *all);
	must(all && n && n <= 4096, "not so many");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	world_begin();
	double start = now();
	for (unsigned i = 0; i < n; i++)
		dial(&all[i], ctx, &to, &who);
	if (!strcmp(argv[6], "tun"))
		carry(all, n, (unsigned)atoi(argv[7]));
	else
		pings(all, n, now() - start, argv);
	for (unsigned i = 0; i < n; i++)
		hang_up(&all[i]);
	SSL_CTX_free(ctx);
	free(all);
	world_end();
	return 0;
}
