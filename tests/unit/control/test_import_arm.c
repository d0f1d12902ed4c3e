/* SPDX-License-Identifier: Apache-2.0 */
/* The language of templates: each function, operators of access, failures with their places, and
 * the caps that keep a hostile template from taking the machine. */
#include "control_test.h"

#include "control/arm_internal.h"

struct world {
	struct import_options options;
	struct fault fault;
	struct import im;
	struct arm_scope scope;
	json_t *template;
};

static const char template_text[] =
	"{\"parameters\": {\"Name\": {\"type\": \"string\", \"defaultValue\": \"VNet1\"},"
	" \"list\": {\"type\": \"array\", \"defaultValue\": [1, 2, 3]},"
	" \"count\": {\"type\": \"int\"},"
	" \"key\": {\"type\": \"securestring\", \"metadata\": {\"description\": \"the key\"}},"
	" \"self\": {\"type\": \"string\", \"defaultValue\": \"[parameters('self')]\"}},"
	" \"variables\": {\"map\": {\"east\": {\"prefix\": \"10.1.0.0/16\"}},"
	" \"of\": \"[variables('map')['east'].prefix]\", \"a\": \"[variables('b')]\","
	" \"b\": \"[variables('A')]\", \"copy\": [{\"name\": \"looped\", \"count\": 2,"
	" \"input\": \"[copyIndex('looped', 10)]\"}]},"
	" \"functions\": [{\"namespace\": \"our\", \"members\": {\"twice\": {\"parameters\":"
	" [{\"name\": \"x\", \"type\": \"string\"}], \"output\": {\"type\": \"string\","
	" \"value\": \"[concat(parameters('x'), parameters('x'))]\"}}}}]}";

static struct world *begin(void)
{
	static const struct import_path root;
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->im = (struct import){.o = &w->options,
				.fault = &w->fault,
				.outputs = json_object(),
				.deployments = json_object(),
				.used_parameters = json_object()};
	w->template = json_loads(template_text, 0, NULL);
	assert_non_null(w->template);
	w->scope = (struct arm_scope){.template = &root,
				      .json = w->template,
				      .parameters = json_pack("{s:s}", "COUNT", "4"),
				      .known = json_object(),
				      .group = "group1",
				      .deployment = "deployment"};
	return w;
}

static void end(struct world *w)
{
	for (unsigned i = 0; i < w->im.n_blanks; i++) {
		free(w->im.blanks[i].label);
		free(w->im.blanks[i].text);
	}
	free(w->im.blanks);
	json_decref(w->im.outputs);
	json_decref(w->im.deployments);
	json_decref(w->im.used_parameters);
	json_decref(w->scope.parameters);
	json_decref(w->scope.known);
	json_decref(w->template);
	free(w);
}

