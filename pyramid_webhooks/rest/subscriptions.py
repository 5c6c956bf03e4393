"""The services of a folder's subscriptions."""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.resources.presenting import (
    statistics_json,
    subscription_json,
    subscriptions_json,
)
from pyramid_webhooks.resources.redaction import restored_headers
from pyramid_webhooks.resources.subscription import ADD, DELETE, EDIT, VIEW
from pyramid_webhooks.rest.access import Caller, may_look, needs, subscription_seen
from pyramid_webhooks.rest.body import read_body, read_query
from pyramid_webhooks.rest.context import find_manager, find_subscription
from pyramid_webhooks.rest.errors import Refused, invalid_arguments_refused
from pyramid_webhooks.rest.listing import Wish, page_of
from pyramid_webhooks.rest.schemas import Change, NewSubscription, SubscriptionQuery
from pyramid_webhooks.rest.services import make_service
from pyramid_webhooks.rest.subscribing import create
from pyramid_webhooks.rest.validation import valid_body, valid_query

_REASONS = {
    'global': 'The configuration defines this subscription; it can only be changed there.',
    'tree': 'The configuration keeps this subscription in the tree; change it there.',
}

folder_service = make_service('subscriptions', '', find_manager, 'The subscriptions of a folder.')
subscription_service = make_service('subscription', '/{id}', find_subscription, 'A subscription.')

statistics_service = make_service(
    'statistics', '/{id}/statistics', find_subscription, 'Figures about a subscription.'
)


@folder_service.get(
    validators=(may_look, valid_query),
    schema=SubscriptionQuery(),
    deserializer=read_query,
)
def list_subscriptions(request: Any) -> dict[str, Any]:
    """A page of subscriptions, oldest first; global ones come before the others."""
    wish = Wish(**request.validated)
    caller = Caller(request)
    if not caller.may(VIEW, request.context):
        userid = request.authenticated_userid
        if userid is None or wish.owner not in (None, userid):
            return {'subscriptions': [], 'next': None}
        wish = wish._replace(owner=userid)
    found, following = page_of(
        request.context,
        wish,
        request.registry,
        lambda subscription: caller.may(VIEW, subscription),
    )
    return {'subscriptions': subscriptions_json(found, request), 'next': following}


@folder_service.post(
    validators=(needs(ADD, 'subscribe here'), valid_body),
    schema=NewSubscription(),
    deserializer=read_body,
)
def add_subscription(request: Any) -> dict[str, Any]:
    """Make a subscription. The response is the only one that has its secret."""
    return create(request, request.context.__parent__, request.validated.pop('events'))


@subscription_service.get(validators=(subscription_seen,))
def get_subscription(request: Any) -> dict[str, Any]:
    """One subscription."""
    return subscription_json(request.context, request)


@statistics_service.get(validators=(subscription_seen,))
def get_statistics(request: Any) -> dict[str, Any]:
    """What it got, what failed and what it is owed, and how long answers take."""
    return statistics_json(request.context.statistics)


def changeable(request: Any, **_: Any) -> None:
    """A Cornice validator: the subscription is not one that the configuration defines."""
    reason = _REASONS.get(request.context.kind)
    if reason is not None:
        raise Refused(409, 'path', 'id', reason)


@subscription_service.patch(
    validators=(
        subscription_seen,
        needs(EDIT, 'change this subscription'),
        changeable,
        valid_body,
    ),
    schema=Change(),
    deserializer=read_body,
)
def change_subscription(request: Any) -> dict[str, Any]:
    """Change some fields."""
    subscription = request.context
    manager = subscription.__parent__
    changes = dict(request.validated)
    active = changes.pop('active', None)
    if 'headers' in changes:
        changes['headers'] = restored_headers(changes['headers'], subscription.headers)
    with invalid_arguments_refused():
        manager.change(subscription, **changes)
    if active is not None:
        change = manager.activate if active else manager.deactivate
        change(subscription)
    return subscription_json(subscription, request)


@subscription_service.delete(
    validators=(subscription_seen, needs(DELETE, 'remove this subscription'), changeable)
)
def remove_subscription(request: Any) -> str:
    """Remove it; what it is still owed is dropped."""
    subscription = request.context
    del subscription.__parent__[subscription.id]
    request.response.status_int = 204
    return ''
