# SPDX-License-Identifier: Apache-2.0
"""
The pictures of a cloud's networks, with real hosts: many sites on one gateway, the same prefix at two of them, hub and spokes
with the hub's gateway, forced tunnelling, tenants with the same addresses, networks of both deployment models.
"""
import signal

import lab as rig

PUBLIC = {'gw1': '203.0.113.1', 'gw2': '203.0.113.2', 'gw3': '203.0.113.3', 'gw4': '203.0.113.4'}


class World:
    """Gateway hosts on one wire; their VNets' hosts are cabled to ports of their own."""

    def __init__(self, lab, *gateways):
        self.lab = lab
        self.wire = lab.switch('wire')
        self.cables = {}
        for name in gateways:
            gw = lab.host(name)
            lab.plug(self.wire, gw, 'wan')
            gw.address('wan', PUBLIC[name] + '/24')
            self.cables[name] = 0

    def inside(self, gateway, name, address):
        """A host `name` behind a port of its own: its router is the address .1 of its /24. The device's name."""
        gw, host = self.lab.hosts[gateway], self.lab.host(name)
        device = f'lan{self.cables[gateway]}'
        self.cables[gateway] += 1
        self.lab.cable(host, 'eth0', gw, device)
        host.address('eth0', address + '/24')
        host.route('default', 'via', router(address))
        return host

    def ports(self, gateway):
        return {'ports': [{'name': 'wan', 'device': 'wan', 'role': 'uplink'}] +
                         [{'name': f'lan{i}', 'device': f'lan{i}', 'role': 'vnet'} for i in range(self.cables[gateway])]}


def router(address):
    return address.rsplit('.', 1)[0] + '.1'


def vnet(name, number, space, lans, **more):
    """lans: {port: address of the gateway there}."""
    network = space[0].rsplit('.', 2)[0]
    subnets = [{'name': 'GatewaySubnet', 'addressPrefix': f'{network}.255.0/27'}, *more.pop('subnets', [])]
    return {'name': name, 'id': number, 'addressSpace': space, 'subnets': subnets,
            'attachments': [{'port': port, 'address': f'{address}/24'} for port, address in lans.items()], **more}


def gateway(vnet_name, public, **more):
    return {'name': vnet_name + 'GW', 'virtualNetwork': vnet_name, 'publicIPAddress': public, **more}


def site(name, public, space):
    return {'name': name, 'gatewayIpAddress': public, 'addressSpace': space}


def to_site(name, gateway_name, site_name, **more):
    return {'name': name, 'connectionType': 'IPsec', 'virtualNetworkGateway1': gateway_name, 'localNetworkGateway2': site_name,
            'sharedKey': rig.PSK, **more}


def branch(world, name, address, peers):
    """A gateway host of one VNet with one host inside, a site for others. peers: {connection: (public address, prefixes, more)}."""
    net = address.rsplit('.', 2)[0]
    host = world.inside(name, 'host-' + name, address)
    g = rig.Xgw(world.lab.hosts[name], {
        'host': world.ports(name),
        'virtualNetworks': [vnet('Here', 2000, [f'{net}.0.0/16'], {'lan0': router(address)})],
        'virtualNetworkGateways': [gateway('Here', PUBLIC[name])],
        'localNetworkGateways': [site('at-' + c, public, prefixes) for c, (public, prefixes, _) in peers.items()],
        'connections': [to_site(c, 'HereGW', 'at-' + c, **more) for c, (_, _, more) in peers.items()]})
    return host, g


def explain(*gateways):
    return lambda: ''.join(f'{g.host.name}: {g.explain()}{g.drops()}\n' for g in gateways)


def reaches(host, to, *gateways, more=()):
    rig.wait_for(lambda: host.once(to, more=more), f'{host.name} to reach {to}',
                 explain=explain(*gateways))


def never_reaches(host, to, more=()):
    assert host.ping(to, count=3, check=False, more=more).returncode != 0, f'{host.name} reaches {to}'


def start(*gateways):
    for g, _ in gateways:
        g.start()
    for g, names in gateways:
        for name in names:
            g.wait_connected(name, 40)


