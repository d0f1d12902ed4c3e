/* SPDX-License-Identifier: Apache-2.0 */
/* Custom policies: the contract's names of algorithms -> ids, and which go together. */
#include "control/read_internal.h"

#include <string.h>

static enum encryption_id encryption_named(const char *name)
{
	for (int i = ENCR_NONE + 1; name && i < ENCR_COUNT; i++) {
		if (!strcmp(encryption_of((enum encryption_id)i)->contract_name, name))
			return (enum encryption_id)i;
	}
	return ENCR_NONE;
}

static enum integrity_id integrity_named(const char *name)
{
	for (int i = AUTH_NONE + 1; name && i < AUTH_COUNT; i++) {
		if (!strcmp(integrity_of((enum integrity_id)i)->contract_name, name))
			return (enum integrity_id)i;
	}
	return AUTH_NONE;
}

static enum prf_id prf_named(const char *name)
{
	for (int i = PRF_NONE + 1; name && i < PRF_COUNT; i++) {
		if (!strcmp(prf_of((enum prf_id)i)->contract_name, name))
			return (enum prf_id)i;
	}
	return PRF_NONE;
}

/* By dhGroup or pfsGroup name; both have a second name for group 14. */
static enum group_id group_named(const char *name, enum group_id main_mode)
{
	if (!name || !strcmp(name, "None"))
		return DH_NONE;
	if (!strcmp(name, "PFSMM"))
		return main_mode;
	if (!strcmp(name, "DHGroup2048") || !strcmp(name, "PFS2048"))
		return DH_MODP_2048;
	for (int i = DH_NONE + 1; i < DH_COUNT; i++) {
		const struct group *g = group_of((enum group_id)i);
		if (!strcmp(g->contract_name, name) || (g->pfs_name && !strcmp(g->pfs_name, name)))
			return (enum group_id)i;
	}
	return DH_NONE;
}

/* Weak ones work only when named; whoever named them is told. */
static void warn_of_weak_group(struct read *r, const struct tree_node *map,
			       enum schema_property property, enum group_id group)
{
	const char *name = read_text(map, property);
	if (name && group_of(group)->weak && strcmp(name, "PFSMM") != 0)
		findings_warn(
			r->findings, read_place(map, property),
			"%s: %s is weak, its key exchange can be broken by who can afford it; "
			"take ECP256 or group 14 where the peer can",
			schema_row(property)->name, name);
}

static void mismatch(struct read *r, const struct tree_node *map, enum schema_property integrity,
		     enum schema_property encryption, const char *expected)
{
	findings_error(r->findings, read_place(map, integrity),
		       "%s: expected %s with %s %s, came %s", schema_row(integrity)->name, expected,
		       schema_row(encryption)->name, read_text(map, encryption),
		       read_text(map, integrity));
}

/*
 * IKE: with an AEAD the integrity names the PRF, or repeats the AEAD, which then leaves SHA384 and
 * SHA256 to choose; else it is both integrity and PRF.
 */
static void ike_algorithms(struct read *r, const struct tree_node *map, struct model_policy *p)
{
	const char *integrity = read_text(map, P_ipsecPolicy_ikeIntegrity);
	const char *encryption = read_text(map, P_ipsecPolicy_ikeEncryption);
	bool is_hash = strncmp(integrity, "SHA", 3) == 0;
	p->ike_encryption = encryption_named(encryption);
	p->dh_group = group_named(read_text(map, P_ipsecPolicy_dhGroup), DH_NONE);
	if (!encryption_of(p->ike_encryption)->aead) {
		p->ike_integrity = integrity_named(integrity);
		p->ike_prf[0] = prf_named(integrity);
		if (!is_hash)
			mismatch(r, map, P_ipsecPolicy_ikeIntegrity, P_ipsecPolicy_ikeEncryption,
				 "SHA256, SHA384 or SHA512");
	} else if (is_hash && strcmp(integrity, "SHA1") != 0) {
		p->ike_prf[0] = prf_named(integrity);
	} else if (!strcmp(integrity, encryption)) {
		p->ike_prf[0] = PRF_HMAC_SHA2_384;
		p->ike_prf[1] = PRF_HMAC_SHA2_256;
	} else {
		mismatch(r, map, P_ipsecPolicy_ikeIntegrity, P_ipsecPolicy_ikeEncryption,
			 "the same, or SHA256, SHA384 or SHA512 as the PRF,");
	}
	if (encryption_of(p->ike_encryption)->weak)
		findings_warn(r->findings, read_place(map, P_ipsecPolicy_ikeEncryption),
			      "ikeEncryption: %s is weak; take AES256 where the peer can",
			      encryption);
	warn_of_weak_group(r, map, P_ipsecPolicy_dhGroup, p->dh_group);
	if (p->ike_integrity == AUTH_HMAC_SHA1_96)
		findings_warn(r->findings, read_place(map, P_ipsecPolicy_ikeIntegrity),
			      "ikeIntegrity: SHA1 is weak; take SHA256 where the peer can");
}

