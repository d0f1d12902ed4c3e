# SPDX-License-Identifier: Apache-2.0
"""
Two virtual networks with a gateway each, on one host and in one configuration: IKE over the loopback, ESP from one gateway to the other
without leaving the host. The uplink has two public addresses; nothing of their traffic is ever seen outside, in the clear or not.
"""
import ipaddress
import signal
import struct

import lab as rig
import pytest

MARKER = b'CANARY-51c0de-must-never-be-seen-in-the-clear'
PUBLIC = {4: ('203.0.113.1', '203.0.113.2'), 6: ('2001:db8::1', '2001:db8::2')}


def configuration(public):
    networks = []
    for n in (1, 2):
        net = f'10.{n * 11}'
        networks.append({
            'name': f'VNet{n}', 'id': 1000 + n, 'addressSpace': [f'{net}.0.0/16', f'fd00:{n * 11}::/48'],
            'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'{net}.255.0/27'}],
            'attachments': [{'port': f'lan{n}', 'encapsulation': 'none', 'address': [f'{net}.0.1/24', f'fd00:{n * 11}::1/64']}]})
    return {
        'host': {'ports': [{'name': 'wan0', 'device': 'wan', 'role': 'uplink'},
                           {'name': 'lan1', 'device': 'lan1', 'role': 'vnet'}, {'name': 'lan2', 'device': 'lan2', 'role': 'vnet'}]},
        'virtualNetworks': networks,
        'virtualNetworkGateways': [{'name': f'VNet{n}GW', 'virtualNetwork': f'VNet{n}', 'publicIPAddress': public[n - 1]} for n in (1, 2)],
        'connections': [{'name': f'{a}-to-{b}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway1': f'VNet{a}GW',
                         'virtualNetworkGateway2': f'VNet{b}GW', 'sharedKey': rig.PSK} for a, b in ((1, 2), (2, 1))],
    }


class House:
    def __init__(self, lab):
        self.gw, self.wire, self.alice, self.bob = lab.host('gw'), lab.host('wire'), lab.host('alice'), lab.host('bob')
        lab.cable(self.wire, 'w0', self.gw, 'wan')
        for n, host in ((1, self.alice), (2, self.bob)):
            lab.cable(host, 'eth0', self.gw, f'lan{n}')
            host.address('eth0', f'10.{n * 11}.0.4/24', f'fd00:{n * 11}::4/64')
            for router in (f'10.{n * 11}.0.1', f'fd00:{n * 11}::1'):
                host.route('default', 'via', router)
        self.gw.address('wan', *(f'{a}/24' for a in PUBLIC[4]), *(f'{a}/64' for a in PUBLIC[6]))
        self.wire.address('w0', '203.0.113.254/24', '2001:db8::254/64')
        self.gw.run('sysctl', '-qw', 'net.ipv4.ip_forward=0')


@pytest.fixture
def house():
    lab = rig.Lab()
    try:
        yield House(lab)
    finally:
        lab.close()


def start(house, public):
    g = rig.Xgw(house.gw, configuration(public)).start(wait=False)
    # the kernel verifies the programs for each of three ports
    rig.wait_for(g.ready, 'xgw to be ready', seconds=90, explain=g.process.text)
    for name in ('1-to-2', '2-to-1'):
        g.wait_connected(name)
    rig.wait_for(lambda: house.alice.once('10.22.0.4'), 'traffic between the networks',
                 explain=lambda: g.explain() + str(g.drops()))
    return g


@pytest.mark.parametrize('family', (4, 6))
def test_two_gateways_of_one_host(house, family):
    outside = rig.Capture(house.wire, 'w0')
    inside = rig.Capture(house.gw, 'lo')
    g = start(house, PUBLIC[family])
    house.alice.ping('10.22.0.4')
    house.bob.ping('10.11.0.4')
    house.alice.ping('10.22.0.4', size=4000)
    for to in ('10.22.0.4', 'fd00:22::4'):
        house.alice.ping(to, more=('-p', MARKER[:16].hex()))
    house.bob.ping('fd00:11::4', size=1300)
    assert g.json('next-hop', '--vnet', 'VNet1', 'fd00:22::4')['nextHop'] == '1-to-2'
    _, name, want = rig.serve_file(house.bob)
    assert rig.fetch_sum(house.alice, f'http://10.22.0.4:8080/{name}') == want
    one, two = g.connection('1-to-2'), g.connection('2-to-1')
    mine, theirs = one['childSas'], two['childSas']
    assert {(c['spiIn'], c['spiOut']) for c in mine} == {(c['spiOut'], c['spiIn']) for c in theirs}
    # what one has sent the other has received: nothing was lost between them
    assert one['egressPackets'] == two['ingressPackets'] > 0 and two['egressPackets'] == one['ingressPackets'] > 0
    assert one['egressBytes'] == two['ingressBytes'] and two['egressBytes'] == one['ingressBytes']
    outside.stop()
    # on the loopback the kernel counts every packet twice, so stop() would wait for what never comes
    inside.process.stop(signal.SIGINT)
    for capture in (outside, inside):
        assert not capture.contains(MARKER[:16])
        assert capture.tshark('-Y', 'ip.addr == 10.0.0.0/8 or ipv6.addr == fd00::/8') == ''
        assert capture.tshark('-Y', 'esp') == ''
    assert outside.tshark('-Y', 'isakmp') == '' and inside.tshark('-Y', 'isakmp') != ''


