/* SPDX-License-Identifier: Apache-2.0 */
/* Events for the RIB, drawn from the input: after each difference the maps have no hole, and in the
 * end they are what a plain reference says. Other events for rib_follow are in the input too: what
 * it takes, and what it has to refuse. */
#include "tests/unit/control/rib_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Rows made of the bytes as they are: mostly wrong ones. */
static void follow_anything(const uint8_t *bytes, size_t len)
{
	const struct rib_limits limits = {.peers = 8, .learnt = 64, .routes = 64, .choices = 8};
	const struct ip_prefix prefix = {.addr = {.family = IP_V4, .b = {10}}, .len = 8};
	struct rib_peer peers[4];
	struct rib_member members[4];
	struct rib_static statics[4];
	struct rib_own own[4];
	struct rib_allowed allowed[4];
	struct rib_change change;
	struct rib *r;
	struct fault f = {0};
	struct {
		void *to;
		size_t size;
	} parts[] = {{peers, sizeof peers},
		     {members, sizeof members},
		     {statics, sizeof statics},
		     {own, sizeof own},
		     {allowed, sizeof allowed}};
	if (len < 2 || rib_create(&r, &limits))
		return;
	for (size_t i = 0, at = 2; i < sizeof parts / sizeof *parts; i++) {
		size_t n = at < len ? len - at : 0;
		n = n < parts[i].size ? n : parts[i].size;
		memset(parts[i].to, 0, parts[i].size);
		memcpy(parts[i].to, bytes + at, n);
		at += n;
	}
	const struct rib_inputs in = {peers,
				      members,
				      statics,
				      own,
				      allowed,
				      bytes[0] & 3,
				      bytes[0] >> 2 & 3,
				      bytes[0] >> 4 & 3,
				      bytes[0] >> 6 & 3,
				      bytes[1] & 3};
	int err = rib_follow(r, &in, &f);
	if (err && (err != -EINVAL || f.code != err || !f.text[0]))
		abort();
	if (!err && in.n_peers)
		rib_learn(r, peers[0].no, &prefix, 1);
	while (!rib_is_settled(r))
		rib_next(r, &change, 1);
	rib_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len > 4096)
		return 0;
	follow_anything(bytes, len);
	struct model_script script = {.at = bytes, .end = bytes + len, .seed = len};
	if (len)
		model_run(&script, 2000);
	return 0;
}
