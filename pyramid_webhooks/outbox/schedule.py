"""Schedules: what is due later, by subscription. Each has one writer, the owner of its partition.

A delivery comes here from the intake when it must wait: for a retry, for its turn, or for its
subscription to be activated.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from pyramid_webhooks.outbox.run import Row, Run

#: ``due`` of what is sent as soon as its turn comes.
AT_ONCE = 0.0

QueueKey = tuple[float, bytes]
Recipient = tuple[str, bytes]


class Item(NamedTuple):
    """One delivery that waits. Times are POSIX times.

    :ivar number: the number of the attempt that is to be made.
    :ivar tries: how many attempts were made since its schedule began.
    :ivar created: when this attempt began to be owed.
    :ivar due: when its turn would be, where it was brought forward; else 0.
    """

    message: Any
    number: int
    tries: int
    created: float
    due: float = 0.0


class Queue(Persistent):
    """What waits for one subscription, by (due, order).

    ``order`` begins with the serial of the message, so that what is older comes first.

    :ivar count: how many deliveries wait.
    :ivar held: whether everything waits until it is released.
    :ivar put_off: everything waits until this POSIX time; None: until it is due.
    """

    put_off: float | None = None

    def __init__(self) -> None:
        self._items = OOBTree()
        self.count = 0
        self.indexed: float | None = None
        self.held = False

    def put(self, key: QueueKey, item: Item) -> None:
        """Add a delivery."""
        if key not in self._items:
            self.count += 1
        self._items[key] = tuple(item)

    def put_run(self, run: Run, start: int = 0) -> None:
        """Add the deliveries of a run, from the one at ``start`` on."""
        self.count += len(run) - start
        self._items[(AT_ONCE, run.order(start))] = (run, start)

    def unfold(self, count: int) -> bool:
        """Let the first ``count`` deliveries, should they be in runs, be there for themselves.

        :returns: whether anything had to be done.
        """
        done = False
        while True:
            run, start, ahead = self._first_run(count)
            if run is None:
                return done
            done = True
            stop = min(len(run), start + count - ahead)
            for row in run.rows(start, stop):
                self._items[(AT_ONCE, row.order)] = tuple(_item(row))
            if stop < len(run):
                self._items[(AT_ONCE, run.order(stop))] = (run, stop)

    def _first_run(self, count: int) -> tuple[Run | None, int, int]:
        """The run that is among the first, where it begins, and how many come before it."""
        for ahead, stored in enumerate(itertools.islice(self._items.values(), count)):
            if isinstance(stored[0], Run):
                return *stored, ahead
        return None, 0, 0

    def remove(self, key: QueueKey) -> bool:
        """Take a delivery out; whether it was there, for itself or as the first one of a run."""
        stored = self._items.pop(key, None)
        if stored is None:
            return False
        if isinstance(stored[0], Run):
            run, start = stored
            if start + 1 < len(run):
                self._items[(AT_ONCE, run.order(start + 1))] = (run, start + 1)
        self.count -= 1
        return True

    def items(
        self, until: float | None = None, limit: int | None = None
    ) -> Iterator[tuple[QueueKey, Item]]:
        """Yield (key, item) of what is due ``until`` then, or of everything; earliest first.

        :param limit: no more than so many.
        """
        high = None if until is None else (until, b'\xff' * 40)
        return itertools.islice(self._each(high), limit)

    def _each(self, high: QueueKey | None) -> Iterator[tuple[QueueKey, Item]]:
        for key, stored in self._items.items(None, high):
            if isinstance(stored[0], Run):
                run, start = stored
                for row in run.rows(start):
                    yield (AT_ONCE, row.order), _item(row)
            else:
                yield key, Item(*stored)

    def later(self, limit: int) -> list[tuple[QueueKey, Item]]:
        """(key, item) of what has a time of its own, the earliest first; no more than so many."""
        found = itertools.islice(self._items.items((AT_ONCE, b'\xff' * 40)), limit)
        return [(key, Item(*item)) for key, item in found]

    def failed_between(self, since: float, until: float) -> Iterator[tuple[QueueKey, Item]]:
        """Yield (key, item) of the retries whose last attempt failed in that time."""
        for key, item in self.items():
            if item.tries and since <= item.created <= until:
                yield key, item

    def keys_of(self, message: Any) -> list[QueueKey]:
        """The keys under which ``message`` waits to be sent again; every item is looked at."""
        return [
            key
            for key, stored in self._items.items()
            if not isinstance(stored[0], Run) and stored[0]._p_oid == message._p_oid
        ]

    def __contains__(self, key: QueueKey) -> bool:
        return key in self._items

    def __bool__(self) -> bool:
        return bool(self._items)

    def next_due(self) -> float | None:
        """When the earliest delivery is due; None when there is none."""
        return self._items.minKey()[0] if self._items else None

    def next_start(self) -> float | None:
        """When the next request is to be made; None for never."""
        due = None if self.held else self.next_due()
        return due if due is None or self.put_off is None else max(due, self.put_off)


def _item(row: Row) -> Item:
    return Item(row.message, 1, 0, row.created)


class Schedule(Persistent):
    """The queues of one partition, and which of them is due when."""

    def __init__(self) -> None:
        self._queues: Any = None
        self._due: Any = None

    def queue(self, recipient: Recipient) -> Queue | None:
        """The queue of a subscription, or None."""
        return None if self._queues is None else self._queues.get(recipient)

    def queues(self) -> Iterator[tuple[Recipient, Queue]]:
        """Yield each subscription that something waits for, and its queue."""
        return iter(() if self._queues is None else self._queues.items())

    def put(self, recipient: Recipient, key: QueueKey, item: Item) -> None:
        """Let a delivery wait."""
        queue = self._make_queue(recipient)
        queue.put(key, item)
        if queue.indexed is None or key[0] < queue.indexed:
            self._index(recipient, queue)

    def put_run(self, recipient: Recipient, run: Run) -> None:
        """Let the deliveries of a run wait for their turn."""
        queue = self._make_queue(recipient)
        queue.put_run(run)
        self._index(recipient, queue)

    def _make_queue(self, recipient: Recipient) -> Queue:
        if self._queues is None:
            self._queues = OOBTree()
            self._due = OOTreeSet()
        queue = self._queues.get(recipient)
        if queue is None:
            queue = self._queues[recipient] = Queue()
        return queue

    def remove(self, recipient: Recipient, key: QueueKey) -> bool:
        """Take a delivery out; whether it was there."""
        queue = self.queue(recipient)
        if queue is None or not queue.remove(key):
            return False
        if not queue:
            self.drop(recipient)
        elif queue.indexed is not None and key[0] <= queue.indexed:
            self._index(recipient, queue)
        return True

    def hold(self, recipient: Recipient) -> None:
        """Keep what waits for a subscription until it is released."""
        queue = self.queue(recipient)
        if queue is not None and not queue.held:
            queue.held = True
            self._index(recipient, queue)

    def release(self, recipient: Recipient) -> None:
        """Undo :meth:`hold`."""
        queue = self.queue(recipient)
        if queue is not None and queue.held:
            queue.held = False
            self._index(recipient, queue)

    def put_off(self, recipient: Recipient, until: float | None) -> None:
        """Keep what waits for a subscription until then, a POSIX time; None: until it is due."""
        queue = self.queue(recipient)
        if queue is not None and queue.put_off != until:
            queue.put_off = until
            self._index(recipient, queue)

    def resume(
        self,
        recipient: Recipient,
        in_hand: Callable[[QueueKey], bool] = lambda key: False,
        limit: int = 256,
    ) -> None:
        """Undo :meth:`put_off`, and let everything start in order, the oldest first.

        What waits for a time of its own takes its turn, too, the first ``limit`` of them. It keeps
        that time in its item.

        :param in_hand: tells of what is being sent already: under another key it would be sent
            once more.
        """
        queue = self.queue(recipient)
        if queue is None:
            return
        for key, item in queue.later(limit):
            if in_hand(key):
                continue
            queue.remove(key)
            queue.put((AT_ONCE, key[1]), item._replace(due=key[0]))
        if queue.put_off is not None:
            queue.put_off = None
        self._index(recipient, queue)

    def drop(self, recipient: Recipient) -> None:
        """Forget what waits for a subscription."""
        queue = self.queue(recipient)
        if queue is not None:
            queue.held = True
            self._index(recipient, queue)
            del self._queues[recipient]

    def due(self, now: float) -> Iterator[Recipient]:
        """Yield the subscriptions for which something is due, the longest due first."""
        if self._due is not None:
            for when, recipient in self._due:
                if when > now:
                    return
                yield recipient

    def next_due(self, after: float = -1.0) -> float | None:
        """When something is due next, later than ``after``; None when nothing waits."""
        if self._due is not None:
            for when, _ in self._due.keys((after, ('\U0010ffff', b''))):
                return when
        return None

    def _index(self, recipient: Recipient, queue: Queue) -> None:
        when = queue.next_start()
        if when == queue.indexed:
            return
        if queue.indexed is not None:
            self._due.remove((queue.indexed, recipient))
        if when is not None:
            self._due.add((when, recipient))
        queue.indexed = when
