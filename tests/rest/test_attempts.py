"""The services of a subscription's attempts."""

from __future__ import annotations

import pytest
from pyramid.traversal import find_resource, resource_path
from zope.event import notify
from zope.lifecycleevent import ObjectAddedEvent

from pyramid_webhooks import manager_of
from tests.rest.application import Document

KEYS = set(
    'id url message_id event number status message created due resolved_at request '
    'response'.split()
)


def add_document(client, name):
    with client.root() as root:
        root['docs'][name] = document = Document()
        notify(ObjectAddedEvent(document))


@pytest.fixture
def made(client, receiver):
    return client.subscribe(
        user='adder',
        owner='adder',
        to=receiver.url_for('hook'),
        headers={'Authorization': 'Bearer hidden', 'X-Team': 'docs'},
    )


@pytest.fixture
def client(make_client):
    """Everybody may view documents, so that everybody's subscriptions get them."""
    return make_client(policy=None, **{'webhooks.permission': 'webhooks.add'})


def test_an_attempt_shows_what_was_sent_and_answered_but_no_secret(
    client, made, receiver, delivered
):
    receiver.answer(201, body='grüß dich'.encode(), headers={'X-Answer': 'yes'})
    add_document(client, 'one')
    delivered(client)
    [attempt] = client.read(made['attempts_url'])['attempts']
    assert set(attempt) == KEYS
    assert attempt['url'] == f'{made["attempts_url"]}/{attempt["id"]}'
    assert (attempt['status'], attempt['message']) == ('successful', '201 Created')
    assert (attempt['event'], attempt['number']) == ('document.added', 1)
    sent, answered = attempt['request'], attempt['response']
    [received] = receiver.requests
    assert sent['url'] == receiver.url_for('hook')
    assert (sent['method'], sent['encoding']) == ('POST', 'utf-8')
    assert sent['body'].encode() == received.body
    headers = {name.lower(): value for name, value in sent['headers'].items()}
    assert headers['authorization'] == '…'
    assert headers['x-team'] == 'docs'
    assert headers['webhook-id'] == attempt['message_id']
    assert received.headers['Authorization'] == 'Bearer hidden'
    assert (answered['status_code'], answered['reason']) == (201, 'Created')
    assert (answered['content'], answered['encoding']) == ('grüß dich', 'utf-8')
    assert answered['truncated'] is False and answered['elapsed'] > 0
    assert client.read(attempt['url']) == attempt
    assert 'hidden' not in str(client.read(made['url']))


def test_attempts_are_paged_and_filtered(client, made, receiver, delivered):
    receiver.answer(500)
    add_document(client, 'one')
    delivered(client)
    receiver.answer(200)
    for name in 'two', 'three':
        add_document(client, name)
        delivered(client)
    attempts = client.read(made['attempts_url'])['attempts']
    assert [each['status'] for each in attempts] == ['failed', 'successful', 'successful']

    def found(query):
        answer = client.read(f'{made["attempts_url"]}?{query}')
        return [each['id'] for each in answer['attempts']], answer['next']

    ids = [each['id'] for each in attempts]
    assert found('limit=2') == (ids[:2], ids[1])
    assert found(f'limit=2&after={ids[1]}') == (ids[2:], None)
    assert found('status=failed') == (ids[:1], None)
    assert found('status=pending') == ([], None)
    assert found('event=document.added&status=successful') == (ids[1:], None)
    assert found('event=folder.added') == ([], None)


@pytest.mark.parametrize(
    ('query', 'name'),
    [('after=msg_gone-1', 'after'), ('status=odd', 'status'), ('limit=999', 'limit'), ('x=', 'x')],
)
def test_bad_queries_are_refused_by_name(client, made, query, name):
    answer = client.read(f'{made["attempts_url"]}?{query}', status=400)
    assert [(each['location'], each['name']) for each in answer['errors']] == [
        ('querystring', name)
    ]


