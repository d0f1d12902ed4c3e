# SPDX-License-Identifier: Apache-2.0
"""
BGP inside tunnels that end at strongSwan, with BIRD and with FRR as the sites' speakers, both at addresses of 169.254.0.0/16: each connection
speaks from an address of its own of the gateway's. Routes both ways, MD5, IPv6 over a session of IPv4, withdrawal, routes with our own AS,
and what a connection without BGP leads to.
"""
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import bird  # noqa: E402
import lab as rig  # noqa: E402
from frr import Frr  # noqa: E402

os.environ.setdefault('XGW_BIRD', bird.BIRD)
KEY = 's3cret of sessions'

BIRD_SITE = f'''
router id 192.168.5.1;
protocol kernel {{ ipv4 {{ export none; }}; }}
protocol static own {{ ipv4; route 10.50.0.0/16 unreachable; }}
protocol static looped {{ ipv4; route 10.51.0.0/16 unreachable; }}
protocol static own6 {{ ipv6; route fd00:50::/48 unreachable; }}
protocol bgp cloud {{ local 169.254.21.2 as 65050; neighbor 169.254.21.1 as 65515; multihop; password "{KEY}"; hold time 30;
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ipv4 {{ import all; export filter {{ if proto = "looped" then bgp_path.prepend(65515); accept; }}; }};
  ipv6 {{ import all; export where proto = "own6"; next hop address fd00:50::1; }}; }}
'''
FRR_SITE = '''
router bgp 65060
 bgp router-id 192.168.6.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9
 neighbor 169.254.22.1 remote-as 65515
 neighbor 169.254.22.1 ebgp-multihop 8
 neighbor 169.254.22.1 update-source 169.254.21.6
 neighbor 169.254.22.1 timers connect 2
 address-family ipv4 unicast
  network 10.60.0.0/16
 exit-address-family
 address-family ipv6 unicast
  neighbor 169.254.22.1 activate
 exit-address-family
'''


def config():
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', [
        {'name': 'to5', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'enableBgp': True},
        {'name': 'to6', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site6', 'enableBgp': True, 'gatewayCustomBgpIpAddress': '169.254.22.1'},
        {'name': 'to7', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site7'}],
        sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': [],
                'bgpSettings': {'asn': 65050, 'bgpPeeringAddress': '169.254.21.2', 'sharedKey': KEY}},
               {'name': 'Site6', 'gatewayIpAddress': '203.0.113.6', 'addressSpace': [],
                'bgpSettings': {'asn': 65060, 'bgpPeeringAddress': '169.254.21.6'}},
               {'name': 'Site7', 'gatewayIpAddress': '203.0.113.7', 'addressSpace': ['10.70.0.0/16']}])
    c['virtualNetworks'][0]['addressSpace'].append('fd00:11::/48')
    c['virtualNetworks'][0]['attachments'][0]['address'] = ['10.11.0.1/24', 'fd00:11::1/64']
    c['virtualNetworkGateways'][0].update(enableBgp=True, bgpSettings={'customBgpIpAddresses': ['169.254.21.1', '169.254.22.1']})
    return c


class World:
    """alice -- gw === wire === s5 (BIRD), s6 (FRR), both behind strongSwan's tunnel on the same host."""

    def __init__(self, lab):
        self.wire = lab.switch('wire')
        self.alice, self.gw, self.s5, self.s6 = (lab.host(n) for n in ('alice', 'gw', 's5', 's6'))
        lab.cable(self.alice, 'eth0', self.gw, 'lan')
        self.alice.address('eth0', '10.11.0.4/24')
        self.alice.route('default', 'via', '10.11.0.1')
        self.swans = []
        for host, n in ((self.gw, 1), (self.s5, 5), (self.s6, 6)):
            lab.plug(self.wire, host, 'wan')
            host.address('wan', f'203.0.113.{n}/24')
        for host, n, local, remote in ((self.s5, 5, '169.254.21.2', '169.254.21.1'), (self.s6, 6, '169.254.21.6', '169.254.22.1')):
            host.address('lo', f'{local}/32', f'10.{n}0.0.4/32')
            self.swans.append(rig.StrongSwan(host, f'203.0.113.{n}', '203.0.113.1', f'{local}/32,10.{n}0.0.0/16', f'{remote}/32,10.11.0.0/16'))
        self.g = rig.Xgw(self.gw, config())
        self.g.start()
        for name in ('to5', 'to6'):
            self.g.wait_connected(name)
        self.bird = bird.Neighbour(self.s5, BIRD_SITE)
        self.frr = Frr(self.s6, FRR_SITE)

    def peers(self):
        return {p['peer']: p for p in self.g.json('status')['bgpPeers']}

    def explain(self):
        return self.g.explain() + str(self.peers()) + self.bird.process.text()[-2000:] + self.frr.text() + str(self.g.drops())

    def way(self, to, source='10.11.0.4'):
        return self.g.json('next-hop', '--vnet', 'VNet1', '--from', source, to)

    def leads(self, to, verdict='tunnel', **k):
        rig.wait_for(lambda: (self.way(to, **k)['verdict'] == 'tunnel') == (verdict == 'tunnel'), f'{to}: {verdict}', 60, self.explain)


