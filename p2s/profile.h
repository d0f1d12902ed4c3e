/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person's client program needs to join a gateway: files in the format of each program, made
 * of what the configuration says. Nothing is read or written here.
 */
#ifndef XGW_P2S_PROFILE_H
#define XGW_P2S_PROFILE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/fault.h"

#define PROFILE_MAX_FILES 24
#define PROFILE_PATH	  320 /* bytes of a file's path, with its NUL */
#define PROFILE_MAX_NAME  250 /* bytes of a gateway's or client's name */

/* Borrowed for the call. Bytes of length 0: there is none. */
struct profile_facts {
	const char *gateway;  /* its name; letters, digits and ._- */
	const char *server;   /* host name or address that its certificate is for */
	const char *identity; /* as IKE says it, text of gateway.yaml(5) */
	struct ip_addr address;
	const char *client;  /* login name, or the identity in the certificate */
	bool by_certificate; /* else EAP-MSCHAPv2 with a password */
	bool ike, sstp;	     /* what the gateway speaks */
	bool gives_v4, gives_v6;
	const struct ip_prefix *routes;
	uint32_t n_routes;
	/* the authority of the gateway's certificate; none: one that the client has already */
	struct bytes authority, authority_pem;
	/* common names of it, of who issued the gateway's certificate, and of that; may be empty */
	const char *authority_name, *issuer_name, *certificate_name;
	struct bytes password;
	struct bytes certificate_pem, key_pem, pkcs12; /* of the client */
};

struct profile_file {
	char path[PROFILE_PATH]; /* relative, with folders */
	bool secret;		 /* for its owner alone */
	bool program;
	char *at; /* followed by a NUL, which len leaves out */
	size_t len;
};

struct profile {
	unsigned n;
	struct profile_file file[PROFILE_MAX_FILES];
};

/* 0; -EINVAL: a name that the formats can't carry; -ENOMEM. To be freed in every case, which wipes
 * the content. */
int must_check profile_make(struct profile *out, const struct profile_facts *facts,
			    struct fault *f);
void profile_free(struct profile *p);

/* Whether it may be a client's name: ._-@, letters and digits, none of . - @ in front. */
bool profile_is_client(const char *name);

#endif
