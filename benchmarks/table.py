"""The latest figures as the table of the documentation: ``python -m benchmarks.table``.

Prints reStructuredText, made of what the benchmarks appended to ``var/benchmarks.jsonl``. Short
runs, which only show that everything works, are left out.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import RESULTS

_HEAD = ('figure', 'median', 'lowest … highest', 'goal', 'met')


def latest(path: Path) -> list[dict[str, Any]]:
    """The last figure of each name, in the order of goals, then as they were measured."""
    figures: dict[str, dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        figure = json.loads(line)
        if not figure['smoke']:
            figures.pop(figure['name'], None)
            figures[figure['name']] = figure
    return sorted(figures.values(), key=lambda figure: _number(figure['name']))


def _number(name: str) -> int:
    found = re.match(r'P(\d+) ', name)
    return int(found[1]) if found else 1000


def rows(figures: Iterable[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The cells of each line of the table."""
    for figure in figures:
        median, goal = figure['median'], figure['goal']
        low, high = min(figure['values']), max(figure['values'])
        digits = 0 if median >= 100 else 2
        sign = '≥' if figure['at_least'] else '≤'
        yield (
            figure['name'],
            f'{median:,.{digits}f} {figure["unit"]}'.strip(),
            f'{low:,.{digits}f} … {high:,.{digits}f}',
            '' if goal is None else f'{sign} {goal:,g}',
            '' if goal is None else 'yes' if figure['good'] else 'no',
        )


def table(figures: list[dict[str, Any]]) -> str:
    """The figures as a table, with a line that says when and with what they were measured."""
    cells = [_HEAD, *rows(figures)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = '  '.join('=' * width for width in widths)
    lines = [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    days = sorted({time.strftime('%Y-%m-%d', time.gmtime(each['time'])) for each in figures})
    pythons = ', '.join(sorted({each['python'] for each in figures}))
    measured = days[0] if len(days) == 1 else f'{days[0]} to {days[-1]}'
    caption = f'Measured {measured}, with Python {pythons}.'
    return '\n'.join([caption, '', rule, lines[0], rule, *lines[1:], rule])


if __name__ == '__main__':
    print(table(latest(RESULTS)))
