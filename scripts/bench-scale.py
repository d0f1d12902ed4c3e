#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What size costs: configurations of scripts/make-large.py, started and reloaded with one changed prefix, in a network namespace.
Processor time beside wall time, since the latter says as much of the machine as of xgw. A table on standard output.

    scripts/bench-scale.py [small|large]...
"""
import json
import os
import re
import resource
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))
import lab as rig  # noqa: E402

SIZES = {'small': (256, 500, 20000, 4000), 'large': (4096, 10000, 1000000, 100000)}
WHAT = ('vnets', 'connections', 'prefixes', 'endpoints')


def configuration(size):
    words = [w for name, n in zip(WHAT, SIZES[size]) for w in ('--' + name, str(n))]
    return subprocess.run([os.path.join(ROOT, 'scripts', 'make-large.py'), *words, '--key', rig.PSK, '--uplink', 'wan', '--lan', 'lan'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


def cpu(pid):
    with open(f'/proc/{pid}/stat') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def check(gateway):
    """Reading and judging alone: seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    gateway.command('check', '-c', gateway.config, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def give_addresses(gateway):
    """The gateways' public ones, on the uplink."""
    with open(gateway.config) as f:
        own = sorted(set(re.findall(r'publicIPAddress: ([0-9.]+)', f.read())))
    gateway.host.run('ip', '-batch', '-', text_in=''.join(f'address add {a}/32 dev wan\n' for a in own))


def start(gateway):
    began = time.monotonic()
    gateway.start(wait=False)
    rig.wait_for(lambda: gateway.ready() or not gateway.process.alive(), 'xgw to be ready', 900, gateway.process.text)
    assert gateway.process.alive(), gateway.process.text()
    return time.monotonic() - began, cpu(gateway.process.popen.pid)


def reload(gateway, n):
    """One prefix of one site is another: what the daemon says of it, and the whole in seconds."""
    with open(gateway.config) as f:
        text = f.read()
    changed = re.sub(r'(localNetworkGateways:\n.*?addressSpace: \[)[0-9./]+', rf'\g<1>203.0.{n}.0/24', text, count=1, flags=re.S)
    assert changed != text
    with open(gateway.config, 'w') as f:
        f.write(changed)
    began, before = time.monotonic(), cpu(gateway.process.popen.pid)
    said = json.loads(gateway.command('reload', '--json', timeout=900).stdout)
    wall = time.monotonic() - began
    time.sleep(2)  # what was before is freed beside everything else, and is part of the cost
    return wall, cpu(gateway.process.popen.pid) - before, said


def measure(size):
    lab = rig.Lab()
    try:
        other, host = lab.host('other'), lab.host('gw')
        lab.cable(other, 'eth0', host, 'wan')
        lab.cable(other, 'eth1', host, 'lan')
        host.address('wan', '203.0.113.1/24')
        host.address('lan', '192.0.2.1/24')
        g = rig.Xgw(host, configuration(size))
        print(f'\n{size}: {", ".join(f"{n} {w}" for w, n in zip(WHAT, SIZES[size]))}; {os.path.getsize(g.config) >> 20} MiB of text', flush=True)
        print(f'check: {check(g):.2f} s of processor time', flush=True)
        give_addresses(g)
        wall, used = start(g)
        print(f'start: ready after {wall:.1f} s, {used:.1f} s of processor time', flush=True)
        maps = {m['name']: m for m in g.json('dump')['maps']}
        of_maps = sum(m['bytes'] for m in maps.values())
        print(f'memory: {g.resident_kb() >> 10} MiB resident, maps {of_maps >> 20} MiB; {maps["routes4"]["entries"]} entries of routes4', flush=True)
        for n in range(1, 6):
            wall, used, said = reload(g, n)
            print(f'reload {n}: {wall:.2f} s, {used:.2f} s of processor time with what is freed after it; {json.dumps(said)}', flush=True)
        print(f'memory after: {g.resident_kb() >> 10} MiB', flush=True)
        g.process.stop(seconds=120)
    finally:
        lab.close()


if __name__ == '__main__':
    for name in sys.argv[1:] or SIZES:
        measure(name)
