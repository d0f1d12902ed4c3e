/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protected messages in the clear, for who may see them: the header, and behind it what was
 * encrypted, as if nothing had been. An analyser reads that without knowing of keys.
 */
#include "ike/ike_internal.h"
#include "ike/v1_message.h"

void ike_show(struct ike *e, const struct ike_viewer *viewer)
{
	e->viewer = viewer ? *viewer : (struct ike_viewer){0};
}

void clear_show(const struct ike_sa *sa, const struct ike_header *h, uint8_t first,
		struct bytes inner, enum clear_way way)
{
	const struct ike_viewer *v = &sa->e->viewer;
	uint8_t out[LIMIT_MESSAGE + IKE_HEADER_BYTES];
	struct ike_header clear = *h;
	struct builder b;
	if (!v->message)
		return;
	builder_init(&b, out, sizeof out);
	if (sa->v1) {
		clear.flags &= (uint8_t)~V1_FLAG_ENCRYPTED;
		v1_header(&b, &clear);
	} else {
		builder_header(&b, &clear);
	}
	out[16] = first;
	writer_bytes(&b.w, inner.at, inner.len);
	builder_finish(&b);
	const struct ike_shown shown = {.connection = sa->connection_id,
					.sent = way == CLEAR_SENT,
					.local = &sa->local,
					.remote = &sa->remote,
					.message = builder_bytes(&b)};
	if (builder_ok(&b))
		v->message(v->owner, &shown);
	wipe(out, sizeof out);
}
