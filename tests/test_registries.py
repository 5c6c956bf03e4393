"""Which application something belongs to."""

import gc

import pytest
import transaction
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.threadlocal import RequestContext
from ZODB.DB import DB

from pyramid_webhooks.registries import (
    connection_of,
    databases_of,
    find_registry,
    remember_registry,
)
from tests.company import Employee, Folder


class Place:
    """Something that is nowhere in a database."""

    def __init__(self, parent=None):
        self.__parent__ = parent


def application(*databases):
    """The registry of an application that has these databases."""
    config = Configurator(settings={'webhooks.rest': 'false'})
    config.include('pyramid_webhooks')
    config.commit()
    config.registry._zodb_databases = {each.database_name: each for each in databases}
    return config.registry


@pytest.fixture
def new_database():
    """A factory of databases; what they are opened with is closed in the end."""
    opened = []

    def make(name=''):
        database = DB(None, database_name=name)
        manager = transaction.TransactionManager()
        connection = database.open(manager)
        opened.append((manager, connection, database))
        connection.root()['folder'] = Folder()
        manager.commit()
        return database, connection.root()['folder']

    yield make
    for manager, connection, database in opened:
        manager.abort()
        connection.close()
        database.close()


def test_outside_of_a_request_it_is_the_application_that_has_the_database(new_database):
    (first, folder), (second, other), (_, strange) = (new_database() for _ in range(3))
    one, two = application(first), application(second)
    assert find_registry(folder) is one
    assert find_registry(other) is two
    assert find_registry(strange) is None
    assert find_registry(Place()) is find_registry() is None


def test_every_database_of_an_application_leads_to_it(new_database):
    (first, folder), (second, other) = new_database(), new_database('second')
    registry = application(first, second)
    assert set(databases_of(registry)) == {'', 'second'}
    assert find_registry(folder) is find_registry(other) is registry


def test_an_object_that_is_not_stored_yet_belongs_where_its_ancestors_do(new_database):
    database, folder = new_database()
    registry = application(database)
    employee = Employee('ann')
    place = Place(Place(employee))
    assert find_registry(place) is None
    employee.__parent__ = folder
    assert find_registry(place) is registry
    assert connection_of(place) is folder._p_jar


def test_the_current_application_comes_first(new_database):
    database, folder = new_database()
    registry, current = application(database), application()
    request = Request.blank('/')
    request.registry = current
    with RequestContext(request):
        assert find_registry(folder) is current
    assert find_registry(folder) is registry


def test_a_current_application_without_webhooks_does_not_count(new_database):
    database, folder = new_database()
    registry = application(database)
    request = Request.blank('/')
    request.registry = Registry('without')
    with RequestContext(request):
        assert find_registry(folder) is registry
        assert find_registry(Place()) is None


def test_an_application_that_is_gone_is_not_remembered(new_database):
    database, folder = new_database()
    registry = application(database)
    assert find_registry(folder) is registry
    del registry
    gc.collect()
    assert find_registry(folder) is None
    later = application()
    later._zodb_databases = {'': database}
    remember_registry(later)
    assert find_registry(folder) is later


def test_ancestors_that_go_round_in_a_circle_have_no_connection():
    one = Place()
    one.__parent__ = Place(one)
    assert connection_of(one) is None
    assert find_registry(one) is None
    assert databases_of(Registry('without')) == {}
