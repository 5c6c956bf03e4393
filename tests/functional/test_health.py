"""Receivers that fail: left alone, noticed when they are back, and given up in the end."""

import pytest

from pyramid_webhooks.interfaces import (
    IDeliveryEngine,
)
from pyramid_webhooks.resources.health import STRIKES
from tests.clock import ShiftedClock

HOUR = 3600.0
DAY = 24 * HOUR
#: The times of day that the settings have by default, and one request at a time.
REAL = {
    'webhooks.retry_schedule': '5s 5m 30m 2h 5h 10h 14h 20h 24h',
    'webhooks.concurrency_per_subscription': '1',
}


@pytest.fixture
def clock(monkeypatch):
    return ShiftedClock(monkeypatch)


@pytest.fixture
def company(make_company):
    return make_company(settings=REAL)


def names(receiver):
    return [each.json()['name'] for each in receiver.requests]


def owed(company):
    return [each for each in company.attempts('/') if each[0] == 'pending']


def health(company, id):
    return company.at('/', lambda m: m[id].log.health.values())


def state(company, id):
    return company.at('/', lambda m: (m[id].active, m[id].status_message))


def let_pass(company, clock, seconds, step=60.0):
    """Let time go by, in steps after each of which what is due has been dealt with."""
    engine = company.registry.getUtility(IDeliveryEngine)
    end = clock.offset + seconds
    while clock.offset < end:
        clock.forward(min(step, end - clock.offset))
        assert engine.wait_until_quiet(timeout=20)


def add_one_by_one(company, prefix, count):
    for number in range(count):
        company.add('/NWS/OUN', f'{prefix}{number:03}')
    company.settle()


def trip(company, receiver, count=STRIKES + 5, **answer):
    """Let a receiver fail until its breaker opens; the id of the subscription."""
    receiver.answer(**({'status': 500} | answer))
    id = company.subscribe('/', receiver.url)
    add_one_by_one(company, 'e', count)
    assert len(receiver.requests) == STRIKES
    return id


def test_after_five_failures_in_a_row_new_deliveries_wait(company, receiver, clock):
    trip(company, receiver)
    assert names(receiver) == [f'e{number:03}' for number in range(STRIKES)]
    company.add('/NWS/OUN', *[f'f{number}' for number in range(50)])
    company.settle()
    assert len(receiver.requests) == STRIKES
    assert len(owed(company)) == STRIKES + 5 + 50


def test_what_waits_counts_as_no_attempt(company, receiver, clock):
    trip(company, receiver)
    let_pass(company, clock, 2 * HOUR)
    assert {each[1] for each in owed(company) if each[4] not in _tried(company)} == {1}


def _tried(company):
    return {each[4] for each in company.attempts('/') if each[0] == 'failed'}


def test_a_probe_that_succeeds_starts_the_rest_the_oldest_first(company, receiver, clock):
    id = trip(company, receiver)
    receiver.answer()
    del receiver.requests[:]
    let_pass(company, clock, 5)
    company.settle()
    assert names(receiver)[STRIKES:] == [f'e{number:03}' for number in range(STRIKES + 5)]
    assert health(company, id)[0] == 0
    assert owed(company) == []


def test_the_probe_is_one_request_and_each_wait_is_twice_as_long(company, receiver, clock):
    trip(company, receiver, delay=0)
    times = []

    def note(request):
        times.append(round(clock.offset))
        return 500 if request.json()['name'] == 'e000' else 200

    receiver.answer(note)
    let_pass(company, clock, 2400, step=5)
    assert times[:3] == [5, 15, 35]


def test_the_state_of_the_breaker_outlives_a_restart(company, receiver, clock):
    id = trip(company, receiver)
    before = health(company, id)
    company.restart()
    assert health(company, id) == before
    company.add('/NWS/OUN', 'later')
    company.settle()
    assert len(receiver.requests) == STRIKES
    receiver.answer()
    let_pass(company, clock, 5)
    company.settle()
    assert names(receiver)[STRIKES:] == [
        *(f'e{number:03}' for number in range(STRIKES + 5)),
        'later',
    ]
