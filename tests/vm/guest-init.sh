#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# init of a machine that has nothing but the kernel under test and this initramfs (tests/vm/machine.py makes it). Runs
# /steps/*, each with a line `step NAME: exit CODE, SECONDS s` on the console behind its output, and turns the machine off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root XGW_TEST_STRIDE=7
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t bpf bpf /sys/fs/bpf
# only what the tests say
echo 1 > /proc/sys/kernel/printk
for module in /modules/*.ko; do insmod "$module"; done
ip link set lo up
echo "step boot: kernel $(uname -r)"
for s in /steps/*; do
	from=$(cut -d' ' -f1 /proc/uptime)
	"$s" < /dev/null 2>&1
	code=$?
	to=$(cut -d' ' -f1 /proc/uptime)
	echo "step ${s##*/}: exit $code, $(echo "$from $to" | awk '{ printf "%.1f", $2 - $1 }') s"
done
poweroff -f
