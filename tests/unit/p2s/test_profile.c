/* SPDX-License-Identifier: Apache-2.0 */
/* Client profiles: which files there are, how hostile names are written, where passwords are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "p2s/profile_internal.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ip_prefix routes[2];

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static struct profile_facts facts(void)
{
	struct profile_facts p = {.gateway = "gw.1",
				  .server = "gw.example.org",
				  .identity = "gw.example.org",
				  .address = ip_addr_v4(0xcb007101),
				  .client = "bob",
				  .ike = true,
				  .sstp = true,
				  .gives_v4 = true,
				  .routes = routes,
				  .n_routes = 2,
				  .authority = bytes_of("DER of the authority"),
				  .authority_pem = bytes_of("PEM of the authority"),
				  .authority_name = "Authority",
				  .issuer_name = "Issuer",
				  .certificate_name = "the gateway"};
	assert_int_equal(ip_prefix_parse(&routes[0], "10.11.0.0/16"), 0);
	assert_int_equal(ip_prefix_parse(&routes[1], "fd00:11::/48"), 0);
	return p;
}

static const char *file(const struct profile *p, const char *path)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->file[i].path, path)) {
			assert_int_equal(strlen(p->file[i].at), p->file[i].len);
			return p->file[i].at;
		}
	return NULL;
}

static void make(struct profile *out, const struct profile_facts *p)
{
	struct fault f = {0};
	int err = profile_make(out, p, &f);
	if (err)
		fail_msg("%s", f.text);
}

static void has(const struct profile *p, const char *path, const char *part)
{
	const char *text = file(p, path);
	if (!text || !strstr(text, part))
		fail_msg("%s lacks %s\n%s", path, part, text ? text : "(there is no such file)");
}

/* How often any file holds it. */
static unsigned files_with(const struct profile *p, const char *part)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->n; i++)
		n += strstr(p->file[i].at, part) != NULL;
	return n;
}

static void files_of_each_protocol(void **state)
{
	static const char *const of_ike[] = {
		"gw.1.mobileconfig", "swanctl/conf.d/gw.1.conf", "swanctl/x509ca/gw.1-ca.pem",
		"network-manager/system-connections/gw.1-ikev2.nmconnection"};
	static const char *const of_sstp[] = {
		"network-manager/system-connections/gw.1-sstp.nmconnection", "ppp/peers/gw.1-sstp",
		"ppp/ip-up.d/gw_1-routes", "ppp/gw.1-ca.pem"};
	static const char *const of_both[] = {"README.txt", "windows.ps1",
					      "Generic/VpnSettings.xml",
					      "Generic/VpnServerRoot.cer"};
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	for (unsigned which = 1; which <= 3; which++) {
		p.ike = which & 1;
		p.sstp = which & 2;
		make(&out, &p);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(file(&out, of_ike[i]) != NULL, p.ike);
			assert_int_equal(file(&out, of_sstp[i]) != NULL, p.sstp);
			assert_non_null(file(&out, of_both[i]));
		}
		const char *script = file(&out, "windows.ps1");
		assert_int_equal(strstr(script, "-TunnelType Ikev2") != NULL, p.ike);
		assert_int_equal(strstr(script, "-TunnelType Sstp") != NULL, p.sstp);
		profile_free(&out);
	}
}

static void sstp_for_a_password(void **state)
{
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	make(&out, &p);
	has(&out, "ppp/peers/gw.1-sstp",
	    "pty \"sstpc --ipparam gw.1 --nolaunchpppd --ca-cert /etc/ppp/gw.1-ca.pem "
	    "gw.example.org\"\nname \"bob\"\n");
	has(&out, "ppp/peers/gw.1-sstp", "refuse-eap\n");
	has(&out, "ppp/ip-up.d/gw_1-routes", "ip route replace 10.11.0.0/16 dev \"$PPP_IFACE\"\n");
	has(&out, "network-manager/system-connections/gw.1-sstp.nmconnection",
	    "gateway=gw.example.org\n");
	has(&out, "network-manager/system-connections/gw.1-sstp.nmconnection",
	    "[ipv4]\nmethod=auto\nnever-default=true\nroute1=10.11.0.0/16\n");
	has(&out, "network-manager/system-connections/gw.1-sstp.nmconnection",
	    "route1=fd00:11::/48\n");
	has(&out, "ppp/peers/gw.1-sstp", "# password \"...\"\n");
	profile_free(&out);
}

