"""Without ZODB: what a transaction owes goes to what is in memory, once it is committed.

The application's transaction does not write to memory itself. While it is being committed it only
makes the messages; a lock of the outbox that it held meanwhile would be held until its databases
have committed, which may wait for those of other transactions.
"""

from __future__ import annotations

import logging
from typing import Any

from pyramid.registry import Registry
from transaction.interfaces import TransientError

from pyramid_webhooks.emit.pending import Happened, PendingEvents, PreconditionFailure
from pyramid_webhooks.emit.requests import current_request
from pyramid_webhooks.emit.writing import Added, Made, make, store
from pyramid_webhooks.interfaces import IDeliveryEngine, IGlobalManager
from pyramid_webhooks.registries import transaction_manager_of
from pyramid_webhooks.resources.globals import GlobalSubscription, ensure_record

logger = logging.getLogger(__name__)

_TRIES = 20
#: So many times the limit: then the engine can't keep up, and nothing more is taken.
_UTMOST = 2


class InMemory:
    """What stands for the connection where there is none: recipients are the subscriptions as the
    configuration defines them, whose records are looked up when the transaction is over.
    """

    def __init__(self, registry: Registry, memory: Any):
        self._registry = registry
        self._memory = memory

    @property
    def transaction_manager(self) -> Any:
        """That of the current request, or else of the current thread."""
        return transaction_manager_of(current_request(self._registry))

    def pending(self, txn: Any) -> PendingInMemory:
        """What ``txn`` is going to owe."""
        registry = self._registry
        return PendingInMemory(txn, lambda happened: [make(registry, txn, happened)], self._commit)

    def recipient(self, subscription: Any) -> Any:
        """What is owed to: a global subscription itself. None for others, which gets logged."""
        if isinstance(subscription, GlobalSubscription):
            return self._registry.getUtility(IGlobalManager)[subscription.id]
        logger.error('%r gets nothing: there is no database to owe it in.', subscription)
        return None

    def _commit(self, made: list[Made]) -> None:
        added: list[Added] = []
        for each in made:
            try:
                added += self._hand_over(each)
            except Exception:
                names = ', '.join(message.id for message, _ in each.messages)
                logger.exception('Nothing is sent of what was committed: %s.', names)
        engine = self._registry.queryUtility(IDeliveryEngine)
        if engine is not None:
            engine.wake({(home, segment) for home, segment, _ in added})

    def _hand_over(self, made: Made) -> list[Added]:
        if self._is_full():
            self._refuse(made)
            return []
        for attempt in range(_TRIES):
            with self._memory.session() as connection:
                added = store(_stored(made, connection))
                try:
                    connection.transaction_manager.commit()
                except TransientError:
                    if attempt + 1 == _TRIES:
                        raise
                else:
                    return added
        raise AssertionError

    def _is_full(self) -> bool:
        memory = self._memory
        size = memory.size()
        full = size > _UTMOST * memory.limit
        with memory.lock:
            begins = full and not memory.refusing
            memory.refusing = full or (memory.refusing and size > memory.limit)
        if begins:
            logger.error(
                'Deliveries are dropped: more is owed than can be sent or kept in memory. See the '
                'setting webhooks.memory_limit, which is %d bytes.',
                memory.limit,
            )
        return full

    def _refuse(self, made: Made) -> None:
        with self._memory.session() as connection:
            for message, occurrence in made.messages:
                for subscription, _ in occurrence.recipients:
                    record = ensure_record(connection, subscription)
                    if record.active:
                        self._memory.refused.append((message.id, record._p_oid))


class PendingInMemory(PendingEvents):
    """The events of one transaction, of which nothing is written before it is committed.

    The messages are made when all data managers have begun to commit, so that objects have what
    their database gives them then, and none has ended.
    """

    _made = False

    def add(self, happened: Happened) -> None:
        """Owe an occurrence, or count a failure."""
        late = self._made
        if not (self._joined or late):
            try:
                self._txn.join(self)
                self._joined = True
            except ValueError:
                # It is being committed: the event was fired by another data manager.
                late = True
        self._happened.append(happened)
        if late:
            self._make()

    def tpc_begin(self, txn: Any) -> None:
        """Others may still have to tell their databases what there is."""

    def commit(self, txn: Any) -> None:
        """Make the messages; doing so may fire further events."""
        while self._happened:
            self._make()
        self._made = True

    def _make(self) -> None:
        happened, self._happened = self._happened, []
        if not self._goes_on_without_end(happened):
            self._added += self._write(happened)
            self._listen()


def _stored(made: Made, connection: Any) -> Made:
    """The same with the records of the subscriptions, of those that are active."""
    messages = []
    for message, occurrence in made.messages:
        found = [(ensure_record(connection, each), name) for each, name in occurrence.recipients]
        recipients = [pair for pair in found if pair[0].active]
        if recipients:
            messages.append((message, occurrence.for_recipients(connection, recipients)))
    failures = [
        PreconditionFailure(
            connection, [ensure_record(connection, each) for each in failure.recipients]
        )
        for failure in made.failures
    ]
    return Made(messages, failures)
