# SPDX-License-Identifier: Apache-2.0
"""Hosts behind a VLAN tag and behind VXLAN, through a tunnel and to each other through XDP alone."""
import lab as rig

VXLAN_MAC = '02:00:00:00:00:04'


def far_side(lab):
    """gw2 with bob, a plain VNet2, as the peer of all tests here."""
    lab.wire = lab.switch('wire')
    lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('gw1', 'gw2', 'bob'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, lab.gw2, 'wan')
    lab.cable(lab.bob, 'eth0', lab.gw2, 'lan')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    lab.bob.address('eth0', '10.22.0.4/24', 'fd00:22::4/64')
    lab.bob.route('default', 'via', '10.22.0.1')
    lab.bob.route('default', 'via', 'fd00:22::1')
    g2 = rig.Xgw(lab.gw2, rig.gateway_config(
        'VNet2', 1002, ['10.22.0.0/16', 'fd00:22::/48'], ['10.22.0.1/24', 'fd00:22::1/64'], '203.0.113.2',
        [{'name': 'to1', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': 'VNet1GW'}],
        remotes=[{'name': 'VNet1GW', 'publicIPAddress': '203.0.113.1', 'addressSpace': ['10.11.0.0/16', 'fd00:11::/48']}]))
    return g2


def near_side(lab, attachments, endpoints=()):
    return rig.Xgw(lab.gw1, rig.gateway_config(
        'VNet1', 1001, ['10.11.0.0/16', 'fd00:11::/48'], None, '203.0.113.1',
        [{'name': 'to2', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': 'VNet2GW'}],
        remotes=[{'name': 'VNet2GW', 'publicIPAddress': '203.0.113.2', 'addressSpace': ['10.22.0.0/16', 'fd00:22::/48']}],
        attachments=attachments, endpoints=endpoints))


def connect(*gateways):
    for g, name in gateways:
        g.start()
    for g, name in gateways:
        g.wait_connected(name)


def reaches(host, to, *explain):
    rig.wait_for(lambda: host.once(to), f'{host.name} to reach {to}',
                 explain=lambda: ''.join(g.explain() + str(g.drops()) for g in explain))


def strangers(lab, g, alice, dora):
    """A VNI that nobody configured, a machine that has no host, a host that nobody knows: counted, opened for nobody, sent to nobody."""
    def counted(reason, n):
        rig.wait_for(lambda: g.drops().get(reason, 0) >= before.get(reason, 0) + n, f'{reason}, {n} times', explain=lambda: str((before, g.drops())))
    hop = g.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.9.4', '10.11.0.4')
    assert (hop['verdict'], hop['route']['source'], hop['nextHop']) == ('local', 'system', 'lan0/vxlan1001'), hop
    # each host sends from where it lives,
    assert g.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '10.22.0.4')['nextHop'] == 'to2'
    assert g.json('next-hop', '--vnet', 'VNet1', '--from', '10.11.0.4', '10.11.9.4')['nextHop'] == 'lan0'
    for to in ('10.11.0.99', '10.11.200.99', 'fd00:11::99'):
        hop = g.json('next-hop', '--vnet', 'VNet1', to)
        assert (hop['verdict'], hop['reason']) == ('drop', 'no-endpoint'), hop
    quiet = [rig.Capture(h, 'eth0', 'not (ip6 or arp) and inbound') for h in (alice, dora, lab.bob)]
    # an identifier of another network, from a machine that has hosts of this one; and this one's from a machine that has none
    for host, vni in ((alice, '1999'), (dora, '1001')):
        own = {'1999': '192.0.2.11', '1001': '192.0.2.12'}[vni]
        if vni == '1001':
            host.address('eth0', own + '/24')
        host.run('ip', 'link', 'add', 'vx1', 'type', 'vxlan', 'id', vni, 'local', own, 'remote', '192.0.2.1', 'dstport', '4789', 'dev', 'eth0')
        host.address('vx1', '10.11.0.66/32')
        host.run('ip', 'neigh', 'add', '10.22.0.4', 'lladdr', rig.mac_of(lab.gw1, 'lan'), 'dev', 'vx1')
        host.route('10.22.0.4/32', 'dev', 'vx1', 'src', '10.11.0.66')
        before, reason = g.drops(), {'1999': 'no-attachment', '1001': 'vtep'}[vni]
        assert host.ping('10.22.0.4', check=False).returncode != 0
        counted(reason, 3)
        host.run('ip', 'link', 'del', 'vx1')
    before = g.drops()
    assert dora.ping('10.11.200.99', check=False).returncode != 0
    counted('no-endpoint', 3)
    for capture in quiet:
        capture.stop()
        assert capture.tshark() == '', capture.tshark()


def test_vxlan_host(lab):
    """alice's end of the overlay is the kernel's vxlan device; one plain attachment beside it."""
    g2 = far_side(lab)
    under = lab.switch('under')
    alice, dora = lab.host('alice'), lab.host('dora')
    lab.plug(under, lab.gw1, 'lan')
    lab.plug(under, alice, 'eth0')
    lab.plug(under, dora, 'eth0')
    lab.gw1.address('lan', '192.0.2.1/24')
    alice.address('eth0', '192.0.2.11/24')
    dora.address('eth0', '10.11.9.4/24')
    dora.route('default', 'via', '10.11.9.1')
    alice.run('ip', 'link', 'add', 'vx0', 'address', VXLAN_MAC, 'type', 'vxlan', 'id', '1001', 'local', '192.0.2.11', 'remote', '192.0.2.1',
              'dstport', '4789', 'dev', 'eth0')
    alice.run('ip', 'link', 'set', 'vx0', 'mtu', '1450', 'up')
    alice.address('vx0', '10.11.0.4/24', 'fd00:11::4/64')
    alice.route('default', 'via', '10.11.0.1')
    alice.route('default', 'via', 'fd00:11::1')
    g1 = near_side(lab, [{'port': 'lan0', 'encapsulation': 'vxlan', 'vni': 1001, 'localAddress': '192.0.2.1', 'udpPort': 4789,
                          'address': ['10.11.0.1/24', 'fd00:11::1/64']},
                         {'port': 'lan0', 'encapsulation': 'none', 'address': '10.11.9.1/24'}],
                   [{'address': a, 'mac': VXLAN_MAC, 'host': '192.0.2.11'} for a in ('10.11.0.4', 'fd00:11::4')])
    connect((g1, 'to2'), (g2, 'to1'))
    reaches(alice, '10.22.0.4', g1, g2)
    lab.bob.ping('10.11.0.4')
    for own in ('10.11.0.1', 'fd00:11::1'):  # the gateway's addresses in the overlay
        alice.ping(own)
    alice.ping('fd00:22::4', size=1200)
    lab.bob.ping('fd00:11::4')
    _, name, want = rig.serve_file(lab.bob, 2 << 20)
    assert rig.fetch_sum(alice, f'http://10.22.0.4:8080/{name}') == want
    # plain and overlay host of one VNet, by XDP alone: so also without the daemon
    reaches(dora, '10.11.0.4', g1)
    assert rig.iperf(dora, alice, '10.11.0.4') > 1e6
    strangers(lab, g1, alice, dora)
    # an endpoint may not come from another host than its own
    before = g1.drops().get('vtep', 0)
    alice.run('ip', 'address', 'add', '10.11.0.77/24', 'dev', 'vx0')
    assert alice.ping('10.22.0.4', check=False, more=('-I', '10.11.0.77')).returncode != 0
    assert g1.drops().get('vtep', 0) > before


VLAN_HOST = r'''
import os, socket, struct, sys, time
MAC = bytes.fromhex('020000000b04'); ME = socket.inet_aton('10.11.1.4'); GW = socket.inet_aton('10.11.1.1')
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('eth0', 0))
s.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes the tag off
def tag(frame): return frame[:12] + struct.pack('!HH', 0x8100, 11) + frame[12:]
def csum(b):
    n = sum(struct.unpack('!%dH' % (len(b) // 2), b)); n = (n & 0xffff) + (n >> 16); return ~(n + (n >> 16)) & 0xffff
def arp(op, mac, ip): return (mac if op == 2 else b'\xff' * 6) + MAC + struct.pack('!HHHBBH', 0x0806, 1, 0x0800, 6, 4, op) + MAC + ME + (mac if op == 2 else bytes(6)) + ip
s.send(tag(arp(1, None, GW)))
gw = None; end = time.time() + 15; asked = 0; got = 0
while time.time() < end and got < 3:
    s.settimeout(0.3)
    try: f = s.recv(2048)
    except socket.timeout: f = None
    if f and f[:6] in (MAC, b'\xff' * 6):
        if f[12:14] == b'\x81\x00': f = f[:12] + f[16:]
        if f[12:14] == b'\x08\x06' and f[20:22] == b'\0\2' and f[28:32] == GW: gw = f[22:28]
        if f[12:14] == b'\x08\x06' and f[20:22] == b'\0\1' and f[38:42] == ME: s.send(tag(arp(2, f[22:28], f[28:32])))
        if f[12:14] == b'\x08\x00' and f[23] == 1 and f[34] == 0 and f[30:34] == ME: got += 1
    if not gw: s.send(tag(arp(1, None, GW))); continue
    asked += 1
    icmp = struct.pack('!BBHHH', 8, 0, 0, 7, asked) + b'vlan-host' * 6
    icmp = icmp[:2] + struct.pack('!H', csum(icmp)) + icmp[4:]
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(icmp), asked, 0, 64, 1, 0) + ME + socket.inet_aton('10.22.0.4')
    ip = ip[:10] + struct.pack('!H', csum(ip)) + ip[12:]
    s.send(tag(gw + MAC + b'\x08\x00' + ip + icmp))
print('replies', got)
sys.exit(got < 3)
'''


def test_vlan_host(lab):
    """The host is a raw socket that tags its frames: kernels without VLAN devices run this too."""
    g2 = far_side(lab)
    alice = lab.host('alice')
    lab.cable(alice, 'eth0', lab.gw1, 'lan')
    g1 = near_side(lab, [{'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': 11, 'address': '10.11.1.1/24'}])
    connect((g1, 'to2'), (g2, 'to1'))
    r = alice.run('/usr/bin/python3', '-c', VLAN_HOST, check=False, timeout=40)
    assert r.returncode == 0, r.stdout + r.stderr + g1.explain() + str(g1.drops()) + str(g2.drops())


# Tags the frames of a TAP device, and takes the tag off again: kernels without VLAN devices have one, too.
VLAN_DEVICE = r'''
import fcntl, os, select, socket, struct
tap = os.open('/dev/net/tun', os.O_RDWR); fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH', b'vlan0', 0x1002))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('eth0', 0))
s.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes the tag off
print('ready', flush=True)
while True:
    for one in select.select([tap, s], [], [])[0]:
        if one == tap:
            f = os.read(tap, 2048); s.send(f[:12] + struct.pack('!HH', 0x8100, 11) + f[12:]); continue
        f, extra, _, who = s.recvmsg(2048, 256)
        if who[2] == 4: continue  # PACKET_OUTGOING
        tags = [struct.unpack('IIIHHHH', data)[5] for level, kind, data in extra if (level, kind) == (263, 8)]
        if f[12:14] == b'\x81\x00' and f[15] == 11: os.write(tap, f[:12] + f[16:])
        elif 11 in tags: os.write(tap, f)
'''


def vlan_device(host, *addresses):
    shim = host.start('/usr/bin/python3', '-c', VLAN_DEVICE, name='vlan')
    rig.wait_for(lambda: 'ready' in shim.text(), 'the VLAN device', explain=shim.text)
    host.address('vlan0', *addresses)


def test_peered_networks_of_all_kinds(lab):
    """Three networks that are peered, on a plain, a VLAN and a VXLAN attachment: each reaches each, by IPv4 and IPv6, and by XDP alone."""
    gw = lab.host('gw1')
    hosts = {n: lab.host(name) for n, name in ((11, 'plain'), (12, 'vlan'), (13, 'vxlan'))}
    for n, host in hosts.items():
        lab.cable(host, 'eth0', gw, f'lan{n}')
    inside = {n: (f'10.{n}.0.4/24', f'fd00:{n}::4/64') for n in hosts}
    hosts[11].address('eth0', *inside[11])
    vlan_device(hosts[12], *inside[12])
    gw.address('lan13', '192.0.2.1/24')
    hosts[13].address('eth0', '192.0.2.11/24')
    hosts[13].run('ip', 'link', 'add', 'vx0', 'address', VXLAN_MAC, 'type', 'vxlan', 'id', '1013', 'local', '192.0.2.11', 'remote', '192.0.2.1',
                  'dstport', '4789', 'dev', 'eth0')
    hosts[13].run('ip', 'link', 'set', 'vx0', 'mtu', '1450', 'up')
    hosts[13].address('vx0', *inside[13])
    kinds = {11: {'encapsulation': 'none'}, 12: {'encapsulation': 'vlan', 'vlanId': 11},
             13: {'encapsulation': 'vxlan', 'vni': 1013, 'localAddress': '192.0.2.1'}}
    networks = []
    for n, host in hosts.items():
        for router in (f'10.{n}.0.1', f'fd00:{n}::1'):
            host.route('default', 'via', router)
        networks.append({'name': f'V{n}', 'id': n, 'addressSpace': [f'10.{n}.0.0/16', f'fd00:{n}::/48'],
                         'attachments': [{'port': f'lan{n}', 'address': [f'10.{n}.0.1/24', f'fd00:{n}::1/64'], **kinds[n]}],
                         'peerings': [{'name': f'to-{k}', 'remoteVirtualNetwork': f'V{k}'} for k in hosts if k != n]})
    networks[2]['endpoints'] = [{'address': a.split('/')[0], 'mac': VXLAN_MAC, 'host': '192.0.2.11'} for a in inside[13]]
    g = rig.Xgw(gw, {'host': {'ports': [{'name': f'lan{n}', 'device': f'lan{n}', 'role': 'vnet'} for n in hosts]}, 'virtualNetworks': networks}).start()
    pairs = [(a, b) for a in hosts for b in hosts if a != b]
    for a, b in pairs:
        for to in (f'10.{b}.0.4', f'fd00:{b}::4'):
            reaches(hosts[a], to, g)
            hop = g.json('next-hop', '--vnet', f'V{a}', to)
            assert (hop['verdict'], hop['route']['source'], hop['nextHop'].split('/')[0]) == ('local', 'peering', f'lan{b}'), hop
    hosts[12].ping('fd00:13::4', size=1300)
    _, name, want = rig.serve_file(hosts[13], 1 << 20)
    assert rig.fetch_sum(hosts[11], f'http://[fd00:13::4]:8080/{name}') == want
    g.process.popen.kill()
    g.process.popen.wait()
    for a, b in pairs:
        hosts[a].ping(f'fd00:{b}::4', count=2)


def strips_vlan(host, device):
    return 'rx-vlan-offload: on' in host.run('ethtool', '-k', device).stdout


def test_vlan_stripping(lab):
    """A device that takes tags off would make tagged frames untagged ones: turned off while VLANs are attached, and only then."""
    lab.gw1, alice = lab.host('gw1'), lab.host('alice')
    lab.cable(alice, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.gw1, 'wan', alice, 'eth1')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw1.run('ethtool', '-K', 'lan', 'rxvlan', 'on')
    lab.gw1.run('ethtool', '-K', 'wan', 'rxvlan', 'on')
    g1 = near_side(lab, [{'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': 11, 'address': '10.11.1.1/24'}])
    g1.start()
    assert not strips_vlan(lab.gw1, 'lan') and strips_vlan(lab.gw1, 'wan')
    assert g1.process.stop() == 0
    assert strips_vlan(lab.gw1, 'lan')
    g1.start()
    g1.process.popen.kill()
    g1.process.popen.wait()
    assert not strips_vlan(lab.gw1, 'lan')
    g1.command('detach')
    assert strips_vlan(lab.gw1, 'lan')
