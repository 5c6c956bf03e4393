"""Event types, the catalogue of them, and this package's own events."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zope.interface import Interface, directlyProvides, implementedBy, implementer, providedBy
from zope.interface.adapter import AdapterRegistry
from zope.interface.declarations import Implements
from zope.interface.interface import InterfaceClass, Specification
from zope.interface.interfaces import IObjectEvent

from pyramid_webhooks.interfaces import (
    IAttemptFailed,
    IAttemptSucceeded,
    IDeliveryDropped,
    IDeliveryExhausted,
    IEventCatalogue,
    INamedEvent,
    IPreconditionLimitReached,
    ISubscriptionActivated,
    ISubscriptionCreated,
    ISubscriptionDeactivated,
    ISubscriptionRemoved,
    IWebhookEvent,
    UnknownEventType,
)

_NAME = re.compile(r'[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\Z')
_CACHE_LIMIT = 2000
#: What the event of a ping is called: no pattern matches it, and nobody can register it.
PING = 'webhook.ping'


def dotted_name(type_or_interface: Any) -> str:
    """The dotted name of a class or an interface, which is how a subscription stores it."""
    if isinstance(type_or_interface, InterfaceClass):
        return type_or_interface.__identifier__
    return f'{type_or_interface.__module__}.{type_or_interface.__qualname__}'


def specification(type_or_interface: Any) -> Specification:
    """What zope.interface looks a class, an interface or None (anything) up by."""
    if type_or_interface is None:
        return Interface
    if isinstance(type_or_interface, Specification):
        return type_or_interface
    return implementedBy(type_or_interface)


def pair_key(for_name: str, when_name: str) -> str:
    """The index key of a subscription by object type and event interface."""
    return f'{for_name}|{when_name}'


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class EventType:
    """One entry of the catalogue.

    :ivar name: ``noun.verb``.
    :ivar for_: class or interface of the objects; None: any, or no object at all.
    :ivar when: interface of the events; None: it is fired by name only.
    :ivar owner_of: callable (object) -> the only owner whose subscriptions may get it, or None.
    :ivar schema: JSON schema of the payload, or None.
    :ivar example: an example payload, or None.
    """

    name: str
    for_: Any = None
    when: Any = None
    owner_of: Callable[[Any], Any] | None = None
    schema: Mapping[str, Any] | None = None
    description: str = ''
    example: Any = None

    @property
    def event_interface(self) -> Any:
        """What events of this type provide at least."""
        return INamedEvent if self.when is None else self.when

    @property
    def about_webhooks(self) -> bool:
        """Whether it is about this package's own events."""
        return self.when is not None and specification(self.when).isOrExtends(IWebhookEvent)

    def is_for(self, obj: Any) -> bool:
        """Whether it may happen to an object."""
        wanted = self.for_
        if isinstance(wanted, type):
            return isinstance(obj, wanted)
        return wanted is None or bool(wanted.providedBy(obj))

    def patterns(self) -> tuple[str, ...]:
        """The patterns that match it: none when it is about webhooks."""
        if self.about_webhooks:
            return ()
        noun, _, verb = self.name.rpartition('.')
        return '*', f'{noun}.*', f'*.{verb}'


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Resolution:
    """What an event is called, and the index keys of the subscriptions that it may concern."""

    name: str
    keys: frozenset[str]
    event_type: EventType | None


class _IRegistered(Interface):
    """What the catalogue registers event types as."""


def _keys_of(event_types: Iterable[EventType]) -> set[str]:
    keys = set()
    for event_type in event_types:
        keys.add(event_type.name)
        keys.update(event_type.patterns())
    return keys


def _pair_keys(objects: Specification, events: Specification) -> set[str]:
    for_names, when_names = _names_of(objects), _names_of(events)
    return {pair_key(one, other) for one in for_names for other in when_names}


def _names_of(specification: Specification) -> list[str]:
    """The dotted names of the classes and interfaces of an object.

    What an object provides directly is a specification of its own that has no name.
    """
    names = []
    for each in specification.__sro__:
        if isinstance(each, InterfaceClass):
            names.append(each.__identifier__)
        elif getattr(each, 'inherit', None) is not None:
            names.append(dotted_name(each.inherit))
    return names


