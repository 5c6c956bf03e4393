"""What one subscription is still owed, and telling the engine about it through the outbox."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import transaction
from pyramid.registry import Registry
from zope.interface import implementer

from pyramid_webhooks.interfaces import IDeliveryEngine, IOwedDeliveries
from pyramid_webhooks.outbox.recovery import Recovery, Span, recoverable
from pyramid_webhooks.outbox.root import Outbox, outbox_of, outboxes
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, Queue, QueueKey, Recipient
from pyramid_webhooks.outbox.segment import OID_SIZE, Entry
from pyramid_webhooks.registries import outbox_databases_of

ACTIVATED = 'activated'
DEACTIVATED = 'deactivated'
REMOVED = 'removed'
#: Where or how it is sent to, or its secret.
CHANGED = 'changed'
RESEND = 'resend'
#: What failed between two POSIX times is to be sent again.
RECOVER = 'recover'
#: The folder of the subscriptions was removed in the same transaction: one attempt is made.
LAST = 'last'
#: So many events were not owed because nobody knew the owner of the subscription.
PRECONDITION = 'precondition'
#: Segments of an intake that are looked at where less than the whole truth is better than waiting.
SCAN_LIMIT = 1_000


class Owed(NamedTuple):
    """A pending attempt in plain values. Times are POSIX times."""

    message: Any
    number: int
    created: float
    due: float


@implementer(IOwedDeliveries)
class OwedDeliveries:
    """Reads and writes the outboxes of one application."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def pending(self, subscription: Any) -> Iterator[Any]:
        """Yield the pending attempts of ``subscription``, oldest first."""
        recipient = subscription.recipient
        if not is_stored(recipient):
            return iter(())
        runs: list[Iterable[Owed]] = []
        for home, outbox in outboxes(recipient._p_jar):
            runs.append(sorted(_in_intake(home, outbox, recipient), key=_created))
            waiting, retries = _in_schedule(outbox, recipient_key(recipient))
            runs.append(waiting)
            runs.append(sorted(retries, key=_created))
        return heapq.merge(*runs, key=_created)

    def anything_due(self) -> bool:
        """Whether anything is owed that is due now, and not held."""
        database = outbox_databases_of(self._registry)['']
        manager = transaction.TransactionManager()
        connection = database.open(transaction_manager=manager)
        try:
            return anything_due(connection, time.time())
        finally:
            manager.abort()
            connection.close()

    def tell(self, subscription: Any, command: str) -> None:
        """Let the engine know that ``subscription`` was changed, once this is committed."""
        recipient = subscription.recipient
        if not is_stored(recipient):
            return
        self._append(recipient._p_jar, Entry(None, recipient._p_oid, None, (command,)))

    def count(self, subscription: Any) -> int:
        """How many deliveries ``subscription`` is owed.

        What a very long backlog has in the intake, before an engine has read it, is not counted.
        """
        recipient = subscription.recipient
        if not is_stored(recipient):
            return 0
        total = 0
        for home, outbox in outboxes(recipient._p_jar):
            queue = queue_of(outbox, recipient)
            entries = entries_of(home, outbox, recipient, SCAN_LIMIT)
            total += sum(1 for entry in entries if entry.message is not None)
            total += 0 if queue is None else queue.count
        return total

    def owe(self, subscription: Any, message: Any) -> Any:
        """Owe a new ``message`` to ``subscription``, in the current transaction.

        :returns: plain values of the pending attempt.
        """
        recipient = subscription.recipient
        self._append(recipient._p_jar, Entry(message, recipient._p_oid))
        return Owed(message, 1, message.timestamp, message.timestamp)

    def recover(self, subscription: Any, since: float) -> Recovery:
        """Let the engine send again what failed, in order, each on a new schedule.

        :param since: POSIX time.
        :returns: how many deliveries those are.
        """
        recipient = subscription.recipient
        # What has failed by the clock of the process that sends may be in the future here.
        span = Span(since, max(time.time(), subscription.log.last_failure or 0.0))
        queues: list[Queue] = []
        under_way: list[Span] = []
        owed: set[Any] = set()
        for home, outbox in outboxes(recipient._p_jar):
            queue = queue_of(outbox, recipient)
            queues += () if queue is None else (queue,)
            for entry in entries_of(home, outbox, recipient, SCAN_LIMIT):
                if entry.message is not None:
                    owed.add(entry.message)
                elif entry.details[0] == RECOVER:
                    under_way.append(Span._make(entry.details[1:]))
        recovery = recoverable(subscription.log, queues, span, under_way, owed)
        if recovery.count:
            command = Entry(None, recipient._p_oid, None, (RECOVER, *span))
            self._append(recipient._p_jar, command)
        return recovery

    def resend(self, attempt: Any) -> Any:
        """Owe the message of a resolved ``attempt`` again, now and on a new schedule.

        A later attempt that is waiting already is brought forward.

        :returns: the new pending attempt in plain values.
        :raises ValueError: when the message is due already.
        """
        subscription = attempt.subscription
        message = attempt.record.message
        now = time.time()
        number = 1
        for each in subscription.attempts.iterate():
            if each.record.message is message:
                if each.pending() and each.record.due <= now:
                    raise ValueError(f'The message {message.id} is already waiting to be sent.')
                number = max(number, each.number if each.pending() else each.number + 1)
        # It goes where it was owed before: a message is owed by the database that it is in.
        home = message._p_jar
        database, oid = recipient_key(subscription.recipient)
        elsewhere = None if database == home.db().database_name else database
        self._append(home, Entry(message, oid, elsewhere, (RESEND, number, now)))
        return Owed(message, number, now, now)

    def _append(self, connection: Any, entry: Entry) -> None:
        segment = outbox_of(connection, create=True).intake.append(entry)
        engine = self._registry.queryUtility(IDeliveryEngine)
        if engine is not None:
            home = connection.db().database_name

            def wake(success: bool) -> None:
                # The application may have rolled it back to a savepoint.
                stored = segment._p_oid is not None
                if success:
                    engine.wake([(home, segment._p_oid)] if stored else ())

            connection.transaction_manager.get().addAfterCommitHook(wake)


