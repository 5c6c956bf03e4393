"""The intake: pages of segments that several connections change on old snapshots."""

import tempfile
from types import SimpleNamespace

import pytest
import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from persistent import Persistent
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage

from pyramid_webhooks.outbox.intake import PAGE_SIZE, Intake, Page
from pyramid_webhooks.outbox.segment import ENTRY_LIMIT, Entry


class Note(Persistent):
    """What stands for a message here."""

    def __init__(self, number):
        self.number = number


def references(numbers):
    return tuple(SimpleNamespace(oid=number) for number in numbers)


numbers = st.sets(st.integers(0, 9))


@given(numbers, numbers, numbers)
def test_a_merge_of_pages_has_all_segments_once(old, one, other):
    states = [
        {'segments': references(sorted(old)), 'pages': ()},
        {'segments': references([*sorted(old), *sorted(one - old)]), 'pages': ()},
        {'segments': references([*sorted(old), *sorted(other - old - one)]), 'pages': ()},
    ]
    merged = Page()._p_resolveConflict(*states)
    found = [each.oid for each in merged['segments']]
    assert len(found) == len(set(found))
    assert set(found) == old | one | other
    assert found[: len(old)] == sorted(old)


def test_a_page_that_is_full_gets_pages_and_those_get_segments():
    intake = Intake()
    for number in range(3000):
        intake.append(Entry(number, number.to_bytes(8, 'big')))
    segments = list(intake.all_segments())
    assert len(intake.segments) <= PAGE_SIZE
    assert len(segments) == len(set(map(id, segments)))
    assert sorted(entry.message for each in segments for _, entry in each.items()) == list(
        range(3000)
    )
    assert all(len(each) <= ENTRY_LIMIT for each in segments)


def test_emptied_segments_are_used_again():
    intake = Intake()
    for number in range(5000):
        entry = Entry(number, b'\0' * 8)
        segment = intake.append(entry)
        for key, _ in list(segment.items()):
            segment.take(key, [b'\0' * 8])
    assert len(list(intake.all_segments())) == len(Intake().segments)


class SeveralConnections(RuleBasedStateMachine):
    """Writers and consumers with connections of their own, on snapshots that get old."""

    WRITERS = 4
    which = st.integers(0, WRITERS - 1)

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.db = DB(FileStorage(f'{self.folder.name}/Data.fs'))
        with self.db.transaction() as connection:
            connection.root()['intake'] = Intake()
        self.number = 0
        self.owed = {}
        self.added = [{} for _ in range(self.WRITERS)]
        self.taken = [set() for _ in range(self.WRITERS)]
        self.open = []
        for _ in range(self.WRITERS):
            manager = transaction.TransactionManager()
            self.open.append((manager, self.db.open(manager)))

    def intake(self, which):
        return self.open[which][1].root()['intake']

    @rule(which=which, count=st.integers(1, 60), fan_out=st.integers(1, 5))
    def add(self, which, count, fan_out):
        for _ in range(count):
            self.number += 1
            oids = [(self.number * 8 + each).to_bytes(8, 'big') for each in range(fan_out)]
            self.intake(which).append(Entry(Note(self.number), b''.join(oids)))
            self.added[which][self.number] = set(oids)

    @rule(which=which, share=st.integers(0, 3), limit=st.integers(1, 200))
    def take(self, which, share, limit):
        """Take the ids that belong to one consumer."""
        for segment in self.intake(which).all_segments():
            for key, entry in list(segment.items()):
                number = entry.message.number
                mine = [oid for oid in entry.oids() if oid[-1] % 4 == share]
                if not mine or number not in self.owed or limit <= 0:
                    continue
                if any((number, oid) in taken for oid in mine for taken in self.taken):
                    continue
                limit -= 1
                assert segment.take(key, mine)
                self.taken[which].update((number, oid) for oid in mine)

    @rule(which=which)
    def commit(self, which):
        self.open[which][0].commit()
        self.owed.update(self.added[which])
        self.added[which] = {}
        for number, oid in self.taken[which]:
            self.owed[number].discard(oid)
        self.taken[which].clear()

    @rule(which=which)
    def abort(self, which):
        self.open[which][0].abort()
        self.added[which] = {}
        self.taken[which].clear()

    @rule(orders=st.permutations(range(WRITERS)), much=st.sampled_from([3, 3, 3, 3, 300]))
    def everyone_at_once(self, orders, much):
        """All begin on the same snapshot, change what they like, and commit one by one."""
        for which in orders:
            self.commit(which)
        for which in orders:
            self.open[which][0].begin()
        for which in orders:
            self.take(which, share=which, limit=50)
            self.add(which, much, self.WRITERS)
        for which in orders:
            self.commit(which)

    @invariant()
    def everything_owed_is_there_once(self):
        found = {}
        with self.db.transaction() as connection:
            for segment in connection.root()['intake'].all_segments():
                for _, entry in segment.items():
                    number = entry.message.number
                    assert number not in found
                    found[number] = set(entry.oids())
        assert found == {number: oids for number, oids in self.owed.items() if oids}

    def teardown(self):
        for manager, connection in self.open:
            manager.abort()
            connection.close()
        self.db.close()
        self.folder.cleanup()


SeveralConnections.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestNothingIsLostDoubledOrInConflict = SeveralConnections.TestCase


@pytest.fixture
def db(tmp_path):
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    with database.transaction() as connection:
        connection.root()['intake'] = Intake()
    yield database
    database.close()


def test_a_segment_of_an_aborted_transaction_is_not_used_again(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']
    for number in range(ENTRY_LIMIT * 40):
        intake.append(Entry(None, number.to_bytes(8, 'big')))
    manager.abort()
    for number in range(100):
        intake.append(Entry(None, number.to_bytes(8, 'big')))
    manager.commit()
    connection.close()
    with db.transaction() as connection:
        segments = list(connection.root()['intake'].all_segments())
        owed = [entry.owed for segment in segments for _, entry in segment.items()]
    assert sorted(owed) == [number.to_bytes(8, 'big') for number in range(100)]


def test_a_backlog_makes_an_addition_no_more_expensive(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']

    def cost():
        connection.cacheMinimize()
        before = sum(connection.getTransferCounts())
        for number in range(20):
            connection.root()['intake'].append(Entry(None, number.to_bytes(8, 'big')))
            manager.commit()
        return sum(connection.getTransferCounts()) - before

    little = cost()
    for number in range(10_000):
        intake.append(Entry(None, number.to_bytes(8, 'big')))
    manager.commit()
    much = cost()
    connection.close()
    assert much < 4 * little
