# SPDX-License-Identifier: Apache-2.0
"""
Hosts in network namespaces, and what runs in them.

A host is a holder process in a network and mount namespace of its own; no name is given to it, so that everything is
gone when the processes are. /run and /sys (with bpffs) are private, so each gateway has its own pins and sockets.
Waits are on conditions, with a deadline.
"""
import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
XGW = os.environ.get('XGW', os.path.join(ROOT, 'build', 'xgw'))
PSK = 'correct horse battery staple'
DEADLINE = 30.0


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def wait_for(condition, what, seconds=DEADLINE, explain=None):
    """Returns condition()'s first true value; fails with what was waited for, and explain()'s text."""
    end, pause = time.monotonic() + seconds, 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            more = explain() if explain else ''
            raise AssertionError(f'waited {seconds} s for {what}\n{more}')
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def is_asked_for(request, test):
    """Whether this run has the test of that name: for what a file's first test begins and its last one waits for."""
    return any(item.originalname == test for item in request.session.items)


class Process:
    """A program inside a host; its output in a file, ended with the lab."""

    def __init__(self, host, argv, name, env=None):
        self.name, self.argv = name, argv
        self.log = os.path.join(host.lab.dir, f'{host.name}-{name}.log')
        self.file = open(self.log, 'ab')
        self.popen = subprocess.Popen(host.enter() + argv, stdin=subprocess.DEVNULL, stdout=self.file, stderr=self.file,
                                      env={**os.environ, **(env or {})}, preexec_fn=host.lab.preexec)
        host.lab.processes.append(self)

    def text(self):
        self.file.flush()
        with open(self.log, errors='replace') as f:
            return f.read()

    def alive(self):
        return self.popen.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=15):
        if self.alive():
            self.popen.send_signal(sig)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f'{self.name} did not end within {seconds} s of signal {sig}\n{self.text()[-2000:]}')
        return self.popen.returncode


