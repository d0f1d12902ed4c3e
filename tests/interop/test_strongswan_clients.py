# SPDX-License-Identifier: Apache-2.0
"""strongSwan as the computer of a person (point-to-site over IKEv2): EAP-MSCHAPv2, EAP-TLS, EAP-only, a certificate; who is refused and why."""
import json
import os
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from pki import Entity  # noqa: E402
from test_strongswan import lab, topology  # noqa: E402, F401
from test_strongswan_certificates import write  # noqa: E402

GW, POOL, PASSWORD = 'gw.example.org', '172.16.201.0/24', 'correct horse battery'
PLUGINS = 'md4 md5 des eap-identity eap-mschapv2 eap-tls'


class World:
    def __init__(self, kind='rsa'):
        self.root = Entity('root', ca=True)
        self.people = Entity('people', ca=True)
        self.gw = Entity('gw', by=self.root, kind=kind, san=GW)
        self.alice = Entity('alice', by=self.people, kind=kind, san=x509.RFC822Name('alice@example.org'))
        self.stranger = Entity('stranger', by=Entity('elsewhere', ca=True), kind=kind, san=x509.RFC822Name('alice@example.org'))


DNS = ['10.11.0.53', 'fd00:11::53', '10.11.0.54']


def gateway(lab, w, users=True, roots=True, revoked=(), pool=POOL, **clients):  # noqa: F811
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', [])
    rules = {'vpnClientAddressPool': [pool], 'vpnClientProtocols': ['IkeV2'], **clients}
    if users:
        rules['users'] = [{'name': 'bob', 'password': {'file': write(lab, 'bob', PASSWORD.encode())}},
                          {'name': 'carol', 'password': {'file': write(lab, 'carol', b'another password')}}]
    if roots:
        rules['vpnClientRootCertificates'] = [{'name': 'people', 'file': write(lab, 'people.pem', w.people.pem())}]
    if revoked:
        rules['vpnClientRevokedCertificates'] = [{'name': f'lost{i}', 'thumbprint': e.x.fingerprint(hashes.SHA1()).hex()}
                                                 for i, e in enumerate(revoked)]
    c['virtualNetworks'][0]['dhcpOptions'] = {'dnsServers': DNS}
    c['virtualNetworkGateways'][0].update(
        identity=GW, certificate={'chain': write(lab, 'gw.pem', w.gw.pem()), 'key': {'file': write(lab, 'gw.key', w.gw.private())}},
        vpnClientConfiguration=rules)
    return rig.Xgw(lab.gw1, c)


def laptop(host, w, auth, lines='', me='203.0.113.5', secrets='', entity=None, my_id='bob@example.org', remote='auth = pubkey\n    cacerts = ca.pem', **words):
    e = entity or w.alice
    return rig.StrongSwan(host, me, '203.0.113.1', '', '', my_id=my_id, peer_id=GW, rekey='vips = 0.0.0.0', load=PLUGINS,
                          children={'net': ('dynamic', '10.11.0.0/16')}, ike='aes256-sha256-ecp256', esp='aes256gcm16',
                          auth=(f'auth = {auth}\n    {lines}', remote),
                          files=[('x509', 'alice.pem', e.pem()), ('x509ca', 'ca.pem', w.root.pem()), ('x509ca', 'people.pem', w.people.pem()),
                                 ('private', 'alice.key', e.private())],
                          secrets=secrets, **words)


def secret(user, password):
    return 'eap-%s { id = %s\n secret = "%s" }' % (user, user, password)


def bob(host, w, password=PASSWORD, user='bob', **words):
    return laptop(host, w, 'eap-mschapv2', f'eap_id = {user}', secrets=secret(user, password), **words)


def connects(s, g):
    r = s.initiate()
    assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    rig.wait_for(lambda: clients(g), 'the client', explain=g.explain)
    return clients(g)


def clients(g):
    return g.json('status')['clients']


def reaches(host, g, address):
    rig.wait_for(lambda: host.once('10.11.0.4', more=('-I', address)), 'traffic',
                 explain=lambda: g.explain() + str(g.drops()))


