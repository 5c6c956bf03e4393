"""How long answers took: a histogram that is small, and forgets.

Times are counted in steps of a logarithmic scale. When there are as many counts as fit, all are
halved: so the newest 128 to 255 answers weigh more than all that came before them together.

It is stored as bytes: the number of the first step that has counts, and one byte for each step
from there to the last that has some.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

#: Seconds of the shortest time that is told from shorter ones, and of the longest.
SHORTEST = 0.0001
LONGEST = 3600.0
#: Steps for a doubling. What is said of a time is wrong by less than half a step: 9.1 percent.
STEPS = 4
ERROR = 2 ** (1 / (2 * STEPS)) - 1
#: Counts at which all are halved.
LIMIT = 256

_LAST = math.ceil(math.log2(LONGEST / SHORTEST) * STEPS)


def step_of(seconds: float) -> int:
    """The number of the step that a time belongs to."""
    if not seconds > SHORTEST:
        return 0
    return min(round(math.log2(seconds / SHORTEST) * STEPS), _LAST)


def seconds_of(step: int) -> float:
    """The time in the middle of a step, in seconds."""
    return SHORTEST * 2 ** (step / STEPS)


def add(histogram: bytes, times: Iterable[float]) -> bytes:
    """A histogram that has ``times``, in seconds, as well; ``b''`` is an empty one."""
    counts = _counts(histogram)
    total = sum(counts.values())
    for seconds in times:
        step = step_of(seconds)
        counts[step] = counts.get(step, 0) + 1
        total += 1
        if total >= LIMIT:
            counts = {step: count // 2 for step, count in counts.items() if count > 1}
            total = sum(counts.values())
    if not counts:
        return b''
    first = min(counts)
    return bytes((first, *(counts.get(step, 0) for step in range(first, max(counts) + 1))))


def percentile(histogram: bytes, part: float) -> float | None:
    """The time within which ``part`` (0 to 1) of the answers came, in seconds; None: no answers.

    It is less than :data:`ERROR` away from a time that was added, and the nearest-rank percentile
    of those that were not forgotten.
    """
    counts = _counts(histogram)
    wanted = max(1, math.ceil(part * sum(counts.values())))
    for step in sorted(counts):
        wanted -= counts[step]
        if wanted <= 0:
            return seconds_of(step)
    return None


def _counts(histogram: bytes) -> dict[int, int]:
    if not histogram:
        return {}
    first, *counts = histogram
    return {first + place: count for place, count in enumerate(counts) if count}
