"""The time by which the engine decides what is due."""

from __future__ import annotations

import time


class Clock:
    """POSIX time that does not go back while the process runs.

    When the time of day is put back, retries do not come so much later: they are due by this
    clock. When it is put forward, or the machine wakes up, this clock follows. For one thread.
    """

    def __init__(self) -> None:
        self._now = time.time()
        self._steady = time.monotonic()

    def now(self) -> float:
        """POSIX time, or what it would be had nobody put it back."""
        steady = time.monotonic()
        self._now = max(time.time(), self._now + steady - self._steady)
        self._steady = steady
        return self._now

    def ahead(self) -> float:
        """Seconds by which the time of day has been put back."""
        return max(0.0, self.now() - time.time())
