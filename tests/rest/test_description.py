"""The OpenAPI document says what the services do, no more and no less."""

from __future__ import annotations

import configparser
import json
import pathlib

import colander
import pytest
from openapi_spec_validator import validate

from pyramid_webhooks.rest import SERVICES
from pyramid_webhooks.rest.schemas import (
    Change,
    EventSubscription,
    NewSubscription,
    Recovery,
    Rotation,
)
from tests.rest.application import Document, make_site, root_factory
from tests.rest.contract import DOCUMENT, checked, operation_of, operations, resolve, validator
from tests.rest.test_attempts import add_document

TYPES = {
    'str': ['string'],
    'bool': ['boolean'],
    'list': ['array'],
    'dict': ['object'],
    'float': ['number'],
}
MAX_BODY = 64 * 1024


def paths_of(service):
    path = service.path.removesuffix('{slash:/?}')
    return path.partition('__webhooks__')[2] or '/'


def test_the_document_is_valid():
    validate(DOCUMENT)


def test_every_service_is_described_and_nothing_else():
    real = {
        (method.lower(), paths_of(service))
        for service in SERVICES
        for method, _, _ in service.definitions
        if method != 'HEAD'
    }
    assert {(method, path) for method, path, _ in operations()} == real


def test_every_operation_says_what_permission_it_needs():
    for _, _, operation in operations():
        assert 'webhooks.' in operation['description'] or operation['operationId'] == 'describe'


def test_query_parameters_are_those_that_the_services_take():
    for service in SERVICES:
        for method, _, arguments in service.definitions:
            path = paths_of(service)
            if method != 'GET':
                continue
            schema = arguments.get('schema')
            taken = [child.name for child in schema.children] if schema else []
            described = DOCUMENT['paths'][path]['get'].get('parameters', [])
            assert sorted(resolve(each)['name'] for each in described) == sorted(taken)


@pytest.mark.parametrize(
    ('name', 'schema'),
    [
        ('NewSubscription', NewSubscription()),
        ('EventSubscription', EventSubscription()),
        ('Change', Change()),
        ('Recover', Recovery()),
        ('Rotation', Rotation()),
    ],
)
def test_bodies_are_those_that_the_services_take(name, schema):
    described = DOCUMENT['components']['schemas'][name]
    children = {child.name: child for child in schema.children}
    assert set(described['properties']) == set(children)
    required = {each for each, child in children.items() if child.missing is colander.required}
    assert set(described.get('required', ())) == required
    for each, child in children.items():
        property_ = described['properties'][each]
        types = property_['type'] if isinstance(property_['type'], list) else [property_['type']]
        assert types[0] in TYPES[child.typ.type.__name__]
        takes_null = child.typ.null is not ... and each not in required
        assert ('null' in types) is takes_null, each


@pytest.mark.parametrize(
    'name', ['NewSubscription', 'EventSubscription', 'Change', 'Recover', 'Rotation']
)
def test_every_property_of_a_body_is_closed(name):
    assert DOCUMENT['components']['schemas'][name]['additionalProperties'] is False


def test_it_is_served_at_every_folder_to_everybody(client):
    for path in ('', '/docs', '/docs/deep'):
        for user in ('admin', 'stranger', None):
            served = client.read(f'{path}/__webhooks__/openapi.json', user)
            validate(served)
            assert served['servers'] == [{'url': f'http://localhost{path}/__webhooks__'}]
            assert {**served, 'servers': None} == {**DOCUMENT, 'servers': None}
    client.read('/docs/leaf/__webhooks__/openapi.json', status=404)
    client.read('/none/__webhooks__/openapi.json', status=404)


def test_the_server_of_the_document_is_where_its_paths_lead(make_client):
    client = make_client(prefix='api')
    served = client.read('/api/docs/__webhooks__/openapi.json')
    base = served['servers'][0]['url']
    assert client.read(base + '/') == {'subscriptions': [], 'next': None}
    assert client.read(base + '/events')['events']


def test_it_is_shipped_with_the_package():
    config = configparser.ConfigParser()
    config.read(pathlib.Path(__file__).parents[2] / 'setup.cfg')
    assert 'rest/openapi.json' in config['options.package_data']['pyramid_webhooks']


def some_root(request):
    """The site as it is stored, or one that is in no database."""
    if request.headers.get('X-Site') != 'unstored':
        return root_factory(request)
    site = make_site()
    site['shelf']['leaf'] = leaf = Document()
    leaf.__parent__, leaf.__name__ = site['shelf'], 'leaf'
    return site


