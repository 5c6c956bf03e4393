"""What a delivery takes in the database once that is packed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.application import Application, applications
from benchmarks.measuring import Figure, sized
from pyramid_webhooks.testing import Receiver, wait_for_deliveries

_LIMIT = sized(50, 5)


def measure() -> Iterator[Figure]:
    """Bytes of a packed FileStorage per delivery, while histories grow and when they are full."""
    for fan_out in (1, 100):
        count = sized(2000, 200) // fan_out
        with Receiver() as receiver, applications() as make:
            filling = _application(make, receiver, fan_out, count)
            yield _grown(f'of history, fan-out {fan_out}', filling, count, fan_out)
            full = _application(make, receiver, fan_out, _LIMIT)
            _deliver(full, 2 * _LIMIT)
            # Histories are shortened by the page: only over many does it come out even.
            more = max(count, sized(4 * _LIMIT, 1))
            yield _grown(f'beyond full histories, fan-out {fan_out}', full, more, fan_out)


def _application(make: Any, receiver: Receiver, fan_out: int, limit: int) -> Application:
    application = make(allow_http='true', allowed_networks='127.0.0.0/8', attempt_limit=str(limit))
    application.subscribe(fan_out, receiver.url_for('hook'))
    return application


def _grown(name: str, application: Application, count: int, fan_out: int) -> Figure:
    before, _ = _packed(application)
    _deliver(application, count)
    after, unpacked = _packed(application)
    deliveries = count * fan_out
    note = f'{(unpacked - before) / deliveries:.0f} before the pack, with the change of the object'
    return Figure(
        f'a delivery {name}, packed', [(after - before) / deliveries], 'bytes', note=note
    )


def _deliver(application: Application, count: int) -> None:
    with application.request():
        for number in range(count):
            application.change(number)
    wait_for_deliveries(application.registry, 120)


def _packed(application: Application) -> tuple[int, int]:
    """The size after a pack, and before it; nothing is sent meanwhile."""
    application.pause()
    before = application.size()
    application.database.pack()
    after = application.size()
    application.resume()
    return after, before
