# SPDX-License-Identifier: Apache-2.0
"""`xgw bench`: what programs outside read; the rig of scripts/bench-clients.py. No figure is judged."""
import json
import os
import subprocess

import lab as rig


def test_handshakes():
    r = subprocess.run([rig.XGW, 'bench', 'ike', '--json'], capture_output=True, text=True, check=True, timeout=120)
    said = json.loads(r.stdout)
    assert set(said) == {'machine', 'results'}
    assert [row['case'] for row in said['results']] == ['PSK-CURVE25519', 'PSK-ECP256', 'RSA2048-ECP256']
    for row in said['results']:
        assert row['handshakesPerSecond'] > 0 and row['rawHandshakesPerSecond'] > 0, row
        assert abs(row['ratio'] - row['rawHandshakesPerSecond'] / row['handshakesPerSecond']) < 1e-6


def test_unknown_benchmark_is_refused():
    r = subprocess.run([rig.XGW, 'bench', 'tcp'], capture_output=True, text=True)
    assert r.returncode == 2 and "'tcp'" in r.stderr and 'esp, xdp and ike' in r.stderr


def test_clients(tmp_path):
    """Two clients with bulk traffic both ways; without the peers that only the benchmark needs."""
    script, out = os.path.join(rig.ROOT, 'scripts', 'bench-clients.py'), tmp_path / 'table'
    subprocess.run(['/usr/bin/python3', '-B', script, '--rounds', '1', '--seconds', '0.5', '--clients', '1,2', '--ways', 'sstp', '--calls', '0',
                    '--output', str(out)], check=True, timeout=120)
    rows = [line.split(' | ') for line in out.read_text().splitlines() if 'SSTP' in line]
    assert len(rows) == 4 and all(float(row[1].split()[0]) > 0 for row in rows), out.read_text()
