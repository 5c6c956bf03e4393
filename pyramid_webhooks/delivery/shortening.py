"""Without ZODB: keeping what is in memory within its limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pyramid_webhooks.delivery.holding import Dropped, Holding, View
from pyramid_webhooks.outbox.owed import count_owed, recipient_key
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.resources.globals import records_of

logger = logging.getLogger(__name__)

FULL = 'There was no room for it in memory: see the setting webhooks.memory_limit.'
#: What waits for a receiver that fails counts as if it took so many times the memory.
_FAILING = 8
#: More goes than has to: an eighth of the limit is free then.
_KEPT = 7 / 8
#: Where nothing can be shortened it is tried again after so many seconds, and weighing takes no
#: more than one part in so many of the time.
_PATIENCE = 0.25
_REST = 10


class Part(NamedTuple):
    """Something that takes memory, and how to make it take less.

    :ivar weight: bytes, or a multiple of them for what is to go first.
    :ivar shorten: callable (bytes that are to be free); returns whether anything was left out.
    """

    weight: int
    shorten: Callable[[float], bool]


class Shortener:
    """Shortens what takes the most memory: the queue of a subscription, or its history.

    So a receiver that is dead loses the oldest of what waits for it, and others lose nothing
    unless they are far behind themselves.

    :param memory: None where the application has a ZODB; then there is nothing to be done.
    """

    def __init__(self, memory: Any, holding: Holding):
        self._memory = memory
        self._holding = holding
        self._weigh_at = 0.0

    def refused(self) -> list[Dropped]:
        """What was not even taken into memory since the last time."""
        refused = [] if self._memory is None else self._memory.refused
        found = []
        while refused:
            message_id, oid = refused.popleft()
            found.append(Dropped(message_id, ('', oid), FULL))
        return found

    def is_due(self) -> bool:
        """Whether it has to be found out if something must be shortened."""
        memory = self._memory
        if memory is None or memory.size() <= memory.limit:
            return False
        return time.monotonic() >= self._weigh_at

    def shorten(self, view: View) -> None:
        """Where the limit is exceeded, shorten something in the current transaction."""
        if not self.is_due():
            return
        started = time.monotonic()
        connection = view.outboxes['']._p_jar
        self._weigh_at = 0.0
        # What is not reached from the root goes by itself, when nobody looks at it any more.
        weight = self._memory.weigh(connection.root())
        if weight > self._memory.limit:
            surplus = weight - self._memory.limit * _KEPT
            parts = sorted(self._parts(view, connection), key=lambda part: -part.weight)
            if any(part.shorten(surplus) for part in parts):
                return
        now = time.monotonic()
        self._weigh_at = now + max(_PATIENCE, _REST * (now - started))

    def tell_what_is_lost(self, connection: Any) -> None:
        """Log how much is owed in memory only."""
        count = 0 if self._memory is None else count_owed(connection)
        if count:
            logger.warning(
                '%d deliveries are owed in memory only: they are lost when this process ends.',
                count,
            )

    def _parts(self, view: View, connection: Any) -> Iterator[Part]:
        weigh = self._memory.weigh
        for schedule in view.outboxes[''].schedules:
            for recipient, queue in schedule.queues():
                _, obj = view.recipients.find(recipient)
                failing = obj is not None and obj.log.failures_in_row
                weight = weigh(queue) * (_FAILING if failing else 1)
                yield Part(weight, self._shortener_of_queue(view, recipient, queue))
        for record in records_of(connection):
            yield Part(weigh(record.log), self._shortener_of_log(view, record))

    def _shortener_of_queue(self, view: View, recipient: Recipient, queue: Any) -> Any:
        def shorten(surplus: float) -> bool:
            schedule = view.schedule_of('', recipient)
            # Those in memory are on their way to be sent.
            waiting = [
                (key, item)
                for key, item in queue.items()
                if ('', key, recipient) not in self._holding
            ]
            for key, item in waiting:
                if surplus <= 0:
                    break
                surplus -= self._memory.weigh(item.message)
                schedule.remove(recipient, key)
                view.drop(item.message.id, recipient, FULL)
            view.touched.add(partition_of(recipient))
            return bool(waiting)

        return shorten

    @staticmethod
    def _shortener_of_log(view: View, record: Any) -> Any:
        def shorten(surplus: float) -> bool:
            view.touched.add(partition_of(recipient_key(record)))
            shortened: bool = record.log.shorten()
            if shortened:
                logger.warning(
                    'The history of the subscription %s is shortened: there is no room for it in '
                    'memory. See the setting webhooks.memory_limit.',
                    record.id,
                )
            return shortened

        return shorten
