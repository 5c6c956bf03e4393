"""Killing a process that commits and delivers, again and again, and what arrived in the end."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

from pyramid_webhooks.testing import Receiver
from tests.chaos.victim import commit_numbers, committed_numbers, open_company

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass
class Arrivals:
    """What arrived, compared with what was committed.

    :ivar committed: how many events were committed.
    :ivar acknowledged: how many of those the processes knew of before they were killed.
    :ivar lost: numbers that were committed and never arrived.
    :ivar foreign: numbers that arrived and were never committed.
    :ivar renamed: numbers that arrived with different message ids.
    :ivar repeats: for each kill, how many deliveries arrived again after it.
    :ivar backlogs: for each kill, how many of the commits told of had not arrived yet.
    """

    committed: int = 0
    acknowledged: int = 0
    lost: list = dataclasses.field(default_factory=list)
    foreign: list = dataclasses.field(default_factory=list)
    renamed: list = dataclasses.field(default_factory=list)
    repeats: list = dataclasses.field(default_factory=list)
    backlogs: list = dataclasses.field(default_factory=list)


def kill_and_restart(folder, *, kills, commits, concurrency=8, seed=0, delay=0.03):
    """Commit ``commits`` events, killing the process ``kills`` times at random moments.

    What is left after the last kill is committed, and delivered, by this process.

    :param delay: seconds the receiver takes for an answer.
    :returns: the :class:`Arrivals`.
    """
    chance = random.Random(seed)
    arrivals = Arrivals()
    number, ends = 1, []
    with Receiver() as receiver:
        receiver.answer(delay=delay)
        for target in sorted(chance.sample(range(commits), kills)):
            arguments = [folder, receiver.url, concurrency, number, commits]
            told = _run_and_kill(arguments, target - arrivals.acknowledged, chance.random() / 20)
            ends.append(time.time())
            arrivals.acknowledged += told
            # The last commit may have gone unheard.
            number += told + 1
            arrived = {request.json() for request in receiver.requests}
            arrivals.backlogs.append(arrivals.acknowledged - len(arrived))
        company = open_company(folder, receiver.url, concurrency)
        try:
            commit_numbers(company, number, max(0, commits - arrivals.acknowledged))
            company.settle(60 + commits * delay)
            committed = set(committed_numbers(company))
        finally:
            company.stop()
        received = receiver.requests
    by_number = defaultdict(list)
    for request in received:
        by_number[request.json()].append(request)
    arrivals.committed = len(committed)
    arrivals.lost = sorted(committed - by_number.keys())
    arrivals.foreign = sorted(by_number.keys() - committed)
    arrivals.renamed = [
        number
        for number, requests in by_number.items()
        if len({request.headers['webhook-id'] for request in requests}) > 1
    ]
    arrivals.repeats = [0] * kills
    for requests in by_number.values():
        for request in requests[1:]:
            arrivals.repeats[max(i for i, end in enumerate(ends) if request.time >= end)] += 1
    return arrivals


def _run_and_kill(arguments, target, pause):
    """Run a process until ``target`` commits and a pause later; how many commits it told of."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.chaos.victim', *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    guard = threading.Timer(300, process.kill)
    guard.start()
    told = 0
    try:
        if process.stdout.readline() != b'ready\n':
            raise RuntimeError('The process did not start.')
        while told < target and process.stdout.readline():
            told += 1
        time.sleep(pause)
    finally:
        guard.cancel()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()
    return told + rest.count(b'\n')
