"""All at once, by chance: nothing is lost, sent again after its success, or out of order."""

import random
import time
from collections import Counter, defaultdict

import pytest
from ZODB.POSException import ConflictError

from pyramid_webhooks.delivery import express, holding, intake, taking
from pyramid_webhooks.delivery.database import Session
from pyramid_webhooks.events import PING
from tests.delivery.stepping import Stepping
from tests.delivery.test_taking import add_elsewhere

SUBSCRIPTIONS = 3
SECONDS = 20


class Turmoil:
    """An engine whose cycles are interrupted, and fail, while others commit and receivers answer.

    :param calm: only what must keep the order of the commits: nothing fails at the receivers, is
        deactivated, or taken over by others.
    """

    def __init__(self, company, seed, calm, monkeypatch):
        self.chance = random.Random(seed)
        self.calm = calm
        self.company = company
        self.stepping = Stepping(company)
        self.stepping.hear()
        self.owed = 0
        self.flying = []
        self.succeeded = Counter()
        self.started = defaultdict(list)
        self.goodness = 0.9
        self.interruptions = 0
        self.interrupted = False
        self.likely_in_pauses = self.chance.choice([0, 0.05, 0.3])
        self.likely_to_fail = self.chance.choice([0, 0, 0.1])
        if not calm:
            # What is read in parts is in order as far as the parts are.
            self._small(monkeypatch, intake, 'READ_LIMIT', 10)
        self._small(monkeypatch, express, '_READ_LIMIT', 12)
        self._small(monkeypatch, holding, 'PREPARE_LIMIT', 4)
        self._small(monkeypatch, holding, 'ALLOWANCE', 12)
        monkeypatch.setattr(taking, 'breathe', self._breathe)
        original = Session.commit

        def commit(session, note):
            self._fail(self.likely_to_fail)
            original(session, note)
            self._fail(self.likely_to_fail / 3)

        monkeypatch.setattr(Session, 'commit', commit)

    def _small(self, monkeypatch, module, name, value):
        if self.chance.random() < 0.3:
            monkeypatch.setattr(module, name, value)

    def _fail(self, likely):
        if self.chance.random() < likely:
            raise ConflictError('deliberately')

    def _breathe(self, step):
        likely = self.chance.random() < self.likely_in_pauses
        if likely and self.interruptions > 0 and not self.interrupted:
            self.interruptions -= 1
            self.interrupted = True
            try:
                actions = (
                    self.commit,
                    self.commit,
                    self.commit,
                    self.answer,
                    self.start,
                    self.edit,
                )
                self.chance.choice(actions)()
            finally:
                self.interrupted = False

    def commit(self):
        """The application owes something, now and then where the engine rarely looks."""
        count = self.chance.choice([1, 1, 1, 3, 12])
        names = [f'n{self.owed + number}' for number in range(count)]
        self.owed += count
        if self.chance.random() < 0.6:
            add_elsewhere(self.company, *names)
        else:
            self.company.add('/NWS/OUN', *names)

    def edit(self):
        """Somebody changes, pings, deactivates or activates a subscription."""

        def do(manager):
            each = self.chance.choice(list(manager.values()))
            kind = self.chance.random()
            if not each.active:
                manager.activate(each)
            elif kind < 0.4 and not self.calm:
                manager.deactivate(each)
            elif kind < 0.7:
                each.ping()
            else:
                each.description = 'changed'

        self.company.at('/', do)

    def start(self, most=6):
        """Senders take jobs."""
        for _ in range(self.chance.randint(0, most)):
            job = self.stepping.lanes.take(0)
            if job is None:
                return
            self.flying.append(job)
            if job.prepared.outgoing.event != PING:
                self.started[job.recipient].append(job.created)

    def answer(self):
        """Receivers answer, or nothing was sent after all."""
        for _ in range(min(len(self.flying), self.chance.randint(0, 6))):
            job = self.flying.pop(self.chance.randrange(len(self.flying)))
            kind = self.chance.random()
            if self.calm or kind < self.goodness:
                self.succeed(job)
            else:
                self.stepping.finish(job, 503 if kind < 0.97 else None)

    def succeed(self, job):
        self.succeeded[(job.recipient, job.message)] += 1
        self.stepping.finish(job, 200)

    def cycle(self):
        """One cycle, and what the engine does when it fails."""
        self.interruptions = 4
        try:
            self.stepping.cycle()
        except ConflictError as error:
            self.stepping.loop._overcome(error)

    def rage(self):
        """Do all that for a while."""
        for _ in range(self.chance.randint(10, 60)):
            self.goodness = self.chance.choice([0.97, 0.97, 0.5, 0.0])
            kind = self.chance.random()
            if kind < 0.35:
                self.commit()
            elif kind < 0.4:
                self.edit()
            elif kind < 0.45 and not self.calm:
                self.stepping.loop._taker.read_anew()
            self.start()
            self.answer()
            if self.stepping.loop._signals.has_hints() or self.chance.random() < 0.5:
                self.cycle()

    def end(self):
        """Let everything work, until nothing is owed any more.

        :raises AssertionError: when something is stuck.
        """
        self.likely_in_pauses = self.likely_to_fail = 0
        self.company.at(
            '/', lambda m: [m.activate(each) for each in m.values() if not each.active]
        )
        deadline = time.monotonic() + SECONDS
        while self.stepping.lanes.busy() or self.stepping.owed():
            assert time.monotonic() < deadline, 'something is stuck'
            self.start(most=1000)
            while self.flying:
                self.succeed(self.flying.pop(0))
            self.cycle()
        self.stepping.loop._member.end()


@pytest.mark.parametrize('seed', range(12))
def test_nothing_is_lost_sent_again_or_out_of_order(make_company, receiver, monkeypatch, seed):
    settings = {
        'webhooks.delivery': 'worker',
        'webhooks.attempt_limit': '100000',
        'webhooks.retry_schedule': ' '.join(['20ms'] * 60),
        'webhooks.retry_jitter': '0',
    }
    company = make_company(settings=settings)
    for _ in range(SUBSCRIPTIONS):
        company.subscribe('/', receiver.url)
    turmoil = Turmoil(company, seed, seed % 2 == 1, monkeypatch)
    turmoil.cycle()
    turmoil.rage()
    turmoil.end()
    counts = turmoil.succeeded.values()
    assert set(counts) <= {1}, 'a success is final'
    if turmoil.calm:
        # And the pings.
        assert len(counts) >= SUBSCRIPTIONS * turmoil.owed
        for created in turmoil.started.values():
            assert created == sorted(created)
