"""Subscribing to a resource, and letting everything of an owner go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.threadlocal import get_current_request
from pyramid_zodbconn import get_connection
from zope.interface import implementedBy

from pyramid_webhooks.interfaces import IWebhookResourceDiscriminator
from pyramid_webhooks.registries import connection_of, databases_of, find_registry
from pyramid_webhooks.resources.directory import directories
from pyramid_webhooks.resources.finding import closest_folder, manager_of
from pyramid_webhooks.resources.folder import webhook_folder
from pyramid_webhooks.resources.lineage import lineage
from pyramid_webhooks.resources.subscription import Subscription


def subscribe(
    resource: Any,
    to: str,
    *,
    events: Any = None,
    for_: Any = None,
    when: Any = None,
    owner: str | None = None,
    permission: str | None = None,
    dialect: str | None = None,
    secret: str | None = None,
    headers: Mapping[str, str] | None = None,
    description: str = '',
) -> Subscription:
    """Subscribe to events in the closest enclosing folder of ``resource``, itself included.

    Without ``events`` and ``for_`` it is for resources of the same type as ``resource``: this
    type in this folder, not this one object. For the other parameters and what is raised see
    :meth:`pyramid_webhooks.interfaces.ISubscriptionManager.create_subscription`.

    :raises ValueError: also when no folder encloses the resource.
    :raises TypeError: when the folder can't hold a manager.
    """
    if events is None and for_ is None:
        for_ = type_of(resource)
    folder = closest_folder(resource)
    missing = manager_of(folder) is None
    manager = manager_of(folder, create=True)
    try:
        return manager.create_subscription(
            to,
            events=events,
            for_=for_,
            when=when,
            owner=owner,
            permission=permission,
            dialect=dialect,
            secret=secret,
            headers=headers,
            description=description,
        )
    except Exception:
        if missing:
            forget_manager(folder)
        raise


def forget_manager(folder: Any) -> None:
    """Take away a manager that was made for nothing."""
    webhook_folder(folder).set_manager(None)


def type_of(resource: Any) -> Any:
    """What ``resource`` is, for a subscription to things like it.

    :returns: what an adapter to ``IWebhookResourceDiscriminator`` says; else the interface that
        its class declares, when that is exactly one; else its class.
    """
    registry = find_registry(resource)
    if registry is not None:
        discriminator = registry.queryAdapter(resource, IWebhookResourceDiscriminator)
        if discriminator is not None:
            return discriminator()
    declared = implementedBy(type(resource)).declared
    return declared[0] if len(declared) == 1 else type(resource)


def unsubscribe_owner(owner: str, root: Any = None) -> int:
    """Remove the subscriptions of ``owner``, everywhere under ``root``.

    :param root: a resource; None stands for everything in the application's databases, and
        needs a current request.
    :returns: the number removed.
    :raises ValueError: when there is no ``root`` and no current request.
    """
    connection = connection_of(root)
    if connection is None:
        connection = _current_connection()
    removed = 0
    for subscription in owned_by(owner, connection):
        manager = subscription.__parent__
        if root is None or any(each is root for each in lineage(manager)):
            del manager[subscription.id]
            removed += 1
    return removed


def owned_by(owner: str, connection: Any) -> list[Any]:
    """The subscriptions of ``owner`` in the databases that ``connection`` reaches."""
    return [each for found in directories(connection) for each in found.owned_by(owner)]


def _current_connection() -> Any:
    request = get_current_request()
    if request is None or not databases_of(request.registry):
        raise ValueError(
            'unsubscribe_owner needs a root that is stored, or a current request, to know which '
            'database is meant.'
        )
    return get_connection(request)
