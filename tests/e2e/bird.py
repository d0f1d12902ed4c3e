# SPDX-License-Identifier: Apache-2.0
"""BIRD 2: as the gateway's router through router_probe, and as the router of a provider or a site."""
import glob
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import lab as rig

BIRD = os.path.join(rig.ROOT, 'build-peers', 'bird2', 'usr', 'sbin', 'bird')
if not os.path.exists(BIRD):
    BIRD = '/usr/sbin/bird'
PROBE = os.environ.get('ROUTER_PROBE', os.path.join(rig.ROOT, 'build', 'tests', 'e2e', 'router_probe'))


class Neighbour:
    """BIRD on a host, with a configuration as text."""

    def __init__(self, host, config):
        self.host = host
        self.path = os.path.join(host.lab.dir, f'bird-{host.name}.conf')
        self.socket = os.path.join(host.lab.dir, f'bird-{host.name}.ctl')
        self.write(config)
        self.process = host.start(BIRD, '-f', '-c', self.path, '-s', self.socket, name=f'bird-{len(host.lab.processes)}')
        rig.wait_for(lambda: os.path.exists(self.socket) or not self.process.alive(), 'BIRD to start', explain=self.process.text)
        assert self.process.alive(), self.process.text()

    def write(self, config):
        with open(self.path, 'w') as f:
            f.write('log stderr all;\ntimeformat protocol "%s";\nprotocol device {}\n' + config)

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.socket)
            s.sendall(command.encode() + b'\n')
            text = ''
            # the greeting is an answer, too
            while len(re.findall(r'^\d{4} ', text, re.M)) < 2:
                text += s.recv(65536).decode()
        return text.split('\n', 1)[1]

    def configure(self, config):
        self.write(config)
        answer = self.ask('configure')
        assert '0003' in answer or '0004' in answer, answer

    def session(self, name):
        """(state, since)"""
        m = re.search(rf'^1002-{name} +BGP +\S+ +\S+ +(\d+) +(\S+)', self.ask(f'show protocols {name}'), re.M)
        return m and (m.group(2), m.group(1))

    def routes(self, table='master4'):
        """{prefix: AS path} of what came by BGP"""
        out, prefix = {}, None
        for line in self.ask(f'show route table {table} all').split('\n'):
            m = re.match(r'(?:1007-| )([0-9a-f.:]+/\d+) ', line)
            prefix = m.group(1) if m else prefix
            m = re.match(r'\s+BGP.as_path: ?(.*)', line)
            if m:
                out[prefix] = m.group(1).split()
        return out


class Speaker:
    """tests/e2e/bgp_speaker.py on a host: says what BIRD would not."""

    def __init__(self, host, local, peer, asn):
        self.answers = []
        self.popen = subprocess.Popen(host.enter() + [sys.executable, os.path.join(os.path.dirname(__file__), 'bgp_speaker.py'), local, peer, str(asn)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=host.lab.preexec)
        threading.Thread(target=self.read, daemon=True).start()
        rig.wait_for(lambda: self.seen('up'), 'the speaker\'s session', 60)

    def read(self):
        for line in self.popen.stdout:
            self.answers.append(json.loads(line))

    def seen(self, key):
        return [a for a in self.answers if key in a]

    def say(self, text, wait=True):
        n = len(self.seen('did'))
        self.popen.stdin.write(text + '\n')
        self.popen.stdin.flush()
        return wait and rig.wait_for(lambda: self.seen('did')[n:], text[:40], 60, lambda: str(self.answers))[0]

    def end(self):
        self.popen.stdin.close()
        self.popen.wait(20)


class Router:
    """The gateway's router, run by router_probe on a host: its events, as they come."""

    def __init__(self, host, spec, wait='started'):
        self.host, self.lab = host, host.lab
        self.spec = {'instance': 'default', 'name': 'VNet1GW', 'bird': BIRD, 'routerId': 0x0a01ff1e, **spec}
        self.events = []
        self.run()
        if wait:
            self.wait(wait)

    def file(self):
        return self.lab.file(f'router-{self.host.name}-{len(self.events)}.json', json.dumps(self.spec))

    def run(self):
        self.log = open(os.path.join(self.lab.dir, f'probe-{time.monotonic_ns()}.log'), 'w+')
        self.popen = subprocess.Popen(self.host.enter() + [PROBE, self.file()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log, text=True, preexec_fn=self.lab.preexec)
        self.reader = threading.Thread(target=self.read, args=(self.popen.stdout,), daemon=True)
        self.reader.start()

    def read(self, stream):
        for line in stream:
            self.events.append(json.loads(line))

    def explain(self):
        self.log.flush()
        logs = ''
        for path in glob.glob(f'/proc/{self.host.holder.pid}/root/run/xgw/*.router/*/bird.log'):
            with open(path) as f:
                logs += f.read()[-3000:]
        with open(self.log.name) as f:
            return '\n'.join(map(str, self.events[-40:])) + f.read()[-3000:] + logs

    def seen(self, event, since=0, **fields):
        return [e for e in self.events[since:] if e['event'] == event and all(e[k] == v for k, v in fields.items())]

    def wait(self, event, seconds=rig.DEADLINE, since=0, **fields):
        """The first such event."""
        def there():
            assert self.popen.poll() is None or self.reader.is_alive() or self.seen(event, since, **fields), self.explain()
            return self.seen(event, since, **fields)
        return rig.wait_for(there, f'{event} {fields}', seconds, self.explain)[0]

    def command(self, text):
        self.popen.stdin.write(text + '\n')
        self.popen.stdin.flush()

    def ask(self, command, event):
        n = len(self.events)
        self.command(command)
        return self.wait(event, since=n)

    def status(self):
        return self.ask('status', 'status')

    def peer(self, number):
        return next(p for p in self.status()['peers'] if p['number'] == number)

    def follow(self, **spec):
        self.spec.update(spec)
        e = self.ask(f'follow {self.file()}', 'followed')
        return e

    def kill(self):
        """As a crash would; BIRD goes on."""
        self.popen.kill()
        self.popen.wait()
        self.reader.join()

    def end(self):
        """Everything of it is gone."""
        if self.popen.poll() is None:
            self.command('end')
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
            ended = self.popen.returncode
            assert ended == 0 and not self.sweep('--dry'), self.explain()
        self.sweep()

    def sweep(self, *words):
        return json.loads(self.host.run(PROBE, '--sweep', self.spec['instance'], *words).stdout)['removed']
