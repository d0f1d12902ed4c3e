# SPDX-License-Identifier: Apache-2.0
"""xgw to xgw: VNet1 (alice) === VNet2 (bob), IKEv2 with pre-shared keys."""
import json
import os
import signal
import struct
import threading
import time

import lab as rig
import pytest

MARKER = b'CANARY-7f3a9c-must-never-be-seen-in-the-clear'


def gateways(pair, start=True, public=('203.0.113.1', '203.0.113.2'), connection=None, two=None):
    """The two gateways of `pair`, each the other's remote gateway."""
    made = []
    for i, (host, other) in enumerate(((pair.gw1, 2), (pair.gw2, 1))):
        n, net = i + 1, f'10.{(i + 1) * 11}'
        c = rig.gateway_config(
            f'VNet{n}', 1000 + n, [f'{net}.0.0/16', f'fd00:{n * 11}::/48'], f'{net}.0.1/24', public[i],
            [{'name': f'to{other}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{other}GW',
              **(connection or {}), **((two or {}) if n == 2 else {})}],
            remotes=[{'name': f'VNet{other}GW', 'publicIPAddress': public[1 - i],
                      'addressSpace': [f'10.{other * 11}.0.0/16', f'fd00:{other * 11}::/48']}])
        made.append(rig.Xgw(host, c))
    if start:
        for g in made:
            g.start()
        made[0].wait_connected('to2')
        made[1].wait_connected('to1')
    return made


def only_esp_on(capture, udp=False):
    """Nothing but ESP and IKE between the gateways."""
    esp = 'udp.port == 4500' if udp else 'esp'
    other = capture.tshark('-Y', f'(ip.addr == 203.0.113.0/24 or ipv6.addr == 2001:db8::/64) and not ({esp} or isakmp or '
                                 'arp or icmpv6 or igmp)')
    assert other == '', other
    assert capture.tshark('-Y', esp) != ''


def no_malformed(capture):
    assert capture.tshark('-Y', '_ws.malformed') == ''


def test_traffic_and_only_esp_on_the_wire(pair):
    g1, g2 = gateways(pair)
    capture = rig.Capture(pair.wire, 'br0')
    other = rig.Capture(pair.wire, 'br0', rig.Capture.NEITHER_ESP_NOR_IKE)
    pair.alice.ping('10.22.0.4')
    pair.bob.ping('10.11.0.4')
    pair.alice.ping('10.22.0.1')  # the far gateway's own address in its VNet
    _, name, want = rig.serve_file(pair.bob)
    assert rig.fetch_sum(pair.alice, f'http://10.22.0.4:8080/{name}') == want
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 1e6
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', reverse=True) > 1e6
    capture.stop()
    only_esp_on(capture)
    no_malformed(capture)
    other.stop()
    assert other.dropped == 0, 'the capture is not complete'
    assert other.tshark('-Y', 'not (arp or icmp or icmpv6 or igmp)') == ''
    assert other.tshark('-Y', 'ip.addr == 10.0.0.0/8') == ''
    c = g1.connection('to2')
    assert c['childSas'][0]['encapsulation'] == 'esp'
    assert c['ingressBytes'] > 1e6 and c['egressBytes'] > 1e6
    assert c['ikeVersion'] == 'IKEv2' and c['ikeProposal'].startswith('AES256GCM16-')
    assert c['childSas'][0]['proposal'] == 'AES256GCM16'
    # one side's SPIs are the other's, crosswise
    mine, theirs = c['childSas'][0], g2.connection('to1')['childSas'][0]
    assert (mine['spiIn'], mine['spiOut']) == (theirs['spiOut'], theirs['spiIn'])


