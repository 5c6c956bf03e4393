"""What was just committed and is owed to receivers that work: it waits for nothing else.

Reading all that is owed may mean to put away what thousands of others wait for. So what can be
sent at once is looked for first, and again while that is going on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.parking import Parking
from pyramid_webhooks.delivery.preparing import ACTIVE, is_there
from pyramid_webhooks.delivery.seen import Place, Read, SeenSegments
from pyramid_webhooks.delivery.signals import MessageKey
from pyramid_webhooks.events import PING
from pyramid_webhooks.outbox.owed import first_attempt
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import Outbox, partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE, Recipient
from pyramid_webhooks.outbox.segment import Entry, Segment
from pyramid_webhooks.resources.message import MessageCopy

#: When there are more entries than that, or new deliveries, all are read in the ordinary way.
_READ_LIMIT = 1_000
_DELIVERY_LIMIT = 5_000


class _Rooms(dict[Recipient, int]):
    """How many new deliveries of each recipient can be sent as they come.

    :param find: asked once for each recipient.
    """

    def __init__(self, find: Callable[[Recipient], int]):
        self._find = find

    def __missing__(self, recipient: Recipient) -> int:
        room = self[recipient] = self._find(recipient)
        return room


class Express:
    """Takes new deliveries of receivers that have proved themselves out of what was committed.

    It writes nothing, and leaves to the ordinary reading whatever is not as plain as that: in its
    place, as nothing of a receiver is taken once something older of the same had to be left. So it
    may read in a transaction of its own while another one of the engine is under way.

    :param take_copy: knows messages that were just committed, and need not be read.
    """

    def __init__(
        self,
        holding: Holding,
        member: Member,
        seen: SeenSegments,
        parking: Parking,
        take_copy: Callable[[MessageKey], MessageCopy | None] = lambda key: None,
    ):
        self._holding = holding
        self._take_copy = take_copy
        self._member = member
        self._seen = seen
        self._parking = parking

    def read(
        self, view: View, hints: Iterable[Place], apart: Container[Recipient] = ()
    ) -> tuple[bool, dict[Place, Read]]:
        """Add to ``view.new`` what can be sent at once.

        :param hints: (database name, oid of a segment) that were added to.
        :param apart: recipients that a transaction which is under way has met.
        :returns: whether that is everything that was committed there, and the segments that were
            read to their end.
        """
        complete = True
        found: list[tuple[bytes, Job]] = []
        read: dict[Place, Read] = {}
        entries = deliveries = 0
        rooms = _Rooms(lambda each: 0 if each in apart else self._room(view, each))
        for home, outbox in view.outboxes.items():
            for segment in self._segments(home, outbox, hints):
                entries += len(segment)
                if entries > _READ_LIMIT:
                    # What is not read may be older than what is.
                    return False, {}
                whole = True
                for key, entry in list(segment.items()):
                    owes = self._read_entry(home, segment, key, entry, rooms)
                    if owes is not None:
                        jobs, left = owes
                        found += jobs
                        deliveries += len(jobs) + left
                        whole = whole and not left
                    else:
                        # It may be older than what else there is for the same.
                        database = entry.database_in(home)
                        rooms.update(((database, oid), 0) for oid in entry.oids())
                        whole = False
                    if deliveries > _DELIVERY_LIMIT:
                        return False, {}
                if whole:
                    read[(home, segment._p_oid)] = (segment, segment._p_serial)
                complete = complete and whole
        for _, job in sorted(found, key=lambda pair: (pair[0], pair[1].entry)):
            if rooms[job.recipient] > 0:
                rooms[job.recipient] -= 1
                view.new.append(job)
            else:
                complete = False
                read.pop((job.home, job.segment), None)
        return complete, read

    def _segments(self, home: str, outbox: Outbox, hints: Iterable[Place]) -> Iterator[Segment]:
        intake = outbox.intake
        hinted = {oid for name, oid in hints if name == home}
        hinted.difference_update(segment._p_oid for segment in intake.segments)
        for segments in (intake.segments, map(intake._p_jar.get, hinted)):
            for segment in segments:
                if self._seen.is_changed(home, segment):
                    yield segment

    def _read_entry(
        self, home: str, segment: Segment, key: bytes, entry: Entry, rooms: _Rooms
    ) -> tuple[list[tuple[bytes, Job]], int] | None:
        """What an entry owes to those that do not wait for better times.

        :returns: (serial of the message, job) of each for whom there is room; and how many there
            are for whom there is none. None where it is left to the ordinary reading.
        """
        message = entry.message
        if message is None or entry.details is not None:
            return None
        wanting, left, some_wait = self._who_wants(home, key, entry, rooms)
        if not (wanting or some_wait):
            return [], left
        copy = self._take_copy((home, message._p_oid))
        if copy is None and not _is_event(message, home):
            return None
        if some_wait:
            self._parking.note(home, segment._p_oid, key)
        serial = message._p_serial if copy is None else copy.serial
        return [(serial, new_job(home, segment, key, entry, each, copy)) for each in wanting], left

    def _who_wants(
        self, home: str, key: bytes, entry: Entry, rooms: _Rooms
    ) -> tuple[list[Recipient], int, bool]:
        """Who is owed an entry: those for whom there is room, how many there are for whom there
        is none, and whether there are any that wait for better times.
        """
        database = entry.database_in(home)
        oids, some_wait = self._parking.split(database, entry.owed)
        wanting: list[Recipient] = []
        left = 0
        for oid in oids:
            recipient = (database, oid)
            if partition_of(recipient) in self._member.serving:
                if (home, key, recipient) not in self._holding:
                    if rooms[recipient] > 0:
                        wanting.append(recipient)
                    else:
                        left += 1
        return wanting, left, some_wait

    def _room(self, view: View, recipient: Recipient) -> int:
        """How many new deliveries of a receiver can be sent as they come; as a rule, any number.

        Zero when anything older waits, or might.
        """
        lane = self._holding.working_lane(recipient)
        if lane is None or self._parking.is_leaving(recipient):
            return 0
        for home in view.outboxes:
            queue = view.schedule_of(home, recipient).queue(recipient)
            if queue is not None:
                if queue.held or queue.put_off is not None or queue.next_due() == AT_ONCE:
                    return 0
        state, obj = view.recipients.find(recipient)
        if state != ACTIVE or obj.log.health.is_open:
            return 0
        return self._holding.allowance(lane) - self._holding.count(recipient)


def _is_event(message: Any, home: str) -> bool:
    return is_there(message, home) and message.event != PING


def new_job(
    home: str,
    segment: Segment,
    key: bytes,
    entry: Entry,
    recipient: Recipient,
    copy: MessageCopy | None = None,
    tries: int = 0,
) -> Job:
    """The job of what an entry of the intake owes to one of its recipients.

    :param copy: of the message, if it is at hand and the entry has no details.
    """
    number, created = first_attempt(entry) if copy is None else (1, copy.timestamp)
    return Job(
        home,
        recipient,
        entry.message._p_oid,
        segment=segment._p_oid,
        entry=key,
        number=number,
        copy=copy,
        tries=tries,
        created=created,
        # By the clock of the process that owed it, this may be in the future.
        due=min(created, time.time()),
    )
