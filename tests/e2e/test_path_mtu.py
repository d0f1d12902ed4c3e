# SPDX-License-Identifier: Apache-2.0
"""A narrow link between two gateways: routers' errors are believed when they quote our ESP, pieces are put together."""
import os
import random

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

import lab as rig
from test_tunnels import gateways

MTU = 1400


@pytest.fixture
def narrow(lab):
    """alice - gw1 (203.0.113.1) - router = 1400 bytes = (198.51.100.2) gw2 - bob"""
    lab.alice, lab.gw1, lab.router, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'router', 'gw2', 'bob'))
    lab.cable(lab.gw1, 'wan', lab.router, 'one')
    lab.cable(lab.router, 'two', lab.gw2, 'wan')
    for host, device in ((lab.router, 'two'), (lab.gw2, 'wan')):
        host.run('ip', 'link', 'set', device, 'mtu', str(MTU))
    lab.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    lab.router.address('one', '203.0.113.254/24', '2001:db8:1::fe/64')
    lab.router.address('two', '198.51.100.254/24', '2001:db8:2::fe/64')
    lab.gw1.address('wan', '203.0.113.1/24', '2001:db8:1::1/64')
    lab.gw2.address('wan', '198.51.100.2/24', '2001:db8:2::2/64')
    for host, v4, v6 in ((lab.gw1, '203.0.113.254', '2001:db8:1::fe'), (lab.gw2, '198.51.100.254', '2001:db8:2::fe')):
        host.route('default', 'via', v4)
        host.run('ip', '-6', 'route', 'add', 'default', 'via', v6)
    for host, dev, net in ((lab.alice, lab.gw1, '10.11.0'), (lab.bob, lab.gw2, '10.22.0')):
        lab.cable(host, 'eth0', dev, 'lan')
        host.address('eth0', f'{net}.4/24')
        host.route('default', 'via', f'{net}.1')
    return lab


def start(narrow, public=('203.0.113.1', '198.51.100.2'), **connection):
    made = gateways(narrow, public=public, connection=connection)
    rig.wait_for(lambda: narrow.alice.once('10.22.0.4'), 'traffic',
                 explain=lambda: made[0].explain() + made[1].explain())
    return made


@pytest.mark.parametrize('public', [('203.0.113.1', '198.51.100.2'), ('2001:db8:1::1', '2001:db8:2::2')], ids=['ipv4', 'ipv6'])
def test_mtu_is_learnt(narrow, public):
    g1, g2 = start(narrow, public)
    assert g1.connection('to2')['path']['mtu'] == 1500
    narrow.alice.ping('10.22.0.4', size=1360, more=('-M', 'do'), check=False)
    rig.wait_for(lambda: g1.connection('to2')['path']['learntMtu'] == MTU, 'the MTU learnt', explain=g1.explain)
    path = g1.connection('to2')['path']
    assert path['mtu'] == MTU and path['deviceMtu'] == 1500 and path['innerMtu'] < MTU - 40
    # the host is told, and what it sends now arrives; the largest that may
    r = narrow.alice.ping('10.22.0.4', size=1360, more=('-M', 'do'), check=False)
    assert 'ssage too long' in r.stdout + r.stderr or 'Frag needed' in r.stdout, r.stdout + r.stderr
    narrow.alice.ping('10.22.0.4', size=path['innerMtu'] - 28, more=('-M', 'do'))
    assert g1.json('status')['pathMtuMessages']['learnt'] == 1
    # the other way nothing was wrong
    assert g2.connection('to1')['path']['learntMtu'] == 0


# SECURITY C21: ICMP errors that somebody made up.
def test_forged_errors_change_nothing(narrow):
    g1, _ = start(narrow)
    forge = '''
import socket, struct, sys
def checksum(b):
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return ~(s + (s >> 16)) & 0xffff
quote = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 1452, 0, 0x4000, 64, 50, 0, socket.inet_aton('203.0.113.1'),
                    socket.inet_aton('198.51.100.2'))
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for spi in (1, 0xc0000001, int(sys.argv[1], 16)):
    body = quote + struct.pack('!II', spi, 0x70000000)
    icmp = struct.pack('!BBHHH', 3, 4, 0, 0, 600) + body
    icmp = icmp[:2] + struct.pack('!H', checksum(icmp)) + icmp[4:]
    s.sendto(icmp, ('203.0.113.1', 0))
'''
    spi = g1.connection('to2')['childSas'][0]['spiOut']
    narrow.router.run('/usr/bin/python3', '-c', forge, spi)
    rig.wait_for(lambda: g1.json('status')['pathMtuMessages']['sequence'] == 1, 'the forgeries counted',
                 explain=lambda: str(g1.json('status')['pathMtuMessages']))
    counts = g1.json('status')['pathMtuMessages']
    assert counts['unknown-sa'] == 2 and counts['learnt'] == 0
    assert g1.connection('to2')['path']['mtu'] == 1500


@pytest.mark.parametrize('encapsulation', ['auto', 'always'])
def test_pieces_of_esp(narrow, encapsulation):
    """Inner packets that may be cut make outer ones that may: the router cuts, the kernel joins, the worker decrypts."""
    g1, g2 = start(narrow, udpEncapsulation=encapsulation)
    before = g2.connection('to1')['ingressPackets']
    narrow.alice.ping('10.22.0.4', size=1380, count=20, more=('-M', 'dont', '-i', '0.02'), check=False)
    assert g2.connection('to1')['ingressPackets'] == before + 20
    joined = dict(line.split()[:2] for line in
                  narrow.gw2.run('nstat', '-asz', 'IpReasmOKs').stdout.splitlines() if line.startswith('Ip'))
    assert int(joined['IpReasmOKs']) >= 20
    assert g1.connection('to2')['path']['mtu'] == 1500
    # missing pieces: nothing but the loss of those
    narrow.gw2.run('nft', '-f', '-', text_in='table ip raw { chain pre { type filter hook prerouting priority -500; '
                   'ip frag-off & 0x1fff != 0 drop; }\n}\n')
    narrow.alice.ping('10.22.0.4', size=1380, count=20, more=('-M', 'dont', '-i', '0.02', '-W', '1'), check=False)
    narrow.alice.ping('10.22.0.4', size=500, count=5, more=('-i', '0.02'))


