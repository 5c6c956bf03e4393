"""Finding managers and what is below them by traversal."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IResourceURL, ITraverser
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.threadlocal import RequestContext
from pyramid.traversal import ResourceTreeTraverser, find_resource, resource_path
from zope.interface import Interface, alsoProvides

from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.events import EventCatalogue, EventType
from pyramid_webhooks.interfaces import (
    IDestinationPolicy,
    IEventCatalogue,
    IGlobalManager,
    ISecretVault,
    ISettings,
    ISubscriptionManager,
)
from pyramid_webhooks.resources.arguments import Wanted
from pyramid_webhooks.resources.finding import manager_of
from pyramid_webhooks.resources.globals import GlobalManager, GlobalSubscription
from pyramid_webhooks.resources.traversal import (
    TraverserFactory,
    install_traversers,
    wrap_traversers,
)
from pyramid_webhooks.resources.urls import Addresses, add_url_adapters, path_of, url_of
from pyramid_webhooks.resources.vault import Vault
from pyramid_webhooks.settings import parse_settings
from tests.rest.application import Document, Folder, make_site

NAME = '__webhooks__'


@pytest.fixture
def registry():
    """The registry of an application that has what managers need, and the wrapped traverser."""
    registry = Registry('application')
    registry.registerUtility(parse_settings({}), ISettings)
    registry.registerUtility(Vault(), ISecretVault)
    catalogue = EventCatalogue()
    catalogue.add(EventType('document.added'))
    registry.registerUtility(catalogue, IEventCatalogue)
    registry.registerUtility(DestinationPolicy(), IDestinationPolicy)
    manager = GlobalManager()
    manager.add(GlobalSubscription('audit', 'https://example.com/', Wanted(('*',), None, None)))
    registry.registerUtility(manager, IGlobalManager)
    install_traversers(registry)
    with RequestContext(request_for(registry)):
        yield registry


@pytest.fixture
def site():
    return make_site()


@pytest.fixture
def subscription(registry, site):
    manager = manager_of(site['docs'], create=True)
    return manager.create_subscription('https://example.com/', events=['document.added'])


def request_for(registry, path='/', **environ):
    request = Request.blank(path, environ=environ)
    request.registry = registry
    return request


def traverse(registry, root, path, **environ):
    request = request_for(registry, path, **environ)
    before = dict(request.environ), request.matchdict
    answer = registry.queryAdapter(root, ITraverser)(request)
    assert (dict(request.environ), request.matchdict) == before
    return answer


def test_the_manager_and_what_is_below_it_are_found(registry, site, subscription):
    path = f'/docs/{NAME}/{subscription.id}'
    assert traverse(registry, site, f'/docs/{NAME}')['context'] is subscription.__parent__
    found = traverse(registry, site, path)
    assert found['context'] is subscription
    assert (found['view_name'], found['subpath']) == ('', ())
    assert found['traversed'] == ('docs', NAME, subscription.id)
    assert traverse(registry, site, path + '/attempts')['context'] == subscription.attempts


def test_what_is_left_is_the_view_and_its_subpath(registry, site, subscription):
    found = traverse(registry, site, f'/docs/{NAME}/{subscription.id}/edit/a/b')
    assert found['context'] is subscription
    assert (found['view_name'], found['subpath']) == ('edit', ('a', 'b'))
    found = traverse(registry, site, f'/docs/{NAME}/@@edit/a')
    assert found['context'] is subscription.__parent__
    assert (found['view_name'], found['subpath']) == ('edit', ('a',))
    found = traverse(registry, site, f'/docs/@@view/{NAME}/x')
    assert found['context'] is site['docs']
    assert (found['view_name'], found['subpath']) == ('view', (NAME, 'x'))
    assert traverse(registry, site, f'/docs/@@{NAME}')['view_name'] == NAME


def test_a_folder_without_a_manager_has_an_empty_one_that_is_not_stored(registry, site):
    manager = traverse(registry, site, f'/docs/deep/{NAME}')['context']
    assert ISubscriptionManager.providedBy(manager)
    assert (len(manager), manager.__parent__) == (0, site['docs']['deep'])
    assert manager_of(site['docs']['deep']) is None


def test_what_is_no_folder_has_no_manager(registry, site):
    found = traverse(registry, site, f'/docs/leaf/{NAME}/x')
    assert found['context'] is site['docs']['leaf']
    assert (found['view_name'], found['subpath']) == (NAME, ('x',))
    assert traverse(registry, site, f'/gone/{NAME}')['view_name'] == 'gone'


def test_the_manager_wins_over_a_child_of_that_name(registry, site):
    site['docs'][NAME] = Folder()
    assert ISubscriptionManager.providedBy(traverse(registry, site, f'/docs/{NAME}')['context'])


def test_other_paths_lead_where_they_always_did(registry, site):
    for path in '/', '/docs/leaf', '/docs/leaf/edit', '/docs/none/x', '/docs/@@view/y':
        answer = traverse(registry, site, path)
        plain = ResourceTreeTraverser(site)(request_for(registry, path))
        assert answer == plain


def test_virtual_roots_are_respected(registry, site, subscription):
    path = f'/{NAME}/{subscription.id}'
    found = traverse(registry, site, path, HTTP_X_VHM_ROOT='/docs')
    assert found['context'] is subscription
    assert found['virtual_root'] is site['docs']
    assert found['virtual_root_path'] == ('docs',)
    found = traverse(registry, site, '/attempts', HTTP_X_VHM_ROOT=f'/docs{path}')
    assert found['context'] == subscription.attempts


@pytest.mark.parametrize('as_tuple', [False, True])
def test_the_traverse_of_a_route_is_respected(registry, site, subscription, as_tuple):
    request = request_for(registry, '/elsewhere')
    names = ('docs', NAME, subscription.id)
    traverse = names if as_tuple else '/'.join(names)
    request.matchdict = {'traverse': traverse, 'subpath': ('s',), 'other': 1}
    found = registry.queryAdapter(site, ITraverser)(request)
    assert found['context'] is subscription
    assert (found['view_name'], found['subpath']) == ('', ('s',))
    assert request.matchdict['traverse'] == traverse


def test_resources_are_found_by_their_paths(registry, site, subscription):
    manager = subscription.__parent__
    for resource in manager, subscription, subscription.attempts:
        path = resource_path(resource)
        assert path == path_of(resource)
        assert find_resource(site, path) == resource
    assert find_resource(manager, subscription.id) is subscription
    with pytest.raises(KeyError):
        find_resource(site, resource_path(subscription) + '0')


def test_global_subscriptions_are_below_the_root_folder_alone(registry, site):
    found = find_resource(site, f'/{NAME}/audit')
    assert found.kind == 'global'
    assert resource_path(found) == f'/{NAME}/audit'
    with pytest.raises(KeyError):
        find_resource(site, f'/docs/{NAME}/audit')


class Backwards:
    """A traverser of an application's own: the path is read from its end."""

    def __init__(self, root):
        self._root = root

    def __call__(self, request):
        names = [name for name in request.path_info.split('/') if name][::-1]
        swapped = Request.blank('/' + '/'.join(names))
        return ResourceTreeTraverser(self._root)(swapped)


