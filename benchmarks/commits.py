"""What webhooks add to the application's own commit."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import transaction
import ZODB
from zope.lifecycleevent import ObjectModifiedEvent

from benchmarks.application import Employee, applications
from benchmarks.measuring import ROUNDS, Figure, ratios, seconds_each, sized

_URL = 'https://receiver.example/hook'
#: Matching subscriptions: what the commit with so many is called, and how many times the bare
#: commit it may cost.
_COMMITS = {
    0: ('commit, no matching subscription', None),
    1: ('P1 commit, 1 matching subscription', 1.6),
    100: ('P2 commit, 100 matching subscriptions', 4.0),
}


def measure() -> Iterator[Figure]:
    """Commits of one changed object: without webhooks, then with more and more subscriptions.

    Each subscription has an owner of its own, who is asked for by access control lists, and a
    secret. They take many short turns in each round, as a machine may change its speed meanwhile.
    Nothing is sent, so that this is the cost of owing alone.
    """
    turns, count = sized(10, 2), sized(40, 10)
    with applications() as make, plain_storage() as plain:
        bare = make(webhooks=False)
        others = {}
        for subscriptions in _COMMITS:
            others[subscriptions] = make(delivery='worker')
            others[subscriptions].subscribe(subscriptions, _URL)
        everything = {None: bare, **others}
        times: dict[int | None, list[float]] = {key: [] for key in everything}
        plain_times = []
        for _ in range(2 * ROUNDS):
            spent: dict[int | None, list[float]] = {key: [] for key in everything}
            plain_spent = []
            for _ in range(turns):
                plain_spent.append(seconds_each(count, plain))
                for key, each in everything.items():
                    with each.request():
                        each.change()
                        spent[key].append(seconds_each(count, each.change))
            plain_times.append(statistics.median(plain_spent))
            for key, found in spent.items():
                times[key].append(statistics.median(found))
    yield Figure('plain FileStorage commit', [1000 * each for each in plain_times], 'ms')
    yield Figure('commit without webhooks', [1000 * each for each in times[None]], 'ms')
    for subscriptions, (name, goal) in _COMMITS.items():
        yield Figure(name, ratios(times[subscriptions], times[None]), 'x', goal)


def measure_unmatched() -> Iterator[Figure]:
    """An event that nobody wants, by itself."""
    count = sized(5000, 100)
    with applications() as make:
        without, wanted_elsewhere = make(webhooks=False), make(delivery='worker')
        wanted_elsewhere.subscribe(100, _URL, 'employee.removed')
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for key, each in ((False, without), (True, wanted_elsewhere)):
                with each.request(), each.transaction() as root:
                    event = ObjectModifiedEvent(root['office']['employee-0000'])
                    each.registry.notify(event)
                    started = time.perf_counter()
                    for _ in range(count):
                        each.registry.notify(event)
                    times[key].append(1e6 * (time.perf_counter() - started) / count)
    added = [one - other for one, other in zip(times[True], times[False], strict=True)]
    yield Figure('P3 event that matches nothing, over a bare notify', added, 'µs', 20)


@contextlib.contextmanager
def plain_storage() -> Iterator[Callable[[int], None]]:
    """Yield a function that commits one changed object to a FileStorage, and nothing else."""
    with tempfile.TemporaryDirectory(prefix='benchmarks_plain_') as folder:
        database = ZODB.DB(str(Path(folder) / 'plain.fs'))
        manager = transaction.TransactionManager(explicit=True)
        manager.begin()
        connection = database.open(transaction_manager=manager)
        employee = connection.root()['employee'] = Employee()
        manager.commit()

        def commit(number: int) -> None:
            manager.begin()
            employee.number = number
            manager.commit()

        yield commit
        manager.begin()
        connection.close()
        database.close()
