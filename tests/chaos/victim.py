"""A process that commits and delivers, to be killed: ``python -m tests.chaos.victim …``."""

import os
import sys
from pathlib import Path

import transaction
from BTrees.IIBTree import IITreeSet

from pyramid_webhooks.interfaces import IDispatcher
from tests.company import Company

EVENT = 'company.closed'


def open_company(folder, to, concurrency):
    """The application, with its subscription."""
    company = Company(
        Path(folder),
        settings={
            'webhooks.concurrency': str(concurrency),
            'webhooks.concurrency_per_subscription': str(concurrency),
            'webhooks.retry_schedule': '1s 1s 1s',
        },
    ).start()
    if not company.transact(lambda root: 'numbers' in root._p_jar.root()):
        company.subscribe('/', to, events=[EVENT])
        company.transact(lambda root: root._p_jar.root().setdefault('numbers', IITreeSet()) and 0)
    return company


def commit_numbers(company, first, count, tell=lambda number: None):
    """Commit ``count`` events, each with its number; after each abort one with -number."""
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    root = connection.root()
    dispatcher = company.registry.getUtility(IDispatcher)
    for number in range(first, first + count):
        root['numbers'].insert(number)
        dispatcher.notify(EVENT, payload=number, context=root['company'])
        manager.commit()
        tell(number)
        root['numbers'].insert(-number)
        dispatcher.notify(EVENT, payload=-number, context=root['company'])
        manager.abort()
    connection.close()


def committed_numbers(company):
    """The numbers that the database has."""
    return company.transact(lambda root: list(root._p_jar.root()['numbers']))


def main(folder, to, concurrency, first, count):
    company = open_company(folder, to, int(concurrency))

    def tell(number):
        os.write(1, b'%d\n' % number)

    os.write(1, b'ready\n')
    commit_numbers(company, int(first), int(count), tell)
    sys.stdin.read()
    company.stop()


if __name__ == '__main__':
    main(*sys.argv[1:])
