"""Idle connections, kept for the next request to the same place."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from pyramid_webhooks.delivery.connection import Connection, Key


class ConnectionPool:
    """Idle connections by place; the one used last is taken first.

    :param size: most idle connections altogether; beyond it the oldest is closed
    :param size_per_place: most idle connections to one place
    :param max_idle: seconds after which an idle connection is closed, when next the pool is
        used or :meth:`prune` is called
    """

    def __init__(self, size: int = 256, size_per_place: int = 32, max_idle: float = 60) -> None:
        self._size = size
        self._size_per_place = size_per_place
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._places: dict[Key, list[Connection]] = {}
        self._by_age: OrderedDict[Connection, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_age)

    def take(self, key: Key) -> Connection | None:
        """Take out an idle connection that is still open, or return None."""
        while True:
            with self._lock:
                closing = self._expired()
                connections = self._places.get(key)
                connection = connections[-1] if connections else None
                if connection is not None:
                    self._remove(connection)
            _close(closing)
            if connection is None or connection.is_quiet():
                return connection
            connection.close()

    def put(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        with self._lock:
            closing = self._expired()
            connections = self._places.setdefault(connection.key, [])
            connections.append(connection)
            self._by_age[connection] = time.monotonic()
            if len(connections) > self._size_per_place:
                closing.append(connections[0])
                self._remove(connections[0])
            elif len(self._by_age) > self._size:
                oldest = next(iter(self._by_age))
                closing.append(oldest)
                self._remove(oldest)
        _close(closing)

    def prune(self) -> None:
        """Close the connections that have been idle for too long."""
        with self._lock:
            closing = self._expired()
        _close(closing)

    def clear(self) -> None:
        """Close all idle connections."""
        with self._lock:
            closing = list(self._by_age)
            self._by_age.clear()
            self._places.clear()
        _close(closing)

    def forget(self) -> None:
        """Close this process's copies of another process's connections, after a fork.

        The lock may be held by a thread that is not in this process.
        """
        _close(list(self._by_age))

    def _expired(self) -> list[Connection]:
        expired: list[Connection] = []
        limit = time.monotonic() - self._max_idle
        while self._by_age:
            connection, since = next(iter(self._by_age.items()))
            if since > limit:
                break
            self._remove(connection)
            expired.append(connection)
        return expired

    def _remove(self, connection: Connection) -> None:
        del self._by_age[connection]
        connections = self._places[connection.key]
        connections.remove(connection)
        if not connections:
            del self._places[connection.key]


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()
