"""A receiver that is no bottleneck: one thread, one selector, prepared bytes; in a process of
its own, so that it does not share an interpreter with what is measured. It can take its time.
"""

from __future__ import annotations

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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
    """What arrived so far: requests, and distinct values of ``webhook-id``.

    ``most`` is how many requests were open at once at most.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.answered = 0
        self.connections = 0
        #: Seconds from the requests to their answers, altogether.
        self.taken = 0.0
        self._most = 0
        self._ids: set[bytes] = set()
        self._arrivals: list[tuple[float, str]] = []

    def add(self, head: bytes, body: bytes) -> None:
        """Count a request."""
        self.requests += 1
        self._most = max(self._most, self.requests - self.answered)
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
            'most': self._most,
            'taken': self.taken / max(1, self.answered),
            'ids': len(self._ids),
            'cpu': time.process_time(),
            'arrivals': arrivals,
        }
        return json.dumps(counts).encode()


class Peer:
    """One connection: reads requests, several at once if they come so.

    :param receive: called with this peer, and the head and the body of each request.
    """

    def __init__(self, sock: ssl.SSLSocket, receive: Callable[[Peer, bytes, bytes], None]):
        self._socket = sock
        self._receive = receive
        self._buffer = b''
        self._shaken = False
        self._answers: list[bytes] = []

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
                self._read()
                self.flush()
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False

    def answer(self, answer: bytes) -> None:
        """Have an answer sent with the next :meth:`flush`."""
        self._answers.append(answer)

    def flush(self) -> None:
        """Send the answers.

        :raises OSError: when the connection is over.
        """
        if self._answers:
            answers, self._answers = b''.join(self._answers), []
            self._socket.send(answers)

    def _read(self) -> None:
        while (end := self._buffer.find(b'\r\n\r\n')) >= 0:
            head = self._buffer[: end + 2]
            at = head.find(b'Content-Length: ')
            length = int(head[at + 16 : head.find(b'\r', at)]) if at > 0 else 0
            if len(self._buffer) < end + 4 + length:
                break
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._receive(self, head, body)


class Server:
    """Serves until standard input ends.

    :param seconds: that an answer takes.
    """

    def __init__(self, folder: Path, seconds: float):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / 'server.pem', folder / 'server.key')
        self._seconds = seconds
        self._counts = Counts()
        #: When the request came, and from whom; oldest first.
        self._open: deque[tuple[float, Peer]] = deque()
        # epoll waits whole milliseconds, which is much of 20; select can't have 1,024 connections.
        exact = 0 < seconds < 1
        self._selector = selectors.SelectSelector() if exact else selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def listen(self, hosts: Sequence[str]) -> int:
        """Listen on one free port of all hosts; the port."""
        port = 0
        for host in hosts:
            listener = socket.create_server((host, port), backlog=1024)
            listener.setblocking(False)
            port = listener.getsockname()[1]
            self._selector.register(listener, selectors.EVENT_READ)
        return port

    def serve(self) -> None:
        """Serve."""
        while True:
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj is sys.stdin:
                    return
                if key.data is None:
                    self._accept(key.fileobj)
                elif not key.data.serve():
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
            self._answer()

    def _accept(self, listener: Any) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        self._counts.connections += 1
        self._selector.register(secured, selectors.EVENT_READ, Peer(secured, self._receive))

    def _receive(self, peer: Peer, head: bytes, body: bytes) -> None:
        if head.startswith(b'GET ' + _CONTROL):
            told = self._counts.to_json()
            peer.answer(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(told) + told)
            return
        self._counts.add(head, body)
        if self._seconds:
            self._open.append((time.perf_counter(), peer))
        else:
            self._counts.answered += 1
            peer.answer(ANSWER)

    def _timeout(self) -> float | None:
        if not self._open:
            return None
        return max(0.0, self._open[0][0] + self._seconds - time.perf_counter())

    def _answer(self) -> None:
        """Answer those whose time has come."""
        while self._open and (now := time.perf_counter()) >= self._open[0][0] + self._seconds:
            came, peer = self._open.popleft()
            self._counts.taken += now - came
            self._counts.answered += 1
            peer.answer(ANSWER)
            with contextlib.suppress(OSError):
                peer.flush()


class ReceiverProcess:
    """The receiver as those see it who send to it.

    :ivar ca_bundle: path of the PEM file with the authority to trust.
    """

    def __init__(self, port: int, ca_bundle: str):
        self.port = port
        self.ca_bundle = ca_bundle

    def url_for(self, path: str, host: str = '127.0.0.1') -> str:
        """The URL of ``path``."""
        return f'https://{host}:{self.port}/{path.removeprefix("/")}'

    def counts(self) -> dict[str, Any]:
        """``requests``, ``connections``, distinct ``ids`` and seconds of ``cpu`` so far.

        ``most`` requests were open at once; an answer has ``taken`` so many seconds on average.
        ``arrivals`` are (POSIX time, body) of the requests to ``/timed`` since they were last
        asked for.
        """
        context = ssl.create_default_context(cafile=self.ca_bundle)
        connection = http.client.HTTPSConnection('127.0.0.1', self.port, context=context)
        with contextlib.closing(connection):
            connection.request('GET', _CONTROL.decode())
            return json.loads(connection.getresponse().read())


@contextlib.contextmanager
def running_receiver(
    seconds: float = 0.0, hosts: Sequence[str] = ('127.0.0.1',)
) -> Iterator[ReceiverProcess]:
    """Run a receiver in a process of its own.

    :param seconds: that an answer takes.
    :param hosts: addresses of 127/8; the first is 127.0.0.1.
    """
    with tempfile.TemporaryDirectory(prefix='benchmarks_receiver_') as name:
        folder = Path(name)
        make_certificates(folder, tuple(hosts))
        command = [sys.executable, '-m', 'benchmarks.receiver', name, str(seconds), *hosts]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                port = int(process.stdout.readline())
                yield ReceiverProcess(port, str(folder / 'ca.pem'))
            finally:
                process.stdin.close()
                process.wait(timeout=10)


def main(folder: str, seconds: str, *hosts: str) -> None:
    """Listen, print the port, and serve.

    :param folder: of the certificates.
    """
    server = Server(Path(folder), float(seconds))
    print(server.listen(hosts), flush=True)
    server.serve()


if __name__ == '__main__':
    main(*sys.argv[1:])
