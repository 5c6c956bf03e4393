"""Deliveries end to end, against the bare transport of the same run; and what they store."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, ratios, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from benchmarks.transport import bare_rate, receiver_rate
from pyramid_webhooks.testing import wait_for_deliveries

_FAN_OUTS = (1, 100)
_THREADS = 8
_LIMIT = 300
#: So many resolved attempts are kept for one subscription.
_HISTORY = 50


@dataclasses.dataclass
class Run:
    """What came of one round."""

    deliveries: int
    seconds: float
    stored: int
    busy: float

    @property
    def rate(self) -> float:
        """Deliveries/s."""
        return self.deliveries / self.seconds


def measure() -> Iterator[Figure]:
    """Throughput with fan-out 1 and 100, one event a commit, over kept-alive TLS on loopback.

    The clock runs from the first commit until the last result is recorded. What a delivery
    stores is measured in the same runs, with the history full.
    """
    requests_each = sized(500, 20)
    deliveries = sized(4000, 200)
    with running_receiver() as receiver, applications() as make:
        running = {fan_out: application_for(make, receiver, fan_out) for fan_out in _FAN_OUTS}
        for fan_out, application in running.items():
            _run(application, receiver, fan_out, sized(_HISTORY + 10, 2) * fan_out)
        bare: dict[int, list[float]] = {1: [], _THREADS: []}
        runs: dict[int, list[Run]] = {fan_out: [] for fan_out in _FAN_OUTS}
        capacity = []
        for _ in range(ROUNDS):
            capacity.append(receiver_rate(receiver, sized(20_000, 640)))
            for threads in bare:
                each = requests_each * _THREADS // threads
                bare[threads].append(bare_rate(receiver, threads, each))
            for fan_out, application in running.items():
                runs[fan_out].append(_run(application, receiver, fan_out, deliveries))
    yield Figure('receiver alone, requests that come together', capacity, '/s')
    yield Figure('bare transport, 1 thread', bare[1], '/s')
    yield Figure(f'bare transport, {_THREADS} threads', bare[_THREADS], '/s')
    for fan_out in _FAN_OUTS:
        rates = [run.rate for run in runs[fan_out]]
        busy = max(run.busy for run in runs[fan_out])
        note = f'(receiver busy {busy:.0%} at most)'
        name = f'fan-out {fan_out}'
        yield Figure(f'deliveries, {name}', rates, '/s', note=note)
        percent = [100 * each for each in ratios(rates, bare[_THREADS])]
        # With one delivery a commit most of the time goes to the application's own commits.
        aim, what = fan_out == 1, f'deliveries by bare transport, {name}'
        yield Figure(what, percent, '%', 25, at_least=True, aim=aim)
        stored = [run.stored / run.deliveries for run in runs[fan_out]]
        yield Figure(f'Data.fs for a delivery, {name}', stored, 'bytes', 2048)


def measure_sparse() -> Iterator[Figure]:
    """What a delivery stores when each is recorded before the next is owed."""
    deliveries = sized(200, 10)
    with running_receiver() as receiver, applications() as make:
        application = application_for(make, receiver, 1)
        _run(application, receiver, 1, sized(_HISTORY + 10, 2))
        stored = []
        for _ in range(ROUNDS):
            before = application.size()
            for number in range(deliveries):
                application.change(number)
                wait_for_deliveries(application.registry, 30)
            stored.append((application.size() - before) / deliveries)
    yield Figure('Data.fs for a delivery, one at a time', stored, 'bytes')


def application_for(
    make: Callable[..., Application], receiver: ReceiverProcess, fan_out: int
) -> Application:
    """An application with so many subscriptions, which sends to the receiver."""
    application = make(
        allowed_networks='127.0.0.0/8',
        ca_bundle=receiver.ca_bundle,
        attempt_limit=str(_HISTORY),
    )
    application.subscribe(fan_out, receiver.url_for('/hook'))
    return application


def _run(
    application: Application, receiver: ReceiverProcess, fan_out: int, deliveries: int
) -> Run:
    """Commit events one by one, and wait until all that they owe is recorded.

    :raises AssertionError: when the receiver did not get each exactly once.
    """
    before, size = receiver.counts(), application.size()
    started = time.perf_counter()
    with application.request():
        for number in range(deliveries // fan_out):
            application.change(number)
    wait_for_deliveries(application.registry, _LIMIT)
    seconds = time.perf_counter() - started
    after = receiver.counts()
    arrived = after['requests'] - before['requests']
    assert arrived == deliveries, f'{arrived} of {deliveries} deliveries arrived.'
    assert after['ids'] - before['ids'] == deliveries // fan_out, (before, after)
    busy = (after['cpu'] - before['cpu']) / seconds
    return Run(deliveries, seconds, application.size() - size, busy)
