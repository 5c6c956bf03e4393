"""How often the log hears of what keeps the engine from working."""

import logging

import pytest

from pyramid_webhooks.delivery import trouble as module
from pyramid_webhooks.delivery.trouble import Trouble


class Clock:
    now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, 'time', clock)
    return clock


def told(caplog):
    return [record.getMessage() for record in caplog.records]


def test_what_lasts_is_told_of_once_and_then_seldom_and_when_it_is_over(clock, caplog):
    trouble = Trouble()
    for _ in range(1500):
        trouble.tell(OSError(28, 'No space left on device'))
        clock.now += 1
    trouble.end()
    trouble.end()
    texts = told(caplog)
    assert [text[:36] for text in texts] == [
        'Sending webhooks is in trouble. It i',
        'Sending webhooks is still in trouble',
        'Sending webhooks is still in trouble',
        'Sending webhooks works again, after ',
    ]
    assert texts[2] == (
        'Sending webhooks is still in trouble, for 1200 s: '
        'OSError: [Errno 28] No space left on device'
    )
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, False, False]
    assert caplog.records[-1].levelno == logging.WARNING


def test_each_kind_is_told_of_but_not_a_flood_of_them(clock, caplog):
    trouble = Trouble()
    for number in range(100):
        trouble.tell(ValueError(str(number)))
        trouble.tell(ValueError('the same'))
    assert len(told(caplog)) == 10


def test_what_comes_and_goes_fills_no_log_either(clock, caplog):
    trouble = Trouble()
    for _ in range(100):
        trouble.tell(OSError('now and then'))
        trouble.end()
        clock.now += 1
    assert len(told(caplog)) == 2
