/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates, keys and authorities of a model, made of the bytes of its files. */
#ifndef XGW_LOADER_CREDENTIALS_H
#define XGW_LOADER_CREDENTIALS_H

#include "control/config.h"
#include "ike/ike.h"

struct credentials;

/* Where it is told what is wrong with what the model's files hold; the first two may be NULL. */
struct credentials_faults {
	struct config_findings *findings;
	struct fault *first;
	int err; /* -EINVAL or -ENOMEM since the first one */
};
void credentials_wrong(struct credentials_faults *b, struct model_place at, const char *property,
		       const struct fault *why);

/*
 * Connections that are judged by the same files share one trust. What is wrong with a file is a
 * finding at the property that names it; the first one is f's, too. Both may be NULL. 0, -EINVAL,
 * -ENOMEM.
 */
int must_check credentials_new(struct credentials **out, const struct model *m,
			       struct config_findings *findings, struct fault *f);
void credentials_free(struct credentials *c);

/* Lends them to connection `index` of the model when it authenticates by certificate. */
void credentials_give(const struct credentials *c, const struct model *m, uint32_t index,
		      struct ike_connection *out);
/* A gateway's own, or NULL. Borrowed. */
const struct credential *credentials_of_gateway(const struct credentials *c, uint32_t gateway);
/*
 * What says the same as before is taken over from `old`, so that connections that borrow it need no
 * change: *_was is the former index of each gateway and connection, MODEL_NONE: it is new. Models
 * are those they were made of. credentials_give_back() undoes it, credentials_settle() makes it
 * final: `old` may be freed.
 */
void credentials_adopt(struct credentials *c, const struct model *m, struct credentials *old,
		       const struct model *was, const uint32_t *gateway_was,
		       const uint32_t *connection_was);
void credentials_give_back(struct credentials *c, struct credentials *old);
void credentials_settle(struct credentials *c);
/* Whether a connection or gateway borrows from credentials_adopt() on what it borrowed before, and
 * nothing else. */
bool credentials_kept(const struct credentials *c, uint32_t connection);
bool credentials_kept_gateway(const struct credentials *c, uint32_t gateway);
bool credentials_same_file(const struct model *a, uint32_t i, const struct model *b, uint32_t k);
/* Warnings of what will fail later. `now`: seconds since 1970. */
void credentials_judge(const struct credentials *c, const struct model *m, int64_t now,
		       unsigned days, struct config_findings *findings);

#endif
