"""Killing a process that commits and delivers, again and again, and what arrived in the end."""

import random
import time

from pyramid_webhooks.testing import Receiver
from tests.chaos.arrivals import Arrivals, Run
from tests.chaos.ending import MOMENTS
from tests.chaos.moods import Moods
from tests.chaos.nursery import Nursery
from tests.chaos.victim import (
    commit_numbers,
    committed_numbers,
    open_company,
    owes_nothing,
    recorded,
    subscribe_receivers,
)
from tests.company import wait_until

#: Of every second run, so many times ``concurrency`` of the last events get no answer.
_HELD = 4


def kill_and_restart(
    folder,
    *,
    kills,
    commits,
    concurrency=8,
    seed=0,
    delay=0.03,
    failures=0.0,
    paths=('all',),
    moments=False,
    uri=None,
):
    """Commit ``commits`` events, killing the process ``kills`` times.

    What is left after the last kill is committed, and delivered, by this process.

    Every second time, the receiver does not answer what was committed last, so that the kill comes
    when everything that may be in flight is, and more is owed.

    :param delay: seconds the receiver takes for an answer.
    :param failures: the share of the requests, from 0 to 1, that fail and are retried.
    :param paths: of receivers, each with a subscription, see :data:`.victim.SUBSCRIPTIONS`.
    :param moments: whether each of the others kills itself at one of :data:`.ending.MOMENTS`, if
        it comes there before it is killed at a random time.
    :param uri: of an empty database; by default a new file in ``folder``.
    :returns: the :class:`.arrivals.Arrivals`.
    """
    chance = random.Random(seed)
    moods = Moods(seed, delay, failures)
    common = {'folder': str(folder), 'concurrency': concurrency, 'uri': uri}
    runs, number, acknowledged = [], 1, 0
    with Receiver() as receiver, Nursery() as nursery:
        receiver.answer(moods)
        company, _ = open_company(**common, run=0, delivery='worker')
        subscribe_receivers(company, receiver, paths)
        company.stop()
        for target in sorted(chance.sample(range(commits), kills)):
            run = Run()
            todo = max(0, target - acknowledged)
            held = len(runs) % 2 == 0
            moods.hold_from(number + max(0, todo - _HELD * concurrency) if held else None)
            if moments and not held:
                run.moment = chance.choice(list(MOMENTS))
            victim = nursery.start(
                **common,
                run=len(runs) + 1,
                first=number,
                count=todo + 20 * concurrency,
                moment=run.moment,
                times=chance.randint(1, MOMENTS.get(run.moment, 1)),
            )
            victim.wait_for(max(todo, _HELD * concurrency) if held else todo)
            run.reached = victim.ended
            time.sleep(chance.random() / 20)
            victim.kill()
            victim.wait()
            moods.release()
            run.found = victim.recorded
            run.backlog = victim.committed - len(
                {each.json() for each in receiver.requests if each.json() >= number}
            )
            runs.append(run)
            acknowledged += victim.committed
            # The last commit may have gone unheard.
            number += victim.committed + 1
        last = Run()
        company, last.found = open_company(**common, run=len(runs) + 1)
        try:
            commit_numbers(company, number, max(0, commits - acknowledged))
            limit = 60 + commits * len(paths) * delay
            wait_until(lambda: owes_nothing(company), limit, what='that nothing is owed any more')
            committed = committed_numbers(company)
            found = recorded(company.database)
        finally:
            company.stop()
        requests = receiver.requests
    return Arrivals([*runs, last], found, committed, acknowledged, requests, moods, paths)
