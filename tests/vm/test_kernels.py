# SPDX-License-Identifier: Apache-2.0
"""
The oldest kernel that xgw supports and a later one, as Debian ships them: each takes the XDP programs, and they do there
what they do on the kernel of this host. And they have what that may not: TLS, VLAN devices, and libxdp's dispatcher, in which one
daemon's programs take the place of another's beside a program of somebody else.
"""
import glob
import json
import os
import re

import pytest

import machine as vm

KERNELS = ('6.1', '6.12')
DISPATCHED = '6.1'  # that takes our programs into the dispatcher of Debian 12's libxdp
BINARIES = os.path.join(vm.ROOT, 'build', 'tests', 'bpf')
# in the order in which they need each other
VLAN_MODULES = ('llc', 'stp', 'garp', 'mrp', '8021q')
# as insmod takes them, by name: what TLS of the kernel needs
TLS_MODULES = ('crypto_null', 'ctr', 'gcm', 'gf128mul', 'ghash-generic')
TLS_TEST = os.path.join(vm.ROOT, 'build', 'tests', 'unit', 'loader', 'test_sstp_tls')
DISPATCHER = glob.glob('/usr/lib/*/bpf/xdp-dispatcher.o')
FILTERS = glob.glob('/usr/lib/*/bpf/xdpfilt_*.o')
# a busy machine needs longer than a quiet one: see the time that each step took in what the test says
SECONDS = 600

CONFIG = '''host:
  ports:
    - {name: wan0, device: wan, role: uplink}
    - {name: lan0, device: lan, role: vnet}
virtualNetworks:
  - name: VNet1
    id: 1001
    addressSpace: [10.11.0.0/16]
    subnets: [{name: GatewaySubnet, addressPrefix: 10.11.255.0/27}]
    attachments: [{port: lan0, encapsulation: vlan, vlanId: 11, address: 10.11.0.1/24}]
    peerings: [{name: to-2, remoteVirtualNetwork: VNet2}]
  - name: VNet2
    id: 1002
    addressSpace: [10.12.0.0/16]
    subnets: [{name: GatewaySubnet, addressPrefix: 10.12.255.0/27}]
    attachments: [{port: lan0, encapsulation: vlan, vlanId: 12, address: 10.12.0.1/24}]
    peerings: [{name: to-1, remoteVirtualNetwork: VNet1}]
'''
# without the uplink, which whoever takes over lets go
INNER = CONFIG.replace('    - {name: wan0, device: wan, role: uplink}\n', '')
# a provider's router with the kernel's VLAN devices, which the kernel of this host may not have
PROVIDER = '''
router id 192.168.16.253;
protocol device {}
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol static one { ipv4; route 10.98.0.0/16 unreachable; }
protocol static two { ipv4; route 10.99.0.0/16 unreachable; }
template bgp er { local as 65010; neighbor as 65515; error wait time 1, 2; connect delay time 1; connect retry time 2; }
protocol bgp single from er { local 192.168.16.253; neighbor 192.168.16.254; ipv4 { import all; export where proto = "one"; }; }
protocol bgp double from er { local 192.168.17.253; neighbor 192.168.17.254; ipv4 { import all; export where proto = "two"; }; }
'''
NETWORK = {n: {'name': f'VNet{n}', 'id': 1000 + n, 'addressSpace': [f'10.1{n}.0.0/16'],
               'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'10.1{n}.255.0/27'}],
               'attachments': [{'port': f'lan{n}', 'address': f'10.1{n}.0.1/24'}]} for n in (1, 2)}
