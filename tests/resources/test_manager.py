"""Managers and their subscriptions."""

import pytest
import transaction

from pyramid_webhooks import find_managers, manager_of, subscribe
from pyramid_webhooks.interfaces import (
    IGlobalManager,
    InvalidArgument,
    ISubscription,
    ISubscriptionManager,
    IWebhookResourceDiscriminator,
)
from pyramid_webhooks.resources.subscription import Subscription
from tests.company import Employee, Folder, IEmployee, IPerson

TO = 'https://receiver.example/hook'


class Special(Subscription):
    """A subscription of the application's own."""


@pytest.fixture
def root(company):
    """The company's root, in a transaction that is aborted in the end."""
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    yield connection.root()['company']
    manager.abort()
    connection.close()


@pytest.fixture
def manager(root):
    return manager_of(root, create=True)


def test_a_subscription_has_what_it_was_made_with(manager):
    subscription = manager.create_subscription(
        TO,
        events='employee.added, employee.removed',
        owner='ann',
        permission='view',
        headers={'X-One': '1'},
        description='Hello.',
    )
    assert ISubscription.providedBy(subscription)
    assert subscription.events == ('employee.added', 'employee.removed')
    assert (subscription.to, subscription.owner, subscription.permission) == (TO, 'ann', 'view')
    assert subscription.active and subscription.status_message == 'Active subscription.'
    assert subscription.headers == {'X-One': '1'}
    assert subscription.created == subscription.modified or subscription.created
    assert manager[subscription.id] is subscription
    assert subscription.kind == 'dynamic'
    assert (subscription.for_, subscription.when) == (None, None)
    (secret,) = subscription.secrets
    assert secret.startswith('whsec_') and secret not in repr(subscription)


def test_for_and_when_are_stored_by_their_names_and_found_again(manager):
    subscription = manager.create_subscription(TO, for_=IEmployee)
    assert subscription.for_ is IEmployee
    assert subscription.when_name == 'zope.interface.interfaces.IObjectEvent'
    assert subscription.events is None
    subscription.wanted = subscription.wanted._replace(for_='gone.with.the.wind')
    with pytest.raises(ImportError):
        subscription.for_  # noqa: B018


@pytest.mark.parametrize(
    'options, name',
    [
        ({'to': 'ftp://receiver.example/'}, 'to'),
        ({'to': 'https://' + 'x' * 2000}, 'to'),
        ({'to': 'https://exam\nple.com/'}, 'to'),
        ({'events': ['no.such']}, 'events'),
        ({'events': []}, 'events'),
        ({'events': ['employee.*'], 'for_': IPerson}, 'events'),
        ({'events': None, 'for_': 'no.such.thing'}, 'for_'),
        ({'owner': 'a\0b'}, 'owner'),
        ({'owner': ''}, 'owner'),
        ({'owner': 'x' * 501}, 'owner'),
        ({'permission': 'fly'}, 'permission'),
        ({'dialect': 'dutch'}, 'dialect'),
        ({'secret': 'whsec_short'}, 'secret'),
        ({'headers': {'Content-Length': '1'}}, 'headers'),
        ({'headers': {f'X-{number}': '1' for number in range(51)}}, 'headers'),
        ({'description': 'x' * 5001}, 'description'),
        ({'description': '\ud800'}, 'description'),
    ],
)
def test_a_bad_value_is_an_error_that_names_it_and_nothing_is_made(root, options, name):
    with pytest.raises(InvalidArgument) as caught:
        subscribe(root['NWS'], **{'to': TO, 'events': ['employee.*'], **options})
    assert caught.value.name == name
    assert str(caught.value).startswith(f'{name}: ')
    assert manager_of(root['NWS']) is None


def test_a_bad_change_changes_nothing(manager):
    subscription = manager.create_subscription(TO, events=['employee.added'])
    with pytest.raises(InvalidArgument, match='events'):
        manager.change(subscription, to='https://other.example/', events=['no.such'])
    assert (subscription.to, subscription.events) == (TO, ('employee.added',))
    with pytest.raises(InvalidArgument, match='owner'):
        manager.change(subscription, owner='ben')


