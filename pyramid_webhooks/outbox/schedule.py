"""Schedules: what is due later, by subscription. Each has one writer, the owner of its partition.

A delivery comes here from the intake when it must wait: for a retry, for its turn, or for its
subscription to be activated.
"""

from __future__ import annotations

import heapq
import itertools
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from pyramid_webhooks.outbox.run import Rest, Row, Run

#: ``due`` of what is sent as soon as its turn comes.
AT_ONCE = 0.0

#: For a message, so many are looked at of what may be in runs: more than are in memory.
_LOOK_AT = 2_000
_PROTOCOL = 4
#: Runs that a queue keeps itself: two records would have to be stored for each of many queues.
_BEGUN = 16
#: What is held is looked at so often: nobody tells when the folder of a subscription is removed.
HELD_SECONDS = 86_400.0

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

    ``order`` begins with the serial of the message, so that what is older comes first. No two
    deliveries have the same.

    Of a run that anything was taken from, what is left is kept here, so that taking out one more
    writes nothing but this; and so is a run when there are few here. The other runs are among what
    waits for itself, each under the key of its first delivery.

    :ivar count: how many deliveries wait.
    :ivar indexed: when the schedule knows that something is to be done; None for never.
    :ivar held: whether everything waits until it is released.
    :ivar put_off: everything waits until this POSIX time; None: until it is due. What is held is
        not sent then, but looked at.
    """

    # Those that were stored before it was there have none of these.
    put_off: float | None = None
    _begun: tuple[Rest, ...] = ()

    def __init__(self) -> None:
        self._items = OOBTree()
        self.count = 0
        self.indexed: float | None = None
        self.held = False

    def __getstate__(self) -> tuple[Any, ...]:
        begun = self._begun
        left = [(rest.start, rest.taken) for rest in begun]
        plain = (self.count, self.indexed, self.held, self.put_off, left)
        # What has never had anything in it needs no record of its own.
        unused = self._items._p_oid is None and not self._items
        items = None if unused else self._items
        return pickle.dumps(plain, _PROTOCOL), items, *(rest.run for rest in begun)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            super().__setstate__(state)
            return
        packed, items, *runs = state
        self._items = OOBTree() if items is None else items
        self.count, self.indexed, self.held, self.put_off, left = pickle.loads(packed)
        self._begun = tuple(Rest(run, *each) for run, each in zip(runs, left, strict=True))

    def put(self, key: QueueKey, item: Item) -> None:
        """Add a delivery."""
        stored = self._items.get(key)
        if stored is not None and isinstance(stored[0], Run):
            self._begin(key)
            stored = None
        if stored is None:
            if key[0] == AT_ONCE:
                self._take(key[1])
            self.count += 1
        self._items[key] = tuple(item)

    def put_run(self, run: Run) -> None:
        """Add the deliveries of a run."""
        key = (AT_ONCE, run.order(0))
        if len(self._begun) < _BEGUN or key in self._items:
            self._begun += (Rest(run),)
        else:
            self._items[key] = (run, 0)
        self.count += len(run)

    def remove(self, key: QueueKey) -> bool:
        """Take a delivery out; whether it was there, for itself or in a run."""
        due, order = key
        if due == AT_ONCE and self._take(order):
            return True
        stored = self._items.get(key)
        if stored is not None and not isinstance(stored[0], Run):
            del self._items[key]
            self.count -= 1
            return True
        first = self._run_of(key) if stored is None else key
        if first is None:
            return False
        self._begin(first)
        return self._take(order)

    def _take(self, order: bytes) -> bool:
        """Take a delivery out of the runs that were begun; whether it was there."""
        for number, rest in enumerate(self._begun):
            at = rest.find(order)
            if at is not None:
                left = rest.without(at)
                kept = () if left is None else (left,)
                self._begun = self._begun[:number] + kept + self._begun[number + 1 :]
                self.count -= 1
                return True
        return False

    def _run_of(self, key: QueueKey) -> QueueKey | None:
        """The key of the run, not begun yet, that a delivery is in; None for none.

        What comes before it is looked at: nothing much, as it is taken out nearly in order.
        """
        if key[0] == AT_ONCE:
            for first, stored in self._items.items(None, key):
                if isinstance(stored[0], Run) and Rest(*stored).find(key[1]) is not None:
                    return first
        return None

    def _begin(self, first: QueueKey) -> None:
        self._begun += (Rest(*self._items.pop(first)),)

    def items(
        self, until: float | None = None, limit: int | None = None
    ) -> Iterator[tuple[QueueKey, Item]]:
        """Yield (key, item) of what is due ``until`` then, or of everything; earliest first.

        :param limit: no more than so many.
        """
        return itertools.islice(self._each(until), limit)

    def _each(self, until: float | None) -> Iterator[tuple[QueueKey, Item]]:
        high = None if until is None else (until, b'\xff' * 40)
        rows = _Rows()
        if until is None or until >= AT_ONCE:
            for rest in self._begun:
                rows.add(rest)
        for key, stored in self._items.items(None, high):
            yield from rows.before(key)
            if isinstance(stored[0], Run):
                rows.add(Rest(*stored))
            else:
                yield key, Item(*stored)
        yield from rows.before(None)

    def later(self, limit: int) -> list[tuple[QueueKey, Item]]:
        """(key, item) of what has a time of its own, the earliest first; no more than so many."""
        found = itertools.islice(self._items.items((AT_ONCE, b'\xff' * 40)), limit)
        return [(key, Item(*item)) for key, item in found]

    def failed_between(self, since: float, until: float) -> Iterator[tuple[QueueKey, Item]]:
        """Yield (key, item) of the retries whose last attempt failed in that time."""
        for key, stored in self._items.items():
            # What is in a run has never been tried.
            if not isinstance(stored[0], Run):
                item = Item(*stored)
                if item.tries and since <= item.created <= until:
                    yield key, item

    def keys_of(self, message: Any) -> list[QueueKey]:
        """The keys under which ``message`` waits to be sent again.

        Everything is looked at that waits for itself; of what is in runs, what comes first.
        """
        alone = (pair for pair in self._items.items() if not isinstance(pair[1][0], Run))
        pairs = itertools.chain(alone, self.items(until=AT_ONCE, limit=_LOOK_AT))
        oid = message._p_oid
        return list(dict.fromkeys(key for key, item in pairs if item[0]._p_oid == oid))

    def __contains__(self, key: QueueKey) -> bool:
        due, order = key
        if due == AT_ONCE and any(rest.find(order) is not None for rest in self._begun):
            return True
        return key in self._items or self._run_of(key) is not None

    def __bool__(self) -> bool:
        return bool(self._begun or self._items)

    def next_due(self) -> float | None:
        """When the earliest delivery is due; None when there is none."""
        if self._begun:
            return AT_ONCE
        return self._items.minKey()[0] if self._items else None

    def next_start(self) -> float | None:
        """When the next request is to be made, or what is held to be looked at; None for never."""
        if self.held:
            return self.put_off
        due = self.next_due()
        return due if due is None or self.put_off is None else max(due, self.put_off)


class _Rows:
    """The deliveries in several runs, in the order of all of them."""

    def __init__(self) -> None:
        self._heads: list[tuple[bytes, int, Row, Iterator[Row]]] = []

    def add(self, rest: Rest) -> None:
        """Add what is left of a run."""
        rows = rest.rows()
        first = next(rows)
        heapq.heappush(self._heads, (first.order, id(rows), first, rows))

    def before(self, key: QueueKey | None) -> Iterator[tuple[QueueKey, Item]]:
        """Yield (key, item) of those that come before ``key``, or of all that are left."""
        heads = self._heads
        while heads:
            order, number, row, rows = heads[0]
            if key is not None and (AT_ONCE, order) > key:
                return
            yield (AT_ONCE, order), Item(row.message, 1, 0, row.created)
            following = next(rows, None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.order, number, following, rows))


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
        """Keep what waits for a subscription until it is released, and look at it now and then."""
        queue = self.queue(recipient)
        if queue is None:
            return
        now = time.time()
        if not queue.held or queue.put_off is None or queue.put_off <= now:
            queue.held = True
            queue.put_off = now + HELD_SECONDS
            self._index(recipient, queue)

    def release(self, recipient: Recipient) -> None:
        """Undo :meth:`hold`."""
        queue = self.queue(recipient)
        if queue is not None and queue.held:
            queue.held = False
            queue.put_off = None
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
            queue.put_off = None
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
