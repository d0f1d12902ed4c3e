# SPDX-License-Identifier: Apache-2.0
"""
The gateway's router (BIRD in a namespace of its own) against routers of a provider and of a site. The links' host ends,
which XDP joins with a circuit's port, stand in bridges here:

    router's namespace      gw                     er
    l0 192.168.16.254 ----- xgw-l0 br0 c0 -------- eth0 192.168.16.253   AS 65010
    l1 192.168.17.254 ----- xgw-l1 br1 c1 -------- eth1 192.168.17.253
    g0 10.1.255.30 ---(the probe relays)--- t0     site
                                            c2 --- eth0 172.16.0.2, 10.52.0.254   AS 65020; another alike
"""
import json
import os
import re
import time

import pytest

import bird
import lab as rig

LINK0 = {'device': 'l0', 'hostDevice': 'xgw-l0', 'local4': '192.168.16.254/30', 'peer4': '192.168.16.253',
         'local6': 'fd00:16::2/126', 'peer6': 'fd00:16::1', 'mac': '02:00:00:00:00:70'}
LINK1 = {'device': 'l1', 'hostDevice': 'xgw-l1', 'local4': '192.168.17.254/30', 'peer4': '192.168.17.253'}
PEER0 = {'number': 1, 'group': 0, 'localAsn': 12076, 'peerAsn': 65010, 'local': '192.168.16.254', 'peer': '192.168.16.253',
         'device': 'l0', 'limit': 4000}
PEER0_V6 = {**PEER0, 'number': 2, 'local': 'fd00:16::2', 'peer': 'fd00:16::1', 'v4': False, 'v6': True}
PEER1 = {**PEER0, 'number': 3, 'local': '192.168.17.254', 'peer': '192.168.17.253', 'device': 'l1'}
SITE = {'number': 17, 'group': 1, 'hears': [1], 'bfd': True, 'v6': True, 'nextHop': 'fd00:1::5', 'localAsn': 65515, 'peerAsn': 65020, 'local': '10.1.255.30', 'peer': '10.52.0.254'}
SITE_B = {**SITE, 'number': 18, 'peer': '10.53.0.254', 'peerAsn': 65030, 'bfd': False}
OWN = [{'prefix': '10.1.0.0/16', 'groups': [0, 1]}, {'prefix': '10.60.0.0/16', 'groups': [1], 'incomplete': True},
       {'prefix': 'fd00:1::/48', 'groups': [0, 1]}]

PROVIDER = '''
router id 192.168.16.253;
protocol bfd {{ interface "*" {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3; }}; }}
protocol static s4 {{ ipv4; {routes4} }}
protocol static s6 {{ ipv6; {routes6} }}
protocol bgp p0 {{
  local 192.168.16.253 as 65010; neighbor 192.168.16.254 as 12076; {more}
  connect delay time 1; connect retry time 2; error wait time 1, 2; graceful restart on;
  ipv4 {{ import all; export filter {{ if net = 10.7.0.0/16 then {{ bgp_path.prepend(65010); bgp_path.prepend(65010); }} accept; }}; }};
}}
protocol bgp p0v6 {{
  local fd00:16::1 as 65010; neighbor fd00:16::2 as 12076;
  connect delay time 1; connect retry time 2; error wait time 1, 2; graceful restart on;
  ipv6 {{ import all; export all; }};
}}
protocol bgp p1 {{
  local 192.168.17.253 as 65010; neighbor 192.168.17.254 as 12076;
  connect delay time 1; connect retry time 2; error wait time 1, 2; graceful restart on;
  ipv4 {{ import all; export all; }};
}}
'''
ROUTES4 = ['10.99.0.0/16', '10.7.0.0/16', '0.0.0.0/0']


def provider(routes4=ROUTES4, routes6=('fd00:99::/32',), more='', interval=100):
    def static(routes):
        return ' '.join(f'route {r} blackhole;' for r in routes)
    return PROVIDER.format(routes4=static(routes4), routes6=static(routes6), more=more, interval=interval)


