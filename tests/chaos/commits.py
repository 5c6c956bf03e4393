"""Many threads that commit events at once."""

import random
import threading
import time

import transaction
from transaction.interfaces import TransientError

from tests.company import Employee, modify


class Commits:
    """Commits of several threads, each of which changes an employee of its own.

    :ivar conflicts: the conflict errors that reached a thread.
    :ivar committed: (name, age) of each commit.
    """

    def __init__(self, company, threads=8, paths=('/NWS/OUN',)):
        self.company = company
        self.names = [f'worker{number}' for number in range(threads)]
        self.conflicts = []
        self.errors = []
        self.committed = []
        self.seconds = 0.0
        self._paths = {name: paths[number % len(paths)] for number, name in enumerate(self.names)}
        company.transact(self._add)

    def _folder(self, root, name):
        for part in filter(None, self._paths[name].split('/')):
            root = root[part]
        return root

    def _add(self, root):
        for name in self.names:
            self._folder(root, name)[name] = Employee(name)

    def run(self, commits, stale=0.0):
        """Make so many commits in all threads together.

        :param stale: how often, from 0 to 1, another thread is let in between an event and its
            commit, so that the snapshot is an old one.
        """
        each = commits // len(self.names)
        threads = [
            threading.Thread(target=self._work, args=(name, each, stale)) for name in self.names
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - started
        if self.errors:
            raise self.errors[0]
        return self

    def _work(self, name, count, stale):
        chance = random.Random(name)
        manager = transaction.TransactionManager()
        connection = self.company.database.open(manager)
        notify = self.company.registry.notify
        try:
            for age in range(count):
                employee = self._folder(connection.root()['company'], name)[name]
                modify(employee, notify, age=age)
                if chance.random() < stale:
                    time.sleep(0.001)
                try:
                    manager.commit()
                except TransientError as error:
                    self.conflicts.append(error)
                    manager.abort()
                else:
                    self.committed.append((name, age))
        except Exception as error:
            self.errors.append(error)
        finally:
            manager.abort()
            connection.close()
