/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/users.h"

#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct user {
	char name[USERS_NAME];
	uint8_t hash[MSCHAPV2_HASH];
};

struct users {
	struct mschapv2 *algorithms;
	struct user **at; /* by name */
	unsigned n;
};

int users_new(struct users **out, struct fault *f)
{
	struct users *u = calloc(1, sizeof *u);
	*out = NULL;
	if (u)
		u->at = calloc(USERS_MAX, sizeof(struct user *));
	int err = u && u->at ? mschapv2_open(&u->algorithms, f)
			     : fault_set(f, -ENOMEM, "no memory for the users");
	if (err) {
		users_free(u);
		return err;
	}
	*out = u;
	return 0;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	for (unsigned i = 0; i < u->n; i++) {
		wipe(u->at[i], sizeof *u->at[i]);
		free(u->at[i]);
	}
	mschapv2_close(u->algorithms);
	free((void *)u->at);
	free(u);
}

const struct mschapv2 *users_algorithms(const struct users *u)
{
	return u->algorithms;
}

/* Of a user's name and what came. */
static int compare(const char *name, struct bytes came)
{
	size_t n = strlen(name), least = n < came.len ? n : came.len;
	int d = least ? memcmp(name, came.at, least) : 0;
	return d ? d : (n > came.len) - (n < came.len);
}

/* The first that is not before this name. */
static unsigned place(const struct users *u, struct bytes name)
{
	unsigned low = 0, high = u->n;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (compare(u->at[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct users *u, unsigned i, struct bytes name)
{
	return i < u->n && compare(u->at[i]->name, name) == 0;
}

static int hash_fault(int err, struct fault *f)
{
	if (err == -EILSEQ)
		return fault_set(f, -EINVAL, "expected a password in UTF-8, came other bytes");
	if (err == -EMSGSIZE)
		return fault_set(f, -EINVAL, "expected a password of at most %d characters",
				 MSCHAPV2_PASSWORD);
	return fault_set(f, err, "the password can't be hashed");
}

int users_add(struct users *u, const char *name, struct bytes password, struct fault *f)
{
	const struct bytes key = {(const uint8_t *)name, strlen(name)};
	if (!key.len || key.len >= USERS_NAME || strchr(name, '\\'))
		return fault_set(f, -EINVAL,
				 "expected a user name of 1 to %d bytes without \\, came '%.64s'",
				 USERS_NAME - 1, name);
	if (u->n == USERS_MAX)
		return fault_set(f, -ENOSPC, "expected at most %d users", USERS_MAX);
	unsigned i = place(u, key);
	if (is_at(u, i, key))
		return fault_set(f, -EEXIST, "two users have the name '%.64s'", name);
	struct user *user = calloc(1, sizeof *user);
	if (!user)
		return fault_set(f, -ENOMEM, "no memory for the users");
	int err = mschapv2_hash(u->algorithms, password, user->hash);
	if (err) {
		free(user);
		return hash_fault(err, f);
	}
	memcpy(user->name, name, key.len);
	memmove((void *)(u->at + i + 1), (void *)(u->at + i), (u->n - i) * sizeof(struct user *));
	u->at[i] = user;
	u->n++;
	return 0;
}

const uint8_t *users_hash(const struct users *u, struct bytes name, const char **own)
{
	unsigned i = place(u, name);
	if (!is_at(u, i, name))
		return NULL;
	if (own)
		*own = u->at[i]->name;
	return u->at[i]->hash;
}

bool users_has(const struct users *u, struct bytes name)
{
	return users_hash(u, name, NULL) != NULL;
}
