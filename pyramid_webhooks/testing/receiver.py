"""A real HTTP receiver on a loopback socket, for tests of an application's webhooks."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyramid_webhooks.testing.certificates import make_certificates
from pyramid_webhooks.testing.wire import Answer, BadRequest, ReceivedRequest, read_request

#: A function that answers: it gets the request and returns an Answer, or just a status.
Answerer = Callable[[ReceivedRequest], Answer | int | None]


class Receiver:
    """An HTTP/1.1 server with kept-alive connections that records what it receives.

    It answers 200 with an empty body until told otherwise by :meth:`answer`. Use it as a
    context manager, or call :meth:`start` and :meth:`stop`; started again after a stop it
    listens on the same port as before.

    :param tls: speak HTTPS, with a certificate made on the spot for 127.0.0.1, localhost
        and ``host``; clients must trust :attr:`ca_bundle`. Needs ``cryptography``.
    :param host: the address to listen on
    :param port: the port to listen on; 0 takes a free one
    """

    def __init__(self, tls: bool = False, host: str = '127.0.0.1', port: int = 0) -> None:
        self.tls = tls
        self.host = host
        self.port = port
        #: Path of a PEM file with the authority that clients must trust; None without TLS.
        self.ca_bundle: str | None = None
        #: How many connections were accepted so far.
        self.connections = 0
        self._context = self._make_tls_context() if tls else None
        self._changed = threading.Condition()
        self._requests: list[ReceivedRequest] = []
        self._awaited: list[int] = []
        self._standing: dict[str | None, Answer | Answerer] = {None: Answer()}
        self._queued: dict[str | None, deque[list[Any]]] = {}
        self._open: set[socket.socket] = set()
        self._answering = 0
        self._threads: set[threading.Thread] = set()
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()

    def __repr__(self) -> str:
        state = 'stopped' if self._listener is None else 'running'
        return f'<Receiver {self.host}:{self.port} {state}>'

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # -- where it is -----------------------------------------------------------------

    @property
    def url(self) -> str:
        """The URL of ``/`` on this receiver."""
        return self.url_for('/')

    def url_for(self, path: str) -> str:
        """Return the URL of ``path`` on this receiver.

        :raises RuntimeError: before the first start, when the port is not known yet
        """
        if not self.port:
            raise RuntimeError('The receiver has no port before it is started; start it first.')
        scheme = 'https' if self.tls else 'http'
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{scheme}://{host}:{self.port}/{path.removeprefix("/")}'

    # -- starting and stopping -------------------------------------------------------

    def start(self) -> Receiver:
        """Listen and serve in threads until :meth:`stop`; return this receiver."""
        if self._listener is not None:
            raise RuntimeError(f'{self!r} is started already.')
        family = socket.AF_INET6 if ':' in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family, backlog=1024)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._stopping = threading.Event()
        self._acceptor = self._run(self._accept, listener, self._stopping)
        return self

    def stop(self, finish: float = 0) -> None:
        """Stop listening and close every connection; harmless when stopped already.

        :param finish: seconds to wait at most for requests that have not been answered yet
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        if finish:
            with self._changed:
                self._changed.wait_for(lambda: not self._answering, finish)
        self._stopping.set()
        # A connection of our own ends a blocked accept() on every platform.
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._acceptor.join(timeout=5)
        with self._changed:
            connections = list(self._open)
            threads = list(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)

    # -- what it answers -------------------------------------------------------------

    def answer(
        self,
        status: int | Answerer = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b'',
        delay: float = 0,
        reset: bool = False,
        path: str | None = None,
        times: int | None = None,
        drip: float = 0,
    ) -> None:
        """Say how requests are answered from now on.

        :param status: the status code, or a function that gets the
            :class:`~.wire.ReceivedRequest` and returns an :class:`~.wire.Answer`, a status
            code, or None for 200; the function may block
        :param headers: headers of the answer; ``Connection: close`` ends the connection, a
            ``Content-Length`` of your own is sent as it is
        :param delay: seconds to wait before answering
        :param reset: reset the connection instead of answering
        :param path: only for requests to this path; its answers go before the general ones
        :param times: only for the next so many requests, after those queued before; without
            it, for all that no queued answer is left for
        :param drip: seconds between the single bytes of the answer
        """
        if callable(status):
            how: Answer | Answerer = status
        else:
            how = Answer(status, headers, body, delay, drip, reset)
        with self._changed:
            if times is None:
                self._standing[path] = how
            elif times > 0:
                self._queued.setdefault(path, deque()).append([times, how])

    # -- what it received ------------------------------------------------------------

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests received so far, in order of arrival; a copy."""
        with self._changed:
            return list(self._requests)

    def wait_for(self, count: int, timeout: float = 10) -> list[ReceivedRequest]:
        """Wait until at least ``count`` requests have been received; return all of them.

        :param timeout: seconds to wait at most
        :raises TimeoutError: when fewer came; it says how many
        """
        with self._changed:
            self._awaited.append(count)
            try:
                self._changed.wait_for(lambda: len(self._requests) >= count, timeout)
            finally:
                self._awaited.remove(count)
            if len(self._requests) < count:
                raise TimeoutError(
                    f'{self!r} received {len(self._requests)} of {count} requests '
                    f'within {timeout} seconds.'
                )
            return list(self._requests)

    def clear(self) -> None:
        """Forget the requests received so far; the answers stay as they are."""
        with self._changed:
            self._requests.clear()

    # -- serving ---------------------------------------------------------------------

    def _make_tls_context(self) -> ssl.SSLContext:
        folder = Path(tempfile.mkdtemp(prefix='pyramid_webhooks_receiver_'))
        weakref.finalize(self, _remove_folder, folder, os.getpid())
        make_certificates(folder, tuple(dict.fromkeys(('127.0.0.1', 'localhost', self.host))))
        self.ca_bundle = str(folder / 'ca.pem')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / 'server.pem', folder / 'server.key')
        return context

    def _run(self, function: Callable[..., None], *args: object) -> threading.Thread:
        def run() -> None:
            try:
                function(*args)
            finally:
                with self._changed:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f'{self!r}', daemon=True)
        with self._changed:
            self._threads.add(thread)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket, stopping: threading.Event) -> None:
        with listener:
            while not stopping.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if stopping.is_set():
                    connection.close()
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    connection = self._context.wrap_socket(
                        connection, server_side=True, do_handshake_on_connect=False
                    )
                with self._changed:
                    self.connections += 1
                    number = self.connections
                    self._open.add(connection)
                self._run(self._serve, connection, number, stopping)

    def _serve(self, connection: socket.socket, number: int, stopping: threading.Event) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                if self._context is not None:
                    connection.do_handshake()
                with connection.makefile('rb') as stream:
                    while not stopping.is_set():
                        try:
                            request = read_request(stream, number, connection.sendall)
                        except BadRequest as error:
                            refusal = Answer(400, {'Connection': 'close'}, f'{error}\n')
                            connection.sendall(refusal.to_bytes())
                            return
                        if request is None or not self._reply(connection, request, stopping):
                            return
        finally:
            with self._changed:
                self._open.discard(connection)

    def _reply(
        self, connection: socket.socket, request: ReceivedRequest, stopping: threading.Event
    ) -> bool:
        """Record and answer a request; tell whether the connection stays open."""
        with self._changed:
            self._answering += 1
        try:
            return self._answer(connection, request, stopping)
        finally:
            with self._changed:
                self._answering -= 1
                if self._listener is None:
                    self._changed.notify_all()

    def _answer(
        self, connection: socket.socket, request: ReceivedRequest, stopping: threading.Event
    ) -> bool:
        how = self._record(request)
        answer = how if isinstance(how, Answer) else _ask(how, request)
        if answer.delay and stopping.wait(answer.delay):
            return False
        if answer.reset:
            # Closing with a linger time of zero sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            return False
        content = answer.to_bytes(request.method)
        if answer.drip:
            for byte in content:
                connection.sendall(bytes((byte,)))
                if stopping.wait(answer.drip):
                    return False
        else:
            connection.sendall(content)
        wish = request.headers.get('Connection', '').lower()
        if request.version == 'HTTP/1.0':
            return wish == 'keep-alive' and not answer.closes()
        return wish != 'close' and not answer.closes()

    def _record(self, request: ReceivedRequest) -> Answer | Answerer:
        with self._changed:
            self._requests.append(request)
            if self._awaited and len(self._requests) >= min(self._awaited):
                self._changed.notify_all()
            path = request.path.partition('?')[0]
            for key in (path, None):
                queue = self._queued.get(key)
                if queue:
                    queue[0][0] -= 1
                    left, how = queue[0]
                    if not left:
                        queue.popleft()
                    return how
                if key in self._standing:
                    return self._standing[key]
        raise AssertionError('a standing answer for every path is always there')


def _ask(answerer: Answerer, request: ReceivedRequest) -> Answer:
    try:
        answer = answerer(request)
    except Exception:
        return Answer(500, {'Content-Type': 'text/plain'}, traceback.format_exc())
    if isinstance(answer, Answer):
        return answer
    return Answer(200 if answer is None else answer)


def _remove_folder(folder: Path, pid: int) -> None:
    # A child of a fork inherits the finalizer, but not the folder.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
