/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path's own structures. Who writes what: the loader's thread writes tables and publishes
 * by RCU (QSBR); a worker writes its own frames, queues, cache and counters. Workers report through
 * one bounded queue of events.
 */
#ifndef XGW_DATAPATH_INTERNAL_H
#define XGW_DATAPATH_INTERNAL_H

#include "datapath/account.h"
#include "datapath/datapath.h"
#include "datapath/frames.h"
#include "maps/meta.h"

#include <pthread.h>
#include <stdatomic.h>
#include <urcu-qsbr.h>

#define BURST		ESP_MAX_BURST
#define CACHE_SLOTS	4096u /* of each worker, a power of two */
#define MAX_CONNECTIONS 65536u
#define TUNNEL_CHILDREN 160 /* for each of 64 workers one and one that follows it, and for all */
#define EVENTS		1024u
#define MAX_L2		(14 + 40 + 8 + 8 + 14)
#define POLL_MS		100
#define OWN_ADDRESSES	256
#define LOOP_ROOM	1024u
#define RESOLVE_GAP_NS	1000000ull
#define ICMP_PER_SECOND \
	1000u /* errors of a worker (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)) */

/* An installed child SA. Published in slots[]; other addresses mean another one; freed after a
 * grace period. */
struct child {
	struct esp_sa *sa;
	uint32_t slot, spi_in, spi_out, connection, vnet;
	struct ip_endpoint local, remote;
	_Atomic uint32_t loop_slot; /* where the other end's SA was found in this instance, + 1 */
	uint16_t worker;	    /* 0: of any worker, n: of worker n - 1 alone */
	bool udp, any_v4, any_v6;   /* any: every packet of the family matches the selectors */
	bool port_entropy;	    /* as of its child_sa */
	_Atomic uint32_t inner_mtu; /* on the tunnel's path */
	_Atomic uint64_t alive_ns;  /* when the last sign of life was reported */
	_Atomic bool moved_told;
};

/* What a worker needs to send on a tunnel; a new one replaces it with every change. */
struct outbound {
	bool usable, loop; /* as in struct datapath_path */
	uint32_t port_id;
	uint8_t ethernet[12];
	unsigned n;
	struct child *child[TUNNEL_CHILDREN]; /* newest first */
	uint32_t inner_mtu[TUNNEL_CHILDREN];
	uint16_t worker[TUNNEL_CHILDREN]; /* as child[i]->worker */
	struct outbound *retired;	  /* the next one that waits to be freed */
};

struct connection_count {
	_Atomic uint64_t drops[XGW_DROP_COUNT];
};

/* What routers said of a tunnel's path. */
struct learnt_mtu {
	uint32_t mtu;	   /* 0: nothing */
	uint64_t until_ns; /* then larger packets are tried again */
	uint64_t second;   /* of the last one that was believed */
	uint32_t in_second;
	bool ports_only;
};

struct tunnel {
	uint32_t id;
	struct datapath_path path;
	struct learnt_mtu learnt;
	struct datapath_outer outer;
	struct outbound *outbound; /* RCU */
	struct connection_count count;
	struct esp_counters gone;	       /* of children that are removed */
	struct child *active[TUNNEL_CHILDREN]; /* the loader's copy of outbound->child */
	unsigned n_active;
	uint32_t children; /* first slot of its children, NO_SLOT: none */
};

/* The loader's ways to a child, each a chain of slots: hash tables, and the tunnel's own list
 * (slots.c). */
#define NO_SLOT UINT32_MAX
enum { BY_SPI_IN, BY_SPI_OUT, BY_PEER, BY_TUNNEL, SLOT_CHAINS };
struct slot_links {
	uint32_t next[SLOT_CHAINS];
};
struct slots {
	uint32_t *bucket[BY_TUNNEL]; /* first slots of chains */
	uint32_t buckets;	     /* of each; a power of two */
	struct slot_links *links;    /* by slot */
	uint32_t *free_slot, free_at, n_free;
};

/* What is asked of the maps: a destination in a VNet, and whose table of user routes counts too. */
struct question {
	uint32_t vnet;
	uint32_t tunnel; /* the packet came out of this connection; 0: of none */
	uint32_t hop;	 /* the next hop is found already; 0: it is not */
	uint8_t addr[16];
};

