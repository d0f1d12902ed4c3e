/* SPDX-License-Identifier: Apache-2.0 */
/* See trust.h. OpenSSL builds and validates the path; the rules of IKE come on top. */
#include "auth/trust.h"
#include "auth/trust_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

static int hash_keys(struct trust *t, struct fault *f)
{
	int n = sk_X509_num(t->authorities);
	if (n > TRUST_MAX_AUTHORITIES)
		return fault_set(f, -EINVAL, "expected at most %d authorities, came %d",
				 TRUST_MAX_AUTHORITIES, n);
	for (int i = 0; i < n; i++) {
		X509 *x = sk_X509_value(t->authorities, i);
		unsigned char *der = NULL;
		int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
		bool ok =
			bytes > 0 && X509_STORE_add_cert(t->store, x) == 1 &&
			EVP_Digest(der, (size_t)bytes, t->key_hash[i], NULL, EVP_sha1(), NULL) == 1;
		OPENSSL_free(der);
		if (!ok)
			return fault_set(f, -ENOMEM, "no memory for an authority");
	}
	return 0;
}

static int fill(struct trust *t, const struct trust_files *files, struct fault *f)
{
	int err = 0;
	for (unsigned i = 0; i < files->n_authorities; i++) {
		if (x509_read_file(files->authorities[i], t->authorities))
			continue;
		fault_set(f, -EINVAL, "expected certificates in PEM or DER, came something else");
		return fault_place(f, "authority %u", i + 1);
	}
	err = hash_keys(t, f);
	for (unsigned i = 0; !err && i < files->n_crls; i++) {
		err = revocation_read_crl(t, files->crls[i], f);
		if (err)
			fault_place(f, "CRL %u", i + 1);
	}
	for (unsigned i = 0; !err && i < files->n_ocsp; i++) {
		err = revocation_read_ocsp(t, files->ocsp[i], f);
		if (err)
			fault_place(f, "OCSP response %u", i + 1);
	}
	if (!err && !sk_X509_num(t->authorities))
		err = fault_set(f, -EINVAL, "expected an authority, came none");
	return err;
}

static bool keep_revoked(struct trust *t, const struct trust_files *files)
{
	if (!files->n_revoked || files->n_revoked > TRUST_MAX_REVOKED)
		return !files->n_revoked;
	t->revoked = calloc(files->n_revoked, sizeof *t->revoked);
	if (!t->revoked)
		return false;
	memcpy(t->revoked, files->revoked, files->n_revoked * sizeof *t->revoked);
	t->n_revoked = files->n_revoked;
	return true;
}

int trust_new(struct trust **out, const struct trust_files *files, struct fault *f)
{
	*out = NULL;
	struct trust *t = calloc(1, sizeof *t);
	if (!t)
		return fault_set(f, -ENOMEM, "no memory for authorities");
	t->need_status = files->need_status;
	t->for_clients = files->for_clients;
	t->store = X509_STORE_new();
	t->authorities = sk_X509_new_null();
	bool kept = keep_revoked(t, files);
	int err = kept && t->store && t->authorities
			  ? fill(t, files, f)
			  : fault_set(f, -ENOMEM, "no memory for authorities");
	if (err) {
		trust_free(t);
		return err;
	}
	X509_VERIFY_PARAM *p = X509_STORE_get0_param(t->store);
	X509_VERIFY_PARAM_set_depth(p, CHAIN_MAX_CERTIFICATES);
	X509_VERIFY_PARAM_set_auth_level(p, 2); /* 112 bits: RSA 2048, no SHA-1 */
	/* an authority need not be self-signed */
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	ERR_clear_error();
	*out = t;
	return 0;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_crls; i++)
		X509_CRL_free(t->crl[i]);
	for (unsigned i = 0; i < t->n_ocsp; i++)
		OCSP_BASICRESP_free(t->ocsp[i]);
	sk_X509_pop_free(t->authorities, X509_free);
	X509_STORE_free(t->store);
	free(t->revoked);
	free(t);
}

unsigned trust_authorities(const struct trust *t)
{
	return (unsigned)sk_X509_num(t->authorities);
}

void trust_key_hash(const struct trust *t, unsigned i, uint8_t out[20])
{
	memcpy(out, t->key_hash[i], 20);
}

size_t trust_subject(const struct trust *t, unsigned i, uint8_t *out, size_t room)
{
	const X509_NAME *name = X509_get_subject_name(sk_X509_value(t->authorities, (int)i));
	int len = i2d_X509_NAME(name, NULL);
	if (len <= 0 || (size_t)len > room)
		return 0;
	return i2d_X509_NAME(name, &out) == len ? (size_t)len : 0;
}

