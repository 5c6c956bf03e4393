"""What follows once results are committed: events, and the end of subscriptions that only fail."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from pyramid.registry import Registry
from transaction.interfaces import TransientError

from pyramid_webhooks.delivery.announcing import Announcer
from pyramid_webhooks.delivery.database import Session
from pyramid_webhooks.delivery.holding import Dropped
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.recorder import Recorded
from pyramid_webhooks.delivery.suspending import Suspender
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.settings import Settings

logger = logging.getLogger(__name__)


class Consequences:
    """Notes what was recorded and dropped; what follows has transactions of its own."""

    def __init__(self, registry: Registry, settings: Settings, member: Member):
        self._registry = registry
        self._settings = settings
        self._member = member
        self._announcer = Announcer(registry)
        self._suspender = Suspender(settings, self._announcer)
        self._recorded: list[Recorded] = []
        self._dropped: list[Dropped] = []
        self._suspects: dict[Recipient, str] = {}

    def __bool__(self) -> bool:
        return bool(self._recorded or self._dropped or self._suspects)

    def note_recorded(self, recorded: list[Recorded]) -> None:
        """These results have been committed."""
        if self._announcer.interested(recorded, []):
            self._recorded += recorded

    @staticmethod
    def log_failures(jobs: Iterable[Job]) -> None:
        """Log which of these failed, whose results have been committed."""
        for job in jobs:
            if not job.outcome.succeeded:
                outgoing = job.prepared.outgoing
                logger.info(
                    'Attempt %d to send %s to the subscription %s failed: %s',
                    job.number,
                    outgoing.id,
                    outgoing.subscription,
                    job.outcome.message,
                )

    def note_dropped(self, dropped: Iterable[Dropped]) -> None:
        """These deliveries have been dropped."""
        self._dropped += dropped

    def note_suspects(self, suspects: Mapping[Recipient, str]) -> None:
        """These may have to be deactivated, for these reasons."""
        self._suspects.update(suspects)

    def lose(self, numbers: Collection[int]) -> None:
        """The subscriptions of these partitions are another process's concern now."""
        for suspect in list(self._suspects):
            if partition_of(suspect) in numbers:
                del self._suspects[suspect]

    def draw(self, session: Session) -> None:
        """Fire the events that somebody wants to hear, and deactivate whoever deserves it."""
        self.announce(session)
        self._suspend(session)

    def announce(self, session: Session) -> None:
        """Fire the events that somebody wants to hear."""
        recorded, self._recorded = self._recorded, []
        dropped, self._dropped = self._dropped, []
        recipients = Recipients(self._registry, self._settings, session.connection)
        self._announcer.log_dropped(dropped, recipients)
        if not self._announcer.interested(recorded, dropped):
            return
        events = self._announcer.events(recorded, dropped, recipients, session.get)
        self._announcer.fire(events)
        try:
            session.commit('webhooks: events')
        except Exception:
            logger.exception('What the handlers of webhook events did could not be committed.')
            session.abort()

    def _suspend(self, session: Session) -> None:
        if not self._suspects:
            return
        recipients = Recipients(self._registry, self._settings, session.connection)
        numbers = {partition_of(recipient) for recipient in self._suspects}
        try:
            if self._suspender.suspend(self._suspects, recipients):
                self._member.fence(session.connection, session.primary, numbers)
                session.commit('webhooks: suspension')
        except TransientError:
            raise
        except Exception:
            # A handler of the event failed, say. The next failure is another occasion.
            logger.exception('Subscriptions that fail too often could not be deactivated.')
            session.abort()
        self._suspects.clear()
