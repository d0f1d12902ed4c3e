/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of this host's gateways work, and which stand by. A gateway with `activeStandby` is
 * configured on two hosts and works on the one that has its public address; who that is, others
 * decide (VRRP, a cluster manager), by moving the address. A gateway without it always works. A
 * pure function of the addresses that the host has and the time that comes in.
 */
#ifndef XGW_CONTROL_STANDBY_H
#define XGW_CONTROL_STANDBY_H

#include "control/plan.h"

struct standby_gateway {
	struct ip_addr address; /* family IP_NONE: no gateway has this slot */
	bool follows;		/* activeStandby */
	bool active;
	bool told;	   /* as `active`, to who calls standby_next() */
	uint64_t since_ns; /* of `active` */
	uint32_t switches; /* of `active`, the first look not counted */
};

/* Zeroed: nothing. Freed by standby_free(). */
struct standby {
	struct standby_gateway *at; /* by the plan's slot of the gateway */
	uint32_t n;
	bool follows; /* one of them does */
};

/*
 * The gateways are those of this model and its plan; who has slot and address of before keeps its
 * state. own: n addresses of this host, sorted by standby_sort(). 0 or -ENOMEM, without effect.
 */
int must_check standby_follow(struct standby *s, const struct model *m, const struct plan *p,
			      const struct ip_addr *own, size_t n, uint64_t now_ns);
/* The host has these addresses now. */
void standby_look(struct standby *s, const struct ip_addr *own, size_t n, uint64_t now_ns);
void standby_sort(struct ip_addr *own, size_t n);
/*
 * One whose state is not what was told of it, which is told by this: its slot. A gateway that is
 * new is told to work, so one that does not is a change. False: none is left.
 */
bool standby_next(struct standby *s, uint32_t *slot);
/* What has no slot here works. */
bool standby_is_active(const struct standby *s, uint32_t slot);
/* "standby: 203.0.113.1 is not on this host", for people; "" for who works. */
#define STANDBY_TEXT (IP_TEXT + 40)
const char *standby_text(const struct standby *s, uint32_t slot, char text[STANDBY_TEXT]);
void standby_free(struct standby *s);

#endif