def test_many_sites_and_transit_between_them(lab):
    """A hub with two sites: each reaches the hub, and the other one through it."""
    w = World(lab, 'gw1', 'gw2', 'gw3')
    alice = w.inside('gw1', 'alice', '10.11.0.4')
    bob, g2 = branch(w, 'gw2', '10.22.0.4', {'hub': (PUBLIC['gw1'], ['10.11.0.0/16', '10.33.0.0/16'], {})})
    carol, g3 = branch(w, 'gw3', '10.33.0.4', {'hub': (PUBLIC['gw1'], ['10.11.0.0/16', '10.22.0.0/16'], {})})
    g1 = rig.Xgw(lab.hosts['gw1'], {
        'host': w.ports('gw1'),
        'virtualNetworks': [vnet('Hub', 1001, ['10.11.0.0/16'], {'lan0': '10.11.0.1'})],
        'virtualNetworkGateways': [gateway('Hub', PUBLIC['gw1'])],
        'localNetworkGateways': [site('S2', PUBLIC['gw2'], ['10.22.0.0/16']), site('S3', PUBLIC['gw3'], ['10.33.0.0/16'])],
        'connections': [to_site('hub-s2', 'HubGW', 'S2'), to_site('hub-s3', 'HubGW', 'S3')]})
    start((g1, ['hub-s2', 'hub-s3']), (g2, ['hub']), (g3, ['hub']))
    reaches(alice, '10.22.0.4', g1, g2)
    reaches(alice, '10.33.0.4', g1, g3)
    reaches(bob, '10.33.0.4', g1, g2, g3)
    _, name, want = rig.serve_file(carol, 2 << 20)
    assert rig.fetch_sum(bob, f'http://10.33.0.4:8080/{name}') == want
    hop = g1.json('next-hop', '--vnet', 'Hub', '10.33.0.4')
    assert (hop['verdict'], hop['nextHop']) == ('tunnel', 'hub-s3')
    # TTL: two gateways and the far one, each counts
    assert 'ttl=61' in bob.ping('10.33.0.4', count=1).stdout


def test_the_same_prefix_at_two_sites(lab):
    """routingWeight chooses; the other one takes over while the first is down, and gives back."""
    w = World(lab, 'gw1', 'gw2', 'gw3')
    alice = w.inside('gw1', 'alice', '10.11.0.4')
    hub = {'hub': (PUBLIC['gw1'], ['10.11.0.0/16'], {})}
    first, g2 = branch(w, 'gw2', '10.22.0.4', hub)
    second, g3 = branch(w, 'gw3', '10.22.0.4', hub)
    g1 = rig.Xgw(lab.hosts['gw1'], {
        'host': w.ports('gw1'),
        'virtualNetworks': [vnet('Hub', 1001, ['10.11.0.0/16'], {'lan0': '10.11.0.1'})],
        'virtualNetworkGateways': [gateway('Hub', PUBLIC['gw1'])],
        'localNetworkGateways': [site('S2', PUBLIC['gw2'], ['10.22.0.0/16']), site('S3', PUBLIC['gw3'], ['10.22.0.0/16'])],
        'connections': [to_site('lesser', 'HubGW', 'S3', routingWeight=5), to_site('larger', 'HubGW', 'S2', routingWeight=20)]})
    start((g1, ['larger', 'lesser']), (g2, ['hub']), (g3, ['hub']))
    for host, text in ((first, 'one'), (second, 'two')):
        host.start('/usr/bin/python3', '-c', f'''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7))
while True:
    _, who = s.recvfrom(2048); s.sendto(b'{text}', who)
''', name='who')
    ask = ('import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)\n'
           's.sendto(b"?", ("10.22.0.4", 7)); print(s.recv(99).decode())')

    def answers():
        return alice.run('/usr/bin/python3', '-c', ask, check=False).stdout.strip()
    rig.wait_for(lambda: answers() == 'one', 'the site with the larger weight', explain=explain(g1, g2, g3))
    assert g1.json('next-hop', '--vnet', 'Hub', '10.22.0.4')['nextHop'] == 'larger'
    g1.command('down', 'larger')
    rig.wait_for(lambda: answers() == 'two', 'the other site to take over', explain=explain(g1, g2, g3))
    assert g1.json('next-hop', '--vnet', 'Hub', '10.22.0.4')['nextHop'] == 'lesser'
    g1.command('up', 'larger')
    rig.wait_for(lambda: answers() == 'one', 'the first site again', explain=explain(g1, g2, g3))


