# SPDX-License-Identifier: Apache-2.0
"""
End-to-end figures, all in one run and interleaved: client - gw1 - gw2 - server in namespaces, one wire each, no
offloads. Writes build/bench.md. ROUNDS (5), SECONDS_EACH (3).
"""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'tests', 'e2e'))
import lab as rig  # noqa: E402

ROUNDS, SECONDS = int(os.environ.get('ROUNDS', 5)), float(os.environ.get('SECONDS_EACH', 3))
TOOLS = os.path.join(rig.ROOT, 'build', 'tests', 'bench')
KEYS = ('203.0.113.1', '203.0.113.2')


def chain(lab):
    lab.client, lab.gw1, lab.gw2, lab.server = (lab.host(n) for n in ('client', 'gw1', 'gw2', 'server'))
    lab.cable(lab.client, 'eth0', lab.gw1, 'lan')
    lab.cable(lab.gw1, 'wan', lab.gw2, 'wan')
    lab.cable(lab.gw2, 'lan', lab.server, 'eth0')
    lab.client.address('eth0', '10.11.0.4/24')
    lab.server.address('eth0', '10.22.0.4/24')
    lab.gw1.address('wan', '203.0.113.1/24')
    lab.gw2.address('wan', '203.0.113.2/24')
    lab.client.route('default', 'via', '10.11.0.1')
    lab.server.route('default', 'via', '10.22.0.1')


def addresses(lab):
    for gw, a in ((lab.gw1, '10.11.0.1/24'), (lab.gw2, '10.22.0.1/24')):
        gw.address('lan', a)
        gw.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')


def forwarding(lab):
    addresses(lab)
    lab.gw1.route('10.22.0.0/16', 'via', '203.0.113.2')
    lab.gw2.route('10.11.0.0/16', 'via', '203.0.113.1')
    return []


def af_xdp(lab):
    made = []
    for host, inside, outside in ((lab.gw1, rig.mac_of(lab.client, 'eth0'), rig.mac_of(lab.gw2, 'wan')), (lab.gw2, rig.mac_of(lab.server, 'eth0'), rig.mac_of(lab.gw1, 'wan'))):
        made.append(host.start(f'{TOOLS}/xskfwd', 'lan', inside, 'wan', outside, name='xskfwd'))
    for p in made:
        rig.wait_for(lambda: 'ready' in p.text(), 'xskfwd', explain=p.text)
    for host, gw, ip in ((lab.client, lab.gw1, '10.11.0.1'), (lab.server, lab.gw2, '10.22.0.1')):
        host.run('ip', 'neighbour', 'replace', ip, 'lladdr', rig.mac_of(gw, 'lan'), 'dev', 'eth0')
    return made


