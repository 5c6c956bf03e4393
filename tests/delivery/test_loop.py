"""What the engine's thread does in which order, and what is left when some of it fails."""

import threading
import time

import pytest
from ZODB.POSException import ReadConflictError, StorageError

from pyramid_webhooks import manager_of
from pyramid_webhooks.delivery import loop
from pyramid_webhooks.delivery.holding import Holding
from pyramid_webhooks.outbox.owed import recipient_key
from pyramid_webhooks.outbox.root import outbox_of, partition_of
from pyramid_webhooks.outbox.segment import Entry, new_entry_key
from pyramid_webhooks.resources.health import STRIKES
from pyramid_webhooks.resources.message import Message
from tests.chaos.failing import FailingStorage
from tests.company import wait_until
from tests.delivery.stepping import Stepping


@pytest.fixture
def failing(monkeypatch):
    return FailingStorage(monkeypatch)


@pytest.fixture
def stepping(failing, make_company, receiver):
    settings = {'webhooks.delivery': 'worker', 'webhooks.retry_schedule': '1s'}
    company = make_company(settings=settings)
    company.subscribe('/', receiver.url)
    stepping = Stepping(company)
    stepping.cycle()
    yield stepping
    stepping.loop._member.end()


def test_results_are_recorded_although_what_is_owed_can_not_be_read(company, receiver):
    """They would be sent once more by each process that starts."""
    answered = threading.Event()
    receiver.answer(lambda request: answered.wait(10) and None)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(1)

    def spoil(root):
        (subscription,) = manager_of(root).values()
        broken = Entry(None, recipient_key(subscription)[1])
        outbox_of(root._p_jar).intake.segments[0].add(new_entry_key(), broken)

    company.transact(spoil)
    company.add('/NWS/OUN', 'ben')
    answered.set()
    wait_until(lambda: company.attempts('/')[0][0] == 'successful')


def test_a_receiver_is_probed_although_something_was_not_sent_when_its_breaker_opened(stepping):
    """What is in memory would wait for the probe, and the probe for what is in memory."""
    *struck, last = stepping.sending(STRIKES + 1)
    for job in struck:
        stepping.finish(job, 503)
    stepping.cycle_until(lambda: stepping.queued() == STRIKES)
    assert stepping.lanes.take(0) is None
    stepping.finish(last)
    stepping.cycle_until(lambda: stepping.lanes.take(0))


@pytest.mark.parametrize(
    'results, longest',
    [(1, '_RECORD_NEXT_SECONDS'), (2, '_RECORD_ALONE_SECONDS')],
    ids=['a single one', 'several'],
)
def test_results_are_recorded_when_something_new_is_sent(stepping, monkeypatch, results, longest):
    """Then that is in the way of nothing. Until then, they wait for others."""
    jobs = stepping.sending(results)
    stepping.hear()
    monkeypatch.setattr(loop, '_RECORD_SECONDS', 1000)
    monkeypatch.setattr(loop, longest, 1000)
    for job in jobs:
        stepping.finish(job, 200)
    time.sleep(0.03)  # Long enough, were there something new.
    stepping.loop._signals.wake()
    stepping.cycle()
    assert stepping.owed() == results
    stepping.company.add('/NWS/OUN', 'new')
    stepping.cycle()
    assert stepping.owed() == 1


def test_what_is_due_is_read_again_when_the_transaction_that_read_it_fails(stepping, failing):
    """Nothing else happens to its receiver that would be a reason to look."""
    company = stepping.company
    (job,) = stepping.sending(1)

    def partition_of_an_inactive_one(manager):
        subscription = manager.create_subscription(to='http://127.0.0.1:1/', events=['employee.*'])
        manager.deactivate(subscription)
        return partition_of(recipient_key(subscription))

    while company.at('/', partition_of_an_inactive_one) == partition_of(job.recipient):
        pass
    company.add('/NWS/OUN', 'ben')
    stepping.finish(job, 503, ago=10)
    failing.arm(b'webhooks: schedule', {1}, StorageError('deliberately'))
    with pytest.raises(StorageError):
        stepping.cycle_until(lambda: failing.count)
    stepping.cycle()
    numbers = {each.number for each in stepping.loop._holding.jobs_of(job.recipient)}
    assert numbers == {1, 2}


def test_trouble_of_the_database_while_requests_are_prepared_is_no_fault_of_the_message(
    make_company, receiver, monkeypatch
):
    company = make_company()
    company.subscribe('/', receiver.url)
    data, troubles = Message.data, [ReadConflictError('somebody was faster')] * 3

    def troubled(message, *arguments):
        if troubles:
            raise troubles.pop()
        return data(message, *arguments)

    monkeypatch.setattr(Message, 'data', troubled)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert not troubles
    assert [each.json()['name'] for each in receiver.requests] == ['ann']


def test_who_was_to_be_stopped_when_preparing_failed_is_sent_nothing(
    make_company, receiver, monkeypatch
):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    id = company.subscribe('/', receiver.url)
    stepping = Stepping(company)
    company.add('/NWS/OUN', 'ann', 'ben')
    stepping.cycle_until(stepping.lanes.busy)
    company.at('/', lambda manager: manager.deactivate(manager[id]))
    prepare = Holding.prepare
    monkeypatch.setattr(Holding, 'prepare', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stepping.cycle_until(lambda: False)
    monkeypatch.setattr(Holding, 'prepare', prepare)
    stepping.cycle()
    assert not stepping.lanes.busy()
    assert stepping.lanes.take(0) is None
