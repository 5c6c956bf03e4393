"""Receivers that take 20 ms for an answer: as many requests are open as may be."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from pyramid_webhooks.settings import parse_settings
from pyramid_webhooks.testing import wait_for_deliveries

_TAKEN = 0.02
_HOSTS = [f'127.0.0.{number}' for number in range(1, 101)]
_LIMIT = 120


def measure() -> Iterator[Figure]:
    """Requests/s to one subscription, and to 100 on hosts of their own, by what is allowed.

    Allowed are as many as may be open at once, every 20 ms. What is sent is owed before, and
    counted from the first tenth of it to the last, when there is enough to do all the time.
    """
    settings = parse_settings({})
    for hosts, slots, seconds in (
        (_HOSTS[:1], settings.concurrency_per_subscription, 3),
        (_HOSTS, settings.concurrency, 3),
    ):
        allowed = slots / _TAKEN
        deliveries = int(allowed * sized(seconds * 10, 5) / 10)
        with running_receiver(_TAKEN, hosts) as receiver, applications() as make:
            application = make(allowed_networks='127.0.0.0/8', ca_bundle=receiver.ca_bundle)
            application.subscribe_each(receiver.url_for('/hook', host) for host in hosts)
            events = max(2, deliveries // len(hosts))
            # They prove themselves, which they do with fewer requests open.
            _rate(application, receiver, len(hosts), sized(events, 20))
            rates = [_rate(application, receiver, len(hosts), events) for _ in range(ROUNDS)]
            taken = receiver.counts()['taken']
        yield Figure(
            f'P14 deliveries to {len(hosts)} that take 20 ms, of {allowed:.0f}/s',
            [100 * rate / allowed for rate in rates],
            '%',
            90,
            at_least=True,
            note=f'(they took {1000 * taken:.1f} ms, which allows {_TAKEN / taken:.0%})',
        )


def _rate(application: Application, receiver: ReceiverProcess, fan_out: int, events: int) -> float:
    """Requests/s in the middle of so many."""
    application.pause()
    with application.request():
        for number in range(events):
            application.change(number)
    before = receiver.counts()['requests']
    application.resume()
    tenth = events * fan_out // 10
    first, began = _wait_for(receiver, before + tenth)
    last, ended = _wait_for(receiver, before + 9 * tenth)
    wait_for_deliveries(application.registry, _LIMIT)
    return (last - first) / (ended - began)


def _wait_for(receiver: ReceiverProcess, requests: int) -> tuple[float, float]:
    """Wait until so many came; how many came, and when that was."""
    deadline = time.monotonic() + _LIMIT
    while (count := receiver.counts()['requests']) < requests:
        assert time.monotonic() < deadline, f'{count} of {requests} requests came.'
        time.sleep(0.01)
    return count, time.perf_counter()