def xgw(lab, transmit=None, workers=None):
    made = []
    for i, host in enumerate((lab.gw1, lab.gw2)):
        n, o = i + 1, 2 - i
        policy = {'ikeEncryption': 'GCMAES128', 'ikeIntegrity': 'SHA256', 'dhGroup': 'ECP256', 'ipsecEncryption': 'GCMAES128',
                  'ipsecIntegrity': 'GCMAES128', 'pfsGroup': 'None', 'saLifeTimeSeconds': 27000, 'saDataSizeKilobytes': 1024000000}
        c = rig.gateway_config(f'VNet{n}', n, [f'10.{n * 11}.0.0/16'], f'10.{n * 11}.0.1/24', KEYS[i],
                               [{'name': 'tunnel', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{o}GW', 'ipsecPolicies': [policy]}],
                               remotes=[{'name': f'VNet{o}GW', 'publicIPAddress': KEYS[1 - i], 'addressSpace': [f'10.{o * 11}.0.0/16']}])
        for port in c['host']['ports']:
            if transmit:
                port['transmit'] = transmit
        if workers:
            c['host']['workers'] = workers
        made.append(rig.Xgw(host, c).start())
    for g in made:
        g.wait_connected('tunnel')
    return [g.process for g in made]


def xgw_one(lab):
    return xgw(lab, workers=1)


def xgw_xdp(lab):
    return xgw(lab, transmit='xdp')


def strongswan(lab):
    addresses(lab)
    a = rig.StrongSwan(lab.gw1, KEYS[0], KEYS[1], '10.11.0.0/16', '10.22.0.0/16', ike='aes128gcm16-prfsha256-ecp256', esp='aes128gcm16')
    b = rig.StrongSwan(lab.gw2, KEYS[1], KEYS[0], '10.22.0.0/16', '10.11.0.0/16', ike='aes128gcm16-prfsha256-ecp256', esp='aes128gcm16')
    r = a.initiate()
    assert r.returncode == 0, r.stdout + r.stderr
    return [a.process, b.process]


def wireguard(lab):
    addresses(lab)
    keys = [subprocess.run(['wg', 'genkey'], capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    public = [subprocess.run(['wg', 'pubkey'], input=k, capture_output=True, text=True, check=True).stdout.strip() for k in keys]
    made = []
    for i, host in enumerate((lab.gw1, lab.gw2)):
        made.append(host.start('wireguard-go', '-f', 'wg0', name='wireguard', env={'WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD': '1'}))
        rig.wait_for(lambda: host.run('ip', 'link', 'show', 'wg0', check=False).returncode == 0, 'wg0', explain=made[-1].text)
        key = lab.file(f'wg{i}', keys[i])
        rig.wait_for(lambda: host.run('wg', 'set', 'wg0', 'private-key', key, 'listen-port', '51820', 'peer', public[1 - i], 'allowed-ips',
                                      '0.0.0.0/0', 'endpoint', f'{KEYS[1 - i]}:51820', check=False).returncode == 0, 'wg set')
        host.run('ip', 'link', 'set', 'wg0', 'mtu', '1420', 'up')
        host.route(f'10.{(2 - i) * 11}.0.0/16', 'dev', 'wg0')
    return made


def cpu_seconds(processes):
    total = 0
    for p in processes:
        with open(f'/proc/{p.popen.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf('SC_CLK_TCK')


def udp(lab, size, rate):
    """Packets a second received when `rate` are sent, and the share lost."""
    rx = lab.server.start(f'{TOOLS}/udprate', 'receive', name='udprate')
    rig.wait_for(lambda: 'ready' in rx.text(), 'udprate')
    tx = json.loads(lab.client.run(f'{TOOLS}/udprate', 'send', '10.22.0.4', str(size), str(rate), '1.5').stdout)
    rx.popen.wait(10)
    got = json.loads(rx.text().split('\n')[1])['received']
    return got / 1.5, 1 - got / max(tx['sent'], 1)


def best_udp(lab, size):
    """Highest rate of which less than 0.5 % is lost, by halving."""
    low, high = 0, 600000
    for _ in range(6):
        rate = (low + high) / 2
        got, lost = udp(lab, size, rate)
        if lost < 0.005 and got > rate * 0.9:
            low = rate
        else:
            high = rate
    return low


def measure(start):
    lab = rig.Lab()
    try:
        chain(lab)
        processes = start(lab)
        rig.wait_for(lambda: lab.client.ping('10.22.0.4', count=1, check=False).returncode == 0, f'{start.__name__}: traffic')
        before = cpu_seconds(processes)
        bits = rig.iperf(lab.client, lab.server, '10.22.0.4', seconds=SECONDS)
        used = cpu_seconds(processes) - before
        ping = float(lab.client.ping('10.22.0.4', count=20).stdout.strip().splitlines()[-1].split('/')[4])
        return {'tcp': bits / 1e9, 'cpu': used / (bits * SECONDS / 8e9), 'ping': ping, 'udp1400': best_udp(lab, 1400) / 1e3, 'udp64': best_udp(lab, 64) / 1e3}
    finally:
        lab.close()


# ---- IKE: what a responder spends on a handshake ----

HANDSHAKES = 150
IKE_POLICY = {'ikeEncryption': 'GCMAES128', 'ikeIntegrity': 'SHA256', 'ipsecEncryption': 'GCMAES128', 'ipsecIntegrity': 'GCMAES128',
              'pfsGroup': 'None', 'saLifeTimeSeconds': 27000, 'saDataSizeKilobytes': 1024000000}
GROUPS = {'ECP256': 'ecp256', 'CURVE25519': 'curve25519'}


def peer_of_gw1(lab, n, group, mode):
    """xgw on gateway n of two."""
    o = 3 - n
    c = rig.gateway_config(f'VNet{n}', n, [f'10.{n * 11}.0.0/16'], f'10.{n * 11}.0.1/24', KEYS[n - 1],
                           [{'name': 'tunnel', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Other', 'connectionMode': mode,
                             'ipsecPolicies': [{**IKE_POLICY, 'dhGroup': group}]}],
                           sites=[{'name': 'Other', 'gatewayIpAddress': KEYS[o - 1], 'addressSpace': [f'10.{o * 11}.0.0/16']}])
    return rig.Xgw(lab.gw1 if n == 1 else lab.gw2, c)


def spent_ns(process):
    """Processor time of all threads."""
    total = 0
    for task in os.listdir(f'/proc/{process.popen.pid}/task'):
        with open(f'/proc/{process.popen.pid}/task/{task}/schedstat') as f:
            total += int(f.read().split()[0])
    return total


def handshake(kind, group):
    """Microseconds of the responder for one IKE SA with a child, made and deleted again; the initiator is xgw."""
    lab = rig.Lab()
    try:
        chain(lab)
        if kind == 'xgw':
            process = peer_of_gw1(lab, 2, group, 'ResponderOnly').start().process
        else:
            lab.gw2.address('lan', '10.22.0.1/24')
            process = rig.StrongSwan(lab.gw2, KEYS[1], KEYS[0], '10.22.0.0/16', '10.11.0.0/16', ike=f'aes128gcm16-prfsha256-{GROUPS[group]}',
                                     esp='aes128gcm16', log_level=0).process
        g = peer_of_gw1(lab, 1, group, 'InitiatorOnly').start()
        g.wait_connected('tunnel')

        def spi():
            children = g.connection('tunnel')['childSas']
            return children[0]['spiOut'] if children else None
        before = spent_ns(process)
        for _ in range(HANDSHAKES):
            old = spi()
            g.command('reset', 'tunnel')
            rig.wait_for(lambda: spi() not in (None, old), 'the next handshake', explain=g.explain)
        return (spent_ns(process) - before) / HANDSHAKES / 1e3
    finally:
        lab.close()


def handshakes(rounds):
    lines = ['| responder | group | microseconds of processor time for a handshake and its end |', '| --- | --- | --- |']
    for group in GROUPS:
        taken = {'xgw': [], 'strongSwan kernel-libipsec': []}
        for _ in range(rounds):
            for kind, values in taken.items():
                values.append(handshake(kind, group))
        for kind, values in taken.items():
            lines.append(f'| {kind} | {group} | {statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f}) |')
    return lines


def main():
    kinds = [forwarding, af_xdp, xgw, xgw_one, xgw_xdp, strongswan, wireguard]
    results = {k.__name__: [] for k in kinds}
    for r in range(ROUNDS):
        for k in kinds:
            m = measure(k)
            results[k.__name__].append(m)
            print(f'round {r + 1}: {k.__name__}: ' + ', '.join(f'{a} {b:.2f}' for a, b in m.items()), flush=True)
    names = {'forwarding': 'kernel forwarding, no offloads', 'af_xdp': 'AF_XDP forwarder without crypto', 'xgw': 'xgw, AES-128-GCM',
             'xgw_one': 'the same, workers: 1 (no helper)', 'xgw_xdp': 'the same, transmit: xdp',
             'strongswan': 'strongSwan kernel-libipsec, AES-128-GCM', 'wireguard': 'wireguard-go'}
    lines = ['| | TCP, one stream, Gbit/s | UDP 1400 B, < 0.5 % lost, k/s | UDP 64 B, < 0.5 % lost, k/s | ping ms | CPU s per GB, both gateways |',
             '| --- | --- | --- | --- | --- | --- |']
    for k, rows in results.items():
        def mid(x):
            v = sorted(row[x] for row in rows)
            return f'{statistics.median(v):.2f} ({v[0]:.2f}–{v[-1]:.2f})'
        lines.append(f'| {names[k]} | {mid("tcp")} | {mid("udp1400")} | {mid("udp64")} | {mid("ping")} | {mid("cpu") if k not in ("forwarding",) else ""} |')
    text = '\n'.join(lines + [''] + handshakes(min(ROUNDS, 3)))
    print(text)
    with open(os.path.join(rig.ROOT, 'build', 'bench.md'), 'w') as f:
        f.write(text + '\n')


if __name__ == '__main__':
    main()
