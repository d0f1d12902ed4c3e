# SPDX-License-Identifier: Apache-2.0
"""
What forwarding by XDP alone tells who sends too far or too much: time exceeded, too big; and what may be cut is. Between peered
networks and over a circuit, both ways, so that traceroute and the discovery of path MTUs work through the gateway.
"""
import re
import signal

import lab as rig
import pytest
import test_virtual_networks as networks
from test_circuits import World

NARROW = 1400  # of the circuit's links, or of the second network
LARGEST = {4: NARROW - 28, 6: NARROW - 48}


def hop(host, to, ttl):
    """Who says that it ended there; None: it did not."""
    text = host.ping(to, count=1, check=False, more=('-t', str(ttl))).stdout
    said = re.search(r'^From (\S+) icmp_seq=1 (?:Time to live exceeded|Time exceeded: Hop limit)$', text, re.M)
    return said and said.group(1)


def sizes(host, to, family, gateway):
    """The largest one passes; of more the sender is told what passes, and after that sends no larger ones."""
    host.ping(to, size=LARGEST[family], more=('-M', 'do'))
    more = host.ping(to, count=1, size=LARGEST[family] + 1, check=False, more=('-M', 'do')).stdout
    assert re.search(rf'^From {gateway} icmp_seq=1 (Frag needed and DF set \(mtu = {NARROW}\)|Packet too big: mtu={NARROW})$', more, re.M), more
    assert f'mtu {NARROW}' in host.run('ip', 'route', 'get', to).stdout


def cut(host, to):
    """IPv4 that may be cut. The kernel would do it itself where it knows the MTU."""
    host.ping(to, size=NARROW + 50, more=('-M', 'dont'))


def dropped(g, ttl, too_big):
    """Workers' drops come into the map a little later."""
    rig.wait_for(lambda: (g.drops().get('ttl'), g.drops().get('too-big')) == (ttl, too_big), 'the drops counted', 5, lambda: str(g.drops()))


def pair(lab):
    """alice in network One, bob in network Two, which is narrow; both families."""
    w = networks.World(lab, 'gw1')
    one, two = (w.inside('gw1', n, a) for n, a in (('one', '10.10.0.4'), ('two', '10.11.0.4')))
    for host, n in ((one, 10), (two, 11)):
        host.address('eth0', f'fd00:{n}::4/64')
        host.route('default', 'via', f'fd00:{n}::1')
    lab.hosts['gw1'].run('ip', 'link', 'set', 'lan1', 'mtu', str(NARROW))
    two.run('ip', 'link', 'set', 'eth0', 'mtu', str(NARROW))
    nets = [{**networks.vnet(name, 1000 + n, [f'10.{n}.0.0/16', f'fd00:{n}::/48'], {}, peerings=[{'name': 'p', 'remoteVirtualNetwork': other}]),
             'attachments': [{'port': port, 'address': [f'10.{n}.0.1/24', f'fd00:{n}::1/64']}]}
            for name, other, n, port in (('One', 'Two', 10, 'lan0'), ('Two', 'One', 11, 'lan1'))]
    g = rig.Xgw(lab.hosts['gw1'], {'host': w.ports('gw1'), 'virtualNetworks': nets}).start()
    for to in ('10.11.0.4', 'fd00:11::4'):
        rig.wait_for(lambda: one.ping(to, count=1, check=False).returncode == 0, f'{to} to be reached', explain=g.explain)
    return g, one, two


def test_between_networks(lab):
    g, one, two = pair(lab)
    cut(one, '10.11.0.4')
    for host, own, to, family in ((one, '10.10.0.1', '10.11.0.4', 4), (two, '10.11.0.1', '10.10.0.4', 4),
                                  (one, 'fd00:10::1', 'fd00:11::4', 6), (two, 'fd00:11::1', 'fd00:10::4', 6)):
        # the gateway's address in the sender's own network
        assert (hop(host, to, 1), hop(host, to, 2)) == (own, None), (host.name, to)
        if host is one:
            sizes(host, to, family, own)
    dropped(g, 4, 2)
    # nobody is told while nobody is there, and it is dropped as ever
    g.process.stop(signal.SIGKILL)
    assert hop(one, '10.11.0.4', 1) is None
    one.ping('10.11.0.4')
    assert g.drops()['ttl'] == 5


FLOOD = '''
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
begun = time.monotonic()
for i in range(4000):
    s.sendto(b'x', ('10.11.0.4', 9))
    if i % 50 == 49:
        time.sleep(0.003)
print(time.monotonic() - begun)
'''


def test_there_is_a_limit(lab):
    """Many that end here at once: each worker answers 1000 in a second, and other traffic passes."""
    g, one, _ = pair(lab)
    seconds = float(one.run('/usr/bin/python3', '-c', FLOOD).stdout)
    one.ping('10.11.0.4')
    rig.wait_for(lambda: g.drops().get('ttl', 0) > 3000, 'the drops counted', 5, lambda: str(g.drops()))
    workers = len(g.json('status')['workers'])
    told = int(re.search(r'IcmpInTimeExcds +(\d+)', one.run('nstat', '-asz', 'IcmpInTimeExcds').stdout).group(1))
    assert 500 < told <= (int(seconds) + 2) * 1000 * workers, (told, seconds, workers)
    assert told < g.drops()['ttl']


@pytest.mark.parametrize('narrow', ['circuit', 'network'])
def test_over_a_circuit(lab, narrow):
    """alice - gateway - provider's router - bob, seen from both ends: the sender in front of the narrow part is told."""
    w = World(lab)
    for host, device in ((w.gw, 'er0'), (w.pe, 'er0'), (w.gw, 'er1'), (w.pe, 'er1')) if narrow == 'circuit' else ((w.gw, 'lan'), (w.alice, 'eth0')):
        host.run('ip', 'link', 'set', device, 'mtu', str(NARROW))
    # detection of three times 300 ms: a busy machine does not lose the links meanwhile
    w.start(ms=300, bfdIntervalMilliseconds=300)
    w.alice.ping('10.99.0.4', count=3)
    before = w.tunnel_packets()
    assert hop(w.alice, '10.99.0.4', 1) == '10.11.0.1'
    assert hop(w.alice, '10.99.0.4', 2) in ('192.168.16.253', '192.168.17.253')
    assert hop(w.alice, '10.99.0.4', 3) is None
    # to the site the gateway is an address of the network, which is announced there
    assert [hop(w.bob, '10.11.0.4', n) for n in (1, 2, 3)] == ['10.99.0.1', '10.11.0.1', None]
    host, to = (w.alice, '10.99.0.4') if narrow == 'circuit' else (w.bob, '10.11.0.4')
    cut(host, to)
    sizes(host, to, 4, '10.11.0.1')
    assert w.tunnel_packets() == before
    dropped(w.g, 2, 1)
