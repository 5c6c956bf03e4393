"""A process's part in sending, from sign of life to sign of life."""

import pytest
import transaction
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from pyramid_webhooks.delivery.database import Session
from pyramid_webhooks.delivery.holding import Holding
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.membership import Membership
from pyramid_webhooks.outbox.root import PARTITIONS, outbox_of, partition_of

RECIPIENT = ('', (7).to_bytes(8, 'big'))


class WatchedLanes(Lanes):
    """Notes whether anything is still held when requests may be started again."""

    holding = None

    def __init__(self):
        super().__init__(4, 4)
        self.held = []

    def trust_until(self, moment):
        self.held.append(len(self.holding))
        super().trust_until(moment)


@pytest.fixture
def session(tmp_path):
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    manager = transaction.TransactionManager()
    connection = database.open(manager)
    outbox_of(connection, create=True)
    manager.commit()
    yield Session(connection, manager)
    manager.abort()
    connection.close()
    database.close()


def test_what_was_lost_is_forgotten_before_requests_may_be_started_again(session):
    lanes = WatchedLanes()
    lanes.holding = holding = Holding(lanes)
    membership = Membership(0.0, holding, lanes)
    assert membership.renew(session)
    assert len(membership.member.owned) == PARTITIONS
    holding.hold([Job('', RECIPIENT, b'message', created=0.0, due=0.0)])
    session.primary.partitions[partition_of(RECIPIENT)].give('somebody else')
    session.primary.processes['somebody else'] = session.primary.processes[membership.member.id]
    session.commit('taken over')
    membership.renew(session)
    assert lanes.held == [0, 0]
