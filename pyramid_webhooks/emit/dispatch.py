"""Hearing events, and finding out who is to get them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pyramid.registry import Registry
from pyramid_zodbconn import get_connection
from transaction.interfaces import NoTransaction, TransientError
from zope.interface import implementer
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks.emit.handing import InMemory
from pyramid_webhooks.emit.matching import Search, find_matching, managers_for, where_it_stood
from pyramid_webhooks.emit.payloads import render, render_explicit
from pyramid_webhooks.emit.pending import Occurrence, PendingEvents, PreconditionFailure
from pyramid_webhooks.emit.requests import current_request, request_for
from pyramid_webhooks.emit.verdicts import Verdicts
from pyramid_webhooks.emit.writing import Added, tell, write
from pyramid_webhooks.events import NamedEvent, Resolution
from pyramid_webhooks.interfaces import (
    IDeliveryEngine,
    IDispatcher,
    IEventCatalogue,
    IGlobalManager,
    ISettings,
    ISubscriptionFinder,
)
from pyramid_webhooks.registries import (
    connection_of,
    connection_to_global,
    databases_of,
    memory_of,
)
from pyramid_webhooks.resources.globals import GlobalSubscription, ensure_record

logger = logging.getLogger(__name__)

_AT_COMMIT = object()


@implementer(IDispatcher)
class Dispatcher:
    """Takes an event from being fired to being owed, for one application."""

    def __init__(self, registry: Registry):
        self._registry = registry
        self._settings = registry.getUtility(ISettings)
        self._catalogue = registry.getUtility(IEventCatalogue)
        self._global_manager = registry.getUtility(IGlobalManager)

    def dispatch(self, event: Any, obj: Any = None) -> None:
        """Handle an event that was fired, with or without the object as a second argument."""
        if obj is None:
            obj = getattr(event, 'object', None)
        self._owe(obj, event, self._catalogue.resolve(obj, event))

    def notify(
        self,
        event: Any,
        obj: Any = None,
        *,
        payload: Any = _AT_COMMIT,
        owner: str | None = None,
        context: Any = None,
    ) -> None:
        """What ``request.webhooks.notify`` does; see there."""
        if isinstance(event, str):
            resolution = self._catalogue.resolve_name(event, obj)
            event_type = resolution.event_type
            if obj is not None:
                self._check_object(event_type, obj)
            if obj is None and (event_type.for_ is not None and payload is _AT_COMMIT):
                raise ValueError(f'The event {event!r} needs an object.')
            event = NamedEvent.of_type(event_type, obj)
        else:
            obj = getattr(event, 'object', None) if obj is None else obj
            resolution = self._catalogue.resolve(obj, event)
        if obj is None and payload is _AT_COMMIT:
            raise ValueError(
                f'The event {resolution.name!r} has neither an object nor a payload to send.'
            )
        self._owe(obj, event, resolution, payload=payload, owner=owner, start=context)

    @staticmethod
    def _check_object(event_type: Any, obj: Any) -> None:
        if not event_type.is_for(obj):
            raise ValueError(
                f'The event {event_type.name!r} is for {event_type.for_!r}, which {obj!r} is not.'
            )

    def is_registered(self, event: Any) -> bool:
        """Whether an event type is registered for events like ``event``."""
        return (
            self._catalogue.resolve(getattr(event, 'object', None), event).event_type is not None
        )

    def verdicts(
        self,
        obj: Any,
        event: Any,
        resolution: Resolution,
        judged: Any,
    ) -> Verdicts:
        """Who of those that match may get the event.

        :param judged: what permissions are judged on; None: the context of the request.
        """
        if judged is None:
            judged = getattr(current_request(self._registry), 'context', None)
        return Verdicts(self._registry, obj, event, resolution.event_type, judged)

    def locate(self, subscription: GlobalSubscription, obj: Any, event: Any) -> Any:
        """A global subscription with its state, as the object's transaction sees it."""
        connection = self._connection(obj, event, None, current_request(self._registry))
        if connection is None:
            connection = connection_to_global(self._registry, None)
        return subscription.located(None, connection)

    def _owe(
        self,
        obj: Any,
        event: Any,
        resolution: Resolution,
        *,
        payload: Any = _AT_COMMIT,
        owner: str | None = None,
        start: Any = None,
    ) -> None:
        request = current_request(self._registry)
        place = where_it_stood(obj, event)
        matching = self._matching(
            obj, event, resolution, place if start is None else start, request
        )
        if owner is not None:
            matching = [each for each in matching if each.owner == owner]
        if not matching:
            return
        applicable, refused = [], []
        connection = self._connection(obj, event, start, request)
        if connection is None:
            connection = self._in_memory()
        txn = _transaction_of(connection)
        verdicts = self.verdicts(obj, event, resolution, start if place is None else place)
        for subscription in matching:
            refusal = verdicts.refusal(subscription)
            (applicable if refusal is None else refused).append(subscription)
        if _transaction_of(connection) is not txn:
            logger.error(
                'The event %s on a %s is owed to nobody: while owners were judged, the '
                'application ended the transaction.',
                resolution.name,
                type(obj).__qualname__,
            )
            return
        coalescible = self._settings.coalesce and payload is _AT_COMMIT
        if not applicable and not (refused and coalescible) and not verdicts.unknown:
            return
        if connection is None:
            logger.error(
                'The event %s on %r is owed to nobody: neither the object nor a request has a '
                'ZODB connection.',
                resolution.name,
                obj,
            )
            return
        if txn is None:
            logger.error(
                'The event %s on %r is owed to nobody: its connection is in no transaction.',
                resolution.name,
                obj,
            )
            return
        pending = self._pending(connection, txn)
        if not (applicable or verdicts.unknown or pending.owes_anything()):
            return
        if not pending.is_new(event):
            return
        if verdicts.unknown:
            unknown = [each for each, _ in self._recipients(verdicts.unknown, connection)]
            pending.add(PreconditionFailure(connection, unknown))
        recipients = list(self._recipients(applicable, connection))
        losing = []
        if coalescible and refused and pending.owes_anything():
            losing = [each for each, _ in self._recipients(refused, connection)]
        if recipients or losing:
            occurrence = self._occurrence(obj, event, resolution, payload, connection, recipients)
            occurrence.coalescible = coalescible
            occurrence.refused = losing
            pending.add(occurrence)

    def _matching(
        self, obj: Any, event: Any, resolution: Resolution, start: Any, request: Any
    ) -> list[Any]:
        context = getattr(request, 'context', None)
        managers = managers_for(start, context, self._global_manager, self._registry)
        finder = self._registry.queryUtility(ISubscriptionFinder, default=find_matching)
        try:
            return list(finder(Search(obj, event, resolution.keys, managers, request)))
        except TransientError:
            raise
        except Exception:
            logger.exception(
                'The finder of subscriptions failed: the event %s is owed to nobody.',
                resolution.name,
            )
            return []

    def _connection(self, obj: Any, event: Any, start: Any, request: Any) -> Any:
        for candidate in (obj, getattr(event, 'oldParent', None), start):
            connection = connection_of(candidate)
            if connection is not None:
                return connection
        if request is None or not databases_of(self._registry):
            return None
        return get_connection(request)

    def _in_memory(self) -> InMemory | None:
        """What stands for the connection in an application without ZODB."""
        memory = memory_of(self._registry)
        return None if memory is None else InMemory(self._registry, memory)

    def _pending(self, connection: Any, txn: Any) -> PendingEvents:
        try:
            return txn.data(self)
        except KeyError:
            registry = self._registry
            if isinstance(connection, InMemory):
                pending: PendingEvents = connection.pending(txn)
            else:
                pending = PendingEvents(
                    txn, lambda happened: write(registry, txn, happened), self._committed
                )
            txn.set_data(self, pending)
            return pending

    def _committed(self, added: list[Added]) -> None:
        engine = self._registry.queryUtility(IDeliveryEngine)
        if engine is not None:
            tell(engine, added)

    def _occurrence(
        self,
        obj: Any,
        event: Any,
        resolution: Resolution,
        payload: Any,
        connection: Any,
        recipients: list[tuple[Any, str]],
    ) -> Occurrence:
        rendered = None
        if payload is not _AT_COMMIT:
            request = request_for(self._registry)
            dialects = dict.fromkeys(dialect for _, dialect in recipients)
            rendered = render_explicit(self._registry, payload, dialects, request)
        elif not self._settings.coalesce or IObjectRemovedEvent.providedBy(event):
            request = request_for(self._registry)
            rendered = render(self._registry, obj, event, recipients, request)
        return Occurrence(
            resolution.name,
            obj,
            event,
            connection,
            recipients,
            time.time(),
            rendered,
        )

    def _recipients(
        self, subscriptions: Iterable[Any], connection: Any
    ) -> Iterator[tuple[Any, str]]:
        default = self._settings.dialect
        for subscription in subscriptions:
            if isinstance(connection, InMemory):
                recipient: Any = connection.recipient(subscription)
                if recipient is None:
                    continue
            elif isinstance(subscription, GlobalSubscription):
                recipient = ensure_record(connection, subscription)
                if not recipient.active:
                    continue
            else:
                recipient = subscription.recipient
                if recipient._p_oid is None:
                    (connection_of(subscription) or connection).add(recipient)
            yield recipient, default if subscription.dialect is None else subscription.dialect


def _transaction_of(connection: Any) -> Any:
    """The current transaction of ``connection``, or None."""
    try:
        return None if connection is None else connection.transaction_manager.get()
    except NoTransaction:
        return None
