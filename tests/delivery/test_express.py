"""What was just committed is sent at once where that is safe, and nothing overtakes anything."""

import threading
import time
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyramid.threadlocal import manager as threadlocals
from pyramid_zodbconn import get_connection
from ZODB.Connection import Connection
from ZODB.POSException import POSKeyError

from pyramid_webhooks.delivery import holding, parking, sender
from pyramid_webhooks.delivery.holding import ALLOWANCE, UNPROVEN_ALLOWANCE
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.outbox.owed import RESEND
from pyramid_webhooks.resources.health import Health
from pyramid_webhooks.resources.message import COPY_SIZE, Message, MessageCopy, copy_of
from pyramid_webhooks.testing import Receiver
from tests.company import Folder, add, names_of, wait_until
from tests.delivery.reading import Reading


@pytest.fixture
def works(reading):
    """The subscription, whose receiver has proved itself, and which is owed nothing."""
    reading.company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.send(job.recipient)
    reading.lanes.know(job.recipient, Health(successes=1))
    return job.recipient


def test_what_is_owed_to_a_receiver_that_works_is_taken_once_and_in_order(reading, works):
    for number in range(5):
        reading.company.add('/NWS/OUN', f'e{number}')
    jobs, complete = reading.read_express()
    assert complete
    assert len(jobs) == 5
    assert [job.created for job in jobs] == sorted(job.created for job in jobs)
    assert reading.read_express() == ([], True)
    assert reading.read()[0] == []


def test_nothing_is_written(reading, works):
    reading.company.add('/NWS/OUN', 'ann')
    before = reading.company.database.lastTransaction()
    reading.read_express()
    assert reading.company.database.lastTransaction() == before


def test_what_is_owed_to_others_is_left_to_the_ordinary_reading(reading, works, receiver):
    reading.company.subscribe('/', receiver.url)
    reading.company.add('/NWS/OUN', 'ann')
    jobs, complete = reading.read_express()
    assert [job.recipient for job in jobs] == [works]
    assert not complete
    ((other,), _, _) = reading.read()
    assert other.recipient != works
    assert reading.read_express() == ([], True)


def test_a_command_is_left_to_the_ordinary_reading(reading, works):
    reading.company.at('/', lambda m: [m.deactivate(each) for each in m.values()])
    assert reading.read_express() == ([], False)


def test_what_an_inactive_one_is_owed_is_left_to_the_ordinary_reading(reading, works):
    reading.company.add('/NWS/OUN', 'ann')
    reading.company.at('/', lambda m: [m.deactivate(each) for each in m.values()])
    assert reading.read_express() == ([], False)


def test_a_ping_is_left_to_the_ordinary_reading(reading, works):
    reading.company.at('/', lambda m: [each.ping() and None for each in m.values()])
    assert reading.read_express() == ([], False)


def test_nothing_overtakes_a_ping(reading, works):
    reading.company.at('/', lambda m: [each.ping() and None for each in m.values()])
    reading.company.add('/NWS/OUN', 'younger')
    assert reading.read_express() == ([], False)
    jobs, _, _ = reading.read()
    assert [job.created for job in jobs] == sorted(job.created for job in jobs)


def test_what_is_sent_once_more_is_left_to_the_ordinary_reading(reading, works):
    reading.company.add('/NWS/OUN', 'ann')
    with reading.database.session() as session:
        for segment in session.primary.intake.all_segments():
            for key, entry in list(segment.items()):
                segment.take(key, [works[1]])
                segment.add(key, entry._replace(details=(RESEND, 2, 1.0)))
        session.commit('again')
    assert reading.read_express() == ([], False)
    ((job,), _, _) = reading.read()
    assert job.number == 2


def test_nothing_overtakes_what_waits_in_the_schedule(reading, works):
    reading.lanes.know(works, Health(strikes=5, probe_at=1e11))
    reading.company.add('/NWS/OUN', 'older')
    reading.read()
    reading.read()
    assert reading.waiting()
    reading.lanes.know(works, Health(successes=1))
    reading.reader.parking.forget()
    reading.company.add('/NWS/OUN', 'younger')
    assert reading.read_express() == ([], False)


