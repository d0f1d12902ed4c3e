# SPDX-License-Identifier: Apache-2.0
"""
An active-active gateway: two instances of one gateway on two hosts, one virtual network between them, each with a tunnel of its
own to the site. The VNet's host spreads its flows over both by its own routes, the site over both tunnels. What one instance has
no tunnel for goes to the other, by XDP alone.

  alice 10.11.0.4 ─┬─ lan ─ gw1 10.11.0.1, 203.0.113.1 ═╦═ wire ═ gw3 203.0.113.3 ─ bob 10.22.0.4
                   └─ lan ─ gw2 10.11.0.2, 203.0.113.2 ═╝
"""
import json
import os
import signal
import subprocess

import bird
import lab as rig
import pytest
from cryptography import x509
from pki import Entity
from test_sstp_load import LOAD, PASSWORD
from test_tunnels import UdpStream
from test_virtual_networks import explain, gateway, reaches, site, to_site, vnet

os.environ.setdefault('XGW_BIRD', bird.BIRD)

PUBLIC = {'gw1': '203.0.113.1', 'gw2': '203.0.113.2', 'gw3': '203.0.113.3', 'gw4': '203.0.113.4'}
INSIDE = {'gw1': '10.11.0.1', 'gw2': '10.11.0.2'}
OTHER = {'gw1': 'gw2', 'gw2': 'gw1'}
FLOWS = 64


class Net:
    """The hosts of the picture; the two instances, not started."""

    def __init__(self, lab, vlan=None, **connection):
        self.lab, self.vlan = lab, vlan
        self.wire, self.lan = lab.switch('wire'), lab.switch('lan')
        self.alice, self.bob = lab.host('alice'), lab.host('bob')
        for name in ('gw1', 'gw2', 'gw3'):
            gw = lab.host(name)
            lab.plug(self.wire, gw, 'wan')
            gw.address('wan', PUBLIC[name] + '/24')
            if name in INSIDE:
                lab.plug(self.lan, gw, 'lan0')
                # else the bridge keeps tags beside the frame, and XDP sees none
                self.lan.run('ethtool', '-K', f'p-{name}', 'txvlan', 'off')
        lab.plug(self.lan, self.alice, 'eth0')
        self.alice.address('eth0', '10.11.0.4/24')
        self.alice.run('sysctl', '-q', 'net.ipv4.fib_multipath_hash_policy=1')
        self.alice.route('10.22.0.0/16', *(w for a in INSIDE.values() for w in ('nexthop', 'via', a)))
        lab.cable(self.bob, 'eth0', lab.hosts['gw3'], 'lan0')
        self.bob.address('eth0', '10.22.0.4/24')
        self.bob.route('default', 'via', '10.22.0.1')
        self.g1, self.g2 = (rig.Xgw(lab.hosts[n], self.instance(n, **connection)) for n in INSIDE)

    @staticmethod
    def ports():
        return {'ports': [{'name': 'wan', 'device': 'wan', 'role': 'uplink'}, {'name': 'lan0', 'device': 'lan0', 'role': 'vnet'}]}

    def instance(self, name, **connection):
        net, other = vnet('VNet1', 1001, ['10.11.0.0/16'], {'lan0': INSIDE[name]}), INSIDE[OTHER[name]]
        if self.vlan:
            other = other.replace('10.11.0', '10.11.1')
            net['attachments'].append({'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': self.vlan,
                                       'address': INSIDE[name].replace('10.11.0', '10.11.1') + '/24'})
        return {'host': self.ports(),
                'virtualNetworks': [net],
                'virtualNetworkGateways': [gateway('VNet1', PUBLIC[name], activeActive=True, otherInstance={'address': other})],
                'localNetworkGateways': [site('Site', PUBLIC['gw3'], ['10.22.0.0/16'])],
                'connections': [to_site('to-site', 'VNet1GW', 'Site', **connection)]}

    def site(self, **connection):
        """An xgw with a connection of one weight to each instance."""
        return rig.Xgw(self.lab.hosts['gw3'], {
            'host': self.ports(),
            'virtualNetworks': [vnet('There', 2000, ['10.22.0.0/16'], {'lan0': '10.22.0.1'})],
            'virtualNetworkGateways': [gateway('There', PUBLIC['gw3'])],
            'localNetworkGateways': [site('at-' + n, PUBLIC[n], ['10.11.0.0/16']) for n in INSIDE],
            'connections': [to_site(n, 'ThereGW', 'at-' + n, **connection) for n in INSIDE]})

    def by(self, name):
        """Alice's packets to the site all take this instance; without a name either."""
        ways = [INSIDE[name]] if name else INSIDE.values()
        self.alice.run('ip', 'route', 'replace', '10.22.0.0/16', *(w for a in ways for w in ('nexthop', 'via', a)))