@implementer(IEventCatalogue)
class EventCatalogue:
    """The event types of one application."""

    def __init__(self) -> None:
        self._by_name: dict[str, EventType] = {}
        self._pairs = AdapterRegistry()
        self._pairs_about_webhooks = AdapterRegistry()
        self._resolved: dict[Any, tuple[Any, Any, Resolution]] = {}

    def add(self, event_type: EventType) -> None:
        """Register an event type.

        :raises ValueError: when the name is not of the form ``noun.verb``, or that of pings.
        """
        if not isinstance(event_type.name, str) or not _NAME.match(event_type.name):
            raise ValueError(
                f'{event_type.name!r} can not be the name of an event type: use noun.verb, with '
                f'letters, digits, hyphens and underscores.'
            )
        if event_type.name == PING:
            raise ValueError(
                f'{PING!r} is what a ping is called, and can not be the name of an event type; '
                f'choose another.'
            )
        self._by_name[event_type.name] = event_type
        if event_type.when is not None:
            pair, pairs = self._pair(event_type)
            pairs.subscribe(pair, _IRegistered, event_type)
            self.prefer(event_type)

    def prefer(self, event_type: EventType) -> None:
        """Let events of its pair have the name of ``event_type``, if it was added."""
        if self._by_name.get(event_type.name) is event_type:
            pair, pairs = self._pair(event_type)
            pairs.register(pair, _IRegistered, '', event_type)
            self._resolved.clear()

    def _pair(self, event_type: EventType) -> tuple[Any, AdapterRegistry]:
        pair = (specification(event_type.for_), specification(event_type.when))
        ours = event_type.about_webhooks
        return pair, self._pairs_about_webhooks if ours else self._pairs

    def names(self) -> list[str]:
        """The sorted names of all event types."""
        return sorted(self._by_name)

    def get(self, name: str) -> EventType:
        """Look an event type up.

        :raises UnknownEventType: listing the valid names.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownEventType(self._unknown(name)) from None

    def _unknown(self, name: str) -> str:
        valid = ', '.join(self.names()) or 'none is registered'
        return f'There is no event type {name!r}. The event types are: {valid}.'

    def check(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return ``names``, each of which is an event type or a pattern that matches one.

        A pattern is ``*``, ``noun.*`` or ``*.verb``.

        :raises UnknownEventType: for a name that is neither, listing the valid ones.
        """
        checked = list(names)
        for name in checked:
            if not isinstance(name, str):
                raise UnknownEventType(self._unknown(name))
            if name in self._by_name or name == '*':
                continue
            if not any(name in each.patterns() for each in self._by_name.values()):
                raise UnknownEventType(self._unknown(name))
        return tuple(dict.fromkeys(checked))

    def offered(self, names: Iterable[str]) -> list[EventType]:
        """The event types that these names and patterns stand for, sorted by name."""
        wanted = set(names)
        return [
            event_type
            for name, event_type in sorted(self._by_name.items())
            if name in wanted or wanted.intersection(event_type.patterns())
        ]

    def resolve(self, obj: Any, event: Any) -> Resolution:
        """Name the pair (object, event), and say which index keys it has.

        The name is that of the most specific registered pair, the object counting first; without
        one it is the dotted name of the event's interface.
        """
        return self._resolve(providedBy(obj), providedBy(event))

    def _resolve(self, objects: Specification, events: Specification) -> Resolution:
        cached = self._resolved.get((objects, events))
        if cached is not None and cached[0] is objects.__sro__ and cached[1] is events.__sro__:
            return cached[2]
        resolution = self._find(objects, events)
        if len(self._resolved) >= _CACHE_LIMIT:
            self._resolved.clear()
        self._resolved[(objects, events)] = (objects.__sro__, events.__sro__, resolution)
        return resolution

    def _find(self, objects: Specification, events: Specification) -> Resolution:
        ours = events.isOrExtends(IWebhookEvent)
        pairs = self._pairs_about_webhooks if ours else self._pairs
        keys = _keys_of(pairs.subscriptions((objects, events), _IRegistered))
        if not ours:
            for_names, when_names = _names(objects), _names(events)
            keys.update(pair_key(one, other) for one in for_names for other in when_names)
        best = pairs.lookup((objects, events), _IRegistered)
        if best is not None:
            return Resolution(best.name, frozenset(keys), best)
        interface = next(events.interfaces(), IObjectEvent)
        return Resolution(dotted_name(interface), frozenset(keys), None)

    def resolve_name(self, name: str, obj: Any = None) -> Resolution:
        """What an event that is fired by its name is called: that name.

        It concerns whom an event of the type's interface would concern, on ``obj`` or, without
        an object, on what the type is for. A type without an interface concerns those who name
        it, and those who want all object events on such an object.

        :raises UnknownEventType: listing the valid names.
        """
        event_type = self.get(name)
        keys = _keys_of((event_type,))
        if event_type.when is not None or event_type.for_ is not None or obj is not None:
            objects = specification(event_type.for_) if obj is None else providedBy(obj)
            keys |= self._resolve(objects, specification(event_type.event_interface)).keys
        return Resolution(name, frozenset(keys), event_type)


