"""Clocks that are put right by an hour, between a commit, a failure and the retry."""

import pytest

from tests.company import names_of, wait_until

HOUR = 3600.0


def fail_once(make_company, receiver, wait):
    """A company with a delivery that has failed, and is to be sent again after ``wait``."""
    company = make_company(settings={'webhooks.retry_schedule': wait})
    company.subscribe('/', receiver.url)
    receiver.answer(status=503, times=1)
    company.add('/NWS/OUN', 'failing')
    company.settle()
    assert [each[:2] for each in company.attempts('/')] == [('failed', 1), ('pending', 2)]
    return company


@pytest.mark.parametrize('seconds', [HOUR, -HOUR])
def test_what_was_committed_before_a_step_is_sent_at_once(make_company, receiver, clock, seconds):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'before')
    clock.forward(seconds)
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.add('/NWS/OUN', 'after')
    company.settle()
    assert sorted(names_of(receiver)) == ['after', 'before']


def test_a_step_forward_brings_what_has_become_due_by_it(make_company, receiver, clock):
    company = fail_once(make_company, receiver, '30m')
    clock.forward(HOUR)
    wait_until(lambda: names_of(receiver) == ['failing'] * 2)
    company.settle()
    assert [each[:2] for each in company.attempts('/')] == [('failed', 1), ('successful', 2)]


@pytest.mark.parametrize('restart', [False, True])
def test_a_step_back_delays_retries_until_their_time_and_nothing_else(
    make_company, receiver, clock, restart
):
    company = fail_once(make_company, receiver, '30m')
    clock.forward(-HOUR)
    if restart:
        company.restart()
    company.add('/NWS/OUN', 'another')
    company.settle()
    clock.forward(HOUR)
    company.settle()
    assert names_of(receiver) == ['failing', 'another'], 'half an hour of the wait is left'
    clock.forward(HOUR / 2)
    wait_until(lambda: names_of(receiver) == ['failing', 'another', 'failing'])
    company.settle()
    assert [each[0] for each in company.attempts('/')].count('successful') == 2


def test_a_failure_during_a_step_back_is_retried_too(make_company, receiver, clock):
    company = make_company(settings={'webhooks.retry_schedule': '30m'})
    company.subscribe('/', receiver.url)
    receiver.answer(lambda request: clock.forward(-HOUR) or 503, times=1)
    receiver.answer(status=200)
    company.add('/NWS/OUN', 'failing')
    company.settle()
    clock.forward(HOUR * 3 / 2)
    wait_until(lambda: names_of(receiver) == ['failing'] * 2)
    company.settle()
    found = {each[:2] for each in company.attempts('/')}
    assert found == {('failed', 1), ('successful', 2)}


@pytest.mark.parametrize('seconds', [HOUR, -HOUR])
def test_a_receiver_that_was_left_alone_gets_everything_in_order_after_a_step(
    make_company, receiver, clock, seconds
):
    settings = {
        'webhooks.retry_schedule': '5m 5m 5m 5m',
        'webhooks.concurrency_per_subscription': '1',
    }
    company = make_company(settings=settings)
    company.subscribe('/', receiver.url)
    receiver.answer(status=503)
    expected = [f'e{number}' for number in range(8)]
    for name in expected:
        company.add('/NWS/OUN', name)
        company.settle()
    receiver.answer()
    receiver.clear()
    clock.forward(seconds)
    company.settle()
    if seconds < 0:
        assert names_of(receiver) == [], 'its time has not come'
        clock.forward(HOUR + 600)
    wait_until(lambda: len(receiver.requests) >= len(expected))
    company.settle()
    assert names_of(receiver) == expected