const char *trust_subjects(const struct trust *t, char *out, size_t room)
{
	size_t at = 0;
	out[0] = 0;
	for (unsigned i = 0; i < trust_authorities(t) && at + 4 < room; i++) {
		if (i)
			at += (size_t)snprintf(out + at, room - at, "; ");
		x509_name(X509_get_subject_name(sk_X509_value(t->authorities, (int)i)), out + at,
			  room - at);
		at += strlen(out + at);
	}
	return out;
}

/* ---- what is wrong with which certificate ---- */

const char *trust_which(X509 *x, int depth, char out[WHICH_TEXT])
{
	char subject[SUBJECT_TEXT];
	if (!x)
		snprintf(out, WHICH_TEXT, "the peer's certificate");
	else if (!depth)
		snprintf(out, WHICH_TEXT, "the peer's certificate (%s)",
			 x509_name(X509_get_subject_name(x), subject, sizeof subject));
	else
		snprintf(out, WHICH_TEXT, "the authority %d steps above the peer's (%s)", depth,
			 x509_name(X509_get_subject_name(x), subject, sizeof subject));
	return out;
}

static int no_path(const struct trust *t, X509 *x, const char *which, struct fault *f)
{
	char issuer[SUBJECT_TEXT] = "?", ours[160];
	if (x)
		x509_name(X509_get_issuer_name(x), issuer, sizeof issuer);
	trust_subjects(t, ours, sizeof ours);
	fault_set(f, -EKEYREJECTED,
		  "%.140s was issued by (%.80s), which the peer did not send and is not ours",
		  which, issuer);
	return fault_advise(f, "peerCertificateAuthority has (%.120s)", ours);
}

struct validation {
	const struct trust *t;
	unsigned unknown;  /* bit d: no CRL speaks of the certificate at depth d */
	char revoked[120]; /* when and why, as the CRL says */
};

static int explain(const struct validation *v, X509_STORE_CTX *ctx, struct fault *f)
{
	int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	char which[WHICH_TEXT], day[X509_DAY];
	trust_which(x, depth, which);
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return fault_set(f, -EKEYEXPIRED, "%s expired on %s", which,
				 x509_day(x ? X509_get0_notAfter(x) : NULL, day));
	case X509_V_ERR_CERT_NOT_YET_VALID:
		fault_set(f, -EKEYEXPIRED, "%s is not valid before %s", which,
			  x509_day(x ? X509_get0_notBefore(x) : NULL, day));
		return fault_advise(f, "check the clocks of both ends");
	case X509_V_ERR_CERT_REVOKED:
		return fault_set(f, -EKEYREVOKED, "%s was %s", which, v->revoked);
	case X509_V_ERR_CRL_HAS_EXPIRED:
		fault_set(f, -EKEYREJECTED, "%s: the CRL that speaks of it has expired", which);
		return fault_advise(f, "put a fresh CRL into certificateRevocationLists");
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return no_path(v->t, x, which, f);
	default:
		return fault_set(f, -EKEYREJECTED, "%s: %s", which,
				 X509_verify_cert_error_string(error));
	}
}

/* ---- rules of IKE for the peer's own certificate (RFC 4945 sections 5.1.3.2 and 5.1.3.12) ---- */

static bool is_for_ike(const EXTENDED_KEY_USAGE *usage, bool client)
{
	char oid[64];
	for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
		const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(usage, i);
		if (OBJ_obj2nid(o) == NID_anyExtendedKeyUsage || OBJ_obj2nid(o) == NID_ipsec_IKE)
			return true;
		if (client && OBJ_obj2nid(o) == NID_client_auth)
			return true;
		/* iKEIntermediate: it never meant anything but IKE */
		if (OBJ_obj2txt(oid, sizeof oid, o, 1) > 0 && !strcmp(oid, "1.3.6.1.5.5.8.2.2"))
			return true;
	}
	return false;
}

