"""``request.webhooks``."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request

from pyramid_webhooks.interfaces import IDispatcher

_NOT_GIVEN: Any = object()


class RequestWebhooks:
    """What ``request.webhooks`` is."""

    def __init__(self, request: Request):
        self._request = request

    def notify(
        self,
        event: Any,
        obj: Any = None,
        *,
        payload: Any = _NOT_GIVEN,
        owner: str | None = None,
        context: Any = None,
    ) -> None:
        """Fire an event at the subscriptions, and at nobody else.

        :param event: an event object, or the name of an event type.
        :param obj: the object that it happened to; an event object has it as ``object``.
        :param payload: what is sent, as it is; by default what represents the object.
        :param owner: only this owner's subscriptions get it.
        :param context: the resource where the lookup of subscriptions starts; by default the
            object, or else the context of the request.
        :raises UnknownEventType: for a name that nobody registered, listing the valid ones.
        :raises ValueError: when there is nothing to send, or the object is of the wrong type.
        """
        dispatcher = self._request.registry.getUtility(IDispatcher)
        keywords = {} if payload is _NOT_GIVEN else {'payload': payload}
        dispatcher.notify(event, obj, owner=owner, context=context, **keywords)
