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
	struct ip_addr local_vtep;	/* vxlan: localAddress */
	uint16_t udp_port;		/* vxlan */
	struct ip_prefix *remote_vteps; /* vxlan: who may teach */
	struct model_place *remote_vteps_at;
	uint32_t n_remote_vteps;
	char *fdb, *neighbours; /* vxlan: devices of the directory, "" without one */
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
	uint32_t route_table; /* MODEL_NONE: the virtual network's routes alone */
	bool incomplete;
	struct model_place place, prefix_at, table_at;
};
#define MODEL_GATEWAY_SUBNET "GatewaySubnet"

/* One side of a peering: what it says governs packets from its own VNet to the remote one. */
struct model_peering {
	char *name;
	uint32_t remote; /* VNet */
	uint32_t back;	 /* index of the other side among the remote's peerings; MODEL_NONE */
	bool access;	 /* allowVirtualNetworkAccess */
	bool forwarded;	 /* allowForwardedTraffic: takes what did not begin in the remote VNet */
	bool gateway_transit, remote_gateways;
	bool was_connected; /* set by model_peerings_follow */
	bool incomplete;
	struct model_place place, remote_at, transit_at, gateways_at;
};

struct model_vnet {
	char *name;
	uint32_t id; /* 1 … 16777215 */
	bool classic;
	struct ip_prefix *address_space;
	struct model_place *address_space_at; /* of each prefix */
	uint32_t n_address_space;
	struct ip_addr *dns; /* in order of preference */
	struct model_place *dns_at;
	uint32_t n_dns;
	struct model_subnet *subnets;
	uint32_t n_subnets;
	struct model_attachment *attachments;
	uint32_t n_attachments;
	struct model_endpoint *endpoints;
	uint32_t n_endpoints;
	struct model_peering *peerings;
	uint32_t n_peerings;
	uint32_t vpn_gateway, express_route_gateway; /* indices of its gateways, MODEL_NONE */
	/* what comes out of a tunnel may go into a circuit, and the other way round */
	bool branch_to_branch;
	bool learning;
	uint32_t learning_limit, learning_age_seconds;
	bool incomplete;
	struct model_place place, id_at, branch_at;
};

enum model_hop {
	MODEL_HOP_VNET_LOCAL,
	MODEL_HOP_GATEWAY,
	MODEL_HOP_INTERNET,
	MODEL_HOP_NONE,
	MODEL_HOP_APPLIANCE
};

struct model_route {
	char *name;
	struct ip_prefix prefix;
	enum model_hop hop;
	struct ip_addr appliance; /* with MODEL_HOP_APPLIANCE */
	bool incomplete;
	struct model_place place, prefix_at, hop_at;
};

struct model_route_table {
	char *name;
	struct model_route *routes;
	uint32_t n_routes;
	bool withholds; /* disableBgpRoutePropagation: its subnets have no routes of the gateway */
	bool incomplete;
	struct model_place place;
};

#define MODEL_ASN	 65515u /* of a gateway that says none */
#define MODEL_BGP_CUSTOM 3u	/* addresses at most, beside the one */

/*
 * What speaks BGP at one end. Of a gateway these are the values in force: without bgpSettings its
 * AS is MODEL_ASN, and without bgpPeeringAddress a Vpn gateway with enableBgp has the last but one
 * usable address of GatewaySubnet.
 */
struct model_bgp {
	uint32_t asn;		/* 0: no bgpSettings */
	struct ip_addr address; /* bgpPeeringAddress; family IP_NONE: none */
	struct ip_addr *custom; /* customBgpIpAddresses, beside it: for peers of 169.254.0.0/16 */
	struct model_place *custom_at;
	uint32_t n_custom;
	/* of sessions with it, wherever they come from */
	uint32_t peer_weight;  /* added to the weight of its routes */
	uint32_t max_prefixes; /* taken from it */
	struct secret md5;     /* sharedKey (RFC 2385); len 0: none */
	struct model_place place, asn_at, address_at, md5_at;
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
	struct ip_prefix *routes; /* customRoutes of the gateway */
	struct model_place *routes_at;
	uint32_t n_routes;
	bool to_each_other;
	bool ike, sstp;	 /* which protocols there are */
	uint32_t *roots; /* of the model's files */
	uint32_t n_roots;
	uint8_t (*revoked)[20]; /* SHA-1 of certificates */
	uint32_t n_revoked;
	struct model_user *users;
	uint32_t n_users;
	uint32_t most, most_sstp; /* clients at once, by the SKU; those of SSTP among them */
	uint32_t per_user;	  /* sessions of one user, 0: no limit */
	uint32_t idle_minutes, session_minutes; /* 0: no limit */
	struct model_place place, protocols_at, roots_at, revoked_at, custom_at;
};

