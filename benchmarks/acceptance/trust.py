"""What receivers and processes do to a sender: nothing is lost, nobody fooled, nothing stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.acceptance.crashes import kills_in_trouble
from benchmarks.acceptance.finding import Finding
from benchmarks.acceptance.hostility import destinations, hostile_receivers
from benchmarks.acceptance.outages import day_of_outage, dead_receivers
from benchmarks.acceptance.signatures import signatures

#: By number, so that each can come when it is ready.
BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    1: hostile_receivers,
    2: dead_receivers,
    3: kills_in_trouble,
    4: destinations,
    5: signatures,
    6: day_of_outage,
}
