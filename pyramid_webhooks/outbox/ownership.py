"""Which process sends to which partition of the subscriptions.

Every process that sends has a record with a heartbeat in the primary database. A partition whose
owner is dead, or has not been heard of for a lease, is taken over. Each process takes no more than
its share; whoever has more, because others have come, gives some back once nothing of them is in
flight.
"""

from __future__ import annotations

import math
import os
import random
import secrets
import time
import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Any

from persistent import Persistent
from ZODB.POSException import ReadConflictError

from pyramid_webhooks.outbox.root import PARTITIONS, Outbox

#: The time over which rates are averaged.
_RATE_SECONDS = 60.0

#: The members of this process that send; so one that has ended is known to be dead.
_running: weakref.WeakValueDictionary[str, Member] = weakref.WeakValueDictionary()


def host_token() -> str:
    """What processes have in common that can see whether each other are alive."""
    parts = [os.uname().nodename]
    try:
        with open('/proc/sys/kernel/random/boot_id') as file:
            parts.append(file.read().strip())
        parts.append(os.readlink('/proc/self/ns/pid'))
    except OSError:
        pass
    return ' '.join(parts)


def start_token(pid: int) -> str | None:
    """What tells a process from a later one with the same pid; None where it is not running."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            fields = file.read().rpartition(')')[2].split()
    except FileNotFoundError:
        if os.path.exists('/proc/self/stat'):
            return None
    except OSError:
        return ''
    else:
        return None if fields[0] == 'Z' else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ''


class ProcessRecord(Persistent):
    """One process that sends.

    :ivar heartbeat: POSIX time of its own clock.
    :ivar recorded: attempts that it had recorded then.
    :ivar rate: how many it records in a second, over about a minute.
    """

    recorded = 0
    rate = 0.0

    def __init__(self, host: str, pid: int, started: str | None):
        self.host = host
        self.pid = pid
        self.started = started
        self.heartbeat = time.time()

    def beat(self, recorded: int) -> None:
        """Give a sign of life; so many attempts have been recorded."""
        now = time.time()
        seconds = max(0.001, now - self.heartbeat)
        lately = max(0, recorded - self.recorded) / seconds
        self.rate += (lately - self.rate) * -math.expm1(-seconds / _RATE_SECONDS)
        self.recorded = recorded
        self.heartbeat = now


class Member:
    """This process, or one of several applications in it, among those that send.

    :param lease: seconds without a heartbeat after which a process counts as dead.
    """

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic):
        self.id = secrets.token_hex(8)
        self.pid = os.getpid()
        self._lease = lease
        self._clock = clock
        self._host = host_token()
        self._heard: dict[str, tuple[float, float]] = {}
        #: Number of each partition it owns -> the epoch in which it owns it.
        self.owned: dict[int, int] = {}
        #: Attempts that it has recorded.
        self.recorded = 0
        #: Numbers of those that it is about to give back: nothing new is sent there.
        self.leaving: set[int] = set()
        _running[self.id] = self

    @property
    def serving(self) -> Collection[int]:
        """The numbers of the partitions that it sends to."""
        return self.owned.keys() - self.leaving if self.leaving else self.owned

    def end(self) -> None:
        """Count as dead from now on."""
        _running.pop(self.id, None)

    def beat(self, outbox: Outbox) -> None:
        """Give a sign of life, in the current transaction."""
        record = outbox.processes.get(self.id)
        if record is None:
            outbox.processes[self.id] = ProcessRecord(self._host, self.pid, start_token(self.pid))
        else:
            record.beat(self.recorded)

    def claim(
        self, outbox: Outbox, beat: bool = True, finished: Iterable[int] = ()
    ) -> dict[int, int]:
        """Take its share of the partitions that nobody owns who is alive, in the current
        transaction.

        :param beat: also give a sign of life.
        :param finished: numbers of partitions that are :attr:`leaving`, to be given back now.
        :returns: all that it owns once this is committed, to be stored as :attr:`owned` then.
        """
        self._bury(outbox)
        beat = beat or self.id not in outbox.processes
        if beat:
            self.beat(outbox)
        owned: dict[int, int] = {}
        free: list[int] = []
        for number, partition in enumerate(outbox.partitions):
            if partition.owner == self.id:
                if beat:
                    # Whoever takes it over meanwhile, because this comes late, is not overlooked.
                    outbox._p_jar.readCurrent(partition)
                if number in finished:
                    partition.give(None)
                else:
                    owned[number] = partition.epoch
            elif partition.owner not in outbox.processes:
                free.append(number)
        # In any order, so that processes which start together seldom reach for the same ones.
        random.shuffle(free)
        for number in free[: max(0, _share(outbox) - len(owned))]:
            partition = outbox.partitions[number]
            partition.give(self.id)
            owned[number] = partition.epoch
        return owned

    def surplus(self, outbox: Outbox) -> set[int]:
        """The numbers of those partitions that are more than its share, and not leaving yet."""
        kept = sorted(self.owned.keys() - self.leaving)
        return set(random.sample(kept, max(0, len(kept) - _share(outbox))))

    def _bury(self, outbox: Outbox) -> None:
        dead = [
            id
            for id, record in outbox.processes.items()
            if id != self.id and not self._is_alive(id, record)
        ]
        for id in dead:
            # Should it give a sign of life now, this transaction fails.
            outbox._p_jar.readCurrent(outbox.processes[id])
            del outbox.processes[id]
            self._heard.pop(id, None)

    def release(self, outbox: Outbox) -> None:
        """Give everything back, in the current transaction."""
        for partition in outbox.partitions:
            if partition.owner == self.id:
                partition.give(None)
        outbox.processes.pop(self.id, None)

    def fence(self, connection: Any, outbox: Outbox, numbers: Iterable[int]) -> None:
        """See to it that the current transaction fails if a partition was taken over.

        :param connection: to the primary database, which ``outbox`` is in.
        :raises LostPartitions: when some are known to have been taken over already.
        """
        lost = []
        for number in set(numbers):
            partition = outbox.partitions[number]
            partition._p_activate()
            if partition.owner != self.id or partition.epoch != self.owned.get(number):
                lost.append(number)
            else:
                connection.readCurrent(partition)
        if lost:
            raise LostPartitions(lost)

    def _is_alive(self, id: str, record: ProcessRecord) -> bool:
        if record.host == self._host:
            if record.pid == os.getpid():
                return id in _running
            if start_token(record.pid) != record.started:
                return False
        now = self._clock()
        heartbeat, since = self._heard.get(id, (None, now))
        if heartbeat != record.heartbeat:
            self._heard[id] = (record.heartbeat, now)
            return True
        return now - since < self._lease


def _share(outbox: Outbox) -> int:
    """The most partitions that one process has when they are spread evenly."""
    return -(-PARTITIONS // max(1, len(outbox.processes)))


class LostPartitions(ReadConflictError):
    """Partitions were taken over by another process; ``numbers`` says which."""

    def __init__(self, numbers: list[int]):
        super().__init__(f'partitions {numbers} were taken over by another process')
        self.numbers = numbers
