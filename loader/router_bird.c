/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/router_bird.h"

#include "base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS  5
#define CONNECT_MS     20 /* between attempts */
#define FIRST_DELAY_MS 100
#define MOST_DELAY_MS  10000
#define STABLE_SECONDS 60 /* it ran this long: the next restart is at once again */
#define ANSWER_SECONDS 10
#define END_SECONDS    3
/* Niceness: BFD at 3 x 10 ms has to find a processor when all are busy. */
#define HEAD_START (-10)

enum asked { ASKED_NOTHING, ASKED_GREETING, ASKED_SESSIONS, ASKED_CONFIGURE };

struct router_bird {
	struct router_bird_host h;
	pid_t pid;
	int pidfd;
	bool own;  /* started by this process, which is to reap it */
	bool runs; /* as the owner knows it */
	struct event *died, *timer;
	struct bufferevent *stream;
	struct bird_reply reply;
	enum asked asked;
	bool configure; /* to be asked for */
	uint32_t silent, seconds, delay_ms, restarts;
	char error[160];
	bool told; /* of its sessions, once */
};

/* ---- files ---- */

/* Letters of a name, and a number of all of it: short, and no two alike. */
static void safe_name(char out[40], const char *name)
{
	uint64_t sum = 0xcbf29ce484222325ull;
	char letters[21] = "";
	size_t n = 0;
	for (const char *c = name; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9');
		sum = (sum ^ (uint8_t)*c) * 0x100000001b3ull;
		if (n + 1 < sizeof letters)
			letters[n++] = plain ? *c : '-';
	}
	snprintf(out, 40, "r%s-%016llx", letters, (unsigned long long)sum);
}

void router_directory(char out[ROUTER_DIRECTORY], const char *instance)
{
	snprintf(out, ROUTER_DIRECTORY, RUN_DIRECTORY "/%.32s.router", instance);
}

void router_paths_in(struct router_paths *out, const char *directory)
{
	memset(out, 0, sizeof *out);
	snprintf(out->directory, sizeof out->directory, "%s", directory);
	snprintf(out->config, sizeof out->config, "%s/bird.conf", out->directory);
	snprintf(out->socket, sizeof out->socket, "%s/bird.ctl", out->directory);
	snprintf(out->pid, sizeof out->pid, "%s/bird.pid", out->directory);
	snprintf(out->log, sizeof out->log, "%s/bird.log", out->directory);
	snprintf(out->start, sizeof out->start, "%s/bird.start", out->directory);
}

void router_paths(struct router_paths *out, const char *instance, const char *name)
{
	char safe[40], parent[ROUTER_DIRECTORY], directory[sizeof out->directory + 40];
	safe_name(safe, name);
	router_directory(parent, instance);
	snprintf(directory, sizeof directory, "%s/%s", parent, safe);
	router_paths_in(out, directory);
}

void router_paths_remove(const struct router_paths *p)
{
	char more[128], parent[sizeof p->directory];
	const char *const all[] = {p->config, p->socket, p->pid, p->log, p->start};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		unlink(all[i]);
	snprintf(more, sizeof more, "%s.1", p->log);
	unlink(more);
	snprintf(more, sizeof more, "%s.new", p->config);
	unlink(more);
	rmdir(p->directory);
	snprintf(parent, sizeof parent, "%s", p->directory);
	char *slash = strrchr(parent, '/');
	if (!slash)
		return;
	*slash = 0;
	rmdir(parent); /* succeeds behind the last one */
}