class Special(Folder):
    """Has a traverser of its own."""


def test_an_own_traverser_is_asked_for_the_way_to_the_folder():
    config = Configurator(registry=Registry('own'))
    config.setup_registry()
    config.add_traverser(Backwards, Special)
    wrap_traversers(config)
    config.commit()
    root = Special()
    root['a'] = Folder()
    root['a']['b'] = Folder()
    for path in f'/b/a/{NAME}', f'/b/a/{NAME}/rest':
        found = traverse(config.registry, root, path)
        assert ISubscriptionManager.providedBy(found['context'])
        assert found['context'].__parent__ is root['a']['b']
    assert found['view_name'] == 'rest'


def test_a_traverser_that_looks_elsewhere_is_understood_too(registry, site):
    class Elsewhere:
        def __init__(self, root):
            self._root = root

        def __call__(self, request):
            path = request.environ['elsewhere']
            return ResourceTreeTraverser(self._root)(Request.blank(path))

    registry.registerAdapter(Elsewhere, (Folder,), ITraverser)
    install_traversers(registry)
    found = traverse(registry, site, '/', elsewhere=f'/docs/{NAME}/view/x')
    assert ISubscriptionManager.providedBy(found['context'])
    assert (found['view_name'], found['subpath']) == ('view', ('x',))


def test_traversers_are_wrapped_once(registry):
    registry.registerAdapter(Backwards, (Document,), ITraverser)
    install_traversers(registry)
    before = {each.required: each.factory for each in registry.registeredAdapters()}
    install_traversers(registry)
    after = {each.required: each.factory for each in registry.registeredAdapters()}
    assert before == after
    assert all(isinstance(factory, TraverserFactory) for factory in after.values())


