"""Reading what is owed without an engine around it."""

from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.database import Database
from pyramid_webhooks.delivery.due import DueReader
from pyramid_webhooks.delivery.express import Express
from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.intake import IntakeReader
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import PARTITIONS, partition_of


class Reading:
    """An intake reader on its own, and the transactions it reads in."""

    def __init__(self, company):
        self.company = company
        self.member = Member(15)
        self.member.owned = dict.fromkeys(range(PARTITIONS), 1)
        self.lanes = Lanes(8, 8)
        self.holding = Holding(self.lanes)
        self.reader = IntakeReader(self.holding, self.member, Clock())
        self.express = Express(self.holding, self.member, self.reader.seen, self.reader.parking)
        self.due = DueReader(self.holding, self.member, Clock())
        self.database = Database(company.registry)

    def view(self, session):
        """What a transaction of the engine sees."""
        settings = self.company.registry.getUtility(ISettings)
        return View(
            session.outboxes, Recipients(self.company.registry, settings, session.connection)
        )

    def read_express(self, apart=()):
        """Take what can be sent at once; return the jobs, and whether that was everything."""
        with self.database.session() as session:
            view = self.view(session)
            hints = {
                (home, segment._p_oid)
                for home, outbox in session.outboxes.items()
                for segment in outbox.intake.all_segments()
            }
            complete, read = self.express.read(view, hints, apart)
            self.holding.hold(view.new)
            self.reader.seen.accept(read)
        return view.new, complete

    def read(self, commit=True, put_away=True):
        """Read once; return the jobs that were taken, what was dropped, and what is left."""
        with self.database.session() as session:
            view = self.view(session)
            seen = self.reader.read(view, (), put_away=put_away)
            if commit:
                session.commit('read')
                self.reader.accept(seen)
                self.holding.hold(view.new)
            owed = sum(
                len(segment)
                for outbox in session.outboxes.values()
                for segment in outbox.intake.all_segments()
            )
        return view.new, view.dropped, owed

    def read_all(self):
        """Read what is due, too, and take everything into memory that has room."""
        with self.database.session() as session:
            view = self.view(session)
            seen = self.reader.read(view, ())
            looked = self.due.read(view)
            session.commit('read')
            self.reader.accept(seen)
            self.due.accept(looked)
            self.due.changed(view.touched)
            self.holding.hold(view.new)

    def send(self, recipient):
        """Have everything that is in memory sent with success; return the jobs, in order."""
        jobs = self.holding.unsent(recipient)
        with self.database.session() as session:
            for job in jobs:
                if job.entry is None:
                    schedule = session.outboxes[job.home].schedule_of(recipient)
                    assert schedule.remove(recipient, job.queue_key)
                else:
                    assert session.get(job.home, job.segment).take(job.entry, [recipient[1]])
            session.commit('sent')
        self.holding.forget(jobs)
        self.due.changed({partition_of(recipient)})
        return jobs

    def waiting(self):
        """(due, held) of what waits in the schedules."""
        with self.database.session() as session:
            return [
                (key[0], queue.held)
                for schedule in session.primary.schedules
                for queue in (schedule._queues or {}).values()
                for key, _ in queue.items()
            ]
