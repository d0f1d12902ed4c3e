#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One case per job, the same command on a laptop and in CI: check, unit, tsan, bpf, sim, fuzz, e2e, lint, demo, bench.
# `check` runs all but demo and bench; jobs print one line `N passed, M failed` at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
passed=0
failed=0
failures=()
unsteady=()

step() { printf '\n== %s (%s)\n' "$*" "$(date -u +%H:%M:%S)"; }

# run NAME COMMAND...: counts, and shows the output of what failed
run() {
	local name=$1 log
	shift
	log=$(mktemp)
	if "$@" > "$log" 2>&1; then
		passed=$((passed + 1))
		printf '  ok    %s\n' "$name"
	else
		failed=$((failed + 1))
		failures+=("$name")
		printf '  FAIL  %s\n' "$name"
		tail -60 "$log" | sed 's/^/        /'
	fi
	rm -f "$log"
}

dependencies() { step "dependencies"; scripts/dependencies.sh "$1"; }

build() { step "build"; make -j"$jobs" all tools; }

binaries() { find "$1" -maxdepth 2 -type f -perm -u+x -name "$2" 2>/dev/null | sort; }

unit() {
	step "unit tests (ASan, UBSan)"
	make -j"$jobs" FLAVOUR=asan unit-bins
	local t
	for t in $(binaries build-asan/tests/unit 'test_*'); do run "${t#build-asan/}" timeout 600 "$t"; done
}

bpf() {
	step "XDP programs by test run"
	make -j"$jobs" bpf-bins
	local t
	# a machine may have no bpffs yet: mounted for each test alone
	# shellcheck disable=SC2016
	for t in $(binaries build/tests/bpf 'test_*'); do
		run "${t#build/}" timeout 600 unshare -n -m bash -c 'mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf; exec "$0"' "$t"
	done
}

sim() {
	step "IKE simulation (ASan, UBSan)"
	make -j"$jobs" FLAVOUR=asan sim-bins
	local t
	for t in $(binaries build-asan/tests/sim 'sim_*'); do run "${t#build-asan/}" timeout 1200 "$t"; done
}

# Data races: the tests with threads. Without address randomisation, which this ThreadSanitizer can't map around.
tsan() {
	step "tests with threads (ThreadSanitizer)"
	local t threads="esp/test_threads datapath/test_handover datapath/test_rate loader/test_sstp_tls"
	for t in $threads; do make -j"$jobs" FLAVOUR=tsan "build-tsan/tests/unit/$t"; done
	for t in $threads; do run "tsan $t" timeout 600 setarch -R "build-tsan/tests/unit/$t"; done
}

# fuzz_one BINARY DIRECTORY: leaves DIRECTORY/log and DIRECTORY/code
fuzz_one() {
	local t=$1 dir=$2 seeds code=0 seconds=${SECONDS_EACH:-10}
	mkdir -p "$dir/corpus"
	seeds=tests/fuzz/$(basename "$(dirname "$t")")/corpus_${t##*/fuzz_}
	[ -d "$seeds" ] || seeds=$dir/corpus
	timeout $((seconds + 60)) "$t" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
		-artifact_prefix="$dir/corpus/" "$dir/corpus" "$seeds" > "$dir/log" 2>&1 || code=$?
	echo "$code" > "$dir/code"
}

# SECONDS_EACH: how long each fuzzer runs (default 10); as many side by side as there are processors
fuzz() {
	step "fuzzers, $jobs at a time"
	make -j"$jobs" FLAVOUR=fuzz fuzz-bins
	local t dir name
	dir=$(mktemp -d)
	for t in $(binaries build-fuzz/tests/fuzz 'fuzz_*'); do
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		fuzz_one "$t" "$dir/${t##*/}" &
	done
	wait
	for t in $(binaries build-fuzz/tests/fuzz 'fuzz_*'); do
		name=${t##*/}
		# shellcheck disable=SC2016
		run "${t#build-fuzz/}" bash -c 'cat "$1/log"; exit "$(cat "$1/code")"' fuzz "$dir/$name"
	done
	rm -rf "$dir"
}

e2e() {
	step "end to end in network namespaces"
	make -j"$jobs" bpf-bins
	local log=build/e2e.log
	# the first test that fails twice ends it (tests/conftest.py)
	if timeout "${E2E_SECONDS:-3300}" /usr/bin/python3 -m pytest -p no:cacheprovider -x -q --once-more --durations=10 \
		tests/e2e tests/interop tests/vm > "$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		failures+=("tests/e2e")
	fi
	# all of it: failures are long, and the first one of an unsteady test is not at the end
	cat "$log"
	mapfile -t unsteady < <(sed -n 's/^unsteady: //p' "$log")
	# a skip is a failure: every test must run here
	if grep -qE '[0-9]+ skipped' "$log"; then
		failed=$((failed + 1))
		failures+=("skipped tests")
	fi
}

lint() {
	step "lint"
	local s
	make -j"$jobs" all
	for s in tests/lint/*.sh; do run "$s" "$s"; done
}

# what a run must not leave behind
leftovers() {
	step "nothing is left behind"
	run "namespaces, pins, programs" bash -c '
		left=0
		[ -z "$(ip netns list)" ] || { ip netns list; left=1; }
		[ ! -d /sys/fs/bpf/xgw ] || [ -z "$(ls /sys/fs/bpf/xgw)" ] || { ls -R /sys/fs/bpf/xgw; left=1; }
		! pgrep -a -x "xgw|charon" || left=1
		exit $left'
}

finish() {
	printf '\n'
	for f in "${failures[@]}"; do echo "failed: $f"; done
	for f in "${unsteady[@]}"; do echo "unsteady: $f (failed once; its output is above)"; done
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

case ${1:?usage: scripts/ci.sh check|unit|tsan|bpf|sim|fuzz|e2e|lint|demo|bench} in
check)
	dependencies test
	build
	lint
	unit
	tsan
	bpf
	sim
	fuzz
	e2e
	leftovers
	finish
	;;
unit | tsan | bpf | sim | fuzz | lint)
	dependencies test
	"$1"
	finish
	;;
e2e)
	dependencies test
	build
	e2e
	leftovers
	finish
	;;
demo)
	exec scripts/demo.sh
	;;
bench)
	dependencies bench
	build
	exec scripts/bench.sh
	;;
*)
	echo "ci.sh: unknown job '$1'" >&2
	exit 2
	;;
esac
