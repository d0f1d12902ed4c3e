/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router's network namespace and the devices in it. The calling thread is in the other namespace
 * for as long as a call takes where the kernel wants that; sockets opened there stay there.
 */
#ifndef XGW_LOADER_ROUTER_NET_H
#define XGW_LOADER_ROUTER_NET_H

#include "loader/router.h"

#include <sys/types.h>

/* One side: a socket to ask the kernel by, and one for ioctl. */
struct router_side {
	int netns, netlink, ioctl;
	uint32_t sequence;
};

struct router_net {
	struct router_side home, inside;
};

#define ROUTER_NET_NONE               \
	(struct router_net)           \
	{                             \
		{-1, -1, -1, 0},      \
		{                     \
			-1, -1, -1, 0 \
		}                     \
	}

/* A new namespace, or that of a process. 0, or -errno with a fault. */
int must_check router_net_make(struct router_net *n, struct fault *f);
int must_check router_net_take(struct router_net *n, pid_t pid, struct fault *f);
void router_net_close(struct router_net *n);

/* The calling thread is inside until it leaves. 0 or -errno. */
int must_check router_net_enter(const struct router_net *n);
void router_net_leave(const struct router_net *n);

/* The device is there with these properties, made or changed. 0, or -errno with a fault. */
int must_check router_net_link(struct router_net *n, const struct router_link *l,
			       struct router_device *out, struct fault *f);
/* *fd below 0: it is opened, too. */
int must_check router_net_tun(struct router_net *n, const struct router_tun *t, int *fd,
			      struct fault *f);
/* Index inside, 0: none. */
uint32_t router_net_index(const struct router_net *n, const char *device);
/* All links and TUNs inside that `keeps` does not want go. Each name that goes is told to `gone`,
 * which may be NULL; dry: only told. */
void router_net_prune(struct router_net *n, bool (*keeps)(void *owner, const char *device),
		      void (*gone)(void *owner, const char *device), void *owner, bool dry);
/*
 * The kernel keeps the neighbour's link-layer address fresh by itself from now on. -EOPNOTSUPP
 * where it cannot (before Linux 5.16): then it is asked once, and to be asked again.
 */
int router_net_keep_neighbour(struct router_net *n, uint32_t ifindex, const struct ip_addr *a);
/* Segments without the right TCP MD5 signature that came inside. */
uint64_t router_net_md5_refused(const struct router_net *n);

#endif