class World:
    def __init__(self, lab):
        self.lab, self.gw, self.er = lab, lab.host('gw'), lab.host('er')
        self.routers = []
        for i in range(2):
            self.gw.run('ip', 'link', 'add', f'br{i}', 'type', 'bridge', 'mcast_snooping', '0')
            self.gw.run('ip', 'link', 'set', f'br{i}', 'up')
            lab.cable(self.er, f'eth{i}', self.gw, f'c{i}')
            self.gw.run('ip', 'link', 'set', f'c{i}', 'master', f'br{i}')
        self.er.address('eth0', '192.168.16.253/30', 'fd00:16::1/126')
        self.er.address('eth1', '192.168.17.253/30')

    def router(self, **spec):
        r = bird.Router(self.gw, spec)
        self.routers.append(r)
        self.join(r)
        return r

    def join(self, router):
        for link in router.spec.get('links', ()):
            self.gw.run('ip', 'link', 'set', link['hostDevice'], 'master', f'br{link["device"][1:]}')

    def cut(self, port, state):
        """What comes to the bridge's port and what would leave by it is lost, and nobody is told; when."""
        self.gw.run('bridge', 'link', 'set', 'dev', port, 'state', str(state))
        return time.monotonic()


@pytest.fixture
def world():
    lab = rig.Lab()
    w = World(lab)
    yield w
    for r in w.routers:
        r.end()
    left = [p for h in lab.hosts.values() for p in h.left().values() if '.router/' in p]
    lab.close()
    assert not left, left


def routes(router):
    """{(peer, prefix): metric} after all events."""
    out = {}
    for e in router.events:
        if e['event'] == 'route':
            out[e['peer'], e['prefix']] = e['metric']
        elif e['event'] == 'withdrawn':
            del out[e['peer'], e['prefix']]
    return out


def wait_routes(router, want):
    rig.wait_for(lambda: routes(router) == want, f'{want}', explain=router.explain)


ALL = {(1, '10.99.0.0/16'): 1, (1, '10.7.0.0/16'): 3, (1, '0.0.0.0/0'): 1, (2, 'fd00:99::/32'): 1}


def test_routes_both_ways(world):
    er = bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0, PEER0_V6], networks=OWN)
    wire = rig.Capture(world.gw, 'xgw-l0', 'tcp')
    wait_routes(r, ALL)
    # what comes out of the router has whole checksums: XDP, which takes it off here, completes none
    wire.stop()
    status = wire.tshark('-o', 'tcp.check_checksum:TRUE', '-Y', 'ip.src == 192.168.16.254 or ipv6.src == fd00:16::2',
                         '-T', 'fields', '-e', 'tcp.checksum.status').split()
    assert set(status) == {'1'}, status
    r.wait('peer', peer=1, up=True)
    r.wait('peer', peer=2, up=True)
    assert r.wait('neighbour', device='l0', address='192.168.16.253')['mac'] == rig.mac_of(world.er, 'eth0')
    assert r.wait('neighbour', device='l0', address='fd00:16::1')['mac'] == rig.mac_of(world.er, 'eth0')
    assert r.ask('device l0', 'device')['mac'] == LINK0['mac']
    # what the provider hears: the circuit's groups' networks alone
    rig.wait_for(lambda: er.routes() == {'10.1.0.0/16': ['12076']}, 'our network', explain=lambda: str(er.routes()))
    rig.wait_for(lambda: er.routes('master6') == {'fd00:1::/48': ['12076']}, 'our IPv6 network')
    p = rig.wait_for(lambda: r.peer(1)['imported'] == [3, 0] and r.peer(1)['exported'] == [1, 0] and r.peer(1), 'the status',
                     explain=r.explain)
    assert p['state'] == 'Established' and abs(p['since'] - time.time()) < 60 and not p['lastError']
    # withdrawn, and announced with another path
    n = len(r.events)
    er.configure(provider(['10.99.0.0/16', '10.98.0.0/16']))
    want = {(1, '10.99.0.0/16'): 1, (1, '10.98.0.0/16'): 1, (2, 'fd00:99::/32'): 1}
    wait_routes(r, want)
    assert not r.seen('withdrawn', n, prefix='10.99.0.0/16')
    # the session ends: all of it
    er.ask('disable p0')
    wait_routes(r, {(2, 'fd00:99::/32'): 1})
    r.wait('peer', since=n, peer=1, up=False)


