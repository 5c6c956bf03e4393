"""Runs of deliveries: stored once, and taken apart by each queue for itself."""

import random

import transaction
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from pyramid_webhooks.outbox.run import Row, Run
from pyramid_webhooks.outbox.schedule import _BEGUN, AT_ONCE, Item, Queue, Schedule

A, B = ('', b'1' * 8), ('', b'2' * 8)


class Message(Persistent):
    """What stands for a message here."""


class Stores:
    """Counts the records that a connection writes."""

    def __init__(self, connection, monkeypatch):
        self.sizes = []
        store = connection._storage.store

        def counting(oid, serial, data, *args):
            self.sizes.append(len(data))
            return store(oid, serial, data, *args)

        monkeypatch.setattr(connection._storage, 'store', counting)


def order(number):
    return number.to_bytes(24, 'big')


def run(numbers):
    return Run([Row(order(number), Message(), float(number)) for number in numbers])


def orders(queue, until=None, limit=None):
    return [int.from_bytes(key[1], 'big') for key, _ in queue.items(until, limit)]


def test_a_run_waits_like_what_it_is_made_of():
    schedule = Schedule()
    schedule.put_run(A, run([3, 4, 5]))
    schedule.put(A, (AT_ONCE, order(1)), Item(Message(), 2, 1, 0.0))
    schedule.put(A, (7.0, order(2)), Item(Message(), 2, 1, 0.0))
    queue = schedule.queue(A)
    assert orders(queue) == [1, 3, 4, 5, 2]
    assert orders(queue, until=AT_ONCE, limit=3) == [1, 3, 4]
    assert queue.count == 5
    assert [item.created for _, item in queue.items(until=AT_ONCE)] == [0.0, 3.0, 4.0, 5.0]
    assert list(schedule.due(0.0)) == [A]


def test_deliveries_are_taken_out_of_runs_in_any_order():
    schedule = Schedule()
    schedule.put_run(A, run(range(10)))
    schedule.put_run(A, run(range(10, 15)))
    queue = schedule.queue(A)
    for number in (7, 0, 12, 3, 14):
        assert schedule.remove(A, (AT_ONCE, order(number)))
        assert not schedule.remove(A, (AT_ONCE, order(number))), 'it was taken out already'
        assert (AT_ONCE, order(number)) not in queue
    assert orders(queue) == [1, 2, 4, 5, 6, 8, 9, 10, 11, 13] and queue.count == 10
    assert (AT_ONCE, order(13)) in queue


def test_the_first_of_a_run_is_taken_out_without_the_others():
    schedule = Schedule()
    schedule.put_run(A, run(range(4)))
    queue = schedule.queue(A)
    assert schedule.remove(A, (AT_ONCE, order(0)))
    assert orders(queue) == [1, 2, 3] and queue.count == 3
    for number in range(1, 4):
        assert schedule.remove(A, (AT_ONCE, order(number)))
    assert schedule.queue(A) is None


def test_one_run_is_stored_once_for_all_and_outlives_a_restart(database):
    with database.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        shared = run(range(300))
        for each in (A, B):
            schedule.put_run(each, shared)
    database.cacheMinimize()
    size = database.storage.getSize()
    with database.transaction() as connection:
        schedule = connection.root()['schedule']
        schedule.remove(A, (AT_ONCE, order(0)))
    assert database.storage.getSize() - size < 400
    manager = transaction.TransactionManager()
    connection = database.open(manager)
    schedule = connection.root()['schedule']
    assert orders(schedule.queue(A)) == list(range(1, 300))
    assert orders(schedule.queue(B)) == list(range(300))
    manager.abort()
    connection.close()


def test_to_take_one_out_of_a_run_is_to_write_one_small_record(database, monkeypatch):
    monkeypatch.setattr('pyramid_webhooks.outbox.schedule._BEGUN', 1)
    numbers = list(range(500))
    # As they are recorded: nearly in order.
    for at in range(0, 500, 20):
        random.Random(at).shuffle(part := numbers[at : at + 20])
        numbers[at : at + 20] = part
    with database.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        for at in (0, 500, 1000):
            schedule.put_run(A, run(range(at, at + 500)))
        schedule.put(A, (7.0, order(2000)), Item(Message(), 2, 1, 0.0))
    manager = transaction.TransactionManager()
    connection = database.open(manager)
    schedule = connection.root()['schedule']
    stores = Stores(connection, monkeypatch)
    for number in numbers:
        assert schedule.remove(A, (AT_ONCE, order(number)))
        manager.commit()
    assert len(stores.sizes) == 500 and max(stores.sizes) < 250
    # The next one is begun, once.
    for number in range(500, 1000):
        assert schedule.remove(A, (AT_ONCE, order(number)))
        manager.commit()
    assert len(stores.sizes) == 1001
    manager.abort()
    connection.close()


