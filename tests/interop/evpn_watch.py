#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
On the gateway: when a host's type-2 route came by BGP, when the kernel's tables had both halves of it, and when xgw's map
had the endpoint. Ends then, and prints the times (CLOCK_MONOTONIC, seconds) as JSON.

  evpn_watch.py DEVICE PIN VNET ADDRESS MAC VTEP
"""
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

SYS_BPF = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
BPF_MAP_LOOKUP_ELEM, BPF_OBJ_GET = 1, 7
ETH_P_ALL, RTMGRP_NEIGH, RTM_NEWNEIGH = 3, 4, 28
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    a = ctypes.create_string_buffer(attributes + bytes(128 - len(attributes)), 128)
    return libc.syscall(SYS_BPF, command, a, 128)


class Endpoints:
    def __init__(self, pin):
        path = ctypes.create_string_buffer(pin.encode())
        self.fd = bpf(BPF_OBJ_GET, struct.pack('<Q', ctypes.addressof(path)))
        assert self.fd >= 0, os.strerror(ctypes.get_errno())
        self.value = ctypes.create_string_buffer(40)

    def get(self, key):
        k = ctypes.create_string_buffer(key, len(key))
        found = bpf(BPF_MAP_LOOKUP_ELEM, struct.pack('<IIQQQ', self.fd, 0, ctypes.addressof(k), ctypes.addressof(self.value), 0))
        return self.value.raw if found == 0 else b''


def waiting(*sockets):
    """All that is there to be read; when there is nothing, after 0.2 ms, which is the resolution of what is measured."""
    ready = select.select(sockets, [], [], 0.0002)[0]
    while ready:
        for s in ready:
            yield s, s.recv(65536)
        ready = select.select(sockets, [], [], 0)[0]


def main(device, pin, vnet, address, mac, vtep):
    host, mac, vtep = socket.inet_aton(address), bytes.fromhex(mac.replace(':', '')), socket.inet_aton(vtep)
    key = struct.pack('<I', int(vnet)) + bytes(10) + b'\xff\xff' + host
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((device, ETH_P_ALL))
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    kernel.bind((0, RTMGRP_NEIGH))
    endpoints, seen, end = Endpoints(pin), {}, time.monotonic() + 60
    print('ready', flush=True)
    while 'map' not in seen and time.monotonic() < end:
        for s, data in waiting(wire, kernel):
            # RFC 7432 section 7.2: length and address of either kind, in bits
            if s is wire and bytes([48]) + mac + bytes([32]) + host in data:
                seen.setdefault('bgp', time.monotonic())
            elif s is kernel and struct.unpack_from('=H', data, 4)[0] == RTM_NEWNEIGH and mac in data:
                if host in data:
                    seen.setdefault('neighbour', time.monotonic())
                if vtep in data:
                    seen.setdefault('fdb', time.monotonic())
        value = endpoints.get(key)
        if value[4:10] == mac and value[24:28] == vtep:
            seen['map'] = time.monotonic()
    print(json.dumps(seen))


main(*sys.argv[1:])
