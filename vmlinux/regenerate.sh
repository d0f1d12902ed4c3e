#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compares the sizes of vmlinux.h's structs and the values of its enumerators with a kernel's BTF
# (default: the running one), and prints the kernel's definition of each that differs, from which vmlinux.h is then renewed by
# hand. Types that no kernel BTF holds (vlan_hdr, arp_ether_ipv4) are wire formats, checked by the tests.
#   vmlinux/regenerate.sh [/sys/kernel/btf/vmlinux]
set -euo pipefail
cd "$(dirname "$0")"
btf=${1:-/sys/kernel/btf/vmlinux}
types=(xdp_md ethhdr iphdr ipv6hdr ipv6_opt_hdr udphdr icmphdr icmp6hdr in6_addr)
enums=(xdp_action bpf_map_type)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
	echo '#include "vmlinux.h"'
	for t in "${types[@]}"; do echo "struct $t *keep_$t;"; done
	for t in "${enums[@]}"; do echo "enum $t keep_$t;"; done
} > "$work/ours.c"
clang -g -O2 -target bpf -D__bpf__ -I. -c "$work/ours.c" -o "$work/ours.o"
bpftool btf dump file "$work/ours.o" format raw > "$work/ours"
bpftool btf dump file "$btf" format raw > "$work/theirs"
bpftool btf dump file "$btf" format c > "$work/theirs.h"

size_of() { sed -n -E "s/^\[[0-9]+\] STRUCT '$1' size=([0-9]+).*/\1/p" "$2" | head -1; }
differ=0
for t in "${types[@]}"; do
	ours=$(size_of "$t" "$work/ours")
	theirs=$(size_of "$t" "$work/theirs")
	[ -n "$theirs" ] || { echo "regenerate.sh: $btf has no struct $t" >&2; continue; }
	if [ "$ours" != "$theirs" ]; then
		echo "struct $t: $ours bytes here, $theirs in $btf:" >&2
		sed -n "/^struct $t {/,/^}/p" "$work/theirs.h" >&2
		differ=1
	fi
done
# each enumerator here has the kernel's value
while read -r name value; do
	grep -qE "^	'$name' val=$value$" "$work/theirs" || {
		echo "enumerator $name = $value differs from $btf:" >&2
		grep -E "^	'$name' val=" "$work/theirs" >&2 || true
		differ=1
	}
done < <(sed -n -E "s/^	'((XDP|BPF)_[A-Z0-9_]+)' val=([0-9]+)$/\1 \3/p" "$work/ours")
[ $differ = 0 ] && echo "vmlinux.h agrees with $btf"
exit $differ
