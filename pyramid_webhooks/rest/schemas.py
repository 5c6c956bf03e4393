"""What the services take, as colander schemas."""

from __future__ import annotations

import datetime
import re
from typing import Any

import colander

from pyramid_webhooks.resources.rotation import DAY
from pyramid_webhooks.resources.secrets import SCHEMES

LIMIT = 50
MAX_LIMIT = 250
_OUTPUT_ONLY = 'is output only.'
_HEADERS = 'an object of header names and values'
#: Characters of an unknown field's name that are repeated in the error.
_SHOWN = 100


class Value(colander.SchemaType):
    """A value of exactly one JSON type; nothing is converted.

    :param type_: the Python type.
    :param called: what it is called in errors.
    :param null: what null stands for: as if the field were missing, None, or (``...``) an error.
    """

    def __init__(self, type_: type, called: str, null: Any = colander.null):
        self.type = type_
        self.called = called
        self.null = null

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if cstruct is colander.null:
            return colander.null
        if cstruct is None and self.null is not ...:
            return self.null
        if type(cstruct) is not self.type:
            raise colander.Invalid(node, f'must be {self.called}.')
        return cstruct


class Seconds(Value):
    """A number of seconds."""

    def __init__(self) -> None:
        super().__init__(float, 'a number of seconds')

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        # A whole number may be too large to be made a float.
        return cstruct if type(cstruct) is int else super().deserialize(node, cstruct)


class Scheme(Value):
    """The name of a signature scheme."""

    def __init__(self) -> None:
        super().__init__(str, 'one of ' + ', '.join(SCHEMES))

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        value = super().deserialize(node, cstruct)
        if value is not colander.null and value not in SCHEMES:
            raise colander.Invalid(node, f'must be {self.called}.')
        return value


class Texts(Value):
    """A list of texts."""

    def __init__(self, null: Any = colander.null):
        super().__init__(list, 'a list of texts', null)

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        values = super().deserialize(node, cstruct)
        if values is not colander.null and not all(type(each) is str for each in values):
            raise colander.Invalid(node, f'must be {self.called}.')
        return values


class Time(Value):
    """An ISO 8601 time; in UTC, where it doesn't say."""

    def __init__(self) -> None:
        super().__init__(str, 'an ISO 8601 time such as 2026-01-31T12:00:00Z', null=...)

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        text = super().deserialize(node, cstruct)
        if text is colander.null:
            return text
        try:
            time = datetime.datetime.fromisoformat(text)
            if time.tzinfo is None:
                return time.replace(tzinfo=datetime.UTC)
            return time.astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            raise colander.Invalid(node, f'must be {self.called}.') from None


class Parameter(colander.SchemaType):
    """A query parameter that is given at most once."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if cstruct is colander.null:
            return colander.null
        if not isinstance(cstruct, str):
            raise colander.Invalid(node, 'is given more than once.')
        return self.parse(node, cstruct)

    def parse(self, node: Any, text: str) -> Any:
        return text


class Limit(Parameter):
    """How many entries a page may have."""

    def parse(self, node: Any, text: str) -> int:
        if not re.fullmatch('[0-9]{1,3}', text) or not 1 <= int(text) <= MAX_LIMIT:
            raise colander.Invalid(node, f'must be a number from 1 to {MAX_LIMIT}.')
        return int(text)


class Choice(Parameter):
    """One of a few texts, which stand for values."""

    def __init__(self, choices: dict[str, Any]):
        self.choices = choices

    def parse(self, node: Any, text: str) -> Any:
        if text not in self.choices:
            raise colander.Invalid(node, f'must be one of {", ".join(self.choices)}.')
        return self.choices[text]


class Fields(colander.Mapping):
    """A mapping that names each key which does not belong there."""

    def deserialize(self, node: Any, cstruct: Any) -> Any:
        if isinstance(cstruct, dict):
            known = [child.name for child in node.children]
            refused = colander.Invalid(node)
            for name in cstruct:
                if name not in known:
                    reason = node.reasons.get(name)
                    if reason is None:
                        reason = f'does not exist here; there is: {", ".join(known)}.'
                    unknown = colander.SchemaNode(self, name=name[:_SHOWN])
                    refused.add(colander.Invalid(unknown, reason))
            if refused.children:
                raise refused
        return super().deserialize(node, cstruct)


class Schema(colander.MappingSchema):
    """Base of the schemas.

    :cvar reasons: why certain fields are not taken.
    """

    schema_type = Fields
    reasons: dict[str, str] = {}


_READ_ONLY = dict.fromkeys(
    'id url path kind for when status_message created modified attempts_url'.split(),
    _OUTPUT_ONLY,
)


def _node(type_: colander.SchemaType, **options: Any) -> colander.SchemaNode:
    return colander.SchemaNode(type_, missing_msg='is required.', **options)


def _text(**options: Any) -> colander.SchemaNode:
    return _node(Value(str, 'a text'), **options)


def _changed(type_: Value) -> colander.SchemaNode:
    return _node(type_, missing=colander.drop)


class EventSubscription(Schema):
    """A new subscription to one event, which the path names."""

    reasons = {
        **_READ_ONLY,
        'active': 'is true for a new subscription.',
        'events': 'is the event that the path names.',
    }
    to = _text()
    permission = _text(missing=None)
    dialect = _text(missing=None)
    headers = _node(Value(dict, _HEADERS), missing=None)
    description = _text(missing='')
    owner = _text(missing=None)
    secret = _text(missing=None)
    scheme = _node(Scheme(), missing=None)


class NewSubscription(EventSubscription):
    """A new subscription."""

    reasons = {**_READ_ONLY, 'active': 'is true for a new subscription.'}
    events = _node(Texts())


class Change(Schema):
    """A change of a subscription."""

    reasons = {
        **_READ_ONLY,
        'owner': 'can not be changed.',
        'permission': 'can not be changed.',
        'secret': 'can not be changed like this.',
    }
    to = _changed(Value(str, 'a text', null=...))
    events = _changed(Texts(null=...))
    dialect = _changed(Value(str, 'a text or null', null=None))
    headers = _changed(Value(dict, _HEADERS, null=None))
    description = _changed(Value(str, 'a text', null=...))
    active = _changed(Value(bool, 'true or false', null=...))


class Rotation(Schema):
    """A new signing secret."""

    overlap = _node(Seconds(), missing=DAY)
    secret = _text(missing=None)
    scheme = _node(Scheme(), missing=None)


class Recovery(Schema):
    """What is to be recovered."""

    since = _node(Time())


class SubscriptionQuery(Schema):
    """Which subscriptions a page shall have."""

    limit = _node(Limit(), missing=LIMIT)
    after = _node(Parameter(), missing=None)
    owner = _node(Parameter(), missing=None)
    event = _node(Parameter(), missing=None)
    active = _node(Choice({'true': True, 'false': False}), missing=None)


class AttemptQuery(Schema):
    """Which attempts a page shall have."""

    limit = _node(Limit(), missing=LIMIT)
    after = _node(Parameter(), missing=None)
    event = _node(Parameter(), missing=None)
    status = _node(
        Choice({name: name for name in ('pending', 'successful', 'failed')}), missing=None
    )
