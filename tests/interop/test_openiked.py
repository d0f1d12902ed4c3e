# SPDX-License-Identifier: Apache-2.0
"""
xgw to OpenIKED with the Linux kernel's ESP, in a User-Mode Linux guest: IKEv2, both roles, by a pre-shared key and by
certificates, rekeys by either side, and a key that is wrong.
"""
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from pki import Entity  # noqa: E402
from test_strongswan import xgw_on  # noqa: E402
from test_xfrm import only_native_esp, world  # noqa: E402, F401

FILES = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..', 'build-peers', 'openiked'))
GW, SITE = 'gw.example.org', 'site.example.org'


def policy(ike, integrity, group, esp, esp_integrity, **more):
    return {'ikeEncryption': ike, 'ikeIntegrity': integrity, 'dhGroup': group, 'ipsecEncryption': esp, 'ipsecIntegrity': esp_integrity, **more}


# xgw's policy, iked's words of the IKE SA and of the child SA. Linux's PF_KEY, by which this iked talks to the kernel, knows
# no AEAD and cuts HMAC-SHA2-256 at 96 bits, so that iked leaves the first out and the second can't work with anybody.
OFFERS = {
    'gcm256-curve25519': (policy('GCMAES256', 'SHA384', 'CURVE25519', 'AES256', 'SHA512'),
                          'enc aes-256-gcm prf hmac-sha2-384 group curve25519', 'enc aes-256 auth hmac-sha2-512'),
    'gcm128-ecp256': (policy('GCMAES128', 'SHA256', 'ECP256', 'AES128', 'SHA384'),
                      'enc aes-128-gcm prf hmac-sha2-256 group ecp256', 'enc aes-128 auth hmac-sha2-384'),
    'cbc256-modp2048': (policy('AES256', 'SHA256', 'DHGroup14', 'AES256', 'SHA384'),
                        'enc aes-256 auth hmac-sha2-256 prf hmac-sha2-256 group modp2048', 'enc aes-256 auth hmac-sha2-384'),
    'cbc192-ecp384': (policy('AES192', 'SHA384', 'ECP384', 'AES192', 'SHA1'),
                      'enc aes-192 auth hmac-sha2-384 prf hmac-sha2-384 group ecp384', 'enc aes-192 auth hmac-sha1'),
    'cbc128-modp4096': (policy('AES128', 'SHA512', 'DHGroup16', 'AES128', 'SHA512'),
                        'enc aes-128 auth hmac-sha2-512 prf hmac-sha2-512 group modp4096', 'enc aes-128 auth hmac-sha2-512')}
EASY = OFFERS['gcm256-curve25519']


