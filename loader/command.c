/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and how a command speaks to its user. */
#include "loader/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{"run", "-c FILE", "the gateway, in the foreground",
	 "Loads and attaches the XDP programs, fills the maps, starts the workers and IKE. Logs to standard error,\n"
	 "tells systemd when it is ready. SIGTERM or SIGINT ends it: peers are told, nothing is left behind.",
	 OPTION_CONFIG, 0, 0, cmd_run},
	{"check", "-c FILE", "parses and validates a configuration, and names every mistake",
	 "One line for each finding: FILE:LINE:COLUMN: error: TEXT (or warning). Exit status 2 when there is an error.",
	 OPTION_CONFIG | OPTION_JSON, 0, 0, cmd_check},
	{"status", "[NAME] [--json] [--watch]",
	 "gateways, connections, tunnels: state, peer, traffic, last error",
	 "With NAME, one connection in detail with its last events. --watch repeats every two seconds.",
	 OPTION_JSON | OPTION_WATCH, 0, 1, cmd_status},
	{"dump", "[MAP | routes --all] [--json]", "the BPF maps, decoded with names",
	 "Without MAP, the list of maps with entries and memory. Works on the pins, so also without a daemon.",
	 OPTION_JSON | OPTION_ALL, 0, 1, cmd_dump},
	{"next-hop", "--vnet VNET [--from SRC] DST [--json]",
	 "where the gateway would send such a packet, and why",
	 "Asks the loaded XDP program itself by a test run. SRC defaults to an address of the virtual network.",
	 OPTION_JSON | OPTION_VNET | OPTION_FROM, 1, 1, cmd_next_hop},
	{"up", "NAME", "starts a connection", "It stays wanted, with retries, until `xgw down`.", 0,
	 1, 1, cmd_up},
	{"down", "NAME", "stops a connection",
	 "The peer is told; the connection neither starts nor answers until `xgw up`.", 0, 1, 1,
	 cmd_down},
	{"rekey", "NAME", "rekeys the IKE SA and the child SAs of a connection",
	 "No packet is lost.", 0, 1, 1, cmd_rekey},
	{"reauthenticate", "NAME", "lets the peers of a connection prove anew who they are",
	 "By a whole new IKE SA, which then replaces the old one (IKEv2). No packet is lost.", 0, 1,
	 1, cmd_reauthenticate},
	{"reset", "NAME", "restarts a connection", "As `down` and `up`.", 0, 1, 1, cmd_reset},
	{"attach", "-c FILE",
	 "loads, pins and attaches the XDP programs and fills the maps, without a daemon",
	 "Forwarding inside virtual networks works; what needs a tunnel is dropped. `xgw detach` takes it away.",
	 OPTION_CONFIG, 0, 0, cmd_attach},
	{"detach", "", "takes away what `attach` made or a killed daemon left behind",
	 "Programs, pins, added addresses, the control socket. Done already is done: exit status 0.",
	 OPTION_JSON, 0, 0, cmd_detach},
	{"doctor", "[--json]", "what this host can do and what is left over",
	 "Ports with driver, XDP mode, queues and MTU; kernel features; pins, locks and sockets of instances.",
	 OPTION_JSON | OPTION_CONFIG, 0, 0, cmd_doctor},
	{"version", "[--json]", "version, libraries and crypto back ends", "", OPTION_JSON, 0, 0,
	 cmd_version},
	{"bench", "esp|xdp [--json]", "built-in benchmarks that need no network", "", OPTION_JSON,
	 1, 1, cmd_bench},
	{"reload", "[-c FILE] [--json]", "applies a changed configuration by its difference",
	 "What did not change loses no packet and no SA. A configuration with errors changes nothing: exit status 2.\n"
	 "Without -c, the file of the start, or of the last reload that named one. SIGHUP does the same.",
	 OPTION_CONFIG | OPTION_JSON, 0, 0, cmd_reload},
	{"import", "[--from arm|netcfg] FILE... [--parameters FILE]",
	 "turns templates and classic network configurations into a configuration",
	 "Resource Manager templates (JSON) and network configurations (XML) become one configuration on standard output.\n"
	 "A parameters file may also stand behind its template. What was not carried over is named on standard error; what\n"
	 "no template tells stands as <fill in: ...>, and `xgw check` asks for it.\n"
	 "--from            which of the two the files are, where they do not tell\n"
	 "--parameters      a parameters file for every template\n"
	 "--resource-group  what resourceGroup().name is; --location NAME its location",
	 OPTION_FROM | OPTION_PARAMETERS | OPTION_RESOURCE_GROUP | OPTION_LOCATION, 1, 99,
	 cmd_import},
	{"capture", "[NAME] [-w FILE] [--seconds N]",
	 "a pcapng of a connection: clear text, ESP, IKE, and each drop with its reason",
	 "Without NAME, of all connections. Without -w, to a pipe. SIGINT or --seconds ends it. IKE is decrypted\n"
	 "where the configuration says host.exportKeys: true.",
	 OPTION_WRITE | OPTION_SECONDS, 0, 1, cmd_capture},
	{"keys", "[NAME] [--json]", "keys of SAs for a packet analyser (lab use)",
	 "Wireshark's ikev2_decryption_table and esp_sa. Refused unless the configuration says host.exportKeys: true.",
	 OPTION_JSON, 0, 1, cmd_keys},
	{"client-profile", "GATEWAY --client NAME -o DIR [-c FILE]",
	 "what a point-to-site user needs, for each client program",
	 "NAME is one of the gateway's users, or a client that has a certificate. DIR/README.txt says what goes where.\n"
	 "-o DIR             where the files are written; those of an earlier profile are replaced\n"
	 "--ca FILE          the authority of the gateway's certificate, where `certificate.chain` lacks it\n"
	 "--credentials DIR  NAME.pem, NAME.key and NAME.p12 of `xgw client-cert`, put in their places\n"
	 "--with-password    the password too, where a client program has it only in a file (swanctl, pppd)",
	 OPTION_CONFIG | OPTION_DIRECTORY | OPTION_CLIENT | OPTION_CA | OPTION_CREDENTIALS |
		 OPTION_WITH_PASSWORD,
	 1, 1, cmd_client_profile},
	{"client-cert", "root|client -o DIR --name NAME [--root DIR]",
	 "certificates of point-to-site users, for those who have no authority of their own",
	 "root makes an authority (DIR/root.pem, DIR/root.key) and says its line of vpnClientRootCertificates;\n"
	 "client makes NAME.pem and NAME.key under the one of --root, and says the thumbprint that revokes it.\n"
	 "--root DIR            where `xgw client-cert root` put the authority\n"
	 "--days N              how long it is valid (default: 3650 an authority, 365 a client)\n"
	 "--password-file FILE  also NAME.p12 under this password, for Windows and Apple\n"
	 "--rsa                 RSA keys of 2048 bits in place of ECDSA P-256",
	 OPTION_DIRECTORY | OPTION_NAME | OPTION_ROOT | OPTION_DAYS | OPTION_PASSWORD_FILE |
		 OPTION_RSA,
	 1, 1, cmd_client_cert},
	{"help", "[COMMAND]", "this text, or a command's", "", 0, 0, 1, cmd_help},
};

