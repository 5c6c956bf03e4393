"""What is sent for an object, and why there may be nothing to send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.config import Configurator
from pyramid.request import Request
from transaction.interfaces import TransientError
from zope.interface import alsoProvides
from zope.lifecycleevent import IObjectAddedEvent, ObjectAddedEvent, ObjectModifiedEvent

from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.emit.payloads import describe, payload_for, render, render_explicit
from pyramid_webhooks.interfaces import IWebhookPayload
from tests.company import Employee, Folder, IEmployee, IPerson

#: From the one that is asked first.
PLACES = (
    ('pair, dialect', {'when': IObjectAddedEvent, 'dialect': 'dutch'}),
    ('pair', {'when': IObjectAddedEvent}),
    ('itself', None),
    ('object, dialect', {'dialect': 'dutch'}),
    ('object', {}),
)


class Textual(Dialect):
    """A dialect that does not do what it has to."""

    def serialize(self, payload, request):
        return 'text'


class Speechless(Exception):
    """An error that can not be printed."""

    def __str__(self):
        raise RuntimeError('no words')


class Raising:
    """A payload whose representation raises."""

    def __init__(self, error):
        self.error = error

    def __json__(self, request):
        raise self.error


def registry(setup=lambda config: None):
    config = Configurator(settings={'webhooks.rest': 'false'})
    config.include('pyramid_webhooks')
    config.add_webhook_dialect('dutch', Dialect)
    config.add_webhook_dialect('textual', Textual)
    setup(config)
    config.commit()
    return config.registry


@pytest.fixture(scope='module')
def plain():
    """The registry of an application without payload factories."""
    return registry()


def request(registry):
    request = Request.blank('/')
    request.registry = registry
    return request


def added(employee):
    return ObjectAddedEvent(employee, Folder(), 'ann')


@pytest.mark.parametrize('passing', range(len(PLACES) + 1))
@pytest.mark.parametrize('how', ['missing', 'none'])
def test_the_first_that_has_an_answer_is_taken(passing, how):
    ann = Employee('ann')

    def setup(config):
        for number, (name, options) in enumerate(PLACES):
            if options is None or (number < passing and how == 'missing'):
                continue
            answer = None if number < passing else name
            config.add_webhook_payload(
                lambda *arguments, answer=answer: answer, IEmployee, **options
            )

    if passing < 3:
        alsoProvides(ann, IWebhookPayload)
    expected = [name for name, _ in PLACES][passing:] or ['itself']
    payload = payload_for(registry(setup), ann, added(ann), 'dutch')
    assert payload is ann if expected[0] == 'itself' else payload == expected[0]


def test_factories_of_one_dialect_are_not_asked_for_another():
    def setup(config):
        config.add_webhook_payload(lambda obj: 'dutch', IEmployee, dialect='dutch')
        config.add_webhook_payload(
            lambda obj, event: 'dutch pair', IEmployee, IObjectAddedEvent, 'dutch'
        )

    made, ann = registry(setup), Employee('ann')
    assert payload_for(made, ann, added(ann), '') is ann
    assert payload_for(made, ann, added(ann), 'textual') is ann
    assert payload_for(made, ann, added(ann), 'dutch') == 'dutch pair'
    assert payload_for(made, ann, ObjectModifiedEvent(ann), 'dutch') == 'dutch'


def test_the_factory_for_the_most_specific_type_is_asked():
    def setup(config):
        config.add_webhook_payload(lambda obj: 'person', IPerson)
        config.add_webhook_payload(lambda obj: 'employee', Employee)

    ann = Employee('ann')
    assert payload_for(registry(setup), ann, added(ann), '') == 'employee'


def test_a_payload_of_nothing_is_something():
    def setup(config):
        config.add_webhook_payload(lambda obj: {}, IEmployee)

    ann = Employee('ann')
    assert payload_for(registry(setup), ann, added(ann), '') == {}


def test_an_error_in_one_dialect_leaves_the_others_alone(plain, caplog):
    ann = Employee('ann')
    data, errors = render(
        plain,
        ann,
        added(ann),
        [(None, each) for each in ('', 'textual', 'french')],
        request(plain),
    )
    assert data == {'': b'{"name":"ann","age":30}'}
    assert set(errors) == {'textual', 'french'}
    assert "TypeError: the dialect 'textual' returned str, not bytes." in errors['textual']
    assert 'ComponentLookupError' in errors['french']
    assert 'could not be made' in caplog.text


@pytest.mark.parametrize('error', [Speechless(), KeyError('salary'), RecursionError('deep')])
def test_whatever_a_payload_raises_is_described_and_goes_no_further(plain, error):
    for made in (
        lambda: render(
            plain, Raising(error), ObjectModifiedEvent(None), [(None, '')], request(plain)
        ),
        lambda: render_explicit(plain, Raising(error), [''], request(plain)),
    ):
        data, errors = made()
        assert data == {}
        assert type(error).__name__ in errors['']


def test_an_error_that_asks_for_another_try_of_the_transaction_gets_it(plain):
    error = TransientError('again')
    with pytest.raises(TransientError):
        render(plain, Raising(error), ObjectModifiedEvent(None), [(None, '')], request(plain))
    with pytest.raises(TransientError):
        render_explicit(plain, Raising(error), [''], request(plain))


def test_what_is_given_is_sent_as_it_is_whatever_factories_there_are():
    def setup(config):
        config.add_webhook_payload(lambda obj: 'of the factory', Employee)
        config.add_webhook_payload(lambda obj: 'of the factory', dict)

    made = registry(setup)
    data, errors = render_explicit(made, {'n': 1}, ['', 'dutch'], request(made))
    assert (data, errors) == ({'': b'{"n":1}', 'dutch': b'{"n":1}'}, {})


@given(st.text(st.characters(), max_size=2000))
def test_a_description_is_a_text_of_bounded_length_that_can_be_shown(text):
    described = describe(ValueError(text))
    assert described.startswith('The payload could not be made: ValueError: ')
    assert len(described) <= 1000
    described.encode('utf-8')


def test_a_description_shows_what_is_no_unicode_text_escaped():
    assert '\\udc80' in describe(ValueError('\udc80'))
