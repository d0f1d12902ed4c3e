# SPDX-License-Identifier: Apache-2.0
"""xgw import on real templates and a network configuration: whole, without hand edits, and what comes of them passes
`xgw check` once the blanks are filled. Neither root nor BPF."""
import glob
import ipaddress
import json
import os
import subprocess

import pytest
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
XGW = os.path.join(ROOT, "build", "xgw")
DATA = os.path.join(ROOT, "tests", "data")
TEMPLATES = sorted(glob.glob(os.path.join(DATA, "arm", "*", "azuredeploy.json")))
BLANK = "<fill in: "


def run(*words):
    return subprocess.run([XGW, *words], capture_output=True, text=True, timeout=60, check=False)


def is_blank(value):
    return isinstance(value, str) and value.startswith(BLANK)


class Filler:
    """Something fitting for every blank, as a person would give it."""

    def __init__(self, chain, key):
        self.n = 0
        self.simple = {
            "device": "eth{}", "publicIPAddress": "203.0.113.{}", "gatewayIpAddress": "198.51.100.{}",
            "sharedKey": "correct horse battery staple", "chain": chain, "key": key, "file": chain, "sku": "VpnGw1",
            "addressSpace": "10.{}.0.0/16", "vpnClientAddressPool": "172.16.{}.0/24", "thumbprint": "00" * 20,
            "publicCertData": "".join(open(chain, encoding="ascii").read().split("\n")[1:-2]),
        }

    def subnets(self, vnet):
        """A blank subnet gets a piece of the address space that no other one has."""
        vnet["addressSpace"] = [self.fill(a, "addressSpace") for a in vnet["addressSpace"]]
        taken = [ipaddress.ip_network(s["addressPrefix"]) for s in vnet["subnets"] if not is_blank(s["addressPrefix"])]
        for subnet in vnet["subnets"]:
            if is_blank(subnet["addressPrefix"]):
                pieces = ipaddress.ip_network(vnet["addressSpace"][0]).subnets(new_prefix=28)
                taken.append(next(p for p in pieces if not any(p.overlaps(t) for t in taken)))
                subnet["addressPrefix"] = str(taken[-1])

    def fill(self, value, name=None):
        if isinstance(value, dict):
            # {file: …} is the key's, a root certificate's file is a certificate
            return {k: self.fill(v, "key" if name == "key" else k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v, name) for v in value]
        if not is_blank(value):
            return value
        self.n += 1
        return self.simple[name].format(self.n)


@pytest.fixture(scope="module", name="files")
def fixture_files(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("import"))
    chain, key = os.path.join(directory, "gw.pem"), os.path.join(directory, "gw.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "400", "-subj", "/CN=gw.example.org",
                    "-addext", "subjectAltName=DNS:gw.example.org", "-keyout", key, "-out", chain],
                   capture_output=True, check=True)
    os.chmod(key, 0o600)
    os.chmod(chain, 0o644)
    return directory, chain, key


def check(files, text):
    directory, chain, key = files
    path = os.path.join(directory, "gateway.yaml")
    configuration = yaml.safe_load(text)
    filler = Filler(chain, key)
    for vnet in configuration["virtualNetworks"]:
        filler.subnets(vnet)
    configuration = filler.fill(configuration)
    with open(path, "w", encoding="utf-8") as f:
        yaml.safe_dump(configuration, f)
    os.chmod(path, 0o600)
    return run("check", "-c", path), configuration


def import_whole(files, *words):
    """Imports, sees that `check` asks for each blank at its place, fills them, and checks."""
    made = run("import", *words)
    assert made.returncode == 0, made.stderr
    path = os.path.join(files[0], "blank.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(made.stdout)
    os.chmod(path, 0o600)
    asked = [line for line in run("check", "-c", path).stderr.split("\n") if "error: " in line]
    assert all("came a blank; fill in: " in line for line in asked), asked
    places = {tuple(line.split(":")[1:3]) for line in asked}
    lines = made.stdout.split("\n")
    blanks = {(str(i + 1), str(line.index('"' + BLANK) + 1)) for i, line in enumerate(lines) if '"' + BLANK in line}
    assert places == blanks and blanks
    judged, configuration = check(files, made.stdout)
    assert judged.returncode == 0, judged.stderr
    return made, configuration


def test_templates_are_there():
    assert len(TEMPLATES) >= 3
    assert "MIT" in open(os.path.join(DATA, "arm", "LICENSE"), encoding="utf-8").read()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: os.path.basename(os.path.dirname(t)))
