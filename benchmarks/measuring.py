"""Rounds, medians, and lines that say what was measured."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: Whether only the working of the benchmarks is to be shown, not figures that mean anything.
SMOKE = bool(os.environ.get('BENCH_SMOKE'))
#: JSON, one line for each figure, oldest first.
RESULTS = Path(__file__).parents[1] / 'var' / 'benchmarks.jsonl'
_NUMBER = re.compile(r'P\d+(?= )')


def sized(full: int, smoke: int) -> int:
    """``full``, or ``smoke`` where only the working is to be shown."""
    return smoke if SMOKE else full


#: What is compared takes turns, so many times.
ROUNDS = sized(5, 2)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured value, over several rounds.

    :ivar name: what was measured; begins with the number of the goal of part 6 that it judges.
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
    def number(self) -> str:
        """Of the goal that it judges, as ``P5``; or empty."""
        found = _NUMBER.match(self.name)
        return found[0] if found else ''

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
        text = f'{self.name:<66} {self.median:9.{digits}f} {self.unit}'
        text = f'{text:<84} ({low:.{digits}f} … {high:.{digits}f})'
        if self.goal is not None:
            sign = '≥' if self.at_least else '≤'
            kind = 'aim' if self.aim else 'goal'
            text += f'  {kind} {sign} {self.goal:g}: {"yes" if self.good else "NO"}'
        return f'{text}  {self.note}' if self.note else text

    def keep(self) -> None:
        """Print it, and append it to the file of results."""
        print(self, flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        values = {
            **dataclasses.asdict(self),
            'median': self.median,
            'good': self.good,
            'smoke': SMOKE,
            'time': time.time(),
            'python': sys.version.split()[0],
            'load': os.getloadavg()[0],
        }
        with RESULTS.open('a') as file:
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


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent of them don't exceed."""
    return statistics.quantiles(values, n=100)[percent - 1]


def memory(name: str) -> float:
    """MB of this process: ``VmRSS`` is what it has, ``VmHWM`` the most that it had."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{name}:'):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f'The system does not tell {name}.')


def start_of_growth() -> float:
    """Forget the most memory so far; MB that are in memory now."""
    gc.collect()
    Path('/proc/self/clear_refs').write_text('5')
    return memory('VmRSS')
