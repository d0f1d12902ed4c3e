/* SPDX-License-Identifier: Apache-2.0 */
/* capture: the daemon's pcapng to a file or a pipe, until a signal, a time or the reader ends it.
 */
#include "loader/clock.h"
#include "loader/command.h"
#include "loader/control_socket.h"

#include "base/instant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LAST_SECONDS 5 /* for what is on its way when it ends */

static volatile sig_atomic_t enough;

static void on_signal(int number)
{
	(void)number;
	enough = 1;
}

/* No SA_RESTART: a signal ends the wait. A reader that goes away ends it too. */
static void catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal};
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Clear text of users is in it: nobody else may read it. */
static int open_output(const char *path, int *fd)
{
	if (!path || strcmp(path, "-") == 0) {
		*fd = STDOUT_FILENO;
		if (!isatty(*fd))
			return 0;
		return command_say(EXIT_USAGE,
				   "a capture is no text for a terminal; name a file with -w, or "
				   "pipe it: `xgw capture | wireshark -k -i -`");
	}
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *fd >= 0 ? 0
			: command_say(EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
}

static bool write_all(int fd, const char *at, size_t n)
{
	while (n) {
		ssize_t done = write(fd, at, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

/* Copies until the daemon has said all. -errno of what could not be written. */
static int copy(int from, int to, uint64_t until_ns, uint64_t *bytes)
{
	static char buffer[1 << 16];
	bool asked = false;
	for (;;) {
		uint64_t now = clock_now_ns();
		if (!asked && (enough || now >= until_ns)) {
			/* the daemon writes how much was lost, and closes */
			shutdown(from, SHUT_WR);
			asked = true;
			until_ns = now + LAST_SECONDS * NS_PER_S;
		}
		if (asked && now >= until_ns)
			return 0;
		/* of a pipe: whether its reader is still there */
		struct pollfd p[] = {{.fd = from, .events = POLLIN}, {.fd = to}};
		if (poll(p, 2, 100) <= 0)
			continue;
		if (p[1].revents & POLLERR)
			return 0;
		ssize_t n = recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0 && !write_all(to, buffer, (size_t)n))
			return errno == EPIPE ? 0 : -errno;
		*bytes += n > 0 ? (uint64_t)n : 0;
	}
}

static int read_seconds(const char *text, uint64_t *until_ns)
{
	char *end;
	*until_ns = INSTANT_NEVER;
	if (!text)
		return 0;
	errno = 0;
	unsigned long seconds = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || !seconds || seconds > 1000000)
		return command_say(EXIT_USAGE,
				   "--seconds: expected a number from 1 to 1000000, came '%s'",
				   text);
	*until_ns = clock_now_ns() + seconds * NS_PER_S;
	return 0;
}

int cmd_capture(const struct command_options *o)
{
	struct fault f = {0};
	uint64_t until_ns, bytes = 0;
	int in, out, err = read_seconds(o->seconds, &until_ns);
	if (err)
		return err;
	json_t *request =
		json_pack("{s:s,s:s*}", "verb", "capture", "name", o->argc ? o->argv[0] : NULL);
	/* the file is left alone when there is nothing to write to it */
	if (control_follow(&o->instance, request, &in, &f))
		return command_fail(EXIT_FAILED, &f);
	err = open_output(o->output, &out);
	if (!err) {
		catch_signals();
		err = copy(in, out, until_ns, &bytes);
		if (err)
			err = command_say(EXIT_FAILED, "the capture ended early: %s",
					  strerror(-err));
	}
	close(in);
	if (!err && o->output && isatty(STDERR_FILENO))
		fprintf(stderr, "%llu bytes in %s\n", (unsigned long long)bytes, o->output);
	return err;
}
