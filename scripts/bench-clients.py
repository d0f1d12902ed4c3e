#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Point-to-site figures, all in one run and interleaved: road - gw - alice in network namespaces, no offloads. On `road` the clients,
each with a TUN device; `gw` is xgw or OpenVPN's server; `alice` stands for the virtual network. Tables on standard output and in
build/bench-clients.md, as docs/PERFORMANCE.md has them.

    scripts/bench-clients.py [--rounds 5] [--seconds 1.2] [--clients 1,8,32,128] [--ways sstp,openvpn-tcp,openvpn-udp,ikev2] [--calls 32]

The ways guest-sstp, guest-own and guest-openvpn have one client each in a User-Mode Linux guest, whose kernel has PPP: sstp-client
with pppd, our own client, and OpenVPN's. Such a machine is slow.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'e2e'), os.path.join(ROOT, 'tests', 'interop')]
import lab as rig  # noqa: E402
from cryptography import x509  # noqa: E402
from pki import Entity  # noqa: E402

TOOLS = os.path.join(ROOT, 'build', 'tests', 'bench')
GW, USER, PASSWORD, ALICE, PORT = 'gw.example.org', 'bob', 'Pa55word!', '10.11.0.4', '5202'
KINDS = {'rsa': 'RSA-2048', 'p256': 'ECDSA P-256'}


class World:
    """The namespaces and the certificates; `kind` of the server's key."""

    def __init__(self, kind='p256', guest=False):
        self.lab, self.open = rig.Lab(), []
        lab = self.lab
        self.road, self.gw, self.alice = (lab.host(n) for n in ('road', 'gw', 'alice'))
        lab.cable(self.road, 'wan', self.gw, 'wan')
        lab.cable(self.gw, 'lan', self.alice, 'eth0')
        if guest:
            self.put_guest()
        else:
            self.road.address('wan', '203.0.113.5/24')
        self.gw.address('wan', '203.0.113.1/24')
        self.alice.address('eth0', f'{ALICE}/24')
        self.alice.route('default', 'via', '10.11.0.1')
        self.root = Entity('root', ca=True, kind=kind)
        self.server = Entity(GW, by=self.root, kind=kind, san=x509.DNSName(GW))
        self.client = Entity('client', by=self.root, kind=kind)
        self.files = {name: lab.file(name, text.decode()) for name, text in (
            ('ca', self.root.pem()), ('chain', self.server.pem()), ('key', self.server.private()),
            ('client.pem', self.client.pem()), ('client.key', self.client.private()))}

    def put_guest(self):
        """In front of the wire instead of the namespace."""
        import test_sstp
        self.road.run('ip', 'link', 'add', 'b-wan', 'type', 'bridge', 'mcast_snooping', '0')
        self.road.run('ip', 'link', 'set', 'wan', 'master', 'b-wan')
        self.road.run('ip', 'link', 'set', 'b-wan', 'up')
        self.road.run('ethtool', '-K', 'wan', 'gro', 'off')
        self.road = self.lab.laptop = test_sstp.Guest(self.road, 'laptop', ['b-wan'])
        test_sstp.make_ready(self.road)
        self.road.sh('/run/kernel/modprobe tun')

    def serve(self):
        p = self.alice.start(f'{TOOLS}/streams', 'serve', PORT, name='streams')
        rig.wait_for(lambda: 'ready' in p.text(), 'streams', explain=p.text)

    def close(self):
        if hasattr(self.lab, 'laptop'):
            self.lab.laptop.off()
        for p in self.open:
            p.stdin.close()
        for p in self.open:
            p.wait(20)
            p.stdout.close()
        self.lab.close()


class Way:
    """`process` is the server's; `devices` of the clients that are connected."""
    many, guest = True, False

    def __init__(self, world):
        self.w, self.devices = world, []
        self.start()

    def put_up(self, devices, addresses=None):
        """Each device leads to the virtual network; who wants another binds to it."""
        lines = ''
        for device in devices:
            if addresses:
                lines += f'address add {addresses[device]}/32 dev {device}\nlink set {device} mtu 1500 up\n'
            lines += f'route add 10.11.0.0/16 dev {device} metric {len(self.devices) + 1}\n'
            self.devices.append(device)
        self.w.road.sh(f'ip -batch - <<.\n{lines}.\n')

    def spent(self):
        """Processor seconds of all threads of the server."""
        total, pid = 0, self.process.popen.pid
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/schedstat') as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def resident_kib(self):
        with open(f'/proc/{self.process.popen.pid}/status') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