def hub_and_spokes(w, **more):
    """Hub and two spokes on gw1, a site behind gw2. (hosts by VNet, gateway host's configuration)."""
    hosts = {n: w.inside('gw1', n.lower(), f'10.{10 + i}.0.4') for i, n in enumerate(('Hub', 'Spoke1', 'Spoke2'))}
    nets = [vnet(n, 1001 + i, [f'10.{10 + i}.0.0/16'], {f'lan{i}': f'10.{10 + i}.0.1'}) for i, n in enumerate(hosts)]
    nets[0]['peerings'] = [{'name': f'to-{s}', 'remoteVirtualNetwork': s, 'allowGatewayTransit': True} for s in ('Spoke1', 'Spoke2')]
    for n, uses in ((nets[1], True), (nets[2], False)):
        n['peerings'] = [{'name': 'to-hub', 'remoteVirtualNetwork': 'Hub', 'useRemoteGateways': uses}]
    return hosts, {'host': w.ports('gw1'), 'virtualNetworks': nets,
                   'virtualNetworkGateways': [gateway('Hub', PUBLIC['gw1'], **more)],
                   'localNetworkGateways': [site('S2', PUBLIC['gw2'], ['10.22.0.0/16'])],
                   'connections': [to_site('hub-s2', 'HubGW', 'S2')]}


def test_peering_with_gateway_transit(lab):
    w = World(lab, 'gw1', 'gw2')
    hosts, config = hub_and_spokes(w)
    bob, g2 = branch(w, 'gw2', '10.22.0.4', {'hub': (PUBLIC['gw1'], ['10.10.0.0/16', '10.11.0.0/16', '10.12.0.0/16'], {})})
    g1 = rig.Xgw(lab.hosts['gw1'], config)
    start((g1, ['hub-s2']), (g2, ['hub']))
    reaches(hosts['Hub'], '10.11.0.4', g1)
    reaches(hosts['Hub'], '10.12.0.4', g1)
    reaches(hosts['Hub'], '10.22.0.4', g1, g2)
    # the first spoke has the hub's gateway, the second has not
    reaches(hosts['Spoke1'], '10.22.0.4', g1, g2)
    reaches(bob, '10.11.0.4', g1, g2)
    never_reaches(hosts['Spoke2'], '10.22.0.4')
    # peering is not transitive
    never_reaches(hosts['Spoke1'], '10.12.0.4')
    assert g1.json('next-hop', '--vnet', 'Spoke1', '10.12.0.4')['reason'] == 'no-route'
    hop = g1.json('next-hop', '--vnet', 'Spoke1', '10.10.0.4')
    assert (hop['verdict'], hop['route']['source'], hop['nextHop']) == ('local', 'peering', 'lan0')
    assert g1.json('next-hop', '--vnet', 'Spoke1', '10.22.0.4')['nextHop'] == 'hub-s2'
    # XDP alone: the daemon is killed, and peered networks go on
    rate = rig.iperf(hosts['Hub'], hosts['Spoke1'], '10.11.0.4', seconds=1)
    g1.process.popen.send_signal(signal.SIGKILL)
    g1.process.popen.wait()
    assert rig.iperf(hosts['Hub'], hosts['Spoke1'], '10.11.0.4', seconds=1) > rate / 20
    hosts['Spoke2'].ping('10.10.0.4')
    never_reaches(hosts['Hub'], '10.22.0.4')


