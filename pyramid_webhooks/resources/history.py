"""The log of a subscription's resolved attempts: bounded, compact, written by the engine alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from persistent import Persistent

from pyramid_webhooks.events import PING
from pyramid_webhooks.resources import elapsed
from pyramid_webhooks.resources.batch import Batch
from pyramid_webhooks.resources.exhausted import Exhausted, Forgotten, GivenUp
from pyramid_webhooks.resources.health import Health
from pyramid_webhooks.resources.message import Message, is_there

_BATCH_SIZE = 16
_PAGE_SIZE = 8


class ResponseRecord(NamedTuple):
    """What a receiver answered, as it is stored. ``elapsed`` is in seconds."""

    status_code: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    content: bytes
    truncated: bool
    elapsed: float


class AttemptRecord(NamedTuple):
    """A resolved attempt, as it is stored. Times are POSIX times.

    ``body`` is None where the body was the message's data for ``dialect``.
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
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    response: tuple[Any, ...] | None
    exceptions: tuple[str, ...]


class Page(Persistent):
    """Some batches."""

    def __init__(self, batches: tuple[Batch, ...]):
        self.batches = batches

    def __getstate__(self) -> tuple[Batch, ...]:
        return self.batches

    def __setstate__(self, state: tuple[Batch, ...]) -> None:
        self.batches = state


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
        self._pages: tuple[Page, ...] = ()
        self._batches: tuple[Batch, ...] = ()
        self._counts: tuple[int, ...] = ()
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
        return (
            self._pages,
            self._batches,
            bytes(self._counts),
            self._skipped,
            self._exhausted,
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

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (
            self._pages,
            self._batches,
            counts,
            self._skipped,
            self._exhausted,
            self.succeeded,
            self.failed,
            self.last_success,
            self.last_failure,
            self.failures_in_row,
            self.failing_since,
            self.preconditions_failed,
            health,
            self.elapsed,
        ) = state
        self._counts = tuple(counts)
        self.health = Health(*health)

    def append(self, records: Sequence[AttemptRecord], limit: int) -> None:
        """Add resolved attempts, oldest first, and drop the oldest ones beyond ``limit``."""
        self._store(records)
        self._drop(limit)
        for record in records:
            self._count(record)
        answers = (ResponseRecord._make(each.response) for each in records if each.response)
        self.elapsed = elapsed.add(self.elapsed, (answer.elapsed for answer in answers))

    def _store(self, records: Sequence[AttemptRecord]) -> None:
        for start in range(0, len(records), _BATCH_SIZE):
            part = records[start : start + _BATCH_SIZE]
            self._batches += (Batch(part),)
            self._counts += (len(part),)
            unfolded = self._counts[len(self._pages) :]
            if len(unfolded) == _PAGE_SIZE or sum(unfolded) >= _BATCH_SIZE:
                self._fold()

    def _fold(self) -> None:
        """Put the batches into a page, so that this object, which is often written, is small."""
        first = len(self._pages)
        self._pages += (Page(self._batches),)
        self._batches = ()
        self._counts = (*self._counts[:first], sum(self._counts[first:]))

    def _drop(self, limit: int) -> None:
        """Drop pages and batches that are beyond the limit; of the first one left, skip some."""
        surplus = sum(self._counts) - limit
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
        self._skipped = 0
        self._store(kept)
        return True

    def reset_health(self) -> None:
        """Forget what would lead to a deactivation, and begin gently."""
        self.failures_in_row = 0
        self.failing_since = None
        self.preconditions_failed = 0
        self.health = Health()

    def __len__(self) -> int:
        return sum(self._counts) - self._skipped

    def __iter__(self) -> Iterator[AttemptRecord]:
        paged = (batch for page in self._pages for batch in page.batches)
        rows = itertools.chain.from_iterable(itertools.chain(paged, self._batches))
        return map(AttemptRecord._make, itertools.islice(rows, self._skipped, None))
