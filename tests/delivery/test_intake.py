"""What is taken into memory, and what has to wait in the schedule."""

import time

import transaction

from pyramid_webhooks.delivery.holding import ALLOWANCE, UNPROVEN_ALLOWANCE
from pyramid_webhooks.outbox.intake import PAGE_SIZE
from pyramid_webhooks.outbox.root import PARTITIONS, partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE
from pyramid_webhooks.outbox.segment import ENTRY_LIMIT as SEGMENT_SIZE
from pyramid_webhooks.resources.health import Health
from tests.company import add, wait_until
from tests.delivery.reading import Reading

#: So many entries that there is no room in the segments that are used first.
COUNT = 2 * PAGE_SIZE * SEGMENT_SIZE


def to_of_the_only_one(manager):
    (subscription,) = manager.values()
    return subscription.to


def test_what_is_taken_stays_owed_and_is_not_taken_twice(reading):
    reading.company.add('/NWS/OUN', 'ann', 'ben')
    jobs, _, owed = reading.read()
    assert (len(jobs), owed) == (2, 2)
    assert reading.read()[0] == []
    reading.company.add('/NWS/OUN', 'cid')
    assert len(reading.read()[0]) == 1
    reading.holding.forget(jobs)
    reading.reader.forget_everything_seen()
    assert len(reading.read()[0]) == 2


def test_what_was_read_in_a_failed_transaction_is_read_again(reading):
    reading.company.add('/NWS/OUN', 'ann')
    assert len(reading.read(commit=False)[0]) == 1
    assert len(reading.read()[0]) == 1


def test_it_comes_in_the_order_of_the_commits(reading):
    for number in range(10):
        reading.company.add('/NWS/OUN', f'e{number}')
    jobs, _, _ = reading.read()
    assert [job.created for job in jobs] == sorted(job.created for job in jobs)
    assert len(jobs) == UNPROVEN_ALLOWANCE


def test_more_than_may_be_in_memory_waits_in_the_schedule_in_order(reading):
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 40)])
    jobs, _, owed = reading.read()
    assert (len(jobs), owed) == (UNPROVEN_ALLOWANCE, UNPROVEN_ALLOWANCE + 40)
    assert reading.waiting() == [], 'it is left in the intake for a moment'
    reading.company.add('/NWS/OUN', 'last')
    assert reading.read()[0] == [], 'it has its place behind the others'
    assert reading.read() == ([], [], UNPROVEN_ALLOWANCE)
    assert reading.waiting() == [(AT_ONCE, False)] * 41


def test_what_is_put_away_together_is_in_the_order_of_the_commits(reading):
    reading.company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.lanes.know(job.recipient, Health(strikes=5, probe_at=1e11))
    for number in range(20):
        reading.company.add('/NWS/OUN', f'e{number}')
    reading.read(put_away=False)
    reading.read()
    with reading.database.session() as session:
        queue = session.primary.schedule_of(job.recipient).queue(job.recipient)
        created = [item.created for _, item in queue.items()]
    assert len(created) == 20 and created == sorted(created)


def test_what_waits_for_a_probe_waits_although_the_failures_are_not_recorded_yet(reading):
    reading.company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.lanes.know(job.recipient, Health(strikes=5, probe_at=1e11))
    reading.company.add('/NWS/OUN', 'second')
    reading.read()
    reading.read()
    reading.company.add('/NWS/OUN', 'third')
    reading.read(put_away=False)
    with reading.database.session() as session:
        queue = session.primary.schedule_of(job.recipient).queue(job.recipient)
        assert (queue.count, queue.put_off) == (1, 1e11)


def test_nothing_overtakes_what_waits_in_the_intake_when_the_receiver_turns_out_to_work(reading):
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 9)])
    jobs, _, _ = reading.read()
    reading.lanes.know(jobs[0].recipient, Health(successes=1))
    reading.company.add('/NWS/OUN', 'later')
    assert reading.read(put_away=False)[0] == []


def test_once_a_receiver_works_what_comes_next_does_not_take_the_way_through_the_schedule(reading):
    """Although nothing came meanwhile that would have been put away."""
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 9)])
    jobs, _, _ = reading.read()
    reading.read()
    recipient = jobs[0].recipient
    with reading.database.session() as session:
        session.primary.schedule_of(recipient).drop(recipient)
        session.commit('all was sent')
    reading.lanes.know(recipient, Health(successes=1))
    reading.holding.unsent(recipient)
    reading.reader.parking.hurry([recipient])
    reading.read()
    reading.company.add('/NWS/OUN', 'next')
    assert len(reading.read()[0]) == 1


