"""What 100,000 subscriptions in one manager cost, against 1,000."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, ratios, sized
from benchmarks.rest import Call, bare_call, compared
from pyramid_webhooks import manager_of

_URL = 'https://receiver.example/hook'
_GOAL = 1.5
_PAGE = 50
#: So many of the subscriptions want an event.
_WANTING = 3
_BATCH = 1000


def measure() -> Iterator[Figure]:
    """Creating one more, an event that three want, and a page of 50; the rounds take turns.

    An event is compared with a manager, too, that has only those three; and the page over REST
    with a bare view.
    """
    alone, few, many = _WANTING, sized(1000, 100), sized(100_000, 1000)
    with applications() as make:
        crowds = {size: Crowd(make(delivery='worker'), size) for size in (alone, few, many)}
        for name, work in WORKS.items():
            times: dict[int, list[float]] = {few: [], many: []}
            if work is Crowd.match:
                times[alone] = []
            for _ in range(2 * ROUNDS):
                for size, found in times.items():
                    found.append(_each(crowds[size], work))
            yield Figure(f'{name}, at {few:,}', [1e6 * each for each in times[few]], 'µs')
            yield Figure(f'{name}, at {many:,}', ratios(times[many], times[few]), 'x', _GOAL)
            if alone in times:
                more = ratios(times[many], times[alone])
                yield Figure(f'P8 an event that 3 want of {many:,}, by 3 of 3', more, 'x', 1.2)
        page = crowds[many].page
        yield from compared(f'P12 list {_PAGE} of {many:,} over REST', page, bare_call(make, page))


class Crowd:
    """An application with many subscriptions in one manager, three of which want an event.

    :ivar middle: id of the subscription in the middle.
    :ivar page: lists those after it over REST.
    """

    def __init__(self, application: Application, size: int):
        self.application = application
        application.subscribe(_WANTING, _URL)
        for start in range(_WANTING, size, _BATCH):
            application.subscribe(min(_BATCH, size - start), _URL, 'employee.removed')
        with application.transaction() as root:
            manager = manager_of(root['office'])
            assert len(manager) == size
            self.middle = next(itertools.islice(manager, size // 2, None))
        self.page = Call(application, f'/office/__webhooks__?limit={_PAGE}&after={self.middle}')

    def create(self) -> None:
        """Create one more subscription."""
        with self.application.transaction() as root:
            manager_of(root['office']).create_subscription(
                _URL, events=['employee.removed'], owner='owner-1'
            )

    def match(self) -> None:
        """Change an object, and owe the event to the three who want it."""
        self.application.change()

    def list(self) -> None:
        """List a page from the middle."""
        with self.application.transaction() as root:
            manager = manager_of(root['office'])
            page = list(itertools.islice(manager.iterate(after=self.middle), _PAGE))
            assert len(page) == _PAGE

    def list_over_rest(self) -> None:
        """The same over REST."""
        self.page()


WORKS = {
    'create one more subscription': Crowd.create,
    'an event that 3 want, committed': Crowd.match,
    f'list a page of {_PAGE}': Crowd.list,
    f'list a page of {_PAGE} over REST': Crowd.list_over_rest,
}


def _each(crowd: Crowd, work: Callable[[Crowd], None]) -> float:
    count = sized(100, 3)
    with crowd.application.request():
        work(crowd)
        started = time.perf_counter()
        for _ in range(count):
            work(crowd)
        return (time.perf_counter() - started) / count
