/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of BIRD's control socket: the same bytes give the same, whole or cut in two where the
 * first byte says; texts are printable, or as long as they may be. Seeds: corpus_bird_reply.
 */
#include "control/bird_log.h"
#include "control/bird_reply.h"

#include <stdlib.h>
#include <string.h>

/* As a line of BIRD's log: what stands behind the first '<' alone says something. */
static void as_log_line(const uint8_t *bytes, size_t len)
{
	char *line = calloc(1, len + 1);
	if (!line)
		return;
	memcpy(line, bytes, len);
	const char *at = strchr(line, '<');
	if (bird_log_limit(line) != (at ? bird_log_limit(at) : 0))
		abort();
	if (bird_log_limit(line) && !strstr(at, ": Route limit exceeded"))
		abort();
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct told {
	uint64_t sum;
	size_t sessions, answers;
};

static void mix(struct told *t, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	for (size_t i = 0; i < n; i++)
		t->sum = (t->sum ^ b[i]) * 0x100000001b3u;
}

static void on_session(void *owner, const struct bird_session *s)
{
	struct told *t = owner;
	if (!memchr(s->state, 0, sizeof s->state) ||
	    !memchr(s->last_error, 0, sizeof s->last_error))
		abort();
	for (const char *c = s->last_error; *c; c++) {
		if (*c < ' ' || *c > '~')
			abort();
	}
	if (s->up != (strcmp(s->state, "Established") == 0))
		abort();
	t->sessions++;
	mix(t, &s->number, sizeof s->number);
	mix(t, s->imported, sizeof s->imported);
	mix(t, s->exported, sizeof s->exported);
	mix(t, &s->rejected, sizeof s->rejected);
	mix(t, &s->filtered, sizeof s->filtered);
	mix(t, &s->since, sizeof s->since);
	mix(t, s->state, strlen(s->state));
	mix(t, s->last_error, strlen(s->last_error));
}

static void on_done(void *owner, unsigned code, const char *text)
{
	struct told *t = owner;
	if (code > 9999 || strlen(text) > BIRD_LINE)
		abort();
	t->answers++;
	mix(t, &code, sizeof code);
	mix(t, text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct told whole = {0}, pieces = {0};
	struct bird_reply r;
	if (!len)
		return 0;
	size_t cut = bytes[0] * (len - 1) / 255;
	bytes++;
	len--;
	as_log_line(bytes, len);
	bird_reply_init(&r, &whole, on_session, on_done);
	bool ok = bird_reply_feed(&r, bytes, len);
	bird_reply_init(&r, &pieces, on_session, on_done);
	bool same = bird_reply_feed(&r, bytes, cut) && bird_reply_feed(&r, bytes + cut, len - cut);
	if (ok != same || memcmp(&whole, &pieces, sizeof whole) != 0)
		abort();
	return 0;
}
