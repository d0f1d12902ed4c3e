# SPDX-License-Identifier: Apache-2.0
"""The ESP transform of both back ends against Scapy's, and their cryptography against NIST's and Wycheproof's vectors."""
import hmac
import json
import os
import random
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..')
BACKENDS = ['ipsec-mb', 'openssl']
WYCHEPROOF = os.path.join(ROOT, '..', 'shared', 'data', 'wycheproof')
# ours, key and salt bytes, Scapy's
AEADS = [('GCMAES128', 20, 'AES-GCM'), ('GCMAES192', 28, 'AES-GCM'), ('GCMAES256', 36, 'AES-GCM'),
         ('CHACHA20POLY1305', 36, 'CHACHA20-POLY1305')]
CIPHERS = [('AES128', 16, 'AES-CBC'), ('AES192', 24, 'AES-CBC'), ('AES256', 32, 'AES-CBC'), ('DES3', 24, '3DES'), ('None', 0, 'NULL')]
HMACS = [('SHA1', 20, 'HMAC-SHA1-96', 'sha1', 12), ('SHA256', 32, 'SHA2-256-128', 'sha256', 16), ('SHA384', 48, 'SHA2-384-192', 'sha384', 24),
         ('SHA512', 64, 'SHA2-512-256', 'sha512', 32)]
ALL = [(e, e, n, 0, s, None) for e, n, s in AEADS] + [(e, a, n, k, s, t) for e, n, s in CIPHERS for a, k, t, _, _ in HMACS]


