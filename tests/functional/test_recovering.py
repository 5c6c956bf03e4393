"""Sending again what failed."""

import datetime
import threading

import pytest

from pyramid_webhooks import find_managers
from pyramid_webhooks.outbox.root import outbox_of
from tests.company import names_of, wait_until
from tests.functional.recovering import EPOCH, ONCE, PATIENT, fail, now, recover, statistics


def commands(root):
    """How many entries each segment of the intake has."""
    return [len(segment) for segment in outbox_of(root._p_jar).intake.all_segments()]


def test_all_that_was_given_up_is_sent_again_in_order_with_the_same_ids(make_company, receiver):
    company = make_company(settings=ONCE)
    company.subscribe('/', receiver.url)
    ids = fail(company, receiver, 'ann', 'ben', 'cid')
    assert recover(company) == (3, 0, None)
    assert names_of(receiver) == ['ann', 'ben', 'cid'] * 2
    assert [each.headers['webhook-id'] for each in receiver.requests] == ids * 2
    numbers = [(each[0], each[1]) for each in company.attempts('/')]
    assert numbers == [('failed', 1)] * 3 + [('successful', 2)] * 3
    assert recover(company) == (0, 0, None)
    assert len(receiver.requests) == 6


def test_only_what_failed_since_then_is_sent_again(make_company, receiver):
    company = make_company(settings=ONCE)
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann')
    since = now()
    fail(company, receiver, 'ben')
    assert recover(company, since)[0] == 1
    assert names_of(receiver) == ['ann', 'ben', 'ben']
    assert recover(company, now())[0] == 0
    assert recover(company)[0] == 1
    assert names_of(receiver)[3:] == ['ann']


def test_what_waits_for_its_next_attempt_is_sent_now_on_a_new_schedule(make_company, receiver):
    company = make_company(settings=PATIENT)
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann', 'ben')
    receiver.answer(500)
    assert recover(company) == (2, 0, None)
    assert statistics(company).pending == 2, 'a schedule has more than one try'
    receiver.answer(200)
    assert recover(company) == (2, 0, None)
    assert names_of(receiver) == ['ann', 'ben'] * 3
    assert [each[:2] for each in company.attempts('/')] == [
        ('failed', 1),
        ('failed', 1),
        ('failed', 2),
        ('failed', 2),
        ('successful', 3),
        ('successful', 3),
    ]


