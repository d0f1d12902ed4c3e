/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the maps said, kept per CPU until config.generation changes: the port of a device, the
 * attachment of a tag, the decision about a flow. Spares a packet of a known flow two walks through
 * a trie and five lookups of hashes. Not pinned: copies, never a source of truth; a trace asks the
 * maps.
 *
 * A copy is void before anyone can rely on a change: what is kept bears the generation that was
 * read before the maps were, while the daemon changes the maps first and the generation after them.
 * A decision depends on the packet's attachment, source and destination alone; where a choice
 * spreads flows, the choice is what is kept, and each packet chooses (vnet.h).
 * Generation 0 stands for nobody who counts: nothing is kept.
 */
#ifndef XGW_BPF_MEMORY_H
#define XGW_BPF_MEMORY_H

#include "packet.h"

#define KNOWN_PORTS	64u /* per CPU; powers of two */
#define KNOWN_TAGS	256u
#define KNOWN_DECISIONS 2048u

struct known_port {
	__u64 generation;
	struct xgw_port port;
};
struct known_tag {
	__u64 generation;
	struct xgw_tag_key key;
	__u32 attachment;
};
struct known_decision {
	__u64 generation;
	/* the question */
	__u32 source[4], destination[4];
	__u32 attachment, vnet;
	__u32 instance; /* next hop to another instance of the gateway, in this attachment */
	__u32 table;
	__u32 flags;
	__u8 family;
	bool is_kernels; /* the kernel's own address is there */
	bool returned;	 /* an appliance sends on what was sent to it: */
	bool handed;	 /* that is another instance of the gateway, with these flags and table */
	/* the answer (decide.h) */
	bool forwarded;	 /* the source is none of the VNet's: its sender forwards for others */
	bool from_table; /* the route is a user's */
	bool withheld;	 /* the sender's subnet has none of the gateway's routes */
	bool barred;	 /* from circuits */
	__u32 appliance[4];
	struct xgw_route route;
	struct xgw_next_hop hop; /* of a choice the member, unless it spreads flows */
};

#define MEMORY(name_, value_, entries_)                  \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, entries_);           \
		__type(key, __u32);                      \
		__type(value, value_);                   \
	} name_ SEC(".maps")
MEMORY(known_ports, struct known_port, KNOWN_PORTS);
MEMORY(known_tags, struct known_tag, KNOWN_TAGS);
MEMORY(known_decisions, struct known_decision, KNOWN_DECISIONS);

/* The gateway's address there is the kernel's own, and so are ARP and the rest of the link. */
static __always_inline bool attachment_is_kernels(const struct xgw_attachment *a)
{
	return a->kind == XGW_TAG_NONE && !(a->flags & XGW_ATTACHMENT_ANSWERS);
}

static __always_inline struct xgw_config *memory_config(void)
{
	const __u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline bool memory_is_fresh(const struct packet *p, __u64 generation)
{
	return generation && generation == p->generation;
}

/* Before the first map is asked for what will be kept: an atomic operation, so that no later read
 * overtakes this one. */
static __always_inline void memory_begin(struct packet *p)
{
	struct xgw_config *c = memory_config();

	p->generation = c && !p->tracing ? __sync_fetch_and_add(&c->generation, 0) : 0;
}

/* The port of the device that the frame came in by, or NULL. */
static __always_inline const struct xgw_port *port_find(struct packet *p, __u32 ifindex)
{
	__u32 place = ifindex & (KNOWN_PORTS - 1);
	struct known_port *k = bpf_map_lookup_elem(&known_ports, &place);
	const struct xgw_port *port;

	if (!k)
		return NULL;
	if (memory_is_fresh(p, k->generation) && k->port.ifindex == ifindex)
		return &k->port;
	memory_begin(p);
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port)
		return NULL;
	k->port = *port;
	k->generation = p->generation;
	return &k->port;
}

/* False when the device has no entry in `ports`: the program is not in charge of it. */
static __always_inline bool packet_begin(struct packet *p, struct xdp_md *xdp)
{
	const struct xgw_config *c = memory_config();

	packet_clear(p, xdp);
	if (c && !p->tracing) {
		p->generation = *(const volatile __u64 *)&c->generation;
		p->capture = c->capture;
	}
	p->port = port_find(p, xdp->ingress_ifindex);
	return p->port;
}

/* The id of the attachment, 0 for none. */
static __always_inline __u32 tag_find(struct packet *p, __u32 kind, __u32 tag)
{
	struct xgw_tag_key key = {.ifindex = p->port->ifindex, .kind = kind, .tag = tag};
	__u32 place = (key.ifindex * 31 ^ tag ^ kind << 6) & (KNOWN_TAGS - 1);
	struct known_tag *k = bpf_map_lookup_elem(&known_tags, &place);
	const __u32 *id;

	if (k && memory_is_fresh(p, k->generation) && k->key.ifindex == key.ifindex &&
	    k->key.kind == kind && k->key.tag == tag)
		return k->attachment;
	memory_begin(p);
	id = bpf_map_lookup_elem(&attachments_in, &key);
	if (!id)
		return 0;
	if (k) {
		k->key = key;
		k->attachment = *id;
		k->generation = p->generation;
	}
	return *id;
}

/* The place of the packet's decision; *known: what stands there is about this packet. */
static __always_inline struct known_decision *decision_of(const struct packet *p, bool *known)
{
	const __u32 *s = p->ip.source, *t = p->ip.destination;
	struct known_decision *k;
	__u32 place;

	/* different factors, so that a flow and its answers do not meet */
	place = ((s[0] ^ s[1] ^ s[2] ^ s[3]) * 0x9e3779b1u) ^
		((t[0] ^ t[1] ^ t[2] ^ t[3]) * 0x85ebca6bu) ^ p->in->id ^ (p->appliance ? 256u : 0);
	place = (place ^ place >> 15) & (KNOWN_DECISIONS - 1);
	k = bpf_map_lookup_elem(&known_decisions, &place);
	*known = k && memory_is_fresh(p, k->generation) && k->attachment == p->in->id &&
		 k->returned == !!p->appliance && same_addr(k->source, s) &&
		 same_addr(k->destination, t);
	return k;
}

/* The packet's question; what stood in the place is gone. */
static __always_inline void decision_ask(const struct packet *p, struct known_decision *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	copy_addr(k->source, p->ip.source);
	copy_addr(k->destination, p->ip.destination);
	k->attachment = p->in->id;
	k->vnet = p->in->vnet;
	k->family = p->ip.family;
	k->is_kernels = attachment_is_kernels(p->in);
	k->instance = p->in->instance;
	if (p->appliance) {
		k->returned = true;
		k->handed = p->appliance->flags & XGW_HOP_INSTANCE;
		k->flags = p->appliance->flags;
		k->table = p->appliance->table;
		copy_addr(k->appliance, p->appliance->address);
	}
}

#endif
