# SPDX-License-Identifier: Apache-2.0
"""
The oldest kernel that xgw supports and a later one, as Debian ships them: each takes the XDP programs, and they do there
what they do on the kernel of this host. And they have TLS, which the kernel of this host may not.
"""
import glob
import json
import os
import re

import pytest

import machine as vm

KERNELS = ('6.1', '6.12')
BINARIES = os.path.join(vm.ROOT, 'build', 'tests', 'bpf')
# as insmod takes them, by name: what TLS of the kernel needs
TLS_MODULES = ('crypto_null', 'ctr', 'gcm', 'gf128mul', 'ghash-generic')
TLS_TEST = os.path.join(vm.ROOT, 'build', 'tests', 'unit', 'loader', 'test_sstp_tls')
DISPATCHER = glob.glob('/usr/lib/*/bpf/xdp-dispatcher.o')
# a busy machine needs longer than a quiet one: see the time that each step took in what the test says
SECONDS = 400

CONFIG = '''host:
  ports:
    - {name: wan0, device: wan, role: uplink}
    - {name: lan0, device: lan, role: vnet}
virtualNetworks:
  - name: VNet1
    id: 1001
    addressSpace: [10.11.0.0/16]
    subnets: [{name: GatewaySubnet, addressPrefix: 10.11.255.0/27}]
    attachments: [{port: lan0, address: 10.11.0.1/24}]
'''
STEPS = {
    'attach': '''ip link add wan type veth peer name wan-end && ip link add lan type veth peer name lan-end || exit 1
for d in wan wan-end lan lan-end; do ip link set $d up || exit 1; done
ip addr add 203.0.113.1/24 dev wan
xgw -vv attach -c /gateway.yaml''',
    'attached': 'xgw doctor --json > /tmp/doctor && echo "doctor $(cat /tmp/doctor)" && bpftool prog show',
    'detach': 'xgw detach',
    'detached': 'bpftool prog show > /tmp/left && cat /tmp/left && ! grep -q -e " ext " -e xgw -e dispatcher /tmp/left',
    'kernel-tls': 'XGW_KERNEL_TLS=1 test_sstp_tls',
}


def prepare(kernel, directory):
    """The machine, and the names of its steps."""
    m = vm.Machine(f'linux-{kernel}', directory)
    m.module('veth')
    m.module('tls')
    for name in TLS_MODULES:
        m.module(name, may_be_built_in=True)
    for path in ('/usr/sbin/bpftool', '/bin/ip'):
        m.files.program(path, f'usr/sbin/{os.path.basename(path)}')
    m.files.program(os.path.join(vm.ROOT, 'build', 'xgw'), 'usr/bin/xgw')
    m.files.program(TLS_TEST, 'usr/bin/test_sstp_tls')
    m.files.file(DISPATCHER[0])
    m.files.data('gateway.yaml', CONFIG.encode(), 0o600)
    steps = []
    tests = sorted(t for t in glob.glob(os.path.join(BINARIES, 'test_*')) if os.access(t, os.X_OK))
    assert tests, f'nothing in {BINARIES}: make bpf-bins'
    for t in tests:
        steps.append(f'1-{os.path.basename(t)}')
        m.files.program(t, f'steps/{steps[-1]}')
    for i, (name, script) in enumerate(STEPS.items(), 2):
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
    if kernel == '6.1':
        assert ways['wan'] == 'dispatcher'
    told, shown = console.split('\ndoctor ', 1)[1].split('\nstep 3-attached: ', 1)[0].split('\n}', 1)
    doctor = json.loads(told + '\n}')
    assert doctor['kernel']['freplace'] is True
    attached = {d['device']: d['xdpAttached'] for d in doctor['devices']}
    assert (attached['wan'], attached['lan']) == ('native', 'native')
    by_dispatcher = ways['wan'] == 'dispatcher'
    assert len(re.findall(r'^\d+: xdp  name xdp_dispatcher', shown, re.M)) == (2 if by_dispatcher else 0)
    assert sorted(re.findall(r'^\d+: ext  name (\S+)', shown, re.M)) == (['xgw_uplink', 'xgw_vnet'] if by_dispatcher else [])
