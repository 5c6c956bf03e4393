"""The engine's thread: it reads what is owed, prepares it for the senders, and records results."""

from __future__ import annotations

import logging
import time

from pyramid.registry import Registry
from transaction.interfaces import TransientError

from pyramid_webhooks.delivery.breathing import give_way
from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.consequences import Consequences
from pyramid_webhooks.delivery.database import Database, Session
from pyramid_webhooks.delivery.holding import Holding
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.membership import Membership
from pyramid_webhooks.delivery.pace import READ_SECONDS
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.probing import Probing
from pyramid_webhooks.delivery.recorder import Recorder, partitions_of
from pyramid_webhooks.delivery.sender import Sender, SenderThreads
from pyramid_webhooks.delivery.signals import Hint, Signals
from pyramid_webhooks.delivery.taking import LOOK_SECONDS, Taker
from pyramid_webhooks.delivery.trouble import Trouble
from pyramid_webhooks.interfaces import (
    IDestinationPolicy,
    IRetryPolicy,
    ISettings,
    ITransportFactory,
)
from pyramid_webhooks.outbox.ownership import LostPartitions

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_TROUBLE_SECONDS = 1.0
_CONFLICT_SECONDS = 0.005
_KEEP_SECONDS = 0.25
#: Results that are recorded in one transaction.
_RECORD_LIMIT = 100
#: Single results cost a transaction each: they wait so long for others to join them.
_RECORD_SECONDS = 0.03
#: The best time is when what was just committed has been sent: then they are in nobody's way.
#: So that is when they are recorded once they have waited so long; a single one, so long.
_RECORD_NEXT_SECONDS = 0.02
_RECORD_ALONE_SECONDS = 0.01


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
        self._recorder = Recorder(
            settings, registry.getUtility(IRetryPolicy), probing, self._holding
        )
        self._consequences = Consequences(registry, settings, self._member)
        self._taker = Taker(
            registry,
            settings,
            self._database,
            signals,
            self._lanes,
            self._holding,
            self._member,
            self._clock,
            self._consequences,
            self._call_senders,
        )
        self._results: list[Job] = []
        self._scanned = -1
        self._looked_at = 0.0
        self._trouble = Trouble()

    def _may_send(self, job: Job) -> bool:
        """Whether a job that was taken is still for this process to send; asked by senders."""
        return self._lanes.trusted() and self._holding.holds(job)

    def _finished(self, results: int) -> None:
        """A sender has a result; so many wait to be recorded."""
        if results == 1 or self._must_record():
            self._signals.ring()

    def _call_senders(self) -> None:
        self._senders.want(self._lanes.shortage())

    def run(self) -> None:
        """Send until it is told to stop, or the database is closed."""
        try:
            while not self._signals.stopping:
                try:
                    self._signals.rest(self._taker.rests_until, self._must_record)
                    self._cycle()
                    self._call_senders()
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
                self._holding.put_back([job])
                if not self._lanes.lane(job.recipient).may_start():
                    # What else is ready may have been stopped before this one was back.
                    self._taker.stop([job.recipient])
            else:
                self._results.append(job)

    def _only_held(self, jobs: list[Job]) -> list[Job]:
        """Leave out what was sent before its partition was lost: it is owed elsewhere, or anew."""
        held = [job for job in jobs if self._holding.holds(job)]
        if len(held) < len(jobs):
            # Their receivers were busy with them when what is due was looked for.
            self._taker.jobs_changed(job for job in jobs if not self._holding.holds(job))
        self._lanes.recorded(len(jobs) - len(held))
        return held

    def _lose(self, numbers: list[int]) -> None:
        logger.warning('Partitions %s were taken over by another process.', numbers)
        self._consequences.lose(numbers)
        self._membership.lose(numbers)
        self._results = self._only_held(self._results)
        self._taker.read_anew()

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
        if hints or self._taker.has_more() or self._consequences or self._must_record():
            return True
        if wakes > self._scanned or self._membership.is_due() or self._taker.is_due():
            return True
        return self._others_have_committed()

    def _others_have_committed(self) -> bool:
        """Whether there may have been commits that nobody here has told of; asked at times."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = now
        return self._database.has_news()

    def _must_record(self, next_to_new: bool = False) -> bool:
        """Whether there are results that have waited long enough for others to join them.

        :param next_to_new: whether there is something new that is sent before.
        """
        if self._results:
            return True
        count, since = self._lanes.waiting_results()
        if not count:
            return False
        patience = _RECORD_SECONDS
        if next_to_new:
            patience = _RECORD_ALONE_SECONDS if count == 1 else _RECORD_NEXT_SECONDS
        if time.monotonic() - since >= patience:
            return True
        if self._lanes.results_in_the_way(_RECORD_LIMIT):
            return True
        return self._signals.somebody_waits() and not self._lanes.sending()

    def _is_quiet(self) -> bool:
        return not self._consequences and not self._lanes.busy() and self._taker.is_quiet()

    def _sleep(self, wakes: int) -> None:
        seconds = _POLL_SECONDS
        due = self._taker.seconds()
        if due is not None:
            seconds = min(seconds, due)
        if self._lanes.waiting():
            seconds = min(seconds, READ_SECONDS)
        count, since = self._lanes.waiting_results()
        if count:
            seconds = min(seconds, max(0.0, since + _RECORD_SECONDS - time.monotonic()))
        self._signals.sleep(seconds, wakes, self._must_record)

    def _work(self, hints: set[Hint]) -> None:
        self._lanes.ahead = self._clock.ahead()
        recording = self._must_record(next_to_new=bool(hints))
        if recording:
            self._collect()
        with self._database.session() as session:
            if session.connection.db().database_name not in session.outboxes:
                return
            self._keep_membership(session)
            # What was just committed is on its way before the interpreter is kept busy otherwise.
            done = self._taker.take_first(session, hints)
            if hints and (recording or not done):
                session.abort()
                give_way()
            while self._results:
                self._record(session)
            self._consequences.draw(session)
            if not done:
                if recording:
                    session.abort()  # To read what is new since then.
                self._taker.take(session, hints)

    def _keep_membership(self, session: Session) -> None:
        if not self._membership.is_due():
            return
        if self._membership.renew(session):
            self._taker.read_anew()
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
        seen = self._taker.intake.seen.read_in(jobs, session.outboxes)
        self._member.fence(session.connection, session.primary, partitions_of(jobs))
        session.commit('webhooks: results')
        self._taker.intake.seen.accept(seen)
        self._member.recorded += len(jobs)
        self._consequences.note_suspects(self._recorder.suspects)
        self._taker.intake.parking.hurry(job.recipient for job in jobs if job.outcome.succeeded)
        del self._results[: len(jobs)]
        self._lanes.recorded(len(jobs))
        self._holding.forget(jobs)
        self._taker.due.recorded(jobs)
        self._consequences.note_recorded(recorded)
        self._consequences.log_failures(jobs)

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
                    self._taker.tell_what_is_lost(session)
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
