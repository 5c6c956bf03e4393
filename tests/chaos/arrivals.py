"""What arrived, compared with what was committed, and with what is recorded.

An *attempt* is what the engine makes of a delivery at a time; it has a header of its own, so that
a request that is sent again within it, over a connection that was closed meanwhile, counts once.
What the database had recorded is read when the next process starts, before that sends anything.
So for each run it is known how many attempts reached a receiver and how many of its attempts were
recorded; the rest was in flight at the kill, and has to be repeated. Since an attempt that reached
nobody may be recorded all the same, only runs with none of those give the exact number; there are
none as long as the receivers listen.

Nothing else may be repeated: once a receiver has answered an attempt with success, there is no
further one in the same run; and none in any later run if that success was recorded.
"""

import dataclasses
from collections import Counter, defaultdict

from tests.chaos.victim import is_owed


@dataclasses.dataclass
class Run:
    """One process.

    :ivar found: what was recorded when it started; None if it was killed before.
    :ivar moment: where it was to kill itself, or None.
    :ivar reached: whether it came there.
    :ivar backlog: how many of its commits had not arrived when it had ended.
    """

    found: dict | None = None
    moment: str | None = None
    reached: bool = False
    backlog: int = 0


class Arrivals:
    """What a number of runs, all but the last one killed, did.

    :ivar committed: how many events were committed.
    :ivar acknowledged: how many of those the processes knew of before they were killed.
    :ivar lost: (path, number) of what was committed and never arrived.
    :ivar foreign: (path, number) of what arrived and was not owed there.
    :ivar renamed: numbers that arrived with different message ids.
    :ivar repeats: for each run, how many attempts arrived that were not recorded; of the last one,
        which was not killed, there must be none.
    :ivar doubled: for each run, how many deliveries it made that arrived with success again.
    :ivar resent: (path, number) of what was sent again although that can't have been in flight.
    :ivar miscounted: paths with more or fewer successes recorded than deliveries owed.
    :ivar failed: how many requests were answered with an error, or not at all.
    :ivar moments: how many processes killed themselves at each of :data:`.ending.MOMENTS`.
    :ivar backlogs: for each kill, how many of the run's commits had not arrived yet.
    """

    def __init__(self, runs, found, committed, acknowledged, requests, moods, paths):
        self.committed = len(committed)
        self.acknowledged = acknowledged
        self.failed = moods.failed
        self.moments = Counter(run.moment for run in runs if run.reached)
        self.backlogs = [run.backlog for run in runs[:-1]]
        owed = {(path, number) for path in paths for number in committed if is_owed(number, path)}
        attempts, ids = defaultdict(dict), defaultdict(set)
        for request in requests:
            delivery = (request.path[1:], request.json())
            attempts[delivery].setdefault(request.headers['X-Attempt'])
            ids[delivery[1]].add(request.headers['webhook-id'])
        self.lost = sorted(owed - attempts.keys())
        self.foreign = sorted(attempts.keys() - owed)
        self.renamed = sorted(number for number, names in ids.items() if len(names) > 1)
        self.miscounted = [
            path for path in paths if found[path][0] != sum(each[0] == path for each in owed)
        ]
        self.repeats = _unrecorded([run.found for run in runs] + [found], attempts)
        self.doubled, self.resent = _second_successes(attempts, moods.answered, len(runs))
        numbers = {name: number for number, names in ids.items() for name in names}
        self.resent += _sent_after_record(runs, attempts, numbers)

    def faults(self, concurrency):
        """Sentences about what is not as it must be; none if all is well."""
        found = [
            f'{len(wrong)} {what}, {sorted(wrong)[:3]} among them'
            for what, wrong in (
                ('were lost', self.lost),
                ('arrived that were not owed', self.foreign),
                ('had several message ids', self.renamed),
                ('were sent again that were not in flight', self.resent),
                ('receivers have not as many successes as deliveries', self.miscounted),
            )
            if wrong
        ]
        allowed = 2 * concurrency
        if max(self.repeats[:-1]) > allowed:
            found.append(f'{max(self.repeats[:-1])} were repeated after a kill, over {allowed}')
        if self.repeats[-1]:
            found.append(f'{self.repeats[-1]} were repeated without a kill')
        if max(self.doubled) > allowed:
            found.append(f'{max(self.doubled)} arrived twice after a kill, over {allowed}')
        return found


def run_of(attempt):
    """The index of the run in which an attempt was made."""
    return int(attempt.partition('.')[0]) - 1


def _unrecorded(found, attempts):
    """For each run, the attempts that it made and that were not recorded."""
    made = Counter(run_of(attempt) for several in attempts.values() for attempt in several)
    counts = []
    for each in found:
        # A process that was killed before it could look has sent nothing either.
        counts.append(sum(map(sum, (log[:2] for log in each.values()))) if each else None)
    following = counts[-1]
    unrecorded = []
    for run in reversed(range(len(counts) - 1)):
        if counts[run] is None:
            unrecorded.append(made[run])
            continue
        unrecorded.append(made[run] - (following - counts[run]))
        following = counts[run]
    return unrecorded[::-1]


def _second_successes(attempts, answered, runs):
    """How many arrived again after a success in each run; and those of them in the same run."""
    doubled, resent = [0] * runs, []
    for delivery, several in attempts.items():
        successes = [attempt for attempt in several if attempt in answered]
        for attempt in successes[:-1]:
            doubled[run_of(attempt)] += 1
        if successes:
            first = run_of(successes[0])
            later = list(several)[list(several).index(successes[0]) + 1 :]
            if any(run_of(attempt) == first for attempt in later):
                resent.append(delivery)
    return doubled, resent


def _sent_after_record(runs, attempts, numbers):
    """What was sent by a run although its success was recorded when that started."""
    resent = []
    for index, run in enumerate(runs):
        for path, (_, _, ids) in (run.found or {}).items():
            for id in ids:
                several = attempts.get((path, numbers.get(id)), ())
                if any(run_of(attempt) >= index for attempt in several):
                    resent.append((path, numbers[id]))
    return resent
