"""Connecting to a target at an address that the policy allows, and exchanging messages there."""

from __future__ import annotations

import base64
import dataclasses
import functools
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable

from pyramid_webhooks.delivery.answer import Answer, AnswerReader, MalformedAnswer
from pyramid_webhooks.delivery.link import Link, TlsLink
from pyramid_webhooks.delivery.resolver import Candidate, Resolver
from pyramid_webhooks.delivery.target import Target
from pyramid_webhooks.interfaces import DestinationRefused, IDestinationPolicy

#: Scheme, host and port.
Key = tuple[str, str, int]


class StaleConnection(ConnectionError):
    """A kept connection had been closed by the peer; the request may be sent anew."""


class ProxyRefused(OSError):
    """The proxy did not open a way to the target."""


class Connection:
    """A connection to one place, for one exchange after the other.

    :param key: the place
    """

    def __init__(self, key: Key, link: Link) -> None:
        self.key = key
        self._link = link
        self._was_used = False

    def exchange(self, method: str, message: bytes, deadline: float, max_content: int) -> Answer:
        """Send a request and read its answer.

        :param message: the whole request
        :param deadline: a time of :func:`time.monotonic`
        :param max_content: most bytes of the answer's content
        :raises StaleConnection: when it was used before, and not a byte of an answer came, or
            one to say that it was closed
        """
        self._link.deadline = deadline
        reader = AnswerReader(self._link.receive)
        broken: ConnectionError | None = None
        try:
            self._link.send(message)
        except ConnectionError as error:
            # The peer may have answered before it stopped reading.
            broken = error
        try:
            answer = reader.read(method, max_content)
        except ConnectionError as error:
            if self._was_used and not reader.began:
                raise StaleConnection(str(error)) from error
            raise (broken or error) from None
        if self._was_used and answer.status == 408 and not answer.reusable:
            # Some servers say so when they close an idle connection (RFC 9110, section 15.5.9).
            raise StaleConnection('the connection had been idle for too long')
        self._was_used = True
        return answer if broken is None else dataclasses.replace(answer, reusable=False)

    def is_quiet(self) -> bool:
        """Tell whether an idle connection is still open."""
        return self._link.is_quiet()

    def close(self) -> None:
        """Close it."""
        self._link.close()


class Connector:
    """Makes connections.

    :param context: for TLS
    :param proxy: URL of an HTTP proxy through which everything goes, ``CONNECT`` by
        ``CONNECT``; names are looked up and judged here all the same
    """

    def __init__(
        self,
        policy: IDestinationPolicy,
        context: ssl.SSLContext,
        proxy: str | None = None,
    ) -> None:
        self._policy = policy
        self._context = context
        self._proxy = _Proxy(proxy) if proxy else None

    def connect(self, target: Target, resolver: Resolver, deadline: float) -> Connection:
        """Connect to an address of the target that the policy allows.

        :raises DestinationRefused: when it allows none of them
        """
        candidates = self._allowed(target, _look_up(target, resolver, deadline))
        if self._proxy is None:
            sock = _connect_to_first(candidates, deadline)
        else:
            sock = self._proxy.connect(candidates, resolver, deadline)
        link: Link
        try:
            if target.scheme == 'https':
                link = TlsLink(sock, deadline, self._context, target.host)
                link.handshake()
            else:
                link = Link(sock, deadline)
        except BaseException:
            sock.close()
            raise
        return Connection((target.scheme, target.host, target.port), link)

    def _allowed(self, target: Target, candidates: list[Candidate]) -> list[Candidate]:
        allowed: list[Candidate] = []
        refusal: DestinationRefused | None = None
        for candidate in candidates:
            try:
                self._policy.check_address(candidate[1][0], target.port, target.host)
            except DestinationRefused as error:
                refusal = refusal or error
            else:
                allowed.append(candidate)
        if not allowed and refusal is not None:
            raise refusal
        return allowed


class _Proxy:
    def __init__(self, url: str) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urllib.parse.urlsplit(''), None
        if parts.scheme != 'http' or not parts.hostname:
            raise ValueError('The proxy is not a URL such as "http://proxy.example.com:3128".')
        self._host = parts.hostname
        self._port = port or 80
        self._credentials = b''
        if parts.username is not None:
            pair = ':'.join(map(urllib.parse.unquote, (parts.username, parts.password or '')))
            self._credentials = b'Proxy-Authorization: Basic %b\r\n' % base64.b64encode(
                pair.encode()
            )

    def connect(
        self, candidates: list[Candidate], resolver: Resolver, deadline: float
    ) -> socket.socket:
        """Return a socket that leads to one of the candidates, through the proxy.

        The proxy may not reach all of them, as when it has no IPv6.
        """
        try:
            ways = resolver.candidates(self._host, self._port, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            raise ProxyRefused(f'it cannot be reached, {error.strerror or error}') from error
        return _first_to_answer(candidates, deadline, functools.partial(self._open, ways))

    def _open(self, ways: list[Candidate], candidate: Candidate, deadline: float) -> socket.socket:
        address, port = candidate[1][:2]
        place = f'[{address}]:{port}' if ':' in address else f'{address}:{port}'
        try:
            sock = _connect_to_first(ways, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            raise ProxyRefused(f'it cannot be reached, {error.strerror or error}') from error
        try:
            link = Link(sock, deadline)
            head = f'CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n'.encode('ascii')
            link.send(head + self._credentials + b'\r\n')
            # The answer is read byte by byte, as what follows it belongs to the target.
            answer = AnswerReader(lambda: link.receive(1)).read('CONNECT', 0)
            if not 200 <= answer.status < 300:
                raise ProxyRefused(f'it answered {answer.status} {answer.reason}'.rstrip())
        except (ConnectionError, MalformedAnswer) as error:
            sock.close()
            raise ProxyRefused(f'it gave no valid answer, {error}') from error
        except BaseException:
            sock.close()
            raise
        return sock


def _look_up(target: Target, resolver: Resolver, deadline: float) -> list[Candidate]:
    if target.address is None:
        return resolver.candidates(target.host, target.port, deadline)
    if target.address.version == 4:
        return [(socket.AF_INET, (target.host, target.port))]
    return [(socket.AF_INET6, (target.host, target.port, 0, 0))]


def _connect_to_first(candidates: list[Candidate], deadline: float) -> socket.socket:
    return _first_to_answer(candidates, deadline, _connect)


def _first_to_answer(
    candidates: list[Candidate],
    deadline: float,
    connect: Callable[[Candidate, float], socket.socket],
) -> socket.socket:
    """Connect to the first candidate that answers, giving each a share of the time."""
    failure: OSError | None = None
    for position, candidate in enumerate(candidates):
        now = time.monotonic()
        if now >= deadline:
            break
        try:
            return connect(candidate, now + (deadline - now) / (len(candidates) - position))
        except OSError as error:
            failure = error
    raise failure or TimeoutError('the deadline has passed')


def _connect(candidate: Candidate, deadline: float) -> socket.socket:
    family, address = candidate
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError('the deadline has passed')
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(left)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
