#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every example configuration is valid, and the README shows the first one as it is. Run after `make`.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for example in docs/examples/*.yaml; do
	# keys are in files that only a real host has
	sed -E 's/\{ *file: *[^}]+\}/"an example key that is long enough"/' "$example" > "$work/config.yaml"
	chmod 600 "$work/config.yaml"
	out=$(build/xgw check -c "$work/config.yaml" 2>&1) || { echo "$example: $out"; bad=1; }
done
awk '/^```yaml$/ { on = 1; next } /^```$/ { if (on) exit } on' README.md | diff - docs/examples/first.yaml > /dev/null ||
	{ echo "README.md: error: its example is not docs/examples/first.yaml"; bad=1; }
exit $bad
