# SPDX-License-Identifier: Apache-2.0
"""
What peers may say, and what becomes of it: announcements that no router of good will would make (bgp_speaker.py in place of the provider's
router on the second link), more of them than any table has room for, advertisedPrefixes that change, and users' routes to the gateway,
which follow what is learnt. The pictures are those of test_circuits.py and test_bgp_tunnels.py.
"""
import json
import re

import bird
import lab as rig
import test_bgp_tunnels as tunnels
import test_circuits as circuits

# for benchmarks (RFC 2544): no one's in the lab, and unlike those of documentation no bogon, so that the rules of their own are met
PUBLIC = ('198.18.0.1', '198.18.0.5')
FIRST = '192.168.16.253'
BAD = {'refused-own': ['10.11.0.0/16'], 'refused-inside': ['10.11.7.0/24', '10.11.0.4/32'], 'refused-public': ['198.18.0.1/32'],
       'refused-outer': ['198.18.0.5/32'],
       'refused-bogon': ['203.0.113.0/24', '169.254.7.0/24', '192.0.2.1/32', '127.1.0.0/16', '224.1.0.0/16', '240.0.0.0/8']}


def second_speaks(lab, **peering):
    """A gateway whose second link's peer is ours to play."""
    w = circuits.World(lab, PUBLIC)
    provider = circuits.PROVIDER[:circuits.PROVIDER.index('protocol bgp er_two')]
    w.bird = bird.Neighbour(w.pe, provider % {'ms': 30})
    given = circuits.config(bfd=False, **peering)
    given['virtualNetworkGateways'][0]['publicIPAddress'], given['localNetworkGateways'][0]['gatewayIpAddress'] = PUBLIC
    w.g = rig.Xgw(w.gw, given).start()
    rig.wait_for(lambda: peer(w, FIRST)['prefixesAccepted'] == 1, 'the provider\'s route', 60, w.explain)
    w.speaker = bird.Speaker(w.pe, '192.168.17.253', '192.168.17.254', 65010)
    return w


def peer(w, address='192.168.17.253'):
    return next(p for p in w.g.json('status')['bgpPeers'] if p['peer'] == address)


def bird_of(w):
    """The process of the gateway's router."""
    return int(re.findall(r'(?:router-started .*bird|router-bird-runs pid)=(\d+)', w.g.process.text())[-1])


def test_every_bad_announcement_has_its_counter(lab):
    w = second_speaks(lab)
    w.speaker.say('announce ' + ' '.join(p for ps in BAD.values() for p in ps) + ' 0.0.0.0/0 10.0.0.0/8')
    want = {reason: len(ps) for reason, ps in BAD.items()}
    rig.wait_for(lambda: peer(w)['refused'] == want, 'the counters', 30, lambda: str(peer(w)) + w.explain())
    assert peer(w)['prefixesAccepted'] == 2 and not peer(w, FIRST)['refused']
    text = w.g.command('status').stdout
    line = next(x for x in text.split('\n') if 'refused:' in x)
    assert all(f'{reason} {n}' in line or f'{reason}={n}' in line or re.search(rf'{reason}\W+{n}\b', line) for reason, n in want.items()), line
    candidates = {r['prefix']: r['candidates'] for r in w.g.json('dump', 'routes', '--all')['routes'] if r.get('virtualNetwork') == 'VNet1'}
    for reason, prefixes in BAD.items():
        for p in prefixes:
            told = [c['reason'] for c in candidates.get(p, []) if c['peer'] == '192.168.17.253']
            # what BIRD takes from nobody is counted alone
            assert told == [reason] or (reason == 'refused-bogon' and not told), (p, told)
    # the network and the tunnel stay what they are, and the default route leads where nothing else does
    assert w.way('10.11.0.9')['route']['prefix'] == '10.11.0.0/16' and w.way('198.18.0.5')['route']['prefix'] == '0.0.0.0/0'
    assert w.way('10.99.0.4')['verdict'] == 'circuit'


