"""Segments: small pieces of the intake that concurrent transactions can change without conflict.

Writers add entries, consumers take subscriptions out of them. Both commute, so that what would be
a conflict is merged by :meth:`Segment._p_resolveConflict`.
"""

from __future__ import annotations

import itertools
import os
import pickle
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from persistent import Persistent
from ZODB.POSException import ConflictError

OID_SIZE = 8
#: A segment with so many entries, or so many owed ids, takes no more. What is a backlog already is
#: stored in segments of more ids, as each is to be moved as a whole; but of fewer entries, because
#: nobody takes any out while they are added, one commit after the other.
ENTRY_LIMIT = 16
OWED_LIMIT = 256
BACKLOG_ENTRY_LIMIT = 8
BACKLOG_OWED_LIMIT = 1024

_PROTOCOL = 5

#: (messages, the rest of the entries)
State = tuple[tuple[Any, ...], bytes]

_counter = itertools.count(int.from_bytes(os.urandom(3), 'big'))


class Entry(NamedTuple):
    """One message and the subscriptions that it is still owed to.

    :ivar message: the persistent message; None for a command.
    :ivar owed: the oids of the subscriptions, 8 bytes each, in one bytes object.
    :ivar database: the name of the database that those are in; None: the outbox's own.
    :ivar details: None, or a tuple that begins with what else is to be done: a command, or
        ``resend`` with the attempt's number and the POSIX time of the wish.
    """

    message: Any
    owed: bytes
    database: str | None = None
    details: tuple[Any, ...] | None = None

    def oids(self) -> list[bytes]:
        """The oids of the subscriptions."""
        return unpack(self.owed)

    def database_in(self, home: str) -> str:
        """The name of the database of the subscriptions, in the outbox of ``home``."""
        return home if self.database is None else self.database


def unpack(owed: bytes) -> list[bytes]:
    """The single oids of packed ones."""
    return [owed[at : at + OID_SIZE] for at in range(0, len(owed), OID_SIZE)]


def new_entry_key() -> bytes:
    """A unique key that sorts by the time at which it was made; 16 bytes."""
    number, pid = next(_counter) & 0xFFFFFF, os.getpid() & 0xFFFFFF
    key = time.time_ns() << 64 | number << 40 | pid << 16 | random.getrandbits(16)
    return key.to_bytes(16, 'big')


class Segment(Persistent):
    """A few entries by key. It is reused when it is empty, and never unlinked."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[Any, ...]] = {}

    def __getstate__(self) -> State:
        return to_state(self._entries)

    def __setstate__(self, state: State) -> None:
        self._entries = from_state(state)

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return True

    def has_room(self, owed_limit: int = OWED_LIMIT, entry_limit: int = ENTRY_LIMIT) -> bool:
        """Whether it takes another entry; of ids owed, it is full with ``owed_limit``."""
        if len(self._entries) >= entry_limit:
            return False
        owed = sum([len(entry[1]) for entry in self._entries.values()])
        return owed < owed_limit * OID_SIZE

    def add(self, key: bytes, entry: Entry) -> None:
        """Add an entry under a key of its own."""
        self._entries[key] = tuple(entry)
        self._p_changed = True

    def items(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield (key, entry), oldest first."""
        for key in sorted(self._entries):
            yield key, Entry._make(self._entries[key])

    def take(self, key: bytes, oids: Iterable[bytes]) -> set[bytes]:
        """Take subscriptions out of an entry, and the entry out when it has none left.

        :returns: those that were there to be taken.
        """
        entry = self._entries.get(key)
        if entry is None:
            return set()
        oids = list(oids)
        taken, remaining = set(oids), b''
        if b''.join(oids) != entry[1]:
            taken.intersection_update(unpack(entry[1]))
            if not taken:
                return taken
            remaining = _without(entry[1], taken)
        if remaining:
            self._entries[key] = (entry[0], remaining, *entry[2:])
        else:
            del self._entries[key]
        self._p_changed = True
        return taken

    def _p_resolveConflict(self, old: State, committed: State, new: State) -> State:
        return to_state(merge(from_state(old), from_state(committed), from_state(new)))


def to_state(entries: dict[bytes, tuple[Any, ...]]) -> State:
    """What is stored: the references to messages, and all the rest in one piece.

    ZODB looks at every single value that it pickles, and a segment is stored with each commit.
    """
    rest = [(key, *entry[1:]) for key, entry in entries.items()]
    return tuple([entry[0] for entry in entries.values()]), pickle.dumps(rest, _PROTOCOL)


def from_state(state: State) -> dict[bytes, tuple[Any, ...]]:
    """The entries of a state."""
    messages, rest = state
    pairs = zip(messages, pickle.loads(rest), strict=True)
    return {key: (message, *entry) for message, (key, *entry) in pairs}


def _without(owed: bytes, oids: Iterable[bytes]) -> bytes:
    taken = set(oids)
    return b''.join(oid for oid in unpack(owed) if oid not in taken)


def merge(
    old: dict[bytes, tuple[Any, ...]],
    committed: dict[bytes, tuple[Any, ...]],
    new: dict[bytes, tuple[Any, ...]],
) -> dict[bytes, tuple[Any, ...]]:
    """Merge two changes of a segment: what either added, less what either took.

    :raises ConflictError: when both added an entry under the same key.
    """
    merged = dict(committed)
    for key, entry in new.items():
        if key not in old:
            if key in committed:
                raise ConflictError(f'two entries have the key {key.hex()}')
            merged[key] = entry
    for key, entry in old.items():
        if key not in merged:
            continue
        kept = new[key][1] if key in new else b''
        if kept == entry[1]:
            continue
        taken = set(unpack(entry[1])).difference(unpack(kept))
        remaining = _without(merged[key][1], taken)
        if remaining:
            merged[key] = (merged[key][0], remaining, *merged[key][2:])
        else:
            del merged[key]
    return merged