def test_a_new_schedule_starts_from_the_beginning(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': '10ms 20ms'})
    company.subscribe('/', receiver.url)
    receiver.answer(500)
    company.add('/NWS/OUN', 'ann')
    for tries in (3, 6):
        wait_until(lambda tries=tries: len(receiver.requests) == tries)
        given_up = wait_until(lambda: company.at('/', exhausted))
        assert given_up == [tries]
        recover(company)
    wait_until(lambda: company.at('/', exhausted) == [9])
    assert [each[1] for each in company.attempts('/')] == list(range(1, 10))


def exhausted(manager):
    (subscription,) = manager.values()
    return [each.number for each in subscription.log.exhausted]


def test_more_is_recovered_than_the_history_has(make_company, receiver):
    company = make_company(settings={**ONCE, 'webhooks.attempt_limit': '2'})
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann', 'ben', 'cid', 'dan', 'eve')
    assert recover(company) == (5, 0, None)
    assert names_of(receiver)[5:] == ['ann', 'ben', 'cid', 'dan', 'eve']


def test_what_can_not_be_reached_any_more_is_counted(make_company, receiver):
    settings = {**ONCE, 'webhooks.exhausted_limit': '0', 'webhooks.attempt_limit': '2'}
    company = make_company(settings=settings)
    company.subscribe('/', receiver.url)
    before = now()
    fail(company, receiver, 'ann', 'ben', 'cid', 'dan', 'eve')
    count, unreachable, until = recover(company)
    assert (count, unreachable) == (2, 3)
    assert before < until < now()
    assert names_of(receiver)[5:] == ['dan', 'eve']
    assert recover(company)[:2] == (0, 5)
    assert recover(company, now()) == (0, 0, None)


def test_what_was_sent_again_by_hand_is_not_recovered_once_more(make_company, receiver):
    company = make_company(settings=ONCE)
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann', 'ben')

    def retry(manager):
        (subscription,) = manager.values()
        failed = subscription.attempts.values()[0]
        attempt = failed.retry()
        assert attempt.pending() and attempt.number == 2
        assert attempt.message_id == failed.message_id

    company.at('/', retry)
    company.settle()
    assert names_of(receiver) == ['ann', 'ben', 'ann']
    assert recover(company)[0] == 1
    assert names_of(receiver)[3:] == ['ben']


def test_asked_for_twice_before_the_engine_has_got_to_it_it_is_done_once(make_company, receiver):
    company = make_company(settings=ONCE)
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann', 'ben')
    company.restart(settings={**company.settings, 'webhooks.delivery': 'worker'})

    def ask(manager):
        (subscription,) = manager.values()
        return subscription.recover(EPOCH).count

    assert company.at('/', ask) == 2
    assert company.at('/', ask) == 0
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert names_of(receiver) == ['ann', 'ben'] * 2


def test_what_is_recovered_of_an_inactive_subscription_waits_for_its_activation(
    make_company, receiver
):
    company = make_company(settings=ONCE)
    company.subscribe('/', receiver.url)
    fail(company, receiver, 'ann', 'ben')
    company.at('/', lambda manager: manager.deactivate(*manager.values()))
    assert recover(company)[0] == 2
    assert [each[0] for each in company.attempts('/')] == ['failed'] * 2 + ['pending'] * 2
    assert len(receiver.requests) == 2
    company.at('/', lambda manager: manager.activate(*manager.values()))
    company.settle()
    assert names_of(receiver) == ['ann', 'ben'] * 2


def test_much_is_recovered_in_several_transactions_the_oldest_first(
    make_company, receiver, monkeypatch
):
    monkeypatch.setattr('pyramid_webhooks.delivery.recovering._LIMIT', 7)
    settings = {**ONCE, 'webhooks.concurrency_per_subscription': '1', 'webhooks.max_payload': '1'}
    company = make_company(settings=settings)
    company.subscribe('/', receiver.url)
    added = [f'e{number:02}' for number in range(40)]
    for name in added:
        company.add('/NWS/OUN', name)
    company.settle()
    assert names_of(receiver) == []
    company.restart(settings={**company.settings, 'webhooks.max_payload': '1KiB'})
    assert recover(company)[0] == 40
    assert names_of(receiver) == added


def test_all_that_waits_is_brought_forward_however_little_is_done_at_once(
    make_company, receiver, monkeypatch
):
    monkeypatch.setattr('pyramid_webhooks.delivery.recovering._LIMIT', 2)
    company = make_company(settings=PATIENT)
    company.subscribe('/', receiver.url)
    added = [f'e{number}' for number in range(4)]
    fail(company, receiver, *added)
    assert recover(company)[0] == 4
    assert sorted(names_of(receiver)) == sorted(2 * added)


def test_a_retry_that_is_under_way_is_not_recovered_once_more(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': '50ms 1h'})
    go_on = threading.Event()

    def answer(request):
        if len(receiver.requests) == 1:
            return 500
        go_on.wait(10)
        return 200

    receiver.answer(answer)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(2)
    company.at('/', lambda manager: [each.recover(EPOCH) for each in manager.values()])
    wait_until(lambda: not any(company.transact(commands)))
    go_on.set()
    company.settle()
    assert [each[:2] for each in company.attempts('/')] == [('failed', 1), ('successful', 2)]
    assert len(receiver.requests) == 2


def test_where_deliveries_wait_for_a_probe_it_is_made_at_once(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': '1h'})
    company.subscribe('/', receiver.url)
    added = [f'e{number}' for number in range(8)]
    fail(company, receiver, *added[:5])
    company.add('/NWS/OUN', *added[5:])
    company.settle()
    assert len(receiver.requests) == 5
    assert recover(company)[0] == 5
    receiver.wait_for(5 + 8)
    assert sorted(names_of(receiver)[5:]) == added
    assert names_of(receiver)[5] == 'e0'
    company.settle()
    assert statistics(company)[:3] == (8, 5, 0)


def test_the_global_ones_are_recovered_too(make_company, receiver):
    settings = {
        'webhooks.subscriptions': 'audit',
        'webhooks.subscription.audit.to': receiver.url,
        'webhooks.subscription.audit.events': '*',
    }
    company = make_company(settings={**ONCE, **settings})
    fail(company, receiver, 'ann')

    def do(root):
        (manager,) = find_managers(root)
        subscription = manager['audit'].located(manager, root._p_jar)
        return subscription.recover(EPOCH).count, subscription.statistics.failed

    assert company.transact(do) == (1, 1)
    company.settle()
    assert names_of(receiver) == ['ann', 'ann']


def test_a_time_needs_a_zone(company, receiver):
    company.subscribe('/', receiver.url)
    with pytest.raises(ValueError, match='has no time zone'):
        recover(company, datetime.datetime(2026, 1, 1))
