"""The attempts of a subscription: a bounded log of the resolved ones, and views of them all."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from persistent import Persistent
from pyramid.httpexceptions import status_map
from webob.headers import ResponseHeaders
from zope.interface import implementer

from pyramid_webhooks.interfaces import IAttempt, IOwedDeliveries
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.message import Message, Origin, utc

_BATCH_SIZE = 16


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


class Batch(Persistent):
    """Attempts that were recorded in one transaction; never changed."""

    def __init__(self, records: Iterable[tuple[Any, ...]]):
        self._records = tuple(tuple(record) for record in records)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._records

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._records = state

    def __iter__(self) -> Iterator[AttemptRecord]:
        return map(AttemptRecord._make, self._records)

    def __len__(self) -> int:
        return len(self._records)


class AttemptLog(Persistent):
    """The resolved attempts of one subscription, and its health. Only the engine writes it.

    :ivar succeeded: attempts that succeeded since the subscription was made.
    :ivar failed: attempts that failed since then.
    :ivar failures_in_row: attempts that failed since the last one that succeeded.
    :ivar failing_since: POSIX time of the first of those, or None.
    """

    def __init__(self) -> None:
        self._batches: tuple[tuple[Batch, int], ...] = ()
        self._skipped = 0
        self._exhausted: Exhausted | None = None
        self.succeeded = 0
        self.failed = 0
        self.last_success: float | None = None
        self.last_failure: float | None = None
        self.failures_in_row = 0
        self.failing_since: float | None = None

    def __getstate__(self) -> tuple[Any, ...]:
        return (
            self._batches,
            self._skipped,
            self._exhausted,
            self.succeeded,
            self.failed,
            self.last_success,
            self.last_failure,
            self.failures_in_row,
            self.failing_since,
        )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (
            self._batches,
            self._skipped,
            self._exhausted,
            self.succeeded,
            self.failed,
            self.last_success,
            self.last_failure,
            self.failures_in_row,
            self.failing_since,
        ) = state

    def append(self, records: Sequence[AttemptRecord], limit: int) -> None:
        """Add resolved attempts, oldest first, and drop the oldest ones beyond ``limit``."""
        batches = list(self._batches)
        for start in range(0, len(records), _BATCH_SIZE):
            part = records[start : start + _BATCH_SIZE]
            batches.append((Batch(part), len(part)))
        surplus = sum(count for _, count in batches) - limit
        while batches and surplus >= batches[0][1]:
            surplus -= batches.pop(0)[1]
        self._batches = tuple(batches)
        self._skipped = max(surplus, 0)
        for record in records:
            self._count(record)

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

    def give_up(self, message: Message, error: str, at: float, limit: int) -> None:
        """Remember a delivery that was given up, so that it can be recovered."""
        if self._exhausted is None:
            self._exhausted = Exhausted()
        self._exhausted.append((message, error, at), limit)

    def exhausted(self) -> Iterator[tuple[Message, str, float]]:
        """Yield (message, last error, POSIX time) of the deliveries given up, oldest first."""
        return iter(()) if self._exhausted is None else iter(self._exhausted)

    def reset_health(self) -> None:
        """Forget the failures in a row."""
        self.failures_in_row = 0
        self.failing_since = None

    def __len__(self) -> int:
        return sum(count for _, count in self._batches) - self._skipped

    def __iter__(self) -> Iterator[AttemptRecord]:
        records = itertools.chain.from_iterable(batch for batch, _ in self._batches)
        return itertools.islice(records, self._skipped, None)


class Exhausted(Persistent):
    """Deliveries that were given up: pages of them, the oldest page dropped first."""

    _PAGE = 32

    def __init__(self) -> None:
        self._pages: tuple[Batch, ...] = ()
        self._tail: tuple[tuple[Message, str, float], ...] = ()

    def append(self, entry: tuple[Message, str, float], limit: int) -> None:
        """Add an entry; at most ``limit`` entries, and less than a page more, are kept."""
        if limit == 0:
            return
        self._tail += (entry,)
        if len(self._tail) == self._PAGE:
            keep = -(-limit // self._PAGE)
            self._pages = (*self._pages, Batch(self._tail))[-keep:]
            self._tail = ()

    def __iter__(self) -> Iterator[tuple[Message, str, float]]:
        for page in self._pages:
            yield from page._records
        yield from self._tail


class AttemptRequest(NamedTuple):
    """What was sent."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes


class AttemptResponse(NamedTuple):
    """What was answered. ``elapsed`` is in seconds."""

    status_code: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    truncated: bool
    elapsed: float


