"""Every promise at its full size: ``python -m benchmarks.acceptance [BAR …]``.

Prints a line for each finding, and fails when a promise is not kept; an aim that is not reached
is a MISS. ``2`` names all bars of part 2, ``2.6`` one of them. Everything together takes more
than an hour.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator

from benchmarks.acceptance import foundation, model, processes, speed, trust
from benchmarks.acceptance.finding import Finding

PARTS = {2: foundation, 3: model, 4: trust, 5: processes, 6: speed}
BARS: dict[str, Callable[[], Iterator[Finding]]] = {
    f'{part}.{number}': bar
    for part, module in PARTS.items()
    for number, bar in sorted(module.BARS.items())
}


def chosen(names: list[str]) -> list[str]:
    """The bars that are named, alone or by their part; all where none is."""
    if not names:
        return list(BARS)
    bars: list[str] = []
    for name in names:
        found = [bar for bar in BARS if name in (bar, bar.partition('.')[0])]
        if not found:
            raise ValueError(f'there is no bar {name}; there are {", ".join(BARS)}')
        bars += found
    return bars


def main() -> int:
    """Check the bars that are named, or all; the number of those that are not reached."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.acceptance', description=__doc__)
    parser.add_argument('bars', nargs='*', metavar='BAR')
    try:
        bars = chosen(parser.parse_args().bars)
    except ValueError as error:
        parser.error(str(error))
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    return sum(not _check(bar) for bar in bars)


def _check(bar: str) -> bool:
    started = time.monotonic()
    kept = True
    try:
        for finding in BARS[bar]():
            kept = kept and (finding.kept or finding.aim)
            word = 'MISS' if finding.aim and not finding.kept else _word(finding.kept)
            print(f'  bar {bar} {word}  {finding.text}', flush=True)
    except Exception:
        traceback.print_exc()
        kept = False
    seconds = time.monotonic() - started
    print(f'bar {bar} {_word(kept)}  ({seconds:.0f} s)  {BARS[bar].__doc__}', flush=True)
    return kept


def _word(kept: bool) -> str:
    return 'PASS' if kept else 'FAIL'


if __name__ == '__main__':
    sys.exit(min(1, main()))
