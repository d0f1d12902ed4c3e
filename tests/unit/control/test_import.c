/* SPDX-License-Identifier: Apache-2.0 */
/* Whole imports: files of templates, parameters and network configurations in, a configuration and
 * notes out. What comes is looked at line by line and by the parser of configurations. */
#include "control_test.h"

#include "control/import.h"

struct file {
	const char *path, *text;
};

static int read_file(void *owner, const char *path, char **out, size_t *len, struct fault *f)
{
	for (const struct file *x = owner; x->path; x++) {
		if (strcmp(x->path, path) != 0)
			continue;
		*out = strdup(x->text);
		*len = strlen(x->text);
		return *out ? 0 : -ENOMEM;
	}
	return fault_set(f, -ENOENT, "cannot read %s: No such file or directory", path);
}

struct imported {
	struct import_result r;
	struct fault fault;
	int err;
	char *notes; /* joined */
};

/* The files named in `paths`; the rest can be linked. */
static void run(struct imported *x, const struct file *files, struct import_options o)
{
	o.files = (struct import_files){read_file, (void *)(uintptr_t)files};
	*x = (struct imported){0};
	x->err = import_run(&o, &x->r, &x->fault);
	size_t len = 1;
	for (size_t i = 0; i < x->r.n_notes; i++)
		len += strlen(x->r.notes[i]) + 1;
	x->notes = calloc(1, len);
	assert_non_null(x->notes);
	for (size_t i = 0; i < x->r.n_notes; i++)
		strcat(strcat(x->notes, x->r.notes[i]), "\n");
}

static void done(struct imported *x)
{
	free(x->notes);
	import_result_free(&x->r);
}

static void one(struct imported *x, const char *text)
{
	static const char *const paths[] = {"d/t.json"};
	const struct file files[] = {{"d/t.json", text}, {0}};
	run(x, files, (struct import_options){.paths = paths, .n_paths = 1});
}

static void must_have(const struct imported *x, const char *line)
{
	char text[FAULT_TEXT];
	if (x->err)
		fail_msg("%s", fault_format(&x->fault, text));
	if (!strstr(x->r.text, line))
		fail_msg("no '%s' in:\n%s", line, x->r.text);
}

static void must_note(const struct imported *x, const char *line)
{
	if (!strstr(x->notes, line))
		fail_msg("no '%s' among the notes:\n%s", line, x->notes);
}

/* What the parser says of it: nothing but blanks and that there are no attachments. */
static size_t only_blanks(const struct imported *x)
{
	struct model m;
	struct config_findings findings;
	size_t n = 0;
	test_parse(&m, x->r.text, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		const char *text = findings.at[i].text;
		bool blank = strstr(text, "came a blank; fill in: ") != NULL;
		if (!blank && findings.at[i].severity == CONFIG_ERROR &&
		    !strstr(text, "not supported yet"))
			fail_msg("line %u: %s\n%s", findings.at[i].place.line, text, x->r.text);
		n += blank;
	}
	config_findings_free(&findings);
	model_free(&m);
	return n;
}

/* clang-format off */
#define VNET(name, prefix) \
	"{'type': 'Microsoft.Network/virtualNetworks', 'name': '" name "', 'properties': {'addressSpace':" \
	" {'addressPrefixes': ['" prefix "']}, 'subnets': [{'name': 'gatewaysubnet', 'properties':" \
	" {'addressPrefix': '" prefix "'}}]}}"
#define SITE(name) \
	"{'type': 'Microsoft.Network/localNetworkGateways', 'name': '" name "', 'properties':" \
	" {'gatewayIpAddress': '192.0.2.1', 'localNetworkAddressSpace': {'addressPrefixes': ['192.168.0.0/24']}}}"
/* clang-format on */

