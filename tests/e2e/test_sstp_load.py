# SPDX-License-Identifier: Apache-2.0
"""128 clients of SSTP at once, all with traffic (tests/bench/sstp_load.c): none loses a packet, the 129th is told no; what a client costs in memory."""
import json
import os
import subprocess

import lab as rig
from cryptography import x509
from pki import Entity

LOAD = os.path.join(rig.ROOT, 'build', 'tests', 'bench', 'sstp_load')
# The largest one: what 128 clients have under way at once is as much as a VpnGw1 lets pass in one burst (RATE_BURST_NS), so a stall
# of the machine would count as traffic above the rate.
SKU = 'VpnGw5'
GW, PASSWORD = 'gw.example.org', 'Pa55word!'


class Load:
    def __init__(self, host, n, pings):
        self.popen = subprocess.Popen(host.enter() + [LOAD, '203.0.113.1', '443', 'bob', PASSWORD, str(n), str(pings), '10.11.0.4'],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.line = self.popen.stdout.readline()

    def result(self, g):
        assert self.line.startswith('{'), self.line + g.explain()
        return json.loads(self.line)

    def hang_up(self):
        self.popen.communicate(timeout=30)
        return self.popen.returncode


def test_many(lab):
    wire = lab.switch('wire')
    alice, gw1, road = (lab.host(n) for n in ('alice', 'gw1', 'road'))
    lab.plug(wire, gw1, 'wan')
    lab.plug(wire, road, 'wan')
    lab.cable(alice, 'eth0', gw1, 'lan')
    gw1.address('wan', '203.0.113.1/24')
    road.address('wan', '203.0.113.5/24')
    alice.address('eth0', '10.11.0.4/24')
    alice.route('default', 'via', '10.11.0.1')
    own = Entity(GW, by=Entity('root', ca=True), san=x509.DNSName(GW))
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', [])
    c['virtualNetworkGateways'][0].update(
        identity=GW, sku=SKU, certificate={'chain': lab.file('gw.pem', own.pem().decode()), 'key': {'file': lab.file('gw.key', own.private().decode())}},
        vpnClientConfiguration={'vpnClientAddressPool': ['172.16.0.0/22'], 'vpnClientProtocols': ['SSTP'],
                                'users': [{'name': 'bob', 'password': {'file': lab.file('bob', PASSWORD)}}]})
    g = rig.Xgw(gw1, c)
    g.start(wait=False)
    rig.wait_for(lambda: g.ready() or not g.process.alive(), 'xgw to be ready', 90, g.process.text)
    alice.ping('10.11.0.1', count=1)
    few = Load(road, 1, 10)
    few.result(g)
    assert few.hang_up() == 0
    before = g.resident_kb()
    load = Load(road, 128, 50)
    print(load.result(g))
    each = (g.resident_kb() - before) / 128
    print(f'{each:.0f} KiB a client')
    s = g.json('status')
    assert len(s['clients']) == 128 and {x['connectionStatus'] for x in s['clients']} == {'Connected'}
    assert len({x['addresses'][0] for x in s['clients']}) == 128
    assert all(x['ingressPackets'] == 50 and x['egressPackets'] == 50 for x in s['clients'])
    assert not {k: v for k, v in g.drops().items() if k.startswith('client') or k == 'no-buffer'}
    assert each < 500
    one_more = Load(road, 1, 1)
    assert 'hung up' in one_more.line, one_more.line
    one_more.hang_up()
    assert '128 clients are connected by SSTP' in g.process.text()
    assert load.hang_up() == 0
    rig.wait_for(lambda: not g.json('status')['clients'], 'all to be gone', explain=g.explain)
    assert '172.16.' not in g.command('dump', 'routes4').stdout
