"""Writing what a transaction owes to the outbox, in that transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pyramid_webhooks.emit.payloads import render
from pyramid_webhooks.emit.pending import (
    Happened,
    Occurrence,
    PreconditionFailure,
    coalesce,
)
from pyramid_webhooks.emit.requests import request_for
from pyramid_webhooks.outbox.owed import LAST, PRECONDITION
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.segment import OWED_LIMIT, Entry
from pyramid_webhooks.resources.globals import GlobalRecord
from pyramid_webhooks.resources.lineage import is_attached
from pyramid_webhooks.resources.message import Message, Origin, current_pid_and_host

#: (database name, oid of the segment that was added to)
Hint = tuple[str, bytes]


class Made(NamedTuple):
    """What a transaction is going to write.

    :ivar messages: each with the occurrence that it is about, and is owed because of.
    """

    messages: list[tuple[Message, Occurrence]]
    failures: list[PreconditionFailure]


def write(registry: Any, txn: Any, happened: Iterable[Happened]) -> list[Hint]:
    """Write what happened in the transaction ``txn`` to the outbox.

    :returns: where something was added.
    """
    return store(make(registry, txn, happened))


def make(registry: Any, txn: Any, happened: Iterable[Happened]) -> Made:
    """Make the messages of what happened in the transaction ``txn``."""
    happened = list(happened)
    occurrences = coalesce([each for each in happened if isinstance(each, Occurrence)])
    failures = [each for each in happened if isinstance(each, PreconditionFailure)]
    return Made(list(_make_messages(registry, txn, occurrences)), failures)


def store(made: Made) -> list[Hint]:
    """Add an entry to the outbox for each message, in the current transaction.

    :returns: where something was added.
    """
    hints: dict[Hint, None] = {}
    places = Places()
    for message, occurrence in made.messages:
        hints.update(dict.fromkeys(_owe(message, occurrence, places)))
    hints.update(dict.fromkeys(_write_failures(made.failures)))
    return list(hints)


def _make_messages(
    registry: Any, txn: Any, occurrences: Iterable[Occurrence]
) -> Iterator[tuple[Message, Occurrence]]:
    request = request_for(registry)
    for occurrence in occurrences:
        data, errors = occurrence.rendered or render(
            registry, occurrence.obj, occurrence.event, occurrence.recipients, request
        )
        origin = origin_of(txn, occurrence.timestamp)
        message = Message(occurrence.name, occurrence.timestamp, origin, data, errors)
        yield message, occurrence


def _write_failures(failures: Iterable[PreconditionFailure]) -> Iterator[Hint]:
    """Let the recorder count failures: the subscriptions themselves are not written here."""
    counts: dict[tuple[Any, str], Counter[bytes]] = {}
    for failure in failures:
        for recipient in failure.recipients:
            key = (failure.connection, recipient._p_jar.db().database_name)
            counts.setdefault(key, Counter())[recipient._p_oid] += 1
    for (connection, database), counter in counts.items():
        by_count: dict[int, list[bytes]] = {}
        for oid, count in counter.items():
            by_count.setdefault(count, []).append(oid)
        for count, oids in by_count.items():
            yield from _append(connection, None, oids, database, (PRECONDITION, count))


def origin_of(txn: Any, created: float) -> Origin:
    """Where a message is made, in the transaction ``txn`` at the POSIX time ``created``."""
    pid, hostname = current_pid_and_host()
    return Origin(pid, hostname, created, _text(txn.description), _text(txn.user) or None)


def _text(value: Any) -> str:
    text = value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value or '')
    return text.strip()[:500]


def _owe(message: Message, occurrence: Occurrence, places: Places) -> Iterator[Hint]:
    connection = occurrence.connection
    groups: dict[tuple[str, Any], list[bytes]] = {}
    for recipient, _ in occurrence.recipients:
        database = recipient._p_jar.db().database_name
        details = None if places.have(recipient) else (LAST,)
        groups.setdefault((database, details), []).append(recipient._p_oid)
    for (database, details), oids in groups.items():
        yield from _append(connection, message, oids, database, details)


def _append(
    connection: Any, message: Message | None, oids: list[bytes], database: str, details: Any
) -> Iterator[Hint]:
    home = connection.db().database_name
    intake = outbox_of(connection, create=True).intake
    for start in range(0, len(oids), OWED_LIMIT):
        owed = b''.join(oids[start : start + OWED_LIMIT])
        entry = Entry(message, owed, None if database == home else database, details)
        segment = intake.append(entry)
        if segment._p_oid is not None:
            yield home, segment._p_oid


class Places:
    """Which subscriptions the transaction has removed with their folder.

    What it owes them is sent once; without a word it would be dropped as what they were owed
    before.
    """

    def __init__(self) -> None:
        self._attached: dict[int, bool] = {}

    def have(self, recipient: Any) -> bool:
        """Whether the manager of ``recipient`` is in its place; it is looked at once for all."""
        if isinstance(recipient, GlobalRecord):
            return True
        manager = id(recipient.__parent__)
        if manager not in self._attached:
            self._attached[manager] = is_attached(recipient)
        return self._attached[manager]
