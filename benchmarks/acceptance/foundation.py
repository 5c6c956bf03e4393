"""The main job: who gets what, in which transaction, over crashes, and at what cost."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import clone, commits, deliveries, scale
from benchmarks.acceptance.finding import Finding, judged, run_tests
from benchmarks.measuring import sized
from pyramid_webhooks.testing import Receiver
from tests.chaos.commits import Commits
from tests.chaos.killing import kill_and_restart
from tests.company import Company

#: At most, but of the transport at least. Part 6 has goals for the same figures.
_COST = {
    'P1 commit, 1 matching subscription': 2.0,
    'P2 commit, 100 matching subscriptions': 5.0,
    'P5 deliveries by bare transport, fan-out 100': 25.0,
    'P7 Data.fs for a delivery, fan-out 1': 2048.0,
    'P7 Data.fs for a delivery, fan-out 100': 2048.0,
}


def fresh_clone() -> Iterator[Finding]:
    """``make test`` and ``make demo`` in a clone without a virtual environment."""
    seconds, passed = clone.seconds_to_test(limit=600)
    yield Finding(passed and seconds < 300, f'make test: {seconds:.0f} s, at most 300')
    seconds, served = clone.seconds_to_serve(limit=300)
    yield Finding(served and seconds < 120, f'make demo serves /: {seconds:.0f} s, at most 120')


def company_story() -> Iterator[Finding]:
    """Who gets what in the company."""
    yield run_tests('tests/functional/test_company_story.py')


def transactions() -> Iterator[Finding]:
    """What is not committed is not owed, and what is committed is owed once."""
    yield run_tests('tests/functional/test_transactions.py')


def conflicts() -> Iterator[Finding]:
    """Threads that commit events to one subscription while the engine records."""
    count = sized(2000, 80)
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        company = Company(Path(folder)).start()
        try:
            company.subscribe('/', receiver.url)
            made = Commits(company, threads=8).run(count)
            company.settle(120)
        finally:
            company.stop()
        arrived = Counter((each.json()['name'], each.json()['age']) for each in receiver.requests)
    once = arrived == Counter(made.committed) and set(arrived.values()) == {1}
    text = f'{len(made.committed)} commits of 8 threads, {len(made.conflicts)} conflict errors'
    yield Finding(not made.conflicts and len(made.committed) == count, text)
    yield Finding(once, f'{sum(arrived.values())} requests for {len(arrived)} messages')


def kills() -> Iterator[Finding]:
    """Kill -9 between commit and delivery, at random moments."""
    for number in range(sized(10, 1)):
        yield kill_once(number)


def kill_once(number: int, uri: str | None = None) -> Finding:
    """One kill of those.

    :param number: of the kill; seeds the chance.
    :param uri: of an empty database, as zodbconn has it; None for a FileStorage.
    """
    count, concurrency = sized(10_000, 200), 8
    with tempfile.TemporaryDirectory() as folder:
        arrivals = kill_and_restart(
            Path(folder),
            kills=1,
            commits=count,
            concurrency=concurrency,
            seed=number,
            delay=0.02,
            uri=uri,
        )
    faults = arrivals.faults(concurrency)
    if arrivals.committed < count:
        faults.append(f'fewer than {count} were committed')
    return Finding(
        not faults,
        f'kill {number + 1}: {arrivals.committed} committed, {arrivals.repeats[0]} repeated, '
        f'{max(arrivals.backlogs)} owed at the kill; {"; ".join(faults) or "none lost"}',
    )


def cost() -> Iterator[Finding]:
    """What webhooks cost."""
    return judged(commits.measure, deliveries.measure, limits=_COST)


def crowd() -> Iterator[Finding]:
    """100,000 subscriptions in one manager."""
    return judged(scale.measure)


BARS = dict(
    enumerate((fresh_clone, company_story, transactions, conflicts, kills, cost, crowd), 1)
)
