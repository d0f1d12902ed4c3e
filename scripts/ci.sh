#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One case per job; the same command on a laptop and in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)

step() { printf '\n== %s\n' "$*"; }

unit() {
	step "unit tests (ASan, UBSan)"
	make -j"$jobs" FLAVOUR=asan unit-bins
	for t in build-asan/tests/unit/*/test_*; do
		[ -x "$t" ] && [ -f "$t" ] || continue
		case $t in *.d | *.o) continue ;; esac
		"$t"
	done
}

case ${1:?usage: scripts/ci.sh JOB} in
unit) unit ;;
*) echo "ci.sh: unknown job '$1'" >&2; exit 2 ;;
esac
