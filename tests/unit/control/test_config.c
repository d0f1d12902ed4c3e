/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes of a configuration, with their exact places: rows that change one good configuration,
 * and whole texts. */
#include "control_test.h"

/* clang-format off */
static const char good[] =
/*  1 */ "host:\n"
/*  2 */ "  ports:\n"
/*  3 */ "    - {name: wan0, device: eth0, role: uplink}\n"
/*  4 */ "    - {name: lan0, device: eth1, role: vnet}\n"
/*  5 */ "  workers: auto\n"
/*  6 */ "virtualNetworks:\n"
/*  7 */ "  - name: VNet1\n"
/*  8 */ "    id: 1001\n"
/*  9 */ "    addressSpace: [10.11.0.0/16]\n"
/* 10 */ "    subnets:\n"
/* 11 */ "      - {name: FrontEnd, addressPrefix: 10.11.0.0/24}\n"
/* 12 */ "      - {name: GatewaySubnet, addressPrefix: 10.11.255.0/27}\n"
/* 13 */ "    attachments:\n"
/* 14 */ "      - {port: lan0, encapsulation: none, address: 10.11.0.1/24}\n"
/* 15 */ "      - {port: lan0, encapsulation: vlan, vlanId: 11, address: 10.11.1.1/24}\n"
/* 16 */ "      - {port: lan0, encapsulation: vxlan, vni: 1001, localAddress: 192.0.2.1}\n"
/* 17 */ "    endpoints:\n"
/* 18 */ "      - {address: 10.11.0.4, mac: \"02:00:00:00:00:04\", host: 192.0.2.11}\n"
/* 19 */ "virtualNetworkGateways:\n"
/* 20 */ "  - name: GW1\n"
/* 21 */ "    virtualNetwork: VNet1\n"
/* 22 */ "    publicIPAddress: 203.0.113.1\n"
/* 23 */ "localNetworkGateways:\n"
/* 24 */ "  - {name: Site5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}\n"
/* 25 */ "remoteGateways:\n"
/* 26 */ "  - {name: GW2, publicIPAddress: 203.0.113.2, addressSpace: [10.22.0.0/16]}\n"
/* 27 */ "connections:\n"
/* 28 */ "  - name: ToSite5\n"
/* 29 */ "    connectionType: IPsec\n"
/* 30 */ "    virtualNetworkGateway1: GW1\n"
/* 31 */ "    localNetworkGateway2: Site5\n"
/* 32 */ "    sharedKey: {file: /etc/xgw/site5.psk}\n"
/* 33 */ "    ipsecPolicies:\n"
/* 34 */ "      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256,\n"
/* 35 */ "         ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256, pfsGroup: ECP256}\n"
/* 36 */ "  - name: ToVNet2\n"
/* 37 */ "    connectionType: Vnet2Vnet\n"
/* 38 */ "    virtualNetworkGateway1: GW1\n"
/* 39 */ "    virtualNetworkGateway2: GW2\n"
/* 40 */ "    sharedKey: abcdefghijklmnopqrstuvwxyz\n";

/* What is replaced in `good`, by what, and the findings that must come, all of them. */
struct row {
	const char *old, *new, *findings;
};

