# SPDX-License-Identifier: Apache-2.0
"""
How long the event loop of a gateway lets one wait: asks its control socket for nothing, every 2 ms until its input ends. One line of JSON at
the end, in milliseconds: the longest answer, and the one that 99 of 100 were below.
"""
import json
import select
import socket
import sys
import time


def ask(path):
    since = time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'{"verb": "nothing"}\n')
        answer = s.recv(4096)
    assert b'knows no verb' in answer, answer
    return (time.monotonic() - since) * 1000


def main():
    took = []
    print('ready', flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        took.append(ask(sys.argv[1]))
    took.sort()
    print(json.dumps({'asked': len(took), 'longest': round(took[-1], 1), 'most': round(took[len(took) * 99 // 100], 1)}))


main()
