# SPDX-License-Identifier: Apache-2.0
"""
One gateway on two hosts, of which the one works that has its addresses, moved by keepalived:

    alice 10.11.0.4 ─ lan ┬ a  .2 (203.0.113.11) ┬ wire ─ site 203.0.113.5 ─ carol 192.168.5.4
                          └ b  .3 (203.0.113.12) ┘
                  10.11.0.1   203.0.113.1           the shared addresses
"""
import copy
import json
import os
import signal
import struct
import sys
import time

import bird
import lab as rig
import pytest
from cryptography import x509
from keepalived import Keepalived
from pki import Entity
from test_sstp_load import Load
from test_tunnels import UdpStream

os.environ.setdefault('XGW_BIRD', bird.BIRD)

PUBLIC, ROUTER = '203.0.113.1', '10.11.0.1'
WHY = f'standby: {PUBLIC} is not on this host'
SITES = [{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24']}]


class World:
    def __init__(self, lab, peer='xgw', mode='Default', gateways='Default'):
        self.lab = lab
        self.wire, self.lan = lab.switch('wire'), lab.switch('lan')
        self.alice, self.a, self.b, self.site, self.carol = (lab.host(n) for n in ('alice', 'a', 'b', 'site', 'carol'))
        lab.plug(self.lan, self.alice, 'eth0')
        lab.cable(self.carol, 'eth0', self.site, 'lan')
        for i, h in enumerate((self.a, self.b)):
            lab.plug(self.wire, h, 'wan')
            lab.plug(self.lan, h, 'lan')
            h.address('wan', f'203.0.113.{11 + i}/24')
        lab.plug(self.wire, self.site, 'wan')
        self.site.address('wan', '203.0.113.5/24')
        self.alice.address('eth0', '10.11.0.4/24')
        self.alice.route('default', 'via', ROUTER)
        self.carol.address('eth0', '192.168.5.4/24')
        self.carol.route('default', 'via', '192.168.5.1')
        self.start_site(peer, mode)
        self.g = [self.gateway(i, gateways).start() for i in range(2)]
        check = f'{rig.XGW} status --json'
        self.k = [Keepalived(h, 150 - 50 * i, f'203.0.113.{11 + i}', f'203.0.113.{12 - i}',
                             [f'{PUBLIC}/32 dev wan', f'{ROUTER}/32 dev lan'], check).start() for i, h in enumerate((self.a, self.b))]
        self.works(0)

    def start_site(self, peer, mode):
        if peer == 'strongswan':
            self.site.address('lan', '192.168.5.1/24')
            self.site.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
            self.swan = rig.StrongSwan(self.site, '203.0.113.5', PUBLIC, '192.168.5.0/24', '10.11.0.0/16')
            return
        self.s = rig.Xgw(self.site, self.site_configuration(mode)).start()

    def site_configuration(self, mode):
        c = rig.gateway_config('VNet5', 1005, ['192.168.5.0/24'], '192.168.5.1/24', '203.0.113.5',
                               [{'name': 'toVNet1', 'connectionType': 'IPsec', 'localNetworkGateway2': 'VNet1', 'connectionMode': mode,
                                 'dpdTimeoutSeconds': 30}],
                               sites=[{'name': 'VNet1', 'gatewayIpAddress': PUBLIC, 'addressSpace': ['10.11.0.0/16']}])
        c['virtualNetworks'][0]['subnets'][0]['addressPrefix'] = '192.168.5.224/27'
        return c

    def configuration(self, i, mode='Default'):
        c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], f'10.11.0.{2 + i}/24', PUBLIC,
                               [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'connectionMode': mode}],
                               sites=copy.deepcopy(SITES))
        c['virtualNetworkGateways'][0]['activeStandby'] = True
        return c

    def gateway(self, i, mode):
        return rig.Xgw((self.a, self.b)[i], self.configuration(i, mode))

    def state(self, i):
        return self.g[i].json('status')['gateways'][0]['activeStandby']

    def explain(self):
        return ''.join(g.explain() for g in self.g) + ''.join(k.process.text()[-3000:] for k in self.k)

    def works(self, i, seconds=rig.DEADLINE):
        """Gateway i is the one that works, and traffic passes."""
        rig.wait_for(lambda: self.state(i)['state'] == 'Active', f'gateway {i} to take over', seconds, self.explain)
        self.g[i].wait_connected('toSite', seconds)
        rig.wait_for(lambda: self.alice.once('192.168.5.4'), 'traffic', seconds, self.explain)

    def stands_by(self, i):
        rig.wait_for(lambda: self.state(i)['state'] == 'Standby', f'gateway {i} to stand by', explain=self.explain)
        c = self.g[i].connection('toSite')
        assert c['connectionStatus'] == 'NotConnected' and c['reason'] == WHY and not c['childSas'], c

    def during(self, change, then):
        """Packets lost of one a millisecond each way, while change() is done and then() says that all is well again."""
        streams = [UdpStream(self.alice, self.carol, '192.168.5.4'), UdpStream(self.carol, self.alice, '10.11.0.4')]
        time.sleep(0.5)
        change()
        then()
        time.sleep(0.3)
        return tuple(sent - received for sent, received in (s.finish() for s in streams))

    def planned(self):
        return self.during(lambda: self.k[0].stop(), lambda: self.works(1))

    def back(self):
        return self.during(lambda: self.k[0].start(), lambda: self.works(0))

    def daemon_dies(self):
        return self.during(lambda: self.g[0].process.stop(signal.SIGKILL), lambda: self.works(1))

    def host_dies(self):
        """Nobody says a word: no process lives, no frame comes or goes."""
        def change():
            for s in (self.wire, self.lan):
                s.run('ip', 'link', 'set', 'p-a', 'down')
            self.g[0].process.popen.kill()
            self.k[0].kill()
        return self.during(change, lambda: self.works(1))

    def host_returns(self):
        """As after a boot: the addresses are not there."""
        self.g[0].process.popen.wait()
        for s in (self.wire, self.lan):
            s.run('ip', 'link', 'set', 'p-a', 'up')
        for device, address in (('wan', PUBLIC), ('lan', ROUTER)):
            self.a.run('ip', 'address', 'del', f'{address}/32', 'dev', device, check=False)
        self.g[0].start()


