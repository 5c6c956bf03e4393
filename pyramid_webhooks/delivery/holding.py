"""What the engine has in memory of what is owed: a bounded window on the outboxes."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pyramid_webhooks.delivery.breathing import breathe
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lane import FAILING, SLOW, Lane
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.outbox.root import Outbox, partition_of
from pyramid_webhooks.outbox.schedule import Recipient

#: Jobs in memory for one subscription; the rest waits in the schedule.
ALLOWANCE = 512
UNPROVEN_ALLOWANCE = 8
SLOW_ALLOWANCE = 64
FAILING_ALLOWANCE = 4
#: Jobs in memory altogether. Receivers that have not proved themselves get less as it fills.
WINDOW = 20_000
#: Jobs that are prepared in one transaction, and those of one more subscription; the lower limit
#: is of receivers that have not proved themselves. Those that have do not wait for them.
PREPARE_LIMIT = 100
_UNPROVEN_PREPARE_LIMIT = 10
#: Deliveries of one subscription that are dropped in one transaction.
DROP_LIMIT = 2_000
#: How often a subscription that can not be read is looked at.
UNREADABLE_SECONDS = 60.0

REMOVED = 'The subscription has been removed.'


class Dropped:
    """A delivery that was dropped, to be announced."""

    __slots__ = ('message_id', 'reason', 'recipient')

    def __init__(self, message_id: str, recipient: Recipient, reason: str):
        self.message_id = message_id
        self.recipient = recipient
        self.reason = reason


class View:
    """What one transaction of the engine sees, and what it changes.

    :ivar new: jobs that are to be held once the transaction is over.
    :ivar dropped: deliveries that are dropped.
    :ivar stopped: recipients of which nothing more must be sent once the transaction is over.
    :ivar changed: recipients whose jobs have to be prepared anew.
    :ivar suspects: recipients for which preconditions failed.
    :ivar met: recipients of what was new, and those of commands; in their order it matters what
        else is read.
    :ivar touched: numbers of the partitions whose owner this process must be.
    """

    def __init__(self, outboxes: dict[str, Outbox], recipients: Recipients):
        self.outboxes = outboxes
        self.recipients = recipients
        self.new: list[Job] = []
        self.dropped: list[Dropped] = []
        self.stopped: list[Recipient] = []
        self.changed: list[Recipient] = []
        self.suspects: list[Recipient] = []
        self.met: set[Recipient] = set()
        self.touched: set[int] = set()

    def schedule_of(self, home: str, recipient: Recipient) -> Any:
        """The schedule of a subscription in the outbox of ``home``."""
        return self.outboxes[home].schedule_of(recipient)

    def save(self) -> None:
        """Make what was changed so far ready to be committed, so that less is left to be done.

        :raises OSError: when it can not be written to a temporary file; the transaction is over.
        """
        # All of them are in the same transaction.
        outbox = next(iter(self.outboxes.values()))
        outbox._p_jar.transaction_manager.savepoint(optimistic=True)

    def hold(self, home: str, recipient: Recipient) -> None:
        """Let what waits for a subscription wait until it is active.

        One that can not be read is looked at again: nobody tells when it can.
        """
        _, obj = self.recipients.find(recipient)
        schedule = self.schedule_of(home, recipient)
        if obj is None:
            schedule.put_off(recipient, time.time() + UNREADABLE_SECONDS)
        else:
            schedule.hold(recipient)

    def drop_queue(self, home: str, recipient: Recipient) -> bool:
        """Drop what waits for a subscription, a limited number in one transaction.

        :returns: whether that was all.
        """
        schedule = self.schedule_of(home, recipient)
        queue = schedule.queue(recipient)
        if queue is None:
            return True
        for key, item in list(queue.items(limit=DROP_LIMIT)):
            self.drop(item.message.id, recipient)
            schedule.remove(recipient, key)
        return not queue

    def drop(self, message_id: str, recipient: Recipient, reason: str = REMOVED) -> None:
        """Note that a delivery is dropped."""
        self.dropped.append(Dropped(message_id, recipient, reason))


class Holding:
    """The jobs in memory: waiting to be prepared, in the lanes, or sent and not recorded yet."""

    def __init__(self, lanes: Lanes):
        self._lanes = lanes
        self._jobs: dict[Any, Job] = {}
        self._waiting: dict[Recipient, list[Job]] = {}
        self._movable: dict[Recipient, None] = {}

    def __contains__(self, source: Any) -> bool:
        return source in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def idle(self) -> bool:
        """Whether nothing waits to be prepared."""
        return not self._waiting

    def entries(self) -> set[bytes]:
        """The keys of the entries of intakes that jobs were made of."""
        return {job.entry for job in self._jobs.values() if job.entry is not None}

    def hold(self, jobs: Iterable[Job]) -> None:
        """Hold jobs, in their order; what is held already is left as it is."""
        for job in jobs:
            if job.source not in self._jobs:
                self._jobs[job.source] = job
                self._waiting.setdefault(job.recipient, []).append(job)
                self._movable[job.recipient] = None

    def forget(self, jobs: Iterable[Job]) -> None:
        """Let go of jobs that are recorded, or somebody else's, or have to be read anew."""
        for job in jobs:
            self._jobs.pop(job.source, None)

    def forget_partitions(self, numbers: Iterable[int]) -> None:
        """Let go of the jobs of partitions that belong to another process now."""
        lost = set(numbers)
        for source, job in list(self._jobs.items()):
            if partition_of(job.recipient) in lost:
                self.unsent(job.recipient)
                del self._jobs[source]
        self._lanes.forget(lambda recipient: partition_of(recipient) in lost)

    def let_go(self, numbers: Iterable[int]) -> None:
        """Let go of the jobs of partitions to be given back, except those being sent."""
        leaving = set(numbers)
        recipients = {job.recipient for job in self._jobs.values()}
        for recipient in recipients:
            if partition_of(recipient) in leaving:
                self.forget(self.unsent(recipient))

    def partitions(self) -> set[int]:
        """The numbers of the partitions that have any jobs here."""
        return {partition_of(job.recipient) for job in self._jobs.values()}

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs were not sent after all: they wait in their place among those of the same."""
        of_each: dict[Recipient, list[Job]] = {}
        for job in jobs:
            of_each.setdefault(job.recipient, []).append(job)
        for recipient, own in of_each.items():
            unsent = {each.source for each in (*own, *self.unsent(recipient))}
            waiting = [each for each in self.jobs_of(recipient) if each.source in unsent]
            self._waiting[recipient] = waiting
            # That its lane has moved may have been noticed before, when it was not waiting yet.
            self._movable[recipient] = None

    def holds(self, job: Job) -> bool:
        """Whether it is this very job that is held for the delivery, and no later one."""
        return self._jobs.get(job.source) is job

    def unsent(self, recipient: Recipient) -> list[Job]:
        """Take out the jobs of a subscription that have not been sent; they stay held."""
        return self._lanes.discard(recipient) + self._waiting.pop(recipient, [])

    def jobs_of(self, recipient: Recipient) -> list[Job]:
        """All jobs of a subscription that are held, in their order; every job is looked at."""
        return [job for job in self._jobs.values() if job.recipient == recipient]

    def lane(self, recipient: Recipient, obj: Any) -> Lane:
        """The lane of a subscription, with the health that ``obj`` has of its receiver."""
        lane = self._lanes.lane(recipient)
        if not lane.known:
            self._lanes.know(recipient, obj.log.health)
        return lane

    def working_lane(self, recipient: Recipient) -> Lane | None:
        """The lane of a receiver that has proved itself, if that is known and still so."""
        lane = self._lanes.lane(recipient)
        health = lane.health
        return lane if lane.known and health.proven and not health.is_open else None

    def relearn(self, recipient: Recipient, obj: Any) -> None:
        """The health that ``obj`` has was changed by others than the receiver."""
        self._lanes.know(recipient, obj.log.health)

    def probe(self, lane: Lane, permits: int) -> None:
        """Make so many requests although the breaker is open."""
        self._lanes.allow(lane.recipient, permits)

    def allowance(self, lane: Lane) -> int:
        """How many jobs of a lane may be held; of one whose breaker is open, none."""
        total = len(self._jobs)
        if lane.health.is_open or total >= WINDOW:
            return 0
        if lane.health.proven:
            return SLOW_ALLOWANCE if lane.tier == SLOW else ALLOWANCE
        if total >= WINDOW // 2:
            return 1
        if total >= WINDOW // 4:
            return 2
        return FAILING_ALLOWANCE if lane.tier == FAILING else UNPROVEN_ALLOWANCE

    def count(self, recipient: Recipient) -> int:
        """How many jobs of a subscription have not been sent."""
        lane = self._lanes.lane(recipient)
        return len(self._waiting.get(recipient, ())) + len(lane.jobs) + lane.open

    def is_full(self, recipient: Recipient) -> bool:
        """Whether half of the jobs that may be held for a subscription are there to be sent."""
        lane = self._lanes.lane(recipient)
        if lane.health.is_open:
            return False
        allowance = self.allowance(lane) if lane.known else 1
        return allowance - self.count(recipient) <= allowance // 2

    @property
    def more(self) -> bool:
        """Whether there is more to be prepared at once."""
        return bool(self._movable)

    def can_prepare(self) -> bool:
        """Whether any of the jobs that wait could be prepared now, as far as is known."""
        return self.more or bool(self._waiting) and self._lanes.have_moved()

    def _next_of(self, recipient: Recipient) -> list[Job]:
        """The next jobs of a subscription, as many as are worth preparing."""
        jobs = self._waiting.get(recipient)
        return jobs[: max(0, self._lanes.lane(recipient).ahead())] if jobs else []

    def _next_movable(self) -> list[Recipient]:
        """Whose jobs are looked at next."""
        found: list[Recipient] = []
        unproven = 0
        for recipient in self._movable:
            if len(found) == PREPARE_LIMIT:
                break
            if self._lanes.lane(recipient).health.proven or recipient not in self._waiting:
                found.append(recipient)
            elif unproven < _UNPROVEN_PREPARE_LIMIT:
                unproven += 1
                found.append(recipient)
        return found

    def prepare(self, view: View) -> tuple[list[Job], list[Job]]:
        """Prepare the next jobs of each lane; not too many of them in one transaction.

        :returns: those that can be sent; and those that can't because their subscription was
            removed or deactivated meanwhile.
        """
        for recipient in view.changed:
            jobs = self.unsent(recipient)
            if jobs:
                self._waiting[recipient] = jobs
                self._movable[recipient] = None
        ready: list[Job] = []
        returned: list[Job] = []
        # Most of the time the others are as many as before, and no more of theirs is prepared.
        self._movable |= self._lanes.moved()
        lines = {recipient: self._next_of(recipient) for recipient in self._next_movable()}
        taken: Counter[Recipient] = Counter()
        for step, job in enumerate(_in_turns(lines.values())):
            if len(ready) >= PREPARE_LIMIT:
                break
            breathe(step)
            message = job.copy or view.outboxes[job.home]._p_jar.get(job.message)
            (ready if view.recipients.prepare(job, message) else returned).append(job)
            taken[job.recipient] += 1
        # Only now, when nothing can fail any more: what was taken out must not be lost.
        for recipient, jobs in lines.items():
            del self._movable[recipient]
            count = taken[recipient]
            if count < len(jobs):
                self._movable[recipient] = None
            if count:
                del self._waiting[recipient][:count]
                if not self._waiting[recipient]:
                    del self._waiting[recipient]
        for recipient in view.stopped:
            returned += self.unsent(recipient)
        self._movable.update((job.recipient, None) for job in returned)
        return ready, returned


def _in_turns(lines: Iterable[list[Job]]) -> Iterator[Job]:
    """Yield the first job of each line, then the second ones.

    Of many lines, what is sent together is then of few messages, and is recorded cheaply.
    """
    for turn in itertools.zip_longest(*lines):
        yield from (job for job in turn if job is not None)
