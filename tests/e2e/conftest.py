# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import lab as rig  # noqa: E402


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


@pytest.fixture
def pair(lab):
    """alice 10.11.0.4 - gw1 (203.0.113.1) === wire === gw2 (203.0.113.2) - bob 10.22.0.4, both gateways xgw, not started."""
    wire = lab.switch('wire')
    alice, gw1, gw2, bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.plug(wire, gw1, 'wan')
    lab.plug(wire, gw2, 'wan')
    lab.cable(alice, 'eth0', gw1, 'lan')
    lab.cable(bob, 'eth0', gw2, 'lan')
    gw1.address('wan', '203.0.113.1/24', '2001:db8::1/64')
    gw2.address('wan', '203.0.113.2/24', '2001:db8::2/64')
    alice.address('eth0', '10.11.0.4/24', 'fd00:11::4/64')
    bob.address('eth0', '10.22.0.4/24', 'fd00:22::4/64')
    alice.route('default', 'via', '10.11.0.1')
    bob.route('default', 'via', '10.22.0.1')
    lab.wire, lab.alice, lab.gw1, lab.gw2, lab.bob = wire, alice, gw1, gw2, bob
    return lab
