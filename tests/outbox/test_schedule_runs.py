"""A queue with runs that is stored and read again, compared with a plain model."""

import itertools

import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from persistent import Persistent
from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage

from pyramid_webhooks.outbox.run import Row, Run
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, Queue

LATER = 5.0
numbers = st.integers(0, 60)


def key_of(number, due=AT_ONCE):
    return due, number.to_bytes(24, 'big')


class Message(Persistent):
    """What stands for a message here."""


class QueueAndModel(RuleBasedStateMachine):
    """A queue in a database, and a dict of (key, when it was created) that does the same.

    No order is there twice at a time, be it in two runs.
    """

    def __init__(self):
        super().__init__()
        self.database = DB(MappingStorage())
        self.manager = transaction.TransactionManager()
        self.model = {}
        self.singles = {}
        self._open()
        self.connection.root()['queue'] = Queue()
        self._note()

    def teardown(self):
        self.manager.abort()
        self.connection.close()
        self.database.close()

    def _open(self):
        self.connection = self.database.open(self.manager)

    def _note(self):
        """What it is now is what it will be after an error."""
        self.manager.commit()
        self.committed = dict(self.model), dict(self.singles)

    @property
    def queue(self):
        return self.connection.root()['queue']

    def _free(self, number):
        return key_of(number) not in self.model and key_of(number, LATER) not in self.model

    @rule(number=numbers, due=st.sampled_from([AT_ONCE, LATER]), created=numbers)
    def put(self, number, due, created):
        key = key_of(number, due)
        if self._free(number) or key in self.singles:
            item = Item(Message(), 2, 1, float(created))
            self.queue.put(key, item)
            self.model[key] = self.singles[key] = item.created

    @rule(chosen=st.sets(numbers, min_size=1, max_size=30))
    def put_run(self, chosen):
        free = sorted(filter(self._free, chosen))
        if free:
            self.queue.put_run(Run(Row(key_of(each)[1], Message(), each / 7) for each in free))
            self.model.update((key_of(each), each / 7) for each in free)

    @rule(position=st.integers(0, 30))
    def remove(self, position):
        keys = sorted(self.model)
        if keys:
            self._remove(keys[position % len(keys)])

    @precondition(lambda self: len(self.model) > 10)
    @rule(data=st.data())
    def remove_many_of_the_first(self, data):
        for key in data.draw(st.permutations(sorted(self.model)[:12])):
            self._remove(key)

    def _remove(self, key):
        assert self.queue.remove(key)
        assert not self.queue.remove(key)
        del self.model[key]
        self.singles.pop(key, None)

    @rule(number=numbers)
    def remove_what_may_be_there(self, number):
        assert self.queue.remove(key_of(number)) is (key_of(number) in self.model)
        self.model.pop(key_of(number), None)
        self.singles.pop(key_of(number), None)

    @rule()
    def commit(self):
        self._note()

    @rule()
    def store_and_read_again(self):
        self._note()
        self.connection.cacheMinimize()

    @rule()
    def read_elsewhere(self):
        self._note()
        self.connection.close()
        self.database.cacheMinimize()
        self._open()

    @rule()
    def savepoint(self):
        self.manager.savepoint()

    @rule()
    def abort(self):
        self.manager.abort()
        model, singles = self.committed
        self.model, self.singles = dict(model), dict(singles)

    @invariant()
    def both_have_the_same(self):
        queue, expected = self.queue, sorted(self.model.items())
        found = [(key, item.created) for key, item in queue.items()]
        assert found == expected
        assert queue.count == len(expected)
        assert bool(queue) is bool(expected)
        assert queue.next_due() == (expected[0][0][0] if expected else None)
        at_once = [key for key, _ in expected if key[0] == AT_ONCE]
        assert [key for key, _ in queue.items(until=AT_ONCE)] == at_once
        assert [key for key, _ in queue.items(until=LATER - 1, limit=7)] == at_once[:7]
        assert list(queue.items(until=-1.0)) == []
        later = [key for key, _ in expected if key[0] == LATER]
        assert [key for key, _ in queue.later(100)] == later
        failed = [key for key, _ in queue.failed_between(10.0, 40.0)]
        assert failed == [key for key in sorted(self.singles) if 10 <= self.singles[key] <= 40]

    @invariant()
    def each_is_there_or_not(self):
        for number, due in itertools.product(range(61), (AT_ONCE, LATER)):
            key = key_of(number, due)
            assert (key in self.queue) is (key in self.model)

    @invariant()
    def each_is_found_by_its_message(self):
        for key, item in list(self.queue.items()):
            if item.message._p_oid is not None:
                assert self.queue.keys_of(item.message) == [key]


QueueAndModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAQueueDoesWhatAPlainModelDoes = QueueAndModel.TestCase
