"""The storage in memory: what is seen, what is merged, and what is thrown away."""

import threading

import pytest
import transaction
from BTrees.OOBTree import OOBTree
from hypothesis import given, settings
from hypothesis import strategies as st
from persistent import Persistent
from persistent.mapping import PersistentMapping
from ZODB.DB import DB
from ZODB.interfaces import IStorage
from ZODB.POSException import ConflictError, POSKeyError, ReadConflictError
from ZODB.utils import z64
from zope.interface.verify import verifyObject

from pyramid_webhooks.outbox import memory_storage
from pyramid_webhooks.outbox.intake import Intake
from pyramid_webhooks.outbox.memory import MemoryDatabase
from pyramid_webhooks.outbox.memory_storage import MemoryStorage
from pyramid_webhooks.outbox.segment import Entry


class Note(Persistent):
    """Something to be stored."""

    def __init__(self, text='', following=None):
        self.text = text
        self.following = following


class Opened:
    """A connection with a transaction manager of its own."""

    def __init__(self, database):
        self.manager = transaction.TransactionManager()
        self.connection = database.open(self.manager)

    @property
    def root(self):
        return self.connection.root()

    def commit(self):
        self.manager.commit()

    def close(self):
        self.manager.abort()
        self.connection.close()


@pytest.fixture
def database():
    database = MemoryDatabase()
    yield database
    database.close()


@pytest.fixture
def open_(database):
    """Opens connections, which are closed in the end."""
    opened = []

    def open_():
        opened.append(Opened(database))
        return opened[-1]

    yield open_
    for each in opened:
        if each.connection.opened is not None:
            each.close()


def test_it_is_a_storage():
    assert verifyObject(IStorage, MemoryStorage())


def test_what_is_committed_is_seen_by_those_who_begin_later(open_):
    one, two = open_(), open_()
    one.root['note'] = Note('first')
    one.commit()
    assert 'note' not in two.root
    two.manager.begin()
    assert two.root['note'].text == 'first'


def test_a_state_is_kept_for_as_long_as_somebody_looks_at_it(database, open_):
    one = open_()
    one.root['note'] = Note('first' * 1000)
    one.commit()
    reader = open_()
    one.root['note'].text = 'second'
    one.commit()
    del one.root['note']
    one.commit()
    one.close()
    assert reader.root['note'].text == 'first' * 1000
    before = database.storage.getSize()
    reader.close()
    assert database.storage.getSize() < before - 5000
    assert len(database.storage) == 1


def test_who_looks_for_too_long_is_told_so_and_nothing_is_kept_for_him(
    database, open_, monkeypatch
):
    one = open_()
    one.root['note'] = Note('first')
    one.commit()
    reader = open_()
    monkeypatch.setattr(memory_storage, 'PIN_SECONDS', -1.0)
    one.close()
    one = open_()
    one.root['note'].text = 'second'
    one.commit()
    one.close()
    with pytest.raises((ReadConflictError, POSKeyError)):
        _ = reader.root['note'].text


def test_an_aborted_transaction_leaves_nothing(database, open_):
    one = open_()
    size = database.storage.getSize()
    one.root['note'] = Note('first')
    one.manager.savepoint()
    one.manager.abort()
    assert (database.storage.getSize(), len(database.storage)) == (size, 1)


def test_changes_of_one_object_are_a_conflict_unless_they_can_be_merged(open_):
    one = open_()
    one.root['note'], one.root['tree'] = Note(), OOBTree()
    one.commit()
    two = open_()
    one.root['tree']['a'], two.root['tree']['b'] = 1, 2
    one.commit()
    two.commit()
    assert dict(two.root['tree']) == {'a': 1, 'b': 2}
    one.manager.begin()
    one.root['note'].text, two.root['note'].text = 'one', 'two'
    one.commit()
    with pytest.raises(ConflictError):
        two.commit()
    two.manager.abort()
    assert two.root['note'].text == 'one'


def test_what_was_read_may_be_demanded_to_be_current(open_):
    one, two = open_(), open_()
    one.root['note'] = Note()
    one.commit()
    two.manager.begin()
    two.connection.readCurrent(two.root['note'])
    _ = two.root['note'].text
    two.connection.readCurrent(two.root['note'])
    two.root['other'] = Note()
    one.root['note'].text = 'changed'
    one.commit()
    with pytest.raises(ReadConflictError):
        two.commit()
    two.manager.abort()


def test_an_object_that_is_gone_can_not_be_changed(database, open_, monkeypatch):
    one, late = open_(), open_()
    one.root['note'] = Note('first')
    one.commit()
    late.manager.begin()
    late.root['note'].text = 'late'
    monkeypatch.setattr(memory_storage, 'PIN_SECONDS', -1.0)
    del one.root['note']
    one.commit()
    one.close()
    open_().close()
    assert len(database.storage) == 1
    with pytest.raises(ConflictError):
        late.commit()