TAGS = {1: {'vlanId': 100}, 2: {'vlanId': 200, 'outerVlanId': 10}}
CIRCUITS = {
    'host': {'ports': [{'name': 'er', 'device': 'er', 'role': 'circuit'}] + [{'name': f'lan{n}', 'device': f'lan{n}', 'role': 'vnet'} for n in (1, 2)]},
    'virtualNetworks': list(NETWORK.values()),
    'virtualNetworkGateways': [{'name': f'ER{n}', 'virtualNetwork': f'VNet{n}', 'gatewayType': 'ExpressRoute'} for n in (1, 2)],
    'expressRouteCircuits': [{'name': f'C{n}', 'peerings': [{'port': 'er', 'peerASN': 65010, 'primaryPeerAddressPrefix': f'192.168.{15 + n}.252/30', **TAGS[n]}]}
                             for n in (1, 2)],
    'connections': [{'name': f'to-C{n}', 'connectionType': 'ExpressRoute', 'virtualNetworkGateway1': f'ER{n}', 'expressRouteCircuit': f'C{n}'} for n in (1, 2)]}
VLAN_DEVICES = f'for m in {" ".join(VLAN_MODULES)}; do insmod /modules/$m.ko 2> /dev/null; done' + '''
set -e
for n in pe host1 host2; do ip netns add $n; ip -n $n link set lo up; done
ip link add er type veth peer name er netns pe
for n in 1 2; do
  ip link add lan$n type veth peer name eth0 netns host$n
  ip netns exec host$n ethtool -K eth0 gro on tx off tso off gso off > /dev/null
  ip -n host$n link set eth0 up; ip link set lan$n up
  ip -n host$n addr add 10.1$n.0.4/24 dev eth0; ip -n host$n route add default via 10.1$n.0.1
done
# tags are in the frame, as on a wire, not beside it
ip netns exec pe ethtool -K er gro on tx off tso off gso off txvlan off tx-vlan-stag-hw-insert off > /dev/null
ip link set er up; ip -n pe link set er up
ip -n pe link add link er name single type vlan id 100
ip -n pe link add link er name outer type vlan proto 802.1ad id 10
ip -n pe link set outer up
ip -n pe link add link outer name double type vlan id 200
ip -n pe link set double mtu 1496
for d in single double; do ip -n pe link set $d up; done
ip -n pe addr add 192.168.16.253/30 dev single; ip -n pe addr add 192.168.17.253/30 dev double
ip -n pe addr add 10.98.0.4/32 dev lo; ip -n pe addr add 10.99.0.4/32 dev lo
ip netns exec pe bird -c /provider.conf -s /run/provider.ctl
xgw run -c /circuits.yaml > /tmp/xgw.log 2>&1 &
daemon=$!
reach() { i=0; until ip netns exec host$1 ping -c 1 -W 1 -s $3 $2 > /dev/null; do i=$((i + 1)); [ $i -lt 60 ] || return 1; sleep 1; done; echo "host$1 reaches $2 with $3 bytes"; }
set +e
reach 1 10.98.0.4 1472 && reach 2 10.99.0.4 1468
code=$?
if [ $code != 0 ]; then cat /tmp/xgw.log; xgw status; xgw dump drops; ip -n pe -s link; fi
kill $daemon; wait $daemon
exit $code'''
STEPS = {
    'attach': '''ip link add wan type veth peer name wan-end && ip link add lan type veth peer name lan-end || exit 1
# GRO gives a veth the NAPI that XDP's redirect into it needs; XDP sees tags that are in the frame
ethtool -K lan-end gro on txvlan off tx off || exit 1
for d in wan wan-end lan lan-end; do ip link set $d up || exit 1; done
ip addr add 203.0.113.1/24 dev wan
xgw -vv attach -c /gateway.yaml''',
    'attached': 'xgw doctor --json > /tmp/doctor && echo "doctor $(cat /tmp/doctor)" && bpftool prog show',
    'detach': 'xgw detach',
    'detached': 'bpftool prog show > /tmp/left && cat /tmp/left && ! grep -q -e " ext " -e xgw -e dispatcher /tmp/left',
    'kernel-tls': 'XGW_KERNEL_TLS=1 test_sstp_tls',
    'vlan-devices': VLAN_DEVICES,
}
# where there is a dispatcher, behind `attached`: xdp-filter comes beside the programs, which are replaced twice while hosts of two
# networks talk. It asks first, and drops what one address sends.
BESIDE = '''for n in 11 12; do
	ip netns add n$n && ip link add link lan-end name v$n type vlan id $n && ip link set v$n netns n$n || exit 1
	ip -n n$n addr add 10.$n.0.4/24 dev v$n && ip -n n$n link set v$n up && ip -n n$n route add default via 10.$n.0.1 || exit 1
done
ip -n n11 addr add 10.11.0.66/24 dev v11
one="ip netns exec n11 ping -n"
wait_for() {
	i=0
	while [ $((i += 1)) -lt 300 ]; do "$@" > /tmp/waited 2>&1 && return; sleep 0.1; done
	echo "not in time: $*"; cat /tmp/waited; cat /tmp/run-*
	exit 1
}
# what was replaced is gone, too
is_clean() {
	test "$(bpftool prog show | grep -c " ext  name ")" = 2 && test "$(bpftool prog show | grep -c "xdp  name xdp_dispatcher")" = 1
}
look() {
	wait_for is_clean
	echo "look $1"
	xdp-filter status && bpftool prog show
	$one -q -c 3 -i 0.2 -W 1 -I 10.11.0.66 10.12.0.4 && echo "$1: not filtered"
}
start() {
	xgw run -c /inner.yaml > "/tmp/run-$1" 2>&1 &
	daemon=$!
	wait_for xgw status
	grep -e replaced -e "attached device" "/tmp/run-$1"
}
xdp-filter load -m native -f ipv4 lan && xdp-filter ip -m src 10.11.0.66 || exit 1
# both hosts are known before the first packet counts: who is silent is found by a daemon alone
for n in 11 12; do ip netns exec n$n ping -n -q -c 1 -W 5 10.$n.0.1 || exit 1; done
$one -q -i 0.02 10.12.0.4 > /tmp/stream 2>&1 &
stream=$!
start first
look first
kill -USR2 $daemon && wait $daemon || exit 1
start second
look second
kill -KILL $daemon
wait $daemon
sleep 0.3
kill -INT $stream
wait $stream
cat /tmp/stream
'''
AFTER = '''bpftool prog show > /tmp/beside && cat /tmp/beside && grep -q "ext  name xdpfilt" /tmp/beside && ! grep -q xgw /tmp/beside || exit 1
xdp-filter unload lan'''


