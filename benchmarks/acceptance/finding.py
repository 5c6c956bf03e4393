"""What a bar finds: lines of text, each with whether it is as promised."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
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


def judged(
    *measures: Callable[[], Iterable[Figure]], limits: Mapping[str, float] = MappingProxyType({})
) -> Iterator[Finding]:
    """A finding for each figure that has a goal of its own, or a limit here.

    :param limits: by the name of the figure; they are kept instead of its goal. Figures that
        judge a goal of part 6 are judged here only by such a limit.
    """
    missing = set(limits)
    for measure in measures:
        for figure in measure():
            if figure.name in limits:
                missing.discard(figure.name)
                figure = dataclasses.replace(figure, goal=limits[figure.name])
            elif figure.number or figure.goal is None:
                continue
            yield Finding(figure.good, str(figure), figure.aim)
    for name in sorted(missing):
        yield Finding(False, f'{name}: it was not measured')