static const struct row schema_rows[] = {
	{"workers:", "worker:", "5:3: error: worker: unknown property of this host; did you mean 'workers'?\n"},
	{"workers:", "colour:", "5:3: error: colour: unknown property of this host\n"},
	{"    addressSpace: [10.11", "    adressSpace: [10.11",
	 "9:5: error: adressSpace: unknown property of this virtual network; did you mean 'addressSpace'?\n"},
	{"  workers: auto\n", "  workers: auto\n  workers: 2\n", "6:3: error: workers: given twice, first in line 5\n"},
	{"workers: auto", "workers: 0", "5:12: error: workers: expected auto or a number from 1 to 64, came '0'\n"},
	{"workers: auto", "workers: 1.5", "5:12: error: workers: expected auto or a number from 1 to 64, came '1.5'\n"},
	{"workers: auto", "workers: [2]", "5:12: error: workers: expected auto or a number from 1 to 64, came a list\n"},
	{"workers: auto", "workers:", "5:3: error: workers: expected auto or a number from 1 to 64, came nothing\n"},
	{"workers: auto", "workers: \"2\"", "5:12: error: workers: expected auto or a number from 1 to 64, came '2'\n"},
	{"workers: auto", "xdpMode: naive",
	 "5:12: error: xdpMode: expected auto, native or generic, came 'naive'; did you mean 'native'?\n"},
	{", role: uplink", ", role: uplink, transmit: xdp", ""},
	{", role: uplink", ", role: uplink, transmit: tap",
	 "3:58: error: transmit: expected socket or xdp, came 'tap'; did you mean 'xdp'?\n"},
	{"workers: auto", "zeroCopy: off", ""},
	{"workers: auto", "zeroCopy: on", "5:13: error: zeroCopy: expected auto, off or required, came 'on'; did you mean 'off'?\n"},
	{"workers: auto", "busyPoll: true", ""},
	{"workers: auto", "cryptoBackend: isal",
	 "5:18: error: cryptoBackend: expected auto, ipsec-mb or openssl, came 'isal'\n"},
	{"workers: auto", "metrics: 127.0.0.1:9187", ""},
	{"workers: auto", "metrics: localhost",
	 "5:12: error: metrics: expected an address and a port such as 127.0.0.1:9187, came 'localhost'\n"},
	{"workers: auto", "metrics: \"[::1]:9187\"", ""},
	{"workers: auto", "metrics: \"[::1]:0\"",
	 "5:12: error: metrics: expected an address and a port such as 127.0.0.1:9187, came '[::1]:0'\n"},
	{"workers: auto", "xdpMode: \"0123456789012345678901234567890123456789012345678901234567890123456789\"",
	 "5:12: error: xdpMode: expected auto, native or generic, came "
	 "'01234567890123456789012345678901234567890123456789012345678901234567...'\n"},
	{"workers: auto", "exportKeys: true", "5:15: warning: exportKeys: `xgw keys` prints the keys of all tunnels; for a lab only\n"},
	{"workers: auto", "exportKeys: false", ""},
	{"workers: auto", "replayWindow: 0", ""},
	{"workers: auto", "replayWindow: 65537", "5:17: error: replayWindow: expected a number from 0 to 65536, came '65537'\n"},
	{"role: uplink", "role: uplnk", "3:40: error: role: expected uplink, vnet or circuit, came 'uplnk'; did you mean 'uplink'?\n"},
	{", role: vnet", ", role: circuit",
	 "14:16: error: port: lan0 has role circuit, an attachment needs a port with role vnet\n"
	 "15:16: error: port: lan0 has role circuit, an attachment needs a port with role vnet\n"
	 "16:16: error: port: lan0 has role circuit, an attachment needs a port with role vnet\n"},
	{"device: eth0, ", "", "3:7: error: device: missing in this port\n"},
	{"device: eth0", "device: a/b", "3:28: error: device: expected the name of a network device (at most 15 characters), came 'a/b'\n"},
	{"name: wan0", "name: \"wan 0\"", "3:14: error: name: expected a name (letters, digits, '.', '_', '-'; at most 63), came 'wan 0'\n"},
	{"id: 1001", "id: 16777216", "8:9: error: id: expected a number from 1 to 16777215, came '16777216'\n"},
	{"id: 1001", "id: 0x10", "8:9: error: id: expected a number from 1 to 16777215, came '0x10'\n"},
	{"    id: 1001\n", "", "7:5: error: id: missing in this virtual network\n"},
	{"[10.11.0.0/16]", "10.11.0.0/16", "9:19: error: addressSpace: expected a list, came '10.11.0.0/16'\n"},
	{"[10.11.0.0/16]", "[10.11.0.1/16]",
	 "9:20: error: addressSpace: expected a prefix without host bits, came 10.11.0.1/16; write 10.11.0.0/16\n"},
	{"[10.11.0.0/16]", "[10.11.0.0]", "9:20: error: addressSpace: expected a prefix such as 10.1.0.0/16, came '10.11.0.0'\n"},
	{"[10.11.0.0/16]", "[10.11.0.0/16, \"fd00:11::1/48\"]",
	 "9:34: error: addressSpace: expected a prefix without host bits, came fd00:11::1/48; write fd00:11::/48\n"},
	{"[10.11.0.0/16]", "[10.11.0.0/33, {a: b}]",
	 "9:20: error: addressSpace: expected a prefix such as 10.1.0.0/16, came '10.11.0.0/33'\n"
	 "9:34: error: addressSpace: expected a prefix such as 10.1.0.0/16, came a mapping\n"},
	{"    id: 1001\n", "    id: 1001\n    dhcpOptions: {dnsServers: [10.11.0.53, \"fd00:11::53\", 9.9.9.9]}\n", ""},
	{"    id: 1001\n", "    id: 1001\n    dhcpOptions: {dnsServers: [10.11.0.53, 10.11.0.0/24, 224.0.0.1, 127.0.0.1, \"ff02::1\", 10.11.0.53, {a: b}]}\n",
	 "9:44: error: dnsServers: expected an IP address, came '10.11.0.0/24'\n"
	 "9:58: error: dnsServers: 224.0.0.1 is no address of a server\n"
	 "9:69: error: dnsServers: 127.0.0.1 is no address of a server\n"
	 "9:80: error: dnsServers: ff02::1 is no address of a server\n"
	 "9:91: error: dnsServers: 10.11.0.53 stands there twice\n"
	 "9:103: error: dnsServers: expected an IP address, came a mapping\n"},
	{"    id: 1001\n", "    id: 1001\n    dhcpOptions: {dnsServers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10,\n"
	 "      10.0.1.1, 10.0.1.2, 10.0.1.3, 10.0.1.4, 10.0.1.5, 10.0.1.6, 10.0.1.7, 10.0.1.8, 10.0.1.9, 10.0.1.10, 10.0.1.11]}\n",
	 "10:108: error: dnsServers: expected at most 20 addresses, came 21\n"},
	{"    id: 1001\n", "    id: 1001\n    learning: true\n",
	 "17:16: error: remoteVteps: missing, VNet1 learns endpoints: say which hosts of the underlay may teach them\n"},
	{"localAddress: 192.0.2.1}", "localAddress: 192.0.2.1, remoteVteps: [192.0.2.0/24, 198.51.100.7/32]}\n    learning: true", ""},
	{"localAddress: 192.0.2.1}", "localAddress: 192.0.2.1, remoteVteps: [192.0.2.0/24]}",
	 "16:94: warning: remoteVteps: has no effect, VNet1 does not learn\n"},
	{"localAddress: 192.0.2.1}", "localAddress: 192.0.2.1, remoteVteps: [\"2001:db8::/64\"]}\n    learning: true",
	 "16:94: error: remoteVteps: 2001:db8::/64 is not of the family of localAddress\n"},
	{"vxlan, vni: 1001, localAddress: 192.0.2.1}", "none, remoteVteps: [192.0.2.0/24]}",
	 "16:56: error: remoteVteps: belongs to encapsulation vxlan, this attachment has none\n"},
	{"localAddress: 192.0.2.1}", "localAddress: 192.0.2.1, directory: {fdb: vxlan1001, neighbours: br1001}}", ""},
	{"localAddress: 192.0.2.1}", "localAddress: 192.0.2.1, directory: {fdb: vxlan1001}}",
	 "16:91: error: neighbours: missing in this directory\n"},
	{"    id: 1001\n", "    id: 1001\n    learningAgeSeconds: 86401\n",
	 "9:25: error: learningAgeSeconds: expected a number from 1 to 86400, came '86401'\n"},
	{"    id: 1001\n", "    id: 1001\n    learningLimit: 0\n", "9:20: error: learningLimit: expected a number from 1 to 131072, came '0'\n"},
	{"    id: 1001\n", "    id: 1001\n    learning: false\n", ""},
	{"    id: 1001\n", "    id: 1001\n    learning: \"false\"\n", "9:15: error: learning: expected true or false, came 'false'\n"},
	{"    id: 1001\n", "    id: 1001\n    peerings: []\n", ""},
	{"    id: 1001\n", "    id: 1001\n    peerings: [{name: p, remoteVirtualNetwork: X, allowForwarded: true}]\n",
	 "9:48: error: remoteVirtualNetwork: no virtual network has the name 'X'\n"
	 "9:51: error: allowForwarded: unknown property of this peering\n"},
	{"    id: 1001\n", "    id: 1001\n    deploymentModel: Classic\n",
	 "9:22: error: deploymentModel: expected resourceManager or classic, came 'Classic'; did you mean 'classic'?\n"},
	{"10.11.0.0/24}", "10.11.0.0/24, routeTable: forced}", "11:67: error: routeTable: no route table has the name 'forced'\n"},
	{"vlanId: 11", "vlanId: 4095", "15:51: error: vlanId: expected a number from 1 to 4094, came '4095'\n"},
	{"vlanId: 11, ", "", "15:9: error: vlanId: missing, encapsulation vlan needs it\n"},
	{"encapsulation: none", "vlanId: 11", "14:30: error: vlanId: belongs to encapsulation vlan, this attachment has none\n"},
	{", localAddress: 192.0.2.1", "", "16:9: error: localAddress: missing, encapsulation vxlan needs it\n"},
	{"vni: 1001, ", "vni: 1001, udpPort: 0, ", "16:64: error: udpPort: expected a number from 1 to 65535, came '0'\n"},
	{"address: 10.11.0.1/24", "address: 10.11.0.1",
	 "14:52: error: address: expected an address with its length such as 10.1.0.1/24, came '10.11.0.1'\n"},
	{"address: 10.11.0.1/24", "address: [10.11.0.1/24, 10.11.0.2/24]",
	 "14:67: error: address: expected one IPv4 and one IPv6 address at most, came a second IPv4 one\n"},
	{"\"02:00:00:00:00:04\"", "02:00:00:00:00", "18:35: error: mac: expected a unicast MAC address such as \"02:00:00:00:00:04\" (in quotes), came '02:00:00:00:00'\n"},
	{"\"02:00:00:00:00:04\"", "\"01:00:5e:00:00:04\"", "18:35: error: mac: expected a unicast MAC address such as \"02:00:00:00:00:04\" (in quotes), came '01:00:5e:00:00:04'\n"},
	{", host: 192.0.2.11", "", "18:9: error: host: missing in this endpoint\n"},
	{"address: 10.11.0.4", "address: 0.0.0.0", "18:19: error: address: expected an IP address, came '0.0.0.0'\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: gw.example\n",
	 "22:22: error: publicIPAddress: expected an IP address, came 'gw.example'\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    gatewayType: ExpressRoute\n",
	 "31:29: error: virtualNetworkGateway1: GW1 is of gatewayType ExpressRoute; connectionType IPsec needs one of gatewayType Vpn\n"
	 "39:29: error: virtualNetworkGateway1: GW1 is of gatewayType ExpressRoute; connectionType Vnet2Vnet needs one of gatewayType Vpn\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    vpnType: PolicyBased\n",
	 "39:29: error: virtualNetworkGateway1: GW1 is PolicyBased and has one connection, ToSite5; several need a RouteBased gateway\n"
	 "39:29: error: virtualNetworkGateway1: GW1 is PolicyBased; connectionType Vnet2Vnet needs a RouteBased gateway\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    sku: VpnGw6\n",
	 "23:10: error: sku: expected Unlimited, Basic, Standard, HighPerformance, VpnGw1, VpnGw2, VpnGw3, VpnGw4, VpnGw5, UltraPerformance, ErGw1AZ, ErGw2AZ or ErGw3AZ, came 'VpnGw6'; did you mean 'VpnGw1'?\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    sku: VpnGw1\n    bandwidthInMbps: 10\n", ""},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    bandwidthInMbps: 0\n",
	 "23:22: error: bandwidthInMbps: expected a number from 1 to 400000, came '0'\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    enableBgp: true\n",
	 ""},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    enableBgp: false\n", ""},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    bgpSettings: {asn: x}\n",
	 "23:24: error: asn: expected a number from 1 to 4294967295, came 'x'\n"},
	{"gatewayIpAddress: 198.51.100.5", "fqdn: site5.example", ""},
	{"gatewayIpAddress: 198.51.100.5, ", "",
	 "24:5: error: gatewayIpAddress: missing in this local network gateway; give the site's address, or any when it is not known\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: all",
	 "24:37: error: gatewayIpAddress: expected an IP address or any, came 'all'\n"},
	{"connectionType: IPsec", "connectionType: IPSec",
	 "29:21: error: connectionType: expected IPsec, Vnet2Vnet or ExpressRoute, came 'IPSec'; did you mean 'IPsec'?\n"},
	{"connectionType: IPsec", "connectionType: ExpressRoute",
	 "28:5: error: expressRouteCircuit: missing in this connection, connectionType ExpressRoute needs it\n"
	 "31:27: error: localNetworkGateway2: does not belong to connectionType ExpressRoute, which has expressRouteCircuit\n"
	 "32:16: error: sharedKey: does not belong to connectionType ExpressRoute, a circuit has no tunnel\n"
	 "34:7: error: ipsecPolicies: does not belong to connectionType ExpressRoute, a circuit has no tunnel\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    connectionProtocol: IKEv1\n", ""},
	{"    connectionType: IPsec\n",
	 "    connectionType: IPsec\n    mobike: withoutNat\n    reauthenticationSeconds: 300\n    childlessInitiation: true\n    allowRedirect: true\n", ""},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    mobike: yes\n",
	 "30:13: error: mobike: expected off, on or withoutNat, came 'yes'\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    reauthenticationSeconds: 60\n",
	 "30:30: error: reauthenticationSeconds: expected 0 or a number from 300 to 31536000, came '60'\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    connectionProtocol: IKEv1\n    mobike: on\n",
	 "28:11: error: mobike: does not go with connectionProtocol IKEv1; take IKEv2\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    connectionProtocol: IKEv1\n    reauthenticationSeconds: 300\n",
	 "28:11: error: reauthenticationSeconds: does not go with connectionProtocol IKEv1; take IKEv2\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    connectionProtocol: IKEv3\n",
	 "30:25: error: connectionProtocol: expected IKEv2 or IKEv1, came 'IKEv3'; did you mean 'IKEv2'?\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    authenticationType: Certificate\n",
	 "28:5: error: peerCertificateAuthority: missing in this connection, authenticationType Certificate needs it\n"
	 "31:29: error: certificate: missing in gateway GW1, authenticationType Certificate needs it\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: {file: gw.key}}\n", ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: inline}\n", ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gone.pem, key: {file: gw.key}}\n",
	 "23:26: error: chain: cannot read 'gone.pem': No such file or directory\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: {file: open.key}}\n",
	 "23:46: error: key: open.key can be read by others; chmod 600 open.key\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem}\n",
	 "23:18: error: key: missing in this certificate\n"},
	{"publicIPAddress: 203.0.113.1\n",
	 "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k, rsaPadding: oaep}\n",
	 "23:54: error: rsaPadding: expected pss or pkcs1, came 'oaep'\n"},
	/* what belongs to certificates is not even read with a pre-shared key */
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    peerCertificateAuthority: gone.pem\n", ""},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    ocspResponses: x.der\n",
	 "30:20: error: ocspResponses: expected a list, came 'x.der'\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    dpdTimeoutSeconds: 8\n",
	 "30:24: error: dpdTimeoutSeconds: expected a number from 9 to 3600, came '8'\n"},
	{"    connectionType: IPsec\n", "    connectionType: IPsec\n    routingWeight: -1\n",
	 "30:20: error: routingWeight: expected a number from 0 to 32000, came '-1'\n"},
	{"{file: /etc/xgw/site5.psk}", "{file: site5.psk}", ""},
	{"{file: /etc/xgw/site5.psk}", "{file: [site5.psk]}",
	 "32:23: error: sharedKey: expected a text or {file: PATH}, the file is no path\n"},
	{"{file: /etc/xgw/site5.psk}", "{file: \"\"}",
	 "32:23: error: sharedKey: expected a text or {file: PATH}, the file is no path\n"},
	{"{file: /etc/xgw/site5.psk}", "{path: /etc/xgw/site5.psk}",
	 "32:16: error: sharedKey: expected a text or {file: PATH}, came a mapping of other properties\n"},
	{"{file: /etc/xgw/site5.psk}", "[verysecretverysecret]",
	 "32:16: error: sharedKey: expected a text or {file: PATH}, came a list\n"},
	{"{file: /etc/xgw/site5.psk}", "{file: /etc/xgw/open.psk}",
	 "32:16: error: sharedKey: /etc/xgw/open.psk can be read by others; chmod 600 /etc/xgw/open.psk\n"},
	{"{file: /etc/xgw/site5.psk}", "{file: /etc/xgw/empty.psk}", "32:16: error: sharedKey: expected a key, came an empty one\n"},
	{"{file: /etc/xgw/site5.psk}", "",
	 "32:5: error: sharedKey: expected a text or {file: PATH}, came nothing\n"},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n",
	 "    sharedKey: {file: /etc/xgw/site5.psk}\n    requirePostQuantum: true\n",
	 "33:25: error: requirePostQuantum: it needs a postQuantumPreSharedKey\n"},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n",
	 "    sharedKey: {file: /etc/xgw/site5.psk}\n    postQuantumPreSharedKey: {id: a, key: 0123456789abcdef0123456789abcdef}\n",
	 ""},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n",
	 "    sharedKey: {file: /etc/xgw/site5.psk}\n    postQuantumPreSharedKey: {id: a, key: 0123}\n",
	 "33:30: warning: postQuantumPreSharedKey: weak, 4 bytes; take 32 random ones, so that a quantum computer can't find it either\n"},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n",
	 "    sharedKey: {file: /etc/xgw/site5.psk}\n    postQuantumPreSharedKey: {id: "
	 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg, key: 0123456789abcdef0123456789abcdef}\n",
	 "33:30: error: postQuantumPreSharedKey: expected an id of 1 to 64 bytes, came 65\n"},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n", "    sharedKey: {file: /etc/xgw/site5.psk}\n    ikeFragmentSize: 500\n",
	 "33:22: error: ikeFragmentSize: expected a number from 576 to 9000, came '500'\n"},
	{"    sharedKey: {file: /etc/xgw/site5.psk}\n", "",
	 "28:5: error: sharedKey: missing in this connection, authenticationType PSK needs it\n"},
	/* SECURITY C17 (CVE-2018-5389): keys that can be guessed from a recorded handshake are warned of. */
	{"{file: /etc/xgw/site5.psk}", "short",
	 "32:16: warning: sharedKey: weak, 5 characters can be guessed from a recorded handshake; take at least 20 random ones\n"},
	{"{file: /etc/xgw/site5.psk}", "abcdefghijklmnopqrs",
	 "32:16: warning: sharedKey: weak, 19 characters can be guessed from a recorded handshake; take at least 20 random ones\n"},
	{"{file: /etc/xgw/site5.psk}", "abcdefghijklmnopqrst", ""},
	/* SECURITY C18 (CVE-2015-4000, CVE-2015-7575): groups 1 and 2 with a warning alone, 5, 22 and 23 not at all;
	 * SHA-1 with a warning, MD5 not at all. */
	{"dhGroup: ECP256,", "dhGroup: DHGroup2,",
	 "34:9: warning: pfsGroup: ECP256 is another group than dhGroup's DHGroup2 and is needed from the first rekey on; a peer without it fails only then, after at most 27000 seconds; make sure that it has both\n"
	 "34:64: warning: dhGroup: DHGroup2 is weak, its key exchange can be broken by who can afford it; take ECP256 or group 14 where the peer can\n"},
	{"dhGroup: ECP256", "dhGroup: DHGroup1",
	 "34:9: warning: pfsGroup: ECP256 is another group than dhGroup's DHGroup1 and is needed from the first rekey on; a peer without it fails only then, after at most 27000 seconds; make sure that it has both\n"
	 "34:64: warning: dhGroup: DHGroup1 is weak, its key exchange can be broken by who can afford it; take ECP256 or group 14 where the peer can\n"},
	{"dhGroup: ECP256", "dhGroup: DHGroup5",
	 "34:64: error: dhGroup: expected DHGroup14, DHGroup2048, ECP256, ECP384, CURVE25519, DHGroup1, DHGroup2, DHGroup15, DHGroup16, DHGroup24, ECP521 or None, came 'DHGroup5'; did you mean 'DHGroup1'?\n"},
	{"dhGroup: ECP256", "dhGroup: DHGroup22",
	 "34:64: error: dhGroup: expected DHGroup14, DHGroup2048, ECP256, ECP384, CURVE25519, DHGroup1, DHGroup2, DHGroup15, DHGroup16, DHGroup24, ECP521 or None, came 'DHGroup22'; did you mean 'DHGroup2'?\n"},
	{"pfsGroup: ECP256", "additionalKeyExchanges: [DHGroup2]",
	 "35:90: error: additionalKeyExchanges: expected DHGroup14, DHGroup2048, ECP256, ECP384, CURVE25519, DHGroup15, DHGroup16, DHGroup24, ECP521, MLKEM512, MLKEM768 or MLKEM1024, came 'DHGroup2'; did you mean 'DHGroup24'?\n"},
	{"ipsecIntegrity: GCMAES256", "ipsecIntegrity: MD5",
	 "35:54: error: ipsecIntegrity: expected SHA1, SHA256, SHA384, SHA512, GCMAES128, GCMAES192, GCMAES256 or CHACHA20POLY1305, came 'MD5'\n"},
	{"dhGroup: ECP256,", "", "34:9: error: dhGroup: missing in this IPsec policy\n"},
	{"ikeEncryption: AES256", "ikeEncryption: DES3", "34:25: warning: ikeEncryption: DES3 is weak; take AES256 where the peer can\n"},
	{"ikeEncryption: AES256", "ikeEncryption: AES192", ""},
	{"ikeEncryption: AES256", "ikeEncryption: CHACHA20POLY1305", ""},
	{"ikeIntegrity: SHA256", "ikeIntegrity: MD5",
	 "34:47: error: ikeIntegrity: expected SHA1, SHA256, SHA384, SHA512, GCMAES128 or GCMAES256, came 'MD5'\n"},
	{"ikeIntegrity: SHA256", "ikeIntegrity: SHA1", "34:47: warning: ikeIntegrity: SHA1 is weak; take SHA256 where the peer can\n"},
	{"ikeIntegrity: SHA256", "ikeIntegrity: GCMAES256",
	 "34:47: error: ikeIntegrity: expected SHA256, SHA384 or SHA512 with ikeEncryption AES256, came GCMAES256\n"},
	{"AES256, ikeIntegrity: SHA256", "GCMAES256, ikeIntegrity: GCMAES128",
	 "34:50: error: ikeIntegrity: expected the same, or SHA256, SHA384 or SHA512 as the PRF, with ikeEncryption GCMAES256, came GCMAES128\n"},
	{"ipsecIntegrity: GCMAES256", "ipsecIntegrity: GCMAES128",
	 "35:54: error: ipsecIntegrity: expected GCMAES256 with ipsecEncryption GCMAES256, came GCMAES128\n"},
	{"ipsecEncryption: GCMAES256", "ipsecEncryption: AES256",
	 "35:51: error: ipsecIntegrity: expected SHA256, SHA384, SHA512 or SHA1 with ipsecEncryption AES256, came GCMAES256\n"},
	/* SECURITY C21: ESP without integrity is no policy: CBC with that of an AEAD above, NULL here. */
	{"ipsecEncryption: GCMAES256", "ipsecEncryption: None",
	 "35:27: warning: ipsecEncryption: None encrypts nothing: the tunnel's packets are authenticated, and everybody on the way can read them\n"
	 "35:49: error: ipsecIntegrity: expected SHA256, SHA384, SHA512 or SHA1 with ipsecEncryption None, came GCMAES256\n"},
	{"ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256", "ipsecEncryption: None, ipsecIntegrity: SHA256",
	 "35:27: warning: ipsecEncryption: None encrypts nothing: the tunnel's packets are authenticated, and everybody on the way can read them\n"},
	{"ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256", "ipsecEncryption: DES3, ipsecIntegrity: SHA1",
	 "35:27: warning: ipsecEncryption: DES3 is weak, its 64-bit blocks begin to repeat after some gigabytes; take GCMAES256 or AES256 where the peer can, else a saDataSizeKilobytes of at most 1048576\n"},
	{"pfsGroup: ECP256", "pfsGroup: None", ""},
	{"pfsGroup: ECP256", "pfsGroup: PFSMM", ""},
	{"pfsGroup: ECP256", "pfsGroup: PFS24",
	 "34:9: warning: pfsGroup: PFS24 is another group than dhGroup's ECP256 and is needed from the first rekey on; a peer without it fails only then, after at most 27000 seconds; make sure that it has both\n"},
	{"pfsGroup: ECP256", "pfsGroup: PFS1",
	 "34:9: warning: pfsGroup: PFS1 is another group than dhGroup's ECP256 and is needed from the first rekey on; a peer without it fails only then, after at most 27000 seconds; make sure that it has both\n"
	 "35:75: warning: pfsGroup: PFS1 is weak, its key exchange can be broken by who can afford it; take ECP256 or group 14 where the peer can\n"},
	{"pfsGroup: ECP256", "additionalKeyExchanges: [ECP521, DHGroup16]", ""},
	{"pfsGroup: ECP256", "additionalKeyExchanges: [ECP521, ECP521]",
	 "35:98: error: additionalKeyExchanges: ECP521 is there twice, as dhGroup or in this list; each key exchange is another one\n"},
	{"pfsGroup: ECP256", "additionalKeyExchanges: [MLKEM512, MLKEM768, MLKEM1024]", ""},
	{"dhGroup: ECP256", "dhGroup: MLKEM768",
	 "34:64: error: dhGroup: expected DHGroup14, DHGroup2048, ECP256, ECP384, CURVE25519, DHGroup1, DHGroup2, DHGroup15, DHGroup16, DHGroup24, ECP521 or None, came 'MLKEM768'\n"},
	{"dhGroup: ECP256,", "dhGroup: None,", "34:64: error: dhGroup: None: not supported yet\n"},
	{"pfsGroup: ECP256", "saLifeTimeSeconds: 299",
	 "35:84: error: saLifeTimeSeconds: expected a number from 300 to 172799, came '299'\n"},
	{"pfsGroup: ECP256", "saDataSizeKilobytes: 1023",
	 "35:86: error: saDataSizeKilobytes: expected 0 or a number from 1024 to 2147483647, came '1023'\n"},
	{"    virtualNetworkGateway2: GW2\n", "    virtualNetworkGateway2: GW2\n    dscp: 0\n    dontFragment: clear\n", ""},
	{"    virtualNetworkGateway2: GW2\n", "    virtualNetworkGateway2: GW2\n    dscp: copy\n    dontFragment: copy\n", ""},
	{"    virtualNetworkGateway2: GW2\n", "    virtualNetworkGateway2: GW2\n    dscp: 64\n",
	 "40:11: error: dscp: expected copy or a number from 0 to 63, came '64'\n"},
	{"pfsGroup: ECP256", "saLifeTimePackets: 999",
	 "35:84: error: saLifeTimePackets: expected 0 or a number from 1000 to 4294967295, came '999'\n"},
	{"    virtualNetworkGateway2: GW2\n", "    virtualNetworkGateway2: GW2\n    udpEncapsulation: never\n",
	 "40:23: error: udpEncapsulation: expected auto or always, came 'never'\n"},
};

