# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw: additional key exchanges (RFC 9370) and a post-quantum key, alone and together, with fragments where they are long."""
import lab as rig
import pytest
from test_tunnels import gateways, no_malformed

POLICY = {'ikeEncryption': 'GCMAES256', 'ikeIntegrity': 'GCMAES256', 'dhGroup': 'CURVE25519', 'ipsecEncryption': 'GCMAES256',
          'ipsecIntegrity': 'GCMAES256'}
KEY = {'postQuantumPreSharedKey': {'id': 'autumn', 'key': '0123456789abcdef0123456789abcdef'}, 'requirePostQuantum': True}


@pytest.mark.parametrize('more', [{}, KEY], ids=['alone', 'with-key'])
def test_additional_key_exchanges(pair, more):
    capture = rig.Capture(pair.wire, 'br0')
    policy = {**POLICY, 'additionalKeyExchanges': ['ECP384', 'DHGroup16'], 'pfsGroup': 'ECP256'}
    g1, g2 = gateways(pair, connection={'ipsecPolicies': [policy], 'ikeFragmentSize': 576, **more})
    pair.alice.ping('10.22.0.4')
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert '-CURVE25519-ECP384-MODP4096' in g.connection(name)['ikeProposal'], g.explain()
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        g.command('rekey', name)
        rig.wait_for(lambda: any('IKE SA rekeyed' in e['text'] for e in g.connection(name)['events']), 'a rekeying', explain=g.explain)
        rig.wait_for(lambda: any('child SA rekeyed by us' in e['text'] for e in g.connection(name)['events']), 'a rekeying of the child', explain=g.explain)
        pair.alice.ping('10.22.0.4')
    capture.stop()
    no_malformed(capture)
    assert capture.tshark('-Y', 'isakmp.exchangetype == 43') != ''
    assert capture.tshark('-Y', 'isakmp.exchangetype == 43 and isakmp.typepayload == 53') != '', 'a public value of 512 bytes in fragments'
    # behind both kinds of CREATE_CHILD_SA, from both sides, two each
    followed = capture.tshark('-Y', 'isakmp.exchangetype == 44', '-T', 'fields', '-e', 'isakmp.ispi', '-e', 'isakmp.messageid', '-e', 'ip.src')
    assert len(set(followed.splitlines())) >= 16, followed
    assert capture.tshark('-Y', 'ip.flags.mf == 1 or ip.frag_offset > 0') == ''


def test_only_one_end(pair):
    """Then there is no tunnel, and both say which key exchange differs."""
    made = gateways(pair, start=False, connection={'ipsecPolicies': [POLICY]},
                    two={'ipsecPolicies': [{**POLICY, 'additionalKeyExchanges': ['ECP384']}]})
    for g in made:
        g.start()
    rig.wait_for(lambda: 'additional key exchange 1' in (made[1].connection('to1')['lastError'] or '') or
                 'additional key exchange 1' in (made[0].connection('to2')['lastError'] or ''), 'the reason', explain=made[1].explain)
