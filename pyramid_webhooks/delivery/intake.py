"""Reading the intakes: what commits have added."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from pyramid_webhooks.delivery.breathing import breathe
from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.commands import Commands
from pyramid_webhooks.delivery.express import new_job
from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.jobs import LAST_TRY, Job
from pyramid_webhooks.delivery.lane import Lane
from pyramid_webhooks.delivery.parking import Parking
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE, is_there
from pyramid_webhooks.delivery.seen import Place, Read, SeenSegments
from pyramid_webhooks.events import PING
from pyramid_webhooks.outbox.owed import LAST, RESEND
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import Outbox, partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, Recipient
from pyramid_webhooks.outbox.segment import OID_SIZE, Entry, Segment

logger = logging.getLogger(__name__)

#: Entries, and new deliveries, that are read in one transaction; and deliveries in memory.
READ_LIMIT = 2_000
CANDIDATE_LIMIT = 5_000
DELIVERY_LIMIT = 20_000
#: How often segments are looked at that are rarely used.
_DEEP_SECONDS = 5.0
#: After a backlog there are many of them: looking takes no more than one part in so many.
_DEEP_REST = 50
#: The same while segments that are used first are full.
_FULL_REST = 50


class Candidate(NamedTuple):
    """A new delivery, and what it is owed by.

    :ivar asked: whether somebody wants it to be sent, rather than an event.
    """

    job: Job
    serial: bytes
    segment: Segment
    message: Any
    asked: bool = False


class IntakeReader:
    """Takes what is owed to this process's partitions out of the intakes.

    What it takes into memory stays owed in the database until its result is recorded. What has to
    wait goes to the schedule.

    :param pause: called with the number of the step in what takes long before anything new is
        read.
    :ivar more: whether there is more to be read at once.
    """

    def __init__(
        self,
        holding: Holding,
        member: Member,
        clock: Clock,
        pause: Callable[[int], None] = breathe,
    ):
        self._holding = holding
        self._member = member
        self._clock = clock
        self._pause = pause
        self.seen = SeenSegments()
        self.parking = Parking(holding, pause)
        self._commands = Commands(holding, self.parking)
        self._deep_at = self._full_at = 0.0
        self._unfinished = False
        self.more = False

    def forget_everything_seen(self) -> None:
        """Read all of the intakes anew."""
        self.seen.forget()
        self.parking.forget()
        self._deep_at = 0.0
        self.more = True

    def look_everywhere(self) -> None:
        """Look at all segments with the next reading, those that are rarely used, too."""
        self._deep_at = 0.0

    def read(
        self,
        view: View,
        hints: Iterable[Place],
        stopped: Iterable[Job] = (),
        put_away: bool = True,
    ) -> dict[Place, Read]:
        """Read what was added.

        :param hints: (database name, oid of a segment) that were added to.
        :param stopped: jobs that were in memory already, and have to wait now.
        :param put_away: whether what waits in the intake is moved to the schedule.
        :returns: what is to be handed to :meth:`accept` when the transaction is over.
        """
        self._pause(0)
        if put_away:
            self.parking.put_away(view, self.more)
        started = time.monotonic()
        deep = self.more or started >= self._deep_at
        self.more = False
        changed = self._changed(view, hints, deep)
        candidates: list[Candidate] = []
        seen: dict[Place, Read] = {}
        for home, segment in changed:
            if len(candidates) >= CANDIDATE_LIMIT:
                self.more = True
                break
            candidates += self._read_segment(view, home, segment)
            if self._unfinished:
                self._unfinished = False
                self.more = True
            else:
                seen[(home, segment._p_oid)] = (segment, segment._p_serial)
        if deep and not self.more:
            now = time.monotonic()
            self._deep_at = now + max(_DEEP_SECONDS, _DEEP_REST * (now - started))
        for job in stopped:
            if job.entry is not None and job.home in view.outboxes:
                candidates += _again(view, job)
        self._admit(view, candidates)
        return seen

    def accept(self, seen: dict[Place, Read]) -> Collection[Place]:
        """The transaction of :meth:`read` has been committed, or had nothing to commit.

        :returns: (database name, oid) of the segments that have to be read once more.
        """
        self.seen.accept(seen)
        again = self.parking.settled()
        self.seen.forget_some(again)
        return again

    def _changed(
        self, view: View, hints: Iterable[Place], deep: bool
    ) -> list[tuple[str, Segment]]:
        """The segments with anything that was not read, as many as are read at once."""
        changed: list[tuple[str, Segment]] = []
        entries = 0
        for home, outbox in view.outboxes.items():
            for segment in self._changed_segments(home, outbox, hints, deep):
                if entries >= READ_LIMIT:
                    self.more = True
                    return changed
                entries += len(segment)
                changed.append((home, segment))
        return changed

    def _changed_segments(
        self, home: str, outbox: Outbox, hints: Iterable[Place], deep: bool
    ) -> Iterator[Segment]:
        intake = outbox.intake
        # Where those that are used first are full, as of what waits for receivers that fail, what
        # others commit goes elsewhere, and nobody tells of it.
        started = time.monotonic()
        look_at_full = started >= self._full_at
        crowded = False
        for segment in intake.segments:
            changed = self.seen.is_changed(home, segment)
            if (changed or look_at_full) and not crowded:
                crowded = not segment.has_room()
            if changed:
                yield segment
        if deep or crowded:
            further: Iterable[Segment] = (
                segment for page in intake.pages for segment in page.all_segments()
            )
        else:
            hinted = {oid for name, oid in hints if name == home}
            hinted.difference_update(segment._p_oid for segment in intake.segments)
            # The older ones first: not all of them may be read at once.
            further = map(intake._p_jar.get, sorted(hinted))
        for step, segment in enumerate(further):
            self._pause(step)
            if self.seen.is_changed(home, segment):
                yield segment
        if deep or crowded:
            now = time.monotonic()
            self._full_at = now + _FULL_REST * (now - started)

    def _read_segment(self, view: View, home: str, segment: Segment) -> Iterator[Candidate]:
        serving = self._member.serving
        for key, entry in list(segment.items()):
            database = entry.database_in(home)
            is_plain = entry.message is not None and entry.details is None
            if is_plain and len(entry.owed) > OID_SIZE:
                oids, some_wait = self.parking.split(database, entry.owed)
                if some_wait:
                    self.parking.note(home, segment._p_oid, key)
            else:
                oids = entry.oids()
            mine = [oid for oid in oids if partition_of((database, oid)) in serving]
            if mine and entry.message is None:
                view.met.update((database, oid) for oid in mine)
                if self._commands.obey(view, home, entry, mine):
                    segment.take(key, mine)
                else:
                    self._unfinished = True
            elif mine:
                yield from self._read_entry(view, home, segment, key, entry, mine)

    def _read_entry(
        self,
        view: View,
        home: str,
        segment: Segment,
        key: bytes,
        entry: Entry,
        oids: list[bytes],
    ) -> Iterator[Candidate]:
        database, message = entry.database_in(home), entry.message
        fresh = [oid for oid in oids if (home, key, (database, oid)) not in self._holding]
        if not fresh:
            return
        if not is_there(message, home):
            segment.take(key, fresh)
            view.touched.update(partition_of((database, oid)) for oid in fresh)
            return
        kind = entry.details[0] if entry.details is not None else None
        asked = kind == RESEND or message.event == PING
        tries = LAST_TRY if kind == LAST else 0
        for oid in fresh:
            recipient = (database, oid)
            if kind == RESEND and not self._bring_forward(view, home, recipient, message):
                segment.take(key, [oid])
                continue
            job = new_job(home, segment, key, entry, recipient, tries=tries)
            yield Candidate(job, message._p_serial, segment, message, asked)

    def _bring_forward(self, view: View, home: str, recipient: Recipient, message: Any) -> bool:
        """Take what waits of a message that is to be sent again out of the schedule.

        :returns: False when it is about to be sent anyway.
        """
        schedule = view.schedule_of(home, recipient)
        queue = schedule.queue(recipient)
        waiting = () if queue is None else queue.keys_of(message)
        state, obj = view.recipients.find(recipient)
        known = state in (ACTIVE, INACTIVE) and obj.log.take_exhausted(message)
        if waiting or known:
            view.touched.add(partition_of(recipient))
        if any((home, key, recipient) in self._holding for key in waiting):
            return False
        for key in waiting:
            schedule.remove(recipient, key)
        return True

    def _admit(self, view: View, candidates: list[Candidate]) -> None:
        """Decide which of the new deliveries are taken into memory, and which have to wait."""
        # Nothing younger is taken for any of them in a pause.
        view.met.update([candidate.job.recipient for candidate in candidates])
        counts: dict[Recipient, int] = {}
        total = len(self._holding)
        in_order = sorted(candidates, key=lambda each: (each.serial, each.job.entry))
        for step, candidate in enumerate(in_order):
            self._pause(step)
            job = candidate.job
            recipient = job.recipient
            state, obj = view.recipients.find(recipient)
            if state != INACTIVE and not view.recipients.may_get(job):
                candidate.segment.take(job.entry, [recipient[1]])
                view.drop(candidate.message.id, recipient)
                view.touched.add(partition_of(recipient))
                continue
            if recipient not in counts:
                counts[recipient] = self._room(view, candidate, state, obj)
            if counts[recipient] > 0 and total < DELIVERY_LIMIT:
                counts[recipient] -= 1
                total += 1
                view.new.append(job)
            else:
                counts[recipient] = 0
                self._let_wait(view, candidate, state, obj)

    def _room(self, view: View, candidate: Candidate, state: str, obj: Any) -> int:
        """How many more deliveries may be taken into memory for the recipient of this one."""
        job = candidate.job
        schedule = view.schedule_of(job.home, job.recipient)
        queue = schedule.queue(job.recipient)
        if state == INACTIVE:
            return 0
        lane = self._holding.lane(job.recipient, obj)
        if state == ACTIVE and queue is not None:
            is_open = lane.health.is_open or obj.log.health.is_open
            if queue.held or queue.put_off is not None and not is_open:
                # It could not be read for a while, so that nobody told when that was over.
                schedule.release(job.recipient)
                schedule.put_off(job.recipient, None)
                view.touched.add(partition_of(job.recipient))
        if self.parking.is_waiting(job.recipient) and not candidate.asked:
            return 0
        count = self._holding.count(job.recipient)
        if lane.health.is_open:
            return 0 if count else self._room_for_probe(lane, candidate.asked, queue)
        for outbox in view.outboxes.values():
            queue = outbox.schedule_of(job.recipient).queue(job.recipient)
            if queue is not None and queue.next_due() == AT_ONCE:
                # What came before waits in the schedule; this has its place behind it.
                return 0
        return self._holding.allowance(lane) - count

    def _room_for_probe(self, lane: Lane, asked: bool, queue: Any) -> int:
        """Whether a new delivery to a receiver that failed is sent to see whether it is back.

        It is when its time has come and nothing older waits, or somebody asked for it.
        """
        if not asked and (queue is not None or self._clock.now() < lane.health.probe_at):
            return 0
        self._holding.probe(lane, 1)
        return 1

    def _let_wait(self, view: View, candidate: Candidate, state: str, obj: Any) -> None:
        job = candidate.job
        lane = None if state == INACTIVE else self._holding.lane(job.recipient, obj)
        first = job.number == 1 and not job.tries and not candidate.asked
        waits_already = self.parking.is_waiting(job.recipient)
        together = waits_already or self.more or lane is not None and not lane.health.proven
        if first and lane is not None and together:
            self.parking.add(job.home, job.segment, job.entry, job.recipient)
            return
        candidate.segment.take(job.entry, [job.recipient[1]])
        schedule = view.schedule_of(job.home, job.recipient)
        item = Item(candidate.message, job.number, job.tries, job.created)
        schedule.put(job.recipient, (AT_ONCE, candidate.serial + job.entry), item)
        if lane is None:
            view.hold(job.home, job.recipient)
        elif lane.health.is_open:
            schedule.put_off(job.recipient, lane.health.probe_at)
        view.touched.add(partition_of(job.recipient))


def _again(view: View, job: Job) -> Iterator[Candidate]:
    """Yield the new delivery that ``job`` was made of."""
    connection = view.outboxes[job.home]._p_jar
    message = connection.get(job.message)
    if is_there(message, job.home):
        yield Candidate(job, message._p_serial, connection.get(job.segment), message)