/* Single quotes for double ones, so that templates can be read here; "`" is a single quote. */
static char *json_of(const char *text)
{
	char *out = strdup(text);
	assert_non_null(out);
	for (char *p = out; *p; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	return out;
}

static void quoted(struct imported *x, const char *text)
{
	char *json = json_of(text);
	one(x, json);
	free(json);
}

/* ---- what a template may look like ---- */

struct refusal {
	const char *text, *says;
};

/* clang-format off */
static const struct refusal refusals[] = {
	{"", "d/t.json:1:1: not JSON: '[' or '{' expected near end of file"},
	{"[]", "d/t.json:1:1: expected a template, an object with resources"},
	{"{\"a\": 1}", "d/t.json:1:1: resources: missing in this template"},
	{"{\n  // comment\n  \"resources\": [}\n", "d/t.json:3:17: not JSON: unexpected token near '}'"},
	{"{\"resources\": []}", "there is nothing in d/t.json that this gateway knows: no virtual network, gateway, site, "
	 "connection, route table or circuit"},
	{"{\"resources\": [1]}", "d/t.json:1:16: expected a resource, an object"},
	{"{\"resources\": [{\"name\": \"a\"}]}", "d/t.json:1:16: type: expected a text"},
	{"{\n \"resources\": [{\"type\": \"A.B/c\", \"name\": /* here */ \"[nothing()]\"}]}",
	 "d/t.json:2:55: nothing: there is no such function"},
	/* the text over two lines counts as two lines */
	{"{\"variables\": {\"x\": \"one\ntwo\"},\n\"resources\": [{\"type\": \"A.B/c\", \"name\": \"[concat('é', div(1, 0))]\"}]}",
	 "d/t.json:3:55: div: no number of 64 bits comes of 1 and 0"},
	/* a failure in a variable is told where it stands, not where it is used */
	{"{\"variables\": {\n\"x\": {\"y\": [1, \"[div(1, 0)]\"]}},\n\"resources\": [{\"type\": \"A.B/c\", \"name\": \"[variables('x').y[1]]\"}]}",
	 "d/t.json:2:18: div: no number of 64 bits comes of 1 and 0"},
	{"{\"resources\": [{\"type\": \"A.B/c\", \"name\": \"n\", \"copy\": {\"name\": \"l\", \"count\": 801}}]}",
	 "d/t.json:1:55: count: expected 0 to 800"},
	{"<a/>", "d/t.json:1:1: expected NetworkConfiguration with VirtualNetworkConfiguration, came 'a'"},
	{"<a>", "d/t.json:1:4: not XML: Premature end of data in tag a line 1"},
	{"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "d/t.json:1:1: a document type and entities are not taken"},
};
/* clang-format on */

static void refused(void **state)
{
	(void)state;
	int wrong = 0;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		struct imported x;
		char text[FAULT_TEXT];
		one(&x, refusals[i].text);
		fault_format(&x.fault, text);
		if (!x.err || x.r.text || strcmp(text, refusals[i].says) != 0) {
			print_error("%s\n  expected %s\n  came     %s\n", refusals[i].text,
				    refusals[i].says, text);
			wrong++;
		}
		done(&x);
	}
	assert_int_equal(wrong, 0);
}

static void json_with_comments(void **state)
{
	(void)state;
	struct imported x;
	one(&x,
	    "\xef\xbb\xbf// first\n{ /* a // b */ \"resources\": [\n"
	    "{\"type\": \"Microsoft.Network/virtualNetworks\", \"name\": \"A\", // \"name\": \"B\"\n"
	    " \"tags\": {\"http://x\": \"/* no comment */\"}, \"properties\":\n"
	    " {\"addressSpace\": {\"addressPrefixes\": [\"10.0.0.0/16\",]}},},\n]}");
	must_have(&x, "  - name: A\n    id: 1001\n    addressSpace: [10.0.0.0/16]\n");
	done(&x);
}

/* ---- scopes and loops ---- */

static void loops(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'resources': ["
	       "{'type': 'Microsoft.Network/localNetworkGateways', 'copy': {'name': 'sites', 'count': 3},"
	       " 'name': '[format(`site{0}`, copyIndex())]', 'properties': {'gatewayIpAddress':"
	       " '[concat(`192.0.2.`, copyIndex(1))]', 'localNetworkAddressSpace': {'copy': [{'name':"
	       " 'addressPrefixes', 'count': 2, 'input': '[concat(`10.`, copyIndex(`sites`), `.`,"
	       " copyIndex(`addressPrefixes`), `.0/24`)]'}]}}}]}");
	must_have(&x, "  - name: site0\n    gatewayIpAddress: 192.0.2.1\n"
		      "    addressSpace: [10.0.0.0/24, 10.0.1.0/24]\n");
	must_have(&x, "  - name: site2\n    gatewayIpAddress: 192.0.2.3\n"
		      "    addressSpace: [10.2.0.0/24, 10.2.1.0/24]\n");
	done(&x);
}

/* A peering that is left out asks for no second port; sizes without a meaning are named. */
static void public_peering(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'resources': [{'type': 'Microsoft.Network/expressRouteCircuits', 'name': 'C',"
	       " 'sku': {'tier': 'Premium'}, 'properties': {'peerings': [{'name': 'p',"
	       " 'properties': {'peeringType': 'AzurePublicPeering',"
	       " 'secondaryPeerAddressPrefix': '192.168.17.252/30'}}]}},"
	       "{'type': 'Microsoft.Network/virtualNetworkGateways', 'name': 'GW', 'properties':"
	       " {'vpnGatewayGeneration': 'Generation2'}}]}");
	must_have(&x, "port: er0\n");
	assert_null(strstr(x.r.text, "er1"));
	must_note(&x, "C: peering p: left out: a circuit has private peering here\n");
	must_note(&x, "C: sku: not carried over: a circuit has no sizes here\n");
	must_note(&x, "GW: vpnGatewayGeneration: not carried over: it has no meaning here\n");
	done(&x);
}

static void conditions(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'parameters': {'p': {'type': 'string'}}, 'resources': ["
	       "{'condition': false, 'type': 'Microsoft.Network/virtualNetworks', 'name': 'off',"
	       " 'properties': {}},"
	       "{'condition': '[not(true())]', 'type': 'Microsoft.Resources/deployments',"
	       " 'name': 'later', 'properties': {}},"
	       "{'condition': false, 'type': 'Microsoft.Compute/disks', 'name': 'disk'},"
	       "{'condition': '[equals(parameters(`p`), `x`)]', 'type':"
	       " 'Microsoft.Network/virtualNetworks', 'name': 'perhaps', 'properties': {}}]}");
	must_have(&x, "- name: perhaps\n");
	must_note(&x,
		  "Microsoft.Network/virtualNetworks perhaps: its condition is not known; it is "
		  "taken\n");
	must_note(&x, "Microsoft.Network/virtualNetworks off: left out: its condition is false\n");
	must_note(&x, "Microsoft.Resources/deployments later: left out: its condition is false\n");
	assert_null(strstr(x.r.text, "off"));
	assert_null(strstr(x.notes, "disk"));
	done(&x);
}

#define NESTED(scope)                                                                             \
	"{'variables': {'v': 'outer'}, 'parameters': {'p': {'type': 'string', 'defaultValue':"    \
	" 'outer'}}, 'resources': [{'type': 'Microsoft.Resources/deployments', 'name': 'd',"      \
	" 'properties': {" scope                                                                  \
	"'parameters': {'p': {'value': '[concat(`given-`, variables(`v`))]'}}, 'template':"       \
	" {'parameters': {'p': {'type': 'string'}}, 'variables': {'v': 'inner', 'own': 'mine'},"  \
	" 'resources': [{'type': 'Microsoft.Network/virtualNetworks', 'name':"                    \
	" '[concat(variables(`v`), `-`, parameters(`p`), `-`, variables(`own`))]', 'properties':" \
	" {}}], 'outputs': {'o': {'type': 'string', 'value': '192.0.2.7'}}}}},"                   \
	"{'type': 'Microsoft.Network/localNetworkGateways', 'name': 's', 'properties':"           \
	" {'gatewayIpAddress': '[reference(`d`).outputs.o.value]'}}]}"

static void nested_scopes(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x, NESTED("'expressionEvaluationOptions': {'scope': 'inner'}, "));
	must_have(&x, "- name: inner-given-outer-mine\n");
	must_have(&x, "    gatewayIpAddress: 192.0.2.7\n");
	done(&x);
	quoted(&x, NESTED(""));
	must_have(&x, "- name: outer-outer-mine\n");
	done(&x);
}

static void linked(void **state)
{
	(void)state;
	static const char *const paths[] = {"d/t.json"};
	char *main_text = json_of(
		"{'resources': ["
		"{'type': 'Microsoft.Resources/deployments', 'name': 'a', 'properties': {'templateLink':"
		" {'relativePath': 'nested/a.json'}, 'parameters': {'n': {'value': 'A'}}}},"
		"{'type': 'Microsoft.Resources/deployments', 'name': 'b', 'properties': {'templateLink':"
		" {'uri': '[uri(deployment().properties.templateLink.uri, `nested/a.json`)]'},"
		" 'parameters': {'n': {'value': 'B'}}}},"
		"{'type': 'Microsoft.Resources/deployments', 'name': 'c', 'properties': {'templateLink':"
		" {'uri': 'https://raw.example.org/who/what/main/nested/a.json?token=1'},"
		" 'parameters': {'n': {'value': 'C'}}}},"
		"{'type': 'Microsoft.Resources/deployments', 'name': 'up', 'properties': {'templateLink':"
		" {'relativePath': '../secret.json'}}},"
		"{'type': 'Microsoft.Resources/deployments', 'name': 'root', 'properties':"
		" {'templateLink': {'uri': '/etc/secret.json'}}}]}");
	char *nested = json_of("{'parameters': {'n': {'type': 'string'}}, 'resources': ["
			       "{'type': 'Microsoft.Network/virtualNetworks', 'name':"
			       " '[parameters(`n`)]', 'properties': {}}]}");
	char *secret = json_of("{'resources': [" VNET("secret", "10.0.0.0/16") "]}");
	const struct file files[] = {{"d/t.json", main_text},
				     {"d/nested/a.json", nested},
				     {"secret.json", secret},
				     {"/etc/secret.json", secret},
				     {0}};
	struct imported x;
	run(&x, files, (struct import_options){.paths = paths, .n_paths = 1});
	must_have(&x, "- name: A\n");
	must_have(&x, "- name: B\n");
	must_have(&x, "- name: C\n");
	assert_null(strstr(x.r.text, "- name: secret"));
	must_note(&x,
		  "Microsoft.Resources/deployments up: left out: its template ../secret.json is "
		  "not beside d/t.json\n");
	done(&x);
	free(main_text);
	free(nested);
	free(secret);
}

static void parameters_files(void **state)
{
	(void)state;
	static const char *const paths[] = {"t.json", "own.json", "u.json"};
	char *t = json_of(
		"{'parameters': {'a': {'type': 'string', 'allowedValues': ['East', 'West']},"
		" 'b': {'type': 'string'}, 'k': {'type': 'securestring'}}, 'resources': ["
		"{'type': 'Microsoft.Network/virtualNetworks', 'name':"
		" '[concat(parameters(`A`), `-`, parameters(`b`))]', 'properties': {}},"
		"{'type': 'Microsoft.Network/connections', 'name': 'c', 'properties':"
		" {'sharedKey': '[parameters(`k`)]'}}]}");
	char *u = json_of("{'parameters': {'b': {'type': 'string'}}, 'resources': ["
			  "{'type': 'Microsoft.Network/virtualNetworks', 'name':"
			  " '[parameters(`b`)]', 'properties': {}}]}");
	char *own = json_of("{'$schema': 'https://x/deploymentParameters.json#', 'parameters':"
			    " {'A': {'value': 'east'}, 'k': {'reference': {'keyVault': {}}},"
			    " 'z': {'value': 1}}}");
	char *all = json_of("{'parameters': {'B': {'value': 'both'}, 'y': {'value': 2}}}");
	const struct file files[] = {
		{"t.json", t}, {"u.json", u}, {"own.json", own}, {"all.json", all}, {0}};
	struct imported x;
	run(&x, files,
	    (struct import_options){.paths = paths, .n_paths = 3, .parameters = "all.json"});
	must_have(&x, "- name: east-both\n");
	must_have(&x, "- name: both\n");
	must_have(&x, "sharedKey: \"<fill in: parameter k: a secret in a key vault>\"\n");
	must_note(&x, "parameter z: t.json has none of this name\n");
	must_note(&x, "parameter y: no template has it\n");
	done(&x);
	free(t);
	free(u);
	free(own);
	free(all);
}

/* GET-PREREQ-name is an output of a template in front. */
static void prerequisites(void **state)
{
	(void)state;
	static const char *const paths[] = {"p.json", "t.json", "own.json"};
	char *p = json_of("{'resources': [" VNET("V", "10.0.0.0/16") "], 'outputs': {'gw': {'type':"
								     " 'string', 'value': 'GW'}}}");
	char *t = json_of(
		"{'parameters': {'name': {'type': 'string'}, 'key': {'type':"
		" 'string'}}, 'resources': [{'type': 'Microsoft.Network/localNetworkGateways',"
		" 'name': '[parameters(`name`)]', 'properties': {'fqdn': '[parameters(`key`)]'}}]}");
	char *own = json_of("{'$schema': 'x/deploymentParameters.json#', 'parameters': {'name':"
			    " {'value': 'GET-PREREQ-gw'}, 'key': {'value': 'GEN-UNIQUE-8'}}}");
	const struct file files[] = {{"p.json", p}, {"t.json", t}, {"own.json", own}, {0}};
	struct imported x;
	run(&x, files, (struct import_options){.paths = paths, .n_paths = 3});
	must_have(&x, "  - name: GW\n    fqdn: \"<fill in: parameter key>\"\n");
	done(&x);
	free(p);
	free(t);
	free(own);
}

/* ---- resources ---- */

static const char gateways[] = "{'resources': [" VNET(
	"Hub",
	"10.1.0.0/16") ","
		       "{'type': 'microsoft.network/VIRTUALNETWORKGATEWAYS', 'name': 'GW', 'properties':"
		       " {'GatewayType': 'vpn', 'vpntype': 'routebased', 'enableBgp': 'false', 'activeActive': true,"
		       " 'sku': {'name': 'VpnGw2AZ'}, 'gatewayDefaultSite': {'id':"
		       " '[resourceId(`Microsoft.Network/localNetworkGateways`, `Site 5`)]'},"
		       " 'customRoutes': {'addressPrefixes': ['10.9.0.0/16']}, 'ipConfigurations': [{'properties':"
		       " {'subnet': {'id': '[concat(resourceId(`Microsoft.Network/virtualNetworks`, `hub`),"
		       " `/subnets/GatewaySubnet`)]'}, 'publicIpAddress': {'id':"
		       " '[resourceId(`Microsoft.Network/publicIPAddresses`, `ip`)]'}}}]}},"
		       "{'type': 'Microsoft.Network/publicIPAddresses', 'name': 'ip', 'properties': {'ipAddress':"
		       " '203.0.113.9'}}," SITE(
			       "Site 5") ","
					 "{'type': 'Microsoft.Network/connections', 'name': 'C', 'properties': {'connectionType':"
					 " 'IPSec', 'virtualNetworkGateway1': {'id':"
					 " '[resourceId(`Microsoft.Network/virtualNetworkGateways`, `GW`)]'}, 'localNetworkGateway2':"
					 " {'id': '[resourceId(`Microsoft.Network/localNetworkGateways`, `Site 5`)]', 'properties': {}},"
					 " 'sharedKey': 'a \\'b\\' \\\\ c: #', 'routingWeight': '7', 'enableBGP': 'False',"
					 " 'dpdTimeoutSeconds': 0, 'connectionProtocol': 'ikev2', 'ipsecPolicies': [{'ikeEncryption':"
					 " 'aes256', 'IKEIntegrity': 'SHA256', 'dhGroup': 'dhgroup14', 'ipsecEncryption': 'GCMAES256',"
					 " 'ipsecIntegrity': 'gcmaes256', 'pfsGroup': 'None', 'saLifeTimeSeconds': '3600',"
					 " 'saDataSizeKilobytes': 102400000}]}}]}";

static void gateway(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x, gateways);
	must_have(&x, "      - {name: GatewaySubnet, addressPrefix: 10.1.0.0/16}\n");
	must_have(&x, "  - name: GW\n    virtualNetwork: Hub\n    gatewayType: Vpn\n"
		      "    vpnType: RouteBased\n    sku: VpnGw2\n    publicIPAddress: 203.0.113.9\n"
		      "    enableBgp: false\n    gatewayDefaultSite: Site-5\n");
	must_have(&x, "    connectionType: IPsec\n    virtualNetworkGateway1: GW\n"
		      "    localNetworkGateway2: Site-5\n    connectionProtocol: IKEv2\n"
		      "    sharedKey: \"a \\\"b\\\" \\\\ c: #\"\n    ipsecPolicies:\n");
	must_have(
		&x,
		"ikeEncryption: AES256\n        ikeIntegrity: SHA256\n        dhGroup: DHGroup14\n");
	must_have(&x, "    routingWeight: 7\n    enableBgp: false\n");
	assert_null(strstr(x.r.text, "dpdTimeoutSeconds"));
	must_note(&x, "GW: activeActive: this is the first of two instances; ");
	must_have(&x, "    activeActive: true\n");
	must_have(&x, "address of the other instance of GW");
	must_note(&x, "GW: customRoutes: not carried over: ");
	must_note(&x, "Site 5: is called Site-5 here\n");
	assert_int_equal(only_blanks(&x), 3); /* the ports, the other instance */
	done(&x);
}

