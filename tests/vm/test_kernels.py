# SPDX-License-Identifier: Apache-2.0
"""
The oldest kernel that xgw supports and a later one, as Debian ships them: each takes the XDP programs, and they do there
what they do on the kernel of this host. And they have what that may not: TLS, and libxdp's dispatcher, in which one daemon's
programs take the place of another's beside a program of somebody else.
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
    m.module('veth')
    m.module('tls')
    for name in TLS_MODULES:
        m.module(name, may_be_built_in=True)
    for name in ('llc', 'stp', 'garp', 'mrp', '8021q'):
        m.module(name)
    for path in ('/usr/sbin/bpftool', '/usr/sbin/ethtool', '/usr/sbin/xdp-filter', '/bin/ip', '/bin/ping'):
        m.files.program(path, f'usr/sbin/{os.path.basename(path)}')
    m.files.program(os.path.join(vm.ROOT, 'build', 'xgw'), 'usr/bin/xgw')
    m.files.program(TLS_TEST, 'usr/bin/test_sstp_tls')
    for path in DISPATCHER + FILTERS:
        m.files.file(path)
    m.files.data('gateway.yaml', CONFIG.encode(), 0o600)
    m.files.data('inner.yaml', INNER.encode(), 0o600)
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