class BgpWorld(World):
    """BGP in the tunnel: what the gateway knows of the site, and the site of the network, it knows by BGP alone."""
    OURS, THEIRS = (65010, '10.11.255.30'), (65521, '192.168.5.254')

    @staticmethod
    def by_bgp(c, own, far):
        c['virtualNetworkGateways'][0].update(enableBgp=True, bgpSettings={'asn': own[0], 'bgpPeeringAddress': own[1]})
        c['localNetworkGateways'][0].update(addressSpace=[], bgpSettings={'asn': far[0], 'bgpPeeringAddress': far[1]})
        c['connections'][0]['enableBgp'] = True
        return c

    def site_configuration(self, mode):
        return self.by_bgp(super().site_configuration(mode), self.THEIRS, self.OURS)

    def configuration(self, i, mode='Default'):
        return self.by_bgp(super().configuration(i, mode), self.OURS, self.THEIRS)

    def peer(self, i):
        return self.g[i].json('status')['bgpPeers'][0]

    def explain(self):
        return super().explain() + self.s.explain() + ''.join(str(g.json('status')['bgpPeers']) + str(g.drops()) for g in (*self.g, self.s))


def frames_from(capture, mac, since):
    return capture.tshark('-Y', f'eth.src == {mac} and ip.addr == {PUBLIC} and frame.time_epoch > {since} and not vrrp')


