# SPDX-License-Identifier: Apache-2.0
"""BGP inside tunnels: what lies behind a gateway is learnt, not typed, with routers that no one here wrote at both ends (BIRD)."""
import os

import bird
import lab as rig
import pytest
from test_tunnels import UdpStream

os.environ.setdefault('XGW_BIRD', bird.BIRD)


def gateway(n, asn, others):
    """Gateway n of 10.(11 n).0.0/16 and AS asn, with BGP to each of others: {number: asn}."""
    net = f'10.{11 * n}'
    return {
        'host': {'ports': [{'name': 'wan0', 'device': 'wan', 'role': 'uplink'}, {'name': 'lan0', 'device': 'lan', 'role': 'vnet'}]},
        'virtualNetworks': [{'name': f'VNet{n}', 'id': 1000 + n, 'addressSpace': [f'{net}.0.0/16'],
                             'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'{net}.255.0/27'}],
                             'attachments': [{'port': 'lan0', 'address': f'{net}.0.1/24'}]}],
        'virtualNetworkGateways': [{'name': 'GW', 'virtualNetwork': f'VNet{n}', 'publicIPAddress': f'203.0.113.{n}', 'enableBgp': True,
                                    'bgpSettings': {'asn': asn}}],
        'remoteGateways': [{'name': f'GW{k}', 'publicIPAddress': f'203.0.113.{k}', 'addressSpace': [],
                            'bgpSettings': {'asn': a, 'bgpPeeringAddress': f'10.{11 * k}.255.30'}} for k, a in others.items()],
        'connections': [{'name': f'to{k}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway1': 'GW', 'virtualNetworkGateway2': f'GW{k}',
                         'sharedKey': rig.PSK, 'enableBgp': True} for k in others]}


def with_site(c):
    """Behind the gateway's own network a site without BGP, whose prefixes are typed here alone."""
    c['localNetworkGateways'] = [{'name': 'S', 'gatewayIpAddress': '203.0.113.4', 'addressSpace': ['10.44.0.0/16']}]
    c['connections'].append({'name': 'to-site', 'connectionType': 'IPsec', 'virtualNetworkGateway1': 'GW', 'localNetworkGateway2': 'S',
                             'sharedKey': rig.PSK})
    return c


class Chain:
    """1 -- 2 -- 3: the ends know of each other by what the middle hands on."""

    def __init__(self, lab):
        wire = lab.switch('wire')
        self.hosts, self.gateways = {}, {}
        asn = {1: 65515, 2: 65521, 3: 65522}
        for n, others in ((1, [2]), (2, [1, 3]), (3, [2])):
            gw, host = lab.host(f'gw{n}'), lab.host(f'h{n}')
            lab.plug(wire, gw, 'wan')
            gw.address('wan', f'203.0.113.{n}/24')
            lab.cable(host, 'eth0', gw, 'lan')
            host.address('eth0', f'10.{11 * n}.0.4/24')
            host.route('default', 'via', f'10.{11 * n}.0.1')
            self.hosts[n] = host
            c = gateway(n, asn[n], {k: asn[k] for k in others})
            self.gateways[n] = rig.Xgw(gw, with_site(c) if n == 3 else c)
        self.wire = wire
        for g in self.gateways.values():
            g.start(wait=False)
        for g in self.gateways.values():
            rig.wait_for(lambda: g.ready() or not g.process.alive(), 'a gateway to be ready', 90, g.process.text)

    def explain(self):
        return ''.join(g.explain() + (str(g.json('status')['bgpPeers']) if g.process.alive() else '') for g in self.gateways.values())

    def peers_up(self):
        return all(p['state'] == 'Established' for g in self.gateways.values() for p in g.json('status')['bgpPeers'])

    def way(self, n, to):
        g = self.gateways[n]
        return g.json('next-hop', '--vnet', f'VNet{n}', '--from', f'10.{11 * n}.0.4', to)


@pytest.fixture
def chain(lab):
    return Chain(lab)


