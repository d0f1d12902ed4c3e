# SPDX-License-Identifier: Apache-2.0
"""
Who comes to the SSTP server with nothing good in mind (sstp_strangers.py): bounded in number, in time and in memory, and counted; a client
comes in beside them, and the gateway answers.
"""
import json
import os
import select
import subprocess
import time

import lab as rig
import pytest
from cryptography import x509
from pki import Entity

HERE = os.path.dirname(os.path.realpath(__file__))
LOAD = os.path.join(rig.ROOT, 'build', 'tests', 'bench', 'sstp_load')
GW, PASSWORD = 'gw.example.org', 'Pa55word!'
SOURCES = [f'203.0.113.{n}' for n in range(100, 120)]
SECONDS = 10   # for TLS; and again for the request


class Program:
    """Says a line when it is ready and one when it is through; ends when its input does."""

    def __init__(self, host, *argv):
        self.popen = subprocess.Popen(host.enter() + list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      preexec_fn=host.lab.preexec)

    def line(self, seconds=30):
        assert select.select([self.popen.stdout], [], [], seconds)[0], 'nothing is said'
        return self.popen.stdout.readline()

    def says(self, seconds=30):
        line = self.line(seconds)
        assert line.startswith('{'), line + self.popen.stdout.read()
        return json.loads(line)

    def end(self):
        out = self.popen.communicate(timeout=30)[0]
        assert self.popen.returncode == 0, out
        return out


def strangers(lab, *words):
    return Program(lab.road, '/usr/bin/python3', os.path.join(HERE, 'sstp_strangers.py'), *words)


def load(lab, n=1, pings=20, *more):
    return Program(lab.road, LOAD, '203.0.113.1', '443', 'bob', PASSWORD, str(n), str(pings), '10.11.0.4', *more)


@pytest.fixture(scope='module')
def world():
    """
    alice 10.11.0.4 - gw1 (xgw, 203.0.113.1) === wire === road (203.0.113.5 and the strangers' addresses); a tunnel of gw1's to
    gw2 (xgw, 203.0.113.2) - bob 10.22.0.4
    """
    made = rig.Lab()
    try:
        topology(made)
        yield made
        made.gateway.process.stop()
        made.other.process.stop()
    finally:
        made.close()


def tunnel_config(n, other, **remote):
    return rig.gateway_config(f'VNet{n}', 1000 + n, [f'10.{n * 11}.0.0/16'], f'10.{n * 11}.0.1/24', f'203.0.113.{n}',
                              [{'name': f'to{other}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{other}GW'}],
                              remotes=[{'name': f'VNet{other}GW', 'publicIPAddress': f'203.0.113.{other}',
                                        'addressSpace': [f'10.{other * 11}.0.0/16'], **remote}])


def topology(lab):
    wire = lab.switch('wire')
    lab.alice, lab.gw1, lab.road = alice, gw1, road = tuple(lab.host(n) for n in ('alice', 'gw1', 'road'))
    gw2, bob = lab.host('gw2'), lab.host('bob')
    for h in (gw1, gw2, road):
        lab.plug(wire, h, 'wan')
    lab.cable(alice, 'eth0', gw1, 'lan')
    lab.cable(bob, 'eth0', gw2, 'lan')
    gw2.address('wan', '203.0.113.2/24')
    bob.address('eth0', '10.22.0.4/24')
    bob.route('default', 'via', '10.22.0.1')
    gw1.address('wan', '203.0.113.1/24')
    road.address('wan', '203.0.113.5/24', *(s + '/24' for s in SOURCES))
    alice.address('eth0', '10.11.0.4/24')
    alice.route('default', 'via', '10.11.0.1')
    own = Entity(GW, by=Entity('root', ca=True, kind='rsa'), kind='rsa', san=x509.DNSName(GW))
    c = tunnel_config(1, 2)
    c['virtualNetworkGateways'][0].update(
        identity=GW, certificate={'chain': lab.file('gw.pem', own.pem().decode()), 'key': {'file': lab.file('gw.key', own.private().decode())}},
        vpnClientConfiguration={'vpnClientAddressPool': ['172.16.0.0/22'], 'vpnClientProtocols': ['SSTP'],
                                'users': [{'name': 'bob', 'password': {'file': lab.file('bob', PASSWORD)}}]})
    lab.gateway, lab.other = rig.Xgw(gw1, c), rig.Xgw(gw2, tunnel_config(2, 1, identity=GW))
    lab.other.start()
    start(lab)


def start(lab):
    lab.gateway.start()
    lab.gateway.wait_connected('to2')
    lab.alice.ping('10.22.0.4')


def counts(lab):
    return lab.gateway.json('status')['sstp']


def quiet(lab):
    g = lab.gateway
    rig.wait_for(lambda: not g.json('status')['clients'] and not counts(lab)['halfOpen'], 'all to be gone', explain=g.explain)


@pytest.fixture
def lab(world):
    quiet(world)
    yield world
    quiet(world)


def comes_in(lab):
    """A client that means well is served, and so is who asks for the status; how long the latter took."""
    since = time.monotonic()
    good = load(lab)
    good.says()
    asked = time.monotonic()
    assert [c['connectionStatus'] for c in lab.gateway.json('status')['clients']][-1:] == ['Connected']
    answered = time.monotonic()
    good.end()
    print(f'client in after {asked - since:.2f} s, status after {answered - asked:.2f} s')
    return answered - asked


