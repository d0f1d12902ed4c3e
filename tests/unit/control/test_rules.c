/* SPDX-License-Identifier: Apache-2.0 */
/* The rules between resources, a row or more for each: what is changed in one good configuration of
 * a hub, a spoke and a third network, and all findings that must come. */
#include "rules_test.h"

/* clang-format off */
static const char good[] =
/*  1 */ "host:\n"
/*  2 */ "  ports:\n"
/*  3 */ "    - {name: wan0, device: eth0, role: uplink}\n"
/*  4 */ "    - {name: lan0, device: eth1, role: vnet}\n"
/*  5 */ "virtualNetworks:\n"
/*  6 */ "  - name: Hub\n"
/*  7 */ "    id: 1\n"
/*  8 */ "    addressSpace: [10.1.0.0/16]\n"
/*  9 */ "    subnets:\n"
/* 10 */ "      - {name: GatewaySubnet, addressPrefix: 10.1.255.0/27}\n"
/* 11 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 1}]\n"
/* 12 */ "    peerings:\n"
/* 13 */ "      - {name: to-spoke, remoteVirtualNetwork: Spoke, allowGatewayTransit: true}\n"
/* 14 */ "      - {name: to-other, remoteVirtualNetwork: Other}\n"
/* 15 */ "  - name: Spoke\n"
/* 16 */ "    id: 2\n"
/* 17 */ "    addressSpace: [10.2.0.0/16]\n"
/* 18 */ "    subnets:\n"
/* 19 */ "      - {name: FrontEnd, addressPrefix: 10.2.0.0/24, routeTable: forced}\n"
/* 20 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 2}]\n"
/* 21 */ "    peerings:\n"
/* 22 */ "      - {name: to-hub, remoteVirtualNetwork: Hub, useRemoteGateways: true}\n"
/* 23 */ "  - name: Other\n"
/* 24 */ "    id: 3\n"
/* 25 */ "    addressSpace: [10.3.0.0/16]\n"
/* 26 */ "    attachments: [{port: lan0, encapsulation: vlan, vlanId: 3}]\n"
/* 27 */ "    peerings:\n"
/* 28 */ "      - {name: to-hub, remoteVirtualNetwork: Hub}\n"
/* 29 */ "routeTables:\n"
/* 30 */ "  - name: forced\n"
/* 31 */ "    routes:\n"
/* 32 */ "      - {name: all, addressPrefix: 0.0.0.0/0, nextHopType: VirtualNetworkGateway}\n"
/* 33 */ "      - {name: nva, addressPrefix: 10.9.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.2.0.4}\n"
/* 34 */ "virtualNetworkGateways:\n"
/* 35 */ "  - name: HubGW\n"
/* 36 */ "    virtualNetwork: Hub\n"
/* 37 */ "    publicIPAddress: 203.0.113.1\n"
/* 38 */ "    gatewayDefaultSite: Site5\n"
/* 39 */ "localNetworkGateways:\n"
/* 40 */ "  - {name: Site5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}\n"
/* 41 */ "connections:\n"
/* 42 */ "  - name: Hub-Site5\n"
/* 43 */ "    connectionType: IPsec\n"
/* 44 */ "    virtualNetworkGateway1: HubGW\n"
/* 45 */ "    localNetworkGateway2: Site5\n"
/* 46 */ "    sharedKey: abcdefghijklmnopqrstuvwxyz\n";

/* What row 37 becomes in a gateway with another instance. */
#define PLAIN "{port: lan0, encapsulation: vlan, vlanId: 1}"
#define ADDRESSED "{port: lan0, encapsulation: vlan, vlanId: 1, address: 10.1.0.1/24}"
#define PUBLIC "    publicIPAddress: 203.0.113.1\n"
#define ACTIVE PUBLIC "    activeActive: true\n"
#define OTHER(text) "    otherInstance: {address: " text "}\n"

