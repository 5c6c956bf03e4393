"""Finding what people name on the command line."""

from __future__ import annotations

from typing import Any

from pyramid.traversal import find_resource

from pyramid_webhooks.events import Resolution
from pyramid_webhooks.interfaces import (
    MANAGER_NAME,
    IEventCatalogue,
    ISubscription,
    ISubscriptionManager,
    UnknownEventType,
)
from pyramid_webhooks.resources.attempts import Attempt
from pyramid_webhooks.resources.directory import directories
from pyramid_webhooks.resources.traversal import global_subscriptions, manager_at
from pyramid_webhooks.scripts.application import Application
from pyramid_webhooks.scripts.outcome import UNUSABLE, CommandError


def resource_at(application: Application, path: str) -> Any:
    """The resource of a path.

    :raises CommandError: when there is none.
    """
    try:
        return find_resource(application.root, '/' + path.strip('/'))
    except KeyError:
        raise CommandError(f'There is no resource {path!r}.') from None


def event_named(application: Application, name: str) -> Resolution:
    """What an event type is called, for the option ``--event``.

    :raises CommandError: when there is none, naming those that there are.
    """
    try:
        return application.registry.getUtility(IEventCatalogue).resolve_name(name)
    except UnknownEventType as error:
        raise CommandError(f'--event: {error}', UNUSABLE) from None


def manager_named(application: Application, path: str) -> Any:
    """The manager of the folder of a path, which may also be the path of the manager itself."""
    resource = resource_at(application, path)
    if ISubscriptionManager.providedBy(resource):
        return resource
    manager = manager_at(resource)
    if manager is None:
        raise CommandError(f'The resource {path!r} is no folder, so that it has no webhooks.')
    return manager


def subscription_named(application: Application, name: str) -> Any:
    """The subscription of an id or a path.

    :raises CommandError: when there is none.
    """
    if '/' in name:
        found = resource_at(application, name)
        if not ISubscription.providedBy(found):
            raise CommandError(
                f'{name!r} is not the path of a subscription, such as /FOLDER/{MANAGER_NAME}/ID.'
            )
        return found
    for subscription in all_global(application):
        if subscription.id == name:
            return subscription
    for directory in directories(application.connection):
        found = directory.find(name)
        if found is not None:
            return found
    raise CommandError(f'There is no subscription {name!r}.')


def all_global(application: Application) -> list[Any]:
    """The subscriptions that the configuration defines."""
    manager = manager_at(application.root)
    return [] if manager is None else global_subscriptions(manager)


def attempt_named(subscription: Any, id: str) -> Attempt:
    """The attempt of an id, or the end of its path.

    :raises CommandError: when there is none (any more).
    """
    attempt = subscription.attempts.get(id.rstrip('/').rpartition('/')[2])
    if attempt is None:
        raise CommandError(f'The subscription {subscription.id} has no attempt {id!r} (any more).')
    return attempt
