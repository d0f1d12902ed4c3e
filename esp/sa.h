/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run-time state of a child SA, for esp/ only. What the workers read for every packet, what they
 * write, and what only status looks at stand in cache lines of their own, apart for each direction.
 */
#ifndef XGW_ESP_SA_H
#define XGW_ESP_SA_H

#include "esp/crypto_private.h"
#include "esp/esp.h"
#include "esp/replay.h"

#include <stdatomic.h>
#include <string.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* Once for AES-GCM, whose sizes are constants, and once for all others. */
#define both_ways    static inline __attribute__((always_inline))
#define ESP_LINE     64
#define ESP_CHUNK    32 /* operations that are prepared before their cryptography, at most */
#define ESP_AHEAD    1	/* packets, of the prefetch */
#define ESP_GRAIN    2 /* of them where the library takes one packet at a time: see esp/encrypt.c */
#define SOFT_QUIET   0
#define SOFT_PENDING 1
#define SOFT_TAKEN   2

/* Addresses as numbers of the host, so that a range is two comparisons. */
struct selector_v4 {
	uint32_t first, last;
};
struct selector_v6 {
	unsigned __int128 first, last;
};
struct selector_set {
	bool by_address; /* no protocol, no ports: v4 and v6 below say all; otherwise the child's
			    list is asked */
	uint8_t n4, n6;
	struct selector_v4 v4[CHILD_SA_MAX_TS];
	struct selector_v6 v6[CHILD_SA_MAX_TS];
};
void selector_compile(struct selector_set *out, const struct traffic_selector *ts, unsigned n);
/* A decrypted packet whose header has been checked: XGW_DROP_NONE, or why it is refused. */
enum xgw_drop selector_judge_in(const struct esp_sa *sa, const uint8_t *ip, uint32_t len);

struct esp_out {
	/* read for every packet */
	const struct esp_key *key;
	const struct esp_backend *backend;
	uint32_t spi;
	uint8_t salt[4];
	uint16_t head_len; /* outer headers, ESP header, IV */
	uint8_t outer_len, family, udp;
	uint8_t iv_bytes, icv_bytes,
		block_mask; /* block_mask: alignment of the trailer's end - 1 */
	bool esn, cbc;
	bool gcm;	       /* by gcm_seal */
	bool port_entropy;     /* the source port is by the hash of the flow */
	uint32_t template_sum; /* of the constant words of the IPv4 header but the first */
	uint32_t udp_ports;
	/* first eight bytes of an IPv4 header: what stays of the inner one's TOS and DF, and what
	 * is added */
	uint64_t head_keep, head_add;
	uint64_t v4_middle; /* bytes 8 to 15 of the IPv4 header, without the checksum */
	uint8_t outer[40];  /* IP header */
	uint64_t last_sequence, soft_sequence;
	uint64_t hard_bytes, soft_bytes, hard_packets;
	uint64_t flow_seed; /* of the hash of inner flows */
	/* written by every run */
	_Atomic uint64_t sequence __attribute__((aligned(ESP_LINE))); /* last one taken */
	_Atomic uint64_t packets, bytes;
} __attribute__((aligned(ESP_LINE)));

struct esp_in {
	const struct esp_key *key;
	const struct esp_backend *backend;
	uint32_t spi;
	uint8_t salt[4];
	uint8_t iv_bytes, icv_bytes, block_mask;
	bool esn, aead;
	bool gcm; /* by gcm_open */
	/* selectors of one IPv4 range each way and nothing else: first and last - first */
	bool one_v4;
	uint32_t source_v4, source_v4_span, destination_v4, destination_v4_span;
	uint64_t hard_bytes, soft_bytes, hard_packets, soft_packets, soft_sequence;
	/* of the window and of the counters behind it: some dozen cycles a run */
	atomic_flag lock __attribute__((aligned(ESP_LINE)));
	struct replay replay;
	_Atomic uint64_t packets, bytes, auth_failed, replayed, selector;
} __attribute__((aligned(ESP_LINE)));

struct esp_sa {
	struct esp_out out;
	struct esp_in in;
	struct selector_set local, remote;
	_Atomic int soft; /* SOFT_… */
	struct child_sa child;
};

/* Salt and IV; both as they stand in memory. */
static inline void gcm_nonce(struct esp_gcm_op *op, const uint8_t salt[4], uint64_t iv)
{
	uint32_t s;
	memcpy(&s, salt, sizeof s);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t low = s | iv << 32, high = iv >> 32;
#else
	const uint64_t low = (uint64_t)s << 32 | iv >> 32, high = iv << 32;
#endif
	memcpy(op->nonce, &low, 8);
	memcpy(op->nonce + 8, &high, 8);
}

static inline void sa_soft_expired(struct esp_sa *sa)
{
	int quiet = SOFT_QUIET;
	if (atomic_load_explicit(&sa->soft, memory_order_relaxed) == SOFT_QUIET)
		atomic_compare_exchange_strong(&sa->soft, &quiet, SOFT_PENDING);
}

static inline void count(_Atomic uint64_t *c, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* The same by a thread that holds the lock under which alone the counter is written. */
static inline void count_locked(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
