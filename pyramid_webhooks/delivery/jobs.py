"""A delivery on its way through the engine, in plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.outbox.schedule import QueueKey, Recipient
from pyramid_webhooks.resources.message import MessageCopy
from pyramid_webhooks.resources.secrets import Key

#: ``tries`` of a delivery that is tried just once.
LAST_TRY = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """What a dialect makes a request of.

    :ivar id: the message's id, the same on every try.
    :ivar event: name of the event type.
    :ivar timestamp: POSIX time of the event.
    :ivar target: URL.
    :ivar subscription: id of the subscription.
    :ivar data: the bytes that the dialect's ``serialize`` made.
    """

    id: str
    event: str
    timestamp: float
    target: str
    subscription: str
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is needed to send, and nothing that is persistent.

    :ivar headers: the subscription's own.
    :ivar keys: what signs, newest first, each with the POSIX time at which it ends, or None.
    :ivar problem: why it can't be sent, or None.
    :ivar lasting: whether the problem is there to stay.
    """

    outgoing: Outgoing
    dialect: str
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    keys: tuple[tuple[Key, float | None], ...] = dataclasses.field(repr=False)
    problem: str | None = None
    lasting: bool = True


class Sent(NamedTuple):
    """What was sent, for the record. ``body`` is None where it was the data themselves."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class Job:
    """One delivery that the engine has in hand; it stays owed in the database until recorded.

    :ivar home: name of the database whose outbox owes it.
    :ivar recipient: (database name, oid) of the subscription.
    :ivar message: oid of the message, in ``home``.
    :ivar segment: oid of the segment of the intake that it is in, or None.
    :ivar entry: key of its entry there.
    :ivar queue_key: its key in the queue of its recipient, or None.
    :ivar copy: of the message, or None where it has to be read to be prepared.
    :ivar number: of the attempt.
    :ivar tries: attempts made before on the present schedule.
    :ivar created: POSIX time at which this attempt began to be owed.
    :ivar due: POSIX time at which it was to be sent.
    """

    __slots__ = (
        'copy',
        'created',
        'due',
        'entry',
        'home',
        'message',
        'number',
        'outcome',
        'prepared',
        'queue_key',
        'recipient',
        'resolved_at',
        'segment',
        'sent',
        'tries',
    )

    def __init__(
        self,
        home: str,
        recipient: Recipient,
        message: bytes,
        *,
        segment: bytes | None = None,
        entry: bytes | None = None,
        queue_key: QueueKey | None = None,
        copy: MessageCopy | None = None,
        number: int = 1,
        tries: int = 0,
        created: float,
        due: float,
    ):
        self.home = home
        self.recipient = recipient
        self.message = message
        self.segment = segment
        self.entry = entry
        self.queue_key = queue_key
        self.copy = copy
        self.number = number
        self.tries = tries
        self.created = created
        self.due = due
        self.prepared: Prepared | None = None
        self.sent: Sent | None = None
        self.outcome: Outcome | None = None
        self.resolved_at = 0.0

    @property
    def is_last(self) -> bool:
        """Whether it is tried once, although the folder of its subscription was removed."""
        return self.tries >= LAST_TRY

    @property
    def source(self) -> Any:
        """Where it is owed: the same for the same delivery, different for different ones."""
        if self.entry is not None:
            return self.home, self.entry, self.recipient
        return self.home, self.queue_key, self.recipient
