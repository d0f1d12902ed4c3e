# SPDX-License-Identifier: Apache-2.0
"""FRR, unpacked by scripts/dependencies.sh, on a host of the lab."""
import glob
import os

import lab as rig

FILES = os.path.join(rig.ROOT, 'build-peers', 'frr', 'usr')
# several daemons on a machine that may have others to run
PATIENCE = 60.0


class Frr:
    """Daemons of FRR on a host, with a user database, /run and /var/tmp of their own."""

    def __init__(self, host, config, daemons=('zebra', 'bgpd'), more=None):
        """config: bgpd's; more: {daemon: configuration} of others."""
        self.host, self.dir = host, os.path.join(host.lab.dir, f'frr-{host.name}')
        os.makedirs(os.path.join(self.dir, 'etc', 'frr'))
        self.file('passwd', 'root:x:0:0::/root:/bin/sh\n')
        self.file('group', 'root:x:0:\nfrrvty:x:9998:root\n')
        for name in daemons:
            self.file(f'frr/{name}.conf', {'bgpd': config, **(more or {})}.get(name, ''))
        self.file('frr/vtysh.conf', '')
        os.makedirs(os.path.join(self.dir, 'etc', 'pam.d'))
        self.file('pam.d/frr', 'auth required pam_permit.so\naccount required pam_permit.so\n')
        host.sh('mkdir -p /run/frr')
        self.daemons = {}
        for name in daemons:
            self.start(name)

    def file(self, name, text):
        with open(os.path.join(self.dir, 'etc', name), 'w') as f:
            f.write(text)

    def start(self, name):
        # its own, and those of others that this host may not have
        libraries = os.path.dirname(glob.glob(f'{FILES}/lib/*/frr/libfrr.so.0')[0])
        self.env = {'LD_LIBRARY_PATH': f'{libraries}:{os.path.dirname(libraries)}'}
        self.daemons[name] = self.host.start(
            'unshare', '-m', 'sh', '-ec', f'cp /etc/ld.so.cache /etc/protocols {self.dir}/etc/ 2> /dev/null || true; '
            f'mount --bind {self.dir}/etc /etc; mount -t tmpfs tmpfs /var/tmp; '
            f'exec {FILES}/lib/frr/{name} -u root -g root -f /etc/frr/{name}.conf -A 127.0.0.1 -P 0 --log stdout --log-level informational '
            f'-i /run/frr/{name}.pid -z /run/frr/zserv.api --vty_socket /run/frr', name=f'{name}-{len(self.host.lab.processes)}', env=self.env)
        rig.wait_for(lambda: self.host.run('test', '-S', f'/run/frr/{name}.vty', check=False).returncode == 0 or not self.daemons[name].alive(),
                     f'{name} to start', PATIENCE, self.text)
        assert self.daemons[name].alive(), self.text()

    def vtysh(self, command):
        inside = ['nsenter', '-t', str(self.daemons['zebra'].popen.pid), '-m', '--']
        r = self.host.run(*inside, f'{FILES}/bin/vtysh', '--vty_socket', '/run/frr', '-c', command, check=False, env=self.env)
        return r.stdout + r.stderr

    def text(self):
        return ''.join(f'--- {n} of {self.host.name}\n{d.text()[-3000:]}' for n, d in self.daemons.items())
