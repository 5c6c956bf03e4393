"""What a million deliveries owed cost: at the start, at each commit, and to begin with them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.application import Application
from benchmarks.measuring import ROUNDS, Figure, ratios, seconds_each, sized
from benchmarks.receiver import ReceiverProcess, running_receiver
from pyramid_webhooks import manager_of

_FAN_OUT = 100
_SECONDS = 15


def measure() -> Iterator[Figure]:
    """Compare an application whose outbox is full with one that owes nothing."""
    owed = sized(1_000_000, 2_000)
    with running_receiver() as receiver, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty, full = folder / 'empty.fs', folder / 'full.fs'
        for path, count in ((empty, 0), (full, owed)):
            _fill(path, receiver, count)
        starts: dict[Path, list[float]] = {empty: [], full: []}
        for _ in range(ROUNDS):
            for path, times in starts.items():
                times.append(_child('start', path, receiver)['seconds'])
        more = [one - other for one, other in zip(starts[full], starts[empty], strict=True)]
        yield Figure(f'start with {owed} owed, more than with none', more, 's', 2)
        times = _commit_times(empty, full, receiver)
        yield Figure(f'commit with {owed} owed', ratios(times[full], times[empty]), 'x', 1.2)
        found = _child('send', full, receiver)
        yield Figure(f'first request with {owed} owed', [found['first']], 's', 5)
        yield Figure(f'memory of a worker with {owed} owed', [found['memory']], 'MB', 300)
        yield Figure(f'deliveries with {owed} owed, from the start on', [found['rate']], '/s')


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
    """Send for a while; when the first was recorded, how many were, and the memory at the end."""
    started = time.monotonic()
    application = _application(Path(path), ca_bundle)
    first = None
    while time.monotonic() - started < sized(_SECONDS, 2):
        time.sleep(0.02)
        if first is None and _sent(application):
            first = time.monotonic() - started
    seconds = time.monotonic() - started
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    found = {
        'first': first,
        'rate': _sent(application) / seconds,
        'memory': pages * 4096 / 2**20,
    }
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