def test_what_the_tools_show(pair):
    g1, _ = gateways(pair)
    hop = g1.json('next-hop', '--vnet', 'VNet1', '10.22.0.4')
    assert hop['verdict'] == 'tunnel' and hop['nextHop'] == 'to2' and hop['route']['prefix'] == '10.22.0.0/16'
    assert g1.json('next-hop', '--vnet', 'VNet1', '10.99.0.1')['verdict'] == 'drop'
    for document in (g1.json('dump'), g1.json('dump', 'routes4'), g1.json('dump', 'sas_in'), g1.json('doctor'), g1.json('version')):
        assert isinstance(document, dict)
    networks = g1.json('status')['virtualNetworks']
    assert [(v['name'], v['gateway'], v['peerings']) for v in networks] == [('VNet1', 'VNet1GW', [])], networks
    assert 'NETWORK' in g1.command('status').stdout
    maps = {m['name'] for m in g1.json('dump')['maps']}
    assert {'routes4', 'sas_in', 'endpoints', 'drops'} <= maps
    pins = '/sys/fs/bpf/xgw/default'
    shown = pair.gw1.run('bpftool', 'map', 'dump', 'pinned', f'{pins}/next_hops').stdout
    assert '"connection"' in shown and '"kind"' in shown, shown
    assert g1.command('status', 'nothing', check=False).returncode == 1
    assert g1.command('dump', 'nothing', check=False).returncode == 1
    assert g1.command('frobnicate', check=False).returncode == 2


def test_down_and_up(pair):
    g1, _ = gateways(pair)
    g1.command('down', 'to2')
    rig.wait_for(lambda: g1.connection('to2')['connectionStatus'] != 'Connected', 'the connection to go down')
    assert pair.alice.ping('10.22.0.4', check=False).returncode != 0
    g1.command('up', 'to2')
    g1.wait_connected('to2')
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic again')


def test_ipv6_inside(pair):
    for host, net in ((pair.alice, 11), (pair.bob, 22)):
        host.route('default', 'via', f'fd00:{net}::1')
    made = gateways(pair, start=False)
    for i, g in enumerate(made):
        with open(g.config) as f:
            c = json.load(f)
        # a plain attachment per family on the same port is one attachment with two addresses for the kernel
        pair_host = (pair.gw1, pair.gw2)[i]
        pair_host.run('ip', 'address', 'add', f'fd00:{(i + 1) * 11}::1/64', 'dev', 'lan', 'nodad')
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    rig.wait_for(lambda: pair.alice.once('fd00:22::4'), 'IPv6 through the tunnel',
                 explain=lambda: made[0].explain() + made[1].explain() + str(made[0].drops()) + str(made[1].drops()))
    pair.alice.ping('fd00:22::4', size=1200)


def test_ipv6_outside(pair):
    gateways(pair, public=('2001:db8::1', '2001:db8::2'))
    capture = rig.Capture(pair.wire, 'br0')
    pair.alice.ping('10.22.0.4')
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4') > 1e6
    capture.stop()
    only_esp_on(capture)
    no_malformed(capture)


def test_udp_encapsulation_when_asked(pair):
    g1, _ = gateways(pair, connection={'udpEncapsulation': 'always'})
    capture = rig.Capture(pair.wire, 'br0')
    pair.alice.ping('10.22.0.4')
    capture.stop()
    only_esp_on(capture, udp=True)
    no_malformed(capture)
    assert g1.connection('to2')['childSas'][0]['encapsulation'] == 'udp'


def test_mtu_is_told(pair):
    gateways(pair)
    pair.alice.ping('10.22.0.4')
    r = pair.alice.ping('10.22.0.4', count=2, size=1472, check=False, more=('-M', 'do'))
    assert 'Frag needed' in r.stdout or 'message too long' in r.stdout.lower() + r.stderr.lower(), r.stdout
    # IPv4, ESP, IV, trailer, ICV around it, aligned to 4: 1500 - 20 - 8 - 8 - 16 - 2 = 1446
    assert 'mtu = 1446' in r.stdout or 'mtu=1446' in r.stdout + r.stderr, r.stdout + r.stderr
    pair.alice.ping('10.22.0.4', count=1, size=1446 - 28, more=('-M', 'do'))