METHODS = {
    'EAP-MSCHAPv2': lambda lab, w: bob(lab.site, w, more='send_vendor_id = yes'),
    'EAP-TLS': lambda lab, w: laptop(lab.site, w, 'eap-tls', 'certs = alice.pem\n eap_id = alice@example.org', my_id='alice@example.org'),
    'certificate': lambda lab, w: laptop(lab.site, w, 'pubkey', 'certs = alice.pem', my_id='alice@example.org'),
}


def test_gateway_that_stands_by(lab):  # noqa: F811
    """A client's session goes with the gateway's address, and it dials again where that is."""
    topology(lab)
    w = World()
    g = gateway(lab, w)
    with open(g.config) as f:
        c = json.load(f)
    c['virtualNetworkGateways'][0]['activeStandby'] = True
    lab.file(os.path.basename(g.config), json.dumps(c))
    g.start()
    s = bob(lab.site, w)
    for _ in range(2):
        (mine,) = connects(s, g)
        reaches(lab.site, g, mine['addresses'][0])
        lab.gw1.run('ip', 'address', 'del', '203.0.113.1/24', 'dev', 'wan')
        rig.wait_for(lambda: not clients(g), 'the session to end', explain=g.explain)
        assert g.json('status')['gateways'][0]['activeStandby']['state'] == 'Standby'
        lab.gw1.address('wan', '203.0.113.1/24')
        rig.wait_for(lambda: g.json('status')['gateways'][0]['activeStandby']['state'] == 'Active', 'the gateway to work', explain=g.explain)
        s.swanctl('--terminate', '--ike', 'peer', '--force', check=False)


@pytest.mark.parametrize('kind', ['rsa', 'p256'])
@pytest.mark.parametrize('method', METHODS)
def test_client(lab, method, kind):  # noqa: F811
    topology(lab)
    w = World(kind)
    s = METHODS[method](lab, w)
    g = gateway(lab, w).start()
    capture = rig.Capture(lab.wire, 'br0')
    c, = connects(s, g)
    # the IPv6 one is not for who has no IPv6 address
    assert 'CPRP(ADDR DNS DNS SUBNET)' in s.text()
    assert c['clientVersion'] == ('strongSwan' if method == 'EAP-MSCHAPv2' else None)
    assert c['authentication'] == method and c['addresses'] == ['172.16.201.1'] and c['connectionStatus'] == 'Connected'
    assert 'bob' in c['name'] if method == 'EAP-MSCHAPv2' else 'alice' in c['name']
    reaches(lab.site, g, '172.16.201.1')
    lab.alice.ping('172.16.201.1')
    _, name, want = rig.serve_file(lab.alice, 2 << 20)
    assert rig.fetch_sum(lab.site, f'http://10.11.0.4:8080/{name}') == want
    assert clients(g)[0]['ingressPackets'] > 0
    hop = g.json('next-hop', '--vnet', 'VNet1', '172.16.201.1')
    assert (hop['verdict'], hop['route']) == ('client', {'prefix': '172.16.201.1/32', 'source': 'client'}), hop
    assert '172.16.201.1' in g.command('status').stdout and 'last events' in g.command('status', c['name']).stdout
    assert c['name'] in g.command('dump', 'names').stdout and '172.16.201.1' in g.command('dump', 'routes4').stdout
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert capture.tshark('-Y', 'ip and not udp.port == 4500 and not isakmp and not igmp') == ''
    s.swanctl('--terminate', '--ike', 'peer')
    rig.wait_for(lambda: not clients(g), 'the client to be gone', explain=g.explain)
    assert g.json('next-hop', '--vnet', 'VNet1', '172.16.201.1')['reason'] == 'no-route'


def test_another_name_than_its_identity(lab):  # noqa: F811
    """A gateway that has users alone: the client's password stands under its EAP name, which IKE does not know."""
    topology(lab)
    w = World()
    s = bob(lab.site, w)
    c, = connects(s, gateway(lab, w, roots=False).start())
    assert c['user'] == 'bob'


def test_eap_only(lab):  # noqa: F811
    """RFC 5998: EAP-TLS proves the gateway too, so that it signs nothing."""
    topology(lab)
    w = World()
    s = laptop(lab.site, w, 'eap-tls', 'certs = alice.pem\n eap_id = alice@example.org', my_id='alice@example.org', remote='auth = eap-tls')
    g = gateway(lab, w, users=False).start()
    c, = connects(s, g)
    assert c['authentication'] == 'EAP-TLS'
    assert 'with EAP successful' in s.text()
    reaches(lab.site, g, '172.16.201.1')


