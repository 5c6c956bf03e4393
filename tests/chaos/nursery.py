"""Where victims come from: a process that has everything imported, and forks for each.

So that killing hundreds of them takes no longer than what they do. It is started as
``python -m tests.chaos.nursery``, reads the arguments of each as a line of JSON, and writes what
the victim tells, after its pid, and in the end that it has ended.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from tests.chaos import victim

ROOT = Path(__file__).parents[2]
#: Seconds after which a victim is killed that tells nothing.
_PATIENCE = 120


class Nursery:
    """Starts victims, one after the other; a context manager."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.chaos.nursery'],
            cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *exc_info):
        # A victim that is left, because of an error, ends by its own alarm.
        self._process.kill()
        self._process.communicate()

    def start(self, **arguments):
        """Start a victim, and return it."""
        self._process.stdin.write(json.dumps(arguments).encode() + b'\n')
        self._process.stdin.flush()
        return Victim(self._process.stdout)


class Victim:
    """A running process.

    :ivar recorded: what was recorded when it was started, see :func:`.victim.recorded`.
    :ivar committed: how many commits it has told of.
    """

    def __init__(self, stream):
        self._stream = stream
        self.committed = 0
        self.recorded = None
        self.ended = False
        self.pid = self._read()[1]
        self._guard = threading.Timer(_PATIENCE, self.kill)
        self._guard.start()

    def wait_for(self, committed):
        """Wait until it has told of so many commits, or has ended."""
        while not self.ended and (self.recorded is None or self.committed < committed):
            self._hear()

    def kill(self):
        """kill -9, unless it has ended."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def wait(self):
        """Wait until it has ended, and hear all that it has told."""
        while not self.ended:
            self._hear()
        self._guard.cancel()

    def _hear(self):
        what, value = self._read()
        if what == 'recorded':
            self.recorded = value
        elif what == 'committed':
            self.committed += 1
        elif value != -signal.SIGKILL:
            raise RuntimeError(f'The process was not killed; it ended with {value}.')
        else:
            self.ended = True

    def _read(self):
        line = self._stream.readline()
        if not line:
            raise RuntimeError('The process that starts victims has ended.')
        return json.loads(line)


def main():
    _import_everything()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(json.loads(line))
        _, status = os.waitpid(pid, 0)
        victim.tell('ended', os.waitstatus_to_exitcode(status))


def _import_everything():
    importlib.import_module('relstorage.adapters.postgresql')
    with tempfile.TemporaryDirectory() as folder:
        company, _ = victim.open_company(folder, 1, run=0, delivery='worker')
        company.stop()
    # Threads are not inherited.
    assert threading.active_count() == 1, threading.enumerate()


def _live(arguments):
    try:
        victim.tell('pid', os.getpid())
        victim.run(**arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        # Nothing that the parent has is finished by the child.
        os._exit(1)


if __name__ == '__main__':
    main()