def test_nothing_overtakes_what_waits_in_the_schedule_of_another_database(
    make_company, receiver, tmp_path
):
    """What is new there has come after it, though not after what is new here."""
    far = f'file://{tmp_path}/Far.fs?connection_pool_size=40&database_name=far'
    company = make_company(settings={'webhooks.delivery': 'worker', 'zodbconn.uri.far': far})

    def mount(context, request):
        office = get_connection(request, 'far').root()['office'] = Folder()
        get_connection(request, 'far').add(office)
        context['NWS']['FAR'] = office

    company.request(mount)
    company.subscribe('/', receiver.url)
    reading = Reading(company)
    company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.send(job.recipient)
    reading.lanes.know(job.recipient, Health(strikes=5, probe_at=1e11))
    company.add('/NWS/FAR', 'older')
    reading.read()
    reading.read()
    reading.lanes.know(job.recipient, Health(successes=1))
    reading.reader.parking.forget()
    company.add('/NWS/OUN', 'younger')
    company.add('/NWS/FAR', 'younger')
    assert reading.read_express() == ([], False)
    assert reading.read()[0] == []


def test_nothing_overtakes_what_waits_in_the_intake(reading, works):
    reading.lanes.know(works, Health())
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 9)])
    reading.read(put_away=False)
    reading.lanes.know(works, Health(successes=1))
    for number in range(20):
        reading.company.add('/NWS/OUN', f'younger{number}')
    assert reading.read_express() == ([], True), 'they wait with it'
    reading.read()
    assert len(reading.waiting()) == 29


def test_nothing_overtakes_what_an_unfinished_transaction_puts_away(reading, works):
    reading.lanes.know(works, Health())
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 9)])
    reading.read(put_away=False)
    reading.lanes.know(works, Health(successes=1))
    with reading.database.session() as session:
        view = reading.view(session)
        reading.reader.parking.hurry([works])
        seen = reading.reader.read(view, ())
        assert not reading.reader.parking.is_waiting(works)
        reading.company.add('/NWS/OUN', 'younger')
        assert reading.read_express() == ([], False)
        session.commit('put away')
        reading.reader.accept(seen)
    assert reading.read_express() == ([], False)
    reading.read()
    assert len(reading.waiting()) == 10


def test_nothing_overtakes_what_had_no_room(reading, works):
    reading.company.add('/NWS/OUN', *[f'a{number}' for number in range(ALLOWANCE)])
    jobs, complete = reading.read_express()
    assert len(jobs) == ALLOWANCE and complete
    reading.company.add('/NWS/OUN', 'older')
    assert reading.read_express() == ([], False)
    reading.holding.forget(reading.holding.unsent(works))
    reading.company.add('/NWS/OUN', 'younger')
    again, _ = reading.read_express()
    assert [job.created for job in again] == sorted(job.created for job in again)


def test_nothing_is_taken_of_a_receiver_that_a_transaction_under_way_has_met(reading, works):
    reading.company.add('/NWS/OUN', 'ann')
    assert reading.read_express({works}) == ([], False)
    assert len(reading.read_express()[0]) == 1


def test_nothing_is_taken_of_more_than_is_read_at_once(reading, works, monkeypatch):
    """What is not read may be older than what is."""
    monkeypatch.setattr('pyramid_webhooks.delivery.express._READ_LIMIT', 20)
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])
    reading.company.add('/NWS/OUN', 'one too many')
    assert reading.read_express() == ([], False)
    assert len(reading.read()[0]) == 21


def test_nothing_is_taken_of_more_deliveries_than_are_read_at_once(
    reading, works, receiver, monkeypatch
):
    """What is in memory is bounded, however many a message is for."""
    monkeypatch.setattr('pyramid_webhooks.delivery.express._DELIVERY_LIMIT', 5)
    for _ in range(2):
        reading.company.subscribe('/', receiver.url)
    reading.company.add('/NWS/OUN', 'one', 'two')
    assert reading.read_express() == ([], False)
    assert len(reading.read()[0]) == 6


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from('aaaaeeooswf'), min_size=5, max_size=30))
def test_whatever_happens_each_delivery_is_sent_once_and_in_order(reading, works, steps):
    """Commits, both kinds of reading, sending, and a receiver that fails and works again."""
    sent, count = [], 0
    for step in [*steps, 'w', *'osososos']:
        if step == 'a':
            count += 1
            reading.company.add('/NWS/OUN', uuid.uuid4().hex)
        elif step == 'e':
            reading.read_express()
        elif step == 'o':
            reading.read_all()
        elif step == 's':
            sent += reading.send(works)
        elif step == 'w':
            reading.lanes.know(works, Health(successes=1))
            reading.reader.parking.hurry([works])
        else:
            reading.lanes.know(works, Health())
    created = [job.created for job in sent]
    assert len(created) == len(set(created)) == count
    assert created == sorted(created)


