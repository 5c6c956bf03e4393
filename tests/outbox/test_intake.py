"""The intake: pages of segments that several connections change on old snapshots."""

import itertools
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
from pyramid_webhooks.outbox.segment import (
    BACKLOG_ENTRY_LIMIT,
    ENTRY_LIMIT,
    OWED_LIMIT,
    Entry,
    Segment,
)


class Note(Persistent):
    """What stands for a message here."""

    def __init__(self, number):
        self.number = number


@pytest.fixture
def db(tmp_path):
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    with database.transaction() as connection:
        connection.root()['intake'] = Intake()
    yield database
    database.close()


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


def places(db, entries):
    """The oid of the segment of each entry, added in a transaction of its own."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    found = []
    for entry in entries:
        manager.begin()
        segment = connection.root()['intake'].append(entry)
        manager.commit()
        found.append(segment._p_oid)
    connection.close()
    return found


def test_a_few_entries_in_a_row_go_to_the_same_segment(db):
    found = places(db, [Entry(None, bytes(8))] * 12)
    assert [len(list(group)) for _, group in itertools.groupby(found)] == [4, 4, 4]
    assert len(set(found)) == 3


def test_what_one_transaction_adds_goes_to_few_segments(db):
    with db.transaction() as connection:
        intake = connection.root()['intake']
        found = [intake.append(Entry(None, bytes(8))) for _ in range(ENTRY_LIMIT)]
        assert len(set(found)) == 1
        found = [intake.append(Entry(None, bytes(8))) for _ in range(100 * ENTRY_LIMIT)]
        assert len(set(found)) <= 110


def test_what_owes_much_goes_to_a_segment_of_its_own(db):
    found = places(db, [Entry(None, bytes(8 * 100))] * 6)
    assert len(set(found)) == 6


def test_a_segment_that_others_have_changed_is_left_to_them(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    manager.begin()
    first = connection.root()['intake'].append(Entry(None, bytes(8)))
    manager.commit()
    with db.transaction() as other:
        segment = other.get(first._p_oid)
        for key, entry in list(segment.items()):
            segment.take(key, entry.oids())
    manager.begin()
    assert connection.root()['intake'].append(Entry(None, bytes(8))) is not first
    manager.abort()
    connection.close()


def test_a_backlog_goes_to_segments_of_its_own_until_there_is_room_again(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    first = {segment._p_oid for segment in connection.root()['intake'].segments}

    def add():
        manager.begin()
        segment = connection.root()['intake'].append(Entry(None, bytes(8)))
        manager.commit()
        return segment

    while (own := add())._p_oid in first:
        pass
    assert all(add() is own for _ in range(BACKLOG_ENTRY_LIMIT - 1))
    assert add() is not own
    with db.transaction() as other:
        for segment in other.root()['intake'].all_segments():
            for key, entry in list(segment.items()):
                segment.take(key, entry.oids())
    assert add()._p_oid in first
    connection.close()


def fill(intake, extra_pages=PAGE_SIZE):
    """Make every segment full; with so many pages of one."""
    for _ in range(extra_pages):
        page = Page()
        page.segments = (Segment(),)
        intake.pages += (page,)
    full = Entry(None, bytes(8 * OWED_LIMIT))
    for number, segment in enumerate(intake.all_segments()):
        segment.add(number.to_bytes(16, 'big'), full)
    return full


def test_once_the_first_ones_have_room_again_nothing_is_hidden_in_others(db):
    """Readers who are told nothing look elsewhere only as long as one of the first is full."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']
    fill(intake, 0)
    manager.commit()
    assert intake.append(Entry(None, bytes(8))) not in intake.segments
    manager.commit()
    with db.transaction() as other:
        for segment in other.root()['intake'].segments:
            for key, entry in list(segment.items()):
                segment.take(key, entry.oids())
    manager.begin()
    assert intake.append(Entry(None, bytes(8))) in intake.segments
    manager.abort()
    connection.close()


def test_what_was_rolled_back_twice_is_not_used_again(db):
    """ZODB forgets the first time what it would have to disown the second time."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']
    fill(intake)
    manager.commit()
    manager.savepoint()
    connection.root()['one'] = 1
    savepoint = manager.savepoint()
    savepoint.rollback()
    intake.append(Entry(None, b'rolled b'))
    manager.savepoint()
    savepoint.rollback()
    connection.root()['other'] = 1
    manager.commit()
    for number in range(3):
        intake.append(Entry(None, number.to_bytes(8, 'big')))
        manager.commit()
    connection.close()
    with db.transaction() as reader:
        segments = reader.root()['intake'].all_segments()
        owed = {entry.owed for segment in segments for _, entry in segment.items()}
    assert owed == {bytes(8 * OWED_LIMIT), *(number.to_bytes(8, 'big') for number in range(3))}


def test_those_who_have_met_in_a_segment_part(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']
    steps = []
    before = None
    for _ in range(30):
        manager.begin()
        segment = intake.append(Entry(None, bytes(8)))
        place = intake.segments.index(segment)
        manager.commit()
        with db.transaction() as other:
            there = other.get(segment._p_oid)
            for key, entry in list(there.items()):
                there.take(key, entry.oids())
        steps.append(None if before is None else (place - before) % len(intake.segments))
        before = place
    connection.close()
    assert 0 not in steps
    assert len(set(steps)) > 3


def test_a_young_page_is_seldom_looked_at():
    old, young = Page(), Page()
    old.segments, young.segments = tuple(Segment() for _ in range(PAGE_SIZE)), (Segment(),)
    old.pages = (young,)
    found = [old.random_segment() for _ in range(1700)]
    assert 20 < found.count(young.segments[0]) < 300
    intake = Intake()
    assert intake.random_segment() in intake.segments
    intake.pages = (old,)
    assert all(intake.random_segment() not in intake.segments for _ in range(100))


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


def test_a_segment_that_an_aborted_transaction_has_added_to_a_page_is_not_used_again(db):
    """The intake itself, which remembers it, was not changed then."""
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    intake = connection.root()['intake']
    full = fill(intake)
    manager.commit()
    intake.append(Entry(None, b'aborted.'))
    manager.abort()
    intake.append(Entry(None, b'the next'))
    manager.commit()
    connection.close()
    with db.transaction() as connection:
        segments = connection.root()['intake'].all_segments()
        owed = [entry.owed for segment in segments for _, entry in segment.items()]
    assert {each for each in owed if each != full.owed} == {b'the next'}


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