static const struct row reference_rows[] = {
	{"{port: lan0, encapsulation: none", "{port: lan1, encapsulation: none",
	 "14:16: error: port: no port has the name 'lan1'; did you mean 'lan0'?\n"},
	{"virtualNetwork: VNet1", "virtualNetwork: Vnet9",
	 "21:21: error: virtualNetwork: no virtual network has the name 'Vnet9'; did you mean 'VNet1'?\n"},
	{"localNetworkGateway2: Site5", "localNetworkGateway2: Oslo",
	 "31:27: error: localNetworkGateway2: no local network gateway has the name 'Oslo'\n"},
	{"localNetworkGateway2: Site5", "virtualNetworkGateway2: GW2",
	 "28:5: error: localNetworkGateway2: missing in this connection, connectionType IPsec needs it\n"
	 "31:29: error: virtualNetworkGateway2: does not belong to connectionType IPsec, which has localNetworkGateway2\n"},
	{"virtualNetworkGateway2: GW2", "virtualNetworkGateway2: Site5",
	 "39:29: error: virtualNetworkGateway2: no virtual network gateway or remote gateway has the name 'Site5'\n"},
	{"virtualNetworkGateway1: GW1\n    virtualNetworkGateway2", "virtualNetworkGateway1: GW2\n    virtualNetworkGateway2",
	 "38:29: error: virtualNetworkGateway1: no virtual network gateway has the name 'GW2'; did you mean 'GW1'?\n"},
	{"name: ToVNet2", "name: ToSite5",
	 "36:11: error: name: 'ToSite5' is the name of another connection, in line 28; names are unique in their kind\n"},
	{"{name: lan0,", "{name: wan0,",
	 "4:14: error: name: 'wan0' is the name of another port, in line 3; names are unique in their kind\n"
	 "14:16: error: port: no port has the name 'lan0'; did you mean 'wan0'?\n"
	 "15:16: error: port: no port has the name 'lan0'; did you mean 'wan0'?\n"
	 "16:16: error: port: no port has the name 'lan0'; did you mean 'wan0'?\n"},
	{"{name: GW2,", "{name: GW1,",
	 "26:12: error: name: 'GW1' is the name of another gateway, in line 20; names are unique in their kind\n"
	 "39:29: error: virtualNetworkGateway2: no virtual network gateway or remote gateway has the name 'GW2'; did you mean 'GW1'?\n"},
};

