"""What is known of the receiver behind a subscription, from how its last requests went."""

from __future__ import annotations

from collections.abc import Callable

#: Failures in a row after which deliveries wait for a probe.
STRIKES = 5
#: Successes in a row after which earlier troubles are forgotten.
STEADY = 5
_MOST = 1000


class Health:
    """How the last requests of one subscription went, and until when the next one has to wait.

    Its breaker is closed while requests are made as they become due. After :data:`STRIKES`
    failures in a row it is open: everything waits, but for a probe now and then. A success closes
    it. Requests that could not even be made say nothing about the receiver, and don't count.

    :ivar strikes: requests that failed since the last one that succeeded.
    :ivar successes: requests that succeeded since the last one that failed; up to a thousand.
    :ivar waits: waits for a probe since it last was steady; each is longer than the one before.
    :ivar probe_at: POSIX time of the next probe while the breaker is open, else None.
    """

    __slots__ = ('probe_at', 'strikes', 'successes', 'waits')

    def __init__(
        self,
        strikes: int = 0,
        successes: int = 0,
        waits: int = 0,
        probe_at: float | None = None,
    ):
        self.strikes = strikes
        self.successes = successes
        self.waits = waits
        self.probe_at = probe_at

    def values(self) -> tuple[int, int, int, float | None]:
        """What it is made of, to be stored or copied."""
        return self.strikes, self.successes, self.waits, self.probe_at

    @property
    def proven(self) -> bool:
        """Whether the last request was answered with success."""
        return self.successes > 0

    @property
    def is_open(self) -> bool:
        """Whether deliveries have to wait for a probe."""
        return self.probe_at is not None

    def succeed(self) -> None:
        """A request was answered with success."""
        self.strikes = 0
        self.probe_at = None
        if self.successes < _MOST:
            self.successes += 1
        if self.successes >= STEADY:
            self.waits = 0

    def fail(
        self,
        at: float,
        wait: Callable[[int], float],
        not_before: float = 0.0,
        at_once: bool = False,
    ) -> None:
        """A request failed.

        :param at: POSIX time.
        :param wait: returns the seconds to wait for the next probe, after so many waits before.
        :param not_before: POSIX time before which the receiver wants to hear nothing.
        :param at_once: open the breaker, however few have failed before.
        """
        self.successes = 0
        self.strikes = max(self.strikes + 1, STRIKES if at_once else 0)
        if self.probe_at is not None and at < self.probe_at:
            # It was under way when the breaker opened: no probe, and no reason to wait longer.
            self.probe_at = max(self.probe_at, not_before)
        elif self.strikes >= STRIKES:
            self.probe_at = max(at + wait(self.waits), not_before)
            self.waits += 1
