# SPDX-License-Identifier: Apache-2.0
"""
Three circuits on one port by their tags: 802.1Q, 802.1ad with 802.1Q inside, and none; the first two with a secondary link on another port.
Each has a provider's router of its own behind sub-interfaces (BIRD, BFD), and the first two customers have the same prefix and the same /30s.

    alice, VNet1 --- gw er0 ══ vlan 100 ─────── pe1 (er0.q) --- bob1 10.99.0.4
    carol, VNet2 ---    er0 ══ vlan 10 > 200 ── pe2 (er0.q) --- bob2 10.99.0.4
                        er0 ══ untagged ─────── pe (er0)        10.97.0.4
                        er1 ══ as er0, but for the untagged
"""
import time

import bird
import lab as rig
import test_circuits as circuits
from test_tunnels import UdpStream

# slow enough for a busy machine, on which a link without reason is one too many here
BFD_MS = 500
TAGS = {'pe1': (100,), 'pe2': (10, 200)}
UNTAGGED = '''
router id 192.168.18.1;
protocol static own { ipv4; route 10.97.0.0/16 unreachable; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol bgp er { local 192.168.18.1 as 65011; neighbor 192.168.18.2 as 65515; hold time 30; error wait time 1, 2; connect delay time 1; connect retry time 2;
  ipv4 { import all; export where proto = "own"; }; }
'''


def config():
    def peering(asn, first, second=None, **tags):
        p = {'port': 'er0', 'peerASN': asn, 'primaryPeerAddressPrefix': first, 'holdDownSeconds': 1, **tags}
        if second:
            p.update(secondaryPort='er1', secondaryPeerAddressPrefix=second, bfd=True, bfdIntervalMilliseconds=BFD_MS)
        return {'peerings': [p]}

    def network(n):
        return {'name': f'VNet{n}', 'id': 1000 + n, 'addressSpace': [f'10.1{n}.0.0/16'],
                'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'10.1{n}.255.0/27'}],
                'attachments': [{'port': f'lan{n}', 'address': f'10.1{n}.0.1/24'}]}

    def connection(circuit, gateway):
        return {'name': f'to-{circuit}', 'connectionType': 'ExpressRoute', 'virtualNetworkGateway1': gateway, 'expressRouteCircuit': circuit}
    tagged = (65010, '192.168.16.252/30', '192.168.17.252/30')
    return {'host': {'ports': [{'name': d, 'device': d, 'role': role} for d, role in (('lan1', 'vnet'), ('lan2', 'vnet'), ('er0', 'circuit'), ('er1', 'circuit'))]},
            'virtualNetworks': [network(1), network(2)],
            'virtualNetworkGateways': [{'name': f'ER{n}', 'virtualNetwork': f'VNet{n}', 'gatewayType': 'ExpressRoute'} for n in (1, 2)],
            'expressRouteCircuits': [{'name': 'Single', **peering(*tagged, vlanId=100)}, {'name': 'Double', **peering(*tagged, vlanId=200, outerVlanId=10)},
                                     {'name': 'Plain', **peering(65011, '192.168.18.0/30')}],
            'connections': [connection('Single', 'ER1'), connection('Double', 'ER2'), connection('Plain', 'ER1')]}


class Tagged:
    """mtus: of the two ports. A device takes one tag more than its MTU says; the second one of 802.1ad is at the cost of the packets."""

    def __init__(self, lab, *mtus):
        self.lab = lab
        self.alice, self.carol, self.gw, self.pe, self.bob1, self.bob2 = (lab.host(n) for n in ('alice', 'carol', 'gw', 'pe', 'bob1', 'bob2'))
        self.routers = {name: lab.host(name) for name in TAGS}
        for n, host in ((1, self.alice), (2, self.carol)):
            lab.cable(host, 'eth0', self.gw, f'lan{n}')
            host.address('eth0', f'10.1{n}.0.4/24')
            host.route('default', 'via', f'10.1{n}.0.1')
        for device, mtu in zip(('er0', 'er1'), mtus):
            lab.cable(self.gw, device, self.pe, device, mtu=mtu)
            # a raw socket, unlike a VLAN device, counts the tags
            self.pe.run('ip', 'link', 'set', device, 'mtu', '1600')
            self.sub_interfaces(device)
        for (name, host), far in zip(self.routers.items(), (self.bob1, self.bob2)):
            for i in (0, 1):
                host.sh(f'ip link set er{i}.q mtu {min(1500, mtus[i] + 4 - 4 * len(TAGS[name]))} up')
                host.address(f'er{i}.q', f'192.168.{16 + i}.253/30')
            lab.cable(far, 'eth0', host, 'lan')
            host.address('lan', '10.99.0.1/24')
            host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.fib_multipath_hash_policy=1')
            far.address('eth0', '10.99.0.4/24')
            far.route('default', 'via', '10.99.0.1')
        self.pe.address('er0', '192.168.18.1/30')
        self.pe.address('lo', '10.97.0.4/32')

    def sub_interfaces(self, device):
        """A router's are the kernel's VLAN devices, where it has them."""
        pid = {name: str(h.holder.pid) for name, h in self.routers.items()}
        self.kernel = not self.pe.run('ip', 'link', 'add', 'link', device, 'name', 'pe1.q', 'type', 'vlan', 'id', '100', check=False).returncode
        if self.kernel:
            # tags are in the frame, as on a wire, not beside it
            self.pe.run('ethtool', '-K', device, 'txvlan', 'off', 'tx-vlan-stag-hw-insert', 'off')
            self.pe.run('ip', 'link', 'add', 'link', device, 'name', f'{device}.outer', 'type', 'vlan', 'proto', '802.1ad', 'id', '10')
            self.pe.run('ip', 'link', 'set', f'{device}.outer', 'up')
            self.pe.run('ip', 'link', 'add', 'link', f'{device}.outer', 'name', 'pe2.q', 'type', 'vlan', 'id', '200')
        else:
            t = self.pe.start('/usr/bin/python3', rig.os.path.join(rig.os.path.dirname(__file__), 'tagger.py'), device,
                              *(f'{name}.q=' + '.'.join(map(str, tags)) for name, tags in TAGS.items()), name=f'tagger-{device}')
            rig.wait_for(lambda: 'ready' in t.text() or not t.alive(), 'the tagger', explain=t.text)
            assert t.alive(), t.text()
        for name in TAGS:
            self.pe.run('ip', 'link', 'set', f'{name}.q', 'netns', pid[name], 'name', f'{device}.q')

    def start(self):
        self.birds = [bird.Neighbour(h, circuits.PROVIDER % {'ms': BFD_MS}) for h in self.routers.values()]
        self.birds.append(bird.Neighbour(self.pe, UNTAGGED))
        self.g = rig.Xgw(self.gw, config()).start()
        self.wait_links('up up', 'up up', 'up')
        return self

    def links(self):
        return [' '.join(x['state'] for x in c['links']) for c in self.g.json('status')['circuits']]

    def wait_links(self, *states):
        rig.wait_for(lambda: self.links() == list(states), f'links to be {states}', 60, self.explain)

    def explain(self):
        return self.g.explain() + str(self.g.drops()) + str(self.g.json('status')['circuits']) + ''.join(b.process.text()[-1500:] for b in self.birds)

    def all_reach(self):
        for host, to in ((self.alice, '10.99.0.4'), (self.alice, '10.97.0.4'), (self.carol, '10.99.0.4'), (self.bob1, '10.11.0.4'), (self.bob2, '10.12.0.4')):
            rig.wait_for(lambda: not host.ping(to, count=1, check=False).returncode, f'{host.name} to reach {to}', 30, self.explain)


