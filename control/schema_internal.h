/* SPDX-License-Identifier: Apache-2.0 */
/* schema.def as tables, and the check of a tree against them. */
#ifndef XGW_CONTROL_SCHEMA_INTERNAL_H
#define XGW_CONTROL_SCHEMA_INTERNAL_H

#include "control/findings_internal.h"
#include "control/tree_internal.h"

enum schema_kind {
#define KIND(id, text) K_##id,
#define PROPERTY(...)
#include "control/schema.def"
#undef KIND
#undef PROPERTY
	SCHEMA_KINDS
};

enum schema_property {
#define KIND(id, text)
#define PROPERTY(kind, name, ...) P_##kind##_##name,
#include "control/schema.def"
#undef KIND
#undef PROPERTY
	SCHEMA_PROPERTIES
};

enum schema_type {
	SCHEMA_OBJECT,
	SCHEMA_NAME,
	SCHEMA_TEXT,
	SCHEMA_IDENTITY,
	SCHEMA_DEVICE,
	SCHEMA_PATH,
	SCHEMA_BOOLEAN,
	SCHEMA_NUMBER,
	SCHEMA_ENUM,
	SCHEMA_ADDRESS,
	SCHEMA_PREFIX,
	SCHEMA_INTERFACE,
	SCHEMA_RANGE,
	SCHEMA_MAC,
	SCHEMA_SOCKET,
	SCHEMA_SECRET,
	SCHEMA_CERTIFICATE,
};
enum schema_count { SCHEMA_ONE, SCHEMA_MANY, SCHEMA_ONE_OR_MANY };
enum schema_need { SCHEMA_OPTIONAL, SCHEMA_REQUIRED };
enum schema_state { SCHEMA_ACTED, SCHEMA_LATER };

struct schema_row {
	enum schema_kind kind;
	const char *name;
	enum schema_type type;
	const char *detail;
	enum schema_count count;
	enum schema_need need;
	enum schema_state state;
	const char *fallback, *meaning; /* fallback: what stands when it is not given */
};

const struct schema_row *schema_row(enum schema_property p);
const char *schema_kind_text(enum schema_kind k);
/* First property of a kind and how many there are. */
enum schema_property schema_first(enum schema_kind k, uint32_t *n);

/*
 * Checks the whole tree: unknown and doubled properties, types, values, what is required, what is
 * not supported yet. Fills `values` of the mappings and `is_bad`. 0 or -ENOMEM.
 */
int schema_check(struct tree *t, struct config_findings *findings);

/* The same for one item of a list of resources at the top. */
void schema_check_item(struct tree *t, enum schema_property list, struct tree_node *item,
		       struct config_findings *findings);

/*
 * Value of a property in a checked mapping of its kind; NULL when it is absent, or a scalar that
 * was refused. Lists and mappings come as written: their reader looks at the types and `is_bad` of
 * what they hold.
 */
const struct tree_node *schema_value(const struct tree_node *map, enum schema_property p);

/* Whether a scalar's text is a value of the row's type (values.c). */
bool schema_text_fits(const struct schema_row *row, const struct tree_node *n);
/* What the row's type takes, for "expected …". */
#define EXPECTED_TEXT 160
const char *schema_expected(const struct schema_row *row, char out[EXPECTED_TEXT]);
/* Plain decimal without sign; false when it is none or above UINT32_MAX. */
bool schema_number(const char *text, uint32_t *out);

/* Index of a word in a row's detail, -1 when it is not there; *later: it ends with "~" there. */
int schema_word(const char *detail, const char *word, bool *later);
/* Copies the n-th word (without "~"); false behind the last. */
bool schema_nth_word(const char *detail, unsigned n, char out[HINT_TEXT]);

#endif