/* The value as JSON, or "error: TEXT"; blanks as <label>. The caller frees. */
static char *value_of(const char *expression)
{
	struct world *w = begin();
	const struct arm_copy round = {NULL, "loop", 3};
	const struct arm_eval e = {.im = &w->im, .scope = &w->scope, .copies = &round};
	json_t *v = arm_evaluate_text(&e, expression);
	char *out = NULL;
	if (!v) {
		assert_true(w->im.err < 0);
		assert_true(asprintf(&out, "error: %s", w->fault.text) > 0);
	} else if (import_is_blank(&w->im, v)) {
		const struct import_blank *b = import_blank_in(&w->im, json_string_value(v));
		assert_true(asprintf(&out, "blank %s: %s", b->label, b->text) > 0);
	} else {
		out = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	json_decref(v);
	end(w);
	return out;
}

struct row {
	const char *expression, *value;
};

/* clang-format off */
static const struct row rows[] = {
	{"plain", "\"plain\""},
	{"[[literal]", "\"[literal]\""},
	{"[not one", "\"[not one\""},
	{"['it''s']", "\"it's\""},
	{"[ concat ( 'a' , 'b' ) ]", "\"ab\""},
	{"[CONCAT('a', 1, true())]", "\"a1True\""},
	{"[concat(createArray(1), createArray(2, 'x'))]", "[1,2,\"x\"]"},
	{"[parameters('name')]", "\"VNet1\""},
	{"[parameters('NAME')]", "\"VNet1\""},
	{"[add(parameters('count'), 1)]", "5"},
	{"[variables('of')]", "\"10.1.0.0/16\""},
	{"[variables('map').EAST.prefix]", "\"10.1.0.0/16\""},
	{"[variables('map')['east']['prefix']]", "\"10.1.0.0/16\""},
	{"[variables('looped')]", "[10,11]"},
	{"[variables('map').?west]", "null"},
	{"[tryGet(variables('map'), 'west', 'prefix')]", "null"},
	{"[our.twice('ab')]", "\"abab\""},
	{"[copyIndex()]", "3"},
	{"[copyIndex(2)]", "5"},
	{"[copyIndex('loop', 1)]", "4"},
	{"[resourceGroup().name]", "\"group1\""},
	{"[subscription().id]", "\"/subscriptions/00000000-0000-0000-0000-000000000000\""},
	{"[resourceId('Microsoft.Network/virtualNetworks/', 'V')]",
	 "\"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/group1/providers/Microsoft.Network/virtualNetworks/V\""},
	{"[resourceId('other', 'Microsoft.Network/virtualNetworks/subnets', 'V', 'S')]",
	 "\"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/V/subnets/S\""},
	{"[resourceId('sub', 'other', 'A.B/c', 'd')]", "\"/subscriptions/sub/resourceGroups/other/providers/A.B/c/d\""},
	{"[subscriptionResourceId('A.B/c', 'd')]", "\"/subscriptions/00000000-0000-0000-0000-000000000000/providers/A.B/c/d\""},
	{"[environment().suffixes.storage]", "\"core.windows.net\""},
	{"[if(equals(1, 1), 'yes', div(1, 0))]", "\"yes\""},
	{"[if(false(), parameters('nowhere'), 'no')]", "\"no\""},
	{"[and(true(), not(false()), or(false(), bool('true')))]", "true"},
	{"[equals(createArray(1, 2), createArray(1, 2))]", "true"},
	{"[equals('a', 'A')]", "false"},
	{"[and(less(1, 2), lessOrEquals(2, 2), greater(3, 2), greaterOrEquals('b', 'a'))]", "true"},
	{"[empty('')]", "true"},
	{"[empty(createObject())]", "true"},
	{"[length(parameters('list'))]", "3"},
	{"[length('four')]", "4"},
	{"[array('x')]", "[\"x\"]"},
	{"[createObject('a', 1, 'b', createArray())]", "{\"a\":1,\"b\":[]}"},
	{"[union(createArray(1, 2), createArray(2, 3))]", "[1,2,3]"},
	{"[union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2)))]", "{\"a\":{\"x\":1,\"y\":2}}"},
	{"[intersection(createArray(1, 2, 3), createArray(3, 2))]", "[2,3]"},
	{"[first(parameters('list'))]", "1"},
	{"[last(split('a,b', ','))]", "\"b\""},
	{"[first('abc')]", "\"a\""},
	{"[split('a;b,c', createArray(',', ';'))]", "[\"a\",\"b\",\"c\"]"},
	{"[join(createArray('a', 'b'), '-')]", "\"a-b\""},
	{"[replace('a.b.c', '.', '--')]", "\"a--b--c\""},
	{"[substring('abcdef', 2, 3)]", "\"cde\""},
	{"[substring('abc', 1)]", "\"bc\""},
	{"[toLower('ABC')]", "\"abc\""},
	{"[toUpper('abc')]", "\"ABC\""},
	{"[trim('  a ')]", "\"a\""},
	{"[padLeft('7', 3, '0')]", "\"007\""},
	{"[startsWith('Hello', 'he')]", "true"},
	{"[endsWith('Hello', 'LO')]", "true"},
	{"[indexOf('abcb', 'B')]", "1"},
	{"[lastIndexOf('abcb', 'b')]", "3"},
	{"[string(createObject('a', 1))]", "\"{\\\"a\\\":1}\""},
	{"[int('42')]", "42"},
	{"[json('{\"a\": [1, null]}').a[1]]", "null"},
	{"[format('{0}-{1:D3}-{{x}}-{0}', 'a', 7)]", "\"a-007-{x}-a\""},
	{"[coalesce(null(), 'b', 'c')]", "\"b\""},
	{"[contains('abc', 'b')]", "true"},
	{"[contains(createArray('x', 'y'), 'y')]", "true"},
	{"[contains(variables('map'), 'EAST')]", "true"},
	{"[min(3, 1, 2)]", "1"},
	{"[max(createArray(3, 9, 2))]", "9"},
	{"[sub(mul(3, 4), mod(7, 5))]", "10"},
	{"[div(-7, 2)]", "-3"},
	{"[range(3, 3)]", "[3,4,5]"},
	{"[skip(range(0, 4), 3)]", "[3]"},
	{"[take('abc', 2)]", "\"ab\""},
	{"[cidrSubnet('10.144.0.0/20', 24, 15)]", "\"10.144.15.0/24\""},
	{"[cidrSubnet('fd00::/48', 64, 258)]", "\"fd00:0:0:102::/64\""},
	{"[cidrHost('10.144.3.0/24', 0)]", "\"10.144.3.1\""},
	{"[items(createObject('k', 1))[0].key]", "\"k\""},
	{"[uri('https://example.org/a/b.json', 'c/d.json')]", "\"https://example.org/a/c/d.json\""},
	{"[uriComponent('a b/c')]", "\"a%20b%2Fc\""},
	{"[base64('one')]", "\"b25l\""},
	{"[length(uniqueString('a'))]", "13"},
	{"[equals(uniqueString('a', 'b'), uniqueString('a', 'b'))]", "true"},
	{"[equals(uniqueString('ab'), uniqueString('a', 'b'))]", "false"},
	{"[length(guid('a'))]", "36"},
	/* what is not known goes through whatever is done with it */
	{"[parameters('key')]", "blank key: parameter key: the key"},
	{"[toLower(parameters('key'))]", "blank key: parameter key: the key"},
	{"[split(parameters('key'), ',')[0]]", "blank key: parameter key: the key"},
	{"[first(split(reference('gw').bgpSettings.address, ','))]", "blank gw-bgpSettings-address: address of bgpSettings of gw as it is deployed"},
	{"[if(equals(parameters('key'), 'x'), 'a', 'b')]", "blank key: parameter key: the key"},
	{"[and(false(), equals(parameters('key'), 'x'))]", "false"},
	{"[listKeys('storage1', '2020-01-01').keys[0].value]", "blank listKeys-keys-value: value of keys of listKeys of storage1"},
	{"[resourceGroup().location]", "blank location: location of the resource group"},
	/* what is wrong */
	{"[nothing('x')]", "error: nothing: there is no such function"},
	{"[concat()]", "error: concat: expected at least 1 argument, came 0"},
	{"[toLower('a', 'b')]", "error: toLower: expected 1 argument, came 2"},
	{"[concat('a']", "error: expected ',' or ')', came the end of the expression"},
	{"['a]", "error: expected a text that ends with ', came ''a'"},
	{"['a' 'b']", "error: expected the end of the expression, came ''b''"},
	{"[]", "error: expected a value, came the end of the expression"},
	{"[parameters('nowhere')]", "error: parameters: no parameter has the name 'nowhere'"},
	{"[variables('nowhere')]", "error: variables: no variable has the name 'nowhere'"},
	{"[variables('map').west]", "error: west: the object has no such property"},
	{"[parameters('list')[3]]", "error: 3: the array has 3 elements"},
	{"[copyIndex('other')]", "error: copyIndex: there is no such copy loop here"},
	{"[div(1, 0)]", "error: div: no number of 64 bits comes of 1 and 0"},
	{"[mul(9223372036854775807, 2)]", "error: mul: no number of 64 bits comes of 9223372036854775807 and 2"},
	{"[div(sub(-9223372036854775807, 1), -1)]", "error: div: no number of 64 bits comes of -9223372036854775808 and -1"},
	{"[92233720368547758070]", "error: expected a number of 64 bits, came the end of the expression"},
	{"[substring('abc', 2, 2)]", "error: substring: the text has 3 characters"},
	{"[first(createArray())]", "error: first: the list is empty"},
	{"[replace('a', '', 'b')]", "error: replace: expected something to replace"},
	{"[format('{1}', 'a')]", "error: format: there is no argument for {1}"},
	{"[json('{')]", "error: json: not JSON: string or '}' expected near end of file"},
	{"[cidrSubnet('10.0.0.0/24', 25, 2)]", "error: cidrSubnet: the prefix has no such subnet"},
	{"[range(0, 10001)]", "error: range: expected at most 10000 numbers of 32 bits"},
	{"[resourceId('A.B/c/d', 'x')]", "error: resourceId: expected a name for each part of the type A.B/c/d"},
	/* what would never end */
	{"[variables('a')]", "error: nested deeper than 100 levels"},
	{"[parameters('self')]", "error: nested deeper than 100 levels"},
};
/* clang-format on */

static void values(void **state)
{
	(void)state;
	int wrong = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *v = value_of(rows[i].expression);
		if (strcmp(v, rows[i].value) != 0) {
			print_error("%s\n  expected %s\n  came     %s\n", rows[i].expression,
				    rows[i].value, v);
			wrong++;
		}
		free(v);
	}
	assert_int_equal(wrong, 0);
}

