"""How far apart the engine reads what was just committed."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery import pace
from pyramid_webhooks.delivery.pace import READ_SECONDS, Pace

AT_EASE = READ_SECONDS


@pytest.fixture(scope='module')
def now():
    """The time, which stands still."""
    times = [1e6]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, 'time', SimpleNamespace(monotonic=lambda: times[0]))
        yield times


def waits(now, reads, kept=0):
    """Seconds from each read to the next, after so many (seconds, commits) each."""
    it, commits, found = Pace(), 0, []
    it.next(now[0], kept)
    for seconds, new in reads:
        now[0] += seconds
        commits += new
        found.append(it.next(now[0] - seconds, kept + commits) - (now[0] - seconds))
    return pytest.approx(found, abs=1e-6)


@given(rate=st.integers(1, 250), seconds=st.lists(st.floats(0.005, 0.5), min_size=1, max_size=50))
def test_at_a_steady_rate_what_is_read_never_waits_long(now, rate, seconds):
    """However long the reads themselves take."""
    total, reads = 0.0, []
    for each in seconds:
        before, total = int(total * rate), total + each
        reads.append((each, int(total * rate) - before))
    assert waits(now, reads) == [AT_EASE] * len(reads)


def test_where_commits_come_faster_more_of_them_are_read_together(now):
    assert waits(now, [(0.005, 5), (0.02, 20), (0.02, 8)]) == [0.02, 0.02, 0.02]


def test_once_they_come_more_slowly_it_is_at_ease_again(now):
    assert waits(now, [(0.02, 20), (0.02, 4), (0.005, 1)]) == [0.02, AT_EASE, AT_EASE]


def test_a_few_that_come_together_are_no_sign(now):
    assert waits(now, [(0.0, 2), (1.0, 100), (0.0, 2)]) == [AT_EASE] * 3


def test_it_counts_from_the_last_read_on(now):
    assert waits(now, [(0.005, 1), (0.005, 9)], kept=1000) == [AT_EASE, 0.02]
