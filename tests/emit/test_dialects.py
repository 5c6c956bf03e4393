"""Bytes of JSON, and what else a dialect decides."""

import datetime
import decimal
import enum
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.renderers import JSON
from pyramid.request import Request
from zope.interface.verify import verifyObject

from pyramid_webhooks.emit.dialects import Dialect, render_json
from pyramid_webhooks.interfaces import IWebhookDialect

AMSTERDAM = datetime.timezone(datetime.timedelta(hours=2))
PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=['Cs'])),
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=['Cs'])), inner)
    ),
    max_leaves=20,
)


class Colour:
    """Something that the application has an adapter for."""


class Money:
    """Something that represents itself, by other things."""

    def __init__(self, amount):
        self.amount = amount

    def __json__(self, request):
        return {'amount': self.amount, 'path': request.path}


class Weekday(enum.StrEnum):
    """A text with a name."""

    MONDAY = 'monday'


def request(*adapters):
    """A request of an application with these JSON adapters."""
    config = Configurator()
    renderer = JSON()
    for cls, adapter in adapters:
        renderer.add_adapter(cls, adapter)
    config.add_renderer('json', renderer)
    config.commit()
    request = Request.blank('/here')
    request.registry = config.registry
    return request


REQUEST = request((Colour, lambda colour, request: ['green', request.path]))


def render(value):
    return json.loads(render_json(value, REQUEST))


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value):
    assert render(value) == value


@pytest.mark.parametrize(
    'value, text',
    [
        (datetime.datetime(2026, 11, 22, 1, 2, 3), '2026-11-22T01:02:03'),
        (
            datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC),
            '2026-01-02T03:04:05.000006+00:00',
        ),
        (datetime.datetime(2026, 11, 22, tzinfo=AMSTERDAM), '2026-11-22T00:00:00+02:00'),
        (datetime.date(2026, 11, 22), '2026-11-22'),
        (datetime.time(1, 2), '01:02:00'),
        (decimal.Decimal('1.50'), '1.50'),
        (uuid.UUID(int=1), '00000000-0000-0000-0000-000000000001'),
        (Weekday.MONDAY, 'monday'),
    ],
)
def test_common_values_have_their_standard_text(value, text):
    assert render({'value': [value]}) == {'value': [text]}


def test_it_is_utf8_without_any_blanks():
    assert (
        render_json({'name': 'Zoë ☃', 'n': [1, 2]}, REQUEST)
        == '{"name":"Zoë ☃","n":[1,2]}'.encode()
    )


def test_what_represents_itself_gets_the_request_and_may_nest():
    assert render(Money(Money(Colour()))) == {
        'amount': {'amount': ['green', '/here'], 'path': '/here'},
        'path': '/here',
    }


def test_the_adapters_of_the_application_go_before_the_standard_text():
    asked = request((datetime.date, lambda value, request: value.year))
    day = datetime.date(2026, 11, 22)
    assert render_json([day, Money(day)], asked) == b'[2026,{"amount":2026,"path":"/here"}]'


def test_an_application_without_a_renderer_for_json_renders_all_the_same():
    bare = Request.blank('/here')
    bare.registry = Registry('bare')
    assert render_json([Money(1), datetime.date(2026, 1, 1)], bare) == (
        b'[{"amount":1,"path":"/here"},"2026-01-01"]'
    )


@pytest.mark.parametrize(
    'value',
    [
        float('nan'),
        {'deep': [float('inf')]},
        {float('-inf'): 1},
        Money(float('nan')),
    ],
)
def test_numbers_that_json_does_not_have_are_refused(value):
    with pytest.raises(ValueError, match='not JSON compliant'):
        render_json(value, REQUEST)


@pytest.mark.parametrize(
    'value, name',
    [(object(), 'object'), (b'bytes', 'bytes'), ({1, 2}, 'set'), (Money, 'type'), (1j, 'complex')],
)
def test_what_has_no_representation_is_named(value, name):
    with pytest.raises(TypeError, match=f'^{name} objects have no JSON|__json__'):
        render_json({'value': value}, REQUEST)


def test_the_default_one_sends_the_data_as_they_are():
    dialect = Dialect()
    assert verifyObject(IWebhookDialect, dialect)
    assert (dialect.method, dialect.content_type) == ('POST', 'application/json')
    outgoing = type('Outgoing', (), {'data': b'[1]'})
    assert dialect.body(outgoing) == dialect.serialize([1], REQUEST) == b'[1]'
    assert dict(dialect.headers(outgoing)) == {}
    assert dialect.prepare(outgoing, b'[1]') is None


def test_a_simple_one_is_made_without_a_class_of_its_own():
    headers = {'X-From': 'here'}
    dialect = Dialect(method='PUT', content_type='application/vnd.ours+json', headers=headers)
    headers['X-From'] = 'elsewhere'
    assert (dialect.method, dialect.content_type) == ('PUT', 'application/vnd.ours+json')
    assert dict(dialect.headers(None)) == {'X-From': 'here'}
    assert Dialect().method == 'POST'
