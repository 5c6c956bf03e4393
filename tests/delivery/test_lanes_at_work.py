"""Lanes keep their limits, and the order of jobs, whatever happens."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyramid_webhooks.delivery.lanes import Lanes
from pyramid_webhooks.resources.health import STRIKES
from tests.delivery.test_lanes import BAD, GOOD, jobs, recipient


class LanesAtWork(RuleBasedStateMachine):
    """Offers, answers and records in any order."""

    SLOTS, PER_LANE = 6, 3
    names = st.sampled_from('abcdefgh')

    def __init__(self):
        super().__init__()
        self.lanes = Lanes(self.SLOTS, self.PER_LANE)
        self.number = 0
        self.ready, self.open, self.unrecorded = [], [], 0
        self.successes, self.strikes, self.slipped, self.allowed = {}, {}, set(), set()

    @rule(name=names, count=st.integers(1, 4))
    def offer(self, name, count):
        offered = jobs(name, count, first=self.number)
        self.number += count
        self.lanes.offer(offered)
        self.ready += offered

    @rule()
    def take(self):
        job = self.lanes.take(0)
        if job is None:
            assert not self.startable()
        else:
            same = [each for each in self.ready if each.recipient == job.recipient]
            assert same[0] is job, 'the jobs of one receiver start in their order'
            assert job in self.startable()
            self.ready.remove(job)
            self.open.append(job)

    def startable(self):
        """The jobs that could start now."""
        if len(self.open) >= self.SLOTS or len(self.open) + self.unrecorded >= 2 * self.SLOTS:
            return []
        unproven = sum(not self.successes.get(each.recipient) for each in self.open)
        failing = sum(self.is_failing(each.recipient) for each in self.open)
        found = []
        for job in self.ready:
            name = job.recipient
            count = sum(each.recipient == name for each in self.open)
            if self.successes.get(name):
                fits = count < min(self.PER_LANE, 1 + self.successes[name])
            else:
                fits = count < 1 and unproven < self.SLOTS // 2
                if self.is_failing(name):
                    fits = fits and failing < max(1, self.SLOTS // 4)
                if self.strikes.get(name, 0) >= STRIKES:
                    fits = fits and name in self.allowed
            if fits:
                found.append(job)
        return found

    def is_failing(self, name):
        return self.strikes.get(name, 0) > 0 and name not in self.slipped

    @precondition(lambda self: self.open)
    @rule(position=st.integers(0, 20), outcome=st.sampled_from([GOOD, GOOD, BAD]))
    def finish(self, position, outcome):
        job = self.open.pop(position % len(self.open))
        job.outcome = outcome
        self.lanes.finish(job)
        self.unrecorded += 1
        name = job.recipient
        self.allowed.discard(name)
        self.slipped.discard(name)
        if outcome is GOOD:
            self.strikes[name] = 0
            self.successes[name] = self.successes.get(name, 0) + 1
        else:
            if self.successes.get(name):
                self.slipped.add(name)
            self.strikes[name] = self.strikes.get(name, 0) + 1
            self.successes[name] = 0

    @rule(name=names)
    def allow(self, name):
        if self.strikes.get(recipient(name), 0) >= STRIKES:
            self.lanes.allow(recipient(name), 1)
            self.allowed.add(recipient(name))

    @rule()
    def record(self):
        results = self.lanes.results()
        assert len(results) == self.unrecorded
        self.lanes.recorded(len(results))
        self.unrecorded = 0

    @rule(name=names)
    def discard(self, name):
        expected = [each for each in self.ready if each.recipient == recipient(name)]
        assert self.lanes.discard(recipient(name)) == expected
        self.ready = [each for each in self.ready if each not in expected]

    @invariant()
    def the_limits_hold(self):
        assert self.lanes.sending() == len(self.open) <= self.SLOTS
        assert len(self.open) + self.unrecorded <= 2 * self.SLOTS
        assert self.lanes.busy() is bool(self.ready or self.open or self.unrecorded)


LanesAtWork.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLanesKeepTheirLimits = LanesAtWork.TestCase
