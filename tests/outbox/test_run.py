"""Runs of deliveries: stored once, and taken apart by each queue for itself."""

import transaction
from persistent import Persistent

from pyramid_webhooks.outbox.run import Row, Run
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, Schedule

A, B = ('', b'1' * 8), ('', b'2' * 8)


class Message(Persistent):
    """What stands for a message here."""


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


def test_only_the_first_of_a_run_are_taken_apart():
    schedule = Schedule()
    schedule.put_run(A, run(range(10)))
    schedule.put_run(A, run(range(10, 15)))
    queue = schedule.queue(A)
    assert queue.unfold(4)
    assert not queue.unfold(4)
    assert orders(queue) == list(range(15)) and queue.count == 15
    for number in range(4):
        assert schedule.remove(A, (AT_ONCE, order(number)))
    assert not schedule.remove(A, (AT_ONCE, order(7))), 'it is in a run still'
    assert queue.unfold(8)
    assert orders(queue) == list(range(4, 15)) and queue.count == 11
    for number in range(4, 12):
        assert schedule.remove(A, (AT_ONCE, order(number)))
    assert orders(queue) == [12, 13, 14]


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
        schedule.queue(A).unfold(2)
        schedule.remove(A, (AT_ONCE, order(0)))
    assert database.storage.getSize() - size < 2000
    manager = transaction.TransactionManager()
    connection = database.open(manager)
    schedule = connection.root()['schedule']
    assert orders(schedule.queue(A)) == list(range(1, 300))
    assert orders(schedule.queue(B)) == list(range(300))
    manager.abort()
    connection.close()
