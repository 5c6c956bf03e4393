"""The immutable payload of one event, stored once however many subscriptions get it."""

from __future__ import annotations

import datetime
import os
import pickle
import random
import time
from typing import Any, NamedTuple

from persistent import Persistent
from ZODB.POSException import POSKeyError

_PROTOCOL = 5
#: Asked for once: each message has it, and asking takes as long as the rest of its origin.
_HOST = os.uname().nodename
#: Data of more bytes than this are an object of their own, so that listing messages is cheap.
INLINE_LIMIT = 4096
#: Bytes of data that are worth a copy: many may be kept. A key counts as so many.
COPY_SIZE = 2048
_KEY_SIZE = 64
_NO_SERIAL = b'\0' * 8


def new_message_id() -> str:
    """``msg_`` and 26 hexadecimal digits that sort by time: 64 bits of nanoseconds, 40 random."""
    return f'msg_{time.time_ns():016x}{random.getrandbits(40):010x}'


def utc(seconds: float) -> datetime.datetime:
    """The aware datetime of a POSIX time."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


#: What data are for: a dialect, or a dialect and the id of a subscription.
Key = str | tuple[str, str]


class Origin(NamedTuple):
    """Where a message was made. ``created`` is a POSIX time."""

    pid: int
    hostname: str
    created: float
    transaction_note: str
    userid: str | None


class LargeData(Persistent):
    """The bytes of large data."""

    def __init__(self, data: bytes):
        self.data = data


class Content:
    """What was made of one event, by dialect."""

    __slots__ = ()
    _data: dict[Key, Any]
    _errors: dict[Key, str] | None

    def data(self, dialect: str, subscription: str | None = None) -> bytes | None:
        """The bytes of the data; None when they could not be made.

        :param subscription: the id of one, for which they may have been made apart.
        """
        found = self._data.get((dialect, subscription), self._data.get(dialect))
        return found.data if isinstance(found, LargeData) else found

    def error(self, dialect: str, subscription: str | None = None) -> str | None:
        """Why there are no data, as a sentence."""
        errors = self._errors or {}
        return errors.get((dialect, subscription), errors.get(dialect))


class MessageCopy(Content):
    """Of a small message that was just committed, what is to be sent; it belongs to no connection.

    What the message is made of is never changed, so that both may have the same.

    :ivar serial: that of the transaction.
    """

    __slots__ = ('_data', '_errors', 'event', 'id', 'serial', 'timestamp')

    def __init__(self, message: Message):
        self.serial: bytes = message._p_serial
        self.id = message.id
        self.event = message.event
        self.timestamp = message.timestamp
        self._data = message._data
        self._errors = message._errors


class Message(Content, Persistent):
    """One event's payload.

    :ivar id: ``msg_…``, sent as ``webhook-id``.
    :ivar event: name of the event type.
    :ivar timestamp: POSIX time of the event.
    :ivar origin: an :class:`Origin`.
    :ivar error: why no payload could be made, or None.

    There is one message for each event, and ZODB looks at every single value that it pickles; so
    the state is one piece of bytes, beside what is an object of its own.
    """

    def __init__(
        self,
        event: str,
        timestamp: float,
        origin: Origin,
        data: dict[Key, bytes],
        errors: dict[Key, str] | None = None,
    ):
        self.id = new_message_id()
        self.event = event
        self.timestamp = timestamp
        self.origin = origin
        self._errors = errors or None
        self._data: dict[Key, Any] = {
            dialect: each if len(each) <= INLINE_LIMIT else LargeData(each)
            for dialect, each in data.items()
        }

    def __getstate__(self) -> Any:
        pid, hostname, created, note, userid = self.origin
        inline, large = {}, {}
        for dialect, data in self._data.items():
            (large if isinstance(data, LargeData) else inline)[dialect] = data
        plain = (self.id, self.event, self.timestamp, pid, hostname, created, note, userid)
        packed = pickle.dumps((*plain, inline, self._errors), _PROTOCOL)
        return (packed, large) if large else packed

    def __setstate__(self, state: Any) -> None:
        packed, large = (state, {}) if isinstance(state, bytes) else state
        values = pickle.loads(packed)
        self.id, self.event, self.timestamp = values[:3]
        self.origin = Origin._make(values[3:8])
        inline, self._errors = values[8:]
        self._data = {**inline, **large}


def copy_of(message: Message) -> MessageCopy | None:
    """A copy, that other threads may read, of what was just committed and is not large."""
    # A ghost would be read, and what belongs to no transaction yet has no serial.
    if message._p_changed is not False or message._p_serial == _NO_SERIAL or message._errors:
        return None
    size = 0
    for data in message._data.values():
        if isinstance(data, LargeData):
            return None
        size += _KEY_SIZE + len(data)
    return MessageCopy(message) if size <= COPY_SIZE else None


def is_there(message: Message) -> bool:
    """Whether a message can be read: one that another database keeps may have been packed away.

    It is no method, because to ask a ghost for one is to read it.
    """
    try:
        message._p_activate()
    except POSKeyError:
        return False
    return True


def current_pid_and_host() -> tuple[int, str]:
    """The process id and the host name of this process."""
    return os.getpid(), _HOST
