"""Killing the process two hundred times, inside of commits too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.acceptance.finding import Finding
from benchmarks.measuring import sized
from tests.chaos.killing import kill_and_restart

_CONCURRENCY = 16
_FAILURES = 0.2


def kills_in_trouble() -> Iterator[Finding]:
    """200 kills at random moments, also inside of commits, with failures and retries in flight."""
    return kills_on(None)


def kills_on(uri: str | None) -> Iterator[Finding]:
    """The same for any storage.

    :param uri: of an empty database, as zodbconn has it; None for a FileStorage.
    """
    count, kills = sized(20_000, 600), sized(200, 6)
    with tempfile.TemporaryDirectory() as folder:
        arrivals = kill_and_restart(
            Path(folder),
            kills=kills,
            commits=count,
            concurrency=_CONCURRENCY,
            delay=0.002,
            failures=_FAILURES,
            paths=('all', 'even', 'odd'),
            moments=True,
            uri=uri,
        )
    arrived = (
        f'{kills} kills, {arrivals.moments.total()} of them at {len(arrivals.moments)} chosen '
        f'moments; {arrivals.committed} events committed; {arrivals.failed} requests failed'
    )
    faults = arrivals.faults(_CONCURRENCY)
    yield Finding(arrivals.committed >= count and not faults, arrived)
    yield Finding(
        not faults,
        f'repeated after a kill: {max(arrivals.repeats[:-1])} at most, allowed '
        f'{2 * _CONCURRENCY}, {sum(arrivals.repeats)} altogether; '
        f'{"; ".join(faults) or "nothing lost, foreign, renamed or sent after its success"}',
    )
