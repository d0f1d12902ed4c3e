/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: a script that makes the connections, and the settings of Azure's package. */
#include "p2s/profile_internal.h"

#include <libxml/xmlwriter.h>
#include <string.h>

static void authority(struct profile_text *t, const struct profile_facts *p)
{
	if (!p->authority.len)
		return;
	profile_put(t, "$authority = New-Object "
		       "System.Security.Cryptography.X509Certificates.X509Certificate2 "
		       "-ArgumentList @(,[Convert]::FromBase64String('");
	profile_base64(t, p->authority);
	profile_put(
		t,
		"'))\n"
		"$place = if ($authority.Subject -eq $authority.Issuer) { 'Root' } else { 'CA' }\n"
		"$store = New-Object "
		"System.Security.Cryptography.X509Certificates.X509Store -ArgumentList $place, "
		"'LocalMachine'\n"
		"$store.Open('ReadWrite')\n"
		"$store.Add($authority)\n"
		"$store.Close()\n");
}

static void credentials(struct profile_text *t, const struct profile_facts *p)
{
	if (!p->by_certificate) {
		profile_put(t, "$eap = (New-EapConfiguration).EapConfigXmlStream\n");
		return;
	}
	char name[PROFILE_MAX_NAME + 8];
	snprintf(name, sizeof name, "%.250s.p12", p->client);
	profile_put(t, "$file = Join-Path -Path $PSScriptRoot -ChildPath ");
	profile_powershell(t, name);
	profile_put(t,
		    "\nif (Test-Path -LiteralPath $file) {\n"
		    "    $password = Read-Host -AsSecureString -Prompt ('Password of ' + $file)\n"
		    "    Import-PfxCertificate -FilePath $file -CertStoreLocation "
		    "'Cert:\\CurrentUser\\My' -Password $password | Out-Null\n"
		    "}\n"
		    "$eap = (New-EapConfiguration -Tls -VerifyServerIdentity "
		    "-UserCertificate).EapConfigXmlStream\n");
}

static void connection(struct profile_text *t, const struct profile_facts *p, const char *protocol,
		       const char *type, const char *encryption)
{
	char name[PROFILE_MAX_NAME + 16];
	snprintf(name, sizeof name, "%.250s %s", p->gateway, protocol);
	profile_put(t, "\n$name = ");
	profile_powershell(t, name);
	profile_put(t, "\nGet-VpnConnection -Name $name -ErrorAction SilentlyContinue | "
		       "Remove-VpnConnection -Force\n"
		       "Add-VpnConnection -Name $name -ServerAddress $server -TunnelType ");
	profile_format(t,
		       "%s -AuthenticationMethod Eap -EapConfigXmlStream $eap -EncryptionLevel %s "
		       "-SplitTunneling -RememberCredential -Force\n",
		       type, encryption);
	profile_put(t, "foreach ($route in $routes) { Add-VpnConnectionRoute -ConnectionName $name "
		       "-DestinationPrefix $route }\n");
}

void profile_windows(struct profile *out, const struct profile_facts *p)
{
	/* the mark that Windows PowerShell 5 needs to read UTF-8 */
	struct profile_text t = {0};
	profile_put(&t, "\xef\xbb\xbf#Requires -RunAsAdministrator\n"
			"$ErrorActionPreference = 'Stop'\n$server = ");
	profile_powershell(&t, p->server);
	profile_put(&t, "\n$routes = @('");
	profile_routes(&t, p, "', '");
	profile_put(&t, "')\n");
	authority(&t, p);
	credentials(&t, p);
	if (p->ike) {
		connection(&t, p, "IKEv2", "Ikev2", "Required");
		profile_put(&t, "Set-VpnConnectionIPsecConfiguration -ConnectionName $name "
				"-AuthenticationTransformConstants GCMAES256 "
				"-CipherTransformConstants GCMAES256 -EncryptionMethod AES256 "
				"-IntegrityCheckMethod SHA384 -DHGroup ECP384 -PfsGroup None "
				"-Force\n");
	}
	/* SSTP is inside TLS, and the gateway has no MPPE to require */
	if (p->sstp)
		connection(&t, p, "SSTP", "Sstp", "Optional");
	profile_file(out, &t, false, "windows.ps1");
	if (p->pkcs12.len)
		profile_copy(out, p->pkcs12, true, "%s.p12", p->client);
}

static void element(xmlTextWriter *w, struct profile_text *failed, const char *name,
		    const char *text)
{
	if (xmlTextWriterWriteElement(w, (const xmlChar *)name, (const xmlChar *)text) < 0)
		failed->failed = true;
}

static void settings(xmlTextWriter *w, struct profile_text *t, const struct profile_facts *p)
{
	struct profile_text routes = {0}, authority = {0};
	profile_routes(&routes, p, ",");
	profile_base64(&authority, p->authority);
	if (routes.failed || authority.failed ||
	    xmlTextWriterStartDocument(w, NULL, "utf-8", NULL) < 0 ||
	    xmlTextWriterStartElement(w, (const xmlChar *)"VpnProfile") < 0)
		t->failed = true;
	element(w, t, "VpnServer", p->server);
	element(w, t, "VpnType", p->ike && p->sstp ? "IkeV2,SSTP" : p->ike ? "IkeV2" : "SSTP");
	element(w, t, "CaCert", authority.at ? authority.at : "");
	element(w, t, "Routes", routes.at ? routes.at : "");
	element(w, t, "Auth", p->by_certificate ? "EAPTLS" : "EAPMSCHAPv2");
	element(w, t, "ServerCertRootCn", p->authority_name);
	element(w, t, "ServerCertIssuerCn", p->issuer_name);
	element(w, t, "ProfileName", p->gateway);
	if (xmlTextWriterEndDocument(w) < 0)
		t->failed = true;
	free(routes.at);
	free(authority.at);
}

void profile_azure(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *w = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	t.failed = !w;
	if (w) {
		xmlTextWriterSetIndent(w, 1);
		settings(w, &t, p);
		xmlFreeTextWriter(w);
		profile_add(&t, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
	}
	if (buffer)
		xmlBufferFree(buffer);
	profile_file(out, &t, false, "Generic/VpnSettings.xml");
	if (p->authority.len)
		profile_copy(out, p->authority, false, "Generic/VpnServerRoot.cer");
}
