"""What other threads tell the engine's thread, and how they wait for each other."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from pyramid_webhooks.resources.message import MessageCopy

#: (database name, oid of a segment)
Hint = tuple[str, bytes]
#: (database name, oid of a message)
MessageKey = tuple[str, bytes]
#: Of messages that were just committed, so many copies are kept until they are taken. Some of the
#: messages have to wait, and are read when their time comes.
COPY_LIMIT = 1_000


class Signals:
    """A bell with a counter: threads ring it, and may wait until what they rang for is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        self._wakes = 0
        self._quiet_at = -1
        self._waiting = 0
        self._resting = False
        self._hints: set[Hint] = set()
        self._copies: OrderedDict[MessageKey, MessageCopy] = OrderedDict()
        self.stopping = False

    # --- from any thread

    def wake(
        self, hints: Iterable[Hint] = (), copies: Mapping[MessageKey, MessageCopy] | None = None
    ) -> int:
        """Something is to be read; not at once if the engine is letting more come together.

        :param copies: of messages that may be read.
        :returns: the number to wait for with :meth:`wait_until_quiet`.
        """
        with self._lock:
            self._hints.update(hints)
            if copies:
                self._keep(copies)
            self._wakes += 1
            if not self._resting:
                self._rung.notify()
            return self._wakes

    def _keep(self, copies: Mapping[MessageKey, MessageCopy]) -> None:
        self._copies.update(copies)
        while len(self._copies) > COPY_LIMIT:
            self._copies.popitem(last=False)

    def wakes(self) -> int:
        """How often it was woken."""
        return self._wakes

    def ring(self) -> None:
        """There is something that can't wait."""
        with self._lock:
            self._rung.notify()

    def stop(self) -> None:
        """The engine is to end."""
        with self._lock:
            self.stopping = True
            self._rung.notify()
            self._quiet.notify_all()

    def somebody_waits(self) -> bool:
        """Whether a thread is in :meth:`wait_until_quiet`."""
        return self._waiting > 0

    def wait_until_quiet(
        self, wakes: int, timeout: float | None, running: Callable[[], bool]
    ) -> bool:
        """Wait until the engine was quiet after so many wakes.

        :returns: False when that took longer than ``timeout`` seconds, or it is not running.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            self._waiting += 1
            try:
                self._rung.notify()
                while self._quiet_at < wakes:
                    remaining = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
                    if remaining <= 0 or not running():
                        return False
                    self._quiet.wait(remaining)
            finally:
                self._waiting -= 1
        return True

    # --- from the engine's thread

    def collect(self) -> tuple[int, set[Hint]]:
        """The number of wakes so far, and the hints since the last time."""
        with self._lock:
            hints, self._hints = self._hints, set()
            return self._wakes, hints

    def take_copy(self, key: MessageKey) -> MessageCopy | None:
        """The copy of a message that was just committed, if there is one; but once."""
        with self._lock:
            return self._copies.pop(key, None)

    def has_hints(self) -> bool:
        """Whether there are hints to be collected."""
        return bool(self._hints)

    def put_back(self, hints: set[Hint]) -> None:
        """These hints could not be followed yet."""
        with self._lock:
            self._hints |= hints

    def set_quiet(self, wakes: int) -> None:
        """Everything that was there after so many wakes has been done."""
        with self._lock:
            self._quiet_at = max(self._quiet_at, wakes)
            self._quiet.notify_all()

    def sleep(self, seconds: float, wakes: int, is_due: Callable[[], bool]) -> None:
        """Wait for a ring, unless there have been more ``wakes`` already, or something is due."""
        with self._lock:
            if not self.stopping and self._wakes == wakes and not is_due():
                self._rung.wait(seconds)

    def rest(self, until: float, is_due: Callable[[], bool]) -> None:
        """Let more come together: wait until then, or until something is due that can't wait.

        :param until: a time of :func:`time.monotonic`.
        """
        with self._lock:
            self._resting = True
            try:
                while not (self.stopping or is_due() or self._waiting and self._hints):
                    remaining = until - time.monotonic()
                    if remaining <= 0:
                        return
                    self._rung.wait(remaining)
            finally:
                self._resting = False
