"""When a failed delivery is tried again."""

from __future__ import annotations

import datetime
import email.utils
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence

from zope.interface import implementer

from pyramid_webhooks.interfaces import IRetryPolicy

#: Statuses whose ``Retry-After`` is respected, and for how many seconds at most.
RETRY_AFTER_STATUSES = frozenset((429, 502, 503, 504))
MAX_RETRY_AFTER = 24 * 60 * 60.0


@implementer(IRetryPolicy)
class RetrySchedule:
    """A list of waits, one after each failed attempt; after the last one it gives up.

    Each wait is made longer or shorter by a random part, so that what failed together is not
    tried again together. A receiver may ask for a longer wait, up to a day.

    :param delays: seconds to wait after the first attempt, the second, and so on
    :param jitter: largest part of a wait that is added or taken away, from 0 to 1
    :param random: returns a number from 0 to 1
    :param now: returns the time in Unix seconds
    :raises ValueError: when a delay or the jitter makes no sense
    """

    def __init__(
        self,
        delays: Sequence[float],
        jitter: float = 0.2,
        random: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.delays = tuple(float(delay) for delay in delays)
        self.jitter = jitter
        self._random = random
        self._now = now
        for delay in self.delays:
            if not 0 <= delay < math.inf:
                raise ValueError(f'The wait {delay!r} is not a number of seconds from 0 on.')
        if not 0 <= jitter <= 1:
            raise ValueError(f'The jitter {jitter!r} is not a number from 0 to 1.')

    def next_delay(
        self,
        attempts_made: int,
        status: int | None,
        headers: Iterable[tuple[str, str]],
    ) -> float | None:
        """Return the seconds to wait, or None to give up.

        :param attempts_made: how many attempts have failed so far, at least 1
        :param status: of the last answer, or None
        :param headers: of the last answer, as pairs
        """
        if not 1 <= attempts_made <= len(self.delays):
            return None
        spread = self.jitter * (2 * self._random() - 1)
        delay = self.delays[attempts_made - 1] * (1 + spread)
        return max(delay, wait_asked_for(status, headers, self._now()))


def wait_asked_for(status: int | None, headers: Iterable[tuple[str, str]], now: float) -> float:
    """Return the seconds that a receiver asks to be left alone, from 0 to a day.

    :param status: of the answer, or None
    :param headers: of the answer, as pairs
    :param now: Unix seconds
    """
    longest = 0.0
    if status in RETRY_AFTER_STATUSES:
        for name, value in headers:
            if name.lower() == 'retry-after':
                longest = max(longest, parse_retry_after(value, now) or 0.0)
    return longest


def parse_retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for (RFC 9110, section 10.2.3).

    :param value: a number of seconds or an HTTP date
    :param now: Unix seconds
    :returns: from 0 to a day, or None when it is neither
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Long numbers are not converted: they are more than a day anyway.
        seconds = float(value) if len(value) < 20 else MAX_RETRY_AFTER
    else:
        try:
            asked = email.utils.parsedate_to_datetime(value)
            if asked.tzinfo is None:
                # Dates of HTTP are in GMT, also where they don't say so.
                asked = asked.replace(tzinfo=datetime.UTC)
            seconds = asked.timestamp() - now
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
