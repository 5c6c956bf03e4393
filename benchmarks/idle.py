"""What an idle worker costs, and how soon it finds what another process commits."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.measuring import Figure, sized
from benchmarks.workers import receiving
from tests.chaos.cluster import Process
from tests.chaos.member import OFFICES, commit_numbers, furnish, open_company
from tests.storages import postgresql, zeo

_CONCURRENCY = 8
_LEASE = 15
_GOAL = 2.0
_PICKED_UP = 0.5

#: A function of a folder whose context is the URI of a database in it.
Storage = Callable[[Path], AbstractContextManager[str]]


def measure() -> Iterator[Figure]:
    """Processor time of an idle worker, and the time from a commit elsewhere to its arrival."""
    yield _processor('FileStorage', _file)
    for name, storage in (('ZEO', zeo), ('PostgreSQL', postgresql)):
        yield _processor(name, storage)
        yield from _pick_up(name, storage)


@contextlib.contextmanager
def _file(folder: Path) -> Iterator[str]:
    yield f'file://{folder}/Data.fs'


@contextlib.contextmanager
def _worker(uri: str) -> Iterator[Process]:
    """A worker that has taken its partitions, and sends nothing for now."""
    worker = Process('worker', uri, _CONCURRENCY, _LEASE)
    try:
        yield worker.wait_until_ready()
    finally:
        worker.end()


def _processor(name: str, storage: Storage) -> Figure:
    """Per cent of one core that a worker takes while nothing happens."""
    shares = []
    seconds = sized(20, 1)
    with tempfile.TemporaryDirectory() as folder, storage(Path(folder)) as uri:
        company = open_company(uri, delivery='worker')
        furnish(company, 'http://127.0.0.1:9/', webs=1)
        company.stop()
        with _worker(uri) as worker:
            time.sleep(sized(2, 0))  # It starts, and takes all partitions.
            for _ in range(sized(3, 1)):
                used, started = _seconds_used(worker.pid), time.monotonic()
                time.sleep(seconds)
                used = _seconds_used(worker.pid) - used
                shares.append(100 * used / (time.monotonic() - started))
    return Figure(f'an idle worker on {name}, of one core', shares, '%', _GOAL)


def _seconds_used(pid: int) -> float:
    """Processor time that a process has had, in and for it."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _pick_up(name: str, storage: Storage) -> Iterator[Figure]:
    """Seconds between a commit of one process and the request of another."""
    chance = random.Random(0)
    delays = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        uri = stack.enter_context(storage(folder))
        receiver = stack.enter_context(receiving())
        company = open_company(uri, delivery='worker')
        stack.callback(company.stop)
        furnish(company, receiver.url_for(''), webs=1)
        stack.enter_context(_worker(uri))
        commit_numbers(company, 0, 1, OFFICES)
        company.settle()
        for number in range(sized(60, 3)):
            receiver.clear()
            # At any moment between two looks of the worker.
            time.sleep(0.3 * chance.random())
            commit_numbers(company, 0, 100 + number, 1)
            committed = time.time()
            delays.append(receiver.wait_for(1)[0].time - committed)
    yield Figure(f'from a commit elsewhere to its arrival, {name}', delays, 's', _PICKED_UP)
    yield Figure(f'the longest of {len(delays)}, {name}', [max(delays)], 's', _PICKED_UP)
