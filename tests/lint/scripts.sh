#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shell scripts pass shellcheck, man pages render without a warning.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
git ls-files '*.sh' .ci/run | xargs shellcheck -S warning || bad=1
for page in docs/*.[1-8]; do
	out=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 > /dev/null)
	[ -z "$out" ] || { echo "$page: $out"; bad=1; }
done
exit $bad
