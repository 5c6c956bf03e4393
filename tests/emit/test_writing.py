"""Where an entry for a recipient goes, and what it says of its folder."""

import itertools
from types import SimpleNamespace

import pytest
import transaction
from persistent.mapping import PersistentMapping
from ZODB.DB import DB

from pyramid_webhooks.emit.writing import Places
from pyramid_webhooks.outbox.owed import LAST


class Folder(PersistentMapping):
    """A folder of the tree, or what stands for a manager in it."""

    __parent__ = None

    def __init__(self, parent=None, name=''):
        super().__init__()
        self.__parent__, self.__name__ = parent, name
        if parent is not None:
            parent[name] = self


@pytest.fixture
def roots():
    """The root folders of two databases, in one transaction."""
    databases = {}
    for name in ('', 'attic'):
        DB(None, databases=databases, database_name=name)
    manager = transaction.TransactionManager()
    manager.begin()
    connection = databases[''].open(manager)
    found = []
    for name in databases:
        root = connection.get_connection(name).root()
        found.append(root.setdefault('app', Folder()))
    manager.commit()
    manager.begin()
    yield found
    manager.abort()
    for database in databases.values():
        database.close()


def recipients_of(manager, jar):
    return [SimpleNamespace(_p_jar=jar, __parent__=manager) for _ in range(2)]


@pytest.mark.parametrize('order', [1, -1])
def test_each_manager_and_database_has_a_place_of_its_own(roots, order):
    here, there = roots
    kept, removed = Folder(here, 'kept'), Folder(here, 'removed')
    managers = [SimpleNamespace(__parent__=folder) for folder in (kept, removed)]
    del here['removed']
    jars = [(here._p_jar, ''), (there._p_jar, 'attic')]
    details = zip(managers, (None, (LAST,)), strict=True)
    pairs = itertools.product(*[jars, list(details)][::order])
    places = Places()
    for pair in 2 * list(pairs):
        (jar, name), (manager, detail) = pair[::order]
        for recipient in recipients_of(manager, jar):
            assert places.of(recipient) == (name, detail)


def test_who_is_in_no_folder_is_not_in_a_removed_one(roots):
    here, _ = roots
    removed = Folder(here, 'removed')
    del here['removed']
    places = Places()
    (detached, _) = recipients_of(SimpleNamespace(__parent__=removed), here._p_jar)
    (record, _) = recipients_of(None, here._p_jar)
    assert places.of(detached) == ('', (LAST,))
    assert places.of(record) == ('', None)