static const struct row rule_rows[] = {
	{"device: eth1", "device: eth0", "4:28: error: device: 'eth0' is a port already, in line 3; a device has one role\n"},
	{"role: uplink", "role: vnet", "3:14: error: ports: no port has role uplink, connections need one\n"},
	{"[10.11.0.0/16]", "[10.11.0.0/16, 10.11.128.0/17]", "9:34: error: addressSpace: 10.11.128.0/17 overlaps 10.11.0.0/16\n"},
	{"[10.11.0.0/16]", "[10.11.0.0/24, 10.11.0.0/16]", "9:34: error: addressSpace: 10.11.0.0/16 overlaps 10.11.0.0/24\n"},
	{"[10.11.0.0/16]", "[]", "7:11: error: addressSpace: expected at least one prefix, came none\n"
	 "11:41: error: addressPrefix: 10.11.0.0/24 is not inside the address space of VNet1\n"
	 "12:46: error: addressPrefix: 10.11.255.0/27 is not inside the address space of VNet1\n"
	 "14:52: error: address: 10.11.0.1 is not inside the address space of VNet1\n"
	 "15:64: error: address: 10.11.1.1 is not inside the address space of VNet1\n"
	 "18:19: error: address: endpoint 10.11.0.4 is not inside the address space of VNet1\n"},
	{"addressPrefix: 10.11.0.0/24", "addressPrefix: 10.12.0.0/24",
	 "11:41: error: addressPrefix: 10.12.0.0/24 is not inside the address space of VNet1\n"},
	{"addressPrefix: 10.11.0.0/24", "addressPrefix: 10.11.255.0/24",
	 "12:46: error: addressPrefix: 10.11.255.0/27 overlaps 10.11.255.0/24 of subnet FrontEnd\n"},
	{"{name: FrontEnd,", "{name: GatewaySubnet,",
	 "12:16: error: name: 'GatewaySubnet' is the name of another subnet, in line 11; names are unique in their virtual network\n"},
	{"10.11.255.0/27", "10.11.255.0/30", "12:46: error: addressPrefix: GatewaySubnet needs /29 or larger, came 10.11.255.0/30\n"},
	{"name: GatewaySubnet", "name: gatewaysubnet",
	 "21:21: error: virtualNetwork: VNet1 has no subnet with the name GatewaySubnet, its gateway GW1 needs one of /29 or larger\n"},
	{"encapsulation: vlan, vlanId: 11,", "encapsulation: none,",
	 "15:16: error: port: another attachment has the same port, encapsulation and tag, of virtual network VNet1 in line 14; a frame must belong to one\n"},
	{"{port: lan0, encapsulation: vlan", "{port: wan0, encapsulation: vlan",
	 "15:16: error: port: wan0 has role uplink, an attachment needs a port with role vnet\n"},
	{"address: 10.11.0.1/24", "address: 10.12.0.1/24", "14:52: error: address: 10.12.0.1 is not inside the address space of VNet1\n"},
	{"address: 10.11.0.1/24", "address: [10.11.0.1/24, \"fd00:11::1/64\"]",
	 "14:52: error: address: fd00:11::1 is not inside the address space of VNet1\n"},
	{"address: 10.11.1.1/24", "address: 10.11.0.1/24",
	 "15:64: error: address: the gateway's own address is in this virtual network already, in line 14\n"},
	{"address: 10.11.0.4", "address: 10.11.0.1", "18:19: error: address: the address is in this virtual network already, in line 14\n"},
	{"address: 10.11.0.4", "address: 192.168.0.4",
	 "18:19: error: address: endpoint 192.168.0.4 is not inside the address space of VNet1\n"},
	{"host: 192.0.2.11", "host: 192.0.2.1", "18:19: error: host: 192.0.2.1 is this machine's own localAddress\n"},
	{"host: 192.0.2.11", "host: \"2001:db8::1\"",
	 "18:19: error: endpoint: VNet1 has no attachment with encapsulation vxlan and an IPv6 localAddress, this endpoint's host needs one\n"},
	{"name: VNet1\n    id: 1001\n", "name: VNet0\n    id: 1001\n    addressSpace: [10.0.0.0/16]\n  - name: VNet1\n    id: 1001\n",
	 "7:11: warning: attachments: VNet0 has none, its hosts cannot be reached\n"
	 "11:9: error: id: virtual network VNet0 has this id already, in line 8; ids are unique\n"},
	{"  - name: GW1\n", "  - {name: GW0, virtualNetwork: VNet1, publicIPAddress: 203.0.113.9}\n  - name: GW1\n",
	 "22:21: error: virtualNetwork: GW0 serves it already, in line 20; a virtual network has one gateway of a type\n"},
	{"publicIPAddress: 203.0.113.2", "publicIPAddress: 203.0.113.1",
	 "26:34: error: publicIPAddress: it is the address of GW1 already, in line 22; each gateway has its own\n"
	 "39:29: error: virtualNetworkGateway2: the peer's address is that of GW1 itself\n"},
	{"[192.168.5.0/24]", "[192.168.5.0/24, 10.11.128.0/17]",
	 "31:27: error: addressSpace: 10.11.128.0/17 behind the peer overlaps 10.11.0.0/16 of VNet1 (line 9)\n"},
	{"[192.168.5.0/24]", "[10.0.0.0/8]",
	 "31:27: warning: addressSpace: 10.0.0.0/8 behind the peer holds 10.11.0.0/16 of VNet1 (line 9), whose hosts stay here\n"
	 "36:11: warning: addressSpace: 10.22.0.0/16 behind ToVNet2 lies within 10.0.0.0/8 behind ToSite5; the longer prefix takes that traffic, also when its connection is down\n"},
	{"[192.168.5.0/24]", "[0.0.0.0/0]", ""},
	{"[192.168.5.0/24]", "[]", "31:27: warning: addressSpace: the peer of ToSite5 has no prefixes, nothing is routed to it\n"},
	{"[192.168.5.0/24]", "[10.22.0.0/16]",
	 "36:11: warning: routingWeight: 10.22.0.0/16 leads to ToSite5 too, with the same weight; each flow takes one of them\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: \"2001:db8::5\"",
	 "31:27: error: localNetworkGateway2: the peer's address is IPv6, that of GW1 is IPv4; both must be of one family\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: 203.0.113.1",
	 "31:27: error: localNetworkGateway2: the peer's address is that of GW1 itself\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: any",
	 "28:11: warning: connectionMode: gatewayIpAddress of Site5 is any, so this side can only answer; say ResponderOnly\n"},
	{"gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}", "gatewayIpAddress: any, addressSpace: [192.168.5.0/24]}\n"
	 "  - {name: Site6, gatewayIpAddress: any, addressSpace: [192.168.6.0/24]}",
	 "29:11: warning: connectionMode: gatewayIpAddress of Site5 is any, so this side can only answer; say ResponderOnly\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: 203.0.113.2",
	 "36:11: error: connection: ToSite5 goes to the same peer with the same identity, in line 28; the peer could not be told apart\n"},
	{"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: 203.0.113.2, identity: site5.example", ""},
	{"virtualNetworkGateway2: GW2", "virtualNetworkGateway2: GW1",
	 "39:29: error: addressSpace: 10.11.0.0/16 behind the peer overlaps 10.11.0.0/16 of VNet1 (line 9)\n"
	 "39:29: error: virtualNetworkGateway2: expected another gateway, came GW1 itself\n"},
	{"    sharedKey: abc", "    trafficSelectorPolicies: [{localAddressRanges: [10.11.0.0/24], remoteAddressRanges: [10.22.0.0/24]},\n"
	 "      {localAddressRanges: [10.11.1.0/24], remoteAddressRanges: [10.22.1.0/24]}]\n    sharedKey: abc",
	 "41:7: error: trafficSelectorPolicies: policies that differ on both sides: not supported yet\n"},
	{"    sharedKey: abc", "    trafficSelectorPolicies: [{localAddressRanges: [10.11.0.0/24, 10.11.9.1-10.11.9.7], remoteAddressRanges: [10.22.0.0/24]},\n"
	 "      {localAddressRanges: [10.11.0.0/24, 10.11.9.1-10.11.9.7], remoteAddressRanges: [10.22.1.0/24]}]\n    sharedKey: abc", ""},
	{"    sharedKey: abc", "    trafficSelectorPolicies: [{localAddressRanges: [10.12.0.0/24, 10.0.0.0/8], remoteAddressRanges: [10.22.0.0/24, 10.23.0.9]}]\n    sharedKey: abc",
	 "40:31: warning: trafficSelectorPolicies: 10.0.0.0/8 overlaps 10.12.0.0/24 on the same side; peers that make a child SA of each pair refuse one of them\n"
	 "40:31: warning: trafficSelectorPolicies: 10.12.0.0/24 is no part of VNet1, so no host of ours sends from there; it carries nothing\n"
	 "40:31: warning: trafficSelectorPolicies: 10.23.0.9/32 is no part of GW2, so nothing is routed there; it carries nothing\n"},
	{"[192.168.5.0/24]", "[192.168.5.0/24, 10.22.7.0/24, 10.22.8.0/24]",
	 "28:11: warning: addressSpace: 10.22.7.0/24 behind ToSite5 lies within 10.22.0.0/16 behind ToVNet2; the longer prefix takes that traffic, also when its connection is down\n"},
	{"[192.168.5.0/24]", "[192.168.5.0/24, 192.168.5.128/25, 0.0.0.0/0]", ""},
	{"[192.168.5.0/24]", "[10.16.0.0/12, 10.22.7.0/24]",
	 "28:11: warning: addressSpace: 10.22.7.0/24 behind ToSite5 lies within 10.22.0.0/16 behind ToVNet2; the longer prefix takes that traffic, also when its connection is down\n"
	 "36:11: warning: addressSpace: 10.22.0.0/16 behind ToVNet2 lies within 10.16.0.0/12 behind ToSite5; the longer prefix takes that traffic, also when its connection is down\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    bandwidthInMbps: 10000\n", ""},
	{"publicIPAddress: 203.0.113.1\nlocalNetworkGateways:\n"
	 "  - {name: Site5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}\n"
	 "remoteGateways:\n"
	 "  - {name: GW2, publicIPAddress: 203.0.113.2, addressSpace: [10.22.0.0/16]}\n"
	 "connections:\n"
	 "  - name: ToSite5\n",
	 "publicIPAddress: 203.0.113.1\n    bandwidthInMbps: 10000\nlocalNetworkGateways:\n"
	 "  - {name: Site5, gatewayIpAddress: 198.51.100.5, addressSpace: [192.168.5.0/24]}\n"
	 "remoteGateways:\n"
	 "  - {name: GW2, publicIPAddress: 203.0.113.2, addressSpace: [10.22.0.0/16]}\n"
	 "connections:\n"
	 "  - name: ToSite5\n    connectionProtocol: IKEv1\n",
	 "36:9: warning: saLifeTimeSeconds: at the 10000 Mbit/s of GW1 the 2^32 sequence numbers of an SA of IKEv1 are used up after about 4810 seconds, before its 27000; take less, or IKEv2\n"},
	{"    sharedKey: abc", "    trafficSelectorPolicies: [{localAddressRanges: [], remoteAddressRanges: [10.22.0.0/24]}]\n    sharedKey: abc",
	 "36:11: error: traffic selectors: usePolicyBasedTrafficSelectors needs prefixes on both sides\n"
	 "40:31: error: trafficSelectorPolicies: expected at least one range on each side, came none\n"},
	{"    sharedKey: abc", "    trafficSelectorPolicies:\n"
	 "      - {localAddressRanges: [10.11.0.0/24], remoteAddressRanges: [10.22.0.0/24, 10.22.1.0/24, 10.22.2.0/24, 10.22.3.0/24,\n"
	 "         10.22.4.0/24, 10.22.5.0/24, 10.22.6.0/24, 10.22.7.0/24, 10.22.8.0/24, 10.22.9.0/24, 10.22.10.0/24, 10.22.11.0/24,\n"
	 "         10.22.12.0/24, 10.22.13.0/24, 10.22.14.0/24, 10.22.15.0/24, 10.22.16.0/24]}\n    sharedKey: abc",
	 "36:11: error: traffic selectors: expected at most 16 on each side, came more\n"},
	{"    ipsecPolicies:\n      - {ikeEncryption: AES256, ikeIntegrity: SHA256,", "    connectionProtocol: IKEv1\n    ipsecPolicies:\n      - {ikeEncryption: GCMAES256, ikeIntegrity: SHA256,",
	 "35:9: error: ikeEncryption: GCMAES256 does not go with connectionProtocol IKEv1; take AES256 and an ikeIntegrity of SHA256\n"},
	{"    ipsecPolicies:\n      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256,\n         ipsecEncryption: GCMAES256, ipsecIntegrity: GCMAES256,",
	 "    connectionProtocol: IKEv1\n    ipsecPolicies:\n      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256,\n         ipsecEncryption: CHACHA20POLY1305, ipsecIntegrity: CHACHA20POLY1305,",
	 "35:9: error: ipsecEncryption: CHACHA20POLY1305 does not go with connectionProtocol IKEv1; take GCMAES256\n"},
	{"    ipsecPolicies:\n", "    ipsecPolicies:\n      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256, ipsecEncryption: AES256, ipsecIntegrity: SHA256}\n",
	 "35:9: error: ipsecPolicies: expected one policy, came 2; only the combination of one is sent and accepted\n"},
};

