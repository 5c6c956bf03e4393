"""Runs: deliveries that wait together, stored once for all the queues that they are in."""

from __future__ import annotations

from array import array
from bisect import bisect_left
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
    """Deliveries to everybody whose queue refers to it. It never changes.

    :param rows: sorted by their order.
    """

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

    def find(self, order: bytes) -> int | None:
        """Where the one of this order is; None when there is none."""
        at = bisect_left(self._orders, order)
        return at if at < len(self._orders) and self._orders[at] == order else None

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Yield those from ``start`` on."""
        for at in range(start, len(self)):
            yield Row(self._orders[at], self._messages[at], self._created[at])


class Rest(NamedTuple):
    """What one queue has left of a run, from which it takes in any order.

    :ivar start: where the first one is that is left.
    :ivar taken: a bit for each from ``start`` on, the lowest one first: whether it was taken out.
    """

    run: Run
    start: int = 0
    taken: int = 0

    def find(self, order: bytes) -> int | None:
        """Where the one of this order is; None when it is not left."""
        at = self.run.find(order)
        if at is None or at < self.start or self.taken >> (at - self.start) & 1:
            return None
        return at

    def without(self, at: int) -> Rest | None:
        """What is left without that one; None for nothing."""
        taken = self.taken | 1 << (at - self.start)
        # As many as there are bits set below the lowest one that is not.
        gone = (~taken & (taken + 1)).bit_length() - 1
        start = self.start + gone
        return Rest(self.run, start, taken >> gone) if start < len(self.run) else None

    def rows(self) -> Iterator[Row]:
        """Yield what is left, in order."""
        taken = self.taken
        for row in self.run.rows(self.start):
            if not taken & 1:
                yield row
            taken >>= 1
