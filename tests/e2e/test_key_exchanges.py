# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw: additional key exchanges (RFC 9370) and a post-quantum key, alone and together, with fragments where they are long."""
import glob
import json
import os
import subprocess

import lab as rig
import pytest
from test_tunnels import gateways, no_malformed

POLICY = {'ikeEncryption': 'GCMAES256', 'ikeIntegrity': 'GCMAES256', 'dhGroup': 'CURVE25519', 'ipsecEncryption': 'GCMAES256',
          'ipsecIntegrity': 'GCMAES256'}
KEY = {'postQuantumPreSharedKey': {'id': 'autumn', 'key': '0123456789abcdef0123456789abcdef'}, 'requirePostQuantum': True}


@pytest.mark.parametrize('more', [{}, KEY], ids=['alone', 'with-key'])
def test_additional_key_exchanges(pair, more):
    capture = rig.Capture(pair.wire, 'br0')
    policy = {**POLICY, 'additionalKeyExchanges': ['ECP384', 'DHGroup16'], 'pfsGroup': 'ECP256'}
    g1, g2 = gateways(pair, connection={'ipsecPolicies': [policy], 'ikeFragmentSize': 576, **more})
    pair.alice.ping('10.22.0.4')
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert '-CURVE25519-ECP384-MODP4096' in g.connection(name)['ikeProposal'], g.explain()
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        g.command('rekey', name)
        rig.wait_for(lambda: any('IKE SA rekeyed' in e['text'] for e in g.connection(name)['events']), 'a rekeying', explain=g.explain)
        rig.wait_for(lambda: any('child SA rekeyed by us' in e['text'] for e in g.connection(name)['events']), 'a rekeying of the child', explain=g.explain)
        pair.alice.ping('10.22.0.4')
    capture.stop()
    no_malformed(capture)
    assert capture.tshark('-Y', 'isakmp.exchangetype == 43') != ''
    assert capture.tshark('-Y', 'isakmp.exchangetype == 43 and isakmp.typepayload == 53') != '', 'a public value of 512 bytes in fragments'
    # behind both kinds of CREATE_CHILD_SA, from both sides, two each
    followed = capture.tshark('-Y', 'isakmp.exchangetype == 44', '-T', 'fields', '-e', 'isakmp.ispi', '-e', 'isakmp.messageid', '-e', 'ip.src')
    assert len(set(followed.splitlines())) >= 16, followed
    assert capture.tshark('-Y', 'ip.flags.mf == 1 or ip.frag_offset > 0') == ''


def test_only_one_end(pair):
    """Then there is no tunnel, and both say which key exchange differs."""
    made = gateways(pair, start=False, connection={'ipsecPolicies': [POLICY]},
                    two={'ipsecPolicies': [{**POLICY, 'additionalKeyExchanges': ['ECP384']}]})
    for g in made:
        g.start()
    rig.wait_for(lambda: 'additional key exchange 1' in (made[1].connection('to1')['lastError'] or '') or
                 'additional key exchange 1' in (made[0].connection('to2')['lastError'] or ''), 'the reason', explain=made[1].explain)


KEMS = ['MLKEM768', 'MLKEM1024', 'MLKEM512']
PEERS = os.path.join(rig.ROOT, 'build-peers', 'openssl')


def has_mlkem(xgw):
    said = subprocess.run([xgw, 'version', '--json'], stdout=subprocess.PIPE, text=True, check=True)
    return set(KEMS) <= set(json.loads(said.stdout)['keyExchanges'])


@pytest.fixture
def newer(tmp_path):
    """Runs a program with a library that has ML-KEM: the machine's, or the one that scripts/dependencies.sh put aside."""
    if has_mlkem(rig.XGW):
        return lambda program: program

    def beside(program):
        loader = glob.glob(f'{PEERS}/usr/lib/*/ld-linux-*')
        assert loader, f'{PEERS} is missing: run scripts/dependencies.sh test'
        path = os.path.join(tmp_path, os.path.basename(program))
        here = os.path.dirname(loader[0])
        with open(path, 'w') as f:
            f.write(f'#!/bin/sh\nexec {loader[0]} --library-path {here}:{here.removeprefix(PEERS)} {program} "$@"\n')
        os.chmod(path, 0o755)
        return path
    return beside


@pytest.mark.parametrize('program', ['unit/ike/test_dh', 'sim/sim_additional'])
def test_mlkem_in_process(newer, program):
    r = subprocess.run([newer(os.path.join(rig.ROOT, 'build', 'tests', program))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert r.returncode == 0 and 'has no ML-KEM' not in r.stdout, r.stdout


def test_mlkem(pair, newer, monkeypatch):
    """The keys of a tunnel that is recorded today are not to be had by a quantum computer of tomorrow."""
    monkeypatch.setattr(rig, 'XGW', newer(rig.XGW))
    assert has_mlkem(rig.XGW)
    capture = rig.Capture(pair.wire, 'br0')
    policy = {**POLICY, 'additionalKeyExchanges': KEMS, 'pfsGroup': 'ECP256'}
    g1, g2 = gateways(pair, connection={'ipsecPolicies': [policy]})
    pair.alice.ping('10.22.0.4')
    for g, name in ((g1, 'to2'), (g2, 'to1')):
        assert '-CURVE25519-MLKEM768-MLKEM1024-MLKEM512' in g.connection(name)['ikeProposal'], g.explain()
        before = g.connection(name)
        g.command('rekey', name)
        rig.wait_for(lambda: all(g.connection(name)[k] > before[k] for k in ('rekeysIke', 'rekeysChild')), 'the rekeying', explain=g.explain)
        pair.alice.ping('10.22.0.4')
    capture.stop()
    no_malformed(capture)
    assert capture.tshark('-Y', 'ip.flags.mf == 1 or ip.frag_offset > 0') == ''


def test_mlkem_where_the_library_has_none(tmp_path):
    """Refused by its name, not ignored; on a machine with a newer library it is taken."""
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1',
                           [{'name': 'toSite', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5',
                             'ipsecPolicies': [{**POLICY, 'additionalKeyExchanges': ['MLKEM768']}]}],
                           sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24']}])
    path = os.path.join(tmp_path, 'gateway.yaml')
    with open(path, 'w') as f:
        json.dump(c, f, indent=1)
    r = subprocess.run([rig.XGW, 'check', '-c', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    version = subprocess.run([rig.XGW, 'version'], stdout=subprocess.PIPE, text=True).stdout
    if has_mlkem(rig.XGW):
        assert r.returncode == 0 and 'MLKEM768' in version, r.stdout
    else:
        assert r.returncode == 2 and 'additionalKeyExchanges: MLKEM768 needs OpenSSL 3.5 or later, and this is 3.' in r.stdout, r.stdout
        assert 'MLKEM512, MLKEM768, MLKEM1024 need OpenSSL 3.5' in version, version
