/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to ESP and back, in bursts and in place (RFC 4303 tunnel mode, RFC 3948 UDP
 * encapsulation, RFC 4106 GCM, RFC 6040 ECN). A pure transform: addresses, keys and packets in,
 * packets out. Drop reasons are those of maps/drops.def (plain data).
 */
#ifndef XGW_ESP_ESP_H
#define XGW_ESP_ESP_H

#include "base/addr.h"
#include "base/child_sa.h"
#include "base/fault.h"
#include "esp/crypto.h"
#include "maps/drops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_MAX_BURST 256
#define ESP_MAX_HEADROOM \
	(40 + 8 + 8 + 16) /* outer IPv6, UDP, ESP, IV: what encrypt may write in front */
#define ESP_MAX_TAILROOM   (255 + 2 + 32) /* padding, trailer, ICV: what encrypt may write behind */
#define ESP_REPLAY_DEFAULT 4096
#define ESP_FLOW_PORTS	   49152 /* and up: source ports with port_entropy (RFC 6335 section 6) */

/* Run-time state of a child SA: hot parts first, sizes precomputed, the outer header prepared. */
struct esp_sa;

struct esp_sa_options {
	const struct esp_backend *backend;
	uint32_t
		replay_window; /* packets, 0 = ESP_REPLAY_DEFAULT; rounded up to a multiple of 64 */
	bool replay_off;       /* no window at all; sequence numbers are still authenticated */
	uint8_t dscp_copy;     /* 1: inner DSCP to the outer header, 0: `dscp` */
	uint8_t dscp;	       /* 0 … 63, without dscp_copy (RFC 2983 section 3, pipe model) */
	uint8_t df;	       /* enum esp_df: Don't Fragment of an outer IPv4 header */
};

enum esp_df {
	ESP_DF_COPY, /* from an inner IPv4 header; set for inner IPv6 */
	ESP_DF_SET,
	ESP_DF_CLEAR,
};

/* Expands keys of both directions; the child's secrets may be wiped afterwards. 0, -ENOTSUP,
 * -ENOMEM, -EINVAL. */
int must_check esp_sa_new(struct esp_sa **out, const struct child_sa *child,
			  const struct esp_sa_options *options, struct fault *f);
void esp_sa_free(struct esp_sa *sa);
/*
 * New outer addresses, ports or encapsulation (enum esp_encapsulation); keys, sequence numbers and
 * window stay. The caller sees to it that no thread encrypts with this SA meanwhile; decryption may
 * go on.
 */
void esp_sa_readdress(struct esp_sa *sa, const struct ip_endpoint *local,
		      const struct ip_endpoint *remote, uint8_t encapsulation);
uint32_t esp_sa_spi_in(const struct esp_sa *sa);
uint32_t esp_sa_spi_out(const struct esp_sa *sa);
const struct child_sa *esp_sa_child(const struct esp_sa *sa); /* without keys */
const char *esp_sa_backend(const struct esp_sa *sa); /* name of the one that holds its keys */

/* Largest inner packet whose ESP packet fits outer_mtu; and the exact outer size of an inner
 * packet. */
uint32_t esp_inner_mtu(const struct esp_sa *sa, uint32_t outer_mtu);
uint32_t esp_outer_size(const struct esp_sa *sa, uint32_t inner_len);

struct esp_counters {
	uint64_t packets_out, bytes_out, packets_in, bytes_in; /* inner bytes */
	uint64_t auth_failed, replayed, selector,
		lost; /* lost: sequence gaps that left the window unseen */
	uint64_t sequence_out;
};
/* May be called from any thread while workers run. */
void esp_sa_counters(const struct esp_sa *sa, struct esp_counters *out);
/* True once when a soft limit (bytes, packets, sequence number) was passed since the last call. */
bool esp_sa_take_soft_expiry(struct esp_sa *sa);
/* What was taken found nobody to tell: it can be taken again. */
void esp_sa_return_soft_expiry(struct esp_sa *sa);

/* One packet of a burst. The buffer around it belongs to the caller. */
struct esp_packet {
	struct esp_sa *sa;
	uint8_t *at;  /* encrypt: inner IP header -> outer IP header. decrypt: outer IP header ->
			 inner IP header */
	uint32_t len; /* from there to the packet's end */
	uint32_t headroom, tailroom; /* writable bytes around it; updated */
	uint16_t esp;		     /* decrypt in: offset of the ESP header from `at` */
	uint64_t sequence;	     /* encrypt in: 0, or the number that esp_take_sequences gave */
	uint8_t family;		     /* out: 4 or 6 of what stands at `at` */
	bool newest; /* decrypt out: authentic, and no higher sequence number came before it */
	/* out; XGW_DROP_NONE = done; else at, len, headroom, tailroom may be anything */
	enum xgw_drop drop;
	void *owner; /* the caller's */
};

