"""Storages that fail in any commit, and engines that are stopped at any time."""

import random
import time

import pytest
from ZODB.POSException import ConflictError, StorageError

from pyramid_webhooks.delivery.recorder import Recorder
from tests.chaos.failing import STEPS, FailingStorage
from tests.company import messages, names_of, wait_until


@pytest.fixture
def failing(monkeypatch):
    return FailingStorage(monkeypatch)


def succeeded(company):
    """How many successes were recorded."""
    return company.at('/', lambda m: sum(each.log.succeeded for each in m.values()))


def statuses(company):
    return [each[:2] for each in company.attempts('/')]


@pytest.mark.parametrize('step', STEPS)
def test_whatever_step_of_recording_fails_each_result_is_recorded_once(
    failing, make_company, receiver, step
):
    company = make_company(settings={'webhooks.retry_schedule': ' '.join(['50ms'] * 20)})
    receiver.answer(status=503, path='/bad', times=20)
    company.subscribe('/', receiver.url_for('bad'))
    company.subscribe('/', receiver.url_for('good'))
    failing.arm(b'webhooks: results', {1, 3, 4, 8}, StorageError('deliberately'), step)
    for number in range(5):
        company.add('/NWS/OUN', *[f'e{number}-{each}' for each in range(4)])
        company.settle()
    wait_until(lambda: 'pending' not in [status for status, _ in statuses(company)])
    failing.disarm()
    paths = [request.path for request in receiver.requests]
    assert failing.count >= 8
    assert paths.count('/good') == 20
    assert paths.count('/bad') == 40
    assert company.at('/', lambda m: sum(each.log.failed for each in m.values())) == 20
    assert succeeded(company) == 40


class HalfOfThem:
    """Any number, or not, at random."""

    def __init__(self):
        self.chance = random.Random(1)

    def __contains__(self, number):
        return self.chance.random() < 0.5


@pytest.mark.parametrize('step', STEPS[:2])
def test_conflicts_in_half_of_the_engines_commits_only_take_time(
    failing, make_company, receiver, step, caplog
):
    company = make_company(settings={'webhooks.retry_schedule': ' '.join(['50ms'] * 20)})
    receiver.answer(status=503, path='/bad', times=20)
    company.subscribe('/', receiver.url_for('bad'))
    company.subscribe('/', receiver.url_for('good'))
    failing.arm(b'webhooks: ', HalfOfThem(), ConflictError('deliberately'), step)
    for number in range(10):
        company.add('/NWS/OUN', *[f'e{number}-{each}' for each in range(4)])
    wait_until(lambda: statuses(company).count(('successful', 1)) >= 60, 20)
    wait_until(lambda: 'pending' not in [status for status, _ in statuses(company)], 20)
    paths = [request.path for request in receiver.requests]
    assert failing.count >= 10
    assert (paths.count('/good'), paths.count('/bad')) == (40, 60)
    assert succeeded(company) == 80
    assert messages(caplog) == '', "conflicts are nobody's trouble"


@pytest.mark.parametrize('step', STEPS)
def test_a_commit_of_the_application_that_fails_owes_what_the_database_has(
    failing, make_company, receiver, step
):
    company = make_company()
    company.subscribe('/', receiver.url)
    failing.arm(b'/act', {1}, StorageError('deliberately'), step)
    with pytest.raises(StorageError):
        company.add('/NWS/OUN', 'first')
    company.add('/NWS/OUN', 'second')
    company.settle()
    kept = company.transact(lambda root: sorted(root['NWS']['OUN']))
    assert kept == (['first', 'second'] if step == STEPS[-1] else ['second'])
    assert sorted(names_of(receiver)) == kept


@pytest.mark.parametrize('error', [StorageError('disk full'), ConflictError('deliberately')])
def test_a_failed_recording_loses_nothing_and_records_each_success_once(
    failing, make_company, receiver, error
):
    company = make_company()
    company.subscribe('/', receiver.url)
    failing.arm(b'webhooks: results', {1, 3}, error)
    for number in range(5):
        company.add('/NWS/OUN', *[f'e{number}-{each}' for each in range(6)])
        company.settle()
    assert statuses(company) == [('successful', 1)] * 30
    assert failing.count >= 3
    assert len(receiver.requests) == 30
    assert succeeded(company) == 30


