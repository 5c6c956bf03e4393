"""Activating, deactivating and removing subscriptions while deliveries are owed to them."""

import re

import pytest

from pyramid_webhooks import manager_of, subscribe, unsubscribe_owner
from pyramid_webhooks.interfaces import (
    IAttempt,
    IAttemptResolved,
    IAttemptSucceeded,
    IDeliveryDropped,
    IDeliveryExhausted,
    ISubscription,
    ISubscriptionActivated,
    ISubscriptionCreated,
    ISubscriptionDeactivated,
    ISubscriptionRemoved,
)
from tests.company import Folder, add, messages, names_of, remove, wait_until

COUNT = 30


@pytest.fixture
def slow(make_company, receiver):
    """A company, and the id of a subscription that is owed much by a slow receiver."""
    company = make_company()
    receiver.answer(delay=0.3)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number:02}' for number in range(COUNT)])
    receiver.wait_for(1)
    return company, id


def call(company, id, name, *arguments):
    return company.at('/', lambda m: getattr(m, name)(m[id], *arguments))


def statuses(company):
    return [each[0] for each in company.attempts('/')]


def test_what_a_deactivated_one_is_owed_is_held_and_resumes(slow, receiver):
    company, id = slow
    assert call(company, id, 'deactivate', 'No longer wanted.') is True
    sent = len(receiver.requests)
    company.settle()
    assert len(receiver.requests) <= sent + 2, 'nothing new is sent once that is known'
    found = statuses(company)
    assert len(found) == COUNT and found.count('pending') == COUNT - len(receiver.requests)
    company.restart()
    company.settle()
    assert statuses(company) == found
    receiver.answer()
    assert call(company, id, 'activate') is True
    wait_until(lambda: set(statuses(company)) == {'successful'})
    company.settle()
    assert len(receiver.requests) == COUNT
    names = names_of(receiver)
    assert sorted(names) == [f'e{number:02}' for number in range(COUNT)]


def test_one_that_is_inactive_is_owed_nothing_new(company, receiver):
    id = company.subscribe('/', receiver.url)
    assert call(company, id, 'deactivate') is True
    assert call(company, id, 'deactivate') is False
    company.add('/NWS/OUN', 'ann')
    assert call(company, id, 'activate') is True
    assert call(company, id, 'activate') is False
    company.add('/NWS/OUN', 'ben')
    company.settle()
    assert names_of(receiver) == ['ben']
    assert company.at('/', lambda m: m[id].status_message) == 'Active subscription.'


def test_many_changes_of_mind_end_in_the_last_one(slow, receiver):
    company, id = slow
    receiver.answer()
    for _ in range(10):
        call(company, id, 'deactivate')
        call(company, id, 'activate')
    wait_until(lambda: set(statuses(company)) == {'successful'})
    company.settle()
    assert len(receiver.requests) == COUNT


def test_what_a_removed_one_is_owed_is_dropped_visibly(make_company, receiver, caplog):
    dropped = []
    company = make_company(
        setup=lambda config: config.add_subscriber(dropped.append, IDeliveryDropped)
    )
    receiver.answer(delay=0.3)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number:02}' for number in range(COUNT)])
    receiver.wait_for(1)
    company.at('/', lambda m: m.__delitem__(id))
    sent = len(receiver.requests)
    company.settle()
    assert len(receiver.requests) <= sent + 2
    logged = re.findall(r'Dropped (\d+) deliveries', messages(caplog))
    assert sum(map(int, logged)) >= COUNT - sent - 2
    wait_until(lambda: len(dropped) >= COUNT - sent - 2)
    assert {event.reason for event in dropped} == {'The subscription has been removed.'}
    assert len({event.message_id for event in dropped}) == len(dropped)
    assert company.at('/', lambda m: list(m)) == []


def test_nothing_is_owed_to_one_that_is_removed_in_the_same_transaction(company, receiver):
    id = company.subscribe('/', receiver.url)

    def do(context, request):
        add(context['NWS']['OUN'], 'ann', request.registry.notify)
        del manager_of(context)[id]
        add(context['NWS']['OUN'], 'ben', request.registry.notify)

    company.request(do)
    company.settle()
    assert receiver.requests == []


