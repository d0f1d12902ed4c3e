/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources as the user knows them (names and properties of the Azure Resource Manager schema),
 * resolved: references are indices, texts are values. Made by config.c, judged by validate.c, owned
 * by the caller. Arrays are allocated to their length; texts are owned by the model.
 */
#ifndef XGW_CONTROL_MODEL_H
#define XGW_CONTROL_MODEL_H

#include "base/addr.h"
#include "base/algorithms.h"
#include "base/secret.h"
#include "maps/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NONE UINT32_MAX /* "no such reference" */

struct model_place {
	uint32_t line, column; /* of the configuration, from 1; 0 = made by default */
};

struct model_port {
	char *name, *device;
	enum xgw_role role;
	bool xdp_transmit; /* bursts go by XDP where the device takes them */
	bool incomplete;
	struct model_place place, device_at;
};

enum model_zero_copy { MODEL_ZERO_COPY_AUTO, MODEL_ZERO_COPY_OFF, MODEL_ZERO_COPY_REQUIRED };
enum model_xdp_mode { MODEL_XDP_AUTO, MODEL_XDP_NATIVE, MODEL_XDP_GENERIC };

struct model_host {
	struct model_port *ports;
	uint32_t n_ports;
	uint32_t workers; /* 0 = auto */
	enum model_xdp_mode xdp_mode;
	enum model_zero_copy zero_copy;
	bool busy_poll;
	char *crypto_backend; /* "auto", "ipsec-mb", "openssl" */
	char *metrics;	      /* NULL = none */
	bool export_keys;
	uint32_t replay_window; /* packets; 0 = none */
};

/*
 * `incomplete`: the configuration said something about it that was refused, so its other values may
 * be missing; rules about it are left out, since they would report consequences. A model that may
 * be run has none.
 */
struct model_attachment {
	uint32_t port; /* index into host.ports, MODEL_NONE when incomplete */
	enum xgw_tag kind;
	uint32_t tag; /* vlanId or vni */
	bool has_address;
	struct ip_prefix address; /* the gateway's own there, with the subnet's length */
	struct ip_prefix address6;
	bool has_address6;
	struct ip_addr local_vtep; /* vxlan: localAddress */
	uint16_t udp_port;	   /* vxlan */
	bool incomplete;
	struct model_place place;
	struct model_place address_at;
};

struct model_endpoint {
	struct ip_addr address, host; /* host: VTEP */
	uint8_t mac[6];
	uint32_t attachment; /* index into the VNet's attachments: its VXLAN one of the host's
				family */
	bool incomplete;
	struct model_place place;
};

struct model_subnet {
	char *name;
	struct ip_prefix prefix;
	bool incomplete;
	struct model_place place, prefix_at;
};

struct model_vnet {
	char *name;
	uint32_t id; /* 1 … 16777215 */
	bool classic;
	struct ip_prefix *address_space;
	struct model_place *address_space_at; /* of each prefix */
	uint32_t n_address_space;
	struct model_subnet *subnets;
	uint32_t n_subnets;
	struct model_attachment *attachments;
	uint32_t n_attachments;
	struct model_endpoint *endpoints;
	uint32_t n_endpoints;
	bool learning;
	bool incomplete;
	struct model_place place, id_at;
};

/* Content of a file that the configuration names, or text that stands in it; one for each path. */
struct model_file {
	char *path; /* NULL: text of the configuration */
	uint8_t *at;
	size_t len;
};

struct model_certificate {
	uint32_t chain, key; /* of the model's files; MODEL_NONE: no certificate */
	bool rsa_pkcs1;
	struct model_place place, chain_at, key_at;
};

/* How the peer of a connection with certificates is judged. */
struct model_trust {
	uint32_t authority; /* of the model's files */
	uint32_t *crls, *ocsp;
	uint32_t n_crls, n_ocsp;
	bool need_status;
	struct model_place place, crls_at, ocsp_at;
};

struct model_user {
	char *name;
	struct secret password;
	struct model_place place;
};

/* vpnClientConfiguration; n_pool 0: the gateway has no clients. */
struct model_clients {
	struct ip_prefix *pool;
	struct model_place *pool_at;
	uint32_t n_pool;
	bool ike, sstp;	 /* which protocols there are */
	uint32_t *roots; /* of the model's files */
	uint32_t n_roots;
	uint8_t (*revoked)[20]; /* SHA-1 of certificates */
	uint32_t n_revoked;
	struct model_user *users;
	uint32_t n_users;
	uint32_t most, most_sstp; /* clients at once, by the SKU; those of SSTP among them */
	uint32_t idle_minutes, session_minutes; /* of SSTP, 0: no limit */
	struct model_place place, roots_at;
};

