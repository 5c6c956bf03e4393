"""What all subscriptions together are owed, and which processes send it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from zope.interface import implementer

from pyramid_webhooks.interfaces import IOverview
from pyramid_webhooks.outbox.root import Outbox, outbox_of, outboxes
from pyramid_webhooks.outbox.segment import OID_SIZE

#: Objects that are looked at between two times that memory is freed.
_AT_ONCE = 500


class Backlog(NamedTuple):
    """What is owed.

    :ivar owed: deliveries, those that wait for a retry included.
    :ivar held: how many of them wait until their subscription is activated.
    :ivar oldest: POSIX time since when the oldest of the others is owed; None: there are none.
    """

    owed: int
    held: int
    oldest: float | None


class SendingProcess(NamedTuple):
    """A process that sends.

    :ivar heartbeat: POSIX time of its last sign of life, by its own clock.
    :ivar rate: attempts it records in a second, over about a minute.
    :ivar partitions: numbers of those that it owns.
    """

    id: str
    hostname: str
    pid: int
    heartbeat: float
    rate: float
    partitions: tuple[int, ...]


def backlog_of(connection: Any, limit: int | None = None) -> Backlog:
    """What is owed in all databases that ``connection`` reaches.

    It costs one look at each piece of the intake and each subscription for which something waits,
    not at each delivery; memory stays small.

    :param limit: no more than so many pieces, and so many subscriptions, are looked at.
    """
    owed = held = 0
    oldest: float | None = None
    for _, outbox in outboxes(connection):
        found = itertools.chain(
            itertools.islice(_new(outbox), limit), itertools.islice(_waiting(outbox), limit)
        )
        for number, (count, since, is_held) in enumerate(found):
            owed += count
            if is_held:
                held += count
            elif since is not None and (oldest is None or since < oldest):
                oldest = since
            if number % _AT_ONCE == _AT_ONCE - 1:
                outbox._p_jar.cacheGC()
    return Backlog(owed, held, oldest)


def sending_processes(connection: Any) -> list[SendingProcess]:
    """The processes that send, as far as is known: those that were killed are found out later."""
    outbox = outbox_of(connection)
    if outbox is None:
        return []
    owned: dict[str | None, list[int]] = {}
    for number, partition in enumerate(outbox.partitions):
        owned.setdefault(partition.owner, []).append(number)
    return [
        SendingProcess(
            id,
            record.host.split(' ')[0],
            record.pid,
            record.heartbeat,
            record.rate,
            tuple(owned.get(id, ())),
        )
        for id, record in outbox.processes.items()
    ]


@implementer(IOverview)
class Overview:
    """The same for those who may not know the outbox."""

    backlog = staticmethod(backlog_of)
    processes = staticmethod(sending_processes)


def _new(outbox: Outbox) -> Iterator[tuple[int, float | None, bool]]:
    """(deliveries, since when, False) of each piece of the intake."""
    for segment in outbox.intake.all_segments():
        count, since = 0, None
        for key, entry in segment.items():
            if entry.message is not None:
                count += len(entry.owed) // OID_SIZE
                since = since or int.from_bytes(key[:8], 'big') / 1e9
        yield count, since, False


def _waiting(outbox: Outbox) -> Iterator[tuple[int, float | None, bool]]:
    """(deliveries, since when, whether they are held) of each subscription that waits."""
    for schedule in outbox.schedules:
        for _, queue in schedule.queues():
            first = next(iter(queue.items(limit=1)), None)
            yield queue.count, None if first is None else first[1].created, queue.held
