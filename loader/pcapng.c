/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/pcapng.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION	 0x0a0d0d0au /* sections 4.1, 4.2, 4.3, 4.6 of the draft */
#define BLOCK_INTERFACE	 1u
#define BLOCK_PACKET	 6u
#define BLOCK_STATISTICS 5u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LENGTH_UNKNOWN	 UINT64_MAX

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_IF_NAME = 2,
	OPTION_EPB_FLAGS = 2,
	OPTION_IF_DESCRIPTION = 3,
	OPTION_SHB_APPLICATION = 4,
	OPTION_ISB_RECEIVED = 4,
	OPTION_ISB_DROPPED = 5,
	OPTION_IF_RESOLUTION = 9,
};

/* A block's body; its lengths stand in front and behind, so it is gathered first. */
static struct evbuffer *begin(void)
{
	return evbuffer_new();
}

static void pad(struct evbuffer *b, size_t n)
{
	evbuffer_add(b, "\0\0\0", (4 - n % 4) % 4);
}

static void add_option(struct evbuffer *b, uint16_t code, const void *value, size_t len)
{
	const uint16_t head[2] = {code, (uint16_t)len};
	evbuffer_add(b, head, sizeof head);
	evbuffer_add(b, value, len);
	pad(b, len);
}

static void add_text(struct evbuffer *b, uint16_t code, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	if (len)
		add_option(b, code, text, len < 4096 ? len : 4096);
}

static void end(struct evbuffer *out, struct evbuffer *b, uint32_t type)
{
	const uint32_t len = (uint32_t)evbuffer_get_length(b) + 12, head[2] = {type, len};
	if (evbuffer_expand(out, len) == 0) {
		evbuffer_add(out, head, sizeof head);
		evbuffer_add_buffer(out, b);
		evbuffer_add(out, &len, sizeof len);
	}
	evbuffer_free(b);
}

void pcapng_section(struct evbuffer *out, const char *application)
{
	const uint32_t magic = BYTE_ORDER_MAGIC;
	const uint16_t version[2] = {1, 0};
	const uint64_t unknown = LENGTH_UNKNOWN;
	struct evbuffer *b = begin();
	if (!b)
		return;
	evbuffer_add(b, &magic, sizeof magic);
	evbuffer_add(b, version, sizeof version);
	evbuffer_add(b, &unknown, sizeof unknown);
	add_text(b, OPTION_SHB_APPLICATION, application);
	add_option(b, OPTION_END, NULL, 0);
	end(out, b, BLOCK_SECTION);
}

void pcapng_interface(struct evbuffer *out, uint32_t link_type, const char *name,
		      const char *description)
{
	const uint16_t type[2] = {(uint16_t)link_type, 0};
	const uint32_t snap = 0; /* no limit */
	const uint8_t nanoseconds = 9;
	struct evbuffer *b = begin();
	if (!b)
		return;
	evbuffer_add(b, type, sizeof type);
	evbuffer_add(b, &snap, sizeof snap);
	add_text(b, OPTION_IF_NAME, name);
	add_text(b, OPTION_IF_DESCRIPTION, description);
	add_option(b, OPTION_IF_RESOLUTION, &nanoseconds, 1);
	add_option(b, OPTION_END, NULL, 0);
	end(out, b, BLOCK_INTERFACE);
}

void pcapng_packet(struct evbuffer *out, const struct pcapng_packet *p)
{
	const uint32_t head[5] = {p->interface, (uint32_t)(p->at_ns >> 32), (uint32_t)p->at_ns,
				  p->kept, p->len};
	const uint32_t flags = (uint32_t)p->way;
	struct evbuffer *b = begin();
	if (!b)
		return;
	evbuffer_add(b, head, sizeof head);
	evbuffer_add(b, p->bytes, p->kept);
	pad(b, p->kept);
	add_text(b, OPTION_COMMENT, p->comment);
	if (flags)
		add_option(b, OPTION_EPB_FLAGS, &flags, sizeof flags);
	add_option(b, OPTION_END, NULL, 0);
	end(out, b, BLOCK_PACKET);
}

void pcapng_statistics(struct evbuffer *out, uint32_t interface, uint64_t at_ns, uint64_t received,
		       uint64_t dropped)
{
	const uint32_t head[3] = {interface, (uint32_t)(at_ns >> 32), (uint32_t)at_ns};
	struct evbuffer *b = begin();
	if (!b)
		return;
	evbuffer_add(b, head, sizeof head);
	add_option(b, OPTION_ISB_RECEIVED, &received, sizeof received);
	add_option(b, OPTION_ISB_DROPPED, &dropped, sizeof dropped);
	add_option(b, OPTION_END, NULL, 0);
	end(out, b, BLOCK_STATISTICS);
}
