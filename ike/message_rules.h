/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which payloads a message of each kind must have and may have (RFC 7296 appendix C), judged before
 * any logic looks at them. What may come only once came only once already: the parser sees to that.
 */
#ifndef XGW_IKE_MESSAGE_RULES_H
#define XGW_IKE_MESSAGE_RULES_H

#include "base/fault.h"
#include "ike/message.h"

enum message_kind {
	MESSAGE_SA_INIT,
	MESSAGE_AUTH,	   /* with the first child or without, or a round of EAP */
	MESSAGE_CHILD,	   /* CREATE_CHILD_SA: a new child, or one in place of another */
	MESSAGE_REKEY_IKE, /* CREATE_CHILD_SA: the IKE SA itself */
	MESSAGE_INFORMATIONAL,
	MESSAGE_INTERMEDIATE, /* one more key exchange (RFC 9370) */
	MESSAGE_FOLLOWUP,     /* the same behind CREATE_CHILD_SA */
	MESSAGE_KINDS,
};

/*
 * The kind of a request; of an answer that is what was asked. MESSAGE_KINDS when it is none of
 * ours.
 */
enum message_kind message_kind(const struct ike_message *m);
/*
 * m: opened (ike_message_parse_inner) unless it is IKE_SA_INIT. An answer that carries an error, or
 * asks for a cookie, needs nothing else. 0; -EPROTO with what is missing, too much or in the clear.
 */
int must_check message_check(enum message_kind kind, const struct ike_message *m, struct fault *f);

#endif