class UdpStream(threading.Thread):
    """1 packet a millisecond with sequence numbers from alice to bob, both ends plain sockets in their namespaces."""

    def __init__(self, sender, receiver, address):
        super().__init__()
        code_rx = ('import socket,struct,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
                   's.setsockopt(socket.SOL_SOCKET,33,8<<20)\ns.bind(("",7777))\nprint("ready",flush=True)\nseen=set()\n'
                   'while True:\n d=s.recv(2048)\n n=struct.unpack("!q",d[:8])[0]\n'
                   ' if n<0: break\n seen.add(n)\nprint(len(seen),max(seen)+1 if seen else 0,flush=True)\n')
        code_tx = (f'import socket,struct,sys,time,signal\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
                   's.connect(("%s",7777))\ngo=[True]\nsignal.signal(signal.SIGTERM,lambda *a:go.__setitem__(0,False))\n'
                   'n=0\nt=time.monotonic()\nwhile go[0]:\n s.send(struct.pack("!q",n)+b"x"*192)\n n+=1\n t+=0.001\n'
                   ' d=t-time.monotonic()\n if d>0: time.sleep(d)\ntime.sleep(0.5)\n'
                   'print(n,flush=True)\nfor i in range(5):\n try: s.send(struct.pack("!q",-1))\n except OSError: break\n time.sleep(0.05)\n' % address)
        n = len(sender.lab.processes)  # a log of its own
        self.rx = receiver.start('/usr/bin/python3', '-c', code_rx, name=f'udp-rx-{n}')
        rig.wait_for(lambda: 'ready' in self.rx.text(), 'the receiver')
        self.tx = sender.start('/usr/bin/python3', '-c', code_tx, name=f'udp-tx-{n}')

    def finish(self):
        """(sent, received)"""
        self.tx.stop()
        sent = int(self.tx.text().split()[0])
        rig.wait_for(lambda: not self.rx.alive(), 'the receiver to end')
        received = int(self.rx.text().split()[1])
        return sent, received


def test_rekey_loses_nothing(pair):
    g1, g2 = gateways(pair)
    pair.alice.ping('10.22.0.4')
    stream = UdpStream(pair.alice, pair.bob, '10.22.0.4')
    for i in range(6):
        gateway, name = ((g1, 'to2'), (g2, 'to1'))[i % 2]
        before = gateway.connection(name)['childSas'][0]['spiIn']
        gateway.command('rekey', name)
        rig.wait_for(lambda: gateway.connection(name)['childSas'][0]['spiIn'] != before, 'a new child SA', explain=gateway.explain)
        rig.wait_for(lambda: gateway.connection(name)['childSas'][0]['packetsOut' if gateway is g1 else 'packetsIn'] > 200,
                     'the stream to use the new child SA', explain=gateway.explain)
    sent, received = stream.finish()
    assert sent > 1000 and received == sent, f'{sent - received} of {sent} lost; {g1.drops()} {g2.drops()}'


def test_packet_limit_rekeys(pair):
    """Nobody asks for it: the data path sees the limit, IKE replaces the child SA, again and again."""
    policy = {'ikeEncryption': 'GCMAES256', 'ikeIntegrity': 'SHA256', 'dhGroup': 'CURVE25519', 'ipsecEncryption': 'GCMAES256',
              'ipsecIntegrity': 'GCMAES256', 'saLifeTimePackets': 2000}
    g1, g2 = gateways(pair, connection={'ipsecPolicies': [policy]})
    pair.alice.ping('10.22.0.4')
    for _ in range(3):
        before = g1.connection('to2')
        stop = threading.Event()

        def is_replaced():
            # of two for a moment, the replaced one may have been the first: the count tells
            now = g1.connection('to2')
            return now['childSas'][0]['spiIn'] != before['childSas'][0]['spiIn'] and now['rekeysChild'] > before['rekeysChild']

        def load():
            while not stop.is_set():
                pair.alice.run('ping', '-f', '-q', '-c', '500', '10.22.0.4', check=False)
        t = threading.Thread(target=load)
        t.start()
        try:
            rig.wait_for(is_replaced, 'a new child SA', explain=g1.explain)
        finally:
            stop.set()
            t.join()
    rig.wait_for(lambda: g1.connection('to2')['rekeysChild'] >= 3, 'three rekeys in the count', explain=g1.explain)
    pair.alice.ping('10.22.0.4')
    pair.bob.ping('10.11.0.4')


