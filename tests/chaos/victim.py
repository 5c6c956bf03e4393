"""A process that commits and delivers, to be killed: started by :mod:`tests.chaos.nursery`."""

import itertools
import json
import os
import signal
from pathlib import Path

import transaction
from BTrees.IIBTree import IITreeSet

from pyramid_webhooks import manager_of
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import IDispatcher
from pyramid_webhooks.outbox.owed import count_owed
from pyramid_webhooks.registries import databases_of
from tests.chaos.ending import end_at
from tests.company import Company

#: Who gets what: the path of a receiver, and the events of its subscription.
EVENTS = ('number.even', 'number.odd')
SUBSCRIPTIONS = {'all': EVENTS, 'even': EVENTS[:1], 'odd': EVENTS[1:]}
#: Resolved attempts that are kept, and told of by the next process.
KEPT = 200


class CountedAttempts(Dialect):
    """Each attempt has a header of its own: the number of the run, and one that counts in it.

    What is sent twice within one attempt, on a connection that turned out to be closed, has the
    same one.
    """

    def __init__(self, run):
        super().__init__()
        self._run = run
        self._numbers = itertools.count(1)

    def headers(self, outgoing):
        return {'X-Attempt': f'{self._run}.{next(self._numbers)}'}


def is_owed(number, path):
    """Whether the receiver at ``path`` is to get ``number``."""
    return EVENTS[number % 2] in SUBSCRIPTIONS[path]


def open_company(folder, concurrency, run, uri=None, delivery='process'):
    """The application.

    :param run: number of the process among those that deliver, one after the other.
    :param uri: of the database, by default a file in ``folder``.
    :returns: it, and what was recorded when it was started, see :func:`recorded`.
    """
    settings = {
        'webhooks.concurrency': str(concurrency),
        'webhooks.concurrency_per_subscription': str(concurrency),
        'webhooks.retry_schedule': ' '.join(['100ms'] * 15),
        'webhooks.attempt_limit': str(KEPT),
        'webhooks.dialect': 'counted',
        'webhooks.delivery': delivery,
    }
    if uri is not None:
        settings['zodbconn.uri'] = uri
    found = {}

    def setup(config):
        config.add_webhook_dialect('counted', CountedAttempts(run))
        for event in EVENTS:
            config.add_webhook_event(event)
        found.update(recorded(databases_of(config.registry)['']))

    return Company(Path(folder), settings=settings, setup=setup).start(), found


def subscribe_receivers(company, receiver, paths):
    """Fill a new database."""
    for path in paths:
        company.subscribe('/', receiver.url_for(path), events=SUBSCRIPTIONS[path])
    company.transact(lambda root: root._p_jar.root().setdefault('numbers', IITreeSet()) and 0)


def recorded(database):
    """What the database has of each subscription, by the path of its receiver.

    :returns: successes, failures, and of the last successes the ids of the messages.
    """
    connection = database.open(transaction.TransactionManager())
    try:
        company = connection.root().get('company')
        manager = None if company is None else manager_of(company)
        logs = {} if manager is None else {each.to: each.log for each in manager.values()}
        return {
            to.rpartition('/')[2]: [
                log.succeeded,
                log.failed,
                [record.message.id for record in log if record.succeeded],
            ]
            for to, log in logs.items()
        }
    finally:
        connection.transaction_manager.abort()
        connection.close()


def commit_numbers(company, first, count, tell=lambda number: None):
    """Commit ``count`` events, each with its number; after each abort one with -number."""
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    root = connection.root()
    dispatcher = company.registry.getUtility(IDispatcher)
    for number in range(first, first + count):
        event = EVENTS[number % 2]
        root['numbers'].insert(number)
        dispatcher.notify(event, payload=number, context=root['company'])
        manager.commit()
        tell(number)
        root['numbers'].insert(-number)
        dispatcher.notify(event, payload=-number, context=root['company'])
        manager.abort()
    connection.close()


def committed_numbers(company):
    """The numbers that the database has."""
    return company.transact(lambda root: set(root._p_jar.root()['numbers']))


def owes_nothing(company):
    """Whether everything that was owed is recorded, retries included."""
    return company.transact(lambda root: count_owed(root._p_jar)) == 0


def run(folder, concurrency, run, uri, first, count, moment, times):
    """Tell what was recorded, and each number that is committed; wait to be killed.

    :param moment: where this process kills itself, when it is there for the ``times``-th time.
    """
    # Should nobody be there any more to kill it.
    signal.alarm(300)
    if moment is not None:
        end_at(moment, times)
    company, found = open_company(folder, concurrency, run, uri)
    tell('recorded', found)
    commit_numbers(company, first, count, lambda number: tell('committed', number))
    signal.pause()


def tell(what, value):
    """Write a line that a kill leaves whole or away."""
    line = f'{json.dumps([what, value])}\n'.encode()
    while line:
        line = line[os.write(1, line) :]
