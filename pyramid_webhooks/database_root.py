"""What this package keeps in the root of each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def kept_in_root(connection: Any, key: str, make: Callable[[], Any] | None = None) -> Any:
    """What is kept as ``key`` in the root of the connection's database, or None.

    :param make: makes it when it is missing, in the current transaction.
    """
    root = connection.root()
    kept = root.get(key)
    if kept is None and make is not None:
        kept = root[key] = make()
    return kept


def kept_in_roots(connection: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (database name, what it keeps as ``key``) of all that ``connection`` reaches."""
    for name in connection.db().databases:
        kept = kept_in_root(connection.get_connection(name), key)
        if kept is not None:
            yield name, kept
