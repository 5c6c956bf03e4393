import email.utils
import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pyramid_webhooks.delivery.retry import MAX_RETRY_AFTER, RetrySchedule, parse_retry_after
from pyramid_webhooks.interfaces import IRetryPolicy

DELAYS = (5.0, 300.0, 1800.0)
NOW = 1_700_000_000.0

delays = st.lists(st.floats(min_value=0, max_value=1e7), max_size=12)
headers = st.lists(st.tuples(st.text(), st.text()), max_size=5)


def test_it_keeps_the_contract():
    assert verifyObject(IRetryPolicy, RetrySchedule(DELAYS))


def test_without_jitter_the_waits_are_those_of_the_schedule_and_then_it_gives_up():
    schedule = RetrySchedule(DELAYS, jitter=0)
    waits = [schedule.next_delay(attempts, 500, ()) for attempts in range(1, 6)]
    assert waits == [5.0, 300.0, 1800.0, None, None]


def test_an_empty_schedule_never_tries_again():
    assert RetrySchedule(()).next_delay(1, None, ()) is None


@given(delays, st.floats(0, 1), st.integers(1, 20), st.floats(0, 1))
def test_jitter_stays_within_its_part(delays, jitter, attempts, drawn):
    wait = RetrySchedule(delays, jitter, random=lambda: drawn).next_delay(attempts, None, ())
    if attempts > len(delays):
        assert wait is None
    else:
        planned = delays[attempts - 1]
        slack = 1e-9 * planned
        assert planned * (1 - jitter) - slack <= wait <= planned * (1 + jitter) + slack


def test_jitter_spreads_to_both_sides():
    schedule = RetrySchedule([100], jitter=0.2, random=random.Random(1).random)
    waits = [schedule.next_delay(1, None, ()) for _ in range(1000)]
    assert 80 <= min(waits) < 85
    assert 115 < max(waits) <= 120


@pytest.mark.parametrize('status', [429, 502, 503, 504])
def test_the_receiver_may_ask_for_a_longer_wait_in_seconds_or_as_a_date(status):
    schedule = RetrySchedule(DELAYS, now=lambda: NOW)
    assert schedule.next_delay(1, status, [('retry-after', '120')]) == 120
    date = email.utils.formatdate(NOW + 90, usegmt=True)
    assert schedule.next_delay(1, status, [('Retry-After', date)]) == 90


def test_a_shorter_wait_than_the_schedule_s_is_not_granted():
    assert RetrySchedule(DELAYS, jitter=0).next_delay(2, 503, [('Retry-After', '1')]) == 300


def test_more_than_a_day_is_not_granted():
    schedule = RetrySchedule(DELAYS, now=lambda: NOW)
    for value in ('86401', '9' * 5000, email.utils.formatdate(NOW + 1e6, usegmt=True)):
        assert schedule.next_delay(1, 503, [('Retry-After', value)]) == 24 * 3600


@pytest.mark.parametrize('status', [None, 200, 301, 400, 404, 410, 500])
def test_other_answers_cannot_ask_for_a_wait(status):
    schedule = RetrySchedule(DELAYS, jitter=0)
    assert schedule.next_delay(1, status, [('Retry-After', '120')]) == 5


@given(delays, st.integers(-5, 20), st.none() | st.integers(100, 599), headers)
def test_a_wait_is_never_negative_nor_unbounded(delays, attempts, status, headers):
    wait = RetrySchedule(delays).next_delay(attempts, status, headers)
    if wait is not None:
        assert 0 <= wait <= max(max(delays) * 1.2 * (1 + 1e-9), MAX_RETRY_AFTER)


@given(st.text() | st.from_regex(r'[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} .*'))
@example('٣')
@example('-1')
@example('Mon, 01 Jan 99999 00:00:00 GMT')
@example('Mon, 32 Jan 2024 99:99:99 GMT')
@example('Mon, 01 Jan 0001 00:00:00 +2359')
def test_any_text_is_a_bounded_wait_or_none(value):
    wait = parse_retry_after(value, NOW)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER


@given(st.integers(0, 10**30))
def test_a_number_is_seconds(seconds):
    assert parse_retry_after(f' {seconds} ', NOW) == min(seconds, MAX_RETRY_AFTER)


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_measured_from_now(seconds):
    date = email.utils.formatdate(NOW + seconds, usegmt=True)
    assert parse_retry_after(date, NOW) == min(max(seconds, 0), MAX_RETRY_AFTER)


@pytest.mark.parametrize(
    'date',
    [
        'Tue, 14 Nov 2023 22:13:30 GMT',
        'Tuesday, 14-Nov-23 22:13:30 GMT',
        'Tue Nov 14 22:13:30 2023',
        'Tue, 14 Nov 2023 22:13:30 -0000',
    ],
)
def test_every_form_of_a_date_is_in_gmt_wherever_the_process_is(date, monkeypatch):
    """The forms of RFC 9110, section 5.6.7."""
    monkeypatch.setenv('TZ', 'America/New_York')
    time.tzset()
    try:
        assert parse_retry_after(date, NOW) == 10
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize('delay', [-1, float('inf'), float('nan')])
def test_a_wait_that_makes_no_sense_is_refused(delay):
    with pytest.raises(ValueError, match='is not a number of seconds'):
        RetrySchedule([5, delay])


@pytest.mark.parametrize('jitter', [-0.1, 1.1, float('nan')])
def test_a_jitter_that_makes_no_sense_is_refused(jitter):
    with pytest.raises(ValueError, match='The jitter'):
        RetrySchedule([5], jitter)