def test_one_made_in_the_same_transaction_gets_what_comes_after(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        subscribe(context, receiver.url, events=['employee.added'])
        add(context, 'ben', request.registry.notify)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert names_of(receiver) == ['ben']


def test_making_one_is_part_of_the_transaction(company, receiver):
    def do(context, request):
        savepoint = request.tm.savepoint()
        subscribe(context, receiver.url, events=['employee.added'])
        add(context, 'ann', request.registry.notify)
        savepoint.rollback()
        add(context, 'ben', request.registry.notify)
        return manager_of(context) is None

    assert company.request(do, '/NWS/OUN') is True
    company.settle()
    assert receiver.requests == []


def test_active_is_changed_only_through_the_manager(company, receiver):
    id = company.subscribe('/', receiver.url)

    def do(manager):
        with pytest.raises(AttributeError, match='manager.deactivate'):
            manager[id].active = False
        return manager[id].active

    assert company.at('/', do) is True


def test_a_subscription_of_another_manager_is_refused(company, receiver):
    id = company.subscribe('/', receiver.url)
    company.subscribe('/NWS', receiver.url)

    def do(context, request):
        with pytest.raises(ValueError, match='is not one of the subscriptions of'):
            manager_of(context['NWS']).deactivate(manager_of(context)[id])

    company.request(do)


def test_the_life_of_a_subscription_is_told_in_events(make_company, receiver):
    told = []
    interfaces = (
        ISubscriptionCreated,
        ISubscriptionActivated,
        ISubscriptionDeactivated,
        ISubscriptionRemoved,
    )

    def setup(config):
        for each in interfaces:
            config.add_subscriber(lambda event, name=each.__name__: told.append(name), each)

    company = make_company(setup=setup)
    id = company.subscribe('/', receiver.url)
    call(company, id, 'deactivate')
    call(company, id, 'activate')
    company.at('/', lambda m: m.__delitem__(id))
    assert told == [
        'ISubscriptionCreated',
        'ISubscriptionActivated',
        'ISubscriptionDeactivated',
        'ISubscriptionActivated',
        'ISubscriptionDeactivated',
        'ISubscriptionRemoved',
    ]


def test_all_of_an_owner_go_at_once(company, receiver):
    for path in ('/', '/NWS', '/NWS/OUN'):
        for owner in ('president', 'head'):
            company.subscribe(path, receiver.url_for(owner), owner=owner)
    removed = company.request(
        lambda context, request: unsubscribe_owner('head', context), '/NWS/OUN'
    )
    assert removed == 1
    removed = company.request(lambda context, request: unsubscribe_owner('head'))
    assert removed == 2
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/president'] * 3


def test_a_removed_folder_gets_what_the_removing_transaction_owed_once(company, receiver):
    company.add('/NWS/OUN', 'ann')
    receiver.answer(status=500)
    company.subscribe('/NWS/OUN', receiver.url, events=['employee.removed'])

    def do(context, request):
        remove(context['OUN'], 'ann', request.registry.notify)
        del context['OUN']

    company.request(do, '/NWS')
    company.settle()
    assert len(receiver.requests) == 1


def test_that_includes_what_was_not_about_a_removal(company, receiver):
    receiver.answer(status=500)
    company.subscribe('/NWS/OUN', receiver.url)
    company.subscribe('/NWS/OUN', receiver.url)

    def do(context, request):
        add(context['OUN'], 'ann', request.registry.notify)
        del context['OUN']

    company.request(do, '/NWS')
    company.settle()
    assert len(receiver.requests) == 2


def test_a_removed_folder_that_loses_its_parent_gets_nothing_more(company, receiver, caplog):
    receiver.answer(delay=0.1)
    company.subscribe('/NWS/OUN', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(50)])

    def remove_office(context, request):
        office = context['OUN']
        del context['OUN']
        office.__parent__ = office.__name__ = None

    company.request(remove_office, '/NWS')
    company.settle()
    assert len(receiver.requests) < 50
    assert 'The subscription has been removed.' in messages(caplog)


