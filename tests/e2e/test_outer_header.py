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
    rig.wait_for(lambda: pair.alice.ping('10.22.0.4', count=1, check=False).returncode == 0, 'traffic', explain=g1.explain)
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
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=1) > 10e6