def test_changed_path_is_no_withdrawal(world):
    er = bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0])
    wait_routes(r, {k: v for k, v in ALL.items() if k[0] == 1})
    er.configure(provider().replace('net = 10.7.0.0/16', 'net = 10.99.0.0/16'))
    wait_routes(r, {(1, '10.99.0.0/16'): 3, (1, '10.7.0.0/16'): 1, (1, '0.0.0.0/0'): 1})
    assert not r.seen('withdrawn'), r.explain()


def site(world, i):
    """The router of a site behind the gateway, its address far behind its link."""
    host, device, address = world.lab.host(f'site{i}'), f'c{i + 2}', f'10.{52 + i}.0.254'
    world.lab.cable(host, 'eth0', world.gw, device)
    host.address('eth0', f'172.16.{i}.2/24')
    host.run('ip', 'address', 'add', f'{address}/32', 'dev', 'lo')
    host.route('default', 'via', f'172.16.{i}.1')
    world.gw.address(device, f'172.16.{i}.1/24')
    world.gw.route(address, 'via', f'172.16.{i}.2')
    return bird.Neighbour(host, f'''
router id {address};
protocol static s4 {{ ipv4; route 10.{52 + i}.0.0/16 blackhole; }}
protocol bfd {{ multihop {{ interval 100 ms; }}; }}
protocol bgp azure {{ local {address} as {65020 + i * 10}; neighbor 10.1.255.30 as 65515; multihop; bfd on;
  connect delay time 1; connect retry time 2; error wait time 1, 2; ipv4 {{ import all; export all; }};
  ipv6 {{ import all; export all; next hop address fd00:{52 + i}::1; }}; }}
protocol static s6 {{ ipv6; route fd00:{52 + i}::/48 blackhole; }}
''')


def test_tunnel_and_transit(world):
    """eBGP over several hops through a TUN; sites hear each other and what is typed, a circuit does not hear sites."""
    world.gw.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    sites = [site(world, i) for i in range(2)]
    er = bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0, SITE, SITE_B],
                     tuns=[{'device': 'g0', 'local': ['10.1.255.30']}], networks=OWN)
    assert r.ask('relay g0 t0', 'relayed')['error'] == 0
    world.gw.run('ip', 'link', 'set', 't0', 'up')
    world.gw.route('10.1.255.30', 'dev', 't0')
    wait_routes(r, {**{k: v for k, v in ALL.items() if k[0] == 1}, (17, '10.52.0.0/16'): 1, (18, '10.53.0.0/16'): 1,
                    (17, 'fd00:52::/48'): 1, (18, 'fd00:53::/48'): 1})
    own = {'10.1.0.0/16': ['65515'], '10.60.0.0/16': ['65515']}
    rig.wait_for(lambda: sites[0].routes() == {**own, '10.53.0.0/16': ['65515', '65030']}, 'what one hears', explain=lambda: str(sites[0].routes()))
    rig.wait_for(lambda: sites[1].routes() == {**own, '10.52.0.0/16': ['65515', '65020']}, 'what the other hears')
    assert er.routes() == {'10.1.0.0/16': ['12076']}
    rig.wait_for(lambda: sites[0].routes('master6') == {'fd00:1::/48': ['65515'], 'fd00:53::/48': ['65515', '65030']}, 'IPv6 over IPv4',
                 explain=lambda: str(sites[0].routes('master6')))
    assert 'BGP.next_hop: fd00:1::5' in sites[0].ask('show route fd00:1::/48 all')
    # BFD over several hops, on the tunnel that asked for it (RFC 5883)
    rig.wait_for(lambda: '10.1.255.30' in sites[0].ask('show bfd sessions') and ' Up ' in sites[0].ask('show bfd sessions'), 'BFD',
                 explain=lambda: sites[0].ask('show bfd sessions'))
    assert ' Up ' not in sites[1].ask('show bfd sessions')
    # asked for: circuit and sites hear each other
    e = r.follow(peers=[{**PEER0, 'hears': [1]}, {**SITE, 'hears': [0, 1]}, SITE_B])
    assert e['error'] == 0, e
    rig.wait_for(lambda: set(er.routes()) == {'10.1.0.0/16', '10.52.0.0/16', '10.53.0.0/16'}, 'transit', explain=lambda: str(er.routes()))
    rig.wait_for(lambda: sites[0].routes().get('10.7.0.0/16') == ['65515', '65010', '65010', '65010'], 'transit to the site')
    assert '10.7.0.0/16' not in sites[1].routes()


