"""The command, run here on a configuration file, and in processes of its own over ZEO."""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pyramid_webhooks.scripts.entry import main
from tests.company import Company
from tests.scripts.site import write_ini
from tests.storages import shared_database

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}
LIMIT = 30


class Commands:
    """Runs ``pwebhooks`` in this process.

    :ivar company: the same application, to do something with; closed while a command runs.
    """

    def __init__(self, folder, capsys):
        self.company = Company(folder, settings={'webhooks.delivery': 'worker'})
        self.ini = write_ini(
            folder / 'site.ini',
            zodbconn__uri=f'file://{self.company.path}?connection_pool_size=40',
        )
        self._capsys = capsys

    def __call__(self, *arguments, ini=None):
        """Run a command; its exit code, and what it wrote to stdout and stderr."""
        self.company.stop()
        self._capsys.readouterr()
        code = main([self.ini if ini is None else ini, *arguments])
        return code, *self._capsys.readouterr()

    def done(self, *arguments, code=0):
        """The lines that a command wrote, which must have this exit code."""
        found, out, err = self(*arguments)
        assert (found, err) == (code, ''), (found, out, err)
        return out.splitlines()

    def json(self, *arguments, code=0):
        """What a command wrote as JSON."""
        return json.loads('\n'.join(self.done(*arguments, '--json', code=code)))

    def refused(self, *arguments, code=1, **keywords):
        """What a command wrote to stderr, and nothing else, when it could not do it."""
        found, out, err = self(*arguments, **keywords)
        assert (found, out) == (code, ''), (found, out, err)
        assert 'Traceback' not in err
        return err

    def open(self, **changes):
        """The company, started (again)."""
        return self.company.restart(**changes)


@pytest.fixture(autouse=True)
def interruptible():
    """Let processes that are started here hear SIGINT, wherever the tests themselves run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def logging_as_before():
    """Undo what configuration files say of logging, and what is done where they say nothing."""
    root, ours = logging.getLogger(), logging.getLogger('pyramid_webhooks')
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def commands(tmp_path, capsys):
    commands = Commands(tmp_path, capsys)
    yield commands
    commands.company.stop()


@pytest.fixture
def shared(request, tmp_path):
    """The URI of a database for several processes: over ZEO, or of the kind that a test names."""
    with shared_database(getattr(request, 'param', 'zeo'), tmp_path) as uri:
        yield uri


@pytest.fixture
def web(shared, make_company):
    """A web process of the application, this one, that leaves the sending to workers."""
    return make_company(settings={'zodbconn.uri': shared, 'webhooks.delivery': 'worker'})


class Process:
    """``pwebhooks`` in a process of its own; what it writes can be waited for."""

    def __init__(self, *arguments, **keywords):
        self._process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', 'pyramid_webhooks.scripts', *arguments],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )
        self.pid = self._process.pid
        self.stdout = Lines(self._process.stdout)
        self.stderr = Lines(self._process.stderr)

    def signal(self, number=signal.SIGTERM):
        self._process.send_signal(number)

    def wait(self, timeout=LIMIT):
        """Its exit code, once it has ended."""
        return self._process.wait(timeout)

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        for lines in self.stdout, self.stderr:
            lines.close()


class Lines:
    """What a process writes to a pipe, read by a thread as it comes."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._coming = queue.Queue()
        self.read = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._pipe:
            self._coming.put(line.rstrip('\n'))
        self._coming.put(None)

    def until(self, part, timeout=LIMIT):
        """The first line that is still to come, or has just come, with ``part`` in it."""
        while True:
            line = self._coming.get(timeout=timeout)
            assert line is not None, f'{part!r} never came: {self.read}'
            self.read.append(line)
            if part in line:
                return line

    def close(self):
        self._thread.join(10)
        self._pipe.close()


@pytest.fixture
def run():
    """Starts ``pwebhooks`` in processes of its own, which end with the test at the latest."""
    started = []

    def start(*arguments, **keywords):
        process = Process(*arguments, **keywords)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()
