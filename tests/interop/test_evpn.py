# SPDX-License-Identifier: Apache-2.0
"""
FRR (zebra and bgpd) as the directory of a VXLAN overlay: machines announce their hosts by BGP EVPN, and the gateway's FRR
puts them into the kernel's tables that xgw reads. The configurations are those of docs/EVPN.md.
"""
import json
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from frr import Frr  # noqa: E402

WATCH = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'evpn_watch.py')
GATEWAY, MACHINE = 'On the gateway', 'On a machine with virtual hosts'
LEFT, RIGHT = '192.0.2.11', '192.0.2.12'
FIRST, SECOND = ('10.11.0.4', '02:00:00:00:00:04'), ('10.11.0.5', '02:00:00:00:00:05')
ALICE = '10.22.0.4'
# seven daemons on a machine that may have others to run
PATIENCE = 60.0

# by the raw socket: who says it is there need not know anybody
ANNOUNCE = '''
import socket, sys, time
mac, address = bytes.fromhex(sys.argv[1].replace(':', '')), socket.inet_aton(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
print(time.monotonic())
s.send(b'\\xff' * 6 + mac + bytes.fromhex('08060001080006040001') + mac + address + bytes(6) + address)
'''


def documented(heading, language):
    """The block of that language below the heading."""
    with open(os.path.join(rig.ROOT, 'docs', 'EVPN.md')) as f:
        part = f.read().split(f'\n## {heading}\n')[1].split('\n## ')[0]
    blocks = re.findall(r'^```%s\n(.*?)^```$' % language, part, re.M | re.S)
    assert len(blocks) == 1, (heading, language)
    return blocks[0]


class Fabric:
    """The gateway with its FRR and a plain host of VNet2; two machines with FRR and bridges."""

    def __init__(self, lab):
        self.lab = lab
        under, self.gw, self.alice = lab.switch('under'), lab.host('gw'), lab.host('alice')
        lab.plug(under, self.gw, 'eth1')
        self.gw.address('eth1', '192.0.2.1/24')
        lab.cable(self.alice, 'eth0', self.gw, 'eth2')
        self.alice.address('eth0', ALICE + '/24')
        self.alice.route('default', 'via', '10.22.0.1')
        self.gw.sh(documented(GATEWAY, 'sh'))
        self.machines, self.frr = {}, {}
        for name, vtep in (('left', LEFT), ('right', RIGHT)):
            m = self.machines[name] = lab.host(name)
            lab.plug(under, m, 'eth0')
            m.address('eth0', vtep + '/24')
            m.sh(documented(MACHINE, 'sh').replace(LEFT, vtep))
        self.frr['gw'] = Frr(self.gw, documented(GATEWAY, 'frr'))
        for name, vtep in (('left', LEFT), ('right', RIGHT)):
            self.frr[name] = Frr(self.machines[name], documented(MACHINE, 'frr').replace(LEFT, vtep))

    def explain(self):
        show = (self.gw.run('bridge', 'fdb', 'show', 'dev', 'vxlan1001').stdout, self.gw.run('ip', 'neigh').stdout,
                self.frr['gw'].vtysh('show bgp l2vpn evpn'), self.frr['gw'].vtysh('show evpn mac vni all'))
        return '\n'.join(show) + ''.join(f.text() for f in self.frr.values())


def plug_in(fabric, vm, who, machine):
    """The virtual host runs on that machine from now on."""
    address, mac = who
    vm.run('ip', 'link', 'del', 'eth0', check=False)
    fabric.lab.cable(vm, 'eth0', machine, f'p-{vm.name}')
    vm.run('ip', 'link', 'set', 'eth0', 'address', mac, 'mtu', '1450')
    vm.address('eth0', address + '/24')
    vm.route('default', 'via', '10.11.0.1')
    machine.run('ip', 'link', 'set', f'p-{vm.name}', 'master', 'br1001', 'up')
    rig.wait_for(lambda: 'forwarding' in machine.run('bridge', 'link', 'show', 'dev', f'p-{vm.name}').stdout, 'the bridge to forward')


def announce(vm, who):
    """It says that it is there; when."""
    return float(vm.run('/usr/bin/python3', '-c', ANNOUNCE, who[1], who[0]).stdout)


def endpoints(g):
    return {e['address']: e for e in g.json('dump', 'endpoints')['entries'] if e['virtualNetwork'] == 'VNet1'}


def is_at(g, who, vtep):
    e = endpoints(g).get(who[0])
    return e and e['host'] == vtep and e['mac'] == who[1] and e['flags'] == ['kernel']


def settle(fabric, g, vm, who, machine, vtep):
    """
    The virtual host runs there, and the gateway knows. It announces itself until then, as those who move hosts do: the
    first time may be before BGP is up, or while the machine still has its address as that of another machine's host.
    """
    plug_in(fabric, vm, who, machine)

    def known():
        announce(vm, who)
        # no longer what BGP said of it
        own = machine.run('ip', 'neigh', 'show', who[0], 'dev', 'br1001').stdout
        return who[1] in own and 'extern_learn' not in own and is_at(g, who, vtep)
    soon(fabric, g, known, f'{who[0]} to be at {vtep}')


