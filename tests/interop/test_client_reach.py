# SPDX-License-Identifier: Apache-2.0
"""
Where clients of point-to-site get, by both protocols (strongSwan; the client of tests/bench/sstp_load.c): the network, one that uses
its gateway, a site of customRoutes; and where not: a network that does not use it, another site, each other unless it is allowed.
"""
import json
import os
import subprocess
import sys

import pytest
from cryptography import x509

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from pki import Entity  # noqa: E402
from test_strongswan_clients import GW, PLUGINS, secret  # noqa: E402
from test_virtual_networks import PUBLIC, World, branch, hub_and_spokes, site, start, to_site  # noqa: E402

LOAD = os.path.join(rig.ROOT, 'build', 'tests', 'bench', 'sstp_load')
POOL, PASSWORD = '172.16.201.0/28', 'Pa55word!'


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


def computer(lab, w, name, address):
    h = lab.host(name)
    lab.plug(w.wire, h, 'wan')
    h.address('wan', f'{address}/24')
    return h


class Sstp:
    """A computer that dials by SSTP, pings and hangs up."""

    def __init__(self, host, g):
        self.host, self.g = host, g

    def dial(self, to):
        return subprocess.Popen(self.host.enter() + [LOAD, PUBLIC['gw1'], '443', 'carol', PASSWORD, '1', '2', to],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def reaches(self, to):
        p = self.dial(to)
        line = p.stdout.readline()
        p.communicate(timeout=30)
        assert line.startswith('{'), f'{to}: {line}{self.g.drops()}' + self.g.explain()

    def may_not_reach(self, to):
        before = self.g.drops().get('client-reach', 0)
        p = self.dial(to)
        rig.wait_for(lambda: self.g.drops().get('client-reach', 0) >= before + 2, f'{to} to be refused',
                     explain=lambda: str(self.g.drops()) + self.g.explain())
        p.kill()
        p.communicate()


class Ike:
    """A computer with strongSwan that would send everything into the tunnel."""

    def __init__(self, host, me, root, g, user):
        self.host, self.g, self.user = host, g, user
        self.swan = rig.StrongSwan(host, me, PUBLIC['gw1'], '', '', my_id=f'{host.name}.example.org', peer_id=GW, rekey='vips = 0.0.0.0',
                                   load=PLUGINS, children={'net': ('dynamic', '0.0.0.0/0')}, ike='aes256-sha256-ecp256', esp='aes256gcm16',
                                   auth=(f'auth = eap-mschapv2\n eap_id = {user}', 'auth = pubkey\n cacerts = ca.pem'),
                                   files=[('x509ca', 'ca.pem', root.pem())], secrets=secret(user, PASSWORD))

    def connect(self):
        r = self.swan.initiate()
        assert r.returncode == 0, r.stdout + self.swan.text()[-3000:] + self.g.explain()
        c = next(c for c in self.g.json('status')['clients'] if c['name'].endswith('/' + self.user))
        self.address, self.offered = c['addresses'][0], set(c['childSas'][0]['localTs'])

    def leave(self):
        self.swan.swanctl('--terminate', '--ike', 'peer')

    def pings(self, to):
        return self.host.once(to, more=('-I', self.address))

    def reaches(self, to):
        rig.wait_for(lambda: self.pings(to), f'{self.user} to reach {to}', explain=lambda: str(self.g.drops()) + self.g.explain())

    def may_not_reach(self, to):
        assert not self.pings(to), to


def reload(g, config):
    with open(g.config, 'w') as f:
        json.dump(config, f)
    g.command('reload')


def test_where_clients_get(lab):
    w = World(lab, 'gw1', 'gw2')
    root = Entity('root', ca=True)
    own = Entity('gw', by=root, san=x509.DNSName(GW))
    clients = {'vpnClientAddressPool': [POOL], 'vpnClientProtocols': ['SSTP', 'IkeV2'],
               'vpnClientRootCertificates': [{'name': 'people', 'file': lab.file('root.pem', root.pem().decode())}],
               'users': [{'name': u, 'password': {'file': lab.file(u, PASSWORD)}} for u in ('bob', 'carol', 'dave')]}
    hosts, config = hub_and_spokes(w, identity=GW, vpnClientConfiguration=clients,
                                   certificate={'chain': lab.file('gw.pem', own.pem().decode()), 'key': {'file': lab.file('gw.key', own.private().decode())}})
    away, g2 = branch(w, 'gw2', '10.22.0.4', {'hub': (PUBLIC['gw1'], ['10.10.0.0/16', POOL], {})})
    with open(g2.config) as f:
        far = json.load(f)
    far['localNetworkGateways'][0]['identity'] = GW
    with open(g2.config, 'w') as f:
        json.dump(far, f)
    g1 = rig.Xgw(lab.hosts['gw1'], config)
    start((g1, ['hub-s2']), (g2, ['hub']))
    # a client's first packet does not wait until its host is found
    for i, h in enumerate(hosts.values()):
        h.ping(f'10.{10 + i}.0.1', count=1)
    away.ping('10.22.0.1', count=1)
    carol = Sstp(computer(lab, w, 'carol', '203.0.113.11'), g1)
    bob, dave = (Ike(computer(lab, w, u, f'203.0.113.{12 + i}'), f'203.0.113.{12 + i}', root, g1, u) for i, u in enumerate(('bob', 'dave')))
    bob.connect()
    dave.connect()
    assert bob.offered == {'10.10.0.0/16', '10.11.0.0/16'}
    for client in carol, bob:
        client.reaches('10.10.0.4')
        client.reaches('10.11.0.4')
        for elsewhere in '10.12.0.4', '10.22.0.4', dave.address:
            client.may_not_reach(elsewhere)
    hosts['Spoke1'].ping(bob.address, count=1)
    # the site too, and each other; who came by IKE knows when it comes anew
    config['virtualNetworkGateways'][0]['customRoutes'] = {'addressPrefixes': ['10.22.0.0/16']}
    clients['allowClientToClient'] = True
    before = {c['name'] for c in g1.json('status')['clients']}
    reload(g1, config)
    assert {c['name'] for c in g1.json('status')['clients']} == before
    bob.may_not_reach('10.22.0.4')
    for ike in bob, dave:
        ike.leave()
        ike.connect()
        assert ike.offered == {'10.10.0.0/16', '10.11.0.0/16', '10.22.0.0/16', POOL}
    for client in carol, bob:
        client.reaches('10.22.0.4')
        client.reaches(dave.address)
        client.may_not_reach('10.12.0.4')
    away.ping(bob.address, count=1)
    # and no longer: their SAs would still let it pass
    del config['virtualNetworkGateways'][0]['customRoutes']
    clients['allowClientToClient'] = False
    reload(g1, config)
    assert not g1.json('status')['clients']
    rig.wait_for(lambda: not bob.swan.sas(), 'bob to be told', explain=bob.swan.text)
    bob.connect()
    for client in carol, bob:
        client.reaches('10.10.0.4')
        client.may_not_reach('10.22.0.4')


def one_network(lab, w, root, **more):
    own = Entity('gw', by=root, san=x509.DNSName(GW))
    alice = w.inside('gw1', 'alice', '10.11.0.4')
    config = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', PUBLIC['gw1'], [])
    config['host'] = w.ports('gw1')
    clients = {'vpnClientAddressPool': [POOL], 'vpnClientProtocols': ['SSTP', 'IkeV2'],
               'vpnClientRootCertificates': [{'name': 'people', 'file': lab.file('root.pem', root.pem().decode())}],
               'users': [{'name': u, 'password': {'file': lab.file(u, PASSWORD)}} for u in ('bob', 'carol')], **more}
    config['virtualNetworkGateways'][0].update(
        identity=GW, vpnClientConfiguration=clients,
        certificate={'chain': lab.file('gw.pem', own.pem().decode()), 'key': {'file': lab.file('gw.key', own.private().decode())}})
    return alice, config


def test_sessions_of_a_user(lab):
    """One at a time, of both protocols together: the newest stays."""
    w = World(lab, 'gw1')
    root = Entity('root', ca=True)
    alice, config = one_network(lab, w, root, sessionsPerUser=1)
    g = rig.Xgw(lab.hosts['gw1'], config)
    start((g, []))
    alice.ping('10.11.0.1', count=1)
    hosts = [computer(lab, w, f'pc{i}', f'203.0.113.{11 + i}') for i in range(3)]
    first, second = (Ike(hosts[i], f'203.0.113.{11 + i}', root, g, 'carol') for i in range(2))
    first.connect()
    second.swan.initiate()
    rig.wait_for(lambda: len(g.json('status')['clients']) == 1 and not first.swan.sas(), 'the first to be replaced', explain=g.explain)
    kept = g.json('status')['clients'][0]
    assert kept['peer'] == '203.0.113.12'
    assert 'took its place (sessionsPerUser)' in g.process.text()
    # by the other protocol
    p = Sstp(hosts[2], g).dial('10.11.0.4')
    assert p.stdout.readline().startswith('{')
    rig.wait_for(lambda: [c['peer'] for c in g.json('status')['clients']] == ['203.0.113.13'], 'the newest alone', explain=g.explain)
    rig.wait_for(lambda: not second.swan.sas(), 'the second to be told', explain=second.swan.text)
    second.swan.initiate()
    rig.wait_for(lambda: [c['peer'] for c in g.json('status')['clients']] == ['203.0.113.12'], 'the newest alone', explain=g.explain)
    p.communicate(timeout=10)