class Pieces:
    """Who sits at the router: takes genuine ESP packets of alice out of the way and sends them on in pieces of his own."""
    DROP = 'table ip taken { chain forward { type filter hook forward priority 0; ip protocol esp drop; }\n}\n'

    def __init__(self, narrow, gateway):
        self.narrow, self.gateway, self.number = narrow, gateway, 1000
        narrow.router.run('nft', '-f', '-', text_in=self.DROP)
        capture = rig.Capture(narrow.router, 'one', 'ip proto 50 and src 203.0.113.1')
        narrow.alice.ping('10.22.0.4', size=600, count=12, more=('-M', 'dont', '-i', '0.01', '-W', '1'), check=False)
        capture.stop()
        narrow.router.run('nft', 'delete', 'table', 'ip', 'taken')
        self.taken = [p[IP] for p in rdpcap(capture.path)]
        self.macs = [rig.mac_of(narrow.router, 'two'), rig.mac_of(narrow.gw2, 'wan')]

    def cut(self, sizes_and_offsets, more_after=False):
        """The next packet taken as [(offset, size)], offsets in bytes; all of one datagram."""
        p = self.taken.pop(0)
        body = bytes(p.payload)
        self.number += 1
        pieces = []
        for offset, size in sizes_and_offsets(len(body)):
            is_last = offset + size >= len(body) and not more_after
            pieces.append(IP(src=p.src, dst=p.dst, proto=50, id=self.number, ttl=64, flags=0 if is_last else 'MF',
                             frag=offset // 8) / Raw(body[offset:offset + size]))
        return pieces

    def send(self, pieces):
        frames = [Ether(src=self.macs[0], dst=self.macs[1]) / p for p in pieces]
        path = os.path.join(self.narrow.dir, 'pieces.pcap')
        wrpcap(path, frames)
        self.narrow.router.run('/usr/bin/python3', '-c', 'import sys; from scapy.all import conf, rdpcap\n'
                               's = conf.L2socket(iface="two")\nfor p in rdpcap(sys.argv[1]): s.send(p)', path)

    def arrived(self):
        return self.gateway.connection('to1')['ingressPackets']

    def expect(self, pieces, packets, what):
        before = self.arrived()
        self.send(pieces)
        if packets:
            rig.wait_for(lambda: self.arrived() >= before + packets, what, explain=self.gateway.explain)
        # what must not arrive is not there when what was sent later is
        self.narrow.alice.ping('10.22.0.4', count=2, more=('-i', '0.2'))
        assert self.arrived() == before + packets + 2, what


def every(step):
    return lambda n: [(at, step) for at in range(0, n, step)]


# SECURITY C21: overlapping fragments of ESP.
def test_hostile_pieces(narrow):
    """Tiny, in any order, twice, overlapping, missing, and a flood of first pieces: the kernel's caps hold, the tunnel goes on."""
    g1, g2 = start(narrow)
    narrow.gw2.run('sysctl', '-qw', 'net.ipv4.ipfrag_time=2')
    pieces = Pieces(narrow, g2)
    assert len(pieces.taken) >= 10
    tiny = pieces.cut(every(8))
    random.Random(1).shuffle(tiny)
    pieces.expect(tiny, 1, 'pieces of eight bytes in any order')
    pieces.expect([p for p in pieces.cut(every(64)) for _ in (1, 2)], 1, 'every piece twice')
    overlapping = pieces.cut(lambda n: [(0, 128), (64, 256), (320, n - 320)])
    pieces.expect(overlapping, 0, 'overlapping pieces')
    pieces.expect(pieces.cut(every(64))[:-1], 0, 'the last piece missing')
    pieces.expect(pieces.cut(every(64))[1:], 0, 'the first piece missing')
    pieces.expect(pieces.cut(lambda n: [(0, 64), (65528, 64)]), 0, 'a piece that ends behind 64 KiB')
    pieces.expect(pieces.cut(every(64), more_after=True), 0, 'no last piece')
    memory = g2.resident_kb()
    first = pieces.cut(lambda n: [(0, 512)])[0]
    flood = []
    for number in range(12000):
        p = first.copy()
        p.id = number % 65536
        p.src = f'203.0.113.{number % 3 + 1}'
        flood.append(p)
    pieces.expect(flood, 0, 'a flood of first pieces')
    assert g2.resident_kb() - memory < 2048
    used = next(line for line in narrow.gw2.run('cat', '/proc/net/sockstat').stdout.splitlines() if line.startswith('FRAG'))
    limit = int(narrow.gw2.run('sysctl', '-n', 'net.ipv4.ipfrag_high_thresh').stdout)
    assert int(used.split()[-1]) <= limit + 65536, used
    rig.wait_for(lambda: 'inuse 0' in narrow.gw2.run('cat', '/proc/net/sockstat').stdout.split('FRAG:')[1], 'the flood forgotten')
    pieces.expect(pieces.cut(every(64)), 1, 'pieces after the flood')
