"""How long answers took: a histogram that is small, and forgets.

Times are counted in steps of a logarithmic scale. When there are as many counts as a byte can
hold, all are halved: so the newest 128 to 255 answers weigh more than all before them together.

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
#: There are always fewer counts.
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
    total = sum(counts)
    for seconds in times:
        if total == LIMIT - 1:
            counts = bytearray(count // 2 for count in counts)
            total = sum(counts)
        counts[step_of(seconds)] += 1
        total += 1
    used = counts.lstrip(b'\0')
    return bytes((len(counts) - len(used),)) + used.rstrip(b'\0') if used else b''


def percentile(histogram: bytes, part: float) -> float | None:
    """The time within which ``part`` (0 to 1) of the answers came, in seconds; None: no answers.

    It is less than :data:`ERROR` away from a time that was added, and the nearest-rank percentile
    of those that were not forgotten.
    """
    counts = _counts(histogram)
    wanted = max(1, math.ceil(part * sum(counts)))
    for step, count in enumerate(counts):
        wanted -= count
        if wanted <= 0:
            return seconds_of(step)
    return None


def _counts(histogram: bytes) -> bytearray:
    counts = bytearray(_LAST + 1)
    if histogram:
        first = histogram[0]
        counts[first : first + len(histogram) - 1] = histogram[1:]
    return counts
