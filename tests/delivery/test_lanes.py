"""Lanes: whose turn it is, and how many requests are open."""

import threading

import pytest

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lane import PROVEN_AHEAD, SLOW_ANSWER, UNPROVEN_AHEAD
from pyramid_webhooks.delivery.lanes import Lanes, clock
from pyramid_webhooks.delivery.probing import Probing
from pyramid_webhooks.resources.health import STRIKES, Health

GOOD, BAD = Outcome(status=200, message='200 OK'), Outcome(status=500, message='500')
SLOW = Outcome(status=200, message='200 OK', elapsed=2 * SLOW_ANSWER)
SILENT = Outcome(status=None, message='There was no answer within 15 seconds.')
REFUSED = Outcome(status=None, message='The payload is too large.', permanent=True)


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


def prove(lanes, name, times=20, outcome=GOOD):
    """Let a receiver answer with success so often."""
    lanes.offer(jobs(name, times, first=1000))
    for _ in range(times):
        finish(lanes, take(lanes), outcome)


def fail(lanes, name, times=STRIKES, outcome=BAD):
    """Let a receiver fail so often."""
    lanes.offer(jobs(name, times, first=2000))
    for _ in range(times):
        finish(lanes, take(lanes), outcome)


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
    assert take(lanes) is not None


def test_one_that_answers_with_success_gets_one_two_and_four_at_a_time_up_to_its_share():
    lanes = Lanes(20, 10)
    lanes.offer(jobs('a', 100))
    together = []
    while sum(together) < 60:
        taken = take_all(lanes)
        together.append(len(taken))
        for job in taken:
            finish(lanes, job)
    assert together == [1, 2, 4, 8, 10, 10, 10, 10, 10]


def test_what_is_stored_of_a_receiver_is_where_it_goes_on():
    lanes = Lanes(20, 10)
    lanes.know(recipient('a'), Health(successes=4))
    lanes.know(recipient('b'), Health(strikes=5, probe_at=1000.0))
    lanes.offer(jobs('a', 10) + jobs('b', 10))
    assert [job.recipient for job in take_all(lanes)] == [recipient('a')] * 5


def test_what_could_not_be_sent_says_nothing_about_the_receiver():
    lanes = Lanes(20, 4)
    prove(lanes, 'a')
    fail(lanes, 'a', STRIKES, REFUSED)
    lanes.offer(jobs('a', 5))
    assert len(take_all(lanes)) == 4
    assert lanes.tripped() == []


def test_after_five_failures_in_a_row_nothing_is_sent_but_what_is_allowed():
    lanes = Lanes(20, 4, Probing((5,)))
    fail(lanes, 'a', STRIKES - 1)
    assert lanes.tripped() == []
    fail(lanes, 'a', 1)
    assert lanes.tripped() == [recipient('a')]
    assert lanes.tripped() == []
    lanes.offer(jobs('a', 5))
    assert take(lanes) is None and not lanes.waiting()
    assert lanes.lane(recipient('a')).ahead() == 0
    lanes.allow(recipient('a'), 1)
    finish(lanes, take(lanes), BAD)
    assert take(lanes) is None
    assert lanes.tripped() == [recipient('a')]
    lanes.allow(recipient('a'), 1)
    finish(lanes, take(lanes), GOOD)
    assert len(take_all(lanes)) == 2


def test_the_second_of_two_probes_is_sent_if_there_was_an_answer_to_the_first():
    lanes = Lanes(20, 4, Probing((5,)))
    for outcome, more in ((BAD, True), (SILENT, False)):
        fail(lanes, outcome.message, STRIKES)
        lanes.offer(jobs(outcome.message, 2))
        lanes.allow(recipient(outcome.message), 2)
        finish(lanes, take(lanes), outcome)
        assert (take(lanes) is not None) is more


