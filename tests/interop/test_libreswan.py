# SPDX-License-Identifier: Apache-2.0
"""
xgw to libreswan (pluto) with the Linux kernel's ESP, in a User-Mode Linux guest: IKEv2 and IKEv1, both roles, rekeys and
deletes from its side; and pluto as a hostile peer, which its `impair` makes it.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from test_strongswan import xgw_on  # noqa: E402
from test_xfrm import only_native_esp, world  # noqa: E402, F401

LIBREXEC = '/usr/libexec/ipsec'
FILES = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..', 'build-peers', 'libreswan', 'usr', 'libexec', 'ipsec'))
GCM = {'ikeEncryption': 'AES256', 'ikeIntegrity': 'SHA256', 'dhGroup': 'DHGroup14', 'ipsecEncryption': 'GCMAES256', 'ipsecIntegrity': 'GCMAES256'}
CBC = {**GCM, 'dhGroup': 'ECP256', 'ipsecEncryption': 'AES256', 'ipsecIntegrity': 'SHA256'}
AEAD = {**GCM, 'ikeEncryption': 'GCMAES256', 'ikeIntegrity': 'SHA384', 'dhGroup': 'ECP384', 'ipsecEncryption': 'CHACHA20POLY1305',
        'ipsecIntegrity': 'CHACHA20POLY1305'}


class Pluto:
    """The daemon, with one connection `xgw`, not started."""

    def __init__(self, lab, ike, esp, version=2, psk=rig.PSK, more=''):
        self.host, self.dir = lab.site, os.path.join(lab.dir, f'pluto-{lab.site.count}')
        os.makedirs(self.dir)
        self.run, self.log = '/run/pluto', os.path.join(self.dir, 'pluto.log')
        self.file('ipsec.secrets', f'%any 203.0.113.1 : PSK "{psk}"\n203.0.113.5 203.0.113.1 : PSK "{psk}"\n')
        self.config = self.file('ipsec.conf', f'''config setup
    logfile={self.log}
    dumpdir={self.dir}
    ikev1-policy=accept
conn xgw
    ikev2={'insist' if version == 2 else 'no'}
    authby=secret
    left=203.0.113.5
    leftsubnet=192.168.5.0/24
    right=203.0.113.1
    rightsubnet=10.11.0.0/16
    ike={ike}
    esp={esp}
    leftupdown=/bin/true
    encapsulation=no
    pfs=no
    dpddelay=5
    retransmit-interval=500
    retransmit-timeout=20s
    {more}
''')
        # pluto starts its helpers by the paths of an installed package
        self.host.sh(f'[ -e /usr/libexec/ipsec/pluto ] || {{ mount -t tmpfs libexec /usr/libexec && mkdir /usr/libexec/ipsec && '
                     f'mount --bind {FILES} /usr/libexec/ipsec; }}')
        self.host.sh(f'mkdir -p {self.run} {self.dir}/nss && certutil -N -d sql:{self.dir}/nss --empty-password')
        self.host.start(f'{LIBREXEC}/pluto', '--nofork', '--config', self.config, '--secretsfile', f'{self.dir}/ipsec.secrets', '--nssdir',
                        f'{self.dir}/nss', '--rundir', self.run, '--logfile', self.log, '--use-xfrm', '--dumpdir', self.dir,
                        name=f'pluto-{lab.site.count}')
        rig.wait_for(lambda: self.whack('--status', check=False).returncode == 0, 'pluto to start', explain=self.text)
        r = self.host.sh(f'{LIBREXEC}/addconn --config {self.config} --ctlsocket {self.run}/pluto.ctl xgw', check=False)
        assert r.returncode == 0, r.stdout + self.text()
        self.whack('--listen')

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def whack(self, *words, check=True, timeout=60):
        return self.host.run(f'{LIBREXEC}/whack', '--ctlsocket', f'{self.run}/pluto.ctl', *words, check=check, timeout=timeout)

    def initiate(self):
        return self.whack('--initiate', '--name', 'xgw', check=False)

    def text(self):
        if not os.path.exists(self.log):
            return 'no log'
        with open(self.log, errors='replace') as f:
            return ''.join(line for line in f if '"xgw"' in line or 'rror' in line)

    def stop(self):
        self.whack('--shutdown', check=False)
        self.host.sh(f'for i in $(seq 100); do [ -e {self.run}/pluto.pid ] || break; sleep 0.1; done; ip xfrm state flush; ip xfrm policy flush')


@pytest.fixture
def lab(world):  # noqa: F811
    world.gateway = world.pluto = None
    world.site.sh('ip route replace 10.11.0.0/16 via 203.0.113.1')
    yield world
    if world.gateway:
        world.gateway.process.stop()
    if world.pluto:
        world.pluto.stop()


def tunnel(lab, policy=GCM, ike='aes256-sha2_256-modp2048', esp='aes_gcm256', xgw_initiates=True, version=2, up=True, **words):
    p = lab.pluto = Pluto(lab, ike, esp, version, **words)
    # pluto narrows nothing unless it is told to
    g = lab.gateway = xgw_on(lab.gw1, 'InitiatorOnly' if xgw_initiates else 'ResponderOnly', ipsecPolicies=[policy],
                             usePolicyBasedTrafficSelectors=True, connectionProtocol=f'IKEv{version}').start()
    if not up:
        return g, p
    if not xgw_initiates:
        r = p.initiate()
        assert r.returncode == 0, r.stdout + p.text()[-3000:] + g.explain()
    rig.wait_for(lambda: g.connection('toSite')['connectionStatus'] == 'Connected', 'the tunnel', explain=lambda: g.explain() + p.text()[-4000:])
    return g, p


def carries(lab, g, p):
    def once():
        return lab.alice.once('192.168.5.4')
    rig.wait_for(once, 'traffic', explain=lambda: g.explain() + str(g.drops()) + p.text()[-3000:] + lab.site.run('ip', '-s', 'xfrm', 'state').stdout)
    lab.carol.ping('10.11.0.4')


OFFERS = [(GCM, 'aes256-sha2_256-modp2048', 'aes_gcm256'), (CBC, 'aes256-sha2_256-dh19', 'aes256-sha2_256'),
          (AEAD, 'aes_gcm256-sha2_384-dh20', 'chacha20_poly1305')]
NAMES = ['gcm', 'cbc', 'chacha']


@pytest.mark.parametrize('xgw_initiates', [True, False], ids=['initiates', 'answers'])
@pytest.mark.parametrize('offer', OFFERS, ids=NAMES)
def test_ikev2(lab, offer, xgw_initiates):
    capture = rig.Capture(lab.wire, 'br0')
    g, p = tunnel(lab, *offer, xgw_initiates=xgw_initiates)
    carries(lab, g, p)
    capture.stop()
    only_native_esp(capture)


@pytest.mark.parametrize('xgw_initiates', [True, False], ids=['initiates', 'answers'])
@pytest.mark.parametrize('offer', OFFERS[:2], ids=NAMES[:2])
def test_ikev1(lab, offer, xgw_initiates):
    capture = rig.Capture(lab.wire, 'br0')
    g, p = tunnel(lab, *offer, xgw_initiates=xgw_initiates, version=1)
    carries(lab, g, p)
    capture.stop()
    only_native_esp(capture)


@pytest.mark.parametrize('xgw_initiates', [True, False], ids=['initiates', 'answers'])
def test_rekeys_and_delete(lab, xgw_initiates):
    g, p = tunnel(lab, xgw_initiates=xgw_initiates)
    carries(lab, g, p)
    for what in ('--rekey-ike', '--rekey-ipsec'):
        before = g.connection('toSite')
        p.whack(what, '--name', 'xgw')
        key = 'rekeysIke' if what == '--rekey-ike' else 'rekeysChild'
        rig.wait_for(lambda: g.connection('toSite')[key] > before[key], what, explain=lambda: g.explain() + p.text()[-3000:])
        carries(lab, g, p)
    before = g.connection('toSite')
    g.command('rekey', 'toSite')
    rig.wait_for(lambda: g.connection('toSite')['rekeysIke'] > before['rekeysIke'] and g.connection('toSite')['rekeysChild'] > before['rekeysChild'],
                 'our rekeys', explain=lambda: g.explain() + p.text()[-3000:])
    carries(lab, g, p)
    p.whack('--terminate', '--name', 'xgw')
    rig.wait_for(lambda: g.connection('toSite')['connectionStatus'] != 'Connected' or g.connection('toSite')['attempts'] > before['attempts'],
                 'the delete', explain=lambda: g.explain() + p.text()[-3000:])


def test_wrong_key_is_said(lab):
    g, p = tunnel(lab, xgw_initiates=False, up=False, psk='another key than ours, long enough')
    p.whack('--initiate', '--asynchronous', '--name', 'xgw', check=False)
    rig.wait_for(lambda: 'pre-shared keys differ' in (g.connection('toSite')['lastError'] or ''), 'the reason', explain=g.explain)


# whack's word, whether the tunnel comes up all the same
IMPAIRED = [('replay-duplicates', True), ('replay-backward', True), ('replay-encrypted', True), ('ke-payload:0', False), ('ke-payload:empty', False),
            ('ke-payload:omit', False), ('ike-key-length-attribute:0', False), ('child-key-length-attribute:0', False),
            ('add-unknown-v2-payload-to:IKE_AUTH', True), ('send-bogus-isakmp-flag', True)]


@pytest.mark.parametrize('word,up', IMPAIRED, ids=[w[0].replace(':', '-') for w in IMPAIRED])
def test_impaired(lab, word, up):
    """A peer that lies: the tunnel comes up or it does not, xgw goes on, and the true peer gets in afterwards."""
    g, p = tunnel(lab, xgw_initiates=False, up=False)
    r = p.whack('--impair', word, check=False)
    assert r.returncode == 0, r.stdout
    p.whack('--initiate', '--asynchronous', '--name', 'xgw', check=False)
    if up:
        rig.wait_for(lambda: g.connection('toSite')['connectionStatus'] == 'Connected', 'the tunnel', explain=lambda: g.explain() + p.text()[-4000:])
    else:
        rig.wait_for(lambda: any(g.json('status')['ike'][n] for n in ('malformed', 'integrity', 'no-proposal', 'invalid-ke', 'auth-failed', 'unknown-sa',
                                                                    'bad-message-id')), 'the lie to be counted', 20,
                     explain=lambda: g.explain() + str(g.json('status')['ike']) + p.text()[-3000:])
        assert g.connection('toSite')['connectionStatus'] != 'Connected'
        p.whack('--impair', 'none')
        p.whack('--terminate', '--name', 'xgw', check=False)
        p.whack('--initiate', '--asynchronous', '--name', 'xgw', check=False)
    carries(lab, g, p)
