/* SPDX-License-Identifier: Apache-2.0 */
/* Linux: strongSwan's swanctl, NetworkManager, and pppd with sstp-client. */
#include "p2s/profile_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strongSwan guesses an identity's type from the text; one that it could misread is given as the
 * bytes themselves. */
static void identity(struct profile_text *t, const char *name)
{
	bool plain =
		isalpha((unsigned char)*name) && strspn(name, "abcdefghijklmnopqrstuvwxyz"
							      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
							      "0123456789._-@") == strlen(name);
	if (plain) {
		profile_quoted(t, name);
		return;
	}
	profile_put(t, "\"@#");
	profile_hex(t, (struct bytes){(const uint8_t *)name, strlen(name)});
	profile_put(t, "\"");
}

/* A section's name has no dot, which would separate it from one inside. */
static void section(struct profile_text *t, const struct profile_facts *p, const char *more)
{
	for (const char *s = p->gateway; *s; s++)
		profile_add(t, *s == '.' ? "_" : s, 1);
	profile_put(t, more);
}

static void local(struct profile_text *t, const struct profile_facts *p, const char *auth)
{
	profile_format(t, "    local {\n      auth = %s\n      id = ", auth);
	identity(t, p->client);
	if (strcmp(auth, "pubkey") != 0) {
		profile_put(t, "\n      eap_id = ");
		identity(t, p->client);
	}
	if (p->by_certificate)
		profile_format(t, "\n      certs = %s.pem", p->client);
	profile_put(t, "\n    }\n");
}

static void connection(struct profile_text *t, const struct profile_facts *p, const char *auth,
		       const char *more)
{
	char address[IP_TEXT];
	profile_put(t, "  ");
	section(t, p, more);
	profile_format(t, " {\n    version = 2\n    remote_addrs = %s\n",
		       ip_addr_format(&p->address, address));
	profile_format(t, "    vips = %s%s%s\n", p->gives_v4 ? "0.0.0.0" : "",
		       p->gives_v4 && p->gives_v6 ? ", " : "", p->gives_v6 ? "::" : "");
	profile_put(t, "    proposals = aes256gcm16-prfsha384-ecp384, aes256-sha384-ecp384, "
		       "aes256-sha256-ecp256, aes256-sha256-modp2048\n"
		       "    dpd_delay = 30s\n"
		       "    keyingtries = 0\n");
	local(t, p, auth);
	profile_put(t, "    remote {\n      auth = pubkey\n      id = ");
	profile_quoted(t, p->identity);
	if (p->authority.len)
		profile_format(t, "\n      cacerts = %s-ca.pem", p->gateway);
	profile_put(t, "\n    }\n    children {\n      ");
	section(t, p, more);
	profile_put(t, " {\n        remote_ts = ");
	profile_routes(t, p, ", ");
	profile_put(t, "\n        esp_proposals = aes256gcm16, aes128gcm16, aes256-sha256\n"
		       "        dpd_action = restart\n"
		       "      }\n    }\n  }\n");
}

/* The password in hex, since a text may look like hex or base64. */
static void secret(struct profile_text *t, const struct profile_facts *p)
{
	const char *c = p->password.len ? "" : "# ";
	if (!p->password.len)
		profile_put(t, "# with the password in place of ..., and without the marks:\n");
	profile_format(t, "%ssecrets {\n%s  eap-", c, c);
	section(t, p, " {\n");
	profile_format(t, "%s    id = ", c);
	identity(t, p->client);
	profile_format(t, "\n%s    secret = ", c);
	if (p->password.len) {
		profile_put(t, "0x");
		profile_hex(t, p->password);
	} else {
		profile_put(t, "\"...\"");
	}
	profile_format(t, "\n%s  }\n%s}\n", c, c);
}

static void put_credentials(struct profile *out, const struct profile_facts *p,
			    const char *certificates, const char *keys)
{
	if (p->by_certificate && p->certificate_pem.len)
		profile_copy(out, p->certificate_pem, false, "%s/%s.pem", certificates, p->client);
	if (p->by_certificate && p->key_pem.len)
		profile_copy(out, p->key_pem, true, "%s/%s.key", keys, p->client);
}

