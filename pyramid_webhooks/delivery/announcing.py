"""Firing this package's own events about deliveries, after their results are committed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from pyramid.interfaces import IRequestFactory
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import RequestContext
from zope.interface import implementedBy

from pyramid_webhooks.delivery.holding import Dropped
from pyramid_webhooks.delivery.preparing import GONE, Recipients
from pyramid_webhooks.delivery.recorder import Recorded
from pyramid_webhooks.events import (
    AttemptFailed,
    AttemptSucceeded,
    DeliveryDropped,
    DeliveryExhausted,
)
from pyramid_webhooks.interfaces import IDispatcher, IEventCatalogue
from pyramid_webhooks.resources.attempts import Attempt, Attempts

logger = logging.getLogger(__name__)


class Announcer:
    """Fires events; an error of a handler is logged and harms nothing."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def wants(self, event_class: type) -> bool:
        """Whether anybody would hear an event of this class."""
        handlers = self._registry.adapters.subscriptions([implementedBy(event_class)], None)
        ours = self._registry.queryUtility(IDispatcher)
        if any(getattr(each, '__self__', None) is not ours for each in handlers):
            return True
        catalogue = self._registry.getUtility(IEventCatalogue)
        return any(catalogue.get(name).about_webhooks for name in catalogue.names())

    def events(
        self,
        recorded: Iterable[Recorded],
        dropped: Iterable[Dropped],
        recipients: Recipients,
        get: Any,
    ) -> list[Any]:
        """Make the events that somebody wants to hear, of objects of the current transaction."""
        events: list[Any] = []
        for each in recorded:
            state, obj = recipients.find(each.recipient)
            if state == GONE:
                continue
            subscription = recipients.locate(obj)
            record = each.record._replace(message=get(each.home, each.message))
            event_class = AttemptSucceeded if record.succeeded else AttemptFailed
            if self.wants(event_class):
                attempt = Attempt(Attempts(subscription), record)
                events.append(event_class(attempt, subscription))
            if each.exhausted and self.wants(DeliveryExhausted):
                events.append(DeliveryExhausted(subscription, record.message.id))
        for drop in dropped:
            logger.warning(
                'The message %s to the subscription %s was dropped. %s',
                drop.message_id,
                drop.recipient[1].hex(),
                drop.reason,
            )
            if self.wants(DeliveryDropped):
                events.append(DeliveryDropped(None, drop.message_id, drop.reason))
        return events

    def interested(self, recorded: list[Recorded], dropped: list[Dropped]) -> bool:
        """Whether there is anything to do at all."""
        if dropped:
            return True
        return bool(recorded) and any(
            self.wants(each) for each in (AttemptSucceeded, AttemptFailed, DeliveryExhausted)
        )

    def fire(self, events: Iterable[Any]) -> None:
        """Notify the registry, with a blank request as the current one."""
        factory = self._registry.queryUtility(IRequestFactory, default=Request)
        request = factory.blank('/')
        request.registry = self._registry
        with RequestContext(request):
            apply_request_extensions(request)
            for event in events:
                try:
                    self._registry.notify(event)
                except Exception:
                    logger.exception('A handler of %r failed.', type(event).__name__)
