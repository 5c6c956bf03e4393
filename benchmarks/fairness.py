"""What dead receivers do to the deliveries of one that works: nothing, it is hoped."""

from __future__ import annotations

import contextlib
import socket
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.application import applications
from benchmarks.measuring import percentile, sized
from benchmarks.receiver import running_receiver
from benchmarks.steady import delays

_RATE = 50


class Delays(NamedTuple):
    """From the end of the commit to the whole request at the receiver, in milliseconds."""

    median: float
    p99: float
    worst: float


def measure(dead: int = 200) -> Iterator[tuple[str, Delays]]:
    """Yield what is measured: alone, with so many dead ones, and with as many again that join."""
    count = sized(60, 1) * _RATE
    with running_receiver() as receiver, applications() as make, contextlib.ExitStack() as stack:
        application = make(
            allowed_networks='127.0.0.0/8', allow_http='true', ca_bundle=receiver.ca_bundle
        )
        application.subscribe(1, receiver.url_for('/timed'))

        def found() -> Delays:
            each = delays(application, receiver, _RATE, count)
            return Delays(statistics.median(each), percentile(each, 99), max(each))

        delays(application, receiver, _RATE, _RATE)
        yield 'alone', found()
        for text in (f'with {dead} dead ones', f'with {dead} more that join'):
            application.subscribe_each([stack.enter_context(silence()) for _ in range(dead)])
            yield text, found()


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """Listen, accept connections, and never answer; yields the URL."""
    with socket.create_server(('127.0.0.1', 0), backlog=64) as listener:
        # The kernel accepts the connections, and keeps what is sent on them.
        yield f'http://127.0.0.1:{listener.getsockname()[1]}/'


if __name__ == '__main__':
    for text, found in measure():
        print(text, found, flush=True)