def test_md5(world):
    er = bird.Neighbour(world.er, provider(more='password "right horse";'))
    r = world.router(links=[LINK0], peers=[{**PEER0, 'md5': 'wrong horse'}])
    rig.wait_for(lambda: r.status()['md5Refused'] > 0, 'refused segments', explain=r.explain)
    assert not r.peer(1)['up'] and not r.seen('route')
    assert r.follow(peers=[{**PEER0, 'md5': 'right horse'}])['error'] == 0
    wait_routes(r, {k: v for k, v in ALL.items() if k[0] == 1})
    assert er.session('p0')[0] == 'Established'
    # a secret that BIRD's language cannot say is refused, and nothing changes
    e = r.follow(peers=[{**PEER0, 'md5': 'a"; }'}])
    assert e['error'] < 0 and 'peer 1' in e['text'], e
    r.spec['peers'] = [{**PEER0, 'md5': 'right horse'}]
    rig.wait_for(lambda: r.peer(1)['up'], 'the status of the session', explain=r.explain)


def test_import_limit(world):
    er = bird.Neighbour(world.er, provider([f'10.{i}.0.0/16' for i in range(20, 31)]))
    r = world.router(links=[LINK0], peers=[{**PEER0, 'limit': 10, 'retry': 60}])
    p = rig.wait_for(lambda: 'limit' in r.peer(1)['lastError'].lower() and r.peer(1), 'the limit', explain=r.explain)
    assert not p['up'] and p['closedForLimit'] == 1
    wait_routes(r, {})
    assert er.session('p0')[0] != 'Established'


def test_every_closing_for_the_limit_is_counted(world):
    """Also those between two questions to BIRD, as a daemon that is busy asks them."""
    er = bird.Neighbour(world.er, provider([f'10.{i}.0.0/16' for i in range(20, 31)]))
    r = world.router(links=[LINK0], peers=[{**PEER0, 'limit': 10, 'retry': 1}])

    def closings():
        return er.process.text().count('Received: Maximum number of prefixes reached')

    def told():
        # once more: between the two questions there may be one
        n = closings()
        return r.peer(1)['closedForLimit'] == n and closings() == n and n
    before = rig.wait_for(told, 'the first', explain=r.explain)
    n = len(r.events)
    r.command('pause 11')
    r.wait('resumed', since=n, seconds=60)
    assert closings() >= before + 2
    rig.wait_for(told, 'all of them', explain=lambda: f'{closings()} {r.status()}' + r.explain())


def is_up(router):
    told = router.seen('canary')
    return told and told[-1]['up']


