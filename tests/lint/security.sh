#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/SECURITY.md: each test that it names is there and is run; each row that a test names is there, and has a test.
set -u
cd "$(dirname "$0")/../.." || exit 1
table=docs/SECURITY.md
bad=0
complain() {
	echo "$table: error: $*"
	bad=1
}

# runs FILE NAME: the file runs a test of that name
runs() {
	case $1 in
	*.py) grep -qE "^def $2\(" "$1" ;;
	*) grep -qE "^static void $2\(void \*\*" "$1" && [ "$(grep -cw "$2" "$1")" -ge 2 ] ;; # defined and used
	esac
}

while IFS='|' read -r _ row _ _ tests _; do
	row=${row// /}
	[[ $row =~ ^[A-E][0-9]+$ ]] || continue
	grep -qE '`tests/' <<< "$tests" || complain "$row has no test"
	while read -r file names; do
		[ -f "$file" ] || { complain "$row: $file is not there"; continue; }
		for name in $names; do runs "$file" "$name" || complain "$row: $file has no test $name"; done
	done < <(tr ';' '\n' <<< "$tests" | sed -E 's/[`:,]/ /g')
done < $table

while read -r row; do
	grep -qE "^\| $row \|" $table || complain "$row is named by a test and has no row"
done < <(git grep -hoE 'SECURITY [A-Z][0-9]+( and [A-Z][0-9]+)?' -- tests ike auth esp p2s control datapath loader bpf | grep -oE '[A-Z][0-9]+' | sort -u)

for row in $(grep -oE '^\| [A-E][0-9]+ \|' $table | tr -d '| '); do
	git grep -qE "SECURITY $row\b|and $row\b" -- tests || complain "$row is named by no test"
done
exit $bad
