# SPDX-License-Identifier: Apache-2.0
"""
xgw to the Linux kernel's own IPsec (XFRM), keyed by strongSwan with kernel-netlink, in a User-Mode Linux guest: the peer
that speaks native ESP (protocol 50), which a userspace ESP can't.
"""
import os
import re
import signal
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from guest import Guest  # noqa: E402
from test_strongswan import through, xgw_on  # noqa: E402

# name, the words of xgw's policy, strongSwan's word, the kernel's names of the algorithms
CIPHERS = [('GCMAES128', 'GCMAES128', 'aes128gcm16', ['rfc4106(gcm(aes))']),
           ('AES256', 'SHA256', 'aes256-sha256', ['cbc(aes)', 'hmac(sha256)']),
           ('CHACHA20POLY1305', 'CHACHA20POLY1305', 'chacha20poly1305', ['rfc7539esp(chacha20,poly1305)'])]
IKE = {'ikeEncryption': 'AES256', 'ikeIntegrity': 'SHA256', 'dhGroup': 'DHGroup14'}


@pytest.fixture(scope='module')
def world():
    """One guest for all tests here: a boot and the load of the kernel's modules take longer than a test."""
    made = rig.Lab()
    made.site = None
    try:
        topology(made)
        yield made
    finally:
        if made.site:
            made.site.off()
        made.close()


@pytest.fixture
def lab(world):
    world.gateway = world.swan = None
    yield world
    if world.gateway:
        world.gateway.process.stop()
    if world.swan:
        world.site.sh('kill $(cat /run/charon.pid); while [ -e /run/charon.pid ]; do sleep 0.1; done')


