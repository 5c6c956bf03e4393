"""Rows that were written together, stored as one compact object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from persistent import Persistent

from pyramid_webhooks.resources.packing import pack, unpack


class Batch(Persistent):
    """A few rows that were written in one transaction; each begins with a message."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]):
        rows = [tuple(row) for row in rows]
        self._messages = tuple(row[0] for row in rows)
        self._packed = pack([row[1:] for row in rows])

    def __getstate__(self) -> tuple[Any, ...]:
        return self._messages, self._packed

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._messages, self._packed = state

    def mentions(self, message: Any) -> bool:
        """Whether a row begins with ``message``."""
        return any(each is message for each in self._messages)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for message, row in zip(self._messages, unpack(self._packed), strict=True):
            yield message, *row
