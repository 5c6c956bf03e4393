"""A receiver that is no bottleneck: one thread, one selector, prepared bytes; in a process of
its own, so that it does not share an interpreter with what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyramid_webhooks.testing.certificates import make_certificates

#: Five headers and two bytes.
ANSWER = (
    b'HTTP/1.1 200 OK\r\n'
    b'Server: receiver\r\n'
    b'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n'
    b'Content-Type: text/plain\r\n'
    b'Cache-Control: no-store\r\n'
    b'Content-Length: 2\r\n'
    b'\r\n'
    b'ok'
)
_CONTROL = b'/counts'
_TIMED = b'/timed'


class Counts:
    """What arrived so far: requests, and distinct values of ``webhook-id``."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0
        self._ids: set[bytes] = set()
        self._arrivals: list[tuple[float, str]] = []

    def add(self, head: bytes, body: bytes) -> None:
        """Count a request."""
        self.requests += 1
        if head.startswith(b'POST ' + _TIMED):
            self._arrivals.append((time.time(), body.decode()))
        at = head.find(b'webhook-id: ')
        if at > 0:
            self._ids.add(head[at + 12 : head.find(b'\r', at)])

    def to_json(self) -> bytes:
        """The counts as they are told. What was timed is told once."""
        arrivals, self._arrivals = self._arrivals, []
        counts = {
            'requests': self.requests,
            'connections': self.connections,
            'ids': len(self._ids),
            'cpu': time.process_time(),
            'arrivals': arrivals,
        }
        return json.dumps(counts).encode()


class Peer:
    """One connection: reads requests, several at once if they come so, and answers them."""

    def __init__(self, sock: ssl.SSLSocket, counts: Counts):
        self._socket = sock
        self._counts = counts
        self._buffer = b''
        self._shaken = False

    def serve(self) -> bool:
        """Do what can be done without waiting; False when the connection is over."""
        try:
            if not self._shaken:
                self._socket.do_handshake()
                self._shaken = True
            while True:
                data = self._socket.recv(65536)
                if not data:
                    return False
                self._buffer += data
                self._answer()
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False

    def _answer(self) -> None:
        answers = []
        while (end := self._buffer.find(b'\r\n\r\n')) >= 0:
            head = self._buffer[: end + 2]
            at = head.find(b'Content-Length: ')
            length = int(head[at + 16 : head.find(b'\r', at)]) if at > 0 else 0
            if len(self._buffer) < end + 4 + length:
                break
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if head.startswith(b'GET ' + _CONTROL):
                told = self._counts.to_json()
                answers.append(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(told) + told)
            else:
                self._counts.add(head, body)
                answers.append(ANSWER)
        if answers:
            self._socket.send(b''.join(answers))


def serve(folder: Path) -> None:
    """Listen on a free port, print it, and serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / 'server.pem', folder / 'server.key')
    listener = socket.create_server(('127.0.0.1', 0), backlog=1024)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print(listener.getsockname()[1], flush=True)
    counts = Counts()
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                secured = context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                counts.connections += 1
                selector.register(secured, selectors.EVENT_READ, Peer(secured, counts))
            elif not key.data.serve():
                selector.unregister(key.fileobj)
                key.fileobj.close()


class ReceiverProcess:
    """The receiver as those see it who send to it.

    :ivar ca_bundle: path of the PEM file with the authority to trust.
    """

    def __init__(self, port: int, ca_bundle: str):
        self.port = port
        self.ca_bundle = ca_bundle

    def url_for(self, path: str) -> str:
        """The URL of ``path``."""
        return f'https://127.0.0.1:{self.port}/{path.removeprefix("/")}'

    def counts(self) -> dict[str, Any]:
        """``requests``, ``connections``, distinct ``ids`` and seconds of ``cpu`` so far.

        ``arrivals`` are (POSIX time, body) of the requests to ``/timed`` since they were last
        asked for.
        """
        context = ssl.create_default_context(cafile=self.ca_bundle)
        connection = http.client.HTTPSConnection('127.0.0.1', self.port, context=context)
        with contextlib.closing(connection):
            connection.request('GET', _CONTROL.decode())
            return json.loads(connection.getresponse().read())


@contextlib.contextmanager
def running_receiver() -> Iterator[ReceiverProcess]:
    """Run a receiver in a process of its own."""
    with tempfile.TemporaryDirectory(prefix='benchmarks_receiver_') as name:
        folder = Path(name)
        make_certificates(folder)
        command = [sys.executable, '-m', 'benchmarks.receiver', name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                port = int(process.stdout.readline())
                yield ReceiverProcess(port, str(folder / 'ca.pem'))
            finally:
                process.stdin.close()
                process.wait(timeout=10)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=serve.__doc__)
    parser.add_argument('folder', type=Path, help='folder of the certificates')
    serve(parser.parse_args().folder)
