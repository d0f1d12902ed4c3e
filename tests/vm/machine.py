# SPDX-License-Identifier: Apache-2.0
"""
A machine with a stock kernel, emulated by QEMU without KVM: the verifier, the dispatcher and AF_XDP of that kernel. Its
only file system is an initramfs made here, so it needs neither a disk nor a network.
"""
import glob
import lzma
import os
import re
import stat
import subprocess

HERE = os.path.realpath(os.path.dirname(__file__))
ROOT = os.path.realpath(os.path.join(HERE, '..', '..'))
PEERS = os.path.join(ROOT, 'build-peers')
APPLETS = ('awk', 'cat', 'cut', 'echo', 'grep', 'insmod', 'ls', 'mkdir', 'mount', 'ping', 'poweroff', 'sleep', 'uname')


class Initramfs:
    """A cpio archive ("newc"), as the kernel unpacks it."""

    def __init__(self):
        self.parts, self.names = [], set()

    def entry(self, name, mode, data=b''):
        name = name.strip('/')
        if name in self.names:
            return
        if os.path.dirname(name):
            self.entry(os.path.dirname(name), stat.S_IFDIR | 0o755)
        self.names.add(name)
        path = name.encode() + b'\0'
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        head = b'070701' + b''.join(b'%08X' % f for f in fields) + path
        self.parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def directory(self, name):
        self.entry(name, stat.S_IFDIR | 0o755)

    def data(self, name, data, mode=0o755):
        self.entry(name, stat.S_IFREG | mode, data)

    def link(self, name, to):
        self.entry(name, stat.S_IFLNK | 0o777, to.encode())

    def file(self, path, name=None):
        with open(path, 'rb') as f:
            self.data(name or path, f.read())

    def program(self, path, name=None):
        """With the libraries that it says it needs."""
        self.file(path, name)
        said = subprocess.run(['ldd', path], check=True, capture_output=True, text=True).stdout
        assert 'not found' not in said, said
        for library in re.findall(r'(?:=> |^\s+)(/\S+)', said, re.M):
            self.file(library)

    def write(self, path):
        self.entry('TRAILER!!!', 0)
        with open(path, 'wb') as f:
            f.writelines(self.parts)


class Machine:
    def __init__(self, name, directory):
        """name: of the kernel's folder under build-peers"""
        self.directory, self.files, self.modules = directory, Initramfs(), 0
        kernels = glob.glob(os.path.join(PEERS, name, 'boot', 'vmlinuz-*'))
        assert len(kernels) == 1, f'{PEERS}/{name} has no kernel: run scripts/dependencies.sh test'
        self.kernel = kernels[0]
        self.package = os.path.join(PEERS, name)
        for d in ('proc', 'sys', 'dev', 'run', 'tmp', 'root', 'modules', 'steps'):
            self.files.directory(d)
        busybox = os.path.join(PEERS, 'busybox-static', 'bin', 'busybox')
        self.files.file(busybox, 'bin/busybox')
        for applet in APPLETS:
            self.files.link(f'bin/{applet}', 'busybox')
        # busybox's own shell would call its own ip
        self.files.program('/bin/dash', 'bin/sh')
        self.files.file(os.path.join(HERE, 'guest-init.sh'), 'init')

    def module(self, name, may_be_built_in=False):
        """They are loaded in the order in which they are given."""
        # below lib, or usr/lib since Debian 13
        found = glob.glob(os.path.join(self.package, '**', 'kernel', '**', f'{name}.ko*'), recursive=True)
        if may_be_built_in and not found:
            return
        assert len(found) == 1, f'{name} in {self.package}: {found}'
        opened = lzma.open(found[0]) if found[0].endswith('.xz') else open(found[0], 'rb')
        with opened as f:
            self.files.data(f'modules/{self.modules:02}-{name}.ko', f.read())
        self.modules += 1

    def start(self):
        initrd, self.log = (os.path.join(self.directory, n) for n in ('initrd', 'console'))
        self.files.write(initrd)
        # no_timer_check: a kernel that starts while this machine is busy sees no tick of the timer in time, and panics
        argv = ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max', '-m', '1024', '-nographic', '-no-reboot', '-nodefaults',
                '-serial', 'stdio', '-kernel', self.kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1 no_timer_check']
        with open(self.log, 'w') as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def wait(self, seconds):
        """What the console said until the machine turned itself off."""
        try:
            self.process.wait(seconds)
        finally:
            self.off()
        with open(self.log, errors='replace') as f:
            return f.read().replace('\r', '')

    def off(self):
        self.process.kill()
        self.process.wait()
