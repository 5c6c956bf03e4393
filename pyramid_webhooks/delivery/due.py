"""Reading the schedules: what has become due."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pyramid_webhooks.delivery.breathing import breathe
from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.holding import WINDOW, Holding, View
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lane import Lane
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE, is_there
from pyramid_webhooks.delivery.recorder import partitions_of
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, QueueKey, Recipient

#: By database name and number of a partition: when something is due there next; None for never,
#: and infinity when there is nothing but what is due and had no room.
Looked = dict[tuple[str, int], float | None]

_FULL_SECONDS = 0.1
#: Deliveries that are read in one transaction; the rest is for the next ones.
READ_LIMIT = 2_000
#: Of the deliveries that wait for a time of their own, so many are looked at for the oldest.
_LOOK_AT = 256
#: Every so many attempts of the delivery that is the probe, another one is sent after it.
_ALONE = 4


class DueReader:
    """Takes what is due in this process's partitions into memory.

    :param pause: called with the number of the step in what may take long.
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
        self._next: Looked = {}

    def forget_everything_seen(self) -> None:
        """Read all of the schedules anew."""
        self._next.clear()

    def changed(self, numbers: Iterable[int]) -> None:
        """Something was put into, or taken out of, the schedules of these partitions."""
        changed = set(numbers)
        for key in self._next:
            if key[1] in changed:
                self._next[key] = 0.0

    def recorded(self, jobs: Collection[Job]) -> None:
        """The results of these have been recorded: what was due may have room, or be due again.

        Where nothing has been waiting at all, a success of what was new changes nothing.
        """
        changed = {
            partition_of(job.recipient)
            for job in jobs
            if job.entry is None or not job.outcome.succeeded
        }
        something_waits = {number for (_, number), due in self._next.items() if due is not None}
        self.changed(changed | something_waits.intersection(partitions_of(jobs)))

    def next_due(self) -> float | None:
        """POSIX time at which something becomes due, as far as is known; None for never."""
        return min((due for due in self._next.values() if due is not None), default=None)

    def read(self, view: View) -> Looked:
        """Read what is due and has room in memory.

        :returns: what is to be handed to :meth:`accept` when the transaction is over.
        """
        now = self._clock.now()
        looked: Looked = {}
        for home, outbox in view.outboxes.items():
            for number in self._member.serving:
                due = self._next.get((home, number), 0.0)
                if due is None or due > now:
                    continue
                if len(view.new) >= READ_LIMIT:
                    looked[(home, number)] = 0.0
                    continue
                schedule = outbox.schedules[number]
                recipients = list(schedule.due(now))
                for step, recipient in enumerate(recipients):
                    self._pause(step)
                    self._read_queue(view, home, schedule, recipient, now)
                # What is due but has no room is looked for again when something is recorded.
                due = schedule.next_due(after=now)
                if due is None and recipients:
                    due = math.inf
                full = len(self._holding) >= WINDOW
                looked[(home, number)] = now + _FULL_SECONDS if full else due
        return looked

    def accept(self, looked: Looked) -> None:
        """The transaction of :meth:`read` has been committed, or had nothing to commit."""
        self._next.update(looked)

    def _read_queue(
        self, view: View, home: str, schedule: Any, recipient: Recipient, now: float
    ) -> None:
        if self._holding.is_full(recipient):
            return
        state, obj = view.recipients.find(recipient)
        queue = schedule.queue(recipient)
        if state == INACTIVE:
            view.hold(home, recipient)
            view.touched.add(partition_of(recipient))
            return
        if queue.held:
            if state == ACTIVE:
                schedule.release(recipient)
            else:
                view.drop_queue(home, recipient)
            view.touched.add(partition_of(recipient))
            return
        lane = None if obj is None else self._holding.lane(recipient, obj)
        if lane is not None and not lane.health.is_open and obj.log.health.is_open:
            if self._holding.jobs_of(recipient):
                # The probe has just succeeded. Recording that is what puts everything in order.
                return
            # It was closed by a result that is not recorded: that of a partition that was lost.
            self._holding.relearn(recipient, obj)
        elif lane is not None and lane.health.is_open and not obj.log.health.is_open:
            if self._holding.jobs_of(recipient):
                # It has just failed, and what was put away before does not wait for that yet.
                return
        if lane is not None and lane.health.is_open:
            found = self._probe(view, lane, queue)
            room = len(found)
        else:
            if self._holding.is_full(recipient):
                return
            allowance = 1 if lane is None else self._holding.allowance(lane)
            room = allowance - self._holding.count(recipient)
            # As many again may be in memory already.
            found = list(queue.items(until=now, limit=2 * allowance))
        for key, item in found:
            if room <= 0:
                return
            if (home, key, recipient) in self._holding:
                continue
            if not is_there(item.message, home):
                schedule.remove(recipient, key)
                view.touched.add(partition_of(recipient))
                continue
            job = Job(
                home,
                recipient,
                item.message._p_oid,
                queue_key=key,
                number=item.number,
                tries=item.tries,
                created=item.created,
                due=item.due or key[0] or min(item.created, now),
            )
            if not view.recipients.may_get(job):
                view.drop_queue(home, recipient)
                view.touched.add(partition_of(recipient))
                return
            view.new.append(job)
            room -= 1

    def _probe(self, view: View, lane: Lane, queue: Any) -> list[tuple[QueueKey, Item]]:
        """What is to be sent to see whether the receiver is back: the oldest delivery.

        Should that one be what the receiver does not like, another one is sent after it now and
        then.
        """
        if self._holding.count(lane.recipient):
            return []
        waiting = list(queue.items(until=AT_ONCE, limit=2))
        found = sorted(waiting + queue.later(_LOOK_AT), key=lambda pair: pair[0][1])[:1]
        if found and found[0][1].number % _ALONE == 0:
            found += [pair for pair in waiting if pair != found[0]][:1]
        self._holding.probe(lane, len(found))
        return found
