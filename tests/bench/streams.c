/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP streams, one through each of several devices ("-": wherever the routes lead):
 *   streams serve PORT
 *   streams load ADDRESS PORT up|down SECONDS DEVICE...
 * Counted is what the receiving kernel has got, from when all streams are under way; JSON, with
 * the least and the greatest of them, and `allBytes` from the first byte on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 1024
#define PIECE	    (128 << 10)
#define BEGIN	    0.3 /* seconds until all are under way */

static char piece[PIECE];

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void watch(int epoll, int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};
	must(!epoll_ctl(epoll, op, fd, &e), "epoll");
}

/* One piece each way. False: the other end is gone. */
static bool move(const struct epoll_event *e)
{
	ssize_t n = e->events & EPOLLOUT
			    ? send(e->data.fd, piece, sizeof piece, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : recv(e->data.fd, piece, sizeof piece, MSG_DONTWAIT);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

/* The other end's first byte says who sends. */
static void greet(int listener, int epoll)
{
	char who;
	struct timeval limit = {5, 0};
	int s = accept(listener, NULL, NULL);
	if (s < 0)
		return;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (recv(s, &who, 1, 0) == 1)
		watch(epoll, EPOLL_CTL_ADD, s, who == 'd' ? EPOLLOUT : EPOLLIN);
	else
		close(s);
}

static void serve(const struct sockaddr_in *at)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(0), l = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	must(!bind(l, (const struct sockaddr *)at, sizeof *at) && !listen(l, STREAMS_MAX),
	     "listen");
	watch(epoll, EPOLL_CTL_ADD, l, EPOLLIN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == l)
				greet(l, epoll);
			else if (!move(&events[i]))
				close(events[i].data.fd);
	}
}

static uint64_t moved(int s, bool up)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof info;
	must(!getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
	return up ? info.tcpi_bytes_acked : info.tcpi_bytes_received;
}

static int begin(const struct sockaddr_in *to, const char *device, bool up)
{
	struct linger at_once = {1, 0};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	must(!strcmp(device, "-") ||
		     !setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)),
	     device);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	must(!connect(s, (const struct sockaddr *)to, sizeof *to), "connect");
	must(send(s, up ? "u" : "d", 1, 0) == 1, "send");
	return s;
}

static void run(int epoll, double until)
{
	struct epoll_event events[64];
	for (double left; (left = until - now()) > 0;) {
		int n = epoll_wait(epoll, events, 64, (int)(left * 1e3) + 1);
		for (int i = 0; i < n; i++)
			must(move(&events[i]), "a stream broke");
	}
}

static int load(const struct sockaddr_in *to, bool up, double seconds, char **devices, int n)
{
	int epoll = epoll_create1(0), fds[STREAMS_MAX];
	uint64_t before[STREAMS_MAX], all = 0, sum = 0, least = UINT64_MAX, greatest = 0;
	for (int i = 0; i < n; i++) {
		fds[i] = begin(to, devices[i], up);
		watch(epoll, EPOLL_CTL_ADD, fds[i], up ? EPOLLOUT : EPOLLIN);
	}
	run(epoll, now() + BEGIN);
	for (int i = 0; i < n; i++)
		before[i] = moved(fds[i], up);
	double from = now();
	run(epoll, from + seconds);
	double took = now() - from, rate = 8 / took / 1e6;
	for (int i = 0; i < n; i++) {
		uint64_t whole = moved(fds[i], up), x = whole - before[i];
		all += whole;
		sum += x;
		least = x < least ? x : least;
		greatest = x > greatest ? x : greatest;
	}
	printf("{\"streams\":%d,\"seconds\":%.3f,\"bytes\":%llu,\"allBytes\":%llu,", n, took,
	       (unsigned long long)sum, (unsigned long long)all);
	printf("\"megabitsPerSecond\":%.1f,\"least\":%.2f,\"greatest\":%.2f}\n", (double)sum * rate,
	       (double)least * rate, (double)greatest * rate);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		at.sin_port = htons((uint16_t)atoi(argv[2]));
		serve(&at);
	}
	must(argc >= 7 && argc - 6 <= STREAMS_MAX && !strcmp(argv[1], "load") &&
		     inet_pton(AF_INET, argv[2], &at.sin_addr) == 1,
	     "serve PORT, or load ADDRESS PORT up|down SECONDS DEVICE...");
	at.sin_port = htons((uint16_t)atoi(argv[3]));
	return load(&at, !strcmp(argv[4], "up"), atof(argv[5]), argv + 6, argc - 6);
}