class Peer:
    def __init__(self):
        self.process = subprocess.Popen([os.path.join(ROOT, 'build', 'tests', 'interop', 'esp_peer')], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(' '.join(w.hex() or '-' if isinstance(w, bytes) else str(w) for w in words) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, f'esp_peer ended at {words[0]}'
        return answer

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def peer():
    p = Peer()
    yield p
    p.close()


# ---- packets ----

def inner(rng):
    size = rng.choice([0, 1, 2, 3, 14, 100, 577, 1372])
    if rng.random() < 0.3:
        return IPv6(src='fd00:11::4', dst='fd00:22::4') / ICMPv6EchoRequest(data=rng.randbytes(size))
    return IP(src='10.11.0.4', dst='10.22.0.4', tos=rng.choice([0, 0xb8])) / ICMP() / Raw(rng.randbytes(size))


class WithEsn:
    """Scapy's ESP with an HMAC leaves out the high half of the sequence number (RFC 4303 section 2.2.1): the ICV by hmac."""
    def __init__(self, digest, size):
        self.name, self.digest, self.icv_size, self.high = digest, digest, size, 0

    def check_key(self, key):
        pass

    def icv(self, esp, key):
        return hmac.digest(key, esp + self.high.to_bytes(4, 'big'), self.digest)[:self.icv_size]

    def sign(self, packet, key, **_):
        packet[ESP].data += self.icv(bytes(packet[ESP]), key)
        return packet

    def verify(self, esp, key, **_):
        whole = bytes(esp)
        assert whole[-self.icv_size:] == self.icv(whole[:-self.icv_size], key)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('algorithm', ALL, ids=lambda a: a[0] if a[0] == a[1] else f'{a[0]}-{a[1]}')
@pytest.mark.parametrize('way', ['esp', 'esn', 'udp', 'ipv6'])
def test_against_scapy(peer, backend, algorithm, way):
    encryption, integrity, key_len, auth_len, theirs, their_auth = algorithm
    rng = random.Random(f'{backend} {algorithm} {way}')
    key, auth = rng.randbytes(key_len), rng.randbytes(auth_len)
    ends = ('2001:db8::1', '2001:db8::2') if way == 'ipv6' else ('203.0.113.1', '203.0.113.2')
    esn, base = way == 'esn', 0x5ffffffff if way == 'esn' else 7
    if peer.ask('sa', backend, encryption, integrity, key + auth, *ends, 0xc0000001, 'udp' if way == 'udp' else 'esp', int(esn), base) == 'none':
        assert (backend, encryption) == ('ipsec-mb', 'DES3')
        return
    sa = SecurityAssociation(ESP, spi=0xc0000001, crypt_algo=theirs, crypt_key=key or None, auth_algo=their_auth or 'NULL', auth_key=auth or None,
                             tunnel_header=(IPv6 if way == 'ipv6' else IP)(src=ends[0], dst=ends[1]),
                             nat_t_header=UDP(sport=4500, dport=4500) if way == 'udp' else None, esn_en=esn)
    if esn and their_auth:
        sa.auth_algo = next(WithEsn(d, n) for a, _, _, d, n in HMACS if a == integrity)
    front = {'udp': 28, 'ipv6': 40}.get(way, 20)
    for i in range(1, 9):
        seq, packet = base + i, inner(rng)
        low, high = seq & 0xffffffff, seq >> 32
        if esn and their_auth:
            sa.auth_algo.high = high
        # ours to them
        ours = bytes.fromhex(peer.ask('encrypt', bytes(packet)))
        got = sa.decrypt((IPv6 if way == 'ipv6' else IP)(ours), esn_en=esn, esn=high)
        assert bytes(got) == bytes(packet)
        assert int.from_bytes(ours[front + 4:front + 8], 'big') == low
        # theirs to us
        packet = inner(rng)
        sa.seq_num = low  # Scapy takes 0 for none given
        made = bytes(sa.encrypt(packet, seq_num=low, esn_en=esn, esn=high))
        assert peer.ask('decrypt', made, front) == bytes(packet).hex()
        assert peer.ask('decrypt', made, front) == 'drop replay'
        # a number that did not come yet, and one bit of the rest wrong
        fresh = bytearray(bytes(sa.encrypt(packet, seq_num=(low + 20) & 0xffffffff, esn_en=esn, esn=high + (low + 20 > 0xffffffff))))
        fresh[rng.randrange(front + 8, len(fresh))] ^= 1 << rng.randrange(8)
        assert peer.ask('decrypt', bytes(fresh), front) == 'drop authentication'


# ---- vectors ----

def aead_case(peer, backend, name, t, salt_iv):
    """A vector's key, iv, aad, msg, ct, tag; valid or not."""
    opened = peer.ask('open', backend, name, name, t['key'] + salt_iv[:4], salt_iv, t['aad'], t['ct'], t['tag'])
    if not t['valid']:
        assert opened == 'bad', t
        return
    assert opened == (t['msg'].hex() or '-'), t
    assert peer.ask('seal', backend, name, name, t['key'] + salt_iv[:4], salt_iv, t['aad'], t['msg']) == f"{t['ct'].hex() or '-'} {t['tag'].hex()}"


def nist_cases(bits):
    import cryptography_vectors
    with cryptography_vectors.open_vector_file(f'ciphers/AES/GCM/gcmDecrypt{bits}.rsp', 'r') as f:
        t, section = {}, {}
        for line in f:
            line = line.strip()
            if line.startswith('['):
                k, _, v = line[1:-1].partition(' = ')
                section[k] = int(v)
            elif ' = ' in line or line.endswith('=') or line == 'FAIL':
                k, _, v = line.partition('=')
                t[k.strip()] = v.strip()
            elif not line and 'Tag' in t:
                if section['IVlen'] == 96 and section['Taglen'] == 128:
                    yield {'key': bytes.fromhex(t['Key']), 'iv': bytes.fromhex(t['IV']), 'aad': bytes.fromhex(t['AAD']), 'ct': bytes.fromhex(t['CT']),
                           'tag': bytes.fromhex(t['Tag']), 'msg': bytes.fromhex(t.get('PT', '')), 'valid': 'FAIL' not in t}
                t = {}


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('bits', [128, 192, 256])
def test_nist_gcm(peer, backend, bits):
    n = 0
    for t in nist_cases(bits):
        aead_case(peer, backend, f'GCMAES{bits}', t, t['iv'])
        n += 1
    assert n > 300


def wycheproof(name):
    path = os.path.join(WYCHEPROOF, name)
    if not os.path.exists(path):
        print(f'left out: {name} of Wycheproof, which is not beside this clone (shared/data/wycheproof)')
        return []
    with open(path) as f:
        return json.load(f)['testGroups']


def unhex(t, *names):
    return [bytes.fromhex(t[n]) for n in names]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('file, name', [('aes_gcm_test.json', 'GCMAES{}'), ('chacha20_poly1305_test.json', 'CHACHA20POLY1305')])
def test_wycheproof_aead(peer, backend, file, name):
    groups, n = wycheproof(file), 0
    for g in groups:
        if g['ivSize'] != 96 or g['tagSize'] != 128:
            continue
        for t in g['tests']:
            key, iv, aad, msg, ct, tag = unhex(t, 'key', 'iv', 'aad', 'msg', 'ct', 'tag')
            if len(aad) > 255:
                continue
            aead_case(peer, backend, name.format(g['keySize']),
                      {'key': key, 'aad': aad, 'msg': msg, 'ct': ct, 'tag': tag, 'valid': t['result'] == 'valid'}, iv)
            n += 1
    assert not groups or n > 60


@pytest.mark.parametrize('backend', BACKENDS)
def test_wycheproof_cbc(peer, backend):
    groups, n, head, auth = wycheproof('aes_cbc_pkcs5_test.json'), 0, bytes.fromhex('c000000100000001'), bytes(range(32))
    for g in groups:
        for t in (t for t in g['tests'] if t['result'] == 'valid'):
            key, iv, msg, ct = unhex(t, 'key', 'iv', 'msg', 'ct')
            pad = 16 - len(msg) % 16
            plain, name = msg + bytes([pad]) * pad, f"AES{g['keySize']}"
            icv = hmac.digest(auth, head + iv + ct, 'sha256')[:16]
            assert peer.ask('open', backend, name, 'SHA256', key + auth, iv, head, ct, icv) == plain.hex()
            assert peer.ask('seal', backend, name, 'SHA256', key + auth, iv, head, plain) == f'{ct.hex()} {icv.hex()}'
            n += 1
    assert not groups or n > 60


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('integrity', HMACS, ids=lambda a: a[0])
def test_wycheproof_hmac(peer, backend, integrity):
    name, key_len, _, digest, icv_len = integrity
    groups, n = wycheproof(f'hmac_{digest}_test.json'), 0
    for g in groups:
        if g['keySize'] != 8 * key_len or g['tagSize'] < 8 * icv_len:
            continue
        for t in g['tests']:
            key, msg, tag = unhex(t, 'key', 'msg', 'tag')
            if len(msg) < 12 or (t['result'] != 'valid' and hmac.digest(key, msg, digest)[:icv_len] == tag[:icv_len]):
                continue  # shorter than an ESP header with a trailer; or damaged behind the part that ESP keeps
            answer = peer.ask('open', backend, 'None', name, key, b'', msg[:8], msg[8:], tag[:icv_len])
            assert answer == (msg[8:].hex() if t['result'] == 'valid' else 'bad'), t
            n += 1
    assert not groups or n > 10
