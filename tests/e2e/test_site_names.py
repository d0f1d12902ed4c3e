# SPDX-License-Identifier: Apache-2.0
"""Sites by name (fqdn): looked up by a real server, followed when the address changes, and told when there is none."""
import os
import signal

import lab as rig
import pytest

NAME = 'gw2.branch.example'


class Dns:
    """dnsmasq beside the gateway, the one server of its /etc/resolv.conf, and what it knows; TTLs of 0, which the gateway bounds."""

    def __init__(self, host):
        self.host = host
        self.path = host.lab.file('names', '', 0o644)
        self.process = host.start('dnsmasq', '--no-daemon', '--no-resolv', '--no-hosts', f'--addn-hosts={self.path}', '--local=/example/',
                                  '--listen-address=127.0.0.53', '--bind-interfaces', '--user=root', '--pid-file=', '--log-queries',
                                  '--conf-file=/dev/null')
        rig.wait_for(lambda: 'started' in self.process.text(), 'dnsmasq to start', explain=self.process.text)
        host.run('mount', '--bind', host.lab.file('resolv.conf', 'nameserver 127.0.0.53\n', 0o644), '/etc/resolv.conf')
        self.hosts = host.lab.file('hosts', '127.0.0.1 localhost\n', 0o644)
        host.run('mount', '--bind', self.hosts, '/etc/hosts')

    def say(self, **names):
        """name=address: all that it knows from now on."""
        before = self.process.text().count('read ')
        with open(self.path, 'w') as f:
            f.write(''.join(f'{a} {n}.branch.example\n' for n, a in names.items()))
        self.process.popen.send_signal(signal.SIGHUP)
        rig.wait_for(lambda: self.process.text().count('read ') > before, 'dnsmasq to read', explain=self.process.text)


def by_name(**more):
    """gw1 of VNet1, with site gw2 by name and site gw3 by address."""
    sites = [{'name': 'Site2', 'fqdn': NAME, 'addressSpace': ['10.22.0.0/16']},
             {'name': 'Site3', 'gatewayIpAddress': '203.0.113.3', 'addressSpace': ['10.33.0.0/16']}]
    return rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1',
                              [{'name': f'to{n}', 'connectionType': 'IPsec', 'localNetworkGateway2': f'Site{n}', **more} for n in (2, 3)],
                              sites=sites)


