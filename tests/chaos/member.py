"""A process that shares a database with others: ``python -m tests.chaos.member ROLE URI …``.

A ``web`` process commits events and sends nothing; a ``worker`` sends. With ``CLOCK_SHIFT`` in the
environment its clock is so many seconds ahead.
"""

from tests.chaos import shifting  # noqa: F401, I001 - before anybody gets hold of the clock

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import transaction
from BTrees.IIBTree import IITreeSet
from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import IDispatcher
from tests.company import Company, Folder

EVENT = 'company.closed'
OFFICES = 16


def open_company(uri, **settings):
    """The application on the shared database."""
    folder = Path(tempfile.gettempdir())
    settings = {f'webhooks.{name}': str(value) for name, value in settings.items()}
    return Company(folder, settings={'zodbconn.uri': uri, **settings}).start()


def furnish(company, to, webs):
    """Make the offices, each with a subscription; and a place for the numbers of each web."""

    def make(root):
        for number in range(OFFICES):
            root[f'office{number}'] = Folder()
        for web in range(webs):
            root._p_jar.root()[f'numbers{web}'] = IITreeSet()

    company.transact(make)
    for number in range(OFFICES):
        company.subscribe(f'/office{number}', f'{to}office{number}', events=[EVENT])


def committed_numbers(company, webs):
    """The numbers that the database has, of all webs."""

    def look(root):
        found = root._p_jar.root()
        return {(web, number) for web in range(webs) for number in found[f'numbers{web}']}

    return company.transact(look)


def commit_numbers(company, web, first, count, hot=False, pause=0.0):
    """Commit events, each with its number, and abort others; what conflicted, by name."""
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    root = connection.root()
    notify = company.registry.getUtility(IDispatcher).notify
    conflicts = []
    for number in range(first, first + count):
        office = root['company']['office0' if hot else f'office{number % OFFICES}']
        for each, end in ((number, manager.commit), (-number, manager.abort)):
            root[f'numbers{web}'].insert(each)
            payload = {'web': web, 'number': each, 'at': time.time()}
            notify(EVENT, payload=payload, context=office)
            try:
                end()
            except TransientError as error:
                conflicts.append(f'{type(error).__name__}: {error}')
                manager.abort()
        time.sleep(pause)
    manager.abort()
    connection.close()
    return conflicts


def web(uri, name, first, count, hot, pause):
    company = open_company(uri, delivery='worker')
    os.write(1, b'ready\n')
    sys.stdin.readline()
    conflicts = commit_numbers(
        company, int(name), int(first), int(count), hot == 'hot', float(pause)
    )
    print(len(conflicts), conflicts[:3], flush=True)
    company.stop()


def worker(uri, concurrency, lease):
    company = open_company(
        uri,
        concurrency=concurrency,
        concurrency_per_subscription=concurrency,
        lease=lease,
        retry_schedule='1s 1s 1s',
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    os.write(1, b'ready\n')
    try:
        signal.pause()
    finally:
        company.stop()


if __name__ == '__main__':
    {'web': web, 'worker': worker}[sys.argv[1]](*sys.argv[2:])
