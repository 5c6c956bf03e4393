"""Where the time goes: ``python -m benchmarks.profile commit | deliver``."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
import warnings

from benchmarks.application import applications
from benchmarks.deliveries import application_for
from benchmarks.receiver import running_receiver
from pyramid_webhooks.delivery.loop import Loop
from pyramid_webhooks.testing import wait_for_deliveries

_COUNT = 2000


def commit(profile: cProfile.Profile, fan_out: int) -> None:
    """The application's thread, in commits that owe; nothing is sent."""
    with applications() as make:
        application = make(delivery='worker')
        application.subscribe(fan_out, 'https://receiver.example/hook')
        with application.request():
            application.change()
            profile.enable()
            for number in range(_COUNT // fan_out):
                application.change(number)
            profile.disable()


def deliver(profile: cProfile.Profile, fan_out: int) -> None:
    """The engine's thread, reading and recording while another one commits."""

    run = Loop.run

    def profiled(loop: Loop) -> None:
        profile.enable()
        run(loop)
        profile.disable()

    Loop.run = profiled
    with running_receiver() as receiver, applications() as make:
        application = application_for(make, receiver, fan_out)
        with application.request():
            for number in range(_COUNT // fan_out):
                application.change(number)
        wait_for_deliveries(application.registry, 120)


def main() -> None:
    """Profile one of them."""
    works = {each.__name__: each for each in (commit, deliver)}
    parser = argparse.ArgumentParser(prog='python -m benchmarks.profile', description=__doc__)
    parser.add_argument('name', choices=works)
    parser.add_argument('--fan-out', type=int, default=1)
    parser.add_argument('--lines', type=int, default=50)
    parser.add_argument('--sort', default='cumulative')
    options = parser.parse_args()
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    profile = cProfile.Profile(time.thread_time)
    works[options.name](profile, options.fan_out)
    pstats.Stats(profile).sort_stats(options.sort).print_stats(options.lines)


if __name__ == '__main__':
    main()
