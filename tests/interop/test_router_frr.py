# SPDX-License-Identifier: Apache-2.0
"""
FRR (zebra, bgpd, bfdd) as the router of a circuit's provider, beside the gateway's router: sessions of IPv4 and IPv6 with
MD5 and BFD, routes both ways, and each side's restart. The link's host end stands in a bridge, where XDP would be.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import bird  # noqa: E402
import lab as rig  # noqa: E402
from frr import Frr  # noqa: E402
from test_router import LINK0, OWN, PEER0, PEER0_V6, World, cut_alive, is_up, routes, wait_routes  # noqa: E402

CONFIG = '''
router bgp 65010
 bgp router-id 192.168.16.253
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 timers bgp 3 9
 neighbor 192.168.16.254 remote-as 12076
 neighbor 192.168.16.254 timers connect 2
 neighbor 192.168.16.254 password s3cret#1{}
 neighbor 192.168.16.254 bfd
 neighbor fd00:16::2 remote-as 12076
 neighbor fd00:16::2 timers connect 2
 address-family ipv4 unicast
  network 10.99.0.0/16
  network 10.98.0.0/16
  network 127.0.0.0/8
  no neighbor fd00:16::2 activate
  neighbor 192.168.16.254 soft-reconfiguration inbound
 exit-address-family
 address-family ipv6 unicast
  network fd00:99::/32
  neighbor fd00:16::2 activate
 exit-address-family
'''
BFD = '''
bfd
 peer 192.168.16.254
  receive-interval 50
  transmit-interval 50
 exit
exit
'''
WANT = {(1, '10.99.0.0/16'): 1, (1, '10.98.0.0/16'): 1, (2, 'fd00:99::/32'): 1}


@pytest.fixture
def world():
    lab = rig.Lab()
    w = World(lab)
    yield w
    for r in w.routers:
        r.end()
    lab.close()


def test_provider_with_frr(world):
    frr = Frr(world.er, CONFIG, ('zebra', 'bgpd', 'bfdd'), {'bfdd': BFD})
    r = world.router(links=[{**LINK0, 'bfd': True, 'interval': 50}], networks=OWN,
                     peers=[{**PEER0, 'md5': 's3cret#1{}', 'bfd': True}, PEER0_V6])
    wait_routes(r, WANT)
    r.wait('canary', device='l0', v6=False, up=True)

    def hears(family, prefix):
        return rig.wait_for(lambda: prefix in frr.vtysh(f'show bgp {family} unicast'), f'{prefix} at FRR', 60,
                            lambda: frr.text() + r.explain())
    hears('ipv4', '10.1.0.0/16')
    hears('ipv6', 'fd00:1::/48')
    assert '10.60.0.0/16' not in frr.vtysh('show bgp ipv4 unicast')
    # loopback goes no further than BIRD, and is counted
    # BIRD is asked once a second
    rig.wait_for(lambda: r.peer(1)['up'] and (r.peer(1)['rejected'], r.peer(1)['imported']) == (1, [2, 0]), 'the status',
                 explain=lambda: str(r.peer(1)) + r.explain())
    # one prefix goes
    frr.vtysh('configure terminal\nrouter bgp 65010\naddress-family ipv4 unicast\nno network 10.98.0.0/16')
    wait_routes(r, {k: v for k, v in WANT.items() if k[1] != '10.98.0.0/16'})
    # silence: BFD takes the session down long before its hold time
    cut, _ = cut_alive(world, r)
    rig.wait_for(lambda: not is_up(r), 'BFD', explain=r.explain)
    down = r.seen('canary', up=False)[-1]['at']
    print(f'BFD 3 x 50 ms with FRR: {(down - cut) * 1000:.0f} ms')
    assert 0 < down - cut < 1.5
    rig.wait_for(lambda: not [k for k in routes(r) if k[0] == 1], 'the withdrawal', explain=r.explain)
    world.cut('c0', 3)
    wait_routes(r, {k: v for k, v in WANT.items() if k[1] != '10.98.0.0/16'})
