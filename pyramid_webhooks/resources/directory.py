"""The subscriptions of one database by owner: they go when their owner goes, and can be listed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from pyramid_webhooks.database_root import kept_in_root, kept_in_roots
from pyramid_webhooks.registries import connection_of

ROOT_KEY = 'pyramid_webhooks.directory'
logger = logging.getLogger(__name__)


class Directory(Persistent):
    """(owner, subscription id) -> subscription, for one database; nobody's owner is empty."""

    def __init__(self) -> None:
        self._by_owner = OOBTree()

    def add(self, subscription: Any) -> None:
        """Let the subscription be found."""
        self._by_owner[(subscription.owner or '', subscription.id)] = subscription

    def discard(self, subscription: Any) -> None:
        """Undo :meth:`add`; what is not there is no error."""
        self._by_owner.pop((subscription.owner or '', subscription.id), None)

    def owned_by(self, owner: str) -> Iterator[Any]:
        """Yield the subscriptions of ``owner``."""
        for (found, _), subscription in self._by_owner.items((owner, '')):
            if found != owner:
                return
            yield subscription

    def find(self, id: str) -> Any:
        """The subscription of that id, or None. It costs one look for each owner."""
        start = ('', '')
        while key := next(iter(self._by_owner.keys(start)), None):
            subscription = self._by_owner.get((key[0], id))
            if subscription is not None:
                return subscription
            start = (key[0] + '\0', '')
        return None

    def __iter__(self) -> Iterator[Any]:
        """Yield all subscriptions, by owner."""
        return iter(self._by_owner.values())


def directory_of(resource: Any, create: bool = False) -> Directory | None:
    """The directory of the database that ``resource`` is in, or will be in."""
    connection = connection_of(resource)
    if connection is None:
        return None
    return kept_in_root(connection, ROOT_KEY, Directory if create else None)


def directories(connection: Any) -> Iterator[Directory]:
    """The directories of all databases that ``connection`` reaches."""
    return (directory for _, directory in kept_in_roots(connection, ROOT_KEY))
