# SPDX-License-Identifier: Apache-2.0
"""Hosts behind VXLAN that nobody wrote into the configuration: learnt from traffic, or named by the kernel's tables."""
import time

import lab as rig

VTEPS = {'left': '192.0.2.11', 'right': '192.0.2.12', 'stranger': '198.51.100.13'}
MACS = {'left': '02:00:00:00:00:04', 'right': '02:00:00:00:00:05', 'stranger': '02:00:00:00:00:06'}
INSIDE = {'left': '10.11.0.4', 'right': '10.11.1.5', 'stranger': '10.11.2.6'}
OWN = ['10.11.0.1/24', '10.11.1.1/24', '10.11.2.1/24']


def overlay(lab, hosts=('left', 'right')):
    """A gateway and machines on one underlay; each machine's host is the kernel's vxlan device, which sends to the gateway."""
    lab.under, lab.gw = lab.switch('under'), lab.host('gw')
    lab.plug(lab.under, lab.gw, 'lan')
    lab.gw.address('lan', '192.0.2.1/24', '198.51.100.1/24')
    machines = []
    for name in hosts:
        h = lab.host(name)
        lab.plug(lab.under, h, 'eth0')
        h.address('eth0', VTEPS[name] + '/24')
        gateway = '192.0.2.1'
        if name == 'stranger':
            h.route('192.0.2.0/24', 'dev', 'eth0')
        vxlan(h, 'vx0', MACS[name], VTEPS[name], INSIDE[name] + '/24', gateway)
        h.route('10.11.0.0/16', 'via', INSIDE[name].rsplit('.', 1)[0] + '.1')
        machines.append(h)
    return machines


def vxlan(host, device, mac, local, inside, gateway='192.0.2.1'):
    host.run('ip', 'link', 'add', device, 'address', mac, 'type', 'vxlan', 'id', '1001', 'local', local, 'remote', gateway,
             'dstport', '4789', 'dev', 'eth0')
    host.run('ip', 'link', 'set', device, 'mtu', '1450', 'up')
    host.address(device, inside)


def config(own=OWN, attachment=None, **vnet):
    attachments = [{'port': 'lan0', 'encapsulation': 'vxlan', 'vni': 1001, 'localAddress': '192.0.2.1', 'address': own[0],
                    **(attachment or {})}]
    attachments += [{'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': 100 + i, 'address': a} for i, a in enumerate(own[1:])]
    return {'host': {'ports': [{'name': 'lan0', 'device': 'lan', 'role': 'vnet'}]},
            'virtualNetworks': [{'name': 'VNet1', 'id': 1001, 'addressSpace': ['10.11.0.0/16'], 'attachments': attachments, **vnet}]}


def endpoints(g):
    return {e['address']: e for e in g.json('dump', 'endpoints')['entries']}


def arp_fixed(host, *addresses):
    """The gateway answers ARP for addresses of its attachment there; the others of this test are put by hand."""
    for a in addresses:
        host.run('ip', 'neigh', 'replace', a, 'lladdr', host.lab.gw_mac, 'dev', 'vx0')


def start(lab, document):
    g = rig.Xgw(lab.gw, document)
    lab.gw_mac = rig.mac_of(lab.gw, 'lan')
    return g.start()