def test_as_loops_are_counted(lab):
    """Routes with our own AS number in their path: none is taken, those of others' are, and one that was taken before goes."""
    w = second_speaks(lab)
    w.speaker.say('announce 10.40.0.0/16')
    w.speaker.say('via 64700 10.41.0.0/16')
    rig.wait_for(lambda: peer(w)['prefixesAccepted'] == 2 and not peer(w)['refused'], 'the good ones', 30, lambda: str(peer(w)) + w.explain())
    w.speaker.say('via 65515 10.40.0.0/16 10.42.0.0/16')
    rig.wait_for(lambda: peer(w)['refused'] == {'refused-as-loop': 2}, 'the counter', 30, lambda: str(peer(w)) + w.explain())
    p = rig.wait_for(lambda: (p := peer(w))['prefixesAccepted'] == 1 and p, 'the first to go', 30, lambda: str(peer(w)) + w.explain())
    assert p['prefixesReceived'] == 1 and not peer(w, FIRST)['refused'], p
    assert re.search(r'refused:.*refused-as-loop\W+2\b', w.g.command('status').stdout)
    assert w.way('10.41.0.1')['verdict'] == 'circuit' and w.way('10.40.0.1')['verdict'] != 'circuit' and w.way('10.42.0.1')['verdict'] != 'circuit'
    # another session counts from its own start, and what was counted stays
    w.speaker.end()
    rig.wait_for(lambda: not peer(w)['up'], 'the session to end', 30, w.explain)
    w.speaker = bird.Speaker(w.pe, '192.168.17.253', '192.168.17.254', 65010)
    w.speaker.say('via 65515 10.43.0.0/16')
    rig.wait_for(lambda: peer(w)['refused'] == {'refused-as-loop': 3}, 'one more', 30, lambda: str(peer(w)) + w.explain())


def test_a_million_routes(lab):
    """The session is closed at the limit; memory and the other peer's routes stay as they are."""
    w = second_speaks(lab)
    before = w.g.resident_kb()
    w.speaker.say('many 1000000', wait=False)
    over = rig.wait_for(lambda: (p := peer(w))['overLimit'] and p, 'the limit', 60, w.explain)
    assert over['prefixLimit'] == 4000 and over['closedForLimit'] == 1 and 'limit' in over['lastError'], over
    rig.wait_for(lambda: w.speaker.seen('closed'), 'the session to be closed', 30, w.explain)
    rig.wait_for(lambda: w.g.json('status')['learntRoutes']['learnt'] == 1, 'its routes to go', 30, w.explain)
    assert len(re.findall('bgp-limit', w.g.process.text())) == 1
    assert 'over its limit of 4000 prefixes' in w.g.command('status').stdout
    assert w.g.resident_kb() - before < 20000
    with open(f'/proc/{bird_of(w)}/status') as f:
        assert int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1)) < 60000
    assert peer(w, FIRST)['prefixesAccepted'] == 1 and w.way()['verdict'] == 'circuit'


