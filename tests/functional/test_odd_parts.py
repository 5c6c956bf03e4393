"""Parts of an application that misbehave harm themselves alone."""

import sys

import pytest
import requests

from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.resources.subscription import Subscription
from tests.clock import ShiftedClock
from tests.company import Folder, messages, names_of


class Special(Subscription):
    """A subscription of the application's own class."""


class Exiting(Dialect):
    """Wants to end the process."""

    def body(self, outgoing):
        raise SystemExit(3)


class Nameless(Dialect):
    """Prepares a request with a method that is none."""

    def prepare(self, outgoing, body):
        request = requests.Request('POST', outgoing.target, data=body).prepare()
        request.method = lambda: 'POST'
        return request


class Viewing(Dialect):
    """Prepares a request whose body is a view of bytes."""

    def prepare(self, outgoing, body):
        request = requests.Request('POST', outgoing.target, data=body).prepare()
        request.body = memoryview(b'"seen"')
        return request


class Moody(Folder):
    """A folder that does not always tell its parent."""

    moody = False

    @property
    def __parent__(self):
        if Moody.moody:
            raise RuntimeError('not today')
        return self.parent

    @__parent__.setter
    def __parent__(self, parent):
        self.parent = parent


class Patient:
    """A retry policy that waits for longer than there are dates."""

    def next_delay(self, tries, status, headers):
        return 1e12


@pytest.mark.parametrize('dialect', [Exiting, Nameless])
def test_a_dialect_that_makes_no_request_is_a_failed_attempt(make_company, receiver, dialect):
    company = make_company(setup=lambda config: config.add_webhook_dialect('odd', dialect()))
    odd = company.subscribe('/', receiver.url_for('odd'), dialect='odd')
    company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS', 'ann')
    company.settle()
    [(status, _, message, *_)] = company.attempts('/', odd)
    assert status == 'failed' and message.startswith('The request could not be made: ')
    assert [request.path for request in receiver.requests] == ['/good']


def test_the_body_that_a_dialect_prepares_is_recorded_as_bytes(make_company, receiver):
    company = make_company(setup=lambda config: config.add_webhook_dialect('odd', Viewing()))
    company.subscribe('/', receiver.url, dialect='odd')
    company.add('/NWS', 'ann')
    company.settle()
    assert len(company.attempts('/')) == 1
    assert company.at(
        '/', lambda m: [each.request.body for s in m.values() for each in s.attempts.values()]
    ) == [b'"seen"']


def test_a_folder_that_raises_keeps_nobody_from_being_sent_to(company, receiver):
    def make(context, request):
        context['MOODY'] = Moody()

    company.request(make, '/NWS')
    company.subscribe('/NWS/MOODY', receiver.url_for('moody'))
    company.subscribe('/', receiver.url_for('good'))
    engine = company.registry.getUtility(IDeliveryEngine)
    engine.stop()
    company.add('/NWS/MOODY', 'ann')
    Moody.moody = True
    try:
        engine.start()
        company.settle()
    finally:
        Moody.moody = False
    assert sorted(request.path for request in receiver.requests) == ['/good', '/moody']


def test_a_delay_beyond_all_dates_can_be_looked_at(make_company, receiver):
    company = make_company(setup=lambda config: config.set_webhook_retry_policy(Patient()))
    receiver.answer(status=500)
    company.subscribe('/', receiver.url)
    company.add('/NWS', 'ann')
    company.settle()
    due = company.at('/', lambda m: [each.due for s in m.values() for each in s.attempts.values()])
    assert len(due) == 2 and due[1].year > due[0].year


def with_factory(config):
    config.set_webhook_subscription_factory(Special)


def test_a_subscription_whose_class_is_gone_does_not_disturb_the_application(
    make_company, receiver, monkeypatch, caplog
):
    company = make_company(setup=with_factory)
    company.subscribe('/', receiver.url_for('special'))
    company.stop()
    monkeypatch.delattr(sys.modules[__name__], 'Special')
    company.restart(setup=None)
    company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS', 'ann')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/good']
    assert 'can not be read; it gets nothing' in messages(caplog)


