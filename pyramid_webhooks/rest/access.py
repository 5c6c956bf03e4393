"""Who may do what over REST."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyramid_webhooks.interfaces import IAttempt, ISubscription, ISubscriptionManager
from pyramid_webhooks.resources.attempts import Attempts
from pyramid_webhooks.resources.subscription import ADD, VIEW
from pyramid_webhooks.rest.errors import Refused, forbidden

Validator = Callable[..., None]


def subscription_of(context: Any) -> Any:
    """The subscription that ``context`` is or belongs to, or None."""
    while context is not None:
        if ISubscription.providedBy(context):
            return context
        if ISubscriptionManager.providedBy(context):
            return None
        context = getattr(context, '__parent__', None)
    return None


class Caller:
    """Who makes a request: what they may do is asked for many contexts, who they are once."""

    def __init__(self, request: Any):
        self._request = request

    @functools.cached_property
    def _userid(self) -> str | None:
        userid: str | None = self._request.authenticated_userid
        return userid

    def may(self, permission: str, context: Any) -> bool:
        """Whether the caller has ``permission`` on ``context``.

        The owner of a subscription, or whom an adapter to ``ISubscriptionGrants`` names, has some
        whatever the application's policy says; in everything else the policy decides.
        """
        subscription = subscription_of(context)
        if subscription is None:
            return self._is_permitted(permission, context)
        # First who is likelier to say yes: then the other need not be asked.
        if subscription.owner == self._userid:
            return self._is_granted(permission, subscription) or self._is_permitted(
                permission, context
            )
        return self._is_permitted(permission, context) or self._is_granted(
            permission, subscription
        )

    def _is_permitted(self, permission: str, context: Any) -> bool:
        return bool(self._request.has_permission(permission, context))

    def _is_granted(self, permission: str, subscription: Any) -> bool:
        userid = self._userid
        return userid is not None and permission in subscription.grants().get(userid, ())


def may(request: Any, permission: str, context: Any) -> bool:
    """What :meth:`Caller.may` says."""
    return Caller(request).may(permission, context)


def demand(request: Any, permission: str, context: Any, purpose: str) -> None:
    """Raise HTTPForbidden when the caller does not have ``permission``."""
    if not may(request, permission, context):
        raise forbidden(f'The permission {permission} is needed to {purpose}.')


def needs(permission: str, purpose: str) -> Validator:
    """A Cornice validator: the caller has ``permission`` on the request's context."""

    def check_permission(request: Any, **_: Any) -> None:
        demand(request, permission, request.context, purpose)

    return check_permission


def may_look(request: Any, **_: Any) -> None:
    """A Cornice validator: the caller may view or add subscriptions here."""
    if not may(request, VIEW, request.context):
        demand(request, ADD, request.context, 'look at the webhooks here')


def subscription_seen(request: Any, **_: Any) -> None:
    """A Cornice validator: there is such a subscription, and the caller may view it.

    Both are answered alike, so that nobody learns of a subscription that they may not view.
    """
    subscription = subscription_of(request.context)
    if subscription is None or not may(request, VIEW, subscription):
        raise Refused(404, 'path', 'id', 'There is no subscription of this id here.')


def attempt_seen(request: Any, **_: Any) -> None:
    """A Cornice validator: there is such an attempt, and the caller may view it."""
    subscription_seen(request)
    context = request.context
    if not IAttempt.providedBy(context) or not may(request, VIEW, context):
        raise Refused(
            404, 'path', 'attempt', 'There is no attempt of this id; old ones are dropped.'
        )


def attempts_seen(request: Any, **_: Any) -> None:
    """A Cornice validator: the caller may view the attempts of the subscription."""
    subscription_seen(request)
    if not isinstance(request.context, Attempts) or not may(request, VIEW, request.context):
        raise Refused(404, 'path', 'id', 'There is no subscription of this id here.')


def authenticated(request: Any) -> str:
    """The userid of the caller.

    :raises pyramid.httpexceptions.HTTPForbidden: when there is none.
    """
    userid = request.authenticated_userid
    if userid is None:
        raise forbidden('Only who is logged in can subscribe.')
    return userid
