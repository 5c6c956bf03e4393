"""Having everything sent again to a subscription that failed since a certain time."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from pyramid_webhooks.interfaces import IOwedDeliveries
from pyramid_webhooks.registries import utility_of
from pyramid_webhooks.resources.message import utc


class Recovery(NamedTuple):
    """What a recovery was able to do.

    :ivar count: deliveries that are sent again.
    :ivar unreachable: how many more failed, but are not kept any more: at most so many.
    :ivar unreachable_until: when the last of those was given up (aware datetime), or None.
    """

    count: int
    unreachable: int
    unreachable_until: datetime.datetime | None


def recover(subscription: Any, since: datetime.datetime) -> Recovery:
    """Let what failed since then be sent again.

    :raises ValueError: when ``since`` is not aware, or the subscription is in no database.
    """
    if since.tzinfo is None:
        raise ValueError(f'{since!r} has no time zone; give one, such as datetime.UTC.')
    if subscription.recipient is None or subscription.recipient._p_jar is None:
        raise ValueError(f'{subscription!r} is in no database, so nothing of it is kept.')
    count, unreachable, until = utility_of(subscription, IOwedDeliveries).recover(
        subscription, since.timestamp()
    )
    return Recovery(count, unreachable, None if until is None else utc(until))
