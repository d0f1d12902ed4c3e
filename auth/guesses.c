/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of keys that failed, in sets by a keyed hash; see guesses.h. */
#include "auth/guesses.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define WAYS	8
#define SETS	(GUESSES_ROWS / WAYS)
#define KEY	16
#define SHOWN	64 /* bytes of a user name in a message */
#define DOUBLES 4

_Static_assert(GUESSES_HOLD << DOUBLES == GUESSES_LONGEST, "the longest is one of them");

struct row {
	uint8_t key[KEY];
	bool used;
	uint32_t failures, holds;
	int64_t first, last, until; /* of the failures that count; of any; no attempt before */
};

struct guesses {
	uint8_t salt[GUESSES_SALT];
	struct row row[SETS][WAYS];
	struct guesses_count count;
};

int guesses_new(struct guesses **out, const uint8_t salt[GUESSES_SALT])
{
	*out = calloc(1, sizeof **out);
	if (!*out)
		return -ENOMEM;
	memcpy((*out)->salt, salt, GUESSES_SALT);
	return 0;
}

void guesses_free(struct guesses *g)
{
	free(g);
}

/* Of a source and a user, or of a source alone, which the second byte tells. */
static bool key_of(const struct guesses *g, const struct ip_addr *source, const struct bytes *user,
		   uint8_t key[KEY])
{
	uint8_t in[18 + 256] = {source->family, user != NULL}, h[EVP_MAX_MD_SIZE];
	size_t n = 2;
	const size_t address = source->family == IP_V4 ? 4 : 8;
	memcpy(in + n, source->b, address);
	n += address;
	if (user) {
		const size_t len = user->len < 256 ? user->len : 256;
		memcpy(in + n, user->at, len);
		n += len;
	}
	unsigned out = 0;
	if (!HMAC(EVP_sha256(), g->salt, GUESSES_SALT, in, n, h, &out) || out < KEY)
		return false;
	memcpy(key, h, KEY);
	return true;
}

static struct row *set_of(struct guesses *g, const uint8_t key[KEY])
{
	return g->row[load_be32(key) % SETS];
}

static struct row *find(struct guesses *g, const uint8_t key[KEY])
{
	struct row *set = set_of(g, key);
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && !memcmp(set[i].key, key, KEY))
			return &set[i];
	return NULL;
}

/* A clock that was set back makes nobody wait longer than the longest. */
static bool is_held(const struct row *r, int64_t now)
{
	return r->until > now && r->until - now <= GUESSES_LONGEST;
}

static bool is_over(const struct row *r, int64_t now)
{
	return !r->used || now - r->last > GUESSES_FORGET || r->last - now > GUESSES_FORGET;
}

/* How much would be lost with it. */
static int64_t worth(const struct row *r, int64_t now)
{
	if (is_over(r, now))
		return -1;
	return (int64_t)r->holds * GUESSES_FORGET * 2 + r->failures * (int64_t)GUESSES_WHILE -
	       (now - r->last);
}

static struct row *find_or_make(struct guesses *g, const uint8_t key[KEY], int64_t now)
{
	struct row *r = find(g, key), *set = set_of(g, key);
	if (r && !is_over(r, now))
		return r;
	for (unsigned i = 0; !r && i < WAYS; i++)
		if (!set[i].used)
			r = &set[i];
	for (unsigned i = 0; i < WAYS && (!r || r->used); i++)
		if (!r || worth(&set[i], now) < worth(r, now))
			r = &set[i];
	*r = (struct row){.used = true, .first = now, .last = now};
	memcpy(r->key, key, KEY);
	return r;
}

static void fail(struct row *r, uint32_t most, int64_t now)
{
	if (now - r->first > GUESSES_WHILE || now < r->first) {
		r->first = now;
		r->failures = 0;
	}
	r->last = now;
	if (++r->failures < most)
		return;
	r->until = now + (GUESSES_HOLD << (r->holds < DOUBLES ? r->holds : DOUBLES));
	r->holds++;
	r->failures = 0;
}

static void say(struct fault *f, const struct ip_addr *source, struct bytes user, int64_t seconds)
{
	char address[IP_TEXT], text[SHOWN + 1] = "";
	for (size_t i = 0; i < user.len && i < SHOWN; i++)
		text[i] = user.at[i] < 0x20 || user.at[i] == 0x7f ? '?' : (char)user.at[i];
	fault_set(f, -EACCES,
		  "too many wrong passwords from %s: that of user '%s' is not looked at for "
		  "another %lld s",
		  ip_addr_format(source, address), text, (long long)seconds);
}

bool guesses_may(struct guesses *g, const struct ip_addr *source, struct bytes user, int64_t now,
		 struct fault *f)
{
	uint8_t key[KEY];
	if (!g || !source->family)
		return true;
	for (int alone = 0; alone < 2; alone++) {
		const struct row *r =
			key_of(g, source, alone ? NULL : &user, key) ? find(g, key) : NULL;
		if (!r || !is_held(r, now))
			continue;
		g->count.held++;
		say(f, source, user, r->until - now);
		return false;
	}
	return true;
}

void guesses_failed(struct guesses *g, const struct ip_addr *source, struct bytes user, int64_t now)
{
	uint8_t key[KEY];
	if (!g)
		return;
	g->count.failed++;
	if (!source->family)
		return;
	if (key_of(g, source, &user, key))
		fail(find_or_make(g, key, now), GUESSES_PAIR, now);
	if (key_of(g, source, NULL, key))
		fail(find_or_make(g, key, now), GUESSES_SOURCE, now);
}

/* The source keeps its count: who knows one password may still guess others. */
void guesses_succeeded(struct guesses *g, const struct ip_addr *source, struct bytes user)
{
	uint8_t key[KEY];
	struct row *r = g && source->family && key_of(g, source, &user, key) ? find(g, key) : NULL;
	if (r)
		*r = (struct row){0};
}

struct guesses_count guesses_count(const struct guesses *g)
{
	return g ? g->count : (struct guesses_count){0};
}
