"""Pings, recovery and statistics, as a client asks for them."""

from __future__ import annotations

import datetime

import pytest

from tests.rest.test_attempts import KEYS, add_document

SINCE = '2020-01-01T00:00:00Z'


@pytest.fixture
def client(make_client):
    return make_client(**{'webhooks.permission': 'webhooks.add'})


@pytest.fixture
def made(client, receiver):
    return client.subscribe(user='adder', to=receiver.url)


def post(client, url, user='admin', status=202, body=None, **headers):
    headers['X-User'] = user
    if body is None:
        return client.post(url, headers=headers, status=status).json
    return client.post_json(url, body, headers=headers, status=status).json


def recover(client, made, since=SINCE, user='admin', status=202):
    return post(client, made['url'] + '/recover', user, status, {'since': since})


def fail(client, receiver, delivered, *names):
    receiver.answer(500)
    for name in names:
        add_document(client, name)
    delivered(client)
    receiver.answer(200)


def test_a_ping_is_sent_and_its_attempt_is_there_at_once(client, made, receiver, delivered):
    attempt = post(client, made['url'] + '/ping')
    assert set(attempt) == KEYS
    assert (attempt['event'], attempt['number']) == ('webhook.ping', 1)
    assert (attempt['status'], attempt['request']) == ('pending', None)
    delivered(client)
    resolved = client.read(attempt['url'])
    assert (resolved['id'], resolved['status']) == (attempt['id'], 'successful')
    [request] = receiver.requests
    assert request.headers['webhook-id'] == attempt['message_id']
    assert request.json()['subscription'] == made['id']
    listed = client.read(made['attempts_url'] + '?event=webhook.ping')['attempts']
    assert listed == [resolved]


def test_a_ping_is_for_who_may_edit(client, made, receiver, delivered):
    url = made['url'] + '/ping'
    for user, status in [('admin', 202), ('adder', 202), ('editor', 202), ('viewer', 403)]:
        post(client, url, user, status)
    for user in 'stranger', 'other':
        assert post(client, url, user, 404) == post(
            client, '/docs/__webhooks__/sub_none/ping', user, 404
        )
    delivered(client)
    assert len(receiver.requests) == 3


def test_a_ping_of_an_inactive_subscription_is_refused_with_the_reason(client, made, receiver):
    client.change(made['url'], active=False)
    answer = post(client, made['url'] + '/ping', status=409)
    assert 'Deactivated by hand.' in answer['errors'][0]['description']
    assert client.read(made['attempts_url'])['attempts'] == []


@pytest.mark.parametrize('action', ['ping', 'recover'])
def test_a_page_of_another_origin_can_not_do_it(client, made, action):
    url = f'{made["url"]}/{action}'
    headers = {'X-User': 'admin', 'Origin': 'https://evil.example'}
    client.post(url, headers=headers, status=403 if action == 'ping' else 400)
    client.post(url, {'since': SINCE}, headers=headers, status=415)


def test_all_that_failed_is_sent_again(client, made, receiver, delivered):
    fail(client, receiver, delivered, 'one', 'two', 'three')
    sent = [request.headers['webhook-id'] for request in receiver.requests]
    answer = recover(client, made)
    assert answer == {'count': 3, 'unreachable': 0, 'unreachable_until': None}
    delivered(client)
    assert [request.headers['webhook-id'] for request in receiver.requests] == sent * 2
    assert recover(client, made)['count'] == 0


def test_what_can_not_be_reached_any_more_is_told(make_client, receiver, delivered):
    client = make_client(
        **{
            'webhooks.permission': 'webhooks.add',
            'webhooks.exhausted_limit': '0',
            'webhooks.attempt_limit': '1',
        }
    )
    made = client.subscribe(user='adder', to=receiver.url)
    fail(client, receiver, delivered, 'one', 'two', 'three')
    answer = recover(client, made)
    assert (answer['count'], answer['unreachable']) == (1, 2)
    until = datetime.datetime.fromisoformat(answer['unreachable_until'])
    assert until <= datetime.datetime.now(datetime.UTC)
    assert recover(client, made, answer['unreachable_until'])['count'] <= 1


