/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients whose packets a host carries (SSTP): from the workers to the host through a bounded ring
 * for each client, and back through one for each worker.
 */
#ifndef XGW_DATAPATH_CLIENTS_H
#define XGW_DATAPATH_CLIENTS_H

#include "datapath/datapath_internal.h"

/* 0 or -ENOMEM. */
int must_check clients_start(struct datapath *d);
void clients_stop(struct datapath *d);

/* Whether the connection is of the range of clients, also of IKE's. */
bool clients_are(const struct datapath *d, uint32_t connection);
/* Takes the packet when it is for a client of ours; false: it is for a tunnel. */
bool clients_take(struct worker *w, struct packet *p);
/* Once a round: what hosts gave this worker goes into VNets. How many. */
unsigned clients_receive(struct worker *w);
void clients_count_drop(const struct datapath *d, uint32_t connection, enum xgw_drop why);

#endif
