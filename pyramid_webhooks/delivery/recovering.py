"""Putting what failed back into the schedule, to be sent again in order."""

from __future__ import annotations

import itertools

from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE
from pyramid_webhooks.outbox.recovery import Span, forgotten_failures
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import AT_ONCE, Item, QueueKey, Recipient

#: Deliveries that are put back in one transaction, so that nobody else waits for long.
_LIMIT = 1_000


def recover(view: View, holding: Holding, recipient: Recipient, span: Span) -> bool:
    """Let what failed in ``span`` have its turn, each on a new schedule.

    That is what was given up, and what waits for its next attempt. Where deliveries wait for a
    probe, it is made now.

    :returns: False when there is more to be done, in another transaction.
    """
    state, obj = view.recipients.find(recipient)
    view.touched.add(partition_of(recipient))
    if state not in (ACTIVE, INACTIVE) or obj is None:
        return True
    queues = {
        home: queue
        for home in view.outboxes
        if (queue := view.schedule_of(home, recipient).queue(recipient)) is not None
    }
    jobs = holding.jobs_of(recipient)
    owed = {view.outboxes[job.home]._p_jar.get(job.message) for job in jobs}
    failed, _ = forgotten_failures(obj.log, queues.values(), span, owed)
    taken = obj.log.exhausted.take(lambda each: each.at in span, _LIMIT)
    for each in failed + taken:
        if obj.log.exhausted.is_lost(each):
            obj.log.exhausted.forget(each.at, 1)
            continue
        home = each.message._p_jar.db().database_name
        item = Item(each.message, each.number + 1, 0, span.until)
        key = _key(each.serial, each.message._p_oid, item.number)
        view.schedule_of(home, recipient).put(recipient, key, item)
        if state == INACTIVE:
            view.schedule_of(home, recipient).hold(recipient)
    left = _LIMIT - len(taken)
    done = left > 0 and _bring_retries_forward(view, holding, recipient, span, left)
    if state == ACTIVE and obj.log.health.is_open:
        # Somebody thinks that the receiver is back: see whether it is.
        for home in view.outboxes:
            view.schedule_of(home, recipient).put_off(recipient, span.until)
    return done


def _bring_retries_forward(
    view: View, holding: Holding, recipient: Recipient, span: Span, limit: int
) -> bool:
    for home in view.outboxes:
        schedule = view.schedule_of(home, recipient)
        queue = schedule.queue(recipient)
        if queue is None:
            continue
        held = queue.held
        retries = (
            (key, item)
            for key, item in queue.failed_between(*span)
            if (home, key, recipient) not in holding
        )
        for key, item in list(itertools.islice(retries, limit)):
            limit -= 1
            schedule.remove(recipient, key)
            _, order = key
            fresh = item._replace(tries=0, created=span.until, due=0.0)
            schedule.put(recipient, (AT_ONCE, order), fresh)
        if held:
            schedule.hold(recipient)
    return limit > 0


def _key(serial: bytes, oid: bytes, number: int) -> QueueKey:
    return AT_ONCE, serial + oid + number.to_bytes(4, 'big')