/* Point-to-site, under GW1: line 24, or 23 without a certificate. */
static const struct row client_rows[] = {
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    customRoutes: {addressPrefixes: [192.168.5.0/24, \"fd00:5::/48\"]}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], allowClientToClient: true, users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n", ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    customRoutes: {addressPrefixes: [0.0.0.0/0, 172.16.0.0/12, 203.0.112.0/23]}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "24:38: error: addressPrefixes: 0.0.0.0/0 holds 203.0.113.1, the publicIPAddress of GW1: the tunnel itself goes there\n"
	 "24:38: error: addressPrefixes: 0.0.0.0/0 overlaps 172.16.0.0/24 of the pool; allowClientToClient lets clients reach each other\n"
	 "24:49: error: addressPrefixes: 172.16.0.0/12 overlaps 172.16.0.0/24 of the pool; allowClientToClient lets clients reach each other\n"
	 "24:64: error: addressPrefixes: 203.0.112.0/23 holds 203.0.113.1, the publicIPAddress of GW1: the tunnel itself goes there\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    customRoutes: {addressPrefixes: [192.168.10.0/24, 192.168.11.0/24, 192.168.12.0/24, 192.168.13.0/24, 192.168.14.0/24, 192.168.15.0/24, 192.168.16.0/24, 192.168.17.0/24, 192.168.18.0/24, 192.168.19.0/24, 192.168.20.0/24, 192.168.21.0/24, 192.168.22.0/24, 192.168.23.0/24, 192.168.24.0/24, 192.168.25.0/24, 192.168.26.0/24]}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "25:29: error: vpnClientConfiguration: clients can be told of 16 prefixes, VNet1, the networks that use its gateway and customRoutes have more\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    customRoutes: {addressPrefixes: [192.168.5.0/24]}\n",
	 "23:19: error: customRoutes: are for clients, and GW1 has no vpnClientConfiguration\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r, file: r.pem}], vpnClientRevokedCertificates: [{name: x, thumbprint: \"01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67\"}]}\n",
	 ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "23:29: error: vpnClientConfiguration: clients know the gateway by its certificate; give `certificate` of GW1\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: []}\n",
	 "24:29: error: vpnClientConfiguration: nobody could log in; give vpnClientRootCertificates or users\n"},
	/* a root in the configuration itself */
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r, publicCertData: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD}]}\n",
	 ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r, publicCertData: no}]}\n",
	 "24:152: error: publicCertData: expected a certificate in base64, came 'no'\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r, file: r.pem, publicCertData: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD}]}\n",
	 "24:165: error: publicCertData: expected this or file, came both\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r}]}\n",
	 "24:126: error: file: missing in this root certificate; give a file, or publicCertData\n"},
	/* what an import left to be filled in */
	{"{file: /etc/xgw/site5.psk}", "\"<fill in: pre-shared key of c>\"",
	 "32:16: error: sharedKey: expected a text or {file: PATH}, came a blank; fill in: pre-shared key of c\n"},
	{"{file: /etc/xgw/site5.psk}", "{file: \"<fill in: its file>\"}",
	 "32:23: error: file: expected the path of a file in ASCII, came a blank; fill in: its file\n"},
	{"id: 1001", "id: \"<fill in: a number>\"",
	 "8:9: error: id: expected a number from 1 to 16777215, came a blank; fill in: a number\n"},
	{"    publicIPAddress: 203.0.113.1\n", "    publicIPAddress: 203.0.113.1\n    sku: \"<fill in: its size>\"\n",
	 "23:10: error: sku: expected Unlimited, Basic, Standard, HighPerformance, VpnGw1, VpnGw2, VpnGw3, VpnGw4, VpnGw5, UltraPerformance, ErGw1AZ, ErGw2AZ or ErGw3AZ, came a blank; fill in: its size\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "24:29: error: vpnClientProtocols: missing, no client could connect; give [SSTP, IkeV2]\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [SSTP], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [SSTP], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "23:29: error: vpnClientConfiguration: clients know the gateway by its certificate; give `certificate` of GW1\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [10.11.128.0/24, 192.168.5.0/25, 10.22.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "24:53: error: vpnClientAddressPool: 10.11.128.0/24 overlaps 10.11.0.0/16 of VNet1; clients need addresses that nobody else has\n"
	 "24:69: error: vpnClientAddressPool: 192.168.5.0/25 overlaps 192.168.5.0/24 of Site5; clients need addresses that nobody else has\n"
	 "24:85: error: vpnClientAddressPool: 10.22.0.0/24 overlaps 10.22.0.0/16 of GW2; clients need addresses that nobody else has\n"},
	/* SECURITY C22 (CVE-2023-36673, CVE-2023-35838): no route of a client's covers the gateway's own address, nor is
	 * that a client's. */
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 172.16.0.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.1.0/24, 172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "24:68: error: vpnClientAddressPool: 172.16.0.0/24 holds 172.16.0.1, the publicIPAddress of GW1 itself\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 10.11.3.3\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "22:22: error: publicIPAddress: 10.11.3.3 is inside 10.11.0.0/16 of VNet1; clients send that through the tunnel, which itself goes there\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 10.11.3.3\n", ""},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: abc}, {name: bob, password: abd}]}\n",
	 "24:141: error: name: another user has the name 'bob', in line 24\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/open.psk}}]}\n",
	 "24:128: error: password: /etc/xgw/open.psk can be read by others; chmod 600 /etc/xgw/open.psk\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}], vpnClientRevokedCertificates: [{name: x, thumbprint: 0123}]}\n",
	 "24:205: error: thumbprint: expected 40 hex digits, the SHA-1 of the certificate; `openssl x509 -fingerprint -sha1` prints it\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], vpnClientRootCertificates: [{name: r, file: gone.pem}]}\n",
	 "24:142: error: file: cannot read 'gone.pem': No such file or directory\n"},
	{"publicIPAddress: 203.0.113.1\n", "publicIPAddress: 203.0.113.1\n    vpnType: PolicyBased\n    certificate: {chain: gw.pem, key: k}\n    vpnClientConfiguration: {vpnClientAddressPool: [172.16.0.0/24], vpnClientProtocols: [IkeV2], users: [{name: bob, password: {file: /etc/xgw/bob}}]}\n",
	 "25:29: error: vpnClientConfiguration: a PolicyBased gateway has no point-to-site; set vpnType: RouteBased\n"
	 "41:29: error: virtualNetworkGateway1: GW1 is PolicyBased and has one connection, ToSite5; several need a RouteBased gateway\n"
	 "41:29: error: virtualNetworkGateway1: GW1 is PolicyBased; connectionType Vnet2Vnet needs a RouteBased gateway\n"},
};

