"""How many slow requests one worker has open at once, and what memory that takes."""

from __future__ import annotations

import json
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
from pyramid_webhooks.testing.certificates import make_certificates

#: Seconds that the receivers take.
_SECONDS = 5
_LIMIT = 120
#: Until a receiver has proved itself, and while it is slow, it has to leave slots to others.
_EVENTS = 7
_SLOTS_FOR_EACH = 1.4
_INI = """\
[app:main]
use = call:benchmarks.greenlets:make_site
path = {path}
ca_bundle = {folder}/ca.pem
"""


def make_site(global_config: Any, path: str, **settings: str) -> Any:
    """The application of a configuration file."""
    settings = {'allowed_networks': '127.0.0.0/8', 'timeout': '30', **settings}
    return Application(Path(path), delivery='worker', **settings).wsgi


def measure() -> Iterator[Figure]:
    """One worker with greenlets, and receivers that take five seconds."""
    count = sized(1000, 50)
    with tempfile.TemporaryDirectory(prefix='benchmarks_greenlets_') as name:
        folder = Path(name)
        make_certificates(folder)
        with subprocess.Popen(
            [sys.executable, '-m', 'benchmarks.slow_receiver', name, str(_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as receiver:
            port = receiver.stdout.readline().strip()
            ini = _prepare(folder, f'https://127.0.0.1:{port}', count)
            memory, seconds = _work(ini, receiver, count)
            most = _counts(receiver)['most']
            receiver.stdin.close()
    yield Figure('requests that take 5 s, open at once', [most], '', count, True)
    yield Figure('memory of the worker that has them open', [memory], 'MB', 150)
    yield Figure(f'{_EVENTS * count} such deliveries', [seconds], 's')


def _prepare(folder: Path, url: str, count: int) -> Path:
    """Owe every event to so many subscriptions; the configuration file of the worker."""
    path = folder / 'Data.fs'
    site = Application(path, delivery='worker', allowed_networks='127.0.0.0/8')
    site.subscribe(count, url)
    for number in range(_EVENTS):
        site.change(number)
    site.close()
    ini = folder / 'site.ini'
    ini.write_text(_INI.format(path=path, folder=folder))
    return ini


def _work(ini: Path, receiver: Any, count: int) -> tuple[float, float]:
    """Run a worker until all was sent; the most memory it had, in MB, and the seconds it took."""
    command = [sys.executable, '-W', 'ignore', '-m', 'pyramid_webhooks.scripts', str(ini)]
    command += ['worker', '--gevent', '--concurrency', str(int(_SLOTS_FOR_EACH * count))]
    started = time.monotonic()
    with subprocess.Popen(command) as worker:
        try:
            while _counts(receiver)['requests'] < _EVENTS * count:
                assert time.monotonic() - started < _LIMIT, _counts(receiver)
                time.sleep(0.1)
            seconds = time.monotonic() - started
            status = Path(f'/proc/{worker.pid}/status').read_text()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        finally:
            worker.kill()
    peak = re.search(r'VmHWM:\s+(\d+) kB', status)
    return int(peak[1]) / 1024, seconds


def _counts(receiver: Any) -> dict[str, int]:
    receiver.stdin.write('\n')
    receiver.stdin.flush()
    return json.loads(receiver.stdout.readline())
