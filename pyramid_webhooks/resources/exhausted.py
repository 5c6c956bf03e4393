"""The deliveries to one subscription that were given up, kept so that they can be recovered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from persistent import Persistent

from pyramid_webhooks.resources.batch import Batch
from pyramid_webhooks.resources.message import Message, is_there

_PAGE_SIZE = 32
#: Into so many spans of time the number of those that are forgotten is divided.
_SPANS = 16


class GivenUp(NamedTuple):
    """A delivery that was given up.

    :ivar error: the message of its last attempt.
    :ivar at: POSIX time at which it was given up.
    :ivar number: of its last attempt.
    :ivar serial: id of the transaction that stored the message; they sort by time.
    """

    message: Message
    error: str
    at: float
    number: int
    serial: bytes


class Forgotten(NamedTuple):
    """How many deliveries that were given up could not be kept.

    :ivar until: POSIX time at which the last of them was given up; None when there are none.
    """

    count: int
    until: float | None


class Exhausted(Persistent):
    """Deliveries that were given up: pages of them, the oldest page forgotten first."""

    def __init__(self) -> None:
        self._pages: tuple[Batch, ...] = ()
        self._counts: tuple[int, ...] = ()
        self._tail: tuple[tuple[Any, ...], ...] = ()
        self._spans: tuple[tuple[float, int], ...] = ()

    def append(self, given_up: GivenUp, limit: int) -> None:
        """Add one; at most ``limit``, and less than two pages more, are kept."""
        if limit == 0:
            self.forget(given_up.at, 1)
            return
        self._tail += (tuple(given_up),)
        if len(self._tail) < _PAGE_SIZE:
            return
        self._pages += (Batch(self._tail),)
        self._counts += (len(self._tail),)
        self._tail = ()
        surplus = sum(self._counts) - limit
        while surplus >= self._counts[0]:
            surplus -= self._counts[0]
            self.forget(max(row[2] for row in self._pages[0]), self._counts[0])
            self._pages, self._counts = self._pages[1:], self._counts[1:]

    def shorten(self) -> bool:
        """Forget the older half; whether there was anything to be forgotten."""
        gone = self.take(lambda row: True, -(-len(self) // 2)) if len(self) else []
        if gone:
            self.forget(max(row.at for row in gone), len(gone))
        return bool(gone)

    def forget(self, until: float, count: int) -> None:
        """Note that ``count`` of them, the last given up ``until`` then, can not be kept."""
        spans = [*self._spans, (until, count)]
        if len(spans) > _SPANS:
            # The two neighbours that are the fewest together become one.
            at = min(range(_SPANS), key=lambda place: spans[place][1] + spans[place + 1][1])
            (one, some), (other, more) = spans[at : at + 2]
            spans[at : at + 2] = [(max(one, other), some + more)]
        self._spans = tuple(spans)

    def forgotten(self, since: float) -> Forgotten:
        """How many were given up ``since`` then and could not be kept.

        Their times are known for spans of them only: some may have been given up before.
        """
        spans = [(until, count) for until, count in self._spans if until >= since]
        if not spans:
            return Forgotten(0, None)
        return Forgotten(sum(count for _, count in spans), max(spans)[0])

    def __len__(self) -> int:
        return sum(self._counts) + len(self._tail)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[GivenUp]:
        for page in self._pages:
            yield from map(GivenUp._make, page)
        yield from map(GivenUp._make, self._tail)

    def is_lost(self, given_up: GivenUp) -> bool:
        """Whether its message has gone with the packing of the database that kept it.

        Only another database does not know that it is referred to from here.
        """
        message = given_up.message
        return message._p_jar is not self._p_jar and not is_there(message)

    def take(self, wanted: Callable[[GivenUp], bool], limit: int | None = None) -> list[GivenUp]:
        """Take out, and return, those that are ``wanted``, the oldest first.

        :param limit: no more than so many.
        """
        taken: list[GivenUp] = []

        def rest_of(rows: Any) -> list[GivenUp]:
            rest = []
            for row in map(GivenUp._make, rows):
                full = limit is not None and len(taken) >= limit
                (rest if full or not wanted(row) else taken).append(row)
            return rest

        pages: list[Batch] = []
        counts: list[int] = []
        for page, count in zip(self._pages, self._counts, strict=True):
            rest = rest_of(page)
            if len(rest) == count:
                pages.append(page)
            elif rest and counts and counts[-1] + len(rest) <= _PAGE_SIZE:
                rest = [*map(GivenUp._make, pages.pop()), *rest]
                counts.pop()
                pages.append(Batch(rest))
            elif rest:
                pages.append(Batch(rest))
            if rest:
                counts.append(len(rest))
        tail = tuple(map(tuple, rest_of(self._tail)))
        if taken:
            self._pages, self._counts, self._tail = tuple(pages), tuple(counts), tail
        return taken

    def take_message(self, message: Message) -> bool:
        """Take one message out; whether it was there."""
        known = any(row[0] is message for row in self._tail) or any(
            page.mentions(message) for page in reversed(self._pages)
        )
        return known and bool(self.take(lambda row: row.message is message))
