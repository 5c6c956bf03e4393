"""The statistics of a subscription."""

import time

import pytest
import transaction

from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.schedule import Item
from tests.functional.recovering import PATIENT, fail, now, recover, statistics


def test_the_statistics_tell_what_was_sent_what_failed_and_what_is_pending(make_company, receiver):
    company = make_company(settings=PATIENT)
    company.subscribe('/', receiver.url)
    assert statistics(company) == (0, 0, 0, None, None, None, None)
    before = now()
    fail(company, receiver, 'ann', 'ben')
    between = now()
    company.add('/NWS/OUN', 'cid')
    company.settle()
    found = statistics(company)
    assert (found.sent, found.failed, found.pending) == (1, 2, 2)
    assert before < found.last_failure < between < found.last_success < now()
    assert 0 < found.p50 <= found.p95 < 1
    company.at('/', lambda manager: manager.deactivate(*manager.values()))
    company.settle()
    assert statistics(company).pending == 2
    recover(company)
    assert statistics(company).pending == 2
    company.at('/', lambda manager: manager.activate(*manager.values()))
    company.settle()
    assert statistics(company)[:3] == (3, 2, 0)


def test_the_percentiles_are_close_to_the_times_that_answers_took(make_company, receiver):
    company = make_company()
    company.subscribe('/', receiver.url)
    receiver.answer(200, delay=0.2)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    found = statistics(company)
    assert found.p50 == found.p95 == pytest.approx(0.2, rel=0.5)


def test_what_is_in_the_intake_is_pending(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.subscribe('/NWS', receiver.url)
    company.add('/NWS/OUN', 'ann', 'ben', 'cid')
    assert statistics(company).pending == statistics(company, '/NWS').pending == 3


def test_statistics_cost_the_same_whatever_waits(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)

    def fill(root):
        (subscription,) = root.__webhooks__.values()
        connection = root._p_jar
        recipient = (connection.db().database_name, subscription._p_oid)
        schedule = outbox_of(connection).schedule_of(recipient)
        for number in range(20_000):
            key = (time.time() + 3600, number.to_bytes(8, 'big'))
            schedule.put(recipient, key, Item(None, 2, 1, 0.0))

    company.transact(fill)
    company.database.cacheMinimize()
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    try:
        (subscription,) = connection.root()['company'].__webhooks__.values()
        before, _ = connection.getTransferCounts()
        assert subscription.statistics.pending == 20_000
        loaded, _ = connection.getTransferCounts()
        assert loaded - before < 60
    finally:
        manager.abort()
        connection.close()
