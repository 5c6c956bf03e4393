"""The container of the subscriptions of one folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from BTrees.Length import Length
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from ZODB.broken import Broken
from zope.interface import implementer

from pyramid_webhooks.events import (
    SubscriptionActivated,
    SubscriptionCreated,
    SubscriptionDeactivated,
    SubscriptionRemoved,
)
from pyramid_webhooks.interfaces import (
    MANAGER_NAME,
    InvalidArgument,
    IOwedDeliveries,
    ISecretVault,
    ISubscriptionFactory,
    ISubscriptionManager,
)
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.arguments import (
    check_dialect,
    check_headers,
    check_owner,
    check_permission,
    check_signing_secret,
    check_target,
    check_text,
    check_wanted,
)
from pyramid_webhooks.resources.directory import directory_of
from pyramid_webhooks.resources.index import EventIndex
from pyramid_webhooks.resources.lineage import root_of
from pyramid_webhooks.resources.mapping import SubscriptionMapping
from pyramid_webhooks.resources.message import new_message_id
from pyramid_webhooks.resources.sealed import forget_keys
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.subscription import Subscription

logger = logging.getLogger(__name__)

ACTIVE = 'Active subscription.'
INACTIVE = 'Deactivated by hand.'
REMOVED = 'Removed.'
#: Texts of :meth:`SubscriptionManager.change`, by the names of the REST contract.
CHANGEABLE = ('to', 'events', 'dialect', 'headers', 'description')


def _registry(resource: Any) -> Any:
    registry = find_registry(resource)
    if registry is None:
        raise RuntimeError(
            'There is no application to check the subscription against: include '
            'pyramid_webhooks, and work in a request, a script that Pyramid bootstraps, or with '
            "a resource of the application's database."
        )
    return registry


@implementer(ISubscriptionManager)
class SubscriptionManager(SubscriptionMapping, Persistent):
    """id -> subscription, oldest first; and an index of the active ones.

    The object itself never changes after it is made, so that concurrent changes of different
    subscriptions meet only in BTrees.
    """

    __parent__: Any = None
    __name__ = MANAGER_NAME

    def __init__(self) -> None:
        self._subscriptions = OOBTree()
        self._ids_by_owner = OOTreeSet()
        self._count = Length()
        self.index = EventIndex()

    def __repr__(self) -> str:
        return f'<{type(self).__name__} of {self.__parent__!r}>'

    def __len__(self) -> int:
        return self._count()

    def iterate(self, after: str | None = None, owner: str | None = None) -> Iterator[Any]:
        """Yield the subscriptions that come after the id ``after``, oldest first.

        :param owner: only those of this owner.
        """
        if owner is None:
            yield from self._subscriptions.values(after, excludemin=after is not None)
            return
        for found, id in self._ids_by_owner.keys((owner, after or '')):
            if found != owner:
                return
            if id != after:
                yield self._subscriptions[id]

    def create_subscription(
        self,
        to: str,
        *,
        events: Any = None,
        for_: Any = None,
        when: Any = None,
        owner: str | None = None,
        permission: str | None = None,
        dialect: str | None = None,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        description: str = '',
        kind: str = 'dynamic',
    ) -> Subscription:
        """Make, store, activate and return a subscription.

        :param to: target URL.
        :param events: names of event types, and patterns (``noun.*``, ``*.verb``, ``*``).
        :param for_: instead of ``events``: class or interface of the objects.
        :param when: with ``for_``: interface of the events; all object events by default.
        :param owner: userid whose permission is judged; None judges nobody's.
        :param permission: the permission needed; by default that of the settings.
        :param dialect: name of a dialect; by default that of the settings.
        :param secret: ``whsec_`` signing secret, or ``whsk_`` private key; by default a new
            ``whsec_`` one.
        :param headers: additional request headers.
        :param description: free text.
        :param kind: ``tree`` for one that the configuration keeps here; it gets no secret.
        :raises InvalidArgument: a ValueError that names the argument; nothing was made then.
        """
        registry = _registry(self)
        check_target(registry, to)
        wanted = check_wanted(registry, events, for_, when)
        check_owner(owner)
        check_permission(registry, permission)
        check_dialect(registry, dialect)
        check_text('description', description, empty=True)
        if secret is not None:
            check_signing_secret(secret)
        elif kind == 'dynamic':
            secret = new_secret()
        factory = registry.queryUtility(ISubscriptionFactory, default=Subscription)
        subscription = factory(
            'sub_' + new_message_id()[4:],
            to,
            wanted,
            owner=owner,
            permission=permission,
            dialect=dialect,
            secret=secret,
            headers=check_headers(headers),
            description=description,
            kind=kind,
        )
        self._add(subscription)
        registry.notify(SubscriptionCreated(subscription))
        self.activate(subscription)
        return subscription

    def _add(self, subscription: Subscription) -> None:
        subscription.__parent__ = self
        subscription.root = root_of(self)
        self._subscriptions[subscription.id] = subscription
        self._ids_by_owner.add((subscription.owner or '', subscription.id))
        self._count.change(1)
        directory = directory_of(self, create=True)
        if directory is not None:
            directory.add(subscription)
        subscription.seal_secrets(_registry(self).getUtility(ISecretVault))

    def _own(self, subscription: Any) -> Subscription:
        if self._subscriptions.get(getattr(subscription, 'id', '')) is not subscription:
            raise ValueError(f'{subscription!r} is not one of the subscriptions of {self!r}.')
        return subscription

    def activate(self, subscription: Subscription) -> bool:
        """Start to deliver to it (again), what it is owed from before included.

        :returns: False when it was active already.
        :raises ValueError: when it is not a subscription of this manager.
        """
        if self._own(subscription).active:
            return False
        again = subscription.status_message is not None
        subscription._active = True
        subscription.status_message = ACTIVE
        self.index.add(subscription.wanted.keys(), subscription.id)
        if again:
            subscription.touch()
            self._tell(subscription, 'activated')
        _registry(self).notify(SubscriptionActivated(subscription))
        return True

    def deactivate(self, subscription: Subscription, message: str | None = None) -> bool:
        """Stop delivering to it; what it is owed is kept.

        :param message: why; it becomes the ``status_message``.
        :returns: False when it was inactive already.
        :raises ValueError: when it is not a subscription of this manager.
        """
        if not self._turn_off(subscription, message or INACTIVE):
            return False
        _registry(self).notify(SubscriptionDeactivated(subscription, subscription.status_message))
        return True

    def _turn_off(self, subscription: Subscription, message: str) -> bool:
        if not self._own(subscription).active:
            return False
        subscription._active = False
        subscription.status_message = message
        subscription.touch()
        self.index.discard(subscription.wanted.keys(), subscription.id)
        self._tell(subscription, 'deactivated')
        return True

    def change(self, subscription: Subscription, **values: Any) -> None:
        """Change some of ``to``, ``events``, ``dialect``, ``headers`` and ``description``.

        :raises InvalidArgument: naming the value that can't be used; nothing is changed then.
        """
        registry = _registry(self)
        self._own(subscription)
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name == 'to':
                checked['to'] = check_target(registry, value)
            elif name == 'events':
                checked['wanted'] = check_wanted(registry, value, None, None)
                if checked['wanted'].events is None:
                    raise InvalidArgument('events', 'name at least one event type or pattern.')
            elif name == 'dialect':
                checked['dialect'] = check_dialect(registry, value)
            elif name == 'headers':
                checked['headers'] = check_headers(value)
            elif name == 'description':
                checked['description'] = check_text('description', value, empty=True)
            else:
                raise InvalidArgument(name, 'can not be changed.')
        reindex = subscription.active and 'wanted' in checked
        if reindex:
            self.index.discard(subscription.wanted.keys(), subscription.id)
        for name, value in checked.items():
            setattr(subscription, name, value)
        if reindex:
            self.index.add(subscription.wanted.keys(), subscription.id)
        if checked:
            subscription.touch()
        if checked.keys() & {'to', 'dialect', 'headers'}:
            self._tell(subscription, 'changed')

    def __delitem__(self, id: str) -> None:
        """Deactivate and remove a subscription; what it is still owed is dropped.

        The events are fired when all is done, so that a handler that fails leaves nothing halved.
        """
        subscription = self._subscriptions[id]
        deactivated = self._turn_off(subscription, REMOVED)
        subscription.removed = True
        del self._subscriptions[id]
        self._ids_by_owner.remove((subscription.owner or '', id))
        self._count.change(-1)
        directory = directory_of(self)
        if directory is not None:
            directory.discard(subscription)
        forget_keys(subscription)
        self._tell(subscription, 'removed')
        registry = _registry(self)
        if deactivated:
            registry.notify(SubscriptionDeactivated(subscription, REMOVED))
        registry.notify(SubscriptionRemoved(subscription))

    def matching(self, keys: frozenset[str]) -> Iterable[Subscription]:
        """The active subscriptions that have any of the index keys, each once."""
        found = self.index.find(keys)
        return self._readable(found) if found else ()

    def _readable(self, ids: Iterable[str]) -> Iterator[Subscription]:
        for id in ids:
            subscription = self._subscriptions[id]
            if isinstance(subscription, Broken):
                # Its class is gone; that must not keep the application from its work.
                logger.error('The subscription %s can not be read; it gets nothing.', id)
            else:
                yield subscription

    def _tell(self, subscription: Subscription, command: str) -> None:
        owed = _registry(self).queryUtility(IOwedDeliveries)
        if owed is not None:
            owed.tell(subscription, command)
