"""Requests and answers as a page shows them, made and compared."""

from __future__ import annotations

import json
import re
import textwrap
from typing import NamedTuple

_BLOCK = re.compile(r'^\.\. code-block:: http\n\n((?:   .*\n|\n)+)', re.MULTILINE)


class Shown(NamedTuple):
    """A request or an answer: its first line, headers, and body or None."""

    first: str
    headers: dict[str, str]
    body: object


def exchanges_of(text):
    """Return the pairs (request, answer) of a page, in order."""
    blocks = [_parse(textwrap.dedent(block)) for block in _BLOCK.findall(text)]
    assert len(blocks) % 2 == 0, 'There is a request without an answer.'
    return list(zip(blocks[::2], blocks[1::2], strict=True))


def _parse(block):
    head, _, body = block.strip().partition('\n\n')
    first, *lines = head.splitlines()
    headers = dict(line.split(': ', 1) for line in lines)
    return Shown(first, headers, json.loads(body) if body else None)


def difference(shown, real, place='answer'):
    """Where ``real`` is not what is shown, or None.

    ``…`` stands for anything; numbers with a fraction stand for any such number; today's date is
    as good as the one that is shown.
    """
    if shown == '…' or (isinstance(shown, float) and isinstance(real, float)):
        return None
    if type(shown) is not type(real):
        return f'{place}: {shown!r} is shown for {real!r}'
    if isinstance(shown, dict):
        if list(shown) != list(real):
            return f'{place}: the keys {list(shown)} are shown for {list(real)}'
        pairs = [(shown[key], real[key], f'{place}.{key}') for key in shown]
    elif isinstance(shown, list):
        if len(shown) != len(real):
            return f'{place}: {len(shown)} items are shown for {len(real)}'
        pairs = [(*both, f'{place}[]') for both in zip(shown, real, strict=True)]
    elif isinstance(shown, str):
        pattern = re.escape(re.sub(r'\d{4}-\d\d-\d\dT', '…T', shown)).replace('…', '.+')
        return None if re.fullmatch(pattern, real) else f'{place}: {shown!r} for {real!r}'
    else:
        return None if shown == real else f'{place}: {shown!r} is shown for {real!r}'
    return next(filter(None, (difference(*pair) for pair in pairs)), None)
