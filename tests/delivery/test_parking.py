"""Putting away what waits for many receivers."""

import errno

import pytest
from transaction.interfaces import TransientError

from pyramid_webhooks.delivery import parking
from pyramid_webhooks.delivery.holding import UNPROVEN_ALLOWANCE
from pyramid_webhooks.outbox.root import PARTITIONS
from pyramid_webhooks.outbox.schedule import AT_ONCE


class Savepoints:
    """Counts the savepoints of a transaction, with nothing of its own to commit."""

    count = 0

    def savepoint(self):
        self.count += 1
        return self

    def rollback(self):
        raise AssertionError('Nobody goes back to it.')

    def sortKey(self):
        return 'savepoints'

    def abort(self, transaction):
        pass

    tpc_begin = commit = tpc_vote = tpc_finish = tpc_abort = abort


@pytest.fixture
def many_wait(reading):
    """So many receivers have to wait for two deliveries each, which are to be put away."""
    count = 2 * PARTITIONS
    for number in range(count):
        reading.company.subscribe('/', f'http://127.0.0.1:1/{number}')
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE)])
    reading.read()
    reading.company.add('/NWS/OUN', 'one', 'more')
    reading.read(put_away=False)
    assert reading.waiting() == []
    return count + 1


def savepoints_of_putting_away(reading):
    savepoints = Savepoints()
    with reading.database.session() as session:
        session.connection.transaction_manager.get().join(savepoints)
        seen = reading.reader.read(reading.view(session), ())
        session.commit('read')
        reading.reader.accept(seen)
    return savepoints.count


def test_what_many_receivers_wait_for_is_made_ready_before_the_commit_begins(reading, many_wait):
    """And it is in the schedule of each once, also when it had to be done once more."""
    assert reading.read(commit=False)[0] == []
    assert reading.waiting() == []
    assert savepoints_of_putting_away(reading) == many_wait // 10
    assert reading.waiting() == [(AT_ONCE, False)] * 2 * many_wait


def test_it_is_not_made_ready_more_often_for_more_receivers(reading, many_wait, monkeypatch):
    """That would take longer each time."""
    monkeypatch.setattr(parking, '_SAVE_LIMIT', 5)
    assert savepoints_of_putting_away(reading) == 5


def test_it_is_put_away_although_there_is_no_place_for_temporary_files(
    reading, many_wait, monkeypatch, caplog
):
    def fail(**keywords):
        raise OSError(errno.EROFS, 'Read-only file system')

    monkeypatch.setattr('ZODB.Connection.tempfile.TemporaryFile', fail)
    with pytest.raises(TransientError):
        reading.read()
    assert reading.waiting() == []
    reading.read()
    assert reading.waiting() == [(AT_ONCE, False)] * 2 * many_wait
    (said,) = (each.getMessage() for each in caplog.records if each.levelname == 'WARNING')
    assert 'Read-only file system' in said
