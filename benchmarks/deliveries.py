"""Deliveries end to end, against the bare transport of the same run; and what they store."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, ratios, seconds_each, sized
from benchmarks.nginx import running_nginx
from benchmarks.receiver import ReceiverProcess, running_receiver
from benchmarks.transport import bare_rate, receiver_rate, session_rate
from pyramid_webhooks.testing import wait_for_deliveries

#: By fan-out: the most bytes that a delivery should store.
_FAN_OUTS = {1: 1200, 100: 800}
#: Of the bare transport.
THREADS = 8
_LIMIT = 300
#: So many resolved attempts are kept for one subscription.
_HISTORY = 50
_RECEIVER = 'receiver alone, requests that come together'
_BARE = f'bare transport, {THREADS} threads'
_COMMITS = 'commits without webhooks'


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

    The yardstick of fan-out 1 is what commit and bare transport allow together, done one after
    the other as the interpreter has to: 1 / (seconds of a commit without webhooks + seconds of
    a request of the bare transport with 8 threads), of the same round.
    """
    with running_receiver() as receiver, running_nginx() as nginx, applications() as make:
        running = {fan_out: application_for(make, receiver, fan_out) for fan_out in _FAN_OUTS}
        for fan_out, application in running.items():
            warm_up(application, receiver, fan_out)
        without = make(webhooks=False)
        yardsticks = _yardsticks(receiver, nginx, without)
        found: dict[str, list[float]] = {name: [] for name in yardsticks}
        runs: dict[int, list[Run]] = {fan_out: [] for fan_out in _FAN_OUTS}
        for _ in range(ROUNDS):
            for name, yardstick in yardsticks.items():
                found[name].append(yardstick())
            for fan_out, application in running.items():
                runs[fan_out].append(run(application, receiver, fan_out, sized(4000, 200)))
    note = '' if nginx else '(nginx, to compare it with, is not installed)'
    for name, values in found.items():
        yield Figure(name, values, '/s', note=note if name == _RECEIVER else '')
    for fan_out in _FAN_OUTS:
        yield from _judge(fan_out, runs[fan_out], found)


def _yardsticks(
    receiver: ReceiverProcess, nginx: ReceiverProcess | None, without: Application
) -> dict[str, Callable[[], float]]:
    """What each round measures besides, by the name of its figure: so many a second."""
    capacity, total = sized(20_000, 640), sized(8000, 160)

    def commits() -> float:
        with without.request():
            without.change()
            return 1 / seconds_each(sized(1000, 20), without.change)

    return {
        _RECEIVER: lambda: receiver_rate(receiver, capacity),
        **({'nginx, the same': lambda: receiver_rate(nginx, capacity)} if nginx else {}),
        'requests.Session.post, 1 thread': lambda: session_rate(receiver, sized(1500, 20)),
        'bare transport, 1 thread': lambda: bare_rate(receiver, 1, total),
        _BARE: lambda: bare_rate(receiver, THREADS, total // THREADS),
        _COMMITS: commits,
    }


def _judge(fan_out: int, runs: list[Run], found: dict[str, list[float]]) -> Iterator[Figure]:
    """The figures of the runs, one of each round."""
    rates = [run.rate for run in runs]
    name = f'fan-out {fan_out}'
    note = f'(receiver busy {max(run.busy for run in runs):.0%} at most)'
    yield Figure(f'deliveries, {name}', rates, '/s', note=note)
    by_transport = [100 * each for each in ratios(rates, found[_BARE])]
    if fan_out == 1:
        # Most of the time goes to the application's own commits.
        what = 'deliveries by bare transport, fan-out 1'
        yield Figure(what, by_transport, '%', 25, at_least=True, aim=True)
        both = zip(found[_COMMITS], found[_BARE], strict=True)
        allowed = [1 / (1 / commits + 1 / bare) for commits, bare in both]
        percent = [100 * each for each in ratios(rates, allowed)]
        what = 'P4 deliveries by what commit and transport allow, fan-out 1'
        note = f'(that is {statistics.median(allowed):.0f}/s)'
        yield Figure(what, percent, '%', 65, at_least=True, note=note)
    else:
        what = f'P5 deliveries by bare transport, {name}'
        yield Figure(what, by_transport, '%', 40, at_least=True)
    stored = [run.stored / run.deliveries for run in runs]
    yield Figure(f'P7 Data.fs for a delivery, {name}', stored, 'bytes', _FAN_OUTS[fan_out])


def measure_sparse() -> Iterator[Figure]:
    """What a delivery stores when each is recorded before the next is owed."""
    deliveries = sized(200, 10)
    with running_receiver() as receiver, applications() as make:
        application = application_for(make, receiver, 1)
        warm_up(application, receiver, 1)
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


def warm_up(application: Application, receiver: ReceiverProcess, fan_out: int) -> None:
    """Let each receiver prove itself, and fill the histories."""
    run(application, receiver, fan_out, sized(_HISTORY + 10, 2) * fan_out)


def run(application: Application, receiver: ReceiverProcess, fan_out: int, deliveries: int) -> Run:
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