def steps_of(kernel):
    steps = dict(STEPS)
    if kernel == DISPATCHED:
        steps = {'attach': steps.pop('attach'), 'attached': steps.pop('attached'), 'beside': BESIDE, 'detach': steps.pop('detach'),
                 'after': AFTER, **steps}
    return steps


def prepare(kernel, directory):
    """The machine, and the names of its steps."""
    m = vm.Machine(f'linux-{kernel}', directory)
    bird = os.path.join(vm.PEERS, 'bird2', 'usr', 'sbin', 'bird')
    m.module('veth')
    m.module('tls')
    m.module('tun')
    for name in TLS_MODULES + VLAN_MODULES:
        m.module(name, may_be_built_in=True)
    for path in ('/usr/sbin/bpftool', '/usr/sbin/ethtool', '/usr/sbin/xdp-filter', '/bin/ip', '/bin/ping', bird):
        m.files.program(path, f'usr/sbin/{os.path.basename(path)}')
    m.files.program(os.path.join(vm.ROOT, 'build', 'xgw'), 'usr/bin/xgw')
    m.files.program(TLS_TEST, 'usr/bin/test_sstp_tls')
    for path in DISPATCHER + FILTERS:
        m.files.file(path)
    m.files.data('gateway.yaml', CONFIG.encode(), 0o600)
    m.files.data('inner.yaml', INNER.encode(), 0o600)
    m.files.data('circuits.yaml', json.dumps(CIRCUITS).encode(), 0o600)
    m.files.data('provider.conf', PROVIDER.encode())
    steps = []
    tests = sorted(t for t in glob.glob(os.path.join(BINARIES, 'test_*')) if os.access(t, os.X_OK))
    assert tests, f'nothing in {BINARIES}: make bpf-bins'
    for t in tests:
        steps.append(f'1-{os.path.basename(t)}')
        m.files.program(t, f'steps/{steps[-1]}')
    for i, (name, script) in enumerate(steps_of(kernel).items(), 2):
        steps.append(f'{i}-{name}')
        m.files.data(f'steps/{steps[-1]}', f'#!/bin/sh\n{script}\n'.encode())
    return m, steps


