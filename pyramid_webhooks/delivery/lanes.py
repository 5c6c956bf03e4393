"""Lanes: what is ready to be sent, by subscription, and the slots for open requests."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.lane import (
    FAILING,
    FRESH,
    PROMPT,
    SLIPPED,
    SLOW,
    SLOW_ANSWER,
    Lane,
)
from pyramid_webhooks.delivery.probing import Probing
from pyramid_webhooks.delivery.retry import RETRY_AFTER_STATUSES
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.resources.health import Health

#: So many lanes are kept at least, be they in use or not.
_LANE_LIMIT = 5000
#: Senders at work while requests are answered quickly, and what is not quick.
_QUICK_SENDERS = 1
_SLOW_SECONDS = 0.0015

_CLOCK = getattr(time, 'CLOCK_BOOTTIME', time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds that also pass while the process, or the machine, is suspended."""
    return time.clock_gettime(_CLOCK)


class Lanes:
    """What senders take jobs from. It is safe to be used by many threads.

    A receiver that has not proved itself, or fails, gets one request at a time, and all such
    together at most half of the slots; those that fail, a quarter. One that answers with success
    gets more with each success. Those that answer promptly always have a quarter of the slots for
    themselves. Lanes of one kind take turns.

    :param slots: requests that may be open at once.
    :param slots_per_lane: the same for one subscription.
    """

    def __init__(self, slots: int, slots_per_lane: int, probing: Probing | None = None):
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._slots = slots
        self._slots_per_lane = slots_per_lane
        self._probing = Probing(()) if probing is None else probing
        self._in_flight_limit = 2 * slots
        self._unproven_limit = max(1, slots // 2)
        self._failing_limit = max(1, slots // 4)
        self._not_prompt_limit = slots - slots // 4
        self._lanes: dict[Recipient, Lane] = {}
        self._queues: tuple[OrderedDict[Lane, None], ...] = tuple(OrderedDict() for _ in range(5))
        self._open_of = [0] * 5
        self._open = 0
        self._idle = 0
        self._ready = 0
        self._results: list[Job] = []
        self._results_since = 0.0
        self._started: dict[int, float] = {}
        self._unrecorded = 0
        self._tripped: dict[Recipient, None] = {}
        self._moved: dict[Recipient, None] = {}
        self._spared: list[Job] = []
        self._closed = False
        #: Seconds by which the engine's clock is ahead of the time of day.
        self.ahead = 0.0
        self._trusted_until = math.inf

    def trust_until(self, moment: float) -> None:
        """Start no requests after that moment of :func:`clock`, when others may send them."""
        self._trusted_until = moment

    def trusted(self) -> bool:
        """Whether requests may be started."""
        return clock() < self._trusted_until

    def lane(self, recipient: Recipient) -> Lane:
        """The lane of a subscription, made if it is missing."""
        with self._lock:
            return self._lane(recipient)

    def _lane(self, recipient: Recipient) -> Lane:
        lane = self._lanes.get(recipient)
        if lane is None:
            lane = self._lanes[recipient] = Lane(recipient)
        return lane

    # --- from the engine's thread

    def know(self, recipient: Recipient, health: Health) -> None:
        """This is what is stored of the health of a receiver."""
        with self._lock:
            lane = self._lane(recipient)
            lane.health = Health(*health.values())
            lane.known = True
            lane.permits = 0
            self._moved[recipient] = None
            self._judge(lane)
            self._enqueue(lane)

    def allow(self, recipient: Recipient, permits: int) -> None:
        """So many requests may be made although the breaker is open."""
        with self._lock:
            lane = self._lane(recipient)
            lane.permits = permits
            self._moved[recipient] = None
            self._judge(lane)
            self._enqueue(lane)

    def forget(self, is_lost: Callable[[Recipient], bool]) -> None:
        """Know nothing any more of the lanes of which this is true."""
        with self._lock:
            for recipient, lane in self._lanes.items():
                if is_lost(recipient):
                    lane.known = False
                    lane.permits = 0

    def moved(self) -> dict[Recipient, None]:
        """Take those for which more may be prepared now than when they were asked for before."""
        with self._lock:
            moved, self._moved = self._moved, {}
            return moved

    def have_moved(self) -> bool:
        """Whether there is anything that :meth:`moved` would return."""
        return bool(self._moved)

    def spared(self) -> list[Job]:
        """Take the probes that were not needed: what is older comes before them now."""
        with self._lock:
            spared, self._spared = self._spared, []
            return spared

    def tripped(self) -> list[Recipient]:
        """Take those whose breaker has opened: what they have ready has to wait."""
        with self._lock:
            tripped, self._tripped = self._tripped, {}
            return list(tripped)

    def unsettled(self) -> bool:
        """Whether there is anything that :meth:`spared` or :meth:`tripped` would return."""
        return bool(self._spared or self._tripped)

    def offer(self, jobs: Iterable[Job]) -> None:
        """Add prepared jobs."""
        with self._lock:
            for job in jobs:
                lane = self._lane(job.recipient)
                lane.jobs.append(job)
                self._ready += 1
                self._enqueue(lane)
            self._call()

    def results(self) -> list[Job]:
        """Take the finished jobs; they stay in flight until :meth:`recorded`."""
        with self._lock:
            results, self._results = self._results, []
            return results

    def waiting_results(self) -> tuple[int, float]:
        """How many :meth:`results` would return, and the monotonic time of the first."""
        return len(self._results), self._results_since

    def results_in_the_way(self, limit: int) -> bool:
        """Whether ``limit`` results wait, or so many that requests soon have to wait for them.

        What is in flight is limited. The more requests are open, the fewer results may wait.
        """
        room = self._in_flight_limit - self._open
        return len(self._results) >= max(1, min(limit, room // 2))

    def shortage(self) -> int:
        """Call senders for the jobs that wait; how many more than there are would have work.

        Senders that have an answer at once are no faster for being many: they only keep each
        other, and the application, from running. So there are few until requests take longer.
        """
        with self._lock:
            return self._call()

    def waiting(self) -> bool:
        """Whether there are jobs that a further sender could send."""
        with self._lock:
            return self._startable(1) > 0

    def recorded(self, count: int) -> None:
        """So many finished jobs have been recorded, or belong to another process now."""
        with self._lock:
            self._unrecorded -= count
            self._call()

    def discard(self, recipient: Recipient) -> list[Job]:
        """Take out the jobs of a subscription that have not been sent."""
        with self._lock:
            lane = self._lanes.get(recipient)
            if lane is None:
                return []
            jobs = list(lane.jobs)
            lane.jobs.clear()
            self._ready -= len(jobs)
            if lane.queued:
                lane.queued = False
                del self._queues[lane.tier][lane]
            return jobs

    def forget_idle(self) -> None:
        """Forget the lanes that have had nothing to do, to keep memory bounded."""
        with self._lock:
            if len(self._lanes) > _LANE_LIMIT:
                for key, lane in list(self._lanes.items()):
                    if not (lane.open or lane.jobs or lane.permits):
                        del self._lanes[key]

    def busy(self) -> bool:
        """Whether anything is ready, being sent, or not recorded yet."""
        with self._lock:
            return bool(self._ready or self._unrecorded)

    def sending(self) -> int:
        """How many requests are open."""
        with self._lock:
            return self._open

    def close(self) -> None:
        """Give out no more jobs."""
        with self._lock:
            self._closed = True
            self._work.notify_all()

    # --- from the senders

    def take(self, timeout: float) -> Job | None:
        """The next job to send; None after ``timeout`` seconds without one, or when closed."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while True:
                if self._closed:
                    return None
                job = self._next()
                if job is not None:
                    return job
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return None
                self._idle += 1
                try:
                    self._work.wait(remaining)
                finally:
                    self._idle -= 1

    def finish(self, job: Job) -> int:
        """A job that was taken has its outcome, or was not sent after all and has none.

        :returns: how many such wait to be recorded.
        """
        with self._lock:
            lane = self._lanes[job.recipient]
            lane.open -= 1
            self._open -= 1
            self._open_of[lane.tier] -= 1
            if job.outcome is not None:
                self._note(lane, job)
            if not self._results:
                self._results_since = time.monotonic()
            self._results.append(job)
            self._moved[job.recipient] = None
            self._enqueue(lane)
            del self._started[id(job)]
            return len(self._results)

    # --- with the lock held

    def _note(self, lane: Lane, job: Job) -> None:
        """Let the health of the receiver follow from a result."""
        outcome = job.outcome
        health = lane.health
        was_proven = health.successes > 0
        self._probing.note(health, outcome, job.resolved_at + self.ahead)
        if outcome.succeeded:
            if lane.permits > 1:
                self._spared += lane.jobs
                self._ready -= len(lane.jobs)
                lane.jobs.clear()
            lane.permits = 0
            tier = SLOW if outcome.elapsed > SLOW_ANSWER else PROMPT
            self._judge(lane, tier)
            return
        if outcome.permanent:
            return
        if lane.permits:
            # An answer may be about this one message; silence is about all of them.
            silent = outcome.status is None or outcome.status in RETRY_AFTER_STATUSES
            lane.permits = 0 if silent else lane.permits - 1
        if health.is_open and not lane.permits:
            self._tripped[lane.recipient] = None
        self._judge(lane, SLIPPED if was_proven else FAILING)

    def _judge(self, lane: Lane, tier: int | None = None) -> None:
        """Decide on the tier and the limit of a lane."""
        health = lane.health
        if health.probe_at is not None:
            lane.limit = 1 if lane.permits else 0
        else:
            lane.limit = min(self._slots_per_lane, 1 + health.successes)
        if tier is None:
            tier = PROMPT if health.successes else FAILING if health.strikes else FRESH
        if tier != lane.tier:
            if lane.queued:
                lane.queued = False
                del self._queues[lane.tier][lane]
            self._open_of[lane.tier] -= lane.open
            self._open_of[tier] += lane.open
            lane.tier = tier

    def _enqueue(self, lane: Lane) -> None:
        if not lane.queued and lane.jobs and lane.open < lane.limit:
            lane.queued = True
            self._queues[lane.tier][lane] = None

    def _room(self, tier: int) -> int:
        """How many more requests may be open to lanes of a tier."""
        room = self._slots - self._open
        if tier == PROMPT:
            return room
        open_of = self._open_of
        not_prompt = self._open - open_of[PROMPT]
        room = min(room, self._not_prompt_limit - not_prompt)
        if tier == SLOW:
            return room
        room = min(room, self._unproven_limit - not_prompt + open_of[SLOW])
        if tier == FAILING:
            room = min(room, self._failing_limit - open_of[FAILING])
        return room

    def _startable(self, most: int) -> int:
        """How many requests could be made now, counted up to ``most``."""
        if self._unrecorded >= self._in_flight_limit:
            return 0
        count = 0
        for tier, queue in enumerate(self._queues):
            if not queue:
                continue
            room = min(self._room(tier), most - count)
            for lane in queue:
                if room <= 0:
                    break
                ready = max(0, min(len(lane.jobs), lane.limit - lane.open, room))
                count += ready
                room -= ready
        return count

    def _call(self) -> int:
        wanted = self._slots - self._open
        if wanted <= 0 or not any(self._queues):
            return 0
        long_ago = time.monotonic() - _SLOW_SECONDS
        slow = sum(started < long_ago for started in self._started.values())
        wanted = min(_QUICK_SENDERS + 2 * slow, self._slots) - self._open
        if wanted > 0:
            wanted = self._startable(wanted)
        if wanted <= 0:
            return 0
        self._work.notify(wanted)
        return max(0, wanted - self._idle)

    def _next(self) -> Job | None:
        if self._open >= self._slots or self._unrecorded >= self._in_flight_limit:
            return None
        if not self.trusted():
            return None
        for tier, queue in enumerate(self._queues):
            while queue and self._room(tier) > 0:
                lane, _ = queue.popitem(last=False)
                lane.queued = False
                if lane.jobs and lane.open < lane.limit:
                    return self._start(lane)
        return None

    def _start(self, lane: Lane) -> Job:
        job = lane.jobs.popleft()
        self._ready -= 1
        lane.open += 1
        self._open += 1
        self._open_of[lane.tier] += 1
        self._unrecorded += 1
        self._started[id(job)] = time.monotonic()
        self._enqueue(lane)
        return job
