"""Recording results: many in one transaction, and what follows from each in the same one."""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from pyramid_webhooks.delivery.breathing import breathe
from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.delivery.preparing import ACTIVE, DETACHED, GONE, Recipients
from pyramid_webhooks.delivery.probing import FAILURES, GONE_STATUS, UNSUBSCRIBED, Probing
from pyramid_webhooks.events import PING
from pyramid_webhooks.interfaces import IRetryPolicy
from pyramid_webhooks.outbox.root import Outbox, partition_of
from pyramid_webhooks.outbox.schedule import Item, Recipient, Schedule
from pyramid_webhooks.resources.exhausted import GivenUp
from pyramid_webhooks.resources.history import AttemptRecord, ResponseRecord
from pyramid_webhooks.settings import Settings

logger = logging.getLogger(__name__)

#: Ten years: a delay that is longer would lead beyond what a date can say.
_LONGEST_DELAY = 10 * 365 * 86_400.0


class Recorded(NamedTuple):
    """What was recorded for one job, for those who listen to events about it."""

    recipient: Recipient
    record: AttemptRecord
    message: bytes
    home: str
    exhausted: bool


class Recorder:
    """Writes results to the history of the subscriptions, and takes them out of the outbox.

    :param in_hand: the sources of the jobs that are in memory.
    :ivar suspects: of what was recorded last, the recipients that are to be deactivated, and why.
    """

    def __init__(
        self,
        settings: Settings,
        policy: IRetryPolicy,
        probing: Probing,
        in_hand: Container[Any] = (),
    ):
        self._settings = settings
        self._policy = policy
        self._probing = probing
        self._in_hand = in_hand
        self.suspects: dict[Recipient, str] = {}
        self._ahead = 0.0

    def record(
        self,
        jobs: Iterable[Job],
        outboxes: dict[str, Outbox],
        recipients: Recipients,
        ahead: float = 0.0,
    ) -> list[Recorded]:
        """Record ``jobs`` in the current transaction, which the caller fences and commits.

        :param ahead: seconds by which the clock that says what is due is ahead of the time of day.
        """
        self.suspects = {}
        self._ahead = ahead
        recorded: list[Recorded] = []
        by_recipient: dict[Recipient, list[Job]] = {}
        for job in _take_out(list(jobs), outboxes):
            by_recipient.setdefault(job.recipient, []).append(job)
        for step, (recipient, of_one) in enumerate(by_recipient.items()):
            breathe(step)
            recorded += self._record_recipient(recipient, of_one, outboxes, recipients)
        return recorded

    def _record_recipient(
        self,
        recipient: Recipient,
        jobs: list[Job],
        outboxes: dict[str, Outbox],
        recipients: Recipients,
    ) -> list[Recorded]:
        state, obj = recipients.find(recipient)
        if state == GONE or obj is None:
            logger.info(
                'The results of %d deliveries are not kept: the subscription is not there.',
                len(jobs),
            )
            return []
        health = obj.log.health
        was_open = health.is_open
        recorded = []
        for job in jobs:
            message = outboxes[job.home]._p_jar.get(job.message)
            record = self._attempt(job, message)
            self._probing.note(health, job.outcome, job.resolved_at + self._ahead)
            exhausted = False
            if job.outcome.status == GONE_STATUS and state == ACTIVE:
                self.suspects[recipient] = UNSUBSCRIBED
            if not record.succeeded and job.prepared.outgoing.event != PING:
                message._p_activate()  # Its serial is needed.
                exhausted = not self._reschedule(job, message, outboxes[job.home], state)
                if exhausted:
                    self._give_up(obj.log, record)
            recorded.append(Recorded(recipient, record, job.message, job.home, exhausted))
        obj.log.append([each.record for each in recorded], self._settings.attempt_limit)
        if state == ACTIVE and obj.log.is_failing(
            self._settings.failure_limit, self._settings.failure_window
        ):
            self.suspects[recipient] = FAILURES
        if health.is_open or was_open:
            for home, outbox in outboxes.items():
                schedule = outbox.schedule_of(recipient)
                if health.is_open:
                    schedule.put_off(recipient, health.probe_at)
                else:
                    self._resume(home, schedule, recipient)
        return recorded

    def _resume(self, home: str, schedule: Schedule, recipient: Recipient) -> None:
        schedule.resume(recipient, lambda key: (home, key, recipient) in self._in_hand)

    def _give_up(self, log: Any, record: AttemptRecord) -> None:
        message = record.message
        given_up = GivenUp(
            message, record.text, record.resolved_at, record.number, message._p_serial
        )
        log.give_up(given_up, self._settings.exhausted_limit)

    def _reschedule(self, job: Job, message: Any, outbox: Outbox, state: str) -> bool:
        outcome = job.outcome
        if outcome.permanent or job.is_last or state == DETACHED:
            return False
        now = job.resolved_at + self._ahead
        due, tries = job.due, job.tries
        if due <= now:
            delay = self._delay(job)
            if delay is None:
                return False
            due, tries = now + delay, tries + 1
        # Sent before its time, to see whether the receiver is back, it has lost nothing.
        schedule = outbox.schedule_of(job.recipient)
        order = message._p_serial + job.message + job.number.to_bytes(4, 'big')
        schedule.put(
            job.recipient,
            (due, order),
            Item(message, job.number + 1, tries, job.resolved_at),
        )
        if state != ACTIVE:
            schedule.hold(job.recipient)
        return True

    def _delay(self, job: Job) -> float | None:
        """What the policy says; one that fails must not keep anything else from being recorded."""
        outcome = job.outcome
        try:
            delay = self._policy.next_delay(job.tries + 1, outcome.status, outcome.headers)
            if delay is None:
                return None
            if not 0 <= delay < math.inf:
                raise ValueError(f'{delay!r} is not a number of seconds from 0 on')
            return min(float(delay), _LONGEST_DELAY)
        except Exception:
            logger.exception('The retry policy failed; the delivery is given up.')
            return None

    @staticmethod
    def _attempt(job: Job, message: Any) -> AttemptRecord:
        outcome, sent = job.outcome, job.sent
        headers: tuple[tuple[str, str | None], ...] = ()
        if sent is not None:
            id = job.prepared.outgoing.id
            headers = tuple([(name, None if each == id else each) for name, each in sent.headers])
        response = None
        if outcome.status is not None:
            response = tuple(
                ResponseRecord(
                    outcome.status,
                    outcome.reason,
                    outcome.headers,
                    outcome.content,
                    outcome.truncated,
                    round(1e6 * outcome.elapsed),
                )
            )
        return AttemptRecord(
            message,
            job.number,
            outcome.succeeded,
            job.created,
            job.due,
            job.resolved_at,
            outcome.message,
            job.prepared.dialect,
            sent.method if sent else '',
            sent.url if sent else '',
            headers,
            sent.body if sent else None,
            response,
            outcome.exceptions,
        )


