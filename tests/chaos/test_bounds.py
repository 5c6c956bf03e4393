"""What is bounded: requests in flight, memory, history, and what an event costs."""

import threading
import time

import pytest
import transaction

from pyramid_webhooks.delivery.holding import UNPROVEN_ALLOWANCE
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.testing import Receiver
from tests.company import Employee, add, modify, names_of, wait_until


class Simultaneous:
    """Answers after a while, and counts how many requests are open at once."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.open = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        time.sleep(self.seconds)
        with self.lock:
            self.open -= 1


def holding(company):
    """How many deliveries the engine has in memory."""
    return len(company.registry.getUtility(IDeliveryEngine)._loop._holding)


def test_no_more_requests_are_open_than_the_settings_allow(make_company, receiver):
    company = make_company(
        settings={'webhooks.concurrency': '6', 'webhooks.concurrency_per_subscription': '2'}
    )
    all_of_them, single = Simultaneous(0.02), Simultaneous(0.02)
    receiver.answer(all_of_them)
    for number in range(10):
        company.subscribe('/', receiver.url_for(str(number)))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(10)])
    company.settle()
    assert 2 <= all_of_them.most <= 6
    for _ in range(9):
        company.at('/', lambda m: m.__delitem__(list(m)[-1]))
    receiver.answer(single)
    company.add('/NWS/OUN', *[f'f{number}' for number in range(30)])
    company.settle()
    assert single.most <= 2
    assert len(receiver.requests) == 130


def test_a_backlog_for_a_receiver_that_hangs_takes_little_memory(make_company):
    company = make_company()
    with Receiver() as hanging, Receiver() as other:
        hanging.answer(delay=30)
        company.subscribe('/', hanging.url)
        for number in range(4):
            company.add('/NWS/OUN', *[f'e{number}-{each}' for each in range(500)])
        hanging.wait_for(1)
        wait_until(lambda: 0 < holding(company) <= UNPROVEN_ALLOWANCE)
        company.subscribe('/', other.url)
        company.add('/NWS/OUN', 'last')
        other.wait_for(1, timeout=5)
        assert len(hanging.requests) == 1
        assert holding(company) <= UNPROVEN_ALLOWANCE + 1
        company.stop(timeout=0.1)


def test_a_backlog_is_delivered_in_the_order_of_the_commits(make_company, receiver):
    company = make_company(
        settings={'webhooks.delivery': 'worker', 'webhooks.concurrency_per_subscription': '1'}
    )
    company.subscribe('/', receiver.url)
    for number in range(300):
        company.add('/NWS/OUN', f'e{number:04}')
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle(30)
    names = names_of(receiver)
    assert names == [f'e{number:04}' for number in range(300)]


def test_no_more_attempts_are_kept_than_the_settings_allow(make_company, receiver):
    company = make_company(settings={'webhooks.attempt_limit': '20'})
    id = company.subscribe('/', receiver.url)
    for number in range(30):
        company.add('/NWS/OUN', f'a{number}', f'b{number}')
        if not number % 10:
            company.settle()
    company.settle()

    def look(manager):
        log = manager[id].log
        return len(list(log)), len(log), log.succeeded

    assert company.at('/', look) == (20, 20, 60)
    ids = [each[4] for each in company.attempts('/')]
    assert len(ids) == len(set(ids)) == 20


def test_no_more_given_up_deliveries_are_kept_than_the_settings_allow(make_company, receiver):
    company = make_company(
        settings={'webhooks.exhausted_limit': '50', 'webhooks.max_payload': '10B'}
    )
    id = company.subscribe('/', receiver.url)
    for number in range(3):
        company.add('/NWS/OUN', *[f'{number}-{each}' for each in range(60)])
    company.settle()
    kept = company.at('/', lambda m: len(list(m[id].log.exhausted)))
    assert 50 <= kept < 100


def test_a_message_that_nothing_refers_to_is_gone_with_the_next_packing(make_company, receiver):
    company = make_company(settings={'webhooks.attempt_limit': '5'})
    company.subscribe('/', receiver.url, events=['company.closed'])

    def notify(context, request):
        request.webhooks.notify('company.closed', payload='x' * 3000)

    def packed_after(count):
        for _ in range(count):
            company.request(notify)
        company.settle()
        company.database.pack()
        return company.database.storage.getSize()

    # What is kept is dropped by the page, of less than 32 attempts.
    before = packed_after(40)
    assert packed_after(120) < before + 32 * 3_500


@pytest.fixture
def quiet(make_company, receiver):
    """A company whose deliveries only pile up."""
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    return company


def cost_of_an_event(company, count=10):
    """Objects loaded and stored by so many commits of one event each, without any cache."""
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    try:
        office = connection.root()['company']['NWS']['OUN']
        if 'ann' not in office:
            office['ann'] = Employee('ann')
            manager.commit()
        connection.cacheMinimize()
        connection.getTransferCounts(clear=True)
        for age in range(count):
            ann = connection.root()['company']['NWS']['OUN']['ann']
            modify(ann, company.registry.notify, age=age)
            manager.commit()
        return sum(connection.getTransferCounts())
    finally:
        manager.abort()
        connection.close()


def test_an_event_costs_no_more_with_a_backlog(quiet):
    before = cost_of_an_event(quiet)

    def pile_up(root):
        for number in range(3000):
            employee = add(root['NWS']['NCA'], f'e{number}', quiet.registry.notify)
        return employee.name

    quiet.transact(pile_up)
    assert cost_of_an_event(quiet) <= before * 1.5 + 20


def test_an_event_costs_no_more_with_subscriptions_that_do_not_match(quiet, receiver):
    before = cost_of_an_event(quiet)

    def subscribe_much(manager):
        for number in range(500):
            manager.create_subscription(
                receiver.url, events=['employee.removed'], owner=f'user{number}'
            )

    quiet.at('/', subscribe_much)
    assert cost_of_an_event(quiet) <= before * 1.2 + 5


def test_an_event_costs_no_more_with_a_long_history(make_company, receiver):
    company = make_company(settings={'webhooks.attempt_limit': '1000'})
    company.subscribe('/', receiver.url)
    before = cost_of_an_event(company)
    company.add('/NWS/NCA', *[f'e{number}' for number in range(800)])
    company.settle(30)
    assert cost_of_an_event(company) <= before * 1.5 + 20
