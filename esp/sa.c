/* SPDX-License-Identifier: Apache-2.0 */
/* A child SA from plain data to its run-time state: keys expanded, sizes and outer header prepared.
 */
#include "esp/sa.h"

#include "base/bytes.h"
#include "esp/checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_UDP 17
#define PROTO_ESP 50
#define OUTER_TTL 64

static const struct esp_backend *backend_for(const struct esp_backend *wanted,
					     const struct child_sa *child)
{
	if (wanted->supports(child->encryption, child->integrity))
		return wanted;
	if (esp_backend_openssl.supports(child->encryption, child->integrity))
		return &esp_backend_openssl;
	return NULL;
}

static void header_v4(struct esp_out *out, const struct child_sa *child)
{
	uint8_t *h = out->outer;
	h[0] = 0x45;
	h[8] = OUTER_TTL;
	h[9] = out->udp ? PROTO_UDP : PROTO_ESP;
	memcpy(h + 12, child->local.addr.b, 4);
	memcpy(h + 16, child->remote.addr.b, 4);
	out->template_sum = checksum_fold(checksum_add(0, h + 8, 12));
	out->v4_middle = load_be64(h + 8);
}

static void header_v6(struct esp_out *out, const struct child_sa *child)
{
	uint8_t *h = out->outer;
	h[0] = 0x60;
	h[6] = out->udp ? PROTO_UDP : PROTO_ESP;
	h[7] = OUTER_TTL;
	memcpy(h + 8, child->local.addr.b, 16);
	memcpy(h + 24, child->remote.addr.b, 16);
}

static void outer_header(struct esp_out *out, const struct child_sa *child)
{
	uint8_t ip_len = child->local.addr.family == IP_V4 ? 20 : 40;
	memset(out->outer, 0, sizeof out->outer);
	out->family = child->local.addr.family;
	out->udp = child->encapsulation == ESP_IN_UDP;
	out->outer_len = (uint8_t)(ip_len + (out->udp ? 8 : 0));
	out->head_len = (uint16_t)(out->outer_len + 8 + out->iv_bytes);
	out->port_entropy = child->port_entropy && out->udp;
	out->udp_ports = (uint32_t)child->local.port << 16 | child->remote.port;
	if (out->family == IP_V4)
		header_v4(out, child);
	else
		header_v6(out, child);
}

void esp_sa_readdress(struct esp_sa *sa, const struct ip_endpoint *local,
		      const struct ip_endpoint *remote, uint8_t encapsulation)
{
	sa->child.local = *local;
	sa->child.remote = *remote;
	sa->child.encapsulation = encapsulation;
	outer_header(&sa->out, &sa->child);
}

/* Alignment of the trailer's end, minus one: the cipher's block, at least 4 (RFC 4303 section 2.4).
 */
static uint8_t block_mask(const struct encryption *e)
{
	return (uint8_t)((e->block_bytes > 4 ? e->block_bytes : 4) - 1);
}

static uint8_t icv_bytes(const struct child_sa *child)
{
	const struct encryption *e = encryption_of(child->encryption);
	return e->aead ? e->icv_bytes : integrity_of(child->integrity)->icv_bytes;
}

static uint64_t last_sequence(const struct child_sa *child)
{
	return child->esn ? UINT64_MAX : UINT32_MAX;
}

/* A quarter of the numbers is left for the time that a rekey takes. AES-GCM's and AES-CTR's IVs are
 * these numbers, so that they end no sooner. */
static uint64_t soft_sequence(const struct child_sa *child)
{
	return last_sequence(child) - last_sequence(child) / 4;
}

static void outer_options(struct esp_out *out, const struct esp_sa_options *options)
{
	uint64_t tos = options->dscp_copy ? 0xff : 0x03; /* ECN always: RFC 6040 section 4.1 */
	uint64_t dscp = options->dscp_copy ? 0 : options->dscp & 63;
	uint64_t df = 0x4000;
	out->head_keep = tos << 48 | (options->df == ESP_DF_COPY ? df : 0);
	out->head_add = 0x45ull << 56 | dscp << 50 | (options->df == ESP_DF_SET ? df : 0);
}

