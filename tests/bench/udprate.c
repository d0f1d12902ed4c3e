/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP at a given rate, counted at the other end.
 *   udprate send ADDRESS IP_BYTES PACKETS_PER_SECOND SECONDS    udprate receive
 * Prints packets sent, or packets received and the highest sequence number, as JSON.
 */
#include "base/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT  7778
#define BATCH 32
#define LAST  UINT64_MAX

static uint8_t buffers[BATCH][2048];
static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void prepare(size_t len)
{
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){buffers[i], len};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static int receive(int s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct timeval limit = {5, 0};
	int room = 16 << 20;
	uint64_t n = 0, top = 0;
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (bind(s, (struct sockaddr *)&a, sizeof a))
		return 1;
	puts("ready");
	fflush(stdout);
	prepare(sizeof buffers[0]);
	for (;;) {
		int got = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
		if (got <= 0)
			break;
		for (int i = 0; i < got; i++) {
			uint64_t seq = load_be64(buffers[i]);
			if (seq == LAST)
				goto out;
			n++;
			top = seq > top ? seq : top;
		}
	}
out:
	printf("{\"received\":%llu,\"top\":%llu}\n", (unsigned long long)n,
	       (unsigned long long)top);
	return 0;
}

/* Sends what is due; packets the kernel refused are not counted. */
static uint64_t send_for(int s, double rate, double seconds)
{
	uint64_t n = 0;
	const struct timespec pause = {0, 50000};
	for (double from = now(), t = 0; t < seconds; t = now() - from) {
		double due = t * rate - (double)n;
		int k = due > BATCH ? BATCH : (int)due;
		if (k <= 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		for (int i = 0; i < k; i++)
			store_be64(buffers[i], n + (uint64_t)i);
		int sent = sendmmsg(s, messages, (unsigned)k, 0);
		n += sent > 0 ? (uint64_t)sent : 0;
	}
	return n;
}

int main(int argc, char **argv)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	if (s >= 0 && argc == 2 && !strcmp(argv[1], "receive"))
		return receive(s);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	if (s < 0 || argc != 6 || strcmp(argv[1], "send") ||
	    inet_pton(AF_INET, argv[2], &a.sin_addr) != 1 ||
	    connect(s, (struct sockaddr *)&a, sizeof a)) {
		fprintf(stderr,
			"usage: udprate send ADDRESS IP_BYTES PACKETS_PER_SECOND SECONDS | udprate receive\n");
		return 2;
	}
	size_t len = strtoul(argv[3], NULL, 10) - 28;
	prepare(len < 8 || len > sizeof buffers[0] ? 8 : len);
	uint64_t n = send_for(s, strtod(argv[4], NULL), strtod(argv[5], NULL));
	usleep(300000);
	store_be64(buffers[0], LAST);
	for (int i = 0; i < 5; i++) {
		if (send(s, buffers[0], 8, 0) < 0 && errno != ECONNREFUSED)
			perror("udprate");
		usleep(20000);
	}
	printf("{\"sent\":%llu}\n", (unsigned long long)n);
	return 0;
}