def topology(lab):
    """alice 10.11.0.4 - gw1 (xgw, 203.0.113.1) === wire === site (a guest, 203.0.113.5) - carol 192.168.5.4"""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1, bay, lab.carol = (lab.host(n) for n in ('alice', 'gw1', 'bay', 'carol'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, bay, 'wan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.carol, 'eth0', bay, 'lan')
    for device in ('wan', 'lan'):
        bay.run('ethtool', '-K', device, 'gro', 'off')  # the guest takes frames as they are on a wire only
        bay.run('ip', 'link', 'add', f'b-{device}', 'type', 'bridge', 'mcast_snooping', '0')
        bay.run('ip', 'link', 'set', device, 'master', f'b-{device}')
        bay.run('ip', 'link', 'set', f'b-{device}', 'up')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.carol.address('eth0', '192.168.5.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    lab.carol.route('default', 'via', '192.168.5.1')
    lab.site = Guest(bay, 'site', ['b-wan', 'b-lan'])
    lab.site.address('vec0', '203.0.113.5/24')
    lab.site.address('vec1', '192.168.5.1/24')
    lab.site.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0')
    # the first look at XFRM loads every cipher there is, one process each
    lab.site.run('ip', 'xfrm', 'state')


def tunnel(lab, cipher, xgw_initiates=True, version=2):
    encryption, integrity, esp, _ = cipher
    swan = lab.swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16',
                          ike='aes256-sha256-modp2048', esp=esp, kernel=True, version=version)
    g = lab.gateway = xgw_on(lab.gw1, 'InitiatorOnly' if xgw_initiates else 'ResponderOnly',
                             **({'connectionProtocol': 'IKEv1', 'usePolicyBasedTrafficSelectors': True} if version == 1 else {}),
                             ipsecPolicies=[{**IKE, 'ipsecEncryption': encryption, 'ipsecIntegrity': integrity}]).start()
    if not xgw_initiates:
        r = swan.initiate()
        assert r.returncode == 0, r.stdout + r.stderr + swan.text()[-3000:] + g.explain()
    return g, swan, g.wait_connected('toSite')


def kernel_used(lab, algorithms):
    """The kernel has both SAs with these algorithms, not encapsulated, and they carried packets, none refused."""
    states = lab.site.run('ip', '-s', 'xfrm', 'state').stdout
    assert states.count('proto esp') == 2 and 'encap' not in states, states
    assert all(states.count(a) == 2 for a in algorithms), states
    carried = [int(n) for n in re.findall(r'^\s+(\d+)\(bytes\), \d+\(packets\)', states, re.M)]
    assert len(carried) == 2 and min(carried) > 1e6, states
    assert states.count('replay-window 0 replay 0 failed 0') == 2, states


def only_native_esp(capture):
    """Between the gateways IKE and protocol 50, whole and in both directions, nothing else."""
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert capture.tshark('-Y', 'udp.port == 4500') == ''
    assert capture.tshark('-Y', 'ip and not ip.proto == 50 and not isakmp and not igmp') == ''
    for source in ('203.0.113.1', '203.0.113.5'):
        assert capture.tshark('-Y', f'ip.proto == 50 and ip.src == {source}') != '', f'no native ESP from {source}'


@pytest.mark.parametrize('cipher,xgw_initiates', list(zip(CIPHERS, (True, False, True))), ids=[c[2] for c in CIPHERS])
def test_native_esp(lab, cipher, xgw_initiates):
    g, _, c = tunnel(lab, cipher, xgw_initiates)
    capture = rig.Capture(lab.wire, 'br0')
    assert c['childSas'][0]['encapsulation'] == 'esp', c['childSas']
    through(lab, g)
    capture.stop()
    only_native_esp(capture)
    assert not capture.contains(b'HTTP/1.')
    kernel_used(lab, cipher[3])
    now = g.connection('toSite')
    assert now['ingressBytes'] > 1e6 and now['egressBytes'] > 1e6, now


def test_the_kernel_rekeys(lab):
    """Both ends replace the child SA in turn while alice pings; the kernel's old SA goes."""
    g, swan, c = tunnel(lab, CIPHERS[0])
    lab.carol.ping('10.11.0.4')
    pings = lab.alice.start('ping', '-n', '-i', '0.02', '-W', '2', '192.168.5.4', name='pings')
    for rekey in (lambda: swan.swanctl('--rekey', '--child', 'net'), lambda: g.command('rekey', 'toSite')):
        before = g.connection('toSite')['childSas'][0]['spiIn']
        rekey()
        rig.wait_for(lambda: g.connection('toSite')['childSas'][0]['spiIn'] != before, 'a new child SA', explain=g.explain)
        rig.wait_for(lambda: g.connection('toSite')['childSas'][0]['packetsIn'] > 50, 'the new child SA to be used', explain=g.explain)
    pings.stop(signal.SIGINT)
    assert ' 0% packet loss' in pings.text(), pings.text()[-300:]
    rig.wait_for(lambda: lab.site.run('ip', 'xfrm', 'state').stdout.count('proto esp') == 2, 'the old SAs to go',
                 explain=lambda: lab.site.run('ip', 'xfrm', 'state').stdout)


@pytest.mark.parametrize('cipher,xgw_initiates', list(zip(CIPHERS[:2], (True, False))), ids=[c[2] for c in CIPHERS[:2]])
def test_native_esp_by_ikev1(lab, cipher, xgw_initiates):
    g, _, c = tunnel(lab, cipher, xgw_initiates, version=1)
    capture = rig.Capture(lab.wire, 'br0')
    assert c['ikeVersion'] == 'IKEv1' and c['childSas'][0]['encapsulation'] == 'esp', c
    through(lab, g)
    capture.stop()
    only_native_esp(capture)
    kernel_used(lab, cipher[3])


def test_the_kernel_rekeys_by_ikev1(lab):
    """This peer installs its half only when it has our third message: not a ping may be lost all the same."""
    g, swan, c = tunnel(lab, CIPHERS[0], version=1)
    rig.wait_for(lambda: lab.carol.once('10.11.0.4'), 'traffic', explain=g.explain)
    pings = lab.alice.start('ping', '-n', '-i', '0.02', '-W', '2', '192.168.5.4', name='pings')
    for rekey in (lambda: swan.swanctl('--rekey', '--child', 'net'), lambda: g.command('rekey', 'toSite')):
        before = {s['spiIn'] for s in g.connection('toSite')['childSas']}
        rekey()

        def used():
            fresh = [s for s in g.connection('toSite')['childSas'] if s['spiIn'] not in before]
            return fresh and fresh[0]['packetsIn'] > 50 and fresh[0]['packetsOut'] > 50
        rig.wait_for(used, 'the new child SA to be used', explain=g.explain)
    pings.stop(signal.SIGINT)
    assert ' 0% packet loss' in pings.text(), pings.text()[-300:] + g.explain()
