# SPDX-License-Identifier: Apache-2.0
"""
A circuit with two links beside a tunnel to the circuit's own site, which stands by: routes learnt from the provider's router (BIRD),
every way to lose a link, and the tunnel that takes over. VNet1 is 10.11.0.0/16, the site 10.99.0.0/16.
"""
import json
import os
import re
import signal
import time

import bird
import lab as rig
import pytest
from test_tunnels import UdpStream

os.environ.setdefault('XGW_BIRD', bird.BIRD)
GW, SITE = '203.0.113.1', '203.0.113.5'
FAST = {'bfd': True, 'bfdIntervalMilliseconds': 30, 'bfdMultiplier': 3, 'holdDownSeconds': 2}

PROVIDER = '''
router id 192.168.16.253;
protocol kernel { ipv4 { export where source = RTS_BGP; }; merge paths yes; }
protocol static own { ipv4; route 10.99.0.0/16 unreachable; }
protocol bfd { interface "*" { min rx interval %(ms)d ms; min tx interval %(ms)d ms; multiplier 3; }; }
template bgp cloud { local as 65010; neighbor as 65515; bfd yes; hold time 30; error wait time 1, 2; connect delay time 1; connect retry time 2;
  ipv4 { import all; export where proto = "own" || proto = "more"; }; }
protocol bgp er_one from cloud { local 192.168.16.253; neighbor 192.168.16.254; }
protocol bgp er_two from cloud { local 192.168.17.253; neighbor 192.168.17.254; }
'''


def config(**peering):
    vnet = {'name': 'VNet1', 'id': 1001, 'addressSpace': ['10.11.0.0/16'], 'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': '10.11.255.0/27'}],
            'attachments': [{'port': 'lan0', 'address': '10.11.0.1/24'}]}
    return {'host': {'ports': [{'name': 'wan0', 'device': 'wan', 'role': 'uplink'}, {'name': 'lan0', 'device': 'lan', 'role': 'vnet'},
                               {'name': 'er0', 'device': 'er0', 'role': 'circuit'}, {'name': 'er1', 'device': 'er1', 'role': 'circuit'}]},
            'virtualNetworks': [vnet],
            'virtualNetworkGateways': [{'name': 'VNet1GW', 'virtualNetwork': 'VNet1', 'publicIPAddress': GW},
                                       {'name': 'VNet1ER', 'virtualNetwork': 'VNet1', 'gatewayType': 'ExpressRoute'}],
            'localNetworkGateways': [{'name': 'Site', 'gatewayIpAddress': SITE, 'addressSpace': ['10.99.0.0/16']}],
            'expressRouteCircuits': [{'name': 'Circuit1', 'peerings': [{
                'port': 'er0', 'secondaryPort': 'er1', 'peerASN': 65010, 'primaryPeerAddressPrefix': '192.168.16.252/30',
                'secondaryPeerAddressPrefix': '192.168.17.252/30', **FAST, **peering}]}],
            'connections': [{'name': 'to-circuit', 'connectionType': 'ExpressRoute', 'virtualNetworkGateway1': 'VNet1ER',
                             'expressRouteCircuit': 'Circuit1'},
                            {'name': 'to-site', 'connectionType': 'IPsec', 'virtualNetworkGateway1': 'VNet1GW', 'localNetworkGateway2': 'Site',
                             'sharedKey': rig.PSK}]}


