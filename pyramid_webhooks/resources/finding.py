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
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.folder import is_folder, webhook_folder
from pyramid_webhooks.resources.lineage import lineage
from pyramid_webhooks.resources.manager import SubscriptionManager

logger = logging.getLogger(__name__)


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
