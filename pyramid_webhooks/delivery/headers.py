"""Request headers that are quickly filled and read: some are made for each request."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator
from typing import Any

from requests.structures import CaseInsensitiveDict


class Headers(CaseInsensitiveDict[Any]):
    """What :mod:`requests` expects the headers of a request to be, without its detours."""

    def __init__(self, headers: Any = ()):
        self._pairs: dict[str, tuple[str, Any]] = {}
        self.update(headers)

    def update(self, headers: Any = (), /, **more: Any) -> None:
        """Add headers; they replace those of the same name, in whatever case."""
        if more or type(headers) is not dict:
            # Whatever else may be given: pairs, other mappings.
            super().update(headers, **more)
            return
        for name, value in headers.items():
            self._pairs[name.lower()] = (name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        self._pairs[name.lower()] = (name, value)

    def __getitem__(self, name: str) -> Any:
        return self._pairs[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._pairs[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs.values())

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> ItemsView[str, Any]:
        """The names, as they were given, and the values."""
        return dict(self._pairs.values()).items()

    def lower_items(self) -> Iterator[tuple[str, Any]]:
        """The names in lower case, and the values."""
        return ((lowered, value) for lowered, (_, value) in self._pairs.items())

    def copy(self) -> Headers:
        """Others of the same names and values."""
        return Headers(self)