class Host:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        setup = ('mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && '
                 'mount -t bpf bpf /sys/fs/bpf && ip link set lo up && cd /proc/sys/net && '
                 'for what in all default; do '
                 'echo 0 > ipv6/conf/$what/accept_dad && echo 0 > ipv4/conf/$what/rp_filter || exit 1; done && cd / && '
                 'echo ready && exec sleep infinity')
        self.holder = subprocess.Popen(['unshare', '-n', '-m', 'sh', '-c', setup], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lab.preexec)
        line = self.holder.stdout.readline()
        assert line == b'ready\n', f'{name}: {line!r} {self.holder.stdout.read()!r}'

    def enter(self):
        return ['nsenter', '-t', str(self.holder.pid), '-n', '-m', '--']

    def run(self, *argv, check=True, timeout=60, env=None, text_in=None):
        r = subprocess.run(self.enter() + list(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           errors='replace', timeout=timeout, env={**os.environ, **(env or {})}, input=text_in)
        if check and r.returncode:
            raise AssertionError(f'{self.name}: {" ".join(argv)} -> {r.returncode}\n{r.stdout}{r.stderr}')
        return r

    def sh(self, script, **k):
        return self.run('sh', '-ec', script, **k)

    def start(self, *argv, name=None, env=None):
        return Process(self, list(argv), name or os.path.basename(argv[0]), env)

    def left(self):
        """{pid: command line} of processes that are in its mount namespace and are no children of the lab's: what a daemon
        let go of."""
        out, mine = {}, os.readlink(f'/proc/{self.holder.pid}/ns/mnt')
        ours = {str(p.popen.pid) for p in self.lab.processes} | {str(self.holder.pid)}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                if pid not in ours and os.readlink(f'/proc/{pid}/ns/mnt') == mine:
                    with open(f'/proc/{pid}/cmdline') as f:
                        out[int(pid)] = f.read().replace('\0', ' ')
            except OSError:
                pass  # it ended meanwhile
        return out

    def address(self, device, *addresses):
        for a in addresses:
            self.run('ip', 'address', 'add', a, 'dev', device, *(['nodad'] if ':' in a else []))
        self.run('ip', 'link', 'set', device, 'up')

    def route(self, *words):
        self.run('ip', *(['-6'] if ':' in ''.join(words) else []), 'route', 'add', *words)

    def ping(self, to, count=3, check=True, size=56, more=(), wait=2):
        """wait: seconds, for the answer to the last one"""
        r = self.run('ping', '-n', '-c', str(count), '-i', '0.1', '-W', str(wait), '-s', str(size), *more, to, check=False)
        if check and r.returncode:
            raise AssertionError(f'{self.name}: no answer from {to}\n{r.stdout}{r.stderr}')
        return r


    def once(self, to, **more):
        """Whether one ping is answered, for wait_for: the first ones are lost where a gateway looks for who has the address, and
        the next one need not wait long for their answers."""
        return self.ping(to, count=1, check=False, wait=0.5, **more).returncode == 0


class Lab:
    def __init__(self, keep=False):
        self.preexec = os.setsid if keep else die_with_parent
        self.keep = keep
        self.dir = tempfile.mkdtemp(prefix='xgw-lab-')
        self.hosts, self.processes = {}, []
        atexit.register(self.close)

    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def cable(self, a, a_dev, b, b_dev, queues=1, mtu=1500):
        """veth between two hosts. Checksums are completed by the senders, as a NIC would; GRO gives a veth the NAPI
        that XDP's redirect into its peer needs."""
        subprocess.run(['ip', 'link', 'add', a_dev, 'netns', str(a.holder.pid), 'mtu', str(mtu), 'numrxqueues', str(queues),
                        'numtxqueues', str(queues), 'type', 'veth', 'peer', 'name', b_dev, 'netns', str(b.holder.pid),
                        'mtu', str(mtu), 'numrxqueues', str(queues), 'numtxqueues', str(queues)], check=True)
        # GRO before either end is up: the kernel notes at that moment whether XDP may send there
        for host, dev in ((a, a_dev), (b, b_dev)):
            host.run('ethtool', '-K', dev, 'tx', 'off', 'gro', 'on', 'tso', 'off', 'gso', 'off')
        for host, dev in ((a, a_dev), (b, b_dev)):
            host.run('ip', 'link', 'set', dev, 'up')

    def switch(self, name):
        h = self.host(name)
        h.run('ip', 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
        h.run('ip', 'link', 'set', 'br0', 'up')
        return h

    def plug(self, switch, host, device, mtu=1500):
        port = f'p-{host.name}'[:15]
        self.cable(switch, port, host, device, mtu=mtu)
        switch.run('ip', 'link', 'set', port, 'master', 'br0')

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def close(self):
        if self.keep:
            return
        for p in reversed(self.processes):
            if p.alive():
                p.popen.terminate()
        for p in reversed(self.processes):
            try:
                p.popen.wait(5)
            except subprocess.TimeoutExpired:
                p.popen.kill()
                p.popen.wait()
            p.file.close()
        for h in self.hosts.values():
            for pid in h.left():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            h.holder.kill()
            h.holder.wait()
        self.hosts, self.processes = {}, []
        shutil.rmtree(self.dir, ignore_errors=True)


class Xgw:
    """The gateway on a host."""

    def __init__(self, host, config, instance='default'):
        self.host, self.instance = host, instance
        self.config = host.lab.file(f'{host.name}.yaml', config if isinstance(config, str) else json.dumps(config, indent=1))
        self.process = None

    def start(self, wait=True):
        n = len([p for p in self.host.lab.processes if p.name.startswith('xgw')])
        self.process = self.host.start(XGW, 'run', '-c', self.config, '--instance', self.instance, name=f'xgw-{n}')
        if wait:
            wait_for(lambda: self.ready() or not self.process.alive(), 'xgw to be ready', 90, self.process.text)
            assert self.process.alive(), self.process.text()
        return self

    def ready(self):
        # it listens before it answers, and who asks before that reads the pins
        listens = os.path.exists(f'/proc/{self.host.holder.pid}/root/run/xgw/{self.instance}.sock')
        return listens and self.command('status', '--json', check=False).returncode == 0

    def command(self, *words, check=True, timeout=60):
        return self.host.run(XGW, *words, '--instance', self.instance, check=check, timeout=timeout)

    def json(self, *words):
        return json.loads(self.command(*words, '--json').stdout)

    def connection(self, name):
        return next(c for c in self.json('status')['connections'] if c['name'] == name)

    def explain(self):
        return self.process.text()[-6000:] + self.command('status', check=False).stdout

    def wait_connected(self, name, seconds=DEADLINE):
        return wait_for(lambda: self.connection(name)['connectionStatus'] == 'Connected' and self.connection(name),
                        f'{self.host.name}: {name} to be connected', seconds, self.explain)

    def resident_kb(self):
        with open(f'/proc/{self.process.popen.pid}/status') as f:
            return int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1))

    def drops(self):
        """{reason: packets}, all ports."""
        total = {}
        for e in self.json('dump', 'drops')['entries']:
            total[e['reason']] = total.get(e['reason'], 0) + e['packets']
        return total