class World:
    """alice -- gw == links == pe -- lan -- bob; gw -- wire -- far (the site's VPN router) -- lan."""

    def __init__(self, lab, public=(GW, SITE)):
        """public: of the gateway and of the site; those of documentation by default."""
        self.lab = lab
        self.public = public
        self.alice, self.gw, self.pe, self.far, self.bob = (lab.host(n) for n in ('alice', 'gw', 'pe', 'far', 'bob'))
        wire, lan = lab.switch('wire'), lab.switch('lan')
        lab.cable(self.alice, 'eth0', self.gw, 'lan')
        # a switch in the middle of each link, which can lose frames without anyone's carrier telling
        self.middle = [lab.switch(f'er{i}') for i in (0, 1)]
        for i in (0, 1):
            lab.plug(self.middle[i], self.gw, f'er{i}')
            lab.plug(self.middle[i], self.pe, f'er{i}')
            self.pe.address(f'er{i}', f'192.168.{16 + i}.253/30')
        for host, address in zip((self.gw, self.far), public):
            lab.plug(wire, host, 'wan')
            host.address('wan', address + '/24')
        for host, device, address in ((self.pe, 'lan', '10.99.0.1'), (self.far, 'lan', '10.99.0.2'), (self.bob, 'eth0', '10.99.0.4')):
            lab.plug(lan, host, device)
            host.address(device, address + '/24')
        self.alice.address('eth0', '10.11.0.4/24')
        self.alice.route('default', 'via', '10.11.0.1')
        self.bob.route('default', 'via', '10.99.0.1')
        # what the provider's router does not learn by BGP goes to the site's VPN router
        self.pe.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=0 '
                   'net.ipv4.conf.lan.send_redirects=0 net.ipv4.fib_multipath_hash_policy=1')
        self.pe.route('10.11.0.0/16', 'via', '10.99.0.2', 'metric', '900')
        self.bird = None

    def start(self, ms=30, more=None, given=None, site=None, **peering):
        """site: changes the configuration of the site's VPN router."""
        self.bird = bird.Neighbour(self.pe, PROVIDER % {'ms': ms} + (more or ''))
        far = rig.gateway_config('Site', 1099, ['10.99.0.0/16'], '10.99.0.2/24', self.public[1], [{
            'name': 'to-cloud', 'connectionType': 'IPsec', 'virtualNetworkGateway1': 'SiteGW', 'localNetworkGateway2': 'Cloud', 'sharedKey': rig.PSK}],
            [{'name': 'Cloud', 'gatewayIpAddress': self.public[0], 'addressSpace': ['10.11.0.0/16']}])
        if site:
            site(far)
        given = given or config()
        given['expressRouteCircuits'][0]['peerings'][0].update(peering)
        given['virtualNetworkGateways'][0]['publicIPAddress'] = self.public[0]
        given['localNetworkGateways'][0]['gatewayIpAddress'] = self.public[1]
        self.g = rig.Xgw(self.gw, given)
        self.f = rig.Xgw(self.far, far, instance='far')
        self.f.start()
        self.g.start()
        self.g.wait_connected('to-site')
        self.wait_links('up', 'up')
        # the VPN router of the site knows its hosts, as one that has worked for a while does
        self.far.ping('10.99.0.4')
        return self

    def links(self):
        return [x['state'] for x in self.g.json('status')['circuits'][0]['links']]

    def wait_links(self, *states, seconds=60):
        rig.wait_for(lambda: self.links() == list(states), f'links to be {states}', seconds, self.explain)

    def explain(self):
        return self.g.explain() + self.bird.process.text()[-3000:] + str(self.g.json('status')['circuits'])

    def way(self, to='10.99.0.4'):
        return self.g.json('next-hop', '--vnet', 'VNet1', '--from', 'fd00:11::4' if ':' in to else '10.11.0.4', to)

    def kill_bird(self):
        """The gateway's one that was started last."""
        self.gw.run('kill', '-9', re.findall(r'(?:router-started .*bird|router-bird-runs pid)=(\d+)', self.g.process.text())[-1])

    def tunnel_packets(self):
        return self.g.connection('to-site')['egressPackets']


@pytest.fixture
def world(lab):
    return World(lab)