def states_of_peerings(lab, g, nets):
    """As Azure names them, while sides come and go; both in words and as JSON."""
    def check(**want):
        for one in g.json('status')['virtualNetworks']:
            assert [p['peeringState'] for p in one['peerings']] == want[one['name']], one
            for p in one['peerings']:
                line = f"{p['name']} {p['peeringState']} {one['name']} {p['remoteVirtualNetwork']}".split()
                assert line in [row.split() for row in g.command('status').stdout.splitlines()], g.command('status').stdout

    def reload(two):
        with open(g.config) as f:
            c = rig.json.load(f)
        c['virtualNetworks'] = [nets[0], {**nets[1], 'peerings': two}]
        lab.file('gw1.yaml', rig.json.dumps(c))
        g.command('reload')
    check(One=['Connected'], Two=['Connected'])
    reload([])
    check(One=['Disconnected'], Two=[])
    assert g.json('next-hop', '--vnet', 'One', '10.11.0.4')['reason'] == 'no-route'
    assert g.process.stop() == 0
    g.start()
    check(One=['Initiated'], Two=[])
    reload(nets[1]['peerings'])
    check(One=['Connected'], Two=['Connected'])


def test_peering_without_access(lab):
    """allowVirtualNetworkAccess off on one side: that side's packets end here, with a reason of their own."""
    w = World(lab, 'gw1')
    one, two = (w.inside('gw1', n, a) for n, a in (('one', '10.10.0.4'), ('two', '10.11.0.4')))
    nets = [vnet('One', 1001, ['10.10.0.0/16'], {'lan0': '10.10.0.1'},
                 peerings=[{'name': 'p', 'remoteVirtualNetwork': 'Two', 'allowVirtualNetworkAccess': False}]),
            vnet('Two', 1002, ['10.11.0.0/16'], {'lan1': '10.11.0.1'}, peerings=[{'name': 'p', 'remoteVirtualNetwork': 'One'}])]
    g = rig.Xgw(lab.hosts['gw1'], {'host': w.ports('gw1'), 'virtualNetworks': nets}).start()
    states_of_peerings(lab, g, nets)
    never_reaches(one, '10.11.0.4')
    never_reaches(two, '10.10.0.4')  # the answers of `one` end
    assert g.drops().get('peering', 0) >= 3
    assert g.json('next-hop', '--vnet', 'One', '10.11.0.4')['reason'] == 'peering'


def test_forced_tunnelling(lab):
    """Hosts of one subnet reach the Internet through the default site alone; those of another not at all; some prefixes nobody."""
    w = World(lab, 'gw1', 'gw2')
    alice, dora = w.inside('gw1', 'alice', '10.11.0.4'), w.inside('gw1', 'dora', '10.11.1.4')
    bob, g2 = branch(w, 'gw2', '10.22.0.4', {'hub': (PUBLIC['gw1'], ['10.11.0.0/16'], {})})
    # bob is a router to the world for the test: addresses of it are his own
    for a in ('198.18.0.1/32', '198.18.1.1/32'):
        bob.run('ip', 'address', 'add', a, 'dev', 'lo')
    with open(g2.config) as f:
        c = rig.json.load(f)
    c['virtualNetworks'][0]['addressSpace'] += ['198.18.0.0/15']
    net = c['virtualNetworks'][0]
    c['routeTables'] = [{'name': 'out', 'routes': [{'name': 'world', 'addressPrefix': '198.18.0.0/15', 'nextHopType': 'VirtualAppliance',
                                                    'nextHopIpAddress': '10.22.0.4'}]}]
    net['subnets'][0]['routeTable'] = 'out'
    with open(g2.config, 'w') as f:
        rig.json.dump(c, f)
    g1 = rig.Xgw(lab.hosts['gw1'], {
        'host': w.ports('gw1'),
        'routeTables': [{'name': 'forced', 'routes': [
            {'name': 'default', 'addressPrefix': '0.0.0.0/0', 'nextHopType': 'VirtualNetworkGateway'},
            {'name': 'not-there', 'addressPrefix': '198.18.1.0/24', 'nextHopType': 'None'},
            {'name': 'out', 'addressPrefix': '198.18.2.0/24', 'nextHopType': 'Internet'},
            {'name': 'firewall', 'addressPrefix': '198.18.3.0/24', 'nextHopType': 'VirtualAppliance', 'nextHopIpAddress': '10.11.1.4'}]}],
        'virtualNetworks': [vnet('VNet1', 1001, ['10.11.0.0/16'], {'lan0': '10.11.0.1', 'lan1': '10.11.1.1'}, subnets=[
            {'name': 'FrontEnd', 'addressPrefix': '10.11.0.0/24', 'routeTable': 'forced'},
            {'name': 'BackEnd', 'addressPrefix': '10.11.1.0/24'}])],
        'virtualNetworkGateways': [gateway('VNet1', PUBLIC['gw1'], gatewayDefaultSite='S2')],
        'localNetworkGateways': [site('S2', PUBLIC['gw2'], ['10.22.0.0/16'])],
        'connections': [to_site('to-s2', 'VNet1GW', 'S2')]})
    start((g1, ['to-s2']), (g2, ['hub']))
    reaches(alice, '10.22.0.4', g1, g2)
    reaches(dora, '10.22.0.4', g1, g2)
    reaches(alice, '198.18.0.1', g1, g2)
    never_reaches(alice, '198.18.1.1')
    never_reaches(dora, '198.18.0.1')
    reaches(alice, '10.11.1.4', g1)
    hop = g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '198.18.0.1')
    assert (hop['verdict'], hop['nextHop'], hop['route']['source'], hop['route']['prefix']) == ('tunnel', 'to-s2', 'user', '0.0.0.0/0')
    assert g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '198.18.1.1')['reason'] == 'route-none'
    hop = g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '198.18.2.1')
    assert (hop['verdict'], hop['route']) == ('pass', {'prefix': '198.18.2.0/24', 'source': 'user'})
    hop = g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '198.18.3.1')
    assert (hop['verdict'], hop['nextHop'], hop['appliance']) == ('local', 'lan1', '10.11.1.4')
    through_appliance(alice, dora)
    assert g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.1.4', '198.18.0.1')['reason'] == 'no-route'
    withheld(lab, g1, alice, dora)


