# SPDX-License-Identifier: Apache-2.0
"""
Connections to an SSTP server that lead to nothing: sstp_strangers.py half COUNT SOURCE… | drip. Prints `{"open": n}` when all are there,
and at the end how long each was let live. Nothing is read but where that is the point.
"""
import json
import resource
import select
import socket
import ssl
import sys
import time

SERVER = ('203.0.113.1', 443)
GIVE_UP = 20
REQUEST = (b'SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gw\r\n\r\n')
CALL = bytes.fromhex('1001000e00010001') + bytes.fromhex('000100060001')
ECHO = bytes.fromhex('1001000800080000')


def context():
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


def client_hello():
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context().wrap_bio(into, out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Stranger:
    def __init__(self, kind, source='203.0.113.5', room=None):
        self.kind, self.ended, self.at = kind, None, 0
        s = self.socket = socket.socket()
        if room:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        s.bind((source, 0))
        s.connect(SERVER)
        self.since = time.monotonic()

    def tls(self):
        """The handshake is done; what is sent then goes by write()."""
        self.socket = context().wrap_socket(self.socket)
        return self

    def write(self, data):
        try:
            return self.socket.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            return 0
        except OSError:
            self.end()
            return 0

    def end(self):
        self.ended = self.ended or time.monotonic() - self.since

    def drip(self):
        """A byte of what is never whole."""
        self.at += self.write(self.says[self.at:self.at + 1])

    def flood(self):
        while self.ended is None and self.write(self.says):
            pass


def wait_for_the_end(all_of_them, turn=lambda: None):
    """The server closes: seen without reading."""
    poll, by_fd = select.poll(), {}
    for s in all_of_them:
        poll.register(s.socket.fileno(), select.POLLRDHUP)
        by_fd[s.socket.fileno()] = s
    stop = time.monotonic() + GIVE_UP
    while by_fd and time.monotonic() < stop:
        for fd, _ in poll.poll(250):
            by_fd.pop(fd).end()
            poll.unregister(fd)
        turn()


def tell(strangers):
    kinds = {}
    for s in strangers:
        k = kinds.setdefault(s.kind, {'ended': 0, 'alive': 0, 'shortest': GIVE_UP, 'longest': 0})
        k['ended' if s.ended else 'alive'] += 1
        if s.ended:
            k['shortest'], k['longest'] = min(k['shortest'], s.ended), max(k['longest'], s.ended)
    print(json.dumps(kinds), flush=True)


def half(count, sources):
    hello, strangers = client_hello(), []
    for i in range(count):
        s = Stranger('hello' if i // len(sources) % 2 else 'silent', sources[i % len(sources)])
        if s.kind == 'hello':
            s.socket.sendall(hello)
        strangers.append(s)
    print(json.dumps({'open': len(strangers)}), flush=True)
    wait_for_the_end(strangers)
    tell(strangers)


def drip():
    hello, strangers = client_hello(), []
    for kind, is_tls, says, does in (('tls', False, hello[:-1], Stranger.drip), ('http', True, REQUEST[:-1], Stranger.drip),
                                     ('unread', True, ECHO * 2000, Stranger.flood)):
        for _ in range(3):
            s = Stranger(kind, room=4096 if does is Stranger.flood else None)
            if is_tls:
                s.tls()
            s.says, s.does = says, does
            if does is Stranger.flood:
                s.socket.sendall(REQUEST)
                s.socket.recv(4096)
                s.socket.sendall(CALL)
            s.socket.setblocking(False)
            strangers.append(s)
    print(json.dumps({'open': len(strangers)}), flush=True)
    dripped = 0

    def turn():
        nonlocal dripped
        slow = time.monotonic() > dripped + 1
        for s in strangers:
            if s.ended is None and (slow or s.does is Stranger.flood):
                s.does(s)
        dripped = time.monotonic() if slow else dripped
    wait_for_the_end(strangers, turn)
    tell(strangers)


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if sys.argv[1] == 'half':
        half(int(sys.argv[2]), sys.argv[3:])
    else:
        drip()