static int check_usage(const struct trust *t, X509 *x, struct fault *f)
{
	char which[WHICH_TEXT];
	uint32_t flags = X509_get_extension_flags(x);
	trust_which(x, 0, which);
	if (flags & EXFLAG_INVALID)
		return fault_set(f, -EKEYREJECTED, "%s has malformed extensions", which);
	if (flags & EXFLAG_KUSAGE &&
	    !(X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return fault_set(f, -EKEYREJECTED,
				 "%s: its keyUsage has neither digitalSignature nor nonRepudiation",
				 which);
	if (!(flags & EXFLAG_XKUSAGE))
		return 0;
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool ok = is_for_ike(usage, t->for_clients);
	EXTENDED_KEY_USAGE_free(usage);
	if (ok)
		return 0;
	fault_set(f, -EKEYREJECTED, "%s: its extendedKeyUsage is not for IKE", which);
	return fault_advise(f, "certify it with ipsecIKE (1.3.6.1.5.5.7.3.17) or without "
			       "extendedKeyUsage");
}

/* By thumbprint, as Azure's users know it. */
static int check_revoked(const struct trust *t, const X509 *x, struct fault *f)
{
	char which[WHICH_TEXT];
	uint8_t hash[20];
	unsigned n = sizeof hash;
	if (!t->n_revoked)
		return 0;
	if (X509_digest(x, EVP_sha1(), hash, &n) != 1)
		return fault_set(f, -EKEYREJECTED, "the thumbprint of a certificate can't be made");
	for (unsigned i = 0; i < t->n_revoked; i++) {
		if (memcmp(t->revoked[i], hash, sizeof hash) != 0)
			continue;
		return fault_set(f, -EKEYREVOKED, "%s: revoked by its thumbprint",
				 trust_which((X509 *)(uintptr_t)x, 0, which));
	}
	return 0;
}

/* ---- validation ---- */

/* A missing CRL is judged here, since there may be an OCSP response; everything else stands. */
static int on_error(int ok, X509_STORE_CTX *ctx)
{
	struct validation *v = X509_STORE_CTX_get_app_data(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx), error = X509_STORE_CTX_get_error(ctx);
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);
	if (ok || !x || depth < 0 || depth > 31)
		return ok;
	if (error == X509_V_ERR_CERT_REVOKED)
		revocation_describe(X509_STORE_CTX_get0_current_crl(ctx), x, v->revoked,
				    sizeof v->revoked);
	bool anchor = depth == sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
	if (error != X509_V_ERR_UNABLE_TO_GET_CRL &&
	    !(anchor && error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER))
		return 0;
	/* a CRL of that issuer that could not be used is no missing one */
	if (!anchor && revocation_has_crl_for(v->t, x))
		return 0;
	v->unknown |= 1u << depth;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static int check_status(const struct validation *v, X509_STORE_CTX *ctx, time_t now,
			struct fault *f)
{
	STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
	char which[WHICH_TEXT];
	for (int i = 0; i + 1 < sk_X509_num(path); i++) {
		bool unknown = !v->t->n_crls || v->unknown >> i & 1;
		int err = revocation_ask_ocsp(v->t, path, i, now, f);
		if (err && err != -ENOENT)
			return err;
		if (err == -ENOENT && unknown && v->t->need_status) {
			fault_set(f, -EKEYREJECTED, "%s: no CRL and no OCSP response speaks of it",
				  trust_which(sk_X509_value(path, i), i, which));
			return fault_advise(f, "requireRevocationStatus asks for one");
		}
	}
	return 0;
}

static int validate(const struct trust *t, X509_STORE_CTX *ctx, time_t now, struct fault *f)
{
	struct validation v = {.t = t, .revoked = "revoked"};
	X509_STORE_CTX_set_app_data(ctx, &v);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	if (t->n_crls)
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	if (X509_verify_cert(ctx) != 1)
		return explain(&v, ctx, f);
	return check_status(&v, ctx, now, f);
}

int trust_verify(struct trust *t, const struct chain *c, int64_t now, struct fault *f)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err = others && ctx ? 0 : -ENOMEM;
	for (unsigned i = 1; !err && i < c->n; i++)
		err = sk_X509_push(others, c->at[i]) > 0 ? 0 : -ENOMEM;
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(t->store), (time_t)now);
	if (!err && X509_STORE_CTX_init(ctx, t->store, c->at[0], others) != 1)
		err = -ENOMEM;
	if (err)
		fault_set(f, err, "no memory for the peer's certificates");
	else
		err = check_usage(t, c->at[0], f);
	if (!err)
		err = check_revoked(t, c->at[0], f);
	if (!err)
		err = validate(t, ctx, (time_t)now, f);
	X509_STORE_CTX_free(ctx);
	sk_X509_free(others);
	ERR_clear_error();
	return err;
}

/* ---- before it fails ---- */

void trust_judge(const struct trust *t, int64_t now, unsigned days, auth_warning *say, void *owner)
{
	char name[SUBJECT_TEXT], day[X509_DAY], text[320];
	time_t at = (time_t)now, soon = at + (time_t)days * 86400;
	for (int i = 0; i < sk_X509_num(t->authorities); i++) {
		X509 *x = sk_X509_value(t->authorities, i);
		const ASN1_TIME *end = X509_get0_notAfter(x);
		if (X509_cmp_time(end, &soon) > 0)
			continue;
		snprintf(text, sizeof text, "the authority %s %s on %s",
			 x509_name(X509_get_subject_name(x), name, sizeof name),
			 X509_cmp_time(end, &at) < 0 ? "expired" : "expires", x509_day(end, day));
		say(owner, text);
	}
	for (unsigned i = 0; i < t->n_crls; i++) {
		const ASN1_TIME *end = X509_CRL_get0_nextUpdate(t->crl[i]);
		if (!end || X509_cmp_time(end, &at) >= 0)
			continue;
		snprintf(text, sizeof text, "the CRL of %s expired on %s, its peers are refused",
			 x509_name(X509_CRL_get_issuer(t->crl[i]), name, sizeof name),
			 x509_day(end, day));
		say(owner, text);
	}
}