def test_rekey_under_tcp(pair):
    """A TCP stream in each direction goes on while the IKE SA and its child are replaced from both ends in turn."""
    g1, g2 = gateways(pair)
    pair.alice.ping('10.22.0.4')
    load = []
    for reverse in (False, True):
        t = threading.Thread(target=lambda r=reverse: load.append(rig.iperf(pair.alice, pair.bob, '10.22.0.4', 4, r)))
        t.start()
        ends = ((g1, 'to2'), (g2, 'to1'))
        for gateway, name in ends:
            before = gateway.connection(name)['childSas'][0]
            ike = gateway.connection(name)['ikeSpiInitiator']
            gateway.command('rekey', name)
            rig.wait_for(lambda: gateway.connection(name)['childSas'][0]['spiIn'] != before['spiIn'], 'a new child SA', explain=gateway.explain)
            rig.wait_for(lambda: gateway.connection(name)['ikeSpiInitiator'] != ike, 'a new IKE SA', explain=gateway.explain)
        t.join()
    assert len(load) == 2 and min(load) > 1e6, load
    assert all(g.connection(n)['connectionStatus'] == 'Connected' for g, n in ends)


def send_marker(host, to):
    code = ('import socket,time,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
            'while True:\n'
            ' try: s.sendto(%r,("%s",9))\n'
            ' except OSError: pass\n'
            ' time.sleep(0.005)\n' % (MARKER, to))
    return host.start('/usr/bin/python3', '-c', code, name='canary')


def test_canary_never_leaves_in_the_clear(pair):
    capture = rig.Capture(pair.wire, 'br0')
    g1, g2 = gateways(pair, start=False)
    source = rig.Capture(pair.alice, 'eth0')
    canary = send_marker(pair.alice, '10.22.0.4')
    g1.start()
    g2.start()
    g1.wait_connected('to2')
    g1.command('rekey', 'to2')
    pair.alice.ping('10.22.0.4')
    # crash: the programs stay attached, nothing leaves
    g1.process.popen.send_signal(signal.SIGKILL)
    g1.process.popen.wait()
    assert pair.alice.ping('10.22.0.4', check=False).returncode != 0
    # the next start takes over
    g1.start()
    g1.wait_connected('to2', 60)
    rig.wait_for(lambda: pair.alice.once('10.22.0.4'), 'traffic after the crash')
    assert g1.process.stop() == 0
    g2.process.stop()
    canary.stop(signal.SIGKILL)
    source.stop()
    capture.stop()
    assert source.contains(MARKER), 'the marker would be found where it is in the clear'
    assert capture.dropped == 0, 'the capture is not complete'
    assert not capture.contains(MARKER)
    assert capture.tshark('-Y', 'esp') != ''


def xdp_left(host):
    return [line for line in host.run('ip', '-o', 'link').stdout.splitlines() if 'xdp' in line]


def test_kill_and_detach_leave_nothing(pair):
    g1, _ = gateways(pair)
    g1.process.popen.send_signal(signal.SIGKILL)
    g1.process.popen.wait()
    assert xdp_left(pair.gw1), 'the programs go on without the daemon'
    # maps are readable without the daemon, and next-hop still asks the program
    assert g1.json('dump', 'routes4')['entries']
    status = g1.command('status', check=False)
    assert 'not running' in status.stdout + status.stderr
    r = g1.command('detach')
    assert r.returncode == 0
    assert not xdp_left(pair.gw1)
    assert pair.gw1.run('ls', '/sys/fs/bpf/xgw', check=False).stdout.strip() == ''
    assert g1.command('detach').returncode == 0  # nothing there: still fine
    g1.start()
    g1.wait_connected('to2', 60)


def test_stop_leaves_nothing(pair):
    g1, _ = gateways(pair)
    assert g1.process.stop() == 0
    assert not xdp_left(pair.gw1)
    assert pair.gw1.run('ls', '/sys/fs/bpf/xgw', check=False).stdout.strip() == ''
    assert '10.11.0.1' not in pair.gw1.run('ip', 'address').stdout


def test_second_daemon_is_refused(pair):
    g1, _ = gateways(pair)
    r = g1.command('run', '-c', g1.config, check=False, timeout=20)
    assert r.returncode == 1 and str(g1.process.popen.pid) in r.stderr, r.stderr
    pair.alice.ping('10.22.0.4')


def last_error(gateway, name, *words, seconds=40):
    def found():
        e = gateway.connection(name)['lastError']
        return e and all(w in e for w in words) and e
    return rig.wait_for(found, f'an error that says {words}', seconds, gateway.explain)


