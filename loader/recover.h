/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that disappear, come back as others, or get other queues while the daemon runs. */
#ifndef XGW_LOADER_RECOVER_H
#define XGW_LOADER_RECOVER_H

#include "loader/daemon.h"

/* The data path's view of the ports' devices as the daemon knows them. */
void recover_describe(const struct daemon *d, struct datapath_port *ports);
/* Once a second: compares the devices with what is known, and repairs. */
void recover_second(struct daemon *d);

#endif
