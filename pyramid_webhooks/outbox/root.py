"""The outbox of one database, kept in its root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from pyramid_webhooks.database_root import kept_in_root, kept_in_roots
from pyramid_webhooks.outbox.intake import Intake
from pyramid_webhooks.outbox.schedule import Recipient, Schedule

ROOT_KEY = 'pyramid_webhooks.outbox'
PARTITIONS = 64
_SPREAD = 0x9E3779B97F4A7C15
#: Of all that is stored; changed with each change that older code, or older data, can't live with.
FORMAT = 3


class Partition(Persistent):
    """Who sends to one 64th of the subscriptions. Nothing else is kept here.

    :ivar owner: id of a process's record, or None.
    :ivar epoch: counts the changes of owner.
    """

    def __init__(self) -> None:
        self.owner: str | None = None
        self.epoch = 0

    def give(self, owner: str | None) -> None:
        """Change the owner."""
        self.owner = owner
        self.epoch += 1


class Outbox(Persistent):
    """What is owed in one database. In the primary database also who owns what."""

    format = 0

    def __init__(self) -> None:
        self.format = FORMAT
        self.intake = Intake()
        self.schedules = tuple(Schedule() for _ in range(PARTITIONS))
        self.partitions = tuple(Partition() for _ in range(PARTITIONS))
        self.processes = OOBTree()

    def schedule_of(self, recipient: Recipient) -> Schedule:
        """The schedule that a subscription belongs to."""
        return self.schedules[partition_of(recipient)]


def partition_of(recipient: Recipient) -> int:
    """The number of the partition of a subscription: a stable hash of its oid."""
    number = int.from_bytes(recipient[1], 'big') + len(recipient[0])
    return (number * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 58


def outbox_of(connection: Any, create: bool = False) -> Outbox | None:
    """The outbox in the root of the connection's database.

    :param create: make it when it is missing, in the current transaction.
    """
    return kept_in_root(connection, ROOT_KEY, Outbox if create else None)


def outboxes(connection: Any) -> Iterator[tuple[str, Outbox]]:
    """Yield (database name, outbox) of all databases that ``connection`` reaches."""
    return kept_in_roots(connection, ROOT_KEY)
