#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make bench`: the figures of docs/PERFORMANCE.md. Built-in benchmarks first, then clients, then two gateways end to
# end, beside their peers. Results: build/bench-{esp,xdp,ike}.json, build/bench-clients.md, build/bench.md.
set -euo pipefail
cd "$(dirname "$0")/.."
make -j"$(nproc)" all tools
echo "== XDP decision, ns a packet"
build/xgw bench xdp --json | tee build/bench-xdp.json
echo "== ESP transform beside the raw library call"
build/xgw bench esp --json | tee build/bench-esp.json
echo "== IKE handshakes beside the library's operations"
build/xgw bench ike --json | tee build/bench-ike.json
echo "== IKE by number of tunnels"
build/tests/bench/ike_scale
echo "== sizes: start, memory, reload of one change"
/usr/bin/python3 -B scripts/bench-scale.py
echo "== point-to-site"
/usr/bin/python3 -B scripts/bench-clients.py
echo "== failover of a circuit"
/usr/bin/python3 -B scripts/bench-failover.py
/usr/bin/python3 -B scripts/bench-routes.py
/usr/bin/python3 -B scripts/bench-standby.py
echo "== end to end"
exec /usr/bin/python3 -B scripts/bench.py
