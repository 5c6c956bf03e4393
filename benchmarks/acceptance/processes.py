"""Many processes on one database: ZEO, and RelStorage on PostgreSQL."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import backlog, greenlets, workers
from benchmarks.acceptance.crashes import kills_on
from benchmarks.acceptance.finding import Finding, judged
from benchmarks.acceptance.foundation import kill_once
from benchmarks.measuring import sized
from tests.chaos.cluster import Process, Result, disturb
from tests.chaos.member import committed_numbers, furnish, open_company
from tests.storages import postgresql, zeo

_CONCURRENCY = 8
_LEASE = 15
_ADOPTION_SECONDS = 30


def disturbances() -> Iterator[Finding]:
    """Workers killed and started every 2 s, one frozen for twice its lease."""
    for name, storage in (('PostgreSQL', postgresql), ('ZEO', zeo)):
        with tempfile.TemporaryDirectory() as folder, storage(Path(folder)) as uri:
            result = disturb(
                uri,
                events=sized(20_000, 200),
                webs=2,
                workers=4,
                concurrency=_CONCURRENCY,
                lease=sized(_LEASE, 1),
                every=sized(2, 1),
                frozen=2 * sized(_LEASE, 1),
                # What is late is late because nobody had taken it over yet, not for its number.
                pause=0.01,
            )
        yield _judge(name, result)


def _judge(name: str, result: Result) -> Finding:
    wrong = len(result.lost) + len(result.foreign) + len(result.renamed)
    allowed = result.disturbances * 2 * _CONCURRENCY
    kept = (
        not wrong
        and result.conflicts == ['0 []\n'] * len(result.conflicts)
        and result.repeats <= allowed
        and result.slowest <= _ADOPTION_SECONDS
    )
    return Finding(
        kept,
        f'{name}: {result.committed} committed in {result.seconds:.0f} s, {result.disturbances} '
        f'workers killed or frozen, {len(result.lost)} lost, {len(result.foreign)} foreign, '
        f'{len(result.renamed)} under two ids, {result.repeats} repeated (at most {allowed}), '
        f'the slowest arrived after {result.slowest:.1f} s; conflicts: {result.conflicts}',
    )


def scaling() -> Iterator[Finding]:
    """Four workers against one; and a worker of greenlets with 1,000 requests open."""
    yield from judged(workers.measure_scaling, greenlets.measure)


def owed_million() -> Iterator[Finding]:
    """A million deliveries owed: starting, committing, and beginning to send."""
    yield from judged(backlog.measure, limits={f'P9 commit with {backlog.OWED:,} owed': 1.2})


def hot_subscription() -> Iterator[Finding]:
    """Two processes that commit events to one subscription on PostgreSQL."""
    each = sized(5_000, 50)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(postgresql(folder))
        receiver = stack.enter_context(workers.receiving())
        company = open_company(uri, delivery='worker')
        stack.callback(company.stop)
        furnish(company, receiver.url_for(''), webs=2)
        webs = [Process('web', uri, web, 1, each, 'hot', 0) for web in range(2)]
        sending = Process('worker', uri, _CONCURRENCY, _LEASE)
        for process in (*webs, sending):
            stack.callback(process.end)
            process.wait_until_ready()
        for process in webs:
            process.go()
        answers = [process.answer().strip() for process in webs]
        company.settle(300)
        committed = len(committed_numbers(company, 2))
        arrived = len(receiver.requests)
    yield Finding(
        answers == ['0 []'] * 2 and committed == 2 * each == arrived,
        f'{committed} commits of 2 processes, {arrived} requests; conflicts: {answers}',
    )


def kills() -> Iterator[Finding]:
    """The kill bars of a single process, on PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(sized(10, 1)):
            with postgresql(Path(folder)) as uri:
                yield kill_once(number, uri)
        with postgresql(Path(folder)) as uri:
            yield from kills_on(uri)


BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    1: disturbances,
    2: scaling,
    3: owed_million,
    4: hot_subscription,
    5: kills,
}
