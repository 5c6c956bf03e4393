"""Figures about one subscription, had from what the engine keeps of it anyway."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from zope.interface import implementer

from pyramid_webhooks.interfaces import IOwedDeliveries, IStatistics
from pyramid_webhooks.registries import utility_of
from pyramid_webhooks.resources.elapsed import percentile
from pyramid_webhooks.resources.message import utc


@implementer(IStatistics)
class Statistics(NamedTuple):
    """Figures about one subscription.

    :ivar sent: attempts that succeeded since it was made.
    :ivar failed: attempts that failed since then.
    :ivar pending: deliveries that it is owed now.
    :ivar p50: seconds within which half of the latest answers came; None: there were none.
    :ivar p95: the same for 95 percent of them.
    """

    sent: int = 0
    failed: int = 0
    pending: int = 0
    last_success: datetime.datetime | None = None
    last_failure: datetime.datetime | None = None
    p50: float | None = None
    p95: float | None = None


def statistics_of(subscription: Any) -> Statistics:
    """The statistics of ``subscription``, as its transaction sees them.

    :raises ValueError: when no application is found that it belongs to.
    """
    log = subscription.log
    if log is None:
        return Statistics()
    return Statistics(
        log.succeeded,
        log.failed,
        utility_of(subscription, IOwedDeliveries).count(subscription),
        None if log.last_success is None else utc(log.last_success),
        None if log.last_failure is None else utc(log.last_failure),
        percentile(log.elapsed, 0.5),
        percentile(log.elapsed, 0.95),
    )