def through_appliance(alice, dora):
    """What alice sends to a prefix that is nobody's comes to dora's device, whoever it is for."""
    seen = rig.Capture(dora, 'eth0', 'icmp and dst net 198.18.3.0/24')
    never_reaches(alice, '198.18.3.1')
    seen.stop()
    assert set(seen.tshark('-T', 'fields', '-e', 'ip.dst').split()) == {'198.18.3.1'}


def withheld(lab, g1, alice, dora):
    """disableBgpRoutePropagation: a subnet has none of the gateway's routes, unless its table leads to the gateway itself."""
    with open(g1.config) as f:
        c = rig.json.load(f)
    c['routeTables'][0]['disableBgpRoutePropagation'] = True
    c['routeTables'].append({'name': 'alone', 'disableBgpRoutePropagation': True})
    c['virtualNetworks'][0]['subnets'][2]['routeTable'] = 'alone'
    lab.file('gw1.yaml', rig.json.dumps(c))
    g1.command('reload')
    never_reaches(dora, '10.22.0.4')
    assert g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.1.4', '10.22.0.4')['reason'] == 'no-route'
    reaches(dora, '10.11.0.4', g1)
    reaches(alice, '10.22.0.4', g1)
    hop = g1.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '10.22.0.4')
    assert (hop['nextHop'], hop['route']) == ('to-s2', {'prefix': '10.22.0.0/16', 'source': 'static'})
    flags = {e['prefix']: e['flags'] for e in g1.json('dump', 'routes4')['entries'] if e['virtualNetwork'] == 'VNet1'}
    assert flags['10.11.1.0/24'] == ['local', 'withheld'] and flags['10.22.0.0/16'] == []


