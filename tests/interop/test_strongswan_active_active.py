# SPDX-License-Identifier: Apache-2.0
"""
strongSwan as the site of an active-active gateway: two tunnels with the same prefixes, no BGP. Its kernel-libipsec sends by the newest SA
of a prefix and takes what comes by any, so that there and back may differ; what the site's SA is missing for goes by the other one.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
import test_active_active as two  # noqa: E402
from test_virtual_networks import explain, reaches  # noqa: E402

CONNECTION = '''%s {
  version = 2
  local_addrs = 203.0.113.3
  remote_addrs = %s
  proposals = aes256gcm16-prfsha384-ecp384
  mobike = no
  dpd_delay = 2s
  local { auth = psk
    id = 203.0.113.3 }
  remote { auth = psk
    id = %s }
  children { %s-net { local_ts = 10.22.0.0/16
    remote_ts = 10.11.0.0/16
    esp_proposals = aes256gcm16
    mode = tunnel } }
}
'''


@pytest.fixture
def lab():
    made = rig.Lab()
    yield made
    made.close()


def swan(n):
    host, d = n.lab.hosts['gw3'], os.path.join(n.lab.dir, 'two')
    host.address('lan0', '10.22.0.1/24')
    host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    os.makedirs(os.path.join(d, 'conf.d'))
    with open(os.path.join(d, 'conf.d', 'two.conf'), 'w') as f:
        f.write('connections {\n' + ''.join(CONNECTION % (name, two.PUBLIC[name], two.PUBLIC[name], name) for name in two.INSIDE) + '}\n'
                'secrets { ike-1 { secret = "%s" } }\n' % rig.PSK)
    return rig.StrongSwan(host, '', '', '', '', profile=d)


def test_two_tunnels_to_strongswan(lab):
    n = two.Net(lab, dpdTimeoutSeconds=9)
    s = swan(n)
    for g in (n.g1, n.g2):
        g.start()
    for g in (n.g1, n.g2):
        g.wait_connected('to-site', 40)
    clear = rig.Capture(n.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
    both = n.g1, n.g2
    for name, g in zip(two.INSIDE, both):
        n.by(name)
        reaches(n.alice, '10.22.0.4', *both)
        assert two.sent_by(g, ['to-site'], lambda: n.alice.ping('10.22.0.4', count=5)) == [5], explain(*both)()
    n.by(None)
    for mine, other, name in ((n.g1, n.g2, 'gw1'), (n.g2, n.g1, 'gw2')):
        n.by(name)
        lost = two.lost(n.alice, n.bob, '10.22.0.4', lambda mine=mine: mine.command('down', 'to-site'), f'{name} down, strongSwan', explain(*both))
        assert lost < 500, explain(*both)()
        assert two.sent_by(other, ['to-site'], lambda: n.alice.ping('10.22.0.4', count=5)) == [5], explain(*both)()
        n.bob.ping('10.11.0.4')
        mine.command('up', 'to-site')
        mine.wait_connected('to-site', 40)
        reaches(n.alice, '10.22.0.4', *both)
    # strongSwan ends one itself
    n.by('gw1')
    s.swanctl('--terminate', '--ike', 'gw1')
    reaches(n.alice, '10.22.0.4', *both)
    reaches(n.bob, '10.11.0.4', *both)
    clear.stop()
    assert clear.tshark('-Y', 'ip.addr == 10.0.0.0/8') == ''
