"""Payloads that can't be made, receivers that are down, hosts that don't exist."""

import datetime
import decimal
import json
import logging
import socket
import uuid

import pytest
from pyramid.renderers import JSON
from zope.interface import alsoProvides
from zope.lifecycleevent import IObjectAddedEvent, ObjectRemovedEvent

from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IWebhookPayload
from pyramid_webhooks.testing import Receiver
from tests.company import Employee, IEmployee, add, messages, modify, names_of, wait_until


class Strange(Employee):
    """An employee with something strange."""

    strange = None

    def __json__(self, request):
        if isinstance(self.strange, Exception):
            raise self.strange
        return {'name': self.name, 'strange': self.strange}


def add_strange(company, strange):
    """Add somebody strange, and something ordinary after that."""

    def do(context, request):
        employee = Strange('ann')
        employee.strange = strange
        add(context, 'ben', request.registry.notify)
        employee.__parent__ = context
        request.webhooks.notify('employee.greeted', employee)
        return 'fine'

    assert company.request(do, '/NWS/OUN') == 'fine'
    company.settle()


def cycle():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    'strange, message',
    [
        (object, 'TypeError: type objects have no JSON representation.'),
        (float('nan'), 'ValueError: Out of range float values are not JSON compliant'),
        (float('inf'), 'ValueError: Out of range float values are not JSON compliant'),
        (LookupError('the cupboard is bare'), 'LookupError: the cupboard is bare.'),
        ('\ud800', 'UnicodeEncodeError'),
        (cycle(), 'Circular reference detected'),
        (b'\xff', 'TypeError: bytes objects have no JSON representation.'),
    ],
    ids=['type', 'nan', 'inf', 'raises', 'surrogate', 'cycle', 'bytes'],
)
def test_a_payload_that_cannot_be_made_is_a_failed_attempt_and_the_transaction_commits(
    company, receiver, strange, message
):
    id = company.subscribe('/', receiver.url)
    add_strange(company, strange)
    assert names_of(receiver) == ['ben']
    attempts = [each for each in company.attempts('/', id) if each[3] == 'employee.greeted']
    assert [each[:2] for each in attempts] == [('failed', 1)]
    assert 'The payload could not be made: ' in attempts[0][2]
    assert message in attempts[0][2]

    def look(manager):
        (attempt,) = [
            each for each in manager[id].attempts.values() if each.event == 'employee.greeted'
        ]
        exhausted = [each.error for each in manager[id].log.exhausted]
        return attempt.request, attempt.response, exhausted

    assert company.at('/', look) == (None, None, [attempts[0][2]])


def test_a_payload_that_is_given_and_cannot_be_made_is_a_failed_attempt(company, receiver):
    company.subscribe('/', receiver.url, events=['company.closed'])
    company.request(
        lambda context, request: request.webhooks.notify('company.closed', payload=object())
    )
    company.settle()
    (attempt,) = company.attempts('/')
    assert attempt[0] == 'failed' and 'object objects have no JSON' in attempt[2]
    assert receiver.requests == []


def test_a_payload_factory_that_raises_is_a_failed_attempt(company, receiver):
    def factory(employee):
        raise KeyError('salary')

    company.restart(setup=lambda config: config.add_webhook_payload(factory, IEmployee))
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    (attempt,) = company.attempts('/')
    assert attempt[0] == 'failed' and "KeyError: 'salary'" in attempt[2]


def test_a_removal_whose_payload_cannot_be_made_does_not_disturb_the_removal(company, receiver):
    company.subscribe('/', receiver.url, events=['employee.removed'])

    def factory(employee):
        raise KeyError('salary')

    company.restart(setup=lambda config: config.add_webhook_payload(factory, IEmployee))
    company.add('/NWS/OUN', 'ann')

    def do(context, request):
        employee = context.pop('ann')
        request.registry.notify(ObjectRemovedEvent(employee, context, 'ann'))
        return sorted(context)

    assert company.request(do, '/NWS/OUN') == []
    company.settle()
    assert [each[0] for each in company.attempts('/')] == ['failed']


