/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients of SSTP at once: sstp_load ADDRESS PORT USER PASSWORD CLIENTS PINGS TARGET [WINDOW].
 * All dial, then each pings the target as often, a few (WINDOW) at a time, and all hang up. One
 * line of JSON at the end.
 */
#include "tests/unit/p2s/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Pings of a client under way: those of 128 find room in the inbox of one worker that has to wait
 * for a processor (INBOX_BYTES of datapath/clients.c). */
#define WINDOW 3
#define SIZE   1000

struct dialled {
	struct client c;
	struct sstp_certificate certificate;
	SSL *ssl;
	int fd;
	uint8_t in[32768];
	size_t n_in;
	unsigned sent, answered;
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
	client_new(&d->c, world.users, NULL, *who);
	d->c.send = send_all;
	d->c.owner = d;
	d->fd = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(d->fd, (const struct sockaddr *)to, sizeof *to), "can't connect");
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

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct in_addr target;
	must((argc == 8 || argc == 9) && inet_pton(AF_INET, argv[1], &to.sin_addr) == 1 &&
		     inet_pton(AF_INET, argv[7], &target) == 1,
	     "ADDRESS PORT USER PASSWORD CLIENTS PINGS TARGET [WINDOW]");
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	unsigned n = (unsigned)atoi(argv[5]), pings = (unsigned)atoi(argv[6]);
	unsigned window = argc == 9 ? (unsigned)atoi(argv[8]) : WINDOW;
	const struct client_manner who = {.user = argv[3], .password = argv[4]};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct dialled *all = calloc(n, sizeof *all);
	must(all && n && n <= 4096, "not so many");
	world_begin();
	double start = now();
	for (unsigned i = 0; i < n; i++)
		dial(&all[i], ctx, &to, &who);
	double dialled = now();
	ping_all(all, n, pings, window, ntohl(target.s_addr));
	double done = now();
	printf("{\"clients\":%u,\"callsPerSecond\":%.1f,\"pingsPerSecond\":%.0f,\"megabitsPerSecond\":%.1f}\n",
	       n, n / (dialled - start), n * pings / (done - dialled),
	       n * pings * (double)SIZE * 8 / (done - dialled) / 1e6);
	fflush(stdout);
	if (getchar() != EOF) /* the test looks at the gateway until it closes our input */
		must(false, "nothing is to be said here");
	for (unsigned i = 0; i < n; i++) {
		SSL_shutdown(all[i].ssl);
		close(all[i].fd);
		SSL_free(all[i].ssl);
		client_free(&all[i].c);
	}
	SSL_CTX_free(ctx);
	free(all);
	world_end();
	return 0;
}
