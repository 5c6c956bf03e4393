"""To one who may not view a subscription there is none."""

from __future__ import annotations

import json

import pytest

from tests.rest.contract import operations
from tests.rest.test_attempts import add_document

BELOW = [(method, path) for method, path, _ in operations() if path.startswith('/{id}')]


@pytest.fixture
def client(make_client):
    return make_client(**{'webhooks.permission': 'webhooks.add', 'webhooks.delivery': 'worker'})


@pytest.mark.parametrize(('method', 'path'), BELOW)
def test_the_answer_is_that_for_an_unknown_id(client, method, path):
    made = client.subscribe()
    add_document(client, 'one')
    [attempt] = client.read(made['attempts_url'])['attempts']
    known = {'{id}': made['id'], '{attempt}': attempt['id']}
    unknown = {'{id}': 'sub_' + 'x' * 26, '{attempt}': attempt['id']}

    def ask(ids, user, data, type):
        url = '/docs/__webhooks__' + path
        for name, value in ids.items():
            url = url.replace(name, value)
        headers = {'X-User': user} if user else {}
        if type:
            headers['Content-Type'] = type
        answer = client.request(
            url, method=method.upper(), body=data, headers=headers, expect_errors=True
        )
        return answer.status, dict(answer.headers), answer.body

    body = json.dumps({'since': '2020-01-01', 'description': 'mine now'}).encode()
    for user in ('stranger', 'other', None):
        for data, type in [(b'', None), (body, 'application/json'), (b'a=b', 'text/plain')]:
            answer = ask(known, user, data, type)
            assert answer == ask(unknown, user, data, type)
            assert answer[0] == '404 Not Found'
    assert client.read(made['url']) == {key: made[key] for key in made if key != 'secret'}
