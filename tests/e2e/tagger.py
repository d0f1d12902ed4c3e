#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
VLAN devices for kernels that have none (CONFIG_VLAN_8021Q): each is a TAP, whose frames leave by a device with the tags in front, and which
gets those that come with the same tags. `tagger.py DEVICE NAME=TAG[.TAG] ...`: one tag is 802.1Q, two are 802.1ad outside and 802.1Q inside.
Says "ready" when all TAPs are there; they may be moved to other namespaces then.
"""
import fcntl
import os
import select
import socket
import struct
import sys

CTAG, STAG = 0x8100, 0x88a8
TUNSETIFF, SIOCGIFHWADDR, SIOCSIFHWADDR = 0x400454ca, 0x8927, 0x8924
IFF_TAP, IFF_NO_PI = 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6


def tap(name, mac):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TAP | IFF_NO_PI))
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFHWADDR, struct.pack('16sH14s8x', name.encode(), 1, mac))
    return fd


def tags_of(text):
    numbers = [int(n) for n in text.split('.')]
    return [(CTAG, numbers[0])] if len(numbers) == 1 else [(STAG, numbers[0]), (CTAG, numbers[1])]


def taken_off(ancillary):
    """The outer tag, which the kernel has put aside."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return [(tpid if status & TP_STATUS_VLAN_TPID_VALID else CTAG, tci & 0xfff)]
    return []


def split(frame, tags):
    """(all tags, the frame without)"""
    at = 12
    while struct.unpack_from('!H', frame, at)[0] in (CTAG, STAG):
        tpid, tci = struct.unpack_from('!HH', frame, at)
        tags = tags + [(tpid, tci & 0xfff)]
        at += 4
    return tuple(tags), frame[:12] + frame[at:]


def main():
    device = sys.argv[1]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    wire.bind((device, 0))
    mac = fcntl.ioctl(wire, SIOCGIFHWADDR, struct.pack('16s24x', device.encode()))[18:32]
    ends = {}
    for word in sys.argv[2:]:
        name, text = word.split('=')
        ends[tuple(tags_of(text))] = tap(name, mac)
    in_front = {fd: b''.join(struct.pack('!HH', *t) for t in tags) for tags, fd in ends.items()}
    print('ready', flush=True)
    while True:
        for fd in select.select([wire, *in_front], [], [])[0]:
            # a device that is down, on either side, loses what is sent to it
            try:
                if fd is wire:
                    frame, ancillary, _, _ = wire.recvmsg(65536, 256)
                    tags, inside = split(frame, taken_off(ancillary))
                    if tags in ends:
                        os.write(ends[tags], inside)
                else:
                    frame = os.read(fd, 65536)
                    wire.send(frame[:12] + in_front[fd] + frame[12:])
            except OSError:
                pass


if __name__ == '__main__':
    main()
