"""The loop of an engine, step by step."""

import time

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.loop import Loop
from pyramid_webhooks.delivery.signals import Signals
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.outbox.owed import count_owed
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.resources.health import Health
from tests.company import wait_until


class Stepping:
    """The loop of an engine whose cycles, and requests, are made by the test."""

    def __init__(self, company):
        self.loop = Loop(company.registry, Signals())
        self.loop._taker._call_senders = lambda: None
        self.lanes = self.loop._lanes
        self.company = company

    def hear(self):
        """Be told of what is committed, as an engine is."""
        engine = self.company.registry.getUtility(IDeliveryEngine)
        signals = self.loop._signals

        def wake(hints=(), messages=()):
            signals.wake(hints, engine._copies_of(messages))

        engine.wake = wake

    def cycle(self):
        """One cycle, as the engine's thread makes it."""
        self.loop._cycle()

    def cycle_until(self, condition):
        def is_so():
            self.cycle()
            return condition()

        wait_until(is_so)

    def sending(self, count):
        """So many jobs that are being sent to a receiver that is known to work."""
        self.company.add('/NWS/OUN', *[f'e{number}' for number in range(count)])
        self.cycle_until(self.lanes.busy)
        (recipient,) = {job.recipient for job in self.loop._holding._jobs.values()}
        self.lanes.know(recipient, Health(successes=100))
        self.cycle_until(lambda: len(self.lanes.lane(recipient).jobs) == count)
        return [self.lanes.take(0) for _ in range(count)]

    def finish(self, job, status=None, ago=0):
        """A job was answered so many seconds ago; or not sent, without a status."""
        if status is not None:
            job.outcome = Outcome(status, message=str(status))
            job.resolved_at = time.time() - ago
        self.lanes.finish(job)

    def queued(self):
        """How many deliveries wait in the schedule."""

        def look(root):
            schedules = outbox_of(root._p_jar).schedules
            return sum(queue.count for each in schedules for _, queue in each.queues())

        return self.company.transact(look)

    def send_all(self):
        """Have everything that is owed sent with success; return the jobs, in order."""
        sent = []

        def is_over():
            while (job := self.lanes.take(0)) is not None:
                sent.append(job)
                self.finish(job, 200)
            return not self.owed() and not self.lanes.busy()

        self.cycle_until(is_over)
        return sent

    def owed(self):
        """How many deliveries are owed."""
        return self.company.transact(lambda root: count_owed(root._p_jar))
