"""What webhooks add to the application's own commit."""

from __future__ import annotations

import time
from collections.abc import Iterator

from zope.lifecycleevent import ObjectModifiedEvent

from benchmarks.application import applications
from benchmarks.measuring import ROUNDS, Figure, ratios, seconds_each, sized

_URL = 'https://receiver.example/hook'
#: Matching subscriptions, and how many times the bare commit they may cost.
_GOALS = {0: None, 1: 2.0, 100: 5.0}


def measure() -> Iterator[Figure]:
    """Commits of one changed object: without webhooks, then with more and more subscriptions.

    The rounds take turns. Nothing is sent, so that this is the cost of owing alone.
    """
    count = sized(400, 20)
    with applications() as make:
        bare = make(webhooks=False)
        others = {}
        for subscriptions in _GOALS:
            others[subscriptions] = make(delivery='worker')
            others[subscriptions].subscribe(subscriptions, _URL)
        everything = {None: bare, **others}
        times: dict[int | None, list[float]] = {key: [] for key in everything}
        for _ in range(2 * ROUNDS):
            for key, each in everything.items():
                with each.request():
                    each.change()
                    times[key].append(seconds_each(count, each.change))
    milliseconds = [1000 * each for each in times[None]]
    yield Figure('commit without webhooks', milliseconds, 'ms')
    for subscriptions, goal in _GOALS.items():
        yield Figure(
            f'commit with {subscriptions} matching subscriptions',
            ratios(times[subscriptions], times[None]),
            'x',
            goal,
        )


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
    yield Figure('event that matches nothing, over a bare notify', added, 'µs')
