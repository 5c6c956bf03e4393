"""``pwebhooks worker``: a process that sends, and does nothing else."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pyramid_webhooks.interfaces import IDeliveryEngine, ISettings
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.scripts.application import close_databases, make_application
from pyramid_webhooks.scripts.outcome import DONE, UNUSABLE, CommandError

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


def work(options: argparse.Namespace) -> int:
    """Send what is owed until a signal says to end; then finish what is in flight."""
    registry = make_application(options.config, talkative=True)
    try:
        if not databases_of(registry):
            raise CommandError(
                'This application has no database (zodbconn.uri): each of its processes sends '
                'what it owes itself, so that there is nothing for a worker.',
                UNUSABLE,
            )
        settings = registry.getUtility(ISettings)
        if options.concurrency is not None:
            settings = dataclasses.replace(settings, concurrency=options.concurrency)
            registry.registerUtility(settings, ISettings)
        with Ending.by_signals() as ending:
            _work(registry.getUtility(IDeliveryEngine), settings, options, ending)
    finally:
        close_databases(registry)
    logger.info('Worker %d has ended.', os.getpid())
    return DONE


def _work(engine: Any, settings: Any, options: argparse.Namespace, ending: Ending) -> None:
    logger.info(
        'Worker %d sends, up to %d requests at once in %s.',
        os.getpid(),
        settings.concurrency,
        'greenlets' if options.gevent else 'threads',
    )
    engine.start()
    try:
        ending.wait(engine.running)
        if not engine.running():
            raise CommandError('Sending ended by itself: the log says why.')
        logger.info('Worker %d ends; a second signal ends it at once.', os.getpid())
    finally:
        # A request that has just begun takes as long as it may, and a moment.
        engine.stop(settings.timeout + 1)


class Ending:
    """Hears of the signals that end the process. The second one ends it at once."""

    def __init__(self) -> None:
        self._awaited, self._rung = socket.socketpair()
        self._signals = 0

    @classmethod
    @contextlib.contextmanager
    def by_signals(cls) -> Iterator[Ending]:
        """Hear of SIGTERM and SIGINT within this block."""
        ending = cls()
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, ending._hear) for number in numbers}
        try:
            yield ending
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            ending._awaited.close()
            ending._rung.close()

    def wait(self, running: Callable[[], bool]) -> None:
        """Wait for the first signal, or until that is not ``running`` any more."""
        # A socket, because a lock must not be taken in a handler of signals.
        self._awaited.settimeout(_LOOK_SECONDS)
        while running():
            with contextlib.suppress(TimeoutError):
                self._awaited.recv(1)
                return

    def _hear(self, number: int, frame: Any) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self._rung.send(b'.')
