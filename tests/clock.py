"""A clock that tests can put forward and back."""

from __future__ import annotations

import time


class ShiftedClock:
    """Replaces :func:`time.time`, for all threads, by one that is so many seconds off.

    Real time goes by as ever; only what is due at a time of day comes sooner or later.
    """

    def __enter__(self):
        self._time = time.time
        self.offset = 0.0
        time.time = self
        return self

    def __exit__(self, *exc_info):
        time.time = self._time

    def __call__(self):
        return self._time() + self.offset

    def forward(self, seconds):
        """Put the clock forward, or back."""
        self.offset += seconds