def mac_of(host, device):
    return json.loads(host.run('ip', '-j', 'link', 'show', device).stdout)[0]['address']


def gateway_config(name, vnet_id, space, lan_address, public, connections, sites=(), remotes=(), attachments=None,
                   endpoints=(), **host):
    """Configuration of one gateway for one VNet: ports wan and lan."""
    network = space[0].rsplit('.', 2)[0]
    return {
        'host': {'ports': [{'name': 'wan0', 'device': 'wan', 'role': 'uplink'}, {'name': 'lan0', 'device': 'lan', 'role': 'vnet'}],
                 **host},
        'virtualNetworks': [{
            'name': name, 'id': vnet_id, 'addressSpace': list(space),
            'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'{network}.255.0/27'}],
            'attachments': attachments or [{"port": "lan0", "encapsulation": "none", "address": lan_address}],
            **({'endpoints': list(endpoints)} if endpoints else {})}],
        'virtualNetworkGateways': [{'name': f'{name}GW', 'virtualNetwork': name, 'publicIPAddress': public}],
        'localNetworkGateways': list(sites),
        'remoteGateways': list(remotes),
        'connections': [{'virtualNetworkGateway1': f'{name}GW', 'sharedKey': PSK, **c} for c in connections],
    }


class StrongSwan:
    """charon with ESP in userspace (kernel-libipsec), which always encapsulates in UDP; or in the kernel of the host."""

    LOAD = ('random nonce openssl aes gcm sha1 sha2 hmac kdf pem pkcs1 x509 pubkey gmp curve25519 '
            'kernel-libipsec kernel-netlink socket-default updown vici counters pkcs8 constraints revocation')

    def __init__(self, host, me, peer, my_ts, peer_ts, ike='aes256gcm16-prfsha384-ecp384', esp='aes256gcm16', psk=PSK,
                 rekey='', my_id=None, peer_id=None, kernel=False, version=2, children=None, auth=None, files=(), more='', log_level=2,
                 secrets='', mobike='no', load='', profile=None):
        """children: {name: (local, remote)}, more than the one `net`; rekey: more lines of the connection;
        auth: swanctl's lines of the local and of the remote part; files: (directory, name, bytes) beside swanctl.conf;
        secrets: more of swanctl's secrets; load: more plugins; profile: a directory that becomes /etc/swanctl in place of all that."""
        self.host, lab = host, host.lab
        load = (self.LOAD.replace('kernel-libipsec ', '') if kernel else self.LOAD) + ' ' + load
        local, remote = auth or ('auth = psk', 'auth = psk')
        d = os.path.join(lab.dir, f'swan-{host.name}')
        os.makedirs(os.path.join(d, 'swanctl', 'conf.d'), exist_ok=True)
        for directory, name, content in files:
            os.makedirs(os.path.join(d, 'swanctl', directory), exist_ok=True)
            with open(os.path.join(d, 'swanctl', directory, name), 'wb') as f:
                f.write(content)
        self.log = os.path.join(d, 'charon.log')
        self.conf = os.path.join(d, 'strongswan.conf')
        with open(self.conf, 'w') as f:
            f.write('''charon {
  load = %s
  install_routes = yes
  retransmit_tries = 3
  retransmit_timeout = 1.0
  filelog { log { path = %s
      flush_line = yes
      default = %d
      ike = %d
      cfg = %d
      chd = %d } }
  plugins { kernel-libipsec { allow_peer_ts = no } }
  %s
}
''' % (load, self.log, min(log_level, 1), log_level, log_level, log_level, more))
        with open(os.path.join(d, 'swanctl', 'swanctl.conf'), 'w') as f:
            f.write('''connections { peer {
  version = %s
  local_addrs = %s
  remote_addrs = %s
  proposals = %s
  mobike = %s
  dpd_delay = 10s
  %s
  local { %s
    id = "%s" }
  remote { %s
    id = "%s" }
  children { %s }
} }
secrets { ike-1 { secret = "%s" }
%s }
''' % (version, me, peer, ike, mobike, rekey, local, my_id or me, remote, peer_id or peer,
       '\n'.join('%s { local_ts = %s\n remote_ts = %s\n esp_proposals = %s\n mode = tunnel }' % (name, ours, theirs, esp)
                 for name, (ours, theirs) in (children or {'net': (my_ts, peer_ts)}).items()), psk, secrets))
        if profile:
            with open(os.path.join(d, 'swanctl', 'swanctl.conf'), 'w') as f:
                f.write('include conf.d/*.conf\n')
            shutil.copytree(profile, os.path.join(d, 'swanctl'), dirs_exist_ok=True)
        host.run('mount', '--bind', os.path.join(d, 'swanctl'), '/etc/swanctl')
        self.process = host.start('/usr/lib/ipsec/charon', name='charon', env={'STRONGSWAN_CONF': self.conf})
        # the socket is there a moment before charon listens on it
        wait_for(lambda: self.swanctl('--stats', check=False).returncode == 0, 'charon to start', explain=self.process.text)
        self.swanctl('--load-all')

    def swanctl(self, *words, check=True):
        return self.host.run('swanctl', *words, check=check, env={'STRONGSWAN_CONF': self.conf})

    def initiate(self, child='net'):
        return self.swanctl('--initiate', '--child', child, '--timeout', '15', check=False)

    def sas(self):
        return self.swanctl('--list-sas').stdout

    def text(self):
        with open(self.log, errors='replace') as f:
            return f.read()


