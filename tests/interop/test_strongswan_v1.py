# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan by IKEv1 (kernel-libipsec: ESP in userspace, always in UDP): both roles, proposals, NAT, rekeying, DPD."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
import test_strongswan as v2  # noqa: E402

OURS, THEIRS = '10.11.0.0/16', '192.168.5.0/24'
ANOTHER = 'another one altogether, sorry'


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


@pytest.fixture(scope='module', autouse=True)
def keys_differ(request):
    """Our six fifth messages without an answer, which take 41 s: the other tests of this file run meanwhile. The gateway."""
    if not rig.is_asked_for(request, 'test_keys_differ_when_we_begin'):
        yield None
        return
    made = rig.Lab()
    v2.topology(made)
    swan_on(made, psk=ANOTHER)
    yield xgw_on(made, 'InitiatorOnly').start()
    made.close()


def swan_on(lab, ike='aes256-sha256-modp2048', esp='aes256-sha256', me='203.0.113.5', **more):
    return rig.StrongSwan(lab.site, me, '203.0.113.1', THEIRS, OURS, ike=ike, esp=esp, version=1, **more)


def xgw_on(lab, mode, policy=None, selectors=True, gateway=None, **more):
    g = v2.xgw_on(lab.gw1, mode, connectionProtocol='IKEv1', **({'usePolicyBasedTrafficSelectors': True} if selectors else {}),
                  **({'ipsecPolicies': [policy]} if policy else {}), **more)
    return g


def policy(ike, integrity, group, esp, esp_integrity, pfs='None', **more):
    return {'ikeEncryption': ike, 'ikeIntegrity': integrity, 'dhGroup': group, 'ipsecEncryption': esp, 'ipsecIntegrity': esp_integrity,
            'pfsGroup': pfs, **more}


def light(lab, g):
    """Traffic both ways."""
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic',
                 explain=lambda: g.explain() + str(g.drops()))
    lab.carol.ping('10.11.0.4')


# our policy (None: the default offer), strongSwan's words, what status shows
OFFERS = {
    'default': (None, 'aes256-sha256-modp2048', 'aes256gcm16', 'AES256-SHA256-PRFSHA256-MODP2048', 'AES256GCM16'),
    '3des': (policy('DES3', 'SHA1', 'DHGroup2', 'DES3', 'SHA1', 'PFS2'), '3des-sha1-modp1024', '3des-sha1-modp1024',
             '3DES-SHA1-PRFSHA1-MODP1024', '3DES-SHA1'),
    'modp2048': (policy('AES256', 'SHA256', 'DHGroup14', 'AES256', 'SHA256', 'PFS2048'), 'aes256-sha256-modp2048',
                 'aes256-sha256-modp2048', 'AES256-SHA256-PRFSHA256-MODP2048', 'AES256-SHA256'),
    'ecp384': (policy('AES256', 'SHA384', 'ECP384', 'AES256', 'SHA384', 'ECP384'), 'aes256-sha384-ecp384', 'aes256-sha384-ecp384',
               'AES256-SHA384-PRFSHA384-ECP384', 'AES256-SHA384'),
    'aes128': (policy('AES128', 'SHA1', 'DHGroup14', 'AES128', 'SHA1'), 'aes128-sha1-modp2048', 'aes128-sha1',
               'AES128-SHA1-PRFSHA1-MODP2048', 'AES128-SHA1'),
    'aes192': (policy('AES192', 'SHA512', 'ECP256', 'GCMAES128', 'GCMAES128', 'ECP256'), 'aes192-sha512-ecp256', 'aes128gcm16-ecp256',
               'AES192-SHA512-PRFSHA512-ECP256', 'AES128GCM16'),
    'group24': (policy('AES256', 'SHA256', 'DHGroup24', 'AES256', 'SHA512', 'PFS24'), 'aes256-sha256-modp2048s256',
                'aes256-sha512-modp2048s256', 'AES256-SHA256-PRFSHA256-MODP2048_256', 'AES256-SHA512'),
    'ecp521': (policy('AES128', 'SHA256', 'ECP521', 'GCMAES192', 'GCMAES192'), 'aes128-sha256-ecp521', 'aes192gcm16',
               'AES128-SHA256-PRFSHA256-ECP521', 'AES192GCM16'),
}


