# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan: post-quantum pre-shared keys (RFC 8784), both roles, optional and required, rekeying of both kinds."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from test_strongswan import lab, topology, xgw_on  # noqa: E402, F401
from test_strongswan_certificates import World, gateway, swan as swan_by_certificate  # noqa: E402

KEY = '0123456789abcdef0123456789abcdef'


def swan(lab, key=KEY, required=False, name='autumn'):  # noqa: F811
    return rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', rekey=lines(name, required),
                          secrets=secrets(key, name))


def lines(name, required):
    return f'ppk_id = {name}\n  ppk_required = {"yes" if required else "no"}'


def secrets(key, name):
    return f'ppk-1 {{ id = {name}\n secret = "{key}" }}'


def ours(required=False, key=KEY, name='autumn'):
    return {'postQuantumPreSharedKey': {'id': name, 'key': key}, 'requirePostQuantum': required}


def said(g, text):
    return any(text in e['text'] for e in g.connection('toSite')['events'])


def up(g, s, mode):
    if mode == 'ResponderOnly':
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    g.wait_connected('toSite')


def ping(lab, g):  # noqa: F811
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)


@pytest.mark.parametrize('required', [False, True])
@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_in_use(lab, mode, required):  # noqa: F811
    topology(lab)
    s = swan(lab, required=required)
    g = xgw_on(lab.gw1, mode, **ours(required)).start()
    up(g, s, mode)
    ping(lab, g)
    assert said(g, 'post-quantum pre-shared key "autumn" in use'), g.explain()
    s.swanctl('--rekey', '--ike', 'peer')
    rig.wait_for(lambda: said(g, 'IKE SA rekeyed'), 'the IKE SA to be rekeyed', explain=g.explain)
    g.command('rekey', 'toSite')
    ping(lab, g)


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_with_certificates(lab, mode):  # noqa: F811
    """Two signatures in IKE_AUTH when it is optional."""
    topology(lab)
    w = World('p256')
    s = swan_by_certificate(lab, w, lines=lines('autumn', False), secrets=secrets(KEY, 'autumn'))
    g = gateway(lab, w, mode, **ours()).start()
    up(g, s, mode)
    ping(lab, g)
    assert said(g, 'post-quantum pre-shared key "autumn" in use'), g.explain()


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_optional_and_another_one(lab, mode):  # noqa: F811
    """By another id at the peer: connected without any, by the second AUTH. With a ppk_id of its own strongSwan refuses all others
    as responder, so it has none then."""
    topology(lab)
    s = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16',
                       rekey=lines('spring', False) if mode == 'ResponderOnly' else '', secrets=secrets(KEY, 'spring'))
    g = xgw_on(lab.gw1, mode, **ours()).start()
    up(g, s, mode)
    ping(lab, g)
    assert said(g, 'no post-quantum pre-shared key') and not said(g, 'in use'), g.explain()


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_required_and_another_one(lab, mode):  # noqa: F811
    topology(lab)
    s = swan(lab, name='spring')
    g = xgw_on(lab.gw1, mode, **ours(required=True)).start()
    if mode == 'ResponderOnly':
        assert s.initiate().returncode != 0
    rig.wait_for(lambda: g.connection('toSite')['lastError'], 'the reason', explain=g.explain)
    assert not g.connection('toSite')['childSas']


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_peer_has_none(lab, mode):  # noqa: F811
    topology(lab)
    s = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16')
    g = xgw_on(lab.gw1, mode, **ours()).start()
    up(g, s, mode)
    assert said(g, 'no post-quantum pre-shared key'), g.explain()
