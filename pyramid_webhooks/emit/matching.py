"""From an event to the active subscriptions that may get it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from transaction.interfaces import TransientError
from zope.lifecycleevent.interfaces import IObjectMovedEvent
from zope.location.location import LocationProxy

from pyramid_webhooks.interfaces import ISubscriptionManager
from pyramid_webhooks.registries import parent_of
from pyramid_webhooks.resources.finding import managers_in_lineage

logger = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False, slots=True)
class Search:
    """What a finder of subscriptions is asked.

    :ivar keys: index keys; managers are asked for them with ``manager.matching(keys)``.
    :ivar managers: those to be searched, closest first, the global one last.
    """

    obj: Any
    event: Any
    keys: frozenset[str]
    managers: Iterable[ISubscriptionManager]
    request: Any


def find_matching(search: Search) -> Iterator[Any]:
    """The default finder: every active subscription in ``managers`` that has one of the keys."""
    for manager in search.managers:
        try:
            yield from manager.matching(search.keys)
        except TransientError:
            raise
        except Exception:
            logger.exception('A part of %r can not be read; it gets nothing.', type(manager))


def where_it_stood(obj: Any, event: Any) -> Any:
    """``obj``, or a proxy at its old place where it has been removed and lost its parent."""
    if obj is None or parent_of(obj) is not None:
        return obj
    if IObjectMovedEvent.providedBy(event):
        # One that is fired by name does not know.
        parent = getattr(event, 'oldParent', None)
        if parent is not None:
            return LocationProxy(obj, parent, event.oldName)
    return obj


def managers_for(
    start: Any, context: Any, global_manager: ISubscriptionManager | None, registry: Any
) -> Iterator[ISubscriptionManager]:
    """Yield each manager once: along the lineage of ``start``, of ``context``, the global one.

    :param start: where the object stands or stood.
    :param context: the context of the request, or None.
    """
    if context is None or context is start:
        yield from managers_in_lineage(start, registry)
    else:
        seen: dict[int, ISubscriptionManager] = {}
        for resource in (start, context):
            for manager in managers_in_lineage(resource, registry):
                if id(manager) not in seen:
                    seen[id(manager)] = manager
                    yield manager
    if global_manager is not None and len(global_manager):
        yield global_manager
