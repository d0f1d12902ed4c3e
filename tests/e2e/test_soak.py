# SPDX-License-Identifier: Apache-2.0
"""
A day of rekeying in little time: SAs replaced each second under load, where the shortest lifetime is 300 s, so that 600 s
see as many as 50 hours. SOAK_SECONDS says how long.
"""
import os
import re
import time

import lab as rig
from test_tunnels import UdpStream, gateways

SECONDS = int(os.environ.get('SOAK_SECONDS', '30'))
# what allocators and tables take until they have their size; a child SA leaked each second is more within ten minutes
GROWTH_KB = 4096


def replace_sas(gateways_and_names, seconds):
    """Rekeys once a second from each end in turn; returns how often, and the memory of each after a quarter of the time."""
    spis, settled = set(), None
    start = time.monotonic()
    for turn in range(seconds):
        gateway, name = gateways_and_names[turn % 2]
        before = gateway.connection(name)['childSas'][0]['spiIn']
        spis.add(before)
        gateway.command('rekey', name)
        rig.wait_for(lambda: gateway.connection(name)['childSas'][0]['spiIn'] != before, 'a new child SA', explain=gateway.explain)
        now = gateway.connection(name)['childSas'][0]['spiIn']
        assert now not in spis, f'SPI {now} came again'
        if not settled and time.monotonic() - start > seconds / 4:
            settled = [g.resident_kb() for g, _ in gateways_and_names]
        left = start + turn + 1 - time.monotonic()
        if left > 0:
            time.sleep(left)
        if time.monotonic() - start > seconds:
            break
    return turn + 1, settled


def test_rekeying_each_second_loses_nothing(pair):
    g1, g2 = gateways(pair)
    ends = ((g1, 'to2'), (g2, 'to1'))
    pair.alice.ping('10.22.0.4')
    server = pair.bob.start('iperf3', '-s', '-1', name='load-server')
    rig.wait_for(lambda: ':5201' in pair.bob.run('ss', '-ltn').stdout, 'iperf3 to listen')
    # below what two cores can do, since a full queue may drop: whatever is lost here, the gateways lost
    load = pair.alice.start('iperf3', '-c', '10.22.0.4', '--bidir', '-b', '40M', '-t', str(SECONDS + 3), name='load-client')
    streams = [UdpStream(pair.alice, pair.bob, '10.22.0.4'), UdpStream(pair.bob, pair.alice, '10.11.0.4')]
    rekeys, settled = replace_sas(ends, SECONDS)
    lost = {}
    for way, stream in zip(('alice to bob', 'bob to alice'), streams):
        sent, received = stream.finish()
        assert sent > 500 * SECONDS, f'{way}: only {sent} probes in {SECONDS} s: the machine is too busy to tell'
        if received != sent:
            lost[way] = f'{sent - received} of {sent}'
    rig.wait_for(lambda: not load.alive(), 'the load to end', 30, load.text)
    assert load.popen.returncode == 0, load.text()
    server.stop()
    rates = re.findall(r'\[(?:TX|RX)-C\].*?([\d.]+) Mbits/sec.*receiver', load.text())
    assert len(rates) == 2 and min(float(r) for r in rates) > 10, load.text()[-1000:]
    assert not lost, f'{lost}; {g1.drops()} {g2.drops()}'
    assert rekeys >= 0.7 * SECONDS, f'{rekeys} rekeys in {SECONDS} s'
    for (gateway, name), before in zip(ends, settled):
        assert gateway.resident_kb() - before <= GROWTH_KB, f'{name}: {before} kB grew to {gateway.resident_kb()} kB'
        complaints = [line for line in gateway.process.text().splitlines() if re.search(r'\b(error|fatal|Sanitizer)\b', line, re.I)]
        assert not complaints, complaints[:10]
        assert gateway.connection(name)['lastError'] is None
        # old SAs go: what is left is the newest and those that still drain
        assert len(gateway.connection(name)['childSas']) == 1
    print(f'{rekeys} rekeys, memory {settled} -> {[g.resident_kb() for g, _ in ends]} kB')
