"""Bodies, what they are declared as, and where they come from."""

from __future__ import annotations

import io

import pytest

JSON = 'application/json'


def post(client, body, content_type=JSON, status=400, url='/docs/__webhooks__', **headers):
    headers = {'X-User': 'admin', **headers}
    if content_type:
        headers['Content-Type'] = content_type
    return client.request(url, method='POST', body=body, headers=headers, status=status)


@pytest.mark.parametrize(
    'body',
    [b'{', b'[]', b'"text"', b'1', b'null', b'\xff', b'[' * 60_000, b'{"to": 1e', b'9' * 5000],
)
def test_what_is_no_json_object_is_refused(client, body):
    [error] = post(client, body).json['errors']
    assert error['location'] == 'body'


@pytest.mark.parametrize('size', [64 * 1024 + 1, 10 * 1024 * 1024])
def test_a_body_that_is_too_large_is_refused_unread(client, size):
    body = b'{"to": "' + b'x' * (size - 10) + b'"}'
    assert len(body) == size
    answer = post(client, body, status=400)
    assert '65536' in answer.json['errors'][0]['description']


@pytest.mark.parametrize(('size', 'status'), [(100, 400), (70_000, 400)])
def test_a_body_of_unknown_length_is_bounded_too(client, size, status):
    environ = {
        'REQUEST_METHOD': 'POST',
        'CONTENT_TYPE': JSON,
        'wsgi.input': io.BytesIO(b' ' * size),
        'wsgi.input_terminated': True,
        'HTTP_X_USER': 'admin',
    }
    request = client.RequestClass.blank('/docs/__webhooks__', environ)
    answer = client.do_request(request, status=status)
    assert answer.json['errors'][0]['location'] == 'body'


def test_no_body_lacks_every_field(client):
    answer = post(client, b'', content_type=None)
    assert {error['name'] for error in answer.json['errors']} == {'to', 'events'}


@pytest.mark.parametrize('content_type', ['text/plain', 'application/x-www-form-urlencoded', None])
def test_a_body_must_be_declared_as_json(client, content_type):
    body = b'{"to": "https://example.com/", "events": ["*"]}'
    answer = post(client, body, content_type, status=415)
    assert answer.json['errors'][0]['name'] == 'Content-Type'
    post(client, body, JSON + '; charset=utf-8', status=201)


def test_no_token_is_needed_where_the_application_demands_one(make_client):
    def demand(config):
        config.set_default_csrf_options(require_csrf=True)
        config.set_default_permission('nobody has this')

    client = make_client(demand)
    made = client.subscribe()
    client.change(made['url'], description='x')
    client.delete(made['url'], headers={'X-User': 'admin'}, status=204)


def test_answers_are_neither_sniffed_nor_cached(client):
    answer = client.get('/docs/__webhooks__', headers={'X-User': 'admin'})
    assert answer.headers['X-Content-Type-Options'] == 'nosniff'
    assert answer.headers['Cache-Control'] == 'no-store'
