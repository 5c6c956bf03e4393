"""Preparing a job: reading everything that is needed to send it out of the database."""

from __future__ import annotations

import logging
from typing import Any

from pyramid.registry import Registry
from transaction.interfaces import TransientError
from ZODB.POSException import POSKeyError

from pyramid_webhooks.delivery.failures import describe
from pyramid_webhooks.delivery.jobs import Job, Outgoing, Prepared
from pyramid_webhooks.interfaces import IGlobalManager, ISecretVault, UnreadableSecret
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.resources.globals import GlobalRecord
from pyramid_webhooks.resources.lineage import is_attached
from pyramid_webhooks.settings import Settings

logger = logging.getLogger(__name__)

#: What became of a recipient; a detached one is in a folder that was removed.
GONE, DETACHED, INACTIVE, ACTIVE = 'gone', 'detached', 'inactive', 'active'


class Recipients:
    """Recipients of deliveries, as the database has them in one transaction."""

    def __init__(self, registry: Registry, settings: Settings, connection: Any):
        self._global_manager = registry.getUtility(IGlobalManager)
        self._vault = registry.getUtility(ISecretVault)
        self._settings = settings
        self._connection = connection
        self._found: dict[Recipient, tuple[str, Any]] = {}

    def find(self, recipient: Recipient) -> tuple[str, Any]:
        """Return its state, and the persistent object (None when it is gone)."""
        found = self._found.get(recipient)
        if found is None:
            found = self._found[recipient] = self._load(recipient)
        return found

    def _load(self, recipient: Recipient) -> tuple[str, Any]:
        database, oid = recipient
        if database not in self._connection.db().databases:
            return GONE, None
        try:
            obj = self._connection.get_connection(database).get(oid)
            if obj.removed:
                return GONE, None
        except POSKeyError:
            return GONE, None
        except TransientError:
            raise
        except Exception:
            # One that can't be read (its class is gone, say) must not keep others from theirs.
            logger.exception('The subscription %s can not be read; it gets nothing.', oid.hex())
            return INACTIVE, None
        if isinstance(obj, GlobalRecord):
            if self._definition(obj) is None:
                return GONE, None
        elif not is_attached(obj):
            return DETACHED, obj
        return (ACTIVE if obj.active else INACTIVE), obj

    def may_get(self, job: Job) -> bool:
        """Whether the recipient of ``job`` is there and active.

        One whose folder was removed may still get what that very transaction owed, once.
        """
        state, obj = self.find(job.recipient)
        return state == ACTIVE or state == DETACHED and job.is_last and obj.active

    def definition(self, obj: Any) -> Any:
        """The subscription itself, of which ``obj`` is what the outbox knows."""
        return self._definition(obj) if isinstance(obj, GlobalRecord) else obj

    def name(self, recipient: Recipient) -> str:
        """The id of a subscription, or what is left of one that is gone."""
        database, oid = recipient
        try:
            return self._connection.get_connection(database).get(oid).id
        except Exception:
            return f'with the oid {oid.hex()}'

    def locate(self, obj: Any) -> Any:
        """The subscription itself, with its state and history."""
        if not isinstance(obj, GlobalRecord):
            return obj
        return self._definition(obj).located(self._global_manager, self._connection)

    def _definition(self, record: GlobalRecord) -> Any:
        subscription = self._global_manager.get(record.id)
        if subscription is None or subscription.fingerprint != record.fingerprint:
            return None
        return subscription

    def prepare(self, job: Job, message: Any) -> bool:
        """Set ``job.prepared``; False when its recipient is not there or not active.

        :param message: the one that ``job`` is to send, or a copy.
        """
        if not self.may_get(job):
            return False
        try:
            job.prepared = self._prepare(job, message)
        except TransientError:
            # That of the database is none of the message: it is prepared another time.
            raise
        except Exception as error:
            logger.exception('The message %s could not be prepared.', message.id)
            nothing = Outgoing(message.id, message.event, message.timestamp, '', '', b'')
            problem = f'The request could not be made: {describe(error)}.'
            job.prepared = Prepared(nothing, '', {}, (), problem)
        return True

    def _prepare(self, job: Job, message: Any) -> Prepared:
        _, obj = self.find(job.recipient)
        subscription = self.definition(obj)
        dialect = subscription.dialect
        if dialect is None:
            dialect = self._settings.dialect
        data = message.data(dialect, subscription.id)
        problem, lasting, keys = None, True, ()
        try:
            keys = self._vault.keys_of(subscription)
        except UnreadableSecret as error:
            # Never unsigned; and it may be sent once the key is back.
            problem, lasting = str(error), False
        if data is None:
            lasting = True
            problem = message.error(dialect, subscription.id) or (
                f'The event was stored before the subscription had the dialect {dialect!r}.'
            )
        return Prepared(
            Outgoing(
                message.id,
                message.event,
                message.timestamp,
                subscription.to,
                subscription.id,
                data or b'',
            ),
            dialect,
            subscription.headers,
            keys,
            problem,
            lasting,
        )


def is_there(message: Any, home: str) -> bool:
    """Whether a message is in the database still, as it must be while it is owed."""
    try:
        message._p_activate()
    except POSKeyError:
        logger.error('A message that was owed is not in the database %r any more.', home)
        return False
    return True