@pytest.fixture(scope='module')
def world():
    lab = rig.Lab()
    try:
        yield World(lab)
    finally:
        lab.close()


def test_each_connection_speaks_from_its_own_address(world):
    w = world
    rig.wait_for(lambda: [p['state'] for p in w.peers().values()] == ['Established'] * 2, 'both sessions', 60, w.explain)
    w.leads('10.50.0.4')
    w.leads('10.60.0.4')
    for n in (5, 6):
        assert w.way(f'10.{n}0.0.4')['route'] == {'prefix': f'10.{n}0.0.0/16', 'source': 'bgp'}
        w.alice.ping(f'10.{n}0.0.4')
    assert not w.g.drops().get('source')


def test_routes_go_both_ways_and_on(world):
    """The sites learn the network's prefixes and each other's; with our own AS in the path nothing is taken."""
    w = world
    # to7 has no BGP: what it leads to is told to those who have
    want = {'10.11.0.0/16', '10.60.0.0/16', '10.70.0.0/16'}
    rig.wait_for(lambda: want <= set(w.bird.routes()), 'the routes at BIRD', 60, lambda: w.explain() + str(w.bird.routes()))
    assert w.bird.routes()['10.60.0.0/16'] == ['65515', '65060']
    assert w.bird.routes()['10.70.0.0/16'] == ['65515']
    rig.wait_for(lambda: all(p in w.frr.vtysh('show bgp ipv4 unicast') for p in ('10.11.0.0/16', '10.50.0.0/16', '10.70.0.0/16')),
                 'the routes at FRR', 60, w.explain)
    # a route that has been in our AS comes back to it: none of ours
    assert '10.51.0.0/16' in w.bird.ask('show route export cloud')
    assert w.way('10.51.0.4')['verdict'] != 'tunnel'
    assert '10.51.0.0/16' not in w.frr.vtysh('show bgp ipv4 unicast')
    # IPv6 over a session of IPv4
    w.leads('fd00:50::4', source='fd00:11::4')
    rig.wait_for(lambda: 'fd00:11::/48' in w.frr.vtysh('show bgp ipv6 unicast') and 'fd00:11::/48' in w.bird.routes('master6'),
                 'the IPv6 prefix at both', 30, lambda: w.explain() + w.frr.vtysh('show bgp ipv6 unicast'))


def test_withdrawal_and_a_wrong_key(world):
    w = world
    w.bird.ask('disable own')
    w.leads('10.50.0.4', 'elsewhere')
    rig.wait_for(lambda: '10.50.0.0/16' not in w.frr.vtysh('show bgp ipv4 unicast'), 'the withdrawal at FRR', 30, w.explain)
    w.bird.ask('enable own')
    w.leads('10.50.0.4')
    w.frr.vtysh('configure terminal\nrouter bgp 65060\naddress-family ipv4 unicast\nno network 10.60.0.0/16')
    w.leads('10.60.0.4', 'elsewhere')
    # another key: no session, and it comes back with the right one
    w.bird.configure(BIRD_SITE.replace(KEY, 'another'))
    w.bird.ask('restart cloud')
    rig.wait_for(lambda: w.peers()['169.254.21.2']['state'] != 'Established', 'the session to end', 40, w.explain)
    w.leads('10.50.0.4', 'elsewhere')
    time.sleep(4)  # both sides have tried again by now
    assert w.peers()['169.254.21.2']['state'] != 'Established' and w.bird.session('cloud')[0] != 'Established'
    w.bird.configure(BIRD_SITE)
    rig.wait_for(lambda: w.peers()['169.254.21.2']['state'] == 'Established', 'the session', 60, w.explain)
    w.leads('10.50.0.4')
