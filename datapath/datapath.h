/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers: threads that move packets between AF_XDP sockets through ESP. The loader tells them
 * which SAs and tunnels there are; where a packet of a VNet goes they read from the maps (and cache
 * by generation). All functions are called from one thread (the loader's) unless they say
 * otherwise.
 */
#ifndef XGW_DATAPATH_DATAPATH_H
#define XGW_DATAPATH_DATAPATH_H

#include "base/child_sa.h"
#include "base/fault.h"
#include "datapath/transmit.h"
#include "esp/choose.h"
#include "esp/esp.h"
#include "maps/maps.h"

#include <stdbool.h>
#include <stdint.h>

struct datapath;

enum datapath_copy { DATAPATH_COPY_AUTO, DATAPATH_COPY_FORCE, DATAPATH_ZEROCOPY_FORCE };

/*
 * The largest IP packet that a socket takes in one piece: a frame without the room in front that
 * the kernel and we keep, the metadata, Ethernet with two tags, and VXLAN over IPv6. Larger ones
 * come in several buffers, which XDP drops with a count where the kernel's AF_XDP does not take
 * them (before Linux 6.6).
 */
#define DATAPATH_MTU_MAX 3456u
/* The largest where it does: what switches commonly carry; clouds have 8500 to 9001. */
#define DATAPATH_MTU_LARGE 9216u
/* Buffers that a device must fill for one packet in zero copy, for that. */
#define DATAPATH_SEGMENTS 3u

struct datapath_port {
	uint32_t id, ifindex, role; /* as in struct xgw_port */
	uint32_t queues;	    /* RX queues of the device */
	uint32_t mtu;
	uint8_t mac[6];
	char device[16];
	uint32_t segments; /* buffers of a packet that the device takes in zero copy; 0: unknown */
	bool generic;	   /* XDP runs in generic mode: copy mode only */
	bool xdp_transmit; /* send bursts by XDP while datapath_port_transmit says that it can */
};

struct datapath_options {
	const struct maps *maps; /* outlives the data path */
	/*
	 * 1 … ; of these as many as every port has queues serve queue w, w + n, … of every port;
	 * the others have no sockets and only help with cryptography (handover.h).
	 */
	unsigned workers;
	const struct esp_backend *backend; /* whose contexts the workers take */
	const struct esp_choice
		*choice;	/* per algorithm, outlives the data path; NULL: `backend` */
	uint32_t replay_window; /* 0 = ESP_REPLAY_DEFAULT */
	bool replay_off;	/* no window */
	uint32_t frames;	/* of each worker's UMEM, power of two; 0 = 16384 */
	uint32_t ring;		/* entries of each ring; 0 = 4096 */
	enum datapath_copy copy;
	/* the kernel's sockets take packets of several buffers: ports may have DATAPATH_MTU_LARGE
	 */
	bool multi_buffer;
	bool busy_poll;
	uint32_t max_sas; /* slots; 0 = 65536 */
	/* Makes what a worker needs to send by XDP; may be NULL when no port does. */
	int (*transmit_open)(uint32_t frames, struct transmit_fds *out, struct fault *f);
	unsigned n_ports;
	struct datapath_port port[XGW_MAX_PORTS];
};

/*
 * Opens UMEMs and sockets, enters them into the `xsks` map, starts the threads. What the host gave
 * (copy or zero copy, queues) is logged. On failure nothing is left behind.
 */
int must_check datapath_start(struct datapath **out, const struct datapath_options *o,
			      struct fault *f);
/*
 * The ports' devices are other ones, or have other queues (0: there is no device now): sockets and
 * packet memory are made anew, SAs and tunnels stay; what was under way is lost. As many ports as
 * at the start, by the same ids. On failure workers run without sockets and it may be called again.
 */
int must_check datapath_reopen(struct datapath *d, const struct datapath_port *ports,
			       struct fault *f);
/* Whether a port's device takes XDP frames now; until the first call it does not. */
void datapath_port_transmit(struct datapath *d, uint32_t port_id, bool ready);
/* Joins the threads, closes all, wipes SAs. */
void datapath_stop(struct datapath *d);

/* ---- SAs: the narrow interface of IKE ---- */

/*
 * Installs both directions of a child: inbound decrypts from now on (and is entered in `sas_in`),
 * outbound stands by until datapath_child_use. -ENOSPC, -EEXIST (SPI taken), -ENOTSUP, -ENOMEM.
 */
int must_check datapath_child_install(struct datapath *d, uint32_t vnet,
				      const struct child_sa *child, struct fault *f);
/* Outbound packets of the connection that match this child's selectors use it from now on. -ENOENT.
 */
int datapath_child_use(struct datapath *d, uint32_t spi_in);
/* They no longer do; inbound goes on. -ENOENT. */
int datapath_child_rest(struct datapath *d, uint32_t spi_in);
/* New outer addresses or encapsulation of a child (keys and sequence numbers stay). -ENOENT. */
int datapath_child_update(struct datapath *d, const struct child_sa *child);
/* Both directions are gone when this returns; no worker touches the SA any more. -ENOENT. */
int datapath_child_remove(struct datapath *d, uint32_t spi_in);

/* Way to the peer's outer address, by netlink: which port, from and to which link-layer address. */
struct datapath_path {
	uint32_t port_id;
	uint8_t source_mac[6], destination_mac[6];
	uint32_t mtu; /* of the outer path, IP bytes */
	bool usable;  /* false: no route or neighbour: counted drop */
	bool loop;    /* the peer is another gateway of this instance: packets come in at once */
};
/* A connection's tunnel: made by the first call, changed by later ones. */
int datapath_path_set(struct datapath *d, uint32_t connection, const struct datapath_path *path);
/* Outer headers of the connection's packets; of children that are installed from now on. */
struct datapath_outer {
	bool dscp_set; /* `dscp` instead of the inner packet's */
	uint8_t dscp;  /* 0 … 63 */
	enum esp_df df;
};
int must_check datapath_outer_set(struct datapath *d, uint32_t connection,
				  const struct datapath_outer *o);
void datapath_tunnel_remove(struct datapath *d, uint32_t connection);

/* ---- clients whose packets the loader carries (SSTP) ----
 * What tells of packets and takes them may be called in a thread of the loader's, one; all else by
 * the one that changes tunnels. */

/* Ids whose packets one host carries: those that clients may have, IKE's too; those of the loader's
 * own devices. Each range once. A file descriptor that is readable when some of them have packets,
 * or -ENOMEM, -EALREADY. */
int datapath_clients_range(struct datapath *d, uint32_t first, uint32_t n);
/* Where clients may send; those of a gateway share one. */
struct datapath_reach {
	unsigned n;
	struct ip_prefix prefix[CHILD_SA_MAX_TS];
};
#define DATAPATH_CLIENT_MORE 3
struct datapath_client {
	uint32_t connection, vnet, mtu;
	struct ip_addr v4, v6; /* its addresses; IP_NONE: no packets of that family */
	struct ip_addr
		more[DATAPATH_CLIENT_MORE]; /* others it sends from; IP_NONE behind the last */
	const struct datapath_reach *reach; /* borrowed; NULL: nowhere */
};
/* From now on workers take what goes to its connection (XGW_HOP_CLIENT) to its ring; what waits in
 * the ring of an earlier one is lost. -EINVAL (not in the range), -ENOMEM. */
int must_check datapath_client_set(struct datapath *d, const struct datapath_client *is);
void datapath_client_remove(struct datapath *d, uint32_t connection);
/* Another reach from now on. The former one may go after datapath_reach_unused(). */
void datapath_client_reach(struct datapath *d, uint32_t connection,
			   const struct datapath_reach *reach);
void datapath_reach_unused(void);
/* A client that has packets since it was last told, of the range that `of` is in; false: none. */
bool datapath_client_next(struct datapath *d, uint32_t of, uint32_t *connection);
#define DATAPATH_CLIENT_HEAD 8
/* Writes what stands in front of an IP packet of len bytes. */
typedef void datapath_client_head(uint8_t out[DATAPATH_CLIENT_HEAD], bool v4, size_t len);
/* As many of its packets as there is room for, each behind its head. Bytes. */
size_t datapath_client_take(struct datapath *d, uint32_t connection, uint8_t *out, size_t room,
			    datapath_client_head *head);
/* A packet of the client's to a worker; copied. Its source address is judged there. -ENOBUFS: too
 * many wait, counted as a drop; -EINVAL. */
int datapath_client_deliver(struct datapath *d, uint32_t connection, const uint8_t *ip, size_t len);
/* -ENOENT. */
struct datapath_traffic;
int datapath_client_traffic(const struct datapath *d, uint32_t connection,
			    struct datapath_traffic *out);

/* ---- ESP that came in pieces ---- */

/* A whole one, from the SPI on, as the kernel put it together; tos: the outer header's. */
struct datapath_esp {
	struct ip_endpoint from, to; /* ports: UDP only */
	bool udp;
	uint8_t tos;
	const uint8_t *at;
	size_t len;
};
/* Hands it to a worker; copied. Refusals are counted as drops. -EBADMSG (too short), -ENOENT (no
 * SA), -EMSGSIZE (larger than DATAPATH_MTU_LARGE), -ENOBUFS. */
int datapath_reassembled(struct datapath *d, const struct datapath_esp *e);

/* ---- the outer path's MTU, as routers tell it (RFC 1191, RFC 8201) ---- */

/* What became of an ICMP error; all but LEARNT change nothing. */
enum datapath_pmtu {
	DATAPATH_PMTU_LEARNT,
	DATAPATH_PMTU_NOT_SMALLER,   /* than what is known: late, or said already */
	DATAPATH_PMTU_FORMAT,	     /* quotes no ESP packet, or is damaged */
	DATAPATH_PMTU_UNKNOWN_SA,    /* quotes addresses and an SPI that no SA has */
	DATAPATH_PMTU_SEQUENCE,	     /* quotes a sequence number that was not sent lately */
	DATAPATH_PMTU_IMPLAUSIBLE,   /* the quoted packet is not larger than the MTU it tells */
	DATAPATH_PMTU_BELOW_MINIMUM, /* less than every IPv6 link has (RFC 8201 section 4) */
	DATAPATH_PMTU_RATE,	     /* too many at once */
	DATAPATH_PMTU_COUNT,
};
struct datapath_pmtu_news {
	uint32_t connection, mtu, was;
	bool ports_only; /* the router quoted no SPI: addresses and ports alone speak for it */
};
/*
 * An ICMP message of the family, from its type on. Its claim counts when it quotes a packet that
 * the gateway sent: the SPI and addresses of a child SA and a sequence number sent lately, or, in
 * UDP, at least exactly its addresses and ports. Then the tunnel's packets are made to fit for ten
 * minutes (RFC 1191 section 6.3). `out` is filled with LEARNT.
 */
enum datapath_pmtu datapath_pmtu_icmp(struct datapath *d, enum ip_family family,
				      const uint8_t *icmp, size_t len, uint64_t now_ns,
				      struct datapath_pmtu_news *out);
/* About once a second: forgets what is too old. */
void datapath_pmtu_expire(struct datapath *d, uint64_t now_ns);
uint64_t datapath_pmtu_count(const struct datapath *d, enum datapath_pmtu verdict);
const char *datapath_pmtu_name(enum datapath_pmtu verdict);
struct datapath_mtu {
	uint32_t path;	 /* what is used, outer IP bytes */
	uint32_t device; /* by the route and the device */
	uint32_t learnt; /* from routers, 0: nothing */
	uint32_t inner;	 /* least of the children in use, 0: none */
	uint64_t learnt_until_ns;
};
/* -ENOENT. */
int datapath_mtu(const struct datapath *d, uint32_t connection, struct datapath_mtu *out);

/* What IKE wants to know: children that passed a soft limit, children whose ESP authenticated since
 * the last call. */
struct datapath_event {
	/* RESOLVE: the host `from.addr` of `vnet` has no known link-layer address */
	enum { DATAPATH_SOFT_EXPIRY, DATAPATH_ALIVE, DATAPATH_RESOLVE } kind;
	uint32_t connection, spi_in, vnet;
	/* ALIVE: the newest authenticated packet's outer source differs from the SA's: told, not
	 * followed (RFC 7296 section 2.23); at once, then each second until the SA is updated */
	bool moved;
	struct ip_endpoint from;
};
/* Readable when events wait. */
int datapath_event_fd(const struct datapath *d);
/* Next event; false when there is none. */
bool datapath_next_event(struct datapath *d, struct datapath_event *out);

/* -ENOENT. inner_mtu: of the child on its path. */
int datapath_child_counters(const struct datapath *d, uint32_t spi_in, struct esp_counters *out,
			    uint32_t *inner_mtu);

/* Name of the crypto back end that holds the child's keys; NULL: no such child. */
const char *datapath_child_backend(const struct datapath *d, uint32_t spi_in);

/* Totals of a connection, over all children it had. */
struct datapath_traffic {
	uint64_t packets_out, bytes_out, packets_in, bytes_in;
	uint64_t drops[XGW_DROP_COUNT];
};
int datapath_connection_traffic(const struct datapath *d, uint32_t connection,
				struct datapath_traffic *out);

/* no_frame: packets that the kernel or the worker had no frame for; tx_full: that found no room to
 * be sent. */
struct datapath_worker_status {
	uint64_t rounds, packets_in, packets_out, wakeups, polls, no_frame, tx_full;
	/* bursts cut into jobs for others, those that others did, sleepers woken for them; and what
	 * this worker did for others */
	uint64_t jobs, jobs_helped, helper_wakeups, jobs_for_others, packets_for_others;
	uint64_t drops[XGW_DROP_COUNT];
	uint64_t by_xdp; /* of packets_out */
};
/* Writes the workers' drops into the pinned map `drops` under XGW_WORKER_PORT, so that they are
 * seen there too. */
void datapath_flush_drops(struct datapath *d);
unsigned datapath_workers(const struct datapath *d);
/* Those of them that have queues, the first ones: for whom child SAs of their own make sense. */
unsigned datapath_workers_with_queues(const struct datapath *d);
void datapath_worker_status(const struct datapath *d, unsigned worker,
			    struct datapath_worker_status *out);
/* Text of what a port's sockets got: "native, copy, 2 queues". */
const char *datapath_port_mode(const struct datapath *d, uint32_t port_id, char out[64]);

/* ---- gateways: the rate that a gateway's connections share, and what they carried ---- */

struct datapath_member {
	uint32_t connection, gateway;
};
#define DATAPATH_NO_GATEWAY UINT64_MAX
/*
 * bits_per_second: of the gateway in each slot, inner bytes of both directions together; 0 = no
 * limit, at most RATE_MAX_MBPS (rate.h); DATAPATH_NO_GATEWAY: the slot is empty. member: the slot
 * of the gateway that a connection belongs to. A slot that was in use and is goes on counting, and
 * its connections go on with what they have used up of an unchanged rate; all else begins anew.
 * -EINVAL (a number is too large, a slot empty), -ENOMEM: all stays as it was.
 */
int datapath_gateways_set(struct datapath *d, const uint64_t *bits_per_second, unsigned n_gateways,
			  const struct datapath_member *member, unsigned n);
/* Inner packets and bytes that passed, and those that were above the rate. Both directions; what
 * goes from one tunnel into another counts in each. */
struct datapath_gateway_account {
	uint64_t bits_per_second;
	uint32_t active; /* connections that share the limit at the moment; 0 without a limit */
	uint64_t packets_in, bytes_in, packets_out, bytes_out, over_packets, over_bytes;
};
/* -ENOENT. */
int datapath_gateway_account(const struct datapath *d, unsigned gateway,
			     struct datapath_gateway_account *out);

/* ---- capture: packets as they pass the workers ---- */

enum datapath_point {
	DATAPATH_CLEAR_OUT, /* inner packet, before its encryption */
	DATAPATH_WIRE_OUT,  /* outer packet */
	DATAPATH_WIRE_IN,
	DATAPATH_CLEAR_IN, /* inner packet, authenticated and decrypted */
	DATAPATH_DROPPED,  /* by a worker, as far as it had come */
};
struct datapath_captured {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	enum datapath_point point;
	uint32_t connection, spi; /* spi 0: of no child SA */
	enum xgw_drop drop;
	bool is_outer;	      /* DATAPATH_DROPPED: it is the ESP packet, only its header is told */
	uint32_t len, kept;   /* of the IP packet; of it in bytes */
	const uint8_t *bytes; /* from the IP header on; valid during the call */
};
#define DATAPATH_ALL UINT32_MAX
/* Whose packets are copied: of a connection, of DATAPATH_ALL, of nobody: 0. -ENOMEM. */
int datapath_capture(struct datapath *d, uint32_t connection);
/* What was copied since the last call. How many packets more found no room. */
uint64_t datapath_captured(struct datapath *d,
			   void (*each)(void *owner, const struct datapath_captured *c),
			   void *owner);

/* ---- accounts of workers, queues and ports; reading them costs the workers nothing ---- */

#define DATAPATH_BUCKETS 32u
/* bucket[i]: how many took 2^i to 2^(i+1) - 1 ns; the last all above. */
struct datapath_histogram {
	uint64_t bucket[DATAPATH_BUCKETS], max_ns;
};
/* An upper bound of the time within which this part (0 … 1) of all was done; 0 when there is none.
 */
uint64_t datapath_histogram_quantile(const struct datapath_histogram *h, double part);

struct datapath_worker_account {
	uint64_t bytes_in, bytes_out; /* with Ethernet headers */
	uint64_t lifetime_ns, asleep_ns;
	/* from the RX ring to the TX ring, of one packet in each of some bursts */
	struct datapath_histogram residence;
	unsigned n_queues;
};
void datapath_worker_account(const struct datapath *d, unsigned worker,
			     struct datapath_worker_account *out);
/* deepest: the most packets that ever waited at once. */
struct datapath_queue_account {
	uint32_t port_id, queue;
	uint64_t packets, bytes, deepest, no_frame;
};
/* -ENOENT: the worker has fewer queues. */
int datapath_queue_account(const struct datapath *d, unsigned worker, unsigned queue,
			   struct datapath_queue_account *out);
/* All workers' share of a port. */
struct datapath_port_account {
	uint64_t packets_in, bytes_in, packets_out, bytes_out, no_frame, tx_full;
};
void datapath_port_account(const struct datapath *d, uint32_t port_id,
			   struct datapath_port_account *out);

#endif