def test_two_tenants_with_the_same_addresses(lab):
    """One gateway host, two tenants, the same prefixes inside and at their sites: each has its own world, neither the other's."""
    w = World(lab, 'gw1', 'gw2', 'gw3')
    red, blue = w.inside('gw1', 'red', '10.11.0.4'), w.inside('gw1', 'blue', '10.11.0.4')
    lab.hosts['gw1'].address('wan', '203.0.113.11/24')
    red_bob, g2 = branch(w, 'gw2', '10.22.0.4', {'hub': (PUBLIC['gw1'], ['10.11.0.0/16'], {})})
    blue_bob, g3 = branch(w, 'gw3', '10.22.0.4', {'hub': ('203.0.113.11', ['10.11.0.0/16'], {})})
    g1 = rig.Xgw(lab.hosts['gw1'], {
        'host': w.ports('gw1'),
        'virtualNetworks': [vnet('Red', 1001, ['10.11.0.0/16'], {'lan0': '10.11.0.1'}),
                            vnet('Blue', 1002, ['10.11.0.0/16'], {'lan1': '10.11.0.1'})],
        'virtualNetworkGateways': [gateway('Red', PUBLIC['gw1']), gateway('Blue', '203.0.113.11')],
        'localNetworkGateways': [site('RedSite', PUBLIC['gw2'], ['10.22.0.0/16']), site('BlueSite', PUBLIC['gw3'], ['10.22.0.0/16'])],
        'connections': [to_site('red', 'RedGW', 'RedSite'), to_site('blue', 'BlueGW', 'BlueSite')]})
    start((g1, ['red', 'blue']), (g2, ['hub']), (g3, ['hub']))
    seen = {h.name: rig.Capture(h, 'eth0', 'icmp') for h in (red, blue, red_bob, blue_bob)}
    for host, size in ((red, 100), (blue, 200)):
        rig.wait_for(lambda: host.once('10.22.0.4', size=size), f'{host.name} to reach its site',
                     explain=explain(g1, g2, g3))
        host.ping('10.22.0.4', count=10, size=size)
    lengths = {}
    for name, capture in seen.items():
        capture.stop()
        lengths[name] = set(capture.tshark('-Y', 'icmp', '-T', 'fields', '-e', 'ip.len').split())
    # by their sizes: every packet of red was seen by red's two hosts alone, and blue's by blue's
    assert lengths == {'red': {'128'}, 'host-gw2': {'128'}, 'blue': {'228'}, 'host-gw3': {'228'}}, lengths
    for name, other in (('Red', 'red'), ('Blue', 'blue')):
        assert g1.json('next-hop', '--vnet', name, '10.22.0.4')['nextHop'] == other
    # a host that takes the other tenant's place by its address alone stays in its own network
    red.run('ip', 'address', 'add', '10.11.7.7/24', 'dev', 'eth0')
    blue_seen = rig.Capture(blue, 'eth0', 'icmp')
    never_reaches(red, '10.11.0.99', more=('-I', '10.11.7.7'))
    blue_seen.stop()
    assert blue_seen.tshark('-Y', 'icmp') == ''


CLASSIC = '''<?xml version="1.0" encoding="utf-8"?>
<NetworkConfiguration xmlns="http://schemas.microsoft.com/ServiceHosting/2011/07/NetworkConfiguration">
  <VirtualNetworkConfiguration>
    <LocalNetworkSites>
      <LocalNetworkSite name="RMVNetLocal">
        <AddressSpace><AddressPrefix>10.3.0.0/16</AddressPrefix></AddressSpace>
        <VPNGatewayAddress>203.0.113.2</VPNGatewayAddress>
      </LocalNetworkSite>
    </LocalNetworkSites>
    <VirtualNetworkSites>
      <VirtualNetworkSite name="ClassicVNet" Location="West US">
        <AddressSpace><AddressPrefix>10.41.0.0/16</AddressPrefix></AddressSpace>
        <Subnets>
          <Subnet name="Subnet-1"><AddressPrefix>10.41.0.0/24</AddressPrefix></Subnet>
          <Subnet name="GatewaySubnet"><AddressPrefix>10.41.255.0/27</AddressPrefix></Subnet>
        </Subnets>
        <Gateway>
          <ConnectionsToLocalNetwork>
            <LocalNetworkSiteRef name="RMVNetLocal"><Connection type="IPsec" /></LocalNetworkSiteRef>
          </ConnectionsToLocalNetwork>
        </Gateway>
      </VirtualNetworkSite>
    </VirtualNetworkSites>
  </VirtualNetworkConfiguration>
</NetworkConfiguration>
'''


