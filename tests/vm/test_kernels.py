# SPDX-License-Identifier: Apache-2.0
"""
The oldest kernel that xgw supports and the one of Debian 13, as Debian ships them: each takes the XDP programs, and they do
there what they do on the kernel of this host.
"""
import glob
import json
import os
import re

import pytest

import machine as vm

BINARIES = os.path.join(vm.ROOT, 'build', 'tests', 'bpf')
DISPATCHER = '/usr/lib/x86_64-linux-gnu/bpf/xdp-dispatcher.o'
# a kernel needs some 30 s on a quiet machine
SECONDS = 300

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
xgw attach -c /gateway.yaml''',
    'attached': 'xgw doctor --json > /tmp/doctor && echo "doctor $(awk \'{ printf "%s", $0 }\' /tmp/doctor)" && bpftool prog show',
    'detach': 'xgw detach',
    'detached': 'bpftool prog show > /tmp/left && cat /tmp/left && ls /sys/fs/bpf && ! grep -q -e " ext " -e xgw -e dispatcher /tmp/left',
}


def steps_of(console):
    return {name: int(code) for name, code in re.findall(r'^step (\S+): exit (\d+), ', console, re.M)}


@pytest.mark.parametrize('kernel', ['6.1', '6.12'])
def test_kernel(tmp_path, kernel):
    m = vm.Machine(f'linux-{kernel}', str(tmp_path))
    m.module('veth')
    for path in ('/usr/sbin/bpftool', '/usr/sbin/ip' if os.path.exists('/usr/sbin/ip') else '/bin/ip'):
        m.files.program(path, f'usr/sbin/{os.path.basename(path)}')
    m.files.program(os.path.join(vm.ROOT, 'build', 'xgw'), 'usr/bin/xgw')
    m.files.file(DISPATCHER)
    m.files.data('gateway.yaml', CONFIG.encode(), 0o600)
    tests = sorted(t for t in glob.glob(os.path.join(BINARIES, 'test_*')) if os.access(t, os.X_OK))
    assert tests, f'nothing in {BINARIES}: make bpf-bins'
    wanted = []
    for t in tests:
        wanted.append(os.path.basename(t))
        m.files.program(t, f'steps/1-{wanted[-1]}')
    for i, (name, script) in enumerate(STEPS.items(), 2):
        wanted.append(name)
        m.files.data(f'steps/{i}-{name}', f'#!/bin/sh\n{script}\n'.encode())
    console = m.run(SECONDS).replace('\r', '')
    print(console)
    assert re.search(rf'step boot: kernel {re.escape(kernel)}\.', console), console
    done = steps_of(console)
    assert {s.split('-', 1)[1]: code for s, code in done.items()} == {s: 0 for s in wanted}
    assert '[  SKIPPED ]' not in console
    # the dispatcher that lets other XDP programs be beside ours, with ours in it, on both devices
    doctor = json.loads(re.search(r'^doctor (\{.*\})$', console, re.M)[1])
    assert doctor['kernel']['freplace'] is True
    assert {d['device']: d['xdpAttached'] for d in doctor['devices'] if d['device'] in ('wan', 'lan')} == {'wan': 'native', 'lan': 'native'}
    shown = console[console.index('step 2-attach: '):console.index('step 3-attached: ')]
    assert len(re.findall(r'^\d+: xdp  name xdp_dispatcher', shown, re.M)) == 2, shown
    assert {n for n in re.findall(r'^\d+: ext  name (\S+)', shown, re.M)} == {'xgw_uplink', 'xgw_vnet'}, shown
