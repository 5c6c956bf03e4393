"""An adapter says who may do what with a subscription, instead of its owner."""

import pytest

from pyramid_webhooks.interfaces import ISubscription, ISubscriptionGrants

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
