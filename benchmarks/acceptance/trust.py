"""What receivers and processes do to a sender: nothing is lost, nobody fooled, nothing stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.acceptance.finding import Finding, run_tests
from benchmarks.acceptance.hostility import destinations, hostile_receivers


def signatures() -> Iterator[Finding]:
    """Every signature verifies with others' libraries before, during and after a rotation."""
    yield run_tests('tests/delivery/test_signing.py')


#: By number, so that each can come when it is ready.
BARS: dict[int, Callable[[], Iterator[Finding]]] = {
    1: hostile_receivers,
    4: destinations,
    5: signatures,
}
