/* SPDX-License-Identifier: Apache-2.0 */
#include "base/algorithms.h"

#include <stddef.h>

static const struct encryption encryptions[ENCR_COUNT] = {
	[ENCR_NONE] = {.contract_name = "none", .name = "none"},
#define ENCRYPTION(id, ...) [id] = {__VA_ARGS__},
#define INTEGRITY(...)
#define PRF(...)
#define GROUP(...)
#include "base/algorithms.def"
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

static const struct integrity integrities[AUTH_COUNT] = {
	[AUTH_NONE] = {.contract_name = "none", .name = "none"},
#define ENCRYPTION(...)
#define INTEGRITY(id, ...) [id] = {__VA_ARGS__},
#define PRF(...)
#define GROUP(...)
#include "base/algorithms.def"
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

static const struct prf prfs[PRF_COUNT] = {
	[PRF_NONE] = {.contract_name = "none", .name = "none"},
#define ENCRYPTION(...)
#define INTEGRITY(...)
#define PRF(id, ...) [id] = {__VA_ARGS__},
#define GROUP(...)
#include "base/algorithms.def"
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

static const struct group groups[DH_COUNT] = {
	[DH_NONE] = {.contract_name = "None", .pfs_name = "None", .name = "none"},
#define ENCRYPTION(...)
#define INTEGRITY(...)
#define PRF(...)
#define GROUP(id, ...) [id] = {__VA_ARGS__},
#include "base/algorithms.def"
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

const struct encryption *encryption_of(enum encryption_id id)
{
	return &encryptions[id];
}

const struct integrity *integrity_of(enum integrity_id id)
{
	return &integrities[id];
}

const struct prf *prf_of(enum prf_id id)
{
	return &prfs[id];
}

const struct group *group_of(enum group_id id)
{
	return &groups[id];
}

enum encryption_id encryption_by_number(uint16_t number, uint16_t key_bits)
{
	for (int i = 1; i < ENCR_COUNT; i++)
		if (encryptions[i].number == number && encryptions[i].key_bits == key_bits)
			return (enum encryption_id)i;
	return ENCR_NONE;
}

enum integrity_id integrity_by_number(uint16_t number)
{
	for (int i = 1; i < AUTH_COUNT; i++)
		if (integrities[i].number == number)
			return (enum integrity_id)i;
	return AUTH_NONE;
}

enum prf_id prf_by_number(uint16_t number)
{
	for (int i = 1; i < PRF_COUNT; i++)
		if (prfs[i].number == number)
			return (enum prf_id)i;
	return PRF_NONE;
}

enum group_id group_by_number(uint16_t number)
{
	for (int i = 1; i < DH_COUNT; i++)
		if (groups[i].number == number)
			return (enum group_id)i;
	return DH_NONE;
}
