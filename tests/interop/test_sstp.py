# SPDX-License-Identifier: Apache-2.0
"""
sstp-client with pppd in a User-Mode Linux guest (whose kernel has PPP) as the computer of a person: MS-CHAPv2 and EAP-TLS,
who is refused and why, two at once, traffic, redialling, a gateway that starts anew or takes another configuration.
"""
import copy
import json
import os
import shutil
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from guest import Guest  # noqa: E402
from pki import Entity  # noqa: E402

GW, POOLS, PASSWORDS = 'gw.example.org', ['172.16.201.0/24', 'fd00:16::/120'], {'bob': 'Pa55word!', 'carol': 'another-1'}
DNS = ['10.11.0.53', 'fd00:11::53', '10.11.0.54']
PPPD = 'noauth debug noipdefault nodefaultroute nobsdcomp nodeflate novj noccp lock mtu 1400 maxfail 1 usepeerdns'


class People:
    def __init__(self):
        self.root, self.ca = Entity('root', ca=True, kind='rsa'), Entity('people', ca=True, kind='rsa')
        self.gw = Entity(GW, by=self.root, kind='rsa', san=GW)
        self.alice = Entity('alice', by=self.ca, kind='rsa', san=x509.RFC822Name('alice@example.org'))
        self.lost = Entity('lost', by=self.ca, kind='rsa', san=x509.RFC822Name('alice@example.org'))
        self.stranger = Entity('alice', by=Entity('elsewhere', ca=True, kind='rsa'), kind='rsa', san=x509.RFC822Name('alice@example.org'))


@pytest.fixture(scope='module')
def world():
    """One guest and one gateway for all tests here: their starts take longer than a test."""
    made = rig.Lab()
    made.laptop = made.gateway = None
    try:
        topology(made)
        made.gateway = gateway(made)
        start(made.gateway)
        yield made
    finally:
        if made.gateway and made.gateway.process:
            made.gateway.process.stop()
        if made.laptop:
            made.laptop.off()
        made.close()


@pytest.fixture
def lab(world):
    world.dialled = []
    yield world
    for d in world.dialled:
        d.hang_up()
    rig.wait_for(lambda: not clients(world.gateway), 'all clients to be gone', explain=world.gateway.explain)


