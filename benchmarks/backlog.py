"""What a million deliveries owed cost: at the start, at each commit, and to begin with them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.application import Application, applications
from benchmarks.deliveries import application_for, run, warm_up
from benchmarks.measuring import ROUNDS, Figure, memory, ratios, seconds_each, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from pyramid_webhooks import manager_of

#: Deliveries.
OWED = sized(1_000_000, 10_000)
_FAN_OUT = 100
_SECONDS = 5
_LIMIT = 60


def measure() -> Iterator[Figure]:
    """Compare an application whose outbox is full with one that owes nothing.

    How fast a backlog is sent is compared with deliveries that are sent as they are owed, with
    the same fan-out, in turns.
    """
    with running_receiver() as receiver, applications() as make, TemporaryDirectory() as name:
        folder = Path(name)
        empty, full = folder / 'empty.fs', folder / 'full.fs'
        for path, count in ((empty, 0), (full, OWED)):
            _fill(path, receiver, count)
        starts: dict[Path, list[float]] = {empty: [], full: []}
        for _ in range(ROUNDS):
            for path, times in starts.items():
                times.append(_child('start', path, receiver)['seconds'])
        more = [one - other for one, other in zip(starts[full], starts[empty], strict=True)]
        yield Figure(f'start with {OWED:,} owed, more than with none', more, 's', 2)
        times = _commit_times(empty, full, receiver)
        yield Figure(f'P9 commit with {OWED:,} owed', ratios(times[full], times[empty]), 'x', 1.2)
        prompt = application_for(make, receiver, _FAN_OUT)
        warm_up(prompt, receiver, _FAN_OUT)
        found, rates = [], []
        for _ in range(ROUNDS):
            rates.append(run(prompt, receiver, _FAN_OUT, sized(4000, 200)).rate)
            found.append(_child('send', full, receiver))
    firsts = [each['first'] for each in found]
    yield Figure(f'first request with {OWED:,} owed', firsts, 's', 5)
    memories = [each['memory'] for each in found]
    yield Figure(f'memory of a worker with {OWED:,} owed', memories, 'MB', 300)
    yield Figure(f'deliveries, fan-out {_FAN_OUT}', rates, '/s')
    drained = [each['rate'] for each in found]
    yield Figure(f'deliveries with {OWED:,} owed', drained, '/s')
    percent = [100 * each for each in ratios(drained, rates)]
    what = f'P9 deliveries with {OWED:,} owed, by fan-out {_FAN_OUT}'
    yield Figure(what, percent, '%', 80, at_least=True)


def _fill(path: Path, receiver: ReceiverProcess, owed: int) -> None:
    application = _application(path, receiver.ca_bundle, delivery='worker')
    application.subscribe(_FAN_OUT, receiver.url_for('/hook'))
    with application.request():
        for number in range(owed // _FAN_OUT):
            application.change(number)
    application.close()


def _application(path: Path, ca_bundle: str, **settings: str) -> Application:
    return Application(path, allowed_networks='127.0.0.0/8', ca_bundle=ca_bundle, **settings)


def _commit_times(empty: Path, full: Path, receiver: ReceiverProcess) -> dict[Path, list[float]]:
    applications = {
        path: _application(path, receiver.ca_bundle, delivery='worker') for path in (empty, full)
    }
    times: dict[Path, list[float]] = {empty: [], full: []}
    for _ in range(2 * ROUNDS):
        for path, application in applications.items():
            with application.request():
                application.change()
                times[path].append(seconds_each(sized(100, 5), application.change))
    for application in applications.values():
        application.close()
    return times


def _child(what: str, path: Path, receiver: ReceiverProcess) -> dict[str, float]:
    arguments = [what, str(path), receiver.ca_bundle]
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.backlog', *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def _start(path: str, ca_bundle: str) -> dict[str, Any]:
    started = time.perf_counter()
    _application(Path(path), ca_bundle, delivery='worker')
    return {'seconds': time.perf_counter() - started}


def _send(path: str, ca_bundle: str) -> dict[str, Any]:
    """Send for a while.

    ``first`` is the second in which the first was recorded, ``rate`` deliveries/s from a second
    later on, when all receivers have proved themselves, ``memory`` MB at the end.
    """
    started = time.monotonic()
    application = _application(Path(path), ca_bundle)
    before = _sent(application)
    while _sent(application) == before:
        assert time.monotonic() - started < _LIMIT, 'Nothing was sent.'
        time.sleep(0.02)
    first = time.monotonic() - started
    time.sleep(1)
    some, began = _sent(application), time.monotonic()
    time.sleep(sized(_SECONDS, 1))
    rate = (_sent(application) - some) / (time.monotonic() - began)
    found = {'first': first, 'rate': rate, 'memory': memory('VmRSS')}
    application.close()
    return found


def _sent(application: Application) -> int:
    with application.transaction() as root:
        manager = manager_of(root['office'])
        return sum(each.log.succeeded for each in manager.values() if each.log is not None)


if __name__ == '__main__':
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    what, *rest = sys.argv[1:]
    print(json.dumps({'start': _start, 'send': _send}[what](*rest)))
