#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One case per job, the same command on a laptop and in CI: check, unit, tsan, bpf, sim, fuzz, e2e, lint, demo, bench.
# `check` runs all but demo and bench, what takes long at idle priority (`beside`); jobs print one line `N passed, M failed` at the end.
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
	timeout $((seconds + 60)) "$t" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=30 \
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

# python_tests DIRECTORY: the first test that fails twice ends it (tests/conftest.py)
python_tests() {
	step "$1"
	local log
	log=build/$(basename "$1").log
	if timeout "${E2E_SECONDS:-3300}" /usr/bin/python3 -m pytest -p no:cacheprovider -x -q --once-more --durations=20 "$1" > "$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		failures+=("$1")
	fi
	# all of it: failures are long, and the first one of an unsteady test is not at the end
	cat "$log"
	mapfile -t -O "${#unsteady[@]}" unsteady < <(sed -n 's/^unsteady: //p' "$log")
	# a skip is a failure: every test must run here
	if grep -qE '[0-9]+ skipped' "$log"; then
		failed=$((failed + 1))
		failures+=("skipped tests")
	fi
}

e2e() {
	make -j"$jobs" bpf-bins
	python_tests tests/e2e
	python_tests tests/interop
	python_tests tests/vm
}

lint() {
	step "lint"
	local s
	make -j"$jobs" all
	for s in "$@"; do run "$s" "$s"; done
}

# What computes for long and is not in a hurry, as a process of its own that only gets what nobody else wants of the
# processors: tests/interop, which takes as long, waits for its peers most of the time.
beside_begin() {
	# a session, to be ended as a whole; a kernel that shares the processors by sessions is told to give this one the least
	setsid bash -c '{ echo 19 > /proc/self/autogroup; } 2> /dev/null; exec chrt -i 0 scripts/ci.sh beside' > build/beside.log 2>&1 &
	beside=$!
	trap 'kill -- "-$beside" 2> /dev/null' EXIT
}

beside_end() {
	local p f
	wait "$beside" || true
	trap - EXIT
	step "at idle priority meanwhile"
	cat build/beside.log
	read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' build/beside.log | tail -1) || true
	passed=$((passed + ${p:-0}))
	failed=$((failed + ${f:-1}))
	mapfile -t -O "${#failures[@]}" failures < <(sed -n 's/^failed: //p' build/beside.log)
	mapfile -t -O "${#unsteady[@]}" unsteady < <(sed -n 's/^unsteady: //p' build/beside.log | sort -u)
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
	# tests/conftest.py counts those of one directory
	if [ "${#unsteady[@]}" -gt 2 ]; then
		failed=$((failed + 1))
		failures+=("more than two unsteady tests")
	fi
	for f in "${failures[@]}"; do echo "failed: $f"; done
	for f in "${unsteady[@]}"; do echo "unsteady: $f"; done
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

case ${1:?usage: scripts/ci.sh check|unit|tsan|bpf|sim|fuzz|e2e|lint|demo|bench} in
check)
	dependencies test
	build
	mapfile -t quick < <(printf '%s\n' tests/lint/*.sh | grep -v tidy)
	lint "${quick[@]}"
	unit
	tsan
	bpf
	sim
	python_tests tests/e2e
	beside_begin
	python_tests tests/interop
	beside_end
	leftovers
	finish
	;;
unit | tsan | bpf | sim | fuzz)
	dependencies test
	"$1"
	finish
	;;
lint)
	dependencies test
	lint tests/lint/*.sh
	finish
	;;
beside)
	python_tests tests/vm
	lint tests/lint/tidy.sh
	fuzz
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
