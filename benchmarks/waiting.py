"""What deliveries take in memory while they wait in the process that owes and sends them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator

from benchmarks.application import Application, applications
from benchmarks.measuring import ROUNDS, Figure, memory, sized, start_of_growth
from benchmarks.receiver import running_receiver
from pyramid_webhooks.interfaces import IOverview
from pyramid_webhooks.testing import wait_for_deliveries

_SUBSCRIPTIONS = sized(100, 20)
#: Seconds that a receiver takes: next to nothing is delivered meanwhile.
_TAKEN = sized(10, 4) / 10


def measure() -> Iterator[Figure]:
    """The peak of memory while 100,000 are owed to slow receivers, in a process of its own.

    They are spread evenly over 100 subscriptions. The process commits the events itself, and has
    as many requests open as it may; the rest waits. Above idle means above what it had when every
    receiver had been sent one event.
    """
    owed = sized(100_000, 2_000)
    grown, idle, wait = [], [], []
    with running_receiver(_TAKEN) as receiver:
        for _ in range(ROUNDS):
            command = [sys.executable, '-m', __name__, receiver.url_for('/hook')]
            command += [receiver.ca_bundle, str(owed)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout)
            grown.append(found['peak'] - found['idle'])
            idle.append(found['idle'])
            wait.append(found['owed'])
    assert min(wait) >= owed, f'Only {min(wait)} were still owed.'
    yield Figure('memory of an idle process', idle, 'MB')
    yield Figure(
        f'P11 memory with {owed:,} owed, above idle',
        grown,
        'MB',
        120,
        note=f'({_SUBSCRIPTIONS} subscriptions; {min(wait):,} owed at the end)',
    )


def grow(url: str, ca_bundle: str, owed: str) -> dict[str, float]:
    """Owe so many: ``idle`` and ``peak`` MB, and how many were ``owed`` at the end."""
    events = int(owed) // _SUBSCRIPTIONS
    with applications() as make:
        application = make(allowed_networks='127.0.0.0/8', ca_bundle=ca_bundle)
        application.subscribe(_SUBSCRIPTIONS, url)
        application.change()
        wait_for_deliveries(application.registry, 120)
        idle = start_of_growth()
        with application.request():
            # A few more, for those that are delivered meanwhile.
            for number in range(events + events // 20):
                application.change(number)
        # The engine takes up what it will.
        time.sleep(sized(3, 0))
        application.pause()
        return {'idle': idle, 'peak': memory('VmHWM'), 'owed': _owed(application)}


def _owed(application: Application) -> int:
    with application.transaction() as root:
        overview = application.registry.getUtility(IOverview)
        return overview.backlog(root._p_jar).owed


if __name__ == '__main__':
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    print(json.dumps(grow(*sys.argv[1:])))
