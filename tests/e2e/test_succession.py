# SPDX-License-Identifier: Apache-2.0
"""
Another daemon takes over what an earlier one left, which was told to hand over, was killed, or was `xgw attach` alone: XDP forwards
on, and not a packet between networks and circuits is lost.
"""
import json
import re
import signal
import time

import lab as rig
import pytest
import test_overlay as overlay
import test_virtual_networks as networks
from test_circuits import World
from test_tunnels import UdpStream

PINS = '/sys/fs/bpf/xgw/default'


def hand_over(g):
    g.process.stop(signal.SIGUSR2)
    assert g.process.popen.returncode == 0 and 'handover signal=SIGUSR2' in g.process.text(), g.process.text()


def kill(g):
    g.process.stop(signal.SIGKILL)


def forget_layout(g):
    """As if those maps were of another version: none of them can be read."""
    first = json.loads(g.host.run('bpftool', '-j', 'map', 'dump', 'pinned', f'{PINS}/config').stdout)[0]['value']
    first[0] = '0x63'
    g.host.run('bpftool', 'map', 'update', 'pinned', f'{PINS}/config', 'key', '0', '0', '0', '0', 'value', *[str(int(b, 16)) for b in first])


def another_layout(g):
    kill(g)
    forget_layout(g)


ENDS = [hand_over, kill, another_layout]


def programs(host):
    """{device: id of its program}"""
    return {x['ifname']: x['xdp']['prog']['id'] for x in json.loads(host.run('ip', '-j', '-d', 'link').stdout) if 'prog' in x.get('xdp', {})}


def gone(g, replaced):
    """Programs that were replaced, with their maps: nobody keeps them open."""
    rig.wait_for(lambda: all(g.host.run('bpftool', 'prog', 'show', 'id', str(n), check=False).returncode for n in replaced),
                 f'programs {replaced} to be gone', 10, g.explain)


def nothing_left(g):
    assert not programs(g.host)
    for directory in ('/sys/fs/bpf/xgw', '/run/xgw'):
        assert g.host.run('ls', directory, check=False).stdout == ''


@pytest.fixture
def world(lab):
    return World(lab)


@pytest.mark.parametrize('end', ENDS, ids=lambda f: f.__name__)
def test_circuit_loses_nothing(world, end):
    w = world.start()
    w.alice.ping('10.99.0.4', count=3)
    w.bob.ping('10.11.0.4', count=3)
    bfd = w.bird.ask('show bfd sessions')
    sessions = [w.bird.session(n) for n in ('er_one', 'er_two')]
    before = programs(w.gw)
    streams = [UdpStream(w.alice, w.bob, '10.99.0.4'), UdpStream(w.bob, w.alice, '10.11.0.4')]
    time.sleep(0.3)
    end(w.g)
    time.sleep(0.3)
    w.g.start()
    w.wait_links('up', 'up')
    time.sleep(0.5)
    lost = [sent - received for sent, received in (s.finish() for s in streams)]
    assert lost == [0, 0], (lost, w.g.explain(), w.g.drops())
    after = programs(w.gw)
    assert set(after) == set(before) and all(after[d] != before[d] for d in before), (before, after)
    # since when it is up is what BIRD says of a session, and it is the same
    assert [w.bird.session(n) for n in ('er_one', 'er_two')] == sessions
    assert [line.split()[:4] for line in w.bird.ask('show bfd sessions').splitlines()] == [line.split()[:4] for line in bfd.splitlines()]
    assert w.way()['verdict'] == 'circuit' and w.g.json('status')['circuits'][0]['links'][0]['lastSwitches'][-1]['cause'] is None
    w.g.wait_connected('to-site')
    # counted since the start
    assert w.tunnel_packets() == 0
    assert w.gw.sh('ls /sys/fs/bpf/xgw').stdout.split() == ['default']
    w.g.process.stop()
    nothing_left(w.g)


def test_start_that_fails_leaves_the_circuit(world):
    """A port without a device, a file with an error, a control socket that cannot be made: what is there forwards on, and the next start loses nothing."""
    w = world.start()
    w.alice.ping('10.99.0.4', count=3)
    good, before = w.g.config, programs(w.gw)
    with open(good) as f:
        text = f.read()
    stream = UdpStream(w.alice, w.bob, '10.99.0.4')
    kill(w.g)
    for name, wrong, says in (('device', text.replace('"device": "lan"', '"device": "nowhere"'), "there is no device 'nowhere'"),
                              ('file', text.replace('"addressSpace"', '"adressSpace"', 1), 'nothing was started')):
        r = w.g.command('run', '-c', w.lab.file(f'wrong-{name}.yaml', wrong), check=False, timeout=20)
        assert r.returncode and says in r.stderr, r.stderr
        assert programs(w.gw) == before
    # BIRD is taken over and let go again, when the control socket cannot be made at last
    w.gw.sh('rm /run/xgw/default.sock; mkdir -p /run/xgw/default.sock/x')
    r = w.g.command('run', '-c', good, check=False, timeout=20)
    assert r.returncode == 1 and 'not-taken-over' in r.stderr and 'default.sock' in r.stderr, r.stderr
    assert programs(w.gw) == before
    w.gw.run('rm', '-r', '/run/xgw/default.sock')
    w.g.start()
    time.sleep(0.3)
    sent, received = stream.finish()
    assert received == sent, f'{sent - received} of {sent} lost {w.g.drops()}'
    assert [w.bird.session(n)[0] for n in ('er_one', 'er_two')] == ['Established'] * 2
    w.g.process.stop()
    nothing_left(w.g)


