"""What a recovery sends again: what failed in a span of time, and is not on its way already."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from pyramid_webhooks.outbox.schedule import Queue


class Span(NamedTuple):
    """From one POSIX time to another."""

    since: float
    until: float

    def __contains__(self, at: object) -> bool:
        return self.since <= at <= self.until  # type: ignore[operator]


class Recovery(NamedTuple):
    """What a recovery was able to do.

    :ivar count: deliveries that are sent again.
    :ivar unreachable: how many more failed, but are not kept any more: at most so many.
    :ivar unreachable_until: when the last of those was given up; None when there are none.
    """

    count: int
    unreachable: int
    unreachable_until: Any


def forgotten_failures(
    log: Any, queues: Iterable[Queue], span: Span, owed: Collection[Any]
) -> tuple[list[Any], Any]:
    """What was given up in ``span`` and is in the history only.

    :param log: the subscription's log of attempts.
    :param queues: what waits for the subscription.
    :param owed: messages that it is owed otherwise.
    :returns: those deliveries, and how many there were that could not be kept.
    """
    forgotten = log.exhausted.forgotten(span.since)
    failed = [
        each
        for each in log.failed_beyond(forgotten)
        if each.at in span and each.message not in owed
    ]
    if failed:
        waiting = {item.message for queue in queues for _, item in queue.items()}
        failed = [each for each in failed if each.message not in waiting]
    return failed, forgotten


def recoverable(
    log: Any,
    queues: Iterable[Queue],
    span: Span,
    under_way: Collection[Span],
    owed: Collection[Any],
) -> Recovery:
    """What a recovery of ``span`` will find, once the engine gets to it.

    :param under_way: the spans of recoveries that the engine has not got to yet.
    """
    queues = list(queues)
    failed, forgotten = forgotten_failures(log, queues, span, owed)
    given_up = [each for each in log.exhausted if each.at in span]
    lost = [each.at for each in given_up if log.exhausted.is_lost(each)]
    times = [each.at for each in failed]
    times += (each.at for each in given_up if not log.exhausted.is_lost(each))
    times += (item.created for queue in queues for _, item in queue.failed_between(*span))
    count = sum(1 for at in times if not any(at in other for other in under_way))
    unreachable = max(0, forgotten.count - len(failed)) + len(lost)
    until = max(lost if forgotten.until is None else [*lost, forgotten.until], default=None)
    return Recovery(count, unreachable, until if unreachable else None)
