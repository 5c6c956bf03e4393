"""An application on SQLAlchemy without ZODB: what it can do with its global subscriptions."""

import pytest
from pyramid.exceptions import ConfigurationError
from pyramid.response import Response
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks import explain_event
from pyramid_webhooks.interfaces import IGlobalManager, IOwedDeliveries, IPinger
from pyramid_webhooks.registries import connection_to_global
from pyramid_webhooks.testing import Receiver
from tests.company import messages, wait_until
from tests.functional.sql_application import Order, remove, titles


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