@pytest.mark.parametrize('error', [StorageError('disk full'), ConflictError('deliberately')])
def test_a_failure_while_the_schedule_is_written_loses_nothing(
    failing, make_company, receiver, error
):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    for number in range(4):
        company.add('/NWS/OUN', *[f'e{number}-{each}' for each in range(50)])
    failing.arm(b'webhooks: schedule', {1, 2, 4}, error)
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    receiver.wait_for(200)
    company.settle()
    assert failing.count >= 3
    assert len(receiver.requests) == 200
    assert succeeded(company) == 200


@pytest.mark.parametrize('command', ['deactivate', '__delitem__'])
def test_a_failure_while_a_command_is_obeyed_loses_nothing(
    failing, make_company, receiver, command
):
    company = make_company()
    receiver.answer(delay=0.1)
    id = company.subscribe('/', receiver.url_for('one'))
    company.subscribe('/', receiver.url_for('other'))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])
    receiver.wait_for(1)
    failing.arm(b'webhooks: schedule', {1}, StorageError('disk full'))
    if command == 'deactivate':
        company.at('/', lambda m: m.deactivate(m[id]))
        company.settle()
        receiver.answer()
        company.at('/', lambda m: m.activate(m[id]))
        wait_until(lambda: statuses(company) == [('successful', 1)] * 40)
    else:
        company.at('/', lambda m: m.__delitem__(id))
        wait_until(lambda: statuses(company) == [('successful', 1)] * 20)
    company.settle()
    assert failing.count > 1


def test_a_failure_while_it_claims_its_partitions_only_delays(failing, make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    failing.arm(b'webhooks: sign of life', {1}, ConflictError('deliberately'))
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    receiver.wait_for(1)
    company.settle()
    assert statuses(company) == [('successful', 1)]


def test_an_error_in_the_recorder_itself_is_survived(make_company, receiver, monkeypatch, caplog):
    company = make_company()
    company.subscribe('/', receiver.url)
    record = Recorder.record
    calls = []

    def broken(self, *arguments):
        recorded = record(self, *arguments)
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError('deliberately')
        return recorded

    monkeypatch.setattr(Recorder, 'record', broken)
    company.add('/NWS/OUN', 'ann')
    wait_until(lambda: statuses(company) == [('successful', 1)])
    company.settle()
    assert len(receiver.requests) == 1
    assert 'trouble' in caplog.text


def test_a_retry_policy_that_raises_or_answers_nonsense_stops_nobody(make_company, receiver):
    class Policy:
        answers = iter([RuntimeError('deliberately'), 'soon', float('nan'), -1, 0.01, None])

        def next_delay(self, attempts_made, status, headers):
            answer = next(self.answers, None)
            if isinstance(answer, Exception):
                raise answer
            return answer

    company = make_company(setup=lambda config: config.set_webhook_retry_policy(Policy()))
    receiver.answer(status=500, path='/bad')
    company.subscribe('/', receiver.url_for('bad'))
    company.subscribe('/', receiver.url_for('good'))
    for number in range(4):
        company.add('/NWS/OUN', f'e{number}')
        company.settle()
    paths = [request.path for request in receiver.requests]
    assert paths.count('/good') == 4
    assert paths.count('/bad') >= 4
    assert 'pending' not in [each[0] for each in company.attempts('/')]


def test_what_is_in_flight_is_recorded_when_it_stops_and_the_rest_stays_owed(
    make_company, receiver
):
    company = make_company()
    receiver.answer(delay=0.2)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(40)])
    receiver.wait_for(1)
    company.restart(settings={**company.settings, 'webhooks.delivery': 'worker'})
    sent = len(receiver.requests)
    found = [status for status, _ in statuses(company)]
    assert sent < 40
    assert found.count('successful') == sent and found.count('pending') == 40 - sent
    receiver.answer()
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert len(receiver.requests) == 40


def test_stopping_does_not_wait_longer_than_it_is_told_to(make_company, receiver):
    company = make_company()
    receiver.answer(delay=5)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(1)
    started = time.monotonic()
    company.stop(timeout=0.2)
    assert time.monotonic() - started < 2
    company.settings['webhooks.delivery'] = 'worker'
    company.start()
    assert statuses(company) == [('pending', 1)]