@pytest.mark.parametrize("how", ["behind", "option", "without"])
def test_real_template(files, template, how):
    parameters = template.replace(".json", ".parameters.json")
    words = {"behind": [template, parameters], "option": ["--from", "arm", template, "--parameters", parameters],
             "without": [template]}[how]
    _, configuration = import_whole(files, *words)
    assert len(configuration["virtualNetworkGateways"]) >= 1


def test_all_templates_together(files):
    words = []
    for template in TEMPLATES:
        words += [template, template.replace(".json", ".parameters.json")]
    _, configuration = import_whole(files, *words, os.path.join(DATA, "netcfg", "two-sites.xml"))
    names = {g["name"] for g in configuration["virtualNetworkGateways"]}
    assert names == {"VnetGw", "azureGateway", "Vnet1Gw", "Vnet2Gw", "ClassicVNetGW"}
    assert len({v["id"] for v in configuration["virtualNetworks"]}) == len(configuration["virtualNetworks"])


def test_vnet_to_vnet_values(files):
    template = os.path.join(DATA, "arm", "201-vnet-to-vnet", "azuredeploy.json")
    _, c = import_whole(files, template, template.replace(".json", ".parameters.json"))
    assert [(x["virtualNetworkGateway1"], x["virtualNetworkGateway2"], x["routingWeight"], x["sharedKey"])
            for x in c["connections"]] == [("Vnet1Gw", "Vnet2Gw", 3, "secretKey"), ("Vnet2Gw", "Vnet1Gw", 3, "secretKey")]
    assert c["virtualNetworks"][0]["addressSpace"] == ["192.168.100.0/24"]


def test_point_to_site_certificate(files):
    """The root certificate of a template stands in the configuration as it stood there."""
    template = os.path.join(DATA, "arm", "101-point-to-site", "azuredeploy.json")
    made, c = import_whole(files, template, template.replace(".json", ".parameters.json"))
    clients = c["virtualNetworkGateways"][0]["vpnClientConfiguration"]
    given = json.load(open(template.replace(".json", ".parameters.json"), encoding="utf-8"))["parameters"]
    assert clients["vpnClientRootCertificates"][0]["publicCertData"] == given["clientRootCertData"]["value"]
    assert clients["vpnClientRevokedCertificates"][0]["thumbprint"] == given["revokedCertThumbprint"]["value"]
    assert made.stderr == "", "everything of it is carried over"
    assert clients["vpnClientProtocols"] == ["SSTP"]


def test_network_configuration(files):
    made, c = import_whole(files, os.path.join(DATA, "netcfg", "two-sites.xml"))
    assert [v["deploymentModel"] for v in c["virtualNetworks"]] == ["classic", "classic"]
    assert [v.get("dhcpOptions") for v in c["virtualNetworks"]] == [{"dnsServers": ["10.41.0.4"]}, None]
    assert "DnsServerRef ClassicVNet: left out" in made.stderr


def test_standard_input(files):
    template = os.path.join(DATA, "arm", "101-site-to-site-vpn-create", "azuredeploy.json")
    with open(template, encoding="utf-8") as f:
        made = subprocess.run([XGW, "import", "-"], stdin=f, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0 and "azureGateway" in made.stdout


def test_refusals(files):
    broken = os.path.join(files[0], "broken.json")
    with open(broken, "w", encoding="utf-8") as f:
        f.write('{\n "resources": [\n')
    made = run("import", broken)
    assert made.returncode == 2 and made.stdout == ""
    assert made.stderr.startswith(f"{broken}:2:16: error: not JSON: ")
    assert run("import", os.path.join(files[0], "nowhere.json")).returncode == 2
    assert run("import", files[0]).returncode == 2
    assert run("import").returncode == 2
    made = run("import", "--from", "yaml", broken)
    assert made.returncode == 2 and "expected arm or netcfg" in made.stderr
