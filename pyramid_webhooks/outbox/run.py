"""Runs: deliveries that wait together, stored once for all the queues that they are in."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from persistent import Persistent


class Row(NamedTuple):
    """A delivery that has not been tried.

    :ivar order: what it is sorted by; begins with the serial of the message.
    :ivar created: POSIX time since which it is owed.
    """

    order: bytes
    message: Any
    created: float


class Run(Persistent):
    """Deliveries in their order, to everybody whose queue refers to it. It never changes."""

    def __init__(self, rows: Iterable[Row]):
        rows = list(rows)
        self._messages = tuple(row.message for row in rows)
        self._orders = tuple(row.order for row in rows)
        self._created = array('d', [row.created for row in rows])

    def __getstate__(self) -> tuple[Any, ...]:
        size = len(self._orders[0])
        return self._messages, b''.join(self._orders), size, self._created.tobytes()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._messages, orders, size, created = state
        self._orders = tuple(orders[at : at + size] for at in range(0, len(orders), size))
        self._created = array('d', created)

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return True

    def order(self, at: int) -> bytes:
        """The order of one of them."""
        return self._orders[at]

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Yield those from ``start`` up to ``stop``."""
        for at in range(start, len(self) if stop is None else min(stop, len(self))):
            yield Row(self._orders[at], self._messages[at], self._created[at])
