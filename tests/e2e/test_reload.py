# SPDX-License-Identifier: Apache-2.0
"""`xgw reload` and SIGHUP: what did not change loses no packet and no SA; what is wrong changes nothing."""
import copy
import json
import os
import re
import signal
import subprocess
import threading
import time

import lab as rig
import pytest


def config_of(n, others):
    """Gateway n of VNet n, connected to these."""
    return rig.gateway_config(
        f'VNet{n}', 1000 + n, [f'10.{n * 11}.0.0/16', f'fd00:{n * 11}::/48'], f'10.{n * 11}.0.1/24', f'203.0.113.{n}',
        [{'name': f'to{o}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{o}GW'} for o in others],
        remotes=[{'name': f'VNet{o}GW', 'publicIPAddress': f'203.0.113.{o}', 'addressSpace': [f'10.{o * 11}.0.0/16']}
                 for o in others])


class Gateway(rig.Xgw):
    def __init__(self, host, config):
        super().__init__(host, config)
        self.now = config

    def write(self, config):
        self.now = config
        with open(self.config, 'w') as f:
            json.dump(config, f, indent=1)

    def reload(self, config=None, check=True):
        if config is not None:
            self.write(config)
        return self.command('reload', check=check)

    def spis(self, name):
        c = self.connection(name)
        return c['ikeSpiInitiator'], sorted((s['spiIn'], s['spiOut']) for s in c['childSas'])

    def maps(self):
        """What the maps hold that a configuration puts there."""
        return {m: self.json('dump', m)['entries'] for m in
                ('names', 'ports', 'attachments', 'attachments_in', 'addresses', 'endpoints', 'next_hops', 'routes4', 'routes6')}


@pytest.fixture
def three(pair):
    """`pair`, and carol 10.33.0.4 - gw3 (203.0.113.3, not started) on the same wire; gw1 is connected to gw2 only."""
    carol, gw3 = pair.host('carol'), pair.host('gw3')
    pair.plug(pair.wire, gw3, 'wan')
    pair.cable(carol, 'eth0', gw3, 'lan')
    gw3.address('wan', '203.0.113.3/24')
    carol.address('eth0', '10.33.0.4/24')
    carol.route('default', 'via', '10.33.0.1')
    pair.carol = carol
    pair.g1, pair.g2, pair.g3 = (Gateway(h, config_of(n, o)) for h, n, o in
                                 ((pair.gw1, 1, [2]), (pair.gw2, 2, [1]), (gw3, 3, [1])))
    for g in (pair.g1, pair.g2):
        g.start(wait=False)
    rig.wait_for(lambda: pair.g1.ready() and pair.g2.ready(), 'both to be ready', 90, pair.g1.process.text)
    pair.g1.wait_connected('to2')
    pair.g2.wait_connected('to1')
    return pair


class Stream:
    """UDP from one host to another behind everything else; what it lost."""

    def __init__(self, client, server, address, seconds):
        self.report = None
        self.thread = threading.Thread(target=self.run, args=(client, server, address, seconds))
        self.thread.start()

    def run(self, *where):
        self.report = rig.iperf(*where[:3], seconds=where[3], udp=('4M', 500))

    def lost(self):
        self.thread.join()
        assert self.report['packets'] > 3000, self.report
        return self.report['lost_packets']


def more(config):
    """Other VNets, with endpoints and gateways of their own, in front of those that are there."""
    c = copy.deepcopy(config)
    c['virtualNetworks'] = [{
        'name': f'Extra{i}', 'id': 50 + i, 'addressSpace': [f'10.11{i}.0.0/16'],
        'subnets': [{'name': 'GatewaySubnet', 'addressPrefix': f'10.11{i}.255.0/27'}],
        'attachments': [{'port': 'lan0', 'encapsulation': 'vxlan', 'vni': 7000 + i, 'localAddress': '192.0.2.1',
                         'address': f'10.11{i}.0.1/24'}],
        'endpoints': [{'address': f'10.11{i}.0.{k}', 'mac': f'02:00:00:00:00:{k:02x}', 'host': '192.0.2.9'} for k in (4, 5)],
    } for i in range(3)] + c['virtualNetworks']
    c['virtualNetworkGateways'] = [{'name': 'ExtraGW', 'virtualNetwork': 'Extra1', 'publicIPAddress': '203.0.113.11'}
                                   ] + c['virtualNetworkGateways']
    c['localNetworkGateways'] = [{'name': 'Site', 'gatewayIpAddress': '198.51.100.77', 'addressSpace': ['192.168.77.0/24']}]
    c['connections'] = [{'name': 'toSite', 'connectionType': 'IPsec', 'virtualNetworkGateway1': 'ExtraGW', 'localNetworkGateway2':
                         'Site', 'sharedKey': rig.PSK, 'connectionMode': 'ResponderOnly'}] + c['connections']
    return c


