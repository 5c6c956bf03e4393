"""kill -9 between commit and delivery."""

from tests.chaos.killing import kill_and_restart

CONCURRENCY = 8


def test_whatever_was_committed_arrives_after_a_kill_and_nothing_else(tmp_path):
    arrivals = kill_and_restart(tmp_path, kills=2, commits=600, concurrency=CONCURRENCY)
    assert arrivals.committed >= 600
    assert max(arrivals.backlogs) > CONCURRENCY, 'a kill came when much was owed'
    assert arrivals.lost == []
    assert arrivals.foreign == []
    assert arrivals.renamed == []
    assert max(arrivals.repeats) <= 2 * CONCURRENCY
