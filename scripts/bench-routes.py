#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
How long 100 000 routes take from a peer's first UPDATE to filled maps, and back, on the picture of tests/e2e/test_learnt_routes.py: a
provider's router that says them as fast as TCP takes them (bgp_speaker.py), the gateway's BIRD, the kernel's route tables, netlink, the RIB and the
maps. Seconds on the wall, and of CPU of the daemon and of its BIRD (which others on the machine change less), and what both keep in memory.
  bench-routes.py [--routes N] [--rounds N]
Needs root, and `make`. The numbers are of the machine that it runs on; best with nothing else on it.
"""
import argparse
import glob
import json
import os
import re
import socket
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))

import lab as rig  # noqa: E402
import test_learnt_routes as learnt  # noqa: E402


def cpu(pid):
    with open(f'/proc/{pid}/stat') as f:
        words = f.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def resident_mb(pid):
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1)) / 1024


class Gateway:
    def __init__(self, world):
        self.w = world
        self.pid = world.g.process.popen.pid
        self.xgw = next(p for p in self.tree(self.pid) if self.name(p) == 'xgw')
        self.bird = learnt.bird_of(world)
        self.path = glob.glob(f'/proc/{world.gw.holder.pid}/root/run/xgw/default.sock')[0]

    @staticmethod
    def name(pid):
        with open(f'/proc/{pid}/comm') as f:
            return f.read().strip()

    @staticmethod
    def tree(pid):
        out = [pid]
        for p in out:
            with open(f'/proc/{p}/task/{p}/children') as f:
                out += map(int, f.read().split())
        return out

    def learnt(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            s.sendall(b'{"verb":"learnt"}\n')
            text = b''
            while not text.endswith(b'\n'):
                text += s.recv(1 << 20)
        return json.loads(text)['learntRoutes']

    def until(self, routes, began):
        while True:
            x = self.learnt()
            if x['inMaps'] == routes and x['settled']:
                return time.monotonic() - began
            assert time.monotonic() - began < 300, x
            time.sleep(0.02)

    def measure(self, command, routes):
        before = [cpu(p) for p in (self.xgw, self.bird)]
        began = time.monotonic()
        self.w.speaker.say(command, wait=False)
        wall = self.until(routes, began)
        time.sleep(0.5)
        return wall, *(cpu(p) - b for p, b in zip((self.xgw, self.bird), before))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--routes', type=int, default=100000)
    p.add_argument('--rounds', type=int, default=5)
    o = p.parse_args()
    lab = rig.Lab()
    try:
        w = learnt.second_speaks(lab, maxPrefixes=1000000)
        g = Gateway(w)
        one = g.learnt()['inMaps']
        empty = [resident_mb(x) for x in (g.xgw, g.bird)]
        rows = {'announced': [], 'withdrawn': []}
        print(f'load {os.getloadavg()[0]:.2f}, {os.cpu_count()} CPUs, Linux {os.uname().release}', flush=True)
        print('| 100 000 routes | wall s | CPU s of the daemon | CPU s of BIRD |\n| --- | --- | --- | --- |'.replace('100 000', f'{o.routes:,}'.replace(',', ' ')))
        for _ in range(o.rounds):
            rows['announced'].append(g.measure(f'many {o.routes}', one + o.routes))
            full = [resident_mb(x) for x in (g.xgw, g.bird)]
            rows['withdrawn'].append(g.measure(f'no-more {o.routes}', one))
        for name, each in rows.items():
            print(f'| {name} | ' + ' | '.join(f'{statistics.median(x):.2f} ({min(x):.2f} to {max(x):.2f})' for x in zip(*each)) + ' |')
        print('memory: daemon {:.0f} MB, BIRD {:.0f} MB before; {:.0f} and {:.0f} MB with them'.format(*empty, *full))
    finally:
        lab.close()


if __name__ == '__main__':
    main()