class Iked:
    """The daemon, with one connection. It finds its user, keys and certificates in an /etc of its own."""

    def __init__(self, lab, ike, esp, active, auth=f'psk "{rig.PSK}"', more='', ids=('203.0.113.5', '203.0.113.1'), files=()):
        self.host, self.dir = lab.site, os.path.join(lab.dir, f'iked-{lab.site.count}')
        etc = os.path.join(self.dir, 'etc', 'iked')
        for d in ('ca', 'certs', 'crls', 'private', 'pubkeys/ipv4', 'pubkeys/ipv6', 'pubkeys/fqdn', 'pubkeys/ufqdn'):
            os.makedirs(os.path.join(etc, d))
        self.file('etc/iked.conf', f'''ikev2 "xgw" {'active' if active else 'passive'} esp from 192.168.5.0/24 to 10.11.0.0/16 \\
    local 203.0.113.5 peer 203.0.113.1 ikesa {ike} childsa {esp} noesn srcid {ids[0]} dstid {ids[1]} {more} {auth}
''')
        self.file('etc/passwd', 'root:x:0:0::/root:/bin/sh\n_iked:x:9999:9999::/run/iked:/bin/false\n')
        self.file('etc/group', 'root:x:0:\n_iked:x:9999:\n')
        # it does not start without a key, be there a use for it or not
        for name, content in {'private/local.key': Entity('idle').private(), **dict(files)}.items():
            self.file(f'etc/iked/{name}', content)
        self.host.sh('mkdir -p /run/iked')
        self.process = self.host.start('unshare', '-m', 'sh', '-ec', f'cp /etc/ld.so.cache {self.dir}/etc/; mount --bind {self.dir}/etc /etc; '
                                       f'exec {FILES}/usr/sbin/iked -d -v -f /etc/iked.conf', name=f'iked-{lab.site.count}')
        rig.wait_for(lambda: self.control('show', 'sa', check=False).returncode == 0, 'iked to start', explain=self.text)

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        # iked wants its secrets for itself, and reads the certificates after it has become another
        os.chmod(path, 0o600 if 'private' in name or name.endswith('.conf') else 0o644)
        return path

    def control(self, *words, check=True):
        return self.host.run(f'{FILES}/usr/sbin/ikectl', *words, check=check)

    def text(self):
        return self.process.text()

    def stop(self):
        # the parent tells its children, and removes nothing of the kernel's
        self.host.sh('for p in $(pidof iked); do kill $p || true; done; for i in $(seq 100); do pidof iked > /dev/null || break; sleep 0.1; done; '
                     'rm -f /run/iked.sock; ip xfrm state flush; ip xfrm policy flush')


@pytest.fixture
def lab(world):  # noqa: F811
    world.gateway = world.iked = None
    world.site.sh('ip route replace 10.11.0.0/16 via 203.0.113.1')
    yield world
    if world.gateway:
        world.gateway.process.stop()
    if world.iked:
        world.iked.stop()


def explain(lab):
    return lab.gateway.explain() + str(lab.gateway.drops()) + lab.iked.text()[-5000:] + lab.site.run('ip', '-s', 'xfrm', 'state').stdout


def connected(lab, g):
    """iked may answer before it has read the whole of its configuration, and forgets then what it has begun; xgw is told to begin again."""
    reset = False

    def once():
        nonlocal reset
        up = g.connection('toSite')['connectionStatus'] == 'Connected'
        if not up and not reset and 'sa_free: reload' in lab.iked.text():
            reset = True
            g.command('reset', 'toSite')
        return up
    rig.wait_for(once, 'the tunnel', explain=lambda: explain(lab))


def tunnel(lab, offer=EASY, xgw_initiates=True, up=True, change=None, **words):
    """xgw waits before iked begins, and iked before xgw does: neither comes up by a repetition, but for what connected() says."""
    g = lab.gateway = xgw_on(lab.gw1, 'InitiatorOnly' if xgw_initiates else 'ResponderOnly', ipsecPolicies=[offer[0]],
                             usePolicyBasedTrafficSelectors=True)
    if change:
        change(g)
    if xgw_initiates:
        lab.iked = Iked(lab, *offer[1:3], active=False, **words)
        g.start()
    else:
        g.start()
        lab.iked = Iked(lab, *offer[1:3], active=True, **words)
    if up:
        connected(lab, g)
    return g


def carries(lab):
    rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=lambda: explain(lab))
    rig.wait_for(lambda: lab.carol.once('10.11.0.4'), 'traffic back', explain=lambda: explain(lab))


ROLES = pytest.mark.parametrize('xgw_initiates', [True, False], ids=['initiates', 'answers'])


# each suite in one role, one of them in both
@pytest.mark.parametrize('name,xgw_initiates', [*zip(OFFERS, (True, False, True, False, True)), ('gcm256-curve25519', False)],
                         ids=[*(f'{n}-{r}' for n, r in zip(OFFERS, ('initiates', 'answers') * 3)), 'gcm256-curve25519-answers'])
def test_ikev2(lab, name, xgw_initiates):
    capture = rig.Capture(lab.wire, 'br0')
    tunnel(lab, OFFERS[name], xgw_initiates)
    carries(lab)
    capture.stop()
    only_native_esp(capture)
    states = lab.site.run('ip', '-s', 'xfrm', 'state').stdout
    assert states.count('proto esp') == 2 and states.count('cbc(aes)') == 2, states


