"""What is due when the time of day is changed."""

import threading

import pytest

from pyramid_webhooks.delivery.clock import Clock
from tests.clock import ShiftedClock
from tests.company import wait_until

HOUR = 3600.0


def test_it_follows_the_time_of_day_forward_and_not_back():
    with ShiftedClock() as shifted:
        clock = Clock()
        started = clock.now()
        shifted.forward(HOUR)
        assert HOUR <= clock.now() - started < HOUR + 60
        shifted.forward(-2 * HOUR)
        before = clock.now()
        assert HOUR <= before - started < HOUR + 60
        assert 2 * HOUR - 1 < clock.ahead() < 2 * HOUR + 60
        threading.Event().wait(0.05)
        assert 0.04 < clock.now() - before < 60


@pytest.mark.parametrize('when', ['before', 'after'])
def test_a_clock_that_is_put_back_delays_no_retry(make_company, receiver, when):
    with ShiftedClock() as shifted:
        company = make_company(settings={'webhooks.retry_schedule': '400ms'})
        company.subscribe('/', receiver.url)
        receiver.answer(500, times=1)
        if when == 'before':
            shifted.forward(-HOUR)
        company.add('/NWS/OUN', 'ann')
        receiver.wait_for(1)
        wait_until(lambda: company.attempts('/')[0][0] == 'failed')
        if when == 'after':
            shifted.forward(-HOUR)
        first, second = receiver.wait_for(2, timeout=5)
        assert second.headers['webhook-id'] == first.headers['webhook-id']
        times = [int(each.headers['webhook-timestamp']) for each in (first, second)]
        assert abs(times[1] - times[0]) < 60 + (HOUR if when == 'after' else 0)


def test_a_clock_that_is_put_forward_loses_nothing_and_sends_nothing_twice(make_company, receiver):
    with ShiftedClock() as shifted:
        company = make_company(settings={'webhooks.retry_schedule': '1h'})
        company.subscribe('/', receiver.url)
        receiver.answer(500, times=3)
        company.add('/NWS/OUN', 'ann', 'ben', 'cid')
        receiver.wait_for(3)
        company.settle()
        shifted.forward(30 * HOUR)
        receiver.wait_for(6)
        company.settle()
        assert len(receiver.requests) == 6
        assert len({each.headers['webhook-id'] for each in receiver.requests}) == 3
