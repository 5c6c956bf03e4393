"""What the company tells the world about: its event types."""

from __future__ import annotations

from zope.lifecycleevent.interfaces import (
    IObjectAddedEvent,
    IObjectModifiedEvent,
    IObjectRemovedEvent,
)

from demo.resources import Department, Employee, Office

_LIFE_CYCLE = {
    'added': IObjectAddedEvent,
    'modified': IObjectModifiedEvent,
    'removed': IObjectRemovedEvent,
}

_EMPLOYEE = {
    'id': 'ada-moreno',
    'name': 'Ada Moreno',
    'job': 'Forecaster',
    'grade': 1,
    'hired': '2026-11-22',
}
_TYPES = (
    (Employee, 'An employee', _EMPLOYEE),
    (Office, 'An office', {'id': 'OUN', 'title': 'Norman'}),
    (Department, 'A department', {'id': 'NWS', 'title': 'Weather'}),
)


def includeme(config) -> None:
    """Name the events. Nothing is said of who wants them, nor of how they are sent."""
    for type_, subject, example in _TYPES:
        noun = type_.__name__.lower()
        for verb, interface in _LIFE_CYCLE.items():
            config.add_webhook_event(
                f'{noun}.{verb}',
                for_=type_,
                when=interface,
                description=f'{subject} was {verb}.',
                example=example,
            )
    config.add_webhook_event(
        'employee.promoted',
        for_=Employee,
        description='An employee went up a grade.',
        example={**_EMPLOYEE, 'grade': 2},
    )
