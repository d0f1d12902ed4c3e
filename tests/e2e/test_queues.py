# SPDX-License-Identifier: Apache-2.0
"""Several queues and workers, cables that are pulled, and a daemon that is killed, all under load."""
import signal
import threading
import time

import lab as rig
import pytest
from test_tunnels import UdpStream, gateways

# what a healthy network drops: broadcasts and the like that nobody answers, and what comes while a host's address is asked for
HEALTHY = {'none', 'not-ip', 'unanswered', 'ttl', 'too-big', 'no-endpoint'}


def only_expected_drops(gateway, *expected):
    drops = {reason: n for reason, n in gateway.drops().items() if n}
    assert set(drops) <= HEALTHY | set(expected), f'{gateway.host.name}: {drops}'
    assert drops.get('no-endpoint', 0) <= 64, f'{gateway.host.name}: {drops}: the host is known after its first packets'


def with_queues(lab, queues, workers):
    """As the fixture `pair`, a cable of several queues between the gateways."""
    lab.alice, lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.cable(lab.gw1, 'wan', lab.gw2, 'wan', queues=queues)
    for host, gateway, net in ((lab.alice, lab.gw1, '10.11.0'), (lab.bob, lab.gw2, '10.22.0')):
        lab.cable(host, 'eth0', gateway, 'lan', queues=queues)
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    made = gateways(lab, start=False)
    for g in made:
        with open(g.config) as f:
            text = f.read()
        g.config = lab.file(f'{g.host.name}-workers.yaml', text.replace('"host": {', '"host": {"workers": %d,' % workers, 1))
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    return made


@pytest.mark.parametrize('workers', [2, 4])
def test_four_queues(lab, workers):
    """Flows of all queues arrive whole, whichever worker serves which queue."""
    both = with_queues(lab, 4, workers)
    fetches, sums = [], []
    for client, server, address in ((lab.alice, lab.bob, '10.22.0.4'), (lab.bob, lab.alice, '10.11.0.4')):
        _, name, want = rig.serve_file(server, 2 << 20)

        def fetch(client=client, url=f'http://{address}:8080/{name}', want=want):
            sums.append((rig.fetch_sum(client, url), want))
        fetches += [threading.Thread(target=fetch) for _ in range(8)]
    for t in fetches:
        t.start()
    for t in fetches:
        t.join()
    assert len(sums) == 16 and all(got == want for got, want in sums), sums
    for g in both:
        assert len(g.json('status')['workers']) == workers
        only_expected_drops(g, 'no-buffer')


def test_flapping_cable_under_load(pair):
    """Ten flaps in ten seconds; what was on the cable is gone, nothing else, and the drops say why."""
    both = gateways(pair)
    pair.alice.ping('10.22.0.4')
    server = pair.bob.start('iperf3', '-s', name='load-server')
    rig.wait_for(lambda: ':5201' in pair.bob.run('ss', '-ltn').stdout, 'iperf3 to listen')
    load = pair.alice.start('iperf3', '-c', '10.22.0.4', '--bidir', '-b', '20M', '-t', '11', name='load-client')
    stream = UdpStream(pair.alice, pair.bob, '10.22.0.4')
    start = time.monotonic()
    for flap in range(10):
        pair.wire.run('ip', 'link', 'set', f'p-gw{1 + flap % 2}', 'down')
        time.sleep(0.2)
        pair.wire.run('ip', 'link', 'set', f'p-gw{1 + flap % 2}', 'up')
        time.sleep(max(0, start + flap + 1 - time.monotonic()))
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic to flow again',
                 explain=both[0].explain)
    sent, received = stream.finish()
    assert 0 < received < sent, f'{received} of {sent}: the flaps did not cut the stream, or for good'
    rig.wait_for(lambda: not load.alive(), 'the load to end', 60, load.text)
    server.stop(signal.SIGINT)
    pair.bob.ping('10.11.0.4')
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 1e6
    for g in both:
        # while the cable is out neighbours are forgotten, and frames for a dead device are refused
        only_expected_drops(g, 'no-neighbour', 'no-outer-route', 'redirect', 'no-buffer')


def esp_seen(capture):
    """[(source, SPI, sequence number)] of all ESP packets, as they were on the wire."""
    rows = capture.tshark('-Y', 'esp', '-T', 'fields', '-e', 'ip.src', '-e', 'esp.spi', '-e', 'esp.sequence').splitlines()
    return [tuple(row.split('\t')) for row in rows]


def test_killed_under_load(pair):
    """No (key, sequence number), which is GCM's nonce, is used twice: after kill -9 each SA is a new one."""
    g1, g2 = gateways(pair)
    capture = rig.Capture(pair.wire, 'br0')
    streams = [UdpStream(pair.alice, pair.bob, '10.22.0.4'), UdpStream(pair.bob, pair.alice, '10.11.0.4')]
    rig.wait_for(lambda: g1.connection('to2')['childSas'][0]['packetsIn'] > 500, 'the streams to flow', explain=g1.explain)
    killed = g1.connection('to2')
    before = killed['childSas'][0]
    g1.process.popen.send_signal(signal.SIGKILL)
    g1.process.popen.wait()
    g1.start()
    again = g1.wait_connected('to2', 60)
    after = again['childSas'][0]
    # keys are not shown; a new IKE SA has a new Diffie-Hellman secret and new nonces, which all keys come from
    assert not {killed[k] for k in ('ikeSpiInitiator', 'ikeSpiResponder')} & {again[k] for k in ('ikeSpiInitiator', 'ikeSpiResponder')}
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic after the crash',
                 explain=lambda: g1.explain() + g2.explain())
    rig.wait_for(lambda: min(g1.connection('to2')['childSas'][0][k] for k in ('packetsIn', 'packetsOut')) > 500, 'the streams to resume',
                 explain=g1.explain)
    for stream in streams:
        sent, received = stream.finish()
        assert sent > received > 1000, (sent, received)
    capture.stop()
    assert capture.dropped == 0, 'the capture is not complete'
    assert not {before['spiIn'], before['spiOut']} & {after['spiIn'], after['spiOut']}, (before, after)
    seen = esp_seen(capture)
    spis = {int(spi, 16) for _, spi, _ in seen}
    assert {int(sa[k], 16) for sa in (before, after) for k in ('spiIn', 'spiOut')} <= spis, spis
    assert len(set(seen)) == len(seen), 'a sequence number of an SA was on the wire twice'
