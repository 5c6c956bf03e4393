"""Outgoing webhooks for Pyramid applications whose resources live in a ZODB tree.

The public names are imported when they are first asked for. So ``pwebhooks … worker --gevent`` can
patch before Pyramid and ZODB are imported, and a ZEO server that resolves the conflicts of an
outbox needs nothing else of the package, or of Pyramid.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid_webhooks.emit.explaining import explain_event
    from pyramid_webhooks.inclusion import includeme
    from pyramid_webhooks.interfaces import (
        DestinationRefused,
        InvalidArgument,
        UnknownEventType,
        UnreadableSecret,
    )
    from pyramid_webhooks.resources.finding import find_managers, manager_of
    from pyramid_webhooks.resources.resealing import encrypt_secrets
    from pyramid_webhooks.resources.secrets import new_secret
    from pyramid_webhooks.resources.subscribing import subscribe, unsubscribe_owner
    from pyramid_webhooks.startup import stop_delivery

__all__ = [
    'DestinationRefused',
    'InvalidArgument',
    'UnknownEventType',
    'UnreadableSecret',
    'encrypt_secrets',
    'explain_event',
    'find_managers',
    'includeme',
    'manager_of',
    'new_secret',
    'stop_delivery',
    'subscribe',
    'unsubscribe_owner',
]

#: The module of each public name.
_PLACES = {
    'DestinationRefused': 'interfaces',
    'InvalidArgument': 'interfaces',
    'UnknownEventType': 'interfaces',
    'UnreadableSecret': 'interfaces',
    'encrypt_secrets': 'resources.resealing',
    'explain_event': 'emit.explaining',
    'find_managers': 'resources.finding',
    'includeme': 'inclusion',
    'manager_of': 'resources.finding',
    'new_secret': 'resources.secrets',
    'stop_delivery': 'startup',
    'subscribe': 'resources.subscribing',
    'unsubscribe_owner': 'resources.subscribing',
}


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(f'{__name__}.{place}'), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
