# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan with certificates: every kind of key in both roles, methods before and after RFC 7427, refusals."""
import ipaddress
import json
import os
import sys

import pytest
from cryptography import x509

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from pki import Entity  # noqa: E402
from test_strongswan import lab, through, topology, xgw_on  # noqa: E402, F401

GW, SITE = 'gw.example.org', 'site.example.org'


class World:
    """root - middle - both gateways; the site's certificate is sent with the intermediate one."""

    def __init__(self, kind, san=GW):
        self.root = Entity('root', ca=True)
        self.middle = Entity('middle', by=self.root, ca=True)
        self.gw = Entity('gw', by=self.middle, kind=kind, san=san)
        self.site = Entity('site', by=self.middle, kind=kind, san=SITE)


def write(lab, name, content, mode=0o600):
    path = os.path.join(lab.dir, name)
    with open(path, 'wb') as f:
        f.write(content)
    os.chmod(path, mode)
    return path


def gateway(lab, w, mode, chain=None, ca=None, crl=None, identity=GW, site=SITE, padding='pss', **connection):
    c = {'authenticationType': 'Certificate', 'peerCertificateAuthority': write(lab, 'ca.pem', (ca or w.root).pem()), **connection}
    if crl:
        c['certificateRevocationLists'] = [write(lab, 'middle.crl', crl)]
    g = xgw_on(lab.gw1, mode, site={'identity': site}, **c)
    with open(g.config) as f:
        config = json.load(f)
    config['virtualNetworkGateways'][0].update(
        identity=identity, certificate={'chain': write(lab, 'gw.pem', chain or w.gw.pem(w.middle)), 'rsaPadding': padding,
                                        'key': {'file': write(lab, 'gw.key', w.gw.private())}})
    with open(g.config, 'w') as f:
        json.dump(config, f)
    return g


def swan(lab, w, entity=None, ca=None, auth='pubkey', accept='pubkey', peer_id=GW, my_id=SITE, more='', files=(), lines='', secrets='',
         **words):
    e = entity or w.site
    return rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', my_id=my_id, peer_id=peer_id, more=more, rekey=lines, secrets=secrets,
                          auth=(f'auth = {auth}\n    certs = site.pem', f'auth = {accept}\n    cacerts = ca.pem'),
                          files=[('x509', 'site.pem', e.pem()), ('x509ca', 'ca.pem', (ca or w.root).pem()),
                                 ('x509ca', 'middle.pem', w.middle.pem()), ('private', 'site.key', e.private()), *files], **words)


def why(g):
    return g.connection('toSite')['lastError'] or ''


# kind of key, our padding, how strongSwan signs and we must
WAYS = [('rsa', 'pkcs1', 'ike:rsa-sha256'), ('rsa', 'pss', 'ike:rsa/pss-sha256'), ('p256', 'pss', 'ike:ecdsa-sha256'), ('p384', 'pss', 'ike:ecdsa-sha384'),
        ('p521', 'pss', 'ike:ecdsa-sha512'), ('ed25519', 'pss', 'ike:ed25519')]
IDS = [f'{w[0]}-{w[1]}' for w in WAYS]


@pytest.mark.parametrize('kind,padding,method', WAYS, ids=IDS)
def test_xgw_initiates(lab, kind, padding, method):  # noqa: F811
    topology(lab)
    w = World(kind)
    s = swan(lab, w, auth=method, accept=method)
    g = gateway(lab, w, 'InitiatorOnly', padding=padding).start()
    capture = rig.Capture(lab.wire, 'br0')
    g.wait_connected('toSite')
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert f"authentication of '{GW}' with" in s.text()


@pytest.mark.parametrize('kind,padding,method', WAYS, ids=IDS)
def test_xgw_answers(lab, kind, padding, method):  # noqa: F811
    topology(lab)
    w = World(kind)
    s = swan(lab, w, auth=method, accept=method)
    g = gateway(lab, w, 'ResponderOnly', padding=padding, site='*.example.org').start()
    r = s.initiate()
    assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    g.wait_connected('toSite')
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)


@pytest.mark.parametrize('kind', ['rsa', 'p256', 'p384', 'p521'])
@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_before_rfc7427(lab, kind, mode):  # noqa: F811
    """Methods 1 (only where it is allowed), 9, 10 and 11."""
    topology(lab)
    w = World(kind)
    s = swan(lab, w, more='signature_authentication = no')
    g = gateway(lab, w, mode, sha1Signatures=kind == 'rsa').start()
    if mode == 'ResponderOnly':
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    g.wait_connected('toSite')


def test_sha1_is_not_the_default(lab):  # noqa: F811
    topology(lab)
    w = World('rsa')
    s = swan(lab, w, more='signature_authentication = no')
    g = gateway(lab, w, 'ResponderOnly').start()
    assert s.initiate().returncode != 0
    assert 'SHA-1' in why(g) and 'sha1Signatures' in why(g), why(g)


def test_distinguished_names(lab):  # noqa: F811
    topology(lab)
    w = World('p256')
    s = swan(lab, w, my_id='C=DE, O=Example, CN=site', peer_id='C=DE, O=Example, CN=gw')
    g = gateway(lab, w, 'ResponderOnly', identity='C=DE, O=Example, CN=gw', site='C=DE, O=Example, CN=*').start()
    r = s.initiate()
    assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    g.wait_connected('toSite')


