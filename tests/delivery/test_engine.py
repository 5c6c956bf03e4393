"""Starting, stopping, and going on."""

import os
import sys
import threading

import pytest

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.delivery.transport import make_transport
from pyramid_webhooks.interfaces import IAttemptSucceeded, IDeliveryEngine
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.testing import wait_for_deliveries
from tests.company import wait_until


def engine_of(company):
    return company.registry.getUtility(IDeliveryEngine)


def threads():
    return [each for each in threading.enumerate() if each.name.startswith('pyramid_webhooks')]


def test_it_starts_with_the_application_and_starting_twice_is_fine(company, receiver):
    engine = engine_of(company)
    assert engine.running()
    count = len(threads())
    engine.start()
    assert len(threads()) == count
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_it_stops_with_all_its_threads_and_can_be_started_again(company, receiver):
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    stop_delivery(company.registry)
    stop_delivery(company.registry)
    assert not engine_of(company).running()
    wait_until(lambda: not threads())
    company.add('/NWS/OUN', 'ben')
    assert [each[0] for each in company.attempts('/')] == ['successful', 'pending']
    engine_of(company).start()
    company.settle()
    assert len(receiver.requests) == 2


def test_it_gives_back_what_it_owned_when_it_stops(company):
    engine = engine_of(company)

    def owners():
        def look(root):
            outbox = outbox_of(root._p_jar)
            return {each.owner for each in outbox.partitions}, len(outbox.processes)

        return company.transact(look)

    wait_until(lambda: None not in owners()[0])
    engine.stop()
    assert owners() == ({None}, 0)


def test_another_application_on_the_same_database_takes_over_at_once(company, receiver):
    company.subscribe('/', receiver.url)
    engine_of(company).stop()
    company.add('/NWS/OUN', 'ann')
    company.restart()
    receiver.wait_for(1, timeout=3)


@pytest.mark.parametrize('command', ['pshell', 'proutes', 'pwebhooks'])
def test_one_shot_commands_do_not_send(make_company, receiver, monkeypatch, command):
    monkeypatch.setattr(sys, 'argv', [f'/usr/bin/{command}', 'development.ini'])
    assert not engine_of(make_company()).running()


def test_in_worker_mode_the_application_does_not_send(make_company):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    assert not engine_of(company).running()


def test_waiting_for_deliveries_that_nobody_makes_ends_with_an_error(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    wait_for_deliveries(company.registry, 1)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    with pytest.raises(TimeoutError, match='deliveries that are due'):
        wait_for_deliveries(company.registry, 0.1)


def test_later_retries_do_not_count_when_waiting(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': '1h'})
    receiver.answer(status=500)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert [each[0] for each in company.attempts('/')] == ['failed', 'pending']


def test_a_child_of_a_fork_has_no_threads_until_its_first_request(make_company, receiver):
    company = make_company()
    engine = engine_of(company)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, b'running' if engine.running() else b'not running')
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    assert os.read(reading, 20) == b'not running'
    os.close(reading)
    company.subscribe('/', receiver.url)
    assert engine.running()
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_a_process_that_has_served_goes_on_to_send_when_it_forks(company):
    engine = engine_of(company)
    assert company.request(lambda context, request: engine.running())
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert engine.running()


def test_a_process_that_has_served_nobody_rests_when_it_forks_until_it_owes(company, receiver):
    engine = engine_of(company)
    assert engine.running()
    pid = os.fork()
    if pid == 0:
        os._exit(len(threads()))
    assert os.waitpid(pid, 0)[1] == 0
    assert not engine.running() and not threads()
    wait_for_deliveries(company.registry)
    assert engine.running()


def test_a_commit_that_nobody_told_of_is_found(company, receiver):
    """A wake-up may be lost, as from another process: the outbox is the truth."""
    company.subscribe('/', receiver.url)
    company.settle()
    engine = engine_of(company)
    engine.wake = lambda hints=(), messages=(): None
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(1, timeout=3)
    del engine.wake
    company.settle()


def test_an_idle_engine_commits_nothing_but_signs_of_life(make_company, receiver):
    company = make_company(settings={'webhooks.lease': '1h'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    before = company.database.lastTransaction()
    threading.Event().wait(0.8)
    assert company.database.lastTransaction() == before


def test_one_dead_receiver_does_not_delay_the_others(make_company, receiver):
    company = make_company(settings={'webhooks.concurrency': '4', 'webhooks.timeout': '5'})
    receiver.answer(delay=4, path='/slow')
    company.subscribe('/', receiver.url_for('slow'))
    company.subscribe('/', receiver.url_for('good'))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])

    def good():
        return [each for each in receiver.requests if each.path == '/good']

    wait_until(lambda: len(good()) == 20, timeout=4)
    company.stop(timeout=0.1)


def test_a_transport_of_the_application_is_used(make_company, receiver):
    sent = []

    def factory(settings, policy):
        adapter = make_transport(settings, policy)
        send = adapter.send

        def counting(request, **keywords):
            sent.append(request.url)
            return send(request, **keywords)

        adapter.send = counting
        return adapter

    company = make_company(setup=lambda config: config.set_webhook_transport(factory))
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert sent == [receiver.url]


def test_a_handler_that_wants_to_exit_does_not_end_it(company, receiver, caplog):
    def leave(event):
        raise SystemExit(1)

    company.registry.registerHandler(leave, (IAttemptSucceeded,))
    company.subscribe('/', receiver.url)
    for number, name in enumerate(('ann', 'ben'), 1):
        company.add('/NWS', name)
        company.settle()
        assert len(receiver.requests) == number
    assert engine_of(company).running()
    assert "A handler of 'AttemptSucceeded' failed." in caplog.text


def test_it_can_be_started_again_when_its_thread_has_ended_by_itself(company, receiver):
    engine = engine_of(company)
    engine._signals.stop()
    wait_until(lambda: not engine.running())
    engine.start()
    company.subscribe('/', receiver.url)
    company.add('/NWS', 'ann')
    company.settle()
    assert len(receiver.requests) == 1
