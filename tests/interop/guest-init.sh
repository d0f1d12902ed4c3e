#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# init of a User-Mode Linux guest whose root is the host's file system: everything that is written goes to file systems
# of its own, but for GUEST_DIR (from the kernel's command line), in which guest.py leaves commands and finds answers.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs log /var/log
read -r -a words < /proc/cmdline
for word in "${words[@]}"; do
	case $word in GUEST_DIR=*) GUEST_DIR=${word#GUEST_DIR=} ;; esac
done
# Debian keeps this kernel's modules beside those of real machines
mkdir -p /run/kernel/lib
ln -s /usr/lib/uml/modules /run/kernel/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe -d /run/kernel "$@"\n' > /run/kernel/modprobe
chmod 755 /run/kernel/modprobe
echo /run/kernel/modprobe > /proc/sys/kernel/modprobe
ip link set lo up
cd "$GUEST_DIR" || exit 1
uname -r > ready.part
mv ready.part ready
# reading a pipe that nobody writes waits without a process for each turn
mkfifo /run/never
exec 9<> /run/never
while :; do
	for f in *.command; do
		[ -e "$f" ] || continue
		n=${f%.command}
		mv "$f" "$n.script"
		(
			bash "$n.script" > "$n.out" 2>&1 < /dev/null
			echo $? > "$n.part"
			mv "$n.part" "$n.status"
		) &
	done
	read -r -t 0.02 -u 9
done
