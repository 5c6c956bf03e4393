"""Rotating a secret over REST."""

import datetime
import time

import pytest
from zope.lifecycleevent import ObjectAddedEvent

from pyramid_webhooks import manager_of, new_secret
from tests.signatures import verifies, versions


def rotate(client, url, user='admin', status=200, **fields):
    answer = client.post_json(
        f'{url}/secret/rotate', fields, headers=client.as_(user), status=status
    )
    return answer.json if status != 204 else None


def fire(client, delivered):
    with client.root() as root:
        client.app.registry.notify(ObjectAddedEvent(root['docs']['leaf']))
    delivered(client)


def errors(answer):
    return {error['name']: error['description'] for error in answer['errors']}


def test_the_answer_alone_has_the_new_secret_and_both_sign(client, receiver, delivered):
    made = client.subscribe(to=receiver.url)
    answer = client.post_json(
        made['url'] + '/secret/rotate', {'overlap': 60}, headers=client.as_('editor'), status=200
    )
    assert set(answer.json) == {'secret'} and answer.json['secret'].startswith('whsec_')
    assert answer.headers['Cache-Control'] == 'no-store'
    new, old = answer.json['secret'], made['secret']
    assert new != old
    fire(client, delivered)
    [request] = receiver.requests
    assert verifies(new, request) and verifies(old, request)
    shown = client.get(made['url'], headers=client.as_('admin')).text
    assert new not in shown and old not in shown


def test_an_overlap_of_0_ends_the_old_secret_and_without_one_it_is_a_day(client):
    made = client.subscribe()
    rotate(client, made['url'])
    with client.root() as root:
        (_, _), (old, ends) = manager_of(root['docs'])[made['id']].stored_secrets
    assert old == made['secret'] and 86_000 < ends - time.time() <= 86_400
    new = rotate(client, made['url'], overlap=0)['secret']
    with client.root() as root:
        assert manager_of(root['docs'])[made['id']].secrets == (new,)


def test_a_rotation_changes_modified(client):
    made = client.subscribe()
    rotate(client, made['url'], overlap=0.5)
    modified = client.read(made['url'])['modified']
    assert datetime.datetime.fromisoformat(modified) > datetime.datetime.fromisoformat(
        made['modified']
    )


def test_a_scheme_makes_an_ed25519_key_whose_public_key_can_be_seen_later(
    client, receiver, delivered
):
    made = client.subscribe(to=receiver.url, scheme='v1a')
    assert made['secret'].startswith('whsk_')
    [public] = made['public_keys']
    assert client.read(made['url'])['public_keys'] == [public]
    answer = rotate(client, made['url'], overlap=60)
    assert answer['secret'].startswith('whsk_'), 'the scheme stays unless another is named'
    assert answer['public_keys'] == client.read(made['url'])['public_keys']
    assert answer['public_keys'][1] == public
    assert set(rotate(client, made['url'], overlap=60, scheme='v1')) == {'secret', 'public_keys'}
    fire(client, delivered)
    [request] = receiver.requests
    assert versions(request) == ['v1', 'v1a', 'v1a']
    assert all(verifies(key, request) for key in answer['public_keys'])


def test_a_secret_of_ones_own_may_be_given(client):
    made, secret = client.subscribe(), new_secret('v1a')
    assert rotate(client, made['url'], secret=secret, overlap=1)['secret'] == secret


@pytest.mark.parametrize(
    ('fields', 'name', 'said'),
    [
        ({'overlap': -1}, 'overlap', 'from 0'),
        ({'overlap': 10**400}, 'overlap', 'from 0'),
        ({'overlap': '60'}, 'overlap', 'a number of seconds'),
        ({'overlap': True}, 'overlap', 'a number of seconds'),
        ({'secret': 'whsec_tooshort'}, 'secret', 'bytes'),
        ({'secret': 5}, 'secret', 'a text'),
        ({'scheme': 'v2'}, 'scheme', 'one of v1, v1a'),
        ({'scheme': ['v1']}, 'scheme', 'one of v1, v1a'),
        ({'until': 5}, 'until', 'does not exist here'),
    ],
)
def test_what_can_not_be_used_is_named_and_changes_nothing(client, fields, name, said):
    made = client.subscribe()
    answer = rotate(client, made['url'], status=400, **fields)
    assert said in errors(answer)[name]
    assert 'tooshort' not in str(answer)
    with client.root() as root:
        assert manager_of(root['docs'])[made['id']].secrets == (made['secret'],)


def test_who_may_not_edit_may_not_rotate(client):
    url = client.subscribe()['url']
    assert client.post_json(url + '/secret/rotate', {}, headers=client.as_('viewer'), status=403)
    rotate(client, url, user='stranger', status=404)
    rotate(client, url[:-3] + 'xyz', status=404)
    own = client.subscribe(user='adder')['url']
    assert rotate(client, own, user='adder')['secret']
    rotate(client, own, user='other', status=404)


def test_a_page_of_another_origin_may_not_rotate(client):
    url = client.subscribe()['url'] + '/secret/rotate'
    headers = {**client.as_('admin'), 'Origin': 'https://evil.example'}
    client.post(url, headers=headers, status=403)
    client.post(url, b'overlap=5', headers=client.as_('admin'), status=415)
    assert client.post(url, headers=client.as_('admin'), status=200).json['secret']


def test_what_the_configuration_defines_is_a_conflict(make_client):
    def extend(config):
        config.add_webhook_subscription(
            'https://a.example/', name='audit', events='*', secret=new_secret()
        )

    client = make_client(extend)
    answer = rotate(client, 'http://localhost/__webhooks__/audit', status=409)
    assert 'configuration' in errors(answer)['id']
