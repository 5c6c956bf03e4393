"""A connected socket on which nothing waits longer than a deadline, in the clear or in TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

_AT_ONCE = 32768
#: Setting a socket's time is a system call; so much too late is as good.
_SLACK_SECONDS = 0.1


class Link:
    """A TCP connection; every wait on it ends at :attr:`deadline`.

    The time that is left is set anew before a call on the socket unless what is set is nearly
    that, so that a peer that drips bytes gains nothing.

    :param deadline: a time of :func:`time.monotonic`
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._timeout = 0.0
        self.deadline = deadline

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._limit()
        self._socket.sendall(data)

    def receive(self, most: int = _AT_ONCE) -> bytes:
        """Return what has come, waiting for it; empty when the peer has closed."""
        self._limit()
        return self._socket.recv(most)

    def is_quiet(self) -> bool:
        """Tell whether the peer has neither closed nor sent anything; does not wait."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket, without a word to the peer."""
        self._socket.close()

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError('the deadline has passed')
        slack = min(_SLACK_SECONDS, left / 50)
        if not left <= self._timeout <= left + 2 * slack:
            self._timeout = left + slack
            self._socket.settimeout(self._timeout)


class TlsLink(Link):
    """The same with TLS on it.

    TLS runs on memory buffers and only the plain link waits: the handshake and a record that
    comes byte by byte meet the deadline too, whatever the kind of socket.

    :param name: what the peer's certificate must be valid for
    """

    def __init__(
        self, sock: socket.socket, deadline: float, context: ssl.SSLContext, name: str
    ) -> None:
        super().__init__(sock, deadline)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def handshake(self) -> None:
        """Agree on keys and check the peer's certificate."""
        while not self._shake():
            self._flush()
            self._feed()
        self._flush()

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def receive(self, most: int = _AT_ONCE) -> bytes:
        while (data := self._decrypt(most)) is None:
            self._flush()
            self._feed()
        return data

    def is_quiet(self) -> bool:
        return not self._incoming.pending and not self._tls.pending() and super().is_quiet()

    def _shake(self) -> bool:
        """Take the handshake as far as it goes; tell whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            # The peer is told what is wrong, if it listens.
            with contextlib.suppress(OSError):
                self._flush()
            raise
        return True

    def _decrypt(self, most: int) -> bytes | None:
        """Return what can be read, none at the end; None when more must come first."""
        try:
            return self._tls.read(most)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b''

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            super().send(data)

    def _feed(self) -> None:
        data = super().receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