@ROLES
def test_xgw_rekeys(lab, xgw_initiates):
    g = tunnel(lab, xgw_initiates=xgw_initiates)
    carries(lab)
    before = g.connection('toSite')
    g.command('rekey', 'toSite')
    rig.wait_for(lambda: all(g.connection('toSite')[k] > before[k] for k in ('rekeysIke', 'rekeysChild')), 'our rekeys', explain=lambda: explain(lab))
    carries(lab)
    assert g.connection('toSite')['ikeSpiInitiator'] != before['ikeSpiInitiator']


@pytest.mark.parametrize('what,key,xgw_initiates', [('lifetime 6', 'rekeysChild', True), ('ikelifetime 6', 'rekeysIke', False)], ids=['child', 'ike'])
def test_iked_rekeys(lab, what, key, xgw_initiates):
    """By its lifetimes, of which the kernel tells it; PFS in the child's."""
    offer = ({**EASY[0], 'pfsGroup': 'ECP256'}, EASY[1], EASY[2] + ' group ecp256')
    g = tunnel(lab, offer, xgw_initiates, more=what)
    carries(lab)
    rig.wait_for(lambda: g.connection('toSite')[key] > 1, what, 30, explain=lambda: explain(lab))
    carries(lab)
    assert g.connection('toSite')['attempts'] <= 1


def test_iked_deletes(lab):
    g = tunnel(lab, xgw_initiates=False)
    carries(lab)
    lab.iked.control('set', 'passive', check=False)
    lab.iked.control('reset', 'sa')
    rig.wait_for(lambda: g.connection('toSite')['connectionStatus'] != 'Connected' or 'elete' in json.dumps(g.connection('toSite').get('events')),
                 'the delete', explain=lambda: explain(lab))


@ROLES
def test_wrong_key_is_said(lab, xgw_initiates):
    g = tunnel(lab, xgw_initiates=xgw_initiates, up=False, auth='psk "another key than ours, long enough"')
    word = 'AUTHENTICATION_FAILED' if xgw_initiates else 'pre-shared keys differ'
    rig.wait_for(lambda: word in (g.connection('toSite')['lastError'] or ''), 'the reason', explain=lambda: explain(lab))
    assert g.connection('toSite')['connectionStatus'] != 'Connected'


@pytest.mark.parametrize('kind,xgw_initiates', [('rsa', True), ('rsa', False), ('p256', False)],
                         ids=['rsa-initiates', 'rsa-answers', 'p256-answers'])
def test_certificates(lab, kind, xgw_initiates):
    root = Entity('root', ca=True)
    gw, site = Entity('gw', by=root, kind=kind, san=GW), Entity('site', by=root, kind=kind, san=SITE)

    def change(g):
        with open(g.config) as f:
            c = json.load(f)
        c['connections'][0].pop('sharedKey')
        c['connections'][0].update(authenticationType='Certificate', peerCertificateAuthority=lab.file('ca.pem', root.pem().decode()))
        c['localNetworkGateways'][0]['identity'] = SITE
        c['virtualNetworkGateways'][0].update(identity=GW, certificate={
            'chain': lab.file('gw.pem', gw.pem().decode()), 'rsaPadding': 'pkcs1', 'key': {'file': lab.file('gw.key', gw.private().decode())}})
        with open(g.config, 'w') as f:
            json.dump(c, f)

    capture = rig.Capture(lab.wire, 'br0')
    tunnel(lab, xgw_initiates=xgw_initiates, change=change, auth='rfc7427', ids=(SITE, GW),
           files=[('ca/ca.crt', root.pem()), ('certs/site.crt', site.pem()), ('private/local.key', site.private())])
    carries(lab)
    capture.stop()
    only_native_esp(capture)
