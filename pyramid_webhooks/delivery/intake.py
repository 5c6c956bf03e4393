"""Reading the outboxes: what commits have added, and what has become due."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ZODB.POSException import POSKeyError

from pyramid_webhooks.delivery.jobs import LAST_TRY, Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE, Recipients
from pyramid_webhooks.outbox.owed import LAST, RESEND, first_attempt
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import Outbox, partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, Recipient
from pyramid_webhooks.outbox.segment import Entry, Segment

logger = logging.getLogger(__name__)

#: Jobs in memory for one subscription; the rest waits in the schedule.
ALLOWANCE = 512
UNPROVEN_ALLOWANCE = 64
#: Jobs in memory altogether.
WINDOW = 20_000
#: Entries that are read in one transaction.
READ_LIMIT = 2_000
_DEEP_SECONDS = 5.0
_FULL_SECONDS = 0.1


class Dropped:
    """A delivery that was dropped, to be announced."""

    __slots__ = ('message_id', 'reason', 'recipient')

    def __init__(self, message_id: str, recipient: Recipient, reason: str):
        self.message_id = message_id
        self.recipient = recipient
        self.reason = reason


class Transaction:
    """What one transaction of the reader sees and changes."""

    def __init__(self, outboxes: dict[str, Outbox], recipients: Recipients):
        self.outboxes = outboxes
        self.recipients = recipients
        self.new: list[tuple[Any, Job]] = []
        self.spilled: list[Any] = []
        self.dropped: list[Dropped] = []
        self.returned: list[Job] = []
        self.touched: set[int] = set()
        self.seen: dict[tuple[str, bytes], bytes] = {}
        self.read = 0


class Reader:
    """Takes what is owed to this process's partitions out of the outboxes, into the lanes.

    What it takes stays owed in the database until the recorder has recorded the result. What has
    to wait goes to the schedule.
    """

    def __init__(self, lanes: Lanes, member: Member):
        self._lanes = lanes
        self._member = member
        self._seen: dict[tuple[str, bytes], bytes] = {}
        self._waiting: dict[Recipient, list[Job]] = {}
        self._held: dict[Any, Job] = {}
        self._deep_at = 0.0
        self._due: dict[tuple[str, int], float | None] = {}
        self.more = False

    # --- what the engine has in hand

    def forget(self, jobs: Iterable[Job]) -> None:
        """These jobs are done: recorded, or somebody else's."""
        for job in jobs:
            self._held.pop(job.source, None)

    def forget_everything_seen(self) -> None:
        """Read all of the outboxes anew: partitions were added or lost."""
        self._seen.clear()
        self._due.clear()
        self._deep_at = 0.0
        self.more = True

    def drop_partitions(self, numbers: Iterable[int]) -> None:
        """Forget the jobs of partitions that belong to another process now."""
        lost = set(numbers)
        for recipient in {job.recipient for job in self._held.values()}:
            if partition_of(recipient) in lost:
                self._waiting.pop(recipient, None)
                self._lanes.discard(recipient)
        for source, job in list(self._held.items()):
            if partition_of(job.recipient) in lost:
                del self._held[source]

    def schedules_changed(self, home: str, numbers: Iterable[int]) -> None:
        """Something was put into, or taken out of, these schedules."""
        for number in numbers:
            self._due.pop((home, number), None)

    def idle(self) -> bool:
        """Whether nothing is waiting in memory to be prepared."""
        return not self._waiting and not self.more

    def next_due(self) -> float | None:
        """POSIX time at which something in a schedule becomes due, as far as is known."""
        return min((due for due in self._due.values() if due is not None), default=None)

    # --- reading, within one transaction

    def read(self, view: Transaction, hints: Iterable[tuple[str, bytes]]) -> None:
        """Read what was added and what is due. Nothing counts before :meth:`accept`."""
        self.more = False
        for home, outbox in view.outboxes.items():
            for segment in self._changed_segments(home, outbox, hints):
                if view.read >= READ_LIMIT or len(self._held) + len(view.new) > 2 * WINDOW:
                    self.more = True
                    break
                self._read_segment(view, home, outbox, segment)
        self._admit(view)
        now = time.time()
        for home, outbox in view.outboxes.items():
            self._read_schedules(view, home, outbox, now)

    def accept(self, view: Transaction) -> None:
        """The transaction of :meth:`read` has been committed, or had nothing to commit."""
        self._seen.update(view.seen)
        for job, _ in view.new:
            if job.source not in self._held:
                self._held[job.source] = job
                self._waiting.setdefault(job.recipient, []).append(job)

    def _changed_segments(
        self, home: str, outbox: Outbox, hints: Iterable[tuple[str, bytes]]
    ) -> Iterator[Segment]:
        intake = outbox.intake
        now = time.monotonic()
        if now >= self._deep_at or self.more:
            self._deep_at = now + _DEEP_SECONDS
            candidates: list[Segment] = list(intake.all_segments())
        else:
            candidates = list(intake.segments)
            hinted = {oid for name, oid in hints if name == home}
            hinted.difference_update(segment._p_oid for segment in candidates)
            candidates += [intake._p_jar.get(oid) for oid in hinted]
        for segment in candidates:
            segment._p_activate()
            if self._seen.get((home, segment._p_oid)) != segment._p_serial:
                yield segment

    def _read_segment(
        self, view: Transaction, home: str, outbox: Outbox, segment: Segment
    ) -> None:
        serial = segment._p_serial
        for key, entry in list(segment.items()):
            mine = [
                oid
                for oid in entry.oids()
                if partition_of((entry.database_in(home), oid)) in self._member.owned
            ]
            if not mine:
                continue
            view.read += 1
            if entry.message is None:
                self._obey(view, home, outbox, segment, key, entry, mine)
            else:
                self._read_entry(view, home, segment, key, entry, mine)
        view.seen[(home, segment._p_oid)] = serial

    def _read_entry(
        self,
        view: Transaction,
        home: str,
        segment: Segment,
        key: bytes,
        entry: Entry,
        oids: list[bytes],
    ) -> None:
        database = entry.database_in(home)
        fresh = [oid for oid in oids if (home, key, (database, oid)) not in self._held]
        if not fresh:
            return
        message = entry.message
        if not is_there(message, home):
            segment.take(key, fresh)
            view.touched.update(partition_of((database, oid)) for oid in fresh)
            return
        if entry.details is not None and entry.details[0] == RESEND:
            fresh = self._bring_forward(view, home, segment, key, message, database, fresh)
        number, created = first_attempt(entry)
        last = entry.details is not None and entry.details[0] == LAST
        for oid in fresh:
            job = Job(
                home,
                (database, oid),
                message._p_oid,
                segment=segment._p_oid,
                entry=key,
                number=number,
                tries=LAST_TRY if last else 0,
                created=created,
                due=created,
            )
            view.new.append((job, (message._p_serial, key, segment, message)))

    def _bring_forward(
        self,
        view: Transaction,
        home: str,
        segment: Segment,
        key: bytes,
        message: Any,
        database: str,
        oids: list[bytes],
    ) -> list[bytes]:
        """Take what waits of a message that is to be sent again out of the schedule.

        :returns: those of ``oids`` to which it is not about to be sent anyway.
        """
        remaining = []
        for oid in oids:
            recipient = (database, oid)
            schedule = view.outboxes[home].schedule_of(recipient)
            queue = schedule.queue(recipient)
            waiting = () if queue is None else queue.keys_of(message)
            if any((home, each, recipient) in self._held for each in waiting):
                segment.take(key, [oid])
            else:
                remaining.append(oid)
                for each in waiting:
                    schedule.remove(recipient, each)
            if waiting:
                self._touch(view, home, recipient)
        return remaining

    def _admit(self, view: Transaction) -> None:
        """Decide which of the new jobs are taken into memory, and which have to wait."""
        candidates = sorted(view.new, key=lambda pair: pair[1][:2])
        view.new = []
        counts: dict[Recipient, int] = {}
        for job, (serial, key, segment, message) in candidates:
            state, _ = view.recipients.find(job.recipient)
            if state != INACTIVE and not view.recipients.may_get(job):
                self._drop(view, job, segment, message)
                continue
            count = counts.get(job.recipient)
            if count is None:
                count = self._in_memory(job.recipient)
                queue = self._schedule(view, job).queue(job.recipient)
                if state == INACTIVE or queue is not None and queue.next_due() == AT_ONCE:
                    # What came before waits in the schedule; this keeps its place behind it.
                    count = WINDOW
            if count < self._allowance(job.recipient) and len(self._held) < WINDOW:
                view.new.append((job, None))
                counts[job.recipient] = count + 1
            else:
                self._spill(view, job, serial + key, segment, message, state)
                counts[job.recipient] = WINDOW

    def _allowance(self, recipient: Recipient) -> int:
        return ALLOWANCE if self._lanes.lane(recipient).proven else UNPROVEN_ALLOWANCE

    def _in_memory(self, recipient: Recipient) -> int:
        lane = self._lanes.lane(recipient)
        return len(self._waiting.get(recipient, ())) + len(lane.jobs) + lane.open

    @staticmethod
    def _schedule(view: Transaction, job: Job) -> Any:
        return view.outboxes[job.home].schedule_of(job.recipient)

    def _spill(
        self,
        view: Transaction,
        job: Job,
        order: bytes,
        segment: Segment,
        message: Any,
        state: str,
    ) -> None:
        segment.take(job.entry, [job.recipient[1]])
        schedule = self._schedule(view, job)
        item = Item(message, job.number, job.tries, job.created)
        schedule.put(job.recipient, (AT_ONCE, order), item)
        if state == INACTIVE:
            schedule.hold(job.recipient)
        self._touch(view, job.home, job.recipient)

    def _drop(self, view: Transaction, job: Job, segment: Segment, message: Any) -> None:
        segment.take(job.entry, [job.recipient[1]])
        self._touch(view, job.home, job.recipient)
        view.dropped.append(
            Dropped(message.id, job.recipient, 'The subscription has been removed.')
        )

    def _touch(self, view: Transaction, home: str, recipient: Recipient) -> None:
        number = partition_of(recipient)
        view.touched.add(number)
        self._due.pop((home, number), None)

    def _obey(
        self,
        view: Transaction,
        home: str,
        outbox: Outbox,
        segment: Segment,
        key: bytes,
        entry: Entry,
        oids: list[bytes],
    ) -> None:
        """Subscriptions were activated, deactivated or removed."""
        for oid in oids:
            recipient = (entry.database_in(home), oid)
            schedule = outbox.schedule_of(recipient)
            # What it is now counts, not what the command was: commands may be read in any order.
            state, _ = view.recipients.find(recipient)
            if state == ACTIVE:
                schedule.release(recipient)
            else:
                view.returned += self._lanes.discard(recipient)
                view.returned += self._waiting.pop(recipient, ())
                if state == INACTIVE:
                    schedule.hold(recipient)
                else:
                    self._drop_queue(view, schedule, recipient)
            self._touch(view, home, recipient)
        segment.take(key, oids)

    def _drop_queue(self, view: Transaction, schedule: Any, recipient: Recipient) -> None:
        queue = schedule.queue(recipient)
        if queue is None:
            return
        for _, item in queue.items():
            view.dropped.append(
                Dropped(item.message.id, recipient, 'The subscription has been removed.')
            )
        schedule.drop(recipient)

    # --- what has become due

    def _read_schedules(self, view: Transaction, home: str, outbox: Outbox, now: float) -> None:
        for number in self._member.owned:
            due = self._due.get((home, number), 0.0)
            if due is None or due > now:
                continue
            schedule = outbox.schedules[number]
            for recipient in list(schedule.due(now)):
                self._read_queue(view, home, schedule, recipient, now)
            # What is due but has no room yet is looked for again when something was recorded.
            self._due[(home, number)] = schedule.next_due(after=now)
            if len(self._held) >= WINDOW:
                self._due[(home, number)] = now + _FULL_SECONDS

    def _read_queue(
        self, view: Transaction, home: str, schedule: Any, recipient: Recipient, now: float
    ) -> None:
        state, _ = view.recipients.find(recipient)
        if state == INACTIVE:
            schedule.hold(recipient)
            self._touch(view, home, recipient)
            return
        room = self._allowance(recipient) - self._in_memory(recipient)
        if room <= self._allowance(recipient) // 2 or len(self._held) >= WINDOW:
            return
        for key, item in list(schedule.queue(recipient).items(until=now)):
            if room <= 0:
                break
            job = Job(
                home,
                recipient,
                item.message._p_oid,
                queue_key=key,
                number=item.number,
                tries=item.tries,
                created=item.created,
                due=key[0] or item.created,
            )
            if job.source in self._held:
                continue
            if not is_there(item.message, home):
                schedule.remove(recipient, key)
                self._touch(view, home, recipient)
                continue
            if not view.recipients.may_get(job):
                self._drop_queue(view, schedule, recipient)
                self._touch(view, home, recipient)
                return
            view.new.append((job, None))
            room -= 1

    # --- preparing

    def prepare(self, view: Transaction) -> tuple[list[Job], list[Job]]:
        """Prepare the next jobs of each lane.

        :returns: those that can be sent, and those that can't any more because their
            subscription was removed or deactivated meanwhile.
        """
        ready: list[Job] = []
        returned: list[Job] = []
        for recipient, jobs in list(self._waiting.items()):
            room = self._lanes.lane(recipient).ahead()
            if room <= 0:
                continue
            for job in jobs[:room]:
                message = view.outboxes[job.home]._p_jar.get(job.message)
                if view.recipients.prepare(job, message):
                    ready.append(job)
                else:
                    returned.append(job)
            del jobs[:room]
            if not jobs:
                del self._waiting[recipient]
        return ready, returned


def is_there(message: Any, home: str) -> bool:
    """Whether a message is in the database still, as it must be while it is owed."""
    try:
        message._p_activate()
    except POSKeyError:
        logger.error('A message that was owed is not in the database %r any more.', home)
        return False
    return True
