"""Waiting, in an application's tests, until its webhooks have been sent."""

from __future__ import annotations

import time
from typing import Any

from pyramid_webhooks.interfaces import IDeliveryEngine, IOwedDeliveries

_INTERVAL = 0.02


def wait_for_deliveries(registry: Any, timeout: float = 10) -> None:
    """Return when nothing that is due is still owed, whoever sends it, and all is recorded.

    Later retries, and what is held for an inactive subscription, don't count.

    :param registry: of the application.
    :param timeout: seconds.
    :raises TimeoutError: when something was still owed then.
    """
    deadline = time.monotonic() + timeout
    owed = registry.getUtility(IOwedDeliveries)
    engine = registry.queryUtility(IDeliveryEngine)
    if engine is not None:
        engine.continue_after_fork()
    running = engine is not None and engine.running()
    while True:
        remaining = deadline - time.monotonic()
        if running:
            engine.wait_until_quiet(timeout=max(remaining, 0))
        if not owed.anything_due():
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f'After {timeout} seconds there are deliveries that are due.')
        time.sleep(min(_INTERVAL, max(remaining, 0)))
