# SPDX-License-Identifier: Apache-2.0
"""xgw to strongSwan (kernel-libipsec: ESP in userspace, always in UDP): both roles, behind a NAT, rekeying."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


def topology(lab):
    """alice 10.11.0.4 - gw1 (xgw, 203.0.113.1) === wire === site (strongSwan, 203.0.113.5) - carol 192.168.5.4"""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1, lab.site, lab.carol = (lab.host(n) for n in ('alice', 'gw1', 'site', 'carol'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, lab.site, 'wan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.carol, 'eth0', lab.site, 'lan')
    addresses(lab)


def addresses(lab):
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.site.address('wan', '203.0.113.5/24')
    lab.site.address('lan', '192.168.5.1/24')
    lab.site.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.carol.address('eth0', '192.168.5.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    lab.carol.route('default', 'via', '192.168.5.1')


def xgw_on(host, mode='Default', peer='203.0.113.5', public='203.0.113.1', site=None, **connection):
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', public,
                           [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'connectionMode': mode,
                             **connection}],
                           sites=[{'name': 'Site5', 'gatewayIpAddress': peer, 'addressSpace': ['192.168.5.0/24'], **(site or {})}])
    return rig.Xgw(host, c)


def through(lab, g):
    def once():
        return lab.alice.once('192.168.5.4')
    rig.wait_for(once, 'traffic', explain=lambda: g.explain() + str(g.drops()))
    lab.carol.ping('10.11.0.4')
    _, name, want = rig.serve_file(lab.carol, 2 << 20)
    assert rig.fetch_sum(lab.alice, f'http://192.168.5.4:8080/{name}') == want
    assert rig.iperf(lab.alice, lab.carol, '192.168.5.4') > 1e6
    assert rig.iperf(lab.alice, lab.carol, '192.168.5.4', reverse=True) > 1e6


OFFERS = [('aes256gcm16-prfsha384-curve25519', 'aes256gcm16'), ('aes256-sha256-modp2048', 'aes256-sha256'),
          ('aes256-sha384-ecp384', 'aes128gcm16'), ('aes256gcm16-prfsha384-ecp256', 'aes256gcm16')]


@pytest.mark.parametrize('ike,esp', OFFERS[:2])
def test_xgw_initiates(lab, ike, esp):
    topology(lab)
    rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', ike=ike, esp=esp)
    g = xgw_on(lab.gw1, 'InitiatorOnly').start()
    capture = rig.Capture(lab.wire, 'br0')
    c = g.wait_connected('toSite')
    assert c['childSas'][0]['encapsulation'] == 'udp'
    through(lab, g)
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert capture.tshark('-Y', 'ip and not udp.port == 4500 and not isakmp and not igmp') == ''


def test_ipv6_inside(lab):
    """A site with prefixes of both families, in one child SA."""
    topology(lab)
    lab.site.run('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1')
    lab.site.address('lan', 'fd00:5::1/64')
    for host, address, router in ((lab.alice, 'fd00:11::4/64', 'fd00:11::1'), (lab.carol, 'fd00:5::4/64', 'fd00:5::1')):
        host.address('eth0', address)
        host.route('default', 'via', router)
    rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24,fd00:5::/64', '10.11.0.0/16,fd00:11::/48')
    g = rig.Xgw(lab.gw1, rig.gateway_config(
        'VNet1', 1001, ['10.11.0.0/16', 'fd00:11::/48'], ['10.11.0.1/24', 'fd00:11::1/64'], '203.0.113.1',
        [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'usePolicyBasedTrafficSelectors': True}],
        [{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24', 'fd00:5::/64']}])).start()
    c = g.wait_connected('toSite')['childSas'][0]
    assert (set(c['localTs']), set(c['remoteTs'])) == ({'10.11.0.0/16', 'fd00:11::/48'}, {'192.168.5.0/24', 'fd00:5::/64'}), c
    rig.wait_for(lambda: lab.alice.ping('fd00:5::4', count=1, check=False).returncode == 0, 'IPv6', explain=lambda: g.explain() + str(g.drops()))
    lab.alice.ping('192.168.5.4')
    lab.carol.ping('fd00:11::4', size=1200)
    _, name, want = rig.serve_file(lab.carol, 1 << 20)
    assert rig.fetch_sum(lab.alice, f'http://[fd00:5::4]:8080/{name}') == want
    assert g.json('next-hop', '--vnet', 'VNet1', 'fd00:5::4')['nextHop'] == 'toSite'


def test_two_workers_share_one_child(lab):
    """The question for a child SA of each worker (RFC 9611) is not answered by this peer: there is one for both."""
    lab.alice, lab.gw1, lab.site, lab.carol = (lab.host(n) for n in ('alice', 'gw1', 'site', 'carol'))
    lab.cable(lab.gw1, 'wan', lab.site, 'wan', queues=2)
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan', queues=2)
    lab.cable(lab.carol, 'eth0', lab.site, 'lan')
    addresses(lab)
    rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', ike=OFFERS[0][0], esp=OFFERS[0][1])
    g = xgw_on(lab.gw1, 'InitiatorOnly').start()
    g.wait_connected('toSite')
    assert len([w for w in g.json('status')['workers'] if w['queues']]) == 2
    through(lab, g)
    g.command('rekey', 'toSite')
    through(lab, g)
    c = g.connection('toSite')
    assert {s['worker'] for s in c['childSas']} == {None} and c['lastError'] is None, c


@pytest.mark.parametrize('ike,esp', OFFERS[2:])
def test_xgw_answers(lab, ike, esp):
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', ike=ike, esp=esp)
    g = xgw_on(lab.gw1, 'ResponderOnly').start()
    r = swan.initiate()
    assert r.returncode == 0, r.stdout + r.stderr + swan.text()[-3000:] + g.explain()
    g.wait_connected('toSite')
    through(lab, g)


# contract names of ESP's encryption and integrity, strongSwan's word for both, and how status shows it
POLICIES = [(f'AES{bits}', hash, f'aes{bits}-{hash.lower()}', f'AES{bits}-{hash}')
            for bits, hash in ((128, 'SHA1'), (128, 'SHA256'), (192, 'SHA256'), (256, 'SHA384'), (256, 'SHA512'))]
POLICIES += [('CHACHA20POLY1305', 'CHACHA20POLY1305', 'chacha20poly1305', 'CHACHA20POLY1305'),
             ('GCMAES192', 'GCMAES192', 'aes192gcm16', 'AES192GCM16'),
             ('DES3', 'SHA1', '3des-sha1', '3DES-SHA1'), ('None', 'SHA256', 'null-sha256', 'NULL-SHA256')]


@pytest.mark.parametrize('encryption,integrity,esp,shown', POLICIES, ids=[p[2] for p in POLICIES])
def test_every_policy(lab, encryption, integrity, esp, shown):
    """Algorithms that work only when a policy names them, too; the IKE SA of the 3DES row is 3DES itself."""
    topology(lab)
    des = encryption == 'DES3'
    rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16',
                   ike='3des-sha1-modp2048' if des else 'chacha20poly1305-prfsha256-curve25519', esp=esp)
    policy = {'ikeEncryption': 'DES3' if des else 'CHACHA20POLY1305', 'ikeIntegrity': 'SHA1' if des else 'SHA256',
              'dhGroup': 'DHGroup14' if des else 'CURVE25519', 'ipsecEncryption': encryption, 'ipsecIntegrity': integrity}
    g = xgw_on(lab.gw1, 'InitiatorOnly', ipsecPolicies=[policy]).start()
    capture = rig.Capture(lab.wire, 'br0')
    c = g.wait_connected('toSite')
    assert c['childSas'][0]['proposal'].startswith(shown), c['childSas']
    # the library that was chosen for this algorithm, as `xgw version` tells; 3DES is OpenSSL's everywhere
    assert c['childSas'][0]['backend'] in (['openssl'] if des else ['ipsec-mb', 'openssl']), c['childSas']
    through(lab, g)
    capture.stop()
    # NULL encryption leaves the file readable on the wire, everything else does not
    assert capture.contains(b'HTTP/1.') == (encryption == 'None')


# of IKE: encryption, integrity or PRF, group; of ESP: encryption, integrity. Each word of each list is in one row at least,
# and no row is in OFFERS or POLICIES.
COMBINATIONS = [('AES128', 'SHA1', 'DHGroup2', 'AES128', 'SHA1'), ('AES128', 'SHA256', 'DHGroup14', 'GCMAES256', 'GCMAES256'),
                ('AES128', 'SHA384', 'ECP256', 'AES192', 'SHA384'), ('AES128', 'SHA512', 'ECP521', 'AES256', 'SHA1'),
                ('AES192', 'SHA1', 'DHGroup15', 'AES128', 'SHA384'), ('AES192', 'SHA256', 'ECP384', 'AES192', 'SHA512'),
                ('AES192', 'SHA512', 'DHGroup24', 'CHACHA20POLY1305', 'CHACHA20POLY1305'), ('AES256', 'SHA1', 'CURVE25519', 'AES192', 'SHA1'),
                ('AES256', 'SHA256', 'ECP256', 'GCMAES128', 'GCMAES128'), ('AES256', 'SHA384', 'DHGroup16', 'AES256', 'SHA256'),
                ('AES256', 'SHA512', 'CURVE25519', 'AES128', 'SHA512'), ('GCMAES128', 'SHA256', 'ECP384', 'GCMAES192', 'GCMAES192'),
                ('GCMAES128', 'SHA512', 'DHGroup14', 'AES256', 'SHA384'), ('GCMAES256', 'SHA256', 'DHGroup16', 'AES128', 'SHA256'),
                ('GCMAES256', 'SHA512', 'ECP521', 'GCMAES256', 'GCMAES256'), ('CHACHA20POLY1305', 'SHA384', 'DHGroup15', 'GCMAES128', 'GCMAES128'),
                ('CHACHA20POLY1305', 'SHA512', 'ECP256', 'AES192', 'SHA256'), ('DES3', 'SHA256', 'DHGroup24', 'AES256', 'SHA512')]
# the other end's word, ours in status
WORDS = {**{f'AES{n}': (f'aes{n}', f'AES{n}') for n in (128, 192, 256)}, **{f'GCMAES{n}': (f'aes{n}gcm16', f'AES{n}GCM16') for n in (128, 192, 256)},
         'CHACHA20POLY1305': ('chacha20poly1305', 'CHACHA20POLY1305'), 'DES3': ('3des', '3DES'), 'CURVE25519': ('curve25519', 'CURVE25519'),
         **{f'SHA{n}': (f'sha{n}', f'SHA{n}') for n in (1, 256, 384, 512)}, **{f'ECP{n}': (f'ecp{n}', f'ECP{n}') for n in (256, 384, 521)},
         **{f'DHGroup{g}': (f'modp{n}', f'MODP{n}') for g, n in ((2, 1024), (14, 2048), (15, 3072), (16, 4096))},
         'DHGroup24': ('modp2048s256', 'MODP2048_256')}


def words(row, which):
    """(of IKE, of ESP)"""
    ike, integrity, group, esp, esp_integrity = (WORDS[w][which] for w in row)
    aead = row[0].startswith('GCM') or row[0].startswith('CHACHA')
    prf = ('prf' if which == 0 else 'PRF') + integrity
    parts = [ike, *([] if aead else [integrity]), *([prf] if aead or which else []), group]
    return '-'.join(parts), esp if row[3] == row[4] else f'{esp}-{esp_integrity}'


def test_combinations(lab):
    """Eighteen sites at once, each with algorithms of its own; every second one begins itself."""
    topology(lab)
    mine, conns = [], []
    for i, row in enumerate(COMBINATIONS):
        ike, esp = words(row, 0)
        lab.site.address('wan', f'203.0.113.{20 + i}/24')
        lab.site.address('lan', f'192.168.{100 + i}.1/24')
        keys = ('ikeEncryption', 'ikeIntegrity', 'dhGroup', 'ipsecEncryption', 'ipsecIntegrity')
        mine.append({'name': f'to{i}', 'connectionType': 'IPsec', 'localNetworkGateway2': f'Site{i}',
                     'connectionMode': 'ResponderOnly' if i % 2 else 'InitiatorOnly', 'ipsecPolicies': [dict(zip(keys, row))]})
        conns.append(f'''c{i} {{ version = 2
  local_addrs = 203.0.113.{20 + i}
  remote_addrs = 203.0.113.1
  proposals = {ike}
  mobike = no
  local {{ auth = psk }}
  remote {{ auth = psk }}
  children {{ n{i} {{ local_ts = 192.168.{100 + i}.0/24
    remote_ts = 10.11.0.0/16
    esp_proposals = {esp} }} }} }}''')
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16')
    more = lab.file('more.conf', 'connections {\n%s\n}\nsecrets { ike-all { secret = "%s" } }\n' % ('\n'.join(conns), rig.PSK))
    swan.swanctl('--load-all', '--file', more)
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', mine,
                           sites=[{'name': f'Site{i}', 'gatewayIpAddress': f'203.0.113.{20 + i}', 'addressSpace': [f'192.168.{100 + i}.0/24']}
                                  for i in range(len(COMBINATIONS))])
    g = rig.Xgw(lab.gw1, c).start()
    capture = rig.Capture(lab.wire, 'br0')
    for i in range(1, len(COMBINATIONS), 2):
        r = swan.initiate(f'n{i}')
        assert r.returncode == 0, f'{COMBINATIONS[i]}: ' + r.stdout + r.stderr + swan.text()[-3000:] + g.explain()
    for i, row in enumerate(COMBINATIONS):
        now = g.wait_connected(f'to{i}')
        ike, esp = words(row, 1)
        assert now['ikeProposal'] == ike and now['childSas'][0]['proposal'].startswith(esp), (row, now)
        rig.wait_for(lambda: lab.alice.once(f'192.168.{100 + i}.1'), f'traffic of {row}', explain=g.explain)
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''


def through_nat(lab, who):
    """A masquerading router before `who`; its inside address."""
    nat, inside = lab.host('nat'), lab.switch('inside')
    host = lab.site if who == 'site' else lab.gw1
    host.run('ip', 'link', 'set', 'wan', 'down')
    host.run('ip', 'address', 'flush', 'dev', 'wan')
    host.run('ip', 'link', 'delete', 'wan')
    lab.plug(lab.wire, nat, 'out')
    lab.plug(inside, nat, 'in')
    lab.plug(inside, host, 'wan')
    nat.address('out', '203.0.113.9/24')
    nat.address('in', '172.30.0.1/24')
    host.address('wan', '172.30.0.5/24')
    host.route('203.0.113.0/24', 'via', '172.30.0.1')
    nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    nat.run('nft', '-f', '-', text_in='table ip nat { chain post { type nat hook postrouting priority 100; '
            'oifname "out" masquerade; }; }\n')
    to = '203.0.113.1' if who == 'site' else '203.0.113.5'
    rig.wait_for(lambda: host.once(to), 'a way through the NAT')
    return '172.30.0.5'


def test_peer_behind_nat(lab):
    """The branch sits behind a masquerading router; xgw knows it by its identity only."""
    topology(lab)
    me = through_nat(lab, 'site')
    swan = rig.StrongSwan(lab.site, me, '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', my_id='branch.example.org')
    g = xgw_on(lab.gw1, 'ResponderOnly', peer='any', site={'identity': 'branch.example.org'}).start()
    r = swan.initiate()
    assert r.returncode == 0, r.stdout + r.stderr + g.explain()
    c = g.wait_connected('toSite')
    assert c['peer'].startswith('203.0.113.9'), c
    through(lab, g)


def test_we_behind_nat(lab):
    """And rekeyed by either side: what the peer asks comes through the mapping that we keep awake."""
    topology(lab)
    me = through_nat(lab, 'gw1')
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.9', '192.168.5.0/24', '10.11.0.0/16', peer_id='branch.example.org')
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', me,
                           [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5', 'connectionMode': 'InitiatorOnly'}],
                           sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24']}])
    c['virtualNetworkGateways'][0]['identity'] = 'branch.example.org'
    g = rig.Xgw(lab.gw1, c).start()
    g.wait_connected('toSite')
    assert '203.0.113.9' in swan.sas(), swan.sas()
    through(lab, g)
    for rekey in (lambda: swan.swanctl('--rekey', '--child', 'net'), lambda: g.command('rekey', 'toSite')):
        before = g.connection('toSite')
        rekey()
        rig.wait_for(lambda: g.connection('toSite')['rekeysChild'] > before['rekeysChild'], 'a new child SA', explain=g.explain)
        rig.wait_for(lambda: lab.alice.once('192.168.5.4'), 'traffic', explain=g.explain)


def test_strongswan_rekeys(lab):
    topology(lab)
    swan = rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16')
    g = xgw_on(lab.gw1, 'ResponderOnly').start()
    assert swan.initiate().returncode == 0, swan.text()[-2000:]
    first = g.wait_connected('toSite')['childSas'][0]['spiIn']
    lab.alice.ping('192.168.5.4')
    swan.swanctl('--rekey', '--child', 'net')
    rig.wait_for(lambda: g.connection('toSite')['childSas'][0]['spiIn'] != first, 'a new child SA', explain=g.explain)
    lab.alice.ping('192.168.5.4')
    swan.swanctl('--rekey', '--ike', 'peer')
    rig.wait_for(lambda: any('rekey' in e.get('text', '').lower() for e in g.connection('toSite').get('events', [])),
                 'the IKE SA to be rekeyed', explain=g.explain)
    lab.alice.ping('192.168.5.4')
    g.command('rekey', 'toSite')
    lab.alice.ping('192.168.5.4', count=10)


def test_strongswan_refuses_our_key(lab):
    topology(lab)
    rig.StrongSwan(lab.site, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16', psk='another one altogether, sorry')
    g = xgw_on(lab.gw1, 'InitiatorOnly').start()
    rig.wait_for(lambda: 'AUTHENTICATION_FAILED' in (g.connection('toSite')['lastError'] or ''), 'the reason', 30, g.explain)