@pytest.fixture(scope='module')
def machines(tmp_path_factory):
    made = {k: prepare(k, str(tmp_path_factory.mktemp(f'linux-{k}'))) for k in KERNELS}
    # side by side: each uses one processor
    for m, _ in made.values():
        m.start()
    yield made
    for m, _ in made.values():
        m.off()


def check_beside(console):
    """Each start replaced what was there, xdp-filter stayed and filtered, and of what hosts said to each other nothing was lost."""
    said = console.split('step 3-attached: ', 1)[1].split('\nstep 4-beside: ', 1)[0]
    assert said.count('replaced device=lan program=xgw_vnet mode=native by=dispatcher') == 2
    assert said.count('replaced device=') == 2 and 'attached device=' not in said and 'not filtered' not in said
    looks = said.split('\nlook ')[1:]
    assert len(looks) == 2
    for look in looks:
        assert sorted(re.findall(r'^\d+: ext  name (\S+)', look, re.M)) == ['xdpfilt_alw_ip', 'xgw_vnet'], look
    sent, received = (int(n) for n in re.search(r'(\d+) packets transmitted, (\d+) received', said.rsplit('look second', 1)[1].rsplit('ping statistics', 1)[1]).groups())
    print('replaced in the dispatcher: sent', sent, 'lost', sent - received)
    assert sent > 300 and received == sent


@pytest.mark.parametrize('kernel', KERNELS)
def test_kernel(machines, kernel):
    m, steps = machines[kernel]
    console = m.wait(SECONDS)
    print(console)
    assert re.search(rf'step boot: kernel {re.escape(kernel)}\.', console)
    codes = {name: int(code) for name, code in re.findall(r'^step (\S+): exit (\d+), ', console, re.M)}
    assert codes == {s: 0 for s in steps}
    assert '[  SKIPPED ]' not in console
    # both ways to attach: beside other programs in libxdp's dispatcher, or alone where the kernel does not take ours there
    ways = dict(re.findall(r'attached device=(\S+) program=\S+ mode=native by=(\S+)', console))
    assert ways in [{'wan': w, 'lan': w} for w in ('dispatcher', 'single-program')]
    assert 'TLS of the kernel: yes' in console
    if kernel == DISPATCHED:
        assert ways['wan'] == 'dispatcher'
        check_beside(console)
    told, shown = console.split('\ndoctor ', 1)[1].split('\nstep 3-attached: ', 1)[0].split('\n}', 1)
    doctor = json.loads(told + '\n}')
    assert doctor['kernel']['freplace'] is True
    attached = {d['device']: d['xdpAttached'] for d in doctor['devices']}
    assert (attached['wan'], attached['lan']) == ('native', 'native')
    by_dispatcher = ways['wan'] == 'dispatcher'
    assert len(re.findall(r'^\d+: xdp  name xdp_dispatcher', shown, re.M)) == (2 if by_dispatcher else 0)
    assert sorted(re.findall(r'^\d+: ext  name (\S+)', shown, re.M)) == (['xgw_uplink', 'xgw_vnet'] if by_dispatcher else [])
