"""When the schedules are looked at again after results were recorded."""

import pytest

from pyramid_webhooks.delivery.holding import ALLOWANCE, UNPROVEN_ALLOWANCE
from pyramid_webhooks.delivery.sender import refusal
from pyramid_webhooks.resources.health import Health


class Success:
    """All that matters here of an outcome."""

    succeeded = True


def finished(jobs, outcome):
    for job in jobs:
        job.outcome = outcome
    return jobs


@pytest.fixture
def jobs(reading):
    """A delivery that came from the intake, when nothing waits in the schedules."""
    reading.company.add('/NWS/OUN', 'ann')
    reading.read_all()
    jobs = reading.holding.unsent(next(iter(reading.holding._jobs.values())).recipient)
    assert len(jobs) == 1 and reading.due.next_due() is None
    return jobs


def test_they_are_not_after_a_success_when_nothing_waits(reading, jobs):
    reading.due.recorded(finished(jobs, Success()))
    assert reading.due.next_due() is None


def test_they_are_after_a_failure(reading, jobs):
    reading.due.recorded(finished(jobs, refusal('no')))
    assert reading.due.next_due() == 0.0


def test_they_are_after_what_was_scheduled(reading, jobs):
    jobs[0].entry = None
    reading.due.recorded(finished(jobs, Success()))
    assert reading.due.next_due() == 0.0


def test_they_are_when_what_is_due_had_no_room(reading, jobs):
    recipient = jobs[0].recipient
    names = [f'e{number}' for number in range(3 * UNPROVEN_ALLOWANCE)]
    reading.company.add('/NWS/OUN', *names)
    for _ in range(3):
        reading.read_all()
    assert reading.waiting(), 'more is due than there is room for'
    assert reading.due.next_due() > 1e11
    reading.due.recorded(finished(jobs, Success()))
    assert reading.due.next_due() == 0.0
    reading.lanes.know(recipient, Health(successes=1))
    before = len(reading.holding)
    reading.read_all()
    assert before < len(reading.holding) <= ALLOWANCE


def test_they_are_when_more_is_due_than_is_read_at_once(reading, jobs, receiver, monkeypatch):
    """Where nothing has been read yet, nothing is known to be due."""
    reading.holding.forget(jobs)
    for _ in range(3):
        reading.company.subscribe('/', receiver.url)
    reading.company.add('/NWS/OUN', *[f'e{number}' for number in range(2 * UNPROVEN_ALLOWANCE)])
    for _ in range(3):
        reading.read_all()
    held = list(reading.holding._jobs.values())
    for job in held:
        reading.holding.unsent(job.recipient)
    reading.holding.forget(held)
    reading.due.forget_everything_seen()
    monkeypatch.setattr('pyramid_webhooks.delivery.due.READ_LIMIT', 1)
    with reading.database.session() as session:
        reading.due.accept(reading.due.read(reading.view(session)))
    assert reading.due.next_due() == 0.0