def test_what_waits_in_the_intake_waits_no_longer_than_until_an_activation(reading):
    reading.company.add('/NWS/OUN', *[f'a{number}' for number in range(UNPROVEN_ALLOWANCE + 20)])
    reading.read()
    reading.read()
    reading.company.add('/NWS/OUN', *[f'b{number}' for number in range(9)])
    reading.read(put_away=False)
    assert reading.reader.parking.due() > 0.0
    for name in ('deactivate', 'activate'):
        reading.company.at('/', lambda m, name=name: getattr(m, name)(next(iter(m.values()))))
    reading.read(put_away=False)
    assert reading.reader.parking.due() == 0.0


def test_no_more_waits_in_the_intake_than_can_be_put_away_in_one_transaction(reading, monkeypatch):
    """However long ago something was put away last."""
    monkeypatch.setattr('pyramid_webhooks.delivery.parking.ENTRY_LIMIT', 300)
    reading.company.add('/NWS/OUN', *[f'a{number}' for number in range(UNPROVEN_ALLOWANCE + 9)])
    reading.read()
    reading.read()
    reading.company.add('/NWS/OUN', *[f'b{number}' for number in range(99)])
    reading.read(put_away=False)
    assert reading.reader.parking.due() > time.monotonic()
    reading.company.add('/NWS/OUN', *[f'c{number}' for number in range(300)])
    reading.read(put_away=False)
    assert reading.reader.parking.due() == 0.0


def test_what_another_process_owes_is_found_soon_among_much_that_waits(reading):
    """It is in a segment that is rarely looked at, as those that are used first are full."""
    reading.company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.lanes.know(job.recipient, Health(strikes=5, probe_at=1e11))
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(COUNT)])
    reading.read(put_away=False)
    reading.company.subscribe('/NWS/NCA', reading.company.at('/', to_of_the_only_one))
    reading.company.add('/NWS/NCA', 'ann')
    (found,) = wait_until(lambda: reading.read(put_away=False)[0], timeout=3)
    assert found.recipient != job.recipient


def test_a_receiver_that_has_proved_itself_may_have_more(reading):
    reading.company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.lanes.know(job.recipient, Health(successes=1))
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(ALLOWANCE)])
    jobs, _, _ = reading.read()
    assert len(jobs) == ALLOWANCE - 1


def test_only_what_belongs_to_its_partitions_is_taken(reading, receiver):
    for _ in range(20):
        reading.company.subscribe('/', receiver.url)
    reading.company.add('/NWS/OUN', 'ann')
    mine = set(range(0, PARTITIONS, 2))
    reading.member.owned = dict.fromkeys(mine, 1)
    jobs, _, _ = reading.read()
    assert 0 < len(jobs) < 21
    assert {partition_of(job.recipient) for job in jobs} <= mine
    other = Reading(reading.company)
    other.member.owned = dict.fromkeys(set(range(PARTITIONS)) - mine, 1)
    theirs, _, _ = other.read()
    assert len(jobs) + len(theirs) == 21
    assert not {job.recipient for job in jobs} & {job.recipient for job in theirs}


def test_what_an_inactive_one_is_owed_is_held(reading):
    reading.company.add('/NWS/OUN', 'ann', 'ben')
    reading.company.at('/', lambda m: [m.deactivate(each) for each in m.values()])
    jobs, dropped, owed = reading.read()
    assert jobs == dropped == [] and owed == 0
    assert reading.waiting() == [(AT_ONCE, True)] * 2
    reading.company.at('/', lambda m: [m.activate(each) for each in m.values()])
    reading.read()
    assert reading.waiting() == [(AT_ONCE, False)] * 2


def test_what_a_removed_one_is_owed_is_dropped(reading):
    reading.company.add('/NWS/OUN', 'ann', 'ben')
    reading.company.at('/', lambda m: m.__delitem__(list(m)[0]))
    jobs, dropped, owed = reading.read()
    assert jobs == [] and owed == 0
    assert len({each.message_id for each in dropped}) == 2


def test_a_long_queue_of_a_removed_one_is_dropped_in_parts(reading, monkeypatch):
    monkeypatch.setattr('pyramid_webhooks.delivery.holding.DROP_LIMIT', 20)
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(50)])
    reading.company.at('/', lambda m: [m.deactivate(each) for each in m.values()])
    reading.read()
    assert len(reading.waiting()) == 50
    reading.company.at('/', lambda m: m.__delitem__(list(m)[0]))
    dropped = []
    for left in (30, 10, 0):
        dropped += [each.message_id for each in reading.read()[1]]
        assert len(reading.waiting()) == left
        assert reading.reader.more is (left > 0)
    assert len(set(dropped)) == len(dropped) == 50
    assert reading.read() == ([], [], 0)


