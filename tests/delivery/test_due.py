"""Reading what is due into memory."""

import random
import time

from pyramid_webhooks import manager_of
from pyramid_webhooks.delivery.clock import Clock
from pyramid_webhooks.delivery.due import DueReader
from pyramid_webhooks.delivery.holding import ALLOWANCE, UNPROVEN_ALLOWANCE, Holding, View
from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.outbox.owed import recipient_key
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.run import Row, Run
from pyramid_webhooks.resources.health import Health
from pyramid_webhooks.resources.message import Message

WAITING = 3 * ALLOWANCE
RUN_SIZE = ALLOWANCE // 2


class Reading:
    """A transaction in which runs of deliveries wait for a subscription, and are read."""

    def __init__(self, company, root):
        self.connection = root._p_jar
        self.registry = company.registry
        self.settings = company.registry.getUtility(ISettings)
        self.outbox = outbox_of(self.connection)
        (self.subscription,) = manager_of(root).values()
        self.recipient = recipient_key(self.subscription)
        self.schedule = self.outbox.schedule_of(self.recipient)
        message = Message.__new__(Message)
        self.connection.add(message)
        self.message = message
        rows = [Row(number.to_bytes(24, 'big'), message, 0.0) for number in range(WAITING)]
        for at in range(0, WAITING, RUN_SIZE):
            self.schedule.put_run(self.recipient, Run(rows[at : at + RUN_SIZE]))
        self.lanes = Lanes(4, 4)
        self.lanes.know(self.recipient, Health(successes=5))
        self.holding = Holding(self.lanes)
        self.member = Member(15)
        self.member.owned = dict.fromkeys(range(64), 1)
        self.due = DueReader(self.holding, self.member, Clock())

    def read(self):
        """Read what is due, as if what was read before were in flight."""
        recipients = Recipients(self.registry, self.settings, self.connection)
        view = View({self.recipient[0]: self.outbox}, recipients)
        self.due.forget_everything_seen()
        self.due.read(view)
        self.touched = view.touched
        self.holding.hold(view.new)
        self.holding.unsent(self.recipient)
        return view.new

    def end(self):
        self.member.end()
        self.connection.transaction_manager.abort()


def in_reading(make_company, receiver, do):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)

    def within(root):
        reading = Reading(company, root)
        do(reading)
        reading.end()

    company.transact(within)


def test_each_delivery_that_is_read_can_be_recorded_by_itself(make_company, receiver):
    """While others are in flight it reads further than there is room for."""

    def do(reading):
        jobs = reading.read() + reading.read()
        assert len(jobs) == 2 * ALLOWANCE
        random.Random(1).shuffle(jobs)
        queue = reading.schedule.queue(reading.recipient)
        for count, job in enumerate(jobs, 1):
            assert reading.schedule.remove(reading.recipient, job.queue_key)
            assert queue.count == WAITING - count
        assert len(list(queue.items())) == WAITING - len(jobs)
        assert not {key for key, _ in queue.items()} & {job.queue_key for job in jobs}

    in_reading(make_company, receiver, do)


def test_to_read_is_to_write_nothing(make_company, receiver):
    def do(reading):
        queue = reading.schedule.queue(reading.recipient)
        before = queue.__getstate__(), list(queue._items.items())
        assert len(reading.read()) == ALLOWANCE
        assert before == (queue.__getstate__(), list(queue._items.items()))
        assert not reading.touched

    in_reading(make_company, receiver, do)


def test_what_is_in_memory_is_found_by_its_message(make_company, receiver):
    """Or it would be sent twice when somebody asks for it to be sent again."""

    def do(reading):
        jobs = reading.read() + reading.read()
        found = reading.schedule.queue(reading.recipient).keys_of(reading.message)
        assert {job.queue_key for job in jobs} <= set(found)

    in_reading(make_company, receiver, do)


def test_nothing_is_read_between_the_success_of_a_probe_and_its_recording(make_company, receiver):
    """Recording it brings the retries forward, which come before what was never tried."""

    def do(reading):
        assert len(reading.read()) == ALLOWANCE
        reading.subscription.log.health.probe_at = 1.0
        assert reading.read() == []
        reading.subscription.log.health.succeed()
        assert len(reading.read()) == ALLOWANCE

    in_reading(make_company, receiver, do)


def test_a_receiver_that_is_held_for_healthy_without_reason_is_probed(make_company, receiver):
    """A success that belongs to another process now has changed nothing that is stored."""

    def do(reading):
        reading.subscription.log.health.probe_at = 1.0
        assert len(reading.read()) == 1

    in_reading(make_company, receiver, do)


def test_what_was_put_away_before_a_failure_is_no_probe_until_that_is_recorded(reading):
    """It may be younger than what was stopped, and the time of the probe is not known there."""
    names = [f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 2)]
    reading.company.add('/NWS/OUN', *names)
    jobs, _, _ = reading.read()
    reading.read()
    assert len(jobs) == UNPROVEN_ALLOWANCE
    assert len(reading.waiting()) == 2
    recipient = jobs[0].recipient
    reading.holding.forget(reading.holding.unsent(recipient)[1:])
    health = Health()
    health.fail(time.time(), lambda failures: 60.0, 0.0, True)
    assert health.is_open
    reading.lanes.know(recipient, health)
    with reading.database.session() as session:
        view = reading.view(session)
        reading.due.read(view)
    assert view.new == []
