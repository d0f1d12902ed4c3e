# SPDX-License-Identifier: Apache-2.0
"""
The demo's topology and what it shows:

    web 10.11.0.4 ── gw1 (xgw) ══╗                  ╔══ gw2 (xgw) ── db 10.22.0.4
    VNet1            203.0.113.1 ╠══ the Internet ══╣   203.0.113.2      VNet2
    till 192.168.5.4 ─ site5 ════╝   (a switch)
    branch             (strongSwan) 203.0.113.5

VNet1-Site5 is site-to-site to strongSwan, VNet1-VNet2 is VNet-to-VNet; both IKEv2 with pre-shared keys.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'tests', 'e2e'))
import lab as rig  # noqa: E402

KEEP = bool(os.environ.get('KEEP'))
BOLD, PLAIN = ('\033[1m', '\033[0m') if sys.stdout.isatty() and 'NO_COLOR' not in os.environ else ('', '')


def say(text):
    print(f'\n{BOLD}== {text}{PLAIN}', flush=True)


def show(host, *argv, head=None):
    print(f'[{host.name}]# {" ".join(os.path.basename(a) if i == 0 else a for i, a in enumerate(argv))}', flush=True)
    lines = host.run(*argv, check=False).stdout.rstrip().splitlines()
    print('\n'.join(lines[:head] + ([f'… {len(lines) - head} more lines'] if head and len(lines) > head else [])), flush=True)


def topology(lab):
    lab.wire = lab.switch('internet')
    for n in ('web', 'gw1', 'gw2', 'db', 'site5', 'till'):
        setattr(lab, n, lab.host(n))
    for i, gw in enumerate((lab.gw1, lab.gw2, lab.site5)):
        lab.plug(lab.wire, gw, 'wan')
        gw.address('wan', f'203.0.113.{(1, 2, 5)[i]}/24')
    for host, gw, address, via in ((lab.web, lab.gw1, '10.11.0.4/24', '10.11.0.1'), (lab.db, lab.gw2, '10.22.0.4/24', '10.22.0.1'),
                                   (lab.till, lab.site5, '192.168.5.4/24', '192.168.5.1')):
        lab.cable(host, 'eth0', gw, 'lan')
        host.address('eth0', address)
        host.route('default', 'via', via)
    lab.site5.address('lan', '192.168.5.1/24')
    lab.site5.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')


def gateways(lab):
    g1 = rig.Xgw(lab.gw1, rig.gateway_config(
        'VNet1', 1001, ['10.11.0.0/16'], '10.11.0.1/24', '203.0.113.1',
        [{'name': 'VNet1-Site5', 'connectionType': 'IPsec', 'localNetworkGateway2': 'Site5'},
         {'name': 'VNet1-VNet2', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': 'VNet2GW'}],
        sites=[{'name': 'Site5', 'gatewayIpAddress': '203.0.113.5', 'addressSpace': ['192.168.5.0/24']}],
        remotes=[{'name': 'VNet2GW', 'publicIPAddress': '203.0.113.2', 'addressSpace': ['10.22.0.0/16']}]))
    g2 = rig.Xgw(lab.gw2, rig.gateway_config(
        'VNet2', 1002, ['10.22.0.0/16'], '10.22.0.1/24', '203.0.113.2',
        [{'name': 'VNet2-VNet1', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': 'VNet1GW'}],
        remotes=[{'name': 'VNet1GW', 'publicIPAddress': '203.0.113.1', 'addressSpace': ['10.11.0.0/16']}]))
    return g1, g2


def traffic(lab):
    for who, to, where in ((lab.db, '10.22.0.4', 'VNet2'), (lab.till, '192.168.5.4', 'branch')):
        print(f'ping web -> {where}: ', lab.web.ping(to, count=5).stdout.strip().splitlines()[-1], flush=True)
        _, name, want = rig.serve_file(who)
        got = rig.fetch_sum(lab.web, f'http://{to}:8080/{name}')
        print(f'8 MiB by HTTP {where} -> web: sha256 {got[:16]}… {"equal" if got == want else "DIFFERENT from " + want[:16]}', flush=True)
        if got != want:
            raise AssertionError('the file arrived damaged')
    rates = []
    for who, to, where in ((lab.db, '10.22.0.4', 'VNet1-VNet2 (xgw to xgw, ESP)'), (lab.till, '192.168.5.4', 'VNet1-Site5 (xgw to strongSwan, ESP in UDP)')):
        there, back = rig.iperf(lab.web, who, to, 3), rig.iperf(lab.web, who, to, 3, reverse=True)
        rates.append(f'{where}: {there / 1e6:.0f} Mbit/s there, {back / 1e6:.0f} Mbit/s back (one TCP stream)')
        print('iperf3', rates[-1], flush=True)
    return rates


def prove(capture, other):
    capture.stop()
    other.stop()
    kinds = {}
    for line in capture.tshark('-T', 'fields', '-e', '_ws.col.Protocol').split():
        kinds[line] = kinds.get(line, 0) + 1
    print('frames on the wire by protocol:', ', '.join(f'{k} {n}' for k, n in sorted(kinds.items(), key=lambda k: -k[1])))
    # beside ESP and IKE, the gateway hosts' own neighbour discovery and errors about their outer addresses only
    # beside ESP and IKE, the gateway hosts' own neighbour discovery and errors about their outer addresses only
    allowed = 'esp or isakmp or udpencap or arp or icmp or icmpv6 or igmp'
    wrong = f'ip.addr == 10.0.0.0/8 or ip.addr == 192.168.0.0/16 or not ({allowed})'
    clear = capture.tshark('-Y', wrong) + other.tshark('-Y', wrong)
    print('frames with an inner address in the clear, or of another protocol:', len(clear.splitlines()))
    print(f'no room in the capture of all for {capture.dropped} frames, in that of all but ESP and IKE for {other.dropped}')
    if clear or other.dropped or not kinds.get('ESP'):
        raise AssertionError(f'clear text on the wire, or a capture that is not complete\n{clear[:2000]}')


def look_around(lab, g1):
    enter = {h.name: f'nsenter -t {h.holder.pid} -n -m' for h in lab.hosts.values()}
    say('left up (KEEP=1); look around with')
    print(f'  {enter["gw1"]} {rig.XGW} status --watch\n  {enter["gw1"]} {rig.XGW} dump drops\n'
          f'  {enter["gw1"]} {rig.XGW} next-hop --vnet VNet1 192.168.5.4\n'
          f'  {enter["gw1"]} bpftool map dump pinned /sys/fs/bpf/xgw/default/sas_in\n'
          f'  {enter["web"]} ping 10.22.0.4\n  {enter["internet"]} tcpdump -ni br0\n'
          f'  {enter["gw1"]} {rig.XGW} rekey VNet1-VNet2')
    pids = [p.popen.pid for p in lab.processes if p.alive()] + [h.holder.pid for h in lab.hosts.values()]
    print(f'and take it down with\n  kill {" ".join(map(str, pids))}; rm -r {lab.dir}')


def main():
    lab = rig.Lab(keep=KEEP)
    try:
        say('topology: two VNets behind two xgw gateways, a branch behind strongSwan, one wire between them')
        print(__doc__.split('\n\n')[1])
        topology(lab)
        capture, other = rig.Capture(lab.wire, 'br0'), rig.Capture(lab.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
        say('starting strongSwan at the branch and xgw on both gateway hosts')
        rig.StrongSwan(lab.site5, '203.0.113.5', '203.0.113.1', '192.168.5.0/24', '10.11.0.0/16')
        g1, g2 = gateways(lab)
        g1.start()
        g2.start()
        for g, name in ((g1, 'VNet1-Site5'), (g1, 'VNet1-VNet2'), (g2, 'VNet2-VNet1')):
            c = g.wait_connected(name, 40)
            print(f'{name}: {c["connectionStatus"]}, {c["ikeProposal"]}, {c["childSas"][0]["proposal"]}, {c["childSas"][0]["encapsulation"]}')
        say('traffic')
        rig.wait_for(lambda: lab.web.ping('192.168.5.4', count=1, check=False).returncode == 0, 'the branch to answer')
        rates = traffic(lab)
        say('what the gateway says')
        show(lab.gw1, rig.XGW, 'status')
        for m in ('routes4', 'next_hops', 'sas_in', 'endpoints', 'drops'):
            show(lab.gw1, rig.XGW, 'dump', m)
        show(lab.gw1, rig.XGW, 'next-hop', '--vnet', 'VNet1', '192.168.5.4')
        show(lab.gw1, 'bpftool', 'map', 'dump', 'pinned', '/sys/fs/bpf/xgw/default/next_hops', head=20)
        say('only ESP and IKE on the wire')
        prove(capture, other)
        say('rates')
        print('\n'.join(rates))
        if KEEP:
            look_around(lab, g1)
            return
        say('taking everything down')
        for g in (g1, g2):
            code = g.process.stop()
            print(f'{g.host.name}: xgw ended with {code}, XDP programs left: {g.host.run("ip", "-o", "link").stdout.count(" xdp")}')
    finally:
        lab.close()
    print('\ndemo: all of it worked')


if __name__ == '__main__':
    try:
        main()
    except (AssertionError, subprocess.TimeoutExpired) as e:
        print(f'demo: FAILED: {e}', file=sys.stderr)
        sys.exit(1)
