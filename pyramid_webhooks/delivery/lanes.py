"""Lanes: what is ready to be sent, by subscription, and the slots for open requests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.outbox.schedule import Recipient

#: Jobs that are prepared ahead for one lane, when its receiver has proved itself and when not.
PROVEN_AHEAD = 64
UNPROVEN_AHEAD = 2
#: So many lanes are kept at least, be they in use or not.
_LANE_LIMIT = 5000
#: Senders at work while requests are answered quickly, and what is not quick.
_QUICK_SENDERS = 1
_SLOW_SECONDS = 0.0015


class Lane:
    """The jobs of one subscription, in order, and how many of them are being sent.

    :ivar proven: whether its last request was answered with success.
    """

    __slots__ = ('jobs', 'open', 'proven', 'queued', 'recipient')

    def __init__(self, recipient: Recipient):
        self.recipient = recipient
        self.jobs: deque[Job] = deque()
        self.open = 0
        self.proven = False
        self.queued = False

    def ahead(self) -> int:
        """How many more jobs are worth preparing."""
        limit = PROVEN_AHEAD if self.proven else UNPROVEN_AHEAD
        return limit - len(self.jobs) - self.open


class Lanes:
    """What senders take jobs from. It is safe to be used by many threads.

    A receiver that has not proved itself, or fails, gets one request at a time, and all such
    together at most half of the slots. Lanes take turns.

    :param slots: requests that may be open at once.
    :param slots_per_lane: the same for one subscription.
    """

    def __init__(self, slots: int, slots_per_lane: int):
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._slots = slots
        self._slots_per_lane = slots_per_lane
        self._in_flight_limit = 2 * slots
        self._unproven_limit = max(1, slots // 2)
        self._lanes: dict[Recipient, Lane] = {}
        self._proven: deque[Lane] = deque()
        self._unproven: deque[Lane] = deque()
        self._open = 0
        self._unproven_open = 0
        self._idle = 0
        self._ready = 0
        self._results: list[Job] = []
        self._results_since = 0.0
        self._started: dict[int, float] = {}
        self._unrecorded = 0
        self._closed = False

    def lane(self, recipient: Recipient) -> Lane:
        """The lane of a subscription, made if it is missing."""
        with self._lock:
            lane = self._lanes.get(recipient)
            if lane is None:
                lane = self._lanes[recipient] = Lane(recipient)
            return lane

    def offer(self, jobs: Iterable[Job]) -> None:
        """Add prepared jobs."""
        with self._lock:
            for job in jobs:
                lane = self._lanes.get(job.recipient)
                if lane is None:
                    lane = self._lanes[job.recipient] = Lane(job.recipient)
                lane.jobs.append(job)
                self._ready += 1
                self._enqueue(lane)
            self._call()

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
        """A job that was taken has its outcome.

        :returns: how many such wait to be recorded.
        """
        with self._lock:
            lane = self._lanes[job.recipient]
            lane.open -= 1
            self._open -= 1
            if not lane.proven:
                self._unproven_open -= 1
            elif not job.outcome.succeeded:
                # What else is open there is counted as unproven from now on.
                self._unproven_open += lane.open
            if not lane.proven and job.outcome.succeeded:
                self._unproven_open -= lane.open
            lane.proven = job.outcome.succeeded
            if not self._results:
                self._results_since = time.monotonic()
            self._results.append(job)
            self._enqueue(lane)
            del self._started[id(job)]
            return len(self._results)

    def results(self) -> list[Job]:
        """Take the finished jobs; they stay in flight until :meth:`recorded`."""
        with self._lock:
            results, self._results = self._results, []
            return results

    def waiting_results(self) -> tuple[int, float]:
        """How many :meth:`results` would return, and the monotonic time of the first."""
        return len(self._results), self._results_since

    def shortage(self) -> int:
        """Call senders for the jobs that wait; how many more than there are would have work.

        Senders that have an answer at once are no faster for being many: they only keep each
        other, and the application, from running. So there are few until requests take longer.
        """
        with self._lock:
            return self._call()

    def waiting(self) -> bool:
        """Whether there are jobs that a further sender could send."""
        return bool(self._proven or self._unproven)

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
            return jobs

    def forget_idle(self) -> None:
        """Forget the lanes that have had nothing to do, to keep memory bounded."""
        with self._lock:
            if len(self._lanes) > _LANE_LIMIT:
                for key, lane in list(self._lanes.items()):
                    if not (lane.open or lane.jobs or lane.queued):
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

    def _call(self) -> int:
        if self._unrecorded >= self._in_flight_limit or not self.waiting():
            return 0
        long_ago = time.monotonic() - _SLOW_SECONDS
        slow = sum(started < long_ago for started in self._started.values())
        wanted = min(_QUICK_SENDERS + 2 * slow, self._slots) - self._open
        if wanted > 0:
            startable = sum(
                min(len(lane.jobs), self._lane_limit(lane) - lane.open)
                for queue in (self._proven, self._unproven)
                for lane in queue
            )
            wanted = min(wanted, startable)
        if wanted <= 0:
            return 0
        self._work.notify(wanted)
        return max(0, wanted - self._idle)

    def _enqueue(self, lane: Lane) -> None:
        if not lane.queued and lane.jobs and lane.open < self._lane_limit(lane):
            lane.queued = True
            (self._proven if lane.proven else self._unproven).append(lane)

    def _lane_limit(self, lane: Lane) -> int:
        return self._slots_per_lane if lane.proven else 1

    def _next(self) -> Job | None:
        if self._open >= self._slots or self._unrecorded >= self._in_flight_limit:
            return None
        for queue in (self._proven, self._unproven):
            for _ in range(len(queue)):
                if queue is self._unproven and self._unproven_open >= self._unproven_limit:
                    break
                lane = queue.popleft()
                lane.queued = False
                if not lane.jobs or lane.open >= self._lane_limit(lane):
                    continue
                if lane.proven is not (queue is self._proven):
                    self._enqueue(lane)
                    continue
                return self._start(lane)
        return None

    def _start(self, lane: Lane) -> Job:
        job = lane.jobs.popleft()
        self._ready -= 1
        lane.open += 1
        self._open += 1
        self._unrecorded += 1
        self._started[id(job)] = time.monotonic()
        if not lane.proven:
            self._unproven_open += 1
        self._enqueue(lane)
        return job