def test_learning(lab):
    """Learnt by ARP and by traffic; moved; aged out; a VTEP that is not in the list teaches nothing."""
    left, right, stranger = overlay(lab, ('left', 'right', 'stranger'))
    g = start(lab, config(own=OWN[:1], attachment={'remoteVteps': ['192.0.2.0/24']}, learning=True, learningAgeSeconds=4))
    assert left.ping('10.11.0.1')
    arp_fixed(right, '10.11.1.1')
    arp_fixed(stranger, '10.11.2.1')

    def pair():
        # each must have been heard before the other can reach it
        right.once('10.11.0.4')
        return left.once('10.11.1.5')
    rig.wait_for(pair, 'hosts that are learnt to reach each other', explain=lambda: g.explain() + str(g.drops()) + str(endpoints(g)))
    known = endpoints(g)
    assert known['10.11.0.4']['host'] == '192.0.2.11' and known['10.11.1.5']['host'] == '192.0.2.12'
    assert known['10.11.0.4']['flags'] == ['learnt'] and known['10.11.0.4']['mac'] == MACS['left']
    counts = g.json('dump', 'learnt')['entries']
    assert [(c['endpoints'], c['limit']) for c in counts] == [(2, 4096)], counts

    # an address that is not configured as a VTEP
    before = g.drops().get('vtep', 0)
    assert stranger.ping('10.11.0.4', check=False).returncode != 0
    assert stranger.ping('10.11.2.1', check=False, count=1).returncode != 0
    assert g.drops().get('vtep', 0) > before
    assert '10.11.2.6' not in endpoints(g)

    # one that is not of the VNet
    before = g.drops().get('source', 0)
    left.address('vx0', '172.16.0.4/24')
    left.ping('10.11.1.5', check=False, count=1, more=('-I', '172.16.0.4'))
    assert g.drops().get('source', 0) > before

    # the host of left moves to right's machine: not while it is heard at left, and soon afterwards
    talk = left.start('ping', '-n', '-q', '-i', '0.2', '10.11.0.1', name='talk')
    right.address('vx0', '10.11.0.4/32')
    before = g.drops().get('learn-move', 0)
    rig.wait_for(lambda: right.ping('10.11.1.1', check=False, count=1, more=('-I', '10.11.0.4')).returncode == 9 or
                 g.drops().get('learn-move', 0) > before, 'a refused move', explain=g.explain)
    assert endpoints(g)['10.11.0.4']['host'] == '192.0.2.11'
    talk.stop()
    left.run('ip', 'link', 'set', 'vx0', 'down')

    def moved():
        right.once('10.11.1.1', more=('-I', '10.11.0.4'))
        return endpoints(g)['10.11.0.4']['host'] == '192.0.2.12'
    rig.wait_for(moved, 'the host to move')

    # silence
    right.run('ip', 'link', 'set', 'vx0', 'down')
    rig.wait_for(lambda: not endpoints(g), 'silent hosts to be forgotten', explain=lambda: str(endpoints(g)))
    rig.wait_for(lambda: g.json('dump', 'learnt')['entries'][0]['endpoints'] == 0, 'none to be counted')


def test_cap_and_restart(lab):
    """As many as the limit says; a configured endpoint is not one of them, and is there again after a restart."""
    left, right = overlay(lab)
    document = config(own=OWN[:1], attachment={'remoteVteps': ['192.0.2.11/32']}, learning=True, learningLimit=3,
                      endpoints=[{'address': '10.11.1.5', 'mac': MACS['right'], 'host': '192.0.2.12'}])
    g = start(lab, document)
    arp_fixed(right, '10.11.1.1')
    for i in range(20, 30):
        left.run('ip', 'address', 'add', f'10.11.0.{i}/24', 'dev', 'vx0')
    for i in range(20, 30):
        left.ping('10.11.0.1', check=False, count=1, more=('-I', f'10.11.0.{i}', '-W', '1'))
    assert g.drops()['learn-limit'] > 0
    learnt = [e for e in endpoints(g).values() if e['flags'] == ['learnt']]
    assert len(learnt) == 3, learnt
    # right's host is configured, so its VTEP may send, and teach within the same limit
    assert right.ping('10.11.0.1')
    before = g.drops()['learn-limit']
    right.address('vx0', '10.11.0.99/32')
    right.ping('10.11.0.1', check=False, count=1, more=('-I', '10.11.0.99'))
    assert g.drops()['learn-limit'] > before
    # nobody overwrites what is configured
    before = g.drops().get('vtep', 0)
    left.address('vx0', '10.11.1.5/32')
    left.ping('10.11.0.1', check=False, count=1, more=('-I', '10.11.1.5'))
    assert g.drops().get('vtep', 0) > before
    assert g.process.stop() == 0
    g.start()
    known = endpoints(g)
    assert known['10.11.1.5']['flags'] == ['static'] and known['10.11.1.5']['host'] == '192.0.2.12'
    rig.wait_for(lambda: right.once('10.11.0.1'), 'the configured host again', explain=g.explain)