/* In the order of the schema's words. */
enum model_sku {
	MODEL_SKU_UNLIMITED,
	MODEL_SKU_BASIC,
	MODEL_SKU_STANDARD,
	MODEL_SKU_HIGH_PERFORMANCE,
	MODEL_SKU_VPN_GW1,
	MODEL_SKU_VPN_GW2,
	MODEL_SKU_VPN_GW3,
	MODEL_SKU_VPN_GW4,
	MODEL_SKU_VPN_GW5,
	MODEL_SKU_ULTRA_PERFORMANCE, /* from here on of ExpressRoute alone */
	MODEL_SKU_ER_GW1,
	MODEL_SKU_ER_GW2,
	MODEL_SKU_ER_GW3,
	MODEL_SKUS
};

/* Another instance of the same gateway, on another host: activeActive. */
struct model_instance {
	struct ip_addr address;	    /* in the VNet; family IP_NONE: none */
	struct ip_addr bgp_address; /* that it speaks BGP from; family IP_NONE: not with us */
	struct ip_prefix *pool;	    /* of its clients */
	struct model_place *pool_at;
	uint32_t n_pool;
	struct model_place place, address_at, bgp_at;
};

struct model_gateway {
	char *name;
	uint32_t vnet;
	bool express_route; /* else Vpn */
	bool policy_based;
	struct ip_addr public_address;
	char *identity; /* text; the address when none is given */
	struct model_certificate certificate;
	char *sku;
	enum model_sku size;
	struct model_clients clients;
	bool enable_bgp;
	struct model_bgp bgp;
	bool active_active;
	struct model_instance other;
	uint32_t default_site;	 /* gatewayDefaultSite, of the sites; MODEL_NONE */
	uint32_t bandwidth_mbps; /* that its connections share, both directions; 0 = no limit */
	uint32_t own_bandwidth;	 /* bandwidthInMbps as given, 0: the SKU's */
	bool active_standby;	 /* another host has it, too: who has public_address works */
	bool incomplete;
	struct model_place place, vnet_at, address_at, type_at, vpn_type_at, sku_at, bandwidth_at,
		bgp_at, default_site_at, standby_at, active_at;
};

/* A localNetworkGateway or a remoteGateway: the far end of a tunnel. */
struct model_site {
	char *name;
	bool is_remote_gateway;
	bool incomplete;
	struct ip_addr address; /* family IP_NONE: `any`, or that of fqdn is not known yet */
	char *fqdn;		/* NULL: by address */
	char *identity;		/* NULL: the address, or anyone when that is `any` */
	struct model_bgp bgp;
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
	bool vnet2vnet, express_route; /* else IPsec */
	uint32_t gateway;	       /* virtualNetworkGateway1 */
	uint32_t circuit;	       /* MODEL_NONE but with express_route */
	uint32_t site; /* localNetworkGateway2 or a remote gateway; MODEL_NONE when peer_gateway is
			  set */
	uint32_t peer_gateway; /* virtualNetworkGateway2 of this file */
	bool ikev1;
	enum model_mode mode;
	bool by_certificate; /* else by psk */
	struct secret psk;
	char *psk_file; /* that it was read from; NULL: text of the configuration */
	char *ppk_id;	/* NULL: none */
	struct secret ppk;
	char *ppk_file;
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
	bool enable_bgp;
	struct ip_addr bgp_local; /* gatewayCustomBgpIpAddress; IP_NONE: the gateway's choice */
	bool always_encapsulate, port_entropy;
	enum model_mobike mobike;
	uint32_t reauthentication_seconds; /* 0: never */
	bool childless, allow_redirect;
	bool dscp_copy; /* else dscp */
	uint8_t dscp;
	enum model_dont_fragment dont_fragment;
	bool incomplete;
	struct model_place place, gateway_at, peer_at, psk_at, ppk_at, mode_at, policies_at,
		protocol_at, selectors_at, bgp_at, bgp_local_at;
};

/*
 * Each family has a prefix of two hosts: the first is the provider's router, the second ours. A
 * link is there when one of them has a family.
 */
