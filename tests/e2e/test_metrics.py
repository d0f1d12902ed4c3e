# SPDX-License-Identifier: Apache-2.0
"""`host.metrics`: what Prometheus' own reader makes of it, beside `xgw status` of the same moment."""
import lab as rig
from prometheus_client.parser import text_string_to_metric_families

CURL = ('curl', '-sS', '--max-time', '5')


def config(n, other, **host):
    return rig.gateway_config(
        f'VNet{n}', 1000 + n, [f'10.{n * 11}.0.0/16'], f'10.{n * 11}.0.1/24', f'203.0.113.{n}',
        [{'name': f'to-{other}', 'connectionType': 'Vnet2Vnet', 'virtualNetworkGateway2': f'VNet{other}GW'}],
        remotes=[{'name': f'VNet{other}GW', 'publicIPAddress': f'203.0.113.{other}', 'addressSpace': [f'10.{other * 11}.0.0/16']}],
        **host)


def read(host, address):
    text = host.run(*CURL, f'http://{address}/metrics').stdout
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in text_string_to_metric_families(text) for s in f.samples}


def test_metrics_are_the_status(pair):
    g1 = rig.Xgw(pair.gw1, config(1, 2, metrics='127.0.0.1:9187')).start()
    g2 = rig.Xgw(pair.gw2, config(2, 1)).start()
    g1.wait_connected('to-2')
    g2.wait_connected('to-1')
    pair.alice.ping('10.22.0.4', count=5)
    tunnel = (('connection', 'to-2'), ('gateway', 'VNet1GW'))
    rig.wait_for(lambda: read(pair.gw1, '127.0.0.1:9187').get(('xgw_connection_egress_packets_total', tunnel), 0) >= 5,
                 'the packets to be counted')
    metrics, c = read(pair.gw1, '127.0.0.1:9187'), g1.connection('to-2')
    assert metrics['xgw_connection_up', tunnel] == 1
    for direction in ('ingress', 'egress'):
        for unit in ('Bytes', 'Packets'):
            assert metrics[f'xgw_connection_{direction}_{unit.lower()}_total', tunnel] == c[direction + unit] > 0
    assert metrics['xgw_port_up', (('port', 'wan0'),)] == 1
    assert metrics['xgw_port_packets_total', (('fate', 'received'), ('port', 'lan0'))] > 0
    assert metrics['xgw_clients', (('protocol', 'SSTP'),)] == 0

    # one page, for GET, of this one address
    status = ('-o', '/dev/null', '-w', '%{http_code}')
    assert pair.gw1.run(*CURL, *status, 'http://127.0.0.1:9187/').stdout == '404'
    assert pair.gw1.run(*CURL, *status, '-d', 'x', 'http://127.0.0.1:9187/metrics').stdout != '200'
    assert pair.gw2.run(*CURL, 'http://203.0.113.1:9187/metrics', check=False).returncode == 7

    pair.gw1.run('ip', 'link', 'set', 'wan', 'down')
    rig.wait_for(lambda: read(pair.gw1, '127.0.0.1:9187')['xgw_port_up', (('port', 'wan0'),)] == 0, 'the port to be down')


def test_an_address_that_is_not_here(pair):
    g = rig.Xgw(pair.gw1, config(1, 2, metrics='192.0.2.77:9187'))
    r = pair.gw1.run(rig.XGW, 'run', '-c', g.config, check=False)
    assert r.returncode == 1
    assert 'host.metrics: cannot listen on 192.0.2.77:9187: Cannot assign requested address' in r.stderr