def test_addresses(lab):  # noqa: F811
    topology(lab)
    w = World('p256', san=x509.IPAddress(ipaddress.ip_address('203.0.113.1')))
    w.site = Entity('site', by=w.middle, san=x509.IPAddress(ipaddress.ip_address('203.0.113.5')))
    swan(lab, w, my_id='203.0.113.5', peer_id='203.0.113.1')
    g = gateway(lab, w, 'InitiatorOnly', identity='203.0.113.1', site='203.0.113.5').start()
    g.wait_connected('toSite')


REFUSED = {
    'revoked': (lambda w: {'crl': w.middle.crl(w.site)}, ['CN=site', 'revoked on']),
    'identity': (lambda w: {'site': 'other.example.org'}, ['other.example.org']),
    'authority': (lambda w: {'ca': Entity('stranger', ca=True)}, ['is not ours', 'stranger']),
}


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
@pytest.mark.parametrize('what', REFUSED)
def test_xgw_refuses(lab, what, mode):  # noqa: F811
    topology(lab)
    w = World('p256')
    change, words = REFUSED[what]
    s = swan(lab, w)
    g = gateway(lab, w, mode, **change(w)).start()
    if mode == 'ResponderOnly':
        assert s.initiate().returncode != 0
    if what == 'identity' and mode == 'InitiatorOnly':
        words = ['AUTHENTICATION_FAILED']  # the peer is asked for a name that it has not
    rig.wait_for(lambda: all(x in why(g) for x in words), 'the reason', explain=lambda: why(g) + g.explain())
    assert g.connection('toSite')['connectionStatus'] != 'Connected'


def test_a_crl_that_revokes_another(lab):  # noqa: F811
    topology(lab)
    w = World('p256')
    swan(lab, w)
    g = gateway(lab, w, 'InitiatorOnly', crl=w.middle.crl(w.gw)).start()
    g.wait_connected('toSite')


def test_strongswan_refuses_a_revoked_one(lab):  # noqa: F811
    topology(lab)
    w = World('p256')
    swan(lab, w, files=[('x509crl', 'middle.crl', w.middle.crl(w.gw))])
    g = gateway(lab, w, 'InitiatorOnly').start()
    rig.wait_for(lambda: 'AUTHENTICATION_FAILED' in why(g) and 'certificate' in why(g), 'the reason', 30, g.explain)


def test_one_end_has_a_key(lab):  # noqa: F811
    topology(lab)
    w = World('p256')
    s = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', my_id=SITE, peer_id=GW)
    g = gateway(lab, w, 'ResponderOnly').start()
    assert s.initiate().returncode != 0
    assert 'pre-shared key' in why(g) and 'signature of a certificate' in why(g), why(g)


# ---- IKEv1: main mode with RSA signatures (RFC 2409 section 5.1) ----

def swan_v1(lab, w, **more):
    return swan(lab, w, ike='aes256-sha256-modp2048', esp='aes256-sha256', version=1, **more)


def gateway_v1(lab, w, mode, **more):
    return gateway(lab, w, mode, connectionProtocol='IKEv1', usePolicyBasedTrafficSelectors=True, **more)


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_ikev1(lab, mode):  # noqa: F811
    topology(lab)
    w = World('rsa')
    s = swan_v1(lab, w)
    g = gateway_v1(lab, w, mode, site='*.example.org' if mode == 'ResponderOnly' else SITE).start()
    capture = rig.Capture(lab.wire, 'br0')
    if mode == 'ResponderOnly':
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    c = g.wait_connected('toSite')
    assert c['ikeVersion'] == 'IKEv1'
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)
    spi = c['ikeSpiInitiator']
    g.command('rekey', 'toSite')
    rig.wait_for(lambda: g.connection('toSite').get('ikeSpiInitiator') not in (None, spi), 'another ISAKMP SA', explain=g.explain)
    lab.alice.ping('192.168.5.4')
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert f"authentication of '{GW}' with RSA_EMSA_PKCS1_NULL successful" in s.text()


@pytest.mark.parametrize('mode', ['InitiatorOnly', 'ResponderOnly'])
def test_ikev1_of_another_authority(lab, mode):  # noqa: F811
    topology(lab)
    w, other = World('rsa'), World('rsa')
    s = swan_v1(lab, w, entity=other.site, files=[('x509ca', 'other.pem', other.middle.pem())])
    g = gateway_v1(lab, w, mode).start()
    if mode == 'ResponderOnly':
        assert s.initiate().returncode != 0
    rig.wait_for(lambda: 'issued by' in why(g) or 'authority' in why(g), 'the reason', explain=g.explain)
    assert g.connection('toSite')['connectionStatus'] != 'Connected'


def test_ikev1_one_end_by_key(lab):  # noqa: F811
    topology(lab)
    w = World('rsa')
    g = gateway_v1(lab, w, 'ResponderOnly').start()
    s = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', my_id=SITE, peer_id=GW,
                       ike='aes256-sha256-modp2048', esp='aes256-sha256', version=1)
    assert s.initiate().returncode != 0
    assert 'ours authenticate by RSA signatures, theirs by a pre-shared key' in why(g), why(g)


def test_ikev1_needs_an_rsa_key(lab):  # noqa: F811
    topology(lab)
    w = World('p256')
    g = gateway_v1(lab, w, 'InitiatorOnly')
    r = lab.gw1.run(rig.XGW, 'check', '-c', g.config, check=False)
    assert r.returncode == 2 and 'connectionProtocol: IKEv1 signs by RSA keys' in r.stdout + r.stderr, r.stdout + r.stderr
