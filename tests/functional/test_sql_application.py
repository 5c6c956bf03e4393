"""An application on SQLAlchemy without ZODB: what global subscriptions are owed is in memory."""

import pytest
import transaction
import zope.event
import zope.sqlalchemy.datamanager
from pyramid.exceptions import ConfigurationError
from pyramid.response import Response
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from transaction.interfaces import TransientError
from zope.interface import Interface
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks import explain_event
from pyramid_webhooks.interfaces import IGlobalManager, IOwedDeliveries, IPinger
from pyramid_webhooks.registries import connection_to_global
from pyramid_webhooks.testing import Receiver
from tests.company import Deliberate, messages, wait_until
from tests.functional.sql_application import Item, Order, Shop, add, ini, remove


@pytest.fixture
def make_shop(tmp_path, receiver, monkeypatch):
    """A factory of shops, with a global subscription to everything."""
    monkeypatch.setattr(zope.sqlalchemy.datamanager, 'NO_SAVEPOINT_SUPPORT', set())
    made = []

    def make(manager='explicit', setup=None, receiver=receiver, **settings):
        options = {key: settings.pop(key) for key in list(settings) if '.' not in key}
        settings = {**ini('audit', receiver.url, **options), **settings}
        folder = tmp_path / f'shop{len(made)}'
        folder.mkdir()
        shop = Shop(folder, settings, setup, manager)
        made.append(shop)
        return shop.start()

    yield make
    for shop in made:
        shop.stop()


@pytest.fixture(params=['explicit', 'implicit'])
def shop(request, make_shop):
    return make_shop(request.param)


def titles(shop, receiver):
    """What was sent, after a delivery that shows that all is through."""
    shop.add('last')
    shop.settle()
    found = [request.json()['title'] for request in receiver.requests]
    assert found.count('last') == 1
    return [title for title in found if title != 'last']


def test_a_committed_event_is_delivered_once_with_what_the_database_gave_the_object(
    shop, receiver
):
    shop.add('book', amount=3)
    shop.settle()
    (request,) = receiver.requests
    assert request.json() == {'id': 1, 'title': 'book', 'amount': 3, 'items': []}
    assert shop.attempts() == [('successful', 1, '200 OK')]


def test_what_was_not_committed_is_owed_to_nobody(shop, receiver):
    def fails(request):
        add(request, 'failed')
        raise Deliberate

    def is_doomed(request):
        add(request, 'doomed')
        request.tm.doom()

    def is_vetoed(request):
        add(request, 'vetoed')
        return Response(status=409)

    def is_aborted(request):
        add(request, 'aborted')
        request.tm.abort()
        request.tm.begin()

    shop.request(fails, status=500)
    shop.request(is_doomed)
    shop.request(is_vetoed, status=409)
    shop.request(is_aborted)
    assert titles(shop, receiver) == []
    assert shop.stored() == ['last']


def test_what_the_sql_database_refuses_at_the_very_end_is_owed_to_nobody(shop, receiver):
    shop.add('book')
    shop.settle()

    def take_the_same_id(request):
        request.db.add(Order(id=1, title='thief'))
        request.registry.notify(ObjectAddedEvent(Order(id=1, title='thief')))

    with pytest.raises(IntegrityError):
        shop.request(take_the_same_id)

    def refuse(session):
        raise IntegrityError('COMMIT', {}, Exception('deferred constraint'))

    def fail_in_commit(request):
        add(request, 'late')
        event.listen(request.db, 'before_commit', refuse)

    with pytest.raises(IntegrityError):
        shop.request(fail_in_commit)
    assert titles(shop, receiver) == ['book']


def test_a_request_that_is_tried_again_owes_once(shop, receiver):
    tries = []

    def fails_twice(request):
        add(request, 'again')
        tries.append(1)
        if len(tries) < 3:
            raise TransientError

    shop.request(fails_twice)
    assert titles(shop, receiver) == ['again']
    assert len(tries) == 3


def test_what_is_rolled_back_to_a_savepoint_is_owed_to_nobody(shop, receiver):
    def do(request):
        savepoint = request.tm.savepoint()
        add(request, 'before')
        request.db.flush()
        savepoint.rollback()
        add(request, 'kept')
        request.db.flush()
        savepoint = request.tm.savepoint()
        add(request, 'after')
        request.db.flush()
        savepoint.rollback()

    shop.request(do)
    assert titles(shop, receiver) == ['kept']
    assert shop.stored() == ['kept', 'last']


def test_every_way_to_fire_an_event_works(shop, receiver):
    def do(request):
        order = Order(title='book')
        request.db.add(order)
        zope.event.notify(ObjectAddedEvent(order))
        request.webhooks.notify('order.paid', order)
        event = ObjectModifiedEvent(order)
        request.registry.notify(event)
        request.registry.notify(event, order)
        zope.event.notify(event)
        request.webhooks.notify('shop.closed', payload={'title': 'closed'})

    shop.request(do)
    assert sorted(titles(shop, receiver)) == ['book', 'book', 'book', 'closed']


