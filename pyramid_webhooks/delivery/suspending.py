"""Deactivating a subscription whose preconditions fail too often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyramid_webhooks.delivery.announcing import Announcer
from pyramid_webhooks.delivery.preparing import ACTIVE, Recipients
from pyramid_webhooks.events import PreconditionLimitReached
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.settings import Settings

PRECONDITIONS = 'Delivery suspended due to too many precondition failures.'


class Suspender:
    """Fires an event at the limit; if no handler resets the count, deactivates."""

    def __init__(self, settings: Settings, announcer: Announcer):
        self._settings = settings
        self._announcer = announcer

    def suspend(self, suspects: Iterable[Recipient], recipients: Recipients) -> bool:
        """Deactivate those of ``suspects`` that reached the limit, in the current transaction.

        :returns: whether there is anything to be committed.
        """
        reached = []
        for suspect in suspects:
            state, obj = recipients.find(suspect)
            if state == ACTIVE and self._has_reached(obj):
                reached.append(recipients.locate(obj))
        if reached:
            self._announcer.fire(map(PreconditionLimitReached, reached))
            with self._announcer.context():
                for subscription in reached:
                    if self._has_reached(subscription):
                        subscription.__parent__.deactivate(subscription, PRECONDITIONS)
        return bool(reached)

    def _has_reached(self, subscription: Any) -> bool:
        return subscription.log.preconditions_failed >= self._settings.precondition_limit