def test_learnt_hosts_of_an_overlay_go_on(lab):
    """Hosts behind VXLAN that were learnt are in the new maps before these are used."""
    left, right = overlay.overlay(lab)
    g = overlay.start(lab, overlay.config(own=overlay.OWN[:1], attachment={'remoteVteps': ['192.0.2.0/24']}, learning=True))
    left.ping('10.11.0.1')
    overlay.arp_fixed(right, '10.11.1.1')

    def pair():
        right.once('10.11.0.4')
        return left.once('10.11.1.5')
    rig.wait_for(pair, 'hosts that are learnt to reach each other', explain=g.explain)
    stream = UdpStream(left, right, '10.11.1.5')
    for end in (hand_over, kill):
        time.sleep(0.3)
        end(g)
        g.start()
        assert re.search(r'inherited instance=default hosts=[1-9]', g.process.text()), g.process.text()
        assert overlay.endpoints(g)['10.11.1.5']['flags'] == ['learnt']
    time.sleep(0.3)
    sent, received = stream.finish()
    assert received == sent, f'{sent - received} of {sent} lost {g.drops()}'
    g.process.stop()
    nothing_left(g)


# One whole UDP checksum of 65 536 is what a partial one would be: with a payload that makes it so.
LOOKS_PARTIAL = '''
import socket, struct, sys
source, target, port = sys.argv[1], sys.argv[2], 7778
pseudo = sum(struct.unpack('!4H', socket.inet_aton(source) + socket.inet_aton(target))) + 17 + 10
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, port))
for i in range(3):
    s.sendto(struct.pack('!H', (-2 * pseudo - 2 * port - 10) % 65535), (target, port))
'''
COUNTS = '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 7778))
s.settimeout(3)
print('ready', flush=True)
for i in range(3):
    s.recv(100)
print('all', flush=True)
'''


def send_what_looks_partial(sender, receiver, source, target):
    rx = receiver.start('/usr/bin/python3', '-c', COUNTS, name='counts')
    rig.wait_for(lambda: 'ready' in rx.text(), 'the receiver')
    sender.run('/usr/bin/python3', '-c', LOOKS_PARTIAL, source, target)
    rig.wait_for(lambda: 'all' in rx.text(), 'datagrams whose checksum looks partial', seconds=3, explain=rx.text)


def test_peered_networks_lose_nothing(lab):
    """Plain attachments; first what `xgw attach` alone has put there is taken over, then what a daemon left."""
    w = networks.World(lab, 'gw1')
    one, two = (w.inside('gw1', n, a) for n, a in (('one', '10.10.0.4'), ('two', '10.11.0.4')))
    nets = [networks.vnet('One', 1001, ['10.10.0.0/16'], {'lan0': '10.10.0.1'}, peerings=[{'name': 'p', 'remoteVirtualNetwork': 'Two'}]),
            networks.vnet('Two', 1002, ['10.11.0.0/16'], {'lan1': '10.11.0.1'}, peerings=[{'name': 'p', 'remoteVirtualNetwork': 'One'}])]
    g = rig.Xgw(lab.hosts['gw1'], {'host': w.ports('gw1'), 'virtualNetworks': nets})
    g.command('attach', '-c', g.config)
    # the gateway alone asks for hosts that are silent, which needs the daemon: they speak first
    rig.wait_for(lambda: one.ping('10.10.0.1', check=False).returncode + two.ping('10.11.0.1', check=False).returncode == 0, 'hosts to be known')
    g.command('attach', '-c', g.config)
    one.ping('10.11.0.4')
    stream = UdpStream(one, two, '10.11.0.4')
    g.command('attach', '-c', g.config)
    for end in (None, hand_over, kill):
        time.sleep(0.2)
        if end:
            end(g)
        send_what_looks_partial(one, two, '10.10.0.4', '10.11.0.4')
        replaced = programs(g.host).values()
        g.start()
        gone(g, replaced)
    send_what_looks_partial(one, two, '10.10.0.4', '10.11.0.4')
    time.sleep(0.3)
    sent, received = stream.finish()
    assert received == sent, f'{sent - received} of {sent} lost {g.drops()}'
    g.process.stop()
    nothing_left(g)