static void sstp_for_a_certificate(void **state)
{
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	p.by_certificate = true;
	p.client = "alice@example.org";
	p.certificate_pem = bytes_of("PEM of the client");
	p.key_pem = bytes_of("KEY of the client");
	make(&out, &p);
	has(&out, "ppp/peers/gw.1-sstp",
	    "refuse-mschap-v2\ncert /etc/ppp/alice@example.org.pem\nkey "
	    "/etc/ppp/alice@example.org.key\nca /etc/ppp/gw.1-ca.pem\n");
	has(&out, "ppp/peers/gw.1-sstp", "remotename \"the gateway\"\nlinkname gw.1\n");
	has(&out, "ppp/alice@example.org.key", "KEY of the client");
	for (unsigned i = 0; i < out.n; i++)
		assert_true(out.file[i].secret || !strstr(out.file[i].at, "KEY of the client"));
	assert_int_equal(files_with(&out, "KEY of the client"), 3);
	profile_free(&out);
}

/* Sections have no dots, since strongSwan would nest them; IPv6 has its own virtual address. */
static void swanctl(void **state)
{
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	p.gives_v6 = true;
	make(&out, &p);
	has(&out, "swanctl/conf.d/gw.1.conf", "connections {\n  gw_1 {\n");
	has(&out, "swanctl/conf.d/gw.1.conf", "vips = 0.0.0.0, ::\n");
	has(&out, "swanctl/conf.d/gw.1.conf", "remote_ts = 10.11.0.0/16, fd00:11::/48\n");
	has(&out, "swanctl/conf.d/gw.1.conf", "eap_id = \"bob\"\n");
	profile_free(&out);
	make(&out, &p);
	has(&out, "swanctl/conf.d/gw.1.conf",
	    "# secrets {\n#   eap-gw_1 {\n#     id = \"bob\"\n#     secret = \"...\"\n#   }\n# }\n");
	profile_free(&out);
	p.client = "C=DE, O=\"x\"";
	make(&out, &p);
	has(&out, "swanctl/conf.d/gw.1.conf", "eap_id = \"@#433d44452c204f3d227822\"\n");
	profile_free(&out);
}

static void passwords(void **state)
{
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	p.password = bytes_of("a \"b\" \\c");
	make(&out, &p);
	has(&out, "swanctl/conf.d/gw.1.conf", "secret = 0x6120226222205c63\n");
	has(&out, "ppp/peers/gw.1-sstp", "\npassword \"a \\\"b\\\" \\\\c\"\n");
	for (unsigned i = 0; i < out.n; i++) {
		bool is = strstr(out.file[i].at, "6120226222205c63") ||
			  strstr(out.file[i].at, "a \\\"b");
		assert_true(!is || out.file[i].secret);
	}
	profile_free(&out);
}

static void string_of(const char *text, const char *path, const char *want)
{
	xmlDoc *d = xmlReadMemory(text, (int)strlen(text), NULL, NULL, XML_PARSE_NONET);
	assert_non_null(d);
	xmlXPathContext *c = xmlXPathNewContext(d);
	xmlXPathObject *o = xmlXPathEvalExpression((const xmlChar *)path, c);
	xmlChar *is = xmlXPathCastToString(o);
	assert_string_equal((const char *)is, want);
	xmlFree(is);
	xmlXPathFreeObject(o);
	xmlXPathFreeContext(c);
	xmlFreeDoc(d);
}

