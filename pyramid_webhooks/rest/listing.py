"""Pages of a folder's subscriptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pyramid.registry import Registry

from pyramid_webhooks.events import EventCatalogue, specification
from pyramid_webhooks.interfaces import IEventCatalogue, UnknownEventType
from pyramid_webhooks.resources.traversal import global_subscriptions
from pyramid_webhooks.rest.errors import Refused

#: Subscriptions that are looked at for one page; a filter that few pass gets several short pages.
SCAN_LIMIT = 5000
_ID = re.compile(r'sub_[0-9a-z]{26}\Z')


class Wish(NamedTuple):
    """Which subscriptions a page shall have."""

    limit: int
    after: str | None
    owner: str | None
    event: str | None
    active: bool | None


def page_of(
    manager: Any, wish: Wish, registry: Registry, visible: Callable[[Any], bool]
) -> tuple[list[Any], str | None]:
    """Return the subscriptions of a page, and the cursor of the next one or None.

    Its cost does not depend on how many subscriptions the manager has.

    :param visible: whether the caller may view a subscription.
    :raises Refused: for an event or a cursor that there can't be.
    """
    accepts = _filter(wish, registry)
    found: list[Any] = []
    last = None
    for count, subscription in enumerate(_following(manager, wish)):
        if count == SCAN_LIMIT:
            return found, last
        if accepts(subscription) and visible(subscription):
            if len(found) == wish.limit:
                return found, found[-1].id
            found.append(subscription)
        last = subscription.id
    return found, None


def _following(manager: Any, wish: Wish) -> Iterator[Any]:
    after = wish.after
    if after is None or not _is_id(manager, after):
        for subscription in _following_global(manager, after):
            if wish.owner is None or wish.owner == (subscription.owner or ''):
                yield subscription
        after = None
    yield from manager.iterate(after=after, owner=wish.owner)


def _is_id(manager: Any, after: str) -> bool:
    # An id sorts by time, so that of a removed subscription still marks a place.
    return after in manager or _ID.match(after) is not None


def _following_global(manager: Any, after: str | None) -> list[Any]:
    subscriptions = global_subscriptions(manager)
    if after is None:
        return subscriptions
    for place, subscription in enumerate(subscriptions):
        if subscription.id == after:
            return subscriptions[place + 1 :]
    raise Refused(
        400,
        'querystring',
        'after',
        'This cursor leads nowhere; use "next" of the page before, or leave it out to start anew.',
    )


def _filter(wish: Wish, registry: Registry) -> Callable[[Any], bool]:
    wants = None if wish.event is None else _wants(wish.event, registry)

    def accepts(subscription: Any) -> bool:
        if wish.active is not None and subscription.active != wish.active:
            return False
        return wants is None or wants(subscription)

    return accepts


def _wants(name: str, registry: Registry) -> Callable[[Any], bool]:
    catalogue: EventCatalogue = registry.getUtility(IEventCatalogue)
    try:
        event_types = catalogue.offered(catalogue.check([name]))
    except UnknownEventType as error:
        raise Refused(400, 'querystring', 'event', str(error)) from None
    keys = {name}.union(*(catalogue.resolve_name(each.name).keys for each in event_types))

    def wants(subscription: Any) -> bool:
        if subscription.events is not None:
            return not keys.isdisjoint(subscription.events)
        try:
            for_, when = specification(subscription.for_), specification(subscription.when)
        except ImportError:
            return False
        return any(
            not each.about_webhooks
            and specification(each.for_).isOrExtends(for_)
            and specification(each.event_interface).isOrExtends(when)
            for each in event_types
        )

    return wants