def test_without_the_tunnel_nothing_passes(house):
    g = start(house, PUBLIC[4])
    for name in ('1-to-2', '2-to-1'):
        g.command('down', name)
    rig.wait_for(lambda: all(c['connectionStatus'] != 'Connected' for c in g.json('status')['connections']), 'both to go down')
    before = g.drops().get('no-sa', 0)
    assert house.alice.ping('10.22.0.4', count=2, check=False).returncode != 0
    rig.wait_for(lambda: g.drops().get('no-sa', 0) >= before + 2, 'the drops', 5, g.explain)
    for name in ('1-to-2', '2-to-1'):
        g.command('up', name)
    rig.wait_for(lambda: house.alice.once('10.22.0.4'), 'traffic again',
                 explain=lambda: g.explain() + str(g.drops()))


@pytest.mark.parametrize('family', (4, 6))
def test_gateways_that_stand_by(house, family):
    """Both go with their addresses; one alone is reached where its address is, not here. IPv6 as VRRP has it: deprecated, so that
    nobody takes it as a source unasked."""
    bits = '/32' if family == 4 else '/128'

    def move(verb, which):
        more = ['nodad', 'preferred_lft', '0'] if family == 6 and verb == 'add' else []
        house.gw.run('ip', 'address', verb, PUBLIC[family][which] + bits, 'dev', 'wan', *more)

    def states(*want):
        rig.wait_for(lambda: [x['activeStandby']['state'] for x in g.json('status')['gateways']] == list(want), f'{want}', explain=g.explain)

    for address in reversed(PUBLIC[family]):  # with the first address of a subnet the kernel removes the others
        house.gw.run('ip', 'address', 'del', address + ('/24' if family == 4 else '/64'), 'dev', 'wan')
    house.gw.address('wan', '203.0.113.11/24', '2001:db8::11/64')
    c = configuration(PUBLIC[family])
    for x in c['virtualNetworkGateways']:
        x['activeStandby'] = True
    outside = rig.Capture(house.wire, 'w0')
    g = rig.Xgw(house.gw, c).start()
    states('Standby', 'Standby')
    before = g.drops().get('no-sa', 0)
    assert house.alice.ping('10.22.0.4', count=2, check=False, more=('-p', MARKER[:16].hex())).returncode != 0
    rig.wait_for(lambda: g.drops().get('no-sa', 0) >= before + 2, 'the drops', 5, g.explain)
    move('add', 0)
    move('add', 1)
    states('Active', 'Active')
    for name in ('1-to-2', '2-to-1'):
        g.wait_connected(name)
    rig.wait_for(lambda: house.alice.once('10.22.0.4'), 'traffic', explain=g.explain)
    move('del', 1)
    states('Active', 'Standby')
    assert house.alice.ping('10.22.0.4', count=2, check=False, more=('-p', MARKER[:16].hex())).returncode != 0
    assert g.connection('2-to-1')['connectionStatus'] == 'NotConnected'
    move('add', 1)
    states('Active', 'Active')
    rig.wait_for(lambda: house.alice.once('10.22.0.4'), 'traffic again', explain=g.explain)
    outside.stop()
    assert not outside.contains(MARKER[:16]) and outside.tshark('-Y', 'ip.addr == 10.0.0.0/8') == ''


def test_rekeyed_without_loss(house):
    g = start(house, PUBLIC[4])
    flood = house.alice.start('ping', '-n', '-i', '0.01', '-c', '300', '10.22.0.4', name='flood')
    for name in ('1-to-2', '2-to-1'):
        g.command('rekey', name)
    flood.popen.wait(30)
    assert ' 0% packet loss' in flood.text(), flood.text()[-500:] + g.explain()


PINS = '/sys/fs/bpf/xgw/default/'
LOCAL, TUNNEL, CHOICE, APPLIANCE, INTERNET = 2, 3, 7, 8, 9
USER, PEERING = 2, 4
IS_LOCAL, IS_TRANSIT = 1, 4
TABLE = 0x1000000


