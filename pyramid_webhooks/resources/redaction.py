"""Keeping the values of secret headers out of what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Shown instead of a secret value.
REDACTED = '…'
_SECRET_NAMES = frozenset(('authorization', 'proxy-authorization', 'cookie', 'set-cookie'))
_SECRET_PARTS = ('token', 'secret', 'key', 'password', 'credential')


def is_secret(name: str) -> bool:
    """Whether the value of the header ``name`` is not to be shown."""
    name = name.lower()
    return name in _SECRET_NAMES or any(part in name for part in _SECRET_PARTS)


def shown_headers(headers: Mapping[str, str] | Any) -> dict[str, str]:
    """The headers as they may be shown; several of one name are joined by commas."""
    shown: dict[str, str] = {}
    pairs: Iterable[tuple[str, str]] = headers.items()
    for name, value in pairs:
        if is_secret(name):
            shown[name] = REDACTED
        elif name in shown:
            shown[name] += ', ' + value
        else:
            shown[name] = value
    return shown
