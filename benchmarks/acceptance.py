"""Every promise at its full size: ``python -m benchmarks.acceptance [NUMBER …]``.

Prints a line for each, and fails when one is not kept. It takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import clone, commits, deliveries, scale
from benchmarks.measuring import Figure, sized
from pyramid_webhooks.testing import Receiver
from tests.chaos.commits import Commits
from tests.chaos.killing import kill_and_restart
from tests.company import Company


class Finding(NamedTuple):
    """Whether something is as promised, and what was found."""

    kept: bool
    text: str


def fresh_clone() -> Iterator[Finding]:
    """1: ``make test`` and ``make demo`` in a clone without a virtual environment."""
    seconds, passed = clone.seconds_to_test(limit=600)
    yield Finding(passed and seconds < 300, f'make test: {seconds:.0f} s, at most 300')
    seconds, served = clone.seconds_to_serve(limit=300)
    yield Finding(served and seconds < 120, f'make demo serves /: {seconds:.0f} s, at most 120')


def company_story() -> Iterator[Finding]:
    """2: who gets what in the company."""
    yield _tests('tests/functional/test_company_story.py')


def transactions() -> Iterator[Finding]:
    """3: what is not committed is not owed, and what is committed is owed once."""
    yield _tests('tests/functional/test_transactions.py')


def conflicts() -> Iterator[Finding]:
    """4: threads that commit events to one subscription while the engine records."""
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
    """5: kill -9 between commit and delivery, at random moments."""
    count, rounds, concurrency = sized(10_000, 200), sized(10, 1), 8
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            arrivals = kill_and_restart(
                Path(folder),
                kills=1,
                commits=count,
                concurrency=concurrency,
                seed=number,
                delay=0.02,
            )
        wrong = len(arrivals.lost) + len(arrivals.foreign) + len(arrivals.renamed)
        kept = (
            not wrong and arrivals.committed >= count and max(arrivals.repeats) <= 2 * concurrency
        )
        yield Finding(
            kept,
            f'kill {number + 1}: {arrivals.committed} committed, {len(arrivals.lost)} lost, '
            f'{len(arrivals.foreign)} foreign, {len(arrivals.renamed)} under two ids, '
            f'{sum(arrivals.repeats)} repeated, {max(arrivals.backlogs)} owed at the kill',
        )


def cost() -> Iterator[Finding]:
    """6: what webhooks cost."""
    return _figures(commits.measure, deliveries.measure)


def crowd() -> Iterator[Finding]:
    """7: 100,000 subscriptions in one manager."""
    return _figures(scale.measure)


def _tests(path: str) -> Finding:
    passed, text = clone.run_tests(path)
    return Finding(passed, f'{path}: {text}')


def _figures(*measures: Callable[[], Iterable[Figure]]) -> Iterator[Finding]:
    for measure in measures:
        for figure in measure():
            if figure.goal is not None:
                yield Finding(figure.good, str(figure))


BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    1: fresh_clone,
    2: company_story,
    3: transactions,
    4: conflicts,
    5: kills,
    6: cost,
    7: crowd,
}


def main() -> int:
    """Check the bars that are named, or all; the number of those that are not reached."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.acceptance', description=__doc__)
    parser.add_argument('bars', nargs='*', type=int, choices=[[], *BARS], metavar='NUMBER')
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    failed = 0
    for number in parser.parse_args().bars or BARS:
        started = time.monotonic()
        kept = True
        try:
            for finding in BARS[number]():
                kept = kept and finding.kept
                print(f'  bar {number} {_word(finding.kept)}  {finding.text}', flush=True)
        except Exception:
            traceback.print_exc()
            kept = False
        failed += not kept
        seconds = time.monotonic() - started
        print(f'bar {number} {_word(kept)}  ({seconds:.0f} s)  {BARS[number].__doc__}', flush=True)
    return failed


def _word(kept: bool) -> str:
    return 'PASS' if kept else 'FAIL'


if __name__ == '__main__':
    sys.exit(min(1, main()))
