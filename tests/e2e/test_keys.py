# SPDX-License-Identifier: Apache-2.0
"""`xgw keys`: what it prints lets tshark read IKE and ESP; without host.exportKeys it prints nothing, and nothing says a key."""
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import lab as rig  # noqa: E402
from test_tunnels import gateways  # noqa: E402

POLICIES = {
    'gcm': {'ikeEncryption': 'GCMAES256', 'ikeIntegrity': 'SHA384', 'dhGroup': 'ECP384', 'ipsecEncryption': 'GCMAES256',
            'ipsecIntegrity': 'GCMAES256', 'pfsGroup': 'None'},
    'cbc': {'ikeEncryption': 'AES256', 'ikeIntegrity': 'SHA256', 'dhGroup': 'DHGroup14', 'ipsecEncryption': 'AES128',
            'ipsecIntegrity': 'SHA1', 'pfsGroup': 'None'},
}


def read(capture, tables, *words):
    uat = [w for name, lines in tables.items() for line in lines if not line.startswith('#') for w in ('-o', f'uat:{name}:{line}')]
    r = subprocess.run(['tshark', '-n', '-r', capture.path, '-o', 'esp.enable_encryption_decode:TRUE', *uat, *words],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


def allow(g, value=True):
    with open(g.config) as f:
        c = json.load(f)
    c['host']['exportKeys'] = value
    with open(g.config, 'w') as f:
        json.dump(c, f)


@pytest.mark.parametrize('policy', POLICIES)
def test_tshark_reads_what_the_keys_open(pair, policy):
    g1, g2 = gateways(pair, start=False, connection={'ipsecPolicies': [POLICIES[policy]]})
    allow(g1)
    capture = rig.Capture(pair.wire, 'br0')
    g1.start()
    g2.start()
    g1.wait_connected('to2')
    pair.alice.ping('10.22.0.4')
    tables = g1.json('keys', 'to2')
    text = g1.command('keys').stdout
    capture.stop()
    assert len(tables['ikev2_decryption_table']) >= 1 and len(tables['esp_sa']) >= 2
    assert all(line in text for lines in tables.values() for line in lines)
    assert text.startswith('# ikev2_decryption_table\n')
    assert read(capture, {}, '-Y', 'isakmp.auth.data') == ''
    assert read(capture, tables, '-Y', 'isakmp.auth.data') != ''
    assert '10.22.0.4' in read(capture, tables, '-Y', 'icmp && esp', '-T', 'fields', '-e', 'ip.dst')
    assert read(capture, tables, '-Y', '_ws.malformed') == ''
    assert 'keys-exported name=to2' in g1.process.text()
    keys = {w for lines in tables.values() for line in lines for w in line.replace('"', '').replace('0x', '').split(',') if len(w) >= 32 and ' ' not in w}
    assert len(keys) >= 4 and not any(k in g1.process.text() for k in keys)


def test_refused_by_default(pair):
    g1, _ = gateways(pair)
    r = g1.command('keys', check=False)
    assert r.returncode == 1 and r.stdout == '' and 'exportKeys' in r.stderr, r
    r = g1.command('keys', 'nobody', check=False)
    assert r.returncode == 1 and 'exportKeys' in r.stderr
