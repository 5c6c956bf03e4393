"""Several processes on one database: ZEO, and RelStorage on PostgreSQL."""

import signal
import time

import pytest

from tests.chaos.cluster import CONCURRENCY, LEASE, disturb
from tests.chaos.gathering import are_even
from tests.chaos.member import OFFICES, commit_numbers
from tests.company import wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.mark.long
def test_workers_that_are_killed_and_frozen_lose_nothing_and_repeat_what_was_in_flight(uri):
    result = disturb(
        uri, events=300, workers=3, concurrency=CONCURRENCY, lease=LEASE, every=1.0, frozen=4
    )
    assert result.committed == 300
    assert result.conflicts == ['0 []\n'] * 2
    assert (result.lost, result.foreign, result.renamed) == ([], [], [])
    assert result.disturbances >= 2
    assert result.repeats <= result.disturbances * 2 * CONCURRENCY
    assert result.slowest < 4 + 2 * LEASE


def test_partitions_are_spread_evenly_as_workers_come_and_go(office, start):
    first, _ = start(lease=15), start(lease=15)
    wait_until(lambda: are_even(office, 2), what='an even share for two')
    start(lease=15)
    start(lease=15)
    wait_until(lambda: are_even(office, 4), what='an even share for four')
    first.end()
    wait_until(lambda: are_even(office, 3), what='an even share for three')


@pytest.mark.long
def test_each_delivery_is_sent_once_while_workers_join_and_leave_cleanly(office, start, receiver):
    receiver.answer(delay=0.02)
    leaving = start()
    commit_numbers(office, 0, 1, 150)
    start()
    start()
    wait_until(lambda: are_even(office, 3), what='an even share')
    commit_numbers(office, 0, 151, 150)
    assert leaving.end(15) == 0
    office.settle(30)
    numbers = sorted(request.json()['number'] for request in receiver.requests)
    assert numbers == list(range(1, 301))
    wait_until(lambda: are_even(office, 2), what='an even share of what a worker gave back')


def test_what_another_process_commits_is_picked_up_soon(office, start, receiver):
    start()
    commit_numbers(office, 0, 1, OFFICES)
    office.settle()
    delays = []
    for number in range(5):
        receiver.clear()
        time.sleep(0.1 * number)
        committed_at = time.time()
        commit_numbers(office, 0, 100 + number, 1)
        delays.append(receiver.wait_for(1)[0].time - committed_at)
    assert sorted(delays)[2] < 0.5, delays


@pytest.mark.long
def test_a_worker_that_ends_keeps_what_it_has_in_flight_for_longer_than_a_lease(
    office, start, receiver
):
    ending, _ = start(), start()
    wait_until(lambda: are_even(office, 2), what='an even share')
    receiver.answer(delay=2.5 * LEASE)
    commit_numbers(office, 0, 1, OFFICES)
    receiver.wait_for(OFFICES // 2)
    assert ending.end(signal.SIGTERM) == 0
    office.settle(60)
    assert len(receiver.requests) == OFFICES
