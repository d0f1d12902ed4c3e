#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: installs what is needed, builds, and runs the main job on a topology of network namespaces.
# KEEP=1 leaves it up and prints how to look around and how to take it down.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "demo: needs root (network namespaces, XDP)" >&2; exit 1; }
echo "== dependencies"
scripts/dependencies.sh test
echo "== build"
make -j"$(nproc)" all
exec /usr/bin/python3 -B scripts/demo.py
