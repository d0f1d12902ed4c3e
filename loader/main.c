/* SPDX-License-Identifier: Apache-2.0 */
/* xgw: finds the command and reads its options. */
#include "base/log.h"
#include "loader/command.h"
#include "loader/logging.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct option_row {
	const char *name;
	unsigned bit; /* enum command_option, 0 = of every command */
	bool has_value;
	size_t value_at; /* of the const char * that takes it, in the options; 0: take() knows */
};

#define VALUE(member) true, offsetof(struct command_options, member)

static const struct option_row option_rows[] = {
	{"--instance", 0, true},
	{"-c", OPTION_CONFIG, true},
	{"--config", OPTION_CONFIG, true},
	{"--json", OPTION_JSON, false},
	{"--watch", OPTION_WATCH, false},
	{"--vnet", OPTION_VNET, VALUE(vnet)},
	{"--from", OPTION_FROM, VALUE(from)},
	{"-w", OPTION_WRITE, VALUE(output)},
	{"--seconds", OPTION_SECONDS, VALUE(seconds)},
	{"--parameters", OPTION_PARAMETERS, VALUE(parameters)},
	{"--resource-group", OPTION_RESOURCE_GROUP, VALUE(resource_group)},
	{"--location", OPTION_LOCATION, VALUE(location)},
	{"-o", OPTION_DIRECTORY, VALUE(directory)},
	{"--client", OPTION_CLIENT, VALUE(client)},
	{"--ca", OPTION_CA, VALUE(ca)},
	{"--credentials", OPTION_CREDENTIALS, VALUE(credentials)},
	{"--with-password", OPTION_WITH_PASSWORD, false},
	{"--root", OPTION_ROOT, VALUE(root)},
	{"--name", OPTION_NAME, VALUE(name)},
	{"--days", OPTION_DAYS, VALUE(days)},
	{"--password-file", OPTION_PASSWORD_FILE, VALUE(password_file)},
	{"--rsa", OPTION_RSA, false},
	{"--all", OPTION_ALL, false},
	{"-v", 0, false},
	{"-vv", 0, false},
	{"-q", 0, false},
	{"--help", 0, false},
	{"-h", 0, false},
};

struct command_line {
	struct command_options o;
	const struct command *command;
	const char *instance;
	unsigned used; /* enum command_option */
	bool help;
};

static const struct option_row *find_option(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof option_rows / sizeof *option_rows; i++) {
		if (strlen(option_rows[i].name) == len &&
		    memcmp(option_rows[i].name, word, len) == 0)
			return &option_rows[i];
	}
	return NULL;
}

static void take(struct command_line *l, const struct option_row *r, const char *value)
{
	l->used |= r->bit;
	if (strcmp(r->name, "--instance") == 0)
		l->instance = value;
	else if (r->bit == OPTION_CONFIG) {
		l->o.config = value;
		l->o.config_given = true;
	} else if (r->value_at)
		*(const char **)((char *)&l->o + r->value_at) = value;
	else if (r->bit == OPTION_WITH_PASSWORD)
		l->o.with_password = true;
	else if (r->bit == OPTION_ALL)
		l->o.all = true;
	else if (r->bit == OPTION_RSA)
		l->o.rsa = true;
	else if (r->bit == OPTION_JSON)
		l->o.json = true;
	else if (r->bit == OPTION_WATCH)
		l->o.watch = true;
	else if (r->name[1] == 'q')
		l->o.verbosity--;
	else if (r->name[1] == 'v')
		l->o.verbosity += r->name[2] ? 2 : 1;
	else
		l->help = true;
}

/* One option at argv[*i]; moves on over its value. */
static int read_option(struct command_line *l, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *value = NULL;
	const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	const struct option_row *r =
		find_option(word, equals ? (size_t)(equals - word) : strlen(word));
	if (!r)
		return command_say(EXIT_USAGE, "unknown option '%s'; see `xgw %s --help`", word,
				   l->command ? l->command->name : "help");
	if (equals && !r->has_value)
		return command_say(EXIT_USAGE, "option %s takes no value", r->name);
	if (r->has_value) {
		value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (!value || !*value)
			return command_say(EXIT_USAGE, "option %s needs a value", r->name);
	}
	take(l, r, value);
	return 0;
}

static const struct command *find_command(const char *name)
{
	unsigned n;
	const struct command *table = command_table(&n);
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *near = command_nearest(name);
	return near ? command_say(EXIT_USAGE, "unknown command '%s'; did you mean '%s'?", name,
				  near)
		    : command_say(EXIT_USAGE, "unknown command '%s'; see `xgw help`", name);
}

/* Positional words are gathered to the front of argv: the command, then its arguments. */
static int read_words(struct command_line *l, int argc, char **argv)
{
	int words = 0, err = 0;
	bool only_words = false;
	for (int i = 1; !err && i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
			err = read_option(l, argc, argv, &i);
		} else {
			if (!words) {
				l->command = find_command(argv[i]);
				if (!l->command)
					return unknown_command(argv[i]);
			}
			argv[words++] = argv[i];
		}
	}
	l->o.argc = words - 1;
	l->o.argv = argv + 1;
	return err;
}

static int judge(const struct command_line *l)
{
	const struct command *c = l->command;
	unsigned alien = l->used & ~c->options;
	for (size_t i = 0; i < sizeof option_rows / sizeof *option_rows; i++) {
		if (option_rows[i].bit & alien)
			return command_say(EXIT_USAGE,
					   "`xgw %s` has no option %s; see `xgw %s --help`",
					   c->name, option_rows[i].name, c->name);
	}
	if (l->o.argc < c->least)
		return command_say(EXIT_USAGE, "`xgw %s` needs an argument; usage: xgw %s %s",
				   c->name, c->name, c->arguments);
	if (l->o.argc > c->most)
		return command_say(EXIT_USAGE, "`xgw %s` takes no argument '%s'; usage: xgw %s %s",
				   c->name, l->o.argv[c->most], c->name, c->arguments);
	return 0;
}

int main(int argc, char **argv)
{
	struct command_line l = {.o = {.config = COMMAND_DEFAULT_CONFIG}, .instance = "default"};
	int err = read_words(&l, argc, argv);
	if (err)
		return err;
	if (!l.command) {
		struct command_options none = {0};
		if (l.help)
			return cmd_help(&none);
		return command_say(EXIT_USAGE, "no command given; see `xgw help`");
	}
	if (l.help) {
		command_help(l.command);
		return EXIT_DONE;
	}
	struct fault f = {0};
	err = judge(&l);
	if (err)
		return err;
	if (instance_init(&l.o.instance, l.instance, &f))
		return command_fail(EXIT_USAGE, &f);
	logging_start(l.o.verbosity, strcmp(l.command->name, "run") == 0);
	return l.command->run(&l.o);
}
