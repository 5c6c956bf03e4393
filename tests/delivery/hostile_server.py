"""A server that does to its clients whatever a test's script says, byte by byte."""

import contextlib
import socket
import ssl
import threading

#: A short answer, after which the connection may be kept.
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'


class HostileServer:
    """Runs ``script(connection, server)`` in a thread for every connection accepted.

    :param script: gets the socket, which is closed when it returns
    """

    def __init__(self, script, host='127.0.0.1'):
        self._script = script
        self._listener = socket.create_server((host, 0), backlog=128)
        self.host = host
        self.port = self._listener.getsockname()[1]
        self.stopping = threading.Event()
        self.connections = 0
        self._open = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info):
        self.stopping.set()
        socket.create_connection((self.host, self.port), timeout=5).close()
        self._threads[0].join(timeout=10)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def url(self):
        return f'http://{self.host}:{self.port}/'

    @property
    def tls_url(self):
        return f'https://{self.host}:{self.port}/'

    def drip(self, connection, data, pause=0.02):
        """Send byte by byte until the client or the test has enough."""
        for byte in data:
            connection.sendall(bytes((byte,)))
            if self.stopping.wait(pause):
                return

    def read_request(self, connection):
        """Read a whole request; return its bytes, none when the client closed."""
        data = b''
        while b'\r\n\r\n' not in data:
            more = connection.recv(65536)
            if not more:
                return b''
            data += more
        head, _, body = data.partition(b'\r\n\r\n')
        for line in head.lower().split(b'\r\n'):
            if line.startswith(b'content-length:'):
                missing = int(line.partition(b':')[2]) - len(body)
                while missing > 0:
                    more = connection.recv(65536)
                    missing -= len(more)
                    data += more
        return data

    def _accept(self):
        with self._listener:
            while True:
                connection, _ = self._listener.accept()
                if self.stopping.is_set():
                    connection.close()
                    return
                self.connections += 1
                self._open.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            self._script(connection, self)
        self._open.discard(connection)


def answering(*answers):
    """Return a script that gives one answer a request on each connection, then closes."""

    def script(connection, server):
        for answer in answers:
            if not server.read_request(connection):
                return
            connection.sendall(answer)

    return script


class ServerTls:
    """The server's end of TLS, whose encrypted bytes a script may send as it likes."""

    def __init__(self, connection, context):
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self, send=None):
        """Shake hands, sending what must be sent with ``send``."""
        send = send or self._connection.sendall
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                send(self._outgoing.read())
                self._feed()
            else:
                send(self._outgoing.read())
                return

    def read(self):
        while True:
            try:
                return self._tls.read()
            except ssl.SSLWantReadError:
                self._feed()

    def encrypted(self, data):
        self._tls.write(data)
        return self._outgoing.read()

    def _feed(self):
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionError('the client has closed')
        self._incoming.write(data)
