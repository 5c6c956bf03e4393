"""How many slow requests one worker has open at once, and what memory that takes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.application import Application
from benchmarks.measuring import Figure, sized
from benchmarks.receiver import ReceiverProcess, running_receiver

#: Seconds that the receivers take.
_SECONDS = sized(50, 5) / 10
_LIMIT = 120
#: Until a receiver has proved itself, and while it is slow, it has to leave slots to others.
_EVENTS = 7
_SLOTS_FOR_EACH = 1.4
_INI = """\
[app:main]
use = call:benchmarks.greenlets:make_site
path = {path}
ca_bundle = {ca_bundle}
"""


def make_site(global_config: Any, path: str, **settings: str) -> Any:
    """The application of a configuration file."""
    settings = {'allowed_networks': '127.0.0.0/8', 'timeout': '30', **settings}
    return Application(Path(path), delivery='worker', **settings).wsgi


def measure() -> Iterator[Figure]:
    """One worker with greenlets, and receivers that take five seconds."""
    count = sized(1000, 50)
    with (
        running_receiver(_SECONDS) as receiver,
        tempfile.TemporaryDirectory(prefix='benchmarks_greenlets_') as name,
    ):
        ini = _prepare(Path(name), receiver, count)
        memory, seconds = _work(ini, receiver, count)
        most = receiver.counts()['most']
    what = f'requests that take {_SECONDS:g} s, open at once'
    yield Figure(what, [most], '', count, at_least=True)
    yield Figure('memory of the worker that has them open', [memory], 'MB', 150)
    yield Figure(f'{_EVENTS * count} such deliveries', [seconds], 's')


def _prepare(folder: Path, receiver: ReceiverProcess, count: int) -> Path:
    """Owe every event to so many subscriptions; the configuration file of the worker."""
    path = folder / 'Data.fs'
    site = Application(path, delivery='worker', allowed_networks='127.0.0.0/8')
    site.subscribe(count, receiver.url_for('/hook'))
    for number in range(_EVENTS):
        site.change(number)
    site.close()
    ini = folder / 'site.ini'
    ini.write_text(_INI.format(path=path, ca_bundle=receiver.ca_bundle))
    return ini


def _work(ini: Path, receiver: ReceiverProcess, count: int) -> tuple[float, float]:
    """Run a worker until all was sent; the most memory it had, in MB, and the seconds it took."""
    command = [sys.executable, '-W', 'ignore', '-m', 'pyramid_webhooks.scripts', str(ini)]
    command += ['worker', '--gevent', '--concurrency', str(int(_SLOTS_FOR_EACH * count))]
    started = time.monotonic()
    with subprocess.Popen(command) as worker:
        try:
            while receiver.counts()['requests'] < _EVENTS * count:
                assert time.monotonic() - started < _LIMIT, receiver.counts()
                time.sleep(0.1)
            seconds = time.monotonic() - started
            status = Path(f'/proc/{worker.pid}/status').read_text()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        finally:
            worker.kill()
    peak = re.search(r'VmHWM:\s+(\d+) kB', status)
    return int(peak[1]) / 1024, seconds
