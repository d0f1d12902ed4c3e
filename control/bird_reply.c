/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bird_reply.h"

#include <stdio.h>
#include <string.h>

/* Codes of lines, as BIRD numbers them. */
#define CODE_PROTOCOL 1002u
#define CODE_DETAILS  1006u

void bird_reply_init(struct bird_reply *r, void *owner,
		     void (*session)(void *owner, const struct bird_session *s),
		     void (*done)(void *owner, unsigned code, const char *text))
{
	memset(r, 0, sizeof *r);
	r->owner = owner;
	r->session = session;
	r->done = done;
	r->channel = -1;
}

/* ---- words and numbers of a line ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

/* The next word, cut to the room, and what is behind it. */
static const char *take_word(const char *at, char *out, size_t room)
{
	size_t n = 0;
	at = skip_spaces(at);
	for (; *at && *at != ' '; at++) {
		if (n + 1 < room)
			out[n++] = *at;
	}
	out[n] = 0;
	return at;
}

/* Digits; as large as it can be when there are too many. False when there is none. */
static bool take_number(const char **at, uint64_t most, uint64_t *out)
{
	const char *p = skip_spaces(*at);
	uint64_t n = 0;
	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		n = n > (most - digit) / 10 ? most : n * 10 + digit;
	}
	*at = p;
	*out = n;
	return true;
}

/* What stands behind "label:", or NULL when the line is another. */
static const char *value_of(const char *line, const char *label)
{
	size_t n = strlen(label);
	line = skip_spaces(line);
	return strncmp(line, label, n) == 0 && line[n] == ':' ? skip_spaces(line + n + 1) : NULL;
}

/* ---- sessions ---- */

static void end_session(struct bird_reply *r)
{
	if (r->in_session && r->session)
		r->session(r->owner, &r->at);
	r->in_session = false;
}

/* "peer_1     BGP        ---        up     1796000987    Established" */
static void begin_session(struct bird_reply *r, const char *text)
{
	char word[32];
	uint64_t n;
	end_session(r);
	memset(&r->at, 0, sizeof r->at);
	r->channel = -1;
	text = take_word(text, word, sizeof word);
	const char *digits = word + 5;
	if (strncmp(word, "peer_", 5) != 0 || !take_number(&digits, UINT32_MAX, &n) || *digits)
		return;
	r->at.number = (uint32_t)n;
	r->in_session = true;
	for (int skipped = 0; skipped < 3; skipped++)
		text = take_word(text, word, sizeof word);
	if (take_number(&text, UINT64_MAX, &n))
		r->at.since = n;
	take_word(text, r->at.state, sizeof r->at.state);
	r->at.up = strcmp(r->at.state, "Established") == 0;
}

static void take_text(const char *from, char *out, size_t room)
{
	size_t n = 0;
	for (; *from && n + 1 < room; from++)
		out[n++] = *from < ' ' || *from > '~' ? '.' : *from;
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}

/* "3 imported, 2 exported, 3 preferred": which of them there are depends on BIRD's settings. */
static void take_routes(struct bird_reply *r, const char *text)
{
	char word[16];
	uint64_t n;
	while (take_number(&text, UINT32_MAX, &n)) {
		text = take_word(text, word, sizeof word);
		if (strcmp(word, "imported,") == 0)
			r->at.imported[r->channel] = (uint32_t)n;
		else if (strcmp(word, "exported,") == 0)
			r->at.exported[r->channel] = (uint32_t)n;
	}
}

static uint32_t add_most(uint32_t a, uint64_t b)
{
	return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

/* received, rejected, filtered, ignored, accepted */
static void take_updates(struct bird_reply *r, const char *text)
{
	uint64_t received, rejected, filtered;
	if (!take_number(&text, UINT32_MAX, &received) ||
	    !take_number(&text, UINT32_MAX, &rejected) ||
	    !take_number(&text, UINT32_MAX, &filtered))
		return;
	r->at.rejected = add_most(r->at.rejected, rejected);
	r->at.filtered = add_most(r->at.filtered, filtered);
}

static void take_detail(struct bird_reply *r, const char *text)
{
	const char *v;
	if (!r->in_session)
		return;
	if ((v = value_of(text, "BGP state"))) {
		take_word(v, r->at.state, sizeof r->at.state);
		r->at.up = strcmp(r->at.state, "Established") == 0;
	} else if ((v = value_of(text, "Last error"))) {
		take_text(v, r->at.last_error, sizeof r->at.last_error);
	} else if (strncmp(skip_spaces(text), "Channel ", 8) == 0) {
		v = skip_spaces(text) + 8;
		r->channel = strcmp(v, "ipv4") == 0 ? 0 : strcmp(v, "ipv6") == 0 ? 1 : -1;
	} else if (r->channel >= 0 && (v = value_of(text, "Routes"))) {
		take_routes(r, v);
	} else if (r->channel >= 0 && (v = value_of(text, "Import updates"))) {
		take_updates(r, v);
	}
}

/* ---- lines ---- */

static void take_text_line(struct bird_reply *r, const char *text)
{
	if (r->code == CODE_PROTOCOL)
		begin_session(r, text);
	else if (r->code == CODE_DETAILS)
		take_detail(r, text);
}

static bool take_line(struct bird_reply *r)
{
	const char *line = r->line;
	if (*line == ' ') { /* more of the last code */
		take_text_line(r, line + 1);
		return true;
	}
	unsigned code = 0;
	for (int i = 0; i < 4; i++) {
		if (!is_digit(line[i]))
			return false;
		code = code * 10 + (unsigned)(line[i] - '0');
	}
	if (line[4] != '-' && line[4] != ' ')
		return false;
	r->code = code;
	take_text_line(r, line + 5);
	if (line[4] == ' ') {
		end_session(r);
		r->code = 0;
		r->done(r->owner, code, line + 5);
	}
	return true;
}

bool bird_reply_feed(struct bird_reply *r, const void *bytes, size_t n)
{
	const char *at = bytes;
	for (size_t i = 0; i < n; i++) {
		if (at[i] != '\n') {
			/* no line has NUL; what is too long is cut */
			if (r->len < BIRD_LINE)
				r->line[r->len++] = at[i] ? at[i] : '.';
			continue;
		}
		r->line[r->len] = 0;
		r->len = 0;
		if (!take_line(r))
			return false;
	}
	return true;
}
