"""The three people that a visitor can be."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody who may sign in."""

    userid: str
    name: str
    role: str
    home: str
    """The folder that is theirs, as a path."""


PEOPLE = {
    person.userid: person
    for person in (
        Person('pat', 'Pat', 'president', '/'),
        Person('dana', 'Dana', 'head of department NWS', '/NWS'),
        Person('omar', 'Omar', 'manager of office OUN', '/NWS/OUN'),
    )
}
