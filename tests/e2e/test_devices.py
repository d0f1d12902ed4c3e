# SPDX-License-Identifier: Apache-2.0
"""Devices under a running gateway: more queues, gone and made anew, down and up under load."""
import json
import threading
import time

import pytest

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
    rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic', explain=g.explain)


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
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4') > 1e6
    assert g1.process.stop() == 0
    # nothing is left on the new device
    assert 'xdp' not in lab.gw1.run('ip', 'link', 'show', 'wan').stdout


def jumbo(lab, lan=9000, wan=9000):
    """alice - gw1 - gw2 - bob with these MTUs"""
    lab.alice, lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.cable(lab.gw1, 'wan', lab.gw2, 'wan', mtu=wan)
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    for host, gw, net in ((lab.alice, lab.gw1, '10.11.0'), (lab.bob, lab.gw2, '10.22.0')):
        lab.cable(host, 'eth0', gw, 'lan', mtu=lan)
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')


def started(lab, transmit='socket', **host):
    made = gateways(lab, start=False)
    for g in made:
        with open(g.config) as f:
            config = json.load(f)
        config['host'].update(host)
        for p in config['host']['ports']:
            p['transmit'] = transmit
        with open(g.config, 'w') as f:
            json.dump(config, f)
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    flows(lab, made[0])
    return made


def multi_buffer(lab):
    return json.loads(lab.gw1.run(rig.XGW, 'doctor', '--json', check=False).stdout)['kernel']['multiBuffer']


def need_multi_buffer(lab):
    if not multi_buffer(lab):
        pytest.skip('AF_XDP of this kernel takes packets of one buffer alone')


def exact_mtu(lab, inner):
    """ping of the size that the tunnel names passes, one byte more is told"""
    lab.alice.run('ip', 'route', 'flush', 'cache')
    lab.alice.ping('10.22.0.4', size=inner - 28, more=('-M', 'do'))
    r = lab.alice.ping('10.22.0.4', size=inner - 27, more=('-M', 'do'), check=False)
    said = r.stdout + r.stderr
    assert r.returncode and (f'mtu = {inner}' in said or f'mtu={inner}' in said), said


def whole_file(lab):
    _, name, want = rig.serve_file(lab.bob)
    assert rig.fetch_sum(lab.alice, f'http://10.22.0.4:8080/{name}') == want


def test_large_mtu(lab):
    """Packets of several buffers, both ways and mixed with small ones; the size that passes is told to the byte."""
    jumbo(lab)
    if not multi_buffer(lab):
        g1, _ = started(lab)
        assert 'mtu device=wan port=wan0 mtu=9000 used=3456' in g1.process.text()
        exact_mtu(lab, g1.connection('to2')['path']['innerMtu'])
        return
    g1, g2 = started(lab)
    path = g1.connection('to2')['path']
    assert path['mtu'] == 9000 and 8900 < path['innerMtu'] < 8970, path
    exact_mtu(lab, path['innerMtu'])
    lab.alice.ping('10.22.0.4', size=30000)  # in pieces of its sender's
    for size in (100, *range(3200, 3700, 12), 4000, 7100, *range(7000, 7400, 23)):
        lab.alice.ping('10.22.0.4', size=size, count=1, more=('-M', 'do'))
    whole_file(lab)
    load = threading.Thread(target=lambda: rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=3))
    load.start()
    for _ in range(4):
        lab.bob.ping('10.11.0.4', count=3, size=300)
    load.join()
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2) > 50e6
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2, reverse=True) > 50e6
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert not g.drops().get('fragment'), g.drops()
        assert all(c['authFailed'] == 0 and c['replayed'] == 0 for c in g.connection(name)['childSas'])


def test_large_mtu_above_the_limit(lab):
    """What no buffer holds is told at the start, and hosts are told the size that passes."""
    jumbo(lab, wan=16000)
    g1, _ = started(lab)
    used = 9216 if multi_buffer(lab) else 3456
    assert f'mtu device=wan port=wan0 mtu=16000 used={used}' in g1.process.text()
    assert g1.connection('to2')['path']['mtu'] == used


def test_large_mtu_over_a_small_wire(lab):
    """Jumbo packets of a VNet: cut where they may be, else their sender is told."""
    jumbo(lab, wan=1500)
    need_multi_buffer(lab)
    g1, _ = started(lab)
    inner = g1.connection('to2')['path']['innerMtu']
    assert inner < 1500
    exact_mtu(lab, inner)
    lab.alice.run('ip', 'route', 'flush', 'cache')
    lab.alice.ping('10.22.0.4', size=8000, more=('-M', 'dont'))
    rig.wait_for(lambda: g1.drops().get('too-big', 0) >= 1, 'the refusal to be counted', explain=g1.explain)
    whole_file(lab)


def test_large_mtu_into_a_small_network(lab):
    """The wire is large, one VNet is not: the far gateway cuts, or tells through the tunnel."""
    jumbo(lab)
    need_multi_buffer(lab)
    lab.bob.run('ip', 'link', 'set', 'eth0', 'mtu', '1500')
    lab.gw2.run('ip', 'link', 'set', 'lan', 'mtu', '1500')
    _, g2 = started(lab)
    lab.alice.ping('10.22.0.4', size=8000, more=('-M', 'dont'))
    r = lab.alice.ping('10.22.0.4', size=8000, more=('-M', 'do'), check=False)
    assert 'mtu = 1500' in r.stdout or 'mtu=1500' in r.stdout + r.stderr, r.stdout + r.stderr
    rig.wait_for(lambda: g2.drops().get('too-big', 0) >= 1, 'the refusal to be counted', explain=g2.explain)
    whole_file(lab)


def test_large_mtu_with_bulk_sending(lab):
    """Packets of several buffers go by the socket among bursts that go by XDP; each flow keeps its order."""
    jumbo(lab)
    need_multi_buffer(lab)
    g1, g2 = started(lab, transmit='xdp')
    exact_mtu(lab, g1.connection('to2')['path']['innerMtu'])
    whole_file(lab)
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2) > 50e6
    rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2, udp=('100M', 1300))
    assert sum(w['sentByXdp'] for w in g1.json('status')['workers']) > 0
    assert all(c['replayed'] == 0 for c in g2.connection('to1')['childSas'])


def test_large_mtu_with_helpers(lab):
    """Two workers, one queue: the second one does cryptography on large buffers of the first."""
    jumbo(lab)
    need_multi_buffer(lab)
    g1, g2 = started(lab, workers=2, cryptoBackend='openssl')
    whole_file(lab)
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=3) > 50e6
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', seconds=2, reverse=True) > 50e6
    assert sum(w['jobsHelped'] for g in (g1, g2) for w in g.json('status')['workers']) > 0
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert all(c['authFailed'] == 0 and c['replayed'] == 0 for c in g.connection(name)['childSas'])


def test_large_mtu_in_generic_mode(lab):
    jumbo(lab)
    need_multi_buffer(lab)
    g1, _ = started(lab, xdpMode='generic')
    exact_mtu(lab, g1.connection('to2')['path']['innerMtu'])
    whole_file(lab)


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