def directory_devices(gw):
    """What an EVPN daemon fills: a vxlan device that learns nothing, in a bridge that has the neighbours."""
    gw.run('ip', 'link', 'add', 'vxlan1001', 'type', 'vxlan', 'id', '1001', 'local', '192.0.2.1', 'dstport', '4790', 'nolearning')
    gw.run('ip', 'link', 'add', 'br1001', 'type', 'bridge')
    gw.run('ip', 'link', 'set', 'vxlan1001', 'master', 'br1001')
    gw.run('ip', 'link', 'set', 'vxlan1001', 'up')
    gw.run('ip', 'link', 'set', 'br1001', 'up')


def say_fdb(gw, verb, mac, vtep):
    gw.run('bridge', 'fdb', verb, mac, 'dev', 'vxlan1001', 'dst', vtep, 'self', 'permanent')


def say_neighbour(gw, verb, address, mac):
    gw.run('ip', 'neigh', verb, address, *(['lladdr', mac, 'nud', 'noarp', 'extern_learn'] if mac else []), 'dev', 'br1001')


def soon(g, condition, what):
    """Within milliseconds, say two hundred on a machine that does other things: of `xgw dump` alone most of it."""
    begun = time.monotonic()
    rig.wait_for(condition, what, explain=lambda: str(endpoints(g)) + g.explain())
    return time.monotonic() - begun