/* Both sides of a Vnet2Vnet connection in one file: docs/examples/vnet-to-vnet.yaml with changes. */
static const struct row side_rows[] = {
	{"    virtualNetworkGateway1: VNet2GW\n    virtualNetworkGateway2: VNet1GW\n", "    virtualNetworkGateway1: VNet1GW\n    virtualNetworkGateway2: VNet2GW\n",
	 "25:29: error: virtualNetworkGateway2: VNet2GW is a gateway of this file and has no connection back to VNet1GW; each side needs its own\n"
	 "27:11: error: connection: VNet1-VNet2 goes to the same peer with the same identity, in line 22; the peer could not be told apart\n"
	 "27:11: warning: routingWeight: 10.22.0.0/16 leads to VNet1-VNet2 too, with the same weight; each flow takes one of them\n"
	 "30:29: error: virtualNetworkGateway2: VNet2GW is a gateway of this file and has no connection back to VNet1GW; each side needs its own\n"},
	{"sharedKey: {file: /etc/xgw/vnets.psk}", "sharedKey: abcdefghijklmnopqrstuvwxyz",
	 "31:16: error: sharedKey: it differs from that of VNet1-VNet2, the other side of this connection\n"},
	{"    sharedKey: {file: /etc/xgw/vnets.psk}\n", "    sharedKey: {file: /etc/xgw/vnets.psk}\n    postQuantumPreSharedKey: {id: a, key: 0123456789abcdef0123456789abcdef}\n",
	 "28:5: error: postQuantumPreSharedKey: it differs from that of VNet1-VNet2, the other side of this connection\n"},
	{"    virtualNetworkGateway2: VNet2GW\n", "    virtualNetworkGateway2: VNet2GW\n    ipsecPolicies:\n"
	 "      - {ikeEncryption: AES256, ikeIntegrity: SHA256, dhGroup: ECP256, ipsecEncryption: AES256, ipsecIntegrity: SHA256}\n",
	 "29:5: error: ipsecPolicies: the algorithms differ from those of VNet1-VNet2, the other side of this connection\n"},
};

