"""A lane: what is ready to be sent to one receiver, and how much it is trusted with."""

from __future__ import annotations

from collections import deque

from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.resources.health import Health

#: Jobs that are prepared ahead for one lane, when its receiver has proved itself and when not.
PROVEN_AHEAD = 64
UNPROVEN_AHEAD = 2
#: A receiver that takes longer to answer with success is slow.
SLOW_ANSWER = 1.0

#: What a lane is, in the order in which they get slots. ``SLIPPED`` are those whose last request
#: failed after others had succeeded; ``FRESH`` those that have not been tried.
PROMPT, SLIPPED, FRESH, SLOW, FAILING = range(5)


class Lane:
    """The jobs of one subscription, in order, and how many of them are being sent.

    :ivar health: of its receiver; what is stored, and what was not recorded yet.
    :ivar known: whether that was read from what is stored.
    :ivar tier: one of those above.
    :ivar limit: requests that may be open.
    :ivar permits: requests that may be made although the breaker is open.
    """

    __slots__ = (
        'health',
        'jobs',
        'known',
        'limit',
        'open',
        'permits',
        'queued',
        'recipient',
        'tier',
    )

    def __init__(self, recipient: Recipient):
        self.recipient = recipient
        self.jobs: deque[Job] = deque()
        self.health = Health()
        self.known = False
        self.tier = FRESH
        self.limit = 1
        self.open = 0
        self.permits = 0
        self.queued = False

    def may_start(self) -> bool:
        """Whether its breaker lets requests be made."""
        return bool(self.permits) or not self.health.is_open

    def ahead(self) -> int:
        """How many more jobs are worth preparing."""
        limit = PROVEN_AHEAD if self.health.successes else UNPROVEN_AHEAD
        if not self.limit:
            return 0
        return limit - len(self.jobs) - self.open
