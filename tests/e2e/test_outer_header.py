# SPDX-License-Identifier: Apache-2.0
"""What routers between the gateways see: DSCP, DF, flow labels."""
import json

import pytest

import lab as rig
from test_tunnels import gateways

V6 = ('2001:db8::1', '2001:db8::2')


def fields(pair, names, *pings, **how):
    """Distinct values of outer ESP packets that alice's pings make."""
    g1, _ = gateways(pair, **how)
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    capture = rig.Capture(pair.wire, 'br0')
    for more in pings:
        pair.alice.ping('10.22.0.4', count=3, size=300, more=more)
    capture.stop()
    source = 'ipv6.src == 2001:db8::1' if how.get('public') else 'ip.src == 203.0.113.1'
    words = [w for n in names for w in ('-e', n)]
    return sorted(set(capture.tshark('-Y', f'esp and {source}', '-T', 'fields', *words).splitlines()))


@pytest.mark.parametrize('connection, want', [
    ({}, ['0\t0', '0\t1', '46\t1']),
    ({'dscp': 10, 'dontFragment': 'set'}, ['10\t1']),
    ({'dscp': 0, 'dontFragment': 'clear'}, ['0\t0']),
], ids=['copied', 'set', 'clear'])
def test_dscp_and_df(pair, connection, want):
    seen = fields(pair, ['ip.dsfield.dscp', 'ip.flags.df'], ('-M', 'dont'), ('-M', 'do'), ('-M', 'do', '-Q', str(46 << 2)),
                  connection=connection)
    assert [line.replace('True', '1').replace('False', '0') for line in seen] == want


def test_flow_label(pair):
    """The same flow has one label, another flow another; none is zero for all."""
    pair.alice.address('eth0', '10.11.0.5/24')
    labels = fields(pair, ['ipv6.flow'], ('-I', '10.11.0.4'), ('-I', '10.11.0.4'), ('-I', '10.11.0.5'), public=V6)
    assert len(labels) == 2 and len(set(labels)) == 2, labels
    assert all(int(x, 16) for x in labels), labels


FLOWS = """import socket
for port in %r:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    for _ in range(5):
        s.sendto(bytes(100), ("10.22.0.4", 7))
"""


def source_ports(pair, flows):
    """UDP source ports of the ESP packets that so many flows of alice make."""
    capture = rig.Capture(pair.wire, 'br0')
    pair.alice.run('python3', '-c', FLOWS % list(range(20000, 20000 + flows)))
    pair.alice.ping('10.22.0.4', count=1)  # behind them on the way
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    seen = capture.tshark('-Y', 'ip.src == 203.0.113.1 and udp.dstport == 4500 and esp and udp.length == 172',
                          '-T', 'fields', '-e', 'udp.srcport').split()
    assert len(seen) == 5 * flows, seen
    return {int(port) for port in seen}


def told(gateway, name, text):
    return [e['text'] for e in gateway.connection(name)['events'] if text in e['text']]


def test_source_port_of_each_flow(pair):
    """ESP in UDP between two that agree: a port for each flow, and nobody takes a new one for a peer that moved."""
    g1, g2 = gateways(pair, connection={'udpEncapsulation': 'always', 'udpPortEntropy': True})
    pair.alice.ping('10.22.0.4')
    assert all(c['udpPortEntropy'] for c in g1.connection('to2')['childSas'] + g2.connection('to1')['childSas'])
    # the hash is keyed by the SA, and a worker that gets one of its own changes to it: no port is the same for ever
    one, many = source_ports(pair, 1), source_ports(pair, 16)
    assert len(one) == 1, one
    assert len(many) >= 12 and all(port >= 49152 for port in many), many
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 10e6
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', reverse=True) > 10e6
    g1.command('rekey', 'to2')
    pair.alice.ping('10.22.0.4', count=5)
    assert len(source_ports(pair, 16)) >= 12
    for g, name, peer in ((g1, 'to2', '203.0.113.2'), (g2, 'to1', '203.0.113.1')):
        assert not told(g, name, 'moved') and 'child-moved' not in g.process.text(), g.explain()
        assert g.connection(name)['peer'] == peer


def test_source_port_is_one_unless_both_agree(pair):
    g1, g2 = gateways(pair, connection={'udpEncapsulation': 'always'}, two={'udpPortEntropy': True})
    pair.alice.ping('10.22.0.4')
    assert source_ports(pair, 16) == {4500}
    assert told(g2, 'to1', 'udpPortEntropy is off: the peer does not offer it')


def test_without_a_window(pair):
    made = gateways(pair, start=False)
    for g in made:
        with open(g.config) as f:
            config = json.load(f)
        config['host']['replayWindow'] = 0
        with open(g.config, 'w') as f:
            json.dump(config, f)
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 10e6