static int make_directories(const struct router_paths *p)
{
	char parent[sizeof p->directory];
	snprintf(parent, sizeof parent, "%s", p->directory);
	char *slash = strrchr(parent, '/');
	*slash = 0;
	const char *const all[] = {RUN_DIRECTORY, parent, p->directory};
	for (unsigned i = 0; i < 3; i++) {
		if (mkdir(all[i], 0700) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(fd, text, n);
		if (done < 0)
			return -errno;
		text += done;
		n -= (size_t)done;
	}
	return 0;
}

int router_write_config(const struct router_paths *p, const char *text, struct fault *f)
{
	char next[128];
	snprintf(next, sizeof next, "%s.new", p->config);
	int err = make_directories(p);
	int fd = err ? -1 : open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (!err)
		err = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	if (!err && rename(next, p->config))
		err = -errno;
	return err ? fault_set(f, err, "cannot write %s: %s", p->config, strerror(-err)) : 0;
}

bool router_config_is(const struct router_paths *p, const char *text)
{
	char piece[4096];
	size_t left = strlen(text);
	int fd = open(p->config, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	ssize_t got;
	while ((got = read(fd, piece, sizeof piece)) > 0) {
		if ((size_t)got > left || memcmp(piece, text, (size_t)got) != 0)
			break;
		text += got;
		left -= (size_t)got;
	}
	explicit_bzero(piece, sizeof piece);
	close(fd);
	return got == 0 && left == 0;
}

/* ---- the process ---- */

/* A descriptor, or -errno. */
static int connect_control(const struct router_paths *p)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	snprintf(to.sun_path, sizeof to.sun_path, "%s", p->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, sizeof to)) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* One of its words is the path of our configuration, which nobody else may write. */
static bool runs_with(pid_t pid, const char *config)
{
	char path[40], words[1024];
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, words, sizeof words - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	words[n] = 0;
	for (const char *w = words; w < words + n; w += strlen(w) + 1) {
		if (strcmp(w, config) == 0)
			return true;
	}
	return false;
}

pid_t router_bird_find(const struct router_paths *p)
{
	struct ucred who = {0};
	socklen_t len = sizeof who;
	int fd = connect_control(p);
	if (fd < 0)
		return 0;
	/* who listens, as the kernel knows it */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		who.pid = 0;
	close(fd);
	return who.pid > 0 && runs_with(who.pid, p->config) ? who.pid : 0;
}

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool ends_within(int pidfd, int ms)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	return poll(&end, 1, ms) > 0;
}

int router_bird_kill(pid_t pid)
{
	int fd = open_pidfd(pid), err = 0;
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	/* by the descriptor: never another process that has its number now */
	if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0 &&
	    !ends_within(fd, END_SECONDS * 1000)) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		err = ends_within(fd, END_SECONDS * 1000) ? 0 : -ETIMEDOUT;
	}
	/* when it is a child of ours */
	waitpid(pid, NULL, WNOHANG);
	close(fd);
	return err;
}

static int spawn_as(const struct router_bird *b, char *const argv[],
		    const posix_spawn_file_actions_t *files, const posix_spawnattr_t *as,
		    pid_t *out)
{
	int err = router_net_enter(b->h.net);
	if (err)
		return err;
	/* of the thread's namespace and niceness, with the daemon's environment. Where the daemon
	 * may not be nicer to it (CAP_SYS_NICE) it is as the workers are. */
	errno = 0;
	int was = getpriority(PRIO_PROCESS, 0);
	bool known = was != -1 || !errno;
	if (known)
		setpriority(PRIO_PROCESS, 0, was + HEAD_START);
	err = -posix_spawn(out, b->h.program, files, as, argv, environ);
	if (known)
		setpriority(PRIO_PROCESS, 0, was);
	router_net_leave(b->h.net);
	return err;
}

/* recovers: sessions are resumed (RFC 4724), what the kernel has stays until then. */
static int spawn(struct router_bird *b, bool recovers)
{
	const struct router_paths *p = b->h.paths;
	const char *const words[] = {
		b->h.program,		"-f", "-c", p->config, "-s", p->socket, "-P", p->pid,
		recovers ? "-R" : NULL, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t as;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	if (posix_spawnattr_init(&as)) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	int err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_addopen(&files, 1, p->start,
						       O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, 1, 2);
	if (!err)
		err = posix_spawnattr_setflags(&as, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&as, &none);
	posix_spawnattr_setsigdefault(&as, &all);
	err = err ? -err : spawn_as(b, (char *const *)(uintptr_t)words, &files, &as, &b->pid);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&as);
	b->own = !err;
	if (err)
		b->pid = 0;
	return err;
}

/* The first line of what it said when it started. */
static void read_start(struct router_bird *b)
{
	char line[128] = "";
	FILE *f = fopen(b->h.paths->start, "re");
	if (f && !fgets(line, sizeof line, f))
		*line = 0;
	if (f)
		fclose(f);
	line[strcspn(line, "\r\n")] = 0;
	snprintf(b->error, sizeof b->error, "BIRD ended%s%s", *line ? ": " : "", line);
}

/* ---- the control socket ---- */

static void drop_stream(struct router_bird *b)
{
	if (b->stream)
		bufferevent_free(b->stream);
	b->stream = NULL;
	b->asked = ASKED_NOTHING;
}

static void command(struct router_bird *b, enum asked asked, const char *text)
{
	b->asked = asked;
	b->silent = 0;
	bufferevent_write(b->stream, text, strlen(text));
}

