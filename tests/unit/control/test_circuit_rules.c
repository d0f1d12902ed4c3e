/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of circuits and BGP, a row or more for each: what is changed in one good configuration of
 * two networks on one circuit, a spoke, and sites with BGP, and all findings that must come. */
#include "rules_test.h"

/* clang-format off */
static const char good[] =
/*  1 */ "host:\n"
/*  2 */ "  ports:\n"
/*  3 */ "    - {name: wan0, device: eth0, role: uplink}\n"
/*  4 */ "    - {name: lan0, device: eth1, role: vnet}\n"
/*  5 */ "    - {name: er0, device: eth2, role: circuit}\n"
/*  6 */ "    - {name: er1, device: eth3, role: circuit}\n"
/*  7 */ "virtualNetworks:\n"
/*  8 */ "  - name: A\n"
/*  9 */ "    id: 1\n"
/* 10 */ "    addressSpace: [10.1.0.0/16, \"fd00:1::/48\"]\n"
/* 11 */ "    subnets: [{name: GatewaySubnet, addressPrefix: 10.1.255.0/27}]\n"
/* 12 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 1, address: [10.1.0.1/24, \"fd00:1::1/64\"]}]\n"
/* 13 */ "    allowBranchToBranchTraffic: true\n"
/* 14 */ "    peerings: [{name: s, remoteVirtualNetwork: S, allowGatewayTransit: true}]\n"
/* 15 */ "  - name: B\n"
/* 16 */ "    id: 2\n"
/* 17 */ "    addressSpace: [10.2.0.0/16]\n"
/* 18 */ "    subnets: [{name: GatewaySubnet, addressPrefix: 10.2.255.0/27}]\n"
/* 19 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 2}]\n"
/* 20 */ "  - name: S\n"
/* 21 */ "    id: 3\n"
/* 22 */ "    addressSpace: [10.3.0.0/16]\n"
/* 23 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 3}]\n"
/* 24 */ "    peerings: [{name: a, remoteVirtualNetwork: A, useRemoteGateways: true}]\n"
/* 25 */ "virtualNetworkGateways:\n"
/* 26 */ "  - {name: AV, virtualNetwork: A, publicIPAddress: 203.0.113.1, enableBgp: true, bgpSettings: {customBgpIpAddresses: [169.254.21.1, 169.254.22.1]}}\n"
/* 27 */ "  - {name: AE, virtualNetwork: A, gatewayType: ExpressRoute, sku: ErGw1AZ, bgpSettings: {asn: 65515}}\n"
/* 28 */ "  - {name: BV, virtualNetwork: B, publicIPAddress: 203.0.113.2, enableBgp: true, bgpSettings: {asn: 65516}}\n"
/* 29 */ "  - {name: BE, virtualNetwork: B, gatewayType: ExpressRoute}\n"
/* 30 */ "localNetworkGateways:\n"
/* 31 */ "  - {name: S5, gatewayIpAddress: 198.51.100.5, bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254, peerWeight: 5, maxPrefixes: 100, sharedKey: {file: /etc/xgw/md5}}}\n"
/* 32 */ "  - {name: S6, gatewayIpAddress: 198.51.100.6, bgpSettings: {asn: 65060, bgpPeeringAddress: 169.254.22.2}}\n"
/* 33 */ "connections:\n"
/* 34 */ "  - {name: A-S5, connectionType: IPsec, virtualNetworkGateway1: AV, localNetworkGateway2: S5, sharedKey: {file: /k}, enableBgp: true}\n"
/* 35 */ "  - {name: A-S6, connectionType: IPsec, virtualNetworkGateway1: AV, localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true}\n"
/* 36 */ "  - {name: A-C, connectionType: ExpressRoute, virtualNetworkGateway1: AE, expressRouteCircuit: C}\n"
/* 37 */ "  - {name: B-C, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: C, routingWeight: 20}\n"
/* 38 */ "  - {name: B-D, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: D}\n"
/* 39 */ "expressRouteCircuits:\n"
/* 40 */ "  - name: C\n"
/* 41 */ "    bandwidthInMbps: 1000\n"
/* 42 */ "    peerings:\n"
/* 43 */ "      - {port: er0, vlanId: 100, outerVlanId: 10, primaryPeerAddressPrefix: 192.168.16.252/30, peerASN: 65010, bfd: true, sharedKey: abcdef,\n"
/* 44 */ "         secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.252/30, bfdIntervalMilliseconds: 10, bfdMultiplier: 4, holdDownSeconds: 0,\n"
/* 45 */ "         ipv6PeeringConfig: {primaryPeerAddressPrefix: \"fd99::/126\", secondaryPeerAddressPrefix: \"fd99:1::/126\"}, maxPrefixes: 9}\n"
/* 46 */ "  - name: D\n"
/* 47 */ "    peerings: [{port: er0, vlanId: 200, primaryPeerAddressPrefix: 192.168.18.0/30, peerASN: 65011}]\n";

