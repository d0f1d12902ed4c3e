# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw by IKEv1: native ESP, ESP in UDP, IPv6, policy-based gateways, rekeying under traffic, a peer that dies."""
import json
import signal

import lab as rig
import pytest
from test_tunnels import gateways, no_malformed, only_esp_on

V1 = {'connectionProtocol': 'IKEv1'}


def events(g, name):
    return ' / '.join(e['text'] for e in g.connection(name)['events'])


def settled(g, name):
    """One SA for each family."""
    rig.wait_for(lambda: len(g.connection(name)['childSas']) == 2, 'an SA for each family, and no more',
                 explain=lambda: g.explain() + str(g.connection(name)))


def test_traffic_and_only_esp_on_the_wire(pair):
    capture = rig.Capture(pair.wire, 'br0')
    g1, g2 = gateways(pair, connection=V1)
    pair.alice.ping('10.22.0.4')
    pair.bob.ping('10.11.0.4')
    _, name, want = rig.serve_file(pair.bob)
    assert rig.fetch_sum(pair.alice, f'http://10.22.0.4:8080/{name}') == want
    capture.stop()
    only_esp_on(capture)
    no_malformed(capture)
    # version 1 in every message of IKE, and main mode, then quick mode
    assert set(capture.tshark('-Y', 'isakmp', '-T', 'fields', '-e', 'isakmp.version').split()) == {'0x10'}
    kinds = capture.tshark('-Y', 'isakmp', '-T', 'fields', '-e', 'isakmp.exchangetype').split()
    assert kinds[:6] == ['2'] * 6 and '32' in kinds and set(kinds) <= {'2', '32', '5'}, kinds
    c = g1.connection('to2')
    assert c['ikeVersion'] == 'IKEv1' and c['ikeProposal'] == 'AES256-SHA256-PRFSHA256-ECP384', c
    assert c['childSas'][0]['encapsulation'] == 'esp' and c['childSas'][0]['proposal'] == 'AES256GCM16', c
    # both families have a pair of selectors, and each its SA; what both ends began at once is settled
    settled(g1, 'to2')
    mine = {(s['spiIn'], s['spiOut']) for s in g1.connection('to2')['childSas']}
    assert mine == {(s['spiOut'], s['spiIn']) for s in g2.connection('to1')['childSas']}
    shown = g1.command('status', 'to2').stdout
    assert 'IKEv1' in shown, shown


def test_ipv6(pair):
    """Both families inside, IPv6 outside."""
    for host, net in ((pair.alice, 11), (pair.bob, 22)):
        host.route('default', 'via', f'fd00:{net}::1')
    made = gateways(pair, start=False, public=('2001:db8::1', '2001:db8::2'), connection=V1)
    for i, (g, host) in enumerate(zip(made, (pair.gw1, pair.gw2))):
        host.run('ip', 'address', 'add', f'fd00:{(i + 1) * 11}::1/64', 'dev', 'lan', 'nodad')
        g.start()
    made[0].wait_connected('to2')
    for address in ('10.22.0.4', 'fd00:22::4'):
        rig.wait_for(lambda: pair.alice.once(address), f'{address} through the tunnel',
                     explain=lambda: made[0].explain() + made[1].explain() + str(made[0].drops()))


def test_in_udp(pair):
    g1, _ = gateways(pair, connection={**V1, 'udpEncapsulation': 'always'})
    capture = rig.Capture(pair.wire, 'br0')
    pair.alice.ping('10.22.0.4')
    capture.stop()
    only_esp_on(capture, udp=True)
    assert g1.connection('to2')['childSas'][0]['encapsulation'] == 'udp'


