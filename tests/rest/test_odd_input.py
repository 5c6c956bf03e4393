"""Whatever a client sends, it gets one of the answers that are described, and harms nobody."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.rest.contract import operations
from tests.rest.test_attempts import add_document

FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NASTY = ('\ud800', '\x00', 'a\r\nb: c', '‮', 'x' * 300, '', ' ', '../..', '%2e', '💥', '٣')
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
likely = {
    'to': st.one_of(values, st.just('https://example.com/hook')),
    'events': st.one_of(values, st.just(['document.added']), st.lists(texts, max_size=3)),
    'headers': st.one_of(values, st.dictionaries(texts, texts, max_size=3)),
    'since': st.one_of(values, st.datetimes().map(str)),
    'overlap': st.one_of(values, st.floats(), st.integers()),
    'owner': st.one_of(values, st.just('adder')),
    'scheme': st.one_of(values, st.sampled_from(['v1', 'v1a'])),
    **dict.fromkeys('permission dialect description secret active id'.split(), values),
}
bodies = st.one_of(values, st.fixed_dictionaries({}, optional=likely))


@pytest.fixture
def client(make_client):
    return make_client(**{'webhooks.permission': 'webhooks.add', 'webhooks.delivery': 'worker'})


@pytest.fixture
def target(client):
    """A subscription to be mistreated, and a pending attempt of it."""
    made = client.subscribe(user='adder')
    add_document(client, 'one')
    [attempt] = client.read(made['attempts_url'])['attempts']
    return made, attempt


def send(client, method, path, target, data, **headers):
    made, attempt = target
    path = path.replace('{id}', made['id']).replace('{attempt}', attempt['id'])
    resource = '/docs/leaf' if '{event}' in path else '/docs'
    url = f'{resource}/__webhooks__{path.replace("{event}", "document.added").rstrip("/")}'
    headers = {'X-User': 'admin', 'Content-Type': 'application/json', **headers}
    answer = client.request(
        url, method=method.upper(), body=data, headers=headers, expect_errors=True
    )
    assert answer.status_int < 500
    return answer


TAKING = [(method, path) for method, path, operation in operations() if 'requestBody' in operation]
ALL = [(method, path) for method, path, _ in operations() if method != 'delete']


@pytest.mark.parametrize(('method', 'path'), TAKING)
@given(body=bodies)
@example(
    body={'to': 'https://example.com/', 'events': ['document.added'], 'description': '\ud800'}
)
@example(body={'to': 'https://example.com/\ud800', 'events': ['*']})
@example(body={'to': 'https://example.com/', 'events': ['*'], 'owner': '\x00'})
@example(body={'headers': {'X-Odd': '\ud800'}})
@example(body={'overlap': 10**400})
@example(body={'overlap': float('nan')})
@example(body={'since': '9999-12-31T23:59:59-23:59'})
@FEW
def test_any_json_is_taken_or_refused_in_a_sentence(client, target, method, path, body):
    answer = send(client, method, path, target, json.dumps(body).encode())
    if answer.status_int >= 400:
        assert all(error['description'] for error in answer.json['errors'])
    # Whatever was taken can be shown, too.
    assert client.list()['subscriptions']


ODD_BYTES = (
    b'',
    b'\x00',
    b'\xff\xfe{\x00}\x00',
    b'{"to": "\xff"}',
    b'[' * 50_000,
    b'{"a":' * 10_000,
    b'{"to": NaN}',
    b'{"to": 1e999}',
    b'{"to": "https://a.example/", "to": 5}',
    b'nul',
    b'1' * 5_000,
    b'x' * 70_000,
)


@pytest.mark.parametrize(('method', 'path'), ALL)
def test_odd_bytes_are_refused(client, target, method, path):
    for data in ODD_BYTES:
        for type in (
            'application/json',
            'text/html; charset=utf-16',
            'application/json; charset=odd',
        ):
            send(client, method, path, target, data, **{'Content-Type': type})


QUERIES = (
    'limit=0',
    'limit=-1',
    'limit=1e3',
    'limit=',
    'limit=5&limit=6',
    'after=',
    'after=%00',
    'after=%ff',
    'after=../',
    'after=' + 'x' * 5000,
    'owner=%00',
    'owner=%ED%A0%80',
    'event=%f0%9f%92%a5',
    'event=*',
    'event=',
    'active=yes',
    'active=true&active=false',
    '%ff=1',
    'a' * 5000 + '=1',
    'status=',
    ';',
    '&&&',
)


def test_odd_queries_are_refused_or_find_nothing(client, target):
    made, _ = target
    for query in QUERIES:
        for url in ('/docs/__webhooks__', made['attempts_url'], made['url']):
            answer = client.get(f'{url}?{query}', headers={'X-User': 'admin'}, expect_errors=True)
            assert answer.status_int in (200, 400), answer.text


PARTS = ('%00', '..', '.', '%2e%2e', '@@view', '*', 'sub_', 'x' * 3000, '%F0%9F%92%A5', '%20')


def test_odd_paths_lead_nowhere(client, target):
    made, attempt = target
    for part in PARTS:
        urls = (
            f'/{part}/__webhooks__',
            f'/docs/__webhooks__/{part}',
            f'/docs/__webhooks__/{part}/attempts',
            f'{made["url"]}/{part}',
            f'{made["attempts_url"]}/{part}',
            f'{attempt["url"]}/{part}',
            f'/docs/__webhooks__/events/{part}',
        )
        for url in urls:
            for method in ('GET', 'POST'):
                answer = client.request(
                    url, method=method, headers={'X-User': 'admin'}, expect_errors=True
                )
                assert answer.status_int < 500, (method, url, answer.text)


def test_what_is_done_twice_is_done_once_or_refused(client, target):
    made, attempt = target
    for _ in range(2):
        client.change(made['url'], active=False)
    for _ in range(2):
        client.change(made['url'], active=True)
    headers = {'X-User': 'admin'}
    client.delete(made['url'], headers=headers, status=204)
    for method, url in [('DELETE', made['url']), ('POST', made['url'] + '/ping')]:
        client.request(url, method=method, headers=headers, status=404)
    client.request(attempt['url'] + '/retry', method='POST', headers=headers, status=404)


def test_what_many_do_at_once_is_done_or_refused_and_never_halved(make_client):
    client = make_client(
        lambda config: config.include('pyramid_retry'),
        **{'webhooks.delivery': 'worker', 'retry.attempts': '20'},
    )
    made = [client.subscribe() for _ in range(4)]
    statuses, errors = [], []

    def work(number):
        headers = {'X-User': 'admin', 'Content-Type': 'application/json'}
        for turn in range(6):
            one = made[(number + turn) % len(made)]['url']
            for method, url, body in [
                ('POST', '/docs/__webhooks__', {'to': 'https://a.example/', 'events': ['*']}),
                ('PATCH', one, {'description': f'{number} {turn}', 'active': turn % 2 == 0}),
                ('POST', one + '/ping', None),
                ('POST', one + '/recover', {'since': '2020-01-01'}),
                ('GET', one + '/statistics', None),
                ('GET', '/docs/__webhooks__', None),
            ]:
                data = b'' if body is None else json.dumps(body).encode()
                try:
                    answer = client.request(
                        url, method=method, body=data, headers=headers, expect_errors=True
                    )
                    statuses.append((method, answer.status_int))
                except Exception as error:
                    errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert {status for _, status in statuses} <= {200, 201, 202, 409}
    listed = client.list(query='?limit=250')['subscriptions']
    assert len(listed) == 4 + sum(status == 201 for _, status in statuses)
