"""How long after its commit a webhook arrives, at a steady rate."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.application import applications
from benchmarks.measuring import ROUNDS, Figure, percentile, sized
from benchmarks.receiver import running_receiver
from benchmarks.steady import delays

_RATE = 200


def measure() -> Iterator[Figure]:
    """From the end of the commit to the whole request at the receiver, at 200 events/s."""
    count = sized(3 * _RATE, 40)
    medians, tails = [], []
    with running_receiver() as receiver, applications() as make:
        application = make(allowed_networks='127.0.0.0/8', ca_bundle=receiver.ca_bundle)
        application.subscribe(1, receiver.url_for('/timed'))
        delays(application, receiver, _RATE, sized(_RATE, 10))
        for _ in range(ROUNDS):
            milliseconds = delays(application, receiver, _RATE, count)
            medians.append(statistics.median(milliseconds))
            tails.append(percentile(milliseconds, 99))
    yield Figure(f'P6 commit to arrival at {_RATE} events/s, p50', medians, 'ms', 4)
    yield Figure(f'P6 commit to arrival at {_RATE} events/s, p99', tails, 'ms', 20)