def test_circuit_carries_and_tunnel_stands_by(world):
    w = world.start()
    assert w.g.json('status')['circuits'][0]['connectionStatus'] == 'Connected'
    way = w.way()
    assert way['verdict'] == 'circuit' and way['route'] == {'prefix': '10.99.0.0/16', 'source': 'bgp'}, way
    before = w.tunnel_packets()
    w.alice.ping('10.99.0.4', count=5)
    w.bob.ping('10.11.0.4', count=5)
    assert w.tunnel_packets() == before
    assert '10.11.0.0/16' in w.bird.routes()
    peers = w.g.json('status')['bgpPeers']
    assert [p['state'] for p in peers] == ['Established'] * 2 and [p['prefixesAccepted'] for p in peers] == [1, 1]
    routes = w.g.json('dump', 'routes', '--all')['routes']
    mine = next(r for r in routes if r.get('virtualNetwork') == 'VNet1' and r['prefix'] == '10.99.0.0/16')
    assert [c['source'] for c in mine['candidates']] == ['bgp', 'bgp', 'static']
    assert [c['reason'] for c in mine['candidates']] == ['best', 'shares', 'stands-by-class']


def both_down(w):
    for m in w.middle:
        m.run('ip', 'link', 'set', 'p-gw', 'down')


def black_hole(w):
    """Frames get lost on both links, and nobody's carrier tells."""
    for m in w.middle:
        m.run('bridge', 'link', 'set', 'dev', 'p-pe', 'state', '0')


def withdrawn(w):
    w.bird.ask('disable own')


CAUSES = {both_down: 'carrier', black_hole: 'bfd', withdrawn: None}
# where BFD is not what tells, it is slow enough for a busy machine
CALM = {'ms': 300, 'bfdIntervalMilliseconds': 300}


@pytest.mark.parametrize('cut', [both_down, black_hole, withdrawn], ids=lambda f: f.__name__)
def test_failover_to_the_tunnel(world, cut):
    w = world.start(**({} if cut is black_hole else CALM))
    w.alice.ping('10.99.0.4', count=3)
    stream = UdpStream(w.alice, w.bob, '10.99.0.4')
    time.sleep(0.5)
    cut(w)
    rig.wait_for(lambda: w.way()['verdict'] == 'tunnel', 'the tunnel to take over', 30, w.explain)
    time.sleep(1)
    sent, received = stream.finish()
    print(cut.__name__, sent, received)
    # detection takes 3 x 30 ms; a machine that is busy gets more, but not the seconds that BGP alone takes
    assert sent - received < 1000, f'{sent - received} of {sent} lost'
    assert w.tunnel_packets() > 100
    last = w.g.json('status')['circuits'][0]['links'][0]['lastSwitches'][0]
    assert last['to'] == ('down' if CAUSES[cut] else 'up') and last['cause'] == CAUSES[cut], last
    c = next(x for x in w.g.json('status')['connections'] if x['name'] == 'to-circuit')
    if CAUSES[cut]:
        assert re.fullmatch('primary link at er0: .*; secondary link at er1: .*', c['lastError']) and c['reason'] is None, c
    else:
        assert c['lastError'] is None and c['reason'] is None, c
    w.bob.ping('10.11.0.4')


def test_one_link_less_and_back(world):
    w = world.start(**CALM)
    w.alice.ping('10.99.0.4', count=3)
    before = w.tunnel_packets()
    w.middle[0].run('ip', 'link', 'set', 'p-gw', 'down')
    w.wait_links('down', 'up')
    # said of that link; the circuit itself has no error
    c = next(x for x in w.g.json('status')['connections'] if x['name'] == 'to-circuit')
    why = "primary link at er0: the port's device has no carrier"
    assert (c['connectionStatus'], c['lastError'], c['reason']) == ('Connected', None, why), c
    assert re.search(rf'^to-circuit +Connected .*\n    {why}$', w.g.command('status').stdout, re.M), w.g.command('status').stdout
    # the other side, behind a switch, knows by BFD alone, and its answers take the dead link until then
    rig.wait_for(lambda: w.bird.session('er_one')[0] != 'Established', 'the other side to see it', explain=w.explain)
    w.alice.ping('10.99.0.4', count=3)
    w.middle[0].run('ip', 'link', 'set', 'p-gw', 'up')
    w.wait_links('up', 'up', seconds=120)
    w.alice.ping('10.99.0.4', count=3)
    assert w.tunnel_packets() == before
    causes = [s['cause'] for s in w.g.json('status')['circuits'][0]['links'][0]['lastSwitches']]
    assert causes == [None, 'carrier', None]