def far(n, public):
    """They wait for gw1: when both sides begin at once, one of the two IKE SAs goes a moment later."""
    return rig.gateway_config(f'VNet{n}', 1000 + n, [f'10.{n * 11}.0.0/16'], f'10.{n * 11}.0.1/24', public,
                              [{'name': 'to1', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site1', 'connectionMode': 'ResponderOnly'}],
                              sites=[{'name': 'Site1', 'gatewayIpAddress': '203.0.113.1', 'addressSpace': ['10.11.0.0/16']}])


@pytest.fixture
def named(pair):
    """`pair` as a site by name, and gw3, a site by address; gw1 has a DNS server beside it, nobody runs yet."""
    pair.gw3 = pair.host('gw3')
    pair.carol = pair.host('carol')
    pair.plug(pair.wire, pair.gw3, 'wan')
    pair.cable(pair.carol, 'eth0', pair.gw3, 'lan')
    pair.gw3.address('wan', '203.0.113.3/24')
    pair.carol.address('eth0', '10.33.0.4/24')
    pair.carol.route('default', 'via', '10.33.0.1')
    pair.dns = Dns(pair.gw1)
    pair.g1 = rig.Xgw(pair.gw1, by_name())
    return pair


def spis(g, name):
    c = g.connection(name)
    return c['ikeSpiInitiator'], sorted((s['spiIn'], s['spiOut']) for s in c['childSas'])


def wait_error(g, text):
    return rig.wait_for(lambda: text in (g.connection('to2')['lastError'] or '') and g.connection('to2'), f'the error {text!r}',
                        explain=g.explain)


def test_the_site_moves_and_the_other_loses_nothing(named):
    g1, dns = named.g1, named.dns
    dns.say(gw2='203.0.113.2')
    g2, g3 = rig.Xgw(named.gw2, far(2, '203.0.113.2')), rig.Xgw(named.gw3, far(3, '203.0.113.3'))
    for g in (g1, g2, g3):
        g.start(wait=False)
    for g in (g1, g2, g3):
        rig.wait_for(g.ready, 'the gateways to be ready', 90, g.process.text)
    c = g1.wait_connected('to2')
    g1.wait_connected('to3')
    assert (c['peer'], c['fqdn'], c['lastError']) == ('203.0.113.2', NAME, None), c
    named.alice.ping('10.22.0.4')
    named.alice.ping('10.33.0.4')
    kept = spis(g1, 'to3')
    ping = named.alice.start('ping', '-n', '-i', '0.1', '10.33.0.4', name='ping')
    # the branch gets another address; what somebody has just written into the file is nobody's order
    with open(g1.config) as f:
        text = f.read()
    with open(g1.config, 'w') as f:
        f.write('being edited')
    g2.process.stop()
    named.gw2.address('wan', '203.0.113.22/24')
    g2 = rig.Xgw(named.gw2, far(2, '203.0.113.22')).start()
    dns.say(gw2='203.0.113.22')
    g1.command('reset', 'to2')
    c = rig.wait_for(lambda: g1.connection('to2')['peer'] == '203.0.113.22' and g1.wait_connected('to2'), 'the other address', 60, g1.explain)
    assert any(f'{NAME}: 203.0.113.22, before it 203.0.113.2' in e['text'] for e in c['events']), c['events']
    assert c['fqdnLookups']['moved'] == 2, c
    named.alice.ping('10.22.0.4')
    ping.stop(signal.SIGINT)
    assert ' 0% packet loss' in ping.text(), ping.text()[-300:]
    assert spis(g1, 'to3') == kept
    # a reload keeps what is known
    with open(g1.config, 'w') as f:
        f.write(text)
    kept2 = spis(g1, 'to2')
    assert '2 connections kept' in g1.command('reload').stdout
    assert spis(g1, 'to2') == kept2 and g1.connection('to2')['peer'] == '203.0.113.22'


def test_what_is_no_answer_is_told(named):
    g1, dns = named.g1, named.dns
    with open(g1.config) as f:
        assert '"fqdn"' in f.read()
    assert g1.host.run(rig.XGW, 'check', '-c', g1.config).returncode == 0
    assert 'query' not in dns.process.text()
    g1.start()
    c = wait_error(g1, 'NXDOMAIN')
    assert c['peer'] == 'unknown' and c['fqdn'] == NAME and 'waits' in c['lastError'], c
    # whatever lies
    for answer, why in (('127.0.0.1', 'a loopback address'), ('203.0.113.1', "an address of this gateway's host"),
                        ('203.0.113.3', 'the peer of to3, too')):
        dns.say(gw2=answer)
        c = wait_error(g1, why)
        assert c['peer'] == 'unknown', c
    assert c['fqdnLookups']['refused'] >= 3, c
    # nobody answers for an address that is not known
    dns.say(gw2='203.0.113.2')
    rig.wait_for(lambda: g1.connection('to2')['peer'] == '203.0.113.2', 'the address', explain=g1.explain)
    # the last address stays when the name goes, and when nobody answers
    dns.say()
    c = wait_error(g1, 'NXDOMAIN')
    assert c['peer'] == '203.0.113.2' and 'stays with 203.0.113.2' in c['lastError'], c
    dns.process.popen.send_signal(signal.SIGSTOP)
    c = wait_error(g1, 'no server of /etc/resolv.conf answered')
    assert c['peer'] == '203.0.113.2', c
    assert g1.process.text().count('NXDOMAIN') == 2, g1.process.text()
    # /etc/hosts goes before servers
    with open(dns.hosts, 'a') as f:
        f.write(f'203.0.113.22 {NAME}\n')
    rig.wait_for(lambda: g1.connection('to2')['peer'] == '203.0.113.22', 'what /etc/hosts says', explain=g1.explain)
    os.kill(dns.process.popen.pid, signal.SIGCONT)
    assert g1.process.stop() == 0, g1.process.text()