def test_a_change_of_events_changes_what_is_found(manager):
    subscription = manager.create_subscription(TO, events=['employee.added'])
    other = manager.create_subscription(TO, events=['employee.added'])
    manager.deactivate(other)
    for each in (subscription, other):
        manager.change(each, events=['employee.removed'])
    assert list(manager.matching(frozenset(['employee.added']))) == []
    assert list(manager.matching(frozenset(['employee.removed']))) == [subscription]
    manager.activate(other)
    assert len(list(manager.matching(frozenset(['employee.removed'])))) == 2


def test_it_is_a_mapping_oldest_first_that_is_true_when_empty(manager):
    assert ISubscriptionManager.providedBy(manager) and manager
    made = [manager.create_subscription(TO, events=['*']) for _ in range(20)]
    ids = [each.id for each in made]
    assert list(manager) == list(manager.keys()) == ids
    assert list(manager.values()) == made
    assert len(manager) == 20
    assert ids[3] in manager and 'nobody' not in manager
    assert manager.get('nobody') is None
    with pytest.raises(KeyError):
        manager['nobody']
    with pytest.raises(KeyError):
        del manager['nobody']
    del manager[ids[0]]
    assert len(manager) == 19 and ids[0] not in manager


def test_pages_of_all_and_of_one_owner(manager):
    made = [
        manager.create_subscription(TO, events=['*'], owner='ab'[number % 2])
        for number in range(10)
    ]
    assert list(manager.iterate()) == made
    assert list(manager.iterate(after=made[3].id)) == made[4:]
    assert list(manager.iterate(owner='a')) == made[::2]
    assert list(manager.iterate(after=made[2].id, owner='a')) == made[4::2]
    assert list(manager.iterate(owner='nobody')) == []


def test_a_subclass_may_take_the_place_of_subscriptions(company, receiver):
    company.restart(setup=lambda config: config.set_webhook_subscription_factory(Special))
    company.subscribe('/', receiver.url)
    assert company.at('/', lambda m: [type(each) for each in m.values()]) == [Special]
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_subscribing_to_a_resource_is_subscribing_to_its_type_in_its_folder(root):
    employee = root['NWS']['OUN'].setdefault('ann', Employee('ann'))
    employee.__parent__ = root['NWS']['OUN']
    subscription = subscribe(employee, TO)
    assert subscription.for_ is IEmployee
    assert manager_of(root['NWS']['OUN'])[subscription.id] is subscription
    with pytest.raises(ValueError, match='is in no folder'):
        subscribe(Employee('nowhere'), TO)


def test_an_adapter_of_the_application_may_say_what_a_resource_stands_for(company, root):
    class StandsForPeople:
        def __init__(self, employee):
            self.employee = employee

        def __call__(self):
            return IPerson

    company.registry.registerAdapter(StandsForPeople, (Employee,), IWebhookResourceDiscriminator)
    employee = root['NWS']['OUN'].setdefault('ann', Employee('ann'))
    employee.__parent__ = root['NWS']['OUN']
    assert subscribe(employee, TO).for_ is IPerson
    assert subscribe(employee, TO, for_=IEmployee).for_ is IEmployee


def test_one_that_is_removed_is_inactive_and_not_found_any_more(manager):
    subscription = manager.create_subscription(TO, events=['employee.added'])
    del manager[subscription.id]
    assert not subscription.active
    assert subscription.id not in manager
    assert list(manager.matching(frozenset(['employee.added']))) == []


def test_managers_are_found_closest_first_and_the_global_one_last(root):
    for folder in (root, root['NWS']['OUN']):
        manager_of(folder, create=True)
    found = list(find_managers(root['NWS']['OUN']))
    assert found[:2] == [manager_of(root['NWS']['OUN']), manager_of(root)]
    assert IGlobalManager.providedBy(found[2])
    assert manager_of(root['NWS']) is None


def test_a_folder_keeps_its_manager(root):
    first = manager_of(root, create=True)
    assert manager_of(root, create=True) is first
    assert first.__parent__ is root
    assert first.__name__ == '__webhooks__'
    assert manager_of(Folder()) is None


def test_a_lineage_that_goes_round_in_circles_ends(root):
    one, other = Folder(), Folder()
    one.__parent__, other.__parent__ = other, one
    manager_of(one, create=True)
    assert len(list(find_managers(one))) >= 1
