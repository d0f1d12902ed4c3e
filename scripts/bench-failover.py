#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What a failure of a circuit costs, on the picture of tests/e2e/test_circuits.py: a packet a millisecond each way between a host of
the virtual network and one of the site while the circuit's links, the other side's routes, BIRD or the daemon go. Lost packets, which
are milliseconds, by median and largest of the rounds. A table on standard output.

    scripts/bench-failover.py [--rounds 10] [case]...
"""
import argparse
import os
import signal
import statistics
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..')
sys.path.insert(0, os.path.join(ROOT, 'tests', 'e2e'))
import lab as rig  # noqa: E402
import test_circuits as circuits  # noqa: E402
import test_succession as succession  # noqa: E402
from test_tunnels import UdpStream  # noqa: E402


def links(up):
    def change(w):
        for m in w.middle:
            m.run('ip', 'link', 'set', 'p-gw', up)
    return change


def hole(state):
    def change(w):
        for m in w.middle:
            m.run('bridge', 'link', 'set', 'dev', 'p-pe', 'state', state)
    return change


def one_link(up):
    return lambda w: w.middle[0].run('ip', 'link', 'set', 'p-gw', up)


def say(word):
    return lambda w: w.bird.ask(f'{word} own')


def order(verb):
    return lambda w: w.g.command(verb, 'to-circuit')


def kill_bird(w):
    w.kill_bird()


def kill_daemon(w):
    w.g.process.stop(signal.SIGKILL)


def restart_daemon(w):
    """As `systemctl restart` does."""
    w.g.process.stop(signal.SIGUSR2)
    w.g.start()


def upgrade_daemon(w):
    """The next one is of another layout and reads nothing of the old maps."""
    w.g.process.stop(signal.SIGUSR2)
    succession.forget_layout(w.g)
    w.g.start()


def replace_dead_daemon(w):
    kill_daemon(w)
    w.g.start()


def start_daemon(w):
    w.g.start()
    w.g.wait_connected('to-site')


def nothing(w):
    del w


# name: (BFD's interval in ms, what happens, what mends it, and whether the tunnel takes over)
CASES = {
    'both links lose their carrier': (100, links('down'), links('up'), True),
    'one of two links loses its carrier': (100, one_link('down'), one_link('up'), False),
    'silent black hole, BFD 3 x 10 ms': (10, hole('0'), hole('3'), True),
    'silent black hole, BFD 3 x 100 ms': (100, hole('0'), hole('3'), True),
    'the other side withdraws its routes': (100, say('disable'), say('enable'), True),
    'planned switch (xgw down)': (100, order('down'), order('up'), True),
    'BIRD is killed': (100, kill_bird, nothing, None),
    'the daemon is killed': (100, kill_daemon, start_daemon, None),
    'the daemon is killed and started': (100, replace_dead_daemon, nothing, None),
    'restart (SIGUSR2, xgw run)': (100, restart_daemon, nothing, None),
    'upgrade (restart, another layout)': (100, upgrade_daemon, nothing, None),
}


def settle(w):
    w.wait_links('up', 'up', seconds=120)
    rig.wait_for(lambda: w.way()['verdict'] == 'circuit', 'the circuit to be used', 60, w.explain)
    # the other side's way back, too
    rig.wait_for(lambda: 'er' in w.pe.sh('ip route get 10.11.0.4').stdout, "the other side's route", 60, w.explain)
    w.alice.ping('10.99.0.4', count=5)
    w.bob.ping('10.11.0.4', count=5)


def one_round(w, cut, mend, takes_over):
    settle(w)
    streams = [UdpStream(w.alice, w.bob, '10.99.0.4'), UdpStream(w.bob, w.alice, '10.11.0.4')]
    time.sleep(0.3)
    cut(w)
    time.sleep(1.2)
    lost = [sent - received for sent, received in (s.finish() for s in streams)]
    if takes_over:
        assert w.way()['verdict'] == 'tunnel', w.explain()
    mend(w)
    return lost


def measure(name, rounds):
    ms, cut, mend, takes_over = CASES[name]
    lab = rig.Lab()
    try:
        w = circuits.World(lab).start(ms=ms, bfdIntervalMilliseconds=ms, holdDownSeconds=1)
        return [one_round(w, cut, mend, takes_over) for _ in range(rounds)]
    finally:
        lab.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=10)
    p.add_argument('case', nargs='*')
    o = p.parse_args()
    print('| what happens | rounds | lost to the site, median (largest) | lost from the site, median (largest) |\n| --- | --- | --- | --- |', flush=True)
    for name in o.case or CASES:
        rows = measure(name, o.rounds)
        cells = [f'{statistics.median(x):.0f} ({max(x)})' for x in zip(*rows)]
        print(f'| {name} | {len(rows)} | {cells[0]} | {cells[1]} |', flush=True)


if __name__ == '__main__':
    main()
