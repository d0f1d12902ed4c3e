/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child SA as plain data: what IKE negotiates and ESP carries out. It could cross a process
 * boundary: no pointers, no handles.
 */
#ifndef XGW_BASE_CHILD_SA_H
#define XGW_BASE_CHILD_SA_H

#include "base/addr.h"
#include "base/algorithms.h"
#include "base/secret.h"

#define CHILD_SA_MAX_TS 16

/* RFC 7296 section 3.13.1. Ports in host order; protocol 0 = any. OPAQUE is 65535-0. */
struct traffic_selector {
	uint8_t protocol;
	uint16_t port_first, port_last;
	struct ip_range range;
};

enum esp_encapsulation {
	ESP_NATIVE, /* IP protocol 50 (RFC 4303) */
	ESP_IN_UDP, /* RFC 3948, ports of local and remote */
};

struct child_sa {
	uint32_t connection; /* the loader's connection id, also the tunnel's next hop */
	uint32_t spi_in;     /* ours, host order: identifies the child */
	uint32_t spi_out;    /* the peer's */
	struct ip_endpoint local, remote; /* outer addresses; ports used with ESP_IN_UDP */
	uint8_t encapsulation;		  /* enum esp_encapsulation */
	/* with ESP_IN_UDP: sent from a source port for each inner flow and taken from any, which
	 * both ends agreed to; then local.port is the one of IKE */
	bool port_entropy;
	uint8_t encryption; /* enum encryption_id */
	uint8_t integrity;  /* enum integrity_id, AUTH_NONE with an AEAD */
	bool esn;	    /* RFC 4303 section 2.2.1 */
	uint16_t worker;    /* 0: of any worker; n: made for worker n - 1 alone (RFC 9611) */
	/* KEYMAT of each direction (RFC 7296 section 2.17): encryption key, salt, integrity key */
	struct secret key_in, key_out;
	uint8_t n_local_ts, n_remote_ts;
	struct traffic_selector local_ts[CHILD_SA_MAX_TS], remote_ts[CHILD_SA_MAX_TS];
	uint64_t soft_bytes, hard_bytes;     /* 0 = no limit */
	uint64_t soft_packets, hard_packets; /* 0 = by the sequence number alone */
};

#endif