def test_daemon_killed_circuit_forwards(world):
    """XDP and BIRD go on; nothing is lost on the circuit, and the next daemon finds the sessions up."""
    w = world.start()
    w.alice.ping('10.99.0.4', count=3)
    stream = UdpStream(w.alice, w.bob, '10.99.0.4')
    time.sleep(0.5)
    w.g.process.stop(signal.SIGKILL)
    time.sleep(2)
    sent, received = stream.finish()
    assert received == sent, f'{sent - received} of {sent} lost'
    assert [w.bird.session(n)[0] for n in ('er_one', 'er_two')] == ['Established'] * 2
    w.g.command('detach')
    assert not w.gw.sh('ip -o link').stdout.count('l1')


def test_bird_killed(world):
    """Nothing is lost while it is gone, and it comes back with its sessions."""
    w = world.start()
    w.alice.ping('10.99.0.4', count=3)
    streams = [UdpStream(w.alice, w.bob, '10.99.0.4'), UdpStream(w.bob, w.alice, '10.11.0.4')]
    time.sleep(0.3)
    w.kill_bird()
    rig.wait_for(lambda: 'router-bird-died' in w.g.process.text(), 'its death to be seen', 30, w.explain)
    time.sleep(1)
    lost = [sent - received for sent, received in (s.finish() for s in streams)]
    assert max(lost) <= 3, lost
    rig.wait_for(lambda: [p['state'] for p in w.g.json('status')['bgpPeers']] == ['Established'] * 2, 'the sessions', 60, w.explain)
    w.wait_links('up', 'up')
    rig.wait_for(lambda: w.way()['verdict'] == 'circuit', 'the circuit to be used again', 30, w.explain)


