"""The log of a subscription's resolved attempts: bounded, compact, written by the engine alone."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from persistent import Persistent

from pyramid_webhooks.events import PING
from pyramid_webhooks.resources import elapsed
from pyramid_webhooks.resources.batch import Batch, rows_of
from pyramid_webhooks.resources.exhausted import Exhausted, Forgotten, GivenUp
from pyramid_webhooks.resources.health import Health
from pyramid_webhooks.resources.message import Message, is_there
from pyramid_webhooks.resources.packing import pack

#: Rows that are a batch of their own; fewer are written again, together with the next ones.
_BATCH_ROWS = range(2, 17)
#: Rows in batches of their own that become a page.
_PAGE_ROWS = 16
_PROTOCOL = 3


class ResponseRecord(NamedTuple):
    """What a receiver answered, as it is stored; and how long it took."""

    status_code: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    content: bytes
    truncated: bool
    microseconds: int


class AttemptRecord(NamedTuple):
    """A resolved attempt, as it is stored. Times are POSIX times.

    What is known from the message is not stored again: ``body`` is None where it was the message's
    data for ``dialect``, and so is the value of a header that was the message's id.
    """

    message: Message
    number: int
    succeeded: bool
    created: float
    due: float
    resolved_at: float
    text: str
    dialect: str
    method: str
    url: str
    headers: tuple[tuple[str, str | None], ...]
    body: bytes | None
    response: tuple[Any, ...] | None
    exceptions: tuple[str, ...]


class Tail:
    """The newest rows, which are too few for a batch and are stored with the log itself.

    :param messages: what the rows begin with.
    :param packed: the rest of them; packed and unpacked only where it is needed.
    """

    __slots__ = ('_messages', '_packed', '_rows')

    def __init__(self, messages: tuple[Any, ...] = (), packed: bytes = b''):
        self._messages = messages
        self._packed: bytes | None = packed
        self._rows: Sequence[tuple[Any, ...]] | None = None if messages else ()

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> Tail:
        """The tail that has these rows; each begins with a message."""
        tail = cls(tuple(row[0] for row in rows))
        tail._rows = rows
        tail._packed = None if rows else b''
        return tail

    def state(self) -> tuple[tuple[Any, ...], bytes]:
        """What it is made of."""
        if self._packed is None:
            self._packed = pack([tuple(row[1:]) for row in self.rows()])
        return self._messages, self._packed

    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The rows, oldest first."""
        if self._rows is None:
            self._rows = list(rows_of(self._messages, self._packed or b''))
        return self._rows

    def mentions(self, is_wanted: Callable[[Any], bool]) -> bool:
        """Whether a row begins with a wanted message; nothing is unpacked for it."""
        return any(map(is_wanted, self._messages))

    def __len__(self) -> int:
        return len(self._messages)


