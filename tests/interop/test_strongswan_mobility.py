# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan when addresses change (MOBIKE)."""
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from test_strongswan import topology, through, xgw_on  # noqa: E402


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


class Pings:
    """Five a second from alice to carol until stop(); what was lost."""

    def __init__(self, lab):
        self.process = lab.alice.start('ping', '-i', '0.2', '-W', '2', '192.168.5.4', name=f'ping-{len(lab.processes)}')

    def stop(self):
        self.process.stop(2)
        sent, received = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', self.process.text()).groups())
        assert sent > 5, self.process.text()
        return sent, sent - received


def swan_of(lab, **more):
    return rig.StrongSwan(lab.site, '%any', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', my_id='203.0.113.5', mobike='yes', **more)


def spi(g):
    """Of the IKE SA: kernel-libipsec can't readdress a child SA, strongSwan rekeys it where it moves."""
    return g.connection('toSite')['ikeSpiResponder']


def test_strongswan_moves(lab):
    """strongSwan began; its address goes, another one comes, and the same IKE SA carries on."""
    topology(lab)
    swan = swan_of(lab)
    g = xgw_on(lab.gw1, 'ResponderOnly', mobike='on').start()
    r = swan.initiate()
    assert r.returncode == 0, r.stdout + swan.text()[-3000:] + g.explain()
    g.wait_connected('toSite')
    before = spi(g)
    through(lab, g)
    for address in ('203.0.113.77', '203.0.113.5'):
        lab.site.run('ip', 'address', 'flush', 'dev', 'wan')
        lab.site.address('wan', f'{address}/24')
        rig.wait_for(lambda: g.connection('toSite')['remoteEndpoint'] == f'{address}:4500', f'the peer at {address}',
                     explain=lambda: g.explain() + swan.text()[-4000:])
        lab.alice.ping('192.168.5.4', count=5)
    assert spi(g) == before
    assert 'connection-down' not in g.process.text()


@pytest.mark.parametrize('back', [False, True])
def test_xgw_moves(lab, back):
    """xgw began; publicIPAddress goes from the uplink, another address is there; with `back` it returns to it."""
    topology(lab)
    swan = swan_of(lab)
    g = xgw_on(lab.gw1, 'InitiatorOnly', mobike='on').start()
    g.wait_connected('toSite')
    before = spi(g)
    through(lab, g)
    lab.gw1.address('wan', '203.0.113.88/24')
    lab.gw1.run('ip', 'address', 'del', '203.0.113.1/24', 'dev', 'wan')
    if not lab.gw1.sh('ip -4 -o address show dev wan').stdout.strip():
        lab.gw1.address('wan', '203.0.113.88/24')  # it was a secondary one, which goes with the first
    rig.wait_for(lambda: g.connection('toSite')['localEndpoint'] == '203.0.113.88:4500', 'the move',
                 explain=lambda: g.explain() + swan.text()[-4000:])
    lab.alice.ping('192.168.5.4', count=5)
    if back:
        lab.gw1.address('wan', '203.0.113.1/24')
        rig.wait_for(lambda: g.connection('toSite')['localEndpoint'] == '203.0.113.1:4500', 'the way back',
                     explain=lambda: g.explain() + swan.text()[-4000:])
        lab.alice.ping('192.168.5.4', count=5)
    assert spi(g) == before
    assert 'connection-down' not in g.process.text()


def test_xgw_moves_before_the_old_address_goes(lab):
    """With the new address there first, and the old one deprecated, hardly a packet is lost."""
    topology(lab)
    swan = swan_of(lab)
    g = xgw_on(lab.gw1, 'InitiatorOnly', mobike='on').start()
    g.wait_connected('toSite')
    through(lab, g)
    lab.gw1.address('wan', '203.0.113.88/25')
    pings = Pings(lab)
    time.sleep(1)
    lab.gw1.run('ip', 'address', 'del', '203.0.113.1/24', 'dev', 'wan')
    rig.wait_for(lambda: g.connection('toSite')['localEndpoint'] == '203.0.113.88:4500', 'the move',
                 explain=lambda: g.explain() + swan.text()[-4000:])
    time.sleep(3)
    sent, lost = pings.stop()
    assert lost <= 10, (sent, lost, g.explain())


@pytest.mark.parametrize('began', ['strongSwan', 'xgw'])
def test_strongswan_authenticates_anew(lab, began):
    """Make before break by strongSwan: no ping is lost."""
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', more='make_before_break = yes',
                          rekey='reauth_time = 12s\n over_time = 30s\n rand_time = 0s')
    g = xgw_on(lab.gw1, 'InitiatorOnly' if began == 'xgw' else 'ResponderOnly').start()
    if began == 'strongSwan':
        assert swan.initiate().returncode == 0, swan.text()[-2000:]
    g.wait_connected('toSite')
    new_ike_sa_without_loss(lab, g, swan)


def test_xgw_authenticates_anew(lab):
    """Make before break by xgw. strongSwan sends on the new child with its answer, which may overtake it: one ping at most."""
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16')
    g = xgw_on(lab.gw1, 'InitiatorOnly', reauthenticationSeconds=300).start()
    g.wait_connected('toSite')
    new_ike_sa_without_loss(lab, g, swan, lambda: g.command('reauthenticate', 'toSite'), most=1)


def new_ike_sa_without_loss(lab, g, swan, order=lambda: None, most=0):
    lab.alice.ping('192.168.5.4')
    first = spi(g)
    pings = Pings(lab)
    time.sleep(1)
    order()
    rig.wait_for(lambda: spi(g) != first, 'a new IKE SA', 30, explain=lambda: g.explain() + swan.text()[-4000:])
    time.sleep(4)
    sent, lost = pings.stop()
    assert lost <= most, (sent, lost, g.explain())
    assert 'connection-down' not in g.process.text(), g.process.text()
    assert len(g.connection('toSite')['childSas']) <= 2, g.explain()


@pytest.mark.parametrize('how', ['allow', 'force'])
def test_childless_to_strongswan(lab, how):
    """RFC 6023: xgw begins without a child; strongSwan that insists on it takes nothing else."""
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', rekey=f'childless = {how}')
    g = xgw_on(lab.gw1, 'InitiatorOnly', childlessInitiation=True).start()
    g.wait_connected('toSite')
    assert 'parsed CREATE_CHILD_SA request' in swan.text()
    through(lab, g)


def test_childless_from_strongswan(lab):
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', rekey='childless = force')
    g = xgw_on(lab.gw1, 'ResponderOnly').start()
    r = swan.initiate()
    assert r.returncode == 0, r.stdout + swan.text()[-3000:] + g.explain()
    g.wait_connected('toSite')
    assert 'generating CREATE_CHILD_SA request' in swan.text()
    through(lab, g)
