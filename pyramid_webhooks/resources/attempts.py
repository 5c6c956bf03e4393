"""The attempts of a subscription: views of the resolved ones in its log, and of those owed."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyramid.httpexceptions import status_map
from webob.headers import ResponseHeaders
from zope.interface import implementer

from pyramid_webhooks.interfaces import IAttempt, IOwedDeliveries
from pyramid_webhooks.registries import find_registry, utility_of
from pyramid_webhooks.resources.history import AttemptLog, AttemptRecord, ResponseRecord
from pyramid_webhooks.resources.message import Origin, is_there, utc

#: What the attempts of a subscription are called below it.
NAME = 'attempts'


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
            body = record.message.data(record.dialect, self.subscription.id) or b''
        headers = ResponseHeaders(
            (name, record.message.id if value is None else value) for name, value in record.headers
        )
        return AttemptRequest(record.url, record.method, headers, body)

    @property
    def response(self) -> AttemptResponse | None:
        if self.pending() or self._record.response is None:
            return None
        response = ResponseRecord._make(self._record.response)
        reason = response.reason
        if not reason and response.status_code in status_map:
            reason = status_map[response.status_code].title
        return AttemptResponse(
            response.status_code,
            reason,
            ResponseHeaders(response.headers),
            response.content,
            response.truncated,
            response.microseconds / 1e6,
        )

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

    def retry(self) -> Attempt:
        if self.pending():
            raise ValueError('This attempt has not been made yet.')
        owed = utility_of(self.subscription, IOwedDeliveries)
        return Attempt(self.__parent__, owed.resend(self))


def attempt_id(record: Any) -> str:
    """The id of an attempt: message id and number."""
    return f'{record.message.id}-{record.number}'


def _is_called(record: Any, id: str) -> bool:
    return is_there(record.message) and attempt_id(record) == id


class Attempts(Mapping[str, Attempt]):
    """The attempts of one subscription by id, oldest first, pending ones included."""

    __name__ = NAME

    def __init__(self, subscription: Any):
        self.__parent__ = subscription

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attempts) and self.__parent__ == other.__parent__

    def __iter__(self) -> Iterator[str]:
        return (attempt.id for attempt in self.iterate())

    def __len__(self) -> int:
        return sum(1 for _ in self.iterate())

    def __getitem__(self, id: str) -> Attempt:
        # What is in the log is not owed any more. So what is owed is only read where it has to be,
        # and neither is put in order.
        log: AttemptLog | None = self.__parent__.log
        start = id.rpartition('-')[0]
        about = () if log is None else log.about(lambda each: is_there(each) and each.id == start)
        found = [each for each in about if attempt_id(each) == id]
        if found:
            return Attempt(self, min(found, key=lambda each: each.created))
        for record in self._pending():
            if _is_called(record, id):
                return Attempt(self, record)
        raise KeyError(id)

    def values(self) -> list[Attempt]:  # type: ignore[override]
        return list(self.iterate())

    def iterate(self) -> Iterator[Attempt]:
        """Yield all attempts in the order of the times at which they began to be owed."""
        records = heapq.merge(self._resolved(), self._pending(), key=lambda each: each.created)
        seen = set()
        for record in records:
            if not is_there(record.message):
                continue
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
        log: AttemptLog | None = self.__parent__.log
        return [] if log is None else sorted(log, key=lambda each: each.created)

    def _pending(self) -> Iterator[Any]:
        registry = find_registry(self.__parent__)
        owed = registry and registry.queryUtility(IOwedDeliveries)
        return owed.pending(self.__parent__) if owed else iter(())
