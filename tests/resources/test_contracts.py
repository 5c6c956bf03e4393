"""What lives in the tree keeps its contract, wherever it comes from."""

import pytest
import transaction
from zope.interface.verify import verifyObject

from pyramid_webhooks import find_managers, manager_of
from pyramid_webhooks.interfaces import (
    IGlobalManager,
    ISubscription,
    ISubscriptionManager,
)

TO = 'https://receiver.example/hook'


@pytest.fixture
def root(make_company):
    """The root of a company that has a subscription of each kind."""

    def setup(config):
        config.add_webhook_subscription(TO, name='global', events=['*'])
        config.add_webhook_subscription(TO, name='kept', events=['*'], path='/')

    company = make_company(setup=setup, settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', TO)
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    yield connection.root()['company']
    manager.abort()
    connection.close()


def test_managers_of_folders_and_the_global_one_are_managers(root):
    of_folder, of_configuration = find_managers(root)
    assert of_folder is manager_of(root)
    verifyObject(ISubscriptionManager, of_folder)
    verifyObject(IGlobalManager, of_configuration)


def test_subscriptions_of_every_kind_are_subscriptions(root):
    found = [each for manager in find_managers(root) for each in manager.values()]
    assert sorted(each.kind for each in found) == ['dynamic', 'global', 'tree']
    for each in found:
        verifyObject(ISubscription, each)
