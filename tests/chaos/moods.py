"""A receiver that is in a different mood for each request, and one that keeps some waiting."""

import random
import threading

from pyramid_webhooks.testing.wire import Answer

#: How often it is slow in answering, and for how many seconds.
_SLOW_SHARE, _SLOW_SECONDS = 0.02, 0.2


class Moods:
    """Answers a random share of the requests with an error, or a reset, or late.

    :param delay: seconds that it takes for an answer.
    :param failures: the share of the requests that fail, from 0 to 1.
    :ivar answered: the attempts that were answered with success, by their header.
    :ivar failed: how many requests were not.
    """

    def __init__(self, seed, delay, failures):
        self._chance = random.Random(seed)
        self._delay = delay
        self._failures = failures
        self._held_from = None
        self._over = threading.Event()
        self.answered = set()
        self.failed = 0

    def hold_from(self, number):
        """Leave requests of events from ``number`` on, None for no one, without an answer."""
        self._held_from = number
        self._over = threading.Event()

    def release(self):
        """The process that made the requests has ended."""
        self._held_from = None
        self._over.set()

    def __call__(self, request):
        held_from, over = self._held_from, self._over
        if held_from is not None and request.json() >= held_from:
            over.wait(60)
            return Answer(503)
        delay = self._delay
        if self._chance.random() < _SLOW_SHARE and self._failures:
            delay += _SLOW_SECONDS
        if self._chance.random() < self._failures:
            self.failed += 1
            return Answer(503, delay=delay, reset=self._chance.random() < 0.5)
        self.answered.add(request.headers['X-Attempt'])
        return Answer(200, delay=delay)