@pytest.fixture
def with_waiting(make_company, receiver, monkeypatch):
    """An application whose subscription could not be read for a while."""
    company = make_company(setup=with_factory)
    company.subscribe('/', receiver.url)
    company.registry.getUtility(IDeliveryEngine).stop()
    company.add('/NWS', 'ann')
    company.stop()
    with monkeypatch.context() as patch:
        patch.delattr(sys.modules[__name__], 'Special')
        company.restart(setup=None)
        company.settle()
        assert not receiver.requests
    return company.restart(setup=with_factory)


def test_what_waited_while_a_class_was_gone_is_sent_soon(with_waiting, receiver):
    """Without any event, and although nobody tells that the class is back."""
    with ShiftedClock() as clock:
        clock.forward(60)
        receiver.wait_for(1)
    with_waiting.settle()
    assert [attempt[0] for attempt in with_waiting.attempts('/')] == ['successful']


def test_what_waited_while_a_class_was_gone_is_sent_with_the_next_event(with_waiting, receiver):
    company = with_waiting
    company.add('/NWS', 'ben')
    company.settle()
    assert names_of(receiver) == ['ann', 'ben']


class Texting(Dialect):
    """Makes texts where bytes are wanted."""

    def body(self, outgoing):
        return 'a text'


class Raising(Dialect):
    """Does not want to."""

    def serialize(self, payload, request):
        raise RuntimeError('not me')


class TextData(Dialect):
    """Makes texts where the data are wanted as bytes."""

    def serialize(self, payload, request):
        return 'a text'


@pytest.mark.parametrize(
    'dialect, reason',
    [
        (Texting(), 'bytes'),
        (Raising(), 'RuntimeError: not me'),
        (TextData(), "the dialect 'odd' returned str, not bytes"),
        ({'headers': {'Connection': 'upgrade'}}, '"Connection" cannot be sent'),
        ({'headers': {'Transfer-Encoding': 'chunked'}}, '"Transfer-Encoding" cannot be sent'),
        ({'headers': {'Host': 'other.example'}}, '"Host" cannot be sent'),
        ({'headers': {'TE': 'trailers'}}, '"TE" cannot be sent'),
        ({'headers': {'Keep-Alive': 'timeout=5'}}, '"Keep-Alive" cannot be sent'),
        ({'headers': {'Upgrade': 'h2c'}}, '"Upgrade" cannot be sent'),
        ({'headers': {'X-Note': 'one\r\nX-Other: two'}}, '"X-Note" cannot be sent'),
        ({'headers': {'X Note': 'one'}}, "'X Note' cannot be sent"),
        ({'headers': {'X-Note': 'Zoë 名前'}}, '"X-Note" cannot be sent'),
    ],
    ids=lambda value: None,
)
def test_what_a_dialect_can_not_send_is_a_failed_attempt_that_says_why(
    make_company, receiver, dialect, reason
):
    company = make_company(setup=lambda config: config.add_webhook_dialect('odd', dialect))
    odd = company.subscribe('/', receiver.url_for('odd'), dialect='odd')
    company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS', 'ann')
    company.settle()
    [(status, _, message, *_)] = company.attempts('/', odd)
    assert status == 'failed' and reason in message
    assert [request.path for request in receiver.requests] == ['/good']


def test_the_length_that_a_dialect_sets_is_not_believed(make_company, receiver):
    def setup(config):
        config.add_webhook_dialect('odd', {'headers': {'Content-Length': '1'}})

    company = make_company(setup=setup)
    company.subscribe('/', receiver.url, dialect='odd')
    company.add('/NWS', 'ann')
    company.settle()
    [request] = receiver.requests
    assert request.json()['name'] == 'ann'
    assert request.headers['Content-Length'] == str(len(request.body))