def cut_alive(world, router):
    """Cuts the link while BFD is up, however often a busy machine made it go down before: (when, events until then)."""
    for _ in range(20):
        rig.wait_for(lambda: is_up(router), 'BFD', explain=router.explain)
        time.sleep(0.5)  # at the slow rate until both agreed on the fast one
        n = len(router.events)
        # the first command warms up what the measured one needs
        world.cut('c0', 3)
        cut = world.cut('c0', 0)
        told = [e for e in router.seen('canary') if e['at'] < cut]
        if told[-1]['up']:
            return cut, n
        world.cut('c0', 3)
    raise AssertionError('BFD does not stay up\n' + router.explain())


@pytest.mark.parametrize('interval', [10, 100])
def test_bfd(world, interval, record_property):
    bird.Neighbour(world.er, provider(more='bfd on;', interval=interval))
    r = world.router(links=[{**LINK0, 'bfd': True, 'interval': interval, 'multiplier': 3}], peers=[{**PEER0, 'bfd': True}])
    wait_routes(r, {k: v for k, v in ALL.items() if k[0] == 1})
    r.wait('canary', device='l0', v6=False, up=True)
    cut, n = cut_alive(world, r)
    rig.wait_for(lambda: not is_up(r), 'BFD', explain=r.explain)
    down = r.seen('canary', up=False)[-1]['at']
    wait_routes(r, {})
    gone = r.seen('withdrawn', n)[-1]['at']
    print(f'BFD 3 x {interval} ms: link down after {(down - cut) * 1000:.1f} ms, routes withdrawn after {(gone - cut) * 1000:.1f} ms')
    record_property('down_ms', (down - cut) * 1000)
    # on a machine that others load: far less than the 180 s of BGP alone
    assert 0 < down - cut < 1.5
    world.cut('c0', 3)
    rig.wait_for(lambda: is_up(r), 'BFD', explain=r.explain)
    wait_routes(r, {k: v for k, v in ALL.items() if k[0] == 1})


def test_bird_killed(world):
    er = bird.Neighbour(world.er, provider())
    world.gw.run('ip', 'link', 'set', 'c1', 'down')  # this one is not resumed, and keeps the others from nothing
    r = world.router(links=[LINK0, LINK1], peers=[PEER0, PEER0_V6, PEER1])
    wait_routes(r, ALL)
    n = len(r.events)
    was = r.status()['bird']
    os.kill(was, 9)
    r.wait('bird', since=n, runs=False)
    r.wait('bird', since=n, runs=True)
    for peer in (1, 2):
        r.wait('peer', since=n, peer=peer, up=True)
    s = r.status()
    assert s['restarts'] == 1 and s['bird'] != was
    # graceful restart, both ways: neither took the other's routes away
    er.configure(provider(['10.99.0.0/16']))
    wait_routes(r, {(1, '10.99.0.0/16'): 1, (2, 'fd00:99::/32'): 1})
    first = next(i for i, e in enumerate(r.events) if i >= n and e['event'] == 'withdrawn')
    assert [e for e in r.events[n:first] if e['event'] == 'peer' and e['up']], r.explain()
    assert len(r.seen('withdrawn', n)) == 2, r.explain()


def test_bird_killed_again_and_again(world):
    """Each time it waits longer before it starts it anew; what was learnt stays, and the session comes back at last."""
    bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0])
    want = {k: v for k, v in ALL.items() if k[0] == 1}
    wait_routes(r, want)
    n = len(r.events)
    for i in range(4):
        pid = rig.wait_for(lambda: r.status()['bird'], 'BIRD', explain=r.explain)
        died = len(r.events)
        os.kill(pid, 9)
        r.wait('bird', since=died, runs=False)
        r.wait('bird', since=died, runs=True)
    assert r.status()['restarts'] == 4
    with open(r.log.name) as f:
        assert re.findall(r'router-bird-died .* again-in=(\d+)ms', f.read()) == ['100', '200', '400', '800']
    rig.wait_for(lambda: r.peer(1)['up'], 'the session', 60, r.explain)
    assert routes(r) == want and not r.seen('withdrawn', n), r.explain()