def test_a_peer_that_never_rests(lab):
    """Thousands of routes come and go again and again, and the session too: memory is that of the first rounds, and so are the routes."""
    w = second_speaks(lab)

    def sizes():
        with open(f'/proc/{bird_of(w)}/status') as f:
            of_bird = int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1))
        return [w.g.resident_kb(), of_bird, w.g.json('status')['learntRoutes']['memoryBytes'] // 1024]

    def rounds(n):
        for _ in range(n):
            w.speaker.say('many 3500')
            w.speaker.say('no-more 3500')
        rig.wait_for(lambda: w.g.json('status')['learntRoutes']['learnt'] == 1, 'all to be withdrawn', 60, w.explain)
        w.speaker.end()
        rig.wait_for(lambda: not peer(w)['up'], 'the session to end', 30, w.explain)
        w.speaker = bird.Speaker(w.pe, '192.168.17.253', '192.168.17.254', 65010)
    rounds(5)
    before = sizes()
    for _ in range(2):
        rounds(15)
    after = sizes()
    assert all(b - a < 2000 for a, b in zip(before, after)), (before, after)
    w.speaker.say('many 3500')
    rig.wait_for(lambda: peer(w)['prefixesAccepted'] == 3500, 'the routes', 30, w.explain)
    assert w.way('16.13.171.1')['verdict'] == 'circuit' and peer(w)['closedForLimit'] == 0 and not peer(w)['refused']


def test_advertised_prefixes_change(lab):
    """What was refused before is taken, and the other way round, without the peer saying it again."""
    w = second_speaks(lab, advertisedPrefixes=['10.99.0.0/16', '10.40.0.0/16', '10.40.7.0/24'])
    w.speaker.say('announce 10.40.0.0/16 10.41.0.0/16')
    rig.wait_for(lambda: peer(w)['refused'] == {'refused-not-advertised': 1}, 'the counter', 30, w.explain)
    assert w.way('10.40.0.1')['verdict'] == 'circuit' and w.way('10.41.0.1')['verdict'] != 'circuit'
    with open(w.g.config) as f:
        text = f.read()
    with open(w.g.config, 'w') as f:
        f.write(text.replace('10.40.', '10.41.'))
    w.g.command('reload')
    rig.wait_for(lambda: w.way('10.41.0.1')['verdict'] == 'circuit' and w.way('10.40.0.1')['verdict'] != 'circuit', 'the other way round', 30, w.explain)
    # the session's state is asked for once a second
    p = rig.wait_for(lambda: (p := peer(w))['state'] == 'Established' and p, 'the session', 10, w.explain)
    assert (p['prefixesReceived'], p['prefixesAccepted']) == (2, 1) and not w.speaker.seen('closed'), p


def test_users_routes_follow_the_gateway(lab, monkeypatch):
    """10.11.0.4 has a route table: all goes to the gateway, whose routes are learnt by BGP in its tunnel."""
    plain = tunnels.gateway

    def gateway(n, asn, others):
        c = plain(n, asn, others)
        if n == 1:
            c['routeTables'] = [{'name': 'forced', 'routes': [{'name': 'all', 'addressPrefix': '0.0.0.0/0', 'nextHopType': 'VirtualNetworkGateway'},
                                                              {'name': 'wide', 'addressPrefix': '10.33.128.0/17', 'nextHopType': 'VirtualNetworkGateway'},
                                                              {'name': 'none', 'addressPrefix': '10.22.7.0/24', 'nextHopType': 'None'}]}]
            c['virtualNetworks'][0]['subnets'].append({'name': 'hosts', 'addressPrefix': '10.11.0.0/24', 'routeTable': 'forced'})
        return c
    monkeypatch.setattr(tunnels, 'gateway', gateway)
    c = tunnels.Chain(lab)
    rig.wait_for(c.peers_up, 'all sessions', 90, c.explain)
    rig.wait_for(lambda: c.way(1, '10.33.0.4')['verdict'] == 'tunnel', 'the far network', 60, c.explain)

    def followed():
        return {r['prefix']: r['learntPrefix'] for r in c.gateways[1].json('dump', 'routes', '--all')['userRoutes']}
    # a longer prefix that is learnt goes before the user's, which follows a larger one
    assert c.way(1, '10.33.0.4')['route'] == {'prefix': '10.33.0.0/16', 'source': 'bgp'}
    far = c.way(1, '10.33.200.1')
    assert far['verdict'] == 'tunnel' and far['route'] == {'prefix': '10.33.128.0/17', 'source': 'user'} and far['table'] == 'VNet1/forced', far
    assert followed() == {'0.0.0.0/0': None, '10.33.128.0/17': '10.33.0.0/16'}
    assert c.way(1, '10.22.7.1')['verdict'] == 'drop' and c.way(1, '8.8.8.8')['verdict'] == 'drop'
    assert '10.33.128.0/17 of route table VNet1/forced follows 10.33.0.0/16 VNet1' in c.gateways[1].command('dump', 'routes', '--all').stdout
    # and packets go there
    c.hosts[3].address('eth0', '10.33.200.1/32')
    c.hosts[1].ping('10.33.200.1', count=3)
    # what is withdrawn leads nowhere again
    c.gateways[3].process.stop()
    rig.wait_for(lambda: c.way(1, '10.33.200.1')['verdict'] == 'drop' and followed()['10.33.128.0/17'] is None, 'the route to be withdrawn', 90, c.explain)


def test_typed_routes_come_back_without_bgp(lab):
    """A reload takes the circuit away, with all who could announce anything: the site's prefix goes by its tunnel again."""
    w = circuits.World(lab).start()
    assert w.way()['verdict'] == 'circuit'
    given = circuits.config()
    del given['expressRouteCircuits'], given['virtualNetworkGateways'][1]
    given['connections'] = given['connections'][1:]
    with open(w.g.config, 'w') as f:
        f.write(json.dumps(given))
    w.g.command('reload')
    rig.wait_for(lambda: w.way()['verdict'] == 'tunnel', 'the tunnel', 30, lambda: str(w.way()) + w.g.explain())
    assert w.way()['route'] == {'prefix': '10.99.0.0/16', 'source': 'static'}
