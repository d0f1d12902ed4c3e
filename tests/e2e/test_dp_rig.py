# SPDX-License-Identifier: Apache-2.0
"""The data path between two gateways: sizes, several queues and workers, a device that goes away and comes back."""
import threading

import lab as rig
from test_tunnels import gateways


def test_fragments_cross_the_tunnel(pair):
    """Without DF a packet of the VNet's MTU is cut before ESP and put together by the far host."""
    g1, g2 = gateways(pair)
    pair.alice.ping('10.22.0.4', size=1472, more=('-M', 'dont'))
    pair.bob.ping('10.11.0.4', size=4000, more=('-M', 'dont'))
    capture = rig.Capture(pair.wire, 'br0')
    pair.alice.ping('10.22.0.4', size=3000, more=('-M', 'dont'))
    capture.stop()
    # what is on the wire are whole ESP packets
    assert capture.tshark('-Y', 'ip.flags.mf == 1 or ip.frag_offset > 0') == ''
    assert capture.tshark('-Y', 'esp') != ''
    for g in (g1, g2):
        assert g.drops().get('too-big', 0) == 0


def test_df_is_told_the_mtu(pair):
    g1, _ = gateways(pair)
    r = pair.alice.ping('10.22.0.4', size=1472, more=('-M', 'do'), check=False)
    assert 'ssage too long' in r.stdout + r.stderr or 'Frag needed' in r.stdout, r.stdout + r.stderr
    mtu = int(pair.alice.run('ip', 'route', 'get', '10.22.0.4').stdout.split('mtu ')[1].split()[0])
    assert 1300 <= mtu < 1500
    pair.alice.ping('10.22.0.4', size=mtu - 28, more=('-M', 'do'))
    # the workers' counts reach the map each second
    rig.wait_for(lambda: g1.drops().get('too-big', 0) >= 1, 'the drop counted', explain=lambda: str(g1.drops()))


def test_last_hop_to_the_gateway_itself(pair):
    """TTL 2: one hop at alice's gateway, none at bob's, which is the destination."""
    gateways(pair)
    pair.alice.ping('10.22.0.1', more=('-t', '2'))


def test_two_queues_two_workers(lab):
    alice, gw1, gw2, bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.cable(gw1, 'wan', gw2, 'wan', queues=2)
    lab.cable(alice, 'eth0', gw1, 'lan', queues=2)
    lab.cable(bob, 'eth0', gw2, 'lan', queues=2)
    gw1.address('wan', '203.0.113.1/24', '2001:db8::1/64')
    gw2.address('wan', '203.0.113.2/24', '2001:db8::2/64')
    for host, net in ((alice, '10.11.0'), (bob, '10.22.0')):
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')
    lab.alice, lab.gw1, lab.gw2, lab.bob = alice, gw1, gw2, bob
    g1, g2 = gateways(lab)
    # one child SA for any worker and one for each (RFC 9611); what one end calls worker 0 may be any of the other's
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        rig.wait_for(lambda: {c['worker'] for c in g.connection(name)['childSas']} == {None, 0, 1}, 'a child SA of each worker',
                     explain=g.explain)
    _, name, want = rig.serve_file(bob)
    sums = []
    fetches = [threading.Thread(target=lambda: sums.append(rig.fetch_sum(alice, f'http://10.22.0.4:8080/{name}'))) for _ in range(8)]
    for t in fetches:
        t.start()
    for t in fetches:
        t.join()
    assert sums == [want] * 8
    for g in (g1, g2):
        workers = g.json('status')['workers']
        assert len(workers) == 2
        assert g.drops().get('no-socket', 0) == 0
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        own = [c for c in g.connection(name)['childSas'] if c['worker'] is not None]
        assert sum(c['packetsOut'] for c in own) > 0 and sum(c['packetsIn'] for c in own) > 0, own


def test_device_down_and_up(pair):
    """Sending into a device that is down costs neither the worker nor the tunnel."""
    g1, _ = gateways(pair)
    pair.alice.ping('10.22.0.4')
    pair.wire.run('ip', 'link', 'set', 'p-gw1', 'down')
    pair.alice.ping('10.22.0.4', check=False)
    pair.wire.run('ip', 'link', 'set', 'p-gw1', 'up')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic to flow again',
                 explain=g1.explain)
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 1e6
