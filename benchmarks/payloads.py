"""What a large payload costs: it is made, serialized and stored once for all who get it."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.application import Application, Employee, applications
from benchmarks.measuring import ROUNDS, Figure, ratios, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from benchmarks.transport import bare_rate
from pyramid_webhooks.testing import wait_for_deliveries

_FAN_OUT = 100
_SMALL, _LARGE = 1_000, 100_000
#: What doesn't get shorter by packing it.
_TEXT = base64.b64encode(random.Random(0).randbytes(_LARGE)).decode()


class Report(Employee):
    """A resource whose JSON is long, and which is stored as short as the others.

    :ivar size: characters of its text.
    :cvar made: how often JSON was made of any.
    """

    made = 0

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __json__(self, request: Any) -> dict[str, Any]:
        Report.made += 1
        return {**super().__json__(request), 'text': _TEXT[: self.size]}


class Cost(NamedTuple):
    """Of a delivery, but ``made`` and ``stored`` of an event.

    :ivar cpu: seconds of the process that commits and sends.
    :ivar made: how often JSON was made.
    :ivar stored: bytes of Data.fs.
    """

    cpu: float
    made: float
    stored: float


def measure() -> Iterator[Figure]:
    """Deliveries of 1 kB and of 100 kB, and the bare transport of as much, in turns."""
    events = sized(40, 2)
    costs: dict[int, list[Cost]] = {_SMALL: [], _LARGE: []}
    bare: dict[int, list[float]] = {_SMALL: [], _LARGE: []}
    with running_receiver() as receiver, applications() as make:
        application = make(
            allowed_networks='127.0.0.0/8', ca_bundle=receiver.ca_bundle, attempt_limit='50'
        )
        application.subscribe(_FAN_OUT, receiver.url_for('/hook'))
        with application.transaction() as root:
            for size in costs:
                root['office'][f'report-{size}'] = Report(size)
        for size in costs:
            _cost(application, receiver, size, sized(60, 1))
        for _ in range(ROUNDS):
            for size, found in costs.items():
                bare[size].append(_bare_cpu(receiver, size, sized(2000, 20)))
                found.append(_cost(application, receiver, size, events))
    yield Figure('CPU of a delivery of 1 kB', [1e6 * each.cpu for each in costs[_SMALL]], 'µs')
    yield Figure('bare transport, CPU of 100 kB by 1 kB', ratios(bare[_LARGE], bare[_SMALL]), 'x')
    cpu = {size: [each.cpu for each in found] for size, found in costs.items()}
    yield Figure(
        'P10 CPU of a delivery of 100 kB by 1 kB', ratios(cpu[_LARGE], cpu[_SMALL]), 'x', 3
    )
    made = [each.made for each in costs[_LARGE]]
    yield Figure(f'P10 JSON made for {_FAN_OUT} deliveries of 100 kB', made, 'times', 1)
    pairs = zip(costs[_LARGE], costs[_SMALL], strict=True)
    copies = [(one.stored - other.stored) / (_LARGE - _SMALL) for one, other in pairs]
    what = f'P10 stored for {_FAN_OUT} deliveries of 100 kB'
    yield Figure(what, copies, 'bodies', 1.1)


def _cost(application: Application, receiver: ReceiverProcess, size: int, events: int) -> Cost:
    before, made, stored = receiver.counts()['requests'], Report.made, application.size()
    started = time.process_time()
    with application.request():
        for number in range(events):
            with application.transaction() as root:
                application.modify(root['office'][f'report-{size}'], number)
    wait_for_deliveries(application.registry, 120)
    cpu = time.process_time() - started
    deliveries = receiver.counts()['requests'] - before
    assert deliveries == events * _FAN_OUT, f'{deliveries} arrived.'
    made, stored = Report.made - made, application.size() - stored
    return Cost(cpu / deliveries, made / events, stored / events)


def _bare_cpu(receiver: ReceiverProcess, size: int, count: int) -> float:
    """Seconds of the processor for one request of the bare transport."""
    started = time.process_time()
    bare_rate(receiver, 1, count, _TEXT[:size].encode())
    return (time.process_time() - started) / count
