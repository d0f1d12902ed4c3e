/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a profile, and the page that says what each is. */
#include "base/secret.h"
#include "p2s/profile_internal.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/xmlstring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(struct profile *out, struct profile_text *t, bool secret, const char *format,
		 va_list ap)
{
	struct profile_file *x = &out->file[out->n < PROFILE_MAX_FILES ? out->n : 0];
	int n = out->n < PROFILE_MAX_FILES && !t->failed && t->at
			? vsnprintf(x->path, sizeof x->path, format, ap)
			: -1;
	if (n < 0 || (size_t)n >= sizeof x->path) {
		if (t->at)
			wipe(t->at, t->room);
		free(t->at);
		out->n = PROFILE_MAX_FILES + 1; /* which profile_make() reports */
		return;
	}
	x->secret = secret;
	x->at = t->at;
	x->len = t->len;
	out->n++;
}

void profile_file(struct profile *out, struct profile_text *t, bool secret, const char *format, ...)
{
	va_list ap;
	if (out->n > PROFILE_MAX_FILES)
		t->failed = true;
	va_start(ap, format);
	keep(out, t, secret, format, ap);
	va_end(ap);
}

void profile_copy(struct profile *out, struct bytes content, bool secret, const char *format, ...)
{
	struct profile_text t = {0};
	va_list ap;
	profile_add(&t, content.at, content.len);
	va_start(ap, format);
	keep(out, &t, secret, format, ap);
	va_end(ap);
}

static bool is_name(const char *t, const char *more)
{
	size_t n = strlen(t);
	if (!n || n > PROFILE_MAX_NAME || strchr("-.@", *t))
		return false;
	for (; *t; t++)
		if (!isalnum((unsigned char)*t) && !strchr(more, *t))
			return false;
	return true;
}

bool profile_is_client(const char *name)
{
	return is_name(name, "._-@");
}

/* One line of UTF-8 without what no format could carry. */
static bool is_line(const char *t)
{
	size_t n = strlen(t);
	if (!n || n > PROFILE_MAX_NAME || !xmlCheckUTF8((const xmlChar *)t))
		return false;
	for (; *t; t++)
		if ((unsigned char)*t < 0x20 || *t == 0x7f)
			return false;
	return true;
}

static int judge(const struct profile_facts *p, struct fault *f)
{
	if (!is_name(p->gateway, "._-"))
		return fault_set(f, -EINVAL, "the gateway's name '%.80s' is no name for files",
				 p->gateway);
	/* it becomes part of a command line of pppd's */
	if (!is_name(p->server, ".-:"))
		return fault_set(f, -EINVAL, "'%.80s' is neither a host name nor an address",
				 p->server);
	if (!is_line(p->identity))
		return fault_set(f, -EINVAL, "the gateway's identity is not one line of text");
	if (!(p->by_certificate ? profile_is_client(p->client) : is_line(p->client))) {
		fault_set(f, -EINVAL, "'%.80s' can't be the name of a client", p->client);
		return fault_advise(f, "use letters, digits and . _ - @");
	}
	if ((*p->authority_name && !is_line(p->authority_name)) ||
	    (*p->issuer_name && !is_line(p->issuer_name)) ||
	    (*p->certificate_name && !is_line(p->certificate_name)))
		return fault_set(f, -EINVAL,
				 "a name in the gateway's certificates is not one line of text");
	if (!p->n_routes)
		return fault_set(f, -EINVAL, "there is no prefix behind the gateway");
	return 0;
}

static void explain(struct profile *out, const struct profile_facts *p)
{
	struct profile_text t = {0};
	profile_format(&t, "Connection of %s to %s (%s)\n\n", p->client, p->gateway, p->server);
	profile_put(&t,
		    "windows.ps1\n"
		    "    Windows: run in PowerShell as administrator. Both connections are made "
		    "anew.\n");
	profile_put(&t, "Generic/VpnSettings.xml, Generic/VpnServerRoot.cer\n"
			"    What programs read that know Azure's package for clients.\n");
	if (p->ike)
		profile_format(
			&t,
			"%s.mobileconfig\n"
			"    macOS, iOS: open it.\n"
			"swanctl/\n"
			"    strongSwan: copy into /etc/swanctl, then `swanctl --load-all` and\n"
			"    `swanctl --initiate --child NAME`, the name of a child in the "
			"file of conf.d.\n",
			p->gateway);
	profile_put(&t, "network-manager/\n"
			"    Copy into /etc/NetworkManager; owner root, mode 0600; then `nmcli "
			"connection reload`.\n");
	if (p->sstp)
		profile_format(&t,
			       "ppp/\n"
			       "    sstp-client: copy into /etc/ppp, then `pppd call %s-sstp`.\n",
			       p->gateway);
	profile_put(&t, p->by_certificate && !p->key_pem.len
				? "\nThe client's certificate and key are not here: put them where "
				  "the files name them.\n"
				: "");
	profile_put(&t, !p->by_certificate && !p->password.len
				? "\nThe password is not here. swanctl and pppd want it in a file; "
				  "their files say where.\n"
				: "");
	profile_put(&t,
		    "\nThe network's DNS servers are told with each connection; a change of them "
		    "needs no new\nprofile, another prefix behind the gateway does.\n");
	profile_put(&t, p->authority.len ? ""
					 : "\nThe authority of the gateway's certificate is not "
					   "here: the client must have it.\n");
	profile_file(out, &t, false, "README.txt");
}

int profile_make(struct profile *out, const struct profile_facts *p, struct fault *f)
{
	memset(out, 0, sizeof *out);
	int err = judge(p, f);
	if (err)
		return err;
	explain(out, p);
	profile_windows(out, p);
	profile_azure(out, p);
	if (p->ike) {
		profile_apple(out, p);
		profile_swanctl(out, p);
	}
	profile_network_manager(out, p);
	if (p->sstp)
		profile_ppp(out, p);
	if (out->n <= PROFILE_MAX_FILES)
		return 0;
	return fault_set(f, -ENOMEM, "not enough memory for the profile, or it is too large");
}

void profile_free(struct profile *p)
{
	for (unsigned i = 0; i < PROFILE_MAX_FILES; i++) {
		if (!p->file[i].at)
			continue;
		wipe(p->file[i].at, p->file[i].len);
		free(p->file[i].at);
		p->file[i].at = NULL;
	}
	p->n = 0;
}