/* Every function of the tables is in a row above. */
static void every_function(void **state)
{
	(void)state;
	static const char *const without[] = {"tenant",	  "managementGroup",  "deployment",
					      "deployer", "tenantResourceId", "extensionResourceId",
					      "list*",	  "providers",	      "pickZones",
					      "newGuid",  "utcNow",	      "dateTimeAdd",
					      "flatten",  "objectKeys"};
	const struct arm_function *const tables[] = {arm_value_functions, arm_list_functions,
						     arm_deployment_functions};
	for (size_t t = 0; t < 3; t++) {
		for (const struct arm_function *f = tables[t]; f->name; f++) {
			bool found = false;
			for (size_t i = 0; i < sizeof without / sizeof *without; i++)
				found = found || !strcmp(without[i], f->name);
			for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
				found = found || strstr(rows[i].expression, f->name);
			if (!found)
				fail_msg("%s: in no row", f->name);
		}
	}
}

static char *repeated(const char *text, unsigned n)
{
	char *out = calloc(n + 1, strlen(text) + 1);
	assert_non_null(out);
	for (unsigned i = 0; i < n; i++)
		memcpy(out + i * strlen(text), text, strlen(text));
	return out;
}

static void deep_expression(void **state)
{
	(void)state;
	char *open = repeated("concat(", 5000), *expression;
	assert_true(asprintf(&expression, "[%s'a']", open) > 0);
	char *v = value_of(expression);
	assert_string_equal(v, "error: nested deeper than 100 levels");
	free(v);
	free(expression);
	free(open);
}

