"""Who may do what with a subscription: its owner, the lineage, or what an adapter says."""

import pytest
from zope.event import notify
from zope.lifecycleevent import ObjectAddedEvent

from pyramid_webhooks import subscribe
from pyramid_webhooks.interfaces import ISubscription, ISubscriptionGrants
from tests.rest.application import Document, Policy

GRANTED = {'stranger': ('webhooks.view', 'webhooks.edit'), 'adder': ('webhooks.view',)}


class Grants:
    def __init__(self, subscription):
        pass

    def grants(self):
        return GRANTED


@pytest.fixture
def client(make_client):
    def extend(config):
        config.registry.registerAdapter(Grants, (ISubscription,), ISubscriptionGrants)

    return make_client(extend)


def test_whom_the_adapter_names_may_do_what_it_says(client):
    url = client.subscribe(user='adder')['url']
    assert client.read(url, user='stranger')['owner'] == 'adder'
    assert client.change(url, user='stranger', description='mine now')['description'] == 'mine now'
    client.delete(url, headers=client.as_('stranger'), status=403)


def test_the_owner_has_no_more_than_the_adapter_says(client):
    url = client.subscribe(user='adder')['url']
    client.read(url, user='adder')
    client.change(url, user='adder', description='no', status=403)


def test_for_everyone_else_the_lineage_decides(client):
    url = client.subscribe(user='adder')['url']
    client.change(url, user='editor', description='edited')
    client.read(url, user='other', status=404)


class Reserved(Policy):
    """Says no to whatever is about a subscription, and yes to all else."""

    def permits(self, request, context, permission):
        return not ISubscription.providedBy(context)


def test_a_page_shows_what_is_granted_though_the_policy_says_no(make_client):
    def extend(config):
        config.registry.registerAdapter(Grants, (ISubscription,), ISubscriptionGrants)

    client = make_client(extend, policy=Reserved())
    made = client.subscribe(user='adder')
    for user, shown in {'adder': [made['id']], 'stranger': [made['id']], 'viewer': []}.items():
        assert [each['id'] for each in client.list(user=user)['subscriptions']] == shown


def test_without_an_owner_nothing_is_granted(make_client):
    client = make_client()
    made = client.subscribe()
    with client.root() as root:
        subscription = subscribe(root['docs'], made['to'], events=['document.added'])
        assert subscription.grants() == {}
        url = made['url'].replace(made['id'], subscription.id)
    client.read(url, user='viewer')
    for user in ('adder', 'other', None):
        client.read(url, user=user, status=404)


def test_attempts_are_for_whom_the_subscription_is_for(make_client, receiver, delivered):
    client = make_client(**{'webhooks.permission': 'webhooks.add'})
    made = client.subscribe(user='adder', to=receiver.url)
    with client.root() as root:
        root['docs']['one'] = document = Document()
        notify(ObjectAddedEvent(document))
    delivered(client)
    [attempt] = client.read(made['attempts_url'], user='adder')['attempts']
    for url in (made['attempts_url'], attempt['url']):
        for user in ('adder', 'viewer', 'admin'):
            client.read(url, user=user)
        for user in ('other', 'stranger', None):
            client.read(url, user=user, status=404)
    retry = attempt['url'] + '/retry'
    client.post(retry, headers=client.as_('viewer'), status=403)
    client.post(retry, headers=client.as_('other'), status=404)
    client.post(retry, headers=client.as_('adder'), status=202)


def test_a_global_subscription_is_its_owners_too(make_client):
    def extend(config):
        config.add_webhook_subscription(
            'https://example.com/', name='audit', events=['document.*'], owner='adder'
        )

    client = make_client(extend)
    url = '/__webhooks__/audit'
    assert client.read(url, user='adder')['kind'] == 'global'
    client.read(url, user='viewer')
    client.read(url, user='other', status=404)


def test_views_of_the_application_may_ask_for_the_same_permissions(make_client):
    def extend(config):
        config.add_view(
            lambda subscription, request: {'to': subscription.to},
            name='target',
            context=ISubscription,
            permission='webhooks.view',
            renderer='json',
        )

    client = make_client(extend)
    path = client.subscribe(user='adder')['path'] + '/target'
    for user in ('adder', 'viewer'):
        assert client.read(path, user=user) == {'to': 'https://example.com/hook'}
    client.get(path, headers=client.as_('other'), status=403)