static void prepare_out(struct esp_out *out, const struct child_sa *child,
			const struct esp_sa_options *options)
{
	const struct encryption *e = encryption_of(child->encryption);
	uint64_t space = last_sequence(child);
	out->spi = child->spi_out;
	memcpy(out->salt, child->key_out.b + e->key_bytes, e->salt_bytes);
	out->iv_bytes = e->iv_bytes;
	out->icv_bytes = icv_bytes(child);
	out->block_mask = block_mask(e);
	out->esn = child->esn;
	out->cbc = encryption_is_cbc(child->encryption);
	out->last_sequence = space;
	out->hard_bytes = child->hard_bytes;
	out->soft_bytes = child->soft_bytes;
	out->hard_packets = child->hard_packets;
	out->soft_sequence = soft_sequence(child);
	if (child->soft_packets && child->soft_packets < out->soft_sequence)
		out->soft_sequence = child->soft_packets;
	outer_options(out, options);
	outer_header(out, child);
}

static void prepare_in(struct esp_in *in, const struct child_sa *child)
{
	const struct encryption *e = encryption_of(child->encryption);
	in->spi = child->spi_in;
	memcpy(in->salt, child->key_in.b + e->key_bytes, e->salt_bytes);
	in->iv_bytes = e->iv_bytes;
	in->icv_bytes = icv_bytes(child);
	in->block_mask = block_mask(e);
	in->esn = child->esn;
	in->aead = e->aead;
	in->hard_bytes = child->hard_bytes;
	in->soft_bytes = child->soft_bytes;
	in->hard_packets = child->hard_packets;
	in->soft_packets = child->soft_packets;
	in->soft_sequence = soft_sequence(child); /* of a peer that does not see to it */
	atomic_flag_clear(&in->lock);
}

static int check_child(const struct child_sa *c, struct fault *f)
{
	if (c->encryption >= ENCR_COUNT || c->integrity >= AUTH_COUNT)
		return fault_set(f, -EINVAL, "child SA: no such algorithm (%u, %u)", c->encryption,
				 c->integrity);
	if (!ip_addr_bytes(&c->local.addr) || c->local.addr.family != c->remote.addr.family)
		return fault_set(f, -EINVAL,
				 "child SA: expected outer addresses of one family, came %u and %u",
				 c->local.addr.family, c->remote.addr.family);
	if (c->n_local_ts > CHILD_SA_MAX_TS || c->n_remote_ts > CHILD_SA_MAX_TS)
		return fault_set(f, -EINVAL,
				 "child SA: at most %u traffic selectors a side, came %u and %u",
				 CHILD_SA_MAX_TS, c->n_local_ts, c->n_remote_ts);
	if (c->encapsulation == ESP_IN_UDP && (!c->local.port || !c->remote.port))
		return fault_set(f, -EINVAL,
				 "child SA: UDP encapsulation needs two ports, came %u and %u",
				 c->local.port, c->remote.port);
	return 0;
}

static int make_keys(struct esp_sa *sa, const struct esp_backend *b, const struct child_sa *child,
		     struct fault *f)
{
	struct esp_key *out = NULL, *in = NULL;
	enum encryption_id e = child->encryption;
	enum integrity_id a = child->integrity;
	int err = b->key_new(&out, e, a, child->key_out.b, child->key_out.len, true);
	if (!err)
		err = b->key_new(&in, e, a, child->key_in.b, child->key_in.len, false);
	if (err) {
		if (out)
			b->key_free(out);
		return fault_set(f, err, "child SA: %s made no keys for %s and %s", b->name,
				 encryption_of(e)->name, integrity_of(a)->name);
	}
	sa->out.key = out;
	sa->in.key = in;
	sa->out.backend = sa->in.backend = b;
	sa->out.gcm = sa->in.gcm = b->gcm_seal && encryption_is_gcm(e);
	return esp_flow_seed(&sa->out.flow_seed, child->key_out.b, child->key_out.len);
}

/* The selectors that a tunnel by routes usually has. */
static void quick_selectors(struct esp_sa *sa)
{
	const struct selector_set *from = &sa->remote, *to = &sa->local;
	const struct selector_v4 *source = &from->v4[0], *destination = &to->v4[0];
	struct esp_in *in = &sa->in;
	in->one_v4 = from->by_address && to->by_address && from->n4 == 1 && to->n4 == 1 &&
		     source->first <= source->last && destination->first <= destination->last;
	in->source_v4 = source->first;
	in->source_v4_span = source->last - source->first;
	in->destination_v4 = destination->first;
	in->destination_v4_span = destination->last - destination->first;
}