const struct command *command_table(unsigned *n)
{
	*n = sizeof commands / sizeof *commands;
	return commands;
}

/* Levenshtein distance of short words; longer ones count as far. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[33];
	size_t n = strlen(a), m = strlen(b);
	if (n > 32 || m > 32)
		return 99;
	for (unsigned j = 0; j <= m; j++)
		row[j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			unsigned step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			row[j] = change < step ? change : step;
		}
	}
	return row[m];
}

const char *command_nearest(const char *name)
{
	const char *best = NULL;
	unsigned least = 3;
	for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
		unsigned d = distance(name, commands[i].name);
		if (d < least) {
			least = d;
			best = commands[i].name;
		}
	}
	return best;
}

void command_help(const struct command *c)
{
	printf("usage: xgw %s%s%s\n\n%s.\n", c->name, *c->arguments ? " " : "", c->arguments,
	       c->summary);
	if (*c->help)
		printf("%s\n", c->help);
	printf("\nOptions of every command: --instance NAME (default: default), -v, -q, --help\n");
	if (c->options & OPTION_CONFIG)
		printf("-c FILE  the configuration (default: " COMMAND_DEFAULT_CONFIG ")\n");
	if (c->options & OPTION_JSON)
		printf("--json   one JSON document on standard output\n");
}

int cmd_help(const struct command_options *o)
{
	const unsigned n = sizeof commands / sizeof *commands;
	if (!o->argc) {
		printf("xgw: an XDP-accelerated IPsec VPN gateway\n\nusage: xgw COMMAND [ARGUMENTS]\n\n");
		for (unsigned i = 0; i < n; i++)
			printf("  %-15s %s\n", commands[i].name, commands[i].summary);
		printf("\nOptions of every command: --instance NAME (default: default), -v, -q, --help\n"
		       "`xgw COMMAND --help` says more; see also xgw(8) and gateway.yaml(5).\n");
		return EXIT_DONE;
	}
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(commands[i].name, o->argv[0]) == 0) {
			command_help(&commands[i]);
			return EXIT_DONE;
		}
	}
	return command_say(EXIT_USAGE, "no command has the name '%s'; see `xgw help`", o->argv[0]);
}

int command_fail(enum exit_status status, const struct fault *f)
{
	char text[FAULT_TEXT];
	return command_say(status, "%s", fault_format(f, text));
}

int command_say(enum exit_status status, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("xgw: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return (int)status;
}

int command_print_json(json_t *document)
{
	int err = !document || json_dumpf(document, stdout, JSON_INDENT(1)) != 0 ||
		  putchar('\n') == EOF || fflush(stdout) != 0;
	json_decref(document);
	return err ? command_say(EXIT_FAILED,
				 "the document could not be written to standard output")
		   : EXIT_DONE;
}
