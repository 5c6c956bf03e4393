"""Writing for people: aligned tables and fields, and for programs: JSON."""

from __future__ import annotations

import datetime
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_GAP = '  '


def write(line: str = '') -> None:
    """Write a line; what it has of line ends is written, too."""
    sys.stdout.write(line + '\n')


def write_json(value: Any, indent: int | None = 2) -> None:
    """Write a value as JSON."""
    write(json.dumps(value, indent=indent))


def write_table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows in columns that are as wide as their widest cell; the last one is not padded."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(titles, *cells, strict=True)]
    for row in ([title.upper() for title in titles], *cells):
        padded = (
            text + ' ' * (most - width(text)) for text, most in zip(row, widths, strict=True)
        )
        write(_GAP.join(padded).rstrip())


def write_fields(fields: Iterable[tuple[str, Any]], indent: str = '') -> None:
    """Write names and values, one pair a line."""
    pairs = [(name, cell(value)) for name, value in fields]
    most = max((width(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        write(f'{indent}{name}{" " * (most - width(name))}{_GAP}{text}'.rstrip())


def cell(value: Any) -> str:
    """A value as one line of text."""
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime('%Y-%m-%d %H:%M:%S')
    return visible(str(value), '')


def visible(text: str, allowed: str = '\n\t') -> str:
    """Text whose control characters are escaped: others wrote it, and terminals obey them."""
    return ''.join(
        char
        if char in allowed or unicodedata.category(char) not in ('Cc', 'Cf', 'Cs', 'Zl', 'Zp')
        else char.encode('unicode_escape').decode('ascii')
        for char in text
    )


def width(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return sum(
        0
        if unicodedata.combining(char)
        else 2
        if unicodedata.east_asian_width(char) in 'WF'
        else 1
        for char in text
    )
