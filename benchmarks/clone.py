"""A fresh clone of this repository, and what a newcomer types in it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

ROOT = Path(__file__).parents[1]
_ADDRESS = '127.0.0.1:6543'


def seconds_to_test(limit: float) -> tuple[float, bool]:
    """Seconds that ``make test`` takes in a fresh clone, and whether it passes."""
    with fresh_clone() as folder:
        started = time.monotonic()
        with running('make test', folder) as process:
            try:
                passed = process.wait(limit) == 0
            except subprocess.TimeoutExpired:
                passed = False
        seconds = time.monotonic() - started
        if not passed:
            print((folder / 'log').read_text()[-4000:], file=sys.stderr)
    return seconds, passed


def seconds_to_serve(limit: float) -> tuple[float, bool]:
    """Seconds until ``make demo`` serves ``/`` in a fresh clone, and whether it does."""
    with fresh_clone() as folder:
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            address = f'127.0.0.1:{probe.getsockname()[1]}'
        configuration = folder / 'development.ini'
        configuration.write_text(configuration.read_text().replace(_ADDRESS, address))
        started = time.monotonic()
        served = False
        with running('make demo', folder) as process:
            while not served and process.poll() is None and time.monotonic() - started < limit:
                served = _answers(f'http://{address}/')
                time.sleep(0.2)
        seconds = time.monotonic() - started
        if not served:
            print((folder / 'log').read_text()[-4000:], file=sys.stderr)
    return seconds, served


def run_tests(*paths: str) -> tuple[bool, str]:
    """Run the tests of these files here; whether they pass, and pytest's last line."""
    command = [sys.executable, '-m', 'pytest', '-q', '--no-header', *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return done.returncode == 0, lines[-1]


@contextlib.contextmanager
def fresh_clone() -> Iterator[Path]:
    """Clone what is committed into a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix='clone_') as name:
        folder = Path(name) / 'clone'
        subprocess.run(['git', 'clone', '--quiet', str(ROOT), str(folder)], check=True)
        yield folder


@contextlib.contextmanager
def running(command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command there, outside of any virtual environment; stop all of it in the end."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ('VIRTUAL_ENV', 'PYTHONPATH', 'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')
    }
    paths = inherited.get('PATH', os.defpath).split(os.pathsep)
    outside = [path for path in paths if not Path(path).is_relative_to(ROOT)]
    with (folder / 'log').open('wb') as log:
        process = subprocess.Popen(
            command.split(),
            cwd=folder,
            env={**inherited, 'PATH': os.pathsep.join(outside)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