static const struct row rows[] = {
	/* two instances */
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.2")}},
	 ""},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    enableBgp: true\n" OTHER("10.1.0.2, bgpPeeringAddress: 10.1.255.29")}},
	 ""},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.2, vpnClientAddressPool: [172.16.1.0/24, 172.16.2.0/24]")}},
	 ""},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.2, vpnClientAddressPool: [10.1.8.0/24]")}},
	 "39:63: error: vpnClientAddressPool: 10.1.8.0/24 overlaps 10.1.0.0/16 of Hub; clients need addresses that nobody else has\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.2, vpnClientAddressPool: [172.16.1.0/24, 172.16.1.128/25]")}},
	 "39:78: error: vpnClientAddressPool: 172.16.1.128/25 overlaps 172.16.1.0/24 of the pool itself; clients need addresses that nobody else has\n"},
	{{{PUBLIC, ACTIVE}},
	 "38:19: error: activeActive: it needs otherInstance, with the address in the virtual network where the other instance of HubGW is\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, PUBLIC OTHER("10.1.0.2")}},
	 "38:20: error: otherInstance: HubGW has no activeActive, so it is the only instance\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.1")}},
	 "39:30: error: address: 10.1.0.1 is this instance's own address at an attachment of Hub; give the other one's\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.1.2")}},
	 "39:30: error: address: 10.1.1.2 is on no link of Hub; the other instance is reached at a plain or VLAN attachment with an address of the same prefix\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    activeStandby: true\n" OTHER("10.1.0.2")}},
	 "39:20: error: activeStandby: HubGW is activeActive, both instances work; give one of the two\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    sku: Basic\n" OTHER("10.1.0.2")}},
	 "38:19: error: activeActive: sku Basic has one instance; take HighPerformance, VpnGw1 or a larger one\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    vpnType: PolicyBased\n" OTHER("10.1.0.2")}, {"    gatewayDefaultSite: Site5\n", ""}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "38:19: error: activeActive: HubGW is PolicyBased; two instances need a RouteBased gateway\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE OTHER("10.1.0.2, bgpPeeringAddress: 10.1.255.29")}},
	 "39:59: error: bgpPeeringAddress: HubGW has no enableBgp itself\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    enableBgp: true\n" OTHER("10.1.0.2, bgpPeeringAddress: 10.1.255.30")}},
	 "40:59: error: bgpPeeringAddress: 10.1.255.30 is this instance's own; each speaks from its own address\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    enableBgp: true\n" OTHER("10.1.0.2, bgpPeeringAddress: 'fd00::1'")}},
	 "40:59: error: bgpPeeringAddress: fd00::1 and that of this instance must be of one family\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    enableBgp: true\n" OTHER("10.1.0.2, bgpPeeringAddress: 10.2.0.9")}},
	 "40:59: error: bgpPeeringAddress: expected an address of Hub that no attachment has, came 10.2.0.9\n"},
	{{{PLAIN, ADDRESSED}, {PUBLIC, ACTIVE "    gatewayType: ExpressRoute\n" OTHER("10.1.0.2")}, {"    gatewayDefaultSite: Site5\n", ""}},
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "38:19: error: activeActive: does not belong to gatewayType ExpressRoute, whose circuits have two links each\n"
	 "46:29: error: virtualNetworkGateway1: HubGW is of gatewayType ExpressRoute; connectionType IPsec needs one of gatewayType Vpn\n"},
	/* the configuration itself is good */
	{{{"", ""}},
	 ""},
	/* peerings need two sides */
	{{{"      - {name: to-hub, remoteVirtualNetwork: Hub}\n", ""}, {"    peerings:\nroute", "route"}},
	 "14:48: warning: remoteVirtualNetwork: to-other is Initiated: Other has no peering back to Hub; nothing passes until both sides have one\n"},
	{{{"remoteVirtualNetwork: Other}", "remoteVirtualNetwork: Hub}"}},
	 "14:48: error: remoteVirtualNetwork: expected another virtual network, came Hub itself\n"
	 "28:46: warning: remoteVirtualNetwork: to-hub is Initiated: Hub has no peering back to Other; nothing passes until both sides have one\n"},
	{{{"remoteVirtualNetwork: Other}", "remoteVirtualNetwork: Spoke}"}},
	 "14:48: error: remoteVirtualNetwork: Spoke is peered already, in line 13; one peering leads to each virtual network\n"
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "22:70: error: useRemoteGateways: the other side, to-other of Hub, needs allowGatewayTransit\n"
	 "28:46: warning: remoteVirtualNetwork: to-hub is Initiated: Hub has no peering back to Other; nothing passes until both sides have one\n"},
	{{{"name: to-other", "name: to-spoke"}},
	 "14:16: error: name: 'to-spoke' is the name of another peering, in line 13; names are unique in their virtual network\n"},
	{{{"remoteVirtualNetwork: Other}", "remoteVirtualNetwork: Othr}"}},
	 "14:48: error: remoteVirtualNetwork: no virtual network has the name 'Othr'; did you mean 'Other'?\n"
	 "28:46: warning: remoteVirtualNetwork: to-hub is Initiated: Hub has no peering back to Other; nothing passes until both sides have one\n"},
	{{{"useRemoteGateways: true", "useRemoteGateway: true"}},
	 "13:48: warning: remoteVirtualNetwork: to-spoke is Initiated: Spoke has no peering back to Hub; nothing passes until both sides have one\n"
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "22:51: error: useRemoteGateway: unknown property of this peering; did you mean 'useRemoteGateways'?\n"},
	/* a classic hub; and two classic networks */
	{{{"id: 1\n", "id: 1\n    deploymentModel: classic\n"}},
	 "23:70: error: useRemoteGateways: Hub is classic; the gateway that peers use is one of a resourceManager network\n"},
	{{{"id: 1\n", "id: 1\n    deploymentModel: classic\n"}, {"id: 3\n", "id: 3\n    deploymentModel: classic\n"}},
	 "15:48: error: remoteVirtualNetwork: Hub and Other are both classic; one side of a peering is a resourceManager network\n"
	 "23:70: error: useRemoteGateways: Hub is classic; the gateway that peers use is one of a resourceManager network\n"},
	{{{"id: 2\n", "id: 2\n    deploymentModel: classic\n"}},
	 ""},
	/* address spaces of peers, and of the peers of one network */
	{{{"[10.3.0.0/16]", "[10.3.0.0/16, 10.1.128.0/17]"}},
	 "14:48: error: remoteVirtualNetwork: 10.1.128.0/17 of Other (line 25) overlaps 10.1.0.0/16 of Hub (line 8); networks that are peered need address spaces of their own\n"},
	{{{"[10.3.0.0/16]", "[10.3.0.0/16, 10.2.0.0/15]"}},
	 "14:48: error: remoteVirtualNetwork: 10.2.0.0/15 of Other (line 25) overlaps 10.2.0.0/16 of Spoke (line 17), which is peered here too; networks that are peered need address spaces of their own\n"
	 "25:33: error: addressSpace: 10.2.0.0/15 overlaps 10.3.0.0/16\n"},
	{{{"[10.3.0.0/16]", "[10.0.0.0/8]"}},
	 "14:48: error: remoteVirtualNetwork: 10.0.0.0/8 of Other (line 25) overlaps 10.1.0.0/16 of Hub (line 8); networks that are peered need address spaces of their own\n"
	 "14:48: error: remoteVirtualNetwork: 10.0.0.0/8 of Other (line 25) overlaps 10.2.0.0/16 of Spoke (line 17), which is peered here too; networks that are peered need address spaces of their own\n"},
	/* gateways of peers */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: SpokeGW, virtualNetwork: Spoke, publicIPAddress: 203.0.113.2}\n"}, {"      - {name: FrontEnd", "      - {name: GatewaySubnet, addressPrefix: 10.2.255.0/27}\n      - {name: FrontEnd"}},
	 "20:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and SpokeGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "23:70: error: useRemoteGateways: Spoke has a gateway of its own, SpokeGW; only a virtual network without one may use its peer's\n"},
	{{{", allowGatewayTransit: true", ""}},
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "22:70: error: useRemoteGateways: the other side, to-spoke of Hub, needs allowGatewayTransit\n"},
	{{{", useRemoteGateways: true", ", useRemoteGateways: true, allowGatewayTransit: true"}},
	 "22:70: error: useRemoteGateways: to-hub has allowGatewayTransit too; a peering either gives a gateway or uses one\n"},
	{{{"remoteVirtualNetwork: Hub}\n", "remoteVirtualNetwork: Hub}\n      - {name: to-spoke, remoteVirtualNetwork: Spoke, allowGatewayTransit: true}\n"}, {"useRemoteGateways: true}\n", "useRemoteGateways: true}\n      - {name: to-other, remoteVirtualNetwork: Other, useRemoteGateways: true}\n"}},
	 "23:74: error: useRemoteGateways: Other has no gateway that Spoke could use\n"
	 "23:74: error: useRemoteGateways: to-hub has it already, in line 22; one peering of a virtual network may use its peer's gateway\n"},
	{{{"      - {name: to-spoke, remoteVirtualNetwork: Spoke, allowGatewayTransit: true}\n", ""}},
	 "18:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "21:46: warning: remoteVirtualNetwork: to-hub is Initiated: Hub has no peering back to Spoke; nothing passes until both sides have one\n"
	 "21:70: error: useRemoteGateways: Hub has no peering back, which would need allowGatewayTransit\n"},
	/* route tables */
	{{{"{name: all,", "{name: nva,"}},
	 "33:16: error: name: 'nva' is the name of another route, in line 32; names are unique in their route table\n"},
	{{{"{name: nva, addressPrefix: 10.9.0.0/16", "{name: nva, addressPrefix: 0.0.0.0/0"}},
	 "33:36: error: addressPrefix: 0.0.0.0/0 has a route in this table already, in line 32\n"},
	{{{", nextHopIpAddress: 10.2.0.4", ""}},
	 "33:9: error: nextHopIpAddress: missing, nextHopType VirtualAppliance needs it\n"},
	{{{"nextHopType: VirtualNetworkGateway", "nextHopType: Internet, nextHopIpAddress: 10.2.0.4"}},
	 "32:88: error: nextHopIpAddress: belongs to nextHopType VirtualAppliance, this route has Internet\n"},
	{{{"nextHopIpAddress: 10.2.0.4", "nextHopIpAddress: 10.3.0.4"}},
	 "19:66: warning: routeTable: nextHopIpAddress 10.3.0.4 of nva in forced is neither in Spoke nor in a network peered with it; that traffic is dropped\n"},
	{{{"nextHopIpAddress: 10.2.0.4", "nextHopIpAddress: 10.1.0.4"}},
	 ""},
	{{{"nextHopIpAddress: 10.2.0.4", "nextHopIpAddress: \"fd00::4\""}},
	 "19:66: warning: routeTable: nextHopIpAddress fd00::4 of nva in forced is neither in Spoke nor in a network peered with it; that traffic is dropped\n"
	 "33:62: error: nextHopIpAddress: an IPv6 address for an IPv4 prefix; both must be of one family\n"},
	{{{"nextHopType: VirtualNetworkGateway", "nextHopType: Gateway"}},
	 "32:60: error: nextHopType: expected VnetLocal, VirtualNetworkGateway, Internet, None or VirtualAppliance, came 'Gateway'\n"},
	{{{"routeTable: forced", "routeTable: force"}},
	 "19:66: error: routeTable: no route table has the name 'force'; did you mean 'forced'?\n"},
	{{{"10.1.255.0/27}", "10.1.255.0/27, routeTable: forced}"}},
	 "10:73: error: routeTable: forced has a default route, all in line 32; the table of GatewaySubnet may not have one\n"},
	{{{"  - name: forced\n", "  - name: forced\n    disableBgpRoutePropagation: true\n"}},
	 ""},
	{{{"10.1.255.0/27}", "10.1.255.0/27, routeTable: none}"}, {"routeTables:\n", "routeTables:\n  - {name: none, disableBgpRoutePropagation: true}\n"}},
	 "10:73: error: routeTable: none has disableBgpRoutePropagation; the gateway itself needs its routes, the table of GatewaySubnet may not have it\n"},
	{{{"  - name: forced\n", "  - {name: forced}\n  - name: forced\n"}},
	 "31:11: error: name: 'forced' is the name of another route table, in line 30; names are unique in their kind\n"},
	{{{"    gatewayDefaultSite: Site5\n", ""}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"},
	{{{"    gatewayDefaultSite: Site5\n", ""}, {"[192.168.5.0/24]", "[192.168.5.0/24, 0.0.0.0/0]"}},
	 ""},
	{{{", useRemoteGateways: true", ""}},
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"},
	/* one gateway of a type; side by side */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: HubGW2, virtualNetwork: Hub, publicIPAddress: 203.0.113.2}\n"}},
	 "39:36: error: virtualNetwork: HubGW serves it already, in line 36; a virtual network has one gateway of a type\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"      - {name: FrontEnd, addressPrefix: 10.2.0.0/24, routeTable: forced}\n", "      - {name: FrontEnd, addressPrefix: 10.2.0.0/24}\n"}, {"10.1.255.0/27", "10.1.255.0/28"}},
	 "10:46: error: addressPrefix: a Vpn and an ExpressRoute gateway together need a GatewaySubnet of /27 or larger, came 10.1.255.0/28\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute, sku: Basic}\n"}},
	 "39:69: error: sku: Basic does not go with a Vpn and an ExpressRoute gateway in one virtual network\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    vpnType: PolicyBased\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "38:14: error: vpnType: beside the ExpressRoute gateway ER it must be RouteBased\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    sku: Basic\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "38:10: error: sku: Basic does not go with a Vpn and an ExpressRoute gateway in one virtual network\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"      - {name: GatewaySubnet, addressPrefix: 10.1.255.0/27}\n", "      - {name: FrontEnd, addressPrefix: 10.1.255.0/27, routeTable: forced}\n"}},
	 "10:68: error: routeTable: forced sends to VirtualNetworkGateway, which is not possible in Hub with a Vpn and an ExpressRoute gateway\n"
	 "36:21: error: virtualNetwork: Hub has no subnet with the name GatewaySubnet, its gateway HubGW needs one of /29 or larger\n"
	 "39:32: error: virtualNetwork: Hub has no subnet with the name GatewaySubnet, its gateway ER needs one of /29 or larger\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute, vpnType: PolicyBased, sku: VpnGw1, gatewayDefaultSite: Site5}\n"}},
	 "39:73: error: vpnType: PolicyBased does not belong to gatewayType ExpressRoute\n"
	 "39:91: error: sku: VpnGw1 is a size of gatewayType Vpn; ExpressRoute has Unlimited, Basic, Standard, HighPerformance, UltraPerformance and ErGw1AZ to ErGw3AZ\n"
	 "39:119: error: gatewayDefaultSite: does not belong to gatewayType ExpressRoute; a circuit's default route comes by BGP\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute, vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}, certificate: {chain: c.pem, key: k}}\n"}},
	 "39:88: error: vpnClientConfiguration: does not belong to gatewayType ExpressRoute; clients need a Vpn gateway\n"},
	{{{"    publicIPAddress: 203.0.113.1\n", ""}},
	 "35:5: error: publicIPAddress: missing in this virtual network gateway\n"},
	{{{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    activeStandby: true\n"}},
	 ""},
	{{{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    activeStandby: true\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    mobike: on\n"}},
	 "43:11: error: mobike: HubGW has activeStandby, its tunnels go from host to host with publicIPAddress and to no other address\n"},
	{{{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    gatewayType: ExpressRoute\n    activeStandby: true\n"}},
	 "19:66: warning: routeTable: forced sends to VirtualNetworkGateway, and Spoke has no Vpn gateway, nor one by useRemoteGateways; that traffic is dropped\n"
	 "39:20: error: activeStandby: does not belong to gatewayType ExpressRoute; a circuit has a primary and a secondary link\n"
	 "40:25: error: gatewayDefaultSite: does not belong to gatewayType ExpressRoute; a circuit's default route comes by BGP\n"
	 "46:29: error: virtualNetworkGateway1: HubGW is of gatewayType ExpressRoute; connectionType IPsec needs one of gatewayType Vpn\n"},
	/* PolicyBased */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    vpnType: PolicyBased\n"}},
	 "38:25: error: gatewayDefaultSite: HubGW is PolicyBased; forced tunnelling needs a RouteBased gateway\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    vpnType: PolicyBased\n    sku: Standard\n"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "39:10: error: sku: a PolicyBased gateway is of sku Basic, or Unlimited, came Standard\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    vpnType: PolicyBased\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "39:16: error: enableBgp: HubGW is PolicyBased; BGP needs a RouteBased gateway\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    vpnType: PolicyBased\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    usePolicyBasedTrafficSelectors: true\n"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "47:37: error: usePolicyBasedTrafficSelectors: HubGW is PolicyBased and has such selectors anyway; the switch is for a RouteBased gateway\n"},
	/* what a SKU has */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw1\n    bandwidthInMbps: 651\n"}},
	 "40:22: error: bandwidthInMbps: 651 is above the 650 of sku VpnGw1\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n"}, {"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: S0, gatewayIpAddress: 198.51.100.100, addressSpace: [192.168.100.0/24]}\n  - {name: S1, gatewayIpAddress: 198.51.100.101, addressSpace: [192.168.101.0/24]}\n  - {name: S2, gatewayIpAddress: 198.51.100.102, addressSpace: [192.168.102.0/24]}\n  - {name: S3, gatewayIpAddress: 198.51.100.103, addressSpace: [192.168.103.0/24]}\n  - {name: S4, gatewayIpAddress: 198.51.100.104, addressSpace: [192.168.104.0/24]}\n  - {name: S5, gatewayIpAddress: 198.51.100.105, addressSpace: [192.168.105.0/24]}\n  - {name: S6, gatewayIpAddress: 198.51.100.106, addressSpace: [192.168.106.0/24]}\n  - {name: S7, gatewayIpAddress: 198.51.100.107, addressSpace: [192.168.107.0/24]}\n  - {name: S8, gatewayIpAddress: 198.51.100.108, addressSpace: [192.168.108.0/24]}\n  - {name: S9, gatewayIpAddress: 198.51.100.109, addressSpace: [192.168.109.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: C0, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S0}\n  - {name: C1, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S1}\n  - {name: C2, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S2}\n  - {name: C3, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S3}\n  - {name: C4, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S4}\n  - {name: C5, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S5}\n  - {name: C6, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S6}\n  - {name: C7, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S7}\n  - {name: C8, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S8}\n  - {name: C9, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S9}\n"}},
	 "67:102: error: virtualNetworkGateway1: HubGW has 11 connections, its sku Basic takes 10\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: HighPerformance\n"}, {"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: S0, gatewayIpAddress: 198.51.100.100, addressSpace: [192.168.100.0/24]}\n  - {name: S1, gatewayIpAddress: 198.51.100.101, addressSpace: [192.168.101.0/24]}\n  - {name: S2, gatewayIpAddress: 198.51.100.102, addressSpace: [192.168.102.0/24]}\n  - {name: S3, gatewayIpAddress: 198.51.100.103, addressSpace: [192.168.103.0/24]}\n  - {name: S4, gatewayIpAddress: 198.51.100.104, addressSpace: [192.168.104.0/24]}\n  - {name: S5, gatewayIpAddress: 198.51.100.105, addressSpace: [192.168.105.0/24]}\n  - {name: S6, gatewayIpAddress: 198.51.100.106, addressSpace: [192.168.106.0/24]}\n  - {name: S7, gatewayIpAddress: 198.51.100.107, addressSpace: [192.168.107.0/24]}\n  - {name: S8, gatewayIpAddress: 198.51.100.108, addressSpace: [192.168.108.0/24]}\n  - {name: S9, gatewayIpAddress: 198.51.100.109, addressSpace: [192.168.109.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: C0, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S0}\n  - {name: C1, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S1}\n  - {name: C2, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S2}\n  - {name: C3, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S3}\n  - {name: C4, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S4}\n  - {name: C5, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S5}\n  - {name: C6, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S6}\n  - {name: C7, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S7}\n  - {name: C8, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S8}\n  - {name: C9, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S9}\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:16: error: enableBgp: sku Basic has no BGP; take Standard or a larger one\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:89: error: vpnClientProtocols: clients of sku Basic have SSTP alone; IkeV2 needs another sku\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    ipsecPolicies: [{ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256, ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256, pfsGroup: None}]\n"}},
	 "48:20: error: ipsecPolicies: HubGW is of sku Basic, which has the default offer alone\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    usePolicyBasedTrafficSelectors: true\n"}},
	 "48:37: error: usePolicyBasedTrafficSelectors: HubGW is of sku Basic, which has none\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    connectionProtocol: IKEv1\n"}},
	 "48:25: error: connectionProtocol: HubGW is of sku Basic and RouteBased, which speaks IKEv2 alone\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    sku: Basic\n    vpnType: PolicyBased\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    connectionProtocol: IKEv2\n"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "48:25: error: connectionProtocol: HubGW is of sku Basic and PolicyBased, which speaks IKEv1 alone\n"},
	/* gatewayDefaultSite */
	{{{"gatewayDefaultSite: Site5", "gatewayDefaultSite: Site6"}},
	 "19:66: warning: routeTable: forced sends the default route to VirtualNetworkGateway, and HubGW has no gatewayDefaultSite, nor a site with that prefix; that traffic is dropped\n"
	 "38:25: error: gatewayDefaultSite: no local network gateway has the name 'Site6'; did you mean 'Site5'?\n"},
	{{{"gatewayDefaultSite: Site5", "gatewayDefaultSite: Site6"}, {"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site6, gatewayIpAddress: 198.51.100.6}\n"}},
	 "38:25: warning: gatewayDefaultSite: no connection of HubGW leads to Site6; what is sent there is dropped\n"},
	/* what is behind connections, against peers and each other */
	{{{"[192.168.5.0/24]", "[192.168.5.0/24, 10.3.7.0/24]"}},
	 "45:27: error: addressSpace: 10.3.7.0/24 behind the peer overlaps 10.3.0.0/16 of Other (line 25), which is peered with Hub\n"},
	{{{"[192.168.5.0/24]", "[10.3.0.0/16]"}},
	 "45:27: error: addressSpace: 10.3.0.0/16 behind the peer overlaps 10.3.0.0/16 of Other (line 25), which is peered with Hub\n"},
	{{{"[192.168.5.0/24]", "[10.2.0.0/15]"}},
	 ""},
	{{{"      - {name: to-hub, remoteVirtualNetwork: Hub}\n", "      - {name: to-hub, remoteVirtualNetwork: Hub}\n    subnets: [{name: GatewaySubnet, addressPrefix: 10.3.255.0/27}]\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: OGW, virtualNetwork: Other, publicIPAddress: 203.0.113.3}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: H-O, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: OGW}\n  - {name: O-H, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: OGW, virtualNetworkGateway2: HubGW}\n"}},
	 "49:138: warning: virtualNetworkGateway2: Other is peered with Hub too; the peering carries its 10.3.0.0/16, not this connection\n"
	 "50:136: warning: virtualNetworkGateway2: Hub is peered with Other too; the peering carries its 10.1.0.0/16, not this connection\n"},
	/* two connected networks with one prefix; two tenants that are not connected may have it */
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\n  - {name: B, id: 12, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 12}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: AGW, virtualNetwork: A, publicIPAddress: 203.0.113.11}\n  - {name: BGW, virtualNetwork: B, publicIPAddress: 203.0.113.12}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-A, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: AGW}\n  - {name: A-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: AGW, virtualNetworkGateway2: HubGW}\n  - {name: Hub-B, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: BGW}\n  - {name: B-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: BGW, virtualNetworkGateway2: HubGW}\n"}},
	 "53:140: error: addressSpace: A and B both have 10.20.0.0/16, and both are connected to HubGW; networks that are connected need address spaces of their own\n"},
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\n  - {name: B, id: 12, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 12}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: AGW, virtualNetwork: A, publicIPAddress: 203.0.113.11}\n  - {name: BGW, virtualNetwork: B, publicIPAddress: 203.0.113.12}\n"}},
	 ""},
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\n  - {name: B, id: 12, addressSpace: [10.21.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.21.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 12}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: AGW, virtualNetwork: A, publicIPAddress: 203.0.113.11}\n  - {name: BGW, virtualNetwork: B, publicIPAddress: 203.0.113.12}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-A, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: AGW}\n  - {name: A-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: AGW, virtualNetworkGateway2: HubGW}\n  - {name: Hub-B, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: BGW}\n  - {name: B-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: BGW, virtualNetworkGateway2: HubGW}\n"}},
	 ""},
	/* one prefix at two sites: routingWeight chooses */
	{{{"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site6, gatewayIpAddress: 198.51.100.6, addressSpace: [192.168.5.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-Site6, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: Site6, routingWeight: 20}\n"}},
	 ""},
	{{{"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site6, gatewayIpAddress: 198.51.100.6, addressSpace: [192.168.5.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-Site6, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: Site6}\n"}},
	 "48:12: warning: routingWeight: 192.168.5.0/24 leads to Hub-Site5 too, with the same weight; each flow takes one of them\n"},
	{{{"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: S0, gatewayIpAddress: 198.51.100.100, addressSpace: [192.168.5.0/24]}\n  - {name: S1, gatewayIpAddress: 198.51.100.101, addressSpace: [192.168.5.0/24]}\n  - {name: S2, gatewayIpAddress: 198.51.100.102, addressSpace: [192.168.5.0/24]}\n  - {name: S3, gatewayIpAddress: 198.51.100.103, addressSpace: [192.168.5.0/24]}\n  - {name: S4, gatewayIpAddress: 198.51.100.104, addressSpace: [192.168.5.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: C0, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S0, routingWeight: 20}\n  - {name: C1, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S1, routingWeight: 21}\n  - {name: C2, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S2, routingWeight: 22}\n  - {name: C3, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S3, routingWeight: 23}\n  - {name: C4, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: S4, routingWeight: 24}\n"}},
	 "52:12: warning: routingWeight: 192.168.5.0/24 is behind more than 4 connections of HubGW; C0 and what has less weight is never taken\n"},
	/* clients */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [10.2.9.0/24], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "40:53: error: vpnClientAddressPool: 10.2.9.0/24 overlaps 10.2.0.0/16 of Spoke; clients need addresses that nobody else has\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 ""},
	/* as many clients as the SKU takes, in a pool of up to twice the size */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: Basic\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/23], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:53: warning: vpnClientAddressPool: it has 512 addresses, sku Basic takes 128 clients at once by SSTP; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw1\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24, 'fd00:9::/64'], vpnClientProtocols: [SSTP, IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw1\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24, 172.16.2.0/24], vpnClientProtocols: [SSTP, IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:53: warning: vpnClientAddressPool: it has 512 addresses, sku VpnGw1 takes 250 clients at once; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw2\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/22], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:53: warning: vpnClientAddressPool: it has 1024 addresses, sku VpnGw2 takes 500 clients at once; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw3\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/21], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:53: warning: vpnClientAddressPool: it has 2048 addresses, sku VpnGw3 takes 1000 clients at once; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: VpnGw3\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/22], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "41:53: warning: vpnClientAddressPool: it has 1024 addresses, sku VpnGw3 takes 128 clients at once by SSTP; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/19], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/18], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "40:53: warning: vpnClientAddressPool: it has 16384 addresses, sku Unlimited takes 4096 clients at once; who comes beyond that is refused\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    sku: UltraPerformance\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "39:10: error: sku: UltraPerformance is a size of gatewayType ExpressRoute; Vpn has Unlimited, Basic, Standard, HighPerformance and VpnGw1 to VpnGw5\n"},
	/* selectors of policies, and a policy with them */
	{{{"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    usePolicyBasedTrafficSelectors: true\n"}},
	 "47:37: warning: usePolicyBasedTrafficSelectors: Azure asks for ipsecPolicies with it, and Hub-Site5 has none; the default offer is made\n"},
	{{{"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    usePolicyBasedTrafficSelectors: true\n    ipsecPolicies: [{ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256, ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256, pfsGroup: None}]\n"}},
	 ""},
	/* BGP */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 8075, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 8075 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 12076, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 12076 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65517, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 65517 is reserved for Azure's gateways; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 23456, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 23456 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 64500, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 64500 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65535, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 65535 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 4294967295, bgpPeeringAddress: 10.1.255.30}\n"}},
	 "40:24: error: asn: 4294967295 is reserved by IANA; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65515}}"}},
	 "40:102: error: asn: 65515 is reserved for Azure's gateways; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 8074}}"}},
	 "40:102: error: asn: 8074 is reserved for Azure itself; private ones are 64512 to 65514, 65516 and 65521 to 65534\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.0.4}\n"}},
	 "40:50: error: bgpPeeringAddress: 10.1.0.4 is not inside GatewaySubnet of Hub\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 169.254.20.1}\n"}},
	 "40:50: error: bgpPeeringAddress: of 169.254.0.0/16 a gateway may have 169.254.21.0 to 169.254.22.255, came 169.254.20.1\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 169.254.22.255}\n"}},
	 ""},
	{{{"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 198.51.100.5}}"}},
	 "40:128: error: bgpPeeringAddress: it is the outer address of Site5, which the tunnel itself goes to; take one behind it\n"},
	{{{"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "47:16: error: enableBgp: HubGW has no enableBgp itself\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "49:16: error: enableBgp: Site5 has no bgpSettings with asn and bgpPeeringAddress\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "49:16: error: enableBgp: Site5 has no bgpSettings with asn and bgpPeeringAddress\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65050, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "49:16: error: enableBgp: HubGW and Site5 have one AS number, 65050; each needs its own\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 169.254.9.1}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "48:16: error: enableBgp: the bgpPeeringAddress of Site5 is of 169.254.0.0/16, so HubGW needs one of 169.254.21.0 to 169.254.22.255\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 10.1.0.9}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n"}},
	 "42:128: error: bgpPeeringAddress: 10.1.0.9 is inside the address space of Hub, at this side of the tunnel\n"
	 ""},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254}}"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n    usePolicyBasedTrafficSelectors: true\n"}},
	 "49:16: error: enableBgp: does not go with usePolicyBasedTrafficSelectors, whose selectors routes cannot change\n"
	 "50:37: warning: usePolicyBasedTrafficSelectors: Azure asks for ipsecPolicies with it, and Hub-Site5 has none; the default offer is made\n"},
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n"}, {"addressSpace: [192.168.5.0/24]}", "addressSpace: [192.168.5.0/24], bgpSettings: {asn: 65050, bgpPeeringAddress: 192.168.5.254}}"}, {"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site6, gatewayIpAddress: 198.51.100.6, bgpSettings: {asn: 65051, bgpPeeringAddress: 192.168.5.254}}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    enableBgp: true\n  - {name: Hub-Site6, sharedKey: abcdefghijklmnopqrstuvwxyz, enableBgp: true, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: Site6}\n"}},
	 "51:73: error: enableBgp: the peer has the bgpPeeringAddress of that of Hub-Site5, in line 50; each needs its own\n"},
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\n  - {name: B, id: 12, addressSpace: [10.21.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.21.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 12}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    enableBgp: true\n    bgpSettings: {asn: 65515, bgpPeeringAddress: 10.1.255.30}\n  - {name: AGW, virtualNetwork: A, publicIPAddress: 203.0.113.11}\n  - {name: BGW, virtualNetwork: B, publicIPAddress: 203.0.113.12}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-A, sharedKey: abcdefghijklmnopqrstuvwxyz, enableBgp: true, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: AGW}\n  - {name: A-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: AGW, virtualNetworkGateway2: HubGW}\n"}},
	 "53:69: error: enableBgp: AGW, the other side, has no enableBgp\n"
	 "54:5: error: enableBgp: it differs from that of Hub-A, the other side of this connection\n"},
	/* fqdn */
	{{{"gatewayIpAddress: 198.51.100.5", "fqdn: site5.example.net"}}, ""},
	{{{"gatewayIpAddress: 198.51.100.5", "fqdn: site5.example.net"}, {"localNetworkGateways:\n", "localNetworkGateways:\n  - {name: Site6, fqdn: SITE5.example.net, addressSpace: [192.168.6.0/24]}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-Site6, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: HubGW, localNetworkGateway2: Site6}\n"}},
	 "48:12: error: connection: Hub-Site5 goes to the same peer with the same identity, in line 43; the peer could not be told apart\n"},
	{{{"gatewayIpAddress: 198.51.100.5", "fqdn: site5.example.net"}, {"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: AGW, virtualNetwork: A, publicIPAddress: '2001:db8::1'}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: A-Site5, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: IPsec, virtualNetworkGateway1: AGW, localNetworkGateway2: Site5}\n"}},
	 "49:134: error: localNetworkGateway2: the address of Site5's fqdn is IPv4, as HubGW has it; that of AGW is IPv6; give each family a site of its own\n"},
	{{{"gatewayIpAddress: 198.51.100.5", "fqdn: -site5.example.net"}},
	 "40:25: error: fqdn: expected a name such as site5.example.net, came '-site5.example.net'\n"},
	{{{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: 198.51.100.5, fqdn: site5.example.net"}},
	 "40:57: error: fqdn: the site has a gatewayIpAddress already; give one of them\n"},
	/* what IKEv1 has no numbers for, in keys and key exchanges */
	{{{"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    connectionProtocol: IKEv1\n    postQuantumPreSharedKey: {id: a, key: 0123456789abcdef0123456789abcdef}\n"}},
	 "48:30: error: postQuantumPreSharedKey: it does not go with connectionProtocol IKEv1; take IKEv2\n"},
	{{{"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n    connectionProtocol: IKEv1\n    ipsecPolicies: [{ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256, additionalKeyExchanges: [ECP521], ipsecEncryption: AES256, ipsecIntegrity: SHA256}]\n"}},
	 "48:21: error: additionalKeyExchanges: they do not go with connectionProtocol IKEv1; take IKEv2\n"},
	/* both sides of one connection log in alike */
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n  - {name: AGW, virtualNetwork: A, publicIPAddress: 203.0.113.11}\n"}, {"    sharedKey: abcdefghijklmnopqrstuvwxyz\n", "    sharedKey: abcdefghijklmnopqrstuvwxyz\n  - {name: Hub-A, authenticationType: Certificate, peerCertificateAuthority: ca.pem, connectionType: Vnet2Vnet, virtualNetworkGateway1: HubGW, virtualNetworkGateway2: AGW}\n  - {name: A-Hub, sharedKey: abcdefghijklmnopqrstuvwxyz, connectionType: Vnet2Vnet, virtualNetworkGateway1: AGW, virtualNetworkGateway2: HubGW}\n"}},
	 "51:12: error: authenticationType: it differs from that of Hub-A, the other side of this connection\n"},
	/* clients: revoked ones, and who listens */
	{{{"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: a, password: {file: /etc/xgw/a}}], vpnClientRevokedCertificates: [{name: x, thumbprint: 0123456789abcdef0123456789abcdef01234567}]}\n"}},
	 "40:29: warning: vpnClientRevokedCertificates: without vpnClientRootCertificates no certificate is taken anyway\n"},
	{{{"routeTables:\n", "  - {name: A, id: 11, addressSpace: [10.20.0.0/16], subnets: [{name: GatewaySubnet, addressPrefix: 10.20.0.0/27}], attachments: [{port: lan0, encapsulation: vlan, vlanId: 11}]}\nrouteTables:\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n  - name: AGW\n    virtualNetwork: A\n    publicIPAddress: 203.0.113.1\n    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.1.0/24], vpnClientProtocols: [SSTP], users: [{name: a, password: {file: /etc/xgw/a}}]}\n"}},
	 "44:22: error: publicIPAddress: it is the address of HubGW already, in line 38; each gateway has its own\n"
	 "46:29: error: vpnClientProtocols: SSTP of HubGW has the publicIPAddress already, in line 41; take another address\n"},
	/* circuits */
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: lan0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:34: error: port: lan0 has role vnet, a circuit needs a port with role circuit\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er9, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:110: error: secondaryPort: no port has the name 'er9'; did you mean 'er0'?\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/29, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:78: error: primaryPeerAddressPrefix: expected a prefix of two hosts, /30, came 192.168.16.0/29\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.16.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:143: error: secondaryPeerAddressPrefix: 192.168.16.0/30 overlaps 192.168.16.0/30 of the primary link\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:123: error: secondaryPeerAddressPrefix: the secondary link needs secondaryPort too\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:110: error: secondaryPort: the secondary link needs secondaryPeerAddressPrefix too\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, outerVlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:52: error: outerVlanId: it goes around a vlanId, which is missing\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 12076}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:169: error: peerASN: 12076 is reserved for Azure itself; it is the customer's own\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 10.1.9.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:78: error: primaryPeerAddressPrefix: 10.1.9.0/30 lies within 10.1.0.0/16 of Hub, which is connected to this circuit\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010, advertisedPrefixes: [10.99.0.0/16, 10.1.0.0/16]}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "45:211: error: advertisedPrefixes: 10.1.0.0/16 lies within 10.1.0.0/16 of Hub, which is connected to this circuit\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\n  - {name: C2, peerings: [{port: er1, vlanId: 100, primaryPeerAddressPrefix: 192.168.18.0/30, peerASN: 65011}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "46:12: warning: expressRouteCircuits: no connection leads to C2; its links are not used\n"
	 "46:34: error: port: a peering of C1 has the same port and VLANs already, in line 45; a frame must belong to one\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\n  - {name: C1}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "46:12: warning: expressRouteCircuits: no connection leads to C1; its links are not used\n"
	 "46:12: error: name: 'C1' is the name of another circuit, in line 45; names are unique in their kind\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n  - {name: Again, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1}\n"}},
	 "48:98: error: expressRouteCircuit: Hub-C1, in line 47, connects the same gateway to it\n"},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: HubGW, expressRouteCircuit: C1}\n"}},
	 "47:74: error: virtualNetworkGateway1: HubGW is of gatewayType Vpn; connectionType ExpressRoute needs one of gatewayType ExpressRoute\n"
	 ""},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, localNetworkGateway2: Site5}\n"}},
	 "47:5: error: expressRouteCircuit: missing in this connection, connectionType ExpressRoute needs it\n"
	 "47:100: error: localNetworkGateway2: does not belong to connectionType ExpressRoute, which has expressRouteCircuit\n"},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C1, sharedKey: abcdefghijklmnopqrstuvwxyz}\n"}},
	 "47:114: error: sharedKey: does not belong to connectionType ExpressRoute, a circuit has no tunnel\n"},
	{{{"    - {name: lan0, device: eth1, role: vnet}\n", "    - {name: lan0, device: eth1, role: vnet}\n    - {name: er0, device: eth2, role: circuit}\n    - {name: er1, device: eth3, role: circuit}\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}, {"connections:\n", "expressRouteCircuits:\n  - {name: C1, peerings: [{port: er0, vlanId: 100, primaryPeerAddressPrefix: 192.168.16.0/30, secondaryPort: er1, secondaryPeerAddressPrefix: 192.168.17.0/30, peerASN: 65010}]}\nconnections:\n  - {name: Hub-C1, connectionType: ExpressRoute, virtualNetworkGateway1: ER, expressRouteCircuit: C2}\n"}},
	 "47:99: error: expressRouteCircuit: no circuit has the name 'C2'; did you mean 'C1'?\n"},
	{{{"    virtualNetworkGateway1: HubGW\n", "    virtualNetworkGateway1: ER\n"}, {"    gatewayDefaultSite: Site5\n", "    gatewayDefaultSite: Site5\n  - {name: ER, virtualNetwork: Hub, gatewayType: ExpressRoute}\n"}},
	 "38:25: warning: gatewayDefaultSite: no connection of HubGW leads to Site5; what is sent there is dropped\n"
	 "45:29: error: virtualNetworkGateway1: ER is of gatewayType ExpressRoute; connectionType IPsec needs one of gatewayType Vpn\n"},
};
/* clang-format on */

static void every_rule(void **state)
{
	(void)state;
	check_rules(good, rows, sizeof rows / sizeof *rows);
}

/* What a reload leaves of a peering: the side that stays is Disconnected, as in Azure. */
static void states_of_peerings(void **state)
{
	(void)state;
	struct model before, now;
	struct config_findings findings;
	char *text =
		replaced(strdup(good), "      - {name: to-hub, remoteVirtualNetwork: Hub}\n", "");
	text = replaced(text, "    peerings:\nroute", "route");
	test_model(&before, good);
	assert_int_equal(test_parse(&now, text, &findings), 0);
	config_findings_free(&findings);
	const struct model_peering *to_other = &now.vnets[0].peerings[1];
	const struct model_peering *to_spoke = &now.vnets[0].peerings[0];
	assert_int_equal(model_peering_state(&before.vnets[0].peerings[1]),
			 MODEL_PEERING_CONNECTED);
	assert_int_equal(model_peering_state(to_other), MODEL_PEERING_INITIATED);
	assert_int_equal(model_peerings_follow(&now, &before), 0);
	assert_int_equal(model_peering_state(to_other), MODEL_PEERING_DISCONNECTED);
	assert_int_equal(model_peering_state(to_spoke), MODEL_PEERING_CONNECTED);
	assert_string_equal(model_peering_state_text(MODEL_PEERING_DISCONNECTED), "Disconnected");
	/* and stays so over the next reload, until the other side is back */
	struct model next;
	assert_int_equal(test_parse(&next, text, &findings), 0);
	config_findings_free(&findings);
	assert_int_equal(model_peerings_follow(&next, &now), 0);
	assert_int_equal(model_peering_state(&next.vnets[0].peerings[1]),
			 MODEL_PEERING_DISCONNECTED);
	model_free(&now);
	test_model(&now, good);
	assert_int_equal(model_peerings_follow(&now, &next), 0);
	assert_int_equal(model_peering_state(&now.vnets[0].peerings[1]), MODEL_PEERING_CONNECTED);
	model_free(&next);
	model_free(&now);
	model_free(&before);
	free(text);
}

/* Whose gateway a network's traffic goes to. */
static void gateways_of_networks(void **state)
{
	(void)state;
	struct model m;
	test_model(&m, good);
	assert_int_equal(model_gateway_of(&m, 0), 0);
	assert_int_equal(model_gateway_of(&m, 1), 0);
	assert_int_equal(model_gateway_of(&m, 2), MODEL_NONE);
	model_free(&m);
}

/* `n` root certificates and revoked ones more than that, of one gateway. */
static void check_certificates(unsigned roots, unsigned revoked, const char *want)
{
	struct model m;
	struct config_findings findings;
	char *list = calloc(1, (roots + revoked + 4) * 100u), *at = list;
	assert_non_null(list);
	at += sprintf(at, "    certificate: {chain: c.pem, key: k}\n    vpnClientConfiguration:\n"
			  "      vpnClientAddressPool: [172.16.0.0/24]\n"
			  "      vpnClientProtocols: [IkeV2]\n      vpnClientRootCertificates:\n");
	for (unsigned i = 0; i < roots; i++)
		at += sprintf(at, "        - {name: r%u, file: r%u.pem}\n", i, i);
	at += sprintf(at, "      vpnClientRevokedCertificates:\n");
	for (unsigned i = 0; i < revoked; i++)
		at += sprintf(at, "        - {name: x%u, thumbprint: \"%040u\"}\n", i, i);
	sprintf(at, "localNetworkGateways:\n");
	char *text = replaced(strdup(good), "localNetworkGateways:\n", list);
	int err = test_parse(&m, text, &findings);
	char *said = test_findings_text(&findings);
	assert_string_equal(said, want);
	assert_int_equal(err, findings.errors ? -EINVAL : 0);
	free(said);
	free(text);
	free(list);
	config_findings_free(&findings);
	model_free(&m);
}

static void certificates_of_clients(void **state)
{
	(void)state;
	check_certificates(20, 300, "");
	check_certificates(21, 1,
			   "44:9: error: vpnClientRootCertificates: a gateway takes 20, came 21\n");
	check_certificates(1, 301,
			   "46:9: warning: vpnClientRevokedCertificates: 301 are given, and Azure "
			   "takes 300 of a gateway\n");
}

/* Prefixes behind a hub's gateway count in each network that uses it. */
static void too_many_routes(void **state)
{
	(void)state;
	enum { SPOKES = 100, PREFIXES = 20800 };
	struct model m;
	struct config_findings findings;
	char *text = calloc(1, 1 << 20), *at = text;
	assert_non_null(text);
	at += sprintf(at, "host: {ports: [{name: w, device: e, role: uplink}]}\nvirtualNetworks:\n"
			  "  - {name: H, id: 1000, addressSpace: [10.0.0.0/16], subnets: [{name: "
			  "GatewaySubnet, addressPrefix: 10.0.0.0/27}], peerings: [");
	for (int i = 1; i <= SPOKES; i++)
		at += sprintf(
			at,
			"{name: p%d, remoteVirtualNetwork: V%d, allowGatewayTransit: true},\n      ",
			i, i);
	at += sprintf(at, "]}\n");
	for (int i = 1; i <= SPOKES; i++)
		at += sprintf(
			at,
			"  - {name: V%d, id: %d, addressSpace: [10.%d.0.0/16], peerings: [{name: "
			"p, remoteVirtualNetwork: H, useRemoteGateways: true}]}\n",
			i, i, i);
	at += sprintf(at, "virtualNetworkGateways: [{name: G, virtualNetwork: H, publicIPAddress: "
			  "203.0.113.1}]\nlocalNetworkGateways: [{name: S, gatewayIpAddress: "
			  "198.51.100.1, addressSpace: [");
	for (int i = 0; i < PREFIXES; i++)
		at += sprintf(at, "172.%d.%d.0/24, ", 16 + i / 256, i % 256);
	sprintf(at,
		"]}]\nconnections: [{name: C, connectionType: IPsec, virtualNetworkGateway1: G, "
		"localNetworkGateway2: S, sharedKey: abcdefghijklmnopqrstuvwxyz}]\n");
	assert_int_equal(test_parse(&m, text, &findings), -EINVAL);
	assert_int_equal(findings.errors, 1);
	assert_string_equal(findings.at[0].text,
			    "too large: 2100800 IPv4 routes behind gateways and of route tables, "
			    "counted in each network that uses them; at most 2097152");
	config_findings_free(&findings);
	model_free(&m);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),		cmocka_unit_test(states_of_peerings),
		cmocka_unit_test(gateways_of_networks), cmocka_unit_test(certificates_of_clients),
		cmocka_unit_test(too_many_routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
