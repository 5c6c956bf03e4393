"""The histogram of the times that answers took."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.resources.elapsed import (
    ERROR,
    LIMIT,
    LONGEST,
    SHORTEST,
    add,
    percentile,
    seconds_of,
    step_of,
)

seconds = st.floats(SHORTEST, LONGEST)


@given(times=st.lists(seconds, min_size=1, max_size=LIMIT - 1), part=st.floats(0.0, 1.0))
def test_a_percentile_is_close_to_that_of_the_times_themselves(times, part):
    histogram = b''
    for each in times:
        histogram = add(histogram, [each])
    assert histogram == add(b'', times)
    exact = sorted(times)[max(1, math.ceil(part * len(times))) - 1]
    assert abs(percentile(histogram, part) - exact) <= exact * (ERROR + 1e-9)


@given(st.lists(st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, 1e-12])), max_size=2000))
def test_it_stays_small_whatever_it_is_given(times):
    histogram = add(b'', times)
    assert len(histogram) <= 3 + step_of(LONGEST)
    assert sum(histogram[1:]) < LIMIT
    if times:
        assert SHORTEST <= percentile(histogram, 0.5) <= LONGEST * 1.2


@given(before=st.lists(seconds, max_size=3000), now=seconds)
def test_what_was_long_ago_is_forgotten(before, now):
    histogram = add(add(b'', before), [now] * 1200)
    for part in (0.0, 0.5, 0.95, 1.0):
        assert percentile(histogram, part) == seconds_of(step_of(now))


def test_the_newest_answers_outweigh_all_earlier_ones():
    histogram = add(add(b'', [0.01] * 10_000), [5.0] * 255)
    assert percentile(histogram, 0.5) == pytest.approx(5.0, rel=ERROR)


def test_without_answers_there_is_no_percentile():
    assert percentile(b'', 0.5) is None
    assert add(b'', []) == b''


def test_times_that_differ_little_take_few_bytes():
    assert len(add(b'', [0.02, 0.03, 0.05] * 1000)) < 12