class AttemptLog(Persistent):
    """The resolved attempts of one subscription, and its health. Only the engine writes it.

    :ivar succeeded: attempts that succeeded since the subscription was made.
    :ivar failed: attempts that failed since then.
    :ivar failures_in_row: attempts that failed since the last one that succeeded.
    :ivar failing_since: POSIX time of the first of those, or None.
    :ivar elapsed: histogram of the seconds that answers took, see :mod:`.elapsed`.
    :ivar preconditions_failed: events for which nobody knew the owner, since the last activation.
    :ivar health: of the receiver. What changes it is stored with the attempts that are appended.
    """

    def __init__(self) -> None:
        self._pages: tuple[Batch, ...] = ()
        self._batches: tuple[Batch, ...] = ()
        self._counts: tuple[int, ...] = ()
        self._tail = Tail()
        self._skipped = 0
        self._exhausted: Exhausted | None = None
        self.succeeded = 0
        self.failed = 0
        self.last_success: float | None = None
        self.last_failure: float | None = None
        self.failures_in_row = 0
        self.failing_since: float | None = None
        self.preconditions_failed = 0
        self.health = Health()
        self.elapsed = b''

    def __getstate__(self) -> tuple[Any, ...]:
        # One is written for nearly each delivery, and ZODB looks at every single value that it
        # pickles: so all that is no persistent object is one piece of bytes.
        messages, tail = self._tail.state()
        values = (
            bytes(self._counts),
            tail,
            self._skipped,
            self.succeeded,
            self.failed,
            self.last_success,
            self.last_failure,
            self.failures_in_row,
            self.failing_since,
            self.preconditions_failed,
            self.health.values(),
            self.elapsed,
        )
        plain = pickle.dumps(values, _PROTOCOL)
        return self._pages, self._batches, messages, self._exhausted, plain

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._pages, self._batches, messages, self._exhausted, plain = state
        (
            counts,
            tail,
            self._skipped,
            self.succeeded,
            self.failed,
            self.last_success,
            self.last_failure,
            self.failures_in_row,
            self.failing_since,
            self.preconditions_failed,
            health,
            self.elapsed,
        ) = pickle.loads(plain)
        self._counts = tuple(counts)
        self._tail = Tail(messages, tail)
        self.health = Health(*health)

    def append(self, records: Sequence[AttemptRecord], limit: int) -> None:
        """Add resolved attempts, oldest first, and drop the oldest ones beyond ``limit``."""
        self._store(records)
        self._drop(limit)
        for record in records:
            self._count(record)
        answers = (ResponseRecord._make(each.response) for each in records if each.response)
        self.elapsed = elapsed.add(self.elapsed, (answer.microseconds / 1e6 for answer in answers))

    def _store(self, records: Sequence[tuple[Any, ...]]) -> None:
        rows = [*self._tail.rows(), *records]
        while len(rows) >= _BATCH_ROWS.start:
            part, rows = rows[: _BATCH_ROWS[-1]], rows[_BATCH_ROWS[-1] :]
            self._batches += (Batch(part),)
            self._counts += (len(part),)
            if sum(self._counts[len(self._pages) :]) >= _PAGE_ROWS:
                self._fold()
        self._tail = Tail.of(rows)

    def _fold(self) -> None:
        """Make one of the batches, so that this object, which is often written, is small."""
        first = len(self._pages)
        self._pages += (Batch.of(self._batches),)
        self._batches = ()
        self._counts = (*self._counts[:first], sum(self._counts[first:]))

    def _drop(self, limit: int) -> None:
        """Drop pages and batches that are beyond the limit; of the first one left, skip some."""
        surplus = sum(self._counts) + len(self._tail) - limit
        dropped = 0
        while dropped < len(self._counts) and surplus >= self._counts[dropped]:
            surplus -= self._counts[dropped]
            dropped += 1
        self._batches = self._batches[max(0, dropped - len(self._pages)) :]
        self._pages = self._pages[dropped:]
        self._counts = self._counts[dropped:]
        self._skipped = max(surplus, 0)

    def _count(self, record: AttemptRecord) -> None:
        if record.succeeded:
            self.succeeded += 1
            self.last_success = record.resolved_at
            self.failures_in_row = 0
            self.failing_since = None
        else:
            self.failed += 1
            self.last_failure = record.resolved_at
            self.failures_in_row += 1
            if self.failing_since is None:
                self.failing_since = record.resolved_at

    def give_up(self, given_up: GivenUp, limit: int) -> None:
        """Remember a delivery that was given up, so that it can be recovered."""
        if self._exhausted is None:
            self._exhausted = Exhausted()
        self._exhausted.append(given_up, limit)

    @property
    def exhausted(self) -> Exhausted:
        """The deliveries that were given up, oldest first."""
        return Exhausted() if self._exhausted is None else self._exhausted

    def take_exhausted(self, message: Message) -> bool:
        """Take a message out of those that were given up; whether it was there."""
        return self._exhausted is not None and self._exhausted.take_message(message)

    def failed_beyond(self, forgotten: Forgotten) -> list[GivenUp]:
        """What was given up and could not be kept as such, but is in the history still.

        It may have been owed again since.

        :param forgotten: what ``exhausted`` says of those that it could not keep.
        """
        if forgotten.until is None:
            return []
        newest: dict[Message, AttemptRecord] = {}
        for record in self:
            if newest.setdefault(record.message, record).number < record.number:
                newest[record.message] = record
        kept = {each.message for each in self.exhausted}
        return [
            GivenUp(message, each.text, each.resolved_at, each.number, message._p_serial)
            for message, each in newest.items()
            if not each.succeeded
            and message not in kept
            and each.resolved_at <= forgotten.until
            and is_there(message)
            and message.event != PING
        ]

    def is_failing(self, limit: int, window: float) -> bool:
        """Whether at least ``limit`` attempts failed in a row, over ``window`` seconds or more."""
        since, last = self.failing_since, self.last_failure
        if since is None or last is None or self.failures_in_row < limit:
            return False
        return last - since >= window

    def shorten(self) -> bool:
        """Drop the older half of the deliveries given up or, without any, of the attempts.

        :returns: whether there was anything to be dropped.
        """
        if self._exhausted is not None and self._exhausted.shorten():
            return True
        if len(self) < 2:
            return False
        kept = list(self)[len(self) // 2 :]
        self._pages = self._batches = self._counts = ()
        self._tail = Tail()
        self._skipped = 0
        self._store(kept)
        return True

    def reset_health(self) -> None:
        """Forget what would lead to a deactivation, and begin gently."""
        self.failures_in_row = 0
        self.failing_since = None
        self.preconditions_failed = 0
        self.health = Health()

    def about(self, is_wanted: Callable[[Message], bool]) -> Iterator[AttemptRecord]:
        """Yield the attempts of the messages that are wanted, oldest first.

        It costs far less than to look at all.
        """
        place = 0
        for batch, count in zip((*self._pages, *self._batches), self._counts, strict=True):
            for at, row in batch.about(is_wanted, place):
                if at >= self._skipped:
                    yield AttemptRecord._make(row)
            place += count
        if self._tail.mentions(is_wanted):
            for at, row in enumerate(self._tail.rows(), place):
                if at >= self._skipped and is_wanted(row[0]):
                    yield AttemptRecord._make(row)

    def __len__(self) -> int:
        return sum(self._counts) + len(self._tail) - self._skipped

    def __iter__(self) -> Iterator[AttemptRecord]:
        stored = itertools.chain.from_iterable(itertools.chain(self._pages, self._batches))
        rows = itertools.chain(stored, self._tail.rows())
        return map(AttemptRecord._make, itertools.islice(rows, self._skipped, None))
