"""kill -9 between commit and delivery, and at every moment of either."""

import pytest

from tests.chaos.killing import kill_and_restart
from tests.storages import KINDS, shared_database

CONCURRENCY = 8
TROUBLE = {
    'concurrency': CONCURRENCY,
    'delay': 0.005,
    'failures': 0.2,
    'paths': ('all', 'even', 'odd'),
    'moments': True,
}


def test_whatever_was_committed_arrives_after_a_kill_and_nothing_else(tmp_path):
    arrivals = kill_and_restart(tmp_path, kills=2, commits=300, concurrency=CONCURRENCY)
    assert arrivals.committed >= 300
    assert max(arrivals.backlogs) > CONCURRENCY, 'a kill came when much was owed'
    assert arrivals.faults(CONCURRENCY) == []


@pytest.mark.long
def test_so_it_does_with_failures_and_retries_in_flight_and_kills_inside_of_commits(tmp_path):
    arrivals = kill_and_restart(tmp_path, kills=14, commits=600, seed=1, **TROUBLE)
    assert arrivals.committed >= 300
    assert arrivals.failed > 50
    assert arrivals.moments.total() >= 1, 'processes have killed themselves where they were told'
    assert arrivals.faults(CONCURRENCY) == []


@pytest.mark.long
@pytest.mark.parametrize('kind', KINDS)
def test_so_it_does_where_processes_share_a_database(tmp_path, kind):
    with shared_database(kind, tmp_path) as uri:
        arrivals = kill_and_restart(tmp_path, kills=3, commits=100, seed=2, uri=uri, **TROUBLE)
    assert arrivals.committed >= 100
    assert arrivals.faults(CONCURRENCY) == []