@pytest.fixture
def fabric():
    lab = rig.Lab()
    try:
        yield Fabric(lab)
    finally:
        lab.close()


def start(g):
    g.start(wait=False)
    rig.wait_for(lambda: g.ready() or not g.process.alive(), 'xgw to be ready', PATIENCE, g.process.text)
    assert g.process.alive(), g.process.text()


def soon(fabric, g, condition, what):
    rig.wait_for(condition, what, PATIENCE, explain=lambda: str(endpoints(g)) + g.explain() + fabric.explain())


def reach(fabric, g, a, address):
    soon(fabric, g, lambda: a.once(address), f'{a.name} to reach {address}')


def how_long(fabric, g, vm, who, vtep):
    """Prints it; nothing is asserted of a time that other programs of this machine have their part in."""
    watch = fabric.gw.start('/usr/bin/python3', WATCH, 'eth1', '/sys/fs/bpf/xgw/default/endpoints', '1001', *who, vtep, name='watch')
    rig.wait_for(lambda: 'ready' in watch.text(), 'the watcher', PATIENCE, watch.text)
    said = announce(vm, who)
    seen = rig.wait_for(lambda: not watch.alive() and json.loads(watch.text().splitlines()[-1]), 'the endpoint', PATIENCE,
                        lambda: watch.text() + fabric.explain())
    # the MAC may have been announced before its address
    assert {'bgp', 'neighbour', 'map'} <= set(seen), seen
    kernel = max(seen.get('fdb', 0), seen['neighbour'])
    print(f"after the host's announcement: BGP update {1000 * (seen['bgp'] - said):.1f} ms, kernel's tables {1000 * (kernel - said):.1f} ms, "
          f"xgw's map {1000 * (seen['map'] - said):.1f} ms: {1000 * (seen['map'] - kernel):.1f} ms after the kernel's tables")
    assert is_at(g, who, vtep)


def test_hosts_of_bgp(fabric):
    """Announced, reached, moved, withdrawn; a machine whose session ends; a restarted gateway."""
    lab, (left, right) = fabric.lab, fabric.machines.values()
    g = rig.Xgw(fabric.gw, documented(GATEWAY, 'yaml'))
    start(g)
    first, second = lab.host('first'), lab.host('second')
    assert not endpoints(g)

    settle(fabric, g, second, SECOND, right, RIGHT)
    for frr in fabric.frr.values():
        rig.wait_for(lambda: 'Established' in frr.vtysh('show bgp neighbors'), 'BGP', PATIENCE, fabric.explain)
    plug_in(fabric, first, FIRST, left)
    how_long(fabric, g, first, FIRST, LEFT)
    assert {v['prefix'] for v in g.json('dump', 'vteps')['entries']} == {LEFT + '/32', RIGHT + '/32'}
    # plain EVPN names machines, not groups of next hops
    fdb = fabric.gw.run('bridge', 'fdb', 'show', 'dev', 'vxlan1001').stdout
    assert FIRST[1] in fdb and 'nhid' not in fdb, fdb
    reach(fabric, g, first, ALICE)
    reach(fabric, g, fabric.alice, SECOND[0])
    # the gateway is a host of the fabric: nobody had to flood to find it
    rig.wait_for(lambda: rig.mac_of(fabric.gw, 'eth1') in left.run('ip', 'neigh', 'show', '10.11.0.1', 'dev', 'br1001').stdout,
                 'the gateway to be announced', PATIENCE, fabric.explain)

    # a move, followed for both directions
    settle(fabric, g, first, FIRST, right, RIGHT)
    soon(fabric, g, lambda: {v['prefix'] for v in g.json('dump', 'vteps')['entries']} == {RIGHT + '/32'}, "the old machine to be nobody's")
    reach(fabric, g, fabric.alice, FIRST[0])
    reach(fabric, g, first, ALICE)
    settle(fabric, g, first, FIRST, left, LEFT)
    reach(fabric, g, fabric.alice, FIRST[0])

    # restarted, xgw reads what BGP said; a restarted bgpd says it again
    def both():
        return is_at(g, FIRST, LEFT) and is_at(g, SECOND, RIGHT)
    soon(fabric, g, both, 'both hosts')
    assert g.process.stop() == 0
    start(g)
    assert both(), str(endpoints(g)) + fabric.explain()
    fabric.frr['gw'].daemons['bgpd'].stop()
    soon(fabric, g, lambda: not endpoints(g), 'the hosts to go with bgpd')
    fabric.frr['gw'].start('bgpd')
    soon(fabric, g, both, 'both hosts again')

    # withdrawn
    second.run('ip', 'link', 'del', 'eth0')
    soon(fabric, g, lambda: SECOND[0] not in endpoints(g), 'the withdrawn host to disappear')
    before = g.drops().get('no-endpoint', 0)
    assert fabric.alice.ping(SECOND[0], count=1, check=False).returncode != 0
    assert g.drops().get('no-endpoint', 0) > before
    reach(fabric, g, fabric.alice, FIRST[0])

    # the session of a machine ends, and with it its hosts
    fabric.frr['left'].daemons['bgpd'].stop()
    soon(fabric, g, lambda: not endpoints(g), 'the hosts of a silent machine to disappear')