def cpu(lab):
    """Seconds of the event loop, and of the thread of TLS."""
    spent, pid = {}, lab.gateway.process.popen.pid
    for t in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{t}/stat') as f:
            name, fields = f.read().split('(', 1)[1].rsplit(')', 1)
        spent['loop' if int(t) == pid else name] = sum(int(x) for x in fields.split()[11:13]) / os.sysconf('SC_CLK_TCK')
    return spent['loop'], spent['xgw-sstp']


def new_keys(lab):
    """The tunnel gets new keys, by IKE between the gateways, and how long that took."""
    g, since = lab.gateway, time.monotonic()

    def spis():
        return {s['spiOut'] for s in g.connection('to2')['childSas']}
    before = spis()
    g.command('rekey', 'to2')
    rig.wait_for(lambda: spis() - before, 'a rekeyed tunnel', explain=g.explain)
    took = time.monotonic() - since
    lab.alice.ping('10.22.0.4')
    return took


def test_half_open(lab):
    """
    1 000 connections from 20 addresses: half say nothing, half a ClientHello, to which the server has answered; what that costs is not the
    event loop's, where IKE goes on.
    """
    g, before, memory, (loop, tls) = lab.gateway, counts(lab), lab.gateway.resident_kb(), cpu(lab)
    crowd = strangers(lab, 'half', '1000', *SOURCES)
    assert crowd.says() == {'open': 1000}
    rig.wait_for(lambda: counts(lab)['halfOpen'] == 1000, 'all to be counted', explain=lambda: str(counts(lab)))
    print(f'new keys after {new_keys(lab):.2f} s')
    assert comes_in(lab) < SECONDS / 2
    each, (loop_after, tls_after) = (g.resident_kb() - memory) / 1000, cpu(lab)
    print(f'CPU of the loop {loop_after - loop:.2f} s, of TLS {tls_after - tls:.2f} s')
    assert tls_after - tls > 2 * (loop_after - loop)
    assert counts(lab)['halfOpen'] >= 900, 'the crowd was gone before the client came'
    assert each < 150, f'{each} KiB of each'
    said, after = crowd.says(), counts(lab)
    print(said, f'{each:.0f} KiB of each')
    for kind in ('silent', 'hello'):
        assert said[kind]['ended'] == 500 and said[kind]['shortest'] > SECONDS - 1 and said[kind]['longest'] < SECONDS + 5, said
    assert after['tooSlow'] - before['tooSlow'] == 1000 and after['accepted'] - before['accepted'] >= 1001
    assert after['refusedFull'] == before['refusedFull'] and after['refusedSource'] == before['refusedSource']
    crowd.end()


def test_slow_and_deaf(lab):
    """A byte a second of a ClientHello, and of the request behind TLS; and one that has all answered and reads nothing."""
    g, before, memory = lab.gateway, counts(lab), lab.gateway.resident_kb()
    crowd = strangers(lab, 'drip')
    assert crowd.says() == {'open': 9}
    comes_in(lab)
    said, after = crowd.says(), counts(lab)
    print(said, after)
    assert {k: v['ended'] for k, v in said.items()} == {'tls': 3, 'http': 3, 'unread': 3}, said
    for kind in ('tls', 'http'):
        assert said[kind]['shortest'] > SECONDS - 1 and said[kind]['longest'] < SECONDS + 5, said
    assert said['unread']['longest'] < SECONDS
    assert after['tooSlow'] - before['tooSlow'] == 6 and after['unread'] - before['unread'] == 3
    assert g.resident_kb() - memory < 20_000
    crowd.end()


def test_deaf_client(lab):
    """Connected, it reads nothing of what is sent to it: what finds no room in its ring is dropped, and others notice nothing."""
    g = lab.gateway
    deaf = load(lab, 1, 0)
    deaf.says()
    address = g.json('status')['clients'][0]['addresses'][0]
    memory = g.resident_kb()
    flood = f'import socket; s = socket.socket(type=socket.SOCK_DGRAM); [s.sendto(bytes(1300), ("{address}", 9)) for _ in range(15000)]'
    lab.alice.run('/usr/bin/python3', '-c', flood)
    rig.wait_for(lambda: g.drops().get('client-queue', 0), 'drops', explain=lambda: str(g.drops()))
    assert comes_in(lab) < 5   # none of its packets was lost, or it would not be
    assert g.resident_kb() - memory < 5_000
    deaf.end()


def test_few_files(lab, monkeypatch):
    """Where the process may open few files there are fewer strangers, not none of anything else."""
    g, xgw = lab.gateway, rig.XGW
    wrapped = lab.file('xgw', f'#!/bin/sh\nexec prlimit --nofile=512:512 {xgw} "$@"\n', 0o700)
    g.process.stop()
    monkeypatch.setattr(rig, 'XGW', wrapped)
    start(lab)
    monkeypatch.setattr(rig, 'XGW', xgw)
    crowd = strangers(lab, 'half', '600', *SOURCES)
    assert crowd.says() == {'open': 600}
    rig.wait_for(lambda: counts(lab)['accepted'] == 600, 'all to be counted', explain=lambda: str(counts(lab)))
    now = counts(lab)
    assert now['refusedFull'] >= 600 - 256 and now['halfOpen'] <= 128, now
    comes_in(lab)
    assert counts(lab)['halfOpen'] > 100, 'the crowd was gone before the client came'
    crowd.popen.kill()
    crowd.popen.wait()
