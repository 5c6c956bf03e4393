"""A subscription: which events go to which URL, on whose behalf."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from persistent import Persistent
from pyramid.authorization import Allow
from zope.dottedname.resolve import resolve
from zope.interface import implementer

from pyramid_webhooks.interfaces import (
    IApplicability,
    IPinger,
    ISubscription,
    ISubscriptionGrants,
)
from pyramid_webhooks.registries import find_registry, utility_of
from pyramid_webhooks.resources.arguments import Wanted
from pyramid_webhooks.resources.attempts import Attempt, Attempts
from pyramid_webhooks.resources.history import AttemptLog
from pyramid_webhooks.resources.message import utc
from pyramid_webhooks.resources.recovery import Recovery, recover
from pyramid_webhooks.resources.rotation import RotatingSecrets
from pyramid_webhooks.resources.statistics import Statistics, statistics_of

VIEW = 'webhooks.view'
ADD = 'webhooks.add'
EDIT = 'webhooks.edit'
DELETE = 'webhooks.delete'
RETRY = 'webhooks.retry'
ADMIN = 'webhooks.admin'
#: What the owner of a subscription may do with it.
OWNER_GRANTS = (VIEW, EDIT, DELETE, RETRY)


class SubscriptionBehaviour:
    """What subscriptions of every kind can do, whatever keeps their values."""

    kind: str
    id: str
    to: str
    wanted: Wanted
    owner: str | None
    log: AttemptLog | None
    #: Whoever makes URLs asks each resource for it, and to miss it takes long.
    __resource_url__: Any = None

    def __repr__(self) -> str:
        state = 'active' if self.active else 'inactive'
        return f'<{type(self).__name__} {self.id} to {self.to!r} ({state})>'

    @property
    def events(self) -> tuple[str, ...] | None:
        """Names of event types and patterns, or None when it has ``for_`` and ``when``."""
        return self.wanted.events

    @property
    def for_name(self) -> str | None:
        """Dotted name of ``for_``."""
        return self.wanted.for_

    @property
    def when_name(self) -> str | None:
        """Dotted name of ``when``."""
        return self.wanted.when

    @property
    def for_(self) -> Any:
        """Class or interface of the objects wanted.

        :raises ImportError: when nothing has the stored dotted name any more.
        """
        return self._resolved(self.wanted.for_)

    @property
    def when(self) -> Any:
        """Interface of the events wanted.

        :raises ImportError: when nothing has the stored dotted name any more.
        """
        return self._resolved(self.wanted.when)

    def _resolved(self, name: str | None) -> Any:
        if name is None:
            return None
        try:
            return resolve(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ImportError(
                f'The subscription {self.id} is for {name}, which can not be imported any more '
                f'({error}). Bring the name back, or make the subscription anew.'
            ) from None

    @property
    def attempts(self) -> Attempts:
        """Mapping id -> attempt, oldest first, pending ones included."""
        return Attempts(self)

    def is_applicable(self, obj: Any, request: Any = None) -> bool:
        """Whether the owner has the permission on ``obj`` now; True where there is no owner."""
        if self.owner is None:
            return True
        registry = request.registry if request is not None else find_registry(obj)
        if registry is None:
            registry = find_registry(self)
        judge = None if registry is None else registry.queryUtility(IApplicability)
        return judge is not None and judge.is_applicable(self, obj, request)

    @property
    def statistics(self) -> Statistics:
        """Figures about what it got and is owed."""
        return statistics_of(self)

    def ping(self) -> Attempt:
        """Owe it a ``webhook.ping``, which is tried once, and return the pending attempt.

        :raises ValueError: when it is not active, or in no database.
        """
        return Attempt(self.attempts, utility_of(self, IPinger).ping(self))

    def recover(self, since: datetime.datetime) -> Recovery:
        """Let everything that failed since then be sent again, the oldest first.

        :raises ValueError: when ``since`` is not aware, or the subscription in no database.
        """
        return recover(self, since)

    def grants(self) -> Mapping[str, Iterable[str]]:
        """Userid -> what the user may do; for everyone else the lineage decides.

        It is what an adapter to ``ISubscriptionGrants`` says, or else the owner's.
        """
        registry = find_registry(self)
        adapter = None if registry is None else registry.queryAdapter(self, ISubscriptionGrants)
        if adapter is not None:
            return adapter.grants()
        return {} if self.owner is None else {self.owner: OWNER_GRANTS}

    @property
    def __acl__(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """The grants, as Pyramid's ACL authorization wants them."""
        return [(Allow, userid, tuple(names)) for userid, names in self.grants().items()]

    def shown(self, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What ``show`` makes of its values, and of nothing else."""
        return show(self)


@implementer(ISubscription)
class Subscription(SubscriptionBehaviour, RotatingSecrets, Persistent):
    """A subscription that is kept in the tree. Managers make it.

    :ivar root: what :func:`root_of` said when it was made.
    """

    root: tuple[str, bytes] | None = None

    def __init__(
        self,
        id: str,
        to: str,
        wanted: Wanted,
        *,
        owner: str | None,
        permission: str | None,
        dialect: str | None,
        secret: str | None,
        headers: dict[str, str],
        description: str,
        kind: str = 'dynamic',
    ):
        self.id = self.__name__ = id
        self.__parent__: Any = None
        self.kind = kind
        self.to = to
        self._wanted = tuple(wanted)
        self.owner = owner
        self.permission = permission
        self.dialect = dialect
        # The manager has them sealed before anything is stored.
        self._secrets = tuple((text, None) for text in (secret or '').split())
        self.headers = headers
        self.description = description
        self._active = False
        self.status_message: str | None = None
        self._created = self._modified = time.time()
        self.removed = False
        self.log = AttemptLog()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not name.startswith(('_p_', '_v_')):
            self._v_shown = None

    def shown(self, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What ``show`` makes of its values, made anew when one of them is set.

        It is gone with the values when they are no longer those of the database.
        """
        shown: dict[str, Any] | None = getattr(self, '_v_shown', None)
        if shown is None:
            shown = self._v_shown = show(self)
        return shown

    @property
    def wanted(self) -> Wanted:  # type: ignore[override]
        """Which events it is for."""
        return Wanted._make(self._wanted)

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        self._wanted = tuple(wanted)

    @property
    def active(self) -> bool:
        """Whether it gets anything; changed through the manager."""
        return self._active

    @active.setter
    def active(self, value: bool) -> None:
        raise AttributeError(
            'A subscription is activated and deactivated by its manager: use '
            'manager.activate(subscription) or manager.deactivate(subscription, message).'
        )

    @property
    def created(self) -> Any:
        """Aware datetime, UTC."""
        return utc(self._created)

    @property
    def modified(self) -> Any:
        """Aware datetime, UTC."""
        return utc(self._modified)

    @property
    def recipient(self) -> Any:
        """The persistent object by which the outbox knows it."""
        return self

    def touch(self) -> None:
        """Note that it was modified now."""
        self._modified = time.time()
        self.forget_ended_secrets()
