"""Machines whose clocks differ by five seconds."""

import datetime
import itertools
import signal
import time

import pytest
from standardwebhooks import Webhook

from pyramid_webhooks import manager_of, subscribe
from tests.chaos.cluster import LEASE, Process
from tests.chaos.gathering import are_even
from tests.chaos.member import EVENT, OFFICES, commit_numbers
from tests.company import wait_until

APART = 5
#: What a member waits after an attempt that failed, and how often it tries.
WAIT, TRIES = 1, 4

pytestmark = [pytest.mark.timeout(120), pytest.mark.long]
on_zeo = pytest.mark.parametrize('uri', ['zeo'], indirect=True)


def commit_elsewhere(uri, shift, first, count, where='hot'):
    """Commit in a process whose clock is ahead; ``hot`` is all for one subscription."""
    process = Process('web', uri, 0, first, count, where, 0, shift=shift).wait_until_ready()
    process.go()
    assert process.answer() == '0 []\n'
    assert process.end(0, 60) == 0


def log_of(company):
    """How many attempts of the first subscription succeeded and failed, and were given up."""

    def look(root):
        [subscription] = manager_of(root['office0']).values()
        log = subscription.log
        return log.succeeded, log.failed, len(log.exhausted)

    return company.transact(look)


@on_zeo
@pytest.mark.parametrize('web, worker', [(0, APART), (APART, 0)])
def test_what_fails_is_tried_as_often_and_as_late_as_the_schedule_says(
    uri, office, start, receiver, web, worker
):
    receiver.answer(500)
    start(shift=worker)
    commit_elsewhere(uri, web, 1, 1)
    wait_until(lambda: log_of(office) == (0, TRIES, 1), 30)
    times = [request.time for request in receiver.requests]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert len(waits) == TRIES - 1
    assert all(0.9 * WAIT < wait < WAIT + APART for wait in waits)


@on_zeo
@pytest.mark.parametrize('shift', [APART, -APART])
def test_what_has_failed_just_now_is_recovered(uri, office, start, receiver, shift):
    receiver.answer(500)
    start(shift=shift)
    commit_numbers(office, 0, 1, 1, hot=True)
    wait_until(lambda: log_of(office) == (0, TRIES, 1), 30)
    receiver.answer(200)
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    [recovery] = office.at(
        '/office0', lambda manager: [each.recover(since) for each in manager.values()]
    )
    assert recovery.count == 1
    receiver.wait_for(TRIES + 1)
    office.settle()
    assert log_of(office) == (1, TRIES, 0)


def test_events_arrive_in_the_order_of_the_commits(uri, office, start, receiver):
    commit_elsewhere(uri, APART, 1, 5)
    commit_numbers(office, 0, 6, 5, hot=True)
    commit_elsewhere(uri, -APART, 11, 5)
    start(concurrency=1)
    office.settle()
    assert [request.json()['number'] for request in receiver.requests] == list(range(1, 16))


@on_zeo
@pytest.mark.parametrize('first, second', [(0, APART), (APART, 0)])
def test_a_retry_is_taken_over_by_a_worker_with_another_clock(
    office, start, receiver, first, second
):
    receiver.answer(503, times=1)
    failing = start(shift=first)
    commit_numbers(office, 0, 1, 1, hot=True)
    wait_until(lambda: log_of(office)[1] == 1)
    failing.end()
    start(shift=second)
    _, again = receiver.wait_for(2, WAIT + APART + 10)
    wait_until(lambda: log_of(office) == (1, 1, 0))
    assert again.json()['number'] == 1


@on_zeo
def test_a_lease_is_as_long_for_every_clock(office, start, receiver):
    ahead, _ = start(shift=APART), start(shift=-APART)
    wait_until(lambda: are_even(office, 2), what='an even share')
    for number in range(3 * LEASE):
        commit_numbers(office, 0, number * OFFICES, OFFICES)
        receiver.wait_for((number + 1) * OFFICES)
        time.sleep(0.5)
        assert are_even(office, 2)
    ahead.send(signal.SIGSTOP)
    commit_numbers(office, 0, 1000, OFFICES)
    frozen_at = time.monotonic()
    office.settle(30)
    # It may have been a moment before its next sign of life.
    assert time.monotonic() - frozen_at > LEASE / 2
    ahead.send(signal.SIGCONT)
    wait_until(lambda: are_even(office, 2), what='an even share again')
    assert len(receiver.requests) == (3 * LEASE + 1) * OFFICES


@on_zeo
@pytest.mark.parametrize('shift', [APART, -APART])
def test_signatures_are_as_recent_as_receivers_ask_for(office, start, receiver, shift):
    secret = 'whsec_' + 'c2VjcmV0' * 4

    def do(context, request):
        subscribe(context, receiver.url, events=[EVENT], secret=secret)
        request.webhooks.notify(EVENT, payload={'number': 1}, context=context)

    office.request(do)
    start(shift=shift)
    [request] = receiver.wait_for(1)
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert Webhook(secret).verify(request.body, headers)
    assert abs(int(headers['webhook-timestamp']) - request.time - shift) < 2
