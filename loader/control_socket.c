/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/control_socket.h"

#include "base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CLIENTS	 32
#define MAX_REQUEST	 4096
#define MAX_RESPONSE	 (256u << 20)
#define IDLE_SECONDS	 10
#define PATIENCE_SECONDS 30 /* of a command */

struct control_client {
	struct control_socket *socket;
	struct bufferevent *stream;
	bool closing;
	void (*ended)(void *owner); /* kept, and by whom */
	void *owner;
};

struct control_socket {
	struct instance instance;
	struct evconnlistener *listener;
	control_answer *answer;
	void *owner;
	struct control_client *clients[MAX_CLIENTS];
	struct control_client *asking; /* whose request is being answered */
};

static void drop_client(struct control_client *c)
{
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (c->socket->clients[i] == c)
			c->socket->clients[i] = NULL;
	}
	bufferevent_free(c->stream);
	free(c);
}

static json_t *refuse(const char *error)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error", error);
}

static void write_line(struct control_client *c, const json_t *response)
{
	char *text = response ? json_dumps(response, JSON_COMPACT) : NULL;
	if (text)
		bufferevent_write(c->stream, text, strlen(text));
	bufferevent_write(c->stream, "\n", 1);
	free(text);
}

static void answer_line(struct control_client *c, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	c->socket->asking = c;
	json_t *response = json_is_object(request)
				   ? c->socket->answer(c->socket->owner, request)
				   : refuse("a request is one JSON object on a line");
	if (response || !c->ended)
		write_line(c, response);
	json_decref(request);
	json_decref(response);
	c->socket->asking = NULL;
}

static void on_written(struct bufferevent *stream, void *owner)
{
	struct control_client *c = owner;
	if (c->closing && !evbuffer_get_length(bufferevent_get_output(stream)))
		drop_client(c);
}

/* One request at a time: the next is read when the answer to the last is on its way. */
static void on_request(struct bufferevent *stream, void *owner)
{
	struct control_client *c = owner;
	struct evbuffer *in = bufferevent_get_input(stream);
	size_t len;
	char *line;
	if (c->ended) { /* it has its answer, and listens */
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	while (!c->closing && !c->ended && (line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF))) {
		answer_line(c, line, len);
		free(line);
	}
	if (!c->closing && evbuffer_get_length(in) >= MAX_REQUEST) {
		json_t *response = refuse("the request is too long");
		char *text = json_dumps(response, JSON_COMPACT);
		json_decref(response);
		c->closing = true;
		bufferevent_disable(stream, EV_READ);
		if (text)
			bufferevent_write(stream, text, strlen(text));
		bufferevent_write(stream, "\n", 1);
		free(text);
	}
}

static void on_end(struct bufferevent *stream, short what, void *owner)
{
	struct control_client *c = owner;
	void (*ended)(void *owner) = c->ended;
	c->ended = NULL;
	if (ended)
		ended(c->owner);
	/* a client that half-closes still reads its answer */
	if ((what & BEV_EVENT_EOF) && evbuffer_get_length(bufferevent_get_output(stream)))
		c->closing = true;
	else
		drop_client(c);
}

static bool is_allowed(evutil_socket_t fd)
{
	struct ucred who;
	socklen_t len = sizeof who;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

static void on_connect(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
		       void *owner)
{
	struct control_socket *s = owner;
	const struct timeval idle = {.tv_sec = IDLE_SECONDS};
	int slot = 0;
	(void)from;
	(void)len;
	while (slot < MAX_CLIENTS && s->clients[slot])
		slot++;
	struct control_client *c =
		slot < MAX_CLIENTS && is_allowed(fd) ? calloc(1, sizeof *c) : NULL;
	struct bufferevent *stream =
		c ? bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE)
		  : NULL;
	if (!stream) {
		close(fd);
		free(c);
		return;
	}
	*c = (struct control_client){.socket = s, .stream = stream};
	s->clients[slot] = c;
	bufferevent_setcb(stream, on_request, on_written, on_end, c);
	bufferevent_setwatermark(stream, EV_READ, 0, MAX_REQUEST);
	bufferevent_set_timeouts(stream, &idle, &idle);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static socklen_t address_of(struct sockaddr_un *out, const struct instance *i)
{
	memset(out, 0, sizeof *out);
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, i->socket, strlen(i->socket));
	return sizeof *out;
}

int control_socket_open(struct control_socket **out, struct event_base *base,
			const struct instance *i, control_answer *answer, void *owner,
			struct fault *f)
{
	struct sockaddr_un at;
	struct control_socket *c = calloc(1, sizeof *c);
	if (!c)
		return fault_set(f, -ENOMEM, "not enough memory for the control socket");
	*c = (struct control_socket){.instance = *i, .answer = answer, .owner = owner};
	socklen_t len = address_of(&at, i);
	unlink(i->socket); /* the instance's lock is ours, so nobody listens there */
	mode_t was = umask(0177);
	c->listener = evconnlistener_new_bind(base, on_connect, c,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
					      (struct sockaddr *)&at, (int)len);
	int err = -errno;
	umask(was);
	if (c->listener) {
		*out = c;
		return 0;
	}
	free(c);
	return fault_set(f, err, "cannot listen on %s: %s", i->socket, strerror(-err));
}

