"""The engine's thread: it reads what is owed, prepares it for the senders, and records results."""

from __future__ import annotations

import logging
import time

from pyramid.registry import Registry
from transaction.interfaces import TransientError

from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.consequences import Consequences
from pyramid_webhooks.delivery.database import Database, Session
from pyramid_webhooks.delivery.due import DueReader
from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.intake import IntakeReader
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.membership import Membership
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.probing import Probing
from pyramid_webhooks.delivery.recorder import Recorder, partitions_of
from pyramid_webhooks.delivery.sender import Sender, SenderThreads
from pyramid_webhooks.delivery.shortening import Shortener
from pyramid_webhooks.delivery.signals import Hint, Signals
from pyramid_webhooks.delivery.suspending import PRECONDITIONS
from pyramid_webhooks.delivery.trouble import Trouble
from pyramid_webhooks.interfaces import (
    IDestinationPolicy,
    IRetryPolicy,
    ISettings,
    ITransportFactory,
)
from pyramid_webhooks.outbox.ownership import LostPartitions
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_LOOK_SECONDS = 0.2
_TROUBLE_SECONDS = 1.0
_CONFLICT_SECONDS = 0.005
_KEEP_SECONDS = 0.25
_YIELD_SECONDS = 0.0005
#: Results that are recorded in one transaction.
_RECORD_LIMIT = 100
#: Single events and results cost a transaction each: reads are so far apart, and results wait for
#: others to join them. After a read of more than a few commits, the next one waits as long; after
#: one that nobody had asked for and that found nothing, the next one does not wait.
_READ_SECONDS = 0.005
_RECORD_SECONDS = 0.02
_FEW = 2


