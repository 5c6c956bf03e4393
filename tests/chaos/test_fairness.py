"""Receivers that are dead or fail delay nobody else, and cost little."""

import threading
import time

from pyramid_webhooks import manager_of
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.testing import Receiver
from tests.company import modify, wait_until

DEAD = 60
SETTINGS = {'webhooks.timeout': '30', 'webhooks.concurrency': '16'}


def subscribe_dead(company, receiver, count=DEAD):
    def do(root):
        manager = manager_of(root, create=True)
        for number in range(count):
            manager.create_subscription(receiver.url_for(f'dead{number}'), events=['employee.*'])

    company.transact(do)


def modify_ann(company, age):
    company.transact(
        lambda root: modify(root['NWS']['OUN']['ann'], company.registry.notify, age=age)
    )


def arrivals(receiver, path='/'):
    return [each for each in receiver.requests if each.path == path]


def silent(receiver):
    """Let a receiver accept requests and never answer."""
    over = threading.Event()
    receiver.answer(lambda request: over.wait(40) and 200)
    return over


def test_a_receiver_that_works_does_not_wait_for_dead_ones(make_company, receiver):
    company = make_company(settings=SETTINGS)
    with Receiver() as dead:
        over = silent(dead)
        company.subscribe('/', receiver.url)
        company.add('/NWS/OUN', 'ann')
        company.settle()
        subscribe_dead(company, dead)
        for age in range(100):
            modify_ann(company, age)
            receiver.wait_for(2 + age, timeout=5)
        assert len(dead.requests) <= 8, 'half of the slots'
        subscribe_dead(company, dead)
        for age in range(100, 150):
            modify_ann(company, age)
            receiver.wait_for(2 + age, timeout=5)
        assert [each.json()['age'] for each in receiver.requests][1:] == list(range(150))
        over.set()
        company.stop(timeout=0.1)


def test_a_new_receiver_does_not_wait_for_those_that_are_known_to_fail(make_company, receiver):
    """There are slots that receivers which failed before can't take."""
    company = make_company(
        settings={**SETTINGS, 'webhooks.timeout': '400ms', 'webhooks.retry_schedule': '1s 1s'}
    )
    company.add('/NWS/OUN', 'ann')
    with Receiver() as dead:
        over = silent(dead)
        subscribe_dead(company, dead)
        modify_ann(company, 1)
        wait_until(lambda: len({each.path for each in dead.requests}) == DEAD, timeout=30)
        company.restart(settings={**company.settings, 'webhooks.timeout': '30'})
        tried = len(dead.requests)
        modify_ann(company, 2)
        lanes = company.registry.getUtility(IDeliveryEngine)._loop._lanes
        wait_until(lambda: len(dead.requests) >= tried + 4 and not lanes.waiting())
        company.subscribe('/', receiver.url)
        modify_ann(company, 3)
        receiver.wait_for(1, timeout=5)
        over.set()
        company.stop(timeout=0.1)


def test_many_deliveries_to_dead_receivers_take_little_memory_and_no_time(
    make_company, monkeypatch
):
    monkeypatch.setattr('pyramid_webhooks.delivery.parking._LONGEST_REST', 0.5)
    company = make_company(settings=SETTINGS)
    engine = company.registry.getUtility(IDeliveryEngine)
    with Receiver() as dead:
        over = silent(dead)
        subscribe_dead(company, dead)
        company.add('/NWS/OUN', *[f'e{number}' for number in range(300)])
        dead.wait_for(8)
        wait_until(lambda: not engine._loop._taker.intake.parking, timeout=30)
        assert len(engine._loop._holding) < 10 * DEAD
        wait_until(lambda: not engine._loop._something_to_do(0, set()))
        used = time.process_time()
        threading.Event().wait(0.5)
        assert time.process_time() - used < 0.25, 'nothing is done while they are silent'
        over.set()
        company.stop(timeout=0.1)
