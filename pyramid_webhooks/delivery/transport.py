"""The transport: a requests adapter that holds to the policy and to its time."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
import requests.adapters
import requests.exceptions
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from zope.interface import provider

from pyramid_webhooks.delivery.answer import Answer
from pyramid_webhooks.delivery.connection import Connection, Connector, StaleConnection
from pyramid_webhooks.delivery.failures import explain
from pyramid_webhooks.delivery.pool import ConnectionPool
from pyramid_webhooks.delivery.request_head import UnsendableRequest, request_head
from pyramid_webhooks.delivery.resolver import Resolver
from pyramid_webhooks.delivery.target import Target, parse_target
from pyramid_webhooks.interfaces import DestinationRefused, IDestinationPolicy, ITransportFactory
from pyramid_webhooks.settings import Settings


def always() -> bool:
    """Let everything be sent."""
    return True


class NotSent(Exception):
    """A request was not sent after all, or not again: it is not for this process any more."""


class WebhookAdapter(requests.adapters.BaseAdapter):
    """Sends one request at a time per caller, over kept-alive connections.

    Nothing is followed, stored or taken from the environment: no redirects, cookies, netrc or
    proxy variables. What comes back is a :class:`requests.Response` with its content read, and
    unpacked where a server compresses without being asked; ``response.truncated`` says that
    there was more, and ``response.header_items`` has the headers as pairs, in order.

    The adapter may be shared by threads and survives a fork. Call :meth:`close` when done.

    :param policy: judges every URL, and every address before it is connected to
    :param connect_timeout: seconds for name look-up, connection and TLS handshake together
    :param timeout: seconds for the whole exchange, whatever the peer drips
    :param max_response: most bytes of content that are read, and that they are unpacked to
    :param ca_bundle: PEM file of the authorities to trust instead of the default ones
    :param proxy: URL of an HTTP proxy. Names are looked up and judged here all the same, and
        the proxy is told the address.
    :param resolver: looks up names, like :func:`socket.getaddrinfo`
    :raises ValueError: when ``ca_bundle`` or ``proxy`` cannot be used
    """

    def __init__(
        self,
        policy: IDestinationPolicy,
        *,
        connect_timeout: float = 5,
        timeout: float = 15,
        max_response: int = 16 * 1024,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        resolver: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        super().__init__()
        self._policy = policy
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._max_response = max_response
        self._connector = Connector(policy, _tls_context(ca_bundle), proxy)
        self._lookup = resolver
        self._own = _ProcessState(resolver)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request and return its answer.

        Of the request, ``method``, ``url``, ``headers`` and ``body`` (bytes, text or None) are
        used.

        :param stream: has no effect; the content is always read
        :param timeout: seconds for the whole exchange, or (for connecting, for the whole);
            what is None is the adapter's own
        :param verify: certificates are always verified, so False will not do; a path has no
            effect, the adapter's own ``ca_bundle`` is used
        :param cert: client certificates are not supported, so only None will do
        :param proxies: has no effect; the adapter's own proxy is used
        :raises DestinationRefused: when the policy does not allow the URL or the address
        :raises UnsendableRequest: when the request cannot be sent as it is, ever
        :raises requests.exceptions.RequestException: when there was no complete answer
        """
        started = time.monotonic()
        if not verify or cert is not None:
            raise ValueError(
                'Webhooks are sent with verified certificates and without client certificates; '
                'name other authorities to trust with ca_bundle.'
            )
        return self._response(request, self.exchange(request, timeout), started)

    def exchange(
        self,
        request: requests.PreparedRequest,
        timeout: float | tuple[float | None, float | None] | None = None,
        may_send: Callable[[], bool] = always,
    ) -> Answer:
        """Do what :meth:`send` does, and return the plain answer: less work where it is enough.

        :param may_send: asked whenever a connection has been made, which takes time
        :raises NotSent: when that said no
        """
        started = time.monotonic()
        self._policy.check_url(request.url)
        target = parse_target(request.url)
        body = _body_bytes(request.body)
        message = request_head(request.method, target, request.headers, len(body)) + body
        connect_timeout, whole = self._timeouts(timeout)
        times = (started, connect_timeout, whole)
        return self._exchange(target, request.method, message, times, may_send)

    def prune(self) -> None:
        """Close the connections that have been idle for too long."""
        self._state().pool.prune()

    def close(self) -> None:
        """Close all idle connections; the adapter may still be used."""
        self._state().pool.clear()

    def _exchange(
        self,
        target: Target,
        method: str,
        message: bytes,
        times: tuple[float, float, float],
        may_send: Callable[[], bool],
    ) -> Answer:
        started, connect_timeout, whole = times
        state = self._state()
        deadline = started + whole
        connection = state.pool.take((target.scheme, target.host, target.port))
        if connection is not None:
            try:
                return self._use(connection, state, method, message, deadline)
            except StaleConnection:
                # Nothing was answered; the peer had most likely closed it a moment before.
                pass
            except Exception as error:
                raise _failure(error, target, whole) from error
        now = time.monotonic()
        try:
            connect_deadline = min(now + connect_timeout, deadline)
            connection = self._connector.connect(target, state.resolver, connect_deadline)
        except DestinationRefused:
            raise
        except Exception as error:
            raise _failure(error, target, min(connect_timeout, whole), connecting=True) from error
        if not may_send():
            connection.close()
            raise NotSent
        try:
            return self._use(connection, state, method, message, deadline)
        except Exception as error:
            raise _failure(error, target, whole) from error

    def _use(
        self,
        connection: Connection,
        state: _ProcessState,
        method: str,
        message: bytes,
        deadline: float,
    ) -> Answer:
        try:
            answer = connection.exchange(method, message, deadline, self._max_response)
        except BaseException:
            connection.close()
            raise
        if answer.reusable:
            state.pool.put(connection)
        else:
            connection.close()
        return answer

    def _response(
        self, request: requests.PreparedRequest, answer: Answer, started: float
    ) -> requests.Response:
        response = requests.Response()
        response.status_code = answer.status
        response.reason = answer.reason
        response.headers = _merged(answer.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.url = request.url
        response.request = request
        response.connection = self
        response._content = answer.content
        response._content_consumed = True
        response.elapsed = datetime.timedelta(seconds=time.monotonic() - started)
        response.truncated = answer.truncated
        response.header_items = answer.headers
        return response

    def _timeouts(
        self, timeout: float | tuple[float | None, float | None] | None
    ) -> tuple[float, float]:
        connecting, whole = timeout if isinstance(timeout, tuple) else (None, timeout)
        return (
            self._connect_timeout if connecting is None else connecting,
            self._timeout if whole is None else whole,
        )

    def _state(self) -> _ProcessState:
        """Return this process's connections; those from before a fork are the parent's."""
        own = self._own
        if own.pid != os.getpid():
            own.pool.forget()
            own = self._own = _ProcessState(self._lookup)
        return own


@provider(ITransportFactory)
def make_transport(settings: Settings, policy: IDestinationPolicy) -> WebhookAdapter:
    """Make the transport that the settings describe."""
    return WebhookAdapter(
        policy,
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
        max_response=settings.max_response,
        ca_bundle=settings.ca_bundle,
        proxy=settings.proxy,
    )


class _ProcessState:
    """What must not be shared with another process."""

    def __init__(self, lookup: Callable[..., list[Any]]) -> None:
        self.pid = os.getpid()
        self.pool = ConnectionPool()
        self.resolver = Resolver(lookup)


def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'The certificate authorities to trust cannot be read from "{ca_bundle}": {error}. '
            'Name a PEM file.'
        ) from error
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(['http/1.1'])
    return context


def _body_bytes(body: Any) -> bytes:
    if body is None:
        return b''
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise UnsendableRequest(
        f'The body is a {type(body).__name__}; only bytes and text can be sent.'
    )


def _merged(headers: tuple[tuple[str, str], ...]) -> CaseInsensitiveDict[str]:
    merged: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in headers:
        merged[name] = f'{merged[name]}, {value}' if name in merged else value
    return merged


def _failure(
    error: Exception, target: Target, seconds: float, connecting: bool = False
) -> requests.exceptions.RequestException:
    """Return the exception of requests for an error, with a sentence for a text."""
    if isinstance(error, TimeoutError):
        kind = requests.exceptions.ConnectTimeout if connecting else requests.ReadTimeout
    elif isinstance(error, ssl.SSLError):
        kind = requests.exceptions.SSLError
    else:
        kind = requests.exceptions.ConnectionError
    failure = kind(explain(error, target.place, seconds, connecting=connecting))
    failure.is_explained = True
    return failure
