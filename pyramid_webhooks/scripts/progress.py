"""Telling people at a terminal how far something is."""

from __future__ import annotations

import sys
import time

_SECONDS = 0.2
_SECONDS_ELSEWHERE = 5.0


class Progress:
    """One line on the standard error, written anew as work goes on; seldom where no one sees it.

    :param what: what is counted.
    :param total: how many there will be.
    """

    def __init__(self, what: str, total: int):
        self._what = what
        self._total = total
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()

    def tell(self, count: int) -> None:
        """So many are done."""
        now = time.monotonic()
        pause = _SECONDS if self._terminal else _SECONDS_ELSEWHERE
        if count < self._total and now - self._told < pause:
            return
        self._told = now
        line = f'{count} of {self._total} {self._what}'
        end = '\n' if count >= self._total or not self._terminal else ''
        sys.stderr.write(f'\r{line}{end}' if self._terminal else f'{line}\n')
        sys.stderr.flush()