def test_a_message_is_sent_again_in_a_new_attempt(client, made, receiver, delivered):
    receiver.answer(500)
    add_document(client, 'one')
    delivered(client)
    receiver.answer(200)
    [failed] = client.read(made['attempts_url'])['attempts']
    answer = client.post(failed['url'] + '/retry', headers={'X-User': 'adder'}, status=202)
    again = answer.json
    assert set(again) == KEYS
    assert (again['status'], again['number'], again['request']) == ('pending', 2, None)
    assert again['message_id'] == failed['message_id']
    delivered(client)
    resolved = client.read(again['url'])
    assert (resolved['id'], resolved['status']) == (again['id'], 'successful')
    assert [each.headers['webhook-id'] for each in receiver.requests] == [failed['message_id']] * 2


def test_what_is_still_owed_can_not_be_sent_again(client, made, receiver, delivered):
    add_document(client, 'one')
    delivered(client)
    [first] = client.read(made['attempts_url'])['attempts']
    client.change(made['url'], active=False)
    retry = first['url'] + '/retry'
    waiting = client.post(retry, headers={'X-User': 'admin'}, status=202).json
    for url in retry, waiting['url'] + '/retry':
        answer = client.post(url, headers={'X-User': 'admin'}, status=409).json
        assert answer['errors'][0]['name'] == 'attempt'
    statuses = [each['status'] for each in client.read(made['attempts_url'])['attempts']]
    assert statuses == ['successful', 'pending']


@pytest.mark.parametrize(
    ('headers', 'status'),
    [
        ({}, 202),
        ({'Origin': 'http://localhost:80'}, 202),
        ({'Origin': 'https://evil.example'}, 403),
        ({'Origin': 'null'}, 403),
        ({'Sec-Fetch-Site': 'same-origin'}, 202),
        ({'Sec-Fetch-Site': 'cross-site', 'Origin': 'http://localhost:80'}, 403),
        ({'Origin': 'https://evil.example', 'Content-Type': 'application/json'}, 202),
        ({'Content-Type': 'application/x-www-form-urlencoded'}, 202),
    ],
)
def test_a_page_of_another_origin_must_ask_the_browser_first(
    client, made, delivered, headers, status
):
    add_document(client, 'one')
    delivered(client)
    [attempt] = client.read(made['attempts_url'])['attempts']
    url = attempt['url'] + '/retry'
    client.post(url, headers={'X-User': 'admin', **headers}, status=status)


def test_a_form_with_a_body_is_not_taken(client, made, delivered):
    add_document(client, 'one')
    delivered(client)
    [attempt] = client.read(made['attempts_url'])['attempts']
    client.post(attempt['url'] + '/retry', {'a': 'b'}, headers={'X-User': 'admin'}, status=415)


def test_who_may_not_retry_does_not(client, made, receiver, delivered):
    add_document(client, 'one')
    delivered(client)
    [attempt] = client.read(made['attempts_url'], 'viewer')['attempts']
    client.post(attempt['url'] + '/retry', headers={'X-User': 'viewer'}, status=403)
    client.post(attempt['url'] + '/retry', headers={'X-User': 'other'}, status=404)
    client.read(made['attempts_url'] + '/msg_none-1', 'viewer', status=404)


def test_bytes_that_are_no_text_are_shown_in_base64(client, made, receiver, delivered):
    receiver.answer(200, body=b'\xff\x00')
    add_document(client, 'one')
    delivered(client)
    [attempt] = client.read(made['attempts_url'])['attempts']
    assert attempt['response']['content'] == '/wA='
    assert attempt['response']['encoding'] == 'base64'


def test_attempts_are_found_by_their_path(client, made, receiver, delivered):
    receiver.answer(204)
    add_document(client, 'one')
    delivered(client)
    with client.root() as root:
        subscription = manager_of(root['docs'])[made['id']]
        attempts = subscription.attempts
        [attempt] = attempts.values()
        path = resource_path(attempt)
        assert path == f'/docs/__webhooks__/{made["id"]}/attempts/{attempt.id}'
        assert find_resource(root, path) == attempt
        assert find_resource(root, resource_path(attempts)) == attempts
        assert find_resource(attempts, attempt.id) == attempt
