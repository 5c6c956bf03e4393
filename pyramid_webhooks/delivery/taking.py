"""Taking what is owed into memory, and handing to the senders what they can send next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Iterable

from pyramid.registry import Registry

from pyramid_webhooks.delivery.breathing import breathe, give_way
from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.consequences import Consequences
from pyramid_webhooks.delivery.database import Database, Session
from pyramid_webhooks.delivery.due import DueReader
from pyramid_webhooks.delivery.express import Express
from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.intake import IntakeReader
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.pace import READ_SECONDS, Pace
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.recorder import partitions_of
from pyramid_webhooks.delivery.shortening import Shortener
from pyramid_webhooks.delivery.signals import Hint, Signals
from pyramid_webhooks.delivery.suspending import PRECONDITIONS
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.settings import Settings

logger = logging.getLogger(__name__)

#: In what takes long, so much time is given away at once, and no more than such a part of a lease.
#: More is given for as much time at work.
_PAUSE_SECONDS = 1.0
_LEASE_PART = 0.1
#: Others tell nobody of what they commit: everything is read so often, whatever else there is.
LOOK_SECONDS = 0.2


class Taker:
    """Reads intakes and schedules, and prepares what they owe.

    :param call_senders: asks for as many senders as have work; called in what takes long.
    :ivar intake: the reader of the intakes.
    :ivar due: the reader of the schedules.
    :ivar failed: whether the last reading failed.
    :ivar rests_until: monotonic time before which there is to be no further reading.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        database: Database,
        signals: Signals,
        lanes: Lanes,
        holding: Holding,
        member: Member,
        clock: Clock,
        consequences: Consequences,
        call_senders: Callable[[], None],
    ):
        self._registry = registry
        self._settings = settings
        self._database = database
        self._signals = signals
        self._lanes = lanes
        self._holding = holding
        self._member = member
        self._clock = clock
        self._consequences = consequences
        self._call_senders = call_senders
        self.intake = IntakeReader(holding, member, clock, self._pause)
        self.due = DueReader(holding, member, clock, self._pause)
        self._express = Express(
            holding, member, self.intake.seen, self.intake.parking, signals.take_copy
        )
        self._shortener = Shortener(database.memory, holding)
        self._tripped: dict[Recipient, None] = {}
        self._hints: set[Hint] = set()
        self._met: Container[Recipient] = ()
        self._taken_at = 0.0
        self._pace = Pace()
        self._returned = False
        self._interruptible = self._interrupted = False
        self._earned_at = self._looked_after = 0.0
        self.failed = False
        self.rests_until = 0.0

    # --- what there is to be done

    def has_more(self) -> bool:
        """Whether there is more to be read or prepared at once."""
        return self.intake.more or self._holding.more

    def is_due(self) -> bool:
        """Whether the time has come to read, or to put something away."""
        due = self.due.next_due()
        if due is not None and due <= self._clock.now():
            return True
        return self._must_put_away() or self._shortener.is_due()

    def seconds(self) -> float | None:
        """Seconds until :meth:`is_due`, as far as is known; None for never."""
        due, parked = self.due.next_due(), self.intake.parking.due()
        times = [
            *(() if due is None else (due - self._clock.now(),)),
            *(() if parked is None else (parked - time.monotonic(),)),
        ]
        return max(0.0, min(times)) if times else None

    def is_quiet(self) -> bool:
        """Whether nothing that is due is known to have been left."""
        if self.intake.more or self.intake.parking or not self._holding.idle():
            return False
        due = self.due.next_due()
        return due is None or due > self._clock.now()

    def _must_put_away(self) -> bool:
        """Whether what waits in the intake is to be moved to the schedule."""
        due = self.intake.parking.due()
        return due is not None and (due <= time.monotonic() or self._signals.somebody_waits())

    # --- doing it

    def take_first(self, session: Session, hints: set[Hint]) -> bool:
        """Take what was just committed, of what can be sent at once.

        :returns: whether there is nothing else to be taken in the same cycle.
        """
        # What was not read yet may be older.
        self._interruptible = not (self.failed or self.intake.more)
        self._met = ()
        self._hints = set(hints)
        if not (self._interruptible and hints):
            return False
        self.failed = True
        complete = self._take_express(session, self._hints)
        self.failed = False
        left = self._returned or self.has_more() or self.is_due() or self._tripped
        late = time.monotonic() - self._taken_at >= LOOK_SECONDS
        return complete and not (left or late or self._lanes.unsettled())

    def _take_express(self, session: Session, hints: set[Hint]) -> bool:
        started = time.monotonic()
        recipients = Recipients(self._registry, self._settings, session.connection)
        view = View(session.outboxes, recipients)
        complete, read = self._express.read(view, hints, self._met)
        self._holding.hold(view.new)
        self._offer(view)
        self.intake.seen.accept(read)
        self._rest(started)
        return complete

    def _pause(self, step: int) -> None:
        """In what takes long, let others go on, and take what they have just committed.

        That takes little more than half of the time, however much is committed: others take over
        what belongs to a process that gives no sign of life.
        """
        breathe(step)
        started = time.monotonic()
        if started < self._earned_at - min(_PAUSE_SECONDS, _LEASE_PART * self._settings.lease):
            return
        try:
            if self._interruptible and self._signals.has_hints():
                self._take_meanwhile()
            if started >= self._looked_after + READ_SECONDS:
                self._looked_after = started
                if self._interruptible and self._holding.can_prepare():
                    self._prepare_meanwhile()
                # Those that were there may have got receivers that do not answer.
                self._call_senders()
        finally:
            pause = time.monotonic() - started
            self._earned_at = max(self._earned_at, started) + 2 * pause

    def _take_meanwhile(self) -> None:
        _, hints = self._signals.collect()
        complete = False
        self._interrupted = True
        try:
            with self._database.session() as session:
                complete = self._take_express(session, self._hints | hints)
            give_way()
        finally:
            if not complete:
                self._signals.put_back(hints)
                # What is left has to be read in the ordinary way first.
                self._interruptible = False

    def _prepare_meanwhile(self) -> None:
        with self._database.session() as session:
            recipients = Recipients(self._registry, self._settings, session.connection)
            self._offer(View(session.outboxes, recipients))

    def take(self, session: Session, hints: set[Hint]) -> None:
        """Read what is owed, and hand to the senders what they can send next."""
        if self.failed:
            # What was found where it is seldom looked may have been left there.
            self.intake.look_everywhere()
        self.failed = True
        started = self._taken_at = time.monotonic()
        view = self._read(session, hints)
        if hints or view.new:
            self._rest(started)
        try:
            self._offer(view)
        except BaseException:
            # Whom it was to stop, or to prepare anew, is found out anew, too.
            for recipient in (*view.stopped, *view.changed):
                self._holding.forget(self._holding.unsent(recipient))
            self.read_anew()
            raise
        if self._returned:
            self.read_anew()
        self.failed = False

    def _rest(self, started: float) -> None:
        until = self._pace.next(started, self._signals.wakes())
        self.rests_until = max(self.rests_until, until)

    def _offer(self, view: View) -> None:
        ready, returned = self._holding.prepare(view)
        if returned:
            # They are still owed: whatever became of their subscriptions is found out anew.
            self._holding.forget(returned)
            self._returned = True
        if ready:
            self._lanes.offer(ready)

    def _read(self, session: Session, hints: set[Hint]) -> View:
        recipients = Recipients(self._registry, self._settings, session.connection)
        view = View(session.outboxes, recipients)
        self._met = view.met
        self._interrupted = False
        spared = self._lanes.spared()
        self._holding.forget(spared)
        self.due.changed(partitions_of(spared))
        self.stop(self._lanes.tripped())
        # Nothing of theirs is started, or taken, until they are where they have to wait.
        view.met.update(self._tripped)
        stopped = [job for each in self._tripped for job in self._holding.unsent(each)]
        try:
            self._read_and_commit(session, view, hints, stopped)
        except BaseException:
            self._holding.put_back(stopped)
            raise
        self._holding.forget(stopped)
        if self._tripped:
            self.due.changed(map(partition_of, self._tripped))
            self._tripped.clear()
        self._holding.hold(view.new)
        self._consequences.note_dropped(view.dropped)
        self._consequences.note_dropped(self._shortener.refused())
        self._consequences.note_suspects(dict.fromkeys(view.suspects, PRECONDITIONS))
        return view

    def _read_and_commit(
        self, session: Session, view: View, hints: set[Hint], stopped: list[Job]
    ) -> None:
        seen = self.intake.read(view, hints, stopped, self._must_put_away())
        self._shortener.shorten(view)
        looked = self.due.read(view)
        if view.touched:
            self._pause(0)
            # It may be committed although it raises an error.
            self.due.changed(view.touched)
            self._member.fence(session.connection, session.primary, view.touched)
            self._commit(session)
        elif self._interrupted:
            session.abort()  # To see the messages of what was taken meanwhile.
        if view.touched or self._interrupted:
            view.recipients = Recipients(self._registry, self._settings, session.connection)
        again = self.intake.accept(seen)
        if again:
            self._signals.put_back(set(again))
        self.due.accept(looked)
        self.due.changed(view.touched)

    def _commit(self, session: Session) -> None:
        started, wakes = time.monotonic(), self._signals.wakes()
        session.commit('webhooks: schedule')
        if time.monotonic() - started >= READ_SECONDS:
            # Those who had to wait for that to commit come first now.
            self._signals.sleep(READ_SECONDS, wakes, lambda: False)

    def stop(self, recipients: Iterable[Recipient]) -> None:
        """What is ready for these has to wait: their breakers have opened."""
        self._tripped.update(dict.fromkeys(recipients))

    def read_anew(self) -> None:
        """Forget what has been read, so that everything is."""
        self._returned = False
        self.intake.forget_everything_seen()
        self.due.forget_everything_seen()

    def jobs_changed(self, jobs: Iterable[Job]) -> None:
        """Something of these was taken out of the schedules, or is owed there again."""
        self.due.changed(partitions_of(jobs))

    def tell_what_is_lost(self, session: Session) -> None:
        """Of what is in memory only, say what ends with the process."""
        self._shortener.tell_what_is_lost(session.connection)