def topology(lab):
    """alice 10.11.0.4 - gw1 (xgw, 203.0.113.1) === wire === laptop (a guest, 203.0.113.5)"""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1, bay = (lab.host(n) for n in ('alice', 'gw1', 'bay'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, bay, 'wan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    bay.run('ethtool', '-K', 'wan', 'gro', 'off')
    bay.run('ip', 'link', 'add', 'b-wan', 'type', 'bridge', 'mcast_snooping', '0')
    bay.run('ip', 'link', 'set', 'wan', 'master', 'b-wan')
    bay.run('ip', 'link', 'set', 'b-wan', 'up')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw1.address('lan', 'fd00:11::1/64')
    lab.alice.address('eth0', '10.11.0.4/24', 'fd00:11::4/64')
    lab.alice.route('default', 'via', '10.11.0.1')
    lab.alice.route('default', 'via', 'fd00:11::1')
    lab.people = w = People()
    for name, e in (('gw', w.gw), ('alice', w.alice), ('lost', w.lost), ('stranger', w.stranger)):
        lab.file(f'{name}.pem', e.pem().decode())
        lab.file(f'{name}.key', e.private().decode())
    lab.file('root.pem', w.root.pem().decode(), 0o644)
    lab.file('people.pem', w.ca.pem().decode())
    for user, password in PASSWORDS.items():
        lab.file(user, password)
    lab.laptop = Guest(bay, 'laptop', ['b-wan'])
    make_ready(lab.laptop)


def make_ready(g):
    """For sstpc and pppd."""
    g.address('vec0', '203.0.113.5/24')
    g.sh('mkdir -p /dev/pts /run/ppp /run/sstpc /run/lock; mount -t devpts -o gid=5,mode=620 devpts /dev/pts; '
         'mkdir -p /run/etc-ppp; cp /etc/ppp/ip-up /run/etc-ppp; mount -t tmpfs ppp /etc/ppp; '
         'mount -t tmpfs tmp /var/tmp; : > /etc/ppp/options; : > /etc/ppp/chap-secrets; chown sstpc: /run/sstpc; '
         f'(cat /etc/hosts; echo 203.0.113.1 {GW}) > /run/hosts; mount --bind /run/hosts /etc/hosts; '
         'for m in ppp_generic ppp_async ppp_mppe arc4 ecb; do /run/kernel/modprobe $m || true; done')


def gateway(lab):
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16', 'fd00:11::/48'], '10.11.0.1/24', '203.0.113.1', [])
    path = lambda name: os.path.join(lab.dir, name)  # noqa: E731
    c['virtualNetworks'][0]['dhcpOptions'] = {'dnsServers': DNS}
    thumbprint = lab.people.lost.x.fingerprint(hashes.SHA1()).hex()
    c['virtualNetworkGateways'][0].update(
        identity=GW, certificate={'chain': path('gw.pem'), 'key': {'file': path('gw.key')}},
        vpnClientConfiguration={'vpnClientAddressPool': POOLS, 'vpnClientProtocols': ['SSTP'],
                                'users': [{'name': u, 'password': {'file': path(u)}} for u in PASSWORDS],
                                'vpnClientRootCertificates': [{'name': 'people', 'file': path('people.pem')}],
                                'vpnClientRevokedCertificates': [{'name': 'lost', 'thumbprint': thumbprint}]})
    lab.written = c
    return rig.Xgw(lab.gw1, c)


def start(g):
    g.start(wait=False)
    rig.wait_for(lambda: g.ready() or not g.process.alive(), 'xgw to be ready', 90, g.process.text)
    assert g.process.alive(), g.process.text()


class Dialled:
    """sstpc and the pppd that it starts; `unit`: of the device pppN."""

    def __init__(self, lab, words, options, unit=0):
        self.lab, self.guest, self.device = lab, lab.laptop, f'ppp{unit}'
        self.words, self.options = words, options
        self.count = 0
        lab.dialled.append(self)
        self.dial()

    def dial(self):
        self.count += 1
        self.since = time.monotonic()
        base = os.path.join(self.lab.dir, f'dial-{self.guest.count}')
        self.log, self.ppp, self.pid = base + '.log', base + '.ppp', f'/run/sstpc-{self.device}.pid'
        self.guest.sh(f'setsid sstpc --log-stderr --log-level 4 --ca-cert {self.lab.dir}/root.pem {self.words} {GW} -- {self.options} {PPPD} '
                      f'unit {self.device[3:]} logfile {self.ppp} > {self.log} 2>&1 < /dev/null & echo $! > {self.pid}')

    def text(self):
        out = ''
        for path in (self.log, self.ppp):
            if os.path.exists(path):
                with open(path, errors='replace') as f:
                    out += f.read()[-4000:]
        return out

    def address(self):
        r = self.guest.run('ip', '-j', '-4', 'address', 'show', 'dev', self.device, check=False)
        if r.returncode or not r.stdout.strip().startswith('['):
            return None
        found = [a['local'] for d in json.loads(r.stdout) for a in d.get('addr_info', [])]
        return found[0] if found else None

    def alive(self):
        return self.guest.sh(f'kill -0 $(cat {self.pid})', check=False).returncode == 0

    def dial_again(self):
        """One start in five of this program in such a machine dies or stands still right after TLS, also with other servers."""
        still = not os.path.exists(self.ppp) and time.monotonic() > self.since + 15
        if self.count < 4 and (still or not self.alive()):
            self.hang_up()
            self.dial()

    def wait(self):
        end = time.monotonic() + 90
        while not self.address():
            self.dial_again()
            assert time.monotonic() < end, self.text() + self.lab.gateway.explain()
            time.sleep(0.2)
        rig.wait_for(lambda: any(self.address() in c['addresses'] and c['connectionStatus'] == 'Connected' for c in clients(self.lab.gateway)),
                     'the call to be connected', explain=lambda: self.text() + self.lab.gateway.explain())
        # of two devices each answers by itself
        table = 100 + int(self.device[3:])
        self.guest.sh(f'ip route replace 10.11.0.0/16 dev {self.device}; ip route replace 10.11.0.0/16 dev {self.device} table {table}; '
                      f'ip rule del table {table} 2> /dev/null || true; ip rule add from {self.address()} table {table}')
        return self.address()

    def hang_up(self):
        self.guest.sh(f'[ ! -s {self.pid} ] || kill $(cat {self.pid}) 2> /dev/null || true; '
                      f'for i in $(seq 50); do [ -e /sys/class/net/{self.device} ] || break; sleep 0.1; done; rm -f {self.pid}', check=False)


class Called(Dialled):
    """pppd called as its user does who has copied `ppp/` of a profile into /etc/ppp."""

    def __init__(self, lab, client, *more):
        out = os.path.join(lab.dir, f'profile-{client}')
        lab.gw1.run(rig.XGW, 'client-profile', 'VNet1GW', '--client', client, '--ca', os.path.join(lab.dir, 'root.pem'), *more, '-o', out, '-c', lab.gateway.config)
        # of the system's own only what runs the scripts: others would write to files that the guest shares
        lab.laptop.sh(f'cp -a {out}/ppp/. /etc/ppp; cp /run/etc-ppp/ip-up /etc/ppp/ip-up')
        super().__init__(lab, '', '')

    def dial(self):
        self.count += 1
        self.since = time.monotonic()
        base = os.path.join(self.lab.dir, f'dial-{self.guest.count}')
        self.log, self.ppp, self.pid = base + '.log', base + '.ppp', f'/run/sstpc-{self.device}.pid'
        self.guest.sh(f'setsid pppd call VNet1GW-sstp nodetach debug logfile {self.ppp} > {self.log} 2>&1 < /dev/null & echo $! > {self.pid}')

    def wait(self):
        end = time.monotonic() + 120
        while not self.address():
            # pppd itself is there before its pty has come to anything
            if self.count < 4 and (not self.alive() or time.monotonic() > self.since + 30):
                self.hang_up()
                self.dial()
            assert time.monotonic() < end, self.text() + self.lab.gateway.explain()
            time.sleep(0.2)
        rig.wait_for(lambda: '10.11.0.0/16' in self.guest.run('ip', 'route', 'show', 'dev', self.device).stdout, 'the route',
                     explain=lambda: self.text() + self.guest.sh('ls -lR /etc/ppp').stdout)
        return self.address()


def by_password(lab, user='bob', password=None, more='', **words):
    return Dialled(lab, f'--user {user} --password {password or PASSWORDS[user]}',
                   f'refuse-eap refuse-pap refuse-chap refuse-mschap name {user} {more}', **words)


def by_password_in_eap(lab):
    return Dialled(lab, f'--user bob --password {PASSWORDS["bob"]}', 'refuse-pap refuse-chap refuse-mschap refuse-mschap-v2 name bob')


def by_certificate(lab, name='alice', **words):
    d = lab.dir
    return Dialled(lab, '--user alice', f'refuse-pap refuse-chap refuse-mschap refuse-mschap-v2 name alice remotename {GW} ca {d}/root.pem '
                   f'cert {d}/{name}.pem key {d}/{name}.key need-peer-eap max-tls-version 1.2', **words)


def clients(g):
    return g.json('status')['clients']


def name_servers(d):
    return d.guest.sh('cat /etc/ppp/resolv.conf').stdout.split()[1::2]


def reaches(lab, d, g):
    rig.wait_for(lambda: d.guest.once('10.11.0.4', more=('-I', d.device)), 'traffic',
                 explain=lambda: d.text() + g.explain() + str(g.drops()))


def cpu_seconds(g):
    with open(f'/proc/{g.process.popen.pid}/stat') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


METHODS = {'MS-CHAPv2': by_password, 'EAP-MSCHAPv2': by_password_in_eap, 'EAP-TLS': by_certificate}


@pytest.mark.parametrize('method', METHODS)
def test_client(lab, method):
    g = lab.gateway
    d = METHODS[method](lab)
    address = d.wait()
    reaches(lab, d, g)
    lab.alice.ping(address)
    d.guest.ping('10.11.0.1', count=1)
    assert name_servers(d) == [DNS[0], DNS[2]]
    c, = clients(g)
    assert c['authentication'] == method and c['protocol'] == 'SSTP' and address in c['addresses'] and c['peer'] == '203.0.113.5'
    assert 'CN=alice' in c['user'] if method == 'EAP-TLS' else c['user'] == 'bob'
    assert c['ingressPackets'] > 0 and c['egressPackets'] > 0 and c['clientVersion'] == 'SSTP 1.0, ' + c['tls'] and c['tls'].startswith('TLSv1.')
    hop = json.loads(g.command('next-hop', '--vnet', 'VNet1', address, '--json').stdout)
    assert hop['verdict'] == 'client' and hop['route']['source'] == 'client', hop
    assert c['name'] in g.command('status').stdout and 'SSTP' in g.command('status', c['name']).stdout
    assert address in g.command('dump', 'routes4').stdout
    d.hang_up()
    rig.wait_for(lambda: not clients(g), 'the client to be gone', explain=g.explain)
    assert json.loads(g.command('next-hop', '--vnet', 'VNet1', address, '--json').stdout)['verdict'] != 'client'
    # who returns gets the same address
    d.dial()
    assert d.wait() == address
    reaches(lab, d, g)


@pytest.mark.parametrize('client', ['bob', 'alice@example.org'])
def test_profile(lab, client):
    """The files of `xgw client-profile` as they are: options, routes, name servers."""
    g = lab.gateway
    if client == 'bob':
        d = Called(lab, client, '--with-password')
    else:
        for end in '.pem', '.key':
            shutil.copy(os.path.join(lab.dir, 'alice' + end), os.path.join(lab.dir, client + end))
        d = Called(lab, client, '--credentials', lab.dir)
    address = d.wait()
    reaches(lab, d, g)
    d.guest.ping('10.11.0.4', count=1)
    lab.alice.ping(address, count=1)
    assert name_servers(d) == [DNS[0], DNS[2]]
    c, = clients(g)
    assert c['authentication'] == ('MS-CHAPv2' if client == 'bob' else 'EAP-TLS')


def test_traffic(lab):
    g = lab.gateway
    d = by_password(lab)
    address = d.wait()
    reaches(lab, d, g)
    assert rig.iperf(d.guest, lab.alice, '10.11.0.4') > 1e6
    assert rig.iperf(d.guest, lab.alice, '10.11.0.4', reverse=True) > 1e6
    # larger than the client takes, and not to be cut: its sender hears of it
    lab.alice.ping(address, count=1, size=1400)
    # an address that is not the client's
    before = g.drops().get('source', 0)
    d.guest.sh('ip address add 172.16.201.77/32 dev lo; ping -n -c 1 -W 1 -I 172.16.201.77 10.11.0.4; ip address del 172.16.201.77/32 dev lo',
               check=False)
    rig.wait_for(lambda: g.drops().get('source', 0) > before, 'the drop', explain=lambda: str(g.drops()))


def test_ipv6(lab):
    """pppd takes our interface identifier only when told to (the others here go on without IPv6); the prefix comes by router advertisement."""
    g = lab.gateway
    lab.laptop.sh('echo 64 > /proc/sys/net/ipv6/conf/default/accept_ra_rt_info_max_plen')
    d = by_password(lab, more='+ipv6 ipv6cp-accept-local')
    d.wait()
    leased = next(a for c in clients(g) for a in c['addresses'] if ':' in a)

    def configured():
        return leased + '/' in d.guest.run('ip', '-6', 'address', 'show', 'dev', d.device, check=False).stdout
    rig.wait_for(configured, 'the address', explain=lambda: d.text() + d.guest.run('ip', '-6', 'address', check=False).stdout + g.explain())
    # the way to the network by RFC 4191, which Linux takes when it is told to
    assert 'fd00:11::/48' in d.guest.run('ip', '-6', 'route', 'show', 'proto', 'ra', 'dev', d.device).stdout
    rig.wait_for(lambda: d.guest.once('fd00:11::4'), 'traffic', explain=lambda: d.text() + g.explain() + str(g.drops()))
    lab.alice.ping(leased, count=1)


@pytest.mark.parametrize('who,words', [('password', 'the password of user'), ('user', 'there is no user'), ('stranger', 'certificate'),
                                       ('revoked', 'revoked by its thumbprint')])
def test_refused(lab, who, words):
    g, before = lab.gateway, len(lab.gateway.process.text())
    d = {'password': lambda: by_password(lab, password='wrong'), 'user': lambda: by_password(lab, 'mallory', 'wrong'),
         'stranger': lambda: by_certificate(lab, 'stranger'), 'revoked': lambda: by_certificate(lab, 'lost')}[who]()

    def refused():
        if words not in g.process.text()[before:]:
            d.dial_again()
        return words in g.process.text()[before:]
    rig.wait_for(refused, 'the refusal', seconds=90, explain=lambda: d.text() + g.explain())
    assert not clients(g) and not d.address()
    log = g.process.text()
    assert all(p not in log for p in PASSWORDS.values())


def test_two_at_once(lab):
    """Behind one address; one has nothing of the other's end."""
    g = lab.gateway
    first, second = by_password(lab), by_password(lab, 'carol', unit=1)
    a, b = first.wait(), second.wait()
    assert a != b and len(clients(g)) == 2
    for d in (first, second):
        reaches(lab, d, g)
        lab.alice.ping(d.address(), count=1)
    # a person ends one
    name = next(c['name'] for c in clients(g) if a in c['addresses'])
    g.command('down', name)
    rig.wait_for(lambda: len(clients(g)) == 1, 'one to be gone', explain=g.explain)
    reaches(lab, second, g)


def test_gateway_starts_anew(lab):
    g = lab.gateway
    d = by_password(lab)
    d.wait()
    g.process.stop()
    rig.wait_for(lambda: not d.alive(), 'the client to hear of it', explain=d.text)
    d.hang_up()
    start(g)
    d.count = 0
    d.dial()
    d.wait()
    reaches(lab, d, g)


def test_another_configuration(lab):
    """Who may stay does, with its session; who may not is told, and dials in vain."""
    g, new = lab.gateway, copy.deepcopy(lab.written)
    rules = new['virtualNetworkGateways'][0]['vpnClientConfiguration']

    def reload(config=new):
        with open(g.config, 'w') as f:
            json.dump(config, f)
        return g.command('reload').stdout

    def correlations():
        return {c['name']: c['correlationId'] for c in clients(g)}

    def leads_to(network, address):
        return json.loads(g.command('next-hop', '--vnet', network, '--from', '10.55.0.4', address, '--json').stdout)['verdict']
    bob, carol = by_password(lab), by_password(lab, 'carol', unit=1)
    for d in (bob, carol):
        d.wait()
        reaches(lab, d, g)
    before = correlations()
    assert len(before) == 2
    try:
        # nothing of theirs: a network that uses their gateway, and limits of a session
        hub = new['virtualNetworks'][0]
        hub['peerings'] = [{'name': 'to-spoke', 'remoteVirtualNetwork': 'Spoke', 'allowGatewayTransit': True}]
        new['virtualNetworks'].append({'name': 'Spoke', 'id': 1055, 'addressSpace': ['10.55.0.0/16'], 'attachments': [
            {'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': 55, 'address': '10.55.0.1/24'}],
            'peerings': [{'name': 'to-hub', 'remoteVirtualNetwork': hub['name'], 'useRemoteGateways': True}]})
        rules['sessionIdleMinutes'] = 60
        hub['dhcpOptions'] = {'dnsServers': ['10.11.0.99']}
        rules['vpnClientProtocols'] = ['SSTP', 'IkeV2']
        reload()
        assert correlations() == before
        for d in (bob, carol):
            assert leads_to('Spoke', d.address()) == 'client'
        # another user; those who are there stay
        rules['users'].append({'name': 'dave', 'password': {'file': lab.file('dave', 'a third one')}})
        reload()
        assert correlations() == before
        for d in (bob, carol):
            reaches(lab, d, g)
            lab.alice.ping(d.address(), count=1)
        # who comes now gets the new name server
        carol.hang_up()
        carol.count = 0
        carol.dial()
        carol.wait()
        assert name_servers(carol) == ['10.11.0.99']
        before = correlations()
        # carol's account goes
        gone = carol.address()
        rules['users'] = [u for u in rules['users'] if u['name'] != 'carol']
        reload()
        assert [n for n in before if 'carol' not in n] == list(correlations())
        assert leads_to('Spoke', bob.address()) == 'client'
        assert f'{gone}/32' not in g.command('dump', 'routes4').stdout
        rig.wait_for(lambda: not carol.alive(), 'carol to be told', explain=carol.text)
        assert 'user=carol' in g.process.text() and 'no longer taken' in g.process.text()
        reaches(lab, bob, g)
        # the network uses the gateway no more
        new['virtualNetworks'].pop()
        del hub['peerings']
        reload()
        assert g.command('dump', 'routes4').stdout.count(f'{bob.address()}/32') == 1
        reaches(lab, bob, g)
        # no SSTP any more: nobody listens
        rules['vpnClientProtocols'] = ['IkeV2']
        reload()
        assert not clients(g)
        rig.wait_for(lambda: not bob.alive(), 'bob to be told', explain=bob.text)
        assert lab.gw1.run('/usr/bin/python3', '-c', 'import socket; socket.create_connection(("203.0.113.1", 443))', check=False).returncode
    finally:
        reload(lab.written)
    bob.hang_up()
    bob.count = 0
    bob.dial()
    bob.wait()
    reaches(lab, bob, g)


def test_revoked_while_connected(lab):
    """A certificate is revoked by a reload: who came by it is cut off and told, and dials in vain; who came by a password notices nothing."""
    g, new = lab.gateway, copy.deepcopy(lab.written)

    def reload(config):
        with open(g.config, 'w') as f:
            json.dump(config, f)
        g.command('reload')
    alice, bob = by_certificate(lab), by_password(lab, unit=1)
    for d in (alice, bob):
        d.wait()
        reaches(lab, d, g)
    gone, before = alice.address(), {c['name']: c['correlationId'] for c in clients(g)}
    thumbprint = lab.people.alice.x.fingerprint(hashes.SHA1()).hex()
    new['virtualNetworkGateways'][0]['vpnClientConfiguration']['vpnClientRevokedCertificates'].append({'name': 'alice', 'thumbprint': thumbprint})
    try:
        reload(new)
        assert [(c['name'], c['correlationId']) for c in clients(g)] == [(n, i) for n, i in before.items() if 'bob' in n]
        assert f'{gone}/32' not in g.command('dump', 'routes4').stdout
        rig.wait_for(lambda: not alice.alive(), 'alice to be told', explain=alice.text)
        reaches(lab, bob, g)
        alice.hang_up()
        said = len(g.process.text())
        alice.count = 0
        alice.dial()

        def refused():
            alice.dial_again()
            return 'revoked by its thumbprint' in g.process.text()[said:]
        rig.wait_for(refused, 'the refusal', seconds=90, explain=lambda: alice.text() + g.explain())
        reaches(lab, bob, g)
        assert [c['correlationId'] for c in clients(g)] == [i for n, i in before.items() if 'bob' in n]
    finally:
        reload(lab.written)


def test_strangers_at_the_door(lab):
    """SECURITY D26. Connections that say nothing, that speak no TLS, that ask for a web page: bounded, and a client comes in beside them."""
    g = lab.gateway
    hold = '''
import socket, ssl, time
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
def connect(): return socket.create_connection(('203.0.113.1', 443))
web = c.wrap_socket(connect())
web.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(web.recv(100), flush=True)
silent = c.wrap_socket(connect())
half = c.wrap_socket(connect()); raw = socket.socket(fileno=half.detach()); raw.sendall(b'\\x17\\x03\\x03\\x01\\x00' + b'x' * 100)
rude = connect(); rude.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
quiet = [connect() for _ in range(200)]
time.sleep(600)
'''
    p = lab.gw1.start('/usr/bin/python3', '-c', hold, name=f'strangers-{time.monotonic_ns()}')
    rig.wait_for(lambda: g.json('status')['sstp']['refusedSource'] > 0, 'the limit of a source', explain=g.explain)
    assert g.json('status')['sstp']['halfOpen'] <= 64 and p.alive(), p.text()
    # who sends half a TLS record is not looked at again and again
    before = cpu_seconds(g)
    time.sleep(1)
    assert cpu_seconds(g) - before < 0.7
    d = by_password(lab)
    d.wait()
    reaches(lab, d, g)
    rig.wait_for(lambda: g.json('status')['sstp']['halfOpen'] == 0, 'the quiet ones to be gone', seconds=30, explain=g.explain)
    count = g.json('status')['sstp']
    assert count['tooSlow'] >= 60 and count['tlsFailed'] >= 1 and count['notSstp'] >= 1, count
    assert '405 Method Not Allowed' in p.text()
    p.stop()