def imported(world, gateway_name, words, router_address):
    """The configuration of `xgw import`, its blanks filled in as a person would."""
    import yaml
    host = world.lab.hosts[gateway_name]
    c = yaml.safe_load(host.run(rig.XGW, 'import', *words).stdout)
    c['host'] = world.ports(gateway_name)
    c['virtualNetworks'][0]['attachments'] = [{'port': 'lan0', 'address': router_address + '/24'}]
    for g in c['virtualNetworkGateways']:
        g['publicIPAddress'] = PUBLIC[gateway_name]
        if g.get('sku', '').startswith('<fill in: '):
            g['sku'] = 'Standard'
    for x in c['connections']:
        x['sharedKey'] = rig.PSK
    assert '<fill in: ' not in rig.json.dumps(c), c
    return rig.Xgw(host, c), c['connections'][0]['name']


def test_classic_to_resource_manager(lab):
    """A classic network and one of Resource Manager, each out of its own model's file, connected by their gateways."""
    w = World(lab, 'gw1', 'gw2')
    old, new = w.inside('gw1', 'old', '10.41.0.4'), w.inside('gw2', 'new', '10.3.1.4')
    template = rig.os.path.join(rig.ROOT, 'tests/data/arm/101-site-to-site-vpn-create/azuredeploy.json')
    with open(template.replace('.json', '.parameters.json')) as f:
        given = rig.json.load(f)
    given['parameters']['localGatewayIpAddress']['value'] = PUBLIC['gw1']
    given['parameters']['localAddressPrefix']['value'] = '10.41.0.0/16'
    parameters = lab.file('parameters.json', rig.json.dumps(given))
    g1, to_new = imported(w, 'gw1', ['--from', 'netcfg', lab.file('NetworkConfig.xml', CLASSIC)], '10.41.0.1')
    g2, to_old = imported(w, 'gw2', [template, '--parameters', parameters], '10.3.1.1')
    start((g1, [to_new]), (g2, [to_old]))
    reaches(old, '10.3.1.4', g1, g2)
    reaches(new, '10.41.0.4', g1, g2)
    _, name, want = rig.serve_file(new, 2 << 20)
    assert rig.fetch_sum(old, f'http://10.3.1.4:8080/{name}') == want


def test_networks_sites_and_each_other_combined(lab):
    """Two hubs connected to each other, each with a site of its own: a site reaches the far site over both hubs."""
    w = World(lab, 'gw1', 'gw2', 'gw3', 'gw4')
    everything = ['10.11.0.0/16', '10.12.0.0/16', '10.22.0.0/16', '10.33.0.0/16']

    def but(*own):
        return [p for p in everything if p not in own]
    alice, bob = w.inside('gw1', 'alice', '10.11.0.4'), w.inside('gw2', 'bob', '10.12.0.4')
    carol, g3 = branch(w, 'gw3', '10.22.0.4', {'hub': (PUBLIC['gw1'], but('10.22.0.0/16'), {})})
    dave, g4 = branch(w, 'gw4', '10.33.0.4', {'hub': (PUBLIC['gw2'], but('10.33.0.0/16'), {})})
    made = []
    for me, other, net, far, its_site in (('gw1', 'gw2', '10.11', ['10.12.0.0/16', '10.33.0.0/16'], ('gw3', '10.22.0.0/16')),
                                          ('gw2', 'gw1', '10.12', ['10.11.0.0/16', '10.22.0.0/16'], ('gw4', '10.33.0.0/16'))):
        made.append(rig.Xgw(lab.hosts[me], {
            'host': w.ports(me),
            'virtualNetworks': [vnet('Hub', 1001, [f'{net}.0.0/16'], {'lan0': f'{net}.0.1'})],
            'virtualNetworkGateways': [gateway('Hub', PUBLIC[me])],
            'remoteGateways': [{'name': 'OtherGW', 'publicIPAddress': PUBLIC[other], 'addressSpace': far}],
            'localNetworkGateways': [site('Site', PUBLIC[its_site[0]], [its_site[1]])],
            'connections': [to_site('site', 'HubGW', 'Site'),
                            {'name': 'other', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway1': 'HubGW',
                             'virtualNetworkGateway2': 'OtherGW', 'sharedKey': rig.PSK}]}))
    g1, g2 = made
    start((g1, ['site', 'other']), (g2, ['site', 'other']), (g3, ['hub']), (g4, ['hub']))
    reaches(alice, '10.12.0.4', g1, g2)
    reaches(alice, '10.33.0.4', g1, g2, g4)
    reaches(bob, '10.22.0.4', g1, g2, g3)
    reaches(carol, '10.33.0.4', g1, g2, g3, g4)
    reaches(dave, '10.22.0.4', g1, g2, g3, g4)


