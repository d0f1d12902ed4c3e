#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# maps/layout.h and maps/meta.h: no hole that the compiler would fill (host and BPF), and the BTF of
# all keys and values as maps/layout.abi has it. `layout.sh renew` writes layout.abi anew, which a
# change of the layout must do together with a higher XGW_LAYOUT_VERSION.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for header in layout meta; do
	echo "#include \"maps/$header.h\"" > "$work/$header.c"
	gcc -std=gnu11 -I. -Wall -Werror -Wpadded -fsyntax-only "$work/$header.c"
	clang -std=gnu11 -I. -Wall -Werror -Wpadded -fsyntax-only "$work/$header.c"
	clang -target bpf -D__bpf__ -I. -Ivmlinux -Wall -Werror -Wpadded -fsyntax-only "$work/$header.c"
done

# one pointer to each struct keeps its type in the BTF
{
	echo '#include "maps/meta.h"'
	sed -n 's/^struct \(xgw_[a-z0-9_]*\) {.*/struct \1 *keep_\1;/p' maps/layout.h maps/meta.h
	sed -n 's/^enum \(xgw_[a-z0-9_]*\) {.*/enum \1 keep_\1;/p' maps/layout.h maps/meta.h
} > "$work/abi.c"
clang -g -O2 -target bpf -D__bpf__ -I. -Ivmlinux -c "$work/abi.c" -o "$work/abi.o"
{
	sed -n 's/^#define XGW_LAYOUT_VERSION[[:space:]]*\([0-9]*\)u.*/version \1/p' maps/layout.h
	# without type numbers, which depend on the compiler
	bpftool btf dump file "$work/abi.o" format raw |
		awk '/^\[[0-9]+\] (STRUCT|ENUM) .xgw_/ {on = 1} /^\[/ && !/(STRUCT|ENUM) .xgw_/ {on = 0} on' |
		sed -E 's/^\[[0-9]+\] //; s/ type_id=[0-9]+//; s/ encoding=[A-Z]+//'
} > "$work/layout.abi"

if [ "${1:-}" = renew ]; then
	cp "$work/layout.abi" maps/layout.abi
	exit
fi
diff -u maps/layout.abi "$work/layout.abi" || {
	echo "maps/layout.h: error: the layout of the maps differs from maps/layout.abi;" \
		"raise XGW_LAYOUT_VERSION and run 'tests/lint/layout.sh renew'" >&2
	exit 1
}
# only keys and plain values: no secret may ever be reachable from a map's layout
if grep -n 'include.*secret' maps/layout.h maps/meta.h; then
	echo "maps/layout.h: error: expected no secrets in maps; remove the include" >&2
	exit 1
fi
