"""This process's part in sending: its share of the partitions, and the lease that it holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from pyramid_webhooks.delivery.database import Database, Session
from pyramid_webhooks.delivery.holding import Holding
from pyramid_webhooks.delivery.lanes import Lanes, clock
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import PARTITIONS

logger = logging.getLogger(__name__)

#: How often it looks whether there are partitions to be taken, or to be given back: in seconds,
#: when something is about to change hands and when it has everything.
_SOON_SECONDS = 0.25
_ALONE_SECONDS = 1.0


class Membership:
    """Keeps this process among those that send.

    Others take over its partitions when it has given no sign of life for a lease; so it starts no
    request when the lease that its last sign of life renewed has ended, by its own clock.

    :ivar member: what it owns, to fence what is written.
    """

    def __init__(self, lease: float, holding: Holding, lanes: Lanes):
        self.member = Member(lease)
        self._lease = lease
        self._holding = holding
        self._lanes = lanes
        self._looked_at = self._beaten_at = 0.0

    def is_due(self) -> bool:
        """Whether it is time for :meth:`renew`."""
        now = time.monotonic()
        alone = len(self.member.serving) == PARTITIONS
        return now - self._looked_at >= (
            _ALONE_SECONDS if alone else _SOON_SECONDS
        ) or self._must_beat(now)

    def renew(self, session: Session) -> bool:
        """Give a sign of life when it is time, take what it should have, give back what is more.

        :returns: whether there are others now to whom it sends.
        """
        now, started = time.monotonic(), clock()
        beat = self._must_beat(now)
        member = self.member
        finished = member.leaving - self._holding.partitions() if member.leaving else set()
        owned = member.claim(session.primary, beat, finished)
        session.commit('webhooks: sign of life')
        before, member.owned = member.owned, owned
        lost = {number for number, epoch in before.items() if owned.get(number) != epoch}
        gained = {number for number, epoch in owned.items() if before.get(number) != epoch}
        member.leaving -= lost
        self._looked_at = now
        self._let_go(member.surplus(session.primary))
        if lost or gained:
            logger.info('Sending to %d of the %d partitions.', len(member.serving), PARTITIONS)
            self._holding.forget_partitions(lost)
        if beat:
            # Not before what is lost is forgotten: a sender may be waiting for this.
            self._beaten_at = now
            self._lanes.trust_until(started + self._lease)
        return bool(gained)

    def keep(self, database: Database) -> None:
        """Give a sign of life when it is time, and nothing else: it has begun to end.

        What is in flight then may take longer than a lease.
        """
        now = time.monotonic()
        if not self._must_beat(now):
            return
        try:
            with database.session() as session:
                self.member.fence(session.connection, session.primary, self.member.owned)
                self.member.beat(session.primary)
                session.commit('webhooks: sign of life')
        except Exception as error:
            # Whether it was too late is found out when results are recorded.
            logger.debug('Trying again after %s.', error)
        else:
            self._beaten_at = now

    def lose(self, numbers: Iterable[int]) -> None:
        """Partitions were taken over by another process."""
        for number in numbers:
            self.member.owned.pop(number, None)
            self.member.leaving.discard(number)
        self._holding.forget_partitions(numbers)
        self._looked_at = 0.0

    def _let_go(self, numbers: set[int]) -> None:
        """Begin to give partitions back, which is done once nothing of them is in flight."""
        if numbers:
            self.member.leaving |= numbers
            self._holding.let_go(numbers)

    def _must_beat(self, now: float) -> bool:
        return now - self._beaten_at >= self._lease / 3
