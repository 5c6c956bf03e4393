"""A receiver that is down for a day of simulated time, and then back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.testing import Receiver
from tests.clock import ShiftedClock
from tests.company import Company, modify

_SETTINGS = {
    'webhooks.retry_schedule': '5s 5m 30m 2h 5h 10h 14h 20h 24h',
    'webhooks.concurrency_per_subscription': '1',
}
_HOUR = 3600.0


class Outage(NamedTuple):
    """What became of the events during an outage.

    :ivar wasted: requests that were made before the receiver was back.
    :ivar arrived: what arrived afterwards, as the numbers of the events.
    :ivar active_until: hours after which the subscription was inactive; None: it was not.
    """

    wasted: int
    arrived: list[int]
    active_until: float | None


def outage(hours: float, rate: int, window: str, restarts: int = 0) -> Outage:
    """Let a receiver be down.

    :param rate: events an hour.
    :param window: the setting ``failure_window``.
    :param restarts: how often the application is started anew meanwhile.
    """
    with tempfile.TemporaryDirectory() as folder, ShiftedClock() as clock, Receiver() as receiver:
        company = Company(Path(folder), {**_SETTINGS, 'webhooks.failure_window': window}).start()
        try:
            return _Outage(company, clock, receiver).run(hours, rate, restarts)
        finally:
            company.stop()


class _Outage:
    def __init__(self, company: Company, clock: ShiftedClock, receiver: Receiver):
        self._company = company
        self._clock = clock
        self._receiver = receiver

    def run(self, hours: float, rate: int, restarts: int) -> Outage:
        company, receiver = self._company, self._receiver
        receiver.answer(500)
        company.add('/NWS/OUN', 'ann')
        id = company.subscribe('/', receiver.url)
        count = int(hours * rate)
        inactive = None
        for number in range(count):
            self._clock.forward(_HOUR / rate)
            company.transact(lambda root, number=number: self._modify(root, number))
            if restarts and number % (count // (restarts + 1)) == count // (restarts + 1) - 1:
                company.restart()
            self._let_settle(every=max(1, rate // 60), number=number)
            if inactive is None and not number % rate and not self._is_active(id):
                inactive = number / rate
        wasted = len(receiver.requests)
        if inactive is None and not self._is_active(id):
            inactive = hours
        receiver.answer(200)
        if inactive is not None:
            company.at('/', lambda manager: manager.activate(manager[id]))
        self._clock.forward(660.0)
        company.settle(600)
        arrived = [request.json()['age'] for request in receiver.requests[wasted:]]
        return Outage(wasted, arrived, inactive)

    def _modify(self, root, number: int) -> None:
        modify(root['NWS']['OUN']['ann'], self._company.registry.notify, age=number)

    def _let_settle(self, every: int, number: int) -> None:
        """At every minute, let the engine do all that has become due."""
        if not number % every:
            engine = self._company.registry.getUtility(IDeliveryEngine)
            if not engine.wait_until_quiet(timeout=60):
                raise TimeoutError('The engine was not quiet within a minute.')

    def _is_active(self, id: str) -> bool:
        return self._company.at('/', lambda manager: manager[id].active)
