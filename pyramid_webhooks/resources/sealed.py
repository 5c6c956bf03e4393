"""Which key the secrets of each subscription are encrypted with, for a whole database.

So a start finds at once what can't be read, and a change of keys what is left to do, without
walking the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from pyramid_webhooks.database_root import kept_in_root
from pyramid_webhooks.registries import connection_of
from pyramid_webhooks.resources.vault import Timed, key_id_of

ROOT_KEY = 'pyramid_webhooks.secrets'
_LAST = '\U0010ffff'


class SealedIndex(Persistent):
    """(key id, subscription id) -> oid of the subscription; the key id of plain text is empty.

    It has oids and not the subscriptions, so that those of a removed folder are not kept alive.
    """

    def __init__(self) -> None:
        self._oids = OOBTree()

    def add(self, key_id: str, id: str, oid: bytes) -> None:
        """Note that a secret of the subscription ``id`` is encrypted with that key."""
        if self._oids.get((key_id, id)) != oid:
            self._oids[(key_id, id)] = oid

    def discard(self, key_id: str, id: str) -> None:
        """Undo :meth:`add`; what is not there is no error."""
        self._oids.pop((key_id, id), None)

    def key_ids(self) -> Iterator[str]:
        """Yield the ids of the keys that are in use."""
        after = ('', '')
        while True:
            found = next(iter(self._oids.keys(after)), None)
            if found is None:
                return
            yield found[0]
            after = (found[0], _LAST)

    def under(self, key_id: str, after: str = '') -> Iterator[tuple[str, bytes]]:
        """Yield (subscription id, oid) for that key, beginning behind the id ``after``."""
        for (found, id), oid in self._oids.items((key_id, after)):
            if found != key_id:
                return
            if id != after:
                yield id, oid


def sealed_index(connection: Any, create: bool = False) -> SealedIndex | None:
    """The index in the root of the connection's database.

    :param create: make it when it is missing, in the current transaction.
    """
    return kept_in_root(connection, ROOT_KEY, SealedIndex if create else None)


def note_keys(subscription: Any, before: Iterable[Timed] = ()) -> None:
    """Let the index say what ``subscription`` has now, in place of what it had before."""
    connection = connection_of(subscription)
    if connection is None:
        return
    old = {key_id_of(stored) for stored, _ in before}
    new = {key_id_of(stored) for stored, _ in subscription._secrets}
    if not old and not new:
        return
    index = sealed_index(connection, create=True)
    for key_id in old - new:
        index.discard(key_id, subscription.id)
    if new and subscription._p_oid is None:
        connection.add(subscription)
    for key_id in new:
        index.add(key_id, subscription.id, subscription._p_oid)


def forget_keys(subscription: Any) -> None:
    """Take a subscription that is removed out of the index."""
    connection = connection_of(subscription)
    index = None if connection is None else sealed_index(connection)
    if index is not None:
        for stored, _ in subscription._secrets:
            index.discard(key_id_of(stored), subscription.id)
