"""Explaining what an event would do."""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.emit.matching import Search, managers_for, where_it_stood
from pyramid_webhooks.emit.requests import current_request
from pyramid_webhooks.events import NamedEvent, Resolution
from pyramid_webhooks.interfaces import (
    IDispatcher,
    IEventCatalogue,
    IGlobalManager,
    ISubscriptionFinder,
)
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.globals import GlobalSubscription


def explain_event(obj: Any, event: Any, request: Any = None) -> list[tuple[Any, bool, str]]:
    """Say for each subscription that an event would meet whether it would get it, and why.

    :param event: an event object, or the name of an event type. Of one that never happens to
        such an object, the sentences say so.
    :returns: (subscription, whether it would get it, a sentence), closest manager first; what
        a finder of the application takes from elsewhere comes last.
    :raises ValueError: when no application can be found that the object belongs to.
    """
    registry = request.registry if request is not None else find_registry(obj)
    if registry is None:
        raise ValueError(f'{obj!r} belongs to no application that includes pyramid_webhooks.')
    catalogue = registry.getUtility(IEventCatalogue)
    elsewhere = ''
    if isinstance(event, str):
        resolution = catalogue.resolve_name(event, obj)
        if not resolution.event_type.is_for(obj):
            elsewhere = ' But it never happens to this resource; ask for one that it happens to.'
        event = NamedEvent.of_type(resolution.event_type, obj)
    else:
        resolution = catalogue.resolve(obj, event)
    dispatcher = registry.getUtility(IDispatcher)
    if request is None:
        request = current_request(registry)
    context = getattr(request, 'context', None)
    start = where_it_stood(obj, event)
    managers = list(managers_for(start, context, registry.getUtility(IGlobalManager), registry))
    met = {id(each): each for manager in managers for each in manager.values()}
    finder = registry.queryUtility(ISubscriptionFinder)
    chosen: dict[int, Any] | None = None
    if finder is not None:
        search = Search(obj, event, resolution.keys, iter(managers), request)
        chosen = {id(each): each for each in finder(search)}
        met.update(chosen)
    verdicts = dispatcher.verdicts(obj, event, resolution, start)
    explained = []
    for key, subscription in met.items():
        if isinstance(subscription, GlobalSubscription):
            subscription = dispatcher.locate(subscription, obj, event)
        found = None if chosen is None else key in chosen
        why_not = _why_not(subscription, resolution, found, verdicts)
        why = why_not or f'It gets the event as {resolution.name}.{elsewhere}'
        explained.append((subscription, why_not is None, why))
    return explained


def _why_not(
    subscription: Any, resolution: Resolution, found: bool | None, verdicts: Any
) -> str | None:
    """Why it does not get the event, as a sentence; None when it does.

    :param found: whether a finder of the application chooses it; None where there is none.
    """
    if not subscription.active:
        return f'It is not active: {subscription.status_message}'
    matches = not resolution.keys.isdisjoint(subscription.wanted.keys())
    if matches and found is False:
        return "The application's finder of subscriptions leaves it out."
    if not matches and not found:
        return _other_events(subscription)
    refusal = verdicts.refusal(subscription)
    return None if refusal is None else f'It is not applicable: {refusal}.'


def _other_events(subscription: Any) -> str:
    if subscription.events is not None:
        return f'It is for other events: {", ".join(subscription.events)}.'
    try:
        _ = subscription.for_, subscription.when
    except ImportError as error:
        return str(error)
    return f'It is for other events: {subscription.for_name}, {subscription.when_name}.'
