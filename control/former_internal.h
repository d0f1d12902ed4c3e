/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a text of which most was read before. The lists at the top of a configuration in block
 * style are runs of whole lines, one for each resource; of a text that differs in a few of them
 * only those are parsed, and the others are copied from the model of before. Where that is not
 * plainly the same as reading all, it is not done.
 */
#ifndef XGW_CONTROL_FORMER_INTERNAL_H
#define XGW_CONTROL_FORMER_INTERNAL_H

#include "control/read_internal.h"

enum former_list_id {
	FORMER_TABLES,
	FORMER_VNETS,
	FORMER_GATEWAYS,
	FORMER_SITES,
	FORMER_REMOTES, /* in the model behind the sites */
	FORMER_CONNECTIONS,
	FORMER_LISTS
};

/* Where the items of a list are in a text. n 0: it has none, or is not in block style. */
struct former_list {
	size_t *at;	/* of each item's first line, and behind the last one: n + 1 */
	uint32_t *line; /* the numbers of these, from 1 */
	uint32_t n;
	uint32_t dash; /* bytes in front of an item's dash */
};

struct config_former {
	char *text;
	size_t len, nodes;
	struct former_list lists[FORMER_LISTS];
	struct config_findings told; /* of reading, without the rules between resources */
	/* by VNet: what the rules told of what is behind its gateways; and whether it may be
	 * another way than in the model of before, NULL: anything may */
	bool *noisy, *changed;
};

/* Items [first, behind) of a list of before have become these of the tree. */
struct former_edit {
	bool changed; /* else first = behind = n of before */
	uint32_t first, behind, n;
	const char *text; /* of the new ones, in the new text */
	size_t len;
	int64_t lines; /* how many more lines the list has than before */
	struct tree tree;
	struct tree_node **items; /* n, in the tree's memory */
};

struct former_change {
	const struct config_former *was;
	struct former_edit edits[FORMER_LISTS];
	struct former_list lists[FORMER_LISTS]; /* of the new text */
	uint32_t order[FORMER_LISTS], n_order;	/* lists with items, as they come in the text */
	size_t nodes;
	bool *changed, *quiet; /* by VNet of the new model, once it is read */
};

enum schema_property former_property(enum former_list_id id);
/* 0 with the changed items parsed and the places in the new text; -EAGAIN: read all of it; -ENOMEM.
 * former_change_free in every case. */
int former_find_change(struct former_change *c, const struct config_former *was, const char *text,
		       size_t len);
void former_change_free(struct former_change *c);
/* Where a line of before is now; one that was not replaced. */
uint32_t former_line(const struct former_change *c, uint32_t line);

/* The kept form of a whole text, and of one with changes. NULL: it is not of a kind that is kept,
 * or there is no memory, and the text stays the caller's. */
struct config_former *former_new(char *text, size_t len, const struct tree *t);
struct config_former *former_next(struct former_change *c, char *text, size_t len);
/* The model of the new text, without the rules between resources: r has everything but names. 0,
 * -EAGAIN (read all; findings are to be thrown away), -ENOMEM. */
int former_read(struct read *r, struct former_change *c, const struct model *was);

/* former_scope.c: by VNet of m, whether something changed that its routes depend on. now: by list
 * and index of before the index in the list, MODEL_NONE. NULL: no memory. */
bool *former_scope(const struct former_change *c, const struct model *was, const struct model *m,
		   uint32_t *const now[FORMER_LISTS], uint32_t n_sites);

/* former_copy.c: what an item of before is now, but for what it names. false: no memory. */
struct former_shift {
	int64_t lines;
	bool no_memory;
};
void former_copy_host(struct former_shift *s, struct model_host *to, const struct model_host *from);
void former_copy_vnet(struct former_shift *s, struct model_vnet *to, const struct model_vnet *from);
void former_copy_gateway(struct former_shift *s, struct model_gateway *to,
			 const struct model_gateway *from);
void former_copy_site(struct former_shift *s, struct model_site *to, const struct model_site *from);
void former_copy_connection(struct former_shift *s, struct model_connection *to,
			    const struct model_connection *from);
void former_copy_table(struct former_shift *s, struct model_route_table *to,
		       const struct model_route_table *from);

#endif