def test_over_three_networks_to_a_site(lab):
    """Instances of four owners in a row, by routes that each has typed: A - B - C - a site of C. Every gateway decides for itself."""
    w = World(lab, 'gw1', 'gw2', 'gw3', 'gw4')
    nets = {'A': 'gw1', 'B': 'gw2', 'C': 'gw3'}
    space = {'A': '10.11.0.0/16', 'B': '10.12.0.0/16', 'C': '10.13.0.0/16', 'Site': '10.44.0.0/16'}
    hosts = {n: w.inside(nets[n], n.lower(), space[n].replace('.0.0/16', '.0.4')) for n in nets}
    # what each network finds behind the gateway of its neighbour
    behind = {('A', 'B'): 'B C Site', ('B', 'A'): 'A', ('B', 'C'): 'C Site', ('C', 'B'): 'A B'}
    dave, site_gw = branch(w, 'gw4', '10.44.0.4', {'to-c': (PUBLIC['gw3'], [space[n] for n in nets], {})})
    made = {}
    for n, gw in nets.items():
        far = {b: words.split() for (a, b), words in behind.items() if a == n}
        made[n] = rig.Xgw(lab.hosts[gw], {
            'host': w.ports(gw),
            'virtualNetworks': [vnet(n, 1001, [space[n]], {'lan0': router(space[n].replace('.0.0/16', '.0.4'))})],
            'virtualNetworkGateways': [gateway(n, PUBLIC[gw])],
            'remoteGateways': [{'name': b + 'GW', 'publicIPAddress': PUBLIC[nets[b]], 'addressSpace': [space[x] for x in more]} for b, more in far.items()],
            'localNetworkGateways': [site('Site', PUBLIC['gw4'], [space['Site']])] if n == 'C' else [],
            'connections': [{'name': f'to-{b}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway1': n + 'GW', 'virtualNetworkGateway2': b + 'GW',
                             'sharedKey': rig.PSK} for b in far] + ([to_site('to-site', 'CGW', 'Site')] if n == 'C' else [])})
    a, b, c = made.values()
    start((a, ['to-B']), (b, ['to-A', 'to-C']), (c, ['to-B', 'to-site']), (site_gw, ['to-c']))
    reaches(hosts['A'], '10.13.0.4', a, b, c)
    reaches(hosts['A'], '10.44.0.4', a, b, c, site_gw)
    reaches(dave, '10.11.0.4', a, b, c, site_gw)
    # each gateway on the way counts
    assert 'ttl=61' in hosts['A'].ping('10.13.0.4', count=1).stdout and 'ttl=60' in dave.ping('10.11.0.4', count=1).stdout
    assert [(g.json('next-hop', '--vnet', n, '10.44.0.4')['nextHop']) for n, g in made.items()] == ['to-B', 'to-C', 'to-site']
    _, name, want = rig.serve_file(dave, 1 << 20)
    assert rig.fetch_sum(hosts['A'], f'http://10.44.0.4:8080/{name}') == want
    # a link in the middle is down: dropped there, and no way around
    b.command('down', 'to-C')
    rig.wait_for(lambda: b.connection('to-C')['connectionStatus'] != 'Connected', 'the middle to go down', explain=explain(b, c))
    before = b.drops().get('no-sa', 0)
    never_reaches(hosts['A'], '10.44.0.4')
    rig.wait_for(lambda: b.drops().get('no-sa', 0) >= before + 3, 'the drops', 5, b.explain)
    reaches(hosts['A'], '10.12.0.4', a, b)
    b.command('up', 'to-C')
    reaches(hosts['A'], '10.44.0.4', a, b, c, site_gw)
