#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Function lengths: 90 % within 40 lines, none over 80.
set -u
cd "$(dirname "$0")/../.." || exit 1
git ls-files '*.c' 'bpf/*.h' | xargs ctags -x --_xformat='%F:%n %N %e' --kinds-C=f --fields=+ne 2>/dev/null |
	awk '{ split($1, a, ":"); len = $3 - a[2] + 1; n++; if (len <= 40) within++;
	       if (len > 80) { printf "%s:%d: error: %s has %d lines, at most 80\n", a[1], a[2], $2, len; bad = 1 } }
	     END { if (!n) { print "error: no functions found; is universal-ctags installed?"; exit 1 }
	           p = 100 * within / n; printf "functions: %d, within 40 lines: %.1f %%\n", n, p;
	           if (p < 90) { print "error: 90 % must be within 40 lines"; bad = 1 } exit bad }'
