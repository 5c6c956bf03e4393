"""The attempts of a subscription, by their ids."""

from __future__ import annotations

import pytest

from pyramid_webhooks.resources.attempts import Attempts
from pyramid_webhooks.resources.history import AttemptLog, AttemptRecord
from pyramid_webhooks.resources.message import Message, Origin


class Subscription:
    """As much of a subscription as its attempts need."""

    id = 'sub_1'

    def __init__(self):
        self.log = AttemptLog()


class Owing(Attempts):
    """Attempts of which some are pending; it is counted how often they are read."""

    def __init__(self, subscription, *owed):
        super().__init__(subscription)
        self.owed = owed
        self.read = 0

    def _pending(self):
        self.read += 1
        return iter(self.owed)


class Owed:
    """What is still owed."""

    def __init__(self, message, number, created):
        self.message, self.number, self.created, self.due = message, number, created, created


def message():
    return Message('employee.added', 1.0, Origin(1, 'host', 1.0, '', None), {'': b'{}'})


def record(message, number, created, text='200 OK'):
    values = (created, created, created + 0.5, text, '', 'POST', 'https://x/', (), None, None, ())
    return AttemptRecord(message, number, True, *values)


@pytest.fixture
def subscription():
    return Subscription()


def test_a_resolved_attempt_is_found_without_reading_what_is_owed(subscription):
    messages = [message() for _ in range(40)]
    records = [record(each, number, float(number)) for number, each in enumerate(messages)]
    subscription.log.append(records, 50)
    attempts = Owing(subscription, Owed(message(), 1, 99.0))
    for each in records:
        found = attempts[f'{each.message.id}-{each.number}']
        assert found.record == each
    assert attempts.read == 0


def test_a_pending_attempt_is_found_and_what_is_none_is_not(subscription):
    sent, waiting = message(), message()
    subscription.log.append([record(sent, 1, 1.0)], 50)
    attempts = Owing(subscription, Owed(sent, 2, 2.0), Owed(waiting, 1, 3.0))
    assert attempts[f'{sent.id}-1'].resolved()
    assert attempts[f'{sent.id}-2'].pending()
    assert attempts[f'{waiting.id}-1'].pending()
    for id in f'{sent.id}-3', f'{waiting.id}-2', f'{sent.id}-01', sent.id, '', '-', 'msg-x':
        assert id not in attempts


def test_each_attempt_of_a_list_is_what_its_id_leads_to(subscription):
    first, second = message(), message()
    records = [
        record(first, 1, 5.0, 'later'),
        record(second, 1, 2.0),
        record(first, 1, 1.0, 'earlier'),
    ]
    subscription.log.append(records, 50)
    attempts = Owing(subscription, Owed(second, 1, 2.0), Owed(second, 2, 4.0))
    listed = attempts.values()
    assert [each.record.created for each in listed] == [1.0, 2.0, 4.0]
    for each in listed:
        assert attempts[each.id].record == each.record