struct model_gateway {
	char *name;
	uint32_t vnet;
	bool policy_based;
	struct ip_addr public_address;
	char *identity; /* text; the address when none is given */
	struct model_certificate certificate;
	char *sku;
	struct model_clients clients;
	uint32_t bandwidth_mbps; /* that its connections share, both directions; 0 = no limit */
	bool incomplete;
	struct model_place place, vnet_at, address_at;
};

/* A localNetworkGateway or a remoteGateway: the far end of a tunnel. */
struct model_site {
	char *name;
	bool is_remote_gateway;
	bool incomplete;
	struct ip_addr address; /* family IP_NONE: `any` */
	char *identity;		/* NULL: the address, or anyone when that is `any` */
	struct ip_prefix *address_space;
	struct model_place *address_space_at; /* of each prefix */
	uint32_t n_address_space;
	struct model_place place, address_at;
};

enum model_mode { MODEL_MODE_DEFAULT, MODEL_MODE_INITIATOR, MODEL_MODE_RESPONDER };

#define MODEL_MAX_ADDITIONAL 7 /* RFC 9370 */

struct model_policy {
	enum encryption_id ike_encryption;
	enum integrity_id ike_integrity; /* AUTH_NONE with an AEAD */
	enum prf_id ike_prf[2];		 /* PRF_NONE ends */
	enum group_id dh_group;
	enum encryption_id ipsec_encryption;
	enum integrity_id ipsec_integrity; /* AUTH_NONE with an AEAD */
	enum group_id pfs_group;	   /* DH_NONE = no PFS */
	uint32_t lifetime_seconds;
	uint64_t lifetime_kilobytes; /* of 1024 bytes */
	uint64_t lifetime_packets;   /* 0 = none */
	uint32_t n_additional;
	enum group_id additional[MODEL_MAX_ADDITIONAL]; /* after dh_group, in this order */
	struct model_place place;
};

struct model_ts_policy {
	struct ip_range *local, *remote;
	uint32_t n_local, n_remote;
	struct model_place place;
};

enum model_dont_fragment { MODEL_DF_COPY, MODEL_DF_SET, MODEL_DF_CLEAR };

enum model_mobike { MODEL_MOBIKE_OFF, MODEL_MOBIKE_ON, MODEL_MOBIKE_WITHOUT_NAT };

struct model_connection {
	char *name;
	bool vnet2vnet;
	uint32_t gateway; /* virtualNetworkGateway1 */
	uint32_t site; /* localNetworkGateway2 or a remote gateway; MODEL_NONE when peer_gateway is
			  set */
	uint32_t peer_gateway; /* virtualNetworkGateway2 of this file */
	bool ikev1;
	enum model_mode mode;
	bool by_certificate; /* else by psk */
	struct secret psk;
	char *ppk_id; /* NULL: none */
	struct secret ppk;
	bool require_ppk;
	struct model_trust trust;
	bool sha1_signatures;
	struct model_policy *policies; /* none: the default offer */
	uint32_t n_policies;
	bool policy_based_selectors;
	struct model_ts_policy *ts_policies;
	uint32_t n_ts_policies;
	uint32_t dpd_timeout_seconds; /* 45 */
	uint32_t ike_fragment_size;   /* 1280; bytes of an IP packet */
	uint32_t routing_weight;
	bool always_encapsulate, port_entropy;
	enum model_mobike mobike;
	uint32_t reauthentication_seconds; /* 0: never */
	bool childless, allow_redirect;
	bool dscp_copy; /* else dscp */
	uint8_t dscp;
	enum model_dont_fragment dont_fragment;
	bool incomplete;
	struct model_place place, gateway_at, peer_at, psk_at, ppk_at, mode_at, policies_at;
};

struct model {
	struct model_host host;
	struct model_vnet *vnets;
	uint32_t n_vnets;
	struct model_gateway *gateways;
	uint32_t n_gateways;
	struct model_site *sites;
	uint32_t n_sites;
	struct model_connection *connections;
	uint32_t n_connections;
	struct model_file *files;
	uint32_t n_files;
};

void model_free(struct model *m); /* wipes secrets; the struct itself stays the caller's */

#endif
