"""What the current transaction will owe when it commits: a savepoint-aware data manager."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import transaction.interfaces
from zope.interface import implementer
from zope.lifecycleevent.interfaces import IObjectAddedEvent, IObjectRemovedEvent

logger = logging.getLogger(__name__)

#: How often events that are fired while payloads are made may lead to further payloads.
_ROUNDS = 20
#: How often it lets the hooks of others go first; they may want to be the last ones, too.
_PATIENCE = 20


class Occurrence:
    """One event that is owed to somebody.

    :ivar recipients: (persistent recipient, dialect) of each subscription that gets it.
    :ivar refused: the persistent recipients that match but may not get it.
    :ivar rendered: (bytes by dialect, errors by dialect), or None: to be made at commit.
    :ivar coalescible: whether a later event of the same type on the object replaces it.
    """

    __slots__ = (
        'coalescible',
        'connection',
        'event',
        'name',
        'obj',
        'recipients',
        'refused',
        'rendered',
        'timestamp',
    )

    def __init__(
        self,
        name: str,
        obj: Any,
        event: Any,
        connection: Any,
        recipients: Sequence[tuple[Any, str]],
        timestamp: float,
        rendered: Any = None,
        coalescible: bool = False,
        refused: Sequence[Any] = (),
    ):
        self.name = name
        self.obj = obj
        self.event = event
        self.connection = connection
        self.recipients = recipients
        self.timestamp = timestamp
        self.rendered = rendered
        self.coalescible = coalescible
        self.refused = refused

    def for_recipients(self, connection: Any, recipients: Sequence[tuple[Any, str]]) -> Occurrence:
        """The same, owed to these by the database of ``connection``."""
        return Occurrence(
            self.name, self.obj, self.event, connection, recipients, self.timestamp, self.rendered
        )


class PreconditionFailure(NamedTuple):
    """An event that some would have got, if somebody had known their owner."""

    connection: Any
    recipients: Sequence[Any]


#: What a transaction may have to write.
Happened = Occurrence | PreconditionFailure


@implementer(transaction.interfaces.ISavepointDataManager)
class PendingEvents:
    """The events of one transaction that are owed to somebody.

    It writes them to the outbox in a before-commit hook that runs after all others, because what
    is written later would not be stored; it is a data manager only to hear of savepoints and
    aborts, and to write what hooks have left when one of them failed and the transaction was
    committed all the same.

    :param write: callable (what happened) that writes to the outbox, and returns what it added.
    :param committed: callable (what was added) that is told when that has been committed.
    """

    def __init__(
        self,
        txn: Any,
        write: Callable[[list[Happened]], list[Any]],
        committed: Callable[[list[Any]], None],
    ):
        self._txn = txn
        self.transaction_manager = txn._manager if hasattr(txn, '_manager') else None
        self._write = write
        self._committed = committed
        self._happened: list[Happened] = []
        self._seen: dict[int, Any] = {}
        self._joined = False
        self._hooked = False
        self._listening = False
        self._added: list[Any] = []
        self._rounds = 0
        self._patience = _PATIENCE

    def add(self, happened: Happened) -> None:
        """Owe an occurrence, or count a failure."""
        if not self._joined:
            self._txn.join(self)
            self._joined = True
        if not self._hooked:
            self._txn.addBeforeCommitHook(self._before_commit)
            self._hooked = True
        self._happened.append(happened)

    def owes_anything(self) -> bool:
        """Whether anything is owed yet."""
        return any(isinstance(each, Occurrence) for each in self._happened)

    def is_new(self, event: Any) -> bool:
        """Whether ``event`` is met for the first time; it may be fired in more than one way."""
        if id(event) in self._seen:
            return False
        self._seen[id(event)] = event
        return True

    def _before_commit(self) -> None:
        hooks = [hook for hook, _, _ in self._txn.getBeforeCommitHooks()]
        if hooks and hooks[-1] != self._before_commit and self._patience:
            # Hooks of others, that may fire events, come after this one: let them go first.
            self._patience -= 1
            self._txn.addBeforeCommitHook(self._before_commit)
            return
        self._hooked = False
        self._write_all()

    def _write_all(self) -> None:
        happened, self._happened = self._happened, []
        if not happened:
            return
        if self._goes_on_without_end(happened):
            return
        try:
            self._added += self._write(happened)
        except BaseException:
            # The transaction must not be committed without what it owes; nobody else would stop
            # a second commit, which would not run this hook again.
            self._txn.doom()
            raise
        self._listen()

    def _goes_on_without_end(self, happened: list[Happened]) -> bool:
        self._rounds += 1
        if self._rounds > _ROUNDS:
            logger.error(
                'Making payloads fires events without end: they are owed to nobody, the first '
                'of them being %r.',
                happened[0],
            )
        return self._rounds > _ROUNDS

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            self._txn.addAfterCommitHook(self._after_commit)

    def _after_commit(self, success: bool) -> None:
        if success:
            self._committed(self._added)

    # ISavepointDataManager

    def savepoint(self) -> Savepoint:
        """Remember what is owed now."""
        return Savepoint(self, len(self._happened), dict(self._seen))

    def roll_back(self, length: int, seen: dict[int, Any]) -> None:
        """Owe what was owed at a savepoint."""
        del self._happened[length:]
        self._seen = seen

    def abort(self, txn: Any) -> None:
        """Owe nothing. Also called for a savepoint that is older than the first event."""
        self._happened.clear()
        self._seen.clear()
        self._joined = False

    def tpc_begin(self, txn: Any) -> None:
        """Write what was not written because a hook failed, or that came after all hooks.

        No storage has been given anything yet. Where that is too late, the commit fails.
        """
        self._write_all()

    def commit(self, txn: Any) -> None:
        """Everything has been written already."""

    def tpc_vote(self, txn: Any) -> None:
        """Everything has been written already."""

    def tpc_finish(self, txn: Any) -> None:
        """Forget everything."""
        self._happened.clear()
        self._seen.clear()

    def tpc_abort(self, txn: Any) -> None:
        """Forget everything."""
        self.abort(txn)

    def sortKey(self) -> str:
        """First: see :meth:`tpc_begin`."""
        return ' pyramid_webhooks'


@implementer(transaction.interfaces.IDataManagerSavepoint)
class Savepoint:
    """What was owed at a savepoint."""

    def __init__(self, pending: PendingEvents, length: int, seen: dict[int, Any]):
        self._pending = pending
        self._length = length
        self._seen = seen

    def rollback(self) -> None:
        """Owe no more than that."""
        self._pending.roll_back(self._length, dict(self._seen))


def coalesce(occurrences: list[Occurrence]) -> list[Occurrence]:
    """Keep the last of several events of one type on one object; the order is that of the last.

    The last verdict on each subscription counts. Nothing is kept of what happened to a new object
    before it was removed.
    """
    if len(occurrences) == 1 and not IObjectRemovedEvent.providedBy(occurrences[0].event):
        # As in most transactions: there is nothing that it could replace, or be dropped with.
        return occurrences if occurrences[0].recipients else []
    kept: dict[int, Occurrence] = {}
    numbers: dict[int, dict[str, list[int]]] = {}
    added: set[int] = set()
    for number, occurrence in enumerate(occurrences):
        if occurrence.coalescible:
            identity = id(occurrence.obj)
            if IObjectAddedEvent.providedBy(occurrence.event):
                added.add(identity)
            elif IObjectRemovedEvent.providedBy(occurrence.event):
                if is_new(occurrence.obj, identity in added):
                    for each in numbers.pop(identity, {}).values():
                        for earlier in each:
                            del kept[earlier]
                    continue
            of_object = numbers.setdefault(identity, {})
            still_needed = []
            for earlier in of_object.get(occurrence.name, ()):
                if _inherit(occurrence, kept[earlier]):
                    del kept[earlier]
                else:
                    still_needed.append(earlier)
            of_object[occurrence.name] = [*still_needed, number]
        kept[number] = occurrence
    return [occurrence for occurrence in kept.values() if occurrence.recipients]


def _inherit(occurrence: Occurrence, earlier: Occurrence) -> bool:
    """Keep who was to get the earlier event, unless the later one was judged for it too.

    :returns: False when the earlier one is still needed, because payloads were made already.
    """
    judged = {id(recipient) for recipient, _ in occurrence.recipients}
    judged.update(map(id, occurrence.refused))
    kept = [pair for pair in earlier.recipients if id(pair[0]) not in judged]
    if not kept or occurrence.rendered is None:
        occurrence.recipients = [*occurrence.recipients, *kept]
        return True
    earlier.recipients = kept
    return False


def is_new(obj: Any, added: bool) -> bool:
    """Whether no committed transaction has stored ``obj``.

    :param added: whether it was added in this transaction, which decides about objects that are
        not persistent.
    """
    if getattr(obj, '_p_jar', None) is not None:
        obj._p_activate()
    serial = getattr(obj, '_p_serial', None)
    return added if serial is None else serial == b'\0' * 8
