"""What was committed while the engine's thread was in the middle of something else."""

import time
from types import SimpleNamespace

import pytest
from ZODB.POSException import ConflictError, StorageError

from pyramid_webhooks.delivery import taking
from pyramid_webhooks.delivery.database import Session
from pyramid_webhooks.delivery.holding import UNPROVEN_ALLOWANCE
from pyramid_webhooks.delivery.lane import PROVEN_AHEAD
from pyramid_webhooks.outbox.intake import PAGE_SIZE
from pyramid_webhooks.outbox.segment import Segment
from pyramid_webhooks.resources.health import STRIKES
from tests.chaos.failing import FailingStorage
from tests.delivery.stepping import Stepping


@pytest.fixture
def failing(monkeypatch):
    return FailingStorage(monkeypatch)


@pytest.fixture
def stepping(failing, make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    stepping = Stepping(company)
    stepping.hear()
    stepping.cycle()
    yield stepping
    stepping.loop._member.end()


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something done in a pause of the engine's thread, once."""

    def arrange(action, when=lambda: True):
        done = []

        def breathe(step):
            if not done and when():
                done.append(step)
                action()

        monkeypatch.setattr(taking, 'breathe', breathe)
        return done

    return arrange


def add_elsewhere(company, *names):
    """Add employees, and what is owed to a segment that is rarely looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, 'has_room', lambda *args, **limits: False)
        company.add('/NWS/OUN', *names)


def in_order(jobs):
    """How many deliveries these are, which have to be in their order."""
    created = [job.created for job in jobs]
    assert created == sorted(set(created))
    return len(created)


def test_nothing_is_lost_that_comes_while_what_waits_for_the_same_receiver_is_put_away(
    stepping, meanwhile
):
    """It was left to wait, and the receiver was found to work in the same transaction."""
    parking = stepping.loop._taker.intake.parking
    count = 3 * UNPROVEN_ALLOWANCE
    stepping.company.add('/NWS/OUN', *[f'e{number}' for number in range(count)])
    stepping.cycle_until(lambda: parking and stepping.lanes.busy())
    first = stepping.lanes.take(0)
    stepping.finish(first, 200)
    done = meanwhile(
        lambda: add_elsewhere(stepping.company, 'meanwhile'), lambda: parking._leaving_segments
    )
    assert in_order([first, *stepping.send_all()]) == count + 1
    assert done


def test_nothing_is_lost_that_comes_while_what_a_receiver_has_ready_is_stopped(
    stepping, meanwhile, monkeypatch
):
    """Its breaker opened, and what was under way already closes it again."""
    *struck, late, last = stepping.sending(STRIKES + 2)
    for job in struck:
        stepping.finish(job, 503)

    def work_again():
        stepping.finish(late, 200)
        add_elsewhere(stepping.company, 'meanwhile')

    done = meanwhile(work_again)
    with monkeypatch.context() as patch:
        # A little earlier, none of the results would have waited long enough.
        patch.setattr(stepping.loop, '_must_record', lambda **_: False)
        stepping.loop._signals.wake()
        stepping.cycle()
    assert done
    stepping.finish(last, 200)
    assert len(stepping.send_all()) == STRIKES + 1


def test_what_waits_in_memory_goes_on_while_the_engine_is_busy_otherwise(
    stepping, meanwhile, monkeypatch
):
    """A receiver that answers at once would have nothing to do until that is over."""
    (first,) = stepping.sending(1)
    stepping.finish(first, 200)
    lane = stepping.lanes.lane(first.recipient)
    stepping.company.add('/NWS/OUN', *[f'more{number}' for number in range(2 * PROVEN_AHEAD)])
    stepping.cycle_until(lambda: len(lane.jobs) == PROVEN_AHEAD)
    taker = stepping.loop._taker
    ready = []

    def send_some():
        for _ in range(PROVEN_AHEAD // 2):
            stepping.finish(stepping.lanes.take(0), 200)

    original = taker.due.read

    def read(view):
        ready.append(len(lane.jobs))
        return original(view)

    done = meanwhile(send_some)
    monkeypatch.setattr(taker.due, 'read', read)
    monkeypatch.setattr(stepping.loop, '_must_record', lambda **_: False)
    stepping.loop._signals.wake()
    stepping.cycle()
    assert done
    assert ready == [PROVEN_AHEAD]


def tripped(stepping):
    """A request that is under way to a receiver whose breaker has opened, and five are ready."""
    *struck, late = stepping.sending(STRIKES + 1)
    stepping.company.add('/NWS/OUN', *[f'ready{number}' for number in range(5)])
    stepping.cycle_until(lambda: stepping.lanes.lane(late.recipient).jobs)
    for job in struck:
        stepping.finish(job, 503)
    stepping.loop._signals.wake()
    return late


def test_nothing_that_is_stopped_is_started_before_it_is_where_it_has_to_wait(
    stepping, meanwhile, monkeypatch
):
    """It would be sent once more from there."""
    late = tripped(stepping)
    started = []

    def work_again():
        stepping.finish(late, 200)
        started.append(stepping.lanes.take(0))

    done = meanwhile(work_again)
    with monkeypatch.context() as patch:
        patch.setattr(stepping.loop, '_must_record', lambda **_: False)
        stepping.cycle()
    assert done and started == [None]
    sent = stepping.send_all()
    assert len(sent) == len({job.message for job in sent}) == STRIKES + 5


def test_what_could_not_be_put_where_it_has_to_wait_is_not_lost(stepping, monkeypatch):
    late = tripped(stepping)

    def conflict(view):
        raise ConflictError('deliberately')

    with monkeypatch.context() as patch:
        patch.setattr(stepping.loop, '_must_record', lambda **_: False)
        patch.setattr(stepping.loop._taker.due, 'read', conflict)
        with pytest.raises(ConflictError):
            stepping.cycle()
    stepping.finish(late, 200)
    sent = stepping.send_all()
    assert len(sent) == len({job.message for job in sent}) == STRIKES + 5


def test_what_came_meanwhile_is_prepared_although_nothing_was_written(
    stepping, meanwhile, monkeypatch
):
    """The transaction that was under way did not see it."""
    monkeypatch.setattr('pyramid_webhooks.delivery.holding.PREPARE_LIMIT', 10)
    for job in stepping.sending(1):
        stepping.finish(job, 200)
    stepping.send_all()
    done = meanwhile(lambda: stepping.company.add('/NWS/OUN', *[f'm{n}' for n in range(30)]))
    stepping.loop._signals.wake()
    stepping.cycle()
    assert done
    assert in_order(stepping.send_all()) == 30


def test_what_takes_long_goes_on_however_much_is_committed(stepping, monkeypatch):
    """Among other things, no sign of life is given before it is over."""
    taker, signals = stepping.loop._taker, stepping.loop._signals
    opened = []
    original = taker._database.session

    def session():
        opened.append(1)
        return original()

    monkeypatch.setattr(taker._database, 'session', session)
    monkeypatch.setattr(taking, '_PAUSE_SECONDS', 0)
    with original() as outer:
        hints = {('', segment._p_oid) for segment in outer.primary.intake.segments}
        assert taker.take_first(outer, set()) is False
        for step in range(500):
            signals.wake(hints)
            taker._pause(step)
    assert 0 < len(opened) < 250


def test_nothing_overtakes_what_was_not_read_yet(stepping, monkeypatch):
    """It is in a segment that is rarely looked at."""
    for job in stepping.sending(1):
        stepping.finish(job, 200)
    for number in range(PAGE_SIZE // 2):
        add_elsewhere(stepping.company, f'e{number}')
    stepping.send_all()
    for limit in ('intake.READ_LIMIT', 'express._READ_LIMIT'):
        monkeypatch.setattr(f'pyramid_webhooks.delivery.{limit}', 1)
    for name in ('oldest', 'older', 'old'):
        add_elsewhere(stepping.company, name)
    stepping.loop._taker.intake.look_everywhere()
    stepping.cycle()
    add_elsewhere(stepping.company, 'younger')
    assert in_order(stepping.send_all()) == 4


def test_what_is_seldom_looked_at_is_looked_at_again_when_that_transaction_fails(
    stepping, failing
):
    """Nobody here has told of it: it was another process that committed it."""
    for job in stepping.sending(1):
        stepping.finish(job, 200)
    for number in range(PAGE_SIZE):
        add_elsewhere(stepping.company, f'e{number}')
    stepping.send_all()
    add_elsewhere(stepping.company, 'somewhere')
    stepping.loop._signals.collect()
    stepping.loop._taker.intake.look_everywhere()
    stepping.company.at('/', lambda manager: [each.ping() and None for each in manager.values()])
    stepping.company.subscribe('/NWS/NCA', 'http://127.0.0.1:1/')
    stepping.company.at(
        '/NWS/NCA', lambda manager: [manager.deactivate(each) for each in manager.values()]
    )
    failing.arm(b'webhooks: schedule', {1}, StorageError('deliberately'))
    with pytest.raises(StorageError):
        stepping.cycle_until(lambda: failing.count)
    stepping.cycle()
    assert len(stepping.lanes.lane(job.recipient).jobs) == 2


def test_what_could_not_be_taken_meanwhile_is_not_forgotten(stepping, meanwhile):
    """Whether its receiver works is not known yet."""
    signals = stepping.loop._signals
    done = meanwhile(lambda: add_elsewhere(stepping.company, 'ann'))
    signals.wake()
    stepping.cycle()
    assert done
    assert signals.has_hints()
    assert len(stepping.send_all()) == 1


def test_no_more_than_half_of_the_time_is_given_away(stepping, monkeypatch):
    """Once a little has been: the engine has to give signs of life."""
    now, given = [1e9], []

    def be_slow():
        given.append(now[0])
        now[0] += 0.25

    monkeypatch.setattr(taking, 'time', SimpleNamespace(monotonic=lambda: now[0]))
    taker = stepping.loop._taker
    taker._call_senders = be_slow
    while now[0] < 1e9 + 10:
        taker._pause(1)
        now[0] += 0.0625
    assert given[3] == 1e9 + 0.9375, 'nearly a second is given at once'
    assert 5 <= 0.25 * len(given) <= 5.5


def test_with_a_short_lease_less_is_given_away_at_once(stepping, monkeypatch):
    given = []
    monkeypatch.setattr(taking, '_LEASE_PART', 1e-6)
    monkeypatch.setattr(taking, 'time', SimpleNamespace(monotonic=lambda: 1e9 + len(given)))
    taker = stepping.loop._taker
    taker._call_senders = lambda: given.append(1)
    for _ in range(5):
        taker._pause(1)
    assert len(given) == 1


def test_commits_are_counted_wherever_they_went(stepping, monkeypatch):
    """Several in a row go to the same segment."""
    for job in stepping.sending(1):
        stepping.finish(job, 200)
    stepping.send_all()
    counted = []

    def judge(started, commits):
        counted.append(commits)
        return started + 7

    taker = stepping.loop._taker
    monkeypatch.setattr(taker._pace, 'next', judge)
    before = stepping.loop._signals.wakes()
    for number in range(5):
        stepping.company.add('/NWS/OUN', f'one of five, {number}')
    now = time.monotonic()
    stepping.cycle()
    assert counted[0] == before + 5
    assert now + 7 <= (until := taker.rests_until) < now + 17
    monkeypatch.setattr(taker._pace, 'next', lambda started, commits: started)
    taker._rest(now)
    assert taker.rests_until == until, 'what else is read in the same cycle makes it no shorter'


def test_nothing_overtakes_what_is_being_taken(stepping, meanwhile, monkeypatch):
    """It was read, and before it is in memory something younger is committed."""
    for job in stepping.sending(1):
        stepping.finish(job, 200)
    for number in range(PAGE_SIZE):
        add_elsewhere(stepping.company, f'e{number}')
    stepping.send_all()
    intake = stepping.loop._taker.intake
    original = intake._admit
    admitting = []

    def admit(view, candidates):
        admitting.append(candidates)
        original(view, candidates)
        admitting.pop()

    monkeypatch.setattr(intake, '_admit', admit)
    add_elsewhere(stepping.company, 'older')
    stepping.loop._signals.collect()
    intake.look_everywhere()
    done = meanwhile(lambda: stepping.company.add('/NWS/OUN', 'younger'), lambda: any(admitting))
    stepping.loop._signals.wake()
    assert in_order(stepping.send_all()) == 2
    assert done


@pytest.mark.parametrize('seconds', [0.0, 0.02])
def test_those_who_waited_for_a_long_commit_come_first(stepping, monkeypatch, seconds):
    signals = stepping.loop._signals
    committed, slept = [], []
    original = Session.commit

    def commit(session, note):
        time.sleep(seconds)
        committed.append(note)
        original(session, note)

    monkeypatch.setattr(Session, 'commit', commit)
    monkeypatch.setattr(taking, 'READ_SECONDS', 0.02 if seconds else 1000)
    monkeypatch.setattr(signals, 'sleep', lambda *arguments: slept.append(arguments[0]))
    with stepping.loop._database.session() as session:
        stepping.loop._taker._commit(session)
    assert committed == ['webhooks: schedule']
    assert slept == ([0.02] if seconds else [])
