# SPDX-License-Identifier: Apache-2.0
"""
A machine with a kernel of its own: User-Mode Linux, which is a process, so that it needs neither KVM nor a disk. The
kernels of test machines often have no XFRM; Debian's UML kernel has all of it, and natively computed ciphers.
"""
import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402

HERE = os.path.realpath(os.path.dirname(__file__))
KERNEL = '/usr/bin/linux.uml'


class InGuest:
    """A program in the background of a guest; it ends with the guest."""

    def __init__(self, guest, argv, name, env):
        self.log = os.path.join(guest.dir, f'{name}.log')
        guest.sh(f'{guest.exports(env)} setsid {shlex.join(argv)} > {self.log} 2>&1 < /dev/null &')

    def text(self):
        if not os.path.exists(self.log):
            return ''
        with open(self.log, errors='replace') as f:
            return f.read()


class Guest(rig.Host):
    """
    Runs in the namespace of `host`, whose bridges are the guest's cables: the guest's device `vecN` is on bridges[N].
    Commands go in and results come out by files in the lab's folder, which the guest sees as its own.
    """

    def __init__(self, host, name, bridges, memory='256M'):
        self.lab, self.name, self.count = host.lab, name, 0
        self.dir = os.path.join(host.lab.dir, f'guest-{name}')
        os.makedirs(self.dir)
        assert os.access(KERNEL, os.X_OK), f'{KERNEL} is not there: run scripts/dependencies.sh test'
        room = os.path.join(self.dir, 'xsave_room.so')
        subprocess.run(['gcc', '-O2', '-shared', '-fPIC', '-o', room, os.path.join(HERE, 'xsave_room.c')], check=True)
        devices = []
        for i, bridge in enumerate(bridges):
            tap = f'tap-{i}'
            host.run('ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap')
            host.run('ip', 'link', 'set', tap, 'master', bridge, 'up')
            devices.append(f'vec{i}:transport=tap,ifname={tap},depth=128,gro=0')
        # a session of its own: a dying UML kernel signals its whole process group; and a PID namespace, because UML runs
        # the guest's programs in processes that would outlive it
        self.process = host.start('setsid', 'unshare', '--pid', '--fork', '--kill-child', KERNEL, f'mem={memory}', f'umid={name}', f'uml_dir={self.dir}/', 'root=/dev/root',
                                  'rootfstype=hostfs', 'rootflags=/', 'rw', f'init={HERE}/guest-init.sh', *devices,
                                  'con=null', 'con0=null,fd:1', f'GUEST_DIR={self.dir}', name=f'uml-{name}',
                                  env={'LD_PRELOAD': room})
        rig.wait_for(lambda: os.path.exists(os.path.join(self.dir, 'ready')) or not self.process.alive(), 'the guest to boot', 60,
                     self.process.text)
        assert self.process.alive(), self.process.text()
        for i in range(len(bridges)):
            # the far ends are veths and bridges, which pass unfinished checksums on to programs that read frames
            self.run('ethtool', '-K', f'vec{i}', 'tx', 'off', 'sg', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off', check=False)
            self.run('ip', 'link', 'set', f'vec{i}', 'up')

    @staticmethod
    def exports(env):
        return ' '.join(f'{k}={shlex.quote(v)}' for k, v in (env or {}).items())

    def run(self, *argv, check=True, timeout=60, env=None):
        self.count += 1
        base = os.path.join(self.dir, str(self.count))
        with open(base + '.part', 'w') as f:
            f.write(f'{self.exports(env)} {shlex.join(argv)}\n')
        os.rename(base + '.part', base + '.command')
        rig.wait_for(lambda: os.path.exists(base + '.status') or not self.process.alive(),
                     f'{self.name}: {shlex.join(argv)}', timeout, self.process.text)
        assert self.process.alive(), self.process.text()
        with open(base + '.out', errors='replace') as out, open(base + '.status') as status:
            r = subprocess.CompletedProcess(argv, int(status.read()), out.read(), '')
        if check and r.returncode:
            raise AssertionError(f'{self.name}: {shlex.join(argv)} -> {r.returncode}\n{r.stdout}')
        return r

    def start(self, *argv, name=None, env=None):
        return InGuest(self, list(argv), name or os.path.basename(argv[0]), env)

    def off(self):
        """As by pulling the plug: all that the guest has is in its memory."""
        self.process.popen.kill()
        self.process.popen.wait()
