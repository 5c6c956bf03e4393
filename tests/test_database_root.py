"""What this package keeps in the root of each database."""

import pytest
import transaction
from persistent.mapping import PersistentMapping
from ZODB.DB import DB

from pyramid_webhooks.database_root import kept_in_root, kept_in_roots


@pytest.fixture
def connection():
    """A connection to two databases, and to both with the same transaction."""
    databases = {}
    for name in ('one', 'other'):
        DB(None, database_name=name, databases=databases)
    manager = transaction.TransactionManager()
    connection = databases['one'].open(manager)
    yield connection
    manager.abort()
    connection.close()
    for database in databases.values():
        database.close()


def test_what_is_missing_is_made_only_if_asked_for_and_only_once(connection):
    assert kept_in_root(connection, 'key') is None
    made = kept_in_root(connection, 'key', PersistentMapping)
    assert kept_in_root(connection, 'key', PersistentMapping) is made
    assert kept_in_root(connection, 'key') is made
    assert kept_in_root(connection, 'another') is None


def test_what_is_empty_is_not_missing(connection):
    made = kept_in_root(connection, 'key', PersistentMapping)
    assert not made
    assert list(kept_in_roots(connection, 'key')) == [('one', made)]


def test_each_database_has_its_own_and_those_without_are_left_out(connection):
    assert list(kept_in_roots(connection, 'key')) == []
    other = kept_in_root(connection.get_connection('other'), 'key', PersistentMapping)
    assert list(kept_in_roots(connection, 'key')) == [('other', other)]
    one = kept_in_root(connection, 'key', PersistentMapping)
    assert dict(kept_in_roots(connection, 'key')) == {'one': one, 'other': other}
