#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The arrows of the house: which folder may include which. One line per folder; single headers that are plain
# data and may be included by more are named in full.
set -u
cd "$(dirname "$0")/../.." || exit 1
declare -A may=(
	[base]=""
	[auth]="base"
	[esp]="base maps/drops.h"
	[maps]="base maps"
	[datapath]="base esp maps"
	[ike]="base auth"
	[p2s]="base auth"
	[control]="base maps/layout.h maps/drops.h"
	[bpf]="maps vmlinux"
	[loader]="base auth esp maps datapath ike p2s control bpf"
)
bad=0
for folder in "${!may[@]}"; do
	while IFS=: read -r file line text; do
		want=$(sed -E 's/^[^"]*"([^"]+)".*/\1/' <<< "$text")
		to=${want%%/*}
		[ "$to" = "$want" ] && continue # generated or of the same folder
		[ "$to" = "$folder" ] && continue
		ok=
		for m in ${may[$folder]}; do
			[ "$m" = "$to" ] || [ "$m" = "$want" ] && ok=1
		done
		[ -n "$ok" ] || { echo "$file:$line: error: $folder/ may not include $want"; bad=1; }
	done < <(grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$folder"/*.[ch] "$folder"/*.def 2>/dev/null)
done
# keys never stand where the kernel's maps are laid out
if grep -nE 'include.*(secret|child_sa)\.h' maps/layout.h maps/meta.h; then
	echo "maps/layout.h: error: layouts may not know secrets"
	bad=1
fi
exit $bad
