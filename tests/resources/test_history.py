"""The log of resolved attempts, stored in a real FileStorage."""

from __future__ import annotations

import itertools

import pytest
import transaction
from ZODB.serialize import referencesf

from pyramid_webhooks.resources.exhausted import GivenUp
from pyramid_webhooks.resources.history import AttemptLog, AttemptRecord
from pyramid_webhooks.resources.message import Message, Origin
from pyramid_webhooks.resources.packing import unpack


def message():
    return Message('employee.added', 1.0, Origin(1, 'host', 1.0, '', None), {'': b'{}'})


def record(number, succeeded=True, of=None):
    times = (float(number), float(number), number + 0.5)
    text = '200 OK' if succeeded else '500 Internal Server Error'
    return AttemptRecord(
        of or message(),
        number,
        succeeded,
        *times,
        text,
        '',
        'POST',
        'https://x/',
        (),
        None,
        None,
        (),
    )


def numbers(log):
    return [each.number for each in log]


def stored(database, log):
    """The same log, read anew from the storage."""
    with database.transaction() as connection:
        connection.root()['log'] = log
    database.cacheMinimize()
    connection = database.open(transaction_manager=transaction.TransactionManager())
    try:
        again = connection.root()['log']
        return numbers(again), len(again)
    finally:
        connection.close()


@pytest.mark.parametrize('at_once', [1, 3, 16, 40, 100])
@pytest.mark.parametrize('limit', [1, 7, 50])
def test_the_newest_are_kept_in_order_however_they_were_recorded(at_once, limit):
    log, counter = AttemptLog(), itertools.count(1)
    last = 0
    while last < 230:
        log.append([record(next(counter)) for _ in range(at_once)], limit)
        last += at_once
        assert numbers(log) == list(range(max(1, last - limit + 1), last + 1))
        assert len(log) == min(limit, last)


@pytest.mark.parametrize('at_once', [1, 5, 16])
def test_what_is_read_back_from_the_storage_is_what_was_recorded(database, at_once):
    log = AttemptLog()
    for start in range(1, 200, at_once):
        log.append([record(number) for number in range(start, start + at_once)], 50)
    expected = numbers(log)
    assert len(expected) == 50
    assert stored(database, log) == (expected, 50)


def test_every_value_of_a_record_is_read_back_as_it_was(database):
    response = (503, 'Busy', (('Retry-After', '5'), ('X', 'é')), b'\x00\xff', True, 250_000)
    whole = record(3, succeeded=False)._replace(
        headers=(('Content-Type', 'text/plain'),),
        body=b'wrapped',
        response=response,
        exceptions=('TimeoutError: it took too long',),
    )
    log = AttemptLog()
    log.append([whole], 50)
    with database.transaction() as connection:
        connection.root()['log'] = log
    database.cacheMinimize()
    with database.transaction() as connection:
        (again,) = connection.root()['log']
        assert again[1:] == whole[1:]
        assert again.message.id == whole.message.id


def test_messages_are_referred_to_so_that_packing_keeps_those_in_the_log_and_no_others(database):
    log = AttemptLog()
    with database.transaction() as connection:
        connection.root()['log'] = log
    for number in range(1, 41):
        with database.transaction() as connection:
            connection.root()['log'].append([record(number)], 10)
    database.pack()
    database.cacheMinimize()
    with database.transaction() as connection:
        kept = [each.message.event for each in connection.root()['log']]
    assert kept == ['employee.added'] * 10
    assert 10 <= _count(database, Message) < 10 + 2 * 8


def _count(database, wanted):
    found, pending = 0, [b'\0' * 8]
    seen = set()
    connection = database.open()
    try:
        while pending:
            oid = pending.pop()
            if oid in seen:
                continue
            seen.add(oid)
            data, _ = database.storage.loadBefore(oid, b'\x7f' + b'\xff' * 7)[:2]
            found += isinstance(connection.get(oid), wanted)
            pending += referencesf(data)
    finally:
        connection.close()
    return found


