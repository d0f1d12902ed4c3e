#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A configuration of any size on standard output, the same text for the same numbers: groups of four virtual networks, the
first a hub with a gateway, the second a spoke that uses it, the others peered with the hub and with gateways of their own;
tunnels to sites that share the prefixes, hosts behind VXLAN.

    scripts/make-large.py --vnets 4096 --connections 10000 --prefixes 1000000 --endpoints 100000 > large.yaml
"""
import argparse
import ipaddress


def address(first, n):
    return str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(first)) + n))


def has_gateway(v):
    return v % 4 != 1


def hub_of(v):
    return v - v % 4


def peerings(v, vnets):
    if v % 4:
        return [(v, hub_of(v), v % 4 == 1, False)]
    return [(v, n, False, n % 4 == 1) for n in range(v + 1, min(v + 4, vnets))]


def virtual_network(v, a, out):
    space = f'{address("10.0.0.0", v * 4096)}/20'
    table = ', routeTable: forced' if v % 4 == 1 else ''
    out(f'  - name: vnet{v}\n    id: {v + 1}\n    addressSpace: [{space}]\n    subnets:\n'
        f'      - {{name: hosts, addressPrefix: {address("10.0.0.0", v * 4096)}/22{table}}}\n'
        f'      - {{name: GatewaySubnet, addressPrefix: {address("10.0.0.0", v * 4096 + 4064)}/27}}\n'
        f'    attachments:\n      - {{port: lan0, encapsulation: vxlan, vni: {v + 1}, localAddress: 192.0.2.1, '
        f'address: {address("10.0.0.0", v * 4096 + 1)}/22}}\n')
    hosts = a.endpoints // a.vnets + (v < a.endpoints % a.vnets)
    if hosts:
        out('    endpoints:\n')
    for h in range(hosts):
        n = v * 1024 + h
        out(f'      - {{address: {address("10.0.0.0", v * 4096 + 4 + h)}, mac: "02:00:{n >> 24 & 255:02x}:{n >> 16 & 255:02x}:'
            f'{n >> 8 & 255:02x}:{n & 255:02x}", host: {address("172.16.0.1", n % 1000)}}}\n')
    pairs = peerings(v, a.vnets)
    if pairs:
        out('    peerings:\n')
    for of, to, uses, gives in pairs:
        out(f'      - {{name: p{of}-{to}, remoteVirtualNetwork: vnet{to}, useRemoteGateways: {str(uses).lower()}, '
            f'allowGatewayTransit: {str(gives).lower()}}}\n')


def main():
    p = argparse.ArgumentParser(description='Writes a large configuration of xgw.')
    p.add_argument('--vnets', type=int, default=4096, help='at most 4096')
    p.add_argument('--connections', type=int, default=10000)
    p.add_argument('--prefixes', type=int, default=1000000, help='behind all sites together, at most 1048576')
    p.add_argument('--endpoints', type=int, default=100000, help='at most 1000 for each virtual network')
    p.add_argument('--key', default='{file: /etc/xgw/large.psk}', help='sharedKey of all connections')
    p.add_argument('--uplink', default='eth0')
    p.add_argument('--lan', default='eth1')
    a = p.parse_args()
    if not 0 < a.vnets <= 4096 or a.prefixes > 1 << 20 or a.endpoints > 1000 * a.vnets:
        p.error('more than the addresses are enough for')
    parts = []
    out = parts.append
    out(f'host:\n  ports:\n    - {{name: wan0, device: {a.uplink}, role: uplink}}\n'
        f'    - {{name: lan0, device: {a.lan}, role: vnet}}\nvirtualNetworks:\n')
    for v in range(a.vnets):
        virtual_network(v, a, out)
    out('routeTables:\n  - name: forced\n    routes:\n'
        '      - {name: default, addressPrefix: 0.0.0.0/0, nextHopType: VirtualNetworkGateway}\n'
        '      - {name: nowhere, addressPrefix: 192.168.0.0/16, nextHopType: None}\n')
    gateways = [v for v in range(a.vnets) if has_gateway(v)]
    out('virtualNetworkGateways:\n')
    for i, v in enumerate(gateways):
        site = f', gatewayDefaultSite: site{i}' if v % 4 == 0 and i < a.connections else ''
        out(f'  - {{name: gw{v}, virtualNetwork: vnet{v}, publicIPAddress: {address("198.18.0.1", i)}{site}}}\n')
    out('localNetworkGateways:\n')
    for c in range(a.connections):
        first = a.prefixes * c // a.connections
        behind = a.prefixes * (c + 1) // a.connections
        space = ', '.join(f'{address("128.0.0.0", n * 256)}/{24 + n % 3}' for n in range(first, behind))
        out(f'  - {{name: site{c}, gatewayIpAddress: {address("100.64.0.1", c)}, addressSpace: [{space}]}}\n')
    out('connections:\n')
    for c in range(a.connections):
        out(f'  - {{name: c{c}, connectionType: IPsec, virtualNetworkGateway1: gw{gateways[c % len(gateways)]}, '
            f'localNetworkGateway2: site{c}, sharedKey: {a.key}}}\n')
    print(''.join(parts), end='')


if __name__ == '__main__':
    main()