def recipient_key(recipient: Any) -> Recipient:
    """How schedules name a recipient."""
    return recipient._p_jar.db().database_name, recipient._p_oid


def is_stored(recipient: Any) -> bool:
    """Whether a recipient is in a database, be it since the current transaction."""
    return recipient is not None and recipient._p_jar is not None and recipient._p_oid is not None


def queue_of(outbox: Outbox, recipient: Any) -> Queue | None:
    """What waits in ``outbox`` for a recipient, or None."""
    key = recipient_key(recipient)
    return outbox.schedule_of(key).queue(key)


def entries_of(
    home: str, outbox: Outbox, recipient: Any, limit: int | None = None
) -> Iterator[Entry]:
    """Yield what is in the intake for a recipient, in no order: messages and commands.

    :param home: name of the database of ``outbox``.
    :param limit: no more segments than so many are looked at.
    """
    database, oid = recipient_key(recipient)
    for segment in itertools.islice(outbox.intake.all_segments(), limit):
        for _, entry in segment.items():
            at = entry.owed.find(oid)
            while at > 0 and at % OID_SIZE:
                at = entry.owed.find(oid, at + 1)
            if at >= 0 and entry.database_in(home) == database:
                yield entry


def _created(owed: Owed) -> float:
    return owed.created


def _in_intake(home: str, outbox: Outbox, recipient: Any) -> Iterator[Owed]:
    for entry in entries_of(home, outbox, recipient):
        if entry.message is not None:
            number, created = first_attempt(entry)
            yield Owed(entry.message, number, created, created)


def first_attempt(entry: Entry) -> tuple[int, float]:
    """The number of the attempt that ``entry`` owes, and since when, as a POSIX time."""
    if entry.details is not None and entry.details[0] == RESEND:
        return entry.details[1:]
    return 1, entry.message.timestamp


def _in_schedule(outbox: Outbox, recipient: Recipient) -> tuple[Iterable[Owed], Iterable[Owed]]:
    queue = outbox.schedule_of(recipient).queue(recipient)
    if queue is None:
        return (), ()
    # What was tried before has its place by the age of its message, not by that of the attempt.
    in_turn = (pair for pair in queue.items(until=AT_ONCE) if pair[1].number == 1)
    later = (pair for pair in queue.items() if pair[0][0] > AT_ONCE or pair[1].number > 1)
    return map(_scheduled, in_turn), map(_scheduled, later)


def _scheduled(pair: tuple[QueueKey, Item]) -> Owed:
    (due, _), item = pair
    return Owed(item.message, item.number, item.created, item.due or due or item.created)


def count_owed(connection: Any) -> int:
    """How many deliveries are owed, due or not."""
    count = 0
    for _, outbox in outboxes(connection):
        for segment in outbox.intake.all_segments():
            count += sum(len(entry.oids()) for _, entry in segment.items() if entry.message)
        for schedule in outbox.schedules:
            count += sum(queue.count for _, queue in schedule.queues())
    return count


def anything_due(connection: Any, now: float) -> bool:
    """Whether anything is owed that is due: in an intake, or in a schedule and not held."""
    for _, outbox in outboxes(connection):
        if any(len(segment) for segment in outbox.intake.all_segments()):
            return True
        for schedule in outbox.schedules:
            due = schedule.next_due()
            if due is not None and due <= now:
                return True
    return False