static const struct row rows[] = {
	/* the configuration itself is good */
	{{{"", ""}},
	 ""},
	/* gateways */
	{{{"customBgpIpAddresses: [169.254.21.1, 169.254.22.1]", "customBgpIpAddresses: [169.254.21.1, 169.254.22.1, 169.254.22.1]"}},
	 "26:147: error: customBgpIpAddresses: AV has it already, 169.254.22.1\n"},
	{{{"customBgpIpAddresses: [169.254.21.1", "customBgpIpAddresses: [169.254.20.1"}},
	 "26:119: error: customBgpIpAddresses: a gateway may have 169.254.21.0 to 169.254.22.255, came 169.254.20.1\n"},
	{{{"[169.254.21.1, 169.254.22.1]", "[169.254.21.1, 169.254.22.1, 169.254.21.5, 169.254.21.9]"}},
	 "26:161: error: customBgpIpAddresses: expected at most 3 addresses, came 4\n"},
	{{{"localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true", "localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true, gatewayCustomBgpIpAddress: 169.254.21.1"}},
	 ""},
	{{{"localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true", "localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true, gatewayCustomBgpIpAddress: 169.254.21.9"}},
	 "35:162: error: gatewayCustomBgpIpAddress: 169.254.21.9 is none of the addresses of AV; give it in its customBgpIpAddresses too\n"},
	{{{"localNetworkGateway2: S6, sharedKey: {file: /k}, enableBgp: true", "localNetworkGateway2: S6, sharedKey: {file: /k}, gatewayCustomBgpIpAddress: 169.254.21.1"}},
	 "35:91: warning: addressSpace: the peer of A-S6 has no prefixes, nothing is routed to it\n"
	 "35:145: error: gatewayCustomBgpIpAddress: A-S6 has no enableBgp\n"},
	{{{"{name: A-C, connectionType: ExpressRoute", "{name: A-C, gatewayCustomBgpIpAddress: 169.254.21.1, connectionType: ExpressRoute"}},
	 "36:44: error: gatewayCustomBgpIpAddress: does not belong to connectionType ExpressRoute, a circuit has no tunnel\n"},
	{{{"customBgpIpAddresses: [169.254.21.1", "bgpPeeringAddress: 169.254.21.1, customBgpIpAddresses: [169.254.21.1"}},
	 "26:152: error: customBgpIpAddresses: AV has it already, 169.254.21.1\n"},
	{{{"customBgpIpAddresses: [169.254.21.1, 169.254.22.1]", "bgpPeeringAddress: 169.254.21.9"}},
	 ""},
	{{{"{customBgpIpAddresses", "{bgpPeeringAddress: 10.1.0.1, customBgpIpAddresses"}},
	 "26:115: error: bgpPeeringAddress: 10.1.0.1 is not inside GatewaySubnet of A\n"},
	{{{"10.1.0.1/24", "10.1.255.30/27"}},
	 "26:95: error: bgpPeeringAddress: 10.1.255.30 is the gateway's address at an attachment of A; take another one of GatewaySubnet\n"},
	{{{"addressPrefix: 10.1.255.0/27", "addressPrefix: \"fd00:1::/64\""}},
	 "34:129: error: enableBgp: AV has no bgpPeeringAddress, nor an IPv4 GatewaySubnet to take one from\n"},
	/* IPv6 routes over sessions of IPv4 */
	{{{", \"fd00:1::1/64\"]", "]"}},
	 "26:76: warning: enableBgp: A has IPv6 prefixes, but no attachment with an IPv6 address to be their next hop in a BGP session over IPv4; common routers refuse them so\n"},
	{{{", \"fd00:1::1/64\"]", "]"}, {", \"fd00:1::/48\"]", "]"}},
	 ""},
	{{{"sku: ErGw1AZ, bgpSettings: {asn: 65515}", "bgpSettings: {bgpPeeringAddress: 10.1.255.29, customBgpIpAddresses: [169.254.21.9]}"}},
	 "27:95: warning: bgpPeeringAddress: a gateway of gatewayType ExpressRoute speaks from the addresses of its circuits' links; this one has no effect\n"
	 "27:131: error: customBgpIpAddresses: does not belong to gatewayType ExpressRoute\n"},
	{{{"sku: ErGw1AZ", "bandwidthInMbps: 100"}},
	 "27:79: error: bandwidthInMbps: does not belong to gatewayType ExpressRoute; a circuit has its own\n"},
	{{{"publicIPAddress: 203.0.113.2", "publicIPAddress: 203.0.113.2, sku: UltraPerformance"}},
	 "28:70: error: sku: UltraPerformance is a size of gatewayType ExpressRoute; Vpn has Unlimited, Basic, Standard, HighPerformance and VpnGw1 to VpnGw5\n"},
	{{{"BE, virtualNetwork: B, gatewayType: ExpressRoute}", "BE, virtualNetwork: B, gatewayType: ExpressRoute, sku: Basic, enableBgp: true}"}},
	 "29:67: error: sku: Basic does not go with a Vpn and an ExpressRoute gateway in one virtual network\n"},
	/* sites */
	{{{"asn: 65050", "asn: 8074"}},
	 "31:67: error: asn: 8074 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 8075"}},
	 "31:67: error: asn: 8075 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 12076"}},
	 "31:67: error: asn: 12076 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 65515"}},
	 "31:67: error: asn: 65515 is reserved for Azure's gateways; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"
	 "34:129: error: enableBgp: AV and S5 have one AS number, 65515; each needs its own\n"},
	{{{"asn: 65050", "asn: 65517"}},
	 "31:67: error: asn: 65517 is reserved for Azure's gateways; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 65520"}},
	 "31:67: error: asn: 65520 is reserved for Azure's gateways; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 23456"}},
	 "31:67: error: asn: 23456 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 64496"}},
	 "31:67: error: asn: 64496 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 64511"}},
	 "31:67: error: asn: 64511 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 65535"}},
	 "31:67: error: asn: 65535 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 65551"}},
	 "31:67: error: asn: 65551 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"asn: 65050", "asn: 64495"}},
	 ""},
	{{{"asn: 65050", "asn: 64512"}},
	 ""},
	{{{"asn: 65050", "asn: 65514"}},
	 ""},
	{{{"asn: 65050", "asn: 65516"}},
	 ""},
	{{{"asn: 65050", "asn: 65521"}},
	 ""},
	{{{"asn: 65050", "asn: 65534"}},
	 ""},
	{{{"asn: 65050", "asn: 65552"}},
	 ""},
	{{{"peerWeight: 5", "customBgpIpAddresses: [169.254.21.7]"}},
	 "31:131: error: customBgpIpAddresses: only a virtual network gateway has them; give the one that S5 speaks from as bgpPeeringAddress\n"},
	{{{"bgpPeeringAddress: 192.168.5.254", "bgpPeeringAddress: \"fd00:5::1\""}},
	 "34:129: error: enableBgp: the bgpPeeringAddress of S5 is of IPv6, that of AV of IPv4; both must be of one family\n"},
	{{{"bgpPeeringAddress: 169.254.22.2", "bgpPeeringAddress: 169.254.22.1"}},
	 "32:93: error: bgpPeeringAddress: 169.254.22.1 is the one of AV at this side of the tunnel\n"},
	{{{"bgpPeeringAddress: 169.254.22.2", "bgpPeeringAddress: 192.168.5.254"}},
	 "35:129: error: enableBgp: the peer has the bgpPeeringAddress of that of A-S5, in line 34; each needs its own\n"},
	{{{"sharedKey: {file: /etc/xgw/md5}", "sharedKey: \"a\\\"b\""}},
	 "31:152: error: sharedKey: expected a key of at most 80 printable ASCII characters without double quotes\n"},
	{{{"sharedKey: {file: /etc/xgw/md5}", "sharedKey: {file: /etc/xgw/open.psk}"}},
	 "31:152: error: sharedKey: /etc/xgw/open.psk can be read by others; chmod 600 /etc/xgw/open.psk\n"},
	{{{"peerWeight: 5", "peerWeight: 101"}},
	 "31:120: error: peerWeight: expected a number from 0 to 100, came '101'\n"},
	{{{"asn: 65050, ", ""}},
	 "34:129: error: enableBgp: S5 has no bgpSettings with asn and bgpPeeringAddress\n"},
	/* circuits: links and keys */
	{{{"sharedKey: abcdef", "sharedKey: abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi abcdefghi x"}},
	 "43:134: error: sharedKey: expected a key of at most 80 printable ASCII characters without double quotes\n"},
	{{{"sharedKey: abcdef", "sharedKey: {file: /etc/xgw/empty.psk}"}},
	 "43:134: error: sharedKey: expected a key, came an empty one\n"},
	{{{"\"fd99::/126\"", "192.168.19.0/30"}},
	 "45:56: error: primaryPeerAddressPrefix: expected an IPv6 prefix, came one of IPv4\n"},
	{{{"primaryPeerAddressPrefix: 192.168.16.252/30", "primaryPeerAddressPrefix: \"fd98::/126\""}},
	 "45:56: error: primaryPeerAddressPrefix: the link has an IPv6 prefix already, in line 43\n"},
	{{{"\"fd99::/126\"", "\"fd99::/64\""}},
	 "45:56: error: primaryPeerAddressPrefix: expected a prefix of two hosts, /126, came fd99::/64\n"},
	{{{"\"fd99:1::/126\"", "\"fd99::/126\""}},
	 "45:98: error: secondaryPeerAddressPrefix: fd99::/126 overlaps fd99::/126 of the primary link\n"},
	{{{"secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.252/30, ", ""}},
	 "45:98: error: secondaryPeerAddressPrefix: the secondary link needs secondaryPort too\n"},
	{{{"bfdIntervalMilliseconds: 10", "bfdIntervalMilliseconds: 5"}},
	 "44:102: error: bfdIntervalMilliseconds: expected a number from 10 to 60000, came '5'\n"},
	{{{"bfdMultiplier: 4", "bfdMultiplier: 1"}},
	 "44:121: error: bfdMultiplier: expected a number from 2 to 255, came '1'\n"},
	{{{"192.168.18.0/30", "192.168.16.252/30"}},
	 "47:67: error: peerings: 192.168.16.252/30 overlaps 192.168.16.252/30 of C, in line 43; the links of circuits that gateways join need prefixes of their own\n"},
	{{{"192.168.18.0/30", "\"fd99::/126\""}},
	 "47:67: error: peerings: fd99::/126 overlaps fd99::/126 of C, in line 45; the links of circuits that gateways join need prefixes of their own\n"},
	/* circuits: who shares them */
	{{{"BE, virtualNetwork: B, gatewayType: ExpressRoute}", "BE, virtualNetwork: B, gatewayType: ExpressRoute, bgpSettings: {asn: 65516}}"}},
	 "37:71: error: virtualNetworkGateway1: the AS number of BE is 65516 and that of AE 65515; gateways that share a circuit, here C, have one\n"},
	{{{"peerASN: 65010", "peerASN: 65521"}, {"asn: 65515}", "asn: 65521}"}, {"BE, virtualNetwork: B, gatewayType: ExpressRoute}", "BE, virtualNetwork: B, gatewayType: ExpressRoute, bgpSettings: {asn: 65521}}"}},
	 "43:105: error: peerASN: 65521 is the AS number of AE; each side needs its own\n"
	 "43:105: error: peerASN: 65521 is the AS number of BE; each side needs its own\n"},
	{{{"[10.2.0.0/16]", "[10.1.0.0/16]"}, {"10.2.255.0/27", "10.1.254.0/27"}},
	 "37:96: error: expressRouteCircuit: 10.1.0.0/16 of B overlaps 10.1.0.0/16 of A, and C leads to both; networks on one circuit need address spaces of their own\n"},
	{{{"[10.3.0.0/16]", "[10.2.128.0/17]"}},
	 "36:96: error: expressRouteCircuit: 10.2.128.0/17 of S overlaps 10.2.0.0/16 of B, and C leads to both; networks on one circuit need address spaces of their own\n"},
	{{{"asn: 65516", "asn: 65516, customBgpIpAddresses: [169.254.22.1]"}},
	 "28:131: error: bgpSettings: AV, in line 26, has that address; gateways that a circuit joins need addresses of their own\n"},
	{{{"  - {name: A-C,", "  - {name: B-S5, connectionType: IPsec, virtualNetworkGateway1: BV, localNetworkGateway2: S5, sharedKey: {file: /k}, enableBgp: true}\n  - {name: A-C,"}},
	 "36:129: error: enableBgp: the peer has the bgpPeeringAddress of that of A-S5, in line 34; each needs its own\n"},
	{{{"  - {name: A-C,", "  - {name: A-B, connectionType: Vnet2Vnet, virtualNetworkGateway1: AV, virtualNetworkGateway2: BV, sharedKey: {file: /k}, enableBgp: true}\n  - {name: B-A, connectionType: Vnet2Vnet, virtualNetworkGateway1: BV, virtualNetworkGateway2: AV, sharedKey: {file: /k}, enableBgp: true}\n  - {name: A-C,"}},
	 "36:134: error: enableBgp: AV and BV are joined by a circuit, and a router does not speak with itself; say false\n"
	 "37:134: error: enableBgp: BV and AV are joined by a circuit, and a router does not speak with itself; say false\n"},
	{{{"  - {name: A-C,", "  - {name: A-B, connectionType: Vnet2Vnet, virtualNetworkGateway1: AV, virtualNetworkGateway2: BV, sharedKey: {file: /k}}\n  - {name: B-A, connectionType: Vnet2Vnet, virtualNetworkGateway1: BV, virtualNetworkGateway2: AV, sharedKey: {file: /k}}\n  - {name: A-C,"}},
	 ""},
	{{{"  - {name: B-D, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: D}\n", ""}},
	 "45:11: warning: expressRouteCircuits: no connection leads to D; its links are not used\n"},
	/* what a connection cannot lead to */
	{{{"  - {name: A-C,", "  - {name: A-B, connectionType: Vnet2Vnet, virtualNetworkGateway1: AV, virtualNetworkGateway2: BE, sharedKey: {file: /k}}\n  - {name: A-C,"}},
	 "36:96: error: virtualNetworkGateway2: BE is of gatewayType ExpressRoute; connectionType Vnet2Vnet needs one of gatewayType Vpn\n"},
	{{{"expressRouteCircuits:\n", "  - {name: B-E, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: E}\nexpressRouteCircuits:\n  - {name: E, peerings: []}\n"}},
	 "39:96: error: expressRouteCircuit: E has no peerings, nothing could pass\n"},
	/* how many circuits a size has */
	{{{"gatewayType: ExpressRoute}", "gatewayType: ExpressRoute, sku: Standard}"}, {"expressRouteCircuits:\n", "  - {name: B-E, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: E}\n  - {name: B-F, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: F}\n  - {name: B-G, connectionType: ExpressRoute, virtualNetworkGateway1: BE, expressRouteCircuit: G}\nexpressRouteCircuits:\n  - {name: E, peerings: [{port: er0, vlanId: 1, primaryPeerAddressPrefix: 192.168.30.0/30, peerASN: 65011}]}\n  - {name: F, peerings: [{port: er0, vlanId: 2, primaryPeerAddressPrefix: 192.168.31.0/30, peerASN: 65011}]}\n  - {name: G, peerings: [{port: er0, vlanId: 3, primaryPeerAddressPrefix: 192.168.32.0/30, peerASN: 65011}]}\n"}},
	 "41:71: error: virtualNetworkGateway1: BE has 5 connections, its sku Standard takes 4\n"},
	/* branches */
	{{{"    subnets: [{name: GatewaySubnet, addressPrefix: 10.2.255.0/27}]\n", "    subnets: [{name: GatewaySubnet, addressPrefix: 10.2.255.0/27}]\n    allowBranchToBranchTraffic: true\n"}, {"  - {name: BV, virtualNetwork: B, publicIPAddress: 203.0.113.2, enableBgp: true, bgpSettings: {asn: 65516}}\n", ""}},
	 "19:33: warning: allowBranchToBranchTraffic: B has not both a Vpn and an ExpressRoute gateway, so there is nothing between them\n"},
	{{{"publicIPAddress: 203.0.113.1, ", "publicIPAddress: 203.0.113.1, activeStandby: true, "}},
	 "26:80: error: activeStandby: with allowBranchToBranchTraffic of A the host that stands by would announce the sites of AV in its circuits and drop what comes for them\n"},
	{{{"publicIPAddress: 203.0.113.2, ", "publicIPAddress: 203.0.113.2, activeStandby: true, "}},
	 ""},
	/* circuits alone need no uplink */
	{{{"    - {name: wan0, device: eth0, role: uplink}\n", ""}},
	 "3:14: error: ports: no port has role uplink, connections need one\n"},
};
/* clang-format on */