def test_the_state_at_commit_is_sent_and_relations_can_be_read(shop, receiver):
    def do(request):
        order = add(request, 'boook')
        request.db.flush()
        request.db.expire(order)
        order.title = 'book'
        request.registry.notify(ObjectModifiedEvent(order))
        order.items.append(Item(name='cover'))
        order.amount = 7
        request.registry.notify(ObjectModifiedEvent(order))

    shop.request(do)
    shop.settle()
    assert [request.json() for request in receiver.requests] == [
        {'id': 1, 'title': 'book', 'amount': 7, 'items': ['cover']}
    ] * 2


def test_a_removed_object_is_told_of_as_it_was(shop, receiver):
    shop.add('book')
    shop.request(remove)
    assert sorted(titles(shop, receiver)) == ['book', 'book']
    assert shop.stored() == ['last']


@pytest.mark.parametrize('flushes', [True, False])
def test_an_event_that_a_flush_fires_is_owed_too(shop, receiver, flushes):
    def do(request):
        @event.listens_for(request.db, 'after_flush')
        def tell(session, context):
            for each in session.new:
                request.registry.notify(ObjectAddedEvent(each))

        request.db.add(Order(title='book'))
        if flushes:
            request.db.flush()

    shop.request(do)
    shop.settle()
    assert [request.json()['id'] for request in receiver.requests] == [1]


def test_events_of_before_commit_hooks_and_of_payload_factories_are_owed(make_shop, receiver):
    def tell(order, event):
        request = order.request
        if order.title == 'first':
            request.webhooks.notify('shop.closed', payload={'title': 'fired'})
        return {'title': order.title}

    def setup(config):
        config.add_webhook_payload(tell, Order, Interface)

    shop = make_shop(setup=setup)

    def do(request):
        order = Order(title='hook')
        order.request = request
        first = Order(title='first')
        first.request = request
        request.registry.notify(ObjectAddedEvent(first))
        request.tm.get().addBeforeCommitHook(
            lambda: request.registry.notify(ObjectAddedEvent(order))
        )

    shop.request(do)
    shop.settle()
    sent = sorted(request.json()['title'] for request in receiver.requests)
    assert sent == ['fired', 'first', 'hook']


def test_the_owner_is_judged_on_the_object(make_shop, receiver):
    shop = make_shop(owner='clerk')
    shop.add('cheap', amount=2)
    shop.add('dear', amount=200)
    shop.add('last', amount=1)
    shop.settle()
    assert [request.json()['title'] for request in receiver.requests] == ['cheap', 'last']


def test_an_unknown_owner_is_deactivated_after_a_while_and_gets_no_more(make_shop, receiver):
    shop = make_shop(owner='stranger', **{'webhooks.precondition_limit': '3'})
    for number in range(3):
        shop.add(f'order {number}')
    wait_until(lambda: not shown(shop)['active'])
    assert 'precondition' in shown(shop)['status_message']
    shop.add('later')
    shop.settle()
    assert receiver.requests == []


def test_what_fails_is_tried_again_by_the_schedule_with_the_same_id_and_signed(
    make_shop, receiver
):
    shop = make_shop(secret='whsec_' + 'a' * 32)
    receiver.answer(503, times=2)
    shop.add('book')
    receiver.wait_for(3)
    wait_until(lambda: len(shop.attempts()) == 3 and shop.attempts()[-1][0] == 'successful')
    assert [each[:2] for each in shop.attempts()] == [
        ('failed', 1),
        ('failed', 2),
        ('successful', 3),
    ]
    assert len({request.headers['webhook-id'] for request in receiver.requests}) == 1
    assert all('webhook-signature' in request.headers for request in receiver.requests)


def shown(shop, path='/__webhooks__/audit', user='boss', **keywords):
    return shop.client.get(path, headers={'X-User': user}, **keywords).json


def test_the_root_folder_lists_it_and_its_attempts_over_rest(shop, receiver):
    receiver.answer(404, times=1)
    receiver.answer(200)
    shop.add('book')
    shop.settle()
    (found,) = shown(shop, '/__webhooks__')['subscriptions']
    assert (found['id'], found['kind'], found['active']) == ('audit', 'global', True)
    attempts = shown(shop, '/__webhooks__/audit/attempts')['attempts']
    first = shown(shop, attempts[0]['url'].removeprefix('http://localhost'))
    assert first['status'] == 'failed' and first['response']['status_code'] == 404
    assert shown(shop, user='clerk', status=404)['status'] == 'error'


def test_an_attempt_can_be_made_again_over_rest(make_shop, receiver):
    shop = make_shop(**{'webhooks.retry_schedule': ''})
    receiver.answer(500, times=1)
    shop.add('book')
    shop.settle()
    (attempt,) = shown(shop, '/__webhooks__/audit/attempts')['attempts']
    path = attempt['url'].removeprefix('http://localhost') + '/retry'
    made = shop.client.post(path, headers={'X-User': 'boss'}, status=202).json
    assert (made['number'], made['status']) == (2, 'pending')
    shop.settle()
    assert [each[:2] for each in shop.attempts()] == [('failed', 1), ('successful', 2)]