@pytest.mark.parametrize(
    ('prefix', 'environ', 'start'),
    [
        (None, {}, '/docs/'),
        ('api/v1', {}, '/api/v1/docs/'),
        (None, {'HTTP_X_VHM_ROOT': '/docs'}, '/'),
        ('api', {'HTTP_X_VHM_ROOT': '/docs', 'SCRIPT_NAME': '/app'}, '/app/api/'),
    ],
)
def test_urls_are_those_of_the_services(registry, subscription, prefix, environ, start):
    config = Configurator(registry=registry, route_prefix=prefix)
    add_url_adapters(config)
    config.commit()
    request = request_for(registry, '/', **environ)
    url = f'http://localhost{start}{NAME}/{subscription.id}'
    assert url_of(subscription, request) == url
    assert url_of(subscription.attempts, request) == url + '/attempts'
    assert request.resource_url(subscription, 'attempts') == url + '/attempts'
    assert request.resource_url(subscription.__parent__) == f'http://localhost{start}{NAME}/'


def subscribed(registry, site, count=3):
    manager = manager_of(site['docs'], create=True)
    urls = [f'https://example.com/{number}' for number in range(count)]
    return [manager.create_subscription(url, events=['document.added']) for url in urls]


@pytest.mark.parametrize(
    ('prefix', 'environ'),
    [(None, {}), ('api/v1', {}), ('api', {'HTTP_X_VHM_ROOT': '/docs', 'SCRIPT_NAME': '/app'})],
)
def test_addresses_of_many_are_those_that_each_of_them_has(registry, site, prefix, environ):
    config = Configurator(registry=registry, route_prefix=prefix)
    add_url_adapters(config)
    config.commit()
    request = request_for(registry, '/', **environ)
    addresses = Addresses(request)
    everywhere = find_resource(site, f'/{NAME}/audit')
    for each in [*subscribed(registry, site), everywhere]:
        assert addresses.of(each) == (url_of(each, request), path_of(each))


def test_addresses_of_one_manager_are_made_of_one_url(registry, site):
    add_urls(registry)
    request = request_for(registry, '/')
    asked = []

    class Counted:
        def __init__(self, resource, request):
            asked.append(resource)
            self.physical_path = self.virtual_path = '/counted/'
            self.physical_path_tuple = self.virtual_path_tuple = ('', 'counted', '')

    registry.registerAdapter(Counted, (Folder, Interface), IResourceURL)
    addresses = Addresses(request)
    made = subscribed(registry, site)
    urls = [addresses.of(each)[0] for each in made]
    assert urls == [f'http://localhost/counted/{NAME}/{each.id}' for each in made]
    assert asked == [site['docs']]


class IOdd(Interface):
    """Subscriptions that have URLs of the application's own."""


class OddURL:
    """What such a URL is made of."""

    def __init__(self, resource, request):
        self.physical_path = self.virtual_path = f'/odd/{resource.id[::-1]}/'


def test_an_adapter_of_the_application_makes_the_urls_of_those_it_is_for(registry, site):
    add_urls(registry)
    registry.registerAdapter(OddURL, (IOdd, Interface), IResourceURL)
    made = subscribed(registry, site, 4)
    for each in made[1:3]:
        alsoProvides(each, IOdd)
    addresses = Addresses(request_for(registry, '/'))
    urls = [addresses.of(each)[0] for each in made]
    assert urls[1:3] == [f'http://localhost/odd/{each.id[::-1]}' for each in made[1:3]]
    assert urls[::3] == [f'http://localhost/docs/{NAME}/{each.id}' for each in made[::3]]


def test_a_subscription_may_say_its_url_itself(registry, site):
    add_urls(registry)
    made = subscribed(registry, site, 4)
    for each in made[::2]:
        each.__resource_url__ = lambda request, info, id=each.id: f'https://own.example/{id}/'
    addresses = Addresses(request_for(registry, '/'))
    urls = [addresses.of(each)[0] for each in made]
    assert urls[::2] == [f'https://own.example/{each.id}' for each in made[::2]]
    assert urls[1::2] == [f'http://localhost/docs/{NAME}/{each.id}' for each in made[1::2]]


def test_a_request_may_make_urls_in_its_own_way(registry, site):
    add_urls(registry)
    request = request_for(registry, '/')
    request.resource_url = lambda resource: f'https://own.example/?id={resource.id}'
    addresses = Addresses(request)
    for each in subscribed(registry, site):
        assert addresses.of(each)[0] == f'https://own.example/?id={each.id}'


def add_urls(registry):
    config = Configurator(registry=registry)
    add_url_adapters(config)
    config.commit()
