/* SPDX-License-Identifier: Apache-2.0 */
/* macOS and iOS: a configuration profile (property list) with IKEv2, the authority, and the
 * client's certificate when it is there. */
#include "p2s/profile_internal.h"

#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>

struct plist {
	xmlTextWriter *w;
	const struct profile_facts *p;
	bool failed;
};

static void start(struct plist *l, const char *element)
{
	l->failed |= xmlTextWriterStartElement(l->w, (const xmlChar *)element) < 0;
}

static void end(struct plist *l)
{
	l->failed |= xmlTextWriterEndElement(l->w) < 0;
}

static void element(struct plist *l, const char *type, const char *text)
{
	l->failed |=
		xmlTextWriterWriteElement(l->w, (const xmlChar *)type, (const xmlChar *)text) < 0;
}

static void key(struct plist *l, const char *name)
{
	element(l, "key", name);
}

static void string(struct plist *l, const char *name, const char *value)
{
	key(l, name);
	element(l, "string", value);
}

static void integer(struct plist *l, const char *name, unsigned value)
{
	char text[12];
	snprintf(text, sizeof text, "%u", value);
	key(l, name);
	element(l, "integer", text);
}

static void data(struct plist *l, const char *name, struct bytes b)
{
	struct profile_text t = {0};
	profile_base64(&t, b);
	l->failed |= t.failed;
	key(l, name);
	element(l, "data", t.at ? t.at : "");
	free(t.at);
}

/* What every payload has; its dictionary stays open. */
static void payload(struct plist *l, const char *type, const char *purpose, const char *shown)
{
	char uuid[PROFILE_UUID], id[64];
	start(l, "dict");
	profile_uuid(l->p, purpose, uuid);
	snprintf(id, sizeof id, "xgw.%s", uuid);
	string(l, "PayloadType", type);
	integer(l, "PayloadVersion", 1);
	string(l, "PayloadIdentifier", id);
	string(l, "PayloadUUID", uuid);
	string(l, "PayloadDisplayName", shown);
}

static void algorithms(struct plist *l, const char *name, const char *integrity, unsigned minutes)
{
	key(l, name);
	start(l, "dict");
	string(l, "EncryptionAlgorithm", "AES-256-GCM");
	string(l, "IntegrityAlgorithm", integrity);
	integer(l, "DiffieHellmanGroup", 20);
	integer(l, "LifeTimeInMinutes", minutes);
	end(l);
}

static void credentials(struct plist *l)
{
	const struct profile_facts *p = l->p;
	char uuid[PROFILE_UUID];
	string(l, "AuthenticationMethod", p->by_certificate ? "Certificate" : "None");
	integer(l, "ExtendedAuthEnabled", !p->by_certificate);
	if (!p->by_certificate)
		string(l, "AuthName", p->client);
	if (p->by_certificate && p->pkcs12.len)
		string(l, "PayloadCertificateUUID", profile_uuid(p, "pkcs12", uuid));
}

static void connection(struct plist *l)
{
	const struct profile_facts *p = l->p;
	char address[IP_TEXT];
	payload(l, "com.apple.vpn.managed", "vpn", p->gateway);
	string(l, "UserDefinedName", p->gateway);
	string(l, "VPNType", "IKEv2");
	key(l, "IKEv2");
	start(l, "dict");
	string(l, "RemoteAddress", ip_addr_format(&p->address, address));
	string(l, "RemoteIdentifier", p->identity);
	string(l, "LocalIdentifier", p->client);
	if (*p->issuer_name)
		string(l, "ServerCertificateIssuerCommonName", p->issuer_name);
	credentials(l);
	string(l, "DeadPeerDetectionRate", "Medium");
	integer(l, "EnablePFS", 0);
	algorithms(l, "IKESecurityAssociationParameters", "SHA2-384", 480);
	algorithms(l, "ChildSecurityAssociationParameters", "SHA2-256", 450);
	end(l);
	key(l, "IPv4");
	start(l, "dict");
	integer(l, "OverridePrimary", 0); /* split routes, as the gateway narrows them */
	end(l);
	end(l);
}

static void authority(struct plist *l)
{
	const struct profile_facts *p = l->p;
	if (!p->authority.len)
		return;
	payload(l, "com.apple.security.root", "authority",
		*p->authority_name ? p->authority_name : p->gateway);
	data(l, "PayloadContent", p->authority);
	end(l);
}

static void certificate(struct plist *l)
{
	char name[PROFILE_MAX_NAME + 8];
	if (!l->p->by_certificate || !l->p->pkcs12.len)
		return;
	snprintf(name, sizeof name, "%.250s.p12", l->p->client);
	payload(l, "com.apple.security.pkcs12", "pkcs12", l->p->client);
	string(l, "PayloadCertificateFileName", name);
	data(l, "PayloadContent", l->p->pkcs12);
	end(l);
}

static void document(struct plist *l)
{
	l->failed |= xmlTextWriterStartDocument(l->w, NULL, "UTF-8", NULL) < 0 ||
		     xmlTextWriterWriteDTD(
			     l->w, (const xmlChar *)"plist",
			     (const xmlChar *)"-//Apple//DTD PLIST 1.0//EN",
			     (const xmlChar *)"http://www.apple.com/DTDs/PropertyList-1.0.dtd",
			     NULL) < 0;
	start(l, "plist");
	l->failed |= xmlTextWriterWriteAttribute(l->w, (const xmlChar *)"version",
						 (const xmlChar *)"1.0") < 0;
	payload(l, "Configuration", "profile", l->p->gateway);
	key(l, "PayloadContent");
	start(l, "array");
	authority(l);
	certificate(l);
	connection(l);
	end(l);
	end(l);
	end(l);
	l->failed |= xmlTextWriterEndDocument(l->w) < 0;
}

void profile_apple(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	xmlBuffer *buffer = xmlBufferCreate();
	struct plist l = {buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL, p, false};
	t.failed = !l.w;
	if (l.w) {
		xmlTextWriterSetIndent(l.w, 1);
		document(&l);
		xmlFreeTextWriter(l.w);
		profile_add(&t, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
		t.failed |= l.failed;
	}
	if (buffer)
		xmlBufferFree(buffer);
	profile_file(out, &t, p->pkcs12.len, "%s.mobileconfig", p->gateway);
}