def test_a_payload_that_is_too_large_is_never_sent(make_company, receiver):
    company = make_company(settings={'webhooks.max_payload': '1KB'})
    company.subscribe('/', receiver.url, events=['company.closed'])
    company.request(
        lambda context, request: request.webhooks.notify('company.closed', payload='x' * 2000)
    )
    company.settle()
    (attempt,) = company.attempts('/')
    assert attempt[0] == 'failed' and 'webhooks.max_payload' in attempt[2]
    assert receiver.requests == []


def test_dates_and_other_common_values_are_rendered(company, receiver):
    company.subscribe('/', receiver.url, events=['company.closed'])
    payload = {
        'at': datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
        'on': datetime.date(2026, 1, 2),
        'amount': decimal.Decimal('1.50'),
        'id': uuid.UUID(int=0),
        'name': 'Zoë',
    }
    company.request(
        lambda context, request: request.webhooks.notify('company.closed', payload=payload)
    )
    company.settle()
    assert receiver.requests[0].json() == {
        'at': '2026-01-02T03:04:00+00:00',
        'on': '2026-01-02',
        'amount': '1.50',
        'id': '00000000-0000-0000-0000-000000000000',
        'name': 'Zoë',
    }


def test_the_json_adapters_of_the_application_are_asked(company, receiver):
    class Colour:
        pass

    def setup(config):
        renderer = JSON()
        renderer.add_adapter(Colour, lambda colour, request: 'green')
        config.add_renderer('json', renderer)

    company.restart(setup=setup)
    company.subscribe('/', receiver.url, events=['company.closed'])
    company.request(
        lambda context, request: request.webhooks.notify('company.closed', payload=[Colour()])
    )
    company.settle()
    assert json.loads(receiver.requests[0].body) == ['green']


@pytest.mark.parametrize('way', ['down', 'unresolvable', 'refusing', 'resetting'])
def test_a_failed_attempt_is_tried_again_and_succeeds_in_the_end(make_company, way):
    company = make_company(settings={'webhooks.retry_schedule': '300ms 300ms'})
    with Receiver() as receiver:
        to = receiver.url
        if way == 'unresolvable':
            to = f'http://no-such-host.invalid:{receiver.port}/'
        elif way == 'refusing':
            receiver.answer(status=503, times=1)
        elif way == 'resetting':
            receiver.answer(reset=True, times=1)
        elif way == 'down':
            receiver.stop()
        id = company.subscribe('/', to)
        company.add('/NWS/OUN', 'ann')
        wait_until(lambda: company.attempts('/', id)[0][0] == 'failed')
        first, second = company.attempts('/', id)
        assert first[1] == 1 and second[:2] == ('pending', 2)
        assert first[4] == second[4]
        if way == 'down':
            receiver.start()
        elif way == 'unresolvable':
            assert 'no-such-host.invalid' in first[2]
            company.at('/', lambda m: m.change(m[id], to=receiver.url))
        wait_until(lambda: company.attempts('/', id)[-1][0] == 'successful')
        company.settle()
        assert [each[:2] for each in company.attempts('/', id)] == [
            ('failed', 1),
            ('successful', 2),
        ]
        assert len({each.headers['webhook-id'] for each in receiver.requests}) == 1


def test_after_the_last_retry_it_is_given_up_and_kept_for_recovery(company, receiver):
    receiver.answer(status=500)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(4)

    def exhausted(manager):
        return [(each.message.id, each.error) for each in manager[id].log.exhausted]

    wait_until(lambda: company.at('/', exhausted))
    attempts = company.attempts('/', id)
    assert [each[:3] for each in attempts] == [
        ('failed', number, '500 Internal Server Error') for number in (1, 2, 3, 4)
    ]
    assert company.at('/', exhausted) == [(attempts[0][4], '500 Internal Server Error')]
    assert len(receiver.requests) == 4


def test_a_retry_outlives_a_restart(make_company):
    company = make_company(settings={'webhooks.retry_schedule': '400ms'})
    with Receiver() as receiver:
        receiver.stop()
        company.subscribe('/', receiver.url)
        company.add('/NWS/OUN', 'ann')
        wait_until(lambda: company.attempts('/')[0][0] == 'failed')
        company.restart()
        (_, pending) = company.attempts('/')
        assert pending[:2] == ('pending', 2)
        receiver.start()
        (request,) = receiver.wait_for(1)
        assert request.headers['webhook-id'] == pending[4]
        company.settle()
        assert company.attempts('/')[-1][:2] == ('successful', 2)


