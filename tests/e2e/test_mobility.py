# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw when outer addresses change (MOBIKE): native ESP, onto a path with a NAT, a path that breaks; a new IKE SA."""
import re
import time

import lab as rig


def topology(lab):
    """alice 10.11.0.4 - gw1 (203.0.113.1) === wire === gw2 (203.0.113.2) - bob 10.22.0.4"""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'gw2', 'bob'))
    lab.plug(lab.wire, lab.gw1, 'wan')
    lab.plug(lab.wire, lab.gw2, 'wan')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.bob, 'eth0', lab.gw2, 'lan')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.bob.address('eth0', '10.22.0.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    lab.bob.route('default', 'via', '10.22.0.1')


def side(host, number, **more):
    other = 3 - number
    c = rig.gateway_config(
        f'VNet{number}', number, [f'10.{number * 11}.0.0/16'], f'10.{number * 11}.0.1/24', f'203.0.113.{number}',
        [{'name': 'tunnel', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Far', 'dpdTimeoutSeconds': 30,
          'connectionMode': 'InitiatorOnly' if number == 1 else 'ResponderOnly', 'mobike': 'on', **more}],
        sites=[{'name': 'Far', 'gatewayIpAddress': f'203.0.113.{other}', 'addressSpace': [f'10.{other * 11}.0.0/16']}])
    return rig.Xgw(host, c)


def connected(lab, **more):
    topology(lab)
    g2, g1 = side(lab.gw2, 2, **more).start(), side(lab.gw1, 1, **more).start()
    for g in (g1, g2):
        assert g.wait_connected('tunnel')['childSas'][0]['encapsulation'] == 'esp'
    rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic',
                 explain=lambda: g1.explain() + g2.explain())
    return g1, g2


def both(g1, g2):
    return g1.explain() + str(g1.drops()) + g2.explain() + str(g2.drops())


def wait_ends(g1, g2, a, b):
    def there():
        x, y = g1.connection('tunnel'), g2.connection('tunnel')
        return (x['localEndpoint'], x['remoteEndpoint'], y['localEndpoint'], y['remoteEndpoint']) == (a, b, b, a)
    rig.wait_for(there, f'the tunnel between {a} and {b}', 40, explain=lambda: both(g1, g2))


def test_both_ends_move(lab):
    g1, g2 = connected(lab)
    spi = g1.connection('tunnel')['childSas'][0]['spiIn']
    lab.gw1.run('ip', 'address', 'flush', 'dev', 'wan')
    lab.gw1.address('wan', '203.0.113.77/24')
    wait_ends(g1, g2, '203.0.113.77:4500', '203.0.113.2:4500')
    lab.alice.ping('10.22.0.4', count=5)
    lab.bob.ping('10.11.0.4', count=5)
    lab.gw2.run('ip', 'address', 'flush', 'dev', 'wan')
    lab.gw2.address('wan', '203.0.113.88/24')  # the responder says so, the initiator moves
    wait_ends(g1, g2, '203.0.113.77:4500', '203.0.113.88:4500')
    capture = rig.Capture(lab.wire, 'br0')
    lab.alice.ping('10.22.0.4', count=5)
    lab.bob.ping('10.11.0.4', count=5)
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4') > 1e6
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', reverse=True) > 1e6
    assert g1.connection('tunnel')['childSas'][0]['spiIn'] == spi
    capture.stop()
    assert capture.tshark('-Y', 'esp and not (ip.addr == 203.0.113.77 and ip.addr == 203.0.113.88)') == ''
    for g in (g1, g2):
        g.command('rekey', 'tunnel')
        lab.alice.ping('10.22.0.4', count=3)
        assert 'connection-down' not in g.process.text()


def test_path_breaks(lab):
    """gw2 has a second address; the way to the first one ends without a word."""
    topology(lab)
    lab.gw2.address('wan', '203.0.113.22/24')
    g2, g1 = side(lab.gw2, 2).start(), side(lab.gw1, 1).start()
    g1.wait_connected('tunnel')
    rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic', explain=lambda: both(g1, g2))
    lab.wire.run('nft', '-f', '-', text_in='table bridge cut { chain path { type filter hook forward priority 0; '
                 'ip daddr 203.0.113.2 drop; ip saddr 203.0.113.2 drop; }; }\n')
    wait_ends(g1, g2, '203.0.113.1:4500', '203.0.113.22:4500')
    lab.alice.ping('10.22.0.4', count=5)
    assert 'connection-down' not in g1.process.text()


def test_onto_a_path_with_a_nat(lab):
    """A router that masquerades comes between; ESP goes into UDP, with the same SAs."""
    g1, g2 = connected(lab)
    nat = lab.host('nat')
    lab.plug(lab.wire, nat, 'out')
    nat.address('out', '203.0.113.9/24')
    # on the same wire, so that gw1 only needs another address and the router as its way
    nat.address('out', '172.30.1.1/24')
    nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.out.send_redirects=0')
    nat.run('nft', '-f', '-', text_in='table ip nat { chain post { type nat hook postrouting priority 100; '
            'ip saddr 172.30.1.0/24 masquerade; }; }\n')
    lab.gw1.run('ip', 'address', 'flush', 'dev', 'wan')
    lab.gw1.address('wan', '172.30.1.2/24')
    lab.gw1.route('default', 'via', '172.30.1.1')

    def moved():
        x, y = g1.connection('tunnel'), g2.connection('tunnel')
        return x['localEndpoint'] == '172.30.1.2:4500' and y['peer'] == '203.0.113.9' and y['childSas'][0]['encapsulation'] == 'udp'
    rig.wait_for(moved, 'the move', 40, explain=lambda: both(g1, g2))
    lab.alice.ping('10.22.0.4', count=5)
    lab.bob.ping('10.11.0.4', count=5)
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4') > 1e6
    for g in (g1, g2):
        assert 'connection-down' not in g.process.text()


def test_new_ike_sa_loses_no_packet(lab):
    g1, g2 = connected(lab, reauthenticationSeconds=300)
    first = g1.connection('tunnel')['ikeSpiInitiator']
    ping = lab.alice.start('ping', '-i', '0.05', '-W', '2', '10.22.0.4', name='ping')
    time.sleep(1)
    g1.command('reauthenticate', 'tunnel')
    rig.wait_for(lambda: g1.connection('tunnel')['ikeSpiInitiator'] != first, 'a new IKE SA', explain=lambda: both(g1, g2))
    rig.wait_for(lambda: len(g2.connection('tunnel')['childSas']) == 1, 'the old one to end', explain=lambda: both(g1, g2))
    ping.stop(2)
    sent, received = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', ping.text()).groups())
    assert sent > 20 and sent == received, ping.text()[-300:] + both(g1, g2)
    for g in (g1, g2):
        assert 'connection-down' not in g.process.text()
