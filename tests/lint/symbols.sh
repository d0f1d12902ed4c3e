#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The cores do no I/O, read no clock, draw no randomness, start no thread; the program starts no other one: undefined
# symbols against lists. Run after `make`.
set -u
cd "$(dirname "$0")/../.." || exit 1
forbidden='^(socket|connect|bind|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|read|write|open|openat|fopen|fread|fwrite|fputs|puts|printf|fprintf|vprintf|vfprintf|__printf_chk|__fprintf_chk|perror|time|clock|clock_gettime|gettimeofday|nanosleep|usleep|sleep|getrandom|getentropy|rand|random|srand|RAND_.*|pthread_create|fork|exec.*|system|popen|exit|_exit|getenv|ioctl|bpf|syscall)$'
bad=0
for core in base auth esp ike p2s control; do
	lib=build/lib$core.a
	[ -f "$lib" ] || { echo "$lib: error: not built; run make first"; exit 1; }
	found=$(nm -u "$lib" 2>/dev/null | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u | grep -E "$forbidden")
	[ -z "$found" ] || { echo "$lib: error: a core may not use:" $found; bad=1; }
done
# SECURITY A7 (CVE-2023-28771): no string of a peer can reach a shell, since nothing here can start one; what starts BIRD, by
# a path and words of its own, is one file
starts='^(system|popen|p?v?fork|exec.*|fexecve|posix_spawnp?|wordexp|dlopen)$'
found=$(nm -D -u build/xgw | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | grep -E "$starts" | grep -vx posix_spawn)
[ -z "$found" ] || { echo "build/xgw: error: the program may start no other one:" $found; bad=1; }
found=$(nm -A -u build/*/*.o 2>/dev/null | awk '$2 == "U" && $3 == "posix_spawn" { print $1 }' | grep -v '^build/loader/router_bird\.o:')
[ -z "$found" ] || { echo "build/loader: error: only router_bird.c may start a program:" $found; bad=1; }
exit $bad