def test_to_add_one_of_a_few_runs_is_to_write_one_record_beside_it(database, monkeypatch):
    with database.transaction() as connection:
        connection.root()['schedule'] = Schedule()
    for number in range(_BEGUN + 2):
        with database.transaction() as connection:
            schedule = connection.root()['schedule']
            shared = run([number])
            connection.add(shared)
            connection.savepoint()
            stores = Stores(connection, monkeypatch)
            schedule.put_run(A, shared)
        if 0 < number < _BEGUN:
            assert len(stores.sizes) == 1 and stores.sizes[0] < 1500
    with database.transaction() as connection:
        assert orders(connection.root()['schedule'].queue(A)) == list(range(_BEGUN + 2))


def test_a_queue_of_nothing_but_a_run_is_one_record(database, monkeypatch):
    with database.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        shared = run(range(2))
        schedule.put_run(A, shared)
    with database.transaction() as connection:
        stores = Stores(connection, monkeypatch)
        schedule = connection.root()['schedule']
        schedule.put_run(B, schedule.queue(A)._begun[0].run)
    # The queue, and the schedule's two trees: the first, and when it is due.
    assert len(stores.sizes) == 3


def test_a_single_delivery_never_takes_the_place_of_a_run():
    schedule = Schedule()
    schedule.put(A, (AT_ONCE, order(9)), Item(Message(), 2, 1, 9.0))
    schedule.put_run(A, run([3, 4, 5]))
    schedule.put(A, (AT_ONCE, order(3)), Item(Message(), 2, 1, 33.0))
    schedule.put(A, (AT_ONCE, order(4)), Item(Message(), 2, 1, 44.0))
    queue = schedule.queue(A)
    assert [item.created for _, item in queue.items()] == [33.0, 44.0, 5.0, 9.0]
    assert queue.count == 4


def test_a_run_never_takes_the_place_of_anything():
    schedule = Schedule()
    schedule.put_run(A, run([1]))
    schedule.put_run(A, run([3, 4]))
    schedule.put_run(A, run([3, 5]))
    schedule.put(A, (AT_ONCE, order(6)), Item(Message(), 2, 1, 6.0))
    schedule.put_run(A, run([6, 7]))
    queue = schedule.queue(A)
    assert orders(queue) == [1, 3, 3, 4, 5, 6, 6, 7] and queue.count == 8
    for number in orders(queue):
        assert schedule.remove(A, (AT_ONCE, order(number)))
    assert schedule.queue(A) is None


def test_a_message_is_found_in_runs(database):
    messages = [Message() for _ in range(6)]
    with database.transaction() as connection:
        schedule = connection.root()['schedule'] = Schedule()
        for numbers in ([0, 1, 2], [3, 4]):
            rows = [Row(order(number), messages[number], 0.0) for number in numbers]
            schedule.put_run(A, Run(rows))
        schedule.put(A, (7.0, order(5)), Item(messages[5], 2, 1, 0.0))
    oids = [message._p_oid for message in messages]
    with database.transaction() as connection:
        connection.cacheMinimize()
        schedule = connection.root()['schedule']
        queue = schedule.queue(A)
        found = [queue.keys_of(connection.get(oid)) for oid in oids]
        dues = [AT_ONCE] * 5 + [7.0]
        assert found == [[(due, order(number))] for number, due in enumerate(dues)]
        for keys in found[1:4]:
            assert schedule.remove(A, keys[0])
        assert [queue.keys_of(connection.get(oid)) for oid in oids[1:4]] == [[], [], []]
        assert orders(queue) == [0, 4, 5]


def test_a_queue_that_an_earlier_version_stored_is_read(database, monkeypatch):
    with monkeypatch.context() as earlier, database.transaction() as connection:
        earlier.setattr(Queue, '__getstate__', Persistent.__getstate__)
        schedule = connection.root()['schedule'] = Schedule()
        queue = Queue()
        queue._items[(AT_ONCE, order(1))] = tuple(Item(Message(), 1, 0, 1.0))
        queue._items[(AT_ONCE, order(4))] = (run([2, 3, 4, 5, 6]), 2)
        queue._items[(7.0, order(0))] = tuple(Item(Message(), 2, 1, 0.0))
        queue.count = 5
        schedule._queues, schedule._due = OOBTree({A: queue}), OOTreeSet()
        schedule._index(A, queue)
    data, _ = database.storage.load(queue._p_oid)
    assert b'indexed' in data and b'_begun' not in data, 'a dict, as it was'
    with database.transaction() as connection:
        connection.cacheMinimize()
        schedule = connection.root()['schedule']
        queue = schedule.queue(A)
        assert orders(queue) == [1, 4, 5, 6, 0] and queue.count == 5
        assert (queue.put_off, queue.held, queue.indexed) == (None, False, AT_ONCE)
        assert not schedule.remove(A, (AT_ONCE, order(3))), 'it was taken out then'
        assert schedule.remove(A, (AT_ONCE, order(5)))
    with database.transaction() as connection:
        connection.cacheMinimize()
        schedule = connection.root()['schedule']
        assert orders(schedule.queue(A)) == [1, 4, 6, 0] and schedule.queue(A).count == 4
        for due, number in [(AT_ONCE, 1), (AT_ONCE, 6), (AT_ONCE, 4), (7.0, 0)]:
            assert schedule.remove(A, (due, order(number)))
        assert schedule.queue(A) is None