def test_the_second_of_two_probes_is_spared_if_the_first_succeeds():
    lanes = Lanes(20, 4, Probing((5,)))
    fail(lanes, 'a', STRIKES)
    first, second = jobs('a', 2)
    lanes.offer([first, second])
    lanes.allow(recipient('a'), 2)
    assert take(lanes) is first
    finish(lanes, first, GOOD)
    assert take(lanes) is None and not lanes.busy()
    assert lanes.spared() == [second]
    assert lanes.spared() == []


def test_new_ones_do_not_wait_for_those_that_fail():
    lanes = Lanes(16, 4, Probing((5,)))
    failing = [f'f{number}' for number in range(20)]
    for name in failing:
        fail(lanes, name, 1)
    for name in failing:
        lanes.offer(jobs(name, 3))
    assert len(take_all(lanes)) == 4
    lanes.offer(jobs('new'))
    assert take(lanes).recipient == recipient('new')


def test_one_that_failed_once_after_successes_goes_before_new_ones():
    lanes = Lanes(4, 4, Probing((5,)))
    prove(lanes, 'good')
    lanes.offer(jobs('new 1') + jobs('new 2') + jobs('new 3'))
    taken = take_all(lanes)
    assert len(taken) == 2
    lanes.offer(jobs('good', 2))
    finish(lanes, take(lanes), BAD)
    finish(lanes, taken[0], BAD)
    assert take(lanes).recipient == recipient('good')


def test_slow_ones_leave_a_quarter_to_the_prompt():
    lanes = Lanes(16, 8)
    for name in ('slow 1', 'slow 2', 'slow 3'):
        prove(lanes, name, outcome=SLOW)
        lanes.offer(jobs(name, 20))
    prove(lanes, 'prompt')
    assert len(take_all(lanes)) == 12
    lanes.offer(jobs('prompt', 20))
    assert [job.recipient for job in take_all(lanes)] == [recipient('prompt')] * 4


def test_a_lane_that_is_not_known_any_more_is_read_anew():
    lanes = Lanes(4, 4)
    lanes.know(recipient('a'), Health())
    lanes.forget(lambda lost: lost == recipient('b'))
    assert lanes.lane(recipient('a')).known
    lanes.forget(lambda lost: lost == recipient('a'))
    assert not lanes.lane(recipient('a')).known


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
    lanes = Lanes(8, STRIKES - 1)
    prove(lanes, 'a')
    lanes.offer(jobs('a', 10))
    taken = take_all(lanes)
    assert len(taken) == STRIKES - 1
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


def test_nothing_is_started_when_the_lease_has_ended_until_it_is_renewed():
    lanes = Lanes(8, 8)
    prove(lanes, 'a')
    first, second = jobs('a', 2)
    lanes.offer([first, second])
    lanes.trust_until(clock() + 60)
    assert take(lanes) is first
    lanes.trust_until(clock())
    assert take(lanes) is None
    lanes.trust_until(clock() + 60)
    assert take(lanes) is second


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


@pytest.mark.parametrize('slots', [1, 2])
def test_even_a_single_slot_works(slots):
    lanes = Lanes(slots, 1)
    lanes.offer(jobs('a') + jobs('b'))
    for _ in range(2):
        finish(lanes, take(lanes))
    assert not lanes.busy()


def test_results_are_in_the_way_the_sooner_the_more_requests_are_open():
    lanes = Lanes(8, 8)
    prove(lanes, 'a')
    lanes.offer(jobs('a', 16))
    taken = take_all(lanes)
    assert len(taken) == 8, 'eight more may be in flight'
    for job in taken[:4]:
        assert not lanes.results_in_the_way(100)
        job.outcome = GOOD
        lanes.finish(job)
        take(lanes)
    assert lanes.results_in_the_way(100)
    lanes.results()
    lanes.recorded(4)
    assert not lanes.results_in_the_way(100)


def test_no_more_results_wait_than_are_recorded_together():
    lanes = Lanes(8, 8)
    lanes.offer(jobs('a', 1))
    job = take(lanes)
    assert not lanes.results_in_the_way(1)
    job.outcome = GOOD
    lanes.finish(job)
    assert lanes.results_in_the_way(1) and not lanes.results_in_the_way(2)
