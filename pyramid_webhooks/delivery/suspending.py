"""Deactivating a subscription whose deliveries, or whose preconditions, fail too often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid_webhooks.delivery.announcing import Announcer
from pyramid_webhooks.delivery.preparing import ACTIVE, Recipients
from pyramid_webhooks.delivery.probing import FAILURES
from pyramid_webhooks.events import PreconditionLimitReached
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.settings import Settings

PRECONDITIONS = 'Delivery suspended due to too many precondition failures.'


class Suspender:
    """Deactivates. Of preconditions it fires an event first, whose handler may reset the count."""

    def __init__(self, settings: Settings, announcer: Announcer):
        self._settings = settings
        self._announcer = announcer

    def suspend(self, suspects: Mapping[Recipient, str], recipients: Recipients) -> bool:
        """Deactivate those of ``suspects`` that deserve it still, in the current transaction.

        :param suspects: recipients, and the reasons.
        :returns: whether there is anything to be committed.
        """
        reached = []
        for suspect, reason in suspects.items():
            state, obj = recipients.find(suspect)
            if state == ACTIVE and self._deserves(obj, reason):
                reached.append((recipients.locate(obj), reason))
        if reached:
            limits = [each for each, reason in reached if reason == PRECONDITIONS]
            self._announcer.fire(map(PreconditionLimitReached, limits))
            with self._announcer.context():
                for subscription, reason in reached:
                    if self._deserves(subscription, reason):
                        subscription.__parent__.deactivate(subscription, reason)
        return bool(reached)

    def _deserves(self, subscription: Any, reason: str) -> bool:
        """Whether nobody has activated it anew, or reset the count, meanwhile."""
        log, settings = subscription.log, self._settings
        if reason == PRECONDITIONS:
            return log.preconditions_failed >= settings.precondition_limit
        if reason == FAILURES:
            return log.is_failing(settings.failure_limit, settings.failure_window)
        return log.failures_in_row > 0
