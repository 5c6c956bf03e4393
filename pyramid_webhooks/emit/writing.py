"""Writing what a transaction owes to the outbox, in that transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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


class Added(NamedTuple):
    """An entry that was added to the outbox.

    :ivar home: name of the database.
    :ivar segment: oid of the segment.
    :ivar message: that it owes; None for a command.
    """

    home: str
    segment: bytes
    message: Message | None


#: (name of a database, details of an entry)
Place = tuple[str, tuple[str] | None]


class Made(NamedTuple):
    """What a transaction is going to write.

    :ivar messages: each with the occurrence that it is about, and is owed because of.
    """

    messages: list[tuple[Message, Occurrence]]
    failures: list[PreconditionFailure]


def write(registry: Any, txn: Any, happened: Sequence[Happened]) -> list[Added]:
    """Write what happened in the transaction ``txn`` to the outbox.

    :returns: what was added.
    """
    return store(make(registry, txn, happened))


def make(registry: Any, txn: Any, happened: Sequence[Happened]) -> Made:
    """Make the messages of what happened in the transaction ``txn``."""
    occurrences = coalesce([each for each in happened if isinstance(each, Occurrence)])
    failures = [each for each in happened if isinstance(each, PreconditionFailure)]
    request = request_for(registry)
    messages = [(_message(registry, txn, each, request), each) for each in occurrences]
    return Made(messages, failures)


def store(made: Made) -> list[Added]:
    """Add an entry to the outbox for each message, in the current transaction.

    :returns: what was added.
    """
    added: list[Added] = []
    places = Places()
    for message, occurrence in made.messages:
        added += _owe(message, occurrence, places)
    if made.failures:
        added += _write_failures(made.failures)
    return added


def tell(engine: Any, added: Iterable[Added]) -> None:
    """Let the engine know of what was added, now that it is committed."""
    hints = {(home, segment) for home, segment, _ in added}
    messages = {id(each.message): each.message for each in added if each.message is not None}
    engine.wake(hints, messages.values())


def _message(registry: Any, txn: Any, occurrence: Occurrence, request: Any) -> Message:
    data, errors = occurrence.rendered or render(
        registry, occurrence.obj, occurrence.event, occurrence.recipients, request
    )
    origin = origin_of(txn, occurrence.timestamp)
    return Message(occurrence.name, occurrence.timestamp, origin, data, errors)


def _write_failures(failures: Iterable[PreconditionFailure]) -> Iterator[Added]:
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
    if not value:
        return ''
    text = value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)
    return text.strip()[:500]


def _owe(message: Message, occurrence: Occurrence, places: Places) -> Iterator[Added]:
    groups: dict[tuple[str, Any], list[bytes]] = {}
    for recipient, _ in occurrence.recipients:
        groups.setdefault(places.of(recipient), []).append(recipient._p_oid)
    for (database, details), oids in groups.items():
        yield from _append(occurrence.connection, message, oids, database, details)


def _append(
    connection: Any, message: Message | None, oids: list[bytes], database: str, details: Any
) -> Iterator[Added]:
    home = connection.db().database_name
    intake = outbox_of(connection, create=True).intake
    for start in range(0, len(oids), OWED_LIMIT):
        owed = b''.join(oids[start : start + OWED_LIMIT])
        entry = Entry(message, owed, None if database == home else database, details)
        segment = intake.append(entry)
        if segment._p_oid is not None:
            yield Added(home, segment._p_oid, message)


class Places:
    """Where recipients are, and which of them the transaction has removed with their folder.

    What it owes those is sent once; without a word it would be dropped as what they were owed
    before.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Place] = {}
        self._last: tuple[Any, Any, Place | None] = (None, None, None)

    def of(self, recipient: Any) -> Place:
        """The name of the database of ``recipient``, and the details of an entry for it.

        It is found out once for all subscriptions of a manager.
        """
        jar = recipient._p_jar
        manager = None if isinstance(recipient, GlobalRecord) else recipient.__parent__
        last_jar, last_manager, place = self._last
        if place is None or jar is not last_jar or manager is not last_manager:
            key = (id(jar), id(manager))
            place = self._known.get(key)
            if place is None:
                details = None if manager is None or is_attached(recipient) else (LAST,)
                place = self._known[key] = (jar.db().database_name, details)
            self._last = (jar, manager, place)
        return place