def test_one_more_attempt_is_little_to_write_once_the_history_is_full(database):
    with database.transaction() as connection:
        connection.root()['log'] = AttemptLog()
    for number in range(1, 80):
        with database.transaction() as connection:
            connection.root()['log'].append([record(number)], 50)
    of_one = message()
    with database.transaction() as connection:
        connection.add(of_one)
    before = database.storage.getSize()
    for number in range(80, 112):
        with database.transaction() as connection:
            again = connection.get(of_one._p_oid)
            connection.root()['log'].append([record(number, of=again)], 50)
    assert (database.storage.getSize() - before) / 32 < 900


def test_failures_in_a_row_are_counted_since_the_last_success():
    log = AttemptLog()
    log.append([record(1), record(2, succeeded=False), record(3, succeeded=False)], 50)
    assert (log.succeeded, log.failed) == (1, 2)
    assert (log.failures_in_row, log.failing_since) == (2, 2.5)
    assert (log.last_success, log.last_failure) == (1.5, 3.5)
    log.append([record(4)], 50)
    assert (log.failures_in_row, log.failing_since) == (0, None)


def test_the_health_is_stored_with_the_attempts(database):
    log = AttemptLog()
    with database.transaction() as connection:
        connection.root()['log'] = log
    for number in range(6):
        with database.transaction() as connection:
            again = connection.root()['log']
            again.append([record(number, succeeded=False)], 50)
            again.health.fail(float(number), lambda waits: 10.0)
    database.cacheMinimize()
    with database.transaction() as connection:
        again = connection.root()['log']
        assert again.health.values() == (6, 0, 1, 14.0)
        again.reset_health()
    with database.transaction() as connection:
        assert connection.root()['log'].health.values() == (0, 0, 0, None)


def test_it_can_be_shortened_to_its_newer_half_and_goes_on(database):
    log = AttemptLog()
    log.append([record(number) for number in range(1, 42)], 50)
    assert log.shorten()
    assert stored(database, log) == (list(range(21, 42)), 21)
    assert log.succeeded == 41
    with database.transaction() as connection:
        log = connection.root()['log']
        log.append([record(number) for number in range(42, 80)], 50)
        assert numbers(log) == list(range(30, 80))
        while log.shorten():
            pass
        assert numbers(log) == [79]


def test_what_was_given_up_is_shortened_before_the_attempts_are():
    log = AttemptLog()
    log.append([record(number, False) for number in range(1, 11)], 50)
    for number in range(4):
        log.give_up(GivenUp(message(), 'error', float(number), 1, bytes(8)), 100)
    assert log.shorten() and log.shorten() and log.shorten()
    assert (len(log.exhausted), len(log)) == (0, 10)
    assert log.shorten()
    assert (len(log.exhausted), len(log)) == (0, 5)


@pytest.mark.parametrize('count', [0, 1, 2, 15, 16, 17, 40, 49, 50, 51, 83, 120])
@pytest.mark.parametrize('at_once', [1, 3, 20])
def test_the_attempts_of_a_message_are_found_among_all_others(database, count, at_once):
    messages = [message() for _ in range(7)]
    log = AttemptLog()
    records = [record(number, of=messages[number % 7]) for number in range(count)]
    for start in range(0, count, at_once):
        log.append(records[start : start + at_once], 50)
    for wanted in messages:
        found = list(log.about(lambda each, wanted=wanted: each is wanted))
        assert found == [each for each in log if each.message is wanted]


def test_only_what_has_a_wanted_message_is_unpacked(monkeypatch):
    log = AttemptLog()
    records = [record(number) for number in range(50)]
    log.append(records, 50)
    unpacked = []
    monkeypatch.setattr(
        'pyramid_webhooks.resources.batch.unpack',
        lambda packed: unpacked.append(packed) or unpack(packed),
    )
    [found] = log.about(lambda each: each is records[20].message)
    assert found == records[20]
    assert len(unpacked) == 1
    assert list(log.about(lambda each: False)) == []
    assert len(unpacked) == 1