#: Where nobody can subscribe: the class of this folder would drop the manager.
SHELVES = {'/': '/shelf', '/events/{event}': '/shelf/leaf'}


@pytest.fixture
def visits(make_client, receiver, delivered):
    """Visit every operation, with every answer that it is said to have."""
    client = make_client(
        root_factory=some_root,
        **{
            'webhooks.permission': 'webhooks.add',
            'webhooks.subscriptions': 'audit',
            'webhooks.subscription.audit.to': receiver.url,
            'webhooks.subscription.audit.events': 'folder.added',
        },
    )
    receiver.answer(500)
    made = client.subscribe(user='adder', to=receiver.url)
    add_document(client, 'one')
    delivered(client)
    return client, made, client.read(made['attempts_url'])['attempts'][0], delivered


def url_of(path, made, attempt, id=None):
    filled = path.replace('{id}', id or made['id']).replace('{event}', 'document.added')
    return filled.replace('{attempt}', attempt['id']).rstrip('/')


BODIES = {
    'NewSubscription': {'to': 'https://example.com/', 'events': ['document.added']},
    'EventSubscription': {'to': 'https://example.com/'},
    'Change': {'description': 'new'},
    'Recover': {'since': '2020-01-01T00:00:00Z'},
    'Rotation': {},
}


def body_of(operation):
    if 'requestBody' not in operation:
        return None
    schema = operation['requestBody']['content']['application/json']['schema']
    name = schema['$ref'].rpartition('/')[2]
    body = BODIES[name]
    validator(f'/components/schemas/{name}').validate(body)
    return body


def test_every_answer_of_the_document_is_given_by_some_service(visits):
    """The client holds each against its schema, see ``tests.rest.contract``."""
    client, made, attempt, delivered = visits
    checked.clear()

    def ask(
        method,
        path,
        operation,
        user='admin',
        folder='/docs',
        id=None,
        body=...,
        type='application/json',
        site='stored',
    ):
        url = f'{folder}/__webhooks__{url_of(path, made, attempt, id)}'
        body = body_of(operation) if body is ... else body
        data = b'' if body is None else json.dumps(body).encode()
        headers = {'X-User': user, 'X-Site': site}
        if data:
            headers['Content-Type'] = type
        return client.request(
            url, method=method.upper(), body=data, headers=headers, expect_errors=True
        )

    order = {'delete': 1}
    for method, path, operation in sorted(operations(), key=lambda each: order.get(each[0], 0)):
        resource = '/docs/leaf' if path == '/events/{event}' else '/docs'
        large = {'description': 'x' * MAX_BODY, 'to': 'https://example.com/'}
        ask(method, path, operation, folder='/none')
        ask(method, path, operation, user='other', id='sub_none')
        ask(method, path, operation, user='stranger', folder=resource)
        ask(method, path, operation, user='viewer', folder=resource)
        if method != 'get':
            ask(method, path, operation, body={'odd': 1}, folder=resource)
            ask(method, path, operation, body=large, folder=resource)
            ask(method, path, operation, body={'a': 'b'}, folder=resource, type='text/plain')
            ask(method, path, operation, folder='', id='audit')
            ask(method, path, operation, folder='', id='audit', site='unstored')
            ask(method, path, operation, folder=SHELVES.get(path, ''), site='unstored')
        else:
            client.get(
                f'{resource}/__webhooks__{url_of(path, made, attempt)}?odd=1',
                headers={'X-User': 'admin'},
                expect_errors=True,
            )
        delivered(client)
        ask(method, path, operation, folder=resource)
        if path.endswith('/retry'):
            client.change(made['url'], active=False)
            ask(method, path, operation, folder=resource)
            ask(method, path, operation, folder=resource)
            ask('post', '/{id}/ping', operation, folder=resource)
            ask('post', '/{id}/recover', operation, body=BODIES['Recover'], folder=resource)
            client.change(made['url'], active=True)
    described = {
        (method, path, status)
        for method, path, operation in operations()
        for status in operation['responses']
    }
    assert described - checked == set()


def test_paths_that_are_not_described_do_not_exist(client):
    made = client.subscribe()
    for url in (made['url'] + '/more', made['url'] + '/secret', made['url'] + '/attempts/x/y'):
        client.get(url, headers={'X-User': 'admin'}, status=404)
    assert operation_of('put', made['url'])[1] is None
    client.put_json(made['url'], {}, headers={'X-User': 'admin'}, status=405)