/* Texts that are no configuration at all. */
static const struct row text_rows[] = {
	{"", "", "1:1: error: the configuration is empty\n"},
	{"", "# nothing\n", "1:1: error: the configuration is empty\n"},
	{"", "~\n", "1:1: error: the configuration is empty\n"},
	{"", "hello\n", "1:1: error: expected a mapping with host, virtualNetworks, ..., came 'hello'\n"},
	{"", "[1, 2]\n", "1:1: error: expected a mapping with host, virtualNetworks, ..., came a list\n"},
	{"", "a: b: c\n", "1:5: error: not YAML: invalid nested block mapping on the same line\n"},
	{"", "host: [\n", "2:1: error: not YAML: flow sequence without a closing bracket\n"},
	{"", "host: {}\n---\nhost: {}\n", "2:1: error: expected one YAML document, came a second one\n"},
	{"", "host: \"a\\0b\"\n", "1:7: error: expected a text, came one with a NUL byte\n"},
	{"", "host: !!map {}\n", "1:13: error: expected a plain value, came one with a YAML tag; leave the tag out\n"},
	{"", "host: &h {ports: *h}\n", "1:18: error: an alias inside what it stands for\n"},
	{"", "host: *h\n", "1:7: error: expected the name of an anchor above, came an unknown one\n"},
	{"", "? [a]\n: b\n", "1:3: error: expected a property's name, came a list\n"},
	{"", "host: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
	 "1:38: error: nested deeper than 32 levels\n"},
	{"", "host: {}\n  \033[31m: 1\n", "2:3: error: not YAML: expected UTF-8 text, came byte 0x1b\n"},
	{"", "%\361", "1:2: error: not YAML: expected UTF-8 text, came byte 0xf1\n"},
	{"", "a: \303\251\300\200\n", "1:5: error: not YAML: expected UTF-8 text, came byte 0xc0\n"},
	{"", "a: \355\240\200\n", "1:4: error: not YAML: expected UTF-8 text, came byte 0xed\n"},
	{"", "\"\\e[31mhost\": {}\n",
	 "1:1: error: ?[31mhost: unknown property of this configuration\n"
	 "1:1: error: host: missing in this configuration\n"},
	{"", "host: {}\n", "1:7: error: ports: missing in this host\n"},
};
/* clang-format on */

static char *changed(const char *base, const struct row *row)
{
	const char *at = strstr(base, row->old);
	char *text = calloc(1, strlen(base) + strlen(row->new) + 1);
	if (!at || !text) {
		fail_msg("'%s' is not in the configuration", row->old);
		abort();
	}
	memcpy(text, base, (size_t)(at - base));
	strcat(strcat(text, row->new), at + strlen(row->old));
	return text;
}

/* Whether exactly the row's findings came; says what differs, so that all rows are seen in one run.
 */
static bool matches(const char *text, const struct row *row)
{
	struct model m;
	struct config_findings findings;
	int err = test_parse(&m, text, &findings);
	char *said = test_findings_text(&findings);
	bool same = !strcmp(said, row->findings) && err == (findings.errors ? -EINVAL : 0);
	if (!same)
		print_error("'%s' -> '%s'\nexpected:\n%scame (%d):\n%s", row->old, row->new,
			    row->findings, err, said);
	free(said);
	config_findings_free(&findings);
	model_free(&m);
	return same;
}

static void expect(const char *text, const struct row *row)
{
	assert_true(matches(text, row));
}

static void run_rows(const char *base, const struct row *rows, size_t n)
{
	size_t wrong = 0;
	for (size_t i = 0; i < n; i++) {
		char *text = *rows[i].old ? changed(base, &rows[i]) : strdup(rows[i].new);
		wrong += !matches(text, &rows[i]);
		free(text);
	}
	assert_int_equal(wrong, 0);
}
#define ROWS(base, table) run_rows(base, table, sizeof(table) / sizeof *(table))

static void good_one_is_good(void **state)
{
	(void)state;
	expect(good, &(struct row){"", "", ""});
}

static void schema(void **state)
{
	(void)state;
	ROWS(good, schema_rows);
}

static void references(void **state)
{
	(void)state;
	ROWS(good, reference_rows);
}

static void rules(void **state)
{
	(void)state;
	ROWS(good, rule_rows);
}

static void clients(void **state)
{
	(void)state;
	ROWS(good, client_rows);
}

