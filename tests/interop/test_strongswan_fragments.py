# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan: IKE in fragments (RFC 7383), both roles, certificates that fill several packets; no IP fragment on the wire."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from test_strongswan import lab, topology  # noqa: E402, F401
from test_strongswan_certificates import World, gateway, swan  # noqa: E402

IP_FRAGMENTS = 'ip.flags.mf == 1 or ip.frag_offset > 0'


@pytest.mark.parametrize('size', [576, 1280])
@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_certificates(lab, mode, size):  # noqa: F811
    """Both ends send a chain with 2048-bit RSA: IKE_AUTH in several fragments each way, then a rekeying and traffic."""
    topology(lab)
    w = World('rsa')
    capture = rig.Capture(lab.wire, 'br0')
    s = swan(lab, w, more=f'fragment_size = {size}')
    g = gateway(lab, w, mode, ikeFragmentSize=size).start()
    if mode == 'ResponderOnly':
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    g.wait_connected('toSite')
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)
    g.command('rekey', 'toSite')
    lab.alice.ping('192.168.5.4')
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert capture.tshark('-Y', IP_FRAGMENTS) == ''
    for sender in ('203.0.113.1', '203.0.113.5'):
        parts = capture.tshark('-Y', f'ip.src == {sender} and isakmp.typepayload == 53', '-T', 'fields', '-e', 'ip.len').split()
        assert len(parts) >= 2, (sender, parts)
        assert all(int(n.split(',')[0]) <= size for n in parts), (sender, parts)


def test_peer_without_fragmentation(lab):  # noqa: F811
    """Then the message goes whole, and IP cuts it where it must; nothing else works with such a peer."""
    topology(lab)
    w = World('rsa')
    swan(lab, w, lines='fragmentation = no')
    capture = rig.Capture(lab.wire, 'br0')
    g = gateway(lab, w, 'InitiatorOnly').start()
    g.wait_connected('toSite')
    capture.stop()
    assert capture.tshark('-Y', 'isakmp.typepayload == 53') == ''
    assert capture.tshark('-Y', IP_FRAGMENTS) != ''
