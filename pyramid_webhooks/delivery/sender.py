"""Sending: from a prepared job to its outcome, outside of any transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from pyramid_webhooks.delivery.exchange import Outcome, perform
from pyramid_webhooks.delivery.failures import describe
from pyramid_webhooks.delivery.headers import Headers
from pyramid_webhooks.delivery.jobs import Job, Prepared, Sent
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.signing import signature_headers
from pyramid_webhooks.delivery.transport import NotSent
from pyramid_webhooks.delivery.veiling import veiled
from pyramid_webhooks.interfaces import IWebhookDialect
from pyramid_webhooks.resources.redaction import Veil, shown_url
from pyramid_webhooks.settings import Settings

logger = logging.getLogger(__name__)
USER_AGENT = 'pyramid_webhooks'
_IDLE_SECONDS = 30.0
#: To start a thread takes until it runs, for which it needs the interpreter.
_START_SECONDS = 0.002


class Sender:
    """Makes requests of jobs, and outcomes of requests; it never raises.

    :param may_send: asked just before a request for a job is sent, each time that it is.
    """

    def __init__(
        self,
        registry: Any,
        settings: Settings,
        adapter: Any,
        may_send: Callable[[Job], bool] = lambda job: True,
    ):
        self._registry = registry
        self._settings = settings
        self._adapter = adapter
        self._may_send = may_send

    def send(self, job: Job) -> None:
        """Send ``job``, and set its ``outcome``, ``sent`` and ``resolved_at``.

        Without an outcome it was not sent, and is to be sent another time.
        """
        try:
            prepared = job.prepared
            if prepared.problem is not None:
                job.outcome = refusal(prepared.problem, permanent=prepared.lasting)
            else:
                self._send(job, prepared)
        except (Exception, SystemExit) as error:
            logger.exception('The message %s could not be sent.', job.prepared.outgoing.id)
            job.outcome = refusal(f'The request could not be made: {describe(error)}.', error)
        job.resolved_at = time.time()

    def _send(self, job: Job, prepared: Prepared) -> None:
        dialect = self._registry.queryUtility(IWebhookDialect, name=prepared.dialect)
        try:
            request, body = self._request(prepared, dialect)
        except Exception as error:
            outcome = refusal(f'The request could not be made: {describe(error)}.', error)
            job.outcome = veiled(outcome, Veil(prepared.headers.items()))
            return
        outgoing = prepared.outgoing
        kept = None if body == outgoing.data else body
        pairs = _pairs(request.headers)
        veil = Veil(pairs, getattr(dialect, 'secret_headers', ()))
        headers, url = veil.headers(pairs), shown_url(request.url)
        limit = self._settings.max_payload
        if len(body) > limit:
            # The body is not kept: the log of attempts is no place for what is too large to send.
            job.sent = Sent(request.method, url, headers, b'' if kept else None)
            job.outcome = refusal(
                f'The payload has {len(body)} bytes; more than {limit} (webhooks.max_payload) '
                f'are not sent.'
            )
            return
        if not self._may_send(job):
            return
        settings = self._settings
        try:
            outcome = perform(
                self._adapter,
                request,
                settings.timeout,
                settings.max_response,
                lambda: self._may_send(job),
            )
        except NotSent:
            return
        job.sent = Sent(request.method, url, headers, kept)
        job.outcome = veiled(outcome, veil)

    @staticmethod
    def _request(prepared: Prepared, dialect: Any) -> tuple[requests.PreparedRequest, bytes]:
        outgoing = prepared.outgoing
        if dialect is None:
            raise LookupError(f'there is no dialect {prepared.dialect!r} any more')
        body = dialect.body(outgoing)
        if not isinstance(body, bytes):
            raise TypeError(f'the dialect {prepared.dialect!r} made no bytes of the body')
        request = dialect.prepare(outgoing, body)
        if request is None:
            request = requests.PreparedRequest()
            request.method = dialect.method
            request.url = outgoing.target
            headers = request.headers = Headers()
            request.body = body
            headers['Content-Type'] = dialect.content_type
            headers.update(dialect.headers(outgoing))
        else:
            body = request.body or b''
            body = body.encode() if isinstance(body, str) else bytes(memoryview(body))
            if not (isinstance(request.method, str) and isinstance(request.url, str)):
                raise TypeError(
                    f'the dialect {prepared.dialect!r} prepared a request whose method or URL '
                    f'is no text'
                )
        request.headers.setdefault('User-Agent', USER_AGENT)
        request.headers.update(prepared.headers)
        now = time.time()
        keys = [key for key, ends in prepared.keys if ends is None or ends > now]
        request.headers.update(signature_headers(outgoing.id, int(now), body, keys))
        return request, body


def _pairs(headers: Any) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, value in headers.items()]
    if all(type(name) is type(value) is str for name, value in pairs):
        return pairs
    return [(_text(name), _text(value)) for name, value in pairs]


def _text(value: str | bytes) -> str:
    return value.decode('latin-1') if isinstance(value, bytes) else str(value)


def refusal(
    message: str, error: BaseException | None = None, *, permanent: bool = True
) -> Outcome:
    """The outcome of what was not sent, and as a rule can never be."""
    exceptions = () if error is None else (describe(error),)
    return Outcome(status=None, message=message, exceptions=exceptions, permanent=permanent)


class SenderThreads:
    """A few threads (or greenlets, where threading is patched) that send, started as needed.

    :param finished: told after each job how many results wait to be recorded.
    """

    def __init__(self, lanes: Lanes, sender: Sender, limit: int, finished: Callable[[int], None]):
        self._lanes = lanes
        self._sender = sender
        self._limit = limit
        self._finished = finished
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def want(self, count: int) -> None:
        """Have ``count`` more threads, up to the limit; not all at once where that takes long."""
        until = time.monotonic() + _START_SECONDS
        with self._lock:
            for started in range(min(count, self._limit - len(self._threads))):
                if started and time.monotonic() > until:
                    break
                thread = threading.Thread(
                    target=self._run, name='pyramid_webhooks-sender', daemon=True
                )
                self._threads.add(thread)
                thread.start()

    def join(self, timeout: float) -> bool:
        """Wait until all threads have ended; whether they have."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not self._threads

    def _run(self) -> None:
        try:
            while True:
                job = self._lanes.take(_IDLE_SECONDS)
                if job is None:
                    return
                self._sender.send(job)
                self._finished(self._lanes.finish(job))
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
