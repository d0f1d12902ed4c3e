# SPDX-License-Identifier: Apache-2.0
"""Verification of signatures against Wycheproof's vectors, ECDSA also in the form of RFC 4754 (r | s)."""
import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..')
WYCHEPROOF = os.path.join(ROOT, '..', 'shared', 'data', 'wycheproof')
# file, our kind, hash, salt, bytes of the curve's order
FILES = [('rsa_signature_2048_sha256', 'pkcs1', 2, 0, 0), ('rsa_pss_2048_sha256_mgf1_32', 'pss', 2, 32, 0),
         ('ecdsa_secp256r1_sha256', 'ecdsa', 2, 0, 32), ('ecdsa_secp384r1_sha384', 'ecdsa', 3, 0, 48), ('ed25519', 'ed25519', 5, 0, 0)]


def groups_of(name):
    path = os.path.join(WYCHEPROOF, f'{name}_test.json')
    if not os.path.exists(path):
        print(f'left out: {name} of Wycheproof, which is not beside this clone (shared/data/wycheproof)')
        return []
    with open(path) as f:
        return json.load(f)['testGroups']


def ask(lines):
    r = subprocess.run([os.path.join(ROOT, 'build', 'tests', 'interop', 'signature_peer')], input='\n'.join(lines) + '\n',
                       stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return r.stdout.split()


def flat(signature, n):
    """The same signature as r | s; None when it is not in DER or does not fit."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(n, 'big') + s.to_bytes(n, 'big')
    except (ValueError, OverflowError):
        return None


def check(lines, wanted):
    came = ask([line for line, _ in lines]) if lines else []
    assert len(came) == len(lines)
    for (_, t), is_good in zip(lines, came):
        if t['result'] != 'acceptable':  # legacy encodings: either answer is right
            assert (is_good == 'good') == (t['result'] == 'valid'), t
    assert not lines or len(lines) > wanted


# SECURITY B11 and B12: every forgery that Wycheproof knows; tests/unit/auth/test_forgery.c has those of that list.
@pytest.mark.parametrize('name,kind,hash,salt,order', FILES, ids=[f[0] for f in FILES])
def test_wycheproof(name, kind, hash, salt, order):
    check([(f"{kind} {hash} {salt} {g['publicKeyDer']} {t['msg'] or '-'} {t['sig'] or '-'}", t)
           for g in groups_of(name) for t in g['tests']], 100)


@pytest.mark.parametrize('name,kind,hash,salt,order', FILES[2:4], ids=[f[0] for f in FILES[2:4]])
def test_wycheproof_plain(name, kind, hash, salt, order):
    rows = [(g, t, flat(bytes.fromhex(t['sig']), order)) for g in groups_of(name) for t in g['tests']]
    check([(f"plain {hash} 0 {g['publicKeyDer']} {t['msg'] or '-'} {s.hex()}", t) for g, t, s in rows if s], 100)


def test_plain_of_a_wrong_length():
    for g in groups_of('ecdsa_secp256r1_sha256'):
        for t in [t for t in g['tests'] if t['result'] == 'valid'][:20]:
            s = flat(bytes.fromhex(t['sig']), 32).hex()
            head = f"plain 2 0 {g['publicKeyDer']} {t['msg'] or '-'} "
            assert ask([head + s, head + s + '00', head + s[:-2], head + '-']) == ['good', 'bad', 'bad', 'bad']
