"""What dead receivers do to the deliveries of one that works: nothing, it is hoped."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.application import Application, applications
from benchmarks.measuring import sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from pyramid_webhooks import manager_of

_RATE = 50


class Delays(NamedTuple):
    """From the end of the commit to the whole request at the receiver, in milliseconds."""

    median: float
    p99: float
    worst: float


def measure(dead: int = 200) -> Iterator[tuple[str, Delays]]:
    """Yield what is measured: alone, with so many dead ones, and with as many again that join."""
    seconds = sized(int(__import__('os').environ.get('SECS', '60')), 1)
    with running_receiver() as receiver, applications() as make, contextlib.ExitStack() as stack:
        application = make(
            allowed_networks='127.0.0.0/8', allow_http='true', ca_bundle=receiver.ca_bundle
        )
        application.subscribe(1, receiver.url_for('/timed'))
        delays(application, receiver, _RATE)
        yield 'alone', delays(application, receiver, seconds * _RATE)
        for text in (f'with {dead} dead ones', f'with {dead} more that join'):
            subscribe_dead(application, [stack.enter_context(silence()) for _ in range(dead)])
            yield text, delays(application, receiver, seconds * _RATE)


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """Listen, accept connections, and never answer; yields the URL."""
    with socket.create_server(('127.0.0.1', 0), backlog=64) as listener:
        # The kernel accepts the connections, and keeps what is sent on them.
        yield f'http://127.0.0.1:{listener.getsockname()[1]}/'


def subscribe_dead(application: Application, urls: list[str]) -> None:
    """Subscribe receivers that are dead."""
    with application.request(), application.transaction() as root:
        manager = manager_of(root['office'])
        for number, url in enumerate(urls):
            manager.create_subscription(url, events=['employee.modified'], owner=f'o-{number}')


def delays(application: Application, receiver: ReceiverProcess, count: int) -> Delays:
    """Commit so many events at a steady rate, and wait until the good one has them all."""
    committed = {}
    started = time.perf_counter()
    with application.request():
        for number in range(count):
            # A steady rate of commits is the load: this wait is no wait for a condition.
            time.sleep(max(0.0, started + number / _RATE - time.perf_counter()))
            application.change(number)
            committed[number] = time.time()
    arrivals = receiver.counts()['arrivals']
    deadline = time.monotonic() + 60
    while len(arrivals) < count and time.monotonic() < deadline:
        time.sleep(0.1)
        arrivals += receiver.counts()['arrivals']
    assert len(arrivals) == count, f'{len(arrivals)} of {count} arrived.'
    found = [1000 * (when - committed[json.loads(body)['n']]) for when, body in arrivals]
    return Delays(statistics.median(found), statistics.quantiles(found, n=100)[98], max(found))


if __name__ == '__main__':
    for text, found in measure():
        print(text, found, flush=True)