/* clang-format off */
static const char circuit_template[] =
	"{'resources': [" VNET("V", "10.1.0.0/16") ","
	"{'type': 'Microsoft.Network/expressRouteCircuits', 'name': 'C', 'sku': {'name': 's'}, 'properties':"
	" {'serviceProviderProperties': {'bandwidthInMbps': 200}}, 'resources': [{'type': 'peerings', 'name':"
	" 'AzurePrivatePeering', 'properties': {'vlanId': 100, 'peerASN': '65010', 'primaryPeerAddressPrefix':"
	" '192.168.16.252/30', 'secondaryPeerAddressPrefix': '192.168.17.252/30', 'sharedKey': 'md5 key',"
	" 'ipv6PeeringConfig': {'primaryPeerAddressPrefix': 'fd99::/126', 'state': 'Enabled'}}},"
	" {'type': 'peerings', 'name': 'MicrosoftPeering', 'properties': {}}]},"
	"{'type': 'Microsoft.Network/connections', 'name': 'c', 'properties': {'connectionType': 'ExpressRoute',"
	" 'peer': {'id': 'x/expressRouteCircuits/C'}, 'virtualNetworkGateway1': {'id':"
	" 'x/virtualNetworkGateways/far'}, 'authorizationKey': 'k'}},"
	"{'type': 'Microsoft.Network/virtualNetworkGateways', 'name': 'ER', 'properties': {'gatewayType':"
	" 'ExpressRoute', 'sku': {'name': 'ErGw2AZ'}, 'bgpSettings': {'asn': 65515, 'bgpPeeringAddress':"
	" '10.1.0.12,10.1.0.13', 'peerWeight': 0}, 'ipConfigurations': [{'properties': {'subnet': {'id':"
	" '[resourceId(`Microsoft.Network/virtualNetworks/subnets`, `V`, `GatewaySubnet`)]'},"
	" 'publicIPAddress': {'id': 'x/publicIPAddresses/p'}}}]}}]}";