void profile_swanctl(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	profile_put(&t, "connections {\n");
	if (p->by_certificate) {
		connection(&t, p, "pubkey", "");
		connection(&t, p, "eap-tls", "-eap-tls");
	} else {
		connection(&t, p, "eap-mschapv2", "");
	}
	profile_put(&t, "}\n");
	if (!p->by_certificate)
		secret(&t, p);
	profile_file(out, &t, p->password.len > 0, "swanctl/conf.d/%s.conf", p->gateway);
	if (p->authority_pem.len)
		profile_copy(out, p->authority_pem, false, "swanctl/x509ca/%s-ca.pem", p->gateway);
	put_credentials(out, p, "swanctl/x509", "swanctl/private");
}

/* ---- NetworkManager ---- */

#define NM "/etc/NetworkManager/certificates"

static void nm_head(struct profile_text *t, const struct profile_facts *p, const char *protocol,
		    const char *service)
{
	char id[PROFILE_MAX_NAME + 16], uuid[PROFILE_UUID];
	snprintf(id, sizeof id, "%.250s %s", p->gateway, protocol);
	profile_put(t, "[connection]\n");
	profile_keyfile(t, "id", id);
	profile_keyfile(t, "uuid", profile_uuid(p, protocol, uuid));
	profile_put(t, "type=vpn\nautoconnect=false\n\n[vpn]\n");
	profile_keyfile(t, "service-type", service);
}

static void nm_path(struct profile_text *t, const char *key, const char *name, const char *end)
{
	char path[PROFILE_PATH];
	snprintf(path, sizeof path, NM "/%.250s%s", name, end);
	profile_keyfile(t, key, path);
}

static void nm_tail(struct profile_text *t)
{
	profile_put(t, "\n[ipv4]\nmethod=auto\nnever-default=true\n"
		       "\n[ipv6]\nmethod=auto\nnever-default=true\n");
}

static void nm_ike(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	char address[IP_TEXT];
	nm_head(&t, p, "IKEv2", "org.freedesktop.NetworkManager.strongswan");
	profile_keyfile(&t, "address", ip_addr_format(&p->address, address));
	profile_keyfile(&t, "remote-identity", p->identity);
	if (p->authority.len)
		nm_path(&t, "certificate", p->gateway, "-ca.pem");
	if (p->by_certificate) {
		profile_put(&t, "method=cert\ncert-source=file\n");
		nm_path(&t, "usercert", p->client, ".pem");
		nm_path(&t, "userkey", p->client, ".key");
		profile_keyfile(&t, "local-identity", p->client);
	} else {
		profile_put(&t, "method=eap\npassword-flags=1\n");
		profile_keyfile(&t, "user", p->client);
	}
	profile_put(&t, "virtual=yes\nencap=no\nipcomp=no\nproposal=yes\n"
			"ike=aes256gcm16-prfsha384-ecp384;aes256-sha256-ecp256\n"
			"esp=aes256gcm16;aes256-sha256\n"
			"remote-ts=");
	profile_routes(&t, p, ";");
	profile_put(&t, "\n");
	nm_tail(&t);
	profile_file(out, &t, true, "network-manager/system-connections/%s-ikev2.nmconnection",
		     p->gateway);
}

static void nm_routes(struct profile_text *t, const struct profile_facts *p, enum ip_family family)
{
	unsigned n = 0;
	char text[PREFIX_TEXT];
	for (uint32_t i = 0; i < p->n_routes; i++)
		if (p->routes[i].addr.family == family)
			profile_format(t, "route%u=%s\n", ++n,
				       ip_prefix_format(&p->routes[i], text));
}

/* PPP tells no routes, so that they stand here. */
static void nm_sstp(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	nm_head(&t, p, "SSTP", "org.freedesktop.NetworkManager.sstp");
	profile_keyfile(&t, "gateway", p->server);
	if (p->authority.len)
		nm_path(&t, "ca-cert", p->gateway, "-ca.pem");
	profile_put(&t, "refuse-pap=yes\nrefuse-chap=yes\nrefuse-mschap=yes\n");
	if (p->by_certificate) {
		profile_put(&t, "connection-type=tls\nrefuse-mschapv2=yes\n");
		if (p->authority.len)
			nm_path(&t, "tls-ca-cert", p->gateway, "-ca.pem");
		nm_path(&t, "tls-user-cert", p->client, ".pem");
		nm_path(&t, "tls-user-key", p->client, ".key");
		profile_keyfile(&t, "tls-identity", p->client);
	} else {
		profile_put(&t, "connection-type=password\nrefuse-eap=yes\npassword-flags=1\n");
		profile_keyfile(&t, "user", p->client);
	}
	profile_put(&t, "\n[ipv4]\nmethod=auto\nnever-default=true\n");
	nm_routes(&t, p, IP_V4);
	profile_put(&t, "\n[ipv6]\nmethod=auto\nnever-default=true\n");
	nm_routes(&t, p, IP_V6);
	profile_file(out, &t, true, "network-manager/system-connections/%s-sstp.nmconnection",
		     p->gateway);
}

