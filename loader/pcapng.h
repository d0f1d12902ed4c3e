/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of a pcapng section (draft-ietf-opsawg-pcapng), in the byte order of this machine, as the
 * format allows. No library of Debian's writes this format. All append to `out`; when memory runs
 * out a block is missing whole.
 */
#ifndef XGW_LOADER_PCAPNG_H
#define XGW_LOADER_PCAPNG_H

#include <event2/buffer.h>
#include <stdint.h>

/* LINKTYPE_ values (draft-ietf-opsawg-pcaplinktype) */
#define PCAPNG_ETHERNET 1u
#define PCAPNG_RAW	101u /* IPv4 or IPv6 */

enum pcapng_way { PCAPNG_NO_WAY, PCAPNG_IN, PCAPNG_OUT }; /* epb_flags, bits 0 and 1 */

struct pcapng_packet {
	uint32_t interface; /* in the order in which they were described, from 0 */
	uint64_t at_ns;	    /* since 1970 */
	enum pcapng_way way;
	const char *comment; /* NULL: none */
	const uint8_t *bytes;
	uint32_t len, kept; /* kept: of len, in bytes */
};

void pcapng_section(struct evbuffer *out, const char *application);
void pcapng_interface(struct evbuffer *out, uint32_t link_type, const char *name,
		      const char *description);
void pcapng_packet(struct evbuffer *out, const struct pcapng_packet *p);
/* Packets that were written, and that found no room, of an interface. */
void pcapng_statistics(struct evbuffer *out, uint32_t interface, uint64_t at_ns, uint64_t received,
		       uint64_t dropped);

#endif