@pytest.mark.parametrize('role', ['initiator', 'responder'])
@pytest.mark.parametrize('offer', OFFERS)
def test_offers(lab, offer, role):
    ours, ike, esp, shown_ike, shown_esp = OFFERS[offer]
    v2.topology(lab)
    swan = swan_on(lab, ike, esp)
    g = xgw_on(lab, 'InitiatorOnly' if role == 'initiator' else 'ResponderOnly', ours).start()
    capture = rig.Capture(lab.wire, 'br0')
    if role == 'responder':
        r = swan.initiate()
        assert r.returncode == 0, r.stdout + r.stderr + swan.text()[-3000:] + g.explain()
    c = g.wait_connected('toSite')
    assert c['ikeVersion'] == 'IKEv1' and c['ikeProposal'] == shown_ike, c
    assert c['childSas'][0]['proposal'].startswith(shown_esp), c
    # group 24 has no PFS number of strongSwan's? it has: the group is part of the name when there is PFS
    if ours and ours['pfsGroup'] != 'None':
        assert c['childSas'][0]['proposal'] != shown_esp, c
    assert c['childSas'][0]['localTs'] == [OURS] and c['childSas'][0]['remoteTs'] == [THEIRS], c
    light(lab, g)
    if offer == 'default':
        v2.through(lab, g)
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert g.connection('toSite')['lastError'] is None


def test_pfs_of_the_peer_is_accepted(lab):
    """The default offer has no PFS, and takes it."""
    v2.topology(lab)
    swan = swan_on(lab, esp='aes256-sha256-modp2048')
    g = xgw_on(lab, 'ResponderOnly').start()
    assert swan.initiate().returncode == 0, swan.text()[-3000:] + g.explain()
    assert g.wait_connected('toSite')['childSas'][0]['proposal'] == 'AES256-SHA256-MODP2048'
    light(lab, g)


def test_any_to_any(lab):
    """A route-based gateway: one pair, any to any, both ways round."""
    v2.topology(lab)
    swan = swan_on(lab)
    g = xgw_on(lab, 'ResponderOnly', selectors=False).start()
    assert swan.initiate().returncode == 0, swan.text()[-3000:] + g.explain()
    c = g.wait_connected('toSite')
    assert c['childSas'][0]['localTs'] == [OURS], c  # a pair is taken as it is asked for
    light(lab, g)


def test_policy_based(lab):
    """Two prefixes on each side: four IPsec SAs, and the right one for each packet."""
    v2.topology(lab)
    lab.gw1.run('true')
    lab.carol.address('eth0', '192.168.6.4/24')
    lab.site.address('lan', '192.168.6.1/24')
    pairs = {f'net{i}{k}': (f'192.168.{5 + i}.0/24', f'10.1{1 + k}.0.0/16') for i in range(2) for k in range(2)}
    swan = swan_on(lab, children=pairs)
    config = rig.gateway_config(
        'VNet1', 1001, ['10.11.0.0/16', '10.12.0.0/16'], '10.11.0.1/24', '203.0.113.1',
        [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'connectionMode': 'InitiatorOnly'}],
        sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24', '192.168.6.0/24']}])
    config['virtualNetworkGateways'][0]['vpnType'] = 'PolicyBased'
    g = rig.Xgw(lab.gw1, config).start()
    g.wait_connected('toSite')
    rig.wait_for(lambda: len(g.connection('toSite')['childSas']) == 4, 'four child SAs', explain=g.explain)
    assert g.connection('toSite')['ikeVersion'] == 'IKEv1'
    for address in ('192.168.5.4', '192.168.6.4'):
        lab.alice.ping(address)
    # each pair's own SA carried them
    used = {tuple(s['remoteTs']) for s in g.connection('toSite')['childSas'] if s['bytesOut'] and s['localTs'] == ['10.11.0.0/16']}
    assert used == {('192.168.5.0/24',), ('192.168.6.0/24',)}, g.connection('toSite')
    assert swan.sas().count('INSTALLED') == 4, swan.sas()
    # one that the peer deletes is asked for again
    swan.swanctl('--terminate', '--child', 'net00')
    rig.wait_for(lambda: swan.sas().count('INSTALLED') == 4, 'four child SAs again', explain=g.explain)
    lab.alice.ping('192.168.5.4')


def test_peer_behind_nat(lab):
    v2.topology(lab)
    me = v2.through_nat(lab, 'site')
    swan = swan_on(lab, me=me, my_id='branch.example.org')
    g = xgw_on(lab, 'ResponderOnly', peer='any', site={'identity': 'branch.example.org'}).start()
    r = swan.initiate()
    assert r.returncode == 0, r.stdout + r.stderr + g.explain()
    c = g.wait_connected('toSite')
    assert c['peer'].startswith('203.0.113.9'), c
    v2.through(lab, g)


