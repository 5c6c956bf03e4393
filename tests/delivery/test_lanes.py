"""Lanes: whose turn it is, and how many requests are open."""

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lanes import PROVEN_AHEAD, UNPROVEN_AHEAD, Lanes

GOOD, BAD = Outcome(status=200, message='200 OK'), Outcome(status=500, message='500')


def recipient(name):
    return ('', name.encode().rjust(8, b'\0'))


def jobs(name, count=1, first=0):
    return [
        Job('', recipient(name), b'm', entry=b'%d' % number, created=0.0, due=0.0)
        for number in range(first, first + count)
    ]


def take(lanes):
    return lanes.take(0)


def finish(lanes, job, outcome=GOOD):
    job.outcome = outcome
    lanes.finish(job)
    lanes.results()
    lanes.recorded(1)


def prove(lanes, name):
    """Let a receiver answer with success once."""
    lanes.offer(jobs(name, 1, first=1000))
    finish(lanes, take(lanes))


def take_all(lanes):
    taken = []
    while (job := take(lanes)) is not None:
        taken.append(job)
    return taken


def test_jobs_of_one_receiver_come_in_their_order():
    lanes = Lanes(8, 8)
    prove(lanes, 'a')
    offered = jobs('a', 5)
    lanes.offer(offered[:2])
    lanes.offer(offered[2:])
    assert take_all(lanes) == offered


def test_a_receiver_that_has_not_proved_itself_gets_one_request_at_a_time():
    lanes = Lanes(8, 8)
    lanes.offer(jobs('a', 5))
    first = take(lanes)
    assert take(lanes) is None
    finish(lanes, first, BAD)
    second = take(lanes)
    assert second is not None and take(lanes) is None
    finish(lanes, second, GOOD)
    assert len(take_all(lanes)) == 3


def test_all_unproven_ones_together_get_half_of_the_slots():
    lanes = Lanes(8, 8)
    prove(lanes, 'good')
    for name in 'abcdefgh':
        lanes.offer(jobs(name))
    assert len(take_all(lanes)) == 4
    lanes.offer(jobs('good', 10))
    assert len(take_all(lanes)) == 4
    assert lanes.sending() == 8


def test_one_that_fails_is_unproven_again():
    lanes = Lanes(8, 8)
    prove(lanes, 'a')
    lanes.offer(jobs('a', 10))
    taken = take_all(lanes)
    assert len(taken) == 8
    finish(lanes, taken[0], BAD)
    assert take(lanes) is None
    for job in taken[1:-1]:
        finish(lanes, job, BAD)
    assert take(lanes) is None
    finish(lanes, taken[-1], BAD)
    assert take(lanes) is not None and take(lanes) is None


def test_one_subscription_has_no_more_than_its_share():
    lanes = Lanes(10, 3)
    for name in 'ab':
        prove(lanes, name)
    lanes.offer(jobs('a', 10) + jobs('b', 10))
    names = [job.recipient for job in take_all(lanes)]
    assert sorted(names) == [recipient('a')] * 3 + [recipient('b')] * 3


def test_receivers_take_turns():
    lanes = Lanes(100, 100)
    for name in 'abc':
        prove(lanes, name)
    lanes.offer(jobs('a', 10))
    lanes.offer(jobs('b', 2) + jobs('c', 2))
    first = {job.recipient for job in (take(lanes), take(lanes), take(lanes))}
    assert first == {recipient('a'), recipient('b'), recipient('c')}


def test_in_flight_is_what_is_open_or_not_recorded_yet():
    lanes = Lanes(2, 2)
    prove(lanes, 'a')
    lanes.offer(jobs('a', 10))
    unrecorded = []
    for _ in range(2):
        for job in take_all(lanes):
            job.outcome = GOOD
            lanes.finish(job)
            unrecorded.append(job)
    assert len(unrecorded) == 4
    assert take(lanes) is None
    assert len(lanes.results()) == 4
    assert take(lanes) is None, 'taking the results is not recording them'
    lanes.recorded(4)
    assert len(take_all(lanes)) == 2


def test_what_is_prepared_ahead_depends_on_the_receiver():
    lanes = Lanes(8, 8)
    assert lanes.lane(recipient('a')).ahead() == UNPROVEN_AHEAD
    lanes.offer(jobs('a', 2))
    assert lanes.lane(recipient('a')).ahead() == 0
    finish(lanes, take(lanes))
    assert lanes.lane(recipient('a')).ahead() == PROVEN_AHEAD - 1


def test_what_was_not_sent_can_be_taken_out():
    lanes = Lanes(8, 8)
    offered = jobs('a', 2) + jobs('b', 1)
    lanes.offer(offered)
    sent = {take(lanes), take(lanes)}
    assert lanes.discard(recipient('a')) == [offered[1]]
    assert lanes.discard(recipient('nobody')) == []
    assert lanes.busy()
    for job in sent:
        finish(lanes, job)
    assert take(lanes) is None
    assert not lanes.busy()


def test_it_is_busy_until_everything_is_recorded():
    lanes = Lanes(8, 8)
    assert not lanes.busy()
    lanes.offer(jobs('a'))
    assert lanes.busy()
    job = take(lanes)
    job.outcome = GOOD
    lanes.finish(job)
    assert lanes.busy()
    lanes.results()
    assert lanes.busy()
    lanes.recorded(1)
    assert not lanes.busy()


def test_a_sender_that_waits_is_woken_by_an_offer_and_by_the_end():
    lanes = Lanes(8, 8)
    taken = []
    thread = threading.Thread(target=lambda: taken.extend([lanes.take(10), lanes.take(10)]))
    thread.start()
    lanes.offer(jobs('a'))
    lanes.close()
    thread.join(5)
    assert not thread.is_alive()
    assert taken[-1] is None
    assert lanes.take(10) is None


def test_idle_lanes_are_forgotten_and_busy_ones_are_not():
    lanes = Lanes(8, 8)
    for number in range(6000):
        lanes.lane(('', number.to_bytes(8, 'big')))
    lanes.offer(jobs('a'))
    lanes.forget_idle()
    assert len(lanes._lanes) < 5100
    assert take(lanes) is not None


class LanesAtWork(RuleBasedStateMachine):
    """Offers, answers and records in any order."""

    SLOTS, PER_LANE = 6, 3
    names = st.sampled_from('abcdefgh')

    def __init__(self):
        super().__init__()
        self.lanes = Lanes(self.SLOTS, self.PER_LANE)
        self.number = 0
        self.ready, self.open, self.unrecorded = [], [], 0
        self.proven = set()

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
        unproven = sum(each.recipient not in self.proven for each in self.open)
        found = []
        for job in self.ready:
            count = sum(each.recipient == job.recipient for each in self.open)
            if job.recipient in self.proven:
                fits = count < self.PER_LANE
            else:
                fits = count < 1 and unproven < self.SLOTS // 2
            if fits:
                found.append(job)
        return found

    @precondition(lambda self: self.open)
    @rule(position=st.integers(0, 20), outcome=st.sampled_from([GOOD, GOOD, BAD]))
    def finish(self, position, outcome):
        job = self.open.pop(position % len(self.open))
        job.outcome = outcome
        self.lanes.finish(job)
        self.unrecorded += 1
        (self.proven.add if outcome is GOOD else self.proven.discard)(job.recipient)

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


@pytest.mark.parametrize('slots', [1, 2])
def test_even_a_single_slot_works(slots):
    lanes = Lanes(slots, 1)
    lanes.offer(jobs('a') + jobs('b'))
    for _ in range(2):
        finish(lanes, take(lanes))
    assert not lanes.busy()
