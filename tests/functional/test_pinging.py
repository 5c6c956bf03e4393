"""Pings: trying whether a receiver works."""

import pytest
from zope.interface.verify import verifyObject

from pyramid_webhooks import subscribe
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IAttempt, IDeliveryExhausted
from tests.functional.recovering import recover


def ping(company):
    def do(manager):
        (subscription,) = manager.values()
        attempt = subscription.ping()
        verifyObject(IAttempt, attempt)
        assert attempt.pending()
        return attempt.id

    id = company.at('/', do)
    company.settle()
    return id


def test_a_ping_is_sent_and_recorded_like_any_other_message(company, receiver):
    id = company.subscribe('/', receiver.url, dialect='standard')
    attempt = ping(company)
    (request,) = receiver.requests
    assert request.json()['type'] == 'webhook.ping'
    assert request.json()['data']['subscription'] == id
    assert request.json()['data']['events'] == ['employee.*']
    assert 'webhook-signature' in request.headers
    ((status, number, message, event, message_id),) = company.attempts('/')
    assert (status, number, message, event) == ('successful', 1, '200 OK', 'webhook.ping')
    assert attempt == f'{message_id}-1'


def test_a_ping_concerns_the_pinged_subscription_alone(company, receiver):
    company.subscribe('/', receiver.url_for('one'))
    company.subscribe('/NWS', receiver.url_for('other'), events=['*'])
    company.subscribe('/NWS', receiver.url_for('more'), events=['company.closed'])
    ping(company)
    assert [request.path for request in receiver.requests] == ['/one']


def test_nobody_can_subscribe_to_pings_or_call_an_event_so(make_company, company, receiver):
    with pytest.raises(ValueError, match="no event type 'webhook.ping'"):
        company.subscribe('/', receiver.url, events=['webhook.ping'])
    with pytest.raises(ValueError, match=r"no event type 'webhook.\*'"):
        company.subscribe('/', receiver.url, events=['webhook.*'])
    with pytest.raises(Exception, match='is what a ping is called'):
        make_company(setup=lambda config: config.add_webhook_event('webhook.ping'))


def test_a_ping_that_fails_is_neither_tried_again_nor_recovered(make_company, receiver):
    heard = []
    company = make_company(
        settings={'webhooks.retry_schedule': '10ms'},
        setup=lambda config: config.add_subscriber(heard.append, IDeliveryExhausted),
    )
    company.subscribe('/', receiver.url)
    receiver.answer(500)
    ping(company)
    assert [each[0] for each in company.attempts('/')] == ['failed']
    assert recover(company) == (0, 0, None)
    assert len(receiver.requests) == 1
    assert heard == []


def test_an_inactive_subscription_can_not_be_pinged(company, receiver):
    company.subscribe('/', receiver.url)
    company.at('/', lambda manager: manager.deactivate(*manager.values(), 'On holiday.'))
    with pytest.raises(ValueError, match='not active.*On holiday'):
        ping(company)
    assert company.attempts('/') == []


def test_a_ping_of_an_aborted_transaction_is_not_sent(company, receiver):
    company.subscribe('/', receiver.url)
    with pytest.raises(LookupError):

        def do(manager):
            (subscription,) = manager.values()
            subscription.ping()
            raise LookupError

        company.at('/', do)
    company.settle()
    assert receiver.requests == [] and company.attempts('/') == []


def test_a_subscription_may_be_pinged_in_the_transaction_that_makes_it(company, receiver):
    def do(context, request):
        return subscribe(context, receiver.url, events=['employee.*']).ping().id

    id = company.request(do, '/NWS')
    company.settle()
    ((status, *_, message_id),) = company.attempts('/NWS')
    assert (status, f'{message_id}-1') == ('successful', id)


def test_a_ping_that_the_dialect_can_not_render_is_a_failed_attempt(make_company, receiver):
    class Choosy(Dialect):
        def serialize(self, payload, request):
            raise KeyError('name')

    company = make_company(setup=lambda config: config.add_webhook_dialect('choosy', Choosy()))
    company.subscribe('/', receiver.url, dialect='choosy')
    ping(company)
    ((status, _, message, *_),) = company.attempts('/')
    assert status == 'failed' and "KeyError: 'name'" in message
    assert receiver.requests == []
