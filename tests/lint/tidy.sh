#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy (.clang-tidy) over all C of the product. Needs the generated skeleton: run after `make`.
set -u
cd "$(dirname "$0")/../.." || exit 1
one() {
	local out
	out=$(clang-tidy --quiet "$1" -- -std=gnu11 -D_GNU_SOURCE -DXGW_HAVE_IPSEC_MB '-DXGW_VERSION="0"' -I. -Ibuild -I/usr/include/libxml2 2> /dev/null)
	# what bpftool generates is not ours to change
	grep -E ' error: ' <<< "$out" | grep -qvE '(^|/)build/' || return 0
	echo "$out"
	return 1
}
export -f one
git ls-files '*.c' | grep -E '^(base|auth|esp|maps|datapath|ike|p2s|control|loader)/' |
	xargs -P "$(nproc)" -I{} bash -c 'one {}'
