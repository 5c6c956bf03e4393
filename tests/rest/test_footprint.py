"""What the services do to the rest of the application: nothing."""

from __future__ import annotations

import pytest
from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound
from pyramid.response import Response
from pyramid.traversal import ResourceTreeTraverser

from tests.rest.application import Folder, make_site


def test_the_responses_of_the_application_are_its_own(client):
    answer = client.get('/docs')
    assert answer.json['context'] == 'Folder'
    assert 'X-Content-Type-Options' not in answer.headers
    assert 'Cache-Control' not in answer.headers
    assert not hasattr(client.app.registry, 'cornice_services')
    assert 'handle_exceptions' not in client.app.registry.settings


def test_the_services_can_be_left_out(make_client):
    client = make_client(**{'webhooks.rest': 'false'})
    answer = client.get('/docs/__webhooks__')
    assert answer.json == {'view': 'default', 'context': 'SubscriptionManager'}


def forbidden_view(request):
    return Response('Log in, please.', status=401)


def not_found_view(request):
    return Response('Lost?', status=404)


def test_the_application_shows_its_own_forbidden_view(make_client):
    client = make_client(lambda config: config.add_forbidden_view(forbidden_view))
    answer = client.get('/docs/__webhooks__', status=401)
    assert answer.text == 'Log in, please.'


def test_the_application_does_not_show_its_pages_for_what_the_services_say(make_client):
    def extend(config):
        config.add_notfound_view(not_found_view)
        config.add_exception_view(not_found_view, context=Exception)

    client = make_client(extend)
    assert client.get('/gone', status=404).text == 'Lost?'
    answer = client.get('/gone/__webhooks__', headers={'X-User': 'admin'}, status=404)
    assert answer.json['status'] == 'error'


@pytest.mark.parametrize('first', [True, False])
def test_an_application_may_use_cornice_itself(make_client, first):
    from cornice import Service

    service = Service(name='own', path='/own', depth=0)
    service.add_view('GET', lambda request: {'own': True})

    def extend(config):
        config.include('cornice')
        config.add_cornice_service(service)

    client = make_client(before=extend) if first else make_client(extend)
    assert client.get('/own').json == {'own': True}
    made = client.subscribe()
    assert client.read(made['url'])['id'] == made['id']
    client.list('/gone', status=404)
    client.subscribe(user='stranger', status=403)
    client.subscribe(to='x', status=400)
    assert client.get('/own').headers['X-Content-Type-Options'] == 'nosniff'


def test_services_are_below_the_prefix_that_they_are_included_with(make_client):
    client = make_client(prefix='api')
    made = client.subscribe('/api/docs')
    assert made['url'] == f'http://localhost/api/docs/__webhooks__/{made["id"]}'
    assert made['path'] == f'/docs/__webhooks__/{made["id"]}'
    assert client.read(made['url'])['id'] == made['id']
    assert client.read(made['attempts_url']) == {'attempts': [], 'next': None}
    assert client.list('/api')['subscriptions'] == []


def test_a_virtual_root_is_the_root_of_paths_and_urls(client):
    made = client.subscribe('/docs/deep')
    environ = {'HTTP_X_VHM_ROOT': '/docs', 'HTTP_X_USER': 'admin'}
    [listed] = client.get('/deep/__webhooks__', extra_environ=environ).json['subscriptions']
    assert listed['url'] == f'http://localhost/deep/__webhooks__/{made["id"]}'
    assert listed['path'] == made['path']
    assert client.get(listed['url'], extra_environ=environ).json == listed
    client.get('/docs/deep/__webhooks__', extra_environ=environ, status=404)


class Shouting(ResourceTreeTraverser):
    """Takes names in capitals, from the path of the request alone."""

    def __call__(self, request):
        lower = request.copy()
        lower.path_info = request.path_info.lower()
        return super().__call__(lower)


def test_the_traverser_of_the_application_finds_the_folder(make_client):
    client = make_client(lambda config: config.add_traverser(Shouting, Folder))
    made = client.subscribe('/DOCS/Deep')
    assert made['path'] == f'/docs/deep/__webhooks__/{made["id"]}'
    assert client.read(f'/DOCS/DEEP/__webhooks__/{made["id"]}')['id'] == made['id']


def test_a_root_factory_sees_the_path_of_the_resource(make_client):
    seen = []

    def root_factory(request):
        seen.append(request.path_info)
        return make_site()

    client = make_client(root_factory=root_factory)
    client.list('/docs/deep')
    assert seen == ['/docs/deep']


def test_exceptions_of_the_application_stay_its_own(make_client):
    def fail(request):
        raise {'404': HTTPNotFound, '403': HTTPForbidden}[request.params['as']]('mine')

    client = make_client(lambda config: config.add_view(fail, name='fail'))
    assert 'mine' in client.get('/@@fail?as=404', status=404).text
    assert 'mine' in client.get('/@@fail?as=403', status=403).text
