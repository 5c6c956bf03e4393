"""The engine's transactions: a connection is held only within one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import transaction
from pyramid.registry import Registry
from ZODB.interfaces import IMVCCStorage

from pyramid_webhooks.outbox.root import Outbox, outboxes
from pyramid_webhooks.registries import memory_of, outbox_databases_of


class Session:
    """One transaction over all databases of the application.

    :ivar connection: to the primary database.
    :ivar outboxes: by database name; without those databases that have none yet.
    """

    def __init__(self, connection: Any, manager: Any):
        self.connection = connection
        self._manager = manager
        self.outboxes: dict[str, Outbox] = dict(outboxes(connection))

    @property
    def primary(self) -> Outbox:
        """The outbox of the primary database, which also has the table of owners."""
        return self.outboxes[self.connection.db().database_name]

    def get(self, home: str, oid: bytes) -> Any:
        """The object ``oid`` of the database ``home``."""
        return self.connection.get_connection(home).get(oid)

    def commit(self, note: str) -> None:
        """Commit what was done so far."""
        self._manager.get().note(note)
        self._manager.commit()

    def abort(self) -> None:
        """Undo what was done since the last commit, and see what others have done."""
        self._manager.abort()


class Database:
    """Where the engine gets its connections."""

    def __init__(self, registry: Registry):
        self._db = outbox_databases_of(registry)['']
        #: Where everything is in memory, what has it; otherwise None.
        self.memory = memory_of(registry)
        self._last: list[bytes] = []

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a connection for one or a few transactions in a row."""
        manager = transaction.TransactionManager()
        connection = self._db.open(transaction_manager=manager)
        try:
            yield Session(connection, manager)
        finally:
            try:
                manager.abort()
            finally:
                connection.close()

    def has_news(self) -> bool:
        """Whether there may have been commits since it was asked last."""
        before, self._last = self._last, [db.lastTransaction() for db in self._databases()]
        return self._last != before or any(
            IMVCCStorage.providedBy(db.storage) for db in self._databases()
        )

    def _databases(self) -> Iterable[Any]:
        return self._db.databases.values()

    def is_closed(self) -> bool:
        """Whether the application has closed it."""
        return 'storage' not in vars(self._db)