static void ask_sessions(struct router_bird *b)
{
	command(b, ASKED_SESSIONS, "show protocols all \"peer_*\"\n");
}

static void ask_next(struct router_bird *b)
{
	if (!b->stream || b->asked != ASKED_NOTHING)
		return;
	if (b->configure) {
		b->configure = false;
		command(b, ASKED_CONFIGURE, "configure\n");
	} else if (!b->told) {
		/* one that was taken over has sessions already, and waits for no second */
		ask_sessions(b);
	}
}

static void on_session(void *owner, const struct bird_session *s)
{
	struct router_bird *b = owner;
	b->h.session(b->h.owner, s);
}

static void on_answer(void *owner, unsigned code, const char *text)
{
	struct router_bird *b = owner;
	enum asked was = b->asked;
	b->asked = ASKED_NOTHING;
	b->told |= was == ASKED_SESSIONS;
	if (was == ASKED_CONFIGURE)
		b->h.configured(b->h.owner, code < 8000 ? NULL : text);
	ask_next(b);
}

static void on_bytes(struct bufferevent *stream, void *owner)
{
	struct router_bird *b = owner;
	struct evbuffer *in = bufferevent_get_input(stream);
	char piece[4096];
	int n;
	b->silent = 0;
	while ((n = evbuffer_remove(in, piece, sizeof piece)) > 0) {
		if (!bird_reply_feed(&b->reply, piece, (size_t)n)) {
			log_warn(LOG_NET, "router-control: BIRD answers what is no answer");
			drop_stream(b);
			return;
		}
	}
}

static void arm(struct router_bird *b, uint32_t ms)
{
	const struct timeval in = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	evtimer_add(b->timer, &in);
}

static void on_stream_end(struct bufferevent *stream, short what, void *owner)
{
	struct router_bird *b = owner;
	(void)stream;
	(void)what;
	drop_stream(b);
}

static int attach_stream(struct router_bird *b)
{
	int fd = connect_control(b->h.paths);
	if (fd < 0)
		return fd;
	b->stream = bufferevent_socket_new(b->h.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!b->stream) {
		close(fd);
		return -ENOMEM;
	}
	bird_reply_init(&b->reply, b, on_session, on_answer);
	bufferevent_setcb(b->stream, on_bytes, NULL, on_stream_end, b);
	bufferevent_enable(b->stream, EV_READ | EV_WRITE);
	b->asked = ASKED_GREETING;
	b->silent = 0;
	return 0;
}

/* ---- life ---- */

static void on_died(evutil_socket_t fd, short what, void *owner);

static int follow_process(struct router_bird *b)
{
	b->pidfd = open_pidfd(b->pid);
	if (b->pidfd < 0)
		return -errno;
	b->died = event_new(b->h.base, b->pidfd, EV_READ, on_died, b);
	if (!b->died || event_add(b->died, NULL))
		return -ENOMEM;
	b->seconds = 0;
	return 0;
}

static void forget_process(struct router_bird *b)
{
	if (b->died)
		event_free(b->died);
	if (b->pidfd >= 0)
		close(b->pidfd);
	b->died = NULL;
	b->pidfd = -1;
	b->pid = 0;
}

bool router_bird_dismiss(struct router_bird *b)
{
	if (b->pidfd < 0)
		return true;
	if (b->died) {
		event_free(b->died);
		b->died = NULL;
		syscall(SYS_pidfd_send_signal, b->pidfd, SIGTERM, NULL, 0);
	}
	return ends_within(b->pidfd, 0);
}

static void restart_later(struct router_bird *b)
{
	arm(b, b->delay_ms);
	b->delay_ms = b->delay_ms * 2 > MOST_DELAY_MS ? MOST_DELAY_MS : b->delay_ms * 2;
}

static void on_died(evutil_socket_t fd, short what, void *owner)
{
	struct router_bird *b = owner;
	pid_t was = b->pid;
	(void)fd;
	(void)what;
	if (b->own)
		waitpid(was, NULL, WNOHANG);
	if (b->seconds >= STABLE_SECONDS)
		b->delay_ms = FIRST_DELAY_MS;
	read_start(b);
	log_warn(LOG_NET, "router-bird-died pid=%d seconds=%u again-in=%ums: %s", was, b->seconds,
		 b->delay_ms, b->error);
	drop_stream(b);
	forget_process(b);
	restart_later(b);
	if (b->runs)
		b->h.runs(b->h.owner, false);
	b->runs = false;
}

