"""The engine: one thread that reads and records, and a few that send."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterable

from pyramid.registry import Registry
from transaction.interfaces import TransientError
from zope.interface import implementer

from pyramid_webhooks.delivery.announcing import Announcer
from pyramid_webhooks.delivery.database import Database, Session
from pyramid_webhooks.delivery.intake import Dropped, Reader, Transaction
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.recorder import Recorded, Recorder, partitions_of
from pyramid_webhooks.delivery.sender import Sender, SenderThreads
from pyramid_webhooks.interfaces import (
    IDeliveryEngine,
    IDestinationPolicy,
    IRetryPolicy,
    ISettings,
    ITransportFactory,
)
from pyramid_webhooks.outbox.ownership import LostPartitions, Member

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_CLAIM_SECONDS = 0.25
_TROUBLE_SECONDS = 1.0
_CONFLICT_SECONDS = 0.005
#: Results that are recorded in one transaction.
_RECORD_LIMIT = 100


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
        self._wake = threading.Condition(threading.Lock())
        self._wakes = 0
        self._hints: set[tuple[str, bytes]] = set()
        self._stopping = False
        self._scanned = self._quiet_at = -1
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._claimed_at = 0.0
        self._beaten_at = 0.0
        self._last_transaction: bytes | None = None
        self._recorded: list[Recorded] = []
        self._dropped: list[Dropped] = []

    # --- from any thread

    def start(self) -> None:
        """Begin to send. Started twice, or anew in the child of a fork, is fine."""
        with self._lock:
            if self._pid == os.getpid() and self._thread is not None:
                return
            settings = self._settings
            self._pid = os.getpid()
            self._wake = threading.Condition(threading.Lock())
            self._stopping = False
            self._claimed_at = self._beaten_at = 0.0
            self._last_transaction = None
            self._database = Database(self._registry)
            policy = self._registry.getUtility(IDestinationPolicy)
            self._adapter = self._registry.getUtility(ITransportFactory)(settings, policy)
            self._lanes = Lanes(settings.concurrency, settings.concurrency_per_subscription)
            sender = Sender(self._registry, settings, self._adapter)
            self._senders = SenderThreads(self._lanes, sender, settings.concurrency, self._notify)
            self._member = Member(settings.lease)
            self._reader = Reader(self._lanes, self._member)
            self._recorder = Recorder(settings, self._registry.getUtility(IRetryPolicy))
            self._announcer = Announcer(self._registry)
            self._results: list[Job] = []
            self._thread = threading.Thread(
                target=self._run, name='pyramid_webhooks-engine', daemon=True
            )
            self._thread.start()

    def running(self) -> bool:
        """Whether this process sends."""
        return self._pid == os.getpid() and self._thread is not None and self._thread.is_alive()

    def continue_after_fork(self) -> None:
        """Start anew where the parent of this process had been started."""
        if self._pid is not None and self._pid != os.getpid():
            self._lock = threading.Lock()
            self.start()

    def wake(self, hints: Iterable[tuple[str, bytes]] = ()) -> None:
        """Something was committed. ``sync`` delivery waits here until it is sent.

        :param hints: (database name, oid of a segment) that were added to.
        """
        self.continue_after_fork()
        if not self.running():
            return
        with self._wake:
            self._hints.update(hints)
            self._wakes += 1
            wakes = self._wakes
            self._wake.notify_all()
        if self._settings.delivery == 'sync' and threading.current_thread() is not self._thread:
            self.wait_until_quiet(wakes)

    def wait_until_quiet(self, wakes: int | None = None, timeout: float | None = None) -> bool:
        """Wait until all that was due has been sent and recorded, and events have been fired.

        :returns: False when that took longer than ``timeout`` seconds, or the engine ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._wake:
            if wakes is None:
                self._wakes += 1
                wakes = self._wakes
                self._wake.notify_all()
            while self._quiet_at < wakes:
                remaining = 1.0 if deadline is None else min(1.0, deadline - time.monotonic())
                if remaining <= 0 or not self.running():
                    return False
                self._wake.wait(remaining)
        return True

    def stop(self, timeout: float | None = None) -> None:
        """Finish and record what is in flight; the rest stays owed.

        :param timeout: seconds to wait for open requests; by default the setting ``timeout``.
        """
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        self._stop_timeout = self._settings.timeout if timeout is None else timeout
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if thread is not threading.current_thread():
            thread.join(self._stop_timeout + 10)
        self._thread = None

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify_all()

    # --- in the engine's thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._cycle()
                except Exception as error:
                    if self._database.is_closed():
                        logger.info('The database was closed; sending ends.')
                        return
                    self._trouble(error)
            self._finish()
        finally:
            self._member.end()
            self._lanes.close()
            close = getattr(self._adapter, 'close', None)
            if close is not None:
                close()
            self._notify()

    def _trouble(self, error: Exception) -> None:
        if isinstance(error, LostPartitions):
            self._lose(error.numbers)
            return
        if isinstance(error, TransientError):
            logger.debug('Trying again after %s.', error)
            time.sleep(_CONFLICT_SECONDS)
            return
        logger.exception('Sending webhooks is in trouble; trying again.')
        with self._wake:
            self._wake.wait(_TROUBLE_SECONDS)

    def _lose(self, numbers: list[int]) -> None:
        logger.warning('Partitions %s were taken over by another process.', numbers)
        lost = set(numbers)
        mine, others = [], []
        for job in self._results:
            theirs = partitions_of([job])[job.home] & lost
            (others if theirs else mine).append(job)
        self._results = mine
        self._reader.forget(others)
        self._lanes.recorded(len(others))
        for number in numbers:
            self._member.owned.pop(number, None)
        self._reader.drop_partitions(numbers)
        self._reader.forget_everything_seen()
        self._claimed_at = 0.0

    def _cycle(self) -> None:
        with self._wake:
            wakes = self._wakes
            hints, self._hints = self._hints, set()
        self._results += self._lanes.results()
        if not self._something_to_do(wakes, hints):
            self._set_quiet(wakes)
            self._sleep(wakes)
            return
        try:
            self._work(hints)
        except BaseException:
            with self._wake:
                self._hints |= hints
            raise
        self._scanned = wakes
        self._lanes.forget_idle()
        if self._is_quiet():
            self._set_quiet(wakes)

    def _something_to_do(self, wakes: int, hints: set[tuple[str, bytes]]) -> bool:
        if self._results or hints or self._recorded or self._dropped or self._reader.more:
            return True
        now = time.monotonic()
        if now - self._claimed_at >= _CLAIM_SECONDS and self._must_claim(now):
            return True
        if wakes > self._scanned:
            return True
        due = self._reader.next_due()
        if due is not None and due <= time.time():
            return True
        return self._database.last_transaction() != self._last_transaction

    def _must_claim(self, now: float) -> bool:
        all_owned = len(self._member.owned) == 64
        return not all_owned or now - self._beaten_at >= self._settings.lease / 3

    def _is_quiet(self) -> bool:
        if self._recorded or self._dropped or self._reader.more or self._lanes.busy():
            return False
        due = self._reader.next_due()
        return self._reader.idle() and (due is None or due > time.time())

    def _set_quiet(self, wakes: int) -> None:
        if self._is_quiet():
            with self._wake:
                self._quiet_at = max(self._quiet_at, wakes)
                self._wake.notify_all()

    def _sleep(self, wakes: int) -> None:
        seconds = _POLL_SECONDS
        due = self._reader.next_due()
        if due is not None:
            seconds = min(seconds, max(0.0, due - time.time()))
        with self._wake:
            if self._stopping or self._wakes != wakes or self._lanes.has_results():
                return
            self._wake.wait(seconds)

    def _work(self, hints: set[tuple[str, bytes]]) -> None:
        self._last_transaction = self._database.last_transaction()
        with self._database.session() as session:
            if not session.outboxes or self._primary_missing(session):
                self._sleep(self._wakes)
                return
            self._claim(session)
            while self._results:
                self._record(session)
            self._announce(session)
            view = self._read(session, hints)
            ready, returned = self._reader.prepare(view)
        returned += view.returned
        if returned:
            # They are still owed: whatever became of their subscriptions is found out anew.
            self._reader.forget(returned)
            self._reader.forget_everything_seen()
        if ready:
            self._lanes.offer(ready)
        self._senders.want(self._lanes.shortage())

    @staticmethod
    def _primary_missing(session: Session) -> bool:
        return session.connection.db().database_name not in session.outboxes

    def _claim(self, session: Session) -> None:
        now = time.monotonic()
        if now - self._claimed_at < _CLAIM_SECONDS or not self._must_claim(now):
            return
        before = set(self._member.owned)
        beat = now - self._beaten_at >= self._settings.lease / 3
        owned = self._member.claim(session.primary, beat)
        session.commit('webhooks: sign of life')
        self._member.owned = owned
        self._claimed_at = now
        if beat:
            self._beaten_at = now
            prune = getattr(self._adapter, 'prune', None)
            if prune is not None:
                prune()
        if set(owned) != before:
            logger.info('Sending to %d of the 64 partitions.', len(owned))
            self._reader.drop_partitions(before.difference(owned))
            self._reader.forget_everything_seen()

    def _record(self, session: Session) -> None:
        jobs = self._results[:_RECORD_LIMIT]
        recipients = Recipients(self._registry, self._settings, session.connection)
        recorded = self._recorder.record(jobs, session.outboxes, recipients)
        by_home = partitions_of(jobs)
        numbers = set().union(*by_home.values())
        self._member.fence(session.connection, session.primary, numbers)
        session.commit('webhooks: results')
        del self._results[: len(jobs)]
        self._lanes.recorded(len(jobs))
        self._reader.forget(jobs)
        for home, touched in by_home.items():
            self._reader.schedules_changed(home, touched)
        if self._announcer.interested(recorded, []):
            self._recorded += recorded

    def _announce(self, session: Session) -> None:
        recorded, self._recorded = self._recorded, []
        dropped, self._dropped = self._dropped, []
        if not self._announcer.interested(recorded, dropped):
            return
        recipients = Recipients(self._registry, self._settings, session.connection)
        events = self._announcer.events(recorded, dropped, recipients, session.get)
        self._announcer.fire(events)
        try:
            session.commit('webhooks: events')
        except Exception:
            logger.exception('What the handlers of webhook events did could not be committed.')
            session.abort()

    def _read(self, session: Session, hints: set[tuple[str, bytes]]) -> Transaction:
        recipients = Recipients(self._registry, self._settings, session.connection)
        view = Transaction(session.outboxes, recipients)
        self._reader.read(view, hints)
        if view.touched:
            self._member.fence(session.connection, session.primary, view.touched)
            session.commit('webhooks: schedule')
            view.recipients = Recipients(self._registry, self._settings, session.connection)
        self._reader.accept(view)
        self._dropped += view.dropped
        return view

    def _finish(self) -> None:
        """Let what is in flight finish, record it, and give the partitions back."""
        self._lanes.close()
        self._senders.join(self._stop_timeout)
        self._results += self._lanes.results()
        deadline = time.monotonic() + 5
        while not self._database.is_closed():
            try:
                with self._database.session() as session:
                    while self._results:
                        self._record(session)
                    self._announce(session)
                    self._member.release(session.primary)
                    session.commit('webhooks: end')
                return
            except LostPartitions as error:
                self._lose(error.numbers)
            except Exception as error:
                if self._database.is_closed():
                    return
                if time.monotonic() > deadline:
                    logger.error('The last results could not be recorded: %r.', error)
                    return
                time.sleep(0.05)


def stop_at_exit(engine: Engine) -> None:
    """Stop ``engine`` when the interpreter ends, if it still exists then."""
    import atexit

    reference = weakref.ref(engine)

    def stop() -> None:
        found = reference()
        if found is not None:
            found.stop()

    atexit.register(stop)