/*
 * Gives a burst its sequence numbers in its order, ahead of an esp_encrypt that comes later, in
 * parts, on several threads. Numbers then rise on the wire however the parts finish: a peer's
 * window may be as small as 32 (RFC 4303 section 3.4.3). A packet that gets none keeps 0.
 */
void esp_take_sequences(struct esp_packet *p, unsigned n);
/*
 * Encrypts a burst in place: selectors are the caller's to have checked (esp_select_out). Sequence
 * numbers are taken from the SA without locks; several workers may use one SA. n <= ESP_MAX_BURST.
 */
void esp_encrypt(struct esp_crypto *c, struct esp_packet *p, unsigned n);
/*
 * Decrypts a burst: format, replay check, authentication, replay recheck and advance in the order
 * of the burst, padding, inner header, selectors (RFC 4303 section 3.4), ECN (RFC 6040).
 */
void esp_decrypt(struct esp_crypto *c, struct esp_packet *p, unsigned n);

/* What a selector looks at. Ports are 0 where the protocol has none; fragments behind the first
 * have no_ports. */
struct esp_flow {
	struct ip_addr source, destination;
	uint8_t protocol;
	uint16_t source_port,
		destination_port; /* ICMP: type in the high byte, code in the low one of both */
	bool no_ports;
};
/* Reads an inner packet. XGW_DROP_NONE, XGW_DROP_TRUNCATED, XGW_DROP_MALFORMED. */
enum xgw_drop esp_flow_parse(struct esp_flow *out, const uint8_t *ip, uint32_t len);
/* Outgoing: source in local selectors, destination in remote ones. */
bool esp_select_out(const struct esp_sa *sa, const struct esp_flow *flow);
bool esp_select_in(const struct esp_sa *sa, const struct esp_flow *flow);

/* ---- sizes: MSS and "too big" (esp/pmtu.c) ---- */

/*
 * Lowers the MSS option of a TCP SYN to fit mtu; the checksum is updated (RFC 1624), so a checksum
 * that was left to the NIC must be completed first. True when it changed.
 */
bool esp_clamp_mss(uint8_t *ip, uint32_t len, uint32_t mtu);
/*
 * Completes a TCP/UDP checksum that its sender left to the NIC (the field then holds the pseudo
 * header's sum). True when it did.
 */
bool esp_complete_checksum(uint8_t *ip, uint32_t len);
/*
 * Builds the ICMP answer to a packet that is too big for mtu: IPv4 "fragmentation needed" (RFC
 * 1191), IPv6 "packet too big" (RFC 4443). Written to out, from `source` to the packet's source.
 * Length, or 0 when none may be sent (RFC 1122 section 3.2.2, RFC 4443 section 2.4) or the family
 * differs.
 */
uint32_t esp_too_big(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len, uint32_t mtu,
		     const struct ip_addr *source);
/*
 * The same for a packet whose time to live ends here: IPv4 "time exceeded" (RFC 792), IPv6 (RFC
 * 4443 section 3.3).
 */
uint32_t esp_time_exceeded(uint8_t *out, uint32_t room, const uint8_t *ip, uint32_t len,
			   const struct ip_addr *source);
/* True when an IPv4 packet of this length may not be fragmented, or is IPv6. */
bool esp_dont_fragment(const uint8_t *ip, uint32_t len);

/* ---- what routers say of our own packets (esp/quote.c) ---- */

/* An ESP packet of ours that was too big for a link on its way, as an ICMP error quotes it. */
struct esp_quote {
	struct ip_endpoint local, remote; /* outer source and destination; ports with UDP */
	bool udp;
	bool has_spi; /* native: always; in UDP: when that much was quoted */
	uint32_t spi, sequence;
	uint32_t mtu; /* of the link; 0: the router does not say (RFC 1191 section 5) */
	uint32_t len; /* of the packet, by its own header */
};
/*
 * Reads an ICMP message (from its type on) of the family: IPv4 "fragmentation needed" (RFC 1191),
 * whose checksum is checked, or ICMPv6 "packet too big" (RFC 4443), whose checksum the kernel
 * checks. False for all others, and for a quote that is no ESP.
 */
bool esp_quote_parse(struct esp_quote *out, enum ip_family family, const uint8_t *icmp, size_t len);
/* Largest usual MTU below a packet's length (RFC 1191 section 7.1), for routers that tell none. */
uint32_t esp_quote_plateau(uint32_t len);

#endif