class Xgw(Way):
    protocols = ['SSTP']

    def start(self):
        w = self.w
        c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', [])
        c['virtualNetworkGateways'][0].update(
            identity=GW, certificate={'chain': w.files['chain'], 'key': {'file': w.files['key']}},
            vpnClientConfiguration={'vpnClientAddressPool': ['172.16.0.0/22'], 'vpnClientProtocols': self.protocols,
                                    'users': [{'name': USER, 'password': {'file': w.lab.file('password', PASSWORD)}}]})
        self.gateway = rig.Xgw(w.gw, c).start()
        self.process = self.gateway.process

    def explain(self):
        return self.gateway.explain()


class Sstp(Xgw):
    """xgw's server; the client is our own (tests/bench/sstp_load.c), since this needs a kernel with PPP otherwise."""
    name = 'xgw, SSTP'

    def load(self, *words):
        """What the client says when all have dialled; they stay until its input is closed."""
        p = subprocess.Popen(self.w.road.enter() + [f'{TOOLS}/sstp_load', '203.0.113.1', '443', USER, PASSWORD, *map(str, words)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=self.w.lab.preexec)
        self.w.open.append(p)
        line = p.stdout.readline()
        assert line, f'the clients did not dial\n{self.explain()}'
        return json.loads(line)

    def add(self, n):
        first = len(self.devices)
        addresses = self.load(n, 'tun', first)
        devices = [f'sstp{first + i}' for i in range(n)]
        self.put_up(devices, dict(zip(devices, addresses)))

    def calls(self, n):
        """One after the other, and they all stay; a second."""
        return self.load(n, 0, ALICE)['callsPerSecond']


class IkeV2(Xgw):
    """xgw's server; the client is strongSwan with ESP in user space, which is slow itself."""
    name, many, protocols = 'xgw, IKEv2 (client: strongSwan kernel-libipsec)', False, ['IkeV2']

    def add(self, n):
        assert n == 1
        w = self.w
        s = rig.StrongSwan(w.road, '203.0.113.5', '203.0.113.1', '', '', my_id=USER, peer_id=GW, rekey='vips = 0.0.0.0',
                           load='md4 md5 des eap-identity eap-mschapv2', children={'net': ('dynamic', '10.11.0.0/16')}, ike='aes256-sha256-ecp256',
                           esp='aes256gcm16', auth=('auth = eap-mschapv2', 'auth = pubkey\n cacerts = ca.pem'),
                           files=[('x509ca', 'ca.pem', w.root.pem())], secrets='eap-1 { id = %s\n secret = "%s" }' % (USER, PASSWORD), log_level=0)
        r = s.initiate()
        assert r.returncode == 0, r.stdout + s.text() + self.explain()
        self.devices.append('-')  # the policies lead to the one that charon made


class OpenVpn(Way):
    """Clients show a certificate; cipher and devices as with SSTP: AES-256-GCM, an MTU of 1500."""
    name, proto = 'OpenVPN, TCP', 'tcp'
    common = ['--dev-type', 'tun', '--topology', 'subnet', '--data-ciphers', 'AES-256-GCM', '--disable-dco', '--verb', '3', '--tun-mtu', '1500']

    def start(self):
        w, f = self.w, self.w.files
        nodelay = ['--tcp-nodelay'] if self.proto == 'tcp' else []
        w.gw.address('lan', '10.11.0.1/24')
        w.gw.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
        self.process = w.gw.start('openvpn', *self.common, '--server', '172.16.0.0', '255.255.252.0', '--proto', {'tcp': 'tcp-server', 'udp': 'udp'}[self.proto],
                                  '--dev', 'tun0', '--port', '1194', '--ca', f['ca'], '--cert', f['chain'], '--key', f['key'], '--dh', 'none',
                                  '--duplicate-cn', '--max-clients', '500', '--keepalive', '10', '60', *nodelay, name='openvpn')
        rig.wait_for(lambda: 'Initialization Sequence Completed' in self.process.text(), 'OpenVPN', explain=self.process.text)

    def explain(self):
        return self.process.text()[-4000:]

    def add(self, n):
        f, first = self.w.files, len(self.devices)
        devices = [f'ovpn{first + i}' for i in range(n)]
        clients = [self.w.road.start('openvpn', *self.common, '--client', '--nobind', '--dev', d, '--proto', {'tcp': 'tcp-client', 'udp': 'udp'}[self.proto],
                                     '--remote', '203.0.113.1', '1194', '--ca', f['ca'], '--cert', f['client.pem'], '--key', f['client.key'], name=d)
                   for d in devices]
        for p in clients:
            rig.wait_for(lambda: 'Initialization Sequence Completed' in p.text(), 'a client of OpenVPN', 90, lambda: p.text() + self.explain())
        self.put_up(devices)

    def calls(self, n):
        """All at once, each a process of its own; a second."""
        began = time.monotonic()
        self.add(n)
        return n / (time.monotonic() - began)


class OpenVpnUdp(OpenVpn):
    name, proto, many = 'OpenVPN, UDP', 'udp', False


class GuestSstp(Xgw):
    name, many, guest = 'guest: xgw, SSTP (sstp-client, pppd)', False, True

    def add(self, n):
        import test_sstp
        assert n == 1
        w = self.w
        w.lab.gateway, w.lab.dialled = self.gateway, []
        w.lab.file('root.pem', w.root.pem().decode(), 0o644)
        test_sstp.by_password(w.lab).wait()
        self.devices.append('ppp0')


class GuestOwn(Xgw):
    name, many, guest = 'guest: xgw, SSTP (our client)', False, True

    def add(self, n):
        assert n == 1
        p = self.w.road.start('sh', '-c', f'mkfifo /run/open; exec {TOOLS}/sstp_load 203.0.113.1 443 {USER} {PASSWORD} 1 tun 0 0<> /run/open', name='load')
        rig.wait_for(lambda: p.text().endswith(']\n'), 'the client to dial', explain=lambda: p.text() + self.explain())
        self.put_up(['sstp0'], {'sstp0': json.loads(p.text())[0]})


class GuestOpenVpn(OpenVpn):
    name, many, guest = 'guest: OpenVPN, TCP', False, True


WAYS = {'sstp': Sstp, 'openvpn-tcp': OpenVpn, 'openvpn-udp': OpenVpnUdp, 'ikev2': IkeV2}
GUESTS = {'guest-sstp': GuestSstp, 'guest-own': GuestOwn, 'guest-openvpn': GuestOpenVpn}
ALL = {**WAYS, **GUESTS}


def streams(way, direction, seconds):
    """Mbit/s of one TCP stream of each client, and the server's processor seconds for a GB."""
    before = way.spent()
    r = way.w.road.run(f'{TOOLS}/streams', 'load', ALICE, PORT, direction, str(seconds), *way.devices, timeout=seconds + 60)
    said = json.loads(r.stdout)
    return said['megabitsPerSecond'], (way.spent() - before) / (said['allBytes'] / 1e9)


def reachable(way):
    def answered():
        return way.w.road.ping(ALICE, count=1, check=False).returncode == 0
    rig.wait_for(answered, f'{way.name}: traffic', explain=way.explain)


def throughput(kind, seconds, numbers):
    """One way through one gateway, to which more and more clients come."""
    world, result = World(guest=ALL[kind].guest), {}
    try:
        way = ALL[kind](world)
        world.serve()
        result['kib 0'] = way.resident_kib()
        for n in numbers if way.many else numbers[:1]:
            way.add(n - len(way.devices))
            reachable(way)
            result[f'quiet {n}'] = way.resident_kib()
            for direction in ('up', 'down'):
                result[f'{direction} {n}'], result[f'cpu {direction} {n}'] = streams(way, direction, seconds)
            result[f'kib {n}'] = way.resident_kib()
        if len(way.devices) > 1:
            last, before = numbers[-1], numbers[-2]
            result['kib quiet'] = (result[f'quiet {last}'] - result[f'kib {before}']) / (last - before)
            result['kib each'] = (result[f'kib {last}'] - result['kib 1']) / (last - 1)
        return result
    finally:
        world.close()


def calls(kind, key, n):
    """(connections a second as it happens here, microseconds of the server's processor time for one)"""
    world = World(key)
    try:
        way = WAYS[kind](world)
        way.calls(1)  # what only the first one needs
        before = way.spent()
        rate = way.calls(n)
        return {f'rate {key}': rate, f'us {key}': (way.spent() - before) * 1e6 / n}
    finally:
        world.close()


def raw(key):
    world = World(key)
    try:
        r = world.gw.run(f'{TOOLS}/tls_raw', world.files['chain'], world.files['key'], '300')
        return {f'us {key}': json.loads(r.stdout)['microseconds']}
    finally:
        world.close()


def run(o):
    """{way: [results of a round]}, the ways in turn."""
    taken = {}

    def note(kind, result, number):
        rounds = taken.setdefault(kind, [{} for _ in range(o.rounds)])
        rounds[number].update(result)
        print(f'round {number + 1}: {kind}: ' + ', '.join(f'{k} {v:.1f}' for k, v in result.items()), file=sys.stderr, flush=True)
    for number in range(o.rounds):
        for kind in o.ways:
            note(kind, throughput(kind, o.seconds, o.clients), number)
        for key in KINDS if o.calls else ():
            for kind in ('sstp', 'openvpn-tcp'):
                if kind in o.ways:
                    note(kind, calls(kind, key, o.calls), number)
            note('raw', raw(key), number)
    return taken


def mid(rounds, what, digits=0):
    v = sorted(r[what] for r in rounds if what in r)
    return f'{statistics.median(v):.{digits}f} ({v[0]:.{digits}f}–{v[-1]:.{digits}f})' if v else ''


def cost(rounds, key):
    """Of one connection: three cells."""
    return f'{mid(rounds, f"us {key}")} | {1e6 / statistics.median(r[f"us {key}"] for r in rounds):.0f} | {mid(rounds, f"rate {key}")}'


def ratio(taken, a, b, what):
    """Median of the rounds' ratios."""
    v = [x[what] / y[what] for x, y in zip(taken.get(a, ()), taken.get(b, ())) if what in x and what in y]
    return f'{statistics.median(v):.2f}' if v else ''


def tables(o, taken):
    ways = [k for k in o.ways if k in taken]
    yield '| one client | to the network, Mbit/s | from the network, Mbit/s | CPU s per GB, to | CPU s per GB, from |'
    yield '| --- | --- | --- | --- | --- |'
    for k in ways:
        yield f'| {ALL[k].name} | {mid(taken[k], "up 1")} | {mid(taken[k], "down 1")} | {mid(taken[k], "cpu up 1", 2)} | {mid(taken[k], "cpu down 1", 2)} |'
    for ours, other in (('sstp', 'openvpn-tcp'), ('sstp', 'openvpn-udp'), ('guest-sstp', 'guest-openvpn'), ('guest-own', 'guest-openvpn')):
        if ours in ways and other in ways:
            cells = ' | '.join(ratio(taken, ours, other, w) for w in ('up 1', 'down 1', 'cpu up 1', 'cpu down 1'))
            yield f'| {ALL[ours].name} / {ALL[other].name} | {cells} |'
    more = [n for n in o.clients if n > 1]
    if more and any(ALL[k].many for k in ways):
        yield ''
        yield '| all clients together, Mbit/s | ' + ' | '.join(f'{n} to | {n} from' for n in more) + ' |'
        yield '| --- ' * (2 * len(more) + 1) + '|'
        for k in ways:
            if ALL[k].many:
                yield f'| {ALL[k].name} | ' + ' | '.join(mid(taken[k], f'{d} {n}') for n in more for d in ('up', 'down')) + ' |'
        if 'sstp' in ways and 'openvpn-tcp' in ways:
            yield '| SSTP / OpenVPN, TCP | ' + ' | '.join(ratio(taken, 'sstp', 'openvpn-tcp', f'{d} {n}') for n in more for d in ('up', 'down')) + ' |'
        yield ''
        yield f'| CPU s per GB, {more[-1]} clients | to | from |'
        yield '| --- | --- | --- |'
        for k in ways:
            if ALL[k].many:
                yield f'| {ALL[k].name} | ' + ' | '.join(mid(taken[k], f'cpu {d} {more[-1]}', 2) for d in ('up', 'down')) + ' |'
        yield ''
        yield f'| memory of the server, KiB | without clients | a client more, before traffic | each of {more[-1]}, after traffic |'
        yield '| --- | --- | --- | --- |'
        for k in ways:
            if ALL[k].many:
                yield f'| {ALL[k].name} | {mid(taken[k], "kib 0")} | {mid(taken[k], "kib quiet")} | {mid(taken[k], "kib each")} |'
    if o.calls:
        yield ''
        yield '| a client that connects | ' + ' | '.join(f'{name}, µs of the server | a second, one core | a second, here' for name in KINDS.values()) + ' |'
        yield '| --- | --- | --- | --- | --- | --- | --- |'
        for k, name in (('sstp', 'xgw, SSTP, MS-CHAPv2'), ('openvpn-tcp', 'OpenVPN, TCP, certificate'), ('raw', "OpenSSL's handshake alone")):
            if k in taken:
                yield f'| {name} | ' + ' | '.join(cost(taken[k], key) for key in KINDS) + ' |'


def options():
    p = argparse.ArgumentParser(description='point-to-site figures')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=float, default=1.2, help='of each measurement')
    p.add_argument('--clients', type=lambda s: [int(n) for n in s.split(',')], default=[1, 8, 32, 128], help='rising; the first is 1')
    p.add_argument('--ways', type=lambda s: s.split(','), default=list(WAYS))
    p.add_argument('--calls', type=int, default=32, help='connections for the figures of connecting; 0: none')
    p.add_argument('--output', default=os.path.join(ROOT, 'build', 'bench-clients.md'))
    o = p.parse_args()
    if any('openvpn' in k for k in o.ways) and not shutil.which('openvpn'):
        p.error('openvpn is not there; run `scripts/dependencies.sh bench` as root, or leave it out by --ways')
    return o


def main():
    o = options()
    text = '\n'.join(tables(o, run(o)))
    print(text)
    with open(o.output, 'w') as f:
        f.write(text + '\n')


if __name__ == '__main__':
    main()