def test_wrong_key_is_said(pair):
    g1, g2 = gateways(pair, start=False, two={'sharedKey': 'another key that nobody told alice'})
    g1.start()
    g2.start()
    last_error(g1, 'to2', 'key')
    last_error(g2, 'to1', 'key')
    assert g1.connection('to2')['connectionStatus'] != 'Connected'


def test_no_common_proposal_is_said(pair):
    def policy(ike):
        return {'ipsecPolicies': [{'ikeEncryption': ike, 'ikeIntegrity': 'SHA256', 'dhGroup': 'ECP256', 'ipsecEncryption': 'GCMAES256',
                                   'ipsecIntegrity': 'GCMAES256', 'pfsGroup': 'None', 'saLifeTimeSeconds': 3600,
                                   'saDataSizeKilobytes': 102400000}]}
    # one side asks and one answers, so that each one's last error is of its own role
    g1, g2 = gateways(pair, start=False, connection={**policy('AES256'), 'connectionMode': 'InitiatorOnly'},
                      two={**policy('AES128'), 'connectionMode': 'ResponderOnly'})
    g2.start()
    g1.start()
    text = last_error(g2, 'to1', 'proposal')
    assert 'AES128' in text and 'AES256' in text, text
    last_error(g1, 'to2', 'NO_PROPOSAL_CHOSEN')


def test_silent_peer_is_said(pair):
    g1, _ = gateways(pair, start=False)
    g1.start()
    last_error(g1, 'to2', '203.0.113.2', seconds=120)


def test_idle_costs_nothing(pair):
    g1, _ = gateways(pair)

    def ticks():
        with open(f'/proc/{g1.process.popen.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(3)
    used = ticks() - before
    assert used <= 0.10 * 3 * os.sysconf('SC_CLK_TCK'), f'{used} ticks in 3 s of idleness'


def test_mistakes_in_the_configuration(pair):
    g1, _ = gateways(pair, start=False)
    bad = pair.file('bad.yaml', 'host:\n  ports: [{name: wan0, device: wan, roll: uplink}]\nvirtualNetwork: []\n')
    for verb in ('check', 'run', 'attach'):
        r = g1.command(verb, '-c', bad, check=False)
        assert r.returncode == 2, r.stderr
        assert f'{bad}:2:' in r.stdout + r.stderr and f'{bad}:3:1: error:' in r.stdout + r.stderr, r.stdout + r.stderr
        assert "role" in r.stdout + r.stderr
    assert not xdp_left(pair.gw1)


def test_missing_device(pair):
    g1, _ = gateways(pair, start=False)
    pair.gw1.run('ip', 'link', 'set', 'lan', 'name', 'other')
    r = g1.command('run', '-c', g1.config, check=False, timeout=20)
    assert r.returncode == 1 and 'lan' in r.stderr, r.stderr
    assert not xdp_left(pair.gw1)
    assert pair.gw1.run('ls', '/sys/fs/bpf/xgw', check=False).stdout.strip() == ''


def test_attach_without_daemon(pair):
    g1, _ = gateways(pair, start=False)
    g1.command('attach', '-c', g1.config)
    assert xdp_left(pair.gw1)
    assert g1.json('dump', 'routes4')['entries']
    assert pair.alice.ping('10.22.0.4', check=False).returncode != 0  # fail closed
    g1.command('detach')
    assert not xdp_left(pair.gw1)


def test_pins_of_another_layout(pair):
    """A map layout that this program does not know is refused in plain words; a start replaces it."""
    g1, _ = gateways(pair, start=False)
    g1.command('attach', '-c', g1.config)
    config = '/sys/fs/bpf/xgw/default/config'
    value = pair.gw1.run('bpftool', '-j', 'map', 'dump', 'pinned', config).stdout
    first = json.loads(value)[0]['value']
    first[0] = '0x63'
    pair.gw1.run('bpftool', 'map', 'update', 'pinned', config, 'key', '0', '0', '0', '0', 'value', *[str(int(b, 16)) for b in first])
    r = g1.command('dump', 'routes4', check=False, timeout=20)
    assert r.returncode == 1, r.stderr
    assert '99' in r.stderr and 'layout' in r.stderr and 'xgw detach' in r.stderr, r.stderr
    g1.start()
    assert 'replaced device=wan' in g1.process.text() and g1.json('dump', 'routes4')['entries']
