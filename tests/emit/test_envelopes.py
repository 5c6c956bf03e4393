"""The dialects that every application has, as receivers get them."""

import datetime
import json
import re

import pytest
import requests.auth
from hypothesis import given
from hypothesis import strategies as st
from pyramid.exceptions import ConfigurationError
from standardwebhooks import Webhook

from pyramid_webhooks import manager_of
from pyramid_webhooks.delivery.jobs import Outgoing
from pyramid_webhooks.emit.envelopes import BUILT_IN
from pyramid_webhooks.testing import Receiver

TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z')


def arrived_in(dialect, company, receiver):
    id = company.subscribe('/NWS/OUN', receiver.url, dialect=dialect)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    [request] = receiver.requests
    [attempt] = company.at('/NWS/OUN', lambda manager: list(manager[id].attempts.values()))
    secret = company.at('/NWS/OUN', lambda manager: manager[id].secrets[0])
    Webhook(secret).verify(request.body, {k.lower(): v for k, v in request.headers.items()})
    return id, request


def test_the_standard_dialect_says_type_timestamp_and_data(company, receiver):
    _, request = arrived_in('standard', company, receiver)
    body = request.json()
    assert TIME.match(body.pop('timestamp'))
    assert body == {'type': 'employee.added', 'data': {'name': 'ann', 'age': 30}}
    assert request.headers['Content-Type'] == 'application/json'


def test_the_rest_hooks_dialect_says_which_hook_it_is(company, receiver):
    id, request = arrived_in('rest-hooks', company, receiver)
    assert request.json() == {
        'hook': {'id': id, 'event': 'employee.added', 'target': receiver.url},
        'data': {'name': 'ann', 'age': 30},
    }


def test_the_cloudevents_dialect_makes_structured_cloud_events(company, receiver):
    _, request = arrived_in('cloudevents', company, receiver)
    body = request.json()
    assert request.headers['Content-Type'] == 'application/cloudevents+json'
    assert body['id'] == request.headers['webhook-id']
    assert TIME.match(body.pop('time'))
    assert body == {
        'specversion': '1.0',
        'id': body['id'],
        'source': '/',
        'type': 'employee.added',
        'datacontenttype': 'application/json',
        'data': {'name': 'ann', 'age': 30},
    }


def test_what_was_sent_in_an_envelope_is_in_the_history(company, receiver):
    id, request = arrived_in('standard', company, receiver)

    def look(manager):
        [attempt] = manager[id].attempts.values()
        return attempt.request.body

    assert company.at('/NWS/OUN', look) == request.body


def test_every_try_has_the_same_body(company, receiver):
    receiver.answer(status=500, times=2)
    company.subscribe('/NWS/OUN', receiver.url, dialect='standard')
    company.add('/NWS/OUN', 'ann')
    assert len({request.body for request in receiver.wait_for(3)}) == 1


@given(
    name=st.sampled_from(sorted(BUILT_IN)),
    event=st.text(),
    target=st.text(),
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    timestamp=st.floats(0, 4e9),
)
def test_an_envelope_is_json_that_holds_the_data(name, event, target, data, timestamp):
    rendered = json.dumps(data).encode()
    outgoing = Outgoing('msg_1', event, timestamp, target, 'sub_1', rendered)
    body = BUILT_IN[name]().body(outgoing)
    assert body == BUILT_IN[name]().body(outgoing)
    read = json.loads(body)
    assert (read['data'] if name else read) == data
    if name == 'standard':
        moment = datetime.datetime.fromisoformat(read['timestamp'])
        assert abs(moment.timestamp() - timestamp) < 1e-3


def test_a_mapping_makes_a_simple_dialect(make_company, receiver):
    def setup(config):
        config.add_webhook_dialect(
            'put',
            {
                'method': 'PUT',
                'content_type': 'application/vnd.company+json',
                'headers': {'X-From': 'the company', 'User-Agent': 'company'},
                'auth': requests.auth.HTTPBasicAuth('ann', 'pass word'),
            },
        )

    company = make_company(setup=setup)
    _, request = arrived_in('put', company, receiver)
    assert request.method == 'PUT'
    assert request.json() == {'name': 'ann', 'age': 30}
    assert request.headers['Content-Type'] == 'application/vnd.company+json'
    assert request.headers['X-From'] == 'the company'
    assert request.headers['User-Agent'] == 'company'
    assert request.headers['Authorization'] == 'Basic YW5uOnBhc3Mgd29yZA=='


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'method': 5}, 'method'),
        ({'content_type': b'x'}, 'content_type'),
        ({'headers': 'X: y'}, 'headers'),
        ({'auth': ('ann', 'secret')}, 'auth'),
        ({'colour': 'red'}, 'colour'),
    ],
)
def test_a_mapping_that_makes_no_dialect_is_a_configuration_error(make_company, options, named):
    with pytest.raises(ConfigurationError, match=f"'odd'.*{named}") as caught:
        make_company(setup=lambda config: config.add_webhook_dialect('odd', options))
    assert 'secret' not in str(caught.value)


def test_the_settings_name_the_dialect_of_those_that_name_none(make_company):
    company = make_company(settings={'webhooks.dialect': 'standard'})
    with Receiver() as receiver:
        id, request = arrived_in(None, company, receiver)
        assert request.json()['type'] == 'employee.added'
    assert company.at('/NWS/OUN', lambda manager: manager[id].dialect) is None


def test_subscriptions_of_several_dialects_share_a_message(company, receiver):
    def do(context, request):
        manager = manager_of(context, create=True)
        for dialect in BUILT_IN:
            manager.create_subscription(
                receiver.url_for(f'/{dialect}'), events='*', dialect=dialect
            )

    company.request(do, '/NWS/OUN')
    company.add('/NWS/OUN', 'ann')
    requests_ = receiver.wait_for(len(BUILT_IN))
    assert len({request.headers['webhook-id'] for request in requests_}) == 1
    assert len({request.body for request in requests_}) == len(BUILT_IN)
