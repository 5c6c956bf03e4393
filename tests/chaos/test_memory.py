"""What is owed in memory, under fire: many threads, receivers that are dead, a fork."""

import os
import random
import threading

import pytest
import transaction
from pyramid.response import Response
from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import IDeliveryDropped, IDispatcher
from pyramid_webhooks.outbox.owed import count_owed
from pyramid_webhooks.testing import Receiver
from tests.company import Deliberate, messages, wait_until
from tests.functional.sql_application import Shop, add, ini

THREADS = 8


@pytest.fixture
def make_shop(tmp_path):
    made = []

    def make(settings, **keywords):
        made.append(Shop(tmp_path, settings, **keywords))
        return made[-1].start()

    yield make
    for shop in made:
        shop.stop()


def in_threads(action):
    """Call ``action(number)`` in several threads at once; return what was raised."""
    errors = []

    def run(number):
        try:
            action(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


def owed(shop):
    with shop.memory.session() as connection:
        return count_owed(connection)


def test_threads_that_commit_and_abort_at_once_owe_exactly_what_is_stored(
    make_shop, receiver, caplog
):
    shop = make_shop(ini('audit', receiver.url))

    def work(number):
        dice = random.Random(number)
        for count in range(40):
            kind = dice.choice(['commit', 'commit', 'abort', 'doom', 'veto', 'retry'])
            tries = []

            def do(request, kind=kind, count=count, tries=tries):
                add(request, f'{number}-{count}')
                tries.append(kind)
                if kind == 'abort':
                    raise Deliberate
                if kind == 'doom':
                    request.tm.doom()
                if kind == 'veto':
                    return Response(status=409)
                if kind == 'retry' and len(tries) == 1:
                    raise TransientError

            shop.request(do, status='*')

    assert in_threads(work) == []
    shop.settle(30)
    sent = sorted(request.json()['title'] for request in receiver.requests)
    assert sent == sorted(shop.stored())
    assert len(sent) > 100
    assert 'rror' not in messages(caplog) and owed(shop) == 0


@pytest.fixture
def dead():
    with Receiver() as receiver:
        receiver.answer(500)
        yield receiver


def two_receivers(healthy, dead):
    return {
        'webhooks.subscriptions': 'healthy dead',
        'webhooks.subscription.healthy.to': healthy.url,
        'webhooks.subscription.healthy.events': 'shop.closed',
        'webhooks.subscription.dead.to': dead.url,
        'webhooks.subscription.dead.events': 'shop.closed',
        'webhooks.retry_schedule': '1h',
        'webhooks.memory_limit': '1MiB',
    }


def flood(shop, count, size):
    """Fire so many events, each with so many bytes, in threads; return their numbers."""
    dispatcher = shop.registry.getUtility(IDispatcher)

    def fire(number):
        for place in range(number, count, THREADS):
            with transaction.manager:
                payload = {'number': place, 'filling': 'x' * size}
                dispatcher.notify('shop.closed', payload=payload)

    assert in_threads(fire) == []


def test_a_flood_for_a_dead_receiver_takes_limited_memory_and_harms_no_other(
    make_shop, receiver, dead, caplog
):
    dropped = []

    def setup(config):
        config.add_subscriber(dropped.append, IDeliveryDropped)

    shop = make_shop(two_receivers(receiver, dead), setup=setup, manager='implicit')
    sizes = []
    for _ in range(20):
        flood(shop, 40, 5_000)
        sizes.append(shop.memory.size())
        shop.settle()
        wait_until(lambda: shop.memory.size() <= shop.memory.limit)
    numbers = [request.json()['number'] for request in receiver.requests]
    assert sorted(numbers) == sorted([*range(40)] * 20)
    assert max(sizes) < 2 * shop.memory.limit
    wait_until(lambda: owed(shop) + len(dropped) + len(shop.attempts('dead')) >= 800)
    assert {event.reason for event in dropped} == {
        'There was no room for it in memory: see the setting webhooks.memory_limit.'
    }
    assert 'to the subscription dead' in messages(caplog)
    assert 'Dropped' in messages(caplog) and 'to the subscription healthy' not in messages(caplog)


def test_where_nobody_sends_memory_is_limited_all_the_same(make_shop, receiver, dead, caplog):
    dropped = []

    def setup(config):
        config.add_subscriber(dropped.append, IDeliveryDropped)

    shop = make_shop(two_receivers(receiver, dead), setup=setup, manager='implicit')
    shop.engine.stop()
    flood(shop, 1000, 5_000)
    assert shop.memory.size() < 2.2 * shop.memory.limit
    assert messages(caplog).count('more is owed than can be sent or kept') == 1
    refused = len(shop.memory.refused)
    assert refused + owed(shop) == 2000
    shop.engine.start()
    wait_until(lambda: len(dropped) >= refused)
    shop.settle(30)
    flood(shop, 8, 10)
    shop.settle()
    assert len(receiver.requests) > 8


def test_long_histories_are_shortened_when_they_take_too_much(make_shop, receiver, caplog):
    settings = ini('audit', receiver.url)
    shop = make_shop({**settings, 'webhooks.memory_limit': '1MiB'}, manager='implicit')
    for _ in range(5):
        flood(shop, 10, 50_000)
        shop.settle()
    wait_until(lambda: shop.memory.size() <= shop.memory.limit)
    assert len(receiver.requests) == 50
    assert 0 < len(shop.attempts()) < 21
    assert 'history of the subscription audit is shortened' in messages(caplog)
    assert 'Dropped' not in messages(caplog)


def test_a_child_of_a_fork_sends_what_it_owes_and_nothing_of_its_parent(make_shop, receiver):
    shop = make_shop({**ini('audit', receiver.url), 'webhooks.retry_schedule': '1h'})
    receiver.answer(500, times=1)
    shop.add('parent')
    shop.settle()
    assert owed(shop) == 1
    shop.sql.dispose()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            shop.add('child')
            shop.settle()
            status = 0 if [each[0] for each in shop.attempts()] == ['successful'] else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    shop.settle()
    assert [request.json()['title'] for request in receiver.requests] == ['parent', 'child']
    assert [each[:2] for each in shop.attempts()] == [('failed', 1), ('pending', 2)]
