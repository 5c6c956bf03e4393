"""``request.webhooks``, and explaining what an event would do."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request

from pyramid_webhooks.emit.matching import managers_for, where_it_stood
from pyramid_webhooks.emit.requests import current_request
from pyramid_webhooks.events import NamedEvent
from pyramid_webhooks.interfaces import IDispatcher, IEventCatalogue, IGlobalManager
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.globals import GlobalSubscription

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


def explain_event(obj: Any, event: Any, request: Any = None) -> list[tuple[Any, bool, str]]:
    """Say for each subscription that an event would meet whether it would get it, and why.

    :param event: an event object, or the name of an event type.
    :returns: (subscription, whether it would get it, a sentence), closest manager first.
    :raises ValueError: when no application can be found that the object belongs to.
    """
    registry = request.registry if request is not None else find_registry(obj)
    if registry is None:
        raise ValueError(f'{obj!r} belongs to no application that includes pyramid_webhooks.')
    catalogue = registry.getUtility(IEventCatalogue)
    if isinstance(event, str):
        resolution = catalogue.resolve_name(event, obj)
        event = NamedEvent.of_type(resolution.event_type, obj)
    else:
        resolution = catalogue.resolve(obj, event)
    dispatcher = registry.getUtility(IDispatcher)
    if request is None:
        request = current_request(registry)
    context = getattr(request, 'context', None)
    global_manager = registry.getUtility(IGlobalManager)
    start = where_it_stood(obj, event)
    verdicts = dispatcher.verdicts(obj, event, resolution)
    explained = []
    for manager in managers_for(start, context, global_manager, registry):
        for subscription in manager.values():
            if isinstance(subscription, GlobalSubscription):
                subscription = dispatcher.locate(subscription, obj, event)
            explained.append((subscription, *_verdict(verdicts, subscription, resolution)))
    return explained


def _verdict(verdicts: Any, subscription: Any, resolution: Any) -> tuple[bool, str]:
    if not subscription.active:
        return False, f'It is not active: {subscription.status_message}'
    if not resolution.keys.intersection(subscription.wanted.keys()):
        return False, _other_events(subscription)
    refusal = verdicts.refusal(subscription)
    if refusal is not None:
        return False, f'It is not applicable: {refusal}.'
    return True, f'It gets the event as {resolution.name}.'


def _other_events(subscription: Any) -> str:
    if subscription.events is not None:
        return f'It is for other events: {", ".join(subscription.events)}.'
    try:
        _ = subscription.for_, subscription.when
    except ImportError as error:
        return str(error)
    return f'It is for other events: {subscription.for_name}, {subscription.when_name}.'
