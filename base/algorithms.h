/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The algorithms of IKE and ESP as tables, made from algorithms.def. Which of them a part of the
 * program can compute is that part's to say; this file only names them.
 */
#ifndef XGW_BASE_ALGORITHMS_H
#define XGW_BASE_ALGORITHMS_H

#include <stdbool.h>
#include <stdint.h>

enum encryption_id {
	ENCR_NONE,
#define ENCRYPTION(id, ...) id,
#define INTEGRITY(...)
#define PRF(...)
#define GROUP(...)
#include "base/algorithms.def"
	ENCR_COUNT
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

enum integrity_id {
	AUTH_NONE, /* an AEAD brings its own */
#define ENCRYPTION(...)
#define INTEGRITY(id, ...) id,
#define PRF(...)
#define GROUP(...)
#include "base/algorithms.def"
	AUTH_COUNT
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

enum prf_id {
	PRF_NONE,
#define ENCRYPTION(...)
#define INTEGRITY(...)
#define PRF(id, ...) id,
#define GROUP(...)
#include "base/algorithms.def"
	PRF_COUNT
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

enum group_id {
	DH_NONE,
#define ENCRYPTION(...)
#define INTEGRITY(...)
#define PRF(...)
#define GROUP(id, ...) id,
#include "base/algorithms.def"
	DH_COUNT
#undef ENCRYPTION
#undef INTEGRITY
#undef PRF
#undef GROUP
};

struct encryption {
	uint16_t number; /* IANA */
	const char *contract_name, *name;
	uint16_t key_bits; /* key-length attribute, 0 = none is sent */
	uint8_t key_bytes, salt_bytes, iv_bytes, icv_bytes, block_bytes;
	bool aead, weak;
};
struct integrity {
	uint16_t number;
	const char *contract_name, *name;
	uint8_t key_bytes, icv_bytes;
	bool weak;
};
struct prf {
	uint16_t number;
	const char *contract_name, *name;
	uint8_t bytes;
	bool weak;
};
struct group {
	uint16_t number;
	const char *contract_name, *pfs_name, *name; /* pfs_name may be NULL */
	/* of the initiator's value, of the responder's (another one with a KEM), of the secret */
	uint16_t public_bytes, answer_bytes, shared_bytes;
	bool weak;
};

/* The row of an id; the NONE row has the name "none" and zeros. Never NULL for a valid id. */
const struct encryption *encryption_of(enum encryption_id id);
const struct integrity *integrity_of(enum integrity_id id);
const struct prf *prf_of(enum prf_id id);
const struct group *group_of(enum group_id id);
/* By IANA number (and key-length attribute); *_NONE when unknown. */
enum encryption_id encryption_by_number(uint16_t number, uint16_t key_bits);
enum integrity_id integrity_by_number(uint16_t number);
enum prf_id prf_by_number(uint16_t number);
enum group_id group_by_number(uint16_t number);

#endif