def test_what_did_not_change_loses_nothing(three):
    g1, g3 = three.g1, three.g3.start()
    three.gw1.address('wan', '203.0.113.11/24')
    three.alice.ping('10.22.0.4')
    before, spis, far = g1.now, g1.spis('to2'), three.g2.spis('to1')
    stream = Stream(three.alice, three.bob, '10.22.0.4', 14)
    time.sleep(1)
    # a connection, in front of the one that is there
    both = config_of(1, [3, 2])
    said = g1.reload(both).stdout
    assert '1 connection added' in said and '1 connection kept' in said, said
    g1.wait_connected('to3')
    three.alice.ping('10.33.0.4')
    # VNets, endpoints, a gateway at another address
    said = g1.reload(more(both)).stdout
    assert '3 virtual networks added' in said and '6 endpoints added' in said and '2 connections kept' in said, said
    assert '"toSite"' in json.dumps(g1.maps()['names'])
    listening = three.gw1.run('ss', '-lun').stdout
    assert '203.0.113.11:500' in listening and '203.0.113.11:4500' in listening
    # another policy of to3: a new IKE SA for that alone
    policy = {'ipsecPolicies': [{'ikeEncryption': 'AES256', 'ikeIntegrity': 'SHA384', 'dhGroup': 'ECP384',
                                 'ipsecEncryption': 'GCMAES256', 'ipsecIntegrity': 'GCMAES256', 'pfsGroup': 'ECP384',
                                 'saLifeTimeSeconds': 3600, 'saDataSizeKilobytes': 102400000}]}
    changed = more(both)
    next(c for c in changed['connections'] if c['name'] == 'to3').update(policy)
    old3 = g1.spis('to3')
    three3 = config_of(3, [1])
    three3['connections'][0].update(policy)
    g3.reload(three3)
    said = g1.reload(changed).stdout
    assert '1 connection changed' in said and '2 connections kept' in said, said
    rig.wait_for(lambda: g1.connection('to3')['connectionStatus'] == 'Connected' and g1.spis('to3') != old3, 'to3 anew',
                 explain=g1.explain)
    assert 'AES256-SHA384' in g1.connection('to3')['ikeProposal'], g1.connection('to3')
    three.alice.ping('10.33.0.4')
    # only the prefixes behind to3: routes alone
    spi3 = g1.spis('to3')
    wider = copy.deepcopy(changed)
    next(r for r in wider['remoteGateways'] if r['name'] == 'VNet3GW')['addressSpace'] += ['10.34.0.0/16']
    said = g1.reload(wider).stdout
    assert '1 route added, 3 connections kept' in said, said
    assert g1.spis('to3') == spi3
    # and all that is away again, by a signal
    g1.write(before)
    os.kill(g1.process.popen.pid, signal.SIGHUP)
    rig.wait_for(lambda: len(g1.json('status')['connections']) == 1, 'the signal to be heard', explain=g1.explain)
    assert g1.spis('to2') == spis and three.g2.spis('to1') == far
    assert stream.lost() == 0
    assert g1.maps()['routes4'] and '203.0.113.11:500' not in three.gw1.run('ss', '-lun').stdout
    # gw3 was told, and what it sends is dropped
    rig.wait_for(lambda: g3.connection('to1')['connectionStatus'] != 'Connected', 'gw3 to be told', explain=g3.explain)
    assert three.carol.run('ping', '-c', '1', '-W', '1', '10.11.0.4', check=False).returncode != 0
    assert three.alice.run('ping', '-c', '1', '-W', '1', '10.33.0.4', check=False).returncode != 0
    assert g1.drops().get('no-route', 0) > 0, g1.drops()
    three.alice.ping('10.22.0.4')


