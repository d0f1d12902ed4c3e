# SPDX-License-Identifier: Apache-2.0
"""Strangers on the wire: garbage and first messages of IKE in masses, while a tunnel is up."""
import lab as rig
from test_tunnels import gateways

COUNT = 200000
# Frames made by hand: a packet library would take minutes. argv: device, MAC and address of the gateway, kind, count
FLOOD = '''
import os, random, socket, struct, sys
device, mac, to, kind, count = sys.argv[1:4] + [sys.argv[4], int(sys.argv[5])]
r = random.Random(kind)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((device, 0))
ether = bytes.fromhex(mac.replace(':', '')) + b'\\2\\0\\0\\0\\7\\7' + b'\\x08\\0'
to = socket.inet_aton(to)
def transform(kind, id, *attributes, last=False):
    body = b''.join(attributes)
    return struct.pack('!BBHBBH', 0 if last else 3, 0, 8 + len(body), kind, 0, id) + body
transforms = (transform(1, 20, struct.pack('!HH', 0x800e, 256)) + transform(2, 5) + transform(4, 19, last=True))
proposal = struct.pack('!BBHBBBB', 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
sa = struct.pack('!BBH', 34, 0, 4 + len(proposal)) + proposal
ke = struct.pack('!BBHHH', 40, 0, 8 + 64, 19, 0) + os.urandom(64)
nonce = struct.pack('!BBH', 0, 0, 4 + 32) + os.urandom(32)
body = sa + ke + nonce
def checksum(b):
    n = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    n = (n & 0xffff) + (n >> 16)
    return ~(n + (n >> 16)) & 0xffff
for i in range(count):
    source = struct.pack('!I', 0xcb007109 if kind == 'one' else 0x64400000 + r.getrandbits(22))
    if kind == 'garbage':
        port, data = r.choice((500, 4500)), r.randbytes(r.randrange(1, 200))
    else:
        port = 500
        data = struct.pack('!QQBBBBII', r.getrandbits(64) | 1, 0, 33, 0x20, 34, 8, 0, 28 + len(body)) + body
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), i & 0xffff, 0, 64, 17, 0, source, to)
    head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    try:
        s.send(ether + head + struct.pack('!HHHH', 500, port, 8 + len(data), 0) + data)
    except OSError:
        pass  # no room on the device: dropped there
'''


def test_a_tunnel_outlives_strangers(pair):
    # one side begins, so that there is one IKE SA from the start
    g1, g2 = gateways(pair, connection={'connectionMode': 'InitiatorOnly'}, two={'connectionMode': 'ResponderOnly'})
    pair.alice.ping('10.22.0.4')
    attacker = pair.host('attacker')
    pair.plug(pair.wire, attacker, 'eth0')
    attacker.run('ip', 'link', 'set', 'eth0', 'up')
    mac = rig.mac_of(pair.gw2, 'wan')

    def flood(kind, count):
        p = attacker.start('/usr/bin/python3', '-c', FLOOD, 'eth0', mac, '203.0.113.2', kind, str(count), name=f'flood-{kind}')
        rig.wait_for(lambda: not p.alive(), f'{kind} to end', 60)
        assert p.popen.returncode == 0, p.text()
    before = g2.connection('to1')
    spis = {k: before[k] for k in ('ikeSpiInitiator', 'ikeSpiResponder')}
    for kind in ('garbage', 'one', 'many'):
        flood(kind, COUNT // 10)
        memory = g2.resident_kb()
        flood(kind, COUNT)
        assert g2.resident_kb() - memory < 4096, f'{kind}: {memory} kB grew to {g2.resident_kb()} kB'
        now = g2.connection('to1')
        assert now['connectionStatus'] == 'Connected' and now['lastError'] is None, now
        assert {k: now[k] for k in spis} == spis
        pair.alice.ping('10.22.0.4', count=5, more=('-i', '0.1'))
    # one source is held to 100 a second in XDP, before the daemon
    assert g2.drops()['ike-rate'] > COUNT // 2
    # and the peer can still begin anew
    g1.command('reset', 'to2')
    g1.wait_connected('to2')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
