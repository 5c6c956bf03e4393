"""How long a receiver that fails is left alone."""

import pytest

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.probing import LONGEST_WAIT, Probing
from pyramid_webhooks.resources.health import STRIKES, Health
from pyramid_webhooks.settings import parse_settings

DEFAULT = parse_settings({}).retry_schedule


def waits(schedule, count):
    probing = Probing(schedule)
    return [probing.wait(number) for number in range(count)]


def test_the_waits_begin_like_the_retry_schedule_and_double_up_to_ten_minutes():
    assert waits(DEFAULT, 9) == [5, 10, 20, 40, 80, 160, 320, LONGEST_WAIT, LONGEST_WAIT]


@pytest.mark.parametrize(
    'schedule, expected',
    [
        ((), [5, 10, 20]),
        ((0.05, 0.05), [0.05, 0.05, 0.05]),
        ((1, 3), [1, 2, 3]),
        ((0, 0), [0, 0, 0]),
        ((3600,), [600, 600, 600]),
    ],
)
def test_they_are_never_longer_than_those_of_the_retry_schedule(schedule, expected):
    assert waits(schedule, 3) == expected


def test_a_day_without_an_answer_takes_less_than_two_hundred_probes():
    probing = Probing(DEFAULT)
    at = count = 0
    while at < 86_400:
        at += probing.wait(count)
        count += 1
    assert count < 200


def health_after(*outcomes):
    health = Health()
    for outcome in outcomes:
        Probing(DEFAULT).note(health, outcome, 1000.0)
    return health


BAD = Outcome(status=500)


def test_what_could_not_even_be_sent_says_nothing_about_the_receiver():
    assert health_after(Outcome(status=None, permanent=True)).values() == Health().values()


def test_a_receiver_that_says_it_is_gone_gets_nothing_more_at_once():
    assert health_after(Outcome(status=410)).probe_at == 1005.0


def test_a_receiver_that_asks_for_time_is_not_probed_before():
    busy = Outcome(status=503, headers=(('Retry-After', '3600'),))
    assert health_after(*[BAD] * (STRIKES - 1), busy).probe_at == 4600.0
    assert health_after(*[BAD] * STRIKES, busy).probe_at == 4600.0
    ignored = Outcome(status=500, headers=(('Retry-After', '3600'),))
    assert health_after(*[BAD] * (STRIKES - 1), ignored).probe_at == 1005.0