static void large_text(void **state)
{
	(void)state;
	/* 40 characters, each replaced by 40, four times over: 100 MB */
	const char *ten = "aaaaaaaaaa";
	char *e;
	assert_true(asprintf(&e,
			     "[replace(replace(replace(replace('%s%s%s%s','a','%s%s%s%s'),'a',"
			     "'%s%s%s%s'),'a','%s%s%s%s'),'a','%s%s%s%s')]",
			     ten, ten, ten, ten, ten, ten, ten, ten, ten, ten, ten, ten, ten, ten,
			     ten, ten, ten, ten, ten, ten) > 0);
	char *v = value_of(e);
	assert_string_equal(v, "error: a computed text has more than 1048576 bytes");
	free(v);
	free(e);
}

/* Texts that are unknown are found inside others, and made-up ones are nobody's. */
static void blanks(void **state)
{
	(void)state;
	struct world *w = begin();
	json_t *one = import_blank(&w->im, "label", "what <it> \"is\"");
	json_t *same = import_blank(&w->im, "label", "what <it> \"is\"");
	char text[100];
	assert_int_equal(w->im.n_blanks, 1);
	assert_true(json_equal(one, same));
	assert_string_equal(w->im.blanks[0].text, "what  it   is ");
	snprintf(text, sizeof text,
		 "a%sb\x01"
		 "7\x02"
		 "c\x01",
		 json_string_value(one));
	char *plain = import_with_labels(&w->im, text);
	assert_string_equal(plain, "alabelb7\x02"
				   "c");
	assert_null(import_blank_in(&w->im, "\x01"
					    "1\x02"));
	assert_null(import_blank_in(&w->im, "\x01-1\x02"));
	free(plain);
	json_decref(one);
	json_decref(same);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),	   cmocka_unit_test(every_function),
		cmocka_unit_test(deep_expression), cmocka_unit_test(large_text),
		cmocka_unit_test(blanks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