def test_what_was_owed_when_it_stopped_is_delivered_when_it_starts(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])
    assert [each[0] for each in company.attempts('/')] == ['pending'] * 20
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert len(receiver.requests) == 20
    assert {each[0] for each in company.attempts('/')} == {'successful'}


def test_an_attempt_has_what_was_sent_and_answered_and_where_it_came_from(company, receiver):
    receiver.answer(status=202, headers={'X-Answer': 'yes'}, body='thanks')
    id = company.subscribe('/', receiver.url, headers={'X-Ours': 'mine'})

    def do(context, request):
        request.tm.get().note('hiring')
        add(context, 'ann', request.registry.notify)

    company.request(do, '/NWS/OUN', user='manager')
    company.settle()
    (received,) = receiver.requests

    def look(manager):
        (attempt,) = manager[id].attempts.values()
        request, response, origin = attempt.request, attempt.response, attempt.origin
        assert (request.method, request.url) == ('POST', receiver.url)
        assert request.body == received.body == b'{"name":"ann","age":30}'
        assert request.headers['X-Ours'] == received.headers['X-Ours'] == 'mine'
        assert request.headers['webhook-id'] == attempt.message_id
        assert received.headers['webhook-signature'] == request.headers['webhook-signature']
        assert received.headers['User-Agent'].startswith('pyramid_webhooks')
        assert received.headers['Content-Type'] == 'application/json'
        assert (response.status_code, response.content) == (202, b'thanks')
        assert response.headers['x-answer'] == 'yes'
        assert 0 < response.elapsed < 10
        assert attempt.exceptions == ()
        assert attempt.created <= attempt.resolved_at
        assert origin.userid == 'manager' and 'hiring' in origin.transaction_note
        assert origin.hostname == socket.gethostname()
        return attempt.message

    assert company.at('/', look) == '202 Accepted'


def test_a_later_change_does_not_alter_what_an_earlier_commit_owes(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann', age=1)
    company.request(
        lambda context, request: modify(context['ann'], lambda event: None, age=2), '/NWS/OUN'
    )
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert receiver.requests[0].json()['age'] == 1


def test_payload_factories_are_asked_in_their_order(company, receiver):
    asked = []

    def factory(name, answer=None):
        def make(*arguments):
            asked.append(name)
            return answer

        return make

    def setup(config):
        config.add_webhook_dialect('plain', Dialect())
        add_payload = config.add_webhook_payload
        add_payload(factory('pair, dialect'), IEmployee, IObjectAddedEvent, 'plain')
        add_payload(factory('pair'), IEmployee, IObjectAddedEvent)
        add_payload(factory('object, dialect'), IEmployee, dialect='plain')
        add_payload(factory('object', {'made': True}), IEmployee)

    company.restart(setup=setup)
    company.subscribe('/', receiver.url, dialect='plain')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert asked == ['pair, dialect', 'pair', 'object, dialect', 'object']
    assert receiver.requests[0].json() == {'made': True}

    def do(context, request):
        employee = context['ben'] = Employee('ben')
        alsoProvides(employee, IWebhookPayload)
        request.webhooks.notify('employee.greeted', employee)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert receiver.requests[1].json()['name'] == 'ben'


def test_a_failed_attempt_is_in_the_log_with_its_reason(company, receiver, caplog):
    caplog.set_level('INFO', 'pyramid_webhooks')
    company.subscribe('/', receiver.url_for('?token=in-the-url'))
    receiver.answer(status=503)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    receiver.answer(status=200)
    company.add('/NWS/OUN', 'ben')
    company.settle()
    (id,) = company.at('/', list)
    lines = [line for line in messages(caplog, logging.INFO).splitlines() if 'Attempt' in line]
    (message,) = {each.headers['webhook-id'] for each in receiver.requests[:1]}
    expected = (
        f'Attempt 1 to send {message} to the subscription {id} failed: 503 Service Unavailable'
    )
    assert lines == [expected]
