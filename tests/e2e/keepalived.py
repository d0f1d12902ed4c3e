# SPDX-License-Identifier: Apache-2.0
"""keepalived: VRRP that moves the addresses of a gateway between two hosts, as real ones have it."""
import os
import signal

import lab as rig

HOME = os.path.join(rig.ROOT, 'build-peers', 'keepalived')
PROGRAM = os.path.join(HOME, 'usr', 'sbin', 'keepalived')
if not os.path.exists(PROGRAM):
    PROGRAM, HOME = '/usr/sbin/keepalived', None


class Keepalived:
    """One VRRP instance with unicast advertisements each 100 ms: addresses are `address dev device`."""

    def __init__(self, host, priority, me, peer, addresses, check):
        self.host, d = host, host.lab.dir
        self.path = os.path.join(d, f'keepalived-{host.name}.conf')
        self.pids = [os.path.join(d, f'keepalived-{host.name}-{n}.pid') for n in ('main', 'vrrp', 'checkers')]
        with open(self.path, 'w') as f:
            f.write('''global_defs {
    router_id %s
    script_user root
    enable_script_security
}
vrrp_script gateway {
    script "%s"
    interval 1
    timeout 5
    fall 1
    rise 1
}
vrrp_instance gateway {
    state BACKUP
    interface wan
    virtual_router_id 51
    priority %d
    version 3
    advert_int 0.1
    unicast_src_ip %s
    unicast_peer {
        %s
    }
    virtual_ipaddress {
        %s
    }
    virtual_ipaddress_excluded {
        %s
    }
    track_interface {
        wan
        lan
    }
    track_script {
        gateway
    }
}
''' % (host.name, check, priority, me, peer, addresses[0], '\n        '.join(addresses[1:])))
        self.process = None

    def start(self):
        libraries = [os.path.join(HOME, p, 'x86_64-linux-gnu') for p in ('lib', 'usr/lib')] if HOME else []
        libraries += [os.path.join(HOME, p, 'aarch64-linux-gnu') for p in ('lib', 'usr/lib')] if HOME else []
        n = len([p for p in self.host.lab.processes if p.name.startswith('keepalived')])
        self.process = self.host.start(PROGRAM, '-n', '-l', '-D', '-P', '-f', self.path, '-p', self.pids[0], '-r', self.pids[1], '-c', self.pids[2],
                                       name=f'keepalived-{n}', env={'LD_LIBRARY_PATH': ':'.join(libraries)})
        rig.wait_for(lambda: os.path.exists(self.pids[1]) or not self.process.alive(), 'keepalived to start', explain=self.process.text)
        assert self.process.alive(), self.process.text()
        return self

    def stop(self):
        self.process.stop()

    def kill(self):
        """With the child that has the addresses, which so stay where they are."""
        with open(self.pids[1]) as f:
            child = int(f.read())
        self.process.popen.send_signal(signal.SIGSTOP)
        os.kill(child, signal.SIGKILL)
        self.process.popen.kill()
        self.process.popen.wait()
        os.unlink(self.pids[1])
