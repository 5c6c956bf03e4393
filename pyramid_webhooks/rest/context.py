"""What a request to a service is about, found with the application's own root and traverser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cornice.errors import Errors
from pyramid.interfaces import IRootFactory, ITraverser
from pyramid.traversal import DefaultRootFactory, ResourceTreeTraverser, split_path_info

from pyramid_webhooks.interfaces import IAttempt, ISubscription, ISubscriptionManager
from pyramid_webhooks.resources.attempts import Attempts
from pyramid_webhooks.resources.traversal import FOUND, child_of, manager_at, traversing
from pyramid_webhooks.rest.errors import Refused

Factory = Callable[[Any], Any]


def find_resource(request: Any) -> Any:
    """Route factory: the resource that the path names, be it a folder or not."""
    prepare(request)
    names = split_path_info('/' + request.matchdict['path'])
    factory = request.registry.queryUtility(IRootFactory, default=DefaultRootFactory)
    with traversing(request, names):
        root = factory(request)
        traverser = request.registry.queryAdapter(root, ITraverser)
        if traverser is None:
            traverser = ResourceTreeTraverser(root)
        found = traverser(request)
    if found['view_name'] or _is_ours(found['context']):
        raise _nothing_there('There is no resource of this path.')
    return _keep(request, found)


def find_manager(request: Any) -> Any:
    """Route factory: the manager of the folder that the path names."""
    folder = find_resource(request)
    manager = manager_at(folder)
    if manager is None:
        raise _nothing_there('The resource of this path is no folder.')
    return _go(request, manager)


def find_subscription(request: Any) -> Any:
    """Route factory: the subscription; the manager where there is none of this id."""
    manager = find_manager(request)
    subscription = child_of(manager, request.matchdict['id'])
    return manager if subscription is None else _go(request, subscription)


def find_attempts(request: Any) -> Any:
    """Route factory: the attempts of the subscription, or as far as the path leads."""
    subscription = find_subscription(request)
    if not ISubscription.providedBy(subscription):
        return subscription
    return _go(request, subscription.attempts)


def find_attempt(request: Any) -> Any:
    """Route factory: the attempt, or as far as the path leads."""
    attempts = find_attempts(request)
    if not isinstance(attempts, Attempts):
        return attempts
    attempt = child_of(attempts, request.matchdict['attempt'])
    return attempts if attempt is None else _go(request, attempt)


def _is_ours(resource: Any) -> bool:
    return isinstance(resource, Attempts) or any(
        interface.providedBy(resource)
        for interface in (ISubscriptionManager, ISubscription, IAttempt)
    )


def _go(request: Any, context: Any) -> Any:
    found = getattr(request, FOUND)
    traversed = (*found['traversed'], context.__name__)
    return _keep(request, {**found, 'context': context, 'traversed': traversed})


def _keep(request: Any, found: dict[str, Any]) -> Any:
    answer = {**found, 'view_name': '', 'subpath': ()}
    setattr(request, FOUND, answer)
    return answer['context']


def _nothing_there(description: str) -> Refused:
    return Refused(404, 'path', 'path', description)


def prepare(request: Any) -> None:
    """Give the request what Cornice's views need.

    Cornice itself does so with a subscriber, which concerns every request of the application.
    """
    if not hasattr(request, 'errors'):
        request.errors = Errors()
    if not hasattr(request, 'validated'):
        request.validated = {}
    if not hasattr(request, 'info'):
        request.info = {}
    request.add_response_callback(_protect)


def _protect(request: Any, response: Any) -> None:
    response.headers.setdefault('X-Content-Type-Options', 'nosniff')
    response.headers.setdefault('Cache-Control', 'no-store')
