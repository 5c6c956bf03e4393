"""Subscriptions whose deliveries fail too often are deactivated, and may be activated again."""

import pytest

from pyramid_webhooks.delivery.probing import FAILURES, UNSUBSCRIBED
from pyramid_webhooks.interfaces import ISubscriptionDeactivated
from tests.company import names_of, wait_until

LIMIT = 8
#: Breakers are probed at once, and everything is tried twice.
SETTINGS = {
    'webhooks.failure_limit': str(LIMIT),
    'webhooks.failure_window': '0',
    'webhooks.attempt_limit': str(LIMIT),
    'webhooks.retry_schedule': '20ms',
}


@pytest.fixture
def told():
    return []


@pytest.fixture
def company(make_company, told):
    return make_company(
        settings=SETTINGS,
        setup=lambda config: config.add_subscriber(told.append, ISubscriptionDeactivated),
    )


def state(company, id):
    return company.at('/', lambda manager: (manager[id].active, manager[id].status_message))


def fail_with(receiver, how):
    """Make deliveries fail, and return the URL at which they do."""
    if how == 'answer':
        receiver.answer(404)
    elif how == 'connection':
        receiver.stop()
    return f'http://no-such-host.invalid:{receiver.port}/' if how == 'name' else receiver.url


@pytest.mark.parametrize('how', ['answer', 'connection', 'name'])
def test_a_history_of_nothing_but_failures_deactivates(company, receiver, told, how):
    id = company.subscribe('/', fail_with(receiver, how))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(LIMIT + 5)])
    wait_until(lambda: state(company, id) == (False, FAILURES), timeout=20)
    assert [event.message for event in told] == [FAILURES]
    company.settle()
    before = company.attempts('/', id)
    assert {each[0] for each in before} == {'failed', 'pending'}, 'what is owed is kept'
    company.add('/NWS/OUN', 'ann', 'ben')
    company.settle()
    assert company.attempts('/', id) == before


def test_one_that_is_activated_again_gets_what_it_is_owed(company, receiver, told):
    receiver.answer(500)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(LIMIT + 5)])
    wait_until(lambda: not state(company, id)[0], timeout=20)
    receiver.answer()
    receiver.clear()
    company.at('/', lambda manager: manager.activate(manager[id]))
    assert state(company, id) == (True, 'Active subscription.')
    company.add('/NWS/OUN', 'ann')
    wait_until(lambda: {each[0] for each in company.attempts('/', id)} == {'successful'})
    assert 'ann' in names_of(receiver)


def test_a_success_in_between_begins_the_count_anew(company, receiver):
    id = company.subscribe('/', receiver.url)
    for number in range(LIMIT):
        receiver.answer(500, times=2)
        company.add('/NWS/OUN', f'e{number}')
        wait_until(lambda: company.attempts('/', id)[-1][0] != 'pending')
        company.add('/NWS/OUN', f'f{number}')
        wait_until(lambda: company.attempts('/', id)[-1][0] == 'successful')
    assert state(company, id)[0]


def test_a_receiver_that_says_it_is_gone_is_unsubscribed(company, receiver, told):
    receiver.answer(410)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    wait_until(lambda: state(company, id) == (False, UNSUBSCRIBED))
    company.add('/NWS/OUN', 'ben')
    company.settle()
    assert len(receiver.requests) == 1
    assert [event.message for event in told] == [UNSUBSCRIBED]