@pytest.mark.parametrize('who,words', [
    ('password', 'the password of user'), ('user', 'there is no user'), ('stranger', 'peer\'s certificate'), ('revoked', 'revoked by its thumbprint'),
    ('psk', 'expected')])
def test_refused(lab, who, words):  # noqa: F811
    topology(lab)
    w = World()
    tls = 'certs = alice.pem\n eap_id = alice@example.org'
    s = {'password': lambda: bob(lab.site, w, password='wrong'),
         'user': lambda: bob(lab.site, w, user='mallory'),
         'stranger': lambda: laptop(lab.site, w, 'eap-tls', tls, entity=w.stranger, my_id='alice@example.org'),
         'revoked': lambda: laptop(lab.site, w, 'eap-tls', tls, my_id='alice@example.org'),
         'psk': lambda: laptop(lab.site, w, 'psk')}[who]()
    g = gateway(lab, w, revoked=[w.alice]).start()
    assert s.initiate().returncode != 0
    assert not clients(g)
    log = g.process.text()
    assert words in log, log[-3000:]
    assert PASSWORD not in log
    drops = g.json('status')['ike']
    assert drops['auth-failed'] >= 1


def test_two_behind_one_nat_and_a_full_pool(lab):  # noqa: F811
    """Two computers behind one address; a third finds the pool empty and is told so; who returns gets the same address."""
    lab.wire, lab.home = lab.switch('wire'), lab.switch('home')
    lab.alice, lab.gw1, lab.nat = (lab.host(n) for n in ('alice', 'gw1', 'nat'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, lab.nat, 'wan')
    lab.plug(lab.home, lab.nat, 'lan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.nat.address('wan', '203.0.113.9/24')
    lab.nat.address('lan', '192.168.1.1/24')
    lab.nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    lab.nat.run('nft', 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; '
                'add rule ip nat post oifname wan masquerade')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    w = World()
    g = gateway(lab, w, pool='172.16.201.0/30').start()
    laptops = []
    for i, user in enumerate(['bob', 'carol', 'bob']):
        h = lab.host(f'laptop{i}')
        lab.plug(lab.home, h, 'wan')
        h.address('wan', f'192.168.1.{10 + i}/24')
        h.route('default', 'via', '192.168.1.1')
        laptops.append(bob(h, w, me=f'192.168.1.{10 + i}', user=user, password=PASSWORD if user == 'bob' else 'another password',
                           my_id=f'laptop{i}.example.org'))
    for i in range(2):
        r = laptops[i].initiate()
        assert r.returncode == 0, r.stdout + laptops[i].text()[-3000:] + g.explain()
        reaches(laptops[i].host, g, f'172.16.201.{i + 1}')
    assert sorted(c['addresses'][0] for c in clients(g)) == ['172.16.201.1', '172.16.201.2']
    assert {c['peer'] for c in clients(g)} == {'203.0.113.9'}
    assert laptops[2].initiate().returncode != 0
    assert 'all 2 addresses for clients are taken' in g.process.text()
    laptops[0].swanctl('--terminate', '--ike', 'peer')
    rig.wait_for(lambda: len(clients(g)) == 1, 'one to leave', explain=g.explain)
    lab.alice.ping('172.16.201.2', count=1)
    assert laptops[0].initiate().returncode == 0
    reaches(laptops[0].host, g, '172.16.201.1')


@pytest.fixture(scope='module', autouse=True)
def silent(request):
    """A client whose SAs were rekeyed from either side, and who has fallen silent. That is noticed after 45 s, while the other
    tests of this file run. The gateway."""
    if not rig.is_asked_for(request, 'test_who_is_silent_is_gone'):
        yield None
        return
    made = rig.Lab()
    g = rekeyed(made)
    made.site.run('ip', 'link', 'set', 'wan', 'down')
    yield g
    made.close()


def rekeyed(lab):  # noqa: F811
    topology(lab)
    w = World()
    s = bob(lab.site, w)
    g = gateway(lab, w).start()
    c, = connects(s, g)
    reaches(lab.site, g, '172.16.201.1')
    s.swanctl('--rekey', '--ike', 'peer')
    s.swanctl('--rekey', '--child', 'net')
    rig.wait_for(lambda: clients(g) and clients(g)[0]['rekeysIke'] and clients(g)[0]['rekeysChild'], 'the rekeys', explain=g.explain)
    reaches(lab.site, g, '172.16.201.1')
    before = clients(g)[0]['rekeysIke']
    g.command('rekey', c['name'])
    rig.wait_for(lambda: clients(g)[0]['rekeysIke'] > before, 'our rekey', explain=g.explain)
    reaches(lab.site, g, '172.16.201.1')
    return g


def test_reload(lab):  # noqa: F811
    """Another user is added: who is there stays; their own user goes, their certificate is revoked: they are cut off, at once."""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1 = lab.host('alice'), lab.host('gw1')
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    w = World('p256')
    g = gateway(lab, w).start()
    with open(g.config) as f:
        config = json.load(f)
    rules = config['virtualNetworkGateways'][0]['vpnClientConfiguration']

    def reload():
        with open(g.config, 'w') as f:
            json.dump(config, f)
        return g.command('reload').stdout

    laptops = []
    for i, make in enumerate((lambda h, me: bob(h, w, me=me),
                              lambda h, me: laptop(h, w, 'eap-tls', 'certs = alice.pem\n eap_id = alice@example.org', me=me,
                                                   my_id='alice@example.org'))):
        h = lab.host(f'laptop{i}')
        lab.plug(lab.wire, h, 'wan')
        h.address('wan', f'203.0.113.{5 + i}/24')
        s = make(h, f'203.0.113.{5 + i}')
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
        reaches(h, g, f'172.16.201.{i + 1}')
        laptops.append(s)
    spis = {c['name']: c['ikeSpiInitiator'] for c in clients(g)}
    assert len(spis) == 2
    rules['users'].append({'name': 'dave', 'password': {'file': write(lab, 'dave', b'a third password')}})
    reload()
    assert {c['name']: c['ikeSpiInitiator'] for c in clients(g)} == spis
    for i, s in enumerate(laptops):
        s.host.ping('10.11.0.4', count=2, more=('-I', f'172.16.201.{i + 1}'))
    # a new one comes by the new settings
    h = lab.host('laptop2')
    lab.plug(lab.wire, h, 'wan')
    h.address('wan', '203.0.113.7/24')
    dave = bob(h, w, user='dave', password='a third password', me='203.0.113.7', my_id='dave@example.org')
    r = dave.initiate()
    assert r.returncode == 0, r.stdout + dave.text()[-3000:] + g.explain()
    # bob's account goes
    rules['users'] = [u for u in rules['users'] if u['name'] != 'bob']
    reload()
    names = [c['name'] for c in clients(g)]
    assert len(names) == 2 and not any('bob' in n for n in names), names
    rig.wait_for(lambda: not laptops[0].sas(), 'bob to be told', explain=laptops[0].text)
    assert laptops[0].initiate().returncode != 0
    # alice's certificate is revoked; dave, who has a password, stays
    rules['vpnClientRevokedCertificates'] = [{'name': 'lost', 'thumbprint': w.alice.x.fingerprint(hashes.SHA1()).hex()}]
    reload()
    assert ['dave' in c['name'] for c in clients(g)] == [True], clients(g)
    assert laptops[1].initiate().returncode != 0
    reaches(h, g, clients(g)[0]['addresses'][0])
    # no clients any more, then again
    del config['virtualNetworkGateways'][0]['vpnClientConfiguration']
    reload()
    assert not clients(g)
    config['virtualNetworkGateways'][0]['vpnClientConfiguration'] = rules
    reload()
    rig.wait_for(lambda: dave.initiate().returncode == 0, 'dave to come again', explain=g.explain)
    reaches(h, g, clients(g)[0]['addresses'][0])


def test_who_is_silent_is_gone(silent):
    """After rekeyings from either side; see the fixture."""
    rig.wait_for(lambda: not clients(silent), 'the silent client to be given up', seconds=90, explain=silent.explain)
