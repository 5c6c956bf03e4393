"""What all subscriptions are owed, and who sends it, as a client asks for it."""

from __future__ import annotations

import os

import pytest

from tests.company import wait_until
from tests.rest.test_attempts import add_document

URL = '/__webhooks__/statistics.json'


@pytest.mark.parametrize('path', ['', '/docs', '/docs/deep'])
def test_the_administrator_sees_what_is_owed_and_who_sends_it(make_client, receiver, path):
    client = make_client(
        **{'webhooks.permission': 'webhooks.add', 'webhooks.retry_schedule': '1h'}
    )
    receiver.answer(500)
    client.subscribe(user='adder', to=receiver.url)
    add_document(client, 'leaf')
    wait_until(lambda: client.read(path + URL)['owed'] == 1)
    wait_until(lambda: client.read(path + URL)['workers'])
    shown = client.read(path + URL)
    assert (shown['held'], shown['oldest'] is None) == (0, False)
    (worker,) = shown['workers']
    assert (worker['pid'], worker['partitions']) == (os.getpid(), list(range(64)))


def test_who_does_not_administer_the_root_does_not_see_it(client):
    for user in ('viewer', 'adder', 'stranger', None):
        client.get('/docs' + URL, headers=client.as_(user), status=403)


def test_where_there_is_no_folder_there_is_none(client):
    client.get('/docs/leaf' + URL, headers=client.as_('admin'), status=404)
