"""Waiting, in an application's tests, until its webhooks have been sent."""

from __future__ import annotations

import time
from typing import Any

import transaction

from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.outbox.owed import anything_due
from pyramid_webhooks.registries import databases_of

_INTERVAL = 0.02


def wait_for_deliveries(registry: Any, timeout: float = 10) -> None:
    """Return when nothing that is due is still owed, whoever sends it, and all is recorded.

    Later retries, and what is held for an inactive subscription, don't count.

    :param registry: of the application.
    :param timeout: seconds.
    :raises TimeoutError: when something was still owed then.
    """
    deadline = time.monotonic() + timeout
    database = databases_of(registry)['']
    engine = registry.queryUtility(IDeliveryEngine)
    running = engine is not None and engine.running()
    while True:
        remaining = deadline - time.monotonic()
        if running:
            engine.wait_until_quiet(timeout=max(remaining, 0))
        if not _anything_due(database):
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f'After {timeout} seconds there are deliveries that are due.')
        time.sleep(min(_INTERVAL, max(remaining, 0)))


def _anything_due(database: Any) -> bool:
    manager = transaction.TransactionManager()
    connection = database.open(transaction_manager=manager)
    try:
        return anything_due(connection, time.time())
    finally:
        manager.abort()
        connection.close()
