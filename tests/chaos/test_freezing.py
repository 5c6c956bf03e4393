"""A worker that is frozen for longer than its lease, and wakes up when others have its work."""

import signal
import threading

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.testing.wire import Answer
from tests.chaos.cluster import CONCURRENCY, LEASE
from tests.chaos.gathering import are_even
from tests.chaos.member import OFFICES, commit_numbers
from tests.company import wait_until

#: Events before a worker is frozen, for it to have connections that are kept; and further ones.
BEFORE, EVENTS = 4 * OFFICES, 5 * OFFICES
#: Of the requests that are open when a worker is frozen, so many are answered.
ANSWERED = CONCURRENCY // 4

pytestmark = [pytest.mark.timeout(120), pytest.mark.long]


class Gate:
    """Answers of a receiver that wait until they are let go, while it is shut.

    Some of those say OK then. The others end without a word, so that it looks as if a kept
    connection had been closed, on which a request may be repeated.
    """

    def __init__(self):
        self._shut = None
        self.waiting = 0

    def __call__(self, request):
        gate = self._shut
        if gate is None:
            # Slow enough for all connections to be made, and kept.
            return Answer(200, delay=0.03)
        self.waiting += 1
        answer = Answer(reset=self.waiting % 4 > 0)
        gate.wait(60)
        return answer

    def shut(self):
        """Let the requests that come from now on wait, and return what lets them go on."""
        self._shut = gate = threading.Event()
        return gate

    def open(self):
        """Answer the requests that come from now on at once."""
        self._shut = None


@pytest.fixture
def gate(receiver):
    """What answers for the receiver; it is open."""
    gate = Gate()
    receiver.answer(gate)
    return gate


def freeze(worker, office, gate):
    """Freeze a worker that has as many requests open as it may.

    :returns: the event that lets these be answered; others are answered at once.
    """
    commit_numbers(office, 0, 1, BEFORE)
    office.settle()
    go_on = gate.shut()
    commit_numbers(office, 0, BEFORE + 1, EVENTS)
    wait_until(lambda: gate.waiting == CONCURRENCY, what='all requests that it may have open')
    worker.send(signal.SIGSTOP)
    gate.open()
    return go_on


def recorded(company):
    """How many attempts are on record that succeeded, and how many that failed."""

    def look(root):
        logs = [
            subscription.log
            for number in range(OFFICES)
            for subscription in manager_of(root[f'office{number}']).values()
        ]
        return sum(log.succeeded for log in logs), sum(log.failed for log in logs)

    return company.transact(look)


def test_a_worker_that_wakes_up_too_late_sends_nothing_and_records_nothing(
    office, start, receiver, gate
):
    frozen = start()
    go_on = freeze(frozen, office, gate)
    receiver.clear()
    another = start()
    office.settle(40)
    assert len(receiver.requests) == EVENTS
    go_on.set()
    frozen.send(signal.SIGCONT)
    wait_until(lambda: are_even(office, 2), what='a share for the one that woke up')
    assert len(receiver.requests) == EVENTS
    assert recorded(office) == (BEFORE + EVENTS, 0)
    commit_numbers(office, 0, 1, EVENTS)
    office.settle()
    another.end()
    commit_numbers(office, 0, 1, EVENTS)
    office.settle()
    assert len(receiver.requests) == 3 * EVENTS
    assert recorded(office) == (BEFORE + 3 * EVENTS, 0)


def test_a_worker_that_wakes_up_alone_goes_on_with_what_it_had(office, start, receiver, gate):
    frozen = start()
    go_on = freeze(frozen, office, gate)
    threading.Event().wait(1.5 * LEASE)
    go_on.set()
    frozen.send(signal.SIGCONT)
    # What failed comes again a little later.
    receiver.wait_for(BEFORE + EVENTS + CONCURRENCY - ANSWERED, 30)
    office.settle()
    numbers = {request.json()['number'] for request in receiver.requests}
    assert numbers == set(range(1, BEFORE + EVENTS + 1))
    assert len(receiver.requests) == BEFORE + EVENTS + CONCURRENCY - ANSWERED