static void hostile_names(void **state)
{
	static const char name[] = "o'; Remove-Item \xe2\x80\x99 C:\\ </string>&\"]]>";
	struct profile_facts p = facts();
	struct profile out;
	(void)state;
	p.client = name;
	p.identity = name;
	p.authority_name = p.issuer_name = name;
	make(&out, &p);
	string_of(file(&out, "gw.1.mobileconfig"),
		  "//key[.='AuthName']/following-sibling::string[1]", name);
	string_of(file(&out, "gw.1.mobileconfig"),
		  "//key[.='RemoteIdentifier']/following-sibling::string[1]", name);
	string_of(file(&out, "Generic/VpnSettings.xml"), "/VpnProfile/ServerCertRootCn", name);
	has(&out, "swanctl/conf.d/gw.1.conf",
	    "id = \"o'; Remove-Item \xe2\x80\x99 C:\\\\ </string>&\\\"]]>\"\n");
	has(&out, "network-manager/system-connections/gw.1-ikev2.nmconnection",
	    "\nuser=o'; Remove-Item \xe2\x80\x99 C:\\\\ </string>&\"]]>\n");
	has(&out, "ppp/peers/gw.1-sstp",
	    "name \"o'; Remove-Item \xe2\x80\x99 C:\\\\ </string>&\\\"]]>\"\n");
	profile_free(&out);
	p.client = "  spaces";
	make(&out, &p);
	has(&out, "network-manager/system-connections/gw.1-ikev2.nmconnection",
	    "\nuser=\\s spaces\n");
	profile_free(&out);
}

/* PowerShell ends a text at any of five quotes; doubled they stand for themselves. */
static void powershell_quotes(void **state)
{
	static const char *const names[][2] = {
		{"plain", "'plain'"},
		{"'; Remove-Item x #", "'''; Remove-Item x #'"},
		{"$(x) `n \"", "'$(x) `n \"'"},
		{"\xe2\x80\x98; x", "'\xe2\x80\x98\xe2\x80\x98; x'"},
		{"\xe2\x80\x99\xe2\x80\x9a", "'\xe2\x80\x99\xe2\x80\x99\xe2\x80\x9a\xe2\x80\x9a'"},
		{"\xe2\x80\x9b", "'\xe2\x80\x9b\xe2\x80\x9b'"},
		{"\xe2\x80\x9c \xe2\x80\x97", "'\xe2\x80\x9c \xe2\x80\x97'"},
		{"", "''"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct profile_text t = {0};
		profile_powershell(&t, names[i][0]);
		assert_string_equal(t.at, names[i][1]);
		free(t.at);
	}
}

static void refused(void **state)
{
	static const char *const clients[] = {"", "a\nb", "a\x7f", "\xff", "\x1b[2J"};
	static const char *const servers[] = {"", "gw;reboot", "gw\" x", "$(x)", "-x", "a b"};
	static const char *const names[] = {"", "../x", "a/b", "-x", ".x", "a@b,c"};
	struct profile_facts p = facts();
	struct profile out;
	struct fault f;
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		p = facts();
		p.client = clients[i];
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		p = facts();
		p.identity = clients[i];
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		p = facts();
		p.issuer_name = i ? clients[i] : "\n";
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		assert_int_equal(out.n, 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		p = facts();
		p.server = servers[i];
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		p = facts();
		p.gateway = names[i];
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		p = facts();
		p.by_certificate = true;
		p.client = names[i];
		assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
		assert_false(profile_is_client(names[i]));
	}
	p = facts();
	p.n_routes = 0;
	assert_int_equal(profile_make(&out, &p, &f), -EINVAL);
	assert_true(profile_is_client("alice@example.org"));
}

/* What is too large for a text is an error, and nothing of it stays. */
static void too_large(void **state)
{
	struct profile_facts p = facts();
	struct profile out;
	struct fault f;
	const size_t n = 2u << 20;
	uint8_t *large = calloc(1, n);
	(void)state;
	assert_non_null(large);
	p.authority = (struct bytes){large, n};
	assert_int_equal(profile_make(&out, &p, &f), -ENOMEM);
	profile_free(&out);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_each_protocol),
		cmocka_unit_test(sstp_for_a_password),
		cmocka_unit_test(sstp_for_a_certificate),
		cmocka_unit_test(swanctl),
		cmocka_unit_test(passwords),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(powershell_quotes),
		cmocka_unit_test(refused),
		cmocka_unit_test(too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
