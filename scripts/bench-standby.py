#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What it costs that a gateway moves to its other host, on the picture of tests/e2e/test_active_standby.py: a packet a millisecond each
way between a host of the virtual network and one of the site while keepalived is stopped on the host that works, starts again there,
the host dies, or its daemon. Lost packets, which are milliseconds, of the worse direction: median and largest of the rounds. A table
on standard output.

    scripts/bench-standby.py [--rounds 5] [--peer xgw|strongswan]
"""
import argparse
import os
import statistics
import sys

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))
import lab as rig  # noqa: E402
from test_active_standby import World  # noqa: E402


def host_again(w):
    w.host_returns()
    w.k[0].start()
    w.works(0)


def daemon_again(w):
    w.g[0].start()
    w.works(0)


CASES = [('planned: keepalived stopped', World.planned, None), ('back: keepalived started', World.back, None),
         ('host dead', World.host_dies, host_again), ('daemon killed', World.daemon_dies, daemon_again)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--peer', default='xgw', choices=['xgw', 'strongswan'])
    a = p.parse_args()
    lab = rig.Lab()
    try:
        w = World(lab, a.peer)
        lost = {name: [] for name, _, _ in CASES}
        for _ in range(a.rounds):
            for name, case, after in CASES:
                lost[name].append(max(case(w)))
                if after:
                    after(w)
        print(f'site: {a.peer}, {a.rounds} rounds')
        print(f'{"case":<30} {"median ms":>10} {"largest ms":>10}')
        for name, n in lost.items():
            print(f'{name:<30} {statistics.median(n):>10.0f} {max(n):>10}   {n}')
    finally:
        lab.close()


if __name__ == '__main__':
    main()
