"""Receivers that are dead, and what they cost: little, and the others nothing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import fairness
from benchmarks.acceptance.finding import Finding
from benchmarks.measuring import sized
from benchmarks.outage import outage


def dead_receivers() -> Iterator[Finding]:
    """Hundreds of dead receivers delay one that works by no more than as much again."""
    alone = None
    for text, delays in fairness.measure(dead=sized(200, 20)):
        if alone is None:
            alone = delays
        kept = delays.median <= 2 * alone.median and delays.p99 <= 2 * alone.p99
        yield Finding(kept, f'{text}: median {delays.median:.1f} ms, p99 {delays.p99:.1f} ms')


def day_of_outage() -> Iterator[Finding]:
    """A receiver that is down for a day is left alone, gets everything, is given up in time."""
    hours, rate = sized(24, 2), sized(1000, 60)
    found = outage(hours, rate, window='2d', restarts=sized(3, 1))
    count = hours * rate
    yield Finding(found.wasted < 500, f'{found.wasted} requests in {hours} hours of outage')
    kept = found.arrived == list(range(count))
    yield Finding(kept, f'{len(found.arrived)} of {count} events arrived afterwards, in order')
    yield Finding(found.active_until is None, 'it was not deactivated before failure_window')
    hours, window = sized(26, 3), sized(24, 2)
    found = outage(hours, 60, window=f'{window}h')
    kept = found.active_until is not None and window <= found.active_until <= window + 1
    yield Finding(kept, f'deactivated after {found.active_until} of {hours} hours')