def static_site(c, lab):
    """The site behind 3, which knows of nobody by BGP, and a host of it."""
    gw, host = lab.host('gw4'), lab.host('h4')
    lab.plug(c.wire, gw, 'wan')
    gw.address('wan', '203.0.113.4/24')
    lab.cable(host, 'eth0', gw, 'lan')
    host.address('eth0', '10.44.0.4/24')
    host.route('default', 'via', '10.44.0.1')
    g = rig.Xgw(gw, rig.gateway_config('Site', 1044, ['10.44.0.0/16'], '10.44.0.1/24', '203.0.113.4', [
        {'name': 'to3', 'connectionType': 'IPsec', 'localNetworkGateway2': 'GW3'}],
        [{'name': 'GW3', 'gatewayIpAddress': '203.0.113.3', 'addressSpace': [f'10.{11 * n}.0.0/16' for n in (1, 2, 3)]}]))
    g.start()
    g.wait_connected('to3', 60)
    return host, g


def test_routes_go_from_end_to_end(chain, lab):
    c = chain
    far, site = static_site(c, lab)
    rig.wait_for(c.peers_up, 'all sessions', 90, c.explain)
    rig.wait_for(lambda: c.way(1, '10.33.0.4')['verdict'] == 'tunnel' and c.way(3, '10.11.0.4')['verdict'] == 'tunnel',
                 'the ends to know each other', 60, c.explain)
    assert c.way(1, '10.33.0.4')['route'] == {'prefix': '10.33.0.0/16', 'source': 'bgp'}
    for a, b in ((1, 2), (2, 3), (1, 3), (3, 1)):
        c.hosts[a].ping(f'10.{11 * b}.0.4', count=5)
    candidates = c.gateways[1].json('dump', 'routes', '--all')['routes']
    assert {r['prefix']: r['candidates'][0]['asPathLength'] for r in candidates} == {'10.22.0.0/16': 1, '10.33.0.0/16': 2, '10.44.0.0/16': 2}
    # over two networks to a site that 3 tells the others of
    assert c.way(1, '10.44.0.4')['route'] == {'prefix': '10.44.0.0/16', 'source': 'bgp'}
    assert c.way(3, '10.44.0.4')['route'] == {'prefix': '10.44.0.0/16', 'source': 'static'}
    rig.wait_for(lambda: c.hosts[1].ping('10.44.0.4', count=1, check=False).returncode == 0, 'the site to answer', explain=c.explain)
    assert 'ttl=60' in far.ping('10.11.0.4', count=1).stdout
    assert site.process.stop() == 0
    # BGP's packets are in the tunnel, and nowhere else
    assert not c.gateways[1].drops().get('no-sa')
    # the far network goes when its gateway does, without anyone typing
    c.gateways[3].process.stop()
    rig.wait_for(lambda: c.way(1, '10.33.0.4')['verdict'] != 'tunnel', 'the route to be withdrawn', 90, c.explain)
    c.hosts[1].ping('10.22.0.4', count=3)


def test_rekey_keeps_sessions(chain):
    """A child SA is replaced under the sessions and a stream; nothing is lost, no session ends."""
    c = chain
    rig.wait_for(c.peers_up, 'all sessions', 90, c.explain)
    rig.wait_for(lambda: c.way(1, '10.22.0.4')['verdict'] == 'tunnel', 'a route', 60, c.explain)
    c.hosts[1].ping('10.22.0.4', count=3)
    since = [p['since'] for p in c.gateways[2].json('status')['bgpPeers']]
    stream = UdpStream(c.hosts[1], c.hosts[2], '10.22.0.4')
    for _ in range(3):
        before = c.gateways[1].connection('to2')['childSas'][0]['spiIn']
        c.gateways[1].command('rekey', 'to2')
        rig.wait_for(lambda: c.gateways[1].connection('to2')['childSas'][0]['spiIn'] != before, 'a new child SA', explain=c.explain)
    sent, received = stream.finish()
    assert sent > 100 and sent == received, f'{sent - received} of {sent} lost'
    assert [p['since'] for p in c.gateways[2].json('status')['bgpPeers']] == since
