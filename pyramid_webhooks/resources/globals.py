"""Subscriptions that the configuration defines, and what is kept of them in the database."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from pyramid_webhooks.database_root import kept_in_root
from pyramid_webhooks.events import SubscriptionActivated, SubscriptionDeactivated
from pyramid_webhooks.interfaces import (
    MANAGER_NAME,
    IGlobalManager,
    IOwedDeliveries,
    ISubscription,
)
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.arguments import Wanted
from pyramid_webhooks.resources.history import AttemptLog
from pyramid_webhooks.resources.manager import ACTIVE, INACTIVE
from pyramid_webhooks.resources.mapping import SubscriptionMapping
from pyramid_webhooks.resources.message import utc
from pyramid_webhooks.resources.rotation import DAY, refuse_rotation
from pyramid_webhooks.resources.secrets import read_secret
from pyramid_webhooks.resources.subscription import SubscriptionBehaviour
from pyramid_webhooks.resources.vault import Timed

ROOT_KEY = 'pyramid_webhooks.global'


class GlobalRecord(Persistent):
    """What the database keeps of one global subscription: its identity, state and history."""

    def __init__(self, id: str, fingerprint: str):
        self.id = id
        self.fingerprint = fingerprint
        self.active = True
        self.status_message = ACTIVE
        self.created = time.time()
        self.removed = False
        self.log = AttemptLog()


@implementer(ISubscription)
class GlobalSubscription(SubscriptionBehaviour):
    """A subscription as the configuration defines it; the same for all threads."""

    kind = 'global'
    removed = False

    def __init__(
        self,
        id: str,
        to: str,
        wanted: Wanted,
        *,
        owner: str | None = None,
        permission: str | None = None,
        dialect: str | None = None,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        description: str = '',
    ):
        self.id = self.__name__ = id
        self.__parent__: Any = None
        self.to = to
        self.wanted = wanted
        self.owner = owner
        self.permission = permission
        self.dialect = dialect
        self.secrets = tuple((secret or '').split())
        self.headers = dict(headers or {})
        self.description = description
        self._record: GlobalRecord | None = None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (other.id, other.to) == (self.id, self.to)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def stored_secrets(self) -> tuple[Timed, ...]:
        """The secrets as a vault takes them; nothing of them is in the database."""
        return tuple((secret, None) for secret in self.secrets)

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The public keys of those secrets that are ed25519 keys."""
        keys = map(read_secret, self.secrets)
        return tuple(key.public_key for key in keys if key.public_key is not None)

    def rotate_secret(self, overlap: float = DAY, secret: str | None = None) -> str:
        """Refused: the configuration defines it.

        :raises TypeError: always.
        """
        refuse_rotation(self)

    @property
    def fingerprint(self) -> str:
        """Changes when it becomes another subscription."""
        text = json.dumps([self.to, self.owner, self.permission])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def located(self, parent: Any, connection: Any) -> GlobalSubscription:
        """A copy for one request or transaction, below ``parent``, with its state."""
        located = copy.copy(self)
        located.__parent__ = parent
        located._record = record_of(connection, self.id)
        return located

    @property
    def _p_jar(self) -> Any:
        """The connection that it was located with: what happens to it belongs there."""
        return None if self._record is None else self._record._p_jar

    @property
    def recipient(self) -> GlobalRecord | None:
        """The persistent object by which the outbox knows it."""
        return self._record

    @property
    def active(self) -> bool:
        return self._record is None or self._record.active

    @property
    def status_message(self) -> str | None:
        return ACTIVE if self._record is None else self._record.status_message

    @property
    def created(self) -> Any:
        """Aware datetime, UTC: when it was first configured."""
        return utc(0 if self._record is None else self._record.created)

    modified = created

    @property
    def log(self) -> AttemptLog | None:
        """The resolved attempts, and the health."""
        return None if self._record is None else self._record.log


def digest_id(arguments: Mapping[str, Any], ordinal: int) -> str:
    """The id of an unnamed global subscription: a digest of its parameters, and an ordinal."""
    text = json.dumps({name: repr(value) for name, value in sorted(arguments.items())})
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    return f'{digest}-{ordinal}'


