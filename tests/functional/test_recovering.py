"""Pings, sending again what failed, and the statistics of a subscription."""

import datetime
import threading
import time

import pytest
import transaction
from zope.interface.verify import verifyObject

from pyramid_webhooks import find_managers, subscribe
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IAttempt, IDeliveryExhausted, IStatistics
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.schedule import Item
from tests.company import names_of, wait_until

ONCE = {'webhooks.retry_schedule': ''}
PATIENT = {'webhooks.retry_schedule': '1h'}
EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def now():
    return datetime.datetime.now(datetime.UTC)


def recover(company, since=EPOCH, path='/'):
    def do(manager):
        (subscription,) = manager.values()
        return tuple(subscription.recover(since))

    recovery = company.at(path, do)
    company.settle()
    return recovery


def commands(root):
    """How many entries each segment of the intake has."""
    return [len(segment) for segment in outbox_of(root._p_jar).intake.all_segments()]


def fail(company, receiver, *added):
    """Let deliveries fail, one for each employee, in order."""
    receiver.answer(500)
    for name in added:
        company.add('/NWS/OUN', name)
        company.settle()
    receiver.answer(200)
    failed = len(receiver.requests)
    return [request.headers['webhook-id'] for request in receiver.requests[failed - len(added) :]]


# -- recovering


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


# -- pings


def ping(company):
    def do(manager):
        (subscription,) = manager.values()
        attempt = subscription.ping()
        verifyObject(IAttempt, attempt)
        assert attempt.pending()
        return attempt.id

    id = company.at('/', do)
    company.settle()
    return id


def test_a_ping_is_sent_and_recorded_like_any_other_message(company, receiver):
    id = company.subscribe('/', receiver.url, dialect='standard')
    attempt = ping(company)
    (request,) = receiver.requests
    assert request.json()['type'] == 'webhook.ping'
    assert request.json()['data']['subscription'] == id
    assert request.json()['data']['events'] == ['employee.*']
    assert 'webhook-signature' in request.headers
    ((status, number, message, event, message_id),) = company.attempts('/')
    assert (status, number, message, event) == ('successful', 1, '200 OK', 'webhook.ping')
    assert attempt == f'{message_id}-1'


def test_a_ping_concerns_the_pinged_subscription_alone(company, receiver):
    company.subscribe('/', receiver.url_for('one'))
    company.subscribe('/NWS', receiver.url_for('other'), events=['*'])
    company.subscribe('/NWS', receiver.url_for('more'), events=['company.closed'])
    ping(company)
    assert [request.path for request in receiver.requests] == ['/one']


def test_nobody_can_subscribe_to_pings_or_call_an_event_so(make_company, company, receiver):
    with pytest.raises(ValueError, match="no event type 'webhook.ping'"):
        company.subscribe('/', receiver.url, events=['webhook.ping'])
    with pytest.raises(ValueError, match=r"no event type 'webhook.\*'"):
        company.subscribe('/', receiver.url, events=['webhook.*'])
    with pytest.raises(Exception, match='is what a ping is called'):
        make_company(setup=lambda config: config.add_webhook_event('webhook.ping'))


def test_a_ping_that_fails_is_neither_tried_again_nor_recovered(make_company, receiver):
    heard = []
    company = make_company(
        settings={'webhooks.retry_schedule': '10ms'},
        setup=lambda config: config.add_subscriber(heard.append, IDeliveryExhausted),
    )
    company.subscribe('/', receiver.url)
    receiver.answer(500)
    ping(company)
    assert [each[0] for each in company.attempts('/')] == ['failed']
    assert recover(company) == (0, 0, None)
    assert len(receiver.requests) == 1
    assert heard == []


def test_an_inactive_subscription_can_not_be_pinged(company, receiver):
    company.subscribe('/', receiver.url)
    company.at('/', lambda manager: manager.deactivate(*manager.values(), 'On holiday.'))
    with pytest.raises(ValueError, match='not active.*On holiday'):
        ping(company)
    assert company.attempts('/') == []


def test_a_ping_of_an_aborted_transaction_is_not_sent(company, receiver):
    company.subscribe('/', receiver.url)
    with pytest.raises(LookupError):

        def do(manager):
            (subscription,) = manager.values()
            subscription.ping()
            raise LookupError

        company.at('/', do)
    company.settle()
    assert receiver.requests == [] and company.attempts('/') == []


def test_a_subscription_may_be_pinged_in_the_transaction_that_makes_it(company, receiver):
    def do(context, request):
        return subscribe(context, receiver.url, events=['employee.*']).ping().id

    id = company.request(do, '/NWS')
    company.settle()
    ((status, *_, message_id),) = company.attempts('/NWS')
    assert (status, f'{message_id}-1') == ('successful', id)


def test_a_ping_that_the_dialect_can_not_render_is_a_failed_attempt(make_company, receiver):
    class Choosy(Dialect):
        def serialize(self, payload, request):
            raise KeyError('name')

    company = make_company(setup=lambda config: config.add_webhook_dialect('choosy', Choosy()))
    company.subscribe('/', receiver.url, dialect='choosy')
    ping(company)
    ((status, _, message, *_),) = company.attempts('/')
    assert status == 'failed' and "KeyError: 'name'" in message
    assert receiver.requests == []


# -- statistics


def statistics(company, path='/'):
    def do(manager):
        (subscription,) = manager.values()
        found = subscription.statistics
        verifyObject(IStatistics, found)
        return found

    return company.at(path, do)


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
