"""The services of event types."""

from __future__ import annotations

import pytest
from zope.interface import implementer
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks.interfaces import IPossibleWebhookPayload
from tests.rest.application import Document


@implementer(IPossibleWebhookPayload)
class Marked(Document):
    """A document of a type that webhooks are for."""


def test_event_types_are_listed_with_schema_and_example(client):
    answer = client.get('/docs/__webhooks__/events', headers={'X-User': 'adder'}).json
    by_name = {each['name']: each for each in answer['events']}
    assert list(by_name) == sorted(by_name)
    assert by_name['document.added'] == {
        'name': 'document.added',
        'description': 'A document was added.',
        'schema': {'type': 'object'},
        'example': {'id': 'leaf'},
    }
    client.read('/docs/__webhooks__/events', 'viewer')
    client.read('/docs/__webhooks__/events', 'stranger', status=403)


def post(client, path, event, user='adder', status=201, **fields):
    fields.setdefault('to', 'https://example.com/hook')
    url = f'{path}/__webhooks__/events/{event}'
    return client.post_json(url, fields, headers=client.as_(user), status=status).json


def test_who_points_at_a_document_subscribes_in_its_folder(client):
    made = post(client, '/docs/leaf', 'document.added', description='short')
    assert made['url'] == f'http://localhost/docs/__webhooks__/{made["id"]}'
    assert (made['events'], made['owner']) == (['document.added'], 'adder')
    assert made['secret'] and made['description'] == 'short'
    assert client.list('/docs')['subscriptions'][0]['id'] == made['id']


def test_who_points_at_a_folder_subscribes_in_it(client):
    made = post(client, '/docs/deep', 'folder.added')
    assert made['path'].startswith('/docs/deep/__webhooks__/')


@pytest.mark.parametrize(
    ('path', 'event', 'said'),
    [
        ('/docs/leaf', 'folder.added', 'never happens'),
        ('/docs/leaf', 'document.gone', 'document.modified'),
        ('/docs/leaf', '*', 'document.modified'),
    ],
)
def test_events_that_can_not_happen_there_are_refused(client, path, event, said):
    answer = post(client, path, event, status=400)
    assert answer['errors'][0]['name'] == 'event'
    assert said in answer['errors'][0]['description']
    assert client.list('/docs')['subscriptions'] == []


def test_only_who_may_add_in_the_folder_subscribes_like_this(client):
    post(client, '/docs/leaf', 'document.added', user='viewer', status=403)
    post(client, '/docs/leaf', 'document.added', user=None, status=403)
    post(client, '/nowhere', 'document.added', status=404)


def test_the_same_fields_are_refused_as_for_other_subscriptions(client):
    answer = post(client, '/docs/leaf', 'document.added', events=['*'], status=400)
    assert answer['errors'][0]['name'] == 'events'
    answer = post(client, '/docs/leaf', 'document.added', to='https://10.0.0.1/', status=400)
    assert answer['errors'][0]['name'] == 'to'


def test_a_leaf_without_any_folder_has_no_place_for_a_subscription(make_client):
    client = make_client(root_factory=lambda request: Document())
    post(client, '', 'document.added', status=404)
    client.list('/', status=404)


def test_an_interface_in_common_says_which_types_have_an_event(make_client):
    def extend(config):
        config.add_webhook_event('thing.removed', IPossibleWebhookPayload, IObjectRemovedEvent)

    client = make_client(extend)
    with client.root() as root:
        root['docs']['marked'] = Marked()
    assert post(client, '/docs/marked', 'thing.removed')['events'] == ['thing.removed']
    answer = post(client, '/docs/leaf', 'thing.removed', status=400)
    assert 'never happens' in answer['errors'][0]['description']
