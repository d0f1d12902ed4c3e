# SPDX-License-Identifier: Apache-2.0
"""
Between two daemons, and while a circuit dies beside the tunnel, what belongs into the tunnel is encrypted or dropped: not one
packet leaves in the clear, although the kernel of the gateway's host would route it. 10.98.0.0/16 is behind the tunnel alone,
10.99.0.0/16 behind the circuit too.
"""
import time

import lab as rig
import pytest
from test_circuits import SITE, World, both_down, config
from test_succession import another_layout, hand_over, kill, nothing_left
from test_tunnels import UdpStream


def with_carol(site):
    site['host']['ports'].append({'name': 'lan1', 'device': 'lan1', 'role': 'vnet'})
    vnet = site['virtualNetworks'][0]
    vnet['addressSpace'].append('10.98.0.0/16')
    vnet['attachments'].append({'port': 'lan1', 'address': '10.98.0.2/24'})


def start(lab):
    """With carol, whom the tunnel alone reaches, and a kernel that would forward all of it."""
    w = World(lab)
    w.carol = lab.host('carol')
    lab.cable(w.carol, 'eth0', w.far, 'lan1')
    w.carol.address('eth0', '10.98.0.4/24')
    c = config()
    c['localNetworkGateways'][0]['addressSpace'].append('10.98.0.0/16')
    w.gw.sh('sysctl -qw net.ipv4.ip_forward=1')
    for net in ('10.98.0.0/16', '10.99.0.0/16'):
        w.gw.route(net, 'via', SITE)
    # detection of three times 300 ms: a busy machine does not lose the links when nobody cuts them
    w.start(ms=300, given=c, site=with_carol, bfdIntervalMilliseconds=300)
    w.far.ping('10.98.0.4')
    return w


def arrived(w):
    return w.f.connection('to-cloud')['ingressPackets']


def goes_on(w):
    before = arrived(w)
    rig.wait_for(lambda: arrived(w) > before + 200, 'the stream to go on in the tunnel', 60, w.explain)


def back(w):
    for m in w.middle:
        m.run('ip', 'link', 'set', 'p-gw', 'up')
    w.wait_links('up', 'up', seconds=120)


@pytest.mark.parametrize('end', [hand_over, kill, another_layout], ids=lambda f: f.__name__)
def test_between_daemons(lab, end):
    w = start(lab)
    wan = rig.Capture(lab.hosts['wire'], 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
    links = [rig.Capture(m, 'br0', 'net 10.98.0.0/16') for m in w.middle]
    streams = [UdpStream(w.alice, w.carol, '10.98.0.4'), UdpStream(w.alice, w.bob, '10.99.0.4')]
    goes_on(w)
    end(w.g)
    time.sleep(0.3)
    # nobody is there to see it
    both_down(w)
    time.sleep(0.3)
    w.g.start()
    w.g.wait_connected('to-site')
    w.wait_links('down', 'down')
    assert w.way()['verdict'] == 'tunnel'
    goes_on(w)
    # the tunnel has both streams now, and loses them for a while when its daemon goes
    end(w.g)
    time.sleep(0.3)
    w.g.start()
    goes_on(w)
    for s in streams:
        sent, received = s.finish()
        assert 0 < received <= sent, (sent, received)
    # what would have been seen
    w.gw.run('/usr/bin/python3', '-c', f'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"clear", ("{SITE}", 7777))')
    rig.wait_for(lambda: wan.count()[0] and clear(wan), 'the one packet in the clear', explain=lambda: str(wan.count()))
    for c in (wan, *links):
        c.stop()
        assert c.dropped == 0
    assert clear(wan) == ['203.0.113.1 203.0.113.5']
    assert [c.tshark() for c in links] == ['', '']
    w.g.process.stop()
    nothing_left(w.g)


def clear(capture):
    """Who sends to whom: anything of the streams, or of the networks at all."""
    return [' '.join(line.split()) for line in capture.tshark(
        '-Y', '(udp.port == 7777 && !icmp) || ip.addr == 10.0.0.0/8', '-T', 'fields', '-e', 'ip.src', '-e', 'ip.dst').splitlines()]
