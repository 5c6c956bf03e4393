"""What a packed database still owes and knows; and what remains in it."""

import contextlib
import datetime

import pytest
import transaction
from transaction.interfaces import TransientError

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.interfaces import IDispatcher
from tests.company import Company
from tests.storages import postgresql, shared_database, zeo

SETTINGS = {'webhooks.retry_schedule': '1h', 'webhooks.attempt_limit': '10'}


@contextlib.contextmanager
def file(folder):
    yield f'file://{folder}/Data.fs?connection_pool_size=40'


@contextlib.contextmanager
def postgresql_with_history(folder):
    with shared_database('postgresql', folder):
        pass  # Skips the test where there is no server.
    with postgresql(folder, keep_history=True) as uri:
        yield uri


@contextlib.contextmanager
def postgresql_without_history(folder):
    with shared_database('postgresql', folder) as uri:
        yield uri


@pytest.fixture(params=[file, zeo, postgresql_with_history, postgresql_without_history])
def company(request, tmp_path):
    with request.param(tmp_path) as uri:
        company = Company(tmp_path, settings={**SETTINGS, 'zodbconn.uri': uri}).start()
        yield company
        company.stop()


def fire(company, first, count):
    for number in range(first, first + count):
        company.transact(
            lambda root, number=number: company.registry.getUtility(IDispatcher).notify(
                'company.closed', payload={'number': number, 'more': 'x' * 5000}, context=root
            )
        )


def numbers(receiver, path):
    return [each.json()['number'] for each in receiver.requests if each.path == path]


def objects(company):
    """How many objects the storage has."""
    return len(company.database.storage)


def test_a_packed_database_delivers_all_that_is_owed_and_keeps_the_histories(company, receiver):
    """What is in the intake, in the schedule, and held for a subscription that is inactive."""
    receiver.answer(500, path='/later')
    receiver.answer(500, path='/held')
    ids = {
        name: company.subscribe('/', receiver.url_for(name), events=['company.closed'])
        for name in ('done', 'later', 'held')
    }
    fire(company, 1, 3)
    company.settle()
    company.at('/', lambda manager: manager.deactivate(manager[ids['held']]))
    company.settle()
    stop_delivery(company.registry)
    fire(company, 4, 3)
    company.database.pack()
    receiver.answer(200, path='/later')
    receiver.answer(200, path='/held')
    company.restart()
    company.settle()
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)

    def go_on(manager):
        manager.activate(manager[ids['held']])
        for name in ('held', 'later'):
            assert manager[ids[name]].recover(since).count == 3

    company.at('/', go_on)
    company.settle()
    assert sorted(numbers(receiver, '/done')) == [1, 2, 3, 4, 5, 6]
    assert sorted(numbers(receiver, '/later')) == [1, 1, 2, 2, 3, 3, 4, 5, 6]
    assert sorted(numbers(receiver, '/held')) == [1, 1, 2, 2, 3, 3]
    company.database.pack()

    def look(manager):
        return [
            (each.status, len(each.request.body) > 5000)
            for subscription in manager.values()
            for each in subscription.attempts.values()
        ]

    company.restart()
    found = company.at('/', look)
    assert sorted(found) == [('failed', True)] * 6 + [('successful', True)] * 15


@pytest.mark.parametrize('company', [file, zeo], indirect=True)
def test_what_is_delivered_leaves_nothing_behind_but_the_histories(company, receiver):
    """Each round has 40 messages, which are two objects each."""
    company.subscribe('/', receiver.url_for('one'), events=['company.closed'])
    company.subscribe('/', receiver.url_for('other'), events=['company.closed'])
    counts = []
    for number in range(4):
        fire(company, 100 * number, 40)
        company.settle()
        stop_delivery(company.registry)
        company.database.pack()
        counts.append(objects(company))
        company.restart()
    # Histories are shortened by the page, so that they hold some more now, and some fewer then;
    # one object left behind for each message would be 120 more in the end.
    assert max(counts[1:]) < counts[0] + 60, counts


class Paused:
    """A transaction of the application that has fired an event, and waits before its commit."""

    def __init__(self, company, number):
        self.manager = transaction.TransactionManager()
        self.connection = company.database.open(self.manager)
        root = self.connection.root()['company']
        company.registry.getUtility(IDispatcher).notify(
            'company.closed', payload={'number': number}, context=root
        )

    def commit(self):
        """What the commit raised, if anything."""
        try:
            self.manager.commit()
        except Exception as error:
            return error
        finally:
            self.manager.abort()
            self.connection.close()


@pytest.mark.parametrize('cold', [False, True])
@pytest.mark.parametrize('company', [file, zeo], indirect=True)
def test_a_transaction_that_spans_a_pack_succeeds_or_may_be_tried_again(company, receiver, cold):
    company.subscribe('/', receiver.url, events=['company.closed'])
    fire(company, 1, 2)
    company.settle()
    paused = Paused(company, 3)
    fire(company, 4, 2)
    company.settle()
    company.database.pack()
    if cold:
        paused.connection.cacheMinimize()
    error = paused.commit()
    assert error is None or isinstance(error, TransientError)
    company.settle()
    assert sorted(numbers(receiver, '/')) == [1, 2, *([3] * (error is None)), 4, 5]
