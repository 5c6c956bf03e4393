"""Rows of plain values, stored as few compact objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from persistent import Persistent

from pyramid_webhooks.resources.packing import pack, unpack


class Batch(Persistent):
    """Rows in their order, each of which begins with a message. It never changes.

    It has them itself, or is made of further batches.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]]):
        rows = [tuple(row) for row in rows]
        self._parts = tuple(row[0] for row in rows)
        self._packed: bytes | None = pack([row[1:] for row in rows])

    @classmethod
    def of(cls, batches: tuple[Batch, ...]) -> Batch:
        """The batch that is made of these. Two kinds of one class are less to be named."""
        batch = cls.__new__(cls)
        batch._parts, batch._packed = batches, None
        return batch

    def __getstate__(self) -> tuple[Any, ...]:
        return self._parts, self._packed

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._parts, self._packed = state

    def mentions(self, message: Any) -> bool:
        """Whether a row begins with ``message``."""
        if self._packed is None:
            return any(batch.mentions(message) for batch in self._parts)
        return any(each is message for each in self._parts)

    def about(self, is_wanted: Callable[[Any], bool], place: int = 0) -> Iterator[tuple[int, Any]]:
        """Yield place and row of those that begin with a wanted message.

        Only what has such a row is unpacked.

        :param place: of the first row.
        """
        if self._packed is None:
            for batch in self._parts:
                yield from batch.about(is_wanted, place)
                place += batch.size()
            return
        places = [at for at, message in enumerate(self._parts) if is_wanted(message)]
        if places:
            rows = list(self)
            yield from ((place + at, rows[at]) for at in places)

    def size(self) -> int:
        """How many rows there are."""
        if self._packed is None:
            return sum(batch.size() for batch in self._parts)
        return len(self._parts)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._packed is None:
            return itertools.chain.from_iterable(self._parts)
        return rows_of(self._parts, self._packed)


def rows_of(messages: Iterable[Any], packed: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that begin with ``messages``, and are :func:`.pack`-ed without them."""
    for message, row in zip(messages, unpack(packed), strict=True):
        yield message, *row
