"""Subscriptions that the configuration wants to be kept in the tree."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from zope.interface import implementer

from pyramid_webhooks.interfaces import ITreeDeclarations
from pyramid_webhooks.resources.arguments import Wanted


@dataclasses.dataclass(frozen=True, slots=True)
class TreeDeclaration:
    """One subscription, as a directive or the ini file declares it.

    :ivar identity: its name, or a digest of its parameters and an ordinal.
    :ivar place: the names from the root object down to the folder.
    """

    identity: str
    place: tuple[str, ...]
    to: str
    wanted: Wanted
    owner: str | None = None
    permission: str | None = None
    dialect: str | None = None
    secret: str | None = dataclasses.field(default=None, repr=False)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    description: str = ''

    @property
    def path(self) -> str:
        """The path of the folder, as ``resource_path`` would write it."""
        return '/' + '/'.join(quote(name, safe="~!$&'()*+,;=:@") for name in self.place)

    @property
    def fingerprint(self) -> str:
        """Changes when it becomes another subscription: what it gets, where, for whom."""
        return _digest(self.place, self.to, self.wanted, self.owner, self.permission, self.dialect)

    @property
    def details(self) -> str:
        """Changes with what a subscription may change and stay the same one."""
        return _digest(sorted(self.headers.items()), self.description, self.secret)

    def arguments(self) -> dict[str, Any]:
        """Keywords for ``create_subscription``."""
        return {
            'to': self.to,
            'events': self.wanted.events,
            'for_': self.wanted.for_,
            'when': self.wanted.when,
            'owner': self.owner,
            'permission': self.permission,
            'dialect': self.dialect,
            'secret': self.secret,
            'headers': self.headers,
            'description': self.description,
            'kind': 'tree',
        }


@implementer(ITreeDeclarations)
class TreeDeclarations(dict[str, TreeDeclaration]):
    """identity -> declaration, for one application."""


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