static const char bgp_template[] =
	"{'resources': [" VNET("V", "10.1.255.0/27") ","
	"{'type': 'Microsoft.Network/virtualNetworkGateways', 'name': 'GW', 'properties': {'enableBgp': 'true',"
	" 'bgpSettings': {'asn': '65010', 'peerWeight': 5, 'bgpPeeringAddresses': [{'customBgpIpAddresses':"
	" ['169.254.21.1']}, {'customBgpIpAddresses': ['169.254.22.1']}]}, 'ipConfigurations': [{'properties': {'subnet': {'id':"
	" '[resourceId(`Microsoft.Network/virtualNetworks/subnets`, `V`, `GatewaySubnet`)]'}}}]}},"
	"{'type': 'Microsoft.Network/localNetworkGateways', 'name': 'S', 'properties': {'fqdn': 'site.example.org',"
	" 'bgpSettings': {'asn': 65050, 'bgpPeeringAddress': '[reference(`GW`).bgpSettings.bgpPeeringAddress]'}}}]}";

static const char client_template[] =
	"{'resources': [" VNET("V", "10.1.255.0/27") ","
	"{'type': 'Microsoft.Network/publicIPAddresses', 'name': 'vm', 'properties': {}},"
	"{'type': 'Microsoft.Network/virtualNetworkGateways', 'name': 'GW', 'properties': {'vpnClientConfiguration':"
	" {'vpnClientAddressPool': {'addressPrefixes': ['172.16.0.0/24']}, 'vpnClientProtocols': ['OpenVPN'],"
	" 'aadTenant': 'x'}, 'customRoutes': {'addressPrefixes': ['10.5.0.0/16', '10.6.7.8/16']}, 'ipConfigurations': [{'properties': {'subnet': {'id':"
	" '[resourceId(`Microsoft.Network/virtualNetworks/subnets`, `V`, `GatewaySubnet`)]'}}}]}}]}";
