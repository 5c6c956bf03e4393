"""Which active subscriptions of a manager may want an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

_CACHE_LIMIT = 500


class EventIndex(Persistent):
    """Index keys -> ids of subscriptions.

    This object itself holds nothing but the set of keys in use, which is small and rarely
    changes; so for an event that nobody here wants, nothing else is ever loaded.
    """

    def __init__(self) -> None:
        self._keys: frozenset[str] = frozenset()
        self._ids_by_key = OOBTree()

    def add(self, keys: Iterable[str], id: str) -> None:
        """Let ``id`` be found by each of ``keys``."""
        keys = frozenset(keys)
        for key in keys:
            ids = self._ids_by_key.get(key)
            if ids is None:
                ids = self._ids_by_key[key] = OOTreeSet()
            ids.add(id)
        if not keys <= self._keys:
            self._keys = self._keys | keys
            self._v_in_use = None

    def discard(self, keys: Iterable[str], id: str) -> None:
        """Undo :meth:`add`; what is not there is no error."""
        emptied = set()
        for key in keys:
            ids = self._ids_by_key.get(key)
            if ids is None or id not in ids:
                continue
            ids.remove(id)
            if not ids:
                del self._ids_by_key[key]
                emptied.add(key)
        if emptied:
            self._keys = self._keys - emptied
            self._v_in_use = None

    def _p_resolveConflict(
        self, old: dict[str, Any], committed: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        added = new['_keys'] - old['_keys']
        removed = old['_keys'] - new['_keys']
        return {**committed, '_keys': (committed['_keys'] | added) - removed}

    def find(self, keys: frozenset[str]) -> Iterable[str]:
        """The ids that have any of ``keys``, each once.

        :param keys: the same object for events of the same kind, so that the answer about which
            of them are in use here can be remembered.
        """
        try:
            wanted = self._v_in_use[keys]
        except (AttributeError, KeyError, TypeError):
            wanted = self._find_in_use(keys)
        if not wanted:
            return ()
        return self._ids_by_key[wanted[0]] if len(wanted) == 1 else self._ids_of(wanted)

    def _ids_of(self, wanted: Sequence[str]) -> Iterator[str]:
        seen: set[str] = set()
        for key in wanted:
            for id in self._ids_by_key[key]:
                if id not in seen:
                    seen.add(id)
                    yield id

    def _find_in_use(self, keys: frozenset[str]) -> tuple[str, ...]:
        known: dict[frozenset[str], tuple[str, ...]] | None
        known = getattr(self, '_v_in_use', None)
        if known is None or len(known) >= _CACHE_LIMIT:
            known = self._v_in_use = {}
        found = known[keys] = tuple(sorted(keys & self._keys))
        return found
