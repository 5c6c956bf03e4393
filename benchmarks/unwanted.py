"""What an event costs before anything is owed: finding who wants it, and asking who may know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from zope.lifecycleevent import ObjectModifiedEvent

from benchmarks.application import Application, Employee, Folder, applications
from benchmarks.measuring import ROUNDS, Figure, sized
from pyramid_webhooks import manager_of

_URL = 'https://receiver.example/hook'
_DEPTH = 10
_OWNERS = 100


def measure_deep() -> Iterator[Figure]:
    """An event that nobody wants, below ten folders that all have subscriptions to others."""
    count = sized(5000, 100)
    with applications() as make:
        without, deep = make(webhooks=False), make(delivery='worker')
        for each in (without, deep):
            _dig(each)
        with deep.request(), deep.transaction() as root:
            for folder in _folders(root):
                manager_of(folder, create=True).create_subscription(
                    _URL, events=['employee.removed'], owner='owner'
                )
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(2 * ROUNDS):
            for key, each in ((False, without), (True, deep)):
                with each.request(), each.transaction() as root:
                    notify, event = each.registry.notify, ObjectModifiedEvent(_deepest(root))
                    notify(event)
                    times[key].append(_microseconds(notify, [event] * count))
    added = [one - other for one, other in zip(times[True], times[False], strict=True)]
    yield Figure(
        f'event that matches nothing, {_DEPTH} managers deep, over a bare notify',
        added,
        'µs',
        30,
    )


def measure_owners() -> Iterator[Figure]:
    """An event that the subscriptions of 100 owners want, until it is known who may get it."""
    for name, permitted in (('who may not', False), ('who may', True)):
        with applications() as make:
            application = make(delivery='worker')
            application.subscribe(_OWNERS, _URL)
            if not permitted:
                with application.transaction() as root:
                    root.__acl__ = []
            each = [_for_owners(application) / _OWNERS for _ in range(2 * ROUNDS)]
        yield Figure(f'event for {_OWNERS} owners {name} know, for one owner', each, 'µs', 15)


def _for_owners(application: Application) -> float:
    with application.request(), application.transaction() as root:
        employee = root['office']['employee-0000']
        notify = application.registry.notify
        notify(ObjectModifiedEvent(employee))
        return _microseconds(notify, [ObjectModifiedEvent(employee) for _ in range(sized(50, 5))])


def _microseconds(notify: Callable[[Any], None], events: list[Any]) -> float:
    """Of this thread's own time, for one event."""
    started = time.thread_time()
    for event in events:
        notify(event)
    return 1e6 * (time.thread_time() - started) / len(events)


def _dig(application: Application) -> None:
    with application.transaction() as root:
        folder = root
        for _ in range(_DEPTH - 1):
            folder['deeper'] = Folder()
            folder = folder['deeper']
        folder['employee'] = Employee()


def _folders(root: Any) -> Iterator[Any]:
    folder = root
    for _ in range(_DEPTH - 1):
        yield folder
        folder = folder['deeper']
    yield folder


def _deepest(root: Any) -> Any:
    *_, folder = _folders(root)
    return folder['employee']
