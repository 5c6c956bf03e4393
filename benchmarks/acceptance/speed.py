"""As fast as Python goes: each goal against a yardstick of the same run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

from benchmarks import (
    backlog,
    busy,
    commits,
    deliveries,
    latency,
    payloads,
    rest,
    scale,
    slow,
    waiting,
)
from benchmarks.acceptance.finding import Finding
from benchmarks.measuring import Figure

Measure = Callable[[], Iterable[Figure]]
#: In their order, P1 first: what a goal is about, and what measures it.
_GOALS: tuple[tuple[str, tuple[Measure, ...]], ...] = (
    ('A commit with one matching subscription.', (commits.measure,)),
    ('A commit with 100 matching subscriptions of 100 owners.', (commits.measure,)),
    ('An event that matches nothing.', (commits.measure_unmatched,)),
    ('Deliveries end to end, one event a transaction.', (deliveries.measure,)),
    ('The same with fan-out 100.', (deliveries.measure,)),
    ('From the commit to the receiver, at 200 events/s.', (latency.measure,)),
    ('What a delivery stores before a pack.', (deliveries.measure,)),
    ('100,000 subscriptions in the manager, same matches.', (scale.measure,)),
    ('A million deliveries owed: commits, and sending them.', (backlog.measure,)),
    ('Payloads of 100 kB.', (payloads.measure,)),
    ('Memory with 100,000 deliveries owed.', (waiting.measure,)),
    ('REST against a bare Cornice view.', (scale.measure, rest.measure)),
    ('Commits while the same process sends.', (busy.measure,)),
    ('Receivers that take 20 ms.', (slow.measure,)),
)


@functools.cache
def measured(measure: Measure) -> tuple[Figure, ...]:
    """The figures of one measurement, which serves all goals; they are printed and kept."""
    figures = []
    for figure in measure():
        figure.keep()
        figures.append(figure)
    return tuple(figures)


def _bar(number: int, text: str, measures: Iterable[Measure]) -> Callable[[], Iterator[Finding]]:
    def bar() -> Iterator[Finding]:
        for measure in measures:
            found = [each for each in measured(measure) if each.number == f'P{number}']
            assert found, f'{measure.__module__} measures nothing for P{number}.'
            yield from (Finding(figure.good, str(figure)) for figure in found)

    bar.__doc__ = text
    return bar


BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    number: _bar(number, *goal) for number, goal in enumerate(_GOALS, 1)
}
