"""The services of event types."""

from __future__ import annotations

from typing import Any

from zope.interface import providedBy

from pyramid_webhooks.events import EventType, specification
from pyramid_webhooks.interfaces import IEventCatalogue, UnknownEventType
from pyramid_webhooks.resources.finding import closest_folder
from pyramid_webhooks.resources.presenting import event_json
from pyramid_webhooks.resources.subscribing import type_of
from pyramid_webhooks.resources.subscription import ADD
from pyramid_webhooks.resources.traversal import manager_at
from pyramid_webhooks.rest.access import demand, may_look
from pyramid_webhooks.rest.body import read_body
from pyramid_webhooks.rest.context import find_manager, find_resource
from pyramid_webhooks.rest.errors import Refused
from pyramid_webhooks.rest.schemas import EventSubscription
from pyramid_webhooks.rest.services import make_service
from pyramid_webhooks.rest.subscribing import create
from pyramid_webhooks.rest.validation import valid_body

events_service = make_service('events', '/events', find_manager, 'The event types.')
event_service = make_service(
    'event', '/events/{event}', find_resource, 'An event type, as it concerns a resource.'
)


@events_service.get(validators=(may_look,))
def list_events(request: Any) -> dict[str, Any]:
    """All event types, by name."""
    catalogue = request.registry.getUtility(IEventCatalogue)
    return {'events': [event_json(catalogue.get(name)) for name in catalogue.names()]}


def _may_subscribe(request: Any, **_: Any) -> None:
    request.info['folder'] = folder = _folder_of(request.context)
    demand(request, ADD, manager_at(folder), 'subscribe here')


@event_service.post(
    validators=(_may_subscribe, valid_body),
    schema=EventSubscription(),
    deserializer=read_body,
)
def subscribe_to_event(request: Any) -> dict[str, Any]:
    """Subscribe to one event, for resources of this one's type in its closest folder."""
    event_type = _event_type(request)
    if not _concerns(event_type, request.context):
        raise Refused(
            400,
            'path',
            'event',
            f'The event {event_type.name} never happens to a resource of this type.',
        )
    return create(request, request.info['folder'], [event_type.name])


def _folder_of(resource: Any) -> Any:
    try:
        return closest_folder(resource)
    except ValueError:
        raise Refused(404, 'path', 'path', 'The resource of this path is in no folder.') from None


def _event_type(request: Any) -> EventType:
    try:
        return request.registry.getUtility(IEventCatalogue).get(request.matchdict['event'])
    except UnknownEventType as error:
        raise Refused(400, 'path', 'event', str(error)) from None


def _concerns(event_type: EventType, resource: Any) -> bool:
    wanted = specification(event_type.for_)
    kinds = providedBy(resource), specification(type_of(resource))
    return any(kind.isOrExtends(wanted) for kind in kinds)
