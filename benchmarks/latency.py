"""How long after its commit a webhook arrives, at a steady rate."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from pyramid_webhooks.testing import wait_for_deliveries

_RATE = 200


def measure() -> Iterator[Figure]:
    """From the end of the commit to the whole request at the receiver, at 200 events/s."""
    seconds = sized(3, 0.2)
    medians, tails = [], []
    with running_receiver() as receiver, applications() as make:
        application = make(allowed_networks='127.0.0.0/8', ca_bundle=receiver.ca_bundle)
        application.subscribe(1, receiver.url_for('/timed'))
        _latencies(application, receiver, sized(_RATE, 10))
        for _ in range(ROUNDS):
            milliseconds = _latencies(application, receiver, int(seconds * _RATE))
            medians.append(statistics.median(milliseconds))
            tails.append(statistics.quantiles(milliseconds, n=100)[98])
    yield Figure(f'commit to arrival at {_RATE} events/s, p50', medians, 'ms')
    yield Figure(f'commit to arrival at {_RATE} events/s, p99', tails, 'ms')


def _latencies(application: Application, receiver: ReceiverProcess, count: int) -> list[float]:
    committed = {}
    started = time.perf_counter()
    with application.request():
        for number in range(count):
            # A steady rate of commits is what is measured: this wait is the load, not a condition.
            time.sleep(max(0.0, started + number / _RATE - time.perf_counter()))
            application.change(number)
            committed[number] = time.time()
    wait_for_deliveries(application.registry)
    arrivals = receiver.counts()['arrivals']
    assert len(arrivals) == count, f'{len(arrivals)} of {count} arrived.'
    return [1000 * (when - committed[json.loads(body)['n']]) for when, body in arrivals]
