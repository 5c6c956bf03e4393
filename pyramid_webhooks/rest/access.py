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


def may(request: Any, permission: str, context: Any) -> bool:
    """Whether the caller has ``permission`` on ``context``.

    The owner of a subscription, or whom an adapter to ``ISubscriptionGrants`` names, has some
    whatever the application's policy says; in everything else the policy decides.
    """
    return verdicts(request, permission)(context)


def verdicts(request: Any, permission: str) -> Callable[[Any], bool]:
    """What :func:`may` says, for many contexts: who the caller is is asked once."""

    @functools.cache
    def caller() -> str | None:
        userid: str | None = request.authenticated_userid
        return userid

    def verdict(context: Any) -> bool:
        subscription = subscription_of(context)
        if subscription is not None:
            userid = caller()
            if userid is not None and permission in subscription.grants().get(userid, ()):
                return True
        return bool(request.has_permission(permission, context))

    return verdict


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
