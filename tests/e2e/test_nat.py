# SPDX-License-Identifier: Apache-2.0
"""xgw behind a masquerading router: NAT detection moves IKE to port 4500 and ESP into UDP, by itself."""
import lab as rig


def behind_nat(lab):
    """alice 10.11.0.4 - gw1 (172.30.0.2) - nat (203.0.113.9) === wire === gw2 (203.0.113.2) - bob 10.22.0.4"""
    lab.wire = lab.switch('wire')
    lab.alice, lab.gw1, lab.nat, lab.gw2, lab.bob = (lab.host(n) for n in ('alice', 'gw1', 'nat', 'gw2', 'bob'))
    lab.plug(lab.wire, lab.nat, 'out')
    lab.plug(lab.wire, lab.gw2, 'wan')
    lab.cable(lab.gw1, 'wan', lab.nat, 'in')
    lab.cable(lab.alice, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.bob, 'eth0', lab.gw2, 'lan')
    lab.nat.address('out', '203.0.113.9/24')
    lab.nat.address('in', '172.30.0.1/24')
    lab.nat.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    lab.nat.run('nft', '-f', '-', text_in='table ip nat { chain post { type nat hook postrouting priority 100; '
                'oifname "out" masquerade; }\n}\n')
    lab.gw1.address('wan', '172.30.0.2/24')
    lab.gw1.route('default', 'via', '172.30.0.1')
    lab.gw2.address('wan', '203.0.113.2/24')
    lab.alice.address('eth0', '10.11.0.4/24')
    lab.bob.address('eth0', '10.22.0.4/24')
    lab.alice.route('default', 'via', '10.11.0.1')
    lab.bob.route('default', 'via', '10.22.0.1')


def side(host, number, public, peer, mode, **more):
    """Each knows the other by its identity; gw2 does not know the address that gw1 comes from."""
    other = 3 - number
    c = rig.gateway_config(
        f'VNet{number}', number, [f'10.{number * 11}.0.0/16'], f'10.{number * 11}.0.1/24', public,
        [{'name': 'tunnel', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Far', 'connectionMode': mode, **more}],
        sites=[{'name': 'Far', 'gatewayIpAddress': peer, 'identity': f'gw{other}.example.org',
                'addressSpace': [f'10.{other * 11}.0.0/16']}])
    c['virtualNetworkGateways'][0]['identity'] = f'gw{number}.example.org'
    return rig.Xgw(host, c)


def test_gateway_behind_nat(lab):
    behind_nat(lab)
    g1 = side(lab.gw1, 1, '172.30.0.2', '203.0.113.2', 'InitiatorOnly')
    g2 = side(lab.gw2, 2, '203.0.113.2', 'any', 'ResponderOnly')
    capture = rig.Capture(lab.wire, 'br0')
    g2.start()
    g1.start()
    for g in (g1, g2):
        assert g.wait_connected('tunnel')['childSas'][0]['encapsulation'] == 'udp'
    assert g2.connection('tunnel')['peer'].startswith('203.0.113.9')
    rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic',
                 explain=lambda: g1.explain() + g2.explain() + str(g1.drops()) + str(g2.drops()))
    lab.bob.ping('10.11.0.4')
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4') > 1e6
    assert rig.iperf(lab.alice, lab.bob, '10.22.0.4', reverse=True) > 1e6
    g1.command('rekey', 'tunnel')
    lab.alice.ping('10.22.0.4', count=10)
    capture.stop()
    assert capture.tshark('-Y', '_ws.malformed') == ''
    assert capture.tshark('-Y', 'udpencap') != ''
    assert capture.tshark('-Y', 'ip and not udp.port == 4500 and not isakmp and not igmp') == ''


def test_no_source_ports_by_flow_behind_nat(lab):
    """It would map each anew; both say so."""
    behind_nat(lab)
    g1 = side(lab.gw1, 1, '172.30.0.2', '203.0.113.2', 'InitiatorOnly', udpEncapsulation='always', udpPortEntropy=True)
    g2 = side(lab.gw2, 2, '203.0.113.2', 'any', 'ResponderOnly', udpPortEntropy=True)
    g2.start()
    g1.start()
    for g, why in ((g1, 'a NAT stands before us'), (g2, 'the peer does not offer it')):
        c = g.wait_connected('tunnel')
        assert not c['childSas'][0]['udpPortEntropy']
        assert any(f'udpPortEntropy is off: {why}' in e['text'] for e in c['events']), c['events']
    rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)


def renumber(lab, now, then, ports):
    """The router forgets its mappings and goes on with another address and other ports."""
    lab.nat.run('nft', 'flush', 'chain', 'ip', 'nat', 'post')
    lab.nat.run('nft', 'add', 'rule', 'ip', 'nat', 'post', 'oifname', 'out', 'meta', 'l4proto', 'udp', 'masquerade', 'to', f':{ports}')
    lab.nat.run('ip', 'address', 'del', now, 'dev', 'out')  # with its address masquerading drops what it knows of it
    lab.nat.address('out', then)


def test_mapping_of_the_nat_changes(lab):
    """ESP from elsewhere is enough: probes of IKE are an hour away."""
    behind_nat(lab)
    g1 = side(lab.gw1, 1, '172.30.0.2', '203.0.113.2', 'InitiatorOnly', dpdTimeoutSeconds=3600)
    g2 = side(lab.gw2, 2, '203.0.113.2', 'any', 'ResponderOnly', dpdTimeoutSeconds=3600)
    g2.start()
    g1.start()
    for g in (g1, g2):
        g.wait_connected('tunnel')
    lab.alice.ping('10.22.0.4')
    spi = g2.connection('tunnel')['childSas'][0]['spiIn']
    for now, then, ports in (('203.0.113.9/24', '203.0.113.10/24', '20000-20009'), ('203.0.113.10/24', '203.0.113.11/24', '30000-30009')):
        renumber(lab, now, then, ports)
        rig.wait_for(lambda: lab.alice.once('10.22.0.4'), 'traffic by the new mapping',
                     explain=lambda: g1.explain() + g2.explain() + str(g1.drops()) + str(g2.drops()))
        address = then.split('/')[0]
        # the worker that saw it sends there at once, and tells
        rig.wait_for(lambda: g2.connection('tunnel')['peer'].startswith(address), 'the peer to be there', explain=g2.explain)
        c = g2.connection('tunnel')
        moves = [e['text'] for e in c['events'] if 'NAT moved it' in e['text']]
        assert moves and f'to {address}:{ports[:4]}' in moves[-1], c['events']
        lab.bob.ping('10.11.0.4')
        assert c['childSas'][0]['spiIn'] == spi and c['connectionStatus'] == 'Connected'
    g2.command('rekey', 'tunnel')  # IKE finds the peer there too
    rig.wait_for(lambda: g2.connection('tunnel')['childSas'][0]['spiIn'] != spi, 'a new child SA', explain=g2.explain)
    lab.alice.ping('10.22.0.4')
