"""Who of those whose subscription matches an event may get it."""

from __future__ import annotations

import logging
from typing import Any

from pyramid.registry import Registry

from pyramid_webhooks.emit.authorization import Found
from pyramid_webhooks.emit.requests import current_request, request_for
from pyramid_webhooks.events import EventType
from pyramid_webhooks.interfaces import (
    IApplicability,
    IAttemptResolved,
    IDeliveryExhausted,
    IEventCatalogue,
    ISettings,
    IWebhookEvent,
    UnknownEventType,
)
from pyramid_webhooks.resources.lineage import is_endless
from pyramid_webhooks.resources.subscription import SubscriptionBehaviour

logger = logging.getLogger(__name__)


class Verdicts:
    """The verdicts on one event, each owner and permission being judged once.

    :param judged: what permissions are judged on: the object where it stood or, without an
        object, the resource where the lookup of subscriptions starts.
    :ivar unknown: the subscriptions that were refused because nobody knows their owner, or nobody
        can tell.
    """

    def __init__(
        self,
        registry: Registry,
        obj: Any,
        event: Any,
        event_type: EventType | None,
        judged: Any,
    ):
        self._registry = registry
        self._obj = obj
        self._event = event
        self._event_type = event_type
        self._judged = judged
        self._applicability = registry.getUtility(IApplicability)
        self._check_initiator = registry.getUtility(ISettings).check_initiator
        self.unknown: list[Any] = []
        self._known: dict[Any, bool | None] = {}
        self._found: Found = {}
        self._request: Any = None
        self._endless: bool | None = None
        self._is_owned = event_type is not None and event_type.owner_of is not None
        self._owner_of_object = self._find_owner() if self._is_owned else None
        self._about = None
        self._tells_of_telling = False
        if IWebhookEvent.providedBy(event):
            if IAttemptResolved.providedBy(event):
                self._about = getattr(event, 'subscription', None)
            self._tells_of_telling = self._find_what_was_told()

    def refusal(self, subscription: Any) -> str | None:
        """Why ``subscription`` does not get the event; None when it does."""
        owner = subscription.owner
        if self._is_owned and (owner is None or owner != self._owner_of_object):
            return 'it is for subscriptions of the owner of the object only'
        if self._about is not None and _are_same(subscription, self._about):
            return "it is about the subscription's own attempt"
        if self._tells_of_telling:
            return 'it is about an attempt to tell of webhooks'
        if owner is None and not self._check_initiator:
            return None
        if self._is_endless():
            return 'the lineage of the object goes round in a circle'
        permission = self._applicability.permission_of(subscription)
        if owner is not None:
            verdict = self._verdict_on_owner(subscription, permission)
            if verdict is None:
                self.unknown.append(subscription)
                return f'nobody can tell whether {owner!r} may {permission!r}'
            if not verdict:
                return f'{owner!r} has not the permission {permission!r}'
        if self._check_initiator and not self._initiator_may(permission):
            return f'the current user has not the permission {permission!r}'
        return None

    def _is_endless(self) -> bool:
        # A policy that follows such a lineage would never come back.
        if self._endless is None:
            self._endless = is_endless(self._judged)
        return self._endless

    def _verdict_on_owner(self, subscription: Any, permission: str) -> bool | None:
        own_way = type(subscription).is_applicable is not SubscriptionBehaviour.is_applicable
        owner = subscription.owner
        key = subscription.id if own_way else (owner, permission)
        if key in self._known:
            return self._known[key]
        if self._request is None:
            self._request = request_for(self._registry)
        verdict = self._known[key] = (
            self._ask(subscription)
            if own_way
            else self._applicability.judge(
                owner, permission, self._judged, self._request, self._found
            )
        )
        return verdict

    def _ask(self, subscription: Any) -> bool:
        try:
            return bool(subscription.is_applicable(self._judged, self._request))
        except Exception:
            logger.exception('%r could not be judged; that is a no.', subscription)
            return False

    def _initiator_may(self, permission: str) -> bool:
        key = (None, permission)
        if key not in self._known:
            request = current_request(self._registry)
            try:
                verdict = request is not None and bool(
                    request.has_permission(permission, self._judged)
                )
            except Exception:
                logger.exception('The current user could not be judged; that is a no.')
                verdict = False
            self._known[key] = verdict
        return self._known[key]

    def _find_what_was_told(self) -> bool:
        """Whether it is about a message that told of webhooks itself.

        Two that are told of each other's attempts would never come to an end.
        """
        if IAttemptResolved.providedBy(self._event):
            name = getattr(self._obj, 'event', None)
        elif IDeliveryExhausted.providedBy(self._event):
            name = getattr(self._event, 'event', None)
        else:
            return False
        try:
            return self._registry.getUtility(IEventCatalogue).get(name).about_webhooks
        except UnknownEventType:
            return False

    def _find_owner(self) -> Any:
        try:
            return self._event_type.owner_of(self._obj)
        except Exception:
            logger.exception(
                'The owner of a %s for %s is unknown.',
                type(self._obj).__qualname__,
                self._event_type.name,
            )
            return None


def _are_same(one: Any, other: Any) -> bool:
    """Whether they are one subscription; global ones are copied for each transaction."""
    return one is other or (one.kind == other.kind == 'global' and one.id == other.id)
