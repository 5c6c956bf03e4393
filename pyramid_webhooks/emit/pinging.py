"""Pings: messages that show whether a subscription's receiver works."""

from __future__ import annotations

import time
from typing import Any

from pyramid.registry import Registry
from zope.interface import implementer

from pyramid_webhooks.emit.payloads import render_explicit
from pyramid_webhooks.emit.requests import request_for
from pyramid_webhooks.emit.writing import origin_of
from pyramid_webhooks.events import PING
from pyramid_webhooks.interfaces import IOwedDeliveries, IPinger, ISettings
from pyramid_webhooks.registries import connection_of
from pyramid_webhooks.resources.message import Message


@implementer(IPinger)
class Pinger:
    """Makes the pings of one application."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def ping(self, subscription: Any) -> Any:
        """Owe a ping to ``subscription``, in the current transaction.

        Its data are the id of the subscription and what it is for; permission plays no part.

        :returns: plain values of the pending attempt.
        :raises ValueError: when the subscription is not active, or in no database.
        """
        recipient, connection = subscription.recipient, connection_of(subscription)
        if recipient is None or connection is None:
            raise ValueError(f'{subscription!r} is in no database, so it can not be pinged.')
        if not subscription.active:
            raise ValueError(
                f'The subscription is not active, so nothing is sent to it; activate it first. '
                f'It says: {subscription.status_message}'
            )
        if recipient._p_jar is None:
            connection.add(recipient)
        dialect = subscription.dialect
        if dialect is None:
            dialect = self._registry.getUtility(ISettings).dialect
        payload = {
            'subscription': subscription.id,
            'events': None if subscription.events is None else list(subscription.events),
            'for': subscription.for_name,
            'when': subscription.when_name,
        }
        request = request_for(self._registry)
        data, errors = render_explicit(self._registry, payload, (dialect,), request)
        now = time.time()
        txn = connection.transaction_manager.get()
        message = Message(PING, now, origin_of(txn, now), data, errors)
        return self._registry.getUtility(IOwedDeliveries).owe(subscription, message)