def test_three_circuits_on_one_port(lab):
    """Each customer's own prefix and packets, of full size, by its own tags."""
    w = Tagged(lab, 1504, 1504).start()
    w.all_reach()
    assert [p['state'] for p in w.g.json('status')['bgpPeers']] == ['Established'] * 5
    assert [(c['links'][0].get('vlanId'), c['links'][0].get('outerVlanId'), c['links'][0]['bfd']) for c in w.g.json('status')['circuits']] == [
        (100, None, 'up'), (200, 10, 'up'), (None, None, 'off')]
    sums = [rig.serve_file(bob, 1 << 20)[2] for bob in (w.bob1, w.bob2)]
    assert sums == [rig.fetch_sum(h, 'http://10.99.0.4:8080/file.bin') for h in (w.alice, w.carol)] and sums[0] != sums[1]
    for host, to in ((w.alice, '10.99.0.4'), (w.carol, '10.99.0.4'), (w.bob1, '10.11.0.4'), (w.bob2, '10.12.0.4')):
        host.ping(to, count=2, size=1472, more=('-M', 'do'))
    # what the one circuit has leads nowhere in the other's network
    assert w.carol.ping('10.97.0.4', count=2, check=False).returncode and w.bob2.ping('10.11.0.4', count=2, check=False).returncode


def test_links_fail_by_tag_and_by_port(lab):
    w = Tagged(lab, 1504, 1500).start()
    w.all_reach()
    # a sub-interface of one router: BFD tells, the circuit goes by its other link, and the one beside it notices nothing
    streams = [UdpStream(w.alice, w.bob1, '10.99.0.4'), UdpStream(w.carol, w.bob2, '10.99.0.4')]
    time.sleep(0.5)
    w.routers['pe1'].run('ip', 'link', 'set', 'er0.q', 'down')
    w.wait_links('down up', 'up up', 'up')
    w.all_reach()
    (sent, received), beside = (s.finish() for s in streams)
    assert sent - received < 5000, f'{sent - received} of {sent} lost'
    assert beside[0] == beside[1], beside
    w.routers['pe2'].run('ip', 'link', 'set', 'er0.q', 'down')
    w.wait_links('down up', 'down up', 'up')
    w.all_reach()
    assert '(mtu = 1496)' in w.carol.ping('10.99.0.4', count=2, size=1472, more=('-M', 'do'), check=False).stdout
    w.carol.ping('10.99.0.4', count=2, size=1468, more=('-M', 'do'))
    w.alice.ping('10.99.0.4', count=2, size=1472, more=('-M', 'do'))
    w.routers['pe2'].run('ip', 'link', 'set', 'er0.q', 'up')
    w.routers['pe1'].run('ip', 'link', 'set', 'er0.q', 'up')
    w.wait_links('up up', 'up up', 'up')
    # the port: all of its links at once
    w.pe.run('ip', 'link', 'set', 'er0', 'down')
    w.wait_links('down up', 'down up', 'down')
    for host, to in ((w.alice, '10.99.0.4'), (w.carol, '10.99.0.4')):
        rig.wait_for(lambda: not host.ping(to, count=1, check=False).returncode, f'{host.name} to reach {to}', 30, w.explain)
    causes = [c['links'][0]['lastSwitches'][0]['cause'] for c in w.g.json('status')['circuits']]
    assert causes == ['carrier'] * 3, causes
    w.pe.run('ip', 'link', 'set', 'er0', 'up')
    w.wait_links('up up', 'up up', 'up')
    w.all_reach()