@pytest.fixture
def net(lab):
    n = Net(lab)
    n.g3 = n.site(dpdTimeoutSeconds=9)
    for g in (n.g1, n.g2, n.g3):
        g.start()
    for g, name in ((n.g1, 'to-site'), (n.g2, 'to-site'), (n.g3, 'gw1'), (n.g3, 'gw2')):
        g.wait_connected(name, 40)
    for name in INSIDE:
        n.by(name)
        reaches(n.alice, '10.22.0.4', n.g1, n.g2, n.g3)
    n.by(None)
    return n


ECHO = '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7))
while True:
    d, who = s.recvfrom(2048); s.sendto(d, who)
'''

# one packet and its answer for each of `flows` source ports, `rounds` times; says how many answers came
ASK = '''
import socket, sys
to, flows, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
socks = []
for i in range(flows):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.bind(('', 20000 + i)); s.connect((to, 7)); socks.append(s)
got = 0
for n in range(rounds):
    for s in socks:
        s.send(b'%d' % n)
    for s in socks:
        try:
            got += s.recv(99) == b'%d' % n
        except OSError:
            pass
print(got)
'''


def ask(client, to, flows=FLOWS, rounds=5):
    return int(client.run('/usr/bin/python3', '-c', ASK, to, str(flows), str(rounds), timeout=120).stdout)


def packets_out(g, name):
    return sum(c['packetsOut'] for c in g.connection(name)['childSas'])


def sent_by(g, names, work):
    """How many packets each tunnel took during work()."""
    before = [packets_out(g, n) for n in names]
    work()
    return [packets_out(g, n) - b for n, b in zip(names, before)]


def lost(sender, receiver, address, during, why, explained):
    """Of a packet each millisecond while something happens: how many did not arrive."""
    stream = UdpStream(sender, receiver, address)
    rig.time.sleep(0.5)
    during()
    rig.time.sleep(1)
    sent, received = stream.finish()
    print(f'active-active: {why}: {sent - received} of {sent} lost at one a millisecond')
    assert received > sent // 2, explained()
    return sent - received


def test_flows_take_both_instances_and_both_tunnels(net):
    """ECMP on either side: many flows take both ways, there and back not always the same one; each flow keeps its own."""
    net.bob.start('/usr/bin/python3', '-c', ECHO, name='echo')
    rig.wait_for(lambda: ask(net.alice, '10.22.0.4', 1, 1) == 1, 'the echo')
    there = []

    def work():
        there.extend(sent_by(net.g1, ['to-site'], lambda: there.append(ask(net.alice, '10.22.0.4'))))
    back = sent_by(net.g3, ['gw1', 'gw2'], work)
    assert there[0] == FLOWS * 5, f'{there} {explain(net.g1, net.g2, net.g3)()}'
    assert FLOWS * 5 * 0.2 < there[1] < FLOWS * 5 * 0.8, there
    assert all(FLOWS * 5 * 0.2 < n < FLOWS * 5 * 0.8 for n in back), back
    # and one flow alone
    back = sent_by(net.g3, ['gw1', 'gw2'], lambda: ask(net.alice, '10.22.0.4', 1, 40))
    assert sorted(back) == [0, 40], back
    hop = net.g3.json('next-hop', '--vnet', 'There', '10.11.0.4')
    assert sorted((c['nextHop'], c['group']) for c in hop['candidates']) == [('gw1', 1), ('gw2', 1)], hop


def test_one_tunnel_goes_down(net):
    """The instance that lost its tunnel hands the packets to the other one; both sides tell, so it is at once."""
    net.by('gw1')
    everyone = explain(net.g1, net.g2, net.g3)
    n = lost(net.alice, net.bob, '10.22.0.4', lambda: net.g1.command('down', 'to-site'), 'xgw down, to the site', everyone)
    assert n < 200, everyone()
    hop = net.g1.json('next-hop', '--vnet', 'VNet1', '10.22.0.4')
    assert (hop['verdict'], hop['appliance']) == ('local', INSIDE['gw2']), hop
    assert [(c['nextHop'], c['up'], c['group']) for c in hop['candidates']] == [
        ('to-site', False, 1), ('instance ' + INSIDE['gw2'], True, 2)], hop
    assert packets_out(net.g2, 'to-site') > 500
    reaches(net.bob, '10.11.0.4', net.g1, net.g2, net.g3)
    # and back, without loss
    net.g1.command('up', 'to-site')
    net.g1.wait_connected('to-site')
    assert net.g1.json('next-hop', '--vnet', 'VNet1', '10.22.0.4')['verdict'] == 'tunnel'
    n = lost(net.bob, net.alice, '10.11.0.4', lambda: net.g2.command('down', 'to-site'), 'xgw down, from the site', everyone)
    assert n < 200, everyone()


def test_an_instance_is_killed(net):
    """Its XDP programs go on: what no worker takes any more goes to the other instance. The site needs its DPD to see it."""
    net.by('gw1')
    everyone = explain(net.g2, net.g3)
    n = lost(net.alice, net.bob, '10.22.0.4', lambda: net.g1.process.popen.send_signal(signal.SIGKILL), 'an instance killed, to the site',
             everyone)
    assert n < 200, everyone()
    rig.wait_for(lambda: net.g3.connection('gw1')['connectionStatus'] != 'Connected', 'the site to miss it', 40, everyone)
    net.bob.start('/usr/bin/python3', '-c', ECHO, name='echo')
    rig.wait_for(lambda: ask(net.alice, '10.22.0.4', 1, 1) == 1, 'the echo', explain=everyone)
    assert ask(net.alice, '10.22.0.4', 16, 2) == 32, everyone()


def test_both_tunnels_are_down(net):
    """Nothing leaves in clear, what the other one sent is not sent back, all of it is counted."""
    clear = rig.Capture(net.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
    between = rig.Capture(net.lab.hosts['gw1'], 'lan0', 'icmp[icmptype]=icmp-echo and ether src ' + rig.mac_of(net.lab.hosts['gw2'], 'lan0'))
    net.by('gw1')
    for g in (net.g1, net.g2):
        g.command('down', 'to-site')
    for g in (net.g1, net.g2):
        rig.wait_for(lambda g=g: g.connection('to-site')['connectionStatus'] != 'Connected', 'both to be down')
    before = net.g2.drops().get('loop', 0)
    assert net.alice.ping('10.22.0.4', count=20, check=False, more=('-i', '0.01')).returncode != 0
    assert net.g2.drops()['loop'] - before == 20, f'{net.g1.drops()} {net.g2.drops()}'
    between.stop()
    assert between.tshark() == '', 'the second instance sent something back'
    clear.stop()
    assert clear.tshark('-Y', 'ip.addr == 10.0.0.0/8') == ''
    net.g2.command('up', 'to-site')
    reaches(net.alice, '10.22.0.4', net.g1, net.g2, net.g3)


def test_by_a_vlan(lab):
    """The instances find each other by a VLAN of their own, where XDP answers for the gateway's addresses."""
    n = Net(lab, vlan=11)
    g3 = n.site(dpdTimeoutSeconds=9)
    everyone = n.g1, n.g2, g3
    for g in everyone:
        g.start()
    for g, name in ((n.g1, 'to-site'), (n.g2, 'to-site'), (g3, 'gw1'), (g3, 'gw2')):
        g.wait_connected(name, 40)
    n.by('gw1')
    reaches(n.alice, '10.22.0.4', *everyone)
    n.g1.command('down', 'to-site')
    reaches(n.alice, '10.22.0.4', *everyone)
    assert sent_by(n.g2, ['to-site'], lambda: n.alice.ping('10.22.0.4', count=5)) == [5], explain(*everyone)()
    hop = n.g1.json('next-hop', '--vnet', 'VNet1', '10.22.0.4')
    assert (hop['verdict'], hop['appliance'], hop['nextHop']) == ('local', '10.11.1.2', 'lan0/vlan11'), hop
    n.g2.command('down', 'to-site')
    before = n.g2.drops().get('loop', 0)
    assert n.alice.ping('10.22.0.4', count=3, check=False, more=('-W', '1')).returncode != 0
    assert n.g2.drops().get('loop', 0) == before + 3, f'{n.g1.drops()} {n.g2.drops()}'


class Hub(Net):
    """
    VNet1 with a spoke, VNet2, and a second site with Dan; Eve is in a subnet that sends all to the default site; a client of each
    instance's pool.

      sam 10.12.0.4 ─┬─ lan1 ─ gw1, pool 172.16.1.0/24 ─┬─ wire ─ gw3 10.22.0.0/16, and behind it 10.99.0.4
                     └─ lan1 ─ gw2, pool 172.16.2.0/24 ─┘       └ gw4 10.33.0.0/16 ─ dan
    """
    POOL = {'gw1': '172.16.1.0/24', 'gw2': '172.16.2.0/24'}
    OURS = ['10.11.0.0/16', '10.12.0.0/16', '172.16.0.0/16']

    def __init__(self, lab):
        self.own = Entity('gw.example.org', by=Entity('root', ca=True), san=x509.DNSName('gw.example.org'))
        super().__init__(lab)
        self.sam, self.eve, self.dan, self.road = (lab.host(n) for n in ('sam', 'eve', 'dan', 'road'))
        spoke, gw4 = lab.switch('spoke'), lab.host('gw4')
        for name in INSIDE:
            lab.plug(spoke, lab.hosts[name], 'lan1')
        lab.plug(spoke, self.sam, 'eth0')
        lab.plug(self.lan, self.eve, 'eth0')
        lab.plug(self.wire, self.road, 'wan')
        lab.plug(self.wire, gw4, 'wan')
        lab.cable(self.dan, 'eth0', gw4, 'lan0')
        gw4.address('wan', '203.0.113.4/24')
        self.road.address('wan', '203.0.113.9/24')
        for host, address, via in ((self.sam, '10.12.0.4', '10.12.0.1'), (self.eve, '10.11.0.200', '10.11.0.1'), (self.dan, '10.33.0.4', '10.33.0.1')):
            host.address('eth0', address + '/24')
            host.route('default', 'via', via)
        self.bob.address('eth0', '10.99.0.4/24')
        self.g3 = self.far('gw3', 'There', 2000, '10.22', ['10.99.0.0/16', '10.33.0.0/16'])
        self.g4 = self.far('gw4', 'Four', 2001, '10.33', ['10.22.0.0/16'])

    def instance(self, name, **connection):
        c = super().instance(name, **connection)
        c['host']['ports'].append({'name': 'lan1', 'device': 'lan1', 'role': 'vnet'})
        net, g = c['virtualNetworks'][0], c['virtualNetworkGateways'][0]
        net['peerings'] = [{'name': 'to-spoke', 'remoteVirtualNetwork': 'VNet2', 'allowGatewayTransit': True}]
        net['subnets'].append({'name': 'Forced', 'addressPrefix': '10.11.0.128/25', 'routeTable': 'forced'})
        c['virtualNetworks'].append(vnet('VNet2', 1002, ['10.12.0.0/16'], {'lan1': INSIDE[name].replace('10.11', '10.12')},
                                         peerings=[{'name': 'to-hub', 'remoteVirtualNetwork': 'VNet1', 'useRemoteGateways': True}]))
        c['routeTables'] = [{'name': 'forced', 'routes': [{'name': 'default', 'addressPrefix': '0.0.0.0/0', 'nextHopType': 'VirtualNetworkGateway'}]}]
        g.update(gatewayDefaultSite='Site', customRoutes={'addressPrefixes': ['10.22.0.0/16']},
                 certificate={'chain': self.lab.file('gw.pem', self.own.pem().decode()),
                              'key': {'file': self.lab.file('gw.key', self.own.private().decode())}},
                 vpnClientConfiguration={'vpnClientAddressPool': [self.POOL[name]], 'vpnClientProtocols': ['SSTP'],
                                         'users': [{'name': 'bob', 'password': {'file': self.lab.file('bob', PASSWORD)}}]})
        g['otherInstance']['vpnClientAddressPool'] = [self.POOL[OTHER[name]]]
        c['localNetworkGateways'].append(site('Four', '203.0.113.4', ['10.33.0.0/16']))
        c['connections'].append(to_site('to-four', 'VNet1GW', 'Four'))
        return c

    def far(self, name, network, number, space, more):
        """A site with a connection to each instance: the first is preferred while it is up."""
        return rig.Xgw(self.lab.hosts[name], {
            'host': self.ports(),
            'virtualNetworks': [vnet(network, number, [space + '.0.0/16'] + [m for m in more if m == '10.99.0.0/16'], {'lan0': space + '.0.1'})],
            'virtualNetworkGateways': [gateway(network, PUBLIC[name])],
            'localNetworkGateways': [site('at-' + n, PUBLIC[n], self.OURS + [m for m in more if m != '10.99.0.0/16']) for n in INSIDE],
            'connections': [to_site(n, network + 'GW', 'at-' + n, routingWeight=w, dpdTimeoutSeconds=9) for n, w in zip(INSIDE, (20, 10))]})

    def start(self):
        everyone = self.g1, self.g2, self.g3, self.g4
        for g in everyone:
            g.start()
        for g, names in ((self.g1, ('to-site', 'to-four')), (self.g2, ('to-site', 'to-four')), (self.g3, INSIDE), (self.g4, INSIDE)):
            for name in names:
                g.wait_connected(name, 60)
        return everyone

    def dial(self, number, name):
        """A client of this instance, as a device of Road's; its address."""
        popen = subprocess.Popen(self.road.enter() + [LOAD, PUBLIC[name], '443', 'bob', PASSWORD, '1', 'tun', str(number)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = popen.stdout.readline()
        assert line.startswith('['), line
        address = json.loads(line)[0]
        self.road.address(f'sstp{number}', address + '/32')
        self.road.run('ip', 'link', 'set', f'sstp{number}', 'up')
        self.road.run('ip', 'rule', 'add', 'from', address, 'table', str(100 + number))
        self.road.route('default', 'dev', f'sstp{number}', 'table', str(100 + number))
        return popen, address


def hand_over(n):
    """Everybody's packets that reach the instance without the tunnel."""
    everyone = n.start()
    n.by('gw1')
    client, address = n.dial(0, 'gw1')
    n.road.route('10.22.0.0/16', 'dev', 'sstp0', 'src', address)
    second, other = n.dial(1, 'gw2')
    try:
        ways = ((n.alice, '10.22.0.4'), (n.sam, '10.22.0.4'), (n.eve, '10.99.0.4'), (n.dan, '10.22.0.4'), (n.road, '10.22.0.4'))
        for host, to in ways:
            reaches(host, to, *everyone)
        # of a host of the network to a client of the other instance, which knows it alone
        for a in (address, other):
            n.alice.run('ip', 'route', 'replace', a, 'via', INSIDE['gw2' if a == address else 'gw1'])
            reaches(n.alice, a, *everyone)
        n.g1.command('down', 'to-site')
        clear = rig.Capture(n.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE + ' and not tcp port 443')
        for host, to in ways:
            reaches(host, to, *everyone)
            assert sent_by(n.g2, ['to-site'], lambda host=host, to=to: host.ping(to, count=5)) == [5], explain(*everyone)()
        # both are half: what Dan sends goes from the first to the second, what he gets from the second to the first
        n.g2.command('down', 'to-four')
        before = packets_out(n.g2, 'to-site'), packets_out(n.g1, 'to-four')
        reaches(n.dan, '10.22.0.4', *everyone)
        assert packets_out(n.g2, 'to-site') > before[0] and packets_out(n.g1, 'to-four') > before[1]
        # from a site to a client of the other instance
        n.bob.ping(address)
        # neither has a tunnel: what was handed over is not handed back
        n.g2.command('down', 'to-site')
        for host, to in ways:
            loops = n.g2.drops().get('loop', 0)
            assert host.ping(to, count=3, check=False, more=('-W', '1')).returncode != 0
            assert n.g2.drops().get('loop', 0) >= loops + 3, f'{host.name} {n.g1.drops()} {n.g2.drops()}'
        clear.stop()
        assert clear.tshark('-Y', 'ip.addr == 10.0.0.0/8 or ip.addr == 172.16.0.0/12') == ''
        # nobody else may send for others, even in the name of who may
        lies = n.g2.drops().get('source', 0)
        n.alice.address('eth0', '192.168.7.7/32')
        assert n.alice.ping('10.22.0.4', count=3, check=False, more=('-I', '192.168.7.7', '-W', '1')).returncode != 0
        assert n.g1.drops().get('source', 0) + n.g2.drops().get('source', 0) >= lies + 3
        # and a daemon that was killed hands over spokes' packets too
        n.g2.command('up', 'to-site')
        n.g2.wait_connected('to-site')
        n.g1.process.popen.send_signal(signal.SIGKILL)
        for host, to in ways[1:3]:
            reaches(host, to, n.g2, n.g3)
    finally:
        for popen in (client, second):
            popen.kill()
            popen.wait()


def test_what_others_send_is_handed_over(lab):
    """Of spokes, by the default site's route, between sites, of clients."""
    hand_over(Hub(lab))


def test_instances_tell_each_other_what_they_learn(lab):
    """BGP with the site, and between the instances: what the site announces at one of them alone is reached through that one."""
    net = Net(lab)
    ours, theirs = 65010, 65521
    peering = {'gw1': '10.11.255.30', 'gw2': '10.11.255.29', 'gw3': '10.22.255.30'}
    made = []

    def add_v6(c, network, host):
        """Its routes go over sessions of IPv4 too."""
        v = c['virtualNetworks'][0]
        v['addressSpace'].append(f'{network}::/48')
        v['attachments'][0]['address'] = [v['attachments'][0]['address'], f'{network}::{host}/64']
    for name, g in zip(INSIDE, (net.g1, net.g2)):
        c = net.instance(name, enableBgp=True)
        add_v6(c, 'fd00:11', name[2])
        c['localNetworkGateways'] = [{**site('Site', PUBLIC['gw3'], []), 'bgpSettings': {'asn': theirs, 'bgpPeeringAddress': peering['gw3']}}]
        c['virtualNetworkGateways'][0].update(
            enableBgp=True, bgpSettings={'asn': ours, 'bgpPeeringAddress': peering[name]},
            otherInstance={'address': INSIDE[OTHER[name]], 'bgpPeeringAddress': peering[OTHER[name]]})
        made.append(rig.Xgw(g.host, c))
    c = json.loads(open(net.site().config).read())
    add_v6(c, 'fd00:22', 1)
    c['virtualNetworkGateways'][0].update(enableBgp=True, bgpSettings={'asn': theirs, 'bgpPeeringAddress': peering['gw3']})
    for s, n in zip(c['localNetworkGateways'], INSIDE):
        s.update(addressSpace=[], bgpSettings={'asn': ours, 'bgpPeeringAddress': peering[n]})
    for x in c['connections']:
        x['enableBgp'] = True
    made.append(rig.Xgw(lab.hosts['gw3'], c))
    for g in made:
        g.start()
    everyone = explain(*made)

    def candidates(g, prefix):
        routes = [r for r in g.json('dump', 'routes', '--all')['routes'] if r['prefix'] == prefix]
        return [x['reason'] for r in routes for x in r['candidates'] if x['inUse']]
    for g, name in zip(made, INSIDE):
        rig.wait_for(lambda g=g: all(p['up'] for p in g.json('status')['bgpPeers']), 'the sessions', 60, everyone)
        for prefix in ('10.22.0.0/16', 'fd00:22::/48'):
            rig.wait_for(lambda g=g, p=prefix: candidates(g, p) == ['best', 'stands-by-class'], f'a way to {prefix} by the tunnel, and one by the other instance',
                         30, lambda g=g: everyone() + str(g.json('dump', 'routes', '--all')) + str(g.json('status')['bgpPeers']))
    net.by('gw1')
    reaches(net.alice, '10.22.0.4', *made)
    made[0].command('down', 'to-site')
    reaches(net.alice, '10.22.0.4', *made)
    hop = made[0].json('next-hop', '--vnet', 'VNet1', '10.22.0.4')
    assert (hop['verdict'], hop['appliance'], hop['route']['source']) == ('local', INSIDE['gw2'], 'bgp'), hop