/* clang-format on */

static void circuits(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x, circuit_template);
	must_have(&x, "device: \"<fill in: network device that the circuit comes in by>\", role: "
		      "circuit}\n");
	must_have(&x, "    - {name: er1, device: \"<fill in: network device that the circuit's "
		      "second link comes in by>\", role: circuit}\n");
	must_have(&x, "  - name: C\n    bandwidthInMbps: 200\n    peerings:\n      - port: er0\n"
		      "        vlanId: 100\n        primaryPeerAddressPrefix: 192.168.16.252/30\n"
		      "        secondaryPort: er1\n        secondaryPeerAddressPrefix: "
		      "192.168.17.252/30\n        peerASN: 65010\n        sharedKey: \"md5 "
		      "key\"\n"
		      "        ipv6PeeringConfig: {primaryPeerAddressPrefix: \"fd99::/126\"}\n");
	must_have(&x, "    connectionType: ExpressRoute\n    virtualNetworkGateway1: far\n"
		      "    expressRouteCircuit: C\n");
	must_have(&x, "with these\n  - name: far\n    virtualNetwork: far-vnet\n    gatewayType: "
		      "ExpressRoute\n");
	/* its address is the cloud's matter, and its sessions are at the links */
	must_have(&x, "  - name: ER\n    virtualNetwork: V\n    gatewayType: ExpressRoute\n"
		      "    sku: ErGw2AZ\n    bgpSettings: {asn: 65515}\n");
	must_note(&x, "peering MicrosoftPeering: left out: ");
	must_note(&x, "c: authorizationKey: not carried over: ");
	done(&x);
}