def test_a_time_may_be_given_in_any_zone(client, made, receiver, delivered):
    fail(client, receiver, delivered, 'one')
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    now = datetime.datetime.now(zone)
    later, earlier = now + datetime.timedelta(minutes=1), now - datetime.timedelta(minutes=1)
    assert recover(client, made, later.isoformat())['count'] == 0
    naive = (later - now.utcoffset()).replace(tzinfo=None)
    assert recover(client, made, naive.isoformat())['count'] == 0
    assert recover(client, made, earlier.isoformat())['count'] == 1


@pytest.mark.parametrize(
    'since',
    [None, '', 'yesterday', 5, 1.5, True, [], {}, '2026-13-01', '0001-01-01T00:00:00+23:59', '٣'],
)
def test_what_is_no_time_is_refused(client, made, since):
    answer = recover(client, made, since, status=400)
    [error] = answer['errors']
    assert (error['location'], error['name']) == ('body', 'since')
    assert '2026-01-31T12:00:00Z' in error['description']


def test_the_time_is_required_and_nothing_else_is_taken(client, made):
    url = made['url'] + '/recover'
    assert post(client, url, status=400)['errors'][0]['name'] == 'since'
    answer = post(client, url, status=400, body={'since': SINCE, 'until': SINCE})
    assert [each['name'] for each in answer['errors']] == ['until']


def test_recovery_is_for_who_may_retry(client, made, receiver, delivered):
    fail(client, receiver, delivered, 'one')
    for user, status in [('editor', 403), ('viewer', 403), ('stranger', 404), ('adder', 202)]:
        recover(client, made, user=user, status=status)
    delivered(client)
    assert len(receiver.requests) == 2


def test_what_is_global_is_pinged_and_recovered_by_who_may_at_the_root(
    make_client, receiver, delivered
):
    client = make_client(
        **{
            'webhooks.subscriptions': 'audit',
            'webhooks.subscription.audit.to': receiver.url,
            'webhooks.subscription.audit.events': 'document.added',
        }
    )
    fail(client, receiver, delivered, 'one')
    audit = '/__webhooks__/audit'
    post(client, audit + '/ping', 'viewer', 403)
    recover(client, {'url': audit}, user='editor', status=403)
    attempt = post(client, audit + '/ping', 'editor')
    assert recover(client, {'url': audit})['count'] == 1
    delivered(client)
    assert client.read(attempt['url'])['status'] == 'successful'
    figures = client.read(audit + '/statistics', 'viewer')
    assert (figures['sent'], figures['failed'], figures['pending']) == (2, 1, 0)
    client.read('/docs/__webhooks__/audit/statistics', status=404)


def test_statistics_are_for_who_may_view(client, made, receiver, delivered):
    url = made['url'] + '/statistics'
    nothing = dict.fromkeys(('last_success', 'last_failure', 'p50', 'p95'))
    assert client.read(url, 'viewer') == {'sent': 0, 'failed': 0, 'pending': 0, **nothing}
    fail(client, receiver, delivered, 'one')
    add_document(client, 'two')
    delivered(client)
    figures = client.read(url, 'adder')
    assert (figures['sent'], figures['failed'], figures['pending']) == (1, 1, 0)
    assert figures['last_failure'] < figures['last_success']
    assert 0 < figures['p50'] <= figures['p95']
    assert client.read(url, 'other', 404) == client.read(
        '/docs/__webhooks__/sub_none/statistics', 'other', 404
    )


def test_asked_for_several_times_in_a_row_it_is_done_once(client, made, receiver, delivered):
    fail(client, receiver, delivered, 'one', 'two')
    assert [recover(client, made)['count'] for _ in range(3)][0] == 2
    delivered(client)
    assert len(receiver.requests) == 4
