#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tree against what the README says of it, first lines of files, and words that do not belong.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
for d in $(git ls-files | grep / | cut -d/ -f1 | sort -u | grep -v '^\.'); do
	grep -qE "^\| \`$d/\`" README.md || { echo "README.md: error: no line for $d/"; bad=1; }
done
while read -r f; do
	[ -s "$f" ] || continue
	head -2 "$f" | grep -q 'SPDX-License-Identifier' || { echo "$f:1: error: no SPDX line"; bad=1; }
done < <(git ls-files '*.c' '*.h' '*.def' '*.sh' '*.py' Makefile)
if git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' '*.def' '*.sh' '*.py' Makefile ':!tests/lint/house.sh'; then
	echo "error: marks of unfinished work"
	bad=1
fi
if git grep -nE '^(<{7}|>{7}|={7})( |$)' -- '*.c' '*.h' '*.def' '*.sh' '*.py' '*.md' '*.yaml' '*.5' '*.8' Makefile; then
	echo "error: both sides of a merge"
	bad=1
fi
exit $bad