/* The address that speaks BGP is the last but one of the GatewaySubnet, as in Azure. */
static void bgp(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x, bgp_template);
	must_have(&x, "    enableBgp: true\n    bgpSettings:\n      asn: 65010\n"
		      "      bgpPeeringAddress: 10.1.255.30\n      peerWeight: 5\n"
		      "      customBgpIpAddresses: [169.254.21.1, 169.254.22.1]\n");
	must_have(&x, "  - name: S\n    fqdn: site.example.org\n    addressSpace: []\n"
		      "    bgpSettings:");
	must_have(&x, "\"<fill in: bgpPeeringAddress of GW as it is deployed>\"");
	done(&x);
}

static void dns_servers(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'parameters': {'d': {'type': 'array'}}, 'resources': ["
	       "{'type': 'Microsoft.Network/virtualNetworks', 'name': 'A', 'properties': {'addressSpace':"
	       " {'addressPrefixes': ['10.1.0.0/16']}, 'dhcpOptions': {'dnsServers': ['10.1.0.4',"
	       " '168.63.129.16', '10.1.0.5']}}},"
	       "{'type': 'Microsoft.Network/virtualNetworks', 'name': 'B', 'properties': {'addressSpace':"
	       " {'addressPrefixes': ['10.2.0.0/16']}, 'dhcpOptions': {'dnsServers': []}}},"
	       "{'type': 'Microsoft.Network/virtualNetworks', 'name': 'C', 'properties': {'addressSpace':"
	       " {'addressPrefixes': ['10.3.0.0/16']}, 'dhcpOptions': {'dnsServers':"
	       " '[parameters(`d`)]'}}}]}");
	must_have(&x, "    addressSpace: [10.1.0.0/16]\n    dhcpOptions: {dnsServers: "
		      "[10.1.0.4, 10.1.0.5]}\n");
	must_have(&x, "    addressSpace: [10.2.0.0/16]\n    subnets");
	must_have(&x, "    dhcpOptions: {dnsServers: [\"<fill in: ");
	must_note(
		&x,
		"A: dhcpOptions.dnsServers: 168.63.129.16 is left out: it answers in Azure alone");
	only_blanks(&x);
	done(&x);
}

/* What a point-to-site gateway needs here is set, and told. */
static void clients(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x, client_template);
	must_have(&x, "      vpnClientProtocols: [IkeV2]\n");
	must_have(&x, "    certificate: {chain: \"<fill in: file of the certificate of GW>\", "
		      "key: ");
	must_note(&x, "GW: vpnClientProtocols: OpenVPN is not carried over: there is none here\n");
	must_note(&x, "GW: aadTenant: not carried over: ");
	must_have(&x, "    customRoutes: {addressPrefixes: [10.5.0.0/16, 10.6.0.0/16]}\n");
	must_note(&x, "Microsoft.Network/publicIPAddresses vm: left out: no gateway has it\n");
	assert_int_equal(only_blanks(&x), 6);
	done(&x);
}