@implementer(IGlobalManager)
class GlobalManager(SubscriptionMapping):
    """The global subscriptions of one application, made anew at each start."""

    __parent__ = None
    __name__ = MANAGER_NAME

    def __init__(self) -> None:
        self._subscriptions: dict[str, GlobalSubscription] = {}
        self._by_key: dict[str, list[GlobalSubscription]] = {}

    def add(self, subscription: GlobalSubscription) -> None:
        """Add one; called while the application is configured."""
        subscription.__parent__ = self
        self._subscriptions[subscription.id] = subscription
        for key in subscription.wanted.keys():
            self._by_key.setdefault(key, []).append(subscription)

    def matching(self, keys: frozenset[str]) -> Iterator[GlobalSubscription]:
        """Yield the subscriptions that have any of the index keys, each once."""
        seen: set[str] = set()
        for key in self._by_key.keys() & keys:
            for subscription in self._by_key[key]:
                if subscription.id not in seen:
                    seen.add(subscription.id)
                    yield subscription

    def create_subscription(self, *arguments: Any, **keywords: Any) -> Any:
        """Refused: the configuration defines them.

        :raises TypeError: always.
        """
        raise TypeError(
            'Global subscriptions are defined by the configuration: use '
            'config.add_webhook_subscription, or the setting webhooks.subscriptions.'
        )

    def __delitem__(self, id: str) -> None:
        self.create_subscription()

    def activate(self, subscription: GlobalSubscription) -> bool:
        """Start to deliver to it again; ``subscription`` is one that has been located."""
        record = subscription.recipient
        if record is None or record.active:
            return False
        record.active = True
        record.status_message = ACTIVE
        _tell(subscription, 'activated', SubscriptionActivated(subscription))
        return True

    def deactivate(self, subscription: GlobalSubscription, message: str | None = None) -> bool:
        """Stop delivering to it; ``subscription`` is one that has been located."""
        record = subscription.recipient
        if record is None or not record.active:
            return False
        record.active = False
        record.status_message = message or INACTIVE
        event = SubscriptionDeactivated(subscription, record.status_message)
        _tell(subscription, 'deactivated', event)
        return True


def _tell(subscription: GlobalSubscription, command: str, event: Any) -> None:
    registry = find_registry(subscription)
    if registry is not None:
        registry.getUtility(IOwedDeliveries).tell(subscription, command)
        registry.notify(event)


def record_of(connection: Any, id: str) -> GlobalRecord | None:
    """What the primary database keeps of the global subscription ``id``."""
    if connection is None:
        return None
    records = kept_in_root(primary(connection), ROOT_KEY)
    return None if records is None else records.get(id)


def records_of(connection: Any) -> list[GlobalRecord]:
    """What the primary database keeps of all global subscriptions."""
    records = kept_in_root(primary(connection), ROOT_KEY)
    return [] if records is None else list(records.values())


def ensure_record(connection: Any, subscription: GlobalSubscription) -> GlobalRecord:
    """The record of ``subscription``, which start-up normally makes."""
    record = record_of(connection, subscription.id)
    if record is None:
        connection = primary(connection)
        records = kept_in_root(connection, ROOT_KEY, OOBTree)
        record = records[subscription.id] = GlobalRecord(subscription.id, subscription.fingerprint)
        connection.add(record)
    return record


def primary(connection: Any) -> Any:
    """The connection to the application's primary database that goes with ``connection``."""
    return connection.get_connection('') if '' in connection.db().databases else connection


def bring_records_in_line(connection: Any, manager: GlobalManager) -> list[str]:
    """Make the records be those of the configuration, in the current transaction.

    :returns: the ids of the subscriptions that the configuration no longer has.
    """
    records = kept_in_root(primary(connection), ROOT_KEY, OOBTree)
    gone = []
    for id, record in list(records.items()):
        wanted = manager.get(id)
        if wanted is None or wanted.fingerprint != record.fingerprint:
            record.removed = True
            del records[id]
            gone.append(id)
    for id, subscription in manager.items():
        if id not in records:
            records[id] = GlobalRecord(id, subscription.fingerprint)
    return gone