def test_daemon_killed(world):
    er = bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0], tuns=[{'device': 'g0', 'local': ['10.1.255.30']}], networks=OWN)
    want = {k: v for k, v in ALL.items() if k[0] == 1}
    wait_routes(r, want)
    since, pid = er.session('p0'), r.status()['bird']
    mac = r.ask('device l0', 'device')
    r.kill()
    er.configure(provider(ROUTES4 + ['10.97.0.0/16']))
    r.events = []
    r.run()
    r.wait('synced')
    want[1, '10.97.0.0/16'] = 1
    wait_routes(r, want)
    s = r.status()
    assert s['adopted'] and s['bird'] == pid and s['restarts'] == 0
    assert er.session('p0') == since and since[0] == 'Established'
    again = r.ask('device l0', 'device')
    assert (again['ifindex'], again['mac']) == (mac['ifindex'], mac['mac'])
    assert r.ask('device g0', 'device')['fd'] >= 0
    # another configuration than the one that BIRD runs with: what is the same stays
    r.kill()
    r.events = []
    r.spec.update(networks=OWN[:1] + [{'prefix': '10.2.0.0/16', 'groups': [0]}], tuns=[])
    r.run()
    rig.wait_for(lambda: set(er.routes()) == {'10.1.0.0/16', '10.2.0.0/16'}, 'the new network', explain=r.explain)
    assert er.session('p0') == since
    # and when BIRD died, too, all is made anew
    r.kill()
    os.kill(pid, 9)
    rig.wait_for(lambda: not os.path.exists(f'/proc/{pid}') or 'Z' in open(f'/proc/{pid}/stat').read().split(')')[1], 'the end of BIRD')
    rig.wait_for(lambda: world.gw.run('ip', 'link', 'show', 'xgw-l0', check=False).returncode, 'the end of its namespace')
    r.events = []
    r.run()
    r.wait('started')
    world.join(r)
    wait_routes(r, want)
    assert not r.status()['adopted']


def test_follow(world):
    """Another link comes and goes; the first session does not notice."""
    er = bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0], networks=OWN)
    one = {k: v for k, v in ALL.items() if k[0] == 1}
    wait_routes(r, one)
    since = er.session('p0')
    assert r.follow(links=[LINK0, LINK1], peers=[PEER0, PEER1], tuns=[{'device': 'g7', 'local': ['10.1.255.30', 'fd00:1::30']}])['error'] == 0
    world.join(r)
    assert r.ask('device g7', 'device')['fd'] >= 0
    wait_routes(r, {**one, **{(3, p): 1 for p in ROUTES4}})
    assert er.session('p0') == since
    e = r.follow(links=[LINK0, {**LINK1, 'local4': '192.168.16.250/30'}])
    assert e['error'] < 0 and 'l1' in e['text'], e
    assert r.follow(links=[LINK0], peers=[PEER0], tuns=[])['error'] == 0
    assert r.ask('device g7', 'device')['fd'] < 0
    wait_routes(r, one)
    rig.wait_for(lambda: world.gw.run('ip', 'link', 'show', 'xgw-l1', check=False).returncode, 'the end of the link')
    assert er.session('p0') == since
    assert r.ask('device l1', 'device')['error'] < 0


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat') as f:
        words = f.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def test_many_routes(world, record_property):
    many = [f'{10 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24' for i in range(100000)]
    er = bird.Neighbour(world.er, provider([]))
    r = world.router(links=[LINK0], peers=[{**PEER0, 'limit': 0}])
    r.wait('peer', peer=1, up=True)
    er.write(provider(many))
    start = time.monotonic()
    er.ask('configure')
    told = r.wait('settled', 60, total=100000)['at']
    s = r.status()
    rig.wait_for(lambda: r.peer(1)['imported'] == [100000, 0], 'the status', explain=r.explain)
    work = cpu_seconds(r.popen.pid) + cpu_seconds(s['bird'])
    print(f'100 000 routes: {told - start:.2f} s from the peer\'s configuration, {work:.2f} s of CPU, lost {s["lost"]}')
    record_property('seconds', told - start)
    # the time on the wall is a machine's that others load, too; what BIRD and we work is not
    assert work < 2 and told - start < 40
    start = time.monotonic()
    er.ask('disable p0')
    gone = r.wait('settled', 60, withdrawn=100000)['at']
    print(f'100 000 withdrawn: {gone - start:.2f} s')
    assert r.status()['routes'] == 0


