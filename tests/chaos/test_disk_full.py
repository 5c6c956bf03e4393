"""A disk that is full while the application commits and the engine records, and has room again."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.chaos.failing import FailingStorage
from tests.company import Company, names_of, wait_until

OWED = 20


class FullDisk:
    """A file system in memory, of two megabytes.

    It is detached as soon as it is open, and lives as long as this process has it open: one that
    is killed leaves nothing mounted.
    """

    def __init__(self, folder):
        mounting = ['mount', '-t', 'tmpfs', '-o', 'size=2m', 'none', str(folder)]
        try:
            done = subprocess.run(mounting, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip('There is no command to mount a file system of a fixed size.')
        if done.returncode:
            pytest.skip(f'A file system of a fixed size can not be mounted: {done.stderr.strip()}')
        try:
            self._root = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        finally:
            subprocess.run(['umount', '--lazy', str(folder)], check=True)
        self.folder = Path(f'/proc/{os.getpid()}/fd/{self._root}')

    def fill(self):
        with open(self.folder / 'filler', 'wb', 0) as filler:
            for size in (65536, 512, 1):
                try:
                    while True:
                        filler.write(b'x' * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self):
        (self.folder / 'filler').unlink()

    def close(self):
        os.close(self._root)


class FullStorage(FailingStorage):
    """The same where nothing may be mounted."""

    def __init__(self, monkeypatch, step, folder):
        super().__init__(monkeypatch)
        self._step = step
        self.folder = folder

    def fill(self):
        error = OSError(errno.ENOSPC, 'No space left on device')
        self.arm(b'', range(1, 1_000_000), error, self._step)

    def free(self):
        self.disarm()

    def close(self):
        pass


@pytest.fixture(params=['real', 'before store', 'before tpc_vote'])
def disk(request, tmp_path, monkeypatch):
    real = request.param == 'real'
    disk = FullDisk(tmp_path) if real else FullStorage(monkeypatch, request.param, tmp_path)
    yield disk
    disk.close()


@pytest.fixture
def company(disk):
    company = Company(disk.folder, settings={'webhooks.concurrency': '4'}).start()
    yield company
    company.stop(timeout=1)


def test_nothing_is_lost_or_sent_twice_and_it_goes_on_when_there_is_room(
    disk, company, receiver, caplog
):
    room = threading.Event()
    receiver.answer(lambda request: room.wait(20) and 200)
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(OWED)])
    receiver.wait_for(1)
    disk.fill()
    for number in range(3):
        # More than the last page of a file may have room for.
        refused = [f'refused{number}-{each}' for each in range(20)]
        with pytest.raises(OSError, match='No space left'):
            company.add('/NWS/OUN', *refused)
    room.set()
    wait_until(lambda: 'Sending webhooks is in trouble' in caplog.text)
    assert len(receiver.requests) <= 2 * 4, 'no more is sent than may be in flight'
    disk.free()
    company.settle()
    wait_until(lambda: 'works again' in caplog.text)
    company.add('/NWS/OUN', 'later')
    company.settle()
    names = names_of(receiver)
    assert sorted(names) == sorted(['later', *(f'e{number}' for number in range(OWED))])
    assert company.at('/', lambda manager: [s.log.succeeded for s in manager.values()]) == [21]
    assert caplog.text.count('is in trouble') == 1