def test_without_bird(world, monkeypatch):
    """One clear error at the start, after which nothing is left; and a reload that would need it changes nothing."""
    w = world
    monkeypatch.setenv('XGW_BIRD', '/nonexistent/bird')
    g = rig.Xgw(w.gw, config())
    r = w.gw.run(rig.XGW, 'run', '-c', g.config, check=False)
    assert r.returncode == 1 and 'cannot start /nonexistent/bird: No such file or directory' in r.stderr and 'install BIRD 2 (Debian: bird2)' in r.stderr, r.stderr
    assert 'prog' not in w.gw.run('ip', '-d', 'link').stdout and not [d for d in w.gw.sh('ls /run/xgw 2> /dev/null || true').stdout.split() if 'router' in d]
    plain = config()
    del plain['expressRouteCircuits'], plain['virtualNetworkGateways'][1], plain['connections'][0]
    g = rig.Xgw(w.gw, plain).start()
    way = ('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '10.99.0.4')
    before = g.json(*way)
    with open(g.config, 'w') as f:
        f.write(json.dumps(config()))
    r = g.command('reload', check=False)
    assert r.returncode and 'install BIRD 2 (Debian: bird2)' in r.stderr and 'nothing was changed' in r.stderr, r.stderr
    assert g.json(*way) == before and before['verdict'] == 'tunnel' and not g.json('status')['circuits']


def test_bad_announcements(world):
    """Our own prefix, a part of it, what is nobody's, the gateway's address: refused by name, the rest is taken."""
    w = world.start(more='''
protocol static more { ipv4; route 10.11.0.0/16 unreachable; route 10.11.7.0/24 unreachable; route 127.1.0.0/16 unreachable;
  route 203.0.113.1/32 unreachable; route 10.0.0.0/8 unreachable; route 0.0.0.0/0 unreachable; }
''')
    rig.wait_for(lambda: all(p['prefixesReceived'] >= 6 for p in w.g.json('status')['bgpPeers']), 'the routes', explain=w.explain)
    refused = w.g.json('status')['bgpPeers'][0]['refused']
    # the lab's public addresses are of a documentation prefix; test_learnt_routes.py has others
    assert refused == {'refused-own': 1, 'refused-inside': 1, 'refused-bogon': 1}, refused
    assert w.way('10.11.7.9')['verdict'] != 'circuit'
    assert w.way('10.55.0.1')['route']['prefix'] == '10.0.0.0/8'
    assert w.way('192.0.2.77')['route']['prefix'] == '0.0.0.0/0'


def test_gateway_beside_stands_by(world):
    """The circuit goes on while the tunnel's gateway has no address; the tunnel stands by for it again when the address is back."""
    given = config()
    given['virtualNetworkGateways'][0]['activeStandby'] = True
    w = world
    w.gw.address('wan', '203.0.113.11/24')
    w.start(given=given)
    w.alice.ping('10.99.0.4', count=3)
    streams = [UdpStream(w.alice, w.bob, '10.99.0.4'), UdpStream(w.bob, w.alice, '10.11.0.4')]
    w.gw.run('ip', 'address', 'del', GW + '/24', 'dev', 'wan')
    rig.wait_for(lambda: w.g.json('status')['gateways'][0]['activeStandby']['state'] == 'Standby', 'the gateway to stand by', explain=w.explain)
    time.sleep(0.5)
    for s in streams:
        sent, received = s.finish()
        assert received == sent, f'{sent - received} of {sent} lost'
    assert w.way()['verdict'] == 'circuit' and w.links() == ['up', 'up'], w.explain()
    both_down(w)
    w.wait_links('down', 'down')
    # until BGP takes the circuit's routes back its dead link is the first of those that are all down
    rig.wait_for(lambda: w.way()['verdict'] == 'tunnel', 'the tunnel to be the way', explain=w.explain)
    no_sa = w.g.drops().get('no-sa', 0)
    assert w.alice.ping('10.99.0.4', count=3, check=False, more=('-W', '1')).returncode != 0
    # workers' drops are in the maps within a second
    rig.wait_for(lambda: w.g.drops().get('no-sa', 0) >= no_sa + 3, 'three drops', 5, w.explain)
    w.gw.address('wan', GW + '/24')
    w.g.wait_connected('to-site')
    # the site's own router knows by BGP's hold time alone, as it is behind a switch
    rig.wait_for(lambda: w.alice.ping('10.99.0.4', count=1, check=False).returncode == 0, 'the tunnel to carry', 60, w.explain)
    for m in w.middle:
        m.run('ip', 'link', 'set', 'p-gw', 'up')
    w.wait_links('up', 'up', seconds=120)
    rig.wait_for(lambda: w.way()['verdict'] == 'circuit', 'the circuit to be used again', 30, w.explain)


def test_planned_switch_loses_nothing(world):
    w = world.start()
    w.alice.ping('10.99.0.4', count=3)
    stream = UdpStream(w.alice, w.bob, '10.99.0.4')
    back = UdpStream(w.bob, w.alice, '10.11.0.4')
    for verb, verdict in (('down', 'tunnel'), ('up', 'circuit')) * 2:
        time.sleep(0.3)
        w.g.command(verb, 'to-circuit')
        assert w.way()['verdict'] == verdict
    for s in (stream, back):
        sent, received = s.finish()
        assert received == sent, f'{sent - received} of {sent} lost'
    assert w.tunnel_packets() > 100
    r = w.g.command('rekey', 'to-circuit', check=False)
    assert r.returncode == 1 and 'a circuit can be taken out of use and back' in r.stderr
    c = next(x for x in w.g.json('status')['connections'] if x['name'] == 'to-circuit')
    assert (c['connectionType'], c['connectionStatus'], c['expressRouteCircuit']) == ('ExpressRoute', 'Connected', 'Circuit1')
    text = w.g.command('status').stdout
    assert re.search(rf'^to-site +Connected +\S+ {SITE} .* in .* out$', text, re.M), text
    assert 'Circuit1' in text and 'primary' in text and '192.168.16.253' in text


def test_ipv6_and_a_second_network(lab):
    """IPv6 by the same links and a session of its own; another network's gateway on the same circuit, whose hosts stay apart from the first's."""
    w = World(lab)
    for i in (0, 1):
        w.pe.address(f'er{i}', f'fd00:16:{i}::1/126')
    w.carol = lab.host('carol')
    lab.cable(w.carol, 'eth0', w.gw, 'lan2')
    w.carol.address('eth0', '10.12.0.4/24')
    w.carol.route('default', 'via', '10.12.0.1')
    w.alice.address('eth0', 'fd00:11::4/64')
    w.alice.route('default', 'via', 'fd00:11::1')
    w.bob.address('eth0', 'fd00:99::4/64')
    w.pe.address('lan', 'fd00:99::1/64')
    w.bob.route('default', 'via', 'fd00:99::1')
    w.pe.sh('sysctl -qw net.ipv6.conf.all.forwarding=1')
    c = config(ipv6PeeringConfig={'primaryPeerAddressPrefix': 'fd00:16::/126', 'secondaryPeerAddressPrefix': 'fd00:16:1::/126'})
    c['virtualNetworks'][0]['addressSpace'].append('fd00:11::/48')
    c['virtualNetworks'][0]['attachments'][0]['address'] = ['10.11.0.1/24', 'fd00:11::1/64']
    c['host']['ports'].append({'name': 'lan2', 'device': 'lan2', 'role': 'vnet'})
    c['virtualNetworks'].append({'name': 'VNet2', 'id': 1002, 'addressSpace': ['10.12.0.0/16'],
                                 'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': '10.12.255.0/27'}],
                                 'attachments': [{'port': 'lan2', 'address': '10.12.0.1/24'}]})
    c['virtualNetworkGateways'].append({'name': 'VNet2ER', 'virtualNetwork': 'VNet2', 'gatewayType': 'ExpressRoute'})
    c['connections'].append({'name': 'second', 'connectionType': 'ExpressRoute', 'virtualNetworkGateway1': 'VNet2ER', 'expressRouteCircuit': 'Circuit1'})
    w.start(given=c, more="""
protocol kernel { ipv6 { export where source = RTS_BGP; }; merge paths yes; }
protocol static own6 { ipv6; route fd00:99::/48 unreachable; }
template bgp cloud6 { local as 65010; neighbor as 65515; hold time 30; ipv6 { import all; export where proto = "own6"; }; }
protocol bgp er_one6 from cloud6 { local fd00:16::1; neighbor fd00:16::2; }
protocol bgp er_two6 from cloud6 { local fd00:16:1::1; neighbor fd00:16:1::2; }
""")
    rig.wait_for(lambda: all(p['state'] == 'Established' for p in w.g.json('status')['bgpPeers']), 'four sessions', 60, w.explain)
    rig.wait_for(lambda: w.way('fd00:99::4')['verdict'] == 'circuit', 'the IPv6 route', 30, w.explain)
    w.alice.ping('fd00:99::4', count=5)
    w.bob.ping('fd00:11::4', count=5)
    assert set(w.bird.routes()) >= {'10.11.0.0/16', '10.12.0.0/16'} and 'fd00:11::/48' in w.bird.routes('master6')
    w.carol.ping('10.99.0.4', count=5)
    w.bob.ping('10.12.0.4', count=5)
    # a circuit does not join the networks that are on it
    assert w.alice.ping('10.12.0.4', count=2, check=False).returncode