def test_we_behind_nat(lab):
    v2.topology(lab)
    me = v2.through_nat(lab, 'gw1')
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.9', THEIRS, OURS, ike='aes256-sha256-modp2048', esp='aes256-sha256',
                          version=1, peer_id='branch.example.org')
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', me,
                           [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5',
                             'connectionMode': 'InitiatorOnly', 'connectionProtocol': 'IKEv1',
                             'usePolicyBasedTrafficSelectors': True}],
                           sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': [THEIRS]}])
    c['virtualNetworkGateways'][0]['identity'] = 'branch.example.org'
    g = rig.Xgw(lab.gw1, c).start()
    g.wait_connected('toSite')
    assert '203.0.113.9' in swan.sas(), swan.sas()
    v2.through(lab, g)


def spi(g):
    return g.connection('toSite')['childSas'][0]['spiIn']


def happened(g, words):
    return any(words in e.get('text', '') for e in g.connection('toSite').get('events', []))


def all_of_ten(lab, g, swan):
    r = lab.alice.ping('192.168.5.4', count=10, check=False)
    assert ' 10 received' in r.stdout, f'{r.stdout}\n{g.explain()}\n{g.drops()}\n{swan.sas()}\n{swan.text()[-4000:]}'


@pytest.mark.parametrize('role', ['initiator', 'responder'])
def test_rekeying(lab, role):
    """Both SAs, by either side; not a packet of ten is lost."""
    v2.topology(lab)
    swan = swan_on(lab, esp='aes256-sha256-modp2048')
    g = xgw_on(lab, 'InitiatorOnly' if role == 'initiator' else 'ResponderOnly',
               policy('AES256', 'SHA256', 'DHGroup14', 'AES256', 'SHA256', 'PFS2048')).start()
    if role == 'responder':
        assert swan.initiate().returncode == 0, swan.text()[-2000:] + g.explain()
    g.wait_connected('toSite')
    light(lab, g)
    first = spi(g)
    swan.swanctl('--rekey', '--child', 'net')
    rig.wait_for(lambda: spi(g) != first, 'a new child SA of theirs', explain=g.explain)
    all_of_ten(lab, g, swan)
    second = spi(g)
    g.command('rekey', 'toSite')
    rig.wait_for(lambda: spi(g) != second, 'a new child SA of ours', explain=g.explain)
    rig.wait_for(lambda: happened(g, 'ISAKMP SA rekeyed by us'), 'our new ISAKMP SA', explain=g.explain)
    all_of_ten(lab, g, swan)
    swan.swanctl('--rekey', '--ike', 'peer', '--reauth')
    rig.wait_for(lambda: happened(g, 'ISAKMP SA rekeyed by the peer'), 'their new ISAKMP SA', explain=g.explain)
    all_of_ten(lab, g, swan)
    assert g.connection('toSite')['connectionStatus'] == 'Connected'
    assert not happened(g, 'deleted'), g.explain()


def test_rekeying_with_quick_mode_late(lab):
    """The first message of quick mode is lost, so that the new ISAKMP SA is there before it, and the old one goes right after: with
    the old one strongSwan ends what was made by it then, and nothing of ours may be."""
    v2.topology(lab)
    swan = swan_on(lab)
    g = xgw_on(lab, 'ResponderOnly').start()
    assert swan.initiate().returncode == 0, swan.text()[-2000:] + g.explain()
    g.wait_connected('toSite')
    light(lab, g)
    first = spi(g)
    # behind the non-ESP marker and both cookies the exchange: quick mode is 32
    lab.gw1.run('nft', 'add table ip t; add chain ip t o { type filter hook output priority 0; }; '
                'add rule ip t o udp dport 4500 @th,240,8 32 drop')
    g.command('rekey', 'toSite')
    rig.wait_for(lambda: happened(g, 'ISAKMP SA rekeyed by us'), 'our new ISAKMP SA', explain=g.explain)
    lab.gw1.run('nft', 'delete table ip t')
    rig.wait_for(lambda: spi(g) != first, 'a new child SA of ours', explain=g.explain)
    rig.wait_for(lambda: 'received DELETE for IKE_SA' in swan.text(), 'the end of the old ISAKMP SA', explain=swan.text)
    all_of_ten(lab, g, swan)


