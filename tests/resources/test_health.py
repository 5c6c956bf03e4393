"""When the breaker of a receiver opens, when it is probed, when it is trusted again."""

import pytest

from pyramid_webhooks.resources.health import STEADY, STRIKES, Health


def wait(waits):
    """10 seconds, 20, 30 …"""
    return 10.0 * (waits + 1)


def failed(times, health=None):
    """The health after failures at these times."""
    health = Health() if health is None else health
    for at in times:
        health.fail(at, wait)
    return health


def test_five_failures_in_a_row_open_the_breaker():
    health = failed([1.0] * (STRIKES - 1))
    assert not health.is_open
    assert failed([2.0], health).probe_at == 12.0


def test_a_success_in_between_starts_the_count_anew():
    health = failed([1.0] * (STRIKES - 1))
    health.succeed()
    assert health.proven
    assert not failed([2.0] * (STRIKES - 1), health).is_open
    assert not health.proven


def test_each_probe_that_fails_makes_the_next_one_wait_longer():
    health = failed([0.0] * STRIKES)
    times = [health.probe_at]
    for _ in range(3):
        times.append(failed([times[-1]], health).probe_at)
    assert times == [10.0, 30.0, 60.0, 100.0]


def test_requests_that_were_under_way_when_it_opened_do_not_make_it_wait_longer():
    health = failed([0.0] * STRIKES + [0.1] * 7)
    assert (health.probe_at, health.waits, health.strikes) == (10.0, 1, STRIKES + 7)


def test_a_success_closes_it():
    health = failed([0.0] * STRIKES)
    health.succeed()
    assert not health.is_open and health.proven and health.strikes == 0


def test_one_that_flaps_waits_longer_each_time_and_one_that_is_steady_again_does_not():
    health = failed([0.0] * STRIKES)
    health.succeed()
    assert failed([100.0] * STRIKES, health).probe_at == 120.0
    for _ in range(STEADY):
        health.succeed()
    assert failed([200.0] * STRIKES, health).probe_at == 210.0


def test_no_probe_comes_before_the_receiver_wants_to_hear_something():
    health = failed([0.0] * (STRIKES - 1))
    health.fail(0.0, wait, not_before=500.0)
    assert health.probe_at == 500.0
    health.fail(1.0, wait, not_before=700.0)
    assert health.probe_at == 700.0


def test_it_can_be_opened_at_once():
    health = Health()
    health.fail(0.0, wait, at_once=True)
    assert health.probe_at == 10.0


@pytest.mark.parametrize('health', [Health(), failed([0.0] * 9)])
def test_it_is_made_anew_of_its_values(health):
    again = Health(*health.values())
    assert again.values() == health.values()
