"""What a subscription's history says about each attempt."""

import pytest
from zope.interface.verify import verifyObject

from pyramid_webhooks.interfaces import IAttempt
from pyramid_webhooks.testing import Receiver

ONCE = {'webhooks.retry_schedule': ''}


def look_at_attempts(company, look):
    """What ``look`` returns for each attempt of the only subscription at the root."""

    def do(manager):
        [subscription] = manager.values()
        return [look(attempt) for attempt in subscription.attempts.values()]

    return company.at('/', do)


def outcome(attempt):
    verifyObject(IAttempt, attempt)
    assert attempt.resolved() is not attempt.pending()
    assert attempt.resolved() is (attempt.succeeded() or attempt.failed())
    return attempt.status, attempt.message, attempt.succeeded()


def test_an_attempt_is_pending_and_then_successful_or_failed(make_company, receiver):
    company = make_company(settings={**ONCE, 'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    assert look_at_attempts(company, outcome) == [('pending', 'Waiting to be sent.', False)]
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    receiver.answer(404)
    company.add('/NWS/OUN', 'ben')
    company.settle()
    assert look_at_attempts(company, outcome) == [
        ('successful', '200 OK', True),
        ('failed', '404 Not Found', False),
    ]


def test_a_pending_one_has_neither_request_nor_response(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')

    def look(attempt):
        return attempt.request, attempt.response, attempt.exceptions, attempt.resolved_at

    assert look_at_attempts(company, look) == [(None, None, (), None)]


def test_one_that_never_got_an_answer_says_why(make_company):
    company = make_company(settings=ONCE)
    with Receiver() as receiver:
        company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()

    def look(attempt):
        assert attempt.response is None
        assert attempt.request.body == b'{"name":"ann","age":30}'
        assert 'refused' in attempt.message
        return len(attempt.exceptions)

    [count] = look_at_attempts(company, look)
    assert count >= 1


@pytest.mark.parametrize('name', ['status', 'message', 'request', 'response', 'number', 'origin'])
def test_nobody_can_change_what_an_attempt_says(company, receiver, name):
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()

    def look(attempt):
        with pytest.raises(AttributeError):
            setattr(attempt, name, 'something else')
        with pytest.raises(AttributeError):
            attempt.response.status_code = 500
        return attempt.status

    assert look_at_attempts(company, look) == ['successful']


def test_the_limit_is_for_resolved_ones_and_the_oldest_go_first(make_company, receiver):
    settings = {
        **ONCE,
        'webhooks.attempt_limit': '5',
        'webhooks.delivery': 'worker',
        'webhooks.concurrency_per_subscription': '1',
    }
    company = make_company(settings=settings)
    company.subscribe('/', receiver.url)
    for number in range(12):
        company.add('/NWS/OUN', f'e{number:02}')

    def look(attempt):
        return attempt.message_id, attempt.created, attempt.status

    owed = look_at_attempts(company, look)
    assert [status for *_, status in owed] == ['pending'] * 12
    assert [created for _, created, _ in owed] == sorted(created for _, created, _ in owed)
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    kept = look_at_attempts(company, look)
    assert [status for *_, status in kept] == ['successful'] * 5
    assert [id for id, *_ in kept] == [id for id, *_ in owed][-5:]