/* Each method once, the first key exchange among them (RFC 9370 section 2.2.2). */
static void additional_key_exchanges(struct read *r, const struct tree_node *map,
				     struct model_policy *p)
{
	uint32_t n = read_length(map, P_ipsecPolicy_additionalKeyExchanges);
	if (n > MODEL_MAX_ADDITIONAL)
		findings_error(r->findings, read_place(map, P_ipsecPolicy_additionalKeyExchanges),
			       "additionalKeyExchanges: expected at most %d, came %u",
			       MODEL_MAX_ADDITIONAL, n);
	for (uint32_t i = 0; i < n && i < MODEL_MAX_ADDITIONAL; i++) {
		const struct tree_node *item =
			read_item(map, P_ipsecPolicy_additionalKeyExchanges, i);
		if (item->is_bad || item->type != TREE_SCALAR)
			continue;
		enum group_id g = group_named(item->text, DH_NONE);
		bool again = g == p->dh_group;
		for (uint32_t k = 0; k < p->n_additional; k++)
			again = again || p->additional[k] == g;
		if (again)
			findings_error(r->findings, item->place,
				       "additionalKeyExchanges: %s is there twice, as dhGroup or "
				       "in this list; each key exchange is another one",
				       item->text);
		p->additional[p->n_additional++] = g;
	}
}

/* Weak ones are taken only when named; whoever named them is told what that means. */
static void warn_of_weak_esp(struct read *r, const struct tree_node *map, enum encryption_id e)
{
	struct model_place at = read_place(map, P_ipsecPolicy_ipsecEncryption);
	if (e == ENCR_NULL)
		findings_warn(r->findings, at,
			      "ipsecEncryption: None encrypts nothing: the tunnel's packets are "
			      "authenticated, and everybody on the way can read them");
	else if (encryption_of(e)->weak)
		findings_warn(
			r->findings, at,
			"ipsecEncryption: %s is weak, its 64-bit blocks begin to repeat after "
			"some gigabytes; take GCMAES256 or AES256 where the peer can, else a "
			"saDataSizeKilobytes of at most 1048576",
			encryption_of(e)->contract_name);
}

static void esp_algorithms(struct read *r, const struct tree_node *map, struct model_policy *p)
{
	const char *integrity = read_text(map, P_ipsecPolicy_ipsecIntegrity);
	const char *encryption = read_text(map, P_ipsecPolicy_ipsecEncryption);
	p->ipsec_encryption = encryption_named(encryption);
	p->ipsec_integrity = integrity_named(integrity);
	p->pfs_group = group_named(read_text(map, P_ipsecPolicy_pfsGroup), p->dh_group);
	if (encryption_of(p->ipsec_encryption)->aead) {
		if (strcmp(integrity, encryption) != 0)
			mismatch(r, map, P_ipsecPolicy_ipsecIntegrity,
				 P_ipsecPolicy_ipsecEncryption, encryption);
	} else if (p->ipsec_integrity == AUTH_NONE) {
		mismatch(r, map, P_ipsecPolicy_ipsecIntegrity, P_ipsecPolicy_ipsecEncryption,
			 "SHA256, SHA384, SHA512 or SHA1");
	}
	warn_of_weak_esp(r, map, p->ipsec_encryption);
	warn_of_weak_group(r, map, P_ipsecPolicy_pfsGroup, p->pfs_group);
}

void read_policies(struct read *r, const struct tree_node *map, struct model_connection *c)
{
	uint32_t n = read_length(map, P_connection_ipsecPolicies);
	if (n > 1)
		findings_error(r->findings, read_item(map, P_connection_ipsecPolicies, 1)->place,
			       "ipsecPolicies: expected one policy, came %u; only the combination "
			       "of one is sent and accepted",
			       n);
	c->policies = read_array(r, n, sizeof *c->policies);
	for (uint32_t i = 0; c->policies && i < n; i++) {
		const struct tree_node *item = read_item(map, P_connection_ipsecPolicies, i);
		struct model_policy *p = &c->policies[c->n_policies++];
		p->place = item->place;
		c->incomplete = c->incomplete || item->is_bad;
		if (item->is_bad)
			continue;
		ike_algorithms(r, item, p);
		additional_key_exchanges(r, item, p);
		esp_algorithms(r, item, p);
		p->lifetime_seconds = read_number(item, P_ipsecPolicy_saLifeTimeSeconds);
		p->lifetime_kilobytes = read_number(item, P_ipsecPolicy_saDataSizeKilobytes);
		p->lifetime_packets = read_number(item, P_ipsecPolicy_saLifeTimePackets);
	}
}
