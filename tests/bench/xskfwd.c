/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_XDP forwarder without cryptography: what input and output alone cost, with the frames and
 * queues of the data path. Frames of one device leave by the other with new MAC addresses; ARP is
 * the kernel's.
 *
 *   xskfwd DEV1 MAC1 DEV2 MAC2     MACn: where frames that leave by DEVn go to
 */
#include "base/addr.h"
#include "datapath/frames.h"

#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xdp/libxdp.h>

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

struct side {
	struct queue q;
	const char *device;
	struct xdp_program *program;
	uint8_t head[12]; /* destination, source */
};

/* libxdp's own program sends everything to the socket; ARP must reach the kernel, so tests use
 * static neighbours. */
static int attach(struct side *s, struct fault *f)
{
	int map = -1;
	int err = xsk_setup_xdp_prog((int)if_nametoindex(s->device), &map);
	if (!err)
		err = xsk_socket__update_xskmap(s->q.xsk, map);
	return err ? fault_set(f, err, "cannot attach libxdp's program to %s: %s", s->device,
			       strerror(-err))
		   : 0;
}

static int own_mac(const char *device, uint8_t mac[6])
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	int err = fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r);
	if (!err)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	if (fd >= 0)
		close(fd);
	return err;
}

static int open_side(struct side *s, struct frames *frames, struct fault *f)
{
	const struct queue_options o = {.device = s->device, .ring = 4096};
	s->q.fill_max = frames->n / 4;
	int err = queue_open(&s->q, frames, &o, f);
	if (err)
		return err;
	queue_refill(&s->q, frames);
	return attach(s, f);
}

static uint32_t move(struct side *from, struct side *to, struct frames *frames, uint64_t *wakeups)
{
	struct xdp_desc d[SOCKET_BATCH];
	queue_reap(&from->q, frames);
	uint32_t n = queue_receive(&from->q, d, SOCKET_BATCH);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(frames->area + d[i].addr, to->head, sizeof to->head);
		queue_send(&to->q, frames, d[i].addr, d[i].len, wakeups);
	}
	queue_refill(&from->q, frames);
	return n;
}

static void forward(struct side *a, struct side *b, struct frames *frames)
{
	struct pollfd fds[2] = {{.fd = a->q.fd, .events = POLLIN},
				{.fd = b->q.fd, .events = POLLIN}};
	uint64_t wakeups = 0;
	while (!stopped) {
		uint32_t n = move(a, b, frames, &wakeups) + move(b, a, frames, &wakeups);
		queue_flush(&a->q, frames, &wakeups);
		queue_flush(&b->q, frames, &wakeups);
		if (!n)
			poll(fds, 2, queue_unsent(&a->q) || queue_unsent(&b->q) ? 1 : 100);
	}
}

int main(int argc, char **argv)
{
	static struct side a, b;
	struct frames frames;
	struct fault f = {0};
	char text[FAULT_TEXT];
	if (argc != 5 || mac_parse(a.head, argv[2]) || mac_parse(b.head, argv[4]) ||
	    own_mac(argv[1], a.head + 6) || own_mac(argv[3], b.head + 6)) {
		fprintf(stderr, "usage: xskfwd DEV1 MAC1 DEV2 MAC2\n");
		return 2;
	}
	a.device = argv[1];
	b.device = argv[3];
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (frames_init(&frames, 16384, -1, &f) || open_side(&a, &frames, &f) ||
	    open_side(&b, &frames, &f)) {
		fprintf(stderr, "xskfwd: %s\n", fault_format(&f, text));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	forward(&a, &b, &frames);
	queue_close(&a.q);
	queue_close(&b.q);
	frames_free_all(&frames);
	return 0;
}