/* A decision about that. SPREAD: each flow to one of the members, next hops that are up. */
enum decision_kind {
	DECIDE_NOTHING,
	DECIDE_DROP,
	DECIDE_SEND,
	DECIDE_TUNNEL,
	DECIDE_OWN,
	DECIDE_SPREAD
};
struct decision {
	uint64_t generation;
	struct question about;
	uint32_t member[XGW_HOP_MEMBERS];
	enum decision_kind kind;
	enum xgw_drop drop;
	uint32_t connection, port_id, mtu;
	uint32_t limiter;    /* SEND: of a circuit's bandwidth, in the map `limiters`; 0: none */
	uint8_t l2_len, tag; /* enum xgw_tag: VXLAN has lengths and a port to fill in */
	uint8_t l2[MAX_L2];
};

struct own_address {
	uint32_t vnet;
	struct ip_addr addr;
};

struct packet {
	uint8_t *at; /* the IP packet in hand */
	uint32_t len;
	uint64_t frame;	     /* address of the frame's start in the UMEM */
	uint32_t connection; /* tunnel it goes to, or came from */
	uint32_t vnet;
	struct child *child;
	struct ip_endpoint from; /* outer source, ESP in UDP */
	uint32_t slot;		 /* ESP: where XDP says its SA is */
	uint32_t hop;		 /* the next hop that XDP found; 0: ask for the route */
	uint16_t esp;		 /* ESP: offset of its header from `at`; 0 when it is decrypted */
	bool aged;		 /* TTL is done with: decremented here, or made here */
	uint64_t stamp;		 /* ns of its arrival when it is timed, else 0 */
	bool chosen;		 /* child is the outbound SA: the packet is a later fragment */
	bool from_client;	 /* of clients.c: `connection` is the one that it came from */
};

struct worker {
	struct datapath *d;
	unsigned index;
	pthread_t thread;
	bool running;
	int wake_fd;
	struct frames frames;
	struct transmit transmit;
	struct queue *queues;
	unsigned n_queues;
	struct queue *queue_of_port[XGW_MAX_PORTS]; /* for sending */
	struct esp_crypto *crypto;
	struct handover *handover; /* NULL: there is no other worker */
	uint64_t now_ns, resolve_ns;
	uint64_t icmp_second; /* of now_ns */
	uint32_t icmp_sent;   /* in that second */
	/* packets of this round, by what happens to them next */
	struct packet out[BURST], in[BURST];
	unsigned n_out, n_in;
	/* ESP to another gateway of this instance, which is to come in again (loop.c) */
	struct packet looped[LOOP_ROOM];
	unsigned n_looped;
	struct decision *cache;
	uint64_t own_generation;
	unsigned n_own;
	struct own_address own[OWN_ADDRESSES];
	struct datapath_worker_status status;
	struct account account;
	uint8_t apart[64]; /* from the next one's counters */
};

/* tap.c: the lock keeps `buffer` and what follows it. */
struct tap {
	_Atomic uint32_t connection; /* as in datapath_capture() */
	pthread_mutex_t lock;
	uint8_t *buffer;
	size_t used;
	uint64_t lost;
	uint8_t *spare; /* the loader's */
};

struct datapath {
	struct datapath_options o;
	struct tap tap;
	struct worker *workers;
	unsigned n_workers;
	unsigned n_io; /* the first ones: with queues; the others only help (handover.h) */
	_Atomic bool stop;
	_Atomic bool transmit_ready[XGW_MAX_PORTS]; /* by port id */
	struct child **slots;			    /* RCU, by slot */
	uint32_t max_slots;
	struct tunnel **tunnels; /* RCU, by connection id */
	struct limits *limits;	 /* RCU; NULL: of no gateway */
	struct reassembled *reassembled;
	struct clients *clients;
	struct slots table;
	struct outbound *retired; /* workers may still look at them */
	unsigned n_retired;
	/* path_mtu.c */
	unsigned n_learnt;
	uint64_t icmp_second;
	uint32_t icmp_in_second;
	uint64_t icmp_count[DATAPATH_PMTU_COUNT];
	/* events */
	pthread_mutex_t event_lock;
	int event_fd;
	struct datapath_event events[EVENTS];
	unsigned event_head, event_tail;
	uint64_t flushed[XGW_DROP_COUNT];
};

/* tables.c: max_slots is set. 0 or -ENOMEM. */
int tables_start(struct datapath *d);
/* All tunnels, with their children, and the tables themselves; no worker runs any more. */
void tables_stop(struct datapath *d);

