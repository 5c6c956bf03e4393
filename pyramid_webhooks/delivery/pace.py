"""How far apart the engine reads what was just committed."""

from __future__ import annotations

import time

#: Single events cost a transaction each: reads are so far apart.
READ_SECONDS = 0.005
#: And so far, where more commits a second come than that, and the process has no time to spare:
#: its threads together compute for such a share of it.
_BUSY_READ_SECONDS = 0.02
_BUSY_RATE = 150
_BUSY_SHARE = 0.9
#: This is judged for so long at least: a few that come together are no sign.
_JUDGED_SECONDS = 0.2


class Pace:
    """Says after each read when the next one may be.

    To read more commits together saves work, but what was committed has to wait for it.
    """

    def __init__(self) -> None:
        self._commits = 0
        self._judged_at = self._cpu = 0.0
        self._busy = False

    def next(self, started: float, commits: int) -> float:
        """The time of :func:`time.monotonic` from which on there may be the next read.

        :param started: when the last one began.
        :param commits: how many there have been altogether.
        """
        now = time.monotonic()
        seconds = now - self._judged_at
        if seconds >= _JUDGED_SECONDS:
            cpu = time.process_time()
            many = commits - self._commits > _BUSY_RATE * seconds
            self._busy = many and cpu - self._cpu > _BUSY_SHARE * seconds
            self._judged_at, self._cpu, self._commits = now, cpu, commits
        return started + (_BUSY_READ_SECONDS if self._busy else READ_SECONDS)