class Loop:
    """Everything that one run of the engine has in memory, and what its thread does with it.

    :ivar stop_timeout: seconds that open requests are waited for in the end.
    """

    def __init__(self, registry: Registry, signals: Signals):
        settings = registry.getUtility(ISettings)
        self._registry = registry
        self._settings = settings
        self._signals = signals
        self.stop_timeout = settings.timeout
        self._database = Database(registry)
        policy = registry.getUtility(IDestinationPolicy)
        self._adapter = registry.getUtility(ITransportFactory)(settings, policy)
        probing = Probing(settings.retry_schedule)
        self._clock = Clock()
        self._lanes = Lanes(settings.concurrency, settings.concurrency_per_subscription, probing)
        self._holding = Holding(self._lanes)
        sender = Sender(registry, settings, self._adapter, self._may_send)
        self._senders = SenderThreads(self._lanes, sender, settings.concurrency, self._finished)
        self._membership = Membership(settings.lease, self._holding, self._lanes)
        self._member = self._membership.member
        self._intake = IntakeReader(self._holding, self._member, self._clock)
        self._due = DueReader(self._holding, self._member, self._clock)
        self._shortener = Shortener(self._database.memory, self._holding)
        self._recorder = Recorder(
            settings, registry.getUtility(IRetryPolicy), probing, self._holding
        )
        self._consequences = Consequences(registry, settings, self._member)
        self._results: list[Job] = []
        self._tripped: dict[Recipient, None] = {}
        self._scanned = -1
        self._read_at = 0.0
        self._looked_at = 0.0
        self._pace = _READ_SECONDS
        self._taking = False
        self._trouble = Trouble()

    def _may_send(self, job: Job) -> bool:
        """Whether a job that was taken is still for this process to send; asked by senders."""
        return self._lanes.trusted() and self._holding.holds(job)

    def _finished(self, results: int) -> None:
        """A sender has a result; so many wait to be recorded."""
        if results == 1 or self._must_record():
            self._signals.ring()

    def run(self) -> None:
        """Send until it is told to stop, or the database is closed."""
        try:
            while not self._signals.stopping:
                try:
                    self._signals.rest(self._read_at + self._pace, self._must_record)
                    self._cycle()
                    self._senders.want(self._lanes.shortage())
                except Exception as error:
                    if self._database.is_closed():
                        logger.info('The database was closed; sending ends.')
                        return
                    self._overcome(error)
            self._finish()
        finally:
            self._member.end()
            self._lanes.close()
            close = getattr(self._adapter, 'close', None)
            if close is not None:
                close()
            self._signals.stop()

    def _overcome(self, error: Exception) -> None:
        if isinstance(error, LostPartitions):
            self._lose(error.numbers)
            return
        if isinstance(error, TransientError):
            logger.debug('Trying again after %s.', error)
            time.sleep(_CONFLICT_SECONDS)
            return
        self._trouble.tell(error)
        self._signals.sleep(_TROUBLE_SECONDS, self._signals.wakes(), lambda: False)

    def _collect(self) -> None:
        """Take the results from the senders, and back what they did not send."""
        for job in self._only_held(self._lanes.results()):
            if job.outcome is None:
                self._lanes.recorded(1)
                self._holding.put_back(job)
                if not self._lanes.lane(job.recipient).may_start():
                    # What else is ready may have been stopped before this one was back.
                    self._tripped[job.recipient] = None
            else:
                self._results.append(job)

    def _only_held(self, jobs: list[Job]) -> list[Job]:
        """Leave out what was sent before its partition was lost: it is owed elsewhere, or anew."""
        held = [job for job in jobs if self._holding.holds(job)]
        if len(held) < len(jobs):
            # Their receivers were busy with them when what is due was looked for.
            self._due.changed(partitions_of(job for job in jobs if not self._holding.holds(job)))
        self._lanes.recorded(len(jobs) - len(held))
        return held

    def _lose(self, numbers: list[int]) -> None:
        logger.warning('Partitions %s were taken over by another process.', numbers)
        self._consequences.lose(numbers)
        self._membership.lose(numbers)
        self._results = self._only_held(self._results)
        self._read_anew()

    def _cycle(self) -> None:
        wakes, hints = self._signals.collect()
        if not self._something_to_do(wakes, hints):
            if self._is_quiet():
                self._signals.set_quiet(wakes)
            self._sleep(wakes)
            return
        try:
            self._work(hints)
        except BaseException:
            self._signals.put_back(hints)
            raise
        self._trouble.end()
        self._scanned = wakes
        self._lanes.forget_idle()
        if self._is_quiet():
            self._signals.set_quiet(wakes)

    def _something_to_do(self, wakes: int, hints: set[Hint]) -> bool:
        more = self._intake.more or self._holding.more
        if hints or more or self._consequences or self._must_record():
            return True
        if wakes > self._scanned or self._membership.is_due():
            return True
        due = self._due.next_due()
        if due is not None and due <= self._clock.now() or self._must_put_away():
            return True
        return self._shortener.is_due() or self._others_have_committed()

    def _others_have_committed(self) -> bool:
        """Whether there may have been commits that nobody here has told of; asked at times."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return self._database.has_news()

    def _must_record(self) -> bool:
        """Whether there are results that have waited long enough for others to join them."""
        if self._results:
            return True
        count, since = self._lanes.waiting_results()
        if not count:
            return False
        if time.monotonic() - since >= _RECORD_SECONDS:
            return True
        if self._lanes.results_in_the_way(_RECORD_LIMIT):
            return True
        return self._signals.somebody_waits() and not self._lanes.sending()

    def _must_put_away(self) -> bool:
        """Whether what waits in the intake is to be moved to the schedule."""
        due = self._intake.parking.due()
        return due is not None and (due <= time.monotonic() or self._signals.somebody_waits())

    def _is_quiet(self) -> bool:
        if self._consequences or self._intake.more or self._lanes.busy() or self._intake.parking:
            return False
        due = self._due.next_due()
        return self._holding.idle() and (due is None or due > self._clock.now())

    def _sleep(self, wakes: int) -> None:
        seconds = _POLL_SECONDS
        due = self._due.next_due()
        if due is not None:
            seconds = min(seconds, max(0.0, due - self._clock.now()))
        due = self._intake.parking.due()
        if due is not None:
            seconds = min(seconds, max(0.0, due - time.monotonic()))
        if self._lanes.waiting():
            seconds = min(seconds, _READ_SECONDS)
        count, since = self._lanes.waiting_results()
        if count:
            seconds = min(seconds, max(0.0, since + _RECORD_SECONDS - time.monotonic()))
        self._signals.sleep(seconds, wakes, self._must_record)

    def _work(self, hints: set[Hint]) -> None:
        started = time.monotonic()
        self._lanes.ahead = self._clock.ahead()
        recording = self._must_record()
        if recording:
            self._collect()
        with self._database.session() as session:
            if session.connection.db().database_name not in session.outboxes:
                return
            self._keep_membership(session)
            # What was just committed is on its way before the interpreter is kept busy otherwise;
            # unless it could not be read the last time, which must not keep results from being
            # recorded.
            fresh = bool(hints) and not self._taking
            if fresh:
                self._take(session, hints, started)
                if recording:
                    session.abort()
                    time.sleep(_YIELD_SECONDS)
            while self._results:
                self._record(session)
            self._consequences.draw(session)
            if not fresh:
                if recording:
                    session.abort()  # To read what is new since then.
                self._take(session, hints, started)

    def _take(self, session: Session, hints: set[Hint], started: float) -> None:
        """Read what is owed, and hand to the senders what they can send next."""
        self._taking = True
        view = self._read(session, hints)
        if hints or view.new:
            self._read_at = started
            self._pace = _READ_SECONDS if len(hints) <= _FEW else _RECORD_SECONDS
        try:
            ready, returned = self._holding.prepare(view)
        except BaseException:
            # Whom it was to stop, or to prepare anew, is found out anew, too.
            for recipient in (*view.stopped, *view.changed):
                self._holding.forget(self._holding.unsent(recipient))
            self._read_anew()
            raise
        if returned:
            # They are still owed: whatever became of their subscriptions is found out anew.
            self._holding.forget(returned)
            self._read_anew()
        if ready:
            self._lanes.offer(ready)
        self._taking = False

    def _keep_membership(self, session: Session) -> None:
        if not self._membership.is_due():
            return
        if self._membership.renew(session):
            self._read_anew()
        prune = getattr(self._adapter, 'prune', None)
        if prune is not None:
            prune()

    def _record(self, session: Session) -> None:
        self._results = self._only_held(self._results)
        jobs = self._results[:_RECORD_LIMIT]
        if not jobs:
            return
        recipients = Recipients(self._registry, self._settings, session.connection)
        recorded = self._recorder.record(jobs, session.outboxes, recipients, self._clock.ahead())
        seen = self._intake.seen_of(jobs, session.outboxes)
        numbers = partitions_of(jobs)
        self._member.fence(session.connection, session.primary, numbers)
        session.commit('webhooks: results')
        self._intake.accept_own(seen)
        self._member.recorded += len(jobs)
        self._consequences.note_suspects(self._recorder.suspects)
        self._intake.parking.hurry(job.recipient for job in jobs if job.outcome.succeeded)
        del self._results[: len(jobs)]
        self._lanes.recorded(len(jobs))
        self._holding.forget(jobs)
        self._due.changed(numbers)
        self._consequences.note_recorded(recorded)

    def _read(self, session: Session, hints: set[Hint]) -> View:
        recipients = Recipients(self._registry, self._settings, session.connection)
        view = View(session.outboxes, recipients)
        spared = self._lanes.spared()
        self._holding.forget(spared)
        self._due.changed(partitions_of(spared))
        self._tripped.update(dict.fromkeys(self._lanes.tripped()))
        stopped = [job for each in self._tripped for job in self._holding.waiting(each)]
        seen = self._intake.read(view, hints, stopped, self._must_put_away())
        self._shortener.shorten(view)
        looked = self._due.read(view)
        if view.touched:
            # It may be committed although it raises an error.
            self._due.changed(view.touched)
            self._member.fence(session.connection, session.primary, view.touched)
            session.commit('webhooks: schedule')
            view.recipients = Recipients(self._registry, self._settings, session.connection)
        self._intake.accept(seen)
        self._due.accept(looked)
        self._due.changed(view.touched)
        for recipient in self._tripped:
            self._holding.forget(self._holding.unsent(recipient))
        if self._tripped:
            self._due.changed(map(partition_of, self._tripped))
            self._tripped.clear()
        self._holding.hold(view.new)
        self._consequences.note_dropped(view.dropped)
        self._consequences.note_dropped(self._shortener.refused())
        self._consequences.note_suspects(dict.fromkeys(view.suspects, PRECONDITIONS))
        return view

    def _read_anew(self) -> None:
        self._intake.forget_everything_seen()
        self._due.forget_everything_seen()

    def _finish(self) -> None:
        """Let what is in flight finish, record it, and give the partitions back."""
        self._lanes.close()
        if self._lanes.sending():
            logger.info(
                'Waiting up to %g seconds for %d open requests.',
                self.stop_timeout,
                self._lanes.sending(),
            )
        deadline = time.monotonic() + self.stop_timeout
        while not self._senders.join(min(_KEEP_SECONDS, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                break
            self._membership.keep(self._database)
        self._collect()
        deadline = time.monotonic() + 5
        while not self._database.is_closed():
            try:
                with self._database.session() as session:
                    while self._results:
                        self._record(session)
                    self._consequences.announce(session)
                    self._member.release(session.primary)
                    session.commit('webhooks: end')
                    self._shortener.tell_what_is_lost(session.connection)
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
