# SPDX-License-Identifier: Apache-2.0
"""
`xgw capture`: a pcapng that tshark reads, with clear text, ESP, IKE (in the clear where keys may be exported) and what was
dropped, by whom and why.
"""
import os
import signal
import stat
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import lab as rig  # noqa: E402
from test_circuits import World, config  # noqa: E402
from test_keys import POLICIES, allow  # noqa: E402
from test_tunnels import gateways  # noqa: E402

FIELDS = ['frame.interface_name', 'frame.comment', 'ip.src', 'ip.dst', 'ip.proto']


class Watch:
    """`xgw capture` in the background."""

    def __init__(self, g, *words):
        self.g, self.path = g, os.path.join(g.host.lab.dir, f'capture-{g.host.name}-{g.host.lab.captures}.pcapng')
        g.host.lab.captures += 1
        self.process = g.host.start(rig.XGW, 'capture', *words, '-w', self.path)
        rig.wait_for(lambda: os.path.exists(self.path) and os.path.getsize(self.path), 'the capture to begin', explain=self.process.text)

    def stop(self):
        assert self.process.stop(signal.SIGINT) == 0, self.process.text()
        return self

    def rows(self, *words, fields=FIELDS):
        r = subprocess.run(['tshark', '-n', '-r', self.path, *words, '-T', 'fields', '-E', 'separator=;', *(w for f in fields for w in ('-e', f))],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert r.returncode == 0, r.stderr
        return [line.split(';') for line in r.stdout.splitlines()]

    def count(self, expression, place):
        return sum(1 for row in self.rows('-Y', expression) if row[0] == place)


def esp_from(host, source, spi):
    """One ESP packet to the gateway, of an SPI that it never gave to anybody."""
    host.run('/usr/bin/python3', '-c', f"""
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
esp = struct.pack('!II', {spi}, 1) + bytes(64)
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(esp), 1, 0, 64, 50, 0, socket.inet_aton('{source}'), socket.inet_aton('203.0.113.1'))
s.sendto(ip + esp, ('203.0.113.1', 0))
""")


@pytest.fixture
def lab(pair):
    pair.captures = 0
    yield pair


def clean(watch):
    """Of the whole file."""
    assert watch.rows('-Y', '_ws.malformed || udp.checksum.status == "Bad" || ip.checksum.status == "Bad"') == []
    r = subprocess.run(['capinfos', '-M', watch.path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert r.returncode == 0, r.stdout
    assert stat.S_IMODE(os.stat(watch.path).st_mode) == 0o600


@pytest.mark.parametrize('protocol', ['IKEv2', 'IKEv1'])
def test_of_a_connection(lab, protocol):
    g1, g2 = gateways(lab, start=False, connection={'ipsecPolicies': [POLICIES['cbc']], 'connectionProtocol': protocol})
    allow(g1)
    g1.start()
    watch = Watch(g1, 'to2')
    g2.start()
    g1.wait_connected('to2')
    # the first one may be lost, while the host at its end is looked for
    lab.alice.ping('10.22.0.4', count=1, check=False)
    lab.alice.ping('10.22.0.4', count=5)
    g1.command('rekey', 'to2')
    rig.wait_for(lambda: g1.connection('to2')['childSas'], 'the rekeying')
    watch.stop()
    clean(watch)
    # there and back, in front of ESP and behind it
    assert watch.count('icmp.type == 8 && ip.dst == 10.22.0.4', 'clear') == 6
    assert watch.count('icmp.type == 0 && ip.src == 10.22.0.4', 'clear') in (5, 6)
    assert watch.count('esp && ip.src == 203.0.113.1', 'wire') >= 5 and watch.count('esp && ip.dst == 203.0.113.1', 'wire') >= 5
    comments = {row[1] for row in watch.rows('-Y', 'icmp || esp')}
    spi = g1.connection('to2')['childSas'][0]
    assert all(c.startswith('to2: ') for c in comments), comments
    assert any('before encryption, SPI ' in c for c in comments) and any('decrypted, SPI ' in c for c in comments), (comments, spi)
    # as it went over the wire, and what was in it: identities are in IKE_AUTH, or in main mode's last messages
    assert watch.count('isakmp', 'ike') >= 4
    wire = [row for row in watch.rows('-Y', 'isakmp.id.type || isakmp.id.data.ipv4_addr') if row[0] == 'ike']
    clear = [row for row in watch.rows('-Y', 'isakmp.id.type || isakmp.id.data.ipv4_addr') if row[0] == 'ike-clear']
    assert not wire and len(clear) >= 2, (wire, clear)
    ways = {row[0] for row in watch.rows('-Y', 'isakmp', fields=['frame.packet_flags_direction'])}
    assert len(ways) == 2, ways


def test_clear_ike_needs_the_permission(lab):
    g1, g2 = gateways(lab, start=False)
    g1.start()
    watch = Watch(g1)
    g2.start()
    g1.wait_connected('to2')
    watch.stop()
    clean(watch)
    assert watch.count('isakmp', 'ike') >= 4 and watch.count('isakmp', 'ike-clear') == 0
    assert 'capture name=all clear-ike=no' in g1.process.text()


def test_drops_with_their_reasons(lab):
    """By XDP: an SPI that nobody knows, from the peer; by a worker: a packet for which there is no SA."""
    g1, g2 = gateways(lab)
    watch = Watch(g1, 'to2')
    for source, spi in ('203.0.113.2', 0x12345678), ('203.0.113.77', 0x12345679):
        esp_from(lab.gw2, source, spi)
    g1.command('down', 'to2')
    lab.alice.ping('10.22.0.4', count=2, check=False)
    rig.wait_for(lambda: any('dropped' in row[1] for row in watch.rows()), 'the drops', explain=lambda: str(watch.rows()))
    watch.stop()
    dropped = [row for row in watch.rows() if 'dropped' in row[1]]
    by_xdp = [row for row in dropped if 'dropped by XDP: unknown-spi (ESP for an SPI that is not ours)' in row[1]]
    assert len(by_xdp) == 1 and by_xdp[0][0] == 'wan' and by_xdp[0][2] == '203.0.113.2', dropped
    by_worker = [row for row in dropped if row[1].startswith('to2: dropped by a worker: no-sa (')]
    assert len(by_worker) == 2 and {row[0] for row in by_worker} == {'clear'}, dropped
    assert g2.process.alive()


def test_ends_by_itself_and_leaves_nothing(lab):
    g1, _ = gateways(lab)
    path = os.path.join(lab.dir, 'timed.pcapng')
    g1.command('capture', '-w', path, '--seconds', '1')
    assert os.path.getsize(path) > 100
    # a pipe; and its reader's end is its own
    r = lab.gw1.sh(f'{rig.XGW} capture --seconds 60 | head -c 28 | wc -c')
    assert r.stdout.strip() == '28', r
    rig.wait_for(lambda: g1.process.text().count('capture-ended') == 2, 'the end of both', explain=g1.process.text)
    assert '"capture": 0' in lab.gw1.run('bpftool', '-j', '-p', 'map', 'dump', 'pinned', '/sys/fs/bpf/xgw/default/config').stdout
    lab.alice.ping('10.22.0.4')


def test_refusals(lab):
    g1, _ = gateways(lab)
    lab.alice.ping('10.22.0.4', count=1, check=False)
    r = g1.command('capture', 'to22', '-w', os.path.join(lab.dir, 'x'), check=False)
    assert r.returncode == 1 and "did you mean 'to2'" in r.stderr, r
    assert not os.path.exists(os.path.join(lab.dir, 'x'))
    r = g1.command('capture', '--seconds', 'soon', check=False)
    assert r.returncode == 2 and 'expected a number' in r.stderr, r
    many = [Watch(g1) for _ in range(4)]
    r = g1.command('capture', '-w', os.path.join(lab.dir, 'x'), check=False)
    assert r.returncode == 1 and '4 captures run already' in r.stderr, r
    lab.alice.ping('10.22.0.4')
    for w in many:
        w.stop()
        clean(w)
        assert w.count('icmp', 'clear') == 6
    # a daemon that ends takes them with it
    last = Watch(g1)
    g1.process.stop()
    rig.wait_for(lambda: not last.process.alive(), 'the capture to end')
    clean(last)


LINK_FIELDS = ['frame.interface_name', 'frame.comment', 'frame.packet_flags_direction', 'ip.src', 'ip.dst', 'ip.ttl']


@pytest.fixture
def circuit(request):
    made = rig.Lab()
    made.captures = 0
    yield World(made)
    made.close()


def test_of_a_circuit(circuit):
    """The frames of its links as they came and as they leave, the routers' own, and drops; nothing of others."""
    w = circuit
    c = config()
    c['localNetworkGateways'][0]['addressSpace'].append('10.98.0.0/16')
    # detection of three times 300 ms: a busy machine does not lose the links meanwhile
    w.start(ms=300, given=c, bfdIntervalMilliseconds=300)
    w.alice.ping('10.99.0.4', count=3)
    watches = [Watch(w.g, name) for name in ('Circuit1', 'to-circuit', 'to-site')] + [Watch(w.g)]
    w.alice.ping('10.99.0.4', count=5)
    w.alice.ping('10.98.0.4', count=2, check=False)  # the tunnel's
    w.pe.route('10.77.0.0/16', 'via', '192.168.16.254')
    w.pe.ping('10.77.0.1', count=2, check=False)  # nobody's
    rig.wait_for(lambda: any('dropped' in row[1] for row in watches[0].rows()), 'the drops', explain=lambda: str(watches[0].rows()))
    for watch in watches:
        watch.stop()
        clean(watch)
    for watch in (watches[0], watches[1], watches[3]):
        rows = watch.rows('-Y', 'icmp && ip.addr == 10.99.0.4', fields=LINK_FIELDS)
        # 1: it came, 2: it goes; a TTL less than alice gave it, and what bob's router has left of his
        sent = [row for row in rows if row[3:5] == ['10.11.0.4', '10.99.0.4']]
        came = [row for row in rows if row[3:5] == ['10.99.0.4', '10.11.0.4']]
        assert len(sent) == len(came) == 5, rows
        assert {tuple(row[1:3]) + (row[5],) for row in sent} == {('Circuit1: sent on a link', '0x00000002', '63')}, sent
        assert {tuple(row[1:3]) + (row[5],) for row in came} == {('Circuit1: received on a link', '0x00000001', '63')}, came
        assert {row[0] for row in rows} <= {'er0', 'er1'}
        for source in ('192.168.16.253', '192.168.16.254'):
            assert watch.rows('-Y', f'bfd && ip.src == {source}'), source
    dropped = [row for row in watches[0].rows('-Y', 'ip.dst == 10.77.0.1') if 'dropped' in row[1]]
    assert dropped and all(row[1].startswith('Circuit1: dropped by XDP: no-route (') for row in dropped), dropped
    assert not watches[0].rows('-Y', 'ip.dst == 10.98.0.4') and watches[2].count('icmp && ip.dst == 10.98.0.4', 'clear') == 2
    assert not watches[2].rows('-Y', 'ip.addr == 10.99.0.4')
