/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables of a kernel device pair become endpoints: which MAC is behind which VTEP (forwarding
 * database of a VXLAN device), and which address has which MAC (neighbours of the bridge on top).
 * An endpoint is there while both halves are, in whichever order they come. Nothing here talks to
 * the kernel.
 */
#ifndef XGW_LOADER_JOIN_H
#define XGW_LOADER_JOIN_H

#include "base/addr.h"
#include "base/fault.h"

struct join;

/* Called at once, from within the functions below, which they may not call. */
struct join_host {
	/* An endpoint is new or another now. False: not taken (and not there any more). */
	bool (*put)(void *owner, uint32_t directory, const struct ip_addr *a, const uint8_t mac[6],
		    const struct ip_addr *vtep);
	void (*remove)(void *owner, uint32_t directory, const struct ip_addr *a);
	/* One endpoint fewer behind this VTEP: it was removed, or put with another. */
	void (*left)(void *owner, uint32_t directory, const struct ip_addr *vtep);
	void *owner;
};

enum join_half { JOIN_FDB = 1, JOIN_NEIGHBOURS = 2 };
#define JOIN_ALL UINT32_MAX

/* Directories are numbered from 0; NULL: no memory. */
struct join *join_new(const struct join_host *h, uint32_t directories);
/* The host hears nothing of it. */
void join_free(struct join *j);
/* How many MACs and how many addresses a directory may name; none before. */
void join_limit(struct join *j, uint32_t directory, uint32_t limit);

/* vtep NULL: withdrawn. Group and zero MACs are ignored. */
void join_fdb(struct join *j, uint32_t directory, const uint8_t mac[6], const struct ip_addr *vtep);
/* mac NULL: withdrawn. */
void join_neighbour(struct join *j, uint32_t directory, const struct ip_addr *a,
		    const uint8_t mac[6]);

/*
 * Reading a table anew: what is not told between begin and end is withdrawn at the end. halves: of
 * enum join_half; a directory or JOIN_ALL.
 */
void join_begin(struct join *j);
void join_end(struct join *j, uint32_t directory, unsigned halves);

/* The host has this endpoint; each that it has. */
bool join_shows(const struct join *j, uint32_t directory, const struct ip_addr *a);
void join_walk(const struct join *j,
	       void (*each)(void *owner, uint32_t directory, const struct ip_addr *a), void *owner);
/* What was refused since the last question: above a limit, or without memory. */
uint32_t join_refused(struct join *j);
/* Endpoints that are there now. */
uint32_t join_count(const struct join *j);

#endif
