"""No request is open while the engine holds a transaction or a connection."""

import threading
import time

import pytest

from pyramid_webhooks.delivery.sender import Sender
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.registries import databases_of
from tests.company import wait_until

REQUESTS = 12


def opened(company):
    """How many connections of the application's database are open."""
    databases = databases_of(company.registry).values()
    return sum(bool(each['opened']) for db in databases for each in db.connectionDebugInfo())


def observe(company, receiver):
    """For each request, whether there was a moment without any connection while it was open."""
    free = []

    def answer(request):
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            if not opened(company):
                free.append(True)
                return
            time.sleep(0.002)
        free.append(False)

    receiver.answer(answer)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(REQUESTS)])
    wait_until(lambda: len(free) == REQUESTS, 20)
    company.settle()
    return free


def test_no_connection_is_held_during_a_request(make_company, receiver):
    assert observe(make_company(), receiver) == [True] * REQUESTS


def test_that_would_be_seen(make_company, receiver, monkeypatch):
    company = make_company()
    send = Sender.send

    def send_within_a_session(self, job):
        with company.registry.queryUtility(IDeliveryEngine)._loop._database.session():
            send(self, job)

    monkeypatch.setattr(Sender, 'send', send_within_a_session)
    assert False in observe(company, receiver)


def test_nothing_persistent_is_given_to_a_sender(make_company, receiver, monkeypatch):
    found = []
    send = Sender.send

    def inspect(self, job):
        values = [getattr(job, name) for name in type(job).__slots__]
        while values:
            value = values.pop()
            if hasattr(value, '_p_jar'):
                found.append(value)
            elif isinstance(value, (tuple, list)):
                values.extend(value)
            elif isinstance(value, dict):
                values.extend(value.values())
            elif hasattr(type(value), '__dataclass_fields__'):
                values.extend(getattr(value, name) for name in value.__dataclass_fields__)
        send(self, job)

    monkeypatch.setattr(Sender, 'send', inspect)
    company = make_company()
    company.subscribe('/', receiver.url, headers={'X-One': '1'})
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1
    assert found == []


def test_an_idle_engine_holds_no_connection(company, receiver):
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    wait_until(lambda: not opened(company))


@pytest.mark.parametrize('status', [200, 500])
def test_waiting_for_an_answer_costs_no_processor_time(make_company, receiver, status):
    company = make_company(settings={'webhooks.retry_schedule': '10ms 1h'})
    release = threading.Event()
    receiver.answer(lambda request: release.wait(10) and None or status)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(200)])
    receiver.wait_for(1)
    waited = threading.Event()
    before = time.process_time()
    waited.wait(1.5)
    used = time.process_time() - before
    receiver.answer(status=200)
    release.set()
    assert used < 0.5


def test_a_database_that_is_closed_under_it_ends_it_quietly(company, receiver, caplog):
    engine = company.registry.getUtility(IDeliveryEngine)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    company.database.close()
    wait_until(lambda: not engine.running())
    assert [record for record in caplog.records if record.levelname == 'ERROR'] == []


def test_many_receivers_that_hang_cost_no_processor_time_either(make_company, receiver):
    company = make_company()
    receiver.answer(delay=20)
    for number in range(40):
        company.subscribe('/', receiver.url_for(str(number)))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(5)])
    receiver.wait_for(16)
    before = time.process_time()
    threading.Event().wait(1.5)
    assert time.process_time() - before < 0.5
    company.stop(timeout=0.1)
