"""Letting the subscriptions of an owner go when the owner goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pyramid.threadlocal import get_current_request
from pyramid_zodbconn import get_connection
from transaction.interfaces import TransientError

from pyramid_webhooks.events import specification
from pyramid_webhooks.interfaces import IWebhookOwner
from pyramid_webhooks.registries import connection_of
from pyramid_webhooks.resources.subscribing import owned_by

logger = logging.getLogger(__name__)


class OwnerRemoval:
    """Hears of users that go, and removes their subscriptions in the same transaction.

    An error is logged and does not keep the user from going.

    :param registry: of the application.
    :param for_: class or interface of the users.
    :param owner_id: callable (user) -> userid; None asks an adapter to ``IWebhookOwner``.
    """

    def __init__(self, registry: Any, for_: Any, owner_id: Callable[[Any], str] | None):
        self._registry = registry
        self._for = specification(for_)
        self._owner_id = owner_id

    def hear(self, event: Any, obj: Any = None) -> None:
        """Handle an event about a user."""
        user = getattr(event, 'object', None) if obj is None else obj
        if not self._for.providedBy(user):
            return
        try:
            owner = self._find_id(user)
            subscriptions = owned_by(owner, self._connection(user, event))
        except TransientError:
            raise
        except Exception:
            logger.exception('The subscriptions of %r could not be removed.', type(user))
            return
        for subscription in subscriptions:
            self._remove(subscription)

    @staticmethod
    def _remove(subscription: Any) -> None:
        try:
            del subscription.__parent__[subscription.id]
        except TransientError:
            raise
        except Exception:
            logger.exception('Removing %r, whose owner has gone, met an error.', subscription)
        else:
            logger.info('Removed %r, whose owner has gone.', subscription)

    def _find_id(self, user: Any) -> str:
        if self._owner_id is not None:
            return self._owner_id(user)
        adapter = self._registry.queryAdapter(user, IWebhookOwner)
        if adapter is None:
            raise LookupError(
                f'Nobody knows the userid of {user!r}: give the directive an owner_id, or adapt '
                f'the class to IWebhookOwner.'
            )
        return adapter.owner_id

    @staticmethod
    def _connection(user: Any, event: Any) -> Any:
        for candidate in (user, getattr(event, 'oldParent', None)):
            connection = connection_of(candidate)
            if connection is not None:
                return connection
        return get_connection(get_current_request())