def test_what_is_held_for_a_removed_folder_is_dropped_visibly_although_nobody_tells(
    company, receiver, caplog, monkeypatch
):
    monkeypatch.setattr('pyramid_webhooks.outbox.schedule.HELD_SECONDS', 0.3)
    for office in ('OUN', 'NCA'):
        company.subscribe(f'/NWS/{office}', receiver.url)
    receiver.answer(status=500)
    company.add('/NWS/OUN', 'ann', 'ben')
    company.add('/NWS/NCA', 'cid')
    company.settle()
    for office in ('OUN', 'NCA'):
        company.at(f'/NWS/{office}', lambda m: [m.deactivate(each) for each in m.values()])
    company.settle()
    company.transact(lambda root: root['NWS'].pop('OUN') and None)
    wait_until(lambda: 'Dropped 2 deliveries' in caplog.text)
    assert 'Dropped 1' not in caplog.text
    receiver.answer(status=200)
    company.at('/NWS/NCA', lambda m: [m.activate(each) for each in m.values()])
    receiver.wait_for(4)
    company.settle()
    assert names_of(receiver)[-1] == 'cid', 'what is held for others stays owed'


def test_a_tree_of_its_own_is_no_removed_folder(company, receiver):
    def plant(root):
        other = root._p_jar.root()['other'] = Folder(['president'])
        other['shed'] = root['NWS']['OUN']

    company.subscribe('/NWS/OUN', receiver.url)
    company.transact(plant)
    company.transact(
        lambda root: add(root._p_jar.root()['other']['shed'], 'ann', company.registry.notify) and 0
    )
    company.settle()
    assert names_of(receiver) == ['ann']


def test_a_moved_folder_takes_along_its_subscriptions_and_what_they_are_owed(
    make_company, receiver
):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/NWS/OUN', receiver.url)
    company.add('/NWS/OUN', 'ann')

    def move(root):
        root['moved'] = root['NWS'].pop('OUN')

    company.transact(move)
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.add('/moved', 'ben')
    company.settle()
    assert names_of(receiver) == ['ann', 'ben']
    assert {each[0] for each in company.attempts('/moved')} == {'successful'}


def test_synchronous_delivery_is_done_when_the_commit_returns(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'sync'})
    company.subscribe('/', receiver.url)
    for number in range(5):
        company.add('/NWS/OUN', f'e{number}')
        assert len(receiver.requests) == number + 1
        assert [each[0] for each in company.attempts('/')] == ['successful'] * (number + 1)


def test_synchronous_delivery_to_a_receiver_that_is_down_does_not_block(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'sync'})
    company.subscribe('/', receiver.url)
    receiver.stop()
    company.add('/NWS/OUN', 'ann')
    assert company.attempts('/')[0][0] == 'failed'


def test_a_handler_that_delivers_in_turn_does_not_block_synchronous_delivery(
    make_company, receiver
):
    def setup(config):
        config.add_webhook_event('attempt.succeeded', IAttempt, IAttemptSucceeded)
        config.add_webhook_payload(lambda attempt: {'id': attempt.id}, IAttempt)

    company = make_company(settings={'webhooks.delivery': 'sync'}, setup=setup)
    company.subscribe('/', receiver.url_for('tree'))
    company.subscribe('/', receiver.url_for('watch'), events=['attempt.succeeded'])
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/tree', '/watch']


def test_a_broken_handler_of_an_event_harms_nothing(make_company, receiver, caplog):
    def handler(event):
        raise RuntimeError('broken')

    company = make_company(setup=lambda config: config.add_subscriber(handler, IAttemptSucceeded))
    company.subscribe('/', receiver.url)
    for name in ('ann', 'ben'):
        company.add('/NWS/OUN', name)
        company.settle()
    assert statuses(company) == ['successful'] * 2
    assert "A handler of 'AttemptSucceeded' failed." in caplog.text


@pytest.mark.parametrize('status', [200, 500])
def test_two_that_hear_of_each_others_attempts_come_to_an_end(make_company, receiver, status):
    def setup(config):
        config.add_webhook_event('attempt.made', IAttempt, IAttemptResolved)
        config.add_webhook_event('delivery.exhausted', ISubscription, IDeliveryExhausted)
        config.add_webhook_payload(lambda attempt: attempt.event, IAttempt)
        config.add_webhook_payload(lambda subscription: subscription.to, ISubscription)

    company = make_company(settings={'webhooks.retry_schedule': ''}, setup=setup)
    receiver.answer(status=status)
    company.subscribe('/', receiver.url_for('tree'))
    for path in ('one', 'other'):
        company.subscribe(
            '/', receiver.url_for(path), events=['attempt.made', 'delivery.exhausted']
        )
    company.add('/NWS/OUN', 'ann')
    company.settle()
    paths = [request.path for request in receiver.requests]
    told = 1 if status == 200 else 2
    assert [paths.count(path) for path in ('/tree', '/one', '/other')] == [1, told, told]
