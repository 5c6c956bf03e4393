"""The outbox of an application without ZODB: a database that is in memory, for this process alone.

It is a ZODB database all the same, so that everything that reads and writes an outbox, a history
or a global subscription does it in one way. But the application's transaction does not take part
in it: its locks are held by nobody who waits for another database. See ``emit.handing``.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import transaction
from transaction.interfaces import NoTransaction
from ZODB.DB import DB
from zope.interface import implementer

from pyramid_webhooks.interfaces import IMemory
from pyramid_webhooks.outbox.memory_storage import MemoryStorage
from pyramid_webhooks.registries import transaction_manager_of

logger = logging.getLogger(__name__)

#: What each connection may have unpickled, in bytes, and how long one that nobody uses stays.
_CACHE_BYTES = 1 << 20
_IDLE_SECONDS = 60
_POOL_SIZE = 100
#: Of what there was no room for, so many are remembered until the engine has told of them.
_REFUSED_LIMIT = 10_000
_CONNECTION = '_webhooks_memory_connection'


class MemoryDatabase(DB):
    """A database over a :class:`MemoryStorage`, which knows what is open."""

    def __init__(self) -> None:
        super().__init__(
            MemoryStorage(),
            pool_size=_POOL_SIZE,
            pool_timeout=_IDLE_SECONDS,
            cache_size_bytes=_CACHE_BYTES,
            database_name='',
        )

    def open(self, transaction_manager: Any = None, at: Any = None, before: Any = None) -> Any:
        """Open a connection; what it can see is kept until it is closed."""
        storage = self.storage
        pin = storage.pin()
        try:
            connection = super().open(transaction_manager, at, before)
        except BaseException:
            storage.unpin(pin)
            raise
        connection.onCloseCallback(lambda: storage.unpin(pin))
        return connection


@implementer(IMemory)
class Memory:
    """Holds the database of one application, which begins empty in each process.

    :param limit: bytes that everything in it should take at most.
    :param prepare: callable (connection) that makes what has to be there from the beginning.
    :ivar refused: (message id, oid of the recipient's record) of what there was no room for.
    :ivar lock: for who changes ``refusing``.
    :ivar refusing: whether there has been no room since the limit was exceeded.
    """

    def __init__(self, limit: int, prepare: Callable[[Any], None]):
        self.limit = limit
        self.refused: deque[tuple[str, bytes]] = deque(maxlen=_REFUSED_LIMIT)
        self._prepare = prepare
        self.begin()
        reference = weakref.ref(self)

        def begin_in_child() -> None:
            # What the parent owes is sent by the parent, and its locks may be held for ever.
            found = reference()
            if found is not None:
                found.begin()

        os.register_at_fork(after_in_child=begin_in_child)

    def begin(self) -> None:
        """Begin with an empty database."""
        self.lock = threading.Lock()
        self.refusing = False
        self.refused.clear()
        self.database = MemoryDatabase()
        with self.session() as connection:
            self._prepare(connection)
            connection.transaction_manager.commit()

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection for one transaction, or a few in a row."""
        manager = transaction.TransactionManager()
        connection = self.database.open(transaction_manager=manager)
        try:
            yield connection
        finally:
            manager.abort()
            connection.close()

    def size(self) -> int:
        """Bytes that everything takes, roughly."""
        return self.database.storage.getSize()

    def weigh(self, obj: Any) -> int:
        """Bytes that a persistent object takes together with everything that it leads to."""
        return self.database.storage.weigh(obj._p_oid)

    def connection(self, request: Any) -> Any:
        """The connection of ``request``.

        What is done with it is committed when, and only when, the transaction of the request is.
        """
        connection = getattr(request, _CONNECTION, None)
        if connection is None:
            manager = transaction.TransactionManager()
            connection = self.database.open(transaction_manager=manager)
            setattr(request, _CONNECTION, connection)
            request.add_finished_callback(_close)
            _follow(transaction_manager_of(request), manager)
        return connection


def _close(request: Any) -> None:
    connection = getattr(request, _CONNECTION)
    delattr(request, _CONNECTION)
    connection.transaction_manager.abort()
    connection.close()


def _follow(leader: Any, manager: Any) -> None:
    """Commit the transaction of ``manager`` after that of ``leader`` was."""

    def follow(success: bool) -> None:
        if not success:
            manager.abort()
            return
        try:
            manager.commit()
        except Exception:
            manager.abort()
            logger.exception('What a request wanted of a global subscription was not done.')

    try:
        txn = leader.get()
        txn.addAfterCommitHook(follow)
        manager.get().note(txn.description)
        manager.get().user = txn.user
    except NoTransaction:
        logger.debug('A request without a transaction looks at global subscriptions.')
