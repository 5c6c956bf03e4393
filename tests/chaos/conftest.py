"""Fixtures of tests of several processes on one database."""

import pytest

from tests.chaos.cluster import CONCURRENCY, LEASE, Process
from tests.chaos.member import furnish, open_company
from tests.storages import KINDS, shared_database


@pytest.fixture(params=KINDS)
def uri(request, tmp_path):
    """The URI of a database for several processes, of each kind."""
    with shared_database(request.param, tmp_path) as uri:
        yield uri


@pytest.fixture
def start(uri):
    """A function that starts a worker, whose clock may be ahead; it is killed in the end."""
    started = []

    def start(concurrency=CONCURRENCY, lease=LEASE, shift=0):
        started.append(Process('worker', uri, concurrency, lease, shift=shift))
        return started[-1].wait_until_ready()

    yield start
    for process in started:
        process.end()


@pytest.fixture
def office(uri, receiver):
    """The application on the shared database, with our clock, which does not send."""
    company = open_company(uri, delivery='worker')
    furnish(company, receiver.url_for(''), webs=1)
    yield company
    company.stop()
