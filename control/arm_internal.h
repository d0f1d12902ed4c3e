/* SPDX-License-Identifier: Apache-2.0 */
/* The language of Resource Manager templates: what an expression sees, and its functions. */
#ifndef XGW_CONTROL_ARM_INTERNAL_H
#define XGW_CONTROL_ARM_INTERNAL_H

#include "control/import_internal.h"

/* What parameters() and variables() mean: one for each deployment with a scope of its own. */
struct arm_scope {
	const struct arm_scope *outer; /* seen through by a nested template of outer scope */
	const struct import_source *source;
	const struct import_path *template; /* where it stands in the source */
	const json_t *json;		    /* the template */
	json_t *parameters;		    /* given values, evaluated by who gave them */
	json_t *known;			    /* evaluated: "p:name", "v:name" -> value */
	const char *group;		    /* resource group */
	const char *deployment;		    /* name */
	unsigned nested;
};

/* A copy loop in whose round the evaluation is; innermost first. */
struct arm_copy {
	const struct arm_copy *up;
	const char *name;
	json_int_t index;
};

struct arm_eval {
	struct import *im;
	const struct arm_scope *scope;
	const struct arm_copy *copies;
	const struct import_path *path; /* of the value that is evaluated */
	size_t inside;			/* offset in the text of that value */
	unsigned depth;
};

/* New references; NULL when the import failed. */
json_t *arm_evaluate(const struct arm_eval *e, const json_t *value);
json_t *arm_evaluate_text(const struct arm_eval *e, const char *text);
/* Fails the import at the place of the evaluation. */
json_t *arm_fail(const struct arm_eval *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A member of a value: property, or what an unknown value would have there. */
json_t *arm_member(const struct arm_eval *e, json_t *of, const char *name, size_t len, bool safe);
json_t *arm_element(const struct arm_eval *e, json_t *of, json_t *index, bool safe);

/* A call whose arguments are evaluated. */
struct arm_call {
	const struct arm_eval *e;
	const char *name;
	json_t **args; /* borrowed */
	unsigned n;
};
struct arm_function {
	const char *name;
	unsigned least, most;
	bool takes_blanks; /* else a blank among the arguments is the result */
	json_t *(*call)(const struct arm_call *c);
};
/* NULL: there is none. In any case of letters. */
const struct arm_function *arm_function_find(const char *name, size_t len);
json_t *arm_call(const struct arm_function *f, const struct arm_call *c);

/* Of the tables: texts and numbers, lists and objects, what a deployment knows of itself. */
extern const struct arm_function arm_value_functions[], arm_list_functions[],
	arm_deployment_functions[];

/* Arguments; false (and the import fails) when one is of another type. */
bool arm_text(const struct arm_call *c, unsigned i, const char **out);
bool arm_number(const struct arm_call *c, unsigned i, json_int_t *out);
/* A computed text within its cap; frees `t`. */
json_t *arm_text_result(const struct arm_eval *e, struct import_text *t);
/* A value as text: texts as they are, others as JSON. Blanks stay. */
bool arm_put_text(const struct arm_eval *e, struct import_text *t, const json_t *v);

/* Number of values in a value, which it charges for; 0 when the import failed: too many, too deep.
 * Values share parts, so what is small in memory may be large to walk. */
size_t arm_weigh(const struct arm_eval *e, const json_t *v);

/* parameters('name'), variables('name') */
json_t *arm_parameter(const struct arm_eval *e, const char *name);
json_t *arm_variable(const struct arm_eval *e, const char *name);
/* A deep copy in which what is missing is a blank: run-time state of a resource. */
json_t *arm_runtime(const struct arm_eval *e, const json_t *v, json_t *blank);
#define ARM_RUNTIME "\x01"

#endif
