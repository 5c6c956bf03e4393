"""A ZODB storage in memory, that has no more than what somebody can still see.

What is superseded, and what nothing refers to any more, goes as soon as no connection is open that
began before: nobody has to pack it, and its cost per transaction does not grow with what it has.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ZODB.ConflictResolution import ConflictResolvingStorage
from ZODB.interfaces import IStorage
from ZODB.POSException import (
    ConflictError,
    POSKeyError,
    ReadConflictError,
    StorageTransactionError,
)
from ZODB.serialize import referencesf
from ZODB.utils import newTid, p64, u64, z64
from zope.interface import implementer

#: What an object takes in memory besides its pickle, in bytes; roughly.
OVERHEAD = 400
#: So long old states are kept for whoever looks at them.
PIN_SECONDS = 60.0


class Revision(NamedTuple):
    """One state of an object.

    :ivar tid: the transaction that stored it.
    :ivar references: the oids of the objects that it refers to, each once.
    """

    tid: bytes
    data: bytes
    references: frozenset[bytes]


class Waste(NamedTuple):
    """An object of which something may go once nobody looks at what was before ``tid``.

    :ivar orphan: whether that is all of it, because nothing referred to it any more.
    """

    tid: bytes
    oid: bytes
    orphan: bool


@implementer(IStorage)
class MemoryStorage(ConflictResolvingStorage):
    """Objects by oid, each with its revisions and the number of objects that refer to it.

    References must not form a circle: what is in one is never thrown away.
    """

    def __init__(self, name: str = 'webhooks in memory'):
        self._name = name
        self._lock = threading.RLock()
        self._commit_lock = threading.Lock()
        self._objects: dict[bytes, tuple[Revision, ...]] = {}
        self._referrers: dict[bytes, int] = {}
        self._orphans: dict[bytes, bytes] = {}
        self._waste: deque[Waste] = deque()
        self._pins: dict[int, tuple[bytes, float]] = {}
        self._last_pin = 0
        self._size = 0
        self._last_oid = 0
        self._last_tid = z64
        self._transaction: Any = None
        self._stored: dict[bytes, bytes] = {}
        self._resolved: list[bytes] = []

    # --- what is open

    def pin(self) -> int:
        """Keep what can be seen now, until the number that is returned is given to unpin.

        Who looks for longer than :data:`PIN_SECONDS` may meet a ``ReadConflictError``, as after a
        pack.
        """
        with self._lock:
            now = time.monotonic()
            for number, (_, since) in list(self._pins.items()):
                if now - since > PIN_SECONDS:
                    del self._pins[number]
            self._last_pin += 1
            self._pins[self._last_pin] = (self._last_tid, now)
            return self._last_pin

    def unpin(self, number: int) -> None:
        """Somebody has stopped looking."""
        with self._lock:
            if self._pins.pop(number, None) is not None:
                self._throw_away()

    def weigh(self, oid: bytes) -> int:
        """Bytes that an object takes together with everything that it leads to."""
        seen = {oid}
        to_do = [oid]
        weight = 0
        while to_do:
            with self._lock:
                revisions = self._objects.get(to_do.pop())
            if revisions:
                weight += _size(revisions[-1])
                fresh = revisions[-1].references - seen
                seen |= fresh
                to_do += fresh
        return weight

    # --- IStorage, reading

    def getName(self) -> str:
        return self._name

    def sortKey(self) -> str:
        return self._name

    def getSize(self) -> int:
        """Bytes that all objects take, roughly."""
        return self._size

    def isReadOnly(self) -> bool:
        return False

    def __len__(self) -> int:
        return len(self._objects)

    def lastTransaction(self) -> bytes:
        with self._lock:
            return self._last_tid

    def loadBefore(self, oid: bytes, tid: bytes) -> tuple[bytes, bytes, bytes | None] | None:
        with self._lock:
            following = None
            for revision in reversed(self._revisions(oid)):
                if revision.tid < tid:
                    return revision.data, revision.tid, following
                following = revision.tid
        return None

    def loadSerial(self, oid: bytes, serial: bytes) -> bytes:
        with self._lock:
            for revision in self._revisions(oid):
                if revision.tid == serial:
                    return revision.data
        raise POSKeyError(oid, serial)

    def load(self, oid: bytes, version: str = '') -> tuple[bytes, bytes]:
        with self._lock:
            revision = self._revisions(oid)[-1]
            return revision.data, revision.tid

    def getTid(self, oid: bytes) -> bytes:
        with self._lock:
            return self._revisions(oid)[-1].tid

    def history(self, oid: bytes, size: int = 1) -> list[dict[str, Any]]:
        """Nothing: who changed what is not kept."""
        return []

    def _revisions(self, oid: bytes) -> tuple[Revision, ...]:
        try:
            return self._objects[oid]
        except KeyError:
            raise POSKeyError(oid) from None

    # --- IStorage, writing

    def new_oid(self) -> bytes:
        with self._lock:
            self._last_oid += 1
            return p64(self._last_oid)

    def tpc_begin(self, transaction: Any, tid: bytes | None = None) -> None:
        with self._lock:
            if transaction is self._transaction:
                raise StorageTransactionError('This transaction has begun already.')
        self._commit_lock.acquire()
        self._transaction = transaction
        self._stored = {}
        self._resolved = []

    def store(
        self, oid: bytes, serial: bytes, data: bytes, version: str, transaction: Any
    ) -> None:
        with self._lock:
            self._check(transaction)
            current = self._objects.get(oid)
            if current is None and serial != z64:
                raise ConflictError(f'The object {u64(oid)} is gone.', oid=oid, data=data)
            if current is not None and current[-1].tid != serial:
                data = self.tryToResolveConflict(
                    oid, current[-1].tid, serial, data, current[-1].data
                )
                self._resolved.append(oid)
            self._stored[oid] = data

    def checkCurrentSerialInTransaction(self, oid: bytes, serial: bytes, transaction: Any) -> None:
        with self._lock:
            self._check(transaction)
            if self.getTid(oid) != serial:
                raise ReadConflictError(oid=oid, serials=(self.getTid(oid), serial))

    def tpc_vote(self, transaction: Any) -> list[bytes]:
        self._check(transaction)
        return self._resolved

    def tpc_finish(
        self, transaction: Any, func: Callable[[bytes], Any] = lambda tid: None
    ) -> bytes:
        with self._lock:
            self._check(transaction)
            tid = newTid(self._last_tid)
            func(tid)
            self._keep(tid)
            self._last_tid = tid
            self._throw_away()
            self._end()
            return tid

    def tpc_abort(self, transaction: Any) -> None:
        with self._lock:
            if transaction is self._transaction:
                self._end()

    def _end(self) -> None:
        self._transaction = None
        self._stored = {}
        self._commit_lock.release()

    def _check(self, transaction: Any) -> None:
        if transaction is not self._transaction:
            raise StorageTransactionError(self, transaction)

    def pack(self, t: float, referencesf: Any, gc: bool = True) -> None:
        """There is nothing to be packed."""

    def close(self) -> None:
        """There is nothing to be closed."""

    # --- what is kept, and for how long

    def _keep(self, tid: bytes) -> None:
        """Keep what was stored as the current state. What that replaces has become waste."""
        touched = set(self._stored)
        for oid, data in self._stored.items():
            references = frozenset(referencesf(data))
            revision = Revision(tid, data, references)
            self._size += _size(revision)
            before = self._objects.get(oid, ())
            self._objects[oid] = (*before, revision)
            dropped: frozenset[bytes] = frozenset()
            if before:
                self._waste.append(Waste(tid, oid, False))
                dropped = before[-1].references - references
                references -= before[-1].references
            for each in references:
                self._referrers[each] = self._referrers.get(each, 0) + 1
            self._forget_references(dropped)
            touched |= references | dropped
        self._look_for_orphans(tid, touched)

    def _forget_references(self, references: frozenset[bytes]) -> None:
        for oid in references:
            self._referrers[oid] -= 1
            if not self._referrers[oid]:
                del self._referrers[oid]

    def _look_for_orphans(self, tid: bytes, oids: set[bytes] | frozenset[bytes]) -> None:
        for oid in oids:
            if oid in self._referrers or oid == z64:
                self._orphans.pop(oid, None)
            elif oid in self._objects and oid not in self._orphans:
                self._orphans[oid] = tid
                self._waste.append(Waste(tid, oid, True))

    def _throw_away(self) -> None:
        oldest = min((tid for tid, _ in self._pins.values()), default=self._last_tid)
        while self._waste and self._waste[0].tid <= oldest:
            tid, oid, orphan = self._waste.popleft()
            if orphan:
                if self._orphans.get(oid) == tid:
                    del self._orphans[oid]
                    self._remove(oid)
            elif oid in self._objects:
                revisions = self._objects[oid]
                kept = tuple(each for each in revisions if each.tid >= tid)
                self._size -= sum(map(_size, revisions[: len(revisions) - len(kept)]))
                self._objects[oid] = kept

    def _remove(self, oid: bytes) -> None:
        revisions = self._objects.pop(oid)
        self._size -= sum(map(_size, revisions))
        references = revisions[-1].references
        self._forget_references(references)
        self._look_for_orphans(self._last_tid, references)


def _size(revision: Revision) -> int:
    return len(revision.data) + OVERHEAD
