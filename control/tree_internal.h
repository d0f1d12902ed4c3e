/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration text as a tree of scalars, lists and mappings with their places. Aliases are
 * resolved by copies, so that it is a tree in fact; depth and size are capped. Memory comes from an
 * arena that is wiped when freed, since a configuration may hold keys.
 */
#ifndef XGW_CONTROL_TREE_INTERNAL_H
#define XGW_CONTROL_TREE_INTERNAL_H

#include "control/config.h"

#define TREE_MAX_DEPTH 32u
#define TREE_MAX_NODES 4000000u
#define TREE_MAX_TEXT  (64u << 20)

enum tree_type { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree_node;
struct tree_item {
	struct tree_node *key; /* of a mapping; NULL in a list */
	struct tree_node *value;
};

struct tree_node {
	enum tree_type type;
	bool is_plain; /* a scalar without quotes */
	bool is_bad; /* set by schema_check: it, or something that its reading needs, was refused */
	struct model_place place;
	char *text; /* of a scalar, ends with NUL and holds none */
	struct tree_item *items;
	uint32_t n;
	/* set by schema_check for a mapping: by property, from `first` of its kind on */
	uint32_t first;
	struct tree_node **values;
};

struct tree_chunk;
struct tree {
	struct tree_node *root;
	struct tree_chunk *chunks;
	size_t nodes;
	unsigned anchors;
	bool no_memory;
};

/* 0, -EINVAL with a finding, -ENOMEM. tree_free in every case. */
int tree_parse(struct tree *out, const char *text, size_t len, struct config_findings *findings);
void tree_free(struct tree *t);
/* Zeroed memory that lives as long as the tree, or NULL (then no_memory is set). */
void *tree_alloc(struct tree *t, size_t n);
/* YAML's null: an empty value, ~, null. */
bool tree_is_null(const struct tree_node *n);

#endif
