"""Reading the schedules: what has become due."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.intake import is_there
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.preparing import INACTIVE
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient

_FULL_SECONDS = 0.1


class DueReader:
    """Takes what is due in this process's partitions into memory."""

    def __init__(self, holding: Holding, member: Member):
        self._holding = holding
        self._member = member
        self._next: dict[tuple[str, int], float | None] = {}

    def forget_everything_seen(self) -> None:
        """Read all of the schedules anew."""
        self._next.clear()

    def changed(self, numbers: Iterable[int]) -> None:
        """Something was put into, or taken out of, the schedules of these partitions."""
        changed = set(numbers)
        for key in [key for key in self._next if key[1] in changed]:
            del self._next[key]

    def next_due(self) -> float | None:
        """POSIX time at which something becomes due, as far as is known; None for never."""
        return min((due for due in self._next.values() if due is not None), default=None)

    def read(self, view: View) -> None:
        """Read what is due and has room in memory."""
        now = time.time()
        for home, outbox in view.outboxes.items():
            for number in self._member.owned:
                due = self._next.get((home, number), 0.0)
                if due is None or due > now:
                    continue
                schedule = outbox.schedules[number]
                for recipient in list(schedule.due(now)):
                    self._read_queue(view, home, schedule, recipient, now)
                # What is due but has no room is looked for again when something is recorded.
                due = schedule.next_due(after=now)
                self._next[(home, number)] = (
                    now + _FULL_SECONDS if self._holding.is_full() else due
                )

    def _read_queue(
        self, view: View, home: str, schedule: Any, recipient: Recipient, now: float
    ) -> None:
        state, _ = view.recipients.find(recipient)
        if state == INACTIVE:
            schedule.hold(recipient)
            view.touched.add(partition_of(recipient))
            return
        allowance = self._holding.allowance(recipient)
        room = allowance - self._holding.count(recipient)
        if room <= allowance // 2 or self._holding.is_full():
            return
        for key, item in list(schedule.queue(recipient).items(until=now, limit=allowance * 2)):
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
                due=key[0] or item.created,
            )
            if not view.recipients.may_get(job):
                view.drop_queue(home, recipient)
                view.touched.add(partition_of(recipient))
                return
            view.new.append(job)
            room -= 1
