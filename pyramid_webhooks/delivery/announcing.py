"""Firing this package's own events about deliveries, after their results are committed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
_SHOWN = 5


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
            if state == GONE or obj is None:
                continue
            subscription = recipients.locate(obj)
            record = each.record._replace(message=get(each.home, each.message))
            event_class = AttemptSucceeded if record.succeeded else AttemptFailed
            if self.wants(event_class):
                attempt = Attempt(Attempts(subscription), record)
                events.append(event_class(attempt, subscription))
            if each.exhausted and self.wants(DeliveryExhausted):
                message = record.message
                events.append(DeliveryExhausted(subscription, message.id, message.event))
        if self.wants(DeliveryDropped):
            events += [DeliveryDropped(None, each.message_id, each.reason) for each in dropped]
        return events

    def interested(self, recorded: list[Recorded], dropped: list[Dropped]) -> bool:
        """Whether there is anything to do at all."""
        classes = [DeliveryDropped] if dropped else []
        if recorded:
            classes += [AttemptSucceeded, AttemptFailed, DeliveryExhausted]
        return any(self.wants(each) for each in classes)

    @staticmethod
    def log_dropped(dropped: Iterable[Dropped], recipients: Recipients) -> None:
        """Log what was dropped, a line for each subscription."""
        by_recipient: dict[tuple[Any, str], list[str]] = {}
        for each in dropped:
            by_recipient.setdefault((each.recipient, each.reason), []).append(each.message_id)
        for (recipient, reason), messages in by_recipient.items():
            more = f' and {len(messages) - _SHOWN} more' if len(messages) > _SHOWN else ''
            logger.warning(
                'Dropped %d deliveries to the subscription %s: %s%s. %s',
                len(messages),
                recipients.name(recipient),
                ', '.join(messages[:_SHOWN]),
                more,
                reason,
            )

    @contextmanager
    def context(self) -> Iterator[None]:
        """Have a blank request of the application as the current one."""
        factory = self._registry.queryUtility(IRequestFactory, default=Request)
        request = factory.blank('/')
        request.registry = self._registry
        with RequestContext(request):
            apply_request_extensions(request)
            yield

    def fire(self, events: Iterable[Any]) -> None:
        """Notify the registry, with a blank request as the current one."""
        with self.context():
            for event in events:
                try:
                    self._registry.notify(event)
                except (Exception, SystemExit):
                    logger.exception('A handler of %r failed.', type(event).__name__)
