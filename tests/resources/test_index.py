"""The index of active subscriptions by event."""

import pytest
import transaction
from hypothesis import given
from hypothesis import strategies as st
from ZODB.DB import DB
from ZODB.FileStorage.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from pyramid_webhooks.resources.index import EventIndex

KEYS = ['a.x', 'a.y', 'a.*', '*', 'p|q']
steps = st.lists(
    st.tuples(
        st.booleans(),
        st.sets(st.sampled_from(KEYS), min_size=1),
        st.sampled_from(['1', '2', '3', '4']),
    )
)


@given(steps, st.sets(st.sampled_from(KEYS)))
def test_it_finds_whatever_has_one_of_the_keys_once(steps, wanted):
    index, model = EventIndex(), {}
    wanted = frozenset(wanted)
    for add, keys, id in steps:
        if add:
            index.add(keys, id)
            model.setdefault(id, set()).update(keys)
        else:
            index.discard(keys, id)
            model.setdefault(id, set()).difference_update(keys)
        found = list(index.find(wanted))
        assert len(found) == len(set(found))
        assert set(found) == {id for id, keys in model.items() if keys & wanted}


def test_what_nobody_wants_loads_nothing_but_the_index(tmp_path):
    db = DB(FileStorage(str(tmp_path / 'Data.fs')))
    with db.transaction() as connection:
        index = connection.root()['index'] = EventIndex()
        for number in range(2000):
            index.add(['a.x'], str(number))
    connection = db.open()
    connection.cacheMinimize()
    index = connection.root()['index']
    connection.getTransferCounts(clear=True)
    assert list(index.find(frozenset(['b.x', '*']))) == []
    assert connection.getTransferCounts()[0] == 1
    transaction.abort()
    connection.close()
    db.close()


@pytest.fixture
def db(tmp_path):
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    with database.transaction() as connection:
        index = connection.root()['index'] = EventIndex()
        index.add(['a.x', 'b.x'], 'first')
        index.add(['c.x'], 'lonely')
    yield database
    database.close()


def two_changes(db, one, other):
    """Make two changes of the same snapshot; the second may be told of a conflict."""
    managers = [transaction.TransactionManager() for _ in range(2)]
    connections = [db.open(manager) for manager in managers]
    try:
        for connection, change in zip(connections, (one, other), strict=True):
            change(connection.root()['index'])
        managers[0].commit()
        try:
            managers[1].commit()
        except ConflictError:
            managers[1].abort()
            other(connections[1].root()['index'])
            managers[1].commit()
    finally:
        for manager, connection in zip(managers, connections, strict=True):
            manager.abort()
            connection.close()


@pytest.mark.parametrize(
    'one, other, expected',
    [
        (('add', ['n.1'], 'n1'), ('add', ['n.2'], 'n2'), {'n.1': ['n1'], 'n.2': ['n2']}),
        (('add', ['n.1'], 'n1'), ('add', ['n.1'], 'n2'), {'n.1': ['n1', 'n2']}),
        (('add', ['a.x'], 'n1'), ('add', ['a.x'], 'n2'), {'a.x': ['first', 'n1', 'n2']}),
        (('discard', ['c.x'], 'lonely'), ('add', ['c.x'], 'n1'), {'c.x': ['n1']}),
        (('add', ['c.x'], 'n1'), ('discard', ['c.x'], 'lonely'), {'c.x': ['n1']}),
        (('discard', ['c.x'], 'lonely'), ('discard', ['a.x'], 'first'), {'c.x': [], 'a.x': []}),
        (('discard', ['c.x'], 'lonely'), ('add', ['n.1'], 'n1'), {'c.x': [], 'n.1': ['n1']}),
    ],
)
def test_changes_of_two_connections_are_both_there_in_the_end(db, one, other, expected):
    def change(step):
        name, keys, id = step
        return lambda index: getattr(index, name)(keys, id)

    two_changes(db, change(one), change(other))
    with db.transaction() as connection:
        index = connection.root()['index']
        for key, ids in expected.items():
            assert sorted(index.find(frozenset([key]))) == ids, key


def test_another_connection_sees_a_key_that_came_later(db):
    manager = transaction.TransactionManager()
    connection = db.open(manager)
    index = connection.root()['index']
    keys = frozenset(['n.1'])
    assert list(index.find(keys)) == []
    with db.transaction() as other:
        other.root()['index'].add(['n.1'], 'n1')
    manager.abort()
    assert list(index.find(keys)) == ['n1']
    with db.transaction() as other:
        other.root()['index'].discard(['n.1'], 'n1')
    manager.abort()
    assert list(index.find(keys)) == []
    connection.close()
