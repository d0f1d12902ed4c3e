/* SPDX-License-Identifier: Apache-2.0 */
/* CRLs (RFC 5280 section 5) and OCSP responses (RFC 6960) that were given as files. */
#include "auth/trust_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static int add_crl(struct trust *t, X509_CRL *crl, struct fault *f)
{
	if (t->n_crls == TRUST_MAX_REVOCATIONS) {
		X509_CRL_free(crl);
		return fault_set(f, -EINVAL, "expected at most %d CRLs", TRUST_MAX_REVOCATIONS);
	}
	t->crl[t->n_crls++] = crl;
	return X509_STORE_add_crl(t->store, crl) == 1
		       ? 0
		       : fault_set(f, -ENOMEM, "no memory for a CRL");
}

int revocation_read_crl(struct trust *t, struct bytes file, struct fault *f)
{
	const unsigned char *at = file.at;
	unsigned before = t->n_crls;
	X509_CRL *crl =
		file.len && file.at[0] == 0x30 ? d2i_X509_CRL(NULL, &at, (long)file.len) : NULL;
	int err = crl ? add_crl(t, crl, f) : 0;
	BIO *in = crl ? NULL : BIO_new_mem_buf(file.at, (int)file.len);
	while (in && !err && (crl = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)))
		err = add_crl(t, crl, f);
	BIO_free(in);
	ERR_clear_error();
	if (!err && t->n_crls == before)
		err = fault_set(f, -EINVAL, "expected a CRL in PEM or DER, came something else");
	return err;
}

int revocation_read_ocsp(struct trust *t, struct bytes file, struct fault *f)
{
	const unsigned char *at = file.at;
	if (t->n_ocsp == TRUST_MAX_REVOCATIONS)
		return fault_set(f, -EINVAL, "expected at most %d OCSP responses",
				 TRUST_MAX_REVOCATIONS);
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)file.len);
	int status = response ? OCSP_response_status(response) : -1;
	OCSP_BASICRESP *basic = status == OCSP_RESPONSE_STATUS_SUCCESSFUL
					? OCSP_response_get1_basic(response)
					: NULL;
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	if (!basic)
		return fault_set(f, -EINVAL, "expected a successful OCSP response in DER, came %s",
				 status < 0 ? "something else" : OCSP_response_status_str(status));
	t->ocsp[t->n_ocsp++] = basic;
	return 0;
}

bool revocation_has_crl_for(const struct trust *t, const X509 *x)
{
	for (unsigned i = 0; i < t->n_crls; i++)
		if (!X509_NAME_cmp(X509_CRL_get_issuer(t->crl[i]), X509_get_issuer_name(x)))
			return true;
	return false;
}

void revocation_describe(X509_CRL *crl, X509 *x, char *out, size_t room)
{
	X509_REVOKED *entry = NULL;
	char day[X509_DAY];
	if (!crl || X509_CRL_get0_by_cert(crl, &entry, x) != 1) {
		snprintf(out, room, "revoked");
		return;
	}
	ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
	long code = reason ? ASN1_ENUMERATED_get(reason) : -1;
	snprintf(out, room, "revoked on %s%s%s",
		 x509_day(X509_REVOKED_get0_revocationDate(entry), day), reason ? ": " : "",
		 reason ? OCSP_crl_reason_str(code) : "");
	ASN1_ENUMERATED_free(reason);
}

/* ---- OCSP ---- */

static bool is_about(OCSP_SINGLERESP *single, X509 *x, X509 *issuer)
{
	ASN1_OBJECT *hash = NULL;
	OCSP_CERTID *id =
		OCSP_CERTID_dup((OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
	const EVP_MD *md = id && OCSP_id_get0_info(NULL, &hash, NULL, NULL, id) == 1
				   ? EVP_get_digestbyobj(hash)
				   : NULL;
	OCSP_CERTID *wanted = md ? OCSP_cert_to_id(md, x, issuer) : NULL;
	bool same = wanted && OCSP_id_cmp(wanted, id) == 0;
	OCSP_CERTID_free(wanted);
	OCSP_CERTID_free(id);
	return same;
}

struct ocsp_question {
	const struct trust *t;
	STACK_OF(X509) * path;
	time_t now;
	const char *which; /* the certificate, for people */
};

static int ocsp_verdict(const struct ocsp_question *q, OCSP_BASICRESP *basic,
			OCSP_SINGLERESP *single, struct fault *f)
{
	ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *until = NULL;
	char day[X509_DAY];
	time_t now = q->now;
	int reason = -1, status = OCSP_single_get0_status(single, &reason, &revoked, &from, &until);
	if (OCSP_basic_verify(basic, q->path, q->t->store, 0) != 1)
		return fault_set(f, -EKEYREJECTED,
				 "%s: the OCSP response about it is not signed by its authority",
				 q->which);
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return fault_set(f, -EKEYREVOKED, "%s was revoked on %s%s%s, says OCSP", q->which,
				 x509_day(revoked, day), reason >= 0 ? ": " : "",
				 reason >= 0 ? OCSP_crl_reason_str(reason) : "");
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return fault_set(f, -EKEYREJECTED, "%s: its OCSP responder does not know it",
				 q->which);
	if (!until || X509_cmp_time(until, &now) < 0 || X509_cmp_time(from, &now) > 0) {
		fault_set(f, -EKEYREJECTED, "%s: the OCSP response about it is of %s to %s",
			  q->which, x509_day(from, day),
			  until ? "an earlier day than now" : "no day");
		return fault_advise(f, "put a fresh response into ocspResponses");
	}
	return 0;
}

int revocation_ask_ocsp(const struct trust *t, STACK_OF(X509) * path, int i, time_t now,
			struct fault *f)
{
	char which[WHICH_TEXT];
	X509 *x = sk_X509_value(path, i), *issuer = sk_X509_value(path, i + 1);
	struct ocsp_question q = {t, path, now, trust_which(x, i, which)};
	int verdict = -ENOENT;
	for (unsigned r = 0; r < t->n_ocsp; r++) {
		for (int s = 0; s < OCSP_resp_count(t->ocsp[r]); s++) {
			OCSP_SINGLERESP *single = OCSP_resp_get0(t->ocsp[r], s);
			struct fault why = {0};
			if (!is_about(single, x, issuer))
				continue;
			int one = ocsp_verdict(&q, t->ocsp[r], single, &why);
			/* a revocation outweighs everything, a good one what is stale */
			if (one && verdict != -EKEYREVOKED && (verdict || one == -EKEYREVOKED))
				*f = why;
			if (one == -EKEYREVOKED || verdict == -ENOENT ||
			    (!one && verdict != -EKEYREVOKED))
				verdict = one;
		}
	}
	ERR_clear_error();
	return verdict;
}
