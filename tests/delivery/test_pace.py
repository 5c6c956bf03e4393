"""How far apart the engine reads what was just committed."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery import pace
from pyramid_webhooks.delivery.pace import READ_SECONDS, Pace

AT_EASE, BUSY = READ_SECONDS, 0.02


@pytest.fixture(scope='module')
def waits():
    """Seconds from each read to the next, after so many (seconds, commits) each.

    With ``share``, the part of them that the process computes; and what there was before.
    """
    now, cpu = [0.0], [0.0]
    clocks = SimpleNamespace(monotonic=lambda: now[0], process_time=lambda: cpu[0])

    def find(reads, share=1.0, before=0):
        it, commits, found = Pace(), before, []
        now[0], cpu[0] = 1024.0, float(before)
        it.next(now[0], commits)
        for seconds, new in reads:
            started = now[0]
            now[0] += seconds
            cpu[0] += share * seconds
            commits += new
            found.append(it.next(started, commits) - started)
        return pytest.approx(found, abs=1e-6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, 'time', clocks)
        yield find


@given(
    rate=st.integers(1, 140),
    share=st.floats(0, 4),
    seconds=st.lists(st.floats(0.005, 0.5), min_size=1, max_size=50),
)
def test_of_few_commits_each_is_read_soon(waits, rate, share, seconds):
    """However long the reads themselves take."""
    total, reads = 0.0, []
    for each in seconds:
        before, total = int(total * rate), total + each
        reads.append((each, int(total * rate) - before))
    assert waits(reads, share) == [AT_EASE] * len(reads)


@given(
    rate=st.integers(1, 10_000),
    share=st.floats(0, 0.85),
    seconds=st.lists(st.floats(0.005, 0.5), min_size=1, max_size=50),
)
def test_a_process_that_has_time_to_spare_reads_soon(waits, rate, share, seconds):
    reads = [(each, int(each * rate)) for each in seconds]
    assert waits(reads, share) == [AT_EASE] * len(reads)


@given(
    rate=st.integers(200, 10_000),
    share=st.floats(0.95, 4),
    # Their sums are exact.
    seconds=st.lists(st.integers(6, 90).map(lambda each: each / 1024), min_size=40, max_size=50),
)
def test_one_that_has_none_reads_more_of_many_together(waits, rate, share, seconds):
    reads = [(each, math.ceil(each * rate)) for each in seconds]
    # It is noticed within a fifth of a second, of which a read may take nearly another one.
    noticed = next(at for at in range(40) if sum(seconds[: at + 1]) >= 0.2)
    expected = [AT_EASE] * noticed + [BUSY] * (len(reads) - noticed)
    assert waits(reads, share) == expected


def test_once_they_come_more_slowly_it_is_at_ease_again(waits):
    assert waits([(0.21, 100), (0.11, 5), (0.11, 5)]) == [BUSY, BUSY, AT_EASE]


def test_after_nothing_came_for_long_it_is_at_ease(waits):
    assert waits([(0.21, 100), (60.0, 100)]) == [BUSY, AT_EASE]


def test_a_few_that_come_together_are_no_sign(waits):
    """A commit or two that were held up are followed at once by those that had to wait."""
    assert waits([(0.005, 6), (0.21, 20)]) == [AT_EASE] * 2


def test_it_counts_from_the_last_time_on(waits):
    assert waits([(0.21, 10), (0.21, 100)], before=1000) == [AT_EASE, BUSY]
    assert waits([(0.21, 100), (0.21, 100)], share=0.5, before=1000) == [AT_EASE] * 2