def test_directory(lab):
    """Endpoints by netlink: either half first, moved, withdrawn, devices that come later and go."""
    left, right = overlay(lab)
    g = start(lab, config(own=OWN[:1], attachment={'directory': {'fdb': 'vxlan1001', 'neighbours': 'br1001'}}))
    arp_fixed(left, '10.11.0.1')
    arp_fixed(right, '10.11.1.1')
    assert not endpoints(g)
    directory_devices(lab.gw)
    say_fdb(lab.gw, 'add', MACS['left'], '192.0.2.11')
    say_neighbour(lab.gw, 'replace', '10.11.0.4', MACS['left'])
    say_neighbour(lab.gw, 'replace', '10.11.1.5', MACS['right'])
    say_fdb(lab.gw, 'add', MACS['right'], '192.0.2.12')
    soon(g, lambda: len(endpoints(g)) == 2, 'both endpoints')
    known = endpoints(g)
    assert known['10.11.0.4']['flags'] == ['kernel'] and known['10.11.0.4']['host'] == '192.0.2.11'
    assert known['10.11.1.5']['mac'] == MACS['right']
    assert {v['prefix'] for v in g.json('dump', 'vteps')['entries']} == {'192.0.2.11/32', '192.0.2.12/32'}
    rig.wait_for(lambda: left.once('10.11.1.5'), 'hosts of the directory to reach each other',
                 explain=lambda: g.explain() + str(g.drops()))
    left.ping('10.11.0.1')

    # what the directory does not name is refused, whoever sends it
    before = g.drops().get('vtep', 0)
    left.address('vx0', '10.11.0.77/32')
    left.ping('10.11.1.5', check=False, count=1, more=('-I', '10.11.0.77'))
    assert g.drops().get('vtep', 0) > before

    # right's host now is on left's machine, and back
    say_fdb(lab.gw, 'replace', MACS['right'], '192.0.2.11')
    soon(g, lambda: endpoints(g)['10.11.1.5']['host'] == '192.0.2.11', 'the move')
    assert {v['prefix'] for v in g.json('dump', 'vteps')['entries']} == {'192.0.2.11/32'}
    before = g.drops().get('vtep', 0)
    right.ping('10.11.0.4', check=False, count=1)
    assert g.drops().get('vtep', 0) > before
    say_fdb(lab.gw, 'replace', MACS['right'], '192.0.2.12')
    soon(g, lambda: endpoints(g)['10.11.1.5']['host'] == '192.0.2.12', 'the move back')
    right.ping('10.11.0.4')

    # withdrawn when either half goes
    say_neighbour(lab.gw, 'del', '10.11.0.4', None)
    soon(g, lambda: list(endpoints(g)) == ['10.11.1.5'], 'the address to be withdrawn')
    say_neighbour(lab.gw, 'replace', '10.11.0.4', MACS['left'])
    soon(g, lambda: len(endpoints(g)) == 2, 'the address to come back')
    say_fdb(lab.gw, 'del', MACS['left'], '192.0.2.11')
    soon(g, lambda: list(endpoints(g)) == ['10.11.1.5'], 'the MAC to be withdrawn')

    # not of the VNet, the gateway's own, and our own VTEP
    for address in ('172.16.0.9', '10.11.0.1'):
        say_neighbour(lab.gw, 'replace', address, MACS['right'])
    say_fdb(lab.gw, 'add', '02:00:00:00:00:09', '192.0.2.1')
    say_neighbour(lab.gw, 'replace', '10.11.0.9', '02:00:00:00:00:09')
    say_neighbour(lab.gw, 'replace', '10.11.1.6', MACS['right'])
    soon(g, lambda: '10.11.1.6' in endpoints(g), 'what was said last')
    assert set(endpoints(g)) == {'10.11.1.5', '10.11.1.6'}

    # devices that go, and come with another index
    lab.gw.run('ip', 'link', 'del', 'vxlan1001')
    soon(g, lambda: not endpoints(g), 'everything to be withdrawn')
    lab.gw.run('ip', 'link', 'del', 'br1001')
    directory_devices(lab.gw)
    say_fdb(lab.gw, 'add', MACS['right'], '192.0.2.12')
    say_neighbour(lab.gw, 'replace', '10.11.1.5', MACS['right'])
    soon(g, lambda: list(endpoints(g)) == ['10.11.1.5'], 'the new devices')

    # a restarted daemon reads all of it
    assert g.process.stop() == 0
    g.start()
    assert list(endpoints(g)) == ['10.11.1.5']
    right.ping('10.11.1.1', check=False)


def test_directory_cap(lab):
    """Of many thousands as many as the limit says, and no stall."""
    overlay(lab, ())
    directory_devices(lab.gw)
    fdb = '\n'.join(f'fdb add 02:00:00:01:{i >> 8:02x}:{i & 255:02x} dev vxlan1001 dst 192.0.2.{2 + i % 200} self permanent'
                    for i in range(6000))
    neighbours = '\n'.join(f'neigh replace 10.11.{64 + (i >> 8)}.{i & 255} lladdr 02:00:00:01:{i >> 8:02x}:{i & 255:02x} nud noarp extern_learn dev br1001'
                           for i in range(6000))
    lab.gw.run('bridge', '-batch', '-', text_in=fdb)
    g = start(lab, config(own=OWN[:1], attachment={'directory': {'fdb': 'vxlan1001', 'neighbours': 'br1001'}}, learningLimit=5000))
    lab.gw.run('ip', '-batch', '-', text_in=neighbours)
    # those MACs that were refused may be any 1000
    rig.wait_for(lambda: 3900 < len(endpoints(g)) <= 5000, 'the endpoints', explain=lambda: str(len(endpoints(g))))
    assert len(g.json('dump', 'vteps')['entries']) == 200
    lab.gw.run('ip', 'link', 'del', 'br1001')
    rig.wait_for(lambda: not endpoints(g), 'none', explain=lambda: str(len(endpoints(g))))