static void routes_and_peerings(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'resources': ["
	       "{'type': 'Microsoft.Network/routeTables', 'name': 'forced', 'properties':"
	       " {'disableBgpRoutePropagation': true, 'routes': [{'name': 'default', 'properties':"
	       " {'addressPrefix': '0.0.0.0/0', 'nextHopType': 'virtualnetworkgateway'}}, {'name':"
	       " 'fw', 'properties': {'addressPrefix': '10.0.0.0/8', 'nextHopType':"
	       " 'VirtualAppliance', 'nextHopIpAddress': '10.0.0.4'}}]}},"
	       "{'type': 'Microsoft.Network/virtualNetworks', 'name': 'A', 'properties':"
	       " {'addressSpace': {'addressPrefixes': ['10.0.0.1/16']}, 'subnets': [{'name': 's',"
	       " 'properties': {'addressPrefix': '10.0.0.0/24', 'routeTable': {'id':"
	       " '[resourceId(`Microsoft.Network/routeTables`, `forced`)]'}}}]}},"
	       "{'type': 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings', 'name': 'A/to-B',"
	       " 'properties': {'allowForwardedTraffic': true, 'remoteVirtualNetwork': {'id':"
	       " '[resourceId(`other`, `Microsoft.Network/virtualNetworks`, `B`)]'}}}]}");
	must_have(&x, "      - {name: default, addressPrefix: 0.0.0.0/0, nextHopType: "
		      "VirtualNetworkGateway}\n");
	must_have(&x, "      - {name: s, addressPrefix: 10.0.0.0/24, routeTable: forced}\n");
	must_have(&x, "    peerings:\n      - {name: to-B, remoteVirtualNetwork: B, "
		      "allowForwardedTraffic: true}\n");
	must_have(&x,
		  "  - name: B\n    id: 1002\n    addressSpace: [\"<fill in: address space of the "
		  "virtual network B>\"]\n");
	must_have(&x,
		  "      - {name: fw, addressPrefix: 10.0.0.0/8, nextHopType: VirtualAppliance, "
		  "nextHopIpAddress: 10.0.0.4}\n");
	must_have(&x, "    disableBgpRoutePropagation: true\n");
	must_note(&x, "A: prefix 10.0.0.1/16: taken without its host bits\n");
	done(&x);
}

static void vnet_to_vnet(void **state)
{
	(void)state;
	struct imported x;
	quoted(&x,
	       "{'resources': ["
	       "{'type': 'Microsoft.Network/connections', 'name': 'one', 'properties':"
	       " {'connectionType': 'Vnet2Vnet', 'sharedKey': 'k', 'virtualNetworkGateway1': {'id':"
	       " '/virtualNetworkGateways/near'}, 'virtualNetworkGateway2': {'id':"
	       " '/virtualNetworkGateways/far'}}}]}");
	must_have(&x, "remoteGateways:\n  # referred to");
	must_have(&x, "  - name: far\n    publicIPAddress: ");
	must_have(&x, "virtualNetworkGateways:\n  # referred to");
	assert_null(strstr(x.r.text, "far-vnet"));
	done(&x);
}

static void blanks_are_asked_for(void **state)
{
	(void)state;
	struct imported x;
	struct model m;
	struct config_findings findings;
	quoted(&x,
	       "{'resources': [" SITE(
		       "S") ","
			    "{'type': 'Microsoft.Network/connections', 'name': 'c', 'properties':"
			    " {'connectionType': 'IPsec', 'localNetworkGateway2': {'id': 'x/localNetworkGateways/S'},"
			    " 'virtualNetworkGateway1': {'id': 'x/virtualNetworkGateways/G'}}}]}");
	assert_int_equal(test_parse(&m, x.r.text, &findings), -EINVAL);
	char *text = test_findings_text(&findings);
	assert_non_null(strstr(text,
			       "error: sharedKey: expected a text or {file: PATH}, came a blank; "
			       "fill in: pre-shared key of c, or {file: PATH}\n"));
	assert_non_null(strstr(text,
			       "error: publicIPAddress: expected an IP address, came a blank; "
			       "fill in: public address of G\n"));
	assert_non_null(strstr(text,
			       "error: device: expected the name of a network device (at most 15 "
			       "characters), came a blank; fill in: "));
	free(text);
	config_findings_free(&findings);
	model_free(&m);
	assert_int_equal(only_blanks(&x), 6);
	done(&x);
}

/* ---- several files ---- */

static void several_files(void **state)
{
	(void)state;
	static const char *const paths[] = {"a.json", "n.xml", "b.json"};
	char *a = json_of("{'resources': [" VNET("Shared", "10.1.0.0/16") "]}");
	char *b = json_of(
		"{'resources': [" VNET("Shared", "10.2.0.0/16") "," VNET("B", "10.3.0.0/16") "]}");
	static const char xml[] =
		"<NetworkConfiguration xmlns='http://schemas.microsoft.com/ServiceHosting/2011/07/"
		"NetworkConfiguration'><VirtualNetworkConfiguration><VirtualNetworkSites>"
		"<VirtualNetworkSite name='Shared' Location='West US'><AddressSpace><AddressPrefix> "
		"10.9.0.0/16 </AddressPrefix></AddressSpace></VirtualNetworkSite></VirtualNetworkSites>"
		"</VirtualNetworkConfiguration></NetworkConfiguration>";
	const struct file files[] = {{"a.json", a}, {"b.json", b}, {"n.xml", xml}, {0}};
	struct imported x;
	run(&x, files, (struct import_options){.paths = paths, .n_paths = 3});
	must_have(&x, "  - name: Shared\n    id: 1001\n    addressSpace: [10.2.0.0/16]\n");
	must_have(&x, "  - name: Shared-2\n    id: 1002\n    deploymentModel: classic\n"
		      "    addressSpace: [10.9.0.0/16]\n");
	must_note(&x, "Shared: that of b.json replaces that of a.json\n");
	assert_int_equal(only_blanks(&x), 2);
	done(&x);
	free(a);
	free(b);
}