def test_a_receiver_that_works_gets_its_deliveries_while_those_of_others_are_put_away(
    make_company, receiver, monkeypatch
):
    """And nothing of what is put away is lost."""
    company = make_company(settings={'webhooks.timeout': '30'})
    taker = company.registry.getUtility(IDeliveryEngine)._loop._taker
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    begun, arrived = threading.Event(), []
    original = parking._runs

    def slow_runs(found):
        begun.set()
        deadline = time.monotonic() + 10
        while not arrived and time.monotonic() < deadline:
            taker._pause(0)
            arrived.extend(name for name in names_of(receiver) if name == 'meanwhile')
        return original(found)

    monkeypatch.setattr(parking, '_LONGEST_REST', 0.3)
    # All senders that there are wait for those that do not answer.
    monkeypatch.setattr(sender, '_IDLE_SECONDS', 0.02)
    with Receiver() as dead, Receiver() as other:
        over = threading.Event()
        for each in (dead, other):
            each.answer(lambda request: over.wait(30) and 200)
        company.subscribe('/', dead.url)
        company.subscribe('/NWS', other.url)
        company.subscribe('/NWS/NCA', other.url)
        names = [f'e{number}' for number in range(2 * UNPROVEN_ALLOWANCE)]
        for name in names:
            company.add('/NWS/OUN', name)
            company.add('/NWS/NCA', name)
        wait_until(lambda: len(taker.intake.parking.waiting('')) == 3)
        monkeypatch.setattr(parking, '_runs', slow_runs)
        company.add('/NWS/OUN', 'trigger')
        assert begun.wait(20)
        company.add('/NWS/OUN', 'meanwhile')
        wait_until(lambda: arrived)
        over.set()
        company.settle()
        assert len(names_of(dead)) == 2 * len(names) + 2
        assert len(names_of(other)) == 3 * len(names) + 2


def test_who_waits_is_known_at_once(reading, works):
    """Also when the transaction that put the last of it away has failed."""
    parking, packed = reading.reader.parking, works[1]
    assert parking.split('', packed) == ([packed], False)
    parking.add('', b'segment', b'entry', works)
    assert parking.split('', packed) == ([], True)
    parking.forget()
    parking.add('', b'segment', b'entry', works)
    parking._segments.clear()
    parking.hurry([works])
    with reading.database.session() as session:
        parking.put_away(reading.view(session))
        assert parking.split('', packed) == ([packed], False)
        parking.put_away(reading.view(session), more=True)
        assert parking.split('', packed) == ([], True)


def test_what_there_is_no_room_for_is_left_to_the_ordinary_reading(reading, works, monkeypatch):
    monkeypatch.setattr(holding, 'ALLOWANCE', 2)
    reading.company.add('/NWS/OUN', 'ann', 'ben', 'cid')
    jobs, complete = reading.read_express()
    assert (len(jobs), complete) == (2, False)
    assert reading.read_express() == ([], False)
    assert sum(map(len, (jobs, reading.send(works)))) == 4
    reading.read_all()
    (last,) = reading.send(works)
    assert last.created > jobs[-1].created


def reads_of_messages(monkeypatch):
    """The ids of the messages that are read from here on."""
    read = []
    original = Message.__setstate__

    def setstate(message, state):
        original(message, state)
        read.append(message.id)

    monkeypatch.setattr(Message, '__setstate__', setstate)
    return read