def numbers_counters_and_hosts(three):
    """Adding and taking away in front of everything leads back to the same maps; a gateway's counters outlive others that come and
    another bandwidth; hosts of an attachment that goes are forgotten."""
    g1 = three.g1
    three.gw1.address('wan', '203.0.113.11/24')
    three.alice.ping('10.22.0.4')
    before, maps = g1.now, g1.maps()
    for _ in range(2):
        g1.reload(more(before))
        assert g1.maps() != maps
        g1.reload(before)
        assert g1.maps() == maps
    assert 'nothing of these changed, 1 connection kept' in g1.reload().stdout

    def counters():
        return next(g for g in g1.json('status')['gateways'] if g['name'] == 'VNet1GW')

    def hosts():
        return json.dumps(g1.json('dump', 'endpoints')['entries'])

    had, before = counters()['egressPackets'], g1.now
    assert had >= 3 and counters()['bandwidthInMbps'] is None
    assert '10.11.0.4' in hosts()
    limited = more(before)
    limited['virtualNetworkGateways'][-1]['bandwidthInMbps'] = 50
    g1.reload(limited)
    assert counters()['egressPackets'] >= had and counters()['bandwidthInMbps'] == 50
    three.alice.ping('10.22.0.4')
    assert counters()['egressPackets'] >= had + 3
    # alice's network is a VLAN now
    tagged = copy.deepcopy(before)
    tagged['virtualNetworks'][0]['attachments'] = [{'port': 'lan0', 'encapsulation': 'vlan', 'vlanId': 5, 'address': '10.11.0.1/24'}]
    spis = g1.spis('to2')
    g1.reload(tagged)
    rig.wait_for(lambda: '10.11.0.4' not in hosts(), 'the host to be forgotten', explain=hosts)
    assert '10.11.0.1/24' not in three.gw1.run('ip', 'addr', 'show', 'lan').stdout
    assert three.alice.run('ping', '-c', '1', '-W', '1', '10.22.0.4', check=False).returncode != 0
    g1.reload(before)
    assert '10.11.0.1/24' in three.gw1.run('ip', 'addr', 'show', 'lan').stdout
    rig.wait_for(lambda: three.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    assert g1.spis('to2') == spis


def test_maps_follow_and_what_is_wrong_changes_nothing(three):
    numbers_counters_and_hosts(three)
    three.gw1.run('ip', 'addr', 'del', '203.0.113.11/24', 'dev', 'wan')
    g1 = three.g1
    maps, spis = g1.maps(), g1.spis('to2')
    wrong = more(g1.now)
    wrong['connections'][0]['localNetworkGateway2'] = 'Nowhere'
    good = g1.now
    r = g1.reload(wrong, check=False)
    assert r.returncode == 2 and f'{g1.config}:' in r.stderr and 'Nowhere' in r.stderr, r.stderr
    assert 'nothing was changed' in r.stderr, r.stderr
    # an address that the host does not have
    r = g1.reload(more(good), check=False)
    assert r.returncode == 1 and '203.0.113.11' in r.stderr and 'nothing was changed' in r.stderr, r.stderr
    # what needs a restart is named, line by line
    restart = copy.deepcopy(good)
    restart['host'].update({'workers': 1, 'xdpMode': 'generic'})
    restart['host']['ports'][1]['device'] = 'other'
    r = g1.reload(restart, check=False)
    assert r.returncode == 1 and all(w in r.stderr for w in ("host.workers", 'host.xdpMode', "port 'lan0'")), r.stderr
    assert g1.command('reload', '-c', '/nonexistent', check=False).returncode == 2
    assert g1.maps() == maps and g1.spis('to2') == spis
    # another file becomes the current one, and the next reload takes it again
    g1.write(wrong)
    other = three.file('other.yaml', json.dumps(config_of(1, [2, 3])))
    said = g1.command('reload', '-c', other).stdout
    assert '1 connection added' in said, said
    assert '2 connections kept' in g1.command('reload').stdout
    assert g1.spis('to2') == spis
    document = g1.json('reload')
    assert document['ok'] and document['milliseconds']['longestPause'] < 1000, document


@pytest.fixture
def many(lab):
    """A gateway of 64 networks and 100 connections to sites with 40 000 prefixes, nobody at their other ends."""
    host, other = lab.host('gw'), lab.host('other')
    for device, address in (('wan', '203.0.113.1/24'), ('lan', '192.0.2.1/24')):
        lab.cable(other, device, host, device)
        host.address(device, address)
    text = subprocess.run([os.path.join(rig.ROOT, 'scripts', 'make-large.py'), '--vnets', '64', '--connections', '100', '--prefixes', '40000',
                           '--endpoints', '1000', '--key', rig.PSK, '--uplink', 'wan', '--lan', 'lan'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    for a in sorted(set(re.findall(r'publicIPAddress: ([0-9.]+)', text))):
        host.address('wan', f'{a}/32')
    g = rig.Xgw(host, text)
    g.start()
    return g


def test_memory_does_not_grow_with_the_reloads(many):
    """What a reload needs beside the configuration in force, some 20 MiB here, is the kernel's again after it, be it accepted or not."""
    with open(many.config) as f:
        text = f.read()

    def reload(n):
        wrong = n % 4 == 3
        with open(many.config, 'w') as f:
            f.write(text.replace('128.0.0.0/24', f'203.0.{n}.0/24').replace('virtualNetwork: vnet0', f'virtualNetwork: vnet{"X" if wrong else 0}'))
        assert many.command('reload', check=False).returncode == (2 if wrong else 0)

    def settled(below):
        return rig.wait_for(lambda: many.resident_kb() < below, f'less than {below} kB, after {many.resident_kb()}', 10)

    start = many.resident_kb()
    for n in range(1, 25):
        reload(n)
        if n % 8 == 0:
            settled(start + 10 * 1024)
