# SPDX-License-Identifier: Apache-2.0
"""
What a gateway hands on between a circuit and a tunnel with BGP: nothing, as Azure, unless allowBranchToBranchTraffic says so; and
nothing that has been in our AS before. The circuit's site is 10.99.0.0/16, the branch 10.88.0.0/16.
"""
import json

import bird
import lab as rig
import pytest
from test_circuits import GW, PROVIDER, SITE, World, config


def transit(allowed):
    c = config()
    c['virtualNetworks'][0]['allowBranchToBranchTraffic'] = allowed
    c['virtualNetworkGateways'][0].update(enableBgp=True)
    c['localNetworkGateways'][0].update(addressSpace=[], bgpSettings={'asn': 65088, 'bgpPeeringAddress': '10.88.255.30'})
    c['connections'][1]['enableBgp'] = True
    return c


def branch():
    c = rig.gateway_config('Branch', 1088, ['10.88.0.0/16'], '10.88.0.1/24', SITE, [
        {'name': 'to-cloud', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Cloud', 'enableBgp': True}],
        [{'name': 'Cloud', 'gatewayIpAddress': GW, 'addressSpace': [], 'bgpSettings': {'asn': 65516, 'bgpPeeringAddress': '10.11.255.30'}}])
    c['virtualNetworkGateways'][0].update(enableBgp=True, bgpSettings={'asn': 65088})
    return c


class Transit(World):
    """The router beside the circuit's site is a branch's here, with carol behind it."""

    def __init__(self, lab):
        super().__init__(lab)
        self.carol = lab.host('carol')
        lab.cable(self.carol, 'eth0', self.far, 'branch')
        self.far.run('ip', 'link', 'set', 'lan', 'down')
        self.carol.address('eth0', '10.88.0.4/24')
        self.carol.route('default', 'via', '10.88.0.1')
        self.pe.run('ip', 'route', 'del', '10.11.0.0/16')

    def begin(self):
        looped = '''
protocol static more { ipv4; route 10.97.0.0/16 unreachable; }
'''
        text = (PROVIDER % {'ms': 30}).replace('neighbor as 65515', 'neighbor as 65516') + looped
        self.bird = bird.Neighbour(self.pe, text.replace('export where proto = "own" || proto = "more"',
                                                         'export filter { if proto = "more" then { bgp_path.prepend(65516); accept; } '
                                                         'if proto = "own" then accept; reject; }'))
        c = branch()
        c['host']['ports'][1]['device'] = 'branch'
        self.g = rig.Xgw(self.gw, self.ours(False))
        self.f = rig.Xgw(self.far, c, instance='far')
        self.f.start()
        self.g.start()
        self.g.wait_connected('to-site')
        self.wait_links('up', 'up')
        rig.wait_for(lambda: all(p['state'] == 'Established' for p in self.g.json('status')['bgpPeers']), 'the sessions', 60, self.explain)
        return self

    def ours(self, allowed):
        """Another AS than the default: a loop is one with the AS that is configured."""
        c = transit(allowed)
        for g in c['virtualNetworkGateways']:
            g.setdefault('bgpSettings', {})['asn'] = 65516
        return c

    def branch_way(self, to):
        return self.f.json('next-hop', '--vnet', 'Branch', '--from', '10.88.0.4', to)


@pytest.fixture
def world(lab):
    return Transit(lab).begin()


def test_transit_only_where_it_is_allowed(world):
    w = world
    rig.wait_for(lambda: '10.11.0.0/16' in w.bird.routes() and w.branch_way('10.11.0.4')['verdict'] == 'tunnel', 'the network to be told', 60, w.explain)
    rig.wait_for(lambda: w.way('10.88.0.4')['verdict'] == 'tunnel' and w.way()['verdict'] == 'circuit', 'both sites', 60, w.explain)
    w.alice.ping('10.88.0.4')
    w.alice.ping('10.99.0.4')
    assert '10.88.0.0/16' not in w.bird.routes() and w.branch_way('10.99.0.4')['verdict'] != 'tunnel'
    assert w.carol.ping('10.99.0.4', count=1, check=False).returncode
    # our own AS in its path: a loop
    assert '10.97.0.0/16' in w.bird.ask('show route export er_one')
    assert w.way('10.97.0.4')['verdict'] != 'circuit'
    w.g.host.lab.file('gw.yaml', json.dumps(w.ours(True)))
    w.g.command('reload')
    rig.wait_for(lambda: '10.88.0.0/16' in w.bird.routes() and w.branch_way('10.99.0.4')['verdict'] == 'tunnel', 'transit', 60, w.explain)
    assert w.bird.routes()['10.88.0.0/16'] == ['65516', '65088']
    w.carol.ping('10.99.0.4')
    w.bob.ping('10.88.0.4')
    assert w.way('10.97.0.4')['verdict'] != 'circuit'
    # and it ends when that is taken back
    w.g.host.lab.file('gw.yaml', json.dumps(w.ours(False)))
    w.g.command('reload')
    rig.wait_for(lambda: '10.88.0.0/16' not in w.bird.routes() and w.branch_way('10.99.0.4')['verdict'] != 'tunnel', 'its end', 60, w.explain)
    assert w.carol.ping('10.99.0.4', count=1, check=False).returncode
    w.alice.ping('10.88.0.4')
