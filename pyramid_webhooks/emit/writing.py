"""Writing what a transaction owes to the outbox, in that transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks.emit.payloads import render
from pyramid_webhooks.emit.pending import Occurrence
from pyramid_webhooks.emit.requests import request_for
from pyramid_webhooks.outbox.owed import LAST
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.segment import OWED_LIMIT, Entry
from pyramid_webhooks.resources.finding import is_attached
from pyramid_webhooks.resources.globals import GlobalRecord
from pyramid_webhooks.resources.message import Message, Origin, current_pid_and_host

#: (database name, oid of the segment that was added to)
Hint = tuple[str, bytes]


def write_occurrences(registry: Any, txn: Any, occurrences: Iterable[Occurrence]) -> list[Hint]:
    """Make the messages, and an entry of the outbox for each.

    :returns: where something was added.
    """
    request = request_for(registry)
    pid, hostname = current_pid_and_host()
    hints: dict[Hint, None] = {}
    for occurrence in occurrences:
        dialects = dict.fromkeys(dialect for _, dialect in occurrence.recipients)
        data, errors = occurrence.rendered or render(
            registry, occurrence.obj, occurrence.event, dialects, request
        )
        origin = Origin(
            pid, hostname, occurrence.timestamp, _text(txn.description), _text(txn.user) or None
        )
        message = Message(occurrence.name, occurrence.timestamp, origin, data, errors)
        for hint in _owe(message, occurrence):
            hints[hint] = None
    return list(hints)


def _text(value: Any) -> str:
    text = value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value or '')
    return text.strip()[:500]


def _owe(message: Message, occurrence: Occurrence) -> Iterable[Hint]:
    connection = occurrence.connection
    home = connection.db().database_name
    intake = outbox_of(connection, create=True).intake
    removal = IObjectRemovedEvent.providedBy(occurrence.event)
    groups: dict[tuple[str | None, Any], list[bytes]] = {}
    for recipient, _ in occurrence.recipients:
        database = recipient._p_jar.db().database_name
        details = (LAST,) if removal and not _is_attached(recipient) else None
        group = (None if database == home else database, details)
        groups.setdefault(group, []).append(recipient._p_oid)
    for (database, details), oids in groups.items():
        for start in range(0, len(oids), OWED_LIMIT):
            owed = b''.join(oids[start : start + OWED_LIMIT])
            entry = Entry(message, owed, database, details)
            segment = intake.append(entry)
            if segment._p_oid is not None:
                yield home, segment._p_oid


def _is_attached(recipient: Any) -> bool:
    return isinstance(recipient, GlobalRecord) or is_attached(recipient)