static void every_rule(void **state)
{
	(void)state;
	check_rules(good, rows, sizeof rows / sizeof *rows);
}

/* What the reader makes of it: given values, and those that stand without them. */
static void values(void **state)
{
	(void)state;
	struct model m;
	test_model(&m, good);
	const struct model_bgp *av = &m.gateways[0].bgp, *s5 = &m.sites[0].bgp;
	char text[PREFIX_TEXT];
	assert_int_equal(av->asn, MODEL_ASN);
	assert_string_equal(ip_addr_format(&av->address, text), "10.1.255.30");
	assert_int_equal(av->n_custom, 2);
	assert_string_equal(ip_addr_format(&av->custom[1], text), "169.254.22.1");
	assert_int_equal(av->max_prefixes, 4000);
	assert_int_equal(m.gateways[1].bgp.address.family, IP_NONE);
	assert_int_equal(m.gateways[3].bgp.asn, MODEL_ASN);
	assert_int_equal(m.gateways[1].size, MODEL_SKU_ER_GW1);
	assert_int_equal(s5->peer_weight, 5);
	assert_int_equal(s5->max_prefixes, 100);
	assert_int_equal(s5->md5.len, strlen(TEST_KEY));
	assert_int_equal(m.sites[1].bgp.max_prefixes, 4000);
	assert_true(m.vnets[0].branch_to_branch && !m.vnets[1].branch_to_branch);
	const struct model_circuit_peering *c = m.circuits[0].peerings, *d = m.circuits[1].peerings;
	assert_string_equal(ip_prefix_format(&c->link[0].prefix[0], text), "192.168.16.252/30");
	assert_string_equal(ip_prefix_format(&c->link[1].prefix[1], text), "fd99:1::/126");
	assert_true(c->bfd && c->bfd_interval_ms == 10 && c->bfd_multiplier == 4);
	assert_true(!d->bfd && d->bfd_interval_ms == 100 && d->bfd_multiplier == 3);
	assert_true(!c->hold_down_seconds && d->hold_down_seconds == 10);
	assert_true(c->max_prefixes == 9 && d->max_prefixes == 4000);
	assert_true(c->md5.len == 6 && !d->md5.len);
	assert_int_equal(d->link[1].port, MODEL_NONE);
	model_free(&m);
}

