"""Deliveries that have to wait: left in the intake for a moment, then put away together.

What is owed to a receiver that does not work would cost as much as what is sent, were each single
delivery moved from the intake to the schedule when it comes. So those that have to wait stay where
they are until some have come together, and what waits for several receivers is stored once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from transaction.interfaces import TransientError

from pyramid_webhooks.delivery.breathing import breathe
from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE, is_there
from pyramid_webhooks.outbox.owed import first_attempt
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.run import Row, Run
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.outbox.segment import unpack

logger = logging.getLogger(__name__)

#: Entries and segments of the intake that are put away in one transaction, and deliveries in one
#: run.
ENTRY_LIMIT = 2000
_SEGMENT_LIMIT = 1000
_RUN_LIMIT = 500
#: Putting away takes no more than one part in so many of the time, but waits no longer than this.
_REST = 300
_LONGEST_REST = 30.0
#: What was changed is made ready for the commit after so many steps, so often at most: the commit
#: keeps others from committing, and the interpreter from everybody.
_SAVE_STEPS = 10
_SAVE_LIMIT = 50
#: Results of :meth:`Parking.split` that are kept.
_SPLIT_LIMIT = 100

_NOBODY: frozenset[bytes] = frozenset()


class Parking:
    """Whose deliveries are left in the intake, and where they are. What is due is put away.

    Those of a receiver are, from the first one that has to wait, until it is known to work.

    :param pause: called with the number of the step while they are put away.
    """

    def __init__(self, holding: Holding, pause: Callable[[int], None] = breathe):
        self._holding = holding
        self._pause = pause
        self._waiting: dict[str, set[bytes]] = {}
        self._split: dict[tuple[str, bytes], tuple[list[bytes], bool]] = {}
        self._segments: dict[tuple[str, bytes], None] = {}
        self._leaving_segments: dict[tuple[str, bytes], None] = {}
        self._entries: set[bytes] = set()
        self._due = self._started = 0.0
        self._saves = True
        self._hurried: dict[Recipient, None] = {}
        self._released: dict[Recipient, None] = {}
        self._freed: dict[Recipient, None] = {}
        self._overlooked: dict[tuple[str, bytes], None] = {}

    def __bool__(self) -> bool:
        return bool(self._segments or self._leaving_segments or self._released or self._hurried)

    def waiting(self, database: str) -> Collection[bytes]:
        """The oids of the subscriptions there whose deliveries wait."""
        return self._waiting.get(database, _NOBODY)

    def split(self, database: str, owed: bytes) -> tuple[list[bytes], bool]:
        """Of packed oids, those of subscriptions whose deliveries do not wait; and whether any do.

        Most entries are owed to the same ones as the entry before.
        """
        known = self._split.get((database, owed))
        if known is None:
            oids, waiting = unpack(owed), self.waiting(database)
            free = [oid for oid in oids if oid not in waiting] if waiting else oids
            known = free, len(free) < len(oids)
            if len(self._split) >= _SPLIT_LIMIT:
                self._split.clear()
            self._split[database, owed] = known
        return known

    def is_waiting(self, recipient: Recipient) -> bool:
        """Whether the deliveries of a subscription wait, so that further ones have to as well."""
        return recipient[1] in self.waiting(recipient[0])

    def is_leaving(self, recipient: Recipient) -> bool:
        """Whether the present transaction puts the last of them away for a subscription."""
        return recipient in self._freed

    def add(self, home: str, segment: bytes, entry: bytes, recipient: Recipient) -> None:
        """What an entry of a segment owes to a subscription waits, and so does what comes next."""
        if not self.is_waiting(recipient):
            self._waiting.setdefault(recipient[0], set()).add(recipient[1])
            self._split.clear()
        self.note(home, segment, entry)

    def note(self, home: str, segment: bytes, entry: bytes) -> None:
        """An entry of a segment is owed to some of those that wait."""
        self._segments[(home, segment)] = None
        self._entries.add(entry)

    def hurry(self, recipients: Iterable[Recipient]) -> None:
        """These receivers work, or begin anew: put away what waits for them with the next."""
        self._hurried.update(dict.fromkeys(filter(self.is_waiting, recipients)))

    def due(self) -> float | None:
        """Monotonic time at which something is to be put away; None when there is nothing."""
        if not self:
            return None
        at_once = self._hurried or self._leaving_segments or self._released or self._is_much()
        return 0.0 if at_once else self._due

    def _is_much(self) -> bool:
        """Whether more would be too much for one transaction."""
        return len(self._entries) >= ENTRY_LIMIT or len(self._segments) >= _SEGMENT_LIMIT

    def settled(self) -> Collection[tuple[str, bytes]]:
        """The transaction of :meth:`put_away` was committed.

        :returns: (database name, oid) of the segments that have to be read again: what was noted
            there meanwhile may be owed to receivers that wait no longer.
        """
        overlooked, self._overlooked = self._overlooked, {}
        self._freed = {}
        if self._leaving_segments:
            self._leaving_segments = {}
            now = time.monotonic()
            self._due = now + min(_REST * (now - self._started), _LONGEST_REST)
        return overlooked

    def forget(self) -> None:
        """The intakes are read anew."""
        self.__init__(self._holding, self._pause)  # type: ignore[misc]

    def put_away(self, view: View, more: bool = False) -> None:
        """Move what waits from the intake to the schedule, in the current transaction.

        :param more: whether the intake has not been read to its end: what else is there for the
            same receivers waits, too.
        """
        self._started = time.monotonic()
        # What is there from the last time was put away by a transaction that failed.
        for database, oid in self._freed:
            self._waiting[database].add(oid)
        self._split.clear()
        self._released |= self._freed
        self._leaving_segments |= self._segments
        self._segments = {}
        self._entries = set()
        rows: dict[tuple[str, str, bytes], list[Row]] = {}
        in_memory = self._holding.entries()
        # Most entries are owed to the same ones as the entry before.
        known_oids: dict[tuple[str, bytes], tuple[list[bytes], bytes]] = {}
        collect = self._collect
        for step, (home, oid) in enumerate(self._leaving_segments):
            self._between_steps(view, step, len(self._leaving_segments))
            if home in view.outboxes:
                segment = view.outboxes[home]._p_jar.get(oid)
                for key, entry in list(segment.items()):
                    if entry.message is not None and entry.details is None:
                        owed = (entry.database_in(home), entry.owed)
                        if owed not in known_oids:
                            known_oids[owed] = self._those_waiting(*owed)
                        found = known_oids[owed]
                        if found[0]:
                            collect(view, home, segment, key, entry, in_memory, found, rows)
        lists: dict[tuple[str, Recipient], list[list[Row]]] = {}
        for (home, database, packed), found in rows.items():
            for oid in unpack(packed):
                lists.setdefault((home, (database, oid)), []).append(found)
        runs: dict[tuple[str, tuple[int, ...]], list[Run]] = {}
        # What several receivers change is not made ready again and again.
        for step, (home, recipient) in enumerate(sorted(lists, key=_partition)):
            found = lists[home, recipient]
            known = (home, tuple(map(id, found)))
            self._between_steps(view, step, len(lists))
            if known not in runs:
                runs[known] = _runs(found)
            self._put(view, home, recipient, runs[known])
        self._freed = {}
        if not more:
            # Those for which nothing has come meanwhile have not been met above.
            self._release(view, self._hurried)
            self._hurried = {}
            for database, oid in self._released:
                self._waiting[database].discard(oid)
            self._split.clear()
            self._freed, self._released = self._released, {}
        self._overlooked = dict(self._segments) if self._freed else {}

    def _between_steps(self, view: View, step: int, count: int) -> None:
        """Before one of ``count`` steps: let others go on, and leave less to the commit."""
        if self._saves and step and not step % max(_SAVE_STEPS, count // _SAVE_LIMIT):
            try:
                view.save()
            except OSError as error:
                self._saves = False
                logger.warning(
                    'Temporary files can not be written (%s): '
                    'while what waits for many receivers is put away, others may have to wait.',
                    error,
                )
                raise TransientError('It is put away without temporary files.') from error
        self._pause(step)

    def _those_waiting(self, database: str, owed: bytes) -> tuple[list[bytes], bytes]:
        waiting = self.waiting(database)
        oids = [oid for oid in unpack(owed) if oid in waiting]
        return oids, b''.join(oids)

    def _collect(
        self,
        view: View,
        home: str,
        segment: Any,
        key: bytes,
        entry: Any,
        in_memory: set[bytes],
        found: tuple[list[bytes], bytes],
        rows: dict[tuple[str, str, bytes], list[Row]],
    ) -> None:
        database, message = entry.database_in(home), entry.message
        oids, packed = found
        if key in in_memory:
            oids = [oid for oid in oids if (home, key, (database, oid)) not in self._holding]
            packed = b''.join(oids)
            if not oids:
                return
        if not is_there(message, home):
            view.touched.update(partition_of((database, oid)) for oid in oids)
        else:
            row = Row(message._p_serial + key, message, first_attempt(entry)[1])
            rows.setdefault((home, database, packed), []).append(row)
        segment.take(key, oids)

    def _release(self, view: View, recipients: Iterable[Recipient]) -> None:
        """Those of them that work get each delivery when it comes, once all that came is read."""
        for recipient in recipients:
            state, obj = view.recipients.find(recipient)
            if state != ACTIVE or self._holding.lane(recipient, obj).health.proven:
                self._released[recipient] = None

    def _put(self, view: View, home: str, recipient: Recipient, runs: list[Run]) -> None:
        view.touched.add(partition_of(recipient))
        self._release(view, [recipient])
        state, obj = view.recipients.find(recipient)
        if state not in (ACTIVE, INACTIVE):
            for run in runs:
                for row in run.rows():
                    view.drop(row.message.id, recipient)
            return
        schedule = view.schedule_of(home, recipient)
        for run in runs:
            schedule.put_run(recipient, run)
        if state == INACTIVE:
            view.hold(home, recipient)
        else:
            health = self._holding.lane(recipient, obj).health
            if health.is_open:
                schedule.put_off(recipient, health.probe_at)


def _partition(place: tuple[str, Recipient]) -> int:
    return partition_of(place[1])


def _runs(found: list[list[Row]]) -> list[Run]:
    """Everything in its order, in runs that are not too long."""
    rows = sorted((row for each in found for row in each), key=lambda row: row.order)
    return [Run(rows[at : at + _RUN_LIMIT]) for at in range(0, len(rows), _RUN_LIMIT)]
