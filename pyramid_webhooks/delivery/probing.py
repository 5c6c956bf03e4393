"""How a result changes the health of its receiver, and how long one that fails is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.retry import wait_asked_for
from pyramid_webhooks.resources.health import Health

#: A receiver that is back is noticed within so many seconds.
LONGEST_WAIT = 600.0
_FIRST_WAIT = 5.0
#: "The target resource is no longer available", and that is likely to be permanent: RFC 9110,
#: section 15.5.11.
GONE_STATUS = 410
#: Why a receiver gets nothing any more.
UNSUBSCRIBED = 'Delivery suspended because the receiver answered 410 Gone.'
FAILURES = 'Delivery suspended due to too many delivery failures.'


class Probing:
    """When a receiver that fails is tried again.

    The first wait is that of the retry schedule, and each is twice as long as the one before, up
    to the longest of the retry schedule, or ten minutes.

    :param retry_schedule: seconds.
    """

    def __init__(self, retry_schedule: Sequence[float]):
        schedule = retry_schedule or (_FIRST_WAIT, LONGEST_WAIT)
        self._longest = min(LONGEST_WAIT, max(schedule))
        self._first = min(schedule[0] or _FIRST_WAIT, self._longest)

    def wait(self, waits: int) -> float:
        """Seconds to the next probe, after so many waits before."""
        return min(self._first * 2.0 ** min(waits, 60), self._longest)

    def note(self, health: Health, outcome: Outcome, at: float) -> None:
        """Let ``health`` know how a request went that was over ``at`` then, a POSIX time."""
        if outcome.succeeded:
            health.succeed()
        elif not outcome.permanent:
            asked = wait_asked_for(outcome.status, outcome.headers, at)
            health.fail(at, self.wait, at + asked if asked else 0.0, outcome.status == GONE_STATUS)
