"""The life of a hook, as an integration on Zapier has it: see "REST Hooks, and Zapier"."""

from __future__ import annotations

import pytest

from tests.company import wait_until
from tests.rest.test_attempts import add_document


class Zapier:
    """What an integration does, with nothing but what earlier answers said."""

    def __init__(self, client, user, target):
        self.client = client
        self.user = user
        self.target = target
        self.subscribe_data = None

    def _ask(self, method, url, **keywords):
        return getattr(self.client, method)(url, headers={'X-User': self.user}, **keywords)

    def subscribe(self):
        """Turning a Zap on."""
        wish = {'to': self.target, 'events': ['document.added'], 'dialect': 'standard'}
        headers = {'X-User': self.user}
        answer = self.client.post_json('/docs/__webhooks__', wish, headers=headers, status=201)
        self.subscribe_data = answer.json

    def perform_list(self):
        """The samples that are shown while a Zap is made."""
        events = self._ask('get', '/docs/__webhooks__/events').json['events']
        samples = [each['example'] for each in events if each['name'] == 'document.added']
        attempts = self._ask('get', self.subscribe_data['attempts_url'] + '?status=successful')
        return samples, [each['request']['body'] for each in attempts.json['attempts']]

    def unsubscribe(self, status=204):
        """Turning a Zap off."""
        self._ask('delete', self.subscribe_data['url'], status=status)


@pytest.fixture
def client(make_client):
    return make_client(**{'webhooks.permission': 'webhooks.add', 'webhooks.retry_schedule': '1h'})


@pytest.fixture
def zapier(client, receiver):
    return Zapier(client, 'adder', receiver.url_for('hooks/catch/1/abc/'))


def test_a_zap_that_is_turned_on_gets_what_happens_until_it_is_turned_off(
    client, zapier, receiver, delivered
):
    zapier.subscribe()
    assert zapier.perform_list() == ([{'id': 'leaf'}], [])
    add_document(client, 'one')
    delivered(client)
    [request] = receiver.requests
    assert request.path == '/hooks/catch/1/abc/'
    assert (request.json()['type'], request.json()['data']) == ('document.added', {'id': 'one'})
    _, [body] = zapier.perform_list()
    assert body.encode() == request.body
    zapier.unsubscribe()
    add_document(client, 'two')
    delivered(client)
    assert len(receiver.requests) == 1
    zapier.unsubscribe(status=404)
    assert client.list(user='adder')['subscriptions'] == []


def test_a_zap_that_was_turned_off_unheard_answers_410_and_is_left_alone(
    client, zapier, receiver, delivered
):
    zapier.subscribe()
    receiver.answer(410)
    add_document(client, 'one')
    url = zapier.subscribe_data['url']
    gone = wait_until(lambda: (found := client.read(url))['active'] is False and found)
    assert '410' in gone['status_message']
    add_document(client, 'two')
    delivered(client)
    assert len(receiver.requests) == 1
    answer = client.post(url + '/ping', headers={'X-User': 'adder'}, status=409)
    assert '410' in answer.json['errors'][0]['description']
    zapier.unsubscribe()


def test_two_zaps_of_one_user_are_two_hooks(client, zapier, receiver, delivered):
    other = Zapier(client, 'adder', receiver.url_for('hooks/catch/1/xyz/'))
    zapier.subscribe()
    other.subscribe()
    add_document(client, 'one')
    delivered(client)
    zapier.unsubscribe()
    add_document(client, 'two')
    delivered(client)
    assert sorted(request.path for request in receiver.requests) == [
        '/hooks/catch/1/abc/',
        '/hooks/catch/1/xyz/',
        '/hooks/catch/1/xyz/',
    ]