def test_more_than_netlink_keeps(world):
    """The daemon does not read for so long that the kernel has no room: all is read again, and is right."""
    many = [f'{10 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24' for i in range(10000)]
    er = bird.Neighbour(world.er, provider(many[:1000]))
    r = world.router(links=[LINK0], peers=[{**PEER0, 'limit': 0}], queueBytes=200000)
    rig.wait_for(lambda: r.status()['routes'] == 1000, 'the first routes', explain=r.explain)
    n, synced = len(r.events), len(r.seen('synced'))
    r.command('pause 3')
    er.configure(provider(many[500:]))
    r.wait('resumed', since=n)
    s = rig.wait_for(lambda: (s := r.status())['routes'] == 9500 and s, 'all routes', explain=r.explain)
    rig.wait_for(lambda: len(r.seen('synced')) > synced, 'the end of it', explain=r.explain)
    assert s['lost'] > 0, s
    r.wait('settled', since=n, withdrawn=500)


def test_sweep(world):
    bird.Neighbour(world.er, provider())
    r = world.router(links=[LINK0], peers=[PEER0], tuns=[{'device': 'g0', 'local': ['10.1.255.30']}],
                     instance='the-longest-name-of-an-instance.', name='/.."\n' + 'ü' * 37)
    wait_routes(r, {k: v for k, v in ALL.items() if k[0] == 1})
    pid = r.status()['bird']
    r.kill()
    would = r.sweep('--dry')
    assert any(f'BIRD {pid}' in x for x in would) and any('device l0' in x for x in would) and any('device g0' in x for x in would)
    assert world.gw.run('ip', 'link', 'show', 'xgw-l0', check=False).returncode == 0
    # as `xgw detach` does it
    said = world.gw.run(rig.XGW, 'detach', '--instance', r.spec['instance']).stdout
    assert f'BIRD {pid}' in said and 'device g0' in said, said
    assert world.gw.run('ip', 'link', 'show', 'xgw-l0', check=False).returncode
    assert pid not in world.gw.left()
    assert 'xgw' not in world.gw.run('ls', '/run').stdout
    assert r.sweep() == []


def test_refusals(world):
    """No BIRD, no free name: one clear error, and nothing is left."""
    def start(**spec):
        path = world.lab.file('spec.json', json.dumps({'instance': 'default', 'name': 'VNet1GW', 'bird': bird.BIRD, 'routerId': 1, **spec}))
        r = world.gw.run(bird.PROBE, path, check=False)
        assert r.returncode == 1, r.stdout
        assert world.gw.sh('find /run/xgw -type f 2> /dev/null || true').stdout == ''
        return r.stderr
    assert 'bird2' in start(bird='/nonexistent/bird')
    assert 'xgw-l0' not in world.gw.run('ip', '-br', 'link').stdout
    assert 'c0' in start(links=[{**LINK0, 'hostDevice': 'c0'}])
    assert 'not on it' in start(links=[{**LINK0, 'peer4': '10.0.0.1'}])
    assert 'twice in one router' in start(links=[LINK0, {**LINK0, 'device': 'l1', 'hostDevice': 'xgw-l1'}])
    assert 'of no TUN' in start(peers=[SITE])
    assert 'two sessions' in start(peers=[SITE, {**SITE, 'number': 18}], tuns=[{'device': 'g0', 'local': ['10.1.255.30']}])
