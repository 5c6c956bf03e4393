"""A database that can't be reached for longer than a lease."""

import signal
import time
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.chaos.cluster import Process
from tests.chaos.gathering import are_even
from tests.chaos.member import OFFICES, commit_numbers, committed_numbers, furnish, open_company
from tests.company import QUICK, wait_until
from tests.scripts.site import write_ini
from tests.storages import POSTGRESQL, ZeoServer, shared_database

LEASE = 2
OUTAGE = 2.5 * LEASE

pytestmark = [pytest.mark.timeout(120), pytest.mark.long]


class Frozen:
    """A ZEO server that does nothing for a while."""

    def __init__(self, folder):
        self._server = ZeoServer(folder)
        self.uri = self._server.uri

    def begin(self):
        self._server.process.send_signal(signal.SIGSTOP)

    def end(self):
        self._server.process.send_signal(signal.SIGCONT)

    def close(self):
        self._server.stop()


class Killed(Frozen):
    """A ZEO server that is killed, and started again."""

    def begin(self):
        self._server.stop(signal.SIGKILL)

    def end(self):
        self._server.start()


class Terminated:
    """A PostgreSQL database that ends all connections, and takes no new ones for a while."""

    def __init__(self, folder):
        self._made = shared_database('postgresql', folder)
        self.uri = self._made.__enter__()
        self._name = urlsplit(self.uri).path.strip('/')
        self._server = psycopg2.connect(POSTGRESQL)
        self._server.autocommit = True

    def _do(self, statement):
        with self._server.cursor() as cursor:
            cursor.execute(statement)

    def begin(self):
        self._do(f'alter database {self._name} allow_connections false')
        self._do(
            'select pg_terminate_backend(pid) from pg_stat_activity '
            f"where datname = '{self._name}'"
        )

    def end(self):
        self._do(f'alter database {self._name} allow_connections true')

    def close(self):
        self._server.close()
        self._made.__exit__(None, None, None)


@pytest.fixture(params=[Frozen, Killed, Terminated])
def database(request, tmp_path):
    database = request.param(tmp_path)
    yield database
    database.close()


def test_workers_go_on_after_an_outage_and_nothing_is_lost(database, receiver, tmp_path):
    office = open_company(database.uri, delivery='worker')
    furnish(office, receiver.url_for(''), webs=1)
    settings = {**QUICK, 'zodbconn.uri': database.uri, 'webhooks.lease': LEASE}
    ini = write_ini(tmp_path / 'site.ini', **settings)
    path = tmp_path / 'log'
    with path.open('w') as log:
        workers = [
            Process(ini, 'worker', log=log, module='pyramid_webhooks.scripts') for _ in range(2)
        ]
        wait_until(lambda: are_even(office, 2), 30, 'an even share')
        receiver.answer(delay=0.2)
        commit_numbers(office, 0, 1, 2 * OFFICES)
        receiver.wait_for(OFFICES)
        # Some of it is recorded now, some answered, some in flight, and some only owed.
        database.begin()
        time.sleep(OUTAGE)
        database.end()
        office.stop()
        office = open_company(database.uri, delivery='worker')
        wait_until(lambda: are_even(office, 2), 30, 'an even share after the outage')
        refused = commit_numbers(office, 0, 1 + 2 * OFFICES, OFFICES)
        office.settle(40)
        committed = {number for _, number in committed_numbers(office, 1)}
        for worker in workers:
            assert worker.end(signal.SIGTERM) == 0, path.read_text()
    office.stop()
    numbers = [request.json()['number'] for request in receiver.requests]
    log = path.read_text()
    assert set(numbers) == committed, (refused, log[-5000:])
    assert len(committed) + len(refused) == 3 * OFFICES
    # At most what was in flight, in each of the two workers.
    assert len(numbers) - len(set(numbers)) <= 2 * 2 * 32
    assert log.count('is in trouble') <= 2 * 10
    assert ('is in trouble' in log) == ('works again' in log)
