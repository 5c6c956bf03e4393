"""Rounds, medians, and lines that say what was measured."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: Whether only the working of the benchmarks is to be shown, not figures that mean anything.
SMOKE = bool(os.environ.get('BENCH_SMOKE'))
ROUNDS = 5
_RESULTS = Path(__file__).parents[1] / 'var' / 'benchmarks.jsonl'


def sized(full: int, smoke: int) -> int:
    """``full``, or ``smoke`` where only the working is to be shown."""
    return smoke if SMOKE else full


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured value, over several rounds.

    :ivar name: what was measured.
    :ivar values: of the rounds.
    :ivar unit: of the values.
    :ivar goal: the most, or with ``at_least`` the least, that the median should be; or None.
    :ivar note: what else belongs to it.
    :ivar aim: whether the goal is aimed at rather than promised.
    """

    name: str
    values: Sequence[float]
    unit: str
    goal: float | None = None
    at_least: bool = False
    note: str = ''
    aim: bool = False

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def good(self) -> bool:
        """Whether the goal is reached; True where there is none."""
        if self.goal is None:
            return True
        return self.median >= self.goal if self.at_least else self.median <= self.goal

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 2
        low, high = min(self.values), max(self.values)
        text = f'{self.name:<58} {self.median:9.{digits}f} {self.unit}'
        text = f'{text:<78} ({low:.{digits}f} … {high:.{digits}f})'
        if self.goal is not None:
            sign = '≥' if self.at_least else '≤'
            kind = 'aim' if self.aim else 'goal'
            text += f'  {kind} {sign} {self.goal:g}: {"yes" if self.good else "NO"}'
        return f'{text}  {self.note}' if self.note else text

    def keep(self) -> None:
        """Print it, and append it to the file of results."""
        print(self, flush=True)
        _RESULTS.parent.mkdir(exist_ok=True)
        values = {
            **dataclasses.asdict(self),
            'median': self.median,
            'good': self.good,
            'smoke': SMOKE,
            'time': time.time(),
            'python': sys.version.split()[0],
            'load': os.getloadavg()[0],
        }
        with _RESULTS.open('a') as file:
            file.write(json.dumps(values, default=list) + '\n')


def seconds_each(count: int, work: Callable[[int], Any]) -> float:
    """Do ``work(number)`` so many times; seconds for one."""
    started = time.perf_counter()
    for number in range(count):
        work(number)
    return (time.perf_counter() - started) / count


def ratios(values: Sequence[float], yardstick: Sequence[float]) -> list[float]:
    """Each round's value by the same round's yardstick."""
    return [value / one for value, one in zip(values, yardstick, strict=True)]
