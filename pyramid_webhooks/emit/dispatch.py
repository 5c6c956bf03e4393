"""Hearing events, and finding out who is to get them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pyramid.registry import Registry
from pyramid_zodbconn import get_connection
from transaction.interfaces import NoTransaction
from zope.interface import implementer
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks.emit.matching import Search, find_matching, managers_for, where_it_stood
from pyramid_webhooks.emit.payloads import render, render_explicit
from pyramid_webhooks.emit.pending import Occurrence, PendingEvents
from pyramid_webhooks.emit.requests import current_request, request_for
from pyramid_webhooks.emit.writing import write_occurrences
from pyramid_webhooks.events import NamedEvent, Resolution
from pyramid_webhooks.interfaces import (
    IApplicability,
    IAttemptResolved,
    IDeliveryEngine,
    IDispatcher,
    IEventCatalogue,
    IGlobalManager,
    ISettings,
    ISubscriptionFinder,
    IWebhookEvent,
)
from pyramid_webhooks.registries import connection_of, databases_of
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
        self._applicability = registry.getUtility(IApplicability)
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
            resolution = self._catalogue.resolve_name(event)
            event_type = resolution.event_type
            if obj is not None and event_type.for_ is not None:
                self._check_object(event_type, obj)
            if obj is None and (event_type.for_ is not None and payload is _AT_COMMIT):
                raise ValueError(f'The event {event!r} needs an object.')
            event = NamedEvent(obj, event)
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
        wanted = event_type.for_
        provided = isinstance(obj, wanted) if isinstance(wanted, type) else wanted.providedBy(obj)
        if not provided:
            raise ValueError(
                f'The event {event_type.name!r} is for {wanted!r}, which {obj!r} is not.'
            )

    def is_registered(self, event: Any) -> bool:
        """Whether an event type is registered for events like ``event``."""
        return (
            self._catalogue.resolve(getattr(event, 'object', None), event).event_type is not None
        )

    def refusal(
        self, subscription: Any, obj: Any, event: Any, resolution: Resolution
    ) -> str | None:
        """Why an active subscription that matches would not get the event, or None."""
        return self._refusal(subscription, obj, event, resolution, None, {})

    def locate(self, subscription: GlobalSubscription, obj: Any, event: Any) -> Any:
        """A global subscription with its state, as the object's transaction sees it."""
        return subscription.located(None, self._connection(obj, event, None))

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
        verdicts: dict[Any, bool | None] = {}
        applicable, refused = [], []
        for subscription in self._matching(obj, event, resolution, start):
            refusal = self._refusal(subscription, obj, event, resolution, owner, verdicts, start)
            (applicable if refusal is None else refused).append(subscription)
        coalescible = self._settings.coalesce and payload is _AT_COMMIT
        if not applicable and not (refused and coalescible):
            return
        connection = self._connection(obj, event, start)
        if connection is None:
            logger.error(
                'The event %s on %r is owed to nobody: neither the object nor a request has a '
                'ZODB connection.',
                resolution.name,
                obj,
            )
            return
        try:
            pending = self._pending(connection)
        except NoTransaction:
            logger.error(
                'The event %s on %r is owed to nobody: its connection is in no transaction.',
                resolution.name,
                obj,
            )
            return
        if not pending.is_new(event):
            return
        recipients = list(self._recipients(applicable, connection))
        if recipients:
            pending.add(self._occurrence(obj, event, resolution, payload, connection, recipients))

    def _matching(self, obj: Any, event: Any, resolution: Resolution, start: Any) -> Iterable[Any]:
        request = current_request(self._registry)
        context = getattr(request, 'context', None)
        if start is None:
            start = where_it_stood(obj, event)
        managers = managers_for(start, context, self._global_manager, self._registry)
        finder = self._registry.queryUtility(ISubscriptionFinder, default=find_matching)
        return finder(Search(obj, event, resolution.keys, managers, request))

    def _refusal(
        self,
        subscription: Any,
        obj: Any,
        event: Any,
        resolution: Resolution,
        only_owner: str | None,
        verdicts: dict[Any, bool | None],
        start: Any = None,
    ) -> str | None:
        """Why ``subscription`` does not get the event; None when it does."""
        if only_owner is not None and subscription.owner != only_owner:
            return f'it is for subscriptions of {only_owner!r} only'
        event_type = resolution.event_type
        if event_type is not None and event_type.owner_of is not None:
            if subscription.owner is None or subscription.owner != self._owner(event_type, obj):
                return 'it is for subscriptions of the owner of the object only'
        if IWebhookEvent.providedBy(event) and IAttemptResolved.providedBy(event):
            if event.subscription.recipient is subscription.recipient:
                return "it is about the subscription's own attempt"
        if subscription.owner is None and not self._settings.check_initiator:
            return None
        judged = where_it_stood(obj, event) if obj is not None else start
        permission = self._applicability.permission_of(subscription)
        if subscription.owner is not None:
            key = (subscription.owner, permission)
            if key not in verdicts:
                verdicts[key] = self._judge(subscription, judged)
            if not verdicts[key]:
                return f'{subscription.owner!r} has not the permission {permission!r}'
        if self._settings.check_initiator:
            key = (None, permission)
            if key not in verdicts:
                verdicts[key] = self._initiator_may(judged, permission)
            if not verdicts[key]:
                return f'the current user has not the permission {permission!r}'
        return None

    def _judge(self, subscription: Any, obj: Any) -> bool:
        try:
            return bool(subscription.is_applicable(obj, request_for(self._registry)))
        except Exception:
            logger.exception('%r could not be judged; that is a no.', subscription)
            return False

    def _initiator_may(self, obj: Any, permission: str) -> bool:
        request = current_request(self._registry)
        if request is None:
            return False
        try:
            return bool(request.has_permission(permission, obj))
        except Exception:
            logger.exception('The current user could not be judged; that is a no.')
            return False

    @staticmethod
    def _owner(event_type: Any, obj: Any) -> Any:
        try:
            return event_type.owner_of(obj)
        except Exception:
            logger.exception('The owner of %r for %s is unknown.', type(obj), event_type.name)
            return None

    def _connection(self, obj: Any, event: Any, start: Any) -> Any:
        for candidate in (obj, getattr(event, 'oldParent', None), start):
            connection = connection_of(candidate)
            if connection is not None:
                return connection
        request = current_request(self._registry)
        if request is None or not databases_of(self._registry):
            return None
        return get_connection(request)

    def _pending(self, connection: Any) -> PendingEvents:
        txn = connection.transaction_manager.get()
        try:
            return txn.data(self)
        except KeyError:
            registry = self._registry
            pending = PendingEvents(
                txn,
                lambda occurrences: write_occurrences(registry, txn, occurrences),
                self._committed,
            )
            txn.set_data(self, pending)
            return pending

    def _committed(self, hints: list[Any]) -> None:
        engine = self._registry.queryUtility(IDeliveryEngine)
        if engine is not None:
            engine.wake(hints)

    def _occurrence(
        self,
        obj: Any,
        event: Any,
        resolution: Resolution,
        payload: Any,
        connection: Any,
        recipients: list[tuple[Any, str]],
    ) -> Occurrence:
        dialects = dict.fromkeys(dialect for _, dialect in recipients)
        rendered = None
        if payload is not _AT_COMMIT:
            request = request_for(self._registry)
            rendered = render_explicit(self._registry, payload, dialects, request)
        elif not self._settings.coalesce or IObjectRemovedEvent.providedBy(event):
            request = request_for(self._registry)
            rendered = render(self._registry, obj, event, dialects, request)
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
            if isinstance(subscription, GlobalSubscription):
                recipient: Any = ensure_record(connection, subscription)
                if not recipient.active:
                    continue
            else:
                recipient = subscription.recipient
                if recipient._p_oid is None:
                    (connection_of(subscription) or connection).add(recipient)
            yield recipient, default if subscription.dialect is None else subscription.dialect
