"""What a process that sends as fast as it can does to its own application's commits."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from zope.lifecycleevent import ObjectAddedEvent

from benchmarks.application import Application, applications
from benchmarks.deliveries import application_for, run, warm_up
from benchmarks.measuring import ROUNDS, Figure, percentile, ratios, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from benchmarks.steady import ticks
from pyramid_webhooks.testing import wait_for_deliveries

_FAN_OUT = 100
#: Commits/s, so that most of the time is left to what sends.
_RATE = 50
_LIMIT = 60


class Commits(NamedTuple):
    """Milliseconds of commits at a steady rate.

    :ivar sending: deliveries/s meanwhile, those of the commits themselves not included.
    """

    p50: float
    p99: float
    sending: float


def measure() -> Iterator[Figure]:
    """Commits with one matching subscription while nothing is sent, and while a backlog is.

    The backlog is of another event type with fan-out 100, and owed before. How fast it is sent
    is compared with what the same fan-out makes when nothing else is done. All takes turns.
    How long a thread may keep the interpreter is left to the application.
    """
    interval = sys.getswitchinterval()
    count = sized(8 * _RATE, 20)
    idle, busy, rates = [], [], []
    with running_receiver() as receiver, applications() as make:
        alone = application_for(make, receiver, _FAN_OUT)
        warm_up(alone, receiver, _FAN_OUT)
        quiet = make(delivery='worker', allowed_networks='127.0.0.0/8')
        quiet.subscribe(1, receiver.url_for('/hook'))
        sending = application_for(make, receiver, 1)
        sending.subscribe(_FAN_OUT, receiver.url_for('/fed'), 'employee.added')
        # Each receiver proves itself.
        _feed(sending, 10)
        sending.resume()
        wait_for_deliveries(sending.registry, _LIMIT)
        for _ in range(ROUNDS):
            rates.append(run(alone, receiver, _FAN_OUT, sized(4000, 200)).rate)
            idle.append(_commits(quiet, receiver, count))
            busy.append(_while_sending(sending, receiver, count, rates[-1]))
    assert sys.getswitchinterval() == interval, 'The switch interval of the process was changed.'
    for name, goal in (('p50', 3), ('p99', 6)):
        one, other = ([getattr(each, name) for each in found] for found in (busy, idle))
        yield Figure(f'commit while nothing is sent, {name}', other, 'ms')
        yield Figure(f'P13 commit while sending, {name}', ratios(one, other), 'x', goal)
    found = [each.sending for each in busy]
    yield Figure('deliveries meanwhile', found, '/s')
    percent = [100 * each for each in ratios(found, rates)]
    what = f'P13 deliveries meanwhile, by fan-out {_FAN_OUT}'
    yield Figure(what, percent, '%', 80, at_least=True)


def _while_sending(
    application: Application, receiver: ReceiverProcess, count: int, rate: float
) -> Commits:
    """Commit while more is sent than can be in that time.

    :param rate: deliveries/s that are expected.
    """
    before = receiver.counts()['requests']
    fed = int(1.6 * rate * (count / _RATE + 1)) // _FAN_OUT + 1
    _feed(application, fed)
    application.resume()
    deadline = time.monotonic() + _LIMIT
    while receiver.counts()['requests'] < before + 2 * _FAN_OUT:
        assert time.monotonic() < deadline, 'The backlog is not sent.'
        time.sleep(0.01)
    found = _commits(application, receiver, count)
    sent = receiver.counts()['requests'] - before
    assert sent < fed * _FAN_OUT, 'The backlog was too short.'
    wait_for_deliveries(application.registry, _LIMIT)
    return found


def _feed(application: Application, events: int) -> None:
    """Owe so many events to all of the hundred, and send none of them."""
    application.pause()
    with application.request():
        for number in range(events):
            application.change(number, ObjectAddedEvent)


def _commits(application: Application, receiver: ReceiverProcess, count: int) -> Commits:
    milliseconds = []
    before, began = receiver.counts()['requests'], time.perf_counter()
    with application.request():
        for number in ticks(_RATE, count):
            started = time.perf_counter()
            application.change(number)
            milliseconds.append(1000 * (time.perf_counter() - started))
    sent = receiver.counts()['requests'] - before - count
    rate = sent / (time.perf_counter() - began)
    return Commits(statistics.median(milliseconds), percentile(milliseconds, 99), rate)