void control_socket_close(struct control_socket *c)
{
	if (!c)
		return;
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (c->clients[i])
			drop_client(c->clients[i]);
	}
	evconnlistener_free(c->listener);
	unlink(c->instance.socket);
	free(c);
}

struct control_client *control_socket_keep(struct control_socket *s, void (*ended)(void *owner),
					   void *owner)
{
	struct control_client *c = s->asking;
	if (!c)
		return NULL;
	c->ended = ended;
	c->owner = owner;
	bufferevent_set_timeouts(c->stream, NULL, NULL);
	return c;
}

void control_client_write(struct control_client *c, struct evbuffer *bytes)
{
	bufferevent_write_buffer(c->stream, bytes);
}

size_t control_client_backlog(const struct control_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->stream));
}

void control_client_finish(struct control_client *c)
{
	const struct timeval idle = {.tv_sec = IDLE_SECONDS};
	c->ended = NULL;
	c->closing = true;
	bufferevent_set_timeouts(c->stream, &idle, &idle);
}

void control_client_answer(struct control_client *c, json_t *response)
{
	write_line(c, response);
	json_decref(response);
	control_client_finish(c);
}

/* ---- a command's side ---- */

static int connect_to(const struct instance *i, unsigned seconds, struct fault *f)
{
	struct sockaddr_un at;
	struct timeval bound = {.tv_sec = seconds};
	socklen_t len = address_of(&at, i);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, len) == 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
		return fd;
	}
	int err = errno;
	if (fd >= 0)
		close(fd);
	if (err == EACCES || err == EPERM) {
		fault_set(f, -err, "may not talk to the daemon at %s", i->socket);
		return fault_advise(f, "run as root");
	}
	fault_set(f, -ECONNREFUSED, "no daemon of instance '%s' is running", i->name);
	return fault_advise(f, "start it with `xgw run`, or name another --instance");
}

/* An answer's line without its end; what follows it is left. NULL when none came. */
static char *read_line(int fd)
{
	size_t n = 0, room = 65536;
	char *text = malloc(room);
	while (text) {
		ssize_t got = recv(fd, text + n, room - n, MSG_PEEK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || n > MAX_RESPONSE)
			break;
		const char *end = memchr(text + n, '\n', (size_t)got);
		size_t take = end ? (size_t)(end - (text + n)) + 1 : (size_t)got;
		if (recv(fd, text + n, take, 0) != (ssize_t)take)
			break;
		n += take;
		if (end) {
			text[n - 1] = '\0';
			return text;
		}
		if (n == room) {
			char *grown = realloc(text, room *= 2);
			if (!grown)
				break;
			text = grown;
		}
	}
	free(text);
	return NULL;
}

static json_t *converse(int fd, json_t *request)
{
	json_t *response = NULL;
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	size_t len = text ? strlen(text) : 0;
	if (text) {
		text[len] = '\n'; /* in place of the NUL: what is sent is a line */
		if (send(fd, text, len + 1, MSG_NOSIGNAL) == (ssize_t)len + 1)
			line = read_line(fd);
	}
	if (line)
		response = json_loads(line, 0, NULL);
	free(line);
	free(text);
	return response;
}

/* Asks over a connection that stays open: *fd, the caller's in any case, -1: there is none. */
static int ask(const struct instance *i, json_t *request, unsigned seconds, json_t **out, int *fd,
	       struct fault *f)
{
	*fd = connect_to(i, seconds, f);
	json_t *response = *fd >= 0 && request ? converse(*fd, request) : NULL;
	json_decref(request);
	if (*fd < 0)
		return f->code;
	if (!json_is_object(response)) {
		json_decref(response);
		fault_set(f, -EPROTO, "the daemon of instance '%s' gave no answer", i->name);
		return fault_advise(f, "look at its log");
	}
	if (json_is_true(json_object_get(response, "ok"))) {
		*out = response;
		return 0;
	}
	const char *error = json_string_value(json_object_get(response, "error"));
	fault_set(f, -EREMOTEIO, "%s", error ? error : "the daemon refused");
	*out = response;
	return f->code;
}

int control_ask(const struct instance *i, json_t *request, json_t **out, struct fault *f)
{
	int fd;
	*out = NULL;
	int err = ask(i, request, PATIENCE_SECONDS, out, &fd, f);
	if (fd >= 0)
		close(fd);
	if (err) {
		json_decref(*out);
		*out = NULL;
	}
	return err;
}

int control_ask_long(const struct instance *i, json_t *request, unsigned seconds, json_t **out,
		     struct fault *f)
{
	int fd;
	*out = NULL;
	int err = ask(i, request, seconds, out, &fd, f);
	if (fd >= 0)
		close(fd);
	return err;
}

int control_follow(const struct instance *i, json_t *request, int *fd, struct fault *f)
{
	json_t *response = NULL;
	int err = ask(i, request, PATIENCE_SECONDS, &response, fd, f);
	json_decref(response);
	if (err && *fd >= 0)
		close(*fd);
	return err;
}