def test_deletes(lab):
    v2.topology(lab)
    swan = swan_on(lab)
    g = xgw_on(lab, 'Default').start()
    g.wait_connected('toSite')
    light(lab, g)
    # theirs: we come back
    swan.swanctl('--terminate', '--ike', 'peer')
    rig.wait_for(lambda: happened(g, 'the peer deleted'), 'word of the delete', explain=g.explain)
    g.wait_connected('toSite')
    light(lab, g)
    # ours: they know
    g.command('down', 'toSite')
    rig.wait_for(lambda: 'ESTABLISHED' not in swan.sas(), 'the peer to know that we are gone', explain=swan.text)
    g.command('up', 'toSite')
    g.wait_connected('toSite')
    light(lab, g)


def test_dead_peer(lab):
    """R-U-THERE both ways; a peer that is gone is noticed, and comes back."""
    v2.topology(lab)
    swan = swan_on(lab, rekey='dpd_timeout = 20s')
    g = xgw_on(lab, 'InitiatorOnly', dpdTimeoutSeconds=9).start()
    g.wait_connected('toSite')
    rig.wait_for(lambda: 'parsed INFORMATIONAL_V1 request' in swan.text() and 'N(DPD)' in swan.text(), 'our question', 30, g.explain)
    assert g.connection('toSite')['connectionStatus'] == 'Connected'
    swan.process.stop(9)
    rig.wait_for(lambda: g.connection('toSite')['connectionStatus'] != 'Connected', 'the silence to be noticed', 40, g.explain)
    assert happened(g, 'R-U-THERE'), g.explain()


def test_they_ask_whether_we_live(lab):
    v2.topology(lab)
    swan = swan_on(lab, rekey='dpd_timeout = 20s')
    g = xgw_on(lab, 'ResponderOnly', dpdTimeoutSeconds=3600).start()
    assert swan.initiate().returncode == 0, swan.text()[-2000:]
    g.wait_connected('toSite')
    rig.wait_for(lambda: 'N(DPD_ACK)' in swan.text(), 'our answer', 40, swan.text)
    assert 'ESTABLISHED' in swan.sas()


def last_error(g):
    return g.connection('toSite')['lastError'] or ''


def test_keys_differ_when_they_begin(lab):
    v2.topology(lab)
    swan = swan_on(lab, psk=ANOTHER)
    g = xgw_on(lab, 'ResponderOnly').start()
    assert swan.initiate().returncode != 0
    rig.wait_for(lambda: 'pre-shared key' in last_error(g), 'the reason', 60, g.explain)


@pytest.mark.parametrize('role', ['initiator', 'responder'])
def test_selectors_differ(lab, role):
    v2.topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.77.0/24', OURS, ike='aes256-sha256-modp2048',
                          esp='aes256-sha256', version=1)
    g = xgw_on(lab, 'InitiatorOnly' if role == 'initiator' else 'ResponderOnly').start()
    if role == 'responder':
        assert swan.initiate().returncode != 0
        rig.wait_for(lambda: '192.168.77.0/24' in last_error(g) and THEIRS in last_error(g), 'both selectors', 30, g.explain)
    else:
        rig.wait_for(lambda: 'INVALID-ID' in last_error(g) or 'quick mode' in last_error(g), 'the reason', 60, g.explain)


@pytest.mark.parametrize('role', ['initiator', 'responder'])
def test_proposals_differ(lab, role):
    v2.topology(lab)
    swan = swan_on(lab, ike='aes128-sha1-modp3072')
    g = xgw_on(lab, 'InitiatorOnly' if role == 'initiator' else 'ResponderOnly').start()
    if role == 'responder':
        assert swan.initiate().returncode != 0
        rig.wait_for(lambda: 'MODP3072' in last_error(g) and 'key exchange group' in last_error(g), 'what differs', 30, g.explain)
    else:
        rig.wait_for(lambda: 'NO-PROPOSAL-CHOSEN' in last_error(g), 'the reason', 30, g.explain)


def test_aggressive_mode_is_refused(lab):
    v2.topology(lab)
    swan = swan_on(lab, rekey='aggressive = yes')
    g = xgw_on(lab, 'ResponderOnly').start()
    assert swan.initiate().returncode != 0
    rig.wait_for(lambda: 'aggressive mode' in last_error(g), 'the reason', 30, g.explain)


def test_keys_differ_when_we_begin(keys_differ):
    rig.wait_for(lambda: 'pre-shared key' in last_error(keys_differ), 'the reason', 60, keys_differ.explain)