def located(shop):
    """The subscription, as a request sees it."""
    manager = shop.registry.getUtility(IGlobalManager)
    return manager['audit'].located(manager, connection_to_global(shop.registry, None))


def test_it_can_be_pinged_and_what_failed_be_recovered(make_shop, receiver):
    shop = make_shop(**{'webhooks.retry_schedule': ''})
    receiver.answer(500, times=2)
    shop.add('one', 'two')
    shop.settle()

    def recover(request):
        return request.registry.getUtility(IOwedDeliveries).recover(located(shop), 0.0).count

    def ping(request):
        request.registry.getUtility(IPinger).ping(located(shop))

    def ping_in_vain(request):
        ping(request)
        return Response(status=409)

    assert shop.request(recover) == 2
    shop.settle()
    shop.request(ping_in_vain, status=409)
    shop.request(ping)
    shop.settle()
    assert [each[:2] for each in shop.attempts()] == [
        ('failed', 1),
        ('failed', 1),
        ('successful', 2),
        ('successful', 2),
        ('successful', 1),
    ]

    def note(request):
        *_, last = located(shop).attempts.values()
        return last.event, last.origin.transaction_note.startswith('/act/')

    assert shop.request(note) == ['webhook.ping', True]


def test_subscribing_says_that_there_is_nothing_to_store_it_in(shop):
    wish = {'to': 'https://example.com/', 'events': ['*']}
    answer = shop.client.post_json('/__webhooks__', wish, headers={'X-User': 'boss'}, status=409)
    assert 'not be stored' in answer.json['errors'][0]['description']


def test_explaining_knows_whether_it_is_active(shop):
    def do(request):
        order = Order(title='book')
        return [(each.id, gets) for each, gets, _ in explain_event(order, 'order.paid', request)]

    assert shop.request(do) == [['audit', True]]


def test_a_thread_without_a_request_owes_in_its_own_transaction(make_shop, receiver):
    shop = make_shop('implicit')
    with transaction.manager:
        session = shop.new_session(transaction.manager)
        order = Order(title='script')
        session.add(order)
        shop.registry.notify(ObjectAddedEvent(order))
    with transaction.manager:
        shop.registry.notify(ObjectAddedEvent(Order(title='doomed')))
        transaction.abort()
        transaction.begin()
    assert titles(shop, receiver) == ['script']


def test_an_event_outside_of_any_transaction_is_logged_and_owed_to_nobody(
    make_shop, receiver, caplog
):
    shop = make_shop('explicit')

    def do(request):
        add(request, 'book')
        request.tm.commit()
        request.registry.notify(ObjectAddedEvent(Order(title='lost')))
        request.tm.begin()

    shop.request(do)
    assert 'owed to nobody' in messages(caplog)
    assert titles(shop, receiver) == ['book']


def test_stopping_says_what_is_lost(make_shop, receiver, caplog):
    shop = make_shop(**{'webhooks.retry_schedule': '1h'})
    receiver.answer(500)
    shop.add('one', 'two')
    shop.settle()
    shop.stop()
    assert '2 deliveries' in messages(caplog) and 'lost' in messages(caplog)


def test_startup_says_that_what_is_in_memory_can_be_lost(make_shop, caplog):
    make_shop()
    assert 'memory of this process' in messages(caplog)


def test_a_worker_can_not_send_what_is_in_the_memory_of_another_process(make_shop):
    with pytest.raises(ConfigurationError, match=r'webhooks\.delivery = worker'):
        make_shop(**{'webhooks.delivery': 'worker'})


def test_sync_delivery_sends_before_the_commit_returns(make_shop, receiver):
    shop = make_shop(**{'webhooks.delivery': 'sync'})
    shop.add('book')
    assert len(receiver.requests) == 1


def test_two_applications_in_one_process_owe_apart(make_shop, receiver):
    with Receiver() as other:
        one, two = make_shop(), make_shop(receiver=other)
        one.add('one')
        two.add('two')
        two.add('three')
        one.settle()
        two.settle()
        assert [request.json()['title'] for request in receiver.requests] == ['one']
        assert {request.json()['title'] for request in other.requests} == {'two', 'three'}
        two.stop()


def test_a_user_who_goes_has_no_subscriptions_to_be_removed_and_goes_all_the_same(
    make_shop, receiver
):
    def setup(config):
        config.add_webhook_owner_removal(Order, IObjectRemovedEvent, owner_id=lambda each: 'boss')

    shop = make_shop(setup=setup)
    shop.add('book')
    shop.request(remove)
    assert shop.stored() == []


def test_a_new_registry_begins_with_nothing_owed(make_shop, receiver):
    shop = make_shop(**{'webhooks.retry_schedule': '1h'})
    receiver.answer(500, times=1)
    shop.add('book')
    shop.settle()
    shop.stop()
    shop.start()
    assert shop.attempts() == []
    assert titles(shop, receiver) == ['book']
