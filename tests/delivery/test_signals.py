"""What other threads tell the engine's thread."""

from pyramid_webhooks.delivery import signals
from pyramid_webhooks.delivery.signals import Signals


def test_a_copy_of_a_message_is_taken_once():
    told = Signals()
    told.wake({('', b'segment')}, {('', b'message'): 'copy'})
    assert told.take_copy(('other', b'message')) is None
    assert told.take_copy(('', b'message')) == 'copy'
    assert told.take_copy(('', b'message')) is None


def test_of_copies_that_nobody_takes_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(signals, 'COPY_LIMIT', 3)
    told = Signals()
    for number in range(5):
        told.wake((), {('', bytes([number])): number, ('more', bytes([number])): -number})
    keys = [(name, bytes([number])) for number in range(5) for name in ('', 'more')]
    assert [told.take_copy(key) for key in keys] == [None] * 7 + [-3, 4, -4]