static int fill(struct esp_sa *sa, const struct child_sa *child,
		const struct esp_sa_options *options, struct fault *f)
{
	uint32_t window = options->replay_window ? options->replay_window : ESP_REPLAY_DEFAULT;
	if (options->replay_off)
		window = 0;
	prepare_out(&sa->out, child, options);
	prepare_in(&sa->in, child);
	selector_compile(&sa->local, child->local_ts, child->n_local_ts);
	selector_compile(&sa->remote, child->remote_ts, child->n_remote_ts);
	quick_selectors(sa);
	sa->child = *child;
	secret_wipe(&sa->child.key_in);
	secret_wipe(&sa->child.key_out);
	if (window > REPLAY_MAX_WINDOW)
		return fault_set(f, -EINVAL, "child SA: replay window is at most %u, came %u",
				 REPLAY_MAX_WINDOW, window);
	int err = replay_init(&sa->in.replay, (window + 63) & ~63u);
	if (err)
		return fault_set(f, err, "child SA: no memory for a replay window of %u", window);
	return 0;
}

int esp_sa_new(struct esp_sa **out, const struct child_sa *child,
	       const struct esp_sa_options *options, struct fault *f)
{
	int err = check_child(child, f);
	if (err)
		return err;
	const struct esp_backend *b = backend_for(options->backend, child);
	if (!b)
		return fault_set(f, -ENOTSUP, "child SA: no back end computes %s with %s",
				 encryption_of(child->encryption)->name,
				 integrity_of(child->integrity)->name);
	struct esp_sa *sa = aligned_alloc(ESP_LINE, sizeof *sa);
	if (!sa)
		return fault_set(f, -ENOMEM, "child SA: out of memory");
	memset(sa, 0, sizeof *sa);
	err = make_keys(sa, b, child, f);
	if (!err)
		err = fill(sa, child, options, f);
	if (err) {
		esp_sa_free(sa);
		return err;
	}
	*out = sa;
	return 0;
}

void esp_sa_free(struct esp_sa *sa)
{
	if (!sa)
		return;
	/* the keys are ours alone: only the workers' view of them is const */
	if (sa->out.key)
		sa->out.backend->key_free((struct esp_key *)(uintptr_t)sa->out.key);
	if (sa->in.key)
		sa->in.backend->key_free((struct esp_key *)(uintptr_t)sa->in.key);
	replay_free(&sa->in.replay);
	wipe(sa, sizeof *sa);
	free(sa);
}

uint32_t esp_sa_spi_in(const struct esp_sa *sa)
{
	return sa->child.spi_in;
}

uint32_t esp_sa_spi_out(const struct esp_sa *sa)
{
	return sa->child.spi_out;
}

const struct child_sa *esp_sa_child(const struct esp_sa *sa)
{
	return &sa->child;
}

const char *esp_sa_backend(const struct esp_sa *sa)
{
	return sa->out.backend->name;
}

void esp_sa_counters(const struct esp_sa *sa, struct esp_counters *out)
{
	const struct esp_in *in = &sa->in;
	out->packets_out = atomic_load_explicit(&sa->out.packets, memory_order_relaxed);
	out->bytes_out = atomic_load_explicit(&sa->out.bytes, memory_order_relaxed);
	out->sequence_out = atomic_load_explicit(&sa->out.sequence, memory_order_relaxed);
	out->packets_in = atomic_load_explicit(&in->packets, memory_order_relaxed);
	out->bytes_in = atomic_load_explicit(&in->bytes, memory_order_relaxed);
	out->auth_failed = atomic_load_explicit(&in->auth_failed, memory_order_relaxed);
	out->replayed = atomic_load_explicit(&in->replayed, memory_order_relaxed);
	out->selector = atomic_load_explicit(&in->selector, memory_order_relaxed);
	out->lost = __atomic_load_n(&in->replay.lost, __ATOMIC_RELAXED);
}

void esp_sa_return_soft_expiry(struct esp_sa *sa)
{
	atomic_store_explicit(&sa->soft, SOFT_PENDING, memory_order_relaxed);
}

bool esp_sa_take_soft_expiry(struct esp_sa *sa)
{
	int pending = SOFT_PENDING;
	if (atomic_load_explicit(&sa->soft, memory_order_relaxed) != SOFT_PENDING)
		return false;
	return atomic_compare_exchange_strong(&sa->soft, &pending, SOFT_TAKEN);
}
