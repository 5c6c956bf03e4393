"""The company's tree: departments, offices and employees, each with an access control list."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from pyramid.authorization import ALL_PERMISSIONS, DENY_ALL, Allow, Authenticated, Everyone
from pyramid.traversal import resource_path
from pyramid_zodbconn import get_connection

PRESIDENT = 'pat'
_IN_CHARGE = ('view', 'edit', 'webhooks.view', 'webhooks.add')


class Resource(Persistent):
    """Anything that has a place in the tree."""

    __name__: str | None = None
    __parent__: Folder | None = None

    def __init__(self, title: str):
        self.title = title

    @property
    def path(self) -> str:
        """Where it is, such as ``/NWS/OUN``."""
        return resource_path(self)

    def __json__(self, request) -> dict[str, Any]:
        """What a webhook says of it."""
        return {'id': self.__name__, 'title': self.title}


class Folder(Resource):
    """A resource that holds others by name."""

    def __init__(self, title: str):
        super().__init__(title)
        self._children = OOBTree()

    def __getitem__(self, name: str) -> Resource:
        return self._children[name]

    def __contains__(self, name: str) -> bool:
        return name in self._children

    def __setitem__(self, name: str, child: Resource) -> None:
        child.__name__, child.__parent__ = name, self
        self._children[name] = child

    def __delitem__(self, name: str) -> None:
        del self._children[name]

    def values(self) -> Iterator[Resource]:
        """The children, in the order of their names."""
        return iter(self._children.values())


class Company(Folder):
    """The root. Everybody may look around, and everybody in the company may subscribe."""

    __name__ = ''
    __acl__ = (
        (Allow, PRESIDENT, ALL_PERMISSIONS),
        (Allow, Authenticated, 'webhooks.add'),
        (Allow, Everyone, 'browse'),
    )


class Department(Folder):
    """Holds offices."""

    def __init__(self, title: str, head: str | None = None):
        super().__init__(title)
        self.head = head

    def __acl__(self):
        return [(Allow, self.head, _IN_CHARGE)] if self.head else []


class Office(Folder):
    """Holds employees."""

    def __init__(self, title: str, manager: str | None = None):
        super().__init__(title)
        self.manager = manager

    def __acl__(self):
        return [(Allow, self.manager, _IN_CHARGE)] if self.manager else []

    def hire(self, employee: Employee) -> Employee:
        """Give ``employee`` a place under a name made of their own."""
        plain = unicodedata.normalize('NFKD', employee.title).encode('ascii', 'ignore').decode()
        wanted = '-'.join(re.findall('[a-z0-9]+', plain.lower())) or 'employee'
        name, number = wanted, 1
        while name in self:
            number += 1
            name = f'{wanted}-{number}'
        self[name] = employee
        return employee


class Employee(Resource):
    """Somebody who works in an office; if confidential, only the president may know."""

    def __init__(self, title: str, job: str = '', confidential: bool = False):
        super().__init__(title)
        self.job = job
        self.grade = 1
        self.confidential = confidential
        self.hired = datetime.date.today()

    def __acl__(self):
        if self.confidential:
            return [(Allow, PRESIDENT, ALL_PERMISSIONS), DENY_ALL]
        return []

    def __json__(self, request) -> dict[str, Any]:
        return {
            'id': self.__name__,
            'name': self.title,
            'job': self.job,
            'grade': self.grade,
            'hired': self.hired.isoformat(),
        }


def root_factory(request) -> Company:
    """The company, founded when the database is new."""
    root = get_connection(request).root()
    if 'company' not in root:
        root['company'] = _found_company()
    return root['company']


def _found_company() -> Company:
    company = Company('Weather & Co.')
    company['NWS'] = weather = Department('Weather', head='dana')
    weather['OUN'] = norman = Office('Norman', manager='omar')
    weather['FWD'] = fort_worth = Office('Fort Worth')
    company['SEA'] = sea = Department('Sea and tides')
    sea['GLS'] = galveston = Office('Galveston')
    norman.hire(Employee('Ada Moreno', 'Forecaster'))
    norman.hire(Employee('Ben Okafor', 'Radar technician'))
    fort_worth.hire(Employee('Cleo Varga', 'Forecaster'))
    galveston.hire(Employee('Dmitri Sandoval', 'Tide keeper'))
    return company