/* Makes what changed of a tunnel known to the workers. 0 or -ENOMEM: the old state stays. */
int tables_publish(struct datapath *d, struct tunnel *t);
/* path_mtu.c: of the path, as far as is known. */
uint32_t path_mtu(const struct tunnel *t);
/* The path is another one: what was learnt of the old one is void. */
void path_mtu_forget(struct datapath *d, struct tunnel *t);

/* worker.c */
void *worker_main(void *worker);
/* Once round all queues: receive, ESP, send. How many packets came. */
uint32_t worker_round(struct worker *w);
/* Counts it, shows it to who captures, and gives its frame back. */
void worker_drop(struct worker *w, const struct packet *p, enum xgw_drop why);
/* Sends an Ethernet frame that starts at `at` on a port; frame is given away. */
void worker_send(struct worker *w, uint32_t port_id, const struct packet *p, const uint8_t *at,
		 uint32_t len);
/* False: the queue is full. */
bool worker_event(struct worker *w, const struct datapath_event *e);
/* Tells of the child's soft limit when it was passed and nobody has been told yet. */
void worker_soft_expiry(struct worker *w, const struct child *c);
static inline uint8_t *frame_start(const struct worker *w, uint64_t frame)
{
	return w->frames.area + frame;
}
/* Bytes from `at` to the end of the packet's frame or large buffer. */
static inline uint32_t frame_left(const struct worker *w, const struct packet *p)
{
	uint32_t size = p->frame < w->frames.umem_bytes ? FRAME_SIZE : LARGE_SIZE;
	return (uint32_t)(frame_start(w, p->frame) + size - p->at);
}

/* outbound.c: w->out through ESP and onto the wire */
void outbound_add(struct worker *w, const struct packet *p);
void outbound_run(struct worker *w);
/* inbound.c: w->in through ESP into VNets */
void inbound_add(struct worker *w, const struct packet *p);
void inbound_run(struct worker *w);
/* Delivers an IP packet inside a VNet by the maps. */
void inbound_deliver(struct worker *w, struct packet *p);

/* loop.c: ESP between two gateways of one instance never leaves the host. */
/* The ESP packet e of p's child goes to the other end's SA. */
void loop_add(struct worker *w, const struct packet *p, const struct esp_packet *e);
/* What has been looped comes in; what that loops anew waits for the next call. How many packets. */
unsigned loop_run(struct worker *w);

/* decide.c */
/* Where the packet goes: that came out of a tunnel if it has a child. */
const struct decision *decide(struct worker *w, const struct packet *p);
/* The gateway's own address in a VNet, of that family; false when it has none. */
bool decide_own_address(struct worker *w, uint32_t vnet, uint8_t family, struct ip_addr *out);
/* Writes the decision's link-layer headers in front of the packet; the new start, NULL when there
 * is no room. */
uint8_t *decide_encapsulate(const struct worker *w, const struct decision *d, struct packet *p);

/* icmp.c */
/* Answers a packet that is too big for mtu to its sender in the VNet, from the gateway's address
 * there. */
void icmp_too_big(struct worker *w, const struct packet *p, uint32_t mtu);
/* Answers a packet whose time to live ended here. */
void icmp_time_exceeded(struct worker *w, const struct packet *p);
/* Turns an echo request to the gateway into its reply, in place. False when it is none. */
bool icmp_answer_echo(struct packet *p);
/* fragment.c */
/* True when the packet is IPv4 and its sender allows fragments. */
bool fragment_allowed(const uint8_t *ip);
/*
 * Cuts `head` down to fit mtu; what is behind becomes `rest`, in a frame of its own and with the
 * same fate otherwise. XGW_DROP_NO_BUFFER when no frame is free, XGW_DROP_TOO_BIG when mtu leaves
 * no room for payload; head is unchanged then.
 */
enum xgw_drop fragment_split(struct worker *w, struct packet *head, struct packet *rest,
			     uint32_t mtu);

/* TTL or hop limit; XGW_DROP_TTL when it is used up. */
enum xgw_drop ip_decrement_ttl(uint8_t *ip);
/* Length of an IP packet by its own header, 0 when it is none or longer than `room`. */
uint32_t ip_length(const uint8_t *ip, uint32_t room);
struct ip_addr ip_destination(const uint8_t *ip);
struct ip_addr ip_source(const uint8_t *ip);

#endif