static void both_sides(void **state)
{
	(void)state;
	char *base = test_file("docs/examples/vnet-to-vnet.yaml");
	ROWS(base, side_rows);
	free(base);
}

static void texts(void **state)
{
	(void)state;
	ROWS(good, text_rows);
}

/* Several mistakes in one text come all, in the order of their places. */
static void all_mistakes(void **state)
{
	(void)state;
	expect("connections: 5\n"
	       "virtualNetworks:\n"
	       "  - {name: V1, id: 0, addresSpace: [x]}\n"
	       "  - {name: V2, id: 7, addressSpace: [10.0.0.1/8, y]}\n"
	       "host: {ports: [{name: p, device: eth0, role: wan}], workers: x}\n",
	       &(struct row){
		       "several", "",
		       "1:14: error: connections: expected a list, came '5'\n"
		       "3:20: error: id: expected a number from 1 to 16777215, came '0'\n"
		       "3:23: error: addresSpace: unknown property of this virtual network; did "
		       "you mean 'addressSpace'?\n"
		       "4:38: error: addressSpace: expected a prefix without host bits, came "
		       "10.0.0.1/8; write 10.0.0.0/8\n"
		       "4:50: error: addressSpace: expected a prefix such as 10.1.0.0/16, came "
		       "'y'\n"
		       "5:46: error: role: expected uplink, vnet or circuit, came 'wan'\n"
		       "5:62: error: workers: expected auto or a number from 1 to 64, came 'x'\n"});
}

/* Every property of the contract is known and acted on: its own example says nothing but that
 * nobody uses its circuit. */
static void contract_example(void **state)
{
	(void)state;
	struct model m;
	struct config_findings findings;
	char *text = test_file("tests/unit/control/contract.yaml");
	assert_int_equal(test_parse(&m, text, &findings), 0);
	assert_int_equal(findings.n, 1);
	assert_int_equal(findings.at[0].severity, CONFIG_WARNING);
	assert_non_null(strstr(findings.at[0].text, "no connection leads to Circuit1"));
	assert_string_equal(m.host.metrics, "127.0.0.1:9187");
	free(text);
	config_findings_free(&findings);
	model_free(&m);
}

/* An alias means what it stands for, with its place; JSON is YAML. */
static void aliases_and_json(void **state)
{
	(void)state;
	struct model m;
	test_model(&m, "host: {ports: [{name: a, device: eth0, role: vnet}]}\n"
		       "virtualNetworks:\n"
		       "  - &v {name: V1, id: 1, addressSpace: &s [10.0.0.0/8]}\n"
		       "  - {name: V2, id: 2, addressSpace: *s}\n");
	assert_int_equal(m.n_vnets, 2);
	assert_memory_equal(m.vnets[0].address_space, m.vnets[1].address_space,
			    sizeof(struct ip_prefix));
	model_free(&m);
	test_model(&m, "{\"host\": {\"ports\": [{\"name\": \"a\", \"device\": \"eth0\", "
		       "\"role\": \"uplink\"}], \"workers\": 2}}");
	assert_int_equal(m.host.workers, 2);
	model_free(&m);
}

/* A site without an address cannot be called. */
static void any_peer(void **state)
{
	(void)state;
	char *any = changed(
		good, &(struct row){"gatewayIpAddress: 198.51.100.5", "gatewayIpAddress: any", ""});
	struct row row = {"connectionType: IPsec\n",
			  "connectionType: IPsec\n    connectionMode: InitiatorOnly\n",
			  "30:21: error: connectionMode: InitiatorOnly needs the peer's address, "
			  "gatewayIpAddress of Site5 is any; take ResponderOnly\n"};
	char *text = changed(any, &row);
	expect(text, &row);
	free(text);
	row.new = "connectionType: IPsec\n    connectionMode: ResponderOnly\n";
	row.findings = "";
	text = changed(any, &row);
	expect(text, &row);
	free(text);
	free(any);
}

/* Beyond each cap there is a finding, not a surprise. */
static void caps(void **state)
{
	(void)state;
	char *text = calloc(1, 256 * 1024), *at = text;
	assert_non_null(text);
	at += sprintf(at, "host: {ports: [");
	for (int i = 0; i < 64; i++)
		at += sprintf(at, "\n {name: p%d, device: eth%d, role: uplink},", i, i);
	sprintf(at, "]}\n");
	expect(text,
	       &(struct row){"ports", "", "65:9: error: ports: expected at most 63, came 64\n"});
	at = text + sprintf(text, "host: {}\n");
	for (int i = 0; i < 1001; i++)
		at += sprintf(at, "a%d: &a%d 1\n", i, i);
	expect(text, &(struct row){"anchors", "", "1002:15: error: more than 1000 anchors\n"});
	at = text + sprintf(text, "a0: &a0 [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n");
	sprintf(at, "a1: [[[[[[[[[[[[[[*a0]]]]]]]]]]]]]]\n");
	expect(text, &(struct row){"depth", "", "1:27: error: nested deeper than 32 levels\n"});
	char *key = calloc(1, 400);
	assert_non_null(key);
	memset(key, 'k', 257);
	struct row row = {"{file: /etc/xgw/site5.psk}", key,
			  "32:16: error: sharedKey: expected a key of at most 256 bytes, came a "
			  "longer one\n"};
	free(text);
	text = changed(good, &row);
	expect(text, &row);
	free(key);
	free(text);
}

/* Ten levels of ten aliases stop at the cap on values. */
static void alias_bomb(void **state)
{
	(void)state;
	char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
	for (int i = 1; i < 10; i++) {
		char line[128];
		snprintf(line, sizeof line, "a%d: &a%d [", i, i);
		strcat(text, line);
		for (int k = 0; k < 10; k++) {
			snprintf(line, sizeof line, "*a%d%s", i - 1, k < 9 ? ", " : "]\n");
			strcat(text, line);
		}
	}
	expect(text,
	       &(struct row){"bomb", "", "1:13: error: too large: more than 4000000 values\n"});
}

static void too_many_findings(void **state)
{
	(void)state;
	struct model m;
	struct config_findings findings;
	char *text = calloc(1, 64 * 1024);
	assert_non_null(text);
	for (int i = 0; i < 2000; i++)
		snprintf(text + strlen(text), 32, "unknown%d: 1\n", i);
	assert_int_equal(test_parse(&m, text, &findings), -EINVAL);
	assert_int_equal(findings.n, CONFIG_MAX_FINDINGS);
	assert_true(findings.truncated);
	assert_int_equal(findings.errors, 2001);
	free(text);
	config_findings_free(&findings);
	model_free(&m);
}

/* No message repeats a key, whatever is wrong around it. */
static void keys_stay_unsaid(void **state)
{
	(void)state;
	static const char *const texts_with_key[] = {
		"sharedKey: {file: \"MARKER\\n\"}",
		"sharedKey: [MARKER]",
		"sharedKey: {fille: MARKER}",
		"sharedKey: \"MARKER\\0\"",
		"sharedKey: !x MARKER",
		"sharedKey: {file: {a: MARKER}}",
	};
	for (size_t i = 0; i < sizeof texts_with_key / sizeof *texts_with_key; i++) {
		struct model m;
		struct config_findings findings;
		char *text = changed(good, &(struct row){"sharedKey: {file: /etc/xgw/site5.psk}",
							 texts_with_key[i], ""});
		assert_int_equal(test_parse(&m, text, &findings), -EINVAL);
		for (size_t k = 0; k < findings.n; k++)
			assert_null(strstr(findings.at[k].text, "MARKER"));
		free(text);
		config_findings_free(&findings);
		model_free(&m);
	}
}

/* Every beginning of a good text either parses or says why. */
static void truncated_everywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof good; n++) {
		struct model m;
		struct config_findings findings;
		static const struct config_files files = {.read_secret = test_read_secret};
		int err = config_parse(&m, good, n, &files, &findings);
		assert_true(err == 0 ? !findings.errors : err == -EINVAL && findings.errors);
		config_findings_free(&findings);
		model_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_one_is_good),
		cmocka_unit_test(schema),
		cmocka_unit_test(references),
		cmocka_unit_test(rules),
		cmocka_unit_test(texts),
		cmocka_unit_test(clients),
		cmocka_unit_test(both_sides),
		cmocka_unit_test(any_peer),
		cmocka_unit_test(caps),
		cmocka_unit_test(all_mistakes),
		cmocka_unit_test(contract_example),
		cmocka_unit_test(aliases_and_json),
		cmocka_unit_test(alias_bomb),
		cmocka_unit_test(too_many_findings),
		cmocka_unit_test(keys_stay_unsaid),
		cmocka_unit_test(truncated_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
