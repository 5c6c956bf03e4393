"""The engine: sends what is owed, in threads of its own."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Collection, Iterable

from pyramid.registry import Registry
from zope.interface import implementer

from pyramid_webhooks.delivery.loop import Loop
from pyramid_webhooks.delivery.signals import COPY_LIMIT, Hint, MessageKey, Signals
from pyramid_webhooks.interfaces import IDeliveryEngine, ISettings
from pyramid_webhooks.registries import outbox_databases_of
from pyramid_webhooks.resources.message import Message, MessageCopy, copy_of

_TELLING_SECONDS = 0.5
_DEAF_SECONDS = 0.5


@implementer(IDeliveryEngine)
class Engine:
    """Sends what is owed to the partitions that this process owns.

    A delivery is in flight from the moment it is sent until its result is committed; nothing
    else of what is in memory matters to anybody, should the process be killed.
    """

    def __init__(self, registry: Registry):
        self._registry = registry
        self._settings = registry.getUtility(ISettings)
        self._lock = threading.Lock()
        self._signals = Signals()
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        #: Whether this process does the work of the application, or is a mere parent so far.
        self._serves = False
        self._rests = False

    def start(self) -> None:
        """Begin to send. Started twice, or anew in the child of a fork, is fine."""
        with self._lock:
            if self.running():
                return
            self._pid = os.getpid()
            self._rests = False
            self._signals = Signals()
            self._loop = Loop(self._registry, self._signals)
            self._thread = threading.Thread(
                target=self._loop.run, name='pyramid_webhooks-engine', daemon=True
            )
            self._thread.start()

    def running(self) -> bool:
        """Whether this process sends."""
        thread = self._thread  # Another thread may be stopping it.
        return self._pid == os.getpid() and thread is not None and thread.is_alive()

    def rest_before_fork(self) -> None:
        """Stop when this process has not done anything for the application yet.

        It is about to fork, and the child may be what serves: it should inherit neither threads
        in the middle of something nor a database that its parent goes on to write.
        """
        if self.running() and not self._serves:
            self.stop()
            self._rests = True

    def continue_after_fork(self) -> bool:
        """Start anew where this was stopped because of a fork, or runs in the parent only.

        :returns: whether this process is a child in which it was started now.
        """
        self._serves = True
        inherited = (self._rests or self._thread is not None) and self._pid != os.getpid()
        if inherited:
            self._lock = threading.Lock()
        if inherited or self._rests:
            self.start()
        return inherited

    def wake(self, hints: Iterable[Hint] = (), messages: Collection[Message] = ()) -> None:
        """Something was committed. ``sync`` delivery waits here until it is sent.

        :param hints: (database name, oid of a segment) that were added to.
        :param messages: that were added there; small ones need not be read then.
        """
        self.continue_after_fork()
        if not self.running():
            return
        wakes = self._signals.wake(hints, self._copies_of(messages))
        if self._settings.delivery == 'sync' and threading.current_thread() is not self._thread:
            self._signals.wait_until_quiet(wakes, None, self.running)

    def _copies_of(self, messages: Collection[Message]) -> dict[MessageKey, MessageCopy]:
        copies: dict[MessageKey, MessageCopy] = {}
        if len(messages) <= COPY_LIMIT:
            databases = outbox_databases_of(self._registry)
            for message in messages:
                copy = copy_of(message)
                if copy is not None:
                    database = message._p_jar.db()
                    # That of another application may have the same name.
                    if databases.get(database.database_name) is database:
                        copies[(database.database_name, message._p_oid)] = copy
        return copies

    def wait_until_quiet(self, timeout: float | None = None) -> bool:
        """Wait until all that was due has been sent and recorded, and events have been fired.

        :returns: False when that took longer than ``timeout`` seconds, or the engine ended.
        """
        self.continue_after_fork()
        return self._signals.wait_until_quiet(self._signals.wake(), timeout, self.running)

    def stop(self, timeout: float | None = None) -> None:
        """Finish and record what is in flight; the rest stays owed.

        :param timeout: seconds to wait for open requests; by default the setting ``timeout``,
            and a little more.
        """
        self._rests = False
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        if timeout is None:
            # What was just sent takes so long to time out, and has to tell then.
            timeout = self._settings.timeout + _TELLING_SECONDS
        self._loop.stop_timeout = timeout
        self._signals.stop()
        if thread is not threading.current_thread():
            _join(thread, timeout + 10)
        self._thread = None


def _join(thread: threading.Thread, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while thread.is_alive() and time.monotonic() < deadline:
        # A signal that comes just before it begins to wait is not heard until it has.
        thread.join(_DEAF_SECONDS)


def stop_at_exit(engine: Engine) -> None:
    """Stop ``engine`` when the interpreter ends or forks, if it still exists then."""
    reference = weakref.ref(engine)

    def stop() -> None:
        found = reference()
        if found is not None:
            found.stop()

    def rest() -> None:
        found = reference()
        if found is not None:
            found.rest_before_fork()

    atexit.register(stop)
    os.register_at_fork(before=rest)
