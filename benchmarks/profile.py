"""Where the time goes: ``python -m benchmarks.profile commit | deliver | send``.

The three hot paths are the application's thread, the thread of the engine, and the threads that
send. What is shown are seconds of the thread's own processor time.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.application import applications
from benchmarks.deliveries import application_for, warm_up
from benchmarks.receiver import running_receiver
from pyramid_webhooks.delivery.loop import Loop
from pyramid_webhooks.delivery.sender import SenderThreads
from pyramid_webhooks.testing import wait_for_deliveries

_COMMITS = 1000
_DELIVERIES = 4000
_LIMIT = 120


class Profiles:
    """One profile for each thread: a profile can't be shared by several that run at once."""

    def __init__(self) -> None:
        self._profiles: list[cProfile.Profile] = []
        self._lock = threading.Lock()

    def profiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that does the same, and is profiled in the thread that calls it."""

        def run(*arguments: Any) -> Any:
            profile = cProfile.Profile(time.thread_time)
            with self._lock:
                self._profiles.append(profile)
            return profile.runcall(function, *arguments)

        return run

    def stats(self) -> pstats.Stats:
        """What all the threads did, which have ended."""
        return pstats.Stats(*self._profiles)


def commit(profiles: Profiles, fan_out: int) -> None:
    """The application's thread, in commits that owe; nothing is sent."""
    with applications() as make:
        application = make(delivery='worker')
        application.subscribe(fan_out, 'https://receiver.example/hook')

        def work() -> None:
            for number in range(_COMMITS):
                application.change(number)

        with application.request():
            application.change()
            profiles.profiled(work)()


def deliver(profiles: Profiles, fan_out: int) -> None:
    """The engine's thread, reading and recording while another one commits."""
    Loop.run = profiles.profiled(Loop.run)
    _deliver(fan_out)


def send(profiles: Profiles, fan_out: int) -> None:
    """The threads that sign and send."""
    SenderThreads._run = profiles.profiled(SenderThreads._run)
    _deliver(fan_out)


def _deliver(fan_out: int) -> None:
    with running_receiver() as receiver, applications() as make:
        application = application_for(make, receiver, fan_out)
        warm_up(application, receiver, fan_out)
        with application.request():
            for number in range(_DELIVERIES // fan_out):
                application.change(number)
        wait_for_deliveries(application.registry, _LIMIT)


def main() -> None:
    """Profile one of them."""
    works = {each.__name__: each for each in (commit, deliver, send)}
    parser = argparse.ArgumentParser(prog='python -m benchmarks.profile', description=__doc__)
    parser.add_argument('name', choices=works)
    parser.add_argument('--fan-out', type=int, default=1)
    parser.add_argument('--lines', type=int, default=50)
    parser.add_argument('--sort', default='cumulative')
    options = parser.parse_args()
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    profiles = Profiles()
    works[options.name](profiles, options.fan_out)
    profiles.stats().sort_stats(options.sort).print_stats(options.lines)


if __name__ == '__main__':
    main()
