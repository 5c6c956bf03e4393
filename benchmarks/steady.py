"""A steady rate of commits, and how long after each its webhook arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from benchmarks.application import Application
from benchmarks.receiver import ReceiverProcess

_LIMIT = 60


def ticks(rate: float, count: int) -> Iterator[int]:
    """Yield numbers from 0 on, so many in a second; late ones without waiting."""
    started = time.perf_counter()
    for number in range(count):
        # The steady rate is the load: this wait is no wait for a condition.
        time.sleep(max(0.0, started + number / rate - time.perf_counter()))
        yield number


def delays(
    application: Application, receiver: ReceiverProcess, rate: float, count: int
) -> list[float]:
    """Milliseconds from the end of each commit to the whole request at the receiver.

    The one subscription whose requests are timed has a URL below ``/timed``; what others are
    owed is not waited for.

    :param rate: commits/s.
    """
    committed = {}
    with application.request():
        for number in ticks(rate, count):
            application.change(number)
            committed[number] = time.time()
    arrivals = receiver.counts()['arrivals']
    deadline = time.monotonic() + _LIMIT
    while len(arrivals) < count and time.monotonic() < deadline:
        time.sleep(0.1)
        arrivals += receiver.counts()['arrivals']
    assert len(arrivals) == count, f'{len(arrivals)} of {count} arrived.'
    return [1000 * (when - committed[json.loads(body)['n']]) for when, body in arrivals]
