# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw with certificates: traffic, what `xgw check` says of them, a revoked one."""
import json
import os

import lab as rig
import pytest
from pki import DAY, NOW, Entity


def write(lab, name, content, mode=0o600):
    path = os.path.join(lab.dir, name)
    with open(path, 'wb') as f:
        f.write(content)
    os.chmod(path, mode)
    return path


class World:
    def __init__(self, kind, until=NOW + 365 * DAY):
        self.root = Entity('root', ca=True)
        self.middle = Entity('middle', by=self.root, ca=True)
        self.gw = [Entity(f'gw{n}', by=self.middle, kind=kind, san=f'gw{n}.example.org', until=until) for n in (1, 2)]

    def gateway(self, pair, n, **connection):
        host, other = (pair.gw1, 2) if n == 1 else (pair.gw2, 1)
        net, far = n * 11, other * 11
        c = rig.gateway_config(
            f'VNet{n}', 1000 + n, [f'10.{net}.0.0/16'], f'10.{net}.0.1/24', f'203.0.113.{n}',
            [{'name': f'to{other}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{other}GW',
              'authenticationType': 'Certificate', 'peerCertificateAuthority': write(pair, 'ca.pem', self.root.pem()), **connection}],
            remotes=[{'name': f'VNet{other}GW', 'publicIPAddress': f'203.0.113.{other}', 'identity': f'gw{other}.example.org',
                      'addressSpace': [f'10.{far}.0.0/16']}])
        own = self.gw[n - 1]
        c['virtualNetworkGateways'][0].update(
            identity=f'gw{n}.example.org', certificate={'chain': write(pair, f'gw{n}.pem', own.pem(self.middle)),
                                                        'key': {'file': write(pair, f'gw{n}.key', own.private())}})
        return rig.Xgw(host, c)


@pytest.mark.parametrize('kind', ['rsa', 'p256', 'ed25519'])
def test_traffic(pair, kind):
    w = World(kind)
    g1, g2 = w.gateway(pair, 1).start(), w.gateway(pair, 2, ocspResponses=[]).start()
    g1.wait_connected('to2')
    g2.wait_connected('to1')
    pair.alice.ping('10.22.0.4')
    g1.command('rekey', 'to2')
    g1.command('reset', 'to2')
    g1.wait_connected('to2')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    for g in (g1, g2):
        assert 'PRIVATE KEY' not in g.process.text() and 'BEGIN' not in g.process.text()


def test_a_revoked_peer_stays_out(pair):
    w = World('p256')
    crl = write(pair, 'middle.crl', w.middle.crl(w.gw[0]))
    g2 = w.gateway(pair, 2, certificateRevocationLists=[crl], connectionMode='ResponderOnly').start()
    g1 = w.gateway(pair, 1).start()
    rig.wait_for(lambda: 'AUTHENTICATION_FAILED' in (g1.connection('to2')['lastError'] or ''), 'the refusal', explain=g1.explain)
    said = g2.connection('to1')['lastError'] or ''
    assert 'CN=gw1' in said and 'revoked on' in said, said
    assert 'revoked' not in (g1.connection('to2')['lastError'] or '')  # a peer is told no details


def test_check_tells_before_it_fails(pair):
    w = World('p256', until=NOW + 20 * DAY)
    g = w.gateway(pair, 1)
    r = json.loads(pair.gw1.run(rig.XGW, 'check', '-c', g.config, '--json').stdout)
    assert r['ok'] and any('in less than 30 days' in f['text'] for f in r['findings']), r
    write(pair, 'gw1.key', w.gw[1].private())
    r = json.loads(pair.gw1.run(rig.XGW, 'check', '-c', g.config, '--json', check=False).stdout)
    assert not r['ok'] and any('the key is not that of the first certificate' in f['text'] for f in r['findings']), r
    write(pair, 'gw1.key', w.gw[0].private(), 0o644)
    r = json.loads(pair.gw1.run(rig.XGW, 'check', '-c', g.config, '--json', check=False).stdout)
    assert any('can be read or changed by others' in f['text'] for f in r['findings']), r


def test_reload(pair):
    """The same files, and their order, change nothing; a CRL that says something new is asked at once."""
    w = World('p256')
    crl = write(pair, 'middle.crl', w.middle.crl())
    g1 = w.gateway(pair, 1)
    g2 = w.gateway(pair, 2, certificateRevocationLists=[crl], connectionMode='ResponderOnly').start()
    g1.start()
    g1.wait_connected('to2')
    g2.wait_connected('to1')
    spi = g2.connection('to1')['ikeSpiInitiator']
    for _ in range(2):
        assert '1 connection kept' in g2.command('reload').stdout
        assert g2.connection('to1')['ikeSpiInitiator'] == spi
    g1.command('reset', 'to2')  # with what has been taken over twice
    g1.wait_connected('to2')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic', explain=g1.explain)
    write(pair, 'middle.crl', w.middle.crl(w.gw[0]))
    assert '1 connection changed' in g2.command('reload').stdout
    rig.wait_for(lambda: 'AUTHENTICATION_FAILED' in (g1.connection('to2')['lastError'] or ''), 'the refusal', explain=g1.explain)
    assert 'revoked' in (g2.connection('to1')['lastError'] or '')