def ask_in_vain(world, mac):
    """First messages of IKE to the public address, at this host's door: (sent, came back)."""
    w = world.lab.host('stranger')
    world.lab.plug(world.wire, w, 'eth0')
    w.address('eth0', '203.0.113.77/24')
    w.run('ip', 'neigh', 'replace', PUBLIC, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent')
    init = struct.pack('!8s8sBBBBII', b'\x11' * 8, b'', 33, 0x20, 34, 8, 0, 28)
    r = w.run('/usr/bin/python3', '-c', 'import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.settimeout(0.3)\n'
              f'for port in (500, 500, 4500):\n s.sendto((b"" if port == 500 else bytes(4)) + bytes.fromhex("{init.hex()}"), ("{PUBLIC}", port))\n'
              'try: print(s.recvfrom(2000))\nexcept (socket.timeout, OSError) as e: print("nothing", e)\n')
    return r.stdout


@pytest.mark.parametrize('peer', ['xgw', 'strongswan'])
def test_taking_over(lab, peer):
    w = World(lab, peer)
    w.stands_by(1)
    refused = w.g[1].command('up', 'toSite', check=False)
    assert refused.returncode == 1 and WHY in refused.stderr, refused
    shown = w.g[1].command('status').stdout
    assert 'Standby since' in shown and WHY in shown, shown
    w.alice.ping(ROUTER)  # the shared address answers as the kernel's, through the tunnel too
    w.carol.ping(ROUTER)
    clear = rig.Capture(w.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
    all_of_it = rig.Capture(w.wire, 'br0', 'not ip proto 112')
    lost = {'planned': w.planned()}
    gone = time.time()
    w.stands_by(0)
    w.alice.ping(ROUTER)
    mac = rig.mac_of(w.a, 'wan')
    assert 'nothing' in ask_in_vain(w, mac)
    w.g[0].command('up', 'toSite', check=False)
    w.alice.ping('192.168.5.4')
    all_of_it.stop()
    assert frames_from(all_of_it, mac, gone) == '', 'who stands by says something from the public address'
    assert frames_from(all_of_it, rig.mac_of(w.b, 'wan'), gone) != ''
    lost['back'] = w.back()
    w.stands_by(1)
    lost['host'] = w.host_dies()
    w.host_returns()
    w.stands_by(0)
    w.k[0].start()
    w.works(0)
    clear.stop()
    assert clear.dropped == 0, 'the capture is not complete'
    assert clear.tshark('-Y', 'not (arp or icmp or icmpv6 or igmp or vrrp)') == ''
    assert clear.tshark('-Y', 'ip.addr == 10.11.0.0/16 or ip.addr == 192.168.5.0/24') == ''
    print('lost', lost, file=sys.stderr)
    # the second is VRRP's three advertisements of 100 ms, the rest what this machine is busy with
    assert all(0 <= n < 5000 for case in lost.values() for n in case), lost


def test_who_only_answers_finds_the_other_host(lab):
    """The site begins nothing; its SAs go as the one that took over begins, long before silence would tell."""
    w = World(lab, mode='ResponderOnly')
    before = w.s.connection('toVNet1')['childSas'][0]['spiIn']
    w.k[0].stop()
    w.works(1)
    now = w.s.connection('toVNet1')
    assert [c['spiIn'] for c in now['childSas']] != [before] and not now['initiator'], now


def test_a_killed_daemon_gives_way(lab):
    """keepalived asks `xgw status`, and lets the addresses go when there is no answer."""
    w = World(lab)
    lost = w.daemon_dies()
    assert w.a.run('ip', 'address', 'show', 'dev', 'wan').stdout.find(f'{PUBLIC}/') < 0
    assert all(0 <= n < 8000 for n in lost), lost
    w.g[0].start()
    w.works(0)
    w.stands_by(1)


def test_bgp_goes_along(lab):
    """The session is the gateway's, by the same address on both hosts: it ends with one and begins with the other."""
    w = BgpWorld(lab)
    assert not w.peer(1)['up']
    lost = {'planned': w.planned()}
    assert w.peer(1)['up'] and not w.peer(0)['up'], w.explain()
    lost['back'] = w.back()
    assert w.peer(0)['up'], w.explain()
    print('lost', lost, file=sys.stderr)
    assert all(0 <= n < 20000 for case in lost.values() for n in case), lost


def test_keepalived_alone_dies(lab):
    """
    Nobody takes the addresses away: both hosts have them, and both work. Who took over last has the peers and the hosts, as its
    announcements and its IKE SAs are the newer ones; each host says Active since when, and the earlier one falls silent.
    """
    w = World(lab)
    first = w.state(0)['since']
    w.k[0].kill()
    w.works(1)
    assert [w.state(i)['state'] for i in range(2)] == ['Active', 'Active'] and w.state(0)['since'] == first < w.state(1)['since']
    assert PUBLIC in w.a.run('ip', 'address', 'show', 'dev', 'wan').stdout
    before = [g.connection('toSite')['ingressPackets'] for g in w.g]
    w.alice.ping('192.168.5.4', count=5)
    now = [g.connection('toSite')['ingressPackets'] for g in w.g]
    assert [n - b for n, b in zip(now, before)] == [0, 5], f'{before} {now}'
    # what mends it: keepalived runs again
    w.k[0].start()
    w.works(0)
    w.stands_by(1)


def test_order_and_reload_in_standby(lab):
    """What is new in a configuration stands by, too; what was taken down stays so; without activeStandby the address is needed."""
    w = World(lab)
    c = w.configuration(1)
    c['localNetworkGateways'].append({'name': 'Site6', 'gatewayIpAddress': '203.0.113.6', 'addressSpace': ['192.168.6.0/24']})
    c['connections'].append({**c['connections'][0], 'name': 'toSix', 'localNetworkGateway2': 'Site6'})
    reload_with(w.g[1], c)
    six = w.g[1].connection('toSix')
    assert six['connectionStatus'] == 'NotConnected' and six['reason'] == WHY and six['attempts'] == 0, six
    w.g[1].command('down', 'toSix')
    c['virtualNetworkGateways'][0]['activeStandby'] = False
    refused = reload_with(w.g[1], c, check=False)
    assert refused.returncode and 'activeStandby' in refused.stdout + refused.stderr, refused
    w.stands_by(1)
    w.k[0].stop()
    w.works(1)
    assert w.g[1].connection('toSix')['connectionStatus'] == 'NotConnected' and w.g[1].connection('toSix')['reason'] is None
    started = w.g[1].json('status')['gateways'][0]['activeStandby']
    assert started['switches'] == 1 and started['why'] == f'{PUBLIC} is on this host', started


def test_clients_of_sstp(lab):
    """They come to who has the address, and their sessions end with it; moved by hand, as any cluster manager may."""
    wire, gw1, alice, road = lab.switch('wire'), lab.host('gw1'), lab.host('alice'), lab.host('road')
    lab.plug(wire, gw1, 'wan')
    lab.plug(wire, road, 'wan')
    lab.cable(alice, 'eth0', gw1, 'lan')
    gw1.address('wan', '203.0.113.11/24')
    road.address('wan', '203.0.113.5/24')
    alice.address('eth0', '10.11.0.4/24')
    alice.route('default', 'via', ROUTER)
    name = 'gw.example.org'
    own = Entity(name, by=Entity('root', ca=True), san=x509.DNSName(name))
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', PUBLIC, [])
    c['virtualNetworkGateways'][0].update(
        activeStandby=True, identity=name,
        certificate={'chain': lab.file('gw.pem', own.pem().decode()), 'key': {'file': lab.file('gw.key', own.private().decode())}},
        vpnClientConfiguration={'vpnClientAddressPool': ['172.16.0.0/24'], 'vpnClientProtocols': ['SSTP', 'IkeV2'],
                                'users': [{'name': 'bob', 'password': {'file': lab.file('bob', 'Pa55word!')}}]})
    g = rig.Xgw(gw1, c).start()
    alice.ping(ROUTER)
    for _ in range(2):
        assert g.json('status')['gateways'][0]['activeStandby']['state'] == 'Standby'
        gw1.run('ip', 'address', 'add', f'{PUBLIC}/32', 'dev', 'wan')
        rig.wait_for(lambda: g.json('status')['gateways'][0]['activeStandby']['state'] == 'Active', 'the gateway to work', explain=g.explain)
        load = Load(road, 1, 10)
        load.result(g)
        assert len(g.json('status')['clients']) == 1
        gw1.run('ip', 'address', 'del', f'{PUBLIC}/32', 'dev', 'wan')
        rig.wait_for(lambda: not g.json('status')['clients'], 'the session to end', explain=g.explain)
        assert '172.16.' not in g.command('dump', 'routes4').stdout
        load.popen.kill()
        load.popen.wait()


def reload_with(g, configuration, check=True):
    g.host.lab.file(os.path.basename(g.config), json.dumps(configuration))
    return g.command('reload', check=check)
