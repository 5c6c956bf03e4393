"""Schedules, compared with a plain model."""

import time

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from persistent import Persistent

from pyramid_webhooks.outbox.schedule import AT_ONCE, HELD_SECONDS, Item, Schedule

RECIPIENTS = [('', b'1' * 8), ('', b'2' * 8), ('other', b'1' * 8)]
recipients = st.sampled_from(RECIPIENTS)
times = st.sampled_from([AT_ONCE, 1.0, 2.0, 3.0])


class Message(Persistent):
    """What stands for a message here."""


class ScheduleAndModel(RuleBasedStateMachine):
    """A schedule, and a dict of dicts that does the same."""

    def __init__(self):
        super().__init__()
        self.schedule = Schedule()
        self.model = {}
        self.held = set()
        self.number = 0

    @rule(recipient=recipients, due=times)
    def put(self, recipient, due):
        self.number += 1
        key = (due, self.number.to_bytes(8, 'big'))
        item = Item(self.number, 1, 0, 0.0)
        self.schedule.put(recipient, key, item)
        self.model.setdefault(recipient, {})[key] = item

    @rule(recipient=recipients, position=st.integers(0, 5))
    def remove(self, recipient, position):
        keys = sorted(self.model.get(recipient, {}))
        key = keys[position] if position < len(keys) else (9.0, b'nobody')
        assert self.schedule.remove(recipient, key) is (key in keys)
        if key in keys:
            del self.model[recipient][key]
            self._forget_empty(recipient)

    @rule(recipient=recipients)
    def hold(self, recipient):
        self.schedule.hold(recipient)
        if recipient in self.model:
            self.held.add(recipient)

    @rule(recipient=recipients)
    def release(self, recipient):
        self.schedule.release(recipient)
        self.held.discard(recipient)

    @rule(recipient=recipients)
    def drop(self, recipient):
        self.schedule.drop(recipient)
        self.model.pop(recipient, None)
        self.held.discard(recipient)

    def _forget_empty(self, recipient):
        if not self.model[recipient]:
            del self.model[recipient]
            self.held.discard(recipient)

    def _free(self):
        return {
            recipient: self._looked_at(recipient) if recipient in self.held else min(items)[0]
            for recipient, items in self.model.items()
        }

    def _looked_at(self, recipient):
        """When what is held is looked at: within a day."""
        when = self.schedule.queue(recipient).put_off
        assert 0 < when - time.time() <= HELD_SECONDS
        return when

    @invariant()
    def both_have_the_same(self):
        for recipient in RECIPIENTS:
            queue = self.schedule.queue(recipient)
            found = [] if queue is None else list(queue.items())
            assert found == sorted(self.model.get(recipient, {}).items())
            assert (queue is None) is (recipient not in self.model)

    @invariant()
    def what_is_due_is_what_is_not_held_or_was_not_looked_at_for_a_day(self):
        free = self._free()
        for now in (-1.0, 0.0, 1.5, 9.0):
            due = list(self.schedule.due(now))
            assert sorted(due) == sorted(r for r, when in free.items() if when <= now)
            assert [free[each] for each in due] == sorted(free[each] for each in due)
            later = [when for when in free.values() if when > now]
            assert self.schedule.next_due(after=now) == min(later, default=None)
        assert self.schedule.next_due() == min(free.values(), default=None)


ScheduleAndModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAScheduleDoesWhatAPlainModelDoes = ScheduleAndModel.TestCase


def test_a_queue_gives_what_is_due_until_a_time_and_no_more_than_asked_for():
    schedule = Schedule()
    for number, due in enumerate([AT_ONCE, AT_ONCE, 1.0, 2.0]):
        schedule.put(RECIPIENTS[0], (due, bytes([number])), Item(number, 1, 0, 0.0))
    queue = schedule.queue(RECIPIENTS[0])
    assert [item.message for _, item in queue.items(until=AT_ONCE)] == [0, 1]
    assert [item.message for _, item in queue.items(until=1.0)] == [0, 1, 2]
    assert [item.message for _, item in queue.items(until=5.0, limit=1)] == [0]
    assert (2.0, bytes([3])) in queue and queue.next_due() == AT_ONCE


def test_an_empty_schedule_has_nothing():
    schedule = Schedule()
    assert schedule.queue(RECIPIENTS[0]) is None
    assert list(schedule.due(9.0)) == []
    assert schedule.next_due() is None
    assert schedule.remove(RECIPIENTS[0], (0.0, b'')) is False
    schedule.drop(RECIPIENTS[0])
    schedule.hold(RECIPIENTS[0])
    schedule.release(RECIPIENTS[0])
