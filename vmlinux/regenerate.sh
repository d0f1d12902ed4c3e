#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints the kernel's own definitions of the types in vmlinux.h, from its BTF, to compare or to take over when a new
# type is needed: vmlinux/regenerate.sh [BTF FILE]. The file is kept by hand because the whole vmlinux.h has
# three megabytes and differs with every kernel, and bpf/ needs no more than stable types.
set -euo pipefail
btf=${1:-/sys/kernel/btf/vmlinux}
types='bpf_map_type|xdp_action|xdp_md|ethhdr|vlan_hdr|iphdr|in6_addr|ipv6hdr|udphdr'
bpftool btf dump file "$btf" format c |
	awk -v want="^(enum|struct) ($types) \\\\{" '$0 ~ want { on = 1 } on { print } on && /^}/ { on = 0; print "" }'
