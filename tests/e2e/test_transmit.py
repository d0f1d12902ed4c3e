# SPDX-License-Identifier: Apache-2.0
"""Bursts that leave as XDP frames, while the device takes them, and by the socket otherwise."""
import json

import lab as rig
from test_tunnels import gateways


def by_xdp(g):
    return sum(w['sentByXdp'] for w in g.json('status')['workers'])


def start(pair):
    made = gateways(pair, start=False)
    for g in made:
        with open(g.config) as f:
            config = json.load(f)
        for port in config['host']['ports']:
            port['transmit'] = 'xdp'
        with open(g.config, 'w') as f:
            json.dump(config, f)
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    return made


def lossless(pair):
    """UDP that arrives. Hosts short of processor time lose datagrams of their own: a broken path loses some each time."""
    for _ in range(4):
        end = rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=2, udp=('50M', 1300))
        if end['lost_percent'] < 2:
            break
    assert end['lost_percent'] < 2, end
    return end


def test_bursts_by_xdp(pair):
    g1, g2 = start(pair)
    assert 'xgwtx' in pair.gw1.run('ip', '-br', 'link').stdout
    _, name, want = rig.serve_file(pair.bob)
    assert rig.fetch_sum(pair.alice, f'http://10.22.0.4:8080/{name}') == want
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=3) > 50e6
    lossless(pair)
    assert by_xdp(g1) > 1000, g1.json('status')['workers']
    assert by_xdp(g2) > 0
    g1.process.stop()
    assert 'xgwtx' not in pair.gw1.run('ip', '-br', 'link').stdout


def test_device_that_takes_no_frames(pair):
    """A veth whose other end does not poll: the socket sends, nothing is lost, and XDP is used once it can be."""
    g1, _ = start(pair)
    pair.wire.run('ethtool', '-K', 'p-gw1', 'gro', 'off')
    rig.wait_for(lambda: 'by socket' in g1.process.text(), 'the change to be seen', explain=g1.explain)
    before = by_xdp(g1)
    end = lossless(pair)
    wan = [w['sentByXdp'] for w in g1.json('status')['workers']]
    assert sum(wan) - before < end['packets'] / 10, wan
    pair.wire.run('ethtool', '-K', 'p-gw1', 'gro', 'on')
    rig.wait_for(lambda: g1.process.text().rstrip().rsplit('transmit port=wan', 1)[1].startswith(': by XDP'), 'XDP again', explain=g1.explain)
