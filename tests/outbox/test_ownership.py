"""Which process sends to which partition."""

import gc
import os
import subprocess
import sys

import pytest
import transaction
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage
from ZODB.POSException import ReadConflictError

from pyramid_webhooks.outbox.ownership import (
    LostPartitions,
    Member,
    ProcessRecord,
    host_token,
    start_token,
)
from pyramid_webhooks.outbox.root import PARTITIONS, Partition, outbox_of, partition_of

EVERYTHING = set(range(PARTITIONS))


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def db(tmp_path):
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    with database.transaction() as connection:
        outbox_of(connection, create=True)
    yield database
    database.close()


def claim(db, member):
    with db.transaction() as connection:
        member.owned = member.claim(outbox_of(connection))
    return set(member.owned)


def add_record(db, id, record):
    """Give all partitions to a process that is not this one."""
    with db.transaction() as connection:
        outbox = outbox_of(connection)
        outbox.processes[id] = record
        for partition in outbox.partitions:
            partition.give(id)


def record_of(pid, host=None):
    return ProcessRecord(host_token() if host is None else host, pid, start_token(pid))


@pytest.fixture
def other_process():
    process = subprocess.Popen(
        [sys.executable, '-c', 'input()'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait()
    process.stdin.close()


def test_whoever_is_alone_owns_everything(db):
    assert claim(db, Member(15)) == EVERYTHING


def test_a_second_one_in_this_process_gets_what_the_first_gives_back(db):
    first, second = Member(15), Member(15)
    assert claim(db, first) == EVERYTHING
    assert claim(db, second) == set()
    with db.transaction() as connection:
        first.release(outbox_of(connection))
    first.end()
    assert claim(db, second) == EVERYTHING


def test_one_of_this_process_that_ended_without_a_word_is_dead_at_once(db):
    first, second = Member(15), Member(15)
    claim(db, first)
    del first
    gc.collect()
    assert claim(db, second) == EVERYTHING


def test_a_process_of_this_host_that_lives_is_respected(db, other_process):
    add_record(db, 'other', record_of(other_process.pid))
    assert claim(db, Member(15)) == set()


def test_a_process_of_this_host_that_is_frozen_is_dead_when_its_lease_has_ended(db, other_process):
    clock = Clock()
    member = Member(15, clock)
    add_record(db, 'other', record_of(other_process.pid))
    assert claim(db, member) == set()
    clock.now += 14
    assert claim(db, member) == set()
    clock.now += 2
    assert claim(db, member) == EVERYTHING


def join(db, *members):
    """Let each member in turn give a sign of life, take its share and give back what is more."""
    for member in members:
        with db.transaction() as connection:
            member.owned = member.claim(outbox_of(connection), finished=member.leaving)
            member.leaving = set()
    for member in members:
        with db.transaction() as connection:
            member.leaving = member.surplus(outbox_of(connection))


def test_partitions_are_spread_evenly_as_processes_come_and_go(db, other_process):
    # Each is another process to the others.
    members = [Member(15) for _ in range(5)]
    for count in (1, 2, 3, 5):
        for _ in range(3):
            join(db, *members[:count])
        counts = sorted(len(member.serving) for member in members[:count])
        assert sum(counts) == PARTITIONS
        assert counts[-1] == -(-PARTITIONS // count)
        served = set().union(*(member.serving for member in members[:count]))
        assert served == EVERYTHING
    for gone in members[:2]:
        gone.end()
    for _ in range(3):
        join(db, *members[2:])
    counts = [len(member.serving) for member in members[2:]]
    assert sum(counts) == PARTITIONS and max(counts) == 22


def test_nobody_takes_what_has_not_been_given_back_yet(db):
    first, second = Member(15), Member(15)
    join(db, first)
    with db.transaction() as connection:
        second.owned = second.claim(outbox_of(connection))
    with db.transaction() as connection:
        first.leaving = first.surplus(outbox_of(connection))
    assert len(first.leaving) == PARTITIONS // 2
    assert set(first.serving) == EVERYTHING - first.leaving
    assert claim(db, second) == set(), 'something of these may still be in flight'
    with db.transaction() as connection:
        first.owned = first.claim(outbox_of(connection), finished=first.leaving)
    assert claim(db, second) == first.leaving


def test_a_process_of_this_host_that_was_killed_is_dead_at_once(db, other_process):
    record = record_of(other_process.pid)
    add_record(db, 'other', record)
    other_process.kill()
    other_process.wait()
    assert claim(db, Member(15)) == EVERYTHING


def test_a_killed_one_that_nobody_has_waited_for_is_dead(db, other_process):
    add_record(db, 'other', record_of(other_process.pid))
    other_process.kill()
    os.waitid(os.P_PID, other_process.pid, os.WEXITED | os.WNOWAIT)
    assert claim(db, Member(15)) == EVERYTHING


def test_another_process_that_got_the_same_pid_is_not_the_owner(db, other_process):
    record = record_of(other_process.pid)
    record.started = '1'
    add_record(db, 'other', record)
    assert claim(db, Member(15)) == EVERYTHING


def test_a_process_of_another_host_is_dead_when_its_lease_has_ended(db):
    clock = Clock()
    member = Member(15, clock)
    add_record(db, 'other', record_of(1, 'another host'))
    assert claim(db, member) == set()
    clock.now += 14
    assert claim(db, member) == set()
    with db.transaction() as connection:
        outbox_of(connection).processes['other'].heartbeat += 1
    clock.now += 14
    assert claim(db, member) == set(), 'it gave a sign of life'
    clock.now += 14
    assert claim(db, member) == set()
    clock.now += 2
    assert claim(db, member) == EVERYTHING
    with db.transaction() as connection:
        assert list(outbox_of(connection).processes) == [member.id]


def test_its_own_clock_decides_and_not_that_of_the_other_host(db):
    clock = Clock()
    record = record_of(1, 'another host')
    record.heartbeat = 0.0
    add_record(db, 'other', record)
    assert claim(db, Member(15, clock)) == set()


def fenced(db, member, numbers, between=None):
    """Commit something that is fenced, with something else committed in between."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    try:
        connection.root()['result'] = connection.root().get('result', 0) + 1
        member.fence(connection, outbox_of(connection), numbers)
        if between is not None:
            between()
        manager.commit()
    finally:
        manager.abort()
        connection.close()


def give_away(db, numbers):
    with db.transaction() as connection:
        for number in numbers:
            outbox_of(connection).partitions[number].give('somebody')


def test_the_fence_lets_the_owner_through(db):
    member = Member(15)
    claim(db, member)
    fenced(db, member, {1, 2})
    fenced(db, member, {1, 2}, between=lambda: give_away(db, {3}))


def test_the_fence_stops_one_whose_partition_is_taken_over_before_it_commits(db):
    member = Member(15)
    claim(db, member)
    with pytest.raises(ReadConflictError):
        fenced(db, member, {1, 2}, between=lambda: give_away(db, {2}))
    with db.transaction() as connection:
        assert 'result' not in connection.root()


def test_the_fence_tells_which_partitions_were_lost(db):
    member = Member(15)
    claim(db, member)
    give_away(db, {2, 5})
    with pytest.raises(LostPartitions) as caught:
        fenced(db, member, {1, 2, 5})
    assert sorted(caught.value.numbers) == [2, 5]


def test_a_partition_that_came_back_is_another_epoch(db):
    member = Member(15)
    claim(db, member)
    with db.transaction() as connection:
        partition = outbox_of(connection).partitions[7]
        partition.give('somebody')
        partition.give(member.id)
    with pytest.raises(LostPartitions):
        fenced(db, member, {7})
    claim(db, member)
    fenced(db, member, {7})


def test_a_child_of_a_fork_does_not_take_its_parent_for_dead(db):
    member = Member(15)
    assert member.pid == os.getpid()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            alive = Member(15)._is_alive('parent', record_of(os.getppid()))
            os.write(writing, b'alive' if alive else b'dead')
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    assert os.read(reading, 10) == b'alive'
    os.close(reading)


def test_subscriptions_are_spread_over_all_partitions():
    counts = [0] * PARTITIONS
    for number in range(64 * 100):
        counts[partition_of(('', number.to_bytes(8, 'big')))] += 1
    assert min(counts) > 50 and max(counts) < 200
    assert partition_of(('', b'\0' * 8)) == partition_of(('', b'\0' * 8))
    assert Partition().owner is None


def test_nobody_is_taken_for_dead_who_gives_a_sign_of_life_at_that_moment(db):
    clock = Clock()
    member = Member(15, clock)
    add_record(db, 'other', record_of(1, 'another host'))
    claim(db, member)
    clock.now += 16
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    member.claim(outbox_of(connection))
    with db.transaction() as another:
        outbox_of(another).processes['other'].heartbeat += 1
    with pytest.raises(ReadConflictError):
        manager.commit()
    manager.abort()
    connection.close()
    assert claim(db, member) == set()


def test_a_late_sign_of_life_notices_that_something_was_taken_over_meanwhile(db):
    member = Member(15)
    claim(db, member)
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    member.claim(outbox_of(connection))
    give_away(db, {3})
    with pytest.raises(ReadConflictError):
        manager.commit()
    manager.abort()
    connection.close()