def _names(spec: Specification) -> list[str]:
    """The dotted names of all classes and interfaces that ``spec`` extends.

    What is declared of one object alone is among its bases, but has no name itself.
    """
    names = []
    for each in spec.__sro__:
        if isinstance(each, InterfaceClass):
            names.append(each.__identifier__)
        elif isinstance(each, Implements):
            cls = each.inherit
            names.append(each.__name__ if cls is None else dotted_name(cls))
    return names


@implementer(INamedEvent)
@dataclasses.dataclass(eq=False)
class NamedEvent:
    """An event that is fired by the name of its type."""

    object: Any
    name: str

    @classmethod
    def of_type(cls, event_type: EventType, obj: Any) -> NamedEvent:
        """One that stands for an event of the type's interface, and so provides it."""
        event = cls(obj, event_type.name)
        if event_type.when is not None:
            directlyProvides(event, event_type.when)
        return event


@dataclasses.dataclass(eq=False)
class WebhookEvent:
    """Base of this package's own events."""

    object: Any


@implementer(ISubscriptionCreated)
class SubscriptionCreated(WebhookEvent):
    """A subscription was made."""


@implementer(ISubscriptionActivated)
class SubscriptionActivated(WebhookEvent):
    """A subscription was activated."""


@implementer(ISubscriptionDeactivated)
@dataclasses.dataclass(eq=False)
class SubscriptionDeactivated(WebhookEvent):
    """A subscription was deactivated, for the reason ``message``."""

    message: str | None = None


@implementer(ISubscriptionRemoved)
class SubscriptionRemoved(WebhookEvent):
    """A subscription was removed."""


@implementer(IPreconditionLimitReached)
class PreconditionLimitReached(WebhookEvent):
    """The owner or permission of a subscription could not be found too often."""

    def reset(self) -> None:
        """Count anew from zero: the subscription stays active."""
        self.object.log.preconditions_failed = 0


@implementer(IAttemptSucceeded)
@dataclasses.dataclass(eq=False)
class AttemptSucceeded(WebhookEvent):
    """The attempt ``object`` of ``subscription`` succeeded."""

    subscription: Any


@implementer(IAttemptFailed)
@dataclasses.dataclass(eq=False)
class AttemptFailed(WebhookEvent):
    """The attempt ``object`` of ``subscription`` failed."""

    subscription: Any


@implementer(IDeliveryExhausted)
@dataclasses.dataclass(eq=False)
class DeliveryExhausted(WebhookEvent):
    """A delivery to the subscription ``object`` was given up."""

    message_id: str
    event: str | None = None


@implementer(IDeliveryDropped)
@dataclasses.dataclass(eq=False)
class DeliveryDropped(WebhookEvent):
    """A delivery to the subscription ``object`` (None when it is gone) was dropped."""

    message_id: str
    reason: str
