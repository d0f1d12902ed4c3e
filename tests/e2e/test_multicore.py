# SPDX-License-Identifier: Apache-2.0
"""One fat tunnel on one queue: idle workers help with its cryptography, and every flow keeps its order."""
import json

import lab as rig
from test_tunnels import gateways

HEAVY = {'ikeEncryption': 'AES256', 'ikeIntegrity': 'SHA384', 'dhGroup': 'ECP384', 'ipsecEncryption': 'AES256', 'ipsecIntegrity': 'SHA256',
         'pfsGroup': 'None', 'saLifeTimeSeconds': 27000, 'saDataSizeKilobytes': 102400000}


def start(pair, workers):
    made = gateways(pair, start=False, connection={'ipsecPolicies': [HEAVY]})
    for g in made:
        with open(g.config) as f:
            config = json.load(f)
        config['host'].update(workers=workers, cryptoBackend='openssl')
        with open(g.config, 'w') as f:
            json.dump(config, f)
        g.start()
    made[0].wait_connected('to2')
    made[1].wait_connected('to1')
    return made


def helped(g):
    return sum(w['jobsHelped'] for w in g.json('status')['workers'])


def test_helpers_keep_the_order(pair):
    g1, g2 = start(pair, 3)
    _, name, want = rig.serve_file(pair.bob)
    assert rig.fetch_sum(pair.alice, f'http://10.22.0.4:8080/{name}') == want
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=3) > 20e6
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=2, reverse=True) > 20e6
    assert helped(g1) > 0 and helped(g2) > 0, (g1.json('status')['workers'], g2.json('status')['workers'])
    # the child SA of the sender counts what came late or twice: nothing did
    for g, c in ((g1, 'to2'), (g2, 'to1')):
        for child in g.connection(c)['childSas']:
            assert child['replayed'] == 0 and child['authFailed'] == 0, child
    end = rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=3, udp=('150M', 1300))
    assert end.get('out_of_order', 0) == 0, end
    workers = g1.json('status')['workers']
    assert len(workers) == 3 and all(not w['queues'] for w in workers[1:])


def test_one_worker_alone(pair):
    g1, _ = start(pair, 1)
    assert rig.iperf(pair.alice, pair.bob, '10.22.0.4', seconds=1) > 20e6
    assert helped(g1) == 0
