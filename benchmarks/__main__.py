"""Print what webhooks cost: ``python -m benchmarks [NAME …]``.

The figures are also appended to ``var/benchmarks.jsonl``. With ``BENCH_SMOKE`` set in the
environment everything runs, but too shortly for the figures to mean anything.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator

from benchmarks import (
    backlog,
    busy,
    commits,
    deliveries,
    greenlets,
    idle,
    latency,
    payloads,
    rest,
    scale,
    slow,
    storage,
    unwanted,
    waiting,
)
from benchmarks.measuring import SMOKE, Figure

BENCHMARKS: dict[str, tuple[Callable[[], Iterator[Figure]], ...]] = {
    'backlog': (backlog.measure,),
    'busy': (busy.measure,),
    'commits': (commits.measure, commits.measure_unmatched),
    'deliveries': (deliveries.measure, deliveries.measure_sparse),
    'greenlets': (greenlets.measure,),
    'idle': (idle.measure,),
    'latency': (latency.measure,),
    'payloads': (payloads.measure,),
    'rest': (rest.measure,),
    'scale': (scale.measure,),
    'slow': (slow.measure,),
    'storage': (storage.measure,),
    'unwanted': (unwanted.measure_deep, unwanted.measure_owners),
    'waiting': (waiting.measure,),
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', help=', '.join(BENCHMARKS))
    names = parser.parse_args().names
    unknown = set(names).difference(BENCHMARKS)
    if unknown:
        parser.error(
            f'there is no {", ".join(sorted(unknown))}; there are {", ".join(BENCHMARKS)}'
        )
    if SMOKE:
        print('A short run, to see that everything works: the figures mean nothing.')
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    for name in names or BENCHMARKS:
        for measure in BENCHMARKS[name]:
            for figure in measure():
                figure.keep()


if __name__ == '__main__':
    main()
