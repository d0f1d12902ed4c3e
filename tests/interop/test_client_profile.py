# SPDX-License-Identifier: Apache-2.0
"""`xgw client-profile` and `xgw client-cert`: clients are started with what they write; each format is read by a parser that is not ours."""
import base64
import ctypes
import json
import os
import plistlib
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'e2e'))
import lab as rig  # noqa: E402
from pki import Entity  # noqa: E402
from test_strongswan import lab, topology  # noqa: E402, F401
from test_strongswan_clients import GW, PASSWORD, PLUGINS, clients, reaches  # noqa: E402

NAME, ALICE, HARD = 'VNet1GW', 'alice@example.org', '0xbad "\\ \'pass\' {word} # end'


def write(path, content):
    with open(path, 'wb') as f:
        f.write(content)
    os.chmod(path, 0o600)
    return str(path)


def run(*words, check=0):
    r = subprocess.run([rig.XGW, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert r.returncode == check, r.stdout + r.stderr
    return r.stdout if not check else r.stderr


def certificates(d, *more):
    """An authority and alice's certificate, as an administrator makes them."""
    run('client-cert', 'root', '-o', d / 'people', '--name', 'people', *more)
    run('client-cert', 'client', '-o', d / 'alice', '--root', d / 'people', '--name', ALICE, '--password-file', write(d / 'p12', b'carried\n'), *more)


def config(d, root=True, chain=True, password=PASSWORD, identity=GW, name=NAME):
    authority = Entity('Authority & <Sons>', ca=True)
    gw = Entity('gw', by=authority, san=GW)
    write(d / 'root.pem', authority.pem())
    c = rig.gateway_config('VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1', [])
    c['virtualNetworkGateways'][0].update(
        name=name, identity=identity,
        certificate={'chain': write(d / 'gw.pem', gw.pem(*([authority] if chain else []))), 'key': {'file': write(d / 'gw.key', gw.private())}},
        vpnClientConfiguration={
            'vpnClientAddressPool': ['172.16.201.0/24'], 'vpnClientProtocols': ['IkeV2'],
            'users': [{'name': 'bob', 'password': {'file': write(d / 'bob', password.encode())}}],
            **({'vpnClientRootCertificates': [{'name': 'people', 'file': str(d / 'people' / 'root.pem')}]} if root else {})})
    with open(d / 'gateway.yaml', 'w') as f:
        json.dump(c, f)
    return c, authority


def profile(d, client, *more):
    return run('client-profile', NAME, '--client', client, '-o', d / 'profile', '-c', d / 'gateway.yaml', *more)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# ---- clients started with it ----

@pytest.mark.parametrize('method,more', [('EAP-MSCHAPv2', ()), ('EAP-TLS', ('--rsa',)), ('certificate', ())])
def test_strongswan(lab, tmp_path, method, more):  # noqa: F811
    certificates(tmp_path, *more)
    c, _ = config(tmp_path, password=HARD)
    if method == 'EAP-MSCHAPv2':
        profile(tmp_path, 'bob', '--with-password')
    else:
        profile(tmp_path, ALICE, '--credentials', tmp_path / 'alice')
    topology(lab)
    s = rig.StrongSwan(lab.site, '', '', '', '', load=PLUGINS, profile=tmp_path / 'profile' / 'swanctl')
    g = rig.Xgw(lab.gw1, c).start()
    r = s.initiate(NAME + ('-eap-tls' if method == 'EAP-TLS' else ''))
    assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    rig.wait_for(lambda: clients(g), 'the client', explain=g.explain)
    x, = clients(g)
    assert x['authentication'] == method and ('bob' if 'MSCHAP' in method else 'alice') in x['name']
    reaches(lab.site, g, '172.16.201.1')
    _, name, want = rig.serve_file(lab.alice, 1 << 20)
    assert rig.fetch_sum(lab.site, f'http://10.11.0.4:8080/{name}') == want


def test_password_by_hand(lab, tmp_path):  # noqa: F811
    """Without --with-password the file is whole all the same; the user adds the password where it says."""
    c, _ = config(tmp_path, root=False)
    profile(tmp_path, 'bob')
    path = tmp_path / 'profile' / 'swanctl' / 'conf.d' / f'{NAME}.conf'
    topology(lab)
    s = rig.StrongSwan(lab.site, '', '', '', '', load=PLUGINS, profile=tmp_path / 'profile' / 'swanctl')
    g = rig.Xgw(lab.gw1, c).start()
    assert s.initiate(NAME).returncode != 0
    head, tail = path.read_text().split('# with the password in place of ..., and without the marks:\n')
    path.write_text(head + tail.replace('# ', '').replace('...', PASSWORD))
    shutil.copy(path, os.path.join(lab.dir, 'swan-site', 'swanctl', 'conf.d'))
    s.swanctl('--load-all')
    r = s.initiate(NAME)
    assert r.returncode == 0, r.stdout + s.text()[-3000:] + g.explain()
    reaches(lab.site, g, '172.16.201.1')


def test_revoked(lab, tmp_path):  # noqa: F811
    """The thumbprint that client-cert says is the one that refuses its certificate."""
    certificates(tmp_path)
    said = run('client-cert', 'client', '-o', tmp_path / 'again', '--root', tmp_path / 'people', '--name', ALICE)
    c, _ = config(tmp_path)
    line = said.split('  - ')[1]
    c['virtualNetworkGateways'][0]['vpnClientConfiguration']['vpnClientRevokedCertificates'] = [
        dict(word.split(': ') for word in line.strip(' {}\n').split(', '))]
    profile(tmp_path, ALICE, '--credentials', tmp_path / 'again')
    topology(lab)
    s = rig.StrongSwan(lab.site, '', '', '', '', load=PLUGINS, profile=tmp_path / 'profile' / 'swanctl')
    g = rig.Xgw(lab.gw1, c).start()
    assert s.initiate(NAME).returncode != 0 and 'revoked by its thumbprint' in g.process.text()


# ---- the formats ----

def test_apple(tmp_path):
    certificates(tmp_path)
    _, authority = config(tmp_path)
    profile(tmp_path, 'bob')
    path = tmp_path / 'profile' / f'{NAME}.mobileconfig'
    p = plistlib.loads(path.read_bytes())
    root, vpn = p['PayloadContent']
    assert p['PayloadType'] == 'Configuration' and root['PayloadType'] == 'com.apple.security.root'
    assert x509.load_der_x509_certificate(root['PayloadContent']) == authority.x and root['PayloadDisplayName'] == 'Authority & <Sons>'
    v = vpn['IKEv2']
    assert vpn['VPNType'] == 'IKEv2' and v['RemoteAddress'] == '203.0.113.1' and v['RemoteIdentifier'] == GW
    assert (v['LocalIdentifier'], v['AuthName'], v['AuthenticationMethod'], v['ExtendedAuthEnabled']) == ('bob', 'bob', 'None', 1)
    assert v['ServerCertificateIssuerCommonName'] == 'Authority & <Sons>' and 'AuthPassword' not in v
    before = path.read_bytes()
    profile(tmp_path, 'bob')
    assert path.read_bytes() == before  # the same UUIDs: it takes the place of the old one
    profile(tmp_path, ALICE, '--credentials', tmp_path / 'alice')
    p = plistlib.loads(path.read_bytes())
    _, p12, vpn = p['PayloadContent']
    assert len({x['PayloadUUID'] for x in (p, *p['PayloadContent'])}) == 4
    assert vpn['IKEv2']['PayloadCertificateUUID'] == p12['PayloadUUID'] and vpn['IKEv2']['AuthenticationMethod'] == 'Certificate'
    assert pkcs12.load_key_and_certificates(p12['PayloadContent'], b'carried')[1].subject.rfc4514_string() == f'CN={ALICE}'
    assert mode(path) == 0o600


def test_azure_settings(tmp_path):
    certificates(tmp_path)
    _, authority = config(tmp_path)
    profile(tmp_path, ALICE)
    r = xml.parse(tmp_path / 'profile' / 'Generic' / 'VpnSettings.xml').getroot()
    assert r.tag == 'VpnProfile'
    v = {x.tag: x.text for x in r}
    assert (v['VpnServer'], v['VpnType'], v['Routes'], v['Auth']) == (GW, 'IkeV2', '10.11.0.0/16', 'EAPTLS')
    assert v['ServerCertRootCn'] == v['ServerCertIssuerCn'] == 'Authority & <Sons>'
    assert x509.load_der_x509_certificate(base64.b64decode(v['CaCert'])) == authority.x
    assert x509.load_der_x509_certificate((tmp_path / 'profile' / 'Generic' / 'VpnServerRoot.cer').read_bytes()) == authority.x


def keyfile(path):
    """By GLib, as NetworkManager reads it."""
    g = ctypes.CDLL('libglib-2.0.so.0')
    g.g_key_file_new.restype = g.g_key_file_get_groups.restype = g.g_key_file_get_keys.restype = g.g_key_file_get_string.restype = ctypes.c_void_p
    words, p = ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p(g.g_key_file_new())

    def each(array):
        names = ctypes.cast(array, words)
        i = 0
        while names[i]:
            yield names[i]
            i += 1
    assert g.g_key_file_load_from_file(p, str(path).encode(), 0, None)
    return {s.decode(): {k.decode(): ctypes.string_at(g.g_key_file_get_string(p, s, k, None)).decode()
                         for k in each(g.g_key_file_get_keys(p, s, None, None))} for s in each(g.g_key_file_get_groups(p, None))}


def test_network_manager(tmp_path):
    certificates(tmp_path)
    config(tmp_path)

    def read(client, *more):
        profile(tmp_path, client, *more)
        path = tmp_path / 'profile' / 'network-manager' / 'system-connections' / f'{NAME}-ikev2.nmconnection'
        assert mode(path) == 0o600
        k = keyfile(path)
        assert k['connection']['type'] == 'vpn' and k['vpn']['service-type'] == 'org.freedesktop.NetworkManager.strongswan'
        assert k['vpn']['address'] == '203.0.113.1' and k['vpn']['remote-identity'] == GW and k['vpn']['remote-ts'] == '10.11.0.0/16'
        assert k['ipv4']['never-default'] == 'true'
        return k['vpn']
    v = read('bob')
    assert (v['method'], v['user'], v['password-flags']) == ('eap', 'bob', '1')
    v = read(ALICE, '--credentials', tmp_path / 'alice')
    assert (v['method'], v['local-identity']) == ('cert', ALICE)
    for key in 'certificate', 'usercert', 'userkey':
        assert v[key].startswith('/etc/NetworkManager/certificates/')
        there = tmp_path / 'profile' / 'network-manager' / 'certificates' / os.path.basename(v[key])
        assert b'PRIVATE KEY' in there.read_bytes() and mode(there) == 0o600 if key == 'userkey' else x509.load_pem_x509_certificate(there.read_bytes())


def test_windows(tmp_path):
    certificates(tmp_path)
    _, authority = config(tmp_path)
    profile(tmp_path, 'bob')
    text = (tmp_path / 'profile' / 'windows.ps1').read_text('utf-8-sig')
    assert f"$server = '{GW}'\n" in text and "$routes = @('10.11.0.0/16')\n" in text and '-TunnelType Ikev2' in text and 'Sstp' not in text
    assert x509.load_der_x509_certificate(base64.b64decode(text.split("FromBase64String('")[1].split("'")[0])) == authority.x
    assert '$eap = (New-EapConfiguration).EapConfigXmlStream' in text
    profile(tmp_path, ALICE, '--credentials', tmp_path / 'alice')
    text = (tmp_path / 'profile' / 'windows.ps1').read_text('utf-8-sig')
    assert '-Tls' in text and f"-ChildPath '{ALICE}.p12'" in text
    assert (tmp_path / 'profile' / f'{ALICE}.p12').exists()


def test_passwords_and_modes(tmp_path):
    certificates(tmp_path)
    config(tmp_path, password=HARD)

    def holding():
        files = [os.path.join(d, f) for d, _, names in os.walk(tmp_path / 'profile') for f in names]
        found = []
        for f in files:
            with open(f, 'rb') as x:
                content = x.read()
            if HARD.encode() in content or HARD.encode().hex().encode() in content or base64.b64encode(HARD.encode()) in content:
                found.append(f)
        return found
    assert HARD not in profile(tmp_path, 'bob') and not holding()
    profile(tmp_path, 'bob', '--with-password')
    f, = holding()
    assert f.endswith(f'swanctl/conf.d/{NAME}.conf') and mode(f) == 0o600
    profile(tmp_path, 'bob')
    assert not holding()
    profile(tmp_path, ALICE, '--credentials', tmp_path / 'alice')
    assert mode(tmp_path / 'profile' / 'swanctl' / 'private' / f'{ALICE}.key') == 0o600


def test_refusals(tmp_path):
    """2: the command line or the configuration; 1: what the disk says."""
    certificates(tmp_path)
    config(tmp_path, chain=False)
    y = tmp_path / 'gateway.yaml'
    o = ('-o', tmp_path / 'profile')
    assert "has no gateway 'other'" in run('client-profile', 'other', '--client', 'bob', *o, '-c', y, check=2)
    assert 'needs --client' in run('client-profile', NAME, *o, '-c', y, check=2)
    assert "can't be the name of a client" in run('client-profile', NAME, '--client', '../x', *o, '-c', y, check=2)
    assert 'needs none' in run('client-profile', NAME, '--client', 'bob', *o, '-c', y, '--credentials', tmp_path, check=2)
    assert 'needs none' in run('client-profile', NAME, '--client', ALICE, *o, '-c', y, '--with-password', check=2)
    assert 'cannot read' in run('client-profile', NAME, '--client', 'dave', *o, '-c', y, '--credentials', tmp_path / 'alice', check=1)
    assert 'no self-signed certificate' in run('client-profile', NAME, '--client', 'bob', *o, '-c', y, '--ca', tmp_path / 'gw.pem', check=2)
    assert 'cannot write' in run('client-profile', NAME, '--client', 'bob', '-o', tmp_path / 'gw.pem', '-c', y, check=1)
    assert not (tmp_path / 'profile').exists()
    r = subprocess.run([rig.XGW, 'client-profile', NAME, '--client', 'bob', '-o', tmp_path / 'profile', '-c', y], capture_output=True, text=True)
    assert r.returncode == 0 and 'does not hold its authority' in r.stderr
    assert not (tmp_path / 'profile' / 'swanctl' / 'x509ca').exists()
    run('client-profile', NAME, '--client', 'bob', *o, '-c', y, '--ca', tmp_path / 'root.pem')
    assert (tmp_path / 'profile' / 'swanctl' / 'x509ca' / f'{NAME}-ca.pem').exists()
    config(tmp_path, root=False)
    assert "no user 'dave'" in run('client-profile', NAME, '--client', 'dave', *o, '-c', y, check=2)
    c = json.loads(y.read_text())
    del c['virtualNetworkGateways'][0]['vpnClientConfiguration']
    y.write_text(json.dumps(c))
    assert 'has no clients' in run('client-profile', NAME, '--client', 'bob', *o, '-c', y, check=2)
    y.write_text('{')
    assert 'nothing was written' in run('client-profile', NAME, '--client', 'bob', *o, '-c', y, check=2)


# ---- client-cert ----

@pytest.mark.parametrize('more', [(), ('--rsa',)])
def test_certificates(tmp_path, more):
    said = run('client-cert', 'root', '-o', tmp_path / 'people', '--name', 'people', *more)
    root = x509.load_pem_x509_certificate((tmp_path / 'people' / 'root.pem').read_bytes())
    assert root.fingerprint(hashes.SHA1()).hex() in said and f'{{name: "people", file: "{tmp_path}/people/root.pem"}}' in said
    limits = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical and limits.value.ca and limits.value.path_length == 0
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    said = run('client-cert', 'client', '-o', tmp_path / 'a', '--root', tmp_path / 'people', '--name', ALICE, '--days', '30',
               '--password-file', write(tmp_path / 'p12', b'carried\n'), *more)
    c = x509.load_pem_x509_certificate((tmp_path / 'a' / f'{ALICE}.pem').read_bytes())
    assert c.fingerprint(hashes.SHA1()).hex() in said
    assert c.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.RFC822Name) == [ALICE]
    assert list(c.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not c.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert 30 <= (c.not_valid_after - c.not_valid_before).total_seconds() / 86400 < 30.1
    key = serialization.load_pem_private_key((tmp_path / 'a' / f'{ALICE}.key').read_bytes(), None)
    assert key.public_key().public_numbers() == c.public_key().public_numbers() and hasattr(key, 'curve') != bool(more)
    for f in tmp_path / 'people' / 'root.key', tmp_path / 'a' / f'{ALICE}.key', tmp_path / 'a' / f'{ALICE}.p12':
        assert mode(f) == 0o600
    p12 = pkcs12.load_pkcs12((tmp_path / 'a' / f'{ALICE}.p12').read_bytes(), b'carried')
    assert p12.cert.certificate == c and [x.certificate for x in p12.additional_certs] == [root]
    r = subprocess.run(['openssl', 'verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', tmp_path / 'people' / 'root.pem',
                        tmp_path / 'a' / f'{ALICE}.pem'], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    run('client-cert', 'client', '-o', tmp_path / 'a', '--root', tmp_path / 'people', '--name', 'laptop7', '--days', '9000', *more)
    late = x509.load_pem_x509_certificate((tmp_path / 'a' / 'laptop7.pem').read_bytes())
    assert late.not_valid_after == root.not_valid_after
    assert late.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ['laptop7']


def test_certificate_refusals(tmp_path):
    certificates(tmp_path)
    before = (tmp_path / 'people' / 'root.key').read_bytes()
    assert 'File exists' in run('client-cert', 'root', '-o', tmp_path / 'people', '--name', 'people', check=1)
    assert (tmp_path / 'people' / 'root.key').read_bytes() == before
    client = ('client-cert', 'client', '-o', tmp_path / 'x', '--root', tmp_path / 'people', '--name')
    for name in '../x', '.x', '-x', 'a b', 'a,DNS:b', 'a' * 65, '@x':
        assert '--name' in run(*client, name, check=2) or name == '-x'
    for days in '0', '-1', '5x', '99999':
        assert '--days' in run(*client, 'x', '--days', days, check=2)
    assert 'needs -o DIR' in run('client-cert', 'root', '--name', 'x', check=2)
    assert 'needs --root' in run('client-cert', 'client', '-o', tmp_path, '--name', 'x', check=2)
    assert 'expected root or client' in run('client-cert', 'server', '-o', tmp_path, '--name', 'x', check=2)
    open_file = write(tmp_path / 'open', b'x')
    os.chmod(open_file, 0o644)
    assert 'chmod 600' in run(*client, 'x', '--password-file', open_file, check=1)
    for name, path in ('root.pem', 'alice/' + ALICE + '.pem'), ('root.key', 'alice/' + ALICE + '.key'):
        other = tmp_path / f'other-{name}'
        other.mkdir()
        for n in 'root.pem', 'root.key':
            write(other / n, (tmp_path / (path if n == name else f'people/{n}')).read_bytes())
        assert name in run('client-cert', 'client', '-o', tmp_path / 'x', '--root', other, '--name', 'x', check=1)
    assert not (tmp_path / 'x').exists()
