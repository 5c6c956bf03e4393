"""What several workers on one database do."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figure, sized
from pyramid_webhooks import manager_of
from pyramid_webhooks.interfaces import IDispatcher
from pyramid_webhooks.testing import Receiver
from tests.chaos.cluster import Process
from tests.chaos.member import EVENT, open_company
from tests.company import Folder, wait_until
from tests.storages import zeo

_DELAY = 0.2
_CONCURRENCY = 16
_SUBSCRIPTIONS = 256


@contextlib.contextmanager
def receiving(delay: float = 0.0) -> Iterator[Receiver]:
    """A receiver that takes so many seconds for an answer."""
    with Receiver() as receiver:
        receiver.answer(delay=delay)
        yield receiver


def measure_scaling() -> Iterator[Figure]:
    """Deliveries/s of four workers by those of one; receivers take 200 ms."""
    rates = {}
    for count in (1, 4):
        with (
            tempfile.TemporaryDirectory() as folder,
            zeo(Path(folder)) as uri,
            receiving(_DELAY) as receiver,
        ):
            rates[count] = _rate(uri, receiver, count)
    yield Figure('1 worker, receivers that take 200 ms', [rates[1]], '/s')
    ratio = rates[4] / rates[1]
    yield Figure('4 workers by 1, receivers that take 200 ms', [ratio], 'x', 3.5, at_least=True)


def _rate(uri: str, receiver: Receiver, count: int) -> float:
    """Requests/s in the middle of the work, when each worker has its share."""
    seconds = sized(10, 1)
    rate = count * _CONCURRENCY / _DELAY
    with contextlib.ExitStack() as stack:
        company = open_company(uri, delivery='worker')
        stack.callback(company.stop)
        _owe(company, receiver, int(rate * seconds * 3) // _SUBSCRIPTIONS + 1)
        workers = [Process('worker', uri, _CONCURRENCY, 15) for _ in range(count)]
        for worker in workers:
            stack.callback(worker.end)
            worker.wait_until_ready()
        # All have begun, and each receiver has proved itself.
        wait_until(lambda: len(receiver.requests) > rate * seconds / 2, timeout=60)
        before, started = len(receiver.requests), time.monotonic()
        time.sleep(seconds)
        return (len(receiver.requests) - before) / (time.monotonic() - started)


def _owe(company: Any, receiver: Receiver, events: int) -> None:
    """Owe so many events to each of the subscriptions."""
    _subscribe(company, receiver, _SUBSCRIPTIONS)
    for _ in range(events):
        _fire(company, _SUBSCRIPTIONS)


def _subscribe(company: Any, receiver: Receiver, count: int) -> None:
    """Make so many folders, each with a subscription."""

    def make(root: Any, request: Any) -> None:
        for number in range(count):
            folder = root[f'office{number}'] = Folder()
            manager_of(folder, create=True).create_subscription(
                to=receiver.url_for(f'/{number}'), events=[EVENT]
            )

    company.request(make)


def _fire(company: Any, count: int) -> None:
    """Fire one event for each folder, in one transaction."""
    notify = company.registry.getUtility(IDispatcher).notify

    def fire(root: Any) -> None:
        for number in range(count):
            notify(EVENT, payload=number, context=root[f'office{number}'])

    company.transact(fire)
