"""Several processes on one database, killed and frozen at random; and what arrived in the end."""

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from pyramid_webhooks.testing import Receiver
from tests.chaos.member import committed_numbers, furnish, open_company

ROOT = Path(__file__).parents[2]
#: What the workers of tests have, as a rule.
CONCURRENCY = 8
LEASE = 2


class Process:
    """One member of the cluster, in a process of its own.

    :param shift: seconds that its clock is ahead of ours.
    :param log: a file for what it logs.
    :param module: what is run in it.
    """

    def __init__(self, *arguments, shift=0, log=None, module='tests.chaos.member'):
        self._process = subprocess.Popen(
            [sys.executable, '-m', module, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'CLOCK_SHIFT': str(shift)},
            stderr=log,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self):
        return self._process.pid

    def wait_until_ready(self):
        line = self._process.stdout.readline()
        if line != 'ready\n':
            raise RuntimeError(f'The process did not start, but said {line!r}.')
        return self

    def go(self):
        """Let a web process begin."""
        self._process.stdin.write('go\n')
        self._process.stdin.flush()

    def runs(self):
        return self._process.poll() is None

    def answer(self):
        """What a web process says in the end."""
        return self._process.stdout.readline()

    def send(self, number):
        self._process.send_signal(number)

    def end(self, number=signal.SIGKILL, timeout=30):
        """Send a signal, and wait; the exit status."""
        if self.runs():
            self._process.send_signal(number)
        status = self._process.wait(timeout)
        self._process.stdin.close()
        self._process.stdout.close()
        return status


@dataclasses.dataclass
class Result:
    """What arrived, compared with what was committed.

    :ivar committed: how many events were committed.
    :ivar conflicts: what the web processes said about conflict errors.
    :ivar lost: committed, and never arrived.
    :ivar foreign: arrived, and never committed.
    :ivar renamed: arrived with different message ids.
    :ivar repeats: how many requests were repeats.
    :ivar disturbances: how often a worker was killed or frozen.
    :ivar slowest: seconds between the event and the first request for it, at most.
    :ivar seconds: how long it all took.
    """

    committed: int = 0
    conflicts: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)
    foreign: list = dataclasses.field(default_factory=list)
    renamed: list = dataclasses.field(default_factory=list)
    repeats: int = 0
    disturbances: int = 0
    slowest: float = 0.0
    seconds: float = 0.0


def disturb(
    uri,
    *,
    events,
    webs=2,
    workers=4,
    concurrency=8,
    lease=15,
    every=2.0,
    frozen=None,
    delay=0.0,
    pause=0.0,
    seed=0,
):
    """Let web processes commit ``events`` together, while workers are killed and started.

    :param every: seconds between one kill and the next.
    :param frozen: seconds for which one worker is frozen, once; its partitions are taken over.
    :param delay: seconds the receiver takes for an answer.
    :param pause: seconds between two commits of a web process.
    """
    chance = random.Random(seed)
    result = Result()
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        receiver.answer(delay=delay)
        company = open_company(uri, delivery='worker')
        stack.callback(company.stop)
        furnish(company, receiver.url_for(''), webs)
        each = events // webs
        committing = [Process('web', uri, web, 1, each, 'spread', pause) for web in range(webs)]
        sending = [Process('worker', uri, concurrency, lease) for _ in range(workers)]
        for process in [*committing, *sending]:
            stack.callback(process.end)
            process.wait_until_ready()
        for process in committing:
            process.go()
        ice, thaw_at = None, 0.0
        while any(process.runs() for process in committing) or frozen is not None:
            time.sleep(every * (0.5 + chance.random()))
            victim = sending.pop(chance.randrange(len(sending)))
            victim.end()
            result.disturbances += 1
            another = Process('worker', uri, concurrency, lease).wait_until_ready()
            stack.callback(another.end)
            sending.append(another)
            if frozen is not None and ice is None:
                # One that has had the time to take its share.
                ice = sending.pop(0)
                ice.send(signal.SIGSTOP)
                thaw_at = time.monotonic() + frozen
                result.disturbances += 1
            elif frozen is not None and time.monotonic() >= thaw_at:
                ice.send(signal.SIGCONT)
                sending.append(ice)
                frozen = None
        result.conflicts = [process.answer() for process in committing]
        company.settle(120 + events * 0.05)
        committed = committed_numbers(company, webs)
        received = receiver.requests
    result.seconds = time.monotonic() - started
    result.committed = len(committed)
    compare(result, committed, received)
    return result


def compare(result, committed, received):
    """Note in ``result`` how what was received differs from what was committed."""
    by_number = defaultdict(list)
    for request in received:
        body = request.json()
        by_number[body['web'], body['number']].append((request, body['at']))
    result.lost = sorted(committed - by_number.keys())
    result.foreign = sorted(by_number.keys() - committed)
    for number, requests in by_number.items():
        if len({request.headers['webhook-id'] for request, _ in requests}) > 1:
            result.renamed.append(number)
        result.repeats += len(requests) - 1
        first = min(request.time for request, _ in requests)
        result.slowest = max(result.slowest, first - requests[0][1])
