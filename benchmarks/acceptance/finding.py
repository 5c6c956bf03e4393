"""What a bar finds: lines of text, each with whether it is as promised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from benchmarks import clone
from benchmarks.measuring import Figure


class Finding(NamedTuple):
    """Whether something is as promised, and what was found.

    :ivar aim: it was aimed at rather than promised: missing it is said, and no failure.
    """

    kept: bool
    text: str
    aim: bool = False


def run_tests(*paths: str) -> Finding:
    """Whether the tests at these paths pass, and what pytest said last."""
    passed, text = clone.run_tests(*paths)
    return Finding(passed, f'{" ".join(paths)}: {text}')


def judged(*measures: Callable[[], Iterable[Figure]]) -> Iterator[Finding]:
    """A finding for each figure that has a goal."""
    for measure in measures:
        for figure in measure():
            if figure.goal is not None:
                yield Finding(figure.good, str(figure), figure.aim)