static void network_configuration(void **state)
{
	(void)state;
	char *xml = test_file("tests/data/netcfg/two-sites.xml");
	struct imported x;
	one(&x, xml);
	must_have(&x, "  - name: ClassicVNet\n    id: 1001\n    deploymentModel: classic\n");
	must_have(&x, "  - name: ClassicVNetGW\n    virtualNetwork: ClassicVNet\n");
	must_have(&x, "      vpnClientAddressPool: [172.16.41.0/24]\n");
	must_have(&x, "  - name: Branch-1\n    gatewayIpAddress: 198.51.100.10\n"
		      "    addressSpace: [192.168.10.0/24, 192.168.11.0/24]\n");
	must_have(&x,
		  "  - name: ClassicVNet-Branch-1\n    connectionType: IPsec\n"
		  "    virtualNetworkGateway1: ClassicVNetGW\n    localNetworkGateway2: Branch-1\n"
		  "    sharedKey: \"<fill in: pre-shared key of ClassicVNet-Branch 1, ");
	must_have(&x, "    addressSpace: [10.41.0.0/16]\n    dhcpOptions: {dnsServers: "
		      "[10.41.0.4]}\n");
	must_note(
		&x,
		"DnsServerRef ClassicVNet: left out: Dns names no address for it (d/t.json:44)\n");
	must_note(&x,
		  "Gateway ClassicVNet: whether its routing is static or dynamic is not in such a "
		  "file; RouteBased is taken (d/t.json:46)\n");
	only_blanks(&x);
	done(&x);
	free(xml);
}

/* ---- caps ---- */

static void failure_of(const char *text, const char *says)
{
	struct imported x;
	quoted(&x, text);
	assert_int_not_equal(x.err, 0);
	if (!strstr(x.fault.text, says))
		fail_msg("expected '%s', came '%s'", says, x.fault.text);
	done(&x);
}

static void hostile(void **state)
{
	(void)state;
	/* each variable is twice the one before */
	char *text = calloc(1, 1 << 16);
	assert_non_null(text);
	strcpy(text, "{'variables': {'v0': [1, 2]");
	for (int i = 1; i < 60; i++)
		sprintf(text + strlen(text),
			", 'v%d': '[createArray(variables(`v%d`), variables(`v%d`))]'", i, i - 1,
			i - 1);
	strcat(text, "}, 'resources': [{'type': 'A.B/c', 'name': '[string(variables(`v59`))]'}]}");
	failure_of(text, "nested deeper than");
	/* the same, from the bottom */
	char *names = text + strlen(text) - 3;
	strcpy(names, "]}");
	strcpy(strstr(text, "}, 'resources'"), "}, 'resources': [");
	for (int i = 0; i < 60; i += 10)
		sprintf(text + strlen(text),
			"{'type': 'A.B/c', 'name': '[uniqueString(string(length(variables(`v%d`))))]'},",
			i);
	strcat(text, "]}");
	failure_of(text, "compute too much");
	free(text);
	/* loops within loops */
	failure_of(
		"{'resources': [{'type': 'A.B/c', 'name': 'n', 'copy': {'name': 'a', 'count': 800},"
		" 'resources': [{'type': 'd', 'name': 'n', 'copy': {'name': 'b', 'count': 800},"
		" 'resources': [{'type': 'e', 'name': 'n', 'copy': {'name': 'c', 'count': 800}}]}]}]}",
		"compute too much");
	/* a deployment that deploys itself */
	failure_of("{'resources': [{'type': 'Microsoft.Resources/deployments', 'name': 'd',"
		   " 'properties': {'templateLink': {'relativePath': 't.json'}}}]}",
		   "deployments are nested deeper than 8 levels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),	  cmocka_unit_test(json_with_comments),
		cmocka_unit_test(loops),	  cmocka_unit_test(conditions),
		cmocka_unit_test(public_peering), cmocka_unit_test(nested_scopes),
		cmocka_unit_test(linked),	  cmocka_unit_test(parameters_files),
		cmocka_unit_test(prerequisites),  cmocka_unit_test(gateway),
		cmocka_unit_test(circuits),	  cmocka_unit_test(bgp),
		cmocka_unit_test(clients),	  cmocka_unit_test(routes_and_peerings),
		cmocka_unit_test(vnet_to_vnet),	  cmocka_unit_test(blanks_are_asked_for),
		cmocka_unit_test(several_files),  cmocka_unit_test(network_configuration),
		cmocka_unit_test(dns_servers),	  cmocka_unit_test(hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
