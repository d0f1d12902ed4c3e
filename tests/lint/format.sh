#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make format` would change nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
git ls-files '*.c' '*.h' | grep -v '^vmlinux/vmlinux.h' | xargs clang-format --dry-run -Werror