def partitions_of(jobs: Iterable[Job]) -> set[int]:
    """The numbers of the partitions of ``jobs``."""
    return {partition_of(job.recipient) for job in jobs}


def _take_out(jobs: list[Job], outboxes: dict[str, Outbox]) -> list[Job]:
    """Take ``jobs`` out of the outboxes; those of them that were owed.

    The others have been recorded by a commit that succeeded although it raised an error, as it may
    when the connection to the database breaks. Recorded again they would be retried twice.
    """
    entries: dict[tuple[str, bytes, bytes], list[bytes]] = {}
    for job in jobs:
        if job.entry is not None:
            key = (job.home, job.segment, job.entry)
            entries.setdefault(key, []).append(job.recipient[1])
    taken = {
        (home, segment, entry): outboxes[home]._p_jar.get(segment).take(entry, oids)
        for (home, segment, entry), oids in entries.items()
    }

    def was_owed(job: Job) -> bool:
        if job.entry is not None:
            return job.recipient[1] in taken[(job.home, job.segment, job.entry)]
        schedule = outboxes[job.home].schedule_of(job.recipient)
        return schedule.remove(job.recipient, job.queue_key)

    owed = [job for job in jobs if was_owed(job)]
    if len(owed) < len(jobs):
        logger.info('%d results had been recorded already.', len(jobs) - len(owed))
    return owed
