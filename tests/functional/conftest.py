"""Fixtures of tests of the whole application."""

import pytest

from tests.clock import ShiftedClock


@pytest.fixture
def clock():
    """A clock that can be moved, for all of the process."""
    with ShiftedClock() as clock:
        yield clock
