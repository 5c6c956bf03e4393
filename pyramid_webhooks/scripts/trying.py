"""``pwebhooks ping`` and ``recover``: asking whoever sends to do so, and waiting for it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.resources.presenting import attempt_json, recovery_json
from pyramid_webhooks.scripts.application import Application, open_application
from pyramid_webhooks.scripts.naming import attempt_named, subscription_named
from pyramid_webhooks.scripts.outcome import DONE, NOTHING, CommandError
from pyramid_webhooks.scripts.progress import Progress
from pyramid_webhooks.scripts.tables import cell, write, write_json

_LOOK_SECONDS = 0.1
#: Added to the setting ``timeout``, for what comes before the request and after it.
_MARGIN = 5.0
#: Clocks of machines may differ by so many seconds.
_CLOCKS = 5.0


def ping(options: argparse.Namespace) -> int:
    """Let a ``webhook.ping`` be sent, and say what came of it."""
    with open_application(options.config) as application:

        def owe() -> str:
            try:
                return subscription_named(application, options.subscription).ping().id
            except ValueError as error:
                raise CommandError(str(error)) from None

        id = application.change('ping', owe)

        def attempt() -> Any:
            return attempt_named(subscription_named(application, options.subscription), id)

        if options.wait and somebody_sends(application):
            settings = application.registry.getUtility(ISettings)
            limit = settings.timeout + _MARGIN
            _wait(application, lambda: attempt().resolved(), limit)
        application.look_again()
        made = attempt()
        if options.json:
            write_json(attempt_json(made, application.request))
        else:
            write(f'{made.id}: {cell(made.message)}')
            if made.pending() and not somebody_sends(application):
                write('No process sends at the moment; the next one that does will send it.')
    if made.succeeded() or (made.pending() and not options.wait):
        return DONE
    return NOTHING


def recover(options: argparse.Namespace) -> int:
    """Let everything that failed since a time be sent again."""
    with open_application(options.config) as application:

        def statistics() -> Any:
            return subscription_named(application, options.subscription).statistics

        before = statistics()

        def owe() -> Any:
            try:
                subscription = subscription_named(application, options.subscription)
                return subscription.recover(options.since)
            except ValueError as error:
                raise CommandError(str(error)) from None

        recovery = application.change('recover', owe)
        if options.wait and recovery.count and somebody_sends(application):
            progress = Progress('deliveries tried again', recovery.count)

            def all_tried() -> bool:
                now = statistics()
                tried = now.sent + now.failed - before.sent - before.failed
                progress.tell(min(tried, recovery.count))
                return tried >= recovery.count

            _wait(application, all_tried, None)
        if options.json:
            write_json(recovery_json(recovery))
        else:
            _tell(recovery, somebody_sends(application))
    return DONE if recovery.count else NOTHING


def _tell(recovery: Any, sending: bool) -> None:
    many = 'delivery is' if recovery.count == 1 else 'deliveries are'
    write(f'{recovery.count} {many} owed again, in order.')
    if recovery.unreachable:
        write(
            f'At most {recovery.unreachable} more failed until {cell(recovery.unreachable_until)} '
            f'and are not kept any more.'
        )
    if recovery.count and not sending:
        write('No process sends at the moment; the next one that does will send them.')


def somebody_sends(application: Application) -> bool:
    """Whether a process is known that sends, and has given a sign of life within its lease."""
    outbox = outbox_of(application.connection)
    if outbox is None:
        return False
    since = time.time() - application.registry.getUtility(ISettings).lease - _CLOCKS
    return any(record.heartbeat >= since for record in outbox.processes.values())


def _wait(application: Application, condition: Callable[[], bool], limit: float | None) -> None:
    """Look again and again until something is so, so many seconds are over, or nobody sends."""
    end = None if limit is None else time.monotonic() + limit
    while not condition() and (end is None or time.monotonic() < end):
        if not somebody_sends(application):
            return
        time.sleep(_LOOK_SECONDS)
        application.look_again()
