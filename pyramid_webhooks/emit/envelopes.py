"""Dialects that wrap the data in an envelope, from plain values, when they are sent.

The data were rendered once, when the event happened; wrapping them is joining bytes, and gives the
same bytes on every try.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from pyramid_webhooks.emit.dialects import Dialect


class StandardDialect(Dialect):
    """``{"type", "timestamp", "data"}``: the body that Standard Webhooks 1.0 recommends."""

    def body(self, outgoing: Any) -> bytes:
        """The data, wrapped."""
        return _join(
            {'type': outgoing.event, 'timestamp': _iso(outgoing.timestamp)}, outgoing.data
        )


class RestHooksDialect(Dialect):
    """``{"hook": {"id", "event", "target"}, "data"}``: what REST Hooks receivers expect."""

    def body(self, outgoing: Any) -> bytes:
        """The data, wrapped."""
        hook = {
            'id': outgoing.subscription,
            'event': outgoing.event,
            'target': outgoing.target,
        }
        return _join({'hook': hook}, outgoing.data)


class CloudEventsDialect(Dialect):
    """CloudEvents 1.0 in structured mode, as JSON.

    :param source: the URI reference that says where the events come from; ``id`` is unique in it.
    """

    content_type = 'application/cloudevents+json'

    def __init__(self, source: str = '/', **options: Any):
        super().__init__(**options)
        self._source = source

    def body(self, outgoing: Any) -> bytes:
        """The data, wrapped."""
        attributes = {
            'specversion': '1.0',
            'id': outgoing.id,
            'source': self._source,
            'type': outgoing.event,
            'time': _iso(outgoing.timestamp),
            'datacontenttype': 'application/json',
        }
        return _join(attributes, outgoing.data)


def _iso(timestamp: float) -> str:
    moment = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    return moment.isoformat(timespec='microseconds').replace('+00:00', 'Z')


def _join(attributes: dict[str, Any], data: bytes) -> bytes:
    opening = json.dumps(attributes, ensure_ascii=False, separators=(',', ':'))
    return opening[:-1].encode() + b',"data":' + data + b'}'


#: The dialects that every application has, by name.
BUILT_IN = {
    '': Dialect,
    'standard': StandardDialect,
    'rest-hooks': RestHooksDialect,
    'cloudevents': CloudEventsDialect,
}
