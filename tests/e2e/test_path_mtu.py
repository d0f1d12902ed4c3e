# SPDX-License-Identifier: Apache-2.0
"""A narrow link between two gateways: routers' errors are believed when they quote our ESP, pieces are put together."""
import pytest

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
    rig.wait_for(lambda: narrow.alice.ping('10.22.0.4', count=1, check=False).returncode == 0, 'traffic',
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