def test_all_that_only_a_removed_object_led_to_goes_with_it(database, open_):
    one = open_()
    shared = Note('shared')
    chain = shared
    for number in range(50):
        chain = Note(str(number), chain)
    one.root['chain'], one.root['shared'] = chain, shared
    one.commit()
    assert len(database.storage) == 52
    del one.root['chain']
    one.commit()
    one.close()
    for _ in range(60):  # Each goes when nobody looks at what was before.
        open_().close()
    assert len(database.storage) == 2
    two = open_()
    assert two.root['shared'].text == 'shared'


def test_an_object_that_is_referred_to_again_stays(database, open_):
    one, reader = open_(), open_()
    one.root['note'] = note = Note('kept')
    one.commit()
    del one.root['note']
    one.commit()
    one.root['again'] = note
    one.commit()
    one.close()
    reader.close()
    two = open_()
    assert two.root['again'].text == 'kept'
    assert len(database.storage) == 2


def test_an_object_that_was_gone_for_a_while_is_kept_for_who_saw_it_come_back(open_):
    one = open_()
    one.root['note'] = note = Note('kept')
    one.commit()
    early = open_()
    del one.root['note']
    one.commit()
    one.root['note'] = note
    one.commit()
    one.close()
    reader = open_()
    two = open_()
    del two.root['note']
    two.commit()
    two.close()
    early.close()
    reader.connection.cacheMinimize()
    assert reader.root['note'].text == 'kept'


references = st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(references, st.integers(0, 3))
def test_what_is_there_is_what_can_be_reached(history, readers):
    """Notes 0 to 7 may refer to notes with higher numbers; the root refers to a set of them."""
    database = MemoryDatabase()
    writer = Opened(database)
    notes = [Note(str(number)) for number in range(8)]
    looking = []
    for step, wanted in enumerate(history):
        if step % 4 < readers:
            looking.append((Opened(database), set(writer.root)))
        present = set(map(int, writer.root))
        for number in present - wanted:
            del writer.root[str(number)]
        for number in wanted - present:
            if number in present or notes[number]._p_jar is None:
                notes[number] = Note(str(number), writer.root.get(str(max(wanted))))
                writer.root[str(number)] = notes[number]
            else:
                notes[number] = writer.root[str(number)] = Note(str(number))
        writer.commit()
    for each, seen in looking:
        assert set(each.root) == seen
        assert all(each.root[name].text == name for name in seen)
        each.close()
    expected = database.storage.weigh(z64)
    writer.close()
    for _ in range(12):
        Opened(database).close()
    assert database.storage.getSize() == expected
    assert not database.storage._waste and not database.storage._orphans
    database.close()


def test_many_threads_that_add_and_one_that_takes_meet_no_conflict(database):
    first = Opened(database)
    first.root['intake'] = Intake()
    first.commit()
    first.close()
    taken, errors = [], []
    done = threading.Event()

    def add(number):
        try:
            for count in range(100):
                each = Opened(database)
                note = Note(f'{number} {count}')
                each.root['intake'].append(Entry(note, b'recipien'))
                each.commit()
                each.close()
        except BaseException as error:
            errors.append(error)

    def take():
        try:
            each = Opened(database)
            while True:
                last = done.is_set()
                each.manager.begin()
                for segment in each.root['intake'].all_segments():
                    for key, entry in list(segment.items()):
                        taken.append(entry.message.text)
                        segment.take(key, [b'recipien'])
                each.commit()
                if last:
                    each.close()
                    return
        except BaseException as error:
            errors.append(error)

    adding = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    taking = threading.Thread(target=take)
    for thread in (*adding, taking):
        thread.start()
    for thread in adding:
        thread.join(60)
    done.set()
    taking.join(60)
    assert errors == []
    assert sorted(taken) == sorted(f'{n} {c}' for n in range(8) for c in range(100))
    Opened(database).close()
    assert database.storage.getSize() == database.storage.weigh(z64)


def test_what_it_costs_does_not_grow_with_what_was_written(database):
    each = Opened(database)
    each.root['notes'] = PersistentMapping()
    for number in range(2000):
        each.root['notes'][number % 5] = Note('x' * 100)
        each.commit()
    each.close()
    each = Opened(database)
    each.close()
    assert database.storage.getSize() < 20_000
    assert len(database.storage) == 7


def test_a_database_of_the_ordinary_kind_can_be_made_of_it():
    database = DB(MemoryStorage())
    with database.transaction() as connection:
        connection.root()['note'] = Note('plain')
    with database.transaction() as connection:
        assert connection.root()['note'].text == 'plain'
    database.close()