/* With peers of 169.254.0.0/16 the nearest of the gateway's own of that range. */
static void local_addresses(void **state)
{
	(void)state;
	static const char *const rows_of_peers[][2] = {
		{"192.168.5.254", "10.1.255.30"},
		{"169.254.21.2", "169.254.21.1"},
		{"169.254.22.2", "169.254.22.1"},
		{"169.254.23.9", "169.254.22.1"},
	};
	struct model m;
	test_model(&m, good);
	for (size_t i = 0; i < sizeof rows_of_peers / sizeof *rows_of_peers; i++) {
		struct ip_addr far, near;
		char text[IP_TEXT];
		assert_int_equal(ip_addr_parse(&far, rows_of_peers[i][0]), 0);
		near = model_bgp_local(&m.gateways[0].bgp, &far);
		assert_string_equal(ip_addr_format(&near, text), rows_of_peers[i][1]);
	}
	model_free(&m);
}

/* Gateways of one network and of one circuit, over two steps. */
static void joined_gateways(void **state)
{
	(void)state;
	struct model m;
	uint32_t set[4];
	test_model(&m, good);
	assert_int_equal(model_join_gateways(&m, set), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(set[i], 0);
	/* without the connection of B to the circuit that A has */
	m.connections[3].circuit = 1;
	assert_int_equal(model_join_gateways(&m, set), 0);
	assert_true(set[0] == 0 && set[1] == 0 && set[2] == 2 && set[3] == 2);
	model_free(&m);
}

/* Three links are there; the last of these would be the 129th. */
static void too_many_links(void **state)
{
	(void)state;
	enum { PEERINGS = 63 };
	struct model m;
	struct config_findings findings;
	char *more = calloc(PEERINGS + 2, 200), *at = more;
	assert_non_null(more);
	at += sprintf(at, "  - {name: B-E, connectionType: ExpressRoute, virtualNetworkGateway1: "
			  "BE, expressRouteCircuit: E}\nexpressRouteCircuits:\n  - name: E\n"
			  "    peerings:\n");
	for (int i = 1; i <= PEERINGS; i++)
		at += sprintf(at,
			      "      - {port: er0, vlanId: %d, primaryPeerAddressPrefix: "
			      "172.20.%d.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: "
			      "172.21.%d.0/30, peerASN: 65011}\n",
			      i, i, i);
	char *text = replaced(strdup(good), "expressRouteCircuits:\n", more);
	assert_int_equal(test_parse(&m, text, &findings), -EINVAL);
	char *said = test_findings_text(&findings);
	assert_string_equal(
		said, "113:23: error: peerings: expected at most 128 links of all circuits, came "
		      "more\n");
	free(said);
	config_findings_free(&findings);
	model_free(&m);
	free(text);
	free(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),	   cmocka_unit_test(values),
		cmocka_unit_test(local_addresses), cmocka_unit_test(joined_gateways),
		cmocka_unit_test(too_many_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