void profile_network_manager(struct profile *out, const struct profile_facts *p)
{
	if (p->ike)
		nm_ike(out, p);
	if (p->sstp)
		nm_sstp(out, p);
	if (p->authority_pem.len)
		profile_copy(out, p->authority_pem, false, "network-manager/certificates/%s-ca.pem",
			     p->gateway);
	put_credentials(out, p, "network-manager/certificates", "network-manager/certificates");
}

/* ---- pppd ---- */

static void ppp_password(struct profile_text *t, const struct profile_facts *p)
{
	profile_put(t, "password \"");
	for (size_t i = 0; i < p->password.len; i++) {
		if (p->password.at[i] == '"' || p->password.at[i] == '\\')
			profile_put(t, "\\");
		profile_add(t, p->password.at + i, 1);
	}
	profile_put(t, "\"\n");
}

static void ppp_peer(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	profile_put(&t, "remotename ");
	/* pppd compares it with the common name of the certificate that EAP-TLS shows it */
	profile_quoted(&t, !p->by_certificate	  ? p->gateway
			   : *p->certificate_name ? p->certificate_name
						  : p->server);
	profile_format(&t, "\nlinkname %s\nipparam %s\n", p->gateway, p->gateway);
	profile_format(&t, "pty \"sstpc --ipparam %s --nolaunchpppd", p->gateway);
	if (p->authority.len)
		profile_format(&t, " --ca-cert /etc/ppp/%s-ca.pem", p->gateway);
	profile_format(&t, " %s\"\nname ", p->server);
	profile_quoted(&t, p->client);
	profile_format(&t, "\nplugin sstp-pppd-plugin.so\nsstp-sock /var/run/sstpc/sstpc-%s\n",
		       p->gateway);
	profile_put(&t, "noauth\nnodefaultroute\nusepeerdns\nnoccp\n"
			"refuse-pap\nrefuse-chap\nrefuse-mschap\n");
	if (p->by_certificate)
		profile_format(&t, "refuse-mschap-v2\ncert /etc/ppp/%s.pem\nkey /etc/ppp/%s.key\n",
			       p->client, p->client);
	else
		profile_put(&t, "refuse-eap\n");
	if (p->by_certificate && p->authority.len)
		profile_format(&t, "ca /etc/ppp/%s-ca.pem\n", p->gateway);
	if (!p->by_certificate && p->password.len)
		ppp_password(&t, p);
	else if (!p->by_certificate)
		profile_put(&t, "# the password goes here:\n# password \"...\"\n");
	profile_file(out, &t, true, "ppp/peers/%s-sstp", p->gateway);
}

/* Run by pppd for every link, since PPP tells no routes; under a name that run-parts(8) takes. */
static void ppp_routes(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0}, name = {0};
	profile_put(&t, "#!/bin/sh\n");
	profile_format(&t, "[ \"$PPP_IPPARAM\" = %s ] || exit 0\n", p->gateway);
	for (uint32_t i = 0; i < p->n_routes; i++) {
		char text[PREFIX_TEXT];
		if (p->routes[i].addr.family == IP_V4)
			profile_format(&t, "ip route replace %s dev \"$PPP_IFACE\"\n",
				       ip_prefix_format(&p->routes[i], text));
	}
	section(&name, p, "");
	t.failed |= name.failed;
	profile_file(out, &t, false, "ppp/ip-up.d/%s-routes", name.at ? name.at : "");
	free(name.at);
	if (out->n && out->n <= PROFILE_MAX_FILES)
		out->file[out->n - 1].program = true;
}

void profile_ppp(struct profile *out, const struct profile_facts *p)
{
	ppp_peer(out, p);
	ppp_routes(out, p);
	if (p->authority_pem.len)
		profile_copy(out, p->authority_pem, false, "ppp/%s-ca.pem", p->gateway);
	put_credentials(out, p, "ppp", "ppp");
}
