"""Finding the application registry that something belongs to.

Normally it is Pyramid's current one. Outside of any request (a script, a thread of the
application's own, ``zope.event``) it is that of the application whose database the object is in.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any

import transaction
from pyramid.registry import Registry
from pyramid.threadlocal import get_current_registry, get_current_request
from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import IMemory, ISettings

logger = logging.getLogger(__name__)

_registries: weakref.WeakValueDictionary[int, Registry] = weakref.WeakValueDictionary()


def remember_registry(registry: Registry) -> None:
    """Let :func:`find_registry` find ``registry``, for as long as it lives."""
    _registries[id(registry)] = registry


def databases_of(registry: Registry) -> dict[str, Any]:
    """The databases that pyramid_zodbconn opened for the application: name -> DB."""
    return getattr(registry, '_zodb_databases', None) or {}


def memory_of(registry: Registry) -> Any:
    """What stands for the database of an application that has none, or None."""
    return None if databases_of(registry) else registry.queryUtility(IMemory)


def outbox_databases_of(registry: Registry) -> dict[str, Any]:
    """The databases that have an outbox: the application's, or else the one in memory."""
    memory = memory_of(registry)
    return databases_of(registry) if memory is None else {'': memory.database}


def transaction_manager_of(request: Any) -> Any:
    """The manager of the transaction of ``request``; where that is None, the thread's."""
    manager = getattr(request, 'tm', None)
    return transaction.manager if manager is None else manager


def connection_to_global(registry: Registry, obj: Any) -> Any:
    """The connection by which global subscriptions are read and written: that of ``obj``, or the
    current request's where everything is in memory; or None.
    """
    connection = connection_of(obj)
    memory = memory_of(registry)
    if connection is not None or memory is None:
        return connection
    request = get_current_request()
    if getattr(request, 'registry', None) is not registry:
        return None
    return memory.connection(request)


def parent_of(resource: Any) -> Any:
    """The parent of ``resource``; None where it has none, or does not tell.

    An application's own ``__parent__`` may be a property that raises, or the parent may be gone
    from the database. That must not harm a transaction that did nothing with it.
    """
    try:
        return getattr(resource, '__parent__', None)
    except TransientError:
        raise
    except Exception as error:
        logger.warning(
            'The parent of a %s can not be found, so that no webhooks above it are: %s.',
            type(resource).__qualname__,
            type(error).__name__,
            exc_info=True,
        )
        return None


def connection_of(obj: Any) -> Any:
    """The ZODB connection of ``obj`` or else of its nearest ancestor that has one, or None."""
    seen = 0
    while obj is not None and seen < 1000:
        connection = getattr(obj, '_p_jar', None)
        if connection is not None:
            return connection
        obj = parent_of(obj)
        seen += 1
    return None


def utility_of(obj: Any, interface: Any) -> Any:
    """What is registered as ``interface`` in the application that ``obj`` belongs to.

    :raises ValueError: when no application is found.
    """
    registry = find_registry(obj)
    if registry is None:
        raise ValueError(f'{obj!r} belongs to no application that includes pyramid_webhooks.')
    return registry.getUtility(interface)


def find_registry(obj: Any = None) -> Registry | None:
    """The registry of the application that ``obj`` belongs to, or None."""
    registry = get_current_registry()
    if registry.queryUtility(ISettings) is not None:
        return registry
    connection = connection_of(obj)
    if connection is not None:
        database = connection.db()
        for candidate in list(_registries.values()):
            if any(database is each for each in outbox_databases_of(candidate).values()):
                return candidate
    return None
