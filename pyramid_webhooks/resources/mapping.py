"""What managers of every kind have of a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class SubscriptionMapping:
    """A mapping id -> subscription over ``_subscriptions``, oldest first.

    It is true even when it is empty: whether there is a manager is what people ask.
    """

    _subscriptions: Mapping[str, Any]

    def __getitem__(self, id: str) -> Any:
        return self._subscriptions[id]

    def get(self, id: str, default: Any = None) -> Any:
        """The subscription ``id``, or ``default``."""
        return self._subscriptions.get(id, default)

    def __contains__(self, id: object) -> bool:
        return id in self._subscriptions

    def __iter__(self) -> Iterator[str]:
        return iter(self._subscriptions)

    def __len__(self) -> int:
        return len(self._subscriptions)

    def __bool__(self) -> bool:
        return True

    def keys(self) -> Any:
        """The ids."""
        return self._subscriptions.keys()

    def values(self) -> Any:
        """The subscriptions."""
        return self._subscriptions.values()

    def items(self) -> Any:
        """(id, subscription)."""
        return self._subscriptions.items()
