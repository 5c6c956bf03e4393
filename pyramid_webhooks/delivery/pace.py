"""How far apart the engine reads what was just committed."""

from __future__ import annotations

import time

#: Single events cost a transaction each: reads are so far apart.
READ_SECONDS = 0.005
#: And so far, where more commits a second come than that; a few that come together are no sign.
_BUSY_READ_SECONDS = 0.02
_BUSY_RATE = 300
_FEW = 2


class Pace:
    """Says after each read when the next one may be."""

    def __init__(self) -> None:
        self._commits = 0
        self._counted_at = 0.0

    def next(self, started: float, commits: int) -> float:
        """The time of :func:`time.monotonic` from which on there may be the next read.

        :param started: when the last one began.
        :param commits: how many there have been altogether.
        """
        now = time.monotonic()
        new, seconds = commits - self._commits, now - self._counted_at
        self._commits, self._counted_at = commits, now
        busy = new > max(_FEW, _BUSY_RATE * seconds)
        return started + (_BUSY_READ_SECONDS if busy else READ_SECONDS)
