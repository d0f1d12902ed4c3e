/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker without a kernel: its rings are plain memory, the maps a few arrays, so that a test puts
 * in frames as XDP hands them over and reads what would go onto the wire.
 */
#ifndef XGW_TESTS_UNIT_DATAPATH_WORLD_H
#define XGW_TESTS_UNIT_DATAPATH_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/instant.h"
#include "datapath/datapath_internal.h"

#define WORLD_RING   256u
#define WORLD_FRAMES 1024u
#define RX_HEADROOM  (256u + FRAME_HEADROOM) /* XDP's own, then ours */
#define RX_PIECE     (FRAME_SIZE - RX_HEADROOM)

enum { WAN, LAN, PORTS };
enum { VNET = 1001 };

struct world_ring {
	uint32_t producer, consumer, flags;
	union {
		struct xdp_desc desc[WORLD_RING];
		uint64_t addr[WORLD_RING];
	};
};

/* What the maps would say. */
struct world_maps {
	struct xgw_config config;
	struct {
		struct ip_prefix to;
		struct xgw_next_hop hop;
	} route[8];
	struct {
		struct ip_addr host;
		struct xgw_endpoint at;
	} endpoint[8];
	struct xgw_attachment attachment[4];
	struct xgw_neighbour neighbour;
	struct ip_addr own[2];
	uint32_t branches; /* a connection whose packets may go into circuits, 0: none */
	unsigned n_routes, n_endpoints, n_own, n_sas;
	struct xgw_sa_key sas[16];
	bool has_neighbour;
	unsigned asked; /* how often routes were asked for */
};

struct world {
	struct datapath d;
	struct worker w;
	struct maps maps;
	struct world_maps said;
	struct world_ring rx[PORTS], tx[PORTS], comp[PORTS], fill[PORTS];
	struct queue queues[PORTS];
	uint32_t taken[PORTS]; /* of what was sent */
	uint8_t sent[LARGE_SIZE];
};

/* The maps' functions of the data path under test answer from this world. */
extern struct world *world_now;

void world_start(struct world *g);
void world_stop(struct world *g);
struct ip_addr world_addr(const char *text);
void world_route(struct world *g, const char *prefix, enum xgw_hop_kind kind, uint32_t connection);
void world_endpoint(struct world *g, const char *host, uint32_t attachment, const char *vtep);
/* A buffer of the device as the kernel hands it over; options: XDP_PKT_CONTD when more follow. */
void world_piece(struct world *g, unsigned port, const void *data, uint32_t len, uint32_t options);
/* Hands a frame to the worker as XDP does: metadata, Ethernet of 14 bytes, the IP packet; in as
 * many buffers as it needs. */
void world_receive(struct world *g, unsigned port, const struct xgw_meta *meta, const void *ip,
		   uint32_t len);
/* One round of the worker. */
void world_run(struct world *g);
/* The next packet that left by the port, put together from its frames; NULL when there is none;
 * gone with the next call. */
const uint8_t *world_sent(struct world *g, unsigned port, uint32_t *len);
uint64_t world_drops(const struct world *g, enum xgw_drop why);
/* No frame is lost or held twice. */
void world_check_frames(const struct world *g);

#endif
