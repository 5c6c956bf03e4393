"""The bridge from ``zope.event`` to the application that is current."""

from __future__ import annotations

from typing import Any

import zope.event
from zope.interface.interfaces import IObjectEvent

from pyramid_webhooks.interfaces import IDispatcher, ISettings
from pyramid_webhooks.registries import find_registry


def install_bridge() -> None:
    """Listen to ``zope.event.notify``; once for a process, however many applications it has."""
    if hear not in zope.event.subscribers:
        zope.event.subscribers.append(hear)


def hear(event: Any) -> None:
    """Hand an event to the application that it belongs to."""
    obj = getattr(event, 'object', None)
    registry = find_registry(obj)
    if registry is None:
        # What was never stored, and has lost its place, is known by that only.
        registry = find_registry(getattr(event, 'oldParent', None))
    if registry is None:
        return
    settings = registry.queryUtility(ISettings)
    dispatcher = registry.queryUtility(IDispatcher)
    if settings is None or dispatcher is None or not settings.zope_event:
        return
    if IObjectEvent.providedBy(event) or dispatcher.is_registered(event):
        dispatcher.dispatch(event, obj)
