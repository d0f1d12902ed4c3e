# SPDX-License-Identifier: Apache-2.0
"""Devices under a running gateway: more queues, gone and made anew, down and up under load."""
import threading
import time

import lab as rig
from test_tunnels import gateways


def direct(lab, queues=1):
    """alice - gw1 - gw2 - bob, the gateways by one cable"""
    lab.alice, lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    wire(lab, queues)
    for host, gw, net in ((lab.alice, lab.gw1, '10.11.0'), (lab.bob, lab.gw2, '10.22.0')):
        lab.cable(host, 'eth0', gw, 'lan', queues=queues)
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')


def wire(lab, queues):
    lab.cable(lab.gw1, 'wan', lab.gw2, 'wan', queues=queues)
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')


def flows(lab, g):
    rig.wait_for(lambda: lab.alice.ping('10.22.0.4', count=1, check=False).returncode == 0, 'traffic', explain=g.explain)


def port(g, name):
    return next(p for p in g.json('status')['ports'] if p['name'] == name)


def test_more_queues(lab):
    direct(lab, queues=2)
    ends = [(lab.gw2, 'wan'), (lab.alice, 'eth0'), (lab.gw1, 'wan'), (lab.gw1, 'lan')]
    for rx in ('2', '1'):
        for host, dev in ends:
            host.run('ethtool', '-L', dev, 'rx', rx, 'tx', '1')
    g1, _ = gateways(lab)
    flows(lab, g1)
    assert port(g1, 'wan0')['queues'] == 1
    # a veth with XDP receives with at least as many as its other end sends with
    for tx in ('1', '2'):
        for host, dev in ends:
            host.run('ethtool', '-L', dev, 'rx', '2', 'tx', tx)
    rig.wait_for(lambda: [port(g1, p)['mode'] for p in ('wan0', 'lan0')] == ['native, copy, 2 queues'] * 2, 'sockets for both',
                 explain=g1.explain)
    _, name, want = rig.serve_file(lab.bob)
    for _ in range(4):
        assert rig.fetch_sum(lab.alice, f'http://10.22.0.4:8080/{name}') == want
    assert g1.connection('to2')['connectionStatus'] == 'Connected'
    assert g1.connection('to2')['rekeysIke'] == 0


def test_device_is_made_anew(lab):
    """Both gateways lose the wire; a new one by the same names brings the same SAs back to life."""
    direct(lab)
    g1, g2 = gateways(lab)
    flows(lab, g1)
    spis = {c['spiIn'] for c in g1.connection('to2')['childSas']}
    lab.gw1.run('ip', 'link', 'del', 'wan')
    rig.wait_for(lambda: 'device-gone port=wan0' in g1.process.text(), 'the loss to be seen', explain=g1.explain)
    assert port(g1, 'wan0')['state'] == 'down'
    assert lab.alice.ping('10.22.0.4', count=1, check=False).returncode != 0
    busy = g1.json('status')['workers'][0]['busy']
    assert busy < 0.5, busy
    wire(lab, 1)
    rig.wait_for(lambda: all('device-changed port=wan0' in g.process.text() for g in (g1, g2)), 'the new device', explain=g1.explain)
    flows(lab, g1)
    assert spis & {c['spiIn'] for c in g1.connection('to2')['childSas']}
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=1) > 1e6
    assert g1.process.stop() == 0
    # nothing is left on the new device
    assert 'xdp' not in lab.gw1.run('ip', 'link', 'show', 'wan').stdout


def test_large_mtu(lab):
    """Above what a frame holds the tunnel tells hosts the size that passes, and says so at the start."""
    lab.alice, lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.cable(lab.gw1, 'wan', lab.gw2, 'wan', mtu=9000)
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    for host, gw, net in ((lab.alice, lab.gw1, '10.11.0'), (lab.bob, lab.gw2, '10.22.0')):
        lab.cable(host, 'eth0', gw, 'lan', mtu=3456)
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')
    g1, _ = gateways(lab)
    flows(lab, g1)
    assert 'mtu device=wan port=wan0 mtu=9000 used=3456' in g1.process.text()
    path = g1.connection('to2')['path']
    assert path['mtu'] == 3456
    lab.alice.ping('10.22.0.4', size=path['innerMtu'] - 28, more=('-M', 'do'))
    r = lab.alice.ping('10.22.0.4', size=path['innerMtu'] - 27, more=('-M', 'do'), check=False)
    assert 'ssage too long' in r.stdout + r.stderr or 'Frag needed' in r.stdout, r.stdout + r.stderr
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=1) > 50e6


def test_link_flaps_under_load(lab):
    direct(lab)
    g1, g2 = gateways(lab)
    flows(lab, g1)
    rates = []
    load = threading.Thread(target=lambda: rates.append(rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=8)))
    load.start()
    for _ in range(8):
        time.sleep(0.4)
        lab.gw2.run('ip', 'link', 'set', 'wan', 'down')
        time.sleep(0.1)
        lab.gw2.run('ip', 'link', 'set', 'wan', 'up')
    load.join()
    assert rates and rates[0] > 1e6, rates
    flows(lab, g1)
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert g.connection(name)['connectionStatus'] == 'Connected'
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2) > 50e6