def test_what_the_process_has_committed_itself_is_not_read_again(company, receiver, monkeypatch):
    prepared = {}
    original = Recipients.prepare

    def prepare(self, job, message):
        prepared[message.id] = type(message)
        return original(self, job, message)

    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'first')
    company.settle()
    monkeypatch.setattr(Recipients, 'prepare', prepare)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    company.add('/NWS/OUN', 'bob', age='x' * COPY_SIZE)
    company.settle()
    assert names_of(receiver) == ['first', 'ann', 'bob']
    assert list(prepared.values()) == [MessageCopy, Message]
    recorded = [attempt[4] for attempt in company.attempts('/')]
    assert recorded == [request.headers['webhook-id'] for request in receiver.requests]


def test_what_nobody_has_told_of_is_read(reading, works, monkeypatch):
    reading.company.add('/NWS/OUN', 'ann')
    reading.company.database.cacheMinimize()
    read = reads_of_messages(monkeypatch)
    (job,), complete = reading.read_express()
    assert complete
    assert job.copy is None
    assert len(read) == 1


def test_a_copy_is_used_for_all_that_the_message_is_owed_to(reading, works):
    """It says what the message says; what it is owed by is read all the same."""
    other = reading.company.subscribe('/', 'http://127.0.0.1:1/')
    reading.company.add('/NWS/OUN', 'second')
    for job in reading.read()[0]:
        reading.send(job.recipient)
        reading.lanes.know(job.recipient, Health(successes=1))
    reading.company.add('/NWS/OUN', 'ann')
    with reading.database.session() as session:
        ((home, message),) = [
            (home, entry.message)
            for home, outbox in session.outboxes.items()
            for segment in outbox.intake.all_segments()
            for _, entry in segment.items()
        ]
        message._p_activate()
        copies = {(home, message._p_oid): copy_of(message)}
    reading.express._take_copy = lambda key: copies.pop(key, None)
    jobs, complete = reading.read_express()
    assert complete
    assert len(jobs) == 2, other
    assert jobs[0].copy is jobs[1].copy is not None
    assert not copies
    assert {job.created for job in jobs} == {jobs[0].copy.timestamp}
    assert reading.read_express() == ([], True)


def copies_of(reading):
    """Of all that is in the intakes."""
    copies = {}
    with reading.database.session() as session:
        for home, outbox in session.outboxes.items():
            for segment in outbox.intake.all_segments():
                for _, entry in segment.items():
                    entry.message._p_activate()
                    copies[(home, entry.message._p_oid)] = copy_of(entry.message)
    return copies


def test_what_is_copied_and_what_is_read_are_taken_in_their_order(reading, works):
    for name in 'abcdefgh':
        reading.company.add('/NWS/OUN', name)
    copies = dict(list(copies_of(reading).items())[::2])
    reading.express._take_copy = lambda key: copies.pop(key, None)
    jobs, complete = reading.read_express()
    assert complete
    assert {job.copy is None for job in jobs} == {True, False}
    assert [job.created for job in jobs] == sorted(job.created for job in jobs)


def test_what_was_packed_away_is_left_to_the_ordinary_reading(reading, works, caplog):
    reading.company.add('/NWS/OUN', 'ann')
    ((_, oid),) = copies_of(reading)
    reading.company.database.cacheMinimize()
    with pytest.MonkeyPatch.context() as patch:
        original = Connection.setstate

        def setstate(self, obj):
            if obj._p_oid == oid:
                raise POSKeyError(oid)
            original(self, obj)

        patch.setattr(Connection, 'setstate', setstate)
        assert reading.read_express() == ([], False)
        assert reading.read() == ([], [], 0)
    assert 'is not in the database' in caplog.text


def test_messages_of_another_application_are_not_taken_for_ones_own(make_company, receiver):
    """What code of one does to the objects of the other; both name their database alike."""

    def setup(config):
        config.add_webhook_subscription(receiver.url, events=['employee.*'])

    own, other = make_company(setup=setup), make_company(setup=setup)
    own.add('/NWS/OUN', 'first')
    own.settle()
    copies = own.registry.getUtility(IDeliveryEngine)._signals._copies
    before = dict(copies)

    def add_elsewhere(root):
        threadlocals.push({'registry': own.registry, 'request': None})
        try:
            add(root['NWS']['OUN'], 'elsewhere', own.registry.notify)
        finally:
            threadlocals.pop()

    other.transact(add_elsewhere)
    assert copies == before