class Capture:
    """
    tcpdump on a device, from when it listens to stop(). At the rates of iperf3 it has no room for every frame (dropped says
    how many): what must never be seen is then looked for by a filter that leaves out what may be.
    """

    NEITHER_ESP_NOR_IKE = 'not (ip proto 50 or ip6 proto 50 or udp port 500 or udp port 4500)'

    def __init__(self, host, device, expression=''):
        self.path = os.path.join(host.lab.dir, f'{host.name}-{device}-{len(host.lab.processes)}.pcap')
        self.process = host.start('tcpdump', '-n', '-U', '--immediate-mode', '-s', '0', '-B', '16384', '-i', device, '-w', self.path,
                                  *expression.split(), name=f'tcpdump-{len(host.lab.processes)}')
        wait_for(lambda: 'listening' in self.process.text(), 'tcpdump to listen')

    def count(self):
        """(captured, received by the filter, dropped for want of room), as tcpdump answers SIGUSR1."""
        before = len(self.process.text())
        self.process.popen.send_signal(signal.SIGUSR1)
        said = wait_for(lambda: re.search(r'(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped by kernel',
                                          self.process.text()[before:]), 'tcpdump to tell its counts', explain=self.process.text)
        return tuple(int(n) for n in said.groups())

    def stop(self):
        """Ends when all that was received is in the file: a signal makes tcpdump leave what still waits in its ring,
        and what is not in the file can't prove that nothing else was on the wire."""
        def drained():
            captured, received, self.dropped = self.count()
            return captured + self.dropped >= received
        wait_for(drained, 'tcpdump to write all it received', explain=self.process.text)
        self.process.stop(signal.SIGINT)
        return self.path

    def tshark(self, *words):
        r = subprocess.run(['tshark', '-n', '-r', self.path, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, errors='replace')
        assert r.returncode == 0, r.stderr
        return r.stdout

    def contains(self, marker):
        with open(self.path, 'rb') as f:
            return marker in f.read()


def serve_file(host, size=8 << 20):
    """HTTP server of a random file: (process, name, sha256)."""
    import hashlib
    blob = os.urandom(size)
    d = os.path.join(host.lab.dir, f'www-{host.name}')
    os.makedirs(d, exist_ok=True)
    with open(os.path.join(d, 'file.bin'), 'wb') as f:
        f.write(blob)
    p = host.start('/usr/bin/python3', '-m', 'http.server', '8080', '--bind', '::', '--directory', d, name='http')
    wait_for(lambda: ':8080' in host.run('ss', '-ltn').stdout, 'the HTTP server')
    return p, 'file.bin', hashlib.sha256(blob).hexdigest()


def fetch_sum(host, url):
    r = host.sh(f'curl -sS --max-time 60 "{url}" | sha256sum')
    return r.stdout.split()[0]


def iperf(client, server, address, seconds=0, reverse=False, udp=None):
    """Bits a second of one TCP stream, of 8 MB without seconds; with udp=(rate, length) the end report."""
    p = server.start('iperf3', '-s', '-1', name=f'iperf3-{time.monotonic_ns()}')
    wait_for(lambda: ':5201' in server.run('ss', '-ltn').stdout, 'iperf3 to listen')
    words = ['iperf3', '-J', '-c', address] + (['-t', str(seconds)] if seconds else ['-n', '8M'])
    if reverse:
        words.append('-R')
    if udp:
        words += ['-u', '-b', udp[0], '-l', str(udp[1])]
    r = client.run(*words, check=False, timeout=seconds + 30)
    p.stop()
    out = json.loads(r.stdout)
    assert 'error' not in out, out['error']
    return out['end']['sum'] if udp else out['end']['sum_received']['bits_per_second']
