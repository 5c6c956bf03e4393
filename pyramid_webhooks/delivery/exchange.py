"""One request and what became of it, whatever the adapter: never an exception."""

from __future__ import annotations

import dataclasses
import http.client
import time
from collections.abc import Callable
from typing import Any

import requests
import requests.adapters
import requests.exceptions

from pyramid_webhooks.delivery.answer import Answer
from pyramid_webhooks.delivery.failures import chain, describe, explain
from pyramid_webhooks.delivery.target import parse_target
from pyramid_webhooks.delivery.transport import NotSent, WebhookAdapter, always
from pyramid_webhooks.interfaces import DestinationRefused


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request, in plain values.

    :ivar status: HTTP status, or None when there was no answer
    :ivar reason: what the answer said after the status
    :ivar headers: the answer's headers, in order
    :ivar content: the answer's content, as far as it was read
    :ivar truncated: whether there was more content
    :ivar elapsed: seconds
    :ivar message: ``200 OK`` and the like, or one sentence why there was no answer
    :ivar exceptions: texts of what was raised, the oldest first
    :ivar permanent: whether sending it again can never help
    """

    status: int | None
    reason: str = ''
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b''
    truncated: bool = False
    elapsed: float = 0.0
    message: str = ''
    exceptions: tuple[str, ...] = ()
    permanent: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the answer was a 2xx."""
        return self.status is not None and 200 <= self.status < 300


def perform(
    adapter: requests.adapters.BaseAdapter,
    prepared: requests.PreparedRequest,
    timeout: float,
    max_response: int = 16 * 1024,
    may_send: Callable[[], bool] = always,
) -> Outcome:
    """Send a request with any adapter made for requests and tell what became of it.

    :param timeout: seconds for the whole exchange
    :param max_response: most bytes of content that are taken from an adapter that does not
        limit them itself
    :param may_send: asked by this package's adapter once it has connected
    :raises NotSent: when that said no, and the request was not sent
    """
    started = time.monotonic()
    try:
        if getattr(adapter.send, '__func__', None) is WebhookAdapter.send:
            return _outcome(adapter.exchange(prepared, timeout, may_send), started)
        response = adapter.send(prepared, stream=True, timeout=timeout, verify=True, proxies={})
        try:
            return _outcome(_answer(response, started, timeout, max_response), started)
        finally:
            response.close()
    except NotSent:
        raise
    except Exception as error:
        return _unanswered(error, prepared, started, timeout)


def _outcome(answer: Answer, started: float) -> Outcome:
    status, reason = answer.status, answer.reason
    return Outcome(
        status=status,
        reason=reason,
        headers=answer.headers,
        content=answer.content,
        truncated=answer.truncated,
        elapsed=time.monotonic() - started,
        message=f'{status} {reason or http.client.responses.get(status, "")}'.rstrip(),
    )


def _answer(
    response: requests.Response, started: float, timeout: float, max_response: int
) -> Answer:
    """What somebody else's adapter has got."""
    if hasattr(response, 'truncated'):
        content, truncated = response.content, response.truncated
    else:
        content, truncated = _read(response, started + timeout, max_response)
    headers = getattr(response, 'header_items', None)
    if headers is None:
        headers = tuple((str(name), str(value)) for name, value in response.headers.items())
    reason = response.reason or ''
    if isinstance(reason, bytes):
        reason = reason.decode('latin-1')
    return Answer(response.status_code, reason, headers, content, truncated, reusable=False)


def _read(response: requests.Response, deadline: float, limit: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(4096):
        parts.append(part)
        size += len(part)
        if size > limit:
            break
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout()
    return b''.join(parts)[:limit], size > limit


def _unanswered(
    error: Exception, prepared: requests.PreparedRequest, started: float, timeout: float
) -> Outcome:
    return Outcome(
        status=None,
        elapsed=time.monotonic() - started,
        message=explain(error, _place(prepared), timeout),
        exceptions=tuple(map(describe, chain(error))),
        permanent=isinstance(error, requests.exceptions.InvalidHeader),
    )


def _place(prepared: Any) -> str:
    try:
        return parse_target(prepared.url).place
    except (DestinationRefused, AttributeError):
        return 'the target'
