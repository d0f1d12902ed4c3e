# SPDX-License-Identifier: Apache-2.0
"""
Several ways that circuits give: two circuits of one network by weight, both links of one circuit at once, and a TCP stream that
outlives both by the tunnel. The picture is that of test_circuits.
"""
import json
import time

import lab as rig
import pytest
from test_circuits import World, config

# one packet each of so many flows, or many of one
FLOWS = ('import socket,sys,time\nfor p in %s:\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n s.bind(("",p))\n'
         ' for i in range(%d):\n  s.sendto(b"x"*64,("10.99.0.4",9)); time.sleep(0.002)\n')


def two_circuits(*weights):
    """Each of the two links is a circuit's only one; one connection leads to each, with the weights."""
    c = config()
    p = c['expressRouteCircuits'][0]['peerings'][0]
    second = {**p, 'port': p.pop('secondaryPort'), 'primaryPeerAddressPrefix': p.pop('secondaryPeerAddressPrefix')}
    for k in ('secondaryPort', 'secondaryPeerAddressPrefix'):
        second.pop(k)
    c['expressRouteCircuits'].append({'name': 'Circuit2', 'peerings': [second]})
    c['connections'][0]['routingWeight'] = weights[0]
    c['connections'].append({**c['connections'][0], 'name': 'to-second', 'expressRouteCircuit': 'Circuit2', 'routingWeight': weights[1]})
    return c


class Ways(World):
    def links(self):
        return [x['state'] for c in self.g.json('status')['circuits'] for x in c['links']]

    def received(self):
        """UDP that the provider's router has seen on each link."""
        out = []
        for device in ('er0', 'er1'):
            out.append(int(self.pe.sh(f'nft -j list counter netdev ways {device}').stdout.split('"packets":')[1].split(',')[0]))
        return out

    def count(self):
        for device in ('er0', 'er1'):
            self.pe.sh(f'nft add table netdev ways; nft add counter netdev ways {device}; '
                       f'nft "add chain netdev ways {device} {{ type filter hook ingress device {device} priority 0; }}"; '
                       f'nft add rule netdev ways {device} udp dport 9 counter name {device}')

    def send(self, ports, packets=1):
        """How many of alice's packets came by each link."""
        before = self.received()
        self.alice.run('/usr/bin/python3', '-c', FLOWS % (repr(list(ports)), packets))
        total = len(ports) * packets
        rig.wait_for(lambda: sum(self.received()) - sum(before) >= total, 'the packets', 5, lambda: f'{before} {self.received()}' + self.explain())
        return [a - b for a, b in zip(self.received(), before)]

    def shares(self):
        """Flows are on both links, and each on one."""
        one = self.send(range(20000, 20064))
        assert min(one) >= 8, one
        for port in (20001, 20002, 20003):
            assert sorted(self.send([port], 10)) == [0, 10]
        # the same flows go the same ways
        assert self.send(range(20000, 20064)) == one


@pytest.fixture
def ways(lab):
    return Ways(lab)


def test_two_circuits_by_weight(ways):
    w = ways.start(given=two_circuits(20, 10))
    w.count()
    w.alice.ping('10.99.0.4', count=3)
    assert w.send(range(20000, 20016)) == [16, 0]
    w.middle[0].run('ip', 'link', 'set', 'p-gw', 'down')
    w.wait_links('down', 'up')
    # of the lighter one, not of the tunnel
    before = w.tunnel_packets()
    assert w.send(range(20000, 20016)) == [0, 16]
    assert w.tunnel_packets() == before
    w.middle[0].run('ip', 'link', 'set', 'p-gw', 'up')
    w.wait_links('up', 'up', seconds=60)
    assert w.send(range(20000, 20016)) == [16, 0]
    # equal ones share
    w.g.host.lab.file('gw.yaml', json.dumps(two_circuits(10, 10)))
    w.g.command('reload')
    w.shares()


def test_both_links_carry_and_tcp_outlives_them(ways):
    w = ways.start()
    w.count()
    w.alice.ping('10.99.0.4', count=3)
    w.shares()
    before = w.tunnel_packets()
    server = w.bob.start('iperf3', '-s', '-1', name='iperf3-server')
    rig.wait_for(lambda: ':5201' in w.bob.run('ss', '-ltn').stdout, 'iperf3 to listen')
    client = w.alice.start('iperf3', '-J', '-c', '10.99.0.4', '-t', '6', '-i', '0.5', '-b', '20M', name='iperf3-client')
    time.sleep(1.5)
    for m in w.middle:  # frames get lost, and nobody's carrier tells: BFD does
        m.run('bridge', 'link', 'set', 'dev', 'p-pe', 'state', '0')
    rig.wait_for(lambda: not client.alive(), 'the stream to end', 40, w.explain)
    out = json.loads(client.text())
    assert 'error' not in out, out['error']
    rates = [i['sum']['bits_per_second'] for i in out['intervals']]
    # of 20 Mbit/s; the switch takes 3 x 30 ms and what TCP waits for then, on a busy machine seconds
    assert all(r > 5e6 for r in rates[-2:]), rates
    assert w.tunnel_packets() - before > 500 and w.way()['verdict'] == 'tunnel'
    assert not server.alive() or server.stop() is not None