static void restart(struct router_bird *b)
{
	int err = spawn(b, true);
	if (!err)
		err = follow_process(b);
	if (err) {
		snprintf(b->error, sizeof b->error, "cannot start %.80s: %s", b->h.program,
			 strerror(-err));
		log_error(LOG_NET, "router-bird: %s", b->error);
		forget_process(b);
		restart_later(b);
		return;
	}
	b->restarts++;
	b->configure = false; /* it reads what is there now */
	arm(b, CONNECT_MS);
}

/* Dead: it is time to start it. Else it does not listen yet. */
static void on_timer(evutil_socket_t fd, short what, void *owner)
{
	struct router_bird *b = owner;
	(void)fd;
	(void)what;
	if (!b->pid) {
		restart(b);
		return;
	}
	if (b->stream)
		return;
	if (attach_stream(b)) {
		arm(b, CONNECT_MS);
		return;
	}
	*b->error = 0;
	log_info(LOG_NET, "router-bird-runs pid=%d restarts=%u", b->pid, b->restarts);
	b->runs = true;
	b->h.runs(b->h.owner, true);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The first start: the caller waits for it. */
static int start(struct router_bird *b, struct fault *f)
{
	const uint64_t end = now_ms() + START_SECONDS * 1000;
	unlink(b->h.paths->socket); /* of a dead one */
	int err = spawn(b, false);
	if (err) {
		fault_set(f, err, "cannot start %.100s: %s", b->h.program, strerror(-err));
		return fault_advise(f, ROUTER_ADVICE);
	}
	err = follow_process(b);
	while (!err && attach_stream(b)) {
		if (ends_within(b->pidfd, CONNECT_MS)) {
			waitpid(b->pid, NULL, WNOHANG);
			b->pid = 0;
			read_start(b);
			return fault_set(f, -ECHILD, "%.150s", b->error);
		}
		err = now_ms() > end ? -ETIMEDOUT : 0;
	}
	return err ? fault_set(f, err, "BIRD does not listen on %s: %s", b->h.paths->socket,
			       strerror(-err))
		   : 0;
}

int router_bird_open(struct router_bird **out, const struct router_bird_host *h, pid_t pid,
		     struct fault *f)
{
	struct router_bird *b = calloc(1, sizeof *b);
	if (!b)
		return fault_set(f, -ENOMEM, "not enough memory for a router");
	b->h = *h;
	b->pidfd = -1;
	b->delay_ms = FIRST_DELAY_MS;
	b->timer = evtimer_new(h->base, on_timer, b);
	int err = b->timer ? 0 : fault_set(f, -ENOMEM, "not enough memory for a router");
	if (!err && pid) {
		b->pid = pid;
		err = follow_process(b);
		if (!err)
			err = attach_stream(b);
		if (err)
			fault_set(f, err, "cannot take over BIRD (pid %d): %s", pid,
				  strerror(-err));
	} else if (!err) {
		err = start(b, f);
		if (err && b->pid)
			router_bird_kill(b->pid);
	}
	if (err) {
		router_bird_close(b);
		return err;
	}
	b->runs = true;
	*out = b;
	return 0;
}

void router_bird_close(struct router_bird *b)
{
	if (!b)
		return;
	drop_stream(b);
	forget_process(b);
	if (b->timer)
		event_free(b->timer);
	free(b);
}

void router_bird_configure(struct router_bird *b)
{
	b->configure = true;
	ask_next(b);
}

void router_bird_second(struct router_bird *b)
{
	b->seconds++;
	if (!b->pid)
		return;
	if (b->stream && b->asked != ASKED_NOTHING && ++b->silent > ANSWER_SECONDS) {
		log_warn(LOG_NET, "router-control: no answer of BIRD for %d s", ANSWER_SECONDS);
		b->configure |= b->asked == ASKED_CONFIGURE;
		drop_stream(b);
	}
	if (!b->stream && !evtimer_pending(b->timer, NULL) && attach_stream(b))
		return;
	if (b->stream && b->asked == ASKED_NOTHING)
		ask_sessions(b);
}

bool router_bird_has_told(const struct router_bird *b)
{
	return b->told;
}

pid_t router_bird_pid(const struct router_bird *b)
{
	return b->pid;
}

uint32_t router_bird_restarts(const struct router_bird *b)
{
	return b->restarts;
}

const char *router_bird_error(const struct router_bird *b)
{
	return b->error;
}