@implementer(IAttempt)
class Attempt:
    """A view of one attempt. It is made when it is asked for, and not stored.

    :param record: an :class:`AttemptRecord`; or what is still owed, which has ``message``,
        ``number``, ``created`` and ``due``.
    """

    def __init__(self, parent: Attempts, record: Any):
        self.__parent__ = parent
        self._record = record
        self.id = self.__name__ = attempt_id(record)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.id} {self.status}>'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attempt) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def subscription(self) -> Any:
        """The subscription it belongs to."""
        return self.__parent__.__parent__

    @property
    def record(self) -> Any:
        """The plain values."""
        return self._record

    @property
    def message_id(self) -> str:
        return self._record.message.id

    @property
    def event(self) -> str:
        return self._record.message.event

    @property
    def number(self) -> int:
        return self._record.number

    @property
    def status(self) -> str:
        if self.pending():
            return 'pending'
        return 'successful' if self._record.succeeded else 'failed'

    @property
    def message(self) -> str:
        return 'Waiting to be sent.' if self.pending() else self._record.text

    @property
    def created(self) -> Any:
        return utc(self._record.created)

    @property
    def due(self) -> Any:
        return utc(self._record.due)

    @property
    def resolved_at(self) -> Any:
        return None if self.pending() else utc(self._record.resolved_at)

    @property
    def request(self) -> AttemptRequest | None:
        record = self._record
        if self.pending() or not record.url:
            return None
        body = record.body
        if body is None:
            body = record.message.data(record.dialect) or b''
        return AttemptRequest(record.url, record.method, ResponseHeaders(record.headers), body)

    @property
    def response(self) -> AttemptResponse | None:
        if self.pending() or self._record.response is None:
            return None
        response = ResponseRecord._make(self._record.response)
        reason = response.reason
        if not reason and response.status_code in status_map:
            reason = status_map[response.status_code].title
        headers = ResponseHeaders(response.headers)
        return AttemptResponse(*response._replace(reason=reason, headers=headers))

    @property
    def exceptions(self) -> tuple[str, ...]:
        return () if self.pending() else self._record.exceptions

    @property
    def origin(self) -> Origin:
        origin = self._record.message.origin
        return origin._replace(created=utc(origin.created))

    def pending(self) -> bool:
        return not isinstance(self._record, AttemptRecord)

    def succeeded(self) -> bool:
        return self.status == 'successful'

    def failed(self) -> bool:
        return self.status == 'failed'

    def resolved(self) -> bool:
        return not self.pending()


def attempt_id(record: Any) -> str:
    """The id of an attempt: message id and number."""
    return f'{record.message.id}-{record.number}'


class Attempts(Mapping[str, Attempt]):
    """The attempts of one subscription by id, oldest first, pending ones included."""

    __name__ = 'attempts'

    def __init__(self, subscription: Any):
        self.__parent__ = subscription

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attempts) and self.__parent__ == other.__parent__

    def __iter__(self) -> Iterator[str]:
        return (attempt.id for attempt in self.iterate())

    def __len__(self) -> int:
        return sum(1 for _ in self.iterate())

    def __getitem__(self, id: str) -> Attempt:
        for attempt in self.iterate():
            if attempt.id == id:
                return attempt
        raise KeyError(id)

    def values(self) -> list[Attempt]:  # type: ignore[override]
        return list(self.iterate())

    def iterate(self) -> Iterator[Attempt]:
        """Yield all attempts in the order of the times at which they began to be owed."""
        records = heapq.merge(self._resolved(), self._pending(), key=lambda each: each.created)
        seen = set()
        for record in records:
            attempt = Attempt(self, record)
            if attempt.id not in seen:
                seen.add(attempt.id)
                yield attempt

    def page(
        self,
        limit: int,
        after: str | None = None,
        status: str | None = None,
        event: str | None = None,
    ) -> tuple[list[Attempt], str | None]:
        """Return at most ``limit`` attempts, and the cursor for ``after`` of the next page.

        :raises ValueError: when there is no attempt ``after`` (any more).
        """
        attempts = self.iterate()
        if after is not None:
            for attempt in attempts:
                if attempt.id == after:
                    break
            else:
                raise ValueError(f'there is no attempt {after!r} any more')
        wanted = (
            attempt
            for attempt in attempts
            if (status is None or attempt.status == status)
            and (event is None or attempt.event == event)
        )
        found = list(itertools.islice(wanted, limit + 1))
        following = found[limit - 1].id if len(found) > limit else None
        return found[:limit], following

    def _resolved(self) -> list[AttemptRecord]:
        log = self.__parent__.log
        return [] if log is None else sorted(log, key=lambda each: each.created)

    def _pending(self) -> Iterator[Any]:
        registry = find_registry(self.__parent__)
        owed = registry and registry.queryUtility(IOwedDeliveries)
        return owed.pending(self.__parent__) if owed else iter(())
