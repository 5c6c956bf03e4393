"""``pwebhooks listen``: a receiver for people, that shows and verifies what arrives."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pyramid_webhooks.resources.presenting import as_text
from pyramid_webhooks.resources.redaction import shown_headers
from pyramid_webhooks.scripts.application import begin_logging
from pyramid_webhooks.scripts.outcome import DONE, NOTHING, UNUSABLE, CommandError
from pyramid_webhooks.scripts.tables import cell, visible, write, write_json
from pyramid_webhooks.scripts.verifying import Verdict, Verifier
from pyramid_webhooks.testing import Answer, Receiver

SECRET_VARIABLE = 'PWEBHOOKS_SECRET'
#: Requests that wait to be shown; more wait for their answer.
_WAITING = 100
_ANSWER_SECONDS = 5.0


def listen(options: argparse.Namespace) -> int:
    """Receive requests, show each of them, and say what its signature is worth."""
    begin_logging(options.config)
    secrets = [*options.secret, *os.environ.get(SECRET_VARIABLE, '').split()]
    try:
        verifier = Verifier(secrets)
    except ValueError as error:
        raise CommandError(str(error), UNUSABLE) from None
    code = DONE
    with _ended_by_sigterm(), contextlib.suppress(KeyboardInterrupt):
        for verdict in _verdicts(verifier, options):
            code = NOTHING if verdict.signature == 'wrong' else code
    return code


def _verdicts(verifier: Verifier, options: argparse.Namespace) -> Iterator[Verdict]:
    """Receive and show requests; what is to be thought of each."""
    arrivals = Arrivals()
    answer = Answer(options.answer, delay=options.delay)

    def take_in(request: Any) -> Answer:
        arrivals.take_in(request)
        return answer

    with _receiving(options, take_in) as receiver, contextlib.closing(arrivals):
        for _ in itertools.repeat(None) if options.count is None else range(options.count):
            request = arrivals.next()
            receiver.clear()
            verdict = verifier.judge(request.headers, request.body)
            _show(request, verdict, options)
            yield verdict


class Arrivals:
    """Takes requests from the receiver's threads to the one that shows them."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING)
        self._closed = threading.Event()

    def take_in(self, request: Any) -> None:
        """Take in a request."""
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(request, timeout=1)
                break

    def next(self) -> Any:
        """The next request, waiting for it."""
        return self._queue.get()

    def close(self) -> None:
        """Take in no more."""
        self._closed.set()


@contextlib.contextmanager
def _receiving(
    options: argparse.Namespace, take_in: Callable[[Any], Answer]
) -> Iterator[Receiver]:
    try:
        receiver = Receiver(options.tls, options.host, options.port)
        # From the very first request on.
        receiver.answer(take_in)
        receiver.start()
    except OSError as error:
        raise CommandError(
            f'Nobody can listen on {options.host} port {options.port}: {error.strerror or error}.',
            UNUSABLE,
        ) from error
    try:
        print(f'Listening at {receiver.url} until Ctrl-C.', file=sys.stderr)
        if receiver.ca_bundle is not None:
            print(f'Trust it with webhooks.ca_bundle = {receiver.ca_bundle}', file=sys.stderr)
        sys.stderr.flush()
        yield receiver
        # The last request that was wanted still has to be answered.
        receiver.stop(finish=options.delay + _ANSWER_SECONDS)
    finally:
        receiver.stop()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the listening as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(request: Any, verdict: Verdict, options: argparse.Namespace) -> None:
    text, encoding = as_text(request.body)
    arrived = datetime.datetime.fromtimestamp(request.time, datetime.UTC)
    if options.json:
        shown = {
            'time': arrived.isoformat().replace('+00:00', 'Z'),
            'method': request.method,
            'path': request.path,
            'headers': shown_headers(request.headers),
            'body': text,
            'encoding': encoding,
            'signature': verdict.signature,
            'reason': verdict.reason,
            'answer': options.answer,
        }
        write_json(shown, indent=None)
    else:
        said = f'{verdict.signature}: {verdict.reason}' if verdict.reason else verdict.signature
        write(f'{cell(arrived)}  {cell(request.method)} {cell(request.path)}')
        write(f'    signature  {said}')
        for name, value in shown_headers(request.headers).items():
            write(f'    {cell(name)}: {cell(value)}')
        for line in visible(text).split('\n'):
            write(f'    {line}'.rstrip())
        write()
    sys.stdout.flush()
