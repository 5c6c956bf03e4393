"""Finding managers: of one folder, and along a lineage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import (
    MANAGER_NAME,
    IGlobalManager,
    ISubscriptionManager,
    IWebhookFolder,
)
from pyramid_webhooks.registries import find_registry, parent_of
from pyramid_webhooks.resources.folder import is_folder, webhook_folder
from pyramid_webhooks.resources.manager import SubscriptionManager

logger = logging.getLogger(__name__)

#: A lineage that is longer is taken for a cycle.
LINEAGE_LIMIT = 1000


def manager_of(folder: Any, create: bool = False) -> ISubscriptionManager | None:
    """Return the manager that ``folder`` holds, or None.

    :param create: make it when it is missing.
    :raises TypeError: when it is to be made and ``folder`` can't hold one.
    """
    keeper = webhook_folder(folder)
    manager = keeper.get_manager()
    if manager is None and create:
        manager = SubscriptionManager()
        manager.__parent__ = folder
        keeper.set_manager(manager)
    return manager


def lineage(resource: Any) -> Iterator[Any]:
    """Yield ``resource`` and its parents, closest first.

    It ends at a parent that was met before; pyramid.location.lineage would go on forever.
    """
    seen: set[int] = set()
    for _ in range(LINEAGE_LIMIT):
        if resource is None or id(resource) in seen:
            return
        seen.add(id(resource))
        yield resource
        try:
            resource = resource.__parent__
        except AttributeError:
            return
        except Exception:
            resource = parent_of(resource)


def is_endless(resource: Any) -> bool:
    """Whether the lineage of ``resource`` goes round in a circle, or is that long.

    Who follows it with ``pyramid.location.lineage``, as a policy does, would never come back.
    """
    ancestors = list(lineage(resource))
    return bool(ancestors) and parent_of(ancestors[-1]) is not None


def closest_folder(resource: Any) -> Any:
    """The closest enclosing folder of ``resource``, itself included.

    :raises ValueError: when there is none.
    """
    for each in lineage(resource):
        if is_folder(each) and not ISubscriptionManager.providedBy(each):
            return each
    raise ValueError(f'{resource!r} is in no folder that could hold webhooks.')


def find_managers(resource: Any) -> Iterator[ISubscriptionManager]:
    """Yield the managers that concern ``resource``: closest first, the global one last."""
    registry = find_registry(resource)
    yield from managers_in_lineage(resource, registry)
    if registry is not None:
        global_manager = registry.queryUtility(IGlobalManager)
        if global_manager is not None:
            yield global_manager


def managers_in_lineage(resource: Any, registry: Any) -> Iterator[ISubscriptionManager]:
    """Yield the managers held by ``resource`` and its parents, closest first."""
    query = None if registry is None else registry.adapters.queryAdapter
    for folder in lineage(resource):
        try:
            keeper = query(folder, IWebhookFolder) if query is not None else None
            if keeper is not None:
                manager = keeper.get_manager()
            else:
                manager = getattr(folder, MANAGER_NAME, None)
        except TransientError:
            raise
        except Exception:
            logger.exception(
                'The webhooks of a %s can not be read; they get nothing.',
                type(folder).__qualname__,
            )
            continue
        if manager is not None and ISubscriptionManager.providedBy(manager):
            yield manager


def is_attached(subscription: Any) -> bool:
    """Whether each ancestor of ``subscription`` still holds its child, as far as can be told.

    Nothing fires for ``del parent[name]``, so that this is the way to know.
    """
    try:
        return _is_held(subscription)
    except TransientError:
        raise
    except Exception:
        return True


def _is_held(subscription: Any) -> bool:
    start = getattr(subscription.__parent__, '__parent__', None)
    for folder in lineage(start):
        parent = getattr(folder, '__parent__', None)
        name = getattr(folder, '__name__', None)
        if parent is None or not name or not is_folder(parent):
            return True
        try:
            held = parent[name]
        except KeyError:
            return False
        oid = getattr(held, '_p_oid', None)
        if oid is not None and oid != getattr(folder, '_p_oid', None):
            return False
    return True