def policy_based(pair, n, mode):
    other = 3 - n
    c = rig.gateway_config(
        f'VNet{n}', 1000 + n, [f'10.{n * 11}.0.0/16', f'10.{n * 11 + 1}.0.0/16'], f'10.{n * 11}.0.1/24', f'203.0.113.{n}',
        [{'name': f'to{other}', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Far', 'connectionMode': mode}],
        sites=[{'name': 'Far', 'gatewayIpAddress': f'203.0.113.{other}',
                'addressSpace': [f'10.{other * 11}.0.0/16', f'10.{other * 11 + 1}.0.0/16']}])
    c['virtualNetworkGateways'][0]['vpnType'] = 'PolicyBased'
    return rig.Xgw((pair.gw1, pair.gw2)[n - 1], c)


def test_policy_based(pair):
    """Two prefixes on each side: a pair of selectors each, and no packet outside of them."""
    g2 = policy_based(pair, 2, 'ResponderOnly').start()
    g1 = policy_based(pair, 1, 'InitiatorOnly').start()
    g1.wait_connected('to2')
    rig.wait_for(lambda: len(g2.connection('to1')['childSas']) == 4, 'four child SAs', explain=g2.explain)
    c = g1.connection('to2')
    assert c['ikeVersion'] == 'IKEv1' and c['childSas'][0]['proposal'] == 'AES256-SHA256', c
    pairs = {(s['localTs'][0], s['remoteTs'][0]) for s in c['childSas']}
    assert pairs == {(a, b) for a in ('10.11.0.0/16', '10.12.0.0/16') for b in ('10.22.0.0/16', '10.23.0.0/16')}
    assert g1.json('status')['gateways'][0]['vpnType'] == 'PolicyBased'
    pair.alice.ping('10.22.0.4')
    pair.bob.ping('10.11.0.4')
    used = [s for s in g1.connection('to2')['childSas'] if s['bytesOut']]
    assert [(s['localTs'], s['remoteTs']) for s in used] == [(['10.11.0.0/16'], ['10.22.0.0/16'])]
    # a refused packet has a reason: no pair holds its source
    pair.alice.address('eth0', '172.31.0.4/32')
    pair.alice.ping('10.22.0.4', check=False, count=1, more=('-I', '172.31.0.4'))
    assert g1.drops().get('selector-out') or g1.drops().get('source'), g1.drops()


@pytest.mark.parametrize('who', [1, 2])
def test_rekeying_loses_no_packet(pair, who):
    """Both SAs, by either side, with traffic on its way: not one of 200 pings is lost."""
    g1, g2 = gateways(pair, connection=V1)
    pair.alice.ping('10.22.0.4')
    g, name = ((g1, 'to2'), (g2, 'to1'))[who - 1]
    settled(g1, 'to2')
    settled(g2, 'to1')
    first = {s['spiIn'] for s in g.connection(name)['childSas']}
    pings = pair.alice.start('ping', '-n', '-i', '0.05', '-c', '200', '10.22.0.4', name='pings')
    rig.wait_for(lambda: 'icmp_seq=10' in pings.text(), 'pings to flow')
    g.command('rekey', name)
    rig.wait_for(lambda: 'ISAKMP SA rekeyed by us' in events(g, name), 'the ISAKMP SA to be rekeyed', explain=g.explain)
    rig.wait_for(lambda: 'child SA rekeyed by us' in events(g, name), 'a child SA to be rekeyed', explain=g.explain)
    rig.wait_for(lambda: '200 packets transmitted' in pings.text(), 'all pings', 30, pings.text)
    assert ' 0% packet loss' in pings.text(), pings.text()[-500:] + g1.explain() + g2.explain()
    rig.wait_for(lambda: not first & {s['spiIn'] for s in g.connection(name)['childSas']}, 'the old ones to go',
                 explain=lambda: g.explain() + str(g.connection(name)))


def test_a_peer_that_starts_anew(pair):
    """Killed, so that it says nothing; INITIAL-CONTACT clears what it left, long before the timeout does."""
    g1, g2 = gateways(pair, connection={**V1, 'dpdTimeoutSeconds': 3600})
    pair.alice.ping('10.22.0.4')
    g2.process.stop(signal.SIGKILL)
    g2.start()
    g2.wait_connected('to1')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic again',
                 explain=lambda: g1.explain() + g2.explain())
    assert 'started anew' in events(g1, 'to2'), g1.explain()


def test_a_peer_of_the_other_version(pair):
    """One end says IKEv1, the other IKEv2: each says what it waits for."""
    made = gateways(pair, start=False)
    with open(made[0].config) as f:
        c = json.load(f)
    c['connections'][0]['connectionProtocol'] = 'IKEv1'
    pair.file('gw1.yaml', json.dumps(c))
    for g in made:
        g.start()
    for g, name, ours, theirs in ((made[0], 'to2', 1, 2), (made[1], 'to1', 2, 1)):
        rig.wait_for(lambda: f'begins by IKEv{theirs}, this connection is by IKEv{ours}' in (g.connection(name)['lastError'] or ''),
                     'the reason', explain=g.explain)
        assert g.connection(name)['connectionStatus'] != 'Connected'
