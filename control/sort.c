/* SPDX-License-Identifier: Apache-2.0 */
#include "control/sort.h"

#include <stdlib.h>
#include <string.h>

struct sorting {
	uint8_t *from, *to;
	size_t n, size;
	sort_compare *compare;
};

/* Behind the run that begins with element i. */
static size_t run_end(const struct sorting *s, size_t i)
{
	const uint8_t *p = s->from + i * s->size;
	for (i++; i < s->n && s->compare(p, p + s->size) <= 0; i++)
		p += s->size;
	return i;
}

/* Two runs behind each other, a..b and b..c, into one at the same place of the other array. */
static void merge(const struct sorting *s, size_t a, size_t b, size_t c)
{
	const size_t size = s->size;
	const uint8_t *x = s->from + a * size, *y = s->from + b * size;
	const uint8_t *x_end = y, *y_end = s->from + c * size;
	uint8_t *to = s->to + a * size;
	while (x < x_end && y < y_end) {
		const uint8_t **least = s->compare(x, y) <= 0 ? &x : &y;
		memcpy(to, *least, size);
		*least += size;
		to += size;
	}
	memcpy(to, x, (size_t)(x_end - x));
	memcpy(to + (x_end - x), y, (size_t)(y_end - y));
}

/* One pass: every two runs become one. Returns how many there are then. */
static size_t merge_runs(const struct sorting *s)
{
	size_t runs = 0;
	for (size_t a = 0; a < s->n; runs++) {
		size_t b = run_end(s, a), c = b < s->n ? run_end(s, b) : b;
		merge(s, a, b, c);
		a = c;
	}
	return runs;
}

/* Where the result is: in one of both arrays. */
static uint8_t *sort_between(uint8_t *at, uint8_t *room, size_t n, size_t size,
			     sort_compare *compare)
{
	struct sorting s = {at, room, n, size, compare};
	while (run_end(&s, 0) < n) {
		size_t runs = merge_runs(&s);
		uint8_t *other = s.from;
		s.from = s.to;
		s.to = other;
		if (runs == 1)
			break;
	}
	return s.from;
}

bool sort_runs(void *at, size_t n, size_t size, sort_compare *compare)
{
	const struct sorting s = {.from = at, .n = n, .size = size, .compare = compare};
	if (n < 2 || run_end(&s, 0) == n)
		return true;
	uint8_t *room = reallocarray(NULL, n, size);
	if (!room)
		return false;
	uint8_t *sorted = sort_between(at, room, n, size, compare);
	if (sorted != at)
		memcpy(at, sorted, n * size);
	free(room);
	return true;
}

/* Elements in the order of their groups; first[g + 1] is then behind those of group g. */
static void scatter(uint8_t *to, const uint8_t *from, size_t n, size_t size, const uint32_t *group,
		    size_t *first)
{
	for (size_t i = 0; i < n; i++)
		memcpy(to + first[group[i] + 1]++ * size, from + i * size, size);
}

bool sort_groups(void **at, size_t n, size_t size, const uint32_t *group, uint32_t groups,
		 sort_compare *compare)
{
	size_t *first = calloc(groups + 2u, sizeof *first);
	uint8_t *sorted = n ? reallocarray(NULL, n, size) : NULL, *room = *at;
	if (!n || !first || !sorted) {
		free(first);
		free(sorted);
		return !n;
	}
	for (size_t i = 0; i < n; i++)
		first[group[i] + 2u]++;
	for (uint32_t g = 0; g < groups; g++)
		first[g + 2u] += first[g + 1u];
	scatter(sorted, room, n, size, group, first);
	for (uint32_t g = 0; g < groups; g++) {
		size_t from = first[g], of = first[g + 1u] - from;
		uint8_t *here = sorted + from * size;
		const uint8_t *done = of ? sort_between(here, room, of, size, compare) : here;
		if (done != here)
			memcpy(here, done, of * size);
	}
	free(first);
	free(room);
	*at = sorted;
	return true;
}