struct model_circuit_link {
	uint32_t port;		    /* MODEL_NONE: none */
	struct ip_prefix prefix[2]; /* IPv4, IPv6 */
	struct model_place port_at, prefix_at[2];
};

struct model_circuit_peering {
	uint32_t vlan, outer_vlan; /* 0 = none */
	struct model_circuit_link link[2];
	uint32_t peer_asn;
	/* all that the customer may announce; n_advertised 0: what the rules of routes allow */
	struct ip_prefix *advertised;
	struct model_place *advertised_at; /* of each prefix */
	uint32_t n_advertised;
	bool bfd;
	uint32_t bfd_interval_ms, bfd_multiplier; /* sent and expected; how many may be missing */
	uint32_t max_prefixes;			  /* taken from each BGP peer */
	uint32_t hold_down_seconds; /* that a link has to work before it is used again */
	struct secret md5;	    /* sharedKey (RFC 2385); len 0: none */
	bool incomplete;
	struct model_place place, asn_at, vlan_at, outer_at, bfd_at, md5_at;
};

struct model_circuit {
	char *name;
	uint32_t bandwidth_mbps; /* 0: not said */
	struct model_circuit_peering *peerings;
	uint32_t n_peerings;
	bool incomplete;
	struct model_place place;
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
	struct model_route_table *tables;
	uint32_t n_tables;
	struct model_circuit *circuits;
	uint32_t n_circuits;
	struct model_file *files;
	uint32_t n_files;
};

/* As Azure names them. */
enum model_peering_state {
	MODEL_PEERING_INITIATED,   /* the other side has none yet */
	MODEL_PEERING_CONNECTED,   /* both sides are there */
	MODEL_PEERING_DISCONNECTED /* the other side was there and was taken away */
};
enum model_peering_state model_peering_state(const struct model_peering *p);
const char *model_peering_state_text(enum model_peering_state s);
/* The other side, or NULL. */
const struct model_peering *model_peering_back(const struct model *m,
					       const struct model_peering *p);
/*
 * Of a reload: peerings of `now` that were connected in `before` and have lost their other side are
 * Disconnected from here on. 0 or -ENOMEM.
 */
int model_peerings_follow(struct model *now, const struct model *before);

/*
 * Index of the Vpn gateway that a VNet's traffic may use: its own, or with useRemoteGateways the
 * peer's. MODEL_NONE without one.
 */
uint32_t model_gateway_of(const struct model *m, uint32_t vnet);
/*
 * Gateways that one router serves: those of one VNet, and those that a circuit joins. set[i] is the
 * first gateway, in the model's order, of the set that gateway i is in. 0 or -ENOMEM.
 */
int model_join_gateways(const struct model *m, uint32_t *set);
/* The address is one of the gateway's own at an attachment of the VNet. */
bool model_is_own_address(const struct model_vnet *v, const struct ip_addr *a);
/* Any of these prefixes is of IPv6; of the network's own. */
bool model_has_v6(const struct ip_prefix *p, uint32_t n);
bool model_vnet_has_v6(const struct model_vnet *v);
/* The gateway's IPv6 address at the first attachment that has one; without a family: none has. */
struct ip_addr model_own_address6(const struct model_vnet *v);
/*
 * Index of the VNet's attachment by which another instance of a gateway is reached: a plain or VLAN
 * one, on whose link the address is. MODEL_NONE: there is none.
 */
uint32_t model_attachment_of(const struct model_vnet *v, const struct ip_addr *a);
/* What speaks BGP at the far end of a tunnel. */
const struct model_bgp *model_far_bgp(const struct model *m, const struct model_connection *c);
/* 169.254.0.0/16 (RFC 3927). */
bool model_is_apipa(const struct ip_addr *a);
/*
 * The address that a gateway speaks from with a peer: bgpPeeringAddress, and with one of
 * 169.254.0.0/16 that of its own of that range which has the longest prefix in common. family
 * IP_NONE: it has none.
 */
struct ip_addr model_bgp_local(const struct model_bgp *near, const struct ip_addr *far);
/* The same for a connection with BGP, which may say another one of its gateway's. */
struct ip_addr model_connection_bgp_local(const struct model *m, const struct model_connection *c);
/* Whether a peering lets its remote VNet use the gateway of the VNet that it belongs to. */
bool model_peering_gives_transit(const struct model *m, const struct model_peering *p);

void model_free(struct model *m); /* wipes secrets; the struct itself stays the caller's */

#endif