def put(house, name, key, value):
    words = [f'{b:02x}' for b in key], [f'{b:02x}' for b in value]
    house.gw.run('bpftool', 'map', 'update', 'pinned', PINS + name, 'key', 'hex', *words[0], 'value', 'hex', *words[1])


def put_hop(house, number, kind, vnet=0, rest=b''):
    put(house, 'next_hops', struct.pack('=I', number), struct.pack('=6I', kind, vnet, 0, 0, 0, 0) + rest.ljust(16, b'\0'))


def put_route(house, of, prefix, hop, source, flags=0, table=0):
    net = ipaddress.ip_network(prefix)
    put(house, 'routes4', struct.pack('=I', 32 + net.prefixlen) + struct.pack('>I', of) + net.network_address.packed,
        struct.pack('=I4BI', hop, source, flags, net.prefixlen, 4, table))


def put_name(house, kind, number, text):
    put(house, 'names', struct.pack('=II', kind, number), text.encode().ljust(64, b'\0'))


def test_next_hop_tells_why(house):
    """Tables, choices, appliances, the Internet and peerings, as the loaded program judges them; entries made by hand."""
    g = start(house, PUBLIC[4])
    number = {e['name']: e['id'] for e in g.json('dump', 'names')['entries'] if e['kind'] == 'connection'}
    put_hop(house, 900, CHOICE, rest=struct.pack('=2I', number['2-to-1'], number['1-to-2']))
    put_hop(house, 901, APPLIANCE, 1001, bytes(10) + b'\xff\xff' + ipaddress.ip_address('10.11.0.4').packed)
    put_hop(house, 902, INTERNET)
    put_name(house, 6, TABLE, 'VNet1/forced')
    put_name(house, 7, 900, 'both')
    here = next(e['nextHopId'] for e in g.json('dump', 'routes4')['entries'] if e['prefix'] == '10.11.0.0/16' and e['local'])
    there = next(e['nextHopId'] for e in g.json('dump', 'routes4')['entries'] if e['prefix'] == '10.22.0.0/16' and e['local'])
    put_route(house, 1001, '10.11.50.0/24', here, 0, IS_LOCAL, TABLE)
    put_route(house, 1001, '172.16.0.0/16', 900, 1)
    put_route(house, 1001, '10.22.128.0/17', there, PEERING, IS_TRANSIT)
    put_route(house, TABLE, '0.0.0.0/0', 902, USER)
    put_route(house, TABLE, '10.99.0.0/16', 901, USER)

    def ask(to, *more):
        return g.json('next-hop', '--vnet', 'VNet1', *more, to)
    hop = ask('172.16.0.1')
    assert (hop['verdict'], hop['nextHop'], hop['tunnelUp']) == ('tunnel', '2-to-1', True)
    assert [c['nextHop'] for c in hop['candidates']] == ['2-to-1', '1-to-2'] and all(c['up'] for c in hop['candidates'])
    hop = ask('198.51.100.9', '--from', '10.11.50.4')
    assert (hop['verdict'], hop['table'], hop['route']) == ('pass', 'VNet1/forced', {'prefix': '0.0.0.0/0', 'source': 'user'})
    assert ask('198.51.100.9')['reason'] == 'no-route'
    hop = ask('10.99.0.1', '--from', '10.11.50.4')
    assert (hop['verdict'], hop['nextHop'], hop['appliance']) == ('local', 'lan1', '10.11.0.4')
    hop = ask('10.22.200.1')
    assert (hop['verdict'], hop['reason'], hop['peer']) == ('drop', 'peering', 'VNet2')
    text = g.command('next-hop', '--vnet', 'VNet1', '--from', '10.11.50.4', '10.99.0.1').stdout
    assert text == 'local lan1 to appliance 10.11.0.4, by route 10.99.0.0/16 (user) of route table VNet1/forced\n'
    text = g.command('next-hop', '--vnet', 'VNet1', '172.16.0.1').stdout
    assert text.endswith('(static); chosen of 2-to-1 (up), 1-to-2 (up)\n'), text
    # the dump says the same by names
    routes = {(e['virtualNetwork'], e['table'], e['prefix']): e for e in g.json('dump', 'routes4')['entries']}
    assert routes[None, 'VNet1/forced', '10.99.0.0/16']['nextHop'] == '10.11.0.4'
    assert routes['VNet1', 'VNet1/forced', '10.11.50.0/24']['local']
    assert routes['VNet1', None, '10.22.128.0/17']['flags'] == ['transit']
    assert routes['VNet1', None, '172.16.0.0/16']['nextHop'] == 'both'
    hops = {e['id']: e for e in g.json('dump', 'next_hops')['entries']}
    assert hops[900]['members'] == ['2-to-1', '1-to-2'] and hops[901]['address'] == '10.11.0.4'
