"""An application on SQLAlchemy without ZODB: what its transactions owe is in memory."""

import pytest
import transaction
import zope.event
from pyramid.response import Response
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from transaction.interfaces import TransientError
from zope.interface import Interface
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent

from tests.company import Deliberate, messages
from tests.functional.sql_application import Item, Order, add, remove, titles


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
