"""Everything the subscription model promises."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from benchmarks import clone, unwanted
from benchmarks.acceptance.finding import Finding, judged, run_tests
from benchmarks.measuring import sized
from pyramid_webhooks import manager_of
from tests.company import Company
from tests.functional.driving import comparing
from tests.functional.programs import programs
from tests.functional.starting import sharing, start_together

_NAMED = re.compile(r'``(tests/[\w/]+\.py::test_\w+)``')
_TO = 'http://127.0.0.1:9/'


def comparisons() -> Iterator[Finding]:
    """What users of nti.webhooks and Django REST Hooks expect: the tests that the docs name."""
    for page in sorted((clone.ROOT / 'docs').glob('from-*.rst')):
        named = sorted(set(_NAMED.findall(page.read_text())))
        passed, text = clone.run_tests(*named)
        yield Finding(passed and bool(named), f'{page.name} names {len(named)} tests: {text}')
    yield run_tests('tests/docs/test_moving.py')


def cost() -> Iterator[Finding]:
    """What finding and judging cost before anything is owed."""
    return judged(unwanted.measure_deep, unwanted.measure_owners)


def processes() -> Iterator[Finding]:
    """Four processes that start at once, and keep 50 subscriptions in the tree."""
    count, rounds = sized(50, 3), sized(5, 1)
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as name, sharing(Path(name)) as uri:
            settings = {'zodbconn.uri': uri, 'webhooks.delivery': 'worker'}
            # It comes first: that processes make one new database together is not promised.
            company = Company(Path(name), settings=settings).start()
            try:
                errors = [each for each in start_together(uri, _TO, count) if each]
                active = company.transact(_count_active)
            finally:
                company.stop()
        yield Finding(
            active == count and not errors,
            f'start {number + 1}: {active} of {count} subscriptions, {len(errors)} with errors',
        )


def _count_active(root: Any) -> int:
    root._p_jar.sync()
    found = [each for folder in (root, root['NWS']) for each in manager_of(folder).values()]
    assert len(found) == len({each.id for each in found})
    return sum(each.active for each in found)


def random_programs() -> Iterator[Finding]:
    """Random programs, on a real application and on a simple model of who is owed what."""
    count, chunks = sized(5000, 50), 10
    # Each program starts an application or two, and some remove what is still owed.
    logging.getLogger('pyramid_webhooks').setLevel(logging.ERROR)
    with comparing() as compare:
        for number in range(chunks):
            yield Finding(*_run_programs(compare, count // chunks, number))


def _run_programs(
    compare: Callable[[list, bool], list[str]], count: int, number: int
) -> tuple[bool, str]:
    run = 0

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(program=programs, coalesce=st.booleans())
    def all_agree(program: list, coalesce: bool) -> None:
        nonlocal run
        run += 1
        assert compare(program, coalesce) == []

    try:
        all_agree()
    except AssertionError as error:
        return False, f'seed {number}: {error} {"".join(getattr(error, "__notes__", ()))}'
    return run >= count, f'seed {number}: {run} programs, no difference'


#: By number, so that each can come when it is ready.
BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    1: comparisons,
    2: cost,
    3: processes,
    4: random_programs,
}
