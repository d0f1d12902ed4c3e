# SPDX-License-Identifier: Apache-2.0
"""A gateway's bandwidth, which all of its connections share, a circuit's, and what is counted where."""
import json

import lab as rig
from test_circuits import World, config
from test_tunnels import gateways


def limited(pair, mbps):
    made = gateways(pair, start=False)
    with open(made[0].config) as f:
        config = json.load(f)
    config['virtualNetworkGateways'][0]['bandwidthInMbps'] = mbps
    with open(made[0].config, 'w') as f:
        json.dump(config, f)
    for g in made:
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    return made


def test_bandwidth_is_held_both_ways_together(pair):
    g1, _ = limited(pair, 40)
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    for reverse in (False, True):
        # 5 s at the rate and two bursts of 512 KiB
        assert 12e6 < rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=5, reverse=reverse) < 42e6
    end = rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=4, udp=('80M', 1200))
    passed = end['bytes'] * (1 - end['lost_percent'] / 100) * 8 / 4
    assert 36e6 < passed < 43e6, end
    g = g1.json('status')['gateways'][0]
    assert g['bandwidthInMbps'] == 40 and g['overRatePackets'] > 0 and g['activeConnections'] <= 1
    rig.wait_for(lambda: g1.drops().get('rate', 0) > 0, 'the drops counted', explain=lambda: str(g1.drops()))


def test_without_a_limit_nothing_is_dropped(pair):
    g1, g2 = gateways(pair)
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=2) > 50e6
    for g in (g1, g2):
        assert g.drops().get('rate', 0) == 0
        assert g.json('status')['gateways'][0]['bandwidthInMbps'] is None


def test_accounts_agree(pair):
    """Gateway, connection, child SA, port, queue and worker count the same packets."""
    # one end begins: of two IKE SAs that both ends began one goes, and its child SA with what it counted
    g1, g2 = gateways(pair, two={'connectionMode': 'ResponderOnly'})
    # the first packets find out where the hosts are
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    before = [g.json('status')['gateways'][0] for g in (g1, g2)]
    pair.alice.ping('10.22.0.4', size=1000, count=50, more=('-i', '0.01'))
    s1, s2 = g1.json('status'), g2.json('status')
    for s, old in zip((s1, s2), before):
        gateway, connection = s['gateways'][0], s['connections'][0]
        for way in ('ingress', 'egress'):
            assert gateway[way + 'Packets'] == connection[way + 'Packets'] == old[way + 'Packets'] + 50
            assert gateway[way + 'Bytes'] == connection[way + 'Bytes'] == old[way + 'Bytes'] + 50 * 1028
        # what a child SA that was replaced carried stays with the connection
        assert 50 <= sum(c['packetsIn'] for c in connection['childSas']) <= gateway['ingressPackets']
        workers = s['workers']
        assert sum(w['packetsOut'] for w in workers) == sum(p['workers']['packetsOut'] for p in s['ports'])
        assert sum(w['bytesIn'] for w in workers) == sum(p['workers']['bytesIn'] for p in s['ports'])
        assert sum(q['packets'] for w in workers for q in w['queues']) == sum(w['packetsIn'] for w in workers) >= 100
        assert all(p['queueImbalance'] >= 1 for p in s['ports'])
        r = workers[0]['residenceMicroseconds']
        assert sum(r['buckets']) == r['samples'] > 0
        assert 0 < r['p50'] <= r['p99'] <= r['max']
        assert 0 < workers[0]['busy'] < 1


def through_circuit(w, receiver, *more):
    """
    (Mbit/s of IP that arrived of twelve flows of 4 Mbit/s each, packets that came by each of the two links). Twelve, so that chance
    leads all of them by one link once in two thousand times.
    """
    def packets():
        return [int(h.run('cat', f'/sys/class/net/{d}/statistics/rx_packets').stdout) for h, d in ((receiver, 'eth0'), (w.pe, 'er0'), (w.pe, 'er1'))]
    server = w.bob.start('iperf3', '-s', '-1', name=f'iperf3-{len(w.lab.processes)}')
    rig.wait_for(lambda: ':5201' in w.bob.run('ss', '-ltn').stdout, 'iperf3 to listen')
    before = packets()
    said = json.loads(w.alice.run('iperf3', '-J', '-c', '10.99.0.4', '-t', '3', '-u', '-b', '4M', '-l', '1200', '-P', '12', *more).stdout)
    server.stop()
    # not by what iperf3 says is lost: the last ones it does not miss
    arrived, *links = (a - b for a, b in zip(packets(), before))
    return arrived * 1228 * 8 / said['end']['sum']['seconds'] / 1e6, links


def test_circuit_shares_its_bandwidth(lab):
    """Both links of a circuit together have its bandwidth, each direction of its own; what routers say to each other is free of it."""
    w = World(lab)
    c = config()
    c['expressRouteCircuits'][0]['bandwidthInMbps'] = 20
    # detection of three times 300 ms: a busy machine does not lose the links meanwhile
    w.start(ms=300, given=c, bfdIntervalMilliseconds=300)
    w.alice.ping('10.99.0.4', count=3)
    mbps, by_link = through_circuit(w, w.bob)
    # a little more at the beginning, which is the burst; the time is of a busy machine
    assert 14 < mbps < 21.5 and min(by_link) > 500, (mbps, by_link)
    assert w.g.drops()['circuit-rate'] > 2000
    mbps, _ = through_circuit(w, w.alice, '-R')
    assert 14 < mbps < 21.5, mbps
    assert w.links() == ['up', 'up'] and w.tunnel_packets() == 0
    assert w.g.json('status')['circuits'][0]['bandwidthInMbps'] == 20
