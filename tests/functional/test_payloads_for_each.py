"""Payload factories that ask for the subscription."""

import pytest

from pyramid_webhooks import manager_of
from tests.company import IEmployee, IObjectAddedEvent, remove


def secretive(employee, subscription):
    """The age is for the head only; the outsider gets what all get."""
    if subscription.owner == 'outsider':
        return None
    shown = {'name': employee.name, 'for': subscription.owner or subscription.id}
    return {**shown, 'age': employee.age} if subscription.owner == 'head' else shown


@pytest.fixture
def company(make_company):
    return make_company(
        settings={'webhooks.attempt_limit': '10'},
        setup=lambda config: config.add_webhook_payload(secretive, IEmployee),
    )


def bodies(receiver, count):
    return sorted(
        (request.path.rpartition('/')[2], request.json()) for request in receiver.wait_for(count)
    )


def test_each_subscription_gets_what_is_made_for_it(company, receiver):
    company.subscribe('/', receiver.url_for('/president'), owner='president')
    company.subscribe('/NWS', receiver.url_for('/head'), owner='head')
    company.add('/NWS/OUN', 'ann')
    assert bodies(receiver, 2) == [
        ('head', {'name': 'ann', 'for': 'head', 'age': 30}),
        ('president', {'name': 'ann', 'for': 'president'}),
    ]


def test_it_is_one_message_and_the_history_shows_what_each_got(company, receiver):
    company.subscribe('/', receiver.url_for('/president'), owner='president')
    company.subscribe('/NWS', receiver.url_for('/head'), owner='head')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len({request.headers['webhook-id'] for request in receiver.requests}) == 1

    def body(manager):
        [subscription] = manager.values()
        [attempt] = subscription.attempts.values()
        return attempt.request.body

    sent = {request.path.rpartition('/')[2]: request.body for request in receiver.requests}
    assert company.at('/', body) == sent['president']
    assert company.at('/NWS', body) == sent['head']


def test_none_passes_on_for_that_subscription_alone(make_company, receiver):
    def setup(config):
        config.add_webhook_payload(
            lambda employee, event, subscription: (
                None if subscription.owner == 'head' else {'special': True}
            ),
            IEmployee,
            IObjectAddedEvent,
        )

    company = make_company(setup=setup)
    company.subscribe('/', receiver.url_for('/president'), owner='president')
    company.subscribe('/NWS', receiver.url_for('/head'), owner='head')
    company.add('/NWS/OUN', 'ann')
    assert bodies(receiver, 2) == [
        ('head', {'name': 'ann', 'age': 30}),
        ('president', {'special': True}),
    ]


def test_an_error_is_a_failed_attempt_of_that_subscription_alone(make_company, receiver):
    def picky(employee, subscription):
        if subscription.owner == 'head':
            raise LookupError('not for the head')
        return {'name': employee.name}

    company = make_company(setup=lambda config: config.add_webhook_payload(picky, IEmployee))
    company.subscribe('/', receiver.url_for('/president'), owner='president')
    company.subscribe('/NWS', receiver.url_for('/head'), owner='head')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert bodies(receiver, 1) == [('president', {'name': 'ann'})]
    [(status, _, message, _, _)] = company.attempts('/NWS')
    assert status == 'failed'
    assert 'LookupError: not for the head' in message


def test_it_is_asked_for_global_subscriptions_and_removals_too(make_company, receiver):
    company = make_company(
        settings={
            'webhooks.subscriptions': 'audit',
            'webhooks.subscription.audit.to': receiver.url_for('/audit'),
            'webhooks.subscription.audit.events': 'employee.removed',
        },
        setup=lambda config: config.add_webhook_payload(secretive, IEmployee),
    )
    company.add('/NWS/OUN', 'ann')

    def do(context, request):
        remove(context, 'ann', request.registry.notify)
        assert manager_of(context) is None

    company.request(do, '/NWS/OUN')
    assert bodies(receiver, 1) == [('audit', {'name': 'ann', 'for': 'audit'})]
