/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket and clients that mean well, and ill. */
#include "loader/control_socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct event_base *base;
	struct control_socket *socket;
	struct instance instance;
	char directory[32];
	unsigned asked;
};

static json_t *answer(void *owner, const json_t *request)
{
	struct fixture *x = owner;
	x->asked++;
	return json_pack("{s:b,s:O}", "ok", 1, "echo", request);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct fault f = {0};
	snprintf(x->directory, sizeof x->directory, "/tmp/xgw-unit-XXXXXX");
	if (!mkdtemp(x->directory))
		return -1;
	snprintf(x->instance.socket, sizeof x->instance.socket, "%s/s", x->directory);
	x->base = event_base_new();
	*state = x;
	return control_socket_open(&x->socket, x->base, &x->instance, answer, x, &f);
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	control_socket_close(x->socket);
	event_base_free(x->base);
	int left = rmdir(x->directory); /* fails when the socket is still there */
	free(x);
	return left;
}

static int connect_to(const struct fixture *x)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(at.sun_path, x->instance.socket, sizeof x->instance.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void turn(const struct fixture *x)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
}

/* What the socket says to these bytes; "" when it closed without a word. */
static const char *say(const struct fixture *x, int fd, const char *bytes, size_t n, char out[512])
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
	turn(x);
	ssize_t got = recv(fd, out, 511, MSG_DONTWAIT);
	out[got > 0 ? got : 0] = '\0';
	return out;
}

static void test_answers(void **state)
{
	struct fixture *x = *state;
	char out[512];
	int fd = connect_to(x);
	say(x, fd, "{\"verb\":\"a\"}\n{\"verb\":\"b\"}\n", 26, out);
	assert_string_equal(out, "{\"ok\":true,\"echo\":{\"verb\":\"a\"}}\n"
				 "{\"ok\":true,\"echo\":{\"verb\":\"b\"}}\n");
	assert_int_equal(x->asked, 2);
	close(fd);
	turn(x);
}

static void test_pieces(void **state)
{
	struct fixture *x = *state;
	char out[512];
	int fd = connect_to(x);
	assert_string_equal(say(x, fd, "{\"verb\"", 7, out), "");
	assert_string_equal(say(x, fd, ":\"a\"}\n", 6, out),
			    "{\"ok\":true,\"echo\":{\"verb\":\"a\"}}\n");
	close(fd);
	turn(x);
}

static void test_nonsense(void **state)
{
	static const char *const lines[] = {
		"\n", "x\n", "[]\n", "{\"a\":\n", "{\"a\":1,\"a\":2}\n", "\"a\"\n"};
	struct fixture *x = *state;
	char out[512];
	int fd = connect_to(x);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_non_null(
			strstr(say(x, fd, lines[i], strlen(lines[i]), out), "\"ok\":false"));
	assert_non_null(strstr(say(x, fd, "{\"a\":\0}\n", 8, out), "\"ok\":false"));
	assert_int_equal(x->asked, 0);
	close(fd);
	turn(x);
}

static void test_too_long(void **state)
{
	struct fixture *x = *state;
	char out[512], *flood = malloc(65536);
	memset(flood, 'a', 65536);
	int fd = connect_to(x);
	send(fd, flood, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
	turn(x);
	ssize_t n = recv(fd, out, 511, MSG_DONTWAIT);
	assert_true(n > 0);
	out[n] = '\0';
	assert_non_null(strstr(out, "too long"));
	turn(x);
	/* closed, perhaps with what was unread thrown away */
	assert_true(recv(fd, out, sizeof out, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
	assert_int_equal(x->asked, 0);
	close(fd);
	free(flood);
}

static void test_many_clients(void **state)
{
	struct fixture *x = *state;
	char out[512];
	int fds[40];
	for (int i = 0; i < 40; i++) {
		fds[i] = connect_to(x);
		turn(x);
	}
	assert_int_equal(recv(fds[39], out, sizeof out, MSG_DONTWAIT), 0); /* refused */
	assert_non_null(strstr(say(x, fds[0], "{}\n", 3, out), "\"ok\":true"));
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	turn(x);
	int fd = connect_to(x);
	assert_non_null(strstr(say(x, fd, "{}\n", 3, out), "\"ok\":true"));
	close(fd);
}

static void test_mode(void **state)
{
	struct fixture *x = *state;
	struct stat st;
	assert_int_equal(stat(x->instance.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_nobody_there(void **state)
{
	struct instance i = {.name = "none", .socket = "/tmp/xgw-unit-nobody-listens"};
	struct fault f = {0};
	json_t *out;
	(void)state;
	assert_int_equal(control_ask(&i, json_object(), &out, &f), -ECONNREFUSED);
	assert_non_null(strstr(f.text, "no daemon of instance 'none'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mode, setup, teardown),
		cmocka_unit_test(test_nobody_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
