/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of BIRD 2 for one router, as text. Plain data in, text out: nothing here knows the
 * plan or does I/O, and no name that a person chose gets into the text: protocols and tables are
 * called by numbers.
 *
 * What a peer announces goes, whole and unfiltered, into a kernel table of its own (number
 * BIRD_PEER_TABLE + its number) as blackhole routes, since nothing is forwarded there: they only
 * tell. Their metric is the length of the AS path. Which of them counts is not BIRD's to decide.
 * What peers are told is `networks`, and what others told that they are to hear.
 */
#ifndef XGW_CONTROL_BIRD_CONFIG_H
#define XGW_CONTROL_BIRD_CONFIG_H

#include "base/addr.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIRD_PEER_TABLE	  100000u /* kernel table of peer 0, which is nobody */
#define BIRD_CANARY_TABLE 99999u  /* of links with BFD: a route to the peer while BFD is up */
#define BIRD_PEERS	  4096u	  /* numbers of peers are 1 to this */
#define BIRD_LINKS	  64u
#define BIRD_GROUPS	  64u
#define BIRD_SECRET	  80u /* bytes: what the kernel takes (RFC 2385) */
#define BIRD_DEVICE	  16u

/* A link of a circuit: its provider's router is directly there. */
struct bird_link {
	const char *device;	/* in the router's namespace: "l" and a number */
	struct ip_addr peer[2]; /* IPv4, IPv6; without a family: none */
	bool bfd;
	/* of BFD, also that of BGP sessions on this link; 0: 100 ms, 3 times (RFC 5880) */
	uint32_t interval_ms, multiplier;
};

struct bird_peer {
	uint32_t number; /* 1 to BIRD_PEERS; kept for as long as it is the same peer */
	/* Peers of one group are told the same networks: those of a gateway's tunnels, of a
	 * circuit. Below BIRD_GROUPS. */
	uint32_t group;
	uint64_t hears; /* bit by group: routes of these are told to it, but never its own */
	uint32_t local_asn, peer_asn; /* the same: iBGP, through a tunnel alone */
	struct ip_addr local, peer;   /* of one family */
	const char *device; /* of its link; NULL: through a tunnel, any number of hops away */
	bool v4, v6;	    /* the address families it speaks of */
	/* with a session over IPv4 that speaks of IPv6, or the other way round: what it is told as
	 * next hop there; without a family `local` in IPv6's mapped form */
	struct ip_addr next_hop;
	const uint8_t *secret; /* of TCP's MD5 signatures (RFC 2385); NULL: none */
	size_t secret_len;
	uint32_t import_limit; /* prefixes of a family; above it the session is dropped; 0: none */
	/* The most that a session which failed again and again waits (it begins with 1 s); 0: 10
	 * with BFD, whose flapping the link's hold-down damps already, else 60. */
	uint32_t retry_seconds;
	uint32_t hold_seconds; /* 0: 180 */
	bool bfd;
	bool disabled; /* no session: what was learnt by one goes at once, and its end is told */
};

/* What peers are told beside what others told. */
struct bird_network {
	struct ip_prefix prefix; /* without host bits */
	uint64_t groups;	 /* bit by group: peers of these are told it */
	bool incomplete; /* not the network's own, but typed: ORIGIN is INCOMPLETE (RFC 4271 5.1.1)
			  */
};

struct bird_config_in {
	uint32_t router_id; /* host byte order, not 0; unique among its neighbours */
	const char *log;    /* path of its log; NULL: none. Without '"' and line ends. */
	const struct bird_link *links;
	const struct bird_peer *peers;
	const struct bird_network *networks;
	size_t n_links, n_peers, n_networks;
};

/*
 * *out is the caller's to free and holds secrets: wipe() it. 0, -ENOMEM, or -EINVAL with a fault:
 * the fields contradict each other or their bounds, or a secret has bytes that BIRD's language
 * cannot express ('"', line ends, NUL).
 */
int must_check bird_config(char **out, const struct bird_config_in *in, struct fault *f);

#endif
