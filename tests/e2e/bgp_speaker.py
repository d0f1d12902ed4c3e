#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A BGP speaker (RFC 4271) that announces whatever it is told to, at once, as no decent router would: what no peer may say, and more than it
may say. IPv4 unicast, 4-octet AS numbers (RFC 6793). Reads commands from stdin, one a line:
  announce PREFIX ...      withdraw PREFIX ...
  via ASN PREFIX ...                           announced with ASN behind its own in the path
  many N                   no-more N           N prefixes of /24 from 16.0.0.0 on
and answers each by a line of JSON: {"did": COMMAND, "began": SECONDS, "ended": SECONDS} (CLOCK_MONOTONIC); {"closed": ...} when its peer closes.
"""
import argparse
import ipaddress
import json
import os
import socket
import struct
import sys
import threading
import time

OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4


def message(kind, body=b''):
    return b'\xff' * 16 + struct.pack('!HB', 19 + len(body), kind) + body


def nlri(prefix):
    n = ipaddress.ip_network(prefix)
    return bytes([n.prefixlen]) + n.network_address.packed[:(n.prefixlen + 7) // 8]


def nth(i):
    return struct.pack('!BI', 24, 0x10000000 + (i << 8))[:4]


def pieces(prefixes, room=4000):
    at = b''
    for p in prefixes:
        if len(at) + len(p) > room:
            yield at
            at = b''
        at += p
    if at:
        yield at


class Speaker:
    def __init__(self, local, peer, asn, hold=180):
        self.local, self.asn = local, asn
        self.lock = threading.Lock()
        while True:
            self.socket = socket.socket()
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.bind((local, 0))
            try:
                self.socket.connect((peer, 179))
                self.send(message(OPEN, self.opening(hold)))
                if self.receive()[0] == OPEN:
                    break
            except OSError:
                pass
            self.socket.close()
            time.sleep(0.2)
        self.send(message(KEEPALIVE))
        while self.receive()[0] != KEEPALIVE:
            pass
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.live, daemon=True).start()

    def opening(self, hold):
        capabilities = bytes([1, 4, 0, 1, 0, 1]) + bytes([65, 4]) + struct.pack('!I', self.asn)
        return struct.pack('!BHH', 4, self.asn, hold) + socket.inet_aton(self.local) + bytes([len(capabilities) + 2, 2, len(capabilities)]) + capabilities

    def send(self, what):
        with self.lock:
            self.socket.sendall(what)

    def exactly(self, n):
        got = b''
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise ConnectionError('closed')
            got += more
        return got

    def receive(self):
        length, kind = struct.unpack('!HB', self.exactly(19)[16:])
        return kind, self.exactly(length - 19)

    def read(self):
        try:
            while True:
                kind, body = self.receive()
                if kind == NOTIFICATION:
                    raise ConnectionError(f'notification {body[0]}/{body[1]}')
        except OSError as e:
            print(json.dumps({'closed': str(e), 'at': time.monotonic()}), flush=True)

    def live(self):
        while True:
            time.sleep(20)
            try:
                self.send(message(KEEPALIVE))
            except OSError:
                return

    def announce(self, prefixes, *behind):
        path = struct.pack(f'!BB{len(behind) + 1}I', 2, len(behind) + 1, self.asn, *behind)
        attributes = (bytes([0x40, 1, 1, 0, 0x40, 2, len(path)]) + path + bytes([0x40, 3, 4]) + socket.inet_aton(self.local))
        head = struct.pack('!HH', 0, len(attributes)) + attributes
        return [message(UPDATE, head + p) for p in pieces(prefixes)]

    def withdraw(self, prefixes):
        return [message(UPDATE, struct.pack('!H', len(p)) + p + b'\0\0') for p in pieces(prefixes)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument('local')
    p.add_argument('peer')
    p.add_argument('asn', type=int)
    o = p.parse_args()
    s = Speaker(o.local, o.peer, o.asn)
    print(json.dumps({'up': time.monotonic()}), flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        behind = [int(words.pop(0))] if verb == 'via' else []
        prefixes = (nth(i) for i in range(int(words[0]))) if verb in ('many', 'no-more') else (nlri(w) for w in words)
        messages = s.withdraw(prefixes) if verb in ('withdraw', 'no-more') else s.announce(prefixes, *behind)
        began = time.monotonic()
        try:
            for m in messages:
                s.send(m)
        except OSError as e:
            print(json.dumps({'failed': str(e)}), flush=True)
        print(json.dumps({'did': line.strip()[:60], 'began': began, 'ended': time.monotonic()}), flush=True)
    os._exit(0)


if __name__ == '__main__':
    main()