def test_commands_may_be_read_in_any_order(reading):
    """What counts is what the subscription is now."""
    reading.company.add('/NWS/OUN', 'ann')
    for name in ('deactivate', 'activate', 'deactivate', 'activate'):
        reading.company.at('/', lambda m, name=name: getattr(m, name)(next(iter(m.values()))))
    jobs, _, owed = reading.read()
    assert len(jobs) == owed == 1
    assert reading.waiting() == []


def test_reading_a_large_backlog_is_done_in_parts(reading):
    manager = transaction.TransactionManager()
    connection = reading.company.database.open(manager)
    office = connection.root()['company']['NWS']['OUN']
    for number in range(5000):
        add(office, f'e{number}', reading.company.registry.notify)
    manager.commit()
    connection.close()
    started = time.monotonic()
    parts = 0
    while True:
        reading.read()
        parts += 1
        if not reading.reader.more:
            break
    assert parts > 1
    reading.read()
    assert len(reading.holding) == UNPROVEN_ALLOWANCE
    assert len(reading.waiting()) == 5000 - UNPROVEN_ALLOWANCE
    assert time.monotonic() - started < 20


def test_what_only_this_process_took_out_of_a_segment_is_not_read_again(reading):
    reading.company.add('/NWS/OUN', 'ann', 'ben')
    jobs, _, _ = reading.read()
    taken(reading, jobs[:1])
    reading.holding.forget(jobs)
    assert reading.read()[0] == []


def test_what_was_added_to_a_segment_while_something_was_taken_out_is_read(reading):
    """The segments that both change are merged."""
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE)])
    jobs, _, _ = reading.read()
    added = [f'later{number}' for number in range(2 * len(jobs))]
    taken(reading, jobs, lambda: reading.company.add('/NWS/OUN', *added))
    reading.holding.forget(jobs)
    reading.lanes.know(jobs[0].recipient, Health(successes=1))
    assert len(reading.read()[0]) == len(added)


def test_what_was_added_to_a_segment_before_something_was_taken_out_is_read(reading):
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE)])
    jobs, _, _ = reading.read()
    added = [f'later{number}' for number in range(2 * len(jobs))]
    reading.company.add('/NWS/OUN', *added)
    taken(reading, jobs)
    reading.holding.forget(jobs)
    reading.lanes.know(jobs[0].recipient, Health(successes=1))
    assert len(reading.read()[0]) == len(added)


def taken(reading, jobs, meanwhile=lambda: None):
    """Take ``jobs`` out of the intake, as the recorder does."""
    with reading.database.session() as session:
        for job in jobs:
            segment = session.get(job.home, job.segment)
            assert segment.take(job.entry, [job.recipient[1]])
        seen = reading.reader.seen.read_in(jobs, session.outboxes)
        meanwhile()
        session.commit('taken')
        reading.reader.seen.accept(seen)


def test_a_receiver_that_works_gets_each_delivery_when_it_comes_once_all_that_came_is_read(
    reading,
):
    """What is read before would come before what is older, and be put away one by one."""
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 1)])
    (job, *_), _, _ = reading.read()
    parking = reading.reader.parking
    assert parking.is_waiting(job.recipient)
    reading.lanes.know(job.recipient, Health(successes=5))
    parking.hurry([job.recipient])
    reading.reader.more = True
    reading.read()
    assert parking.is_waiting(job.recipient)
    reading.read()
    assert not parking.is_waiting(job.recipient)


def test_a_receiver_that_works_is_not_kept_waiting_by_a_transaction_that_failed(reading):
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(UNPROVEN_ALLOWANCE + 1)])
    (job, *_), _, _ = reading.read()
    reading.read()
    assert reading.waiting(), 'nothing of it is left in the intake'
    reading.lanes.know(job.recipient, Health(successes=5))
    reading.reader.parking.hurry([job.recipient])
    reading.read(commit=False)
    reading.read()
    assert not reading.reader.parking.is_waiting(job.recipient)


def test_whom_it_has_met_is_known_so_that_nothing_younger_is_sent_to_them_meanwhile(reading):
    """Those of new deliveries, and those of commands."""
    for change in (
        lambda: reading.company.add('/NWS/OUN', 'ann'),
        lambda: reading.company.at('/', lambda m: [m.deactivate(each) for each in m.values()]),
    ):
        change()
        with reading.database.session() as session:
            view = reading.view(session)
            seen = reading.reader.read(view, ())
            assert len(view.met) == 1
            session.commit('read')
            reading.reader.accept(seen)
            reading.holding.hold(view.new)
